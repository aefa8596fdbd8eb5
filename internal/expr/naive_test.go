package expr

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// A model of the language over encoding/json: expressions are drawn as trees, written
// with no more parentheses than their precedence asks for, and evaluated twice.

// tree is a drawn expression: the source of a leaf, or an operator or a function with
// what it is applied to.
type tree struct {
	op   string
	of   []*tree
	leaf string
	get  func(m *model) any  // of a leaf
	has  func(m *model) bool // of a name
}

// noValue is undefined in the model.
type noValue struct{}

// model is the object as encoding/json has it, member by member.
type model struct{ top json.RawMessage }

// pick returns a member; the last of the same key counts.
func pick(object json.RawMessage, key string) (json.RawMessage, bool) {
	var members map[string]json.RawMessage
	if len(object) == 0 || object[0] != '{' || json.Unmarshal(object, &members) != nil {
		return nil, false
	}
	v, ok := members[key]
	return v, ok
}

func pickName(object json.RawMessage, text string) (json.RawMessage, bool) {
	if v, ok := pick(object, text); ok {
		return v, true
	}
	for cut := strings.LastIndexByte(text, '.'); cut >= 0; cut = strings.LastIndexByte(text[:cut], '.') {
		if inner, ok := pick(object, text[:cut]); ok {
			if v, ok := pickName(inner, text[cut+1:]); ok {
				return v, true
			}
		}
	}
	return nil, false
}

// read turns JSON into nil, bool, float64, string, or compact JSON.
func read(raw json.RawMessage) any {
	switch raw[0] {
	case '{', '[':
		var b bytes.Buffer
		if json.Compact(&b, raw) != nil {
			return noValue{}
		}
		return json.RawMessage(b.String())
	}
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return noValue{}
	}
	return v
}

func modelNumber(v any) any {
	switch v := v.(type) {
	case nil:
		return 0.0
	case bool:
		if v {
			return 1.0
		}
		return 0.0
	case float64:
		return v
	case string:
		if m := regexp.MustCompile(`^([+-]?)0[xX]([0-9a-fA-F]+)$`).FindStringSubmatch(v); m != nil {
			n, err := strconv.ParseUint(m[2], 16, 53)
			if err != nil {
				return noValue{}
			}
			if m[1] == "-" {
				return -float64(n)
			}
			return float64(n)
		}
		if regexp.MustCompile(`^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?$`).MatchString(v) {
			if f, err := strconv.ParseFloat(v, 64); err == nil {
				return f
			}
		}
	}
	return noValue{}
}

func modelText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case json.RawMessage:
		return string(v)
	case float64:
		if v == 0 {
			return "0" // encoding/json has -0
		}
	}
	b, _ := json.Marshal(v)
	return string(b)
}

func modelPasses(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case float64:
		return v != 0
	case string:
		return v != ""
	}
	return false
}

func modelLike(v, mask any) bool {
	if v == nil || mask == nil {
		return false
	}
	pattern := strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(modelText(mask)))
	return regexp.MustCompile(`(?s)^` + pattern + `$`).MatchString(modelText(v))
}

// modelOrder compares: less, equal, and whether there is an order.
func modelOrder(a, b any) (less, equal, ordered bool) {
	_, x := a.(float64)
	_, y := b.(float64)
	if !x && !y {
		switch a := a.(type) {
		case nil:
			return false, b == nil, b == nil
		case string:
			b, ok := b.(string)
			return ok && a < b, ok && a == b, ok
		case json.RawMessage:
			b, ok := b.(json.RawMessage)
			return false, ok && bytes.Equal(a, b), false
		case bool:
			if _, ok := b.(bool); !ok {
				return false, false, false
			}
		}
	}
	f, ok := modelNumber(a).(float64)
	g, too := modelNumber(b).(float64)
	return ok && too && f < g, ok && too && f == g, ok && too
}

func modelWhole(f float64) any {
	if f >= 1<<63 || f < -1<<63 {
		return noValue{}
	}
	return int64(f)
}

