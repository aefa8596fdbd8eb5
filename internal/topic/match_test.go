package topic

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		clause, filter, topic string
		want                  bool
	}{
		{"equal", "a/b", "a/b", true},
		{"longer", "a/b", "a/b/c", false},
		{"shorter", "a/b/c", "a/b", false},
		{"plus", "a/+/c", "a/x/c", true},
		{"plus is one level", "a/+/c", "a/x/y/c", false},
		{"plus takes the empty level", "a/+", "a/", true},
		{"plus needs a level", "a/+", "a", false},
		{"plus twice", "+/+", "/x", true},
		{"plus once", "+", "/x", false},
		{"plus after slash", "/+", "/x", true},
		{"hash takes all", "#", "a/b/c", true},
		{"hash takes the parent", "a/#", "a", true},
		{"hash takes below", "a/#", "a/b/c", true},
		{"hash takes the empty level", "a/#", "a/", true},
		{"hash keeps its parent", "a/#", "ab", false},
		{"hash after plus takes the parent", "+/#", "a", true},
		{"hash under plus", "a/+/#", "a", false},
		{"MQTT-4.7.2-1", "#", "$SYS/x", false}, // [MQTT-4.7.2-1] [MQTT311-4.7.2-1]
		{"MQTT-4.7.2-1", "+/x", "$SYS/x", false},
		{"MQTT-4.7.2-1", "+", "$", false},
		{"MQTT-4.7.2-1", "$SYS/#", "$SYS/x", true},
		{"MQTT-4.7.2-1", "$SYS/+", "$SYS/x", true},
		{"MQTT-4.7.2-1", "+/+", "a/$x", true},
		{"MQTT-4.7.2-1", "/#", "/$x", true},
		{"MQTT-4.7.3-4", "caf\u00e9", "cafe\u0301", false}, // [MQTT-4.7.3-4] [MQTT311-4.7.3-4]
		{"MQTT-4.7.3-4", "caf\u00e9", "caf\u00e9", true},
		{"MQTT-4.7.3-4", "A", "a", false},
		{"MQTT-4.7.3-4", "a//b", "a/b", false},
		{"MQTT-4.7.3-4", "a", "a/", false},
		{"MQTT-4.7.3-4", "ACCOUNTS", "Accounts", false},
		{"MQTT-4.7.3-4", "а", "a", false}, // the first is Cyrillic
		{"commas are text", "a,b", "a", false},
		{"commas are text", "a,b", "a,b", true},
		{"nothing", "", "a", false},
		{"nothing", "#", "", false},
	} {
		if got := Match(c.filter, c.topic); got != c.want {
			t.Errorf("%s: Match(%q, %q) = %v", c.clause, c.filter, c.topic, got)
		}
		if got := Match(c.filter, []byte(c.topic)); got != c.want {
			t.Errorf("%s: Match(%q, bytes of %q) = %v", c.clause, c.filter, c.topic, got)
		}
	}
}

func TestMatchReserved(t *testing.T) { // [EXT-TOP-1]
	for _, c := range []struct {
		filter, topic string
		want          bool
	}{
		{"#", "flespi", false},
		{"#", "flespi/state/x", false},
		{"+/state/#", "flespi/state/x", false},
		{"+", "flespi", false},
		{"flespi/#", "flespi/state/x", true},
		{"flespi/+/x", "flespi/state/x", true},
		{"#", "flespi2/x", true},
		{"#", "flesp", true},
		{"#", "Flespi/x", true},
		{"+/flespi", "a/flespi", true},
		{"#", "$SYS", false},
	} {
		if got := MatchReserved(c.filter, c.topic, "flespi"); got != c.want {
			t.Errorf("MatchReserved(%q, %q) = %v", c.filter, c.topic, got)
		}
	}
	if !MatchReserved("#", "flespi/x", "") {
		t.Error("nothing is reserved, yet hidden")
	}
}

