package expr

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzCompile: whatever the source, there is a program or an error whose column lies
// in it [EXT-EXP-2].
func FuzzCompile(f *testing.F) {
	for _, c := range values {
		f.Add(c.source)
	}
	for _, c := range faults {
		f.Add(c.source[:min(len(c.source), 200)])
	}
	var in Input
	f.Fuzz(func(t *testing.T, source string) {
		p, err := Compile(source)
		if err == nil {
			in.SetJSON([]byte(sample), 0)
			p.Match(&in)
			in.SetMessage(&Message{Topic: []byte("a/b"), User: [][2][]byte{{[]byte("k"), []byte("v")}}}, 0)
			p.Match(&in)
			return
		}
		var e *Error
		if !errors.As(err, &e) || e.Reason == "" || e.Column < 1 || e.Column > len(source)+1 || p != nil {
			t.Fatalf("%q: %#v", source, err)
		}
	})
}

// FuzzEval: whatever source and payload, the answer is the same by the tape and by
// walking, numbers are finite, and JSON is JSON.
func FuzzEval(f *testing.F) {
	for _, c := range values {
		f.Add(c.source, []byte(sample))
	}
	f.Add("a.b.c == a.b.c", []byte(`{"a.b":{"c":1},"a":{"b.c":2,"b":{"c":3}}}`))
	f.Add("x ~ '*a?a*a?b'", []byte(`{"x":"aaaaaaaaaaaaaaaaaaaaaaaaa"}`))
	f.Add("a[0].b + $c", []byte(` {"a":[{"b":"\u00e9"}],"c":"\ud83d"} `))
	var in, again Input
	f.Fuzz(func(t *testing.T, source string, payload []byte) {
		p, err := Compile(source)
		if err != nil {
			return
		}
		if !in.SetJSON(payload, 1) {
			if p.Match(&in) {
				t.Fatalf("%q matches what is no JSON: %q", source, payload)
			}
			return
		}
		v, ok := p.Eval(&in)
		if p.Match(&in) != (ok && v.Passes()) {
			t.Fatalf("%q over %q: Match and Eval differ", source, payload)
		}
		if math.IsInf(v.number, 0) || math.IsNaN(v.number) || ok && !json.Valid(v.JSON()) {
			t.Fatalf("%q over %q: %v %s", source, payload, v.number, v.JSON())
		}
		if len(source)*len(payload) > allFuel/8 {
			return // walking may take more steps than there are
		}
		again.SetJSON(payload, 1)
		again.tape.indexed, again.tape.walks = true, true
		if w, walked := p.Eval(&again); show(v, ok) != show(w, walked) {
			t.Fatalf("%q over %q: %s, by walking %s", source, payload, show(v, ok), show(w, walked))
		}
	})
}

// FuzzJSON: SetJSON accepts what encoding/json does, up to MaxJSONDepth, and reads the
// same values out of it [EXT-FIL-2].
func FuzzJSON(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte(`{"a":1,"a":2,"b":{"a":1},"b":{}}`))
	f.Add([]byte(`[1,{"a":"\ud83d\ude00\ud83d"},-0.0e-1,"\/\b\f"]`))
	f.Add([]byte(`{"a.b":1,"a":{"b":2,"c.d":{"e":3}},"":{"":4}}`))
	f.Add([]byte("{\"\\u0061\":\"\\\"\"}\n"))
	f.Add([]byte(`123456789012345678901234567890.5e-3`))
	f.Add([]byte(`{"abcdefgh\"":"01234567\u12"}`))
	var in Input
	f.Fuzz(func(t *testing.T, payload []byte) {
		valid := json.Valid(payload)
		if got := in.SetJSON(payload, 0); got != valid && (got || nesting(payload) <= MaxJSONDepth) {
			t.Fatalf("%q: valid %t", payload, got)
		} else if !got || !utf8.Valid(payload) || len(payload) > allFuel/8 {
			return
		}
		in.begin()
		if v, o := in.decode(in.tape.root.of(in.document)); o == found {
			sameValue(t, v, payload)
		}
		var top map[string]json.RawMessage
		if json.Unmarshal(payload, &top) != nil {
			return
		}
		for key, raw := range top {
			name := name{keyed: true, steps: []access{{kind: byKey, text: key}}}
			in.begin()
			v, o := in.look(&name)
			if flat := newName(key); o != spoilt { // a flat key comes before everything else
				if w, p := in.look(&flat); p != o || !bytes.Equal(v.JSON(), w.JSON()) {
					t.Fatalf("%q: %q is %s by key, %s by name", payload, key, v.JSON(), w.JSON())
				}
			}
			switch {
			case o == found:
				sameValue(t, v, raw)
			case o == missing || json.Unmarshal(raw, new(any)) == nil:
				t.Fatalf("%q: %q is not found", payload, key)
			}
		}
	})
}

