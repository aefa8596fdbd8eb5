package expr

import (
	"math"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Function is a function of the language, for people to read.
type Function struct {
	Name      string
	Signature string // with the names of its arguments
	Doc       string
}

// function is a Function with what it does.
type function struct {
	Function
	least, most int // how many arguments; -1: any number
	eval        func(in *Input, arguments []node) (Value, bool)
}

// call is a function with its arguments.
type call struct {
	function  *function
	arguments []node
}

func (c *call) eval(in *Input) (Value, bool) {
	if !in.step() {
		return Value{}, false
	}
	return c.function.eval(in, c.arguments)
}

// library is all functions but exists, which takes a name and is a node of its own, in
// the order of the documentation [EXT-EXP-1].
var library = []function{
	{Function{"isnull", "isnull(x)", "true where x is null"}, 1, 1, ofKind(Null)},
	{Function{"isnumber", "isnumber(x)", "true where x is a number"}, 1, 1, ofKind(Number)},
	{Function{"isstring", "isstring(x)", "true where x is a string"}, 1, 1, ofKind(String)},
	{Function{"isboolean", "isboolean(x)", "true where x is true or false"}, 1, 1, ofKind(Bool)},
	{Function{"isjson", "isjson(x)", "true where x is an object or an array"}, 1, 1, ofKind(JSON)},
	{Function{"tonumber", "tonumber(x)", "x as a number: null and false 0, true 1, a text the number that it spells; else undefined"}, 1, 1, numeric1(func(f float64) float64 { return f })},
	{Function{"tostring", "tostring(x)", "x as a text: null empty, a number decimal, an object or array as JSON"}, 1, 1, textual1(func(in *Input, s string) (Value, bool) { return textual(s), true })},
	{Function{"toboolean", "toboolean(x)", "x as a boolean: null and \"\" false, a number whether it is not zero, a text \"true\", \"false\" or a number; else undefined"}, 1, 1, toBoolean},
	{Function{"not", "not(x)", "true where x does not pass; the same as !x"}, 1, 1, negation},
	{Function{"if", "if(c, a, b)", "a where c passes, else b; the other one is not looked at"}, 3, 3, branch},
	{Function{"abs", "abs(x)", "the absolute value"}, 1, 1, numeric1(math.Abs)},
	{Function{"floor", "floor(x)", "the next whole number down"}, 1, 1, numeric1(math.Floor)},
	{Function{"ceil", "ceil(x)", "the next whole number up"}, 1, 1, numeric1(math.Ceil)},
	{Function{"round", "round(x)", "the nearest whole number, halves away from zero"}, 1, 1, numeric1(math.Round)},
	{Function{"min", "min(x, ...)", "the least of the numbers"}, 1, -1, extreme(false)},
	{Function{"max", "max(x, ...)", "the greatest of the numbers"}, 1, -1, extreme(true)},
	{Function{"len", "len(x)", "how many characters a text has, elements an array, members an object"}, 1, 1, length},
	{Function{"lower", "lower(s)", "the text in lower case"}, 1, 1, textual1(func(in *Input, s string) (Value, bool) { return in.cased(s, false), true })},
	{Function{"upper", "upper(s)", "the text in upper case"}, 1, 1, textual1(func(in *Input, s string) (Value, bool) { return in.cased(s, true), true })},
	{Function{"substr", "substr(s, from[, count])", "count characters of the text (else the rest) from position from, counted from 0, or from the end where negative"}, 2, 3, substring},
	{Function{"contains", "contains(s, part)", "true where the text has the part in it"}, 2, 2, textual2(strings.Contains)},
	{Function{"startswith", "startswith(s, part)", "true where the text begins with the part"}, 2, 2, textual2(strings.HasPrefix)},
	{Function{"endswith", "endswith(s, part)", "true where the text ends with the part"}, 2, 2, textual2(strings.HasSuffix)},
	{Function{"now", "now()", "the present time in UNIX seconds, with a fraction"}, 0, 0, present},
	{Function{"word", "word(topic, n)", "level n of a topic, counted from 0; empty where there is none"}, 2, 2, topicWord},
}

// functions is the library by name. exists is there without a function.
var functions = func() map[string]*function {
	all := make(map[string]*function, len(library))
	for i := range library {
		all[library[i].Name] = &library[i]
	}
	return all
}()

// Functions lists the functions of the language, in the order of the documentation.
func Functions() []Function {
	all := []Function{{"exists", "exists(name)", "true where the name has a value, null included; the only place where a name may be missing"}}
	for i := range library {
		all = append(all, library[i].Function)
	}
	return all
}

func ofKind(k Kind) func(*Input, []node) (Value, bool) {
	return func(in *Input, arguments []node) (Value, bool) {
		v, ok := arguments[0].eval(in)
		return boolean(v.kind == k), ok
	}
}

// numberAt evaluates an argument and casts it to a number.
func numberAt(in *Input, argument node) (float64, bool) {
	v, ok := argument.eval(in)
	if !ok {
		return 0, false
	}
	return in.numberOf(v)
}

// textAt evaluates an argument and casts it to a text.
func textAt(in *Input, argument node) (string, bool) {
	v, ok := argument.eval(in)
	if !ok {
		return "", false
	}
	return in.textOf(v)
}

func numeric1(f func(float64) float64) func(*Input, []node) (Value, bool) {
	return func(in *Input, arguments []node) (Value, bool) {
		x, ok := numberAt(in, arguments[0])
		return number(f(x)), ok
	}
}

func textual1(f func(*Input, string) (Value, bool)) func(*Input, []node) (Value, bool) {
	return func(in *Input, arguments []node) (Value, bool) {
		s, ok := textAt(in, arguments[0])
		if !ok {
			return Value{}, false
		}
		return f(in, s)
	}
}

func textual2(f func(s, part string) bool) func(*Input, []node) (Value, bool) {
	return func(in *Input, arguments []node) (Value, bool) {
		s, ok := textAt(in, arguments[0])
		if !ok {
			return Value{}, false
		}
		part, ok := textAt(in, arguments[1])
		return boolean(ok && f(s, part)), ok
	}
}

func toBoolean(in *Input, arguments []node) (Value, bool) {
	v, ok := arguments[0].eval(in)
	if !ok {
		return Value{}, false
	}
	truth, ok := in.truthOf(v)
	return boolean(truth), ok
}

func negation(in *Input, arguments []node) (Value, bool) {
	v, ok := arguments[0].eval(in)
	return boolean(!v.Passes()), ok
}

func branch(in *Input, arguments []node) (Value, bool) {
	v, ok := arguments[0].eval(in)
	if !ok {
		return Value{}, false
	}
	if v.Passes() {
		return arguments[1].eval(in)
	}
	return arguments[2].eval(in)
}

func extreme(most bool) func(*Input, []node) (Value, bool) {
	return func(in *Input, arguments []node) (Value, bool) {
		best, ok := numberAt(in, arguments[0])
		for _, a := range arguments[1:] {
			x, fine := numberAt(in, a)
			if ok = ok && fine; !ok {
				break
			}
			if x != best && (x > best) == most {
				best = x
			}
		}
		return number(best), ok
	}
}

// length counts characters, elements or members. Numbers, booleans and null have none.
func length(in *Input, arguments []node) (Value, bool) {
	v, ok := arguments[0].eval(in)
	if !ok || v.kind != String && v.kind != JSON || !in.pay(len(v.text)) {
		return Value{}, false
	}
	if v.kind == String {
		return number(float64(utf8.RuneCountInString(v.text))), true
	}
	return number(float64(countElements(v.text))), true
}

// countElements counts the commas between an array's or an object's own elements.
func countElements(b string) int {
	i := skipBlank(b, 1)
	if i == len(b)-1 {
		return 0
	}
	n := 1
	for i < len(b)-1 {
		if b[i] == ',' {
			n++
			i++
			continue
		}
		if b[i] == ':' {
			i++
		} else {
			i = skipValue(b, i)
		}
		i = skipBlank(b, i)
	}
	return n
}

// cased maps a text to lower or upper case, character by character.
func (in *Input) cased(s string, upper bool) Value {
	start := len(in.scratch)
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if upper && c-'a' <= 'z'-'a' || !upper && c-'A' <= 'Z'-'A' {
				c ^= 0x20
			}
			in.scratch = append(in.scratch, c)
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			in.scratch = append(in.scratch, c)
		} else {
			in.scratch = utf8.AppendRune(in.scratch, changeCase(r, upper))
		}
		i += n
	}
	return textual(in.made(start))
}