func TestMatchSelector(t *testing.T) { // [EXT-SEL-1]
	for _, c := range []struct {
		filter, topic string
		want          bool
	}{
		{"topic/a,b/e,f/field", "topic/a/f/field", true},
		{"topic/a,b/e,f/field", "topic/b/e/field", true},
		{"topic/a,b/e,f/field", "topic/c/e/field", false},
		{"topic/a,b/e,f/field", "topic/a,b/e/field", true},
		{"a,b", "a,b", true},
		{"a,b", "b,a", false},
		{"a,b", "a,", false},
		{"a,bc", "b", false},
		{"ab,c", "a", false},
		{"a,b/#", "b", true},
		{"a,b/#", "b/x", true},
		{"a,b/+", "b", false},
		{"+/x,y", "q/y", true},
		{"caf\u00e9,b", "cafe\u0301", false}, // [MQTT-4.7.3-4]
		{"#", "$SYS/x", true},
		{"+/x", "$SYS/x", true},
		{"$SYS,a/x", "$SYS/x", true},
		{"a", "a", true},
		{"a", "", false},
		{strings.Repeat("w,", 1000) + "z/" + strings.Repeat("w,", 1000) + "y", "z/y", true},
	} {
		if got := MatchSelector(c.filter, c.topic); got != c.want {
			t.Errorf("MatchSelector(%.40q, %q) = %v", c.filter, c.topic, got)
		}
		if got := MatchSelector(c.filter, []byte(c.topic)); got != c.want {
			t.Errorf("MatchSelector(%.40q, bytes of %q) = %v", c.filter, c.topic, got)
		}
	}
}

// A first-level selector is no wildcard: it names what it wants.
func TestSelectorNamesHiddenTopics(t *testing.T) {
	d := Dialect{HideDollar: true, HideFirst: "r", Selectors: true}
	if !MatchIn(d, "$SYS,r/x", "$SYS/x") || !MatchIn(d, "$SYS,r/x", "r/x") || MatchIn(d, "+/x", "r/x") {
		t.Error("hidden topics: a selector matches them by name, a wildcard does not")
	}
}

func TestMatchAgainstNaive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.SampledFrom(dialects).Draw(t, "dialect")
		vocabulary := genWords.Draw(t, "words")
		filter, name := genFilter(vocabulary, 4, d.Selectors), genName(vocabulary, 4)
		for range 20 {
			f, n := filter.Draw(t, "filter"), name.Draw(t, "name")
			if got, want := MatchIn(d, f, n), naive(d, f, n); got != want {
				t.Fatalf("MatchIn(%+v, %q, %q) = %v", d, f, n, got)
			}
			if MatchIn(d, f, n) != MatchIn(d, f, []byte(n)) {
				t.Fatalf("%q on %q: string and bytes differ", f, n)
			}
		}
	})
}

func TestMatchDoesNotAllocate(t *testing.T) {
	name := []byte("building/a,b/floor/3/temperature")
	filter := "building/" + strings.Repeat("x,", 200) + "y/+/3/temperature"
	want := "building/a,b/+/3/#"
	if n := testing.AllocsPerRun(100, func() {
		if MatchSelector(filter, name) || !MatchSelector(want, name) || !Match(want, name) {
			t.Fatal("wrong")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzMatch(f *testing.F) {
	for _, s := range [][2]string{{"a/+", "a/b"}, {"#", "$SYS"}, {"+/#", "r/x"}, {"a,b/c", "b/c"}, {"//#", "//"}, {"a/#", "a"}, {",", ""}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, filter, name string) {
		_, err := Parse(filter, 64)
		legal := err == nil && CheckName(name, 64) == nil && !strings.HasPrefix(filter, sharePrefix)
		for _, d := range dialects {
			got := MatchIn(d, filter, name) // no panic, whatever it is given
			if legal && got != naive(d, filter, name) {
				t.Fatalf("MatchIn(%+v, %q, %q) = %v", d, filter, name, got)
			}
		}
		if MatchSelector(filter, name) != MatchIn(Dialect{Selectors: true}, filter, []byte(name)) {
			t.Fatalf("MatchSelector(%q, %q): string and bytes differ", filter, name)
		}
	})
}
