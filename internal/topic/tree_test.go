package topic

import (
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"pgregory.net/rapid"
)

// model is what a Tree must be: pairs in a map, matched one by one.
type model map[string]map[int]bool

func (m model) match(d Dialect, topic string) (all []int) {
	for filter, values := range m {
		if naive(d, filter, topic) {
			for v := range values {
				all = append(all, v)
			}
		}
	}
	slices.Sort(all)
	return all
}

// TestTreeAgainstModel adds, removes and matches at random [MQTT-4.7.1-1]
// [MQTT-4.7.1-2] [MQTT-4.7.2-1] [MQTT-4.7.3-4] [MQTT311-4.7.2-1]
// [MQTT311-4.7.3-4] [EXT-TOP-1] [EXT-SEL-1].
func TestTreeAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		reserved := rapid.SampledFrom([]string{"", "r", "r!", "$a"}).Draw(t, "reserved")
		d := Dialect{HideDollar: true, HideFirst: reserved, Selectors: true}
		tree, m := NewTree[int](reserved), model{}
		vocabulary := genWords.Draw(t, "words")
		filters := rapid.SliceOfN(genFilter(vocabulary, 4, true), 4, 20).Draw(t, "filters")
		filter, value := rapid.SampledFrom(filters), rapid.IntRange(0, 40)
		match := func(t *rapid.T, name string) {
			got := tree.Match([]byte(name), nil)
			slices.Sort(got)
			if want := m.match(d, name); !slices.Equal(got, want) {
				t.Fatalf("Match(%q) = %v, want %v", name, got, want)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				f, v := filter.Draw(t, "filter"), value.Draw(t, "value")
				if got := tree.Add(f, v); got == m[f][v] {
					t.Fatalf("Add(%q, %d) = %v", f, v, got)
				}
				if m[f] == nil {
					m[f] = map[int]bool{}
				}
				m[f][v] = true
			},
			"add many": func(t *rapid.T) {
				f, n := filter.Draw(t, "filter"), rapid.IntRange(1, 40).Draw(t, "n")
				if m[f] == nil {
					m[f] = map[int]bool{}
				}
				for v := range n {
					tree.Add(f, v)
					m[f][v] = true
				}
			},
			"remove": func(t *rapid.T) {
				f, v := filter.Draw(t, "filter"), value.Draw(t, "value")
				if got := tree.Remove(f, v); got != m[f][v] {
					t.Fatalf("Remove(%q, %d) = %v", f, v, got)
				}
				if delete(m[f], v); len(m[f]) == 0 {
					delete(m, f)
				}
			},
			"remove filter": func(t *rapid.T) {
				f := filter.Draw(t, "filter")
				for v := range m[f] {
					if !tree.Remove(f, v) {
						t.Fatalf("Remove(%q, %d) = false", f, v)
					}
				}
				delete(m, f)
			},
			"match": func(t *rapid.T) { match(t, genName(vocabulary, 5).Draw(t, "name")) },
			"values": func(t *rapid.T) {
				f := filter.Draw(t, "filter")
				got := tree.Values(f, nil)
				slices.Sort(got)
				var want []int
				for v := range m[f] {
					want = append(want, v)
				}
				if slices.Sort(want); !slices.Equal(got, want) {
					t.Fatalf("Values(%q) = %v, want %v", f, got, want)
				}
			},
			"": func(t *rapid.T) {
				tree.check(t)
				pairs := 0
				for _, values := range m {
					pairs += len(values)
				}
				if f, v := tree.Len(); f != len(m) || v != pairs {
					t.Fatalf("Len() = %d, %d, want %d, %d", f, v, len(m), pairs)
				}
			},
		})
		for f, values := range m {
			for v := range values {
				tree.Remove(f, v)
			}
		}
		tree.check(t)
		if tree.trie.root != 0 || tree.exact.dir != nil || tree.more.chunks != nil || tree.sets.chunks != nil || tree.trie.nodes.chunks != nil {
			t.Fatalf("an empty tree still holds memory: %+v", tree.trie)
		}
	})
}

