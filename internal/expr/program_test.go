package expr

import (
	"strings"
	"testing"
)

const sample = `{
  "speed": 81, "zero": 0, "neg": -2.5, "text": "hello", "digits": "42", "hex": "0x10", "empty": "",
  "yes": true, "no": false, "nothing": null, "big": 1e999, "word": "true",
  "position.speed": 12, "position": {"speed": 13, "course": 270, "deep": {"er": 1}},
  "a.b": {"x": 1}, "a": {"b": {"x": 2, "y": 3}, "b.y": 4}, "list": [1, "two", {"three": [3, 4]}, null, []],
  "key with space": {"n-m": 5}, "esc\u0061ped": "tab\there \ud83d\ude00 \ud800", "größe": 7, "star": "a*b",
  "len": 3, "true": 9, "twice": {"q": 1}, "twice": {"r": 2}, "obj": { "k" : [ 1 , 2 ] }, "same": {"k":[1,2]},
  "long": 9007199254740993, "tiny": 1e-7, "huge": 1e21, "topic": "a/b//d"
}`

// undefined marks expressions without a value.
const undefined = "-"

// values are expressions over sample with their values [EXT-EXP-1].
var values = []struct{ source, want string }{
	// Literals.
	{"1", "1"}, {"1.5", "1.5"}, {".5", "0.5"}, {"2e3", "2000"}, {"2E-3", "0.002"}, {"0x1f", "31"}, {"0X1F", "31"}, {"007", "7"},
	{"true", "true"}, {"false", "false"}, {"null", "null"}, {`"a\"b"`, `"a\"b"`}, {`'it\'s'`, `"it's"`}, {`"\\\n\t\r\/"`, `"\\\n\t\r/"`},
	{`"\u00e9\ud83d\ude00"`, `"é😀"`}, {`'"'`, `"\""`}, {`""`, `""`}, {"-0", "0"}, {"1e21", "1e+21"}, {"1e-7", "1e-7"}, {"\t1\n", "1"},

	// Names.
	{"speed", "81"}, {"position.speed", "12"}, {"position.course", "270"}, {"position.deep.er", "1"}, {"position.nope", undefined},
	{"a.b.x", "1"}, {"a.b.y", "4"}, {"a.b", `{"x":1}`}, {`a["b"].y`, "3"}, {`a["b.y"]`, "4"}, {`["a"].b.x`, "2"}, {`["a.b"].x`, "1"},
	{"list[0]", "1"}, {"list[1]", `"two"`}, {"list[2].three[1]", "4"}, {"list[3]", "null"}, {"list[4]", "[]"}, {"list[5]", undefined},
	{"list[4][0]", undefined}, {"list[0][0]", undefined}, {"list.three", undefined}, {"speed[0]", undefined}, {`speed["x"]`, undefined},
	{"list [ 2 ].three [0]", "3"}, {`["key with space"]["n-m"]`, "5"}, {"escaped", `"tab\there 😀 ` + "\ufffd" + `"`}, {"größe", "7"},
	{"len", "3"}, {`["true"]`, "9"}, {"twice.q", undefined}, {"twice.r", "2"}, {"obj", `{"k":[1,2]}`}, {"nope", undefined},
	{"big", undefined}, {"exists(big)", "true"}, {"long", "9007199254740992"}, {"tiny", "1e-7"}, {"nothing", "null"},
	{"$nope", "null"}, {"$speed", "81"}, {"$nope.a[0].b", "null"}, {`$["no"]`, "false"}, {"$big", undefined},

	// Undefined spreads, except where it is not looked at.
	{"nope || true", undefined}, {"true || nope", undefined}, {"false && nope", undefined}, {"true || 1 / 0", "true"}, {"false && (1 || nope + 1)", undefined},
	{"true || $nope", "true"}, {"true || exists(nope)", "true"}, {"true || (1 ? 2 : nope)", "true"}, {"true || if(1, 2, nope)", "true"}, {"true || (nope ? 1 : 2)", undefined},
	{"true || abs(nope) > 1", undefined}, {"true || 1 < 2 < nope", undefined}, {"true || -nope", undefined}, {"true || !nope", undefined}, {"exists(nope) ? nope > 1 : true", "true"}, {"true && nope", undefined}, {"nope == 1", undefined},
	{"yes ? 1 : nope", "1"}, {"no ? nope : 2", "2"}, {"if(yes, 1, nope)", "1"}, {"if(no, nope, 2)", "2"}, {"if(nope, 1, 2)", undefined},
	{"isnull(nope)", undefined}, {"isnull($nope)", "true"}, {"exists(nope)", "false"}, {"exists(nothing)", "true"}, {"exists(position.speed)", "true"},
	{"exists(list[4])", "true"}, {"exists(list[9])", "false"}, {"exists($speed)", "true"}, {`exists(["a"])`, "true"}, {"!nope", undefined},
	{"exists(nope) && nope > 3", undefined}, {"exists(nope) && $nope > 3", "false"}, {"min(1, nope)", undefined}, {"tostring(nope)", undefined},

	// Precedence and grouping.
	{"1 + 2 * 3", "7"}, {"(1 + 2) * 3", "9"}, {"10 - 4 - 3", "3"}, {"100 / 10 / 5", "2"}, {"7 % 4 * 2", "6"}, {"-2 * -3", "6"}, {"- - 2", "2"},
	{"1 | 6 & 4", "5"}, {"1 | 3 ^ 1", "3"}, {"1 ^ 3 & 2", "3"}, {"4 & 5 == 5", "0"}, {"(4 & 5) == 4", "true"}, {"1 < 2 == true", "true"},
	{"3 > 2 > 1", "false"}, {"2 == 2 == 1", "true"}, {"1 + 1 < 3", "true"}, {"0 && 0 || 1", "true"}, {"1 || 0 && 0", "true"},
	{"1 ? 2 : 0 ? 3 : 4", "2"}, {"0 ? 2 : 0 ? 3 : 4", "4"}, {"1 ? 0 ? 5 : 6 : 7", "6"}, {"0 || 0 ? 1 : 2", "2"}, {"!0 + 1", "2"}, {"!(0 + 1)", "false"},
	{"1 == 1 && 2 == 2", "true"}, {"-speed + +digits", "-39"}, {"!!speed", "true"}, {"1 == 2 != 1", "true"},

	// Arithmetic.
	{"1 / 0", undefined}, {"0 / 0", undefined}, {"5 % 0", undefined}, {"-7 % 4", "-3"}, {"7.5 % 2", "1.5"}, {"1e308 * 10", undefined},
	{"-1e308 - 1e308", undefined}, {"huge * huge", "1e+42"}, {"text + 1", undefined}, {"digits + 1", "43"}, {"hex + 1", "17"}, {"text + digits", `"hello42"`},
	{"yes + yes", "2"}, {"nothing + 1", "1"}, {"empty + 1", undefined}, {"list + 1", undefined}, {"-text", undefined}, {"-yes", "-1"}, {"+nothing", "0"},
	{"6 | 1", "7"}, {"6 & 3", "2"}, {"6 ^ 3", "5"}, {"-1 & 0xff", "255"}, {"5.9 & 7.9", "5"}, {"-5.9 | 0", "-5"}, {"1e19 & 1", undefined},
	{"9223372036854775807 & 1", undefined}, {"-9223372036854775808 & -1", "-9223372036854776000"}, {"text & 1", undefined}, {"digits & 2", "2"},

	// Comparisons.
	{"speed > 80", "true"}, {"speed >= 81", "true"}, {"speed < 81", "false"}, {"speed <= 81", "true"}, {"speed == 81.0", "true"}, {"speed != 81", "false"},
	{"speed == '81'", "true"}, {"speed == '081'", "true"}, {"'0x51' == speed", "true"}, {"speed == ' 81'", "false"}, {"speed != 'x'", "true"}, {"0 == text", "false"},
	{"speed < 'x'", "false"}, {"speed >= 'x'", "false"}, {"nothing == 0", "true"}, {"no == 0", "true"}, {"yes == 1", "true"}, {"yes == 2", "false"}, {"nothing < 1", "true"},
	{"nothing == null", "true"}, {"nothing == false", "false"}, {"nothing <= null", "true"}, {"nothing < null", "false"}, {"nothing == empty", "false"},
	{"yes == true", "true"}, {"no < yes", "true"}, {"yes == 'true'", "false"}, {"yes != 'true'", "true"}, {"yes > 'true'", "false"},
	{"text == 'hello'", "true"}, {"text < 'help'", "true"}, {"'B' < 'a'", "true"}, {"'10' < '9'", "true"}, {"text >= 'hello'", "true"}, {"text != ''", "true"},
	{"obj == same", "true"}, {"obj != same", "false"}, {"obj < same", "false"}, {"obj >= same", "false"}, {"list == obj", "false"}, {"obj == 1", "false"},
	{"obj != 1", "true"}, {"obj == text", "false"}, {"'1e999' == 1", "false"}, {"nope != 1", undefined},

	// Masks.
	{"text ~ 'h*o'", "true"}, {"text ~ 'h?llo'", "true"}, {"text ~ 'hello'", "true"}, {"text ~ 'hell'", "false"}, {"text ~ '*'", "true"}, {"empty ~ '*'", "true"},
	{"empty ~ '?'", "false"}, {"text !~ 'x*'", "true"}, {"text !~ 'h*'", "false"}, {"text ~ '*l*l*'", "true"}, {"text ~ '*l*l*l*'", "false"}, {"text ~ '?????'", "true"},
	{"text ~ '??????'", "false"}, {"text ~ '*??o'", "true"}, {"'größe' ~ 'gr?ße'", "true"}, {"'größe' ~ '*??e'", "true"}, {"'aXbXc' ~ 'a?b?c'", "true"},
	{"text == 'h*'", "true"}, {"'h*' == text", "true"}, {"text != 'h*'", "false"}, {"text == 'h?llo'", "false"}, {"text == 'h?l*'", "true"}, {"star == 'a' + '*b'", "true"},
	{"'axb' == 'a' + '*b'", "false"}, {"'axb' ~ star", "true"}, {"'axb' == star", "false"}, {"speed ~ '8?'", "true"}, {"speed == '8*'", "true"}, {"yes ~ 't*'", "true"},
	{"nothing ~ '*'", "false"}, {"nothing !~ '*'", "true"}, {"text ~ null", "false"}, {"obj ~ '{*}'", "true"}, {"'81' ~ 81", "true"}, {"'aab' ~ '*ab'", "true"},
	{"'abcabd' ~ '*ab?'", "true"}, {"'abcabd' ~ '*a?d*'", "true"}, {"'abab' ~ 'ab*ab*ab'", "false"}, {"'xay' ~ '*?a?*'", "true"}, {"'ay' ~ '*?a?*'", "false"},

	// Truth.
	{"text && list", "false"}, {"text || list", "true"}, {"!list", "true"}, {"!text", "false"}, {"!empty", "true"}, {"!neg", "false"}, {"zero || empty", "false"}, {"not(zero)", "true"},

	// Functions.
	{"isnull(nothing)", "true"}, {"isnull(0)", "false"}, {"isnumber(speed)", "true"}, {"isnumber(digits)", "false"}, {"isstring(text)", "true"}, {"isstring(1)", "false"},
	{"isboolean(no)", "true"}, {"isboolean(0)", "false"}, {"isjson(list)", "true"}, {"isjson(obj)", "true"}, {"isjson(text)", "false"},
	{"tonumber('12.5')", "12.5"}, {"tonumber('-0x10')", "-16"}, {"tonumber('+1e2')", "100"}, {"tonumber('')", undefined}, {"tonumber('1 ')", undefined}, {"tonumber('1.')", undefined},
	{"tonumber('--1')", undefined}, {"tonumber('+')", undefined}, {"tonumber('0x')", undefined}, {"tonumber('NaN')", undefined}, {"tonumber('Infinity')", undefined},
	{"tonumber('007')", "7"}, {"tonumber('.5')", undefined}, {"tonumber(yes)", "1"}, {"tonumber(nothing)", "0"}, {"tonumber(obj)", undefined},
	{"tostring(1.50)", `"1.5"`}, {"tostring(1e21)", `"1e+21"`}, {"tostring(nothing)", `""`}, {"tostring(yes)", `"true"`}, {"tostring(obj)", `"{\"k\":[1,2]}"`}, {"tostring(text)", `"hello"`},
	{"toboolean('true')", "true"}, {"toboolean('false')", "false"}, {"toboolean('')", "false"}, {"toboolean('0')", "false"}, {"toboolean('2')", "true"}, {"toboolean(text)", undefined},
	{"toboolean(0)", "false"}, {"toboolean(-3)", "true"}, {"toboolean(nothing)", "false"}, {"toboolean(list)", undefined},
	{"if(1, 'a', 'b')", `"a"`}, {"if('', 'a', 'b')", `"b"`}, {"abs(neg)", "2.5"}, {"floor(neg)", "-3"}, {"ceil(neg)", "-2"}, {"round(neg)", "-3"}, {"round(2.4)", "2"},
	{"abs('-3')", "3"}, {"abs(text)", undefined}, {"min(3, 1, 2)", "1"}, {"max(3, '7', 2)", "7"}, {"min(5)", "5"}, {"max(1, text)", undefined}, {"max(-1, -2)", "-1"},
	{"len(text)", "5"}, {"len(empty)", "0"}, {"len('größe')", "5"}, {"len(list)", "5"}, {"len(list[4])", "0"}, {"len(obj)", "1"}, {"len(position)", "3"}, {"len(speed)", undefined},
	{"len(nothing)", undefined}, {"lower('GRÖSSE')", `"grösse"`}, {"upper('größe1')", `"GRÖßE1"`}, {"lower(yes)", `"true"`}, {"upper(1e21)", `"1E+21"`},
	{"substr(text, 1)", `"ello"`}, {"substr(text, 1, 2)", `"el"`}, {"substr(text, -2)", `"lo"`}, {"substr(text, -9, 1)", `"h"`}, {"substr(text, 9)", `""`}, {"substr(text, 0, -1)", `""`},
	{"substr('größe', 2, 2)", `"öß"`}, {"substr(text, 1.9, 1.9)", `"e"`}, {"substr(text, 'x')", undefined}, {"substr(speed, 1)", `"1"`}, {"substr(text, 1e300)", `""`}, {"substr(text, 0, 1e300)", `"hello"`},
	{"contains(text, 'ell')", "true"}, {"contains(text, '')", "true"}, {"contains(text, 'x')", "false"}, {"startswith(text, 'he')", "true"}, {"startswith(text, 'lo')", "false"},
	{"endswith(text, 'lo')", "true"}, {"endswith(text, 'he')", "false"}, {"contains(speed, 8)", "true"}, {"now()", "1700000000.25"}, {"now() - 1700000000 < 1", "true"},
	{"word(topic, 0)", `"a"`}, {"word(topic, 2)", `""`}, {"word(topic, 3)", `"d"`}, {"word(topic, 4)", `""`}, {"word(topic, -1)", `""`}, {"word(topic, 1.9)", `"b"`}, {"word(topic, 1e300)", `""`},
}

