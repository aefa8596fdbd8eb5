package topic

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		clause, text string
		want         Kind
		column       int
	}{
		{"MQTT-4.7.3-1", "", Empty, 0}, // [MQTT-4.7.3-1] [MQTT311-4.7.3-1]
		{"MQTT-4.7.3-2", "a/\x00", Character, 3},
		{"MQTT-4.7.3-3", strings.Repeat("x", MaxBytes), 0, 0},
		{"MQTT-4.7.3-3", strings.Repeat("x", MaxBytes+1), Long, 0},
		{"MQTT-4.7.1-1", "#", 0, 0}, // [MQTT-4.7.1-1] [MQTT311-4.7.1-2]
		{"MQTT-4.7.1-1", "a/#", 0, 0},
		{"MQTT-4.7.1-1", "/#", 0, 0},
		{"MQTT-4.7.1-1", "+/#", 0, 0},
		{"MQTT-4.7.1-1", "a#", Wildcard, 2},
		{"MQTT-4.7.1-1", "#/a", Wildcard, 1},
		{"MQTT-4.7.1-1", "a/#/b", Wildcard, 3},
		{"MQTT-4.7.1-1", "a/#/", Wildcard, 3},
		{"MQTT-4.7.1-1", "##", Wildcard, 1},
		{"MQTT-4.7.1-1", "a/b#", Wildcard, 4},
		{"MQTT-4.7.1-2", "+", 0, 0}, // [MQTT-4.7.1-2] [MQTT311-4.7.1-3]
		{"MQTT-4.7.1-2", "+/a/+", 0, 0},
		{"MQTT-4.7.1-2", "/+/", 0, 0},
		{"MQTT-4.7.1-2", "a/+b", Wildcard, 3},
		{"MQTT-4.7.1-2", "a+", Wildcard, 2},
		{"MQTT-4.7.1-2", "+a/b", Wildcard, 1},
		{"MQTT-4.7.1-2", "++", Wildcard, 1},
		{"MQTT-4.7.1-2", "+#", Wildcard, 1},
		{"EXT-LIM-1", "a/b/c/d", Depth, 6}, // [EXT-LIM-1], cap 3 below
		{"EXT-LIM-1", strings.Repeat("+/", 32000), Depth, 6},
		{"EXT-LIM-1", "$share/g/a/b/c", 0, 0},
		{"EXT-LIM-1", "$share/g/a/b/c/d", Depth, 15},
		{"EXT-LIM-1", "$share/g/+/+/+/#", Depth, 15},
	} {
		f, err := Parse(c.text, 3)
		if got := kindOf(t, err); got != c.want {
			t.Errorf("%s: Parse(%.40q) = %v, want kind %d", c.clause, c.text, err, c.want)
		} else if err != nil && (err.(*Error).Column != c.column || f != Filter{}) {
			t.Errorf("%s: Parse(%.40q) = %v %v, want column %d", c.clause, c.text, f, err, c.column)
		}
	}
}

