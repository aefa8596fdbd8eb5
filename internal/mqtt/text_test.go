package mqtt

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestText(t *testing.T) {
	cases := []struct {
		name        string
		s           string
		text, topic bool
	}{
		{"empty", "", true, true},
		{"plain", "sensors/1/temperature", true, true},
		{"space and tilde", " ~", true, true},
		{"U+0000 [MQTT-1.5.4-2] [MQTT311-1.5.3-2] [MQTT-4.7.3-2] [MQTT311-4.7.3-2]", "a\x00b", false, false},
		{"surrogate D800 [MQTT-1.5.4-1] [MQTT311-1.5.3-1]", "\xed\xa0\x80", false, false},
		{"surrogate DFFF [MQTT-1.5.4-1]", "\xed\xbf\xbf", false, false},
		{"overlong slash [MQTT-1.5.4-1]", "\xc0\xaf", false, false},
		{"overlong zero [MQTT-1.5.4-1]", "\xc0\x80", false, false},
		{"cut character [MQTT-1.5.4-1]", "\xe2\x82", false, false},
		{"stray continuation [MQTT-1.5.4-1]", "\x80", false, false},
		{"above U+10FFFF [MQTT-1.5.4-1]", "\xf4\x90\x80\x80", false, false},
		{"byte order mark is kept [MQTT-1.5.4-3] [MQTT311-1.5.3-3]", "\xef\xbb\xbfa", true, true},
		{"four bytes", "\xf0\x9f\xa6\x80", true, true},
		{"U+0001 [EXT-RET-2]", "\x01", true, false},
		{"U+001F [EXT-RET-2]", "\x1f", true, false},
		{"U+007F [EXT-RET-2]", "\x7f", true, false},
		{"U+0080 [EXT-RET-2]", "\u0080", true, false},
		{"U+009F [EXT-RET-2]", "\u009f", true, false},
		{"U+00A0", "\u00a0", true, true},
		{"U+FFFF [EXT-RET-2]", "\uffff", true, false},
		{"U+FFFE", "\ufffe", true, true},
		{"U+FFFD", "\ufffd", true, true},
	}
	for _, c := range cases {
		// At every position of the words in which the text is looked at.
		for before := range 18 {
			for after := range 10 {
				b := []byte(strings.Repeat("x", before) + c.s + strings.Repeat("y", after))
				if ValidText(b) != c.text || ValidTopicText(b) != c.topic {
					t.Errorf("%s: %q: text %v, topic %v", c.name, b, ValidText(b), ValidTopicText(b))
				}
			}
		}
	}
}

// naiveText and naiveTopic say the same one character at a time.
func naiveText(b []byte) bool {
	return utf8.Valid(b) && !strings.ContainsRune(string(b), 0)
}

func naiveTopic(b []byte) bool {
	for _, c := range string(b) {
		if c < 0x20 || c >= 0x7f && c < 0xa0 || c == 0xffff {
			return false
		}
	}
	return utf8.Valid(b)
}

func TestTextAgainstNaive(t *testing.T) {
	piece := rapid.SampledFrom([]string{
		"a", "/", "+", "long enough", "\x00", "\x1f", "\x20", "\x7e", "\x7f", "\x80", "\xbf", "\xc2", "é",
		"\u0085", "\u00a0", "\xed\xa0\x80", "\uffff", "\ufffe", "\xef", "\xbf", "\U0001F980", "\xff",
	})
	rapid.Check(t, func(t *rapid.T) {
		b := []byte(strings.Join(rapid.SliceOfN(piece, 0, 12).Draw(t, "pieces"), ""))
		if ValidText(b) != naiveText(b) {
			t.Errorf("ValidText(%q) = %v", b, ValidText(b))
		}
		if ValidTopicText(b) != naiveTopic(b) {
			t.Errorf("ValidTopicText(%q) = %v", b, ValidTopicText(b))
		}
	})
}

func FuzzText(f *testing.F) {
	f.Add([]byte("sensors/é/\uffff"))
	f.Add([]byte("\xed\xa0\x80 12345678 \x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if ValidText(b) != naiveText(b) || ValidTopicText(b) != naiveTopic(b) {
			t.Errorf("%q: text %v, topic %v", b, ValidText(b), ValidTopicText(b))
		}
	})
}

func TestCutText(t *testing.T) {
	// [MQTT-4.7.3-3] [MQTT311-4.7.3-3]: no field is longer than 65,535 bytes.
	for _, last := range []string{"z", "é", "€", "\U0001F980"} {
		for shift := range 5 {
			s := strings.Repeat("x", MaxString-shift) + last + "tail of some more bytes"
			got := cutText(s)
			if len(got) > MaxString || len(got) <= MaxString-utf8.UTFMax || !utf8.ValidString(got) {
				t.Errorf("%q at -%d: %d bytes", last, shift, len(got))
			}
			if n := len(appendText(nil, s)); n != textSize(s) {
				t.Errorf("textSize %d, written %d", textSize(s), n)
			}
		}
	}
	if got := cutText(strings.Repeat("\x80", MaxString+9)); len(got) > MaxString {
		t.Errorf("%d bytes", len(got))
	}
	long := make([]byte, MaxString+1)
	if n := len(appendBinary(nil, long)); n != binarySize(long) || n != MaxString+2 {
		t.Errorf("binary of %d bytes", n)
	}
}