func compile(t testing.TB, source string) *Program {
	t.Helper()
	p, err := Compile(source)
	if err != nil {
		t.Fatalf("%q: %v", source, err)
	}
	return p
}

// show is what values want.
func show(v Value, ok bool) string {
	if !ok {
		return undefined
	}
	return string(v.JSON())
}

func TestValues(t *testing.T) { // [EXT-EXP-1]
	var in Input
	if !in.SetJSON([]byte(sample), 1700000000.25) {
		t.Fatal("the sample is not valid")
	}
	for _, walks := range []bool{false, true} { // by the tape, and by walking
		in.tape.indexed, in.tape.walks = walks, walks
		for _, c := range values {
			p := compile(t, c.source)
			v, ok := p.Eval(&in)
			if got := show(v, ok); got != c.want {
				t.Errorf("%s (walking: %t): %s, want %s", c.source, walks, got, c.want)
			}
			if got := p.Match(&in); got != (ok && v.Passes()) {
				t.Errorf("%s: Match %t", c.source, got)
			}
			if p.Source() != c.source {
				t.Errorf("Source %q, want %q", p.Source(), c.source)
			}
		}
	}
}

func TestMessage(t *testing.T) { // [EXT-FIL-2]
	m := &Message{
		Topic: []byte("gate/7/status"), Payload: []byte(`{"speed":5}`), CID: 42, Timestamp: 1700000000.5, QoS: 1, Retain: true,
		User: [][2][]byte{
			{[]byte("unit"), []byte("km")}, {[]byte("a.b"), []byte("7")}, {[]byte("unit"), []byte("mi")}, {[]byte("x y"), []byte("\"")},
		},
	}
	var in Input
	in.SetMessage(m, 10)
	for _, c := range []struct{ source, want string }{
		{"topic", `"gate/7/status"`}, {"word(topic, 1) == 7", "true"}, {"topic ~ 'gate/*/status'", "true"}, {"cid == 42", "true"}, {"timestamp", "1700000000.5"},
		{"payload", `"{\"speed\":5}"`}, {"payload.speed", undefined}, {"speed", undefined}, {"$speed", "null"}, {"qos", "1"}, {"retain", "true"}, {"now()", "10"},
		{"user_properties.unit", `"km"`}, {"user_properties.a.b + 1", "8"}, {`user_properties["x y"]`, `"\""`}, {`user_properties["a.b"]`, `"7"`},
		{"user_properties", `{"unit":"km","a.b":"7","x y":"\""}`}, {"len(user_properties)", "3"}, {"user_properties.none", undefined}, {"exists(user_properties.unit)", "true"},
		{"exists(user_properties.none)", "false"}, {"user_properties[0]", undefined}, {"user_properties[\"unit\"][0]", undefined}, {"topic[0]", undefined}, {`["topic"]`, undefined},
		{"exists(topic)", "true"}, {"user_properties.", undefined}, {"payload == '*speed*'", "true"},
	} {
		v, ok := compile(t, c.source).Eval(&in)
		if got := show(v, ok); got != c.want {
			t.Errorf("%s: %s, want %s", c.source, got, c.want)
		}
	}
	in.Reset()
	if compile(t, "true").Match(&in) {
		t.Error("an Input that holds nothing matches")
	}
}