// TestParseShare walks the forms of "$share" that attackers and typing errors
// produce [MQTT-4.8.2-1] [MQTT-4.8.2-2].
func TestParseShare(t *testing.T) {
	for _, c := range []struct {
		text         string
		want         Kind
		share, inner string
	}{
		{"$share/g/a/b", 0, "g", "a/b"},
		{"$share/g//", 0, "g", "/"},
		{"$share/g/#", 0, "g", "#"},
		{"$share/g/$SYS/#", 0, "g", "$SYS/#"},
		{"$share/team:blue/t", 0, "team:blue", "t"},
		{"$share/g:1:2/t", 0, "g:1:2", "t"},
		{"$share/a,,b/t", 0, "a,,b", "t"}, // a group's name is no list
		{"$share/g/a,b/t", 0, "g", "a,b/t"},
		{"$share/g/a,,b/t", Selector, "", ""}, // [EXT-SEL-1]
		{"$share/g:x:y/t", 0, "g:x:y", "t"},
		{"$share/g:999999:-1/t", 0, "g:999999:-1", "t"},
		{"$share/$share/t", 0, "$share", "t"},
		{"$share/g/$share", 0, "g", "$share"},
		{"$share/g/$SHARE/h/t", 0, "g", "$SHARE/h/t"},
		{"$share", 0, "", "$share"},
		{"$share+", Wildcard, "", ""},
		{"$SHARE/g/t", 0, "", "$SHARE/g/t"}, // [MQTT-4.7.3-4]: the prefix too is compared as bytes
		{"$shared/g/t", 0, "", "$shared/g/t"},
		{"/$share/g/t", 0, "", "/$share/g/t"},
		{"$share/", Share, "", ""}, // [MQTT-4.8.2-1]
		{"$share//t", Share, "", ""},
		{"$share//", Share, "", ""},
		{"$share/g", Share, "", ""}, // [MQTT-4.8.2-2]
		{"$share/g/", Empty, "", ""},
		{"$share/g+/t", Share, "", ""},
		{"$share/+/t", Share, "", ""},
		{"$share/#/t", Share, "", ""},
		{"$share/#", Share, "", ""},
		{"$share/g\x00/t", Character, "", ""},
		{"$share/g\n/t", Character, "", ""},
		{"$share/g/t\x00", Character, "", ""},
		{"$share/g/a#", Wildcard, "", ""},
		{"$share/g/$share/h/t", Share, "", ""},
		{"$share/g/$share/", Share, "", ""},
	} {
		f, err := Parse(c.text, 64)
		if got := kindOf(t, err); got != c.want {
			t.Errorf("Parse(%q) = %v, want kind %d", c.text, err, c.want)
		}
		if f.Share != c.share || f.Inner != c.inner || err == nil && f.Text != c.text || f.Shared() != (c.share != "") {
			t.Errorf("Parse(%q) = %+v, want share %q, inner %q", c.text, f, c.share, c.inner)
		}
	}
}

func TestParseFlags(t *testing.T) {
	for text, want := range map[string]Filter{
		"a":                {Levels: 1},
		"a/+":              {Levels: 2, Wildcard: true},
		"#":                {Levels: 1, Wildcard: true},
		"$SYS/a,b":         {Levels: 2, Selector: true, Dollar: true},
		"$share/g,h/a/b/c": {Levels: 3},
		"$share/g/$x/#":    {Levels: 2, Wildcard: true, Dollar: true},
	} {
		f, err := Parse(text, 0)
		if err != nil || f.Levels != want.Levels || f.Wildcard != want.Wildcard || f.Selector != want.Selector || f.Dollar != want.Dollar {
			t.Errorf("Parse(%q) = %+v, %v", text, f, err)
		}
	}
}

func TestCheckSelector(t *testing.T) { // [EXT-SEL-1]
	for filter, want := range map[string]Kind{
		"":                         Empty,
		"#":                        0,
		"topic/a,b/e,f/field":      0,
		"a,b":                      0,
		"+/a,b/#":                  0,
		",":                        Selector,
		"a,":                       Selector,
		",a":                       Selector,
		"a,,b":                     Selector,
		"x/a,/y":                   Selector,
		"x/,a":                     Selector,
		"a,+":                      Selector,
		"+,a":                      Selector,
		"#,a":                      Selector,
		"a,b+/c":                   Selector,
		"a,b/c+":                   Wildcard,
		"a,b/#/c":                  Wildcard,
		"a/b/c/d/e":                Depth,
		"a\x00":                    Character,
		"//":                       0,
		strings.Repeat("a", 70000): Long,
	} {
		if got := kindOf(t, CheckSelector(filter, 4)); got != want {
			t.Errorf("CheckSelector(%.40q): kind %d, want %d", filter, got, want)
		}
	}
}