// literalMask tells whether a leaf is a string literal with a star.
func (e *tree) literalMask() bool {
	return e.op == "" && (e.leaf[0] == '\'' || e.leaf[0] == '"') && strings.Contains(e.leaf, "*")
}

// lacks tells whether a name is missing in e, outside of branches and of exists().
func (e *tree) lacks(m *model) bool {
	switch {
	case e.op == "exists":
		return false
	case e.op == "?:" || e.op == "if":
		return e.of[0].lacks(m)
	case e.op == "":
		return e.has != nil && e.leaf[0] != '$' && !e.has(m)
	}
	return slices.ContainsFunc(e.of, func(x *tree) bool { return x.lacks(m) })
}

// eval is the model's evaluation.
func (e *tree) eval(m *model) any {
	switch e.op {
	case "":
		return e.get(m)
	case "exists":
		return e.of[0].has(m)
	case "?:", "if":
		c := e.of[0].eval(m)
		switch {
		case c == noValue{}:
			return c
		case modelPasses(c):
			return e.of[1].eval(m)
		}
		return e.of[2].eval(m)
	case "||", "&&":
		for i, of := range e.of {
			v := of.eval(m)
			if (v == noValue{}) {
				return v
			}
			if modelPasses(v) != (e.op == "||") {
				continue
			}
			for _, rest := range e.of[i+1:] {
				if rest.lacks(m) {
					return noValue{}
				}
			}
			return e.op == "||"
		}
		return e.op == "&&"
	}
	var of []any
	for _, x := range e.of {
		v := x.eval(m)
		if (v == noValue{}) {
			return v
		}
		of = append(of, v)
	}
	if len(of) == 1 {
		return modelUnary(e.op, of[0])
	}
	return e.binary(of[0], of[1])
}

func modelUnary(op string, v any) any {
	switch op {
	case "!":
		return !modelPasses(v)
	case "isnull":
		return v == nil
	case "tostring":
		return modelText(v)
	}
	f, ok := modelNumber(v).(float64)
	switch {
	case !ok:
		return noValue{}
	case op == "-":
		return -f
	}
	return f
}

func (e *tree) binary(a, b any) any {
	mask := e.of[1].literalMask() || e.of[0].literalMask()
	if e.of[0].literalMask() && !e.of[1].literalMask() && (e.op == "==" || e.op == "!=") {
		a, b = b, a
	}
	less, equal, ordered := modelOrder(a, b)
	switch e.op {
	case "==":
		if mask {
			return modelLike(a, b)
		}
		return equal
	case "!=":
		if mask {
			return !modelLike(a, b)
		}
		return !equal
	case "~":
		return modelLike(a, b)
	case "!~":
		return !modelLike(a, b)
	case "<":
		return ordered && less
	case "<=":
		return ordered && (less || equal)
	case ">":
		return ordered && !less && !equal
	case ">=":
		return ordered && !less
	}
	s, one := a.(string)
	t, two := b.(string)
	if one && two && e.op == "+" {
		return s + t
	}
	f, ok := modelNumber(a).(float64)
	g, too := modelNumber(b).(float64)
	if !ok || !too {
		return noValue{}
	}
	return modelCalculate(e.op, f, g)
}

func modelCalculate(op string, f, g float64) any {
	switch op {
	case "+":
		f += g
	case "-":
		f -= g
	case "*":
		f *= g
	case "/":
		f /= g
	case "%":
		f = math.Mod(f, g)
	default:
		x, ok := modelWhole(f).(int64)
		y, too := modelWhole(g).(int64)
		if !ok || !too {
			return noValue{}
		}
		f = float64(map[string]int64{"|": x | y, "^": x ^ y, "&": x & y}[op])
	}
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return noValue{}
	}
	return f
}

var modelPrecedence = map[string]int{
	"?:": 0, "||": 1, "&&": 2, "|": 3, "^": 4, "&": 5, "==": 6, "!=": 6, "~": 6, "!~": 6,
	"<": 7, "<=": 7, ">": 7, ">=": 7, "+": 8, "-": 8, "*": 9, "/": 9, "%": 9,
}