func TestNotJSON(t *testing.T) { // [EXT-FIL-2]
	deep := strings.Repeat("[", MaxJSONDepth) + strings.Repeat("]", MaxJSONDepth)
	var in Input
	for _, c := range []struct {
		payload string
		valid   bool
	}{
		{"", false}, {"x", false}, {"{", false}, {"{}x", false}, {`{"a":}`, false}, {`{"a":1,}`, false}, {`[1,]`, false}, {"\"\x01\"", false}, {`"\x"`, false}, {`"\u12"`, false},
		{"01", false}, {"1.", false}, {"-", false}, {"+1", false}, {"1e", false}, {"nul", false}, {"nulll", false}, {`{"a" 1}`, false}, {`{a:1}`, false}, {`"`, false},
		{"[" + deep + "]", false}, {`{"a":` + deep + "}", false}, {"\xef\xbb\xbf{}", false},
		{deep, true}, {" {} ", true}, {"[]", true}, {"1", true}, {`"x"`, true}, {"null", true}, {" [ 1 , { \"a\" : [ ] } ] ", true}, {"-0.5e+7", true}, {"\"\xff\"", true},
	} {
		if got := in.SetJSON([]byte(c.payload), 0); got != c.valid {
			t.Errorf("%.40q: valid %t, want %t", c.payload, got, c.valid)
		}
		if got := compile(t, "true").Match(&in); got != c.valid {
			t.Errorf("%.40q: true matches %t, want %t", c.payload, got, c.valid)
		}
		if compile(t, "exists(a)").Match(&in) {
			t.Errorf("%.40q: has a name", c.payload)
		}
	}
}

