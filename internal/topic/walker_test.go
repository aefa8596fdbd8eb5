package topic

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// scanNames drives a Walker over sorted names; looked counts the names that it
// had to look at.
func scanNames(t interface{ Fatalf(string, ...any) }, filter string, d Dialect, names []string) (found []string, looked int) {
	w := NewWalker(filter, d)
	i, _ := slices.BinarySearch(names, w.From())
	for i < len(names) {
		looked++
		match, next, more := w.Next(names[i])
		if match {
			found = append(found, names[i])
		}
		if !more {
			break
		}
		if next == "" {
			i++
			continue
		}
		if next <= names[i] {
			t.Fatalf("%q: at %q it seeks back to %q", filter, names[i], next)
		}
		i, _ = slices.BinarySearch(names, next)
	}
	return found, looked
}

// checkScan compares a scan with matching every name.
func checkScan(t interface{ Fatalf(string, ...any) }, filter string, d Dialect, names []string) {
	var want []string
	for _, n := range names {
		if naive(d, filter, n) {
			want = append(want, n)
		}
	}
	if got, looked := scanNames(t, filter, d, names); !slices.Equal(got, want) {
		t.Fatalf("%q (%+v) over %q:\n got %q\nwant %q", filter, d, names, got, want)
	} else if looked > len(names) {
		t.Fatalf("%q looked at %d of %d names", filter, looked, len(names))
	}
}

func TestWalkerAgainstNaive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.SampledFrom(dialects).Draw(t, "dialect")
		vocabulary := genWords.Draw(t, "words")
		n := rapid.IntRange(0, 80).Draw(t, "stored")
		names := rapid.SliceOfN(genName(vocabulary, 5), n, n).Draw(t, "names")
		slices.Sort(names)
		names = slices.Compact(names)
		for range 10 {
			checkScan(t, genFilter(vocabulary, 5, d.Selectors).Draw(t, "filter"), d, names)
		}
	})
}

// TestWalkerExhaustively scans one store that has every name of up to three odd
// levels with every filter of up to three.
func TestWalkerExhaustively(t *testing.T) {
	names := combine([]string{"", "a", "a!", "a.b", "a0", "b", "$", "r", "a,b"}, 3)[1:]
	slices.Sort(names)
	for _, d := range dialects {
		levels := []string{"", "a", "a!", "b", "$", "r", "+", "#"}
		if d.Selectors {
			levels = []string{"", "a", "r", "a,b", "a!,a", "$,a", "+", "#"}
		}
		for _, filter := range combine(levels, 3) {
			if _, err := Parse(filter, 0); err == nil {
				checkScan(t, filter, d, names)
			}
		}
	}
}

// TestWalkerSteps shows the seeks one by one.
func TestWalkerSteps(t *testing.T) {
	sub := Dialect{HideDollar: true, HideFirst: "flespi", Selectors: true}
	for _, c := range []struct {
		filter, name string
		match        bool
		next         string
		more         bool
	}{
		{"a/+/c", "a/b/x", false, "a/b0", true},
		{"a/+/c", "a/b/a", false, "a/b/c", true},
		{"a/+/c", "a/b/c", true, "a/b0", true},
		{"a/+/c", "a/b", false, "", true}, // "a/b!/c" comes before "a/b/c"
		{"a/+/c", "b", false, "", false},
		{"a/b", "a/b", true, "", false},
		{"a/#", "a", true, "a/", true},
		{"a/#", "a!", false, "a/", true},
		{"a/#", "a/x", true, "", true},
		{"a/#", "a0", false, "", false},
		{"+", "a/b", false, "a0", true},
		{"+/+/x/y", "a/b/c", false, "a/b/x/y", true},
		{"#", "$SYS/x", false, "%", true},         // [MQTT-4.7.2-1] [MQTT311-4.7.2-1]
		{"#", "flespi/x", false, "flespi0", true}, // [EXT-TOP-1]
		{"#", "flespi", false, "", true},
		{"a,c/x", "a/x", true, "c/x", true}, // [EXT-SEL-1]
		{"a,c/x", "a,c/w", false, "a,c/x", true},
	} {
		w := NewWalker(c.filter, sub)
		if match, next, more := w.Next(c.name); match != c.match || next != c.next || more != c.more {
			t.Errorf("%q at %q: %v, %q, %v", c.filter, c.name, match, next, more)
		}
	}
	for filter, want := range map[string]string{"a/b": "a/b", "a/+": "a/", "a/#": "a", "a/b/#": "a/b", "+/a": "", "#": "", "b,a/x/+": "a/x/", "/": "/", "$SYS/#": "$SYS"} {
		if got := NewWalker(filter, sub).From(); got != want {
			t.Errorf("From of %q: %q, want %q", filter, got, want)
		}
	}
}

// TestWalkerCost: among a million names a scan looks at what it returns and at
// the branches, not at what is stored.
func TestWalkerCost(t *testing.T) {
	const devices, kinds = 100, 1000
	var names []string
	for i := range devices {
		for j := range kinds {
			names = append(names, "fleet/"+strconv.Itoa(i)+"/"+strconv.Itoa(j)+"/v")
		}
		names = append(names, "$SYS/"+strconv.Itoa(i), "flespi/"+strconv.Itoa(i))
	}
	slices.Sort(names)
	var list []string
	for i := range kinds {
		list = append(list, "n"+strconv.Itoa(i))
	}
	d := Dialect{HideDollar: true, HideFirst: "flespi", Selectors: true}
	for _, c := range []struct {
		filter string
		found  int
		looked int // at most
	}{
		{"fleet/7/7/v", 1, 1},
		{"fleet/+/7/v", devices, 3*devices + 2},
		{"+/7/7/v", 1, 10},
		{"fleet/7/#", kinds, kinds + 2},
		{"fleet/7/+/v", kinds, 2*kinds + 2},
		{"fleet/3,4,99/5,6/v", 6, 16},
		{"fleet/" + strings.Join(list, ",") + "/+/v", 0, 1},
		{"fleet/+/" + strings.Join(list, ",") + "/v", 0, 2*devices + 1},
		{"fleet/+/x/v", 0, 2*devices + 1},
		{"nothing/#", 0, 1},
		{"+/+/+/x", 0, 2*devices*kinds + 10},
		{"#", devices * kinds, devices*kinds + 3},
	} {
		found, looked := scanNames(t, c.filter, d, names)
		if len(found) != c.found || looked > c.looked {
			t.Errorf("%.40q: %d names found, %d looked at; want %d and at most %d", c.filter, len(found), looked, c.found, c.looked)
		}
	}
}

func FuzzWalker(f *testing.F) {
	f.Add("a/+/c", "a/b/c\na/b\na/b!\na/b!/c", uint8(1))
	f.Add("#", "$SYS\nr/x\nr!\na", uint8(2))
	f.Add("a,b/#", "a\na!\na/\nb/c\na,b/x", uint8(4))
	f.Add("//#", "/\n//\n///\n/a", uint8(0))
	f.Fuzz(func(t *testing.T, filter, stored string, dialect uint8) {
		d := dialects[int(dialect)%len(dialects)]
		if CheckSelector(filter, 64) != nil {
			return
		}
		names := slices.DeleteFunc(strings.Split(stored, "\n"), func(n string) bool { return CheckName(n, 64) != nil })
		slices.Sort(names)
		checkScan(t, filter, d, slices.Compact(names))
	})
}
