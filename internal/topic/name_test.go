package topic

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

// kindOf gives an error's kind, 0 for none.
func kindOf(t *testing.T, err error) Kind {
	t.Helper()
	if err == nil {
		return 0
	}
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v is a %T, not an *Error", err, err)
	}
	if e.Reason == "" || !strings.Contains(e.Error(), e.Reason) {
		t.Fatalf("error %#v does not say why", e)
	}
	return e.Kind
}

func TestCheckName(t *testing.T) {
	long := strings.Repeat("x", MaxBytes)
	for _, c := range []struct {
		clause, name string
		levels       int
		want         Kind
		column       int
	}{
		{"MQTT-4.7.3-1", "", 0, Empty, 0}, // [MQTT-4.7.3-1] [MQTT311-4.7.3-1]
		{"MQTT-4.7.3-1", "a", 0, 0, 0},
		{"MQTT-4.7.3-1", "/", 0, 0, 0},
		{"MQTT-4.7.3-1", " ", 0, 0, 0},
		{"MQTT-4.7.0-1", "a/+", 0, Wildcard, 3}, // [MQTT-4.7.0-1] [MQTT311-4.7.1-1]
		{"MQTT-4.7.0-1", "a+b", 0, Wildcard, 2},
		{"MQTT-3.3.2-2", "a/#", 0, Wildcard, 3}, // [MQTT-3.3.2-2] [MQTT311-3.3.2-2]
		{"MQTT-3.3.2-2", "#", 0, Wildcard, 1},
		{"MQTT-4.7.3-2", "a\x00b", 0, Character, 2}, // [MQTT-4.7.3-2] [MQTT311-4.7.3-2]
		{"EXT-RET-2", "a\x01", 0, Character, 2},     // [EXT-RET-2]
		{"EXT-RET-2", "\x1f", 0, Character, 1},
		{"EXT-RET-2", "a\n", 0, Character, 2},
		{"EXT-RET-2", "\x7f", 0, Character, 1},
		{"EXT-RET-2", "a\u0080", 0, Character, 2},
		{"EXT-RET-2", "\u009f/a", 0, Character, 1},
		{"EXT-RET-2", "\u00a0", 0, 0, 0},
		{"EXT-RET-2", "\ufffe", 0, Character, 1},
		{"EXT-RET-2", "ab\uffff", 0, Character, 3},
		{"EXT-RET-2", "\ufffd", 0, 0, 0},
		{"EXT-RET-2", "\uf8ff\ufeff", 0, 0, 0},
		{"UTF-8 is the codec's", "\xc2", 0, 0, 0},
		{"UTF-8 is the codec's", "\xef\xbf", 0, 0, 0},
		{"any script", "здесь/ここ/🙂/\u202e/\u200b", 0, 0, 0},
		{"MQTT-4.7.3-3", long, 0, 0, 0}, // [MQTT-4.7.3-3] [MQTT311-4.7.3-3]
		{"MQTT-4.7.3-3", long + "x", 0, Long, 0},
		{"EXT-LIM-1", "a/b/c", 3, 0, 0}, // [EXT-LIM-1]
		{"EXT-LIM-1", "a/b/c/d", 3, Depth, 6},
		{"EXT-LIM-1", strings.Repeat("/", 63), 64, 0, 0},
		{"EXT-LIM-1", strings.Repeat("/", 64), 64, Depth, 64},
		{"EXT-LIM-1", strings.Repeat("/", MaxBytes), 64, Depth, 64},
		{"EXT-LIM-1", strings.Repeat("/", MaxBytes), 0, 0, 0},
	} {
		for _, err := range []error{CheckName(c.name, c.levels), CheckName([]byte(c.name), c.levels)} {
			if got := kindOf(t, err); got != c.want {
				t.Errorf("%s: CheckName(%.40q, %d) = %v, want kind %d", c.clause, c.name, c.levels, err, c.want)
			} else if got != 0 && err.(*Error).Column != c.column {
				t.Errorf("%s: CheckName(%.40q, %d) = %v, want column %d", c.clause, c.name, c.levels, err, c.column)
			}
		}
	}
}

func TestUnder(t *testing.T) { // [EXT-TOP-1]
	for name, want := range map[string]bool{"flespi": true, "flespi/": true, "flespi/a/b": true, "flespi2": false, "Flespi/a": false, "flesp": false, "": false, "/flespi": false} {
		if Under(name, "flespi") != want || Under([]byte(name), "flespi") != want {
			t.Errorf("Under(%q, flespi) is not %v", name, want)
		}
	}
	if !Under("/a", "") || Under("a", "") {
		t.Error("the empty first level")
	}
}

// TestForbiddenCharacters walks all of Unicode.
func TestForbiddenCharacters(t *testing.T) {
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		want := r < 0x20 || r >= 0x7f && r <= 0x9f || r == 0xfffe || r == 0xffff || r == '+' || r == '#'
		if got := CheckName("a"+string(r)+"b", 0) != nil; got != want {
			t.Fatalf("U+%04X refused: %v, want %v", r, got, want)
		}
	}
}

func TestCheckNameDoesNotAllocate(t *testing.T) {
	name := []byte("building/7/floor/3/é/temperature")
	if n := testing.AllocsPerRun(100, func() {
		if CheckName(name, 64) != nil || HasWildcard(name) || Levels(name) != 6 {
			t.Fatal("refused")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzCheckName(f *testing.F) {
	for _, s := range []string{"", "a", "a/b", "+", "a/#", "a\x00", "\xc2\x80", "\xef\xbf\xbf", "\xef\xbf", "////", "$SYS/x", ",", "a,b", "$filter/x", "$filter/", "$share/g"} {
		f.Add(s, 3)
	}
	f.Fuzz(func(t *testing.T, name string, levels int) {
		err, same := CheckName(name, levels), CheckName([]byte(name), levels)
		if kindOf(t, err) != kindOf(t, same) {
			t.Fatalf("string: %v, bytes: %v", err, same)
		}
		if err != nil {
			if c := err.(*Error).Column; c < 0 || c > len(name) {
				t.Fatalf("column %d of %d bytes", c, len(name))
			}
			return
		}
		if name == "" || len(name) > MaxBytes || strings.ContainsAny(name, "+#\x00\x1f\x7f") ||
			levels > 0 && Levels(name) > levels {
			t.Fatalf("%q accepted", name)
		}
		// What is a name is also a filter, and matches itself, unless a filter reads
		// more in it: a share, items, or words of a list [EXT-SEL-1].
		if strings.HasPrefix(name, sharePrefix) || strings.HasPrefix(name, filterPrefix) || strings.Contains(name, ",") {
			return
		}
		if _, err := Parse(name, levels); err != nil || !Match(name, name) {
			t.Fatalf("%q is a name and no filter for itself: %v", name, err)
		}
	})
}
