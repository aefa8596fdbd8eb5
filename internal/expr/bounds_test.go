package expr

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// faults are sources that are refused, with the column of the error [EXT-EXP-2].
var faults = []struct {
	source string
	column int
	reason string
}{
	{"", 1, "a value is wanted, not the end"},
	{"  ", 3, "not the end"},
	{"a +", 4, "not the end"},
	{"a b", 3, "an operator is wanted, not a name"},
	{"a 'b'", 3, "not a string"},
	{"1 2", 3, "not a number"},
	{"(a", 3, `")" is wanted, not the end`},
	{"(a]", 3, `not "]"`},
	{"a)", 2, "an operator is wanted"},
	{"* a", 1, `not "*"`},
	{"a * / b", 5, `not "/"`},
	{"a ? b", 6, `":" is wanted`},
	{"a ? : b", 5, "a value is wanted"},
	{"a = b", 3, `written "=="`},
	{"a === b", 5, `written "=="`},
	{"a & & b", 5, "a value is wanted"},
	{"a # b", 3, "begins nothing"},
	{"a\x00", 2, "begins nothing"},
	{"é = 1", 4, `written "=="`},
	{"a \xff", 3, "not UTF-8"},
	{"'abc", 1, "not closed"},
	{`"abc'`, 1, "not closed"},
	{`'abc\`, 1, "not closed"},
	{`'a\x41'`, 3, "unknown escape"},
	{`'a\u00g0'`, 3, "four hexadecimal"},
	{`'a\u00`, 3, "four hexadecimal"},
	{`'\ud800'`, 2, "surrogate"},
	{`'\ud800\u0041'`, 2, "surrogate"},
	{"0x", 3, "hexadecimal digits"},
	{"0xg", 3, "hexadecimal digits"},
	{"1.", 3, "digits are missing"},
	{"1e", 3, "digits are missing"},
	{"1e+", 4, "digits are missing"},
	{"1 + 1e999", 5, "too large"},
	{"0x" + strings.Repeat("f", 300), 1, "too large"},
	{"12ab", 3, "runs into a name"},
	{"1.5.2", 4, "runs into a name"},
	{"0x1fz", 5, "runs into a name"},
	{"foo(1)", 1, "unknown function"},
	{"1 + foo (1)", 5, "unknown function"},
	{"if(1, 2)", 1, "if(c, a, b) has other arguments"},
	{"abs()", 1, "other arguments"},
	{"now(1)", 1, "other arguments"},
	{"min()", 1, "other arguments"},
	{"abs(1", 6, `"," is wanted`},
	{"abs(1,)", 7, "a value is wanted"},
	{"abs(,1)", 5, "a value is wanted"},
	{"exists()", 8, "a name is wanted"},
	{"exists(1)", 8, "a name is wanted"},
	{"exists('a')", 8, "a name is wanted"},
	{"exists(a + 1)", 10, `")" is wanted`},
	{"exists(a, b)", 9, `")" is wanted`},
	{"$", 1, `"$" wants a name`},
	{"$ a", 1, `"$" wants a name`},
	{"$1", 1, `"$" wants a name`},
	{"$$a", 1, `"$" wants a name`},
	{"a[", 3, "whole number from 0 or a string"},
	{"a[b]", 3, "whole number"},
	{"a[-1]", 3, "whole number"},
	{"a[1.5]", 3, "whole number"},
	{"a[4294967296]", 3, "whole number"},
	{"a[0", 4, `"]" is wanted`},
	{"a[0].", 6, "a name is missing"},
	{"a[0]. b", 6, "a name is missing"},
	{"a[0] .b c", 9, "an operator is wanted"},
	{"[0]", 2, "wants a string here"},
	{"[a]", 2, "wants a string here"},
	{".a", 1, `a value is wanted, not "."`},
	{strings.Repeat("a", MaxSource+1), MaxSource + 1, "longer than 4096 bytes"},
	{strings.Repeat("1+", 1<<15) + "1", MaxSource + 1, "longer than 4096 bytes"}, // 64 KiB
	{strings.Repeat("(", 10_000), MaxSource + 1, "longer than"},
	{strings.Repeat("(", 4000), MaxDepth + 1, "nested deeper than 64"},
	{strings.Repeat("!", 4000), MaxDepth + 1, "nested deeper"},
	{strings.Repeat("-", 4000) + "1", MaxDepth + 1, "nested deeper"},
	{strings.Repeat("abs(", 1000), 4*MaxDepth + 4, "nested deeper"},
	{strings.Repeat("a?", 1000), 2*MaxDepth + 2, "nested deeper"},
	{strings.Repeat("a?b:", 1000), 4*MaxDepth + 2, "nested deeper"},
}

func TestFaults(t *testing.T) {
	for _, c := range faults {
		p, err := Compile(c.source)
		var e *Error
		switch {
		case !errors.As(err, &e) || p != nil:
			t.Errorf("%.50q: no error", c.source)
		case e.Column != c.column || !strings.Contains(e.Reason, c.reason):
			t.Errorf("%.50q: column %d %q, want %d %q", c.source, e.Column, e.Reason, c.column, c.reason)
		case e.Error() != fmt.Sprintf("%s at column %d", e.Reason, e.Column):
			t.Errorf("%.50q: %s", c.source, e)
		}
	}
}

// TestDeepest compiles and evaluates what is just within the bounds.
func TestDeepest(t *testing.T) { // [EXT-EXP-2]
	var in Input
	in.SetJSON([]byte(`{"a":1}`), 0)
	wide := strings.Repeat("(0||0&&0|0^0&0==0<0+0*", MaxDepth)
	for _, source := range []string{
		strings.Repeat("(", MaxDepth) + "1" + strings.Repeat(")", MaxDepth),
		strings.Repeat("!", MaxDepth) + "1",
		strings.Repeat("a?", MaxDepth) + "1" + strings.Repeat(":0", MaxDepth),
		strings.Repeat("a+", MaxSource/2-1) + "1",
		strings.Repeat("a==", MaxSource/3-1) + "1",
		strings.Repeat("a&&", MaxSource/3-1) + "1",
		"1||" + wide + "1" + strings.Repeat(")", MaxDepth),
	} {
		if !compile(t, source).Match(&in) {
			t.Errorf("%.30s...: does not pass", source)
		}
	}
}

// TestSteps takes evaluations over MaxSteps: all are undefined, also where a part
// would have decided [EXT-EXP-2].
func TestSteps(t *testing.T) {
	long := strings.Repeat("a", 60_000)
	payload := fmt.Sprintf(`{"s":%q,"t":%q,"z":%q,"n":%s,"list":[%s1]}`, long, long, strings.Repeat("a", MaxSteps*64)+"b",
		strings.Repeat("1", 2000), strings.Repeat("1,", MaxSteps*64))
	var in Input
	if !in.SetJSON([]byte(payload), 0) {
		t.Fatal("not valid")
	}
	for _, c := range []struct {
		source string
		passes bool
	}{
		{"s == t", true}, {"len(s) == 60000", true}, {"s ~ '*a'", true}, {"!contains(s, 'b')", true}, {"s ~ '*?b'", false}, {"s !~ '*?b'", true},
		{"len(s + t) == 120000", true}, {"list[3] == 1", true}, {"exists(list)", true}, {"exists(n)", true},
		{strings.Repeat("len(s) + ", 12) + "1", false}, {"true || len(z)", true}, {"len(z) || true", false}, {"s + s + s + s + s + s + s || true", false},
		{"z == z || true", false}, {"z == z", false}, {"list[650000] || true", false}, {"exists(list[650000]) || true", false}, {"list[1000000] || true", false},
		{"len(list) || true", false}, {"tostring(list) || true", false}, {"z ~ '*b' || true", false}, {"upper(z) || true", false}, {"substr(z, 5) || true", false},
		{"word(z, 5) || true", false}, {"n || true", false}, {"list == list || true", false}, {"s ~ '" + strings.Repeat("*a?a", 300) + "*b' || true", true},
		{strings.Repeat("1e308%5e-324+", 60) + "1", false}, {strings.Repeat("1e9%7+", 300) + "1", true},
		{"s ~ '" + strings.Repeat("a*", 2000) + "' ", true}, {"s ~ '" + strings.Repeat("*a", 2000) + "*b' || true", true},
		{"s ~ '*" + strings.Repeat("a?", 1000) + "b*' || true", false}, {"s ~ '*" + strings.Repeat("?", 1000) + "b*' || true", false},
	} {
		if got := compile(t, c.source).Match(&in); got != c.passes {
			t.Errorf("%.60s: %t, want %t", c.source, got, c.passes)
		}
	}
	if !compile(t, "s == t").Match(&in) { // each evaluation has its own steps
		t.Error("steps are carried over")
	}
}

// TestMessageSteps: user properties are paid for too [EXT-EXP-2].
func TestMessageSteps(t *testing.T) {
	m := &Message{}
	for i := range 5000 {
		m.User = append(m.User, [2][]byte{fmt.Appendf(nil, "%05d", i), []byte("v")})
	}
	var in Input
	in.SetMessage(m, 0)
	for source, passes := range map[string]bool{
		"user_properties.04999 == 'v'": true, "!exists(user_properties.x)": true,
		"len(user_properties) > 0 || true":                         false,
		strings.Repeat("exists(user_properties.x)||", 40) + "true": false,
	} {
		if got := compile(t, source).Match(&in); got != passes {
			t.Errorf("%.60s: %t, want %t", source, got, passes)
		}
	}
}

// TestCrowdedPayloads: too many members, the same key again and again, and keys that
// share one hash: names are found, whatever way is taken.
func TestCrowdedPayloads(t *testing.T) {
	many, same, nested := &strings.Builder{}, &strings.Builder{}, &strings.Builder{}
	for i := range maxMembers + 10 {
		fmt.Fprintf(many, `"k%d":%d,`, i, i)
		fmt.Fprintf(same, `"k":%d,`, i)
	}
	for i := range 5000 {
		fmt.Fprintf(nested, `"a":{"b":%d},`, i)
	}
	for name, c := range map[string]struct {
		payload, source, want string
		walks                 bool
	}{
		"many":   {many.String(), "k7 + 1", "8", true},
		"late":   {many.String(), fmt.Sprintf("k%d", maxMembers+9), fmt.Sprint(maxMembers + 9), true},
		"same":   {same.String()[:len(same.String())/2/8*8], "last", "1", false},
		"nested": {nested.String(), "a.b", "4999", true},
	} {
		payload := "{" + c.payload
		payload = payload[:strings.LastIndexByte(payload, ',')+1] + `"last":1}`
		var in Input
		if !in.SetJSON([]byte(payload), 0) {
			t.Fatalf("%s: not valid", name)
		}
		v, ok := compile(t, c.source).Eval(&in)
		if got := show(v, ok); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		if in.tape.walks != c.walks {
			t.Errorf("%s: walks %t", name, in.tape.walks)
		}
		in.Reset()
		if cap(in.tape.members) > keptMembers || cap(in.tape.heads) > keptMembers {
			t.Errorf("%s: the memory is kept", name)
		}
	}
}

// TestNoAllocation: nothing is allocated per message and expression [EXT-EXP-2].
func TestNoAllocation(t *testing.T) {
	payload := []byte(sample)
	m := &Message{Topic: []byte("a/b"), Payload: payload, User: [][2][]byte{{[]byte("k"), []byte("12")}}}
	var programs []*Program
	for _, c := range values {
		if !strings.Contains(c.source, "big") && !strings.Contains(c.source, "1e999") { // the standard library's error is allocated
			programs = append(programs, compile(t, c.source))
		}
	}
	programs = append(programs, compile(t, "user_properties.k > 3 && word(topic, 1) == 'b'"))
	var in Input
	round := func() {
		in.SetJSON(payload, 5)
		for _, p := range programs {
			p.Match(&in)
		}
		in.SetMessage(m, 5)
		for _, p := range programs {
			p.Match(&in)
		}
	}
	round()
	if n := testing.AllocsPerRun(100, round); n != 0 {
		t.Errorf("%g allocations", n)
	}
}
