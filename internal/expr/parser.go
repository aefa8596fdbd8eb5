package expr

import (
	"strconv"
	"unicode/utf8"
)

// parser reads a program by recursive descent, operators by their precedence. What
// recurses passes through enter, so that the depth is bounded [EXT-EXP-2].
type parser struct {
	lexer lexer
	token token // the next one
	depth int
}

func parse(source string) (node, *Error) {
	if len(source) > MaxSource {
		return nil, fault(MaxSource, "the expression is longer than "+strconv.Itoa(MaxSource)+" bytes") // [EXT-EXP-2]
	}
	for i, r := range source {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(source[i:]); n == 1 {
				return nil, fault(i, "a byte that is not UTF-8")
			}
		}
	}
	p := &parser{lexer: lexer{source: source}}
	if e := p.advance(); e != nil {
		return nil, e
	}
	n, e := p.expression()
	if e == nil && p.token.kind != endToken {
		e = p.unexpected("an operator")
	}
	return n, e
}

func (p *parser) advance() (e *Error) {
	p.token, e = p.lexer.next()
	return e
}

func (p *parser) unexpected(wanted string) *Error {
	return fault(p.token.at, wanted+" is wanted, not "+p.token.describe())
}

// is tells whether the next token is this operator.
func (p *parser) is(operator string) bool {
	return p.token.kind == operatorToken && p.token.text == operator
}

// take passes over an operator that must come.
func (p *parser) take(operator string) *Error {
	if !p.is(operator) {
		return p.unexpected(`"` + operator + `"`)
	}
	return p.advance()
}

