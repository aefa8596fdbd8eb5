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

// genWords picks a small vocabulary, so that names and filters drawn from it
// meet often, whichever odd levels it holds.
var genWords = rapid.SliceOfNDistinct(rapid.SampledFrom(words), 2, 5, rapid.ID[string])

// genName makes names of up to depth levels out of a vocabulary.
func genName(vocabulary []string, depth int) *rapid.Generator[string] {
	level := rapid.SampledFrom(vocabulary)
	return rapid.Custom(func(t *rapid.T) string {
		n := rapid.IntRange(1, depth).Draw(t, "depth")
		name := strings.Join(rapid.SliceOfN(level, n, n).Draw(t, "levels"), "/")
		if name == "" {
			return "/"
		}
		return name
	})
}

// genFilter makes legal filters of up to depth levels out of a vocabulary,
// with selectors or not.
func genFilter(vocabulary []string, depth int, selectors bool) *rapid.Generator[string] {
	pool := append([]string{"+", "+"}, vocabulary...)
	if selectors {
		pool = slices.DeleteFunc(pool, func(level string) bool { return level == "," }) // no legal list
		pool = append(pool, lists...)
	}
	level := rapid.SampledFrom(pool)
	return rapid.Custom(func(t *rapid.T) string {
		n := rapid.IntRange(0, depth).Draw(t, "depth")
		levels := rapid.SliceOfN(level, n, n).Draw(t, "levels")
		if strings.Join(levels, "/") == "" || rapid.IntRange(0, 2).Draw(t, "hash") == 0 {
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
