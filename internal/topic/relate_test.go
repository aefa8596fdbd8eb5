package topic

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

// universe is a set of filters and of names small enough to look at every
// pair, and rich enough that a name which tells two filters apart is always in
// it: "z" stands for all the levels that no filter spells, and names are one
// level deeper than filters.
func universe(d Dialect) (filters, names []string) {
	levels := []string{"a", "b", "", "$s", "r", "+", "#"}
	if d.Selectors {
		levels = append(levels, "a,b", "$s,a", "$s,r")
	} else {
		levels = append(levels, "a,b")
	}
	legal := func(f string) bool {
		_, err := Parse(f, 0)
		return err == nil
	}
	filters = slices.DeleteFunc(combine(levels, 3), func(f string) bool { return !legal(f) })
	values := []string{"a", "b", "", "$s", "$z", "r", "z", "a,b", "$s,a", "$s,r"}
	names = combine(values, 3)
	for _, n := range names {
		if Levels(n) == 3 { // below the deepest filter only '#' looks
			names = append(names, n+"/z")
		}
	}
	names = slices.DeleteFunc(names, func(n string) bool { return n == "" })
	return filters, names
}

// combine gives all texts of 1 to depth levels.
func combine(levels []string, depth int) []string {
	all := slices.Clone(levels)
	for last, n := all, 1; n < depth; n++ {
		var next []string
		for _, head := range last {
			for _, level := range levels {
				next = append(next, head+"/"+level)
			}
		}
		all, last = append(all, next...), next
	}
	return all
}

// matched gives for each filter the set of names it matches, as bits.
func matched(d Dialect, filters, names []string) [][]uint64 {
	sets := make([][]uint64, len(filters))
	for i, f := range filters {
		sets[i] = make([]uint64, (len(names)+63)/64)
		for j, n := range names {
			if MatchIn(d, f, n) {
				sets[i][j/64] |= 1 << (j % 64)
			}
		}
	}
	return sets
}

// TestRelateExhaustively compares Covers and Intersects with the sets of
// names matched, for all pairs of filters: both answers are exact [EXT-TOK-7].
func TestRelateExhaustively(t *testing.T) {
	rule := Dialect{Selectors: true}
	sub := Dialect{HideDollar: true, HideFirst: "r"}
	subSel := Dialect{HideDollar: true, HideFirst: "r", Selectors: true}
	for i, c := range []struct{ outer, inner Dialect }{
		{rule, sub}, {rule, subSel}, {subSel, rule}, {sub, subSel}, {sub, Dialect{HideDollar: true}}, {Dialect{HideDollar: true}, sub},
	} {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			outers, names := universe(c.outer)
			inners, _ := universe(c.inner)
			outerSets, innerSets := matched(c.outer, outers, names), matched(c.inner, inners, names)
			for i, outer := range outers {
				for j, inner := range inners {
					covers, meets := true, false
					for k, in := range innerSets[j] {
						covers = covers && in&^outerSets[i][k] == 0
						if meets = meets || in&outerSets[i][k] != 0; meets && !covers {
							break
						}
					}
					if got := Covers(outer, inner, c.outer, c.inner); got != covers {
						t.Fatalf("Covers(%q, %q, %+v, %+v) = %v", outer, inner, c.outer, c.inner, got)
					}
					if got := Intersects(outer, inner, c.outer, c.inner); got != meets {
						t.Fatalf("Intersects(%q, %q, %+v, %+v) = %v", outer, inner, c.outer, c.inner, got)
					}
				}
			}
		})
	}
}

func TestCoversExamples(t *testing.T) {
	rule, sub := Dialect{Selectors: true}, Dialect{HideDollar: true, HideFirst: "flespi"}
	for _, c := range []struct {
		rule, filter  string
		covers, meets bool
	}{
		{"#", "$SYS/#", true, true}, // a rule's # is everything
		{"#", "#", true, true},
		{"a/#", "a", true, true},
		{"a/#", "#", false, true},
		{"a/b", "a/+", false, true},
		{"a/+", "a/b", true, true},
		{"a/+/c", "a/#", false, true},
		{"a,b/#", "b/c/#", true, true},
		{"a,b/#", "c/#", false, false},
		{"$SYS/#", "#", false, false}, // # shows nothing of $SYS
		{"flespi/#", "+/x", false, false},
		{"flespi/#", "flespi/x", true, true},
		{"", "a", false, false},
		{"a", "", false, false},
	} {
		if got := Covers(c.rule, c.filter, rule, sub); got != c.covers {
			t.Errorf("Covers(%q, %q) = %v", c.rule, c.filter, got)
		}
		if got := Intersects(c.rule, c.filter, rule, sub); got != c.meets {
			t.Errorf("Intersects(%q, %q) = %v", c.rule, c.filter, got)
		}
	}
	if Covers("#", "$SYS/#", sub, sub) || !Covers("+/#", "#", sub, sub) {
		t.Error("a subscription's # covers no $SYS, and +/# is as much as #")
	}
}

// Two lists of thousands of words are compared in linear time: with 32,000
// words each the product of them would take minutes.
func TestIntersectsLongLists(t *testing.T) {
	d := Dialect{Selectors: true}
	var x, y strings.Builder
	for i := range 9000 {
		x.WriteString("x" + strconv.Itoa(i) + ",")
		y.WriteString("y" + strconv.Itoa(i) + ",")
	}
	if Intersects(x.String()+"p", y.String()+"q", d, d) || !Intersects(x.String()+"p", y.String()+"p", d, d) {
		t.Error("wrong")
	}
	if !Intersects(x.String()+"p", "q,p", d, d) || Intersects(x.String()+"p", "q,r", d, d) {
		t.Error("wrong with a short list")
	}
}

func FuzzRelate(f *testing.F) {
	for _, s := range [][3]string{{"#", "a/#", "a/b"}, {"+/#", "#", "a"}, {"a,b/+", "b/c,d", "b/d"}, {"+/x", "$s,a/x", "$s/x"}, {"a/#", "a/b/+", "a/b/"}} {
		f.Add(s[0], s[1], s[2], uint8(3), uint8(4))
	}
	f.Fuzz(func(t *testing.T, a, b, name string, ad, bd uint8) {
		aIn, bIn := dialects[int(ad)%len(dialects)], dialects[int(bd)%len(dialects)]
		covers, meets := Covers(a, b, aIn, bIn), Intersects(a, b, aIn, bIn)
		if CheckName(name, 64) != nil || CheckSelector(a, 64) != nil || CheckSelector(b, 64) != nil {
			return
		}
		if covers && !meets && naive(bIn, b, name) {
			t.Fatalf("%q covers %q and does not meet it", a, b)
		}
		if meets != Intersects(b, a, bIn, aIn) {
			t.Fatalf("%q and %q meet one way only", a, b)
		}
		inA, inB := naive(aIn, a, name), naive(bIn, b, name)
		if covers && inB && !inA {
			t.Fatalf("%q (%+v) does not cover %q (%+v): %q", a, aIn, b, bIn, name)
		}
		if !meets && inA && inB {
			t.Fatalf("%q (%+v) meets %q (%+v) in %q", a, aIn, b, bIn, name)
		}
		if aIn == bIn && !Covers(a, a, aIn, aIn) {
			t.Fatalf("%q does not cover itself", a)
		}
	})
}