// TestGeneration: a result which changed has another generation [MQTT-4.7.2-1]
// [EXT-SEL-1].
func TestGeneration(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree := NewTree[int]("r")
		vocabulary := genWords.Draw(t, "words")
		names := rapid.SliceOfN(genName(vocabulary, 3), 4, 12).Draw(t, "names")
		filter := genFilter(vocabulary, 3, true)
		result := func(name string) string {
			got := tree.Match([]byte(name), nil)
			slices.Sort(got)
			return fmt.Sprint(got)
		}
		for range rapid.IntRange(5, 30).Draw(t, "changes") {
			before, gens := map[string]string{}, map[string]uint64{}
			for _, n := range names {
				gens[n], before[n] = tree.Generation([]byte(n)), result(n)
			}
			f, v := filter.Draw(t, "filter"), rapid.IntRange(0, 2).Draw(t, "value")
			if !tree.Remove(f, v) {
				tree.Add(f, v)
			}
			for _, n := range names {
				if g := tree.Generation([]byte(n)); result(n) != before[n] && g == gens[n] || g < gens[n] {
					t.Fatalf("%q changed for %q, the generation went from %d to %d", f, n, gens[n], g)
				}
			}
		}
		a, b := tree.Generation([]byte("a/x")), tree.Generation([]byte("b/x"))
		tree.Add("a/+", 100)
		tree.Add("a/+", 100) // no change
		if tree.Generation([]byte("a/y")) != a+1 || tree.Generation([]byte("b/x")) != b {
			t.Fatalf("a change under a/ shows elsewhere, or twice")
		}
	})
}