// write prints the expression where an operator of at least the given precedence may
// stand.
func (e *tree) write(least int) string {
	switch {
	case e.op == "":
		return e.leaf
	case len(e.of) == 1 && (e.op == "!" || e.op == "-" || e.op == "+"):
		return e.op + " " + e.of[0].write(10)
	}
	own, infix := modelPrecedence[e.op]
	var s string
	switch {
	case !infix:
		var of []string
		for _, x := range e.of {
			of = append(of, x.write(0))
		}
		return e.op + "(" + strings.Join(of, ", ") + ")"
	case e.op == "?:":
		s = e.of[0].write(1) + "?" + e.of[1].write(0) + ":" + e.of[2].write(0)
	default:
		s = e.of[0].write(own) + " " + e.op + " " + e.of[1].write(own+1)
	}
	if own < least {
		return "(" + s + ")"
	}
	return s
}

var drawnKeys = []string{"a", "b", "a.b", "b.a", "a.b.a", "b.a.b", "", "a.", ".b", "x y", "é"}

// drawDocument draws JSON of the given depth, objects above all.
func drawDocument(t *rapid.T, depth int) string {
	kind := rapid.IntRange(0, 11).Draw(t, "kind")
	if depth == 0 {
		kind %= 5
	}
	blank := rapid.SampledFrom([]string{"", " ", "\n\t"}).Draw(t, "blank")
	switch kind {
	case 0:
		return rapid.SampledFrom([]string{"null", "true", "false"}).Draw(t, "word")
	case 1, 2:
		return rapid.SampledFrom([]string{"0", "1", "-1", "81.5", "-0.25", "1e3", "12345678901234567890", "0.1", "1e-7", "1E400", "9007199254740993"}).Draw(t, "number")
	case 3, 4:
		return rapid.SampledFrom([]string{`""`, `"a"`, `"ab*"`, `"81.5"`, `"-1"`, `"0x1F"`, `"1e3"`, `"\u0061b"`, `"é\n"`, `"true"`, `"\ud83d\ude00"`, `"+7"`}).Draw(t, "string")
	case 5:
		var of []string
		for range rapid.IntRange(0, 3).Draw(t, "elements") {
			of = append(of, drawDocument(t, depth-1))
		}
		return "[" + blank + strings.Join(of, blank+",") + blank + "]"
	}
	return drawObject(t, depth, blank)
}

func drawObject(t *rapid.T, depth int, blank string) string {
	var of []string
	for range rapid.IntRange(0, 6).Draw(t, "members") {
		key := strconv.Quote(rapid.SampledFrom(drawnKeys).Draw(t, "key"))
		if rapid.IntRange(0, 9).Draw(t, "coded") == 0 {
			key = strings.ReplaceAll(strings.ReplaceAll(key, "a", `\u0061`), ".", `\u002e`)
		}
		of = append(of, key+blank+":"+blank+drawDocument(t, depth-1))
	}
	return "{" + blank + strings.Join(of, ","+blank) + blank + "}"
}

// drawName draws a reference, with or without $.
func drawName(t *rapid.T, dollar bool) *tree {
	text := rapid.SampledFrom([]string{"a", "b", "a.b", "b.a", "a.b.a", "a.b.a.b", "b.a.b", "a..b", "a.", "é", "nope", ""}).Draw(t, "name")
	leaf := text
	if text == "" {
		text, leaf = "x y", `["x y"]`
	}
	type step struct {
		key   string
		index int
		name  bool
	}
	var steps []step
	for range rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "steps") {
		switch rapid.IntRange(0, 2).Draw(t, "step") {
		case 0:
			steps = append(steps, step{index: rapid.IntRange(0, 2).Draw(t, "index")})
			leaf += fmt.Sprintf("[%d]", steps[len(steps)-1].index)
		case 1:
			steps = append(steps, step{index: -1, key: rapid.SampledFrom(drawnKeys).Draw(t, "key")})
			leaf += "[" + strconv.Quote(steps[len(steps)-1].key) + "]"
		case 2:
			if strings.HasSuffix(leaf, "]") {
				steps = append(steps, step{index: -1, name: true, key: rapid.SampledFrom(drawnKeys[:6]).Draw(t, "key")})
				leaf += "." + steps[len(steps)-1].key
			}
		}
	}
	find := func(m *model) (json.RawMessage, bool) {
		v, ok := pickName(m.top, text)
		if leaf[0] == '[' {
			v, ok = pick(m.top, text)
		}
		for _, s := range steps {
			switch {
			case !ok:
			case s.index >= 0:
				var of []json.RawMessage
				if ok = v[0] == '[' && json.Unmarshal(v, &of) == nil && s.index < len(of); ok {
					v = of[s.index]
				}
			case s.name:
				v, ok = pickName(v, s.key)
			default:
				v, ok = pick(v, s.key)
			}
		}
		return v, ok
	}
	get := func(m *model) any {
		v, ok := find(m)
		switch {
		case ok:
			return read(v)
		case dollar:
			return nil
		}
		return noValue{}
	}
	if dollar {
		leaf = "$" + leaf
	}
	return &tree{leaf: leaf, get: get, has: func(m *model) bool { _, ok := find(m); return ok }}
}