func TestReadBack(t *testing.T) {
	var in Input
	in.SetJSON([]byte(sample), 0)
	get := func(source string) Value {
		v, ok := compile(t, source).Eval(&in)
		if !ok {
			t.Fatalf("%s is undefined", source)
		}
		return v
	}
	speed, text, yes, list, nothing := get("speed"), get("text"), get("yes"), get("list[2]"), get("nothing")
	in.SetJSON([]byte(strings.Repeat(" ", 2000)+"{}"), 0) // the values own their memory
	if speed.Kind() != Number || speed.Number() != 81 || speed.Text() != "" || speed.Bool() {
		t.Errorf("speed: %v", speed)
	}
	if text.Kind() != String || text.Text() != "hello" || text.Number() != 0 {
		t.Errorf("text: %v", text)
	}
	if yes.Kind() != Bool || !yes.Bool() || yes.Number() != 0 {
		t.Errorf("yes: %v", yes)
	}
	if list.Kind() != JSON || string(list.JSON()) != `{"three":[3,4]}` || list.Text() != "" || list.Passes() {
		t.Errorf("list: %v", list)
	}
	if nothing.Kind() != Null || nothing.Passes() || nothing.Kind().String() != "null" {
		t.Errorf("nothing: %v", nothing)
	}
}

func TestFunctions(t *testing.T) {
	all := Functions()
	if len(all) != len(functions)+1 {
		t.Errorf("%d functions listed, %d known", len(all), len(functions)+1)
	}
	for _, f := range all {
		if !strings.HasPrefix(f.Signature, f.Name+"(") || f.Doc == "" {
			t.Errorf("%+v", f)
		}
	}
}