// TestTreeOfAllPaths has every mix of '+' and a word over 12 levels: the worst
// tree there is. The work is bounded by its nodes, stack and memory by its depth.
func TestTreeOfAllPaths(t *testing.T) {
	const depth = 12
	tree := NewTree[int]("")
	for i := range 1 << depth {
		levels := make([]string, depth)
		for j := range levels {
			levels[j] = "+"
			if i>>j&1 == 1 {
				levels[j] = "a"
			}
		}
		tree.Add(strings.Join(levels, "/"), i)
		tree.Add(strings.Join(levels, "/")+"/x", i)
	}
	tree.check(t)
	dst := make([]int, 0, 1<<depth)
	for name, want := range map[string]int{
		strings.Repeat("a/", depth-1) + "a":     1 << depth,
		strings.Repeat("b/", depth-1) + "b":     1,
		strings.Repeat("a/", depth) + "x":       1 << depth,
		strings.Repeat("a/", depth) + "y":       0,
		strings.Repeat("a/", depth-2) + "a":     0,
		strings.Repeat("a/", depth) + "x/y/z":   0,
		"b/" + strings.Repeat("a/", depth) + "": 0,
	} {
		got, steps := tree.MatchCost([]byte(name), dst)
		if places := tree.trie.nodes.len() + tree.sets.len(); len(got) != want || steps > places {
			t.Errorf("Match(%q): %d values in %d steps of %d nodes and leaves, want %d values", name, len(got), steps, places, want)
		}
	}
	name := []byte(strings.Repeat("a/", depth-1) + "a")
	if n := testing.AllocsPerRun(10, func() { tree.Match(name, dst) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestTreeDeep: filters of 64 levels and more, topics of 65,535 slashes.
func TestTreeDeep(t *testing.T) {
	for _, depth := range []int{1, 2, 63, 64, 65, 66, 300, 30000} {
		tree := NewTree[int]("")
		name := strings.Repeat("a/", depth-1) + "b"
		for i, filter := range []string{
			name,
			strings.Repeat("+/", depth-1) + "b",
			strings.Repeat("a/", depth-1) + "+",
			strings.Repeat("+/", depth-1) + "+",
			strings.Repeat("+/", depth-1) + "#",
			strings.Repeat("+/", depth) + "#", // takes its parent
			strings.Repeat("+/", depth) + "+", // one level too many
		} {
			tree.Add(filter, i)
		}
		tree.check(t)
		got := tree.Match([]byte(name), nil)
		slices.Sort(got)
		if !slices.Equal(got, []int{0, 1, 2, 3, 4, 5}) {
			t.Errorf("%d levels: %v", depth, got)
		}
	}
	tree := NewTree[int]("")
	tree.Add("+/+/#", 1)
	tree.Add("/+/x", 2)
	got, steps := tree.MatchCost([]byte(strings.Repeat("/", MaxBytes)), nil)
	if !slices.Equal(got, []int{1}) || steps > 8 {
		t.Errorf("65,535 slashes: %v in %d steps", got, steps)
	}
}

// TestTreeBomb: 10⁵ filters "+/+/…/x" cost the same few steps as one.
func TestTreeBomb(t *testing.T) {
	tree := NewTree[int]("")
	for i := range 100_000 {
		tree.Add("+/+/+/+/+/x"+strconv.Itoa(i), i)
		tree.Add("s"+strconv.Itoa(i)+"/+/#", i)
	}
	for name, want := range map[string]int{"a/b/c/d/e/x7": 1, "a/b/c/d/e/y": 0, "s9/b/c/d/e/x8": 2, "a": 0, "s5/q": 1} {
		if got, steps := tree.MatchCost([]byte(name), nil); len(got) != want || steps > 12 {
			t.Errorf("Match(%q): %d values in %d steps", name, len(got), steps)
		}
	}
	for i := range 100_000 {
		if !tree.Remove("+/+/+/+/+/x"+strconv.Itoa(i), i) || !tree.Remove("s"+strconv.Itoa(i)+"/+/#", i) {
			t.Fatal("not there", i)
		}
	}
	tree.check(t)
}

// TestTreeManyValues: 10⁵ values on one filter come and go one by one.
func TestTreeManyValues(t *testing.T) {
	const n = 100_000
	for _, filter := range []string{"a/b", "a/+"} {
		tree := NewTree[int]("")
		for i := range n {
			if !tree.Add(filter, i) || i > 0 && tree.Add(filter, i/2) {
				t.Fatal("Add", i)
			}
		}
		if got := tree.Match([]byte("a/b"), nil); len(got) != n {
			t.Fatalf("%d values", len(got))
		}
		for i := range n {
			if !tree.Remove(filter, (i*7919)%n) || tree.Remove(filter, (i*7919)%n) {
				t.Fatal("Remove", i)
			}
			if left := n - i - 1; left%20_000 == 7 || left < 20 && left > 0 {
				s := tree.sets.at(tree.find(filter))
				if s.more != 0 && cap(tree.more.at(s.more).vals) > 4*max(left, indexFrom) {
					t.Fatalf("%d values hold room for %d", left, cap(tree.more.at(s.more).vals))
				}
				tree.check(t)
			}
		}
		if f, v := tree.Len(); f != 0 || v != 0 {
			t.Fatalf("Len() = %d, %d", f, v)
		}
	}
}

func TestTreeRefusesEmpty(t *testing.T) { // [MQTT-4.7.3-1] [MQTT311-4.7.3-1]
	tree := NewTree[int]("")
	if tree.Add("", 1) || tree.Add(strings.Repeat("x", MaxBytes+1), 1) || tree.Remove("", 1) || tree.Remove("a", 1) || len(tree.Match(nil, nil)) != 0 || len(tree.Values("", nil)) != 0 {
		t.Error("the empty filter was taken, or something matched")
	}
	tree.Add("#", 1)
	if len(tree.Match(nil, nil)) != 0 {
		t.Error("the empty topic matches")
	}
	if got := tree.Match([]byte("a"), []int{7}); !slices.Equal(got, []int{7, 1}) {
		t.Errorf("Match does not append: %v", got)
	}
}

// TestTreeDoesNotPinFilters: a short level does not hold the long filter in
// memory that brought it in.
func TestTreeDoesNotPinFilters(t *testing.T) {
	tree := NewTree[int]("")
	filter := "a/" + strings.Repeat("x", 60000) + "/+/b"
	tree.Add(filter, 1)
	tree.Add("a/+", 2)
	a := tree.child(tree.trie.root, "a")
	if a == 0 || a&leaf != 0 {
		t.Fatalf("no node for the first level: %x", a)
	}
	level := uintptr(unsafe.Pointer(unsafe.StringData(tree.trie.nodes.at(a).text)))
	from := uintptr(unsafe.Pointer(unsafe.StringData(filter)))
	if level >= from && level < from+uintptr(len(filter)) {
		t.Error("the level is a part of the filter")
	}
	tree.Remove(filter, 1)
	if n := tree.trie.nodes.len(); n != 2 {
		t.Errorf("%d nodes left", n)
	}
	runtime.KeepAlive(filter)
}

// TestTreeLetsStringsGo: the text of a set is the string of a pair that is there,
// or one of its own; so a value may have it as its part.
func TestTreeLetsStringsGo(t *testing.T) {
	for _, text := range []string{"a/b", "a/+", "+/b/c"} {
		tree := NewTree[int]("")
		strs := make([]string, 4)
		holds := func() string { return tree.sets.at(tree.find(text)).text() }
		for i := range strs {
			strs[i] = strings.Clone(text)
			tree.Add(strs[i], i)
		}
		for _, i := range []int{1, 3, 0} { // 3 came last
			if !tree.Remove(strs[i], i) {
				t.Fatal("not there", i)
			}
			if kept := holds(); kept != text || unsafe.StringData(kept) == unsafe.StringData(strs[i]) {
				t.Errorf("without value %d the set has the text %q, its string", i, kept)
			}
			tree.check(t)
		}
		again := strings.Clone(text)
		tree.Add(again, 9)
		if unsafe.StringData(holds()) != unsafe.StringData(again) {
			t.Errorf("%q: the set does not have the string that came last", text)
		}
	}
}

// TestTreeIllegalTopic: a wildcard in a topic is a level like any other.
func TestTreeIllegalTopic(t *testing.T) { // [MQTT-4.7.0-1]
	tree := NewTree[int]("")
	for i, f := range []string{"a/+", "a/#", "+", "#", "a/b"} {
		tree.Add(f, i)
	}
	for name, want := range map[string][]int{"a/+": {0, 1, 3}, "a/#": {0, 1, 3}, "+": {2, 3}, "#": {2, 3}} {
		got := tree.Match([]byte(name), nil)
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("Match(%q) = %v, want %v", name, got, want)
		}
	}
}

// TestTreeConcurrent matches while others change the tree: what nobody touches
// is always found. The race detector does the rest.
func TestTreeConcurrent(t *testing.T) {
	tree := NewTree[int]("r")
	for i, f := range []string{"a/b", "a/+", "+/b", "#", "a/#", "+/+"} {
		tree.Add(f, -1-i)
	}
	stop := make(chan struct{})
	var readers, writers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			var dst []int
			for {
				select {
				case <-stop:
					return
				default:
				}
				dst = tree.Match([]byte("a/b"), dst[:0])
				own := 0
				for _, v := range dst {
					if v < 0 {
						own++
					}
				}
				if own != 6 {
					t.Errorf("%d of 6 found: %v", own, dst)
					return
				}
				dst = tree.Values("a/+", dst[:0])
				tree.Len()
				tree.Generation([]byte("a/b"))
			}
		})
	}
	for w := range 3 {
		writers.Go(func() {
			filters := []string{"a/b", "a/+", "+/b", "#", "a/#", "x/+/" + strconv.Itoa(w), "a/+/" + strconv.Itoa(w), "a/" + strconv.Itoa(w)}
			for i := range 3000 {
				f, v := filters[i%len(filters)], w*100+i%40
				if !tree.Add(f, v) {
					t.Errorf("Add(%q, %d) = false", f, v)
				}
				if !tree.Remove(f, v) {
					t.Errorf("Remove(%q, %d) = false", f, v)
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	tree.check(t)
	if f, v := tree.Len(); f != 6 || v != 6 {
		t.Errorf("Len() = %d, %d", f, v)
	}
}

// liveHeap gives the bytes in use after a collection.
func liveHeap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestTreeMemory: beside its text, an exact filter with one value takes at most
// 52 bytes, a wildcard filter with a word of its own no more; a small tree is small.
func TestTreeMemory(t *testing.T) {
	const n = 300_000
	values := make([]int, n)
	for _, c := range []struct {
		head, tail string
		most       float64
	}{{"fleet/", "/position", 52}, {"a/", "/+", 52}} {
		texts := make([]string, n)
		for i := range texts {
			texts[i] = c.head + strconv.Itoa(i) + c.tail
		}
		before := liveHeap()
		tree := NewTree[*int]("flespi")
		for i := range texts {
			tree.Add(texts[i], &values[i])
		}
		each := float64(liveHeap()-before) / n
		t.Logf("%s…%s: %.1f bytes each", c.head, c.tail, each)
		if each > c.most {
			t.Errorf("%s…%s: %.1f bytes each, want at most %.0f", c.head, c.tail, each, c.most)
		}
		runtime.KeepAlive(tree)
		runtime.KeepAlive(texts)
	}
	const tenants = 1000
	trees := make([]*Tree[*int], tenants)
	before := liveHeap()
	for i := range trees {
		trees[i] = NewTree[*int]("flespi")
		trees[i].Add("a/+", &values[i])
		trees[i].Add("a/b", &values[i])
	}
	if each := float64(liveHeap()-before) / tenants; each > 2000 {
		t.Errorf("%.0f bytes for a tree of two filters", each)
	} else {
		t.Logf("%.0f bytes for a tree of two filters", each)
	}
	runtime.KeepAlive(trees)
}

func TestTreeMatchDoesNotAllocate(t *testing.T) {
	tree := NewTree[int]("r")
	for i, f := range []string{"a/b/c", "a/+/c", "#", "+/b/#", "a/b/+", "x/y", "a/b/c/#"} {
		for v := range 20 {
			tree.Add(f, i*100+v)
		}
	}
	dst := make([]int, 0, 200)
	for _, name := range []string{"a/b/c", "x/y", "$SYS/x", "r/b", "no/such/thing/at/all"} {
		topic := []byte(name)
		if n := testing.AllocsPerRun(100, func() {
			dst = tree.Match(topic, dst[:0])
			tree.Generation(topic)
		}); n != 0 {
			t.Errorf("Match(%q): %v allocations", name, n)
		}
	}
}

// FuzzTree reads a program: lines "+filter", "-filter" and anything else, a
// topic to match.
func FuzzTree(f *testing.F) {
	f.Add("+a/+\n+#\na/b\n-#\na/b")
	f.Add("+$SYS/#\n+#\n+r/+\n$SYS/x\nr/x")
	f.Add("+a,b/c\n+a,b/a,c\n+a,a/+\na/c\na,b/c\n-a,b/c\na/c\nb/a,c")
	f.Add("+r,$a/#\nr/x\n$a\nr,$a")
	f.Add("++/+/+\n+a/#\n+a/b/c\na/b/c\n-a/#\n-+/+/+\na/b/c")
	f.Fuzz(func(t *testing.T, program string) {
		d := Dialect{HideDollar: true, HideFirst: "r", Selectors: true}
		tree, m := NewTree[int]("r"), model{}
		for i, line := range strings.Split(program, "\n") {
			if line == "" || i > 100 {
				continue
			}
			op, rest := line[0], line[1:]
			filter, err := Parse(rest, 64)
			legal := err == nil && filter.Inner == rest
			switch {
			case op == '+' && legal:
				if m[rest] == nil {
					m[rest] = map[int]bool{}
				}
				m[rest][i] = true
				tree.Add(rest, i)
			case op == '-' && legal:
				for v := range m[rest] {
					if !tree.Remove(rest, v) {
						t.Fatalf("Remove(%q, %d) = false", rest, v)
					}
				}
				delete(m, rest)
			case CheckName(line, 64) == nil:
				got := tree.Match([]byte(line), nil)
				slices.Sort(got)
				if want := m.match(d, line); !slices.Equal(got, want) {
					t.Fatalf("Match(%q) = %v, want %v", line, got, want)
				}
			}
		}
		tree.check(t)
	})
}