// TestParseSelector: lists are judged in every form of a subscription, with the
// column in the text as sent [EXT-SEL-1].
func TestParseSelector(t *testing.T) {
	for _, c := range []struct {
		text   string
		want   Kind
		column int
	}{
		{"topic/a,b/e,f/field", 0, 0},
		{"a,b", 0, 0},
		{"a, b", 0, 0}, // a space is a character
		{"+/a,b/#", 0, 0},
		{"a,a", 0, 0},
		{",", Selector, 1},
		{"x/a,", Selector, 4},
		{"x/,a", Selector, 3},
		{"a,,b", Selector, 3},
		{"x/a,/y", Selector, 4},
		{"a,+", Selector, 3},
		{"x/+,a/y", Selector, 3},
		{"x/a,#", Selector, 5},
		{"a,b/+c", Wildcard, 5},
		{"$share/g/x/,a", Selector, 12},
		{"$filter/cid=1/x/,a", Selector, 17},
		{"$share/g/$filter/cid=1/x/,a", Selector, 26},
		{strings.Repeat("w,", 30000) + "w", 0, 0},
	} {
		_, err := Parse(c.text, 64)
		if got := kindOf(t, err); got != c.want || err != nil && err.(*Error).Column != c.column {
			t.Errorf("Parse(%.40q) = %v, want kind %d, column %d", c.text, err, c.want, c.column)
		}
		if plain := !strings.HasPrefix(c.text, "$"); plain && kindOf(t, CheckSelector(c.text, 64)) != c.want {
			t.Errorf("CheckSelector(%.40q) disagrees", c.text)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"a", "#", "a/#", "+/+", "a#", "$share/g/t", "$share/g/", "$share//t", "$share/g/$share/h/t", "a,b/c", "a,/b",
		"$share/g\x00/t", "\xef\xbf\xbe", "$share/g:0:07/t", "$share/g:5:0:3/t", "$share/:1/t", "$share/g:70000/t",
		"$filter/cid=1&payload=a%26%26b/t", "$filter/message=%c3%a9+#/+", "$filter/modified_since%3E1.5/t", "$filter/cid=%zz/t",
		"$share/g:2/$filter/payload=a>1&cid=7/a,b/#", "$filter/cid=1/$share/g/t", "$filter/cid=1/$filter/cid=1/t"} {
		f.Add(s, 4)
	}
	f.Fuzz(func(t *testing.T, text string, levels int) {
		got, err := Parse(text, levels)
		if err != nil {
			kindOf(t, err)
			if c := err.(*Error).Column; c < 0 || c > len(text)+1 {
				t.Fatalf("column %d of %d bytes", c, len(text))
			}
			return
		}
		whole := got.Rest
		if got.Shared() {
			whole = sharePrefix + got.Share + "/" + got.Rest
		}
		if whole != text || got.Text != text || got.Inner == "" || strings.ContainsAny(got.Share, "/+#") || !strings.HasSuffix(got.Rest, got.Inner) {
			t.Fatalf("Parse(%q) = %+v", text, got)
		}
		parts := strings.Split(got.Inner, "/")
		if levels > 0 && len(parts) > levels || len(parts) != got.Levels {
			t.Fatalf("%d levels, cap %d: %+v", len(parts), levels, got)
		}
		for i, level := range parts {
			if strings.ContainsAny(level, "+#") && level != "+" && !(level == "#" && i == len(parts)-1) {
				t.Fatalf("wildcard out of place in %q", text)
			}
		}
		if again, err := Parse(got.Inner, levels); err != nil || again.Inner != got.Inner || again.Shared() || again.Items != (Items{}) {
			t.Fatalf("inner filter of %q does not stand alone: %+v, %v", text, again, err)
		}
		if CheckSelector(got.Inner, levels) != nil || !got.Wildcard && !naive(Dialect{Selectors: true}, got.Inner, got.Inner) {
			t.Fatalf("%q does not match its own spelling", got.Inner)
		}
		fuzzIdentity(t, got, levels)
	})
}

// fuzzIdentity: the canonical group names the same group, and stays as it is.
func fuzzIdentity(t *testing.T, got Filter, levels int) {
	for _, source := range []string{got.Items.Payload, got.Items.Message} {
		for c := -1; c <= len(source)+2; c++ {
			for _, at := range []int{got.PayloadColumn(c), got.MessageColumn(c)} {
				if at < 1 || at > len(got.Text)+1 {
					t.Fatalf("column %d of %q lies at %d of %q", c, source, at, got.Text)
				}
			}
		}
	}
	if !got.Shared() {
		return
	}
	text := sharePrefix + got.Group + "/" + got.Rest
	if len(text) > MaxBytes {
		return // ":n" never grows
	}
	again, err := Parse(text, levels)
	if err != nil || again.Group != got.Group || again.Rest != got.Rest ||
		again.Sticky != got.Sticky || again.From != got.From || again.Count != got.Count {
		t.Fatalf("Parse(%q) = %+v, in canonical form %+v, %v", got.Text, got, again, err)
	}
}