// nesting is an upper bound of how deep a document nests.
func nesting(payload []byte) int {
	return bytes.Count(payload, []byte("{")) + bytes.Count(payload, []byte("["))
}

func sameValue(t *testing.T, v Value, raw []byte) {
	t.Helper()
	var want any
	if err := json.Unmarshal(raw, &want); err != nil {
		return // a number beyond float64 somewhere inside
	}
	ok := true
	switch want := want.(type) {
	case nil:
		ok = v.kind == Null
	case bool:
		ok = v.kind == Bool && v.Bool() == want
	case float64:
		ok = v.kind == Number && v.number == want
	case string:
		ok = v.kind == String && v.text == want
	default:
		var b bytes.Buffer
		ok = json.Compact(&b, raw) == nil && v.kind == JSON && b.String() == string(v.JSON())
	}
	if !ok {
		t.Fatalf("%q reads as %s %s", raw, v.kind, v.JSON())
	}
}

// FuzzMask: the matcher agrees with the plain recursive definition.
func FuzzMask(f *testing.F) {
	f.Add("aXbXc", "a?b*c")
	f.Add("größe", "*??e")
	f.Add("aaaaab", "*a?b")
	f.Add("\xffx", "?x")
	f.Fuzz(func(t *testing.T, text, mask string) {
		if !utf8.ValidString(text) || !utf8.ValidString(mask) || len(text) > 100 || len(mask) > 100 {
			return
		}
		in := &Input{fuel: allFuel}
		got, ok := in.matchMask(text, mask)
		if want := plainMask([]rune(text), []rune(mask)); got != want || !ok {
			t.Fatalf("%q ~ %q: %t, want %t", text, mask, got, want)
		}
	})
}

// plainMask fills a table: row by row, which prefixes of text a prefix of mask matches.
func plainMask(text, mask []rune) bool {
	row := make([]bool, len(text)+1)
	row[0] = true
	for _, m := range mask {
		next := make([]bool, len(text)+1)
		next[0] = m == '*' && row[0]
		for i, c := range text {
			next[i+1] = m == '*' && (row[i+1] || next[i]) || m != '*' && row[i] && (m == '?' || m == c)
		}
		row = next
	}
	return row[len(text)]
}

// TestRemainders: borrowed texts end where they end, wherever the eight-byte steps of
// the reader fall.
func TestRemainders(t *testing.T) {
	for n := range 40 {
		for _, odd := range []string{"", `\n`, `\u0041`, "é", "\x01"} {
			payload := []byte(`{"k` + strings.Repeat("x", n) + `":"` + strings.Repeat("y", n) + odd + strings.Repeat("z", n%9) + `"}`)
			var in Input
			if got, want := in.SetJSON(payload, 0), json.Valid(payload); got != want {
				t.Fatalf("%q: %t, want %t", payload, got, want)
			} else if !want {
				continue
			}
			var top map[string]string
			if err := json.Unmarshal(payload, &top); err != nil {
				t.Fatal(err)
			}
			for key, want := range top {
				if v, ok := compile(t, key).Eval(&in); !ok || v.Text() != want {
					t.Fatalf("%q: %q, want %q", payload, v.Text(), want)
				}
			}
		}
	}
}

// TestNumbers: the fast way of reading decimals gives what the standard library does.
func TestNumbers(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		text := strconv.FormatUint(random.Uint64()>>random.IntN(64), 10)
		if places := random.IntN(30); places > 0 {
			text += "." + strings.Repeat("0", random.IntN(places)) + strconv.FormatUint(random.Uint64()>>random.IntN(64), 10)
		}
		if random.IntN(8) == 0 {
			text = "-" + text + "e" + strconv.Itoa(random.IntN(80)-40)
		}
		want, err := strconv.ParseFloat(text, 64)
		if got, ok := parseDecimal(text); got != want || ok != (err == nil) {
			t.Fatalf("%s: %v, want %v", text, got, want)
		}
	}
}

// TestEscapes: halves of surrogate pairs do not eat what follows.
func TestEscapes(t *testing.T) {
	for _, coded := range []string{
		`"\ud83d\ude00"`, `"\ud83d"`, `"\ud83dx"`, `"\ud83d\n"`, `"\ud83d\u0041"`, `"\ude00\ud83d"`, `"\ud83d\ud83d\ude00"`, `"\uD83D\uDE00\/\"\\\b\f\r\t"`,
	} {
		var want string
		if err := json.Unmarshal([]byte(coded), &want); err != nil {
			t.Fatal(err)
		}
		if got := string(appendUnescaped(nil, coded[1:len(coded)-1])); got != want {
			t.Errorf("%s: %q, want %q", coded, got, want)
		}
	}
}
