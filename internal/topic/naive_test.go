package topic

import (
	"slices"
	"strings"

	"pgregory.net/rapid"
)

// naive is the model that everything else is compared with: levels cut apart,
// recursion, no thought of speed.
func naive(d Dialect, filter, topic string) bool {
	f, t := strings.Split(filter, "/"), strings.Split(topic, "/")
	if f[0] == "+" || f[0] == "#" {
		if d.HideDollar && strings.HasPrefix(topic, "$") || d.HideFirst != "" && t[0] == d.HideFirst {
			return false
		}
	}
	return naiveLevels(d, f, t)
}

func naiveLevels(d Dialect, f, t []string) bool {
	switch {
	case len(f) == 0:
		return len(t) == 0
	case f[0] == "#":
		return true
	case len(t) == 0:
		return false
	case f[0] != "+" && f[0] != t[0] && !(d.Selectors && strings.Contains(f[0], ",") && slices.Contains(strings.Split(f[0], ","), t[0])):
		return false
	}
	return naiveLevels(d, f[1:], t[1:])
}

// words are levels chosen to meet often and to sort oddly around '/': '!', '-'
// and '.' come before it, '0' just after, '$' hides, "r" is reserved in tests.
var words = []string{"a", "b", "c", "", "a!", "a.", "a-", "a0", "aa", "$", "$a", "r", "r!", "é", "e\u0301", "本", "a,b", ","}

// lists are selector levels.
var lists = []string{"a,b", "b,a", "a,b,c", "$a,a", "r,a", "r,$a", "a!,a", "a.,a,a0", "é,b", "a,a"}

// genName makes names of up to depth levels.
func genName(depth int) *rapid.Generator[string] {
	level := rapid.SampledFrom(words)
	return rapid.Custom(func(t *rapid.T) string {
		for {
			name := strings.Join(rapid.SliceOfN(level, 1, depth).Draw(t, "levels"), "/")
			if name != "" {
				return name
			}
		}
	})
}

// genFilter makes legal filters of up to depth levels, with selectors or not.
func genFilter(depth int, selectors bool) *rapid.Generator[string] {
	pool := append([]string{"+", "+", "+", "+", "+", "+"}, words...)
	if selectors {
		pool = append(slices.Clone(pool[:len(pool)-1]), lists...) // "," is no list
	}
	level := rapid.SampledFrom(pool)
	return rapid.Custom(func(t *rapid.T) string {
		levels := rapid.SliceOfN(level, 0, depth).Draw(t, "levels")
		if len(levels) == 0 || strings.Join(levels, "/") == "" || rapid.IntRange(0, 2).Draw(t, "hash") == 0 {
			levels = append(levels, "#")
		}
		return strings.Join(levels, "/")
	})
}

// dialects are those that the broker reads filters in.
var dialects = []Dialect{
	{},
	{HideDollar: true},
	{HideDollar: true, HideFirst: "r"},
	{Selectors: true},
	{HideDollar: true, HideFirst: "r", Selectors: true},
}