// enter goes one level deeper, at the column of the next token; leave comes back.
func (p *parser) enter() *Error {
	if p.depth++; p.depth > MaxDepth {
		return fault(p.token.at, "nested deeper than "+strconv.Itoa(MaxDepth)+" levels") // [EXT-EXP-2]
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

// expression = binary [ "?" expression ":" expression ] .
func (p *parser) expression() (node, *Error) {
	condition, e := p.binary(1)
	if e != nil || !p.is("?") {
		return condition, e
	}
	if e = p.enter(); e != nil {
		return nil, e
	}
	defer p.leave()
	if e = p.advance(); e != nil {
		return nil, e
	}
	yes, e := p.expression()
	if e != nil {
		return nil, e
	}
	if e = p.take(":"); e != nil {
		return nil, e
	}
	no, e := p.expression()
	return &choice{condition, yes, no}, e
}

// operation is an operator between two values.
type operation uint8

const (
	opOr operation = iota
	opAnd
	opBitOr
	opBitXor
	opBitAnd
	opEqual
	opUnequal
	opLike
	opUnlike
	opLess
	opLessEqual
	opGreater
	opGreaterEqual
	opAdd
	opSubtract
	opMultiply
	opDivide
	opModulo
)

// binaries are the operators between two values with their precedence [EXT-EXP-1].
var binaries = map[string]struct {
	operation  operation
	precedence int
}{
	"||": {opOr, 1}, "&&": {opAnd, 2}, "|": {opBitOr, 3}, "^": {opBitXor, 4}, "&": {opBitAnd, 5},
	"==": {opEqual, 6}, "!=": {opUnequal, 6}, "~": {opLike, 6}, "!~": {opUnlike, 6},
	"<": {opLess, 7}, "<=": {opLessEqual, 7}, ">": {opGreater, 7}, ">=": {opGreaterEqual, 7},
	"+": {opAdd, 8}, "-": {opSubtract, 8}, "*": {opMultiply, 9}, "/": {opDivide, 9}, "%": {opModulo, 9},
}

// binary reads operators of at least the given precedence. Those of one precedence
// make one node, so that long rows of them do not nest.
func (p *parser) binary(least int) (node, *Error) {
	left, e := p.unary()
	if e != nil {
		return nil, e
	}
	for {
		b, ok := binaries[p.token.text]
		if p.token.kind != operatorToken || !ok || b.precedence < least {
			return left, nil
		}
		row, e := p.row(b.precedence)
		if e != nil {
			return nil, e
		}
		left = join(left, row)
	}
}

// term is an operator with what stands on its right.
type term struct {
	operation operation
	value     node
}

// row reads the operators of one precedence that follow each other.
func (p *parser) row(precedence int) (row []term, e *Error) {
	for p.token.kind == operatorToken {
		b := binaries[p.token.text]
		if b.precedence != precedence {
			break
		}
		t := term{operation: b.operation}
		if e = p.advance(); e != nil {
			return nil, e
		}
		if t.value, e = p.binary(precedence + 1); e != nil {
			return nil, e
		}
		row = append(row, t)
	}
	return row, nil
}

// join makes the node of a row.
func join(left node, row []term) node {
	switch op := row[0].operation; {
	case op <= opAnd:
		values := []node{left}
		for _, t := range row {
			values = append(values, t.value)
		}
		return newLogic(op == opOr, values)
	case op >= opEqual && op <= opGreaterEqual:
		first := newComparison(left, row[0])
		if len(row) == 1 {
			return first
		}
		c := &comparisons{first: first}
		for _, t := range row[1:] {
			c.rest = append(c.rest, newComparison(nil, t))
		}
		return c
	}
	return &arithmetic{left, row}
}

// unary = { "!" | "-" | "+" } primary .
func (p *parser) unary() (node, *Error) {
	op := p.token.text
	if p.token.kind != operatorToken || op != "!" && op != "-" && op != "+" {
		return p.primary()
	}
	if e := p.enter(); e != nil {
		return nil, e
	}
	defer p.leave()
	if e := p.advance(); e != nil {
		return nil, e
	}
	of, e := p.unary()
	if e != nil {
		return nil, e
	}
	if c, ok := of.(*constant); ok && c.value.kind == Number && op != "!" {
		if op == "-" {
			return &constant{number(-c.value.number)}, nil
		}
		return c, nil
	}
	if op == "!" {
		return &not{of}, nil
	}
	return &signed{op == "-", of}, nil
}

// primary = number | string | name | "$" name | call | "(" expression ")" .
func (p *parser) primary() (node, *Error) {
	t := p.token
	switch {
	case t.kind == numberToken:
		return &constant{number(t.number)}, p.advance()
	case t.kind == stringToken:
		return &constant{textual(t.text)}, p.advance()
	case t.kind == nameToken:
		return p.word()
	case p.is("["):
		n, e := p.name()
		return &reference{n, false}, e
	case p.is("$"):
		if e := p.advance(); e != nil {
			return nil, e
		}
		if p.token.at != t.at+1 || p.token.kind != nameToken && !p.is("[") {
			return nil, fault(t.at, `"$" wants a name right after it`)
		}
		n, e := p.name()
		return &reference{n, true}, e
	case p.is("("):
		if e := p.enter(); e != nil {
			return nil, e
		}
		defer p.leave()
		if e := p.advance(); e != nil {
			return nil, e
		}
		n, e := p.expression()
		if e != nil {
			return nil, e
		}
		return n, p.take(")")
	}
	return nil, p.unexpected("a value")
}

// word reads what begins with a name: a constant, a call, or a reference.
func (p *parser) word() (node, *Error) {
	t := p.token
	switch t.text {
	case "true":
		return &constant{boolean(true)}, p.advance()
	case "false":
		return &constant{boolean(false)}, p.advance()
	case "null":
		return &constant{Value{}}, p.advance()
	}
	ahead := p.lexer // a copy
	if next, e := ahead.next(); e == nil && next.kind == operatorToken && next.text == "(" {
		return p.call()
	}
	n, e := p.name()
	return &reference{n, false}, e
}

// name = ( text | "[" string "]" ) { "[" ( integer | string ) "]" | "." text } .
func (p *parser) name() (n name, e *Error) {
	n.keyed = p.token.kind != nameToken
	if !n.keyed {
		n = newName(p.token.text)
		if e = p.advance(); e != nil {
			return n, e
		}
	} else {
		ahead := p.lexer // a copy
		if next, e := ahead.next(); e == nil && next.kind != stringToken {
			return n, fault(next.at, `"[" wants a string here`)
		}
	}
	for {
		switch {
		case p.is("["):
			a, e := p.bracket()
			if e != nil {
				return n, e
			}
			n.steps = append(n.steps, a)
		case p.is(".") && len(n.steps) > 0:
			t, e := p.lexer.name()
			if e != nil {
				return n, e
			}
			n.steps = append(n.steps, access{kind: byName, text: t.text})
			if e = p.advance(); e != nil {
				return n, e
			}
		default:
			return n, nil
		}
	}
}

// bracket = "[" ( integer | string ) "]" .
func (p *parser) bracket() (a access, e *Error) {
	if e = p.advance(); e != nil {
		return a, e
	}
	t := p.token
	switch {
	case t.kind == stringToken:
		a = access{kind: byKey, text: t.text}
	case t.kind == numberToken && t.number == float64(int32(t.number)):
		a = access{kind: byIndex, index: int(t.number)}
	default:
		return a, fault(t.at, `"[" wants a whole number from 0 or a string`)
	}
	if e = p.advance(); e != nil {
		return a, e
	}
	return a, p.take("]")
}

// call = text "(" [ expression { "," expression } ] ")" . exists takes a name.
func (p *parser) call() (node, *Error) {
	t := p.token
	f := functions[t.text]
	if f == nil && t.text != "exists" {
		return nil, fault(t.at, "an unknown function")
	}
	if e := p.advance(); e != nil {
		return nil, e
	}
	if e := p.enter(); e != nil {
		return nil, e
	}
	defer p.leave()
	if e := p.take("("); e != nil {
		return nil, e
	}
	if f == nil {
		return p.exists()
	}
	c := &call{function: f}
	for !p.is(")") {
		if len(c.arguments) > 0 {
			if e := p.take(","); e != nil {
				return nil, e
			}
		}
		a, e := p.expression()
		if e != nil {
			return nil, e
		}
		c.arguments = append(c.arguments, a)
	}
	if n := len(c.arguments); n < f.least || f.most >= 0 && n > f.most {
		return nil, fault(t.at, f.Signature+" has other arguments")
	}
	return c, p.advance()
}

func (p *parser) exists() (node, *Error) {
	if p.is("$") {
		if e := p.advance(); e != nil {
			return nil, e
		}
	}
	if p.token.kind != nameToken && !p.is("[") {
		return nil, p.unexpected("a name")
	}
	n, e := p.name()
	if e != nil {
		return nil, e
	}
	return &presence{n}, p.take(")")
}
