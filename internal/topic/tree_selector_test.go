package topic

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

// wordList gives n words with a prefix.
func wordList(prefix string, n int) string {
	words := make([]string, n)
	for i := range words {
		words[i] = prefix + strconv.Itoa(i)
	}
	return strings.Join(words, ",")
}

// TestTreeSelectors: thousand times thousand words are two thousand entries,
// and each match costs as many steps as there are levels [EXT-SEL-1].
func TestTreeSelectors(t *testing.T) {
	tree := NewTree[int]("")
	v, w := wordList("v", 1000), wordList("w", 1000)
	filter := "x/" + v + "/" + w + "/field"
	tree.Add(filter, 7)
	tree.check(t)
	if nodes, links := tree.trie.nodes.len(), tree.trie.links.len(); nodes != 4 || links != 2000 {
		t.Errorf("%d nodes and %d links", nodes, links)
	}
	for name, want := range map[string]bool{
		"x/v0/w999/field":             true,
		"x/v999/w0/field":             true,
		"x/v500/" + w + "/field":      true, // the spelling of the list
		"x/" + v + "/" + w + "/field": true,
		filter:                        true,
		"x/v1000/w0/field":            false,
		"x/v0/w1000/field":            false,
		"x/v0/w0/other":               false,
		"x/v0/w0":                     false,
		"x/v0,v1/w0/field":            false,
		"x/w0/v0/field":               false,
	} {
		got, steps := tree.MatchCost([]byte(name), nil)
		if slices.Contains(got, 7) != want || len(got) > 1 || steps > 5 {
			t.Errorf("Match(%.40q) = %v in %d steps, want %v", name, got, steps, want)
		}
	}
	if !tree.Remove(filter, 7) || tree.trie.root != 0 {
		t.Error("something is left")
	}
}

// TestTreeSelectorsShareWords: many selectors with one word are one chain, from
// which each goes at a bounded cost; those that do not fit cost nothing.
func TestTreeSelectorsShareWords(t *testing.T) {
	const n = 4_000
	tree := NewTree[int]("")
	for i := range n {
		tree.Add("all,own"+strconv.Itoa(i)+"/x", i)
	}
	tree.Add("all,a,all,a/+", -1)
	for name, want := range map[string]int{"all/x": n + 1, "own7/x": 1, "a/x": 1, "a,b/x": 0, "all,own7/x": 1, "all,a,all,a/y": 1} {
		got, steps := tree.MatchCost([]byte(name), nil)
		if len(got) != want || steps > 2*want+2 {
			t.Errorf("Match(%q): %d values in %d steps, want %d", name, len(got), steps, want)
		}
	}
	for i := range n {
		if !tree.Remove("all,own"+strconv.Itoa(i*7919%n)+"/x", i*7919%n) {
			t.Fatal("not there", i)
		}
		if i%1000 == 500 {
			tree.check(t)
		}
	}
	tree.check(t)
	if got := tree.Match([]byte("all/z"), nil); !slices.Equal(got, []int{-1}) {
		t.Errorf("left: %v", got)
	}
}

// TestTreeSelectorGeneration: a selector in the first level is told to those
// who keep results for its words, and not to all others [EXT-SEL-1].
func TestTreeSelectorGeneration(t *testing.T) {
	tree := NewTree[int]("")
	other := ""
	for i := 0; other == ""; i++ { // a first level of another group
		if b := bucket("o" + strconv.Itoa(i)); b != bucket("a") && b != bucket("b") && b != bucket("a,b") {
			other = "o" + strconv.Itoa(i)
		}
	}
	names := []string{"a/x", "b/x", "a,b/x", other}
	var before []uint64
	for _, n := range names {
		before = append(before, tree.Generation([]byte(n)))
	}
	tree.Add("a,b/+", 1)
	for i, n := range names {
		if changed := tree.Generation([]byte(n)) != before[i]; changed != (n != other) {
			t.Errorf("%q: changed %v", n, changed)
		}
	}
}

func TestTreeSelectorsDoNotAllocate(t *testing.T) {
	tree := NewTree[int]("r")
	tree.Add("a,b/"+wordList("w", 500)+"/+", 1)
	tree.Add("+/w7,w8/c", 2)
	tree.Add("a/+/c,d", 3)
	dst := make([]int, 0, 8)
	topic := []byte("a/w7/c")
	if got := tree.Match(topic, nil); len(got) != 3 {
		t.Errorf("%v", got)
	}
	if n := testing.AllocsPerRun(100, func() { dst = tree.Match(topic, dst[:0]) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
