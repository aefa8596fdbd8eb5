package event

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// [EXT-LOG-1] Every field under the contract's name; what is not known is not there.
func TestRecordAsJSON(t *testing.T) {
	full := Record{
		Time: 1_700_000_000_000_042, Code: Closed, Account: 7, Origin: Session, OriginID: 11, Token: 13,
		ClientID: "c\n\x1b[31m", Topic: "a/b", Source: "10.0.0.1:5", Transport: "tls", Reason: "gone",
		Duration: 1500 * time.Millisecond, Published: 3, Received: 4, Rejected: 5, Close: 0x8E,
		Item: json.RawMessage(`{"x":1}`), Count: 9,
	}
	for _, c := range []struct {
		name string
		r    Record
		want string
	}{
		{"full", full, `{"timestamp":1700000000.000042,"event_code":503,"origin_type":"mqtt/sessions","origin_id":11,` +
			`"cid":7,"token_id":13,"client_id":"c\u000a\u001b[31m","topic":"a/b","source":"10.0.0.1:5","transport":"tls",` +
			`"duration":1.500000,"published":3,"received":4,"rejected":5,"close_code":142,"reason":"gone","item":{"x":1},"count":9}`},
		{"least", Record{Code: Subscribed, Account: 1, Time: 5}, `{"timestamp":0.000005,"event_code":520,"origin_type":"mqtt/sessions","cid":1}`},
		{"an end always has its figures", Record{Code: Closed, Account: 1}, `{"timestamp":0.000000,"event_code":503,"origin_type":"mqtt/sessions",` +
			`"cid":1,"duration":0.000000,"published":0,"received":0,"rejected":0,"close_code":0}`},
	} {
		got := string(c.r.AppendJSON(nil))
		if got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
		if !json.Valid([]byte(got)) {
			t.Errorf("%s: no JSON", c.name)
		}
	}
}

// Every code that there is can be described, in order, under a name of its own
// [EXT-REST-12].
func TestDictionary(t *testing.T) {
	all := Dictionary()
	if !slices.IsSortedFunc(all, func(a, b Entry) int { return int(a.Code - b.Code) }) {
		t.Error("not by growing code")
	}
	names := map[string]Code{}
	for _, e := range all {
		if e.Name == "" || e.Description == "" || e.Severity == "" || strings.ContainsAny(e.Name, "/+# ") {
			t.Errorf("%d: %+v", e.Code, e)
		}
		if other, twice := names[e.Name]; twice {
			t.Errorf("%d and %d are both %s", other, e.Code, e.Name)
		}
		names[e.Name] = e.Code
		if e.Code.Name() != e.Name {
			t.Errorf("%d is called %q", e.Code, e.Code.Name())
		}
	}
	for _, code := range []Code{500, 501, 502, 503, 504, 510, 511, 512, 520, 521, 530, 531, 540, 600, 1, 2, 3, 20, 21, 1000} {
		if code.Name() == "" {
			t.Errorf("code %d is missing", code)
		}
	}
	if Code(7).Name() != "" {
		t.Error("a code that is none has a name")
	}
}

// Whatever comes from outside becomes a JSON string without control characters
// (attack rows 13, 51).
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "plain", "\x00\r\n\t\x1b[2J", "\xff\xfe", "\u2028\u0085", `"\<script>`, strings.Repeat("é", 700)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := AppendText(nil, Cut(s))
		var back string
		if err := json.Unmarshal(got, &back); err != nil {
			t.Fatalf("%q: %v", got, err)
		}
		if len(back) > 3*MaxText+3 || !utf8.Valid(got) {
			t.Fatalf("%d bytes", len(back))
		}
		for _, r := range string(got) {
			if r < 0x20 || r >= 0x7F && r <= 0x9F {
				t.Fatalf("control character %x in %q", r, got)
			}
		}
		if len(s) <= MaxText && utf8.ValidString(s) && back != s {
			t.Fatalf("%q came back as %q", s, back)
		}
	})
}

// TestTopics: every live topic of a code that a session can have, and each shape once
// [EXT-REST-12].
func TestTopics(t *testing.T) {
	seen := map[string]bool{}
	for _, shape := range Topics() {
		if seen[shape.Pattern] || shape.Description == "" || strings.HasPrefix(shape.Pattern, "/") {
			t.Errorf("%+v", shape)
		}
		seen[shape.Pattern] = true
	}
	for _, e := range Dictionary() {
		if e.Code >= Accepted && e.Code < TokenExpired && !seen["log/mqtt/sessions/{id}/"+e.Name] {
			t.Errorf("no topic of %s", e.Name)
		}
	}
	for origin := range originCount {
		if !slices.ContainsFunc(Topics(), func(s Topic) bool { return strings.HasPrefix(s.Pattern, "log/"+origin.String()+"/") }) {
			t.Errorf("no topic of %s", origin)
		}
	}
}
