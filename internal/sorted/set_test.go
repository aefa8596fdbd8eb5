package sorted

import (
	"cmp"
	"runtime"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func at(want int) func(int) int { return func(item int) int { return cmp.Compare(item, want) } }

// check walks the whole tree for what doc.go promises.
func check(t interface{ Fatalf(string, ...any) }, s *Set[int]) {
	var walk func(n node[int], root bool) (items []int, height int)
	walk = func(n node[int], root bool) (items []int, height int) {
		if n.leaf != nil {
			for _, x := range n.leaf.items[n.leaf.n:] {
				if x != 0 {
					t.Fatalf("a leaf of %d items keeps %d", n.leaf.n, x)
				}
			}
			if n.leaf.n == 0 && !root {
				t.Fatalf("an empty leaf")
			}
			return n.leaf.items[:n.leaf.n], 0
		}
		if n.branch == nil {
			return nil, 0
		}
		if n.branch.n < 2 && root || n.branch.n == 0 {
			t.Fatalf("a branch with %d subtrees", n.branch.n)
		}
		for i := range n.branch.n {
			below, h := walk(n.branch.kids[i], false)
			if n.branch.least[i] != below[0] || int(n.branch.sizes[i]) != len(below) {
				t.Fatalf("noted %d items from %d, there are %d from %d", n.branch.sizes[i], n.branch.least[i], len(below), below[0])
			}
			if i > 0 && h != height {
				t.Fatalf("subtrees of height %d and %d", height, h)
			}
			items, height = append(items, below...), h
		}
		for i := n.branch.n; i < branchRoom; i++ {
			if n.branch.least[i] != 0 || n.branch.kids[i] != (node[int]{}) {
				t.Fatalf("a branch keeps what has gone")
			}
		}
		return items, height + 1
	}
	items, _ := walk(s.root, true)
	if len(items) != s.Len() || !slices.IsSorted(items) || len(slices.Compact(slices.Clone(items))) != len(items) {
		t.Fatalf("%d items, said to be %d: %v", len(items), s.Len(), items)
	}
}

// TestModel does the same to a Set and to a sorted slice.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s Set[int]
		var want []int
		low, high := 1, rapid.SampledFrom([]int{50, 1000, 100_000}).Draw(t, "space")
		one := func(label string) int { return rapid.IntRange(low, high).Draw(t, label) }
		put := func(x int) {
			_, replaced := s.Put(x, at(x))
			i, found := slices.BinarySearch(want, x)
			if replaced != found {
				t.Fatalf("put %d: replaced %v", x, replaced)
			}
			if !found {
				want = slices.Insert(want, i, x)
			}
		}
		remove := func(x int) {
			old, ok := s.Delete(at(x))
			i, found := slices.BinarySearch(want, x)
			if ok != found || ok && old != x {
				t.Fatalf("delete %d: %d, %v", x, old, ok)
			}
			if found {
				want = slices.Delete(want, i, i+1)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"put run": func(t *rapid.T) {
				from, step := one("from"), rapid.SampledFrom([]int{1, -1, 7, -7, 31}).Draw(t, "step")
				for i := range rapid.IntRange(1, 3000).Draw(t, "n") {
					if x := from + i*step; x > 0 {
						put(x)
					}
				}
			},
			"delete run": func(t *rapid.T) {
				from, step := one("from"), rapid.SampledFrom([]int{1, -1, 2, 3}).Draw(t, "step")
				for i := range rapid.IntRange(1, 3000).Draw(t, "n") {
					remove(from + i*step)
				}
			},
			"put":    func(t *rapid.T) { put(one("x")) },
			"delete": func(t *rapid.T) { remove(one("x")) },
			"get": func(t *rapid.T) {
				x := one("x")
				got, ok := s.Get(at(x))
				if _, found := slices.BinarySearch(want, x); ok != found || ok && got != x {
					t.Fatalf("get %d: %d, %v", x, got, ok)
				}
			},
			"from": func(t *rapid.T) {
				x := one("x")
				i, _ := slices.BinarySearch(want, x)
				if r := s.Rank(at(x)); r != i {
					t.Fatalf("rank of %d is %d, not %d", x, r, i)
				}
				n := rapid.IntRange(0, 200).Draw(t, "n")
				var got []int
				for y := range s.From(at(x)) {
					if len(got) == n {
						break
					}
					got = append(got, y)
				}
				if rest := want[i:min(i+n, len(want))]; !slices.Equal(got, rest) {
					t.Fatalf("from %d: %v, not %v", x, got, rest)
				}
			},
			"": func(t *rapid.T) { check(t, &s) },
		})
		if got := slices.Collect(s.All()); !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

// TestFullLeaves: items in order leave full leaves behind, and a set that was emptied
// holds nothing.
func TestFullLeaves(t *testing.T) {
	var s Set[int]
	const n = 100_000
	for x := 1; x <= n; x++ {
		s.Put(x, at(x))
	}
	check(t, &s)
	leaves := 0
	var count func(node[int])
	count = func(x node[int]) {
		if x.leaf != nil {
			leaves++
			return
		}
		for i := range x.branch.n {
			count(x.branch.kids[i])
		}
	}
	count(s.root)
	if want := n/leafRoom + 2; leaves > want {
		t.Errorf("%d leaves, %d are enough", leaves, want)
	}
	for x := 1; x <= n; x++ {
		s.Delete(at(x))
	}
	if s != (Set[int]{}) {
		t.Error("the emptied set holds something")
	}
}

// BenchmarkPut replaces items at random in a million.
func BenchmarkPut(b *testing.B) {
	var s Set[int]
	const n = 1_000_000
	for x := range n {
		s.Put(x, at(x))
	}
	runtime.GC()
	x := 1
	b.ReportAllocs()
	for b.Loop() {
		x = (x*1103515245 + 12345) & (1<<31 - 1)
		k := x % n
		s.Delete(at(k))
		s.Put(k, at(k))
	}
}