func drawExpression(t *rapid.T, depth int) *tree {
	kind := rapid.IntRange(0, 9).Draw(t, "kind")
	if depth == 0 {
		kind %= 3
	}
	if kind == 0 {
		l := rapid.SampledFrom([]string{"0", "1", "81.5", "0x1f", "1e3", "'a'", "''", "'*a?'", `"ab*"`, "'81.5'", "true", "false", "null", "'?'", "3"}).Draw(t, "literal")
		var v any
		switch l[0] {
		case '\'', '"':
			v = l[1 : len(l)-1]
		default:
			if f, ok := modelNumber(l).(float64); ok {
				v = f
			} else if err := json.Unmarshal([]byte(l), &v); err != nil {
				t.Fatal(err)
			}
		}
		return &tree{leaf: l, get: func(*model) any { return v }}
	}
	if kind < 3 {
		return drawName(t, kind == 2 && rapid.Bool().Draw(t, "dollar"))
	}
	e := &tree{op: rapid.SampledFrom([]string{
		"||", "&&", "|", "^", "&", "==", "!=", "~", "!~", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "==", "<", "&&", "||", "!", "?:", "if", "isnull", "tostring", "tonumber",
		"=-", "=+", "exists",
	}).Draw(t, "op")}
	operands := 2
	switch e.op {
	case "?:", "if":
		operands = 3
	case "!", "isnull", "tostring", "tonumber":
		operands = 1
	case "=-", "=+":
		e.op, operands = e.op[1:], 1
	case "exists":
		return &tree{op: "exists", of: []*tree{drawName(t, false)}}
	}
	for range operands {
		e.of = append(e.of, drawExpression(t, depth-1))
	}
	return e
}

// TestModel evaluates drawn expressions over drawn documents [EXT-EXP-1].
func TestModel(t *testing.T) {
	var in Input // one for all: what is left over would show
	rapid.Check(t, func(t *rapid.T) {
		doc := drawObject(t, 4, " ")
		e := drawExpression(t, 4)
		source := e.write(0)
		p, err := Compile(source)
		if err != nil {
			t.Fatalf("%s: %v", source, err)
		}
		if !in.SetJSON([]byte(doc), 0) {
			t.Fatalf("not valid: %s", doc)
		}
		want := undefined
		if v := e.eval(&model{json.RawMessage(doc)}); v != (noValue{}) {
			b := &bytes.Buffer{}
			enc := json.NewEncoder(b)
			enc.SetEscapeHTML(false)
			if raw, ok := v.(json.RawMessage); ok {
				b.Write(raw)
			} else if v == 0.0 {
				b.WriteByte('0')
			} else if err := enc.Encode(v); err != nil {
				t.Fatal(err)
			}
			want = strings.TrimSpace(b.String())
		}
		for _, walks := range []bool{false, true} {
			in.tape.indexed, in.tape.walks = walks, walks
			if got := show(p.Eval(&in)); got != want {
				t.Fatalf("%s\nover %s\n(walking: %t): %s, want %s", source, doc, walks, got, want)
			}
		}
	})
}
