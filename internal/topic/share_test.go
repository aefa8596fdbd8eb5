package topic

import "testing"

// TestParseSticky: only a suffix ":<digits>" or ":<digits>:<digits>" makes a
// group sticky, and what is the same group has one identity [EXT-SHR-4].
func TestParseSticky(t *testing.T) {
	for _, c := range []struct {
		share, group string
		from, count  uint16 // count 0: a plain group
	}{
		{"g", "g", 0, 0},
		{"team:blue", "team:blue", 0, 0},
		{":", ":", 0, 0},
		{"::", "::", 0, 0},
		{"g:", "g:", 0, 0},
		{"g:1x", "g:1x", 0, 0},
		{"g:-1", "g:-1", 0, 0},
		{"g:1:", "g:1:", 0, 0},
		{"g:1:x", "g:1:x", 0, 0},
		{"g:1:2:", "g:1:2:", 0, 0},
		{"g:x:y", "g:x:y", 0, 0},
		{"g:999999:-1", "g:999999:-1", 0, 0},
		{"g:\u0661", "g:\u0661", 0, 0}, // a digit of another script is no digit
		{"5", "5", 0, 0},
		{"g:3", "g:3", 0, 3},
		{"g:0:3", "g:3", 0, 3},
		{"g:00:003", "g:3", 0, 3},
		{"g:1:2", "g:1:2", 1, 2},
		{"g:01:2", "g:1:2", 1, 2},
		{"g:65535:65535", "g:65535:65535", 65535, 65535},
		{"g:65535", "g:65535", 0, 65535},
		{"g:0000000000000000000000000000001", "g:1", 0, 1},
		{"a:b:3", "a:b:3", 0, 3},
		{"a:b:0:3", "a:b:3", 0, 3},
		{"a::3", "a::3", 0, 3},
		{"a:x:1:3", "a:x:1:3", 1, 3},
		// The name may end like a suffix; the identity keeps it apart from "g:5:3".
		{"g:5:0:3", "g:5:0:3", 0, 3},
		{"g:5:00:3", "g:5:0:3", 0, 3},
		{"g:5:1:3", "g:5:1:3", 1, 3},
		{"5:3", "5:3", 0, 3},
		{"::3", "::3", 0, 3},
	} {
		f, err := Parse("$share/"+c.share+"/t", 0)
		if err != nil || f.Share != c.share || f.Group != c.group || f.Sticky != (c.count > 0) || f.From != c.from || f.Count != c.count {
			t.Errorf("%q: %+v, %v, want %+v", c.share, f, err, c)
		}
	}
	for _, c := range []struct {
		share  string
		column int
	}{
		{"g:0", 10}, // count 0
		{"g:1:0", 12},
		{"g:000", 10},
		{"g:65536", 10}, // over 65,535
		{"g:1:65536", 12},
		{"g:65536:1", 10},
		{"g:99999999999999999999999999999999999", 10},
		{"a:b:18446744073709551617", 12},
		{":3", 8}, // no name [MQTT-4.8.2-1]
		{":1:2", 8},
	} {
		_, err := Parse("$share/"+c.share+"/t", 0)
		if kindOf(t, err) != Share || err.(*Error).Column != c.column {
			t.Errorf("%q: %v, want a column of %d", c.share, err, c.column)
		}
	}
}