// substring counts in characters. What lies outside of the text is left out.
func substring(in *Input, arguments []node) (Value, bool) {
	s, ok := textAt(in, arguments[0])
	if !ok {
		return Value{}, false
	}
	from, ok := numberAt(in, arguments[1])
	if !ok {
		return Value{}, false
	}
	count := math.Inf(1)
	if len(arguments) == 3 {
		if count, ok = numberAt(in, arguments[2]); !ok {
			return Value{}, false
		}
	}
	if from = math.Trunc(from); from < 0 {
		from = max(0, from+float64(utf8.RuneCountInString(s)))
	}
	s = s[runes(s, from):]
	return textual(s[:runes(s, count)]), true
}

// runes returns how many bytes the first n characters take, or all.
func runes(s string, n float64) (size int) {
	for ; n >= 1 && size < len(s); n-- {
		size += runeLength(s[size:])
	}
	return size
}

func present(in *Input, _ []node) (Value, bool) {
	v, o := finite(in.now)
	return v, o == found
}

func topicWord(in *Input, arguments []node) (Value, bool) {
	s, ok := textAt(in, arguments[0])
	if !ok {
		return Value{}, false
	}
	n, ok := numberAt(in, arguments[1])
	if !ok {
		return Value{}, false
	}
	if n < 0 {
		return textual(""), true
	}
	for ; n >= 1; n-- {
		cut := strings.IndexByte(s, '/')
		if cut < 0 {
			return textual(""), true
		}
		s = s[cut+1:]
	}
	if cut := strings.IndexByte(s, '/'); cut >= 0 {
		s = s[:cut]
	}
	return textual(s), true
}

func changeCase(r rune, upper bool) rune {
	if upper {
		return unicode.ToUpper(r)
	}
	return unicode.ToLower(r)
}
