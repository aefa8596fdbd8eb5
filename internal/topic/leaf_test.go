package topic

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestFits compares the end of a filter with the end of a name as MatchIn does.
func TestFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		vocabulary := genWords.Draw(t, "words")
		filter := genFilter(vocabulary, 4, false).Draw(t, "filter")
		name := genName(vocabulary, 5).Draw(t, "name")
		if got, want := fits(filter, name), naive(Dialect{}, filter, name); got != want {
			t.Errorf("fits(%q, %q) = %v", filter, name, got)
		}
	})
	for _, c := range []struct {
		filter, name string
		want         bool
	}{{"", "", true}, {"", "a", false}, {"+", "", true}, {"/#", "", true}, {"+/#", "", true}, {"", "/", false}} {
		if fits(c.filter, c.name) != c.want {
			t.Errorf("fits(%q, %q) is %v", c.filter, c.name, !c.want)
		}
	}
}

// TestTreeLeaves counts nodes: a filter takes none of its own until another goes
// the same way, and a leaf is never long.
func TestTreeLeaves(t *testing.T) {
	tree := NewTree[string]("")
	long := strings.Repeat("l", leafBytes)
	for _, c := range []struct {
		filter string
		nodes  int
	}{
		{"a/+", 1},         // the root alone
		{"+/b/c/d/e/f", 1}, // beside it
		{"a/#", 2},         // "a"
		{"+/b/c/d/#", 6},   // "+", "b", "c", "d"
		{"b/" + long[:100] + "/+", 6},
		{"c/" + long + "/+", 8}, // "c" and the long level
		{"x,y/e/+", 9},          // a selector has a node
		{"d/e/x,y/+/z", 12},     // and all before it
		{"d/e/x,y/+", 13},       // "+", where "z" hangs
	} {
		tree.Add(c.filter, c.filter)
		tree.check(t)
		if n := tree.trie.nodes.len(); n != c.nodes {
			t.Errorf("%d nodes with %q, want %d", n, c.filter, c.nodes)
		}
	}
	for name, want := range map[string][]string{
		"a/b":                   {"a/#", "a/+"},
		"b/b/c/d/e/f":           {"+/b/c/d/#", "+/b/c/d/e/f"},
		"b/b/c/d":               {"+/b/c/d/#"},
		"b/b/c":                 nil,
		"c/" + long + "/":       {"c/" + long + "/+"},
		"c/" + long + "l/":      nil,
		"b/" + long[:100] + "/": {"b/" + long[:100] + "/+"},
		"y/e/":                  {"x,y/e/+"},
		"d/e/y/a":               {"d/e/x,y/+"},
		"d/e/x,y/a/z":           {"d/e/x,y/+/z"},
	} {
		got := tree.Match([]byte(name), nil)
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("Match(%q) = %q, want %q", name, got, want)
		}
	}
}

// TestTreeAlike: filters of which each goes a level further with the one before
// move the leaf down a level at a time, and come apart in any order.
func TestTreeAlike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree := NewTree[int]("")
		size := rapid.IntRange(1, 3*leafBytes).Draw(t, "level")
		var filters []string
		for i := range 8 {
			path := strings.Repeat(strings.Repeat("x", size)+"/", i)
			filters = append(filters, path+"+", path+"a/+", path+"#", "+/"+path+"b")
		}
		for _, i := range rapid.Permutation(indexes(len(filters))).Draw(t, "in") {
			tree.Add(filters[i], i)
			tree.check(t)
		}
		for _, i := range rapid.Permutation(indexes(len(filters))).Draw(t, "out") {
			if !tree.Remove(filters[i], i) {
				t.Fatalf("%q is not there", filters[i])
			}
			tree.check(t)
		}
	})
}

func indexes(n int) (all []int) {
	for i := range n {
		all = append(all, i)
	}
	return all
}
