package expr

import "math"

// node is a part of a program. eval returns false where its value is undefined; then
// the whole expression is, since no node recovers from that [EXT-EXP-1].
type node interface {
	eval(in *Input) (Value, bool)
}

// constant is a literal.
type constant struct{ value Value }

func (c *constant) eval(in *Input) (Value, bool) { return c.value, in.step() }

// reference is a name; with $, null takes the place of what is missing.
type reference struct {
	name   name
	orNull bool
}

func (r *reference) eval(in *Input) (Value, bool) {
	if !in.step() {
		return Value{}, false
	}
	v, o := in.look(&r.name)
	return v, o == found || o == missing && r.orNull
}

// presence is exists(name).
type presence struct{ name name }

func (p *presence) eval(in *Input) (Value, bool) {
	if !in.step() {
		return Value{}, false
	}
	o := in.has(&p.name)
	return boolean(o == found), o != spoilt
}

// choice is c ? a : b. The branch that is not taken is not looked at.
type choice struct{ condition, yes, no node }

func (c *choice) eval(in *Input) (Value, bool) {
	v, ok := c.condition.eval(in)
	if !ok || !in.step() {
		return Value{}, false
	}
	if v.Passes() {
		return c.yes.eval(in)
	}
	return c.no.eval(in)
}

// logic is a row of || or of &&: a boolean. What comes after the value that decides
// is not evaluated, but the names in it must be there.
type logic struct {
	or     bool
	values []node
	after  [][]*name // for each value the names that stand behind it: see needs
}

func (l *logic) eval(in *Input) (Value, bool) {
	if !in.step() {
		return Value{}, false
	}
	for i, n := range l.values {
		v, ok := n.eval(in)
		if !ok {
			return Value{}, false
		}
		if v.Passes() == l.or {
			return boolean(l.or), in.hasAll(l.after[i])
		}
	}
	return boolean(!l.or), true
}

// hasAll tells whether all the names have a value.
func (in *Input) hasAll(names []*name) bool {
	for _, n := range names {
		if in.has(n) != found {
			return false
		}
	}
	return true
}

// not is !x: true where x does not pass.
type not struct{ of node }

func (n *not) eval(in *Input) (Value, bool) {
	v, ok := n.of.eval(in)
	return boolean(!v.Passes()), ok && in.step()
}

// signed is -x or +x: a number.
type signed struct {
	minus bool
	of    node
}

func (s *signed) eval(in *Input) (Value, bool) {
	v, ok := s.of.eval(in)
	if !ok || !in.step() {
		return Value{}, false
	}
	f, ok := in.numberOf(v)
	if s.minus {
		f = -f
	}
	return number(f), ok
}

// arithmetic is a row of operators of one precedence on numbers, from left to right;
// + also joins two strings.
type arithmetic struct {
	first node
	rest  []term
}

func (a *arithmetic) eval(in *Input) (Value, bool) {
	left, ok := a.first.eval(in)
	if !ok {
		return Value{}, false
	}
	for i := range a.rest {
		right, ok := a.rest[i].value.eval(in)
		if !ok || !in.step() {
			return Value{}, false
		}
		if left, ok = in.calculate(a.rest[i].operation, left, right); !ok {
			return Value{}, false
		}
	}
	return left, true
}

func (in *Input) calculate(op operation, left, right Value) (Value, bool) {
	if op == opAdd && left.kind == String && right.kind == String {
		return in.joined(left.text, right.text)
	}
	a, ok := in.numberOf(left)
	if !ok {
		return Value{}, false
	}
	b, ok := in.numberOf(right)
	if !ok {
		return Value{}, false
	}
	switch op {
	case opAdd:
		a += b
	case opSubtract:
		a -= b
	case opMultiply:
		a *= b
	case opDivide:
		a /= b // by zero: not finite
	case opModulo:
		if !in.payModulo(a, b) {
			return Value{}, false
		}
		a = math.Mod(a, b) // by zero: not a number
	default:
		return bitwise(op, a, b)
	}
	v, o := finite(a)
	return v, o == found
}

// payModulo pays for the loop in math.Mod, which takes a turn for each bit by which
// the left side is the longer.
func (in *Input) payModulo(a, b float64) bool {
	_, x := math.Frexp(a)
	_, y := math.Frexp(b)
	return in.pay(max(0, x-y) * stepFuel / 8)
}

// finite keeps infinities and what is not a number out: they are undefined.
func finite(f float64) (Value, outcome) {
	if f-f != 0 {
		return Value{}, spoilt
	}
	return number(f), found
}

// bitwise works on whole numbers of 64 bits with a sign. Fractions are cut off; what
// is out of range is undefined.
func bitwise(op operation, a, b float64) (Value, bool) {
	const edge = 1 << 63
	if a < -edge || a >= edge || b < -edge || b >= edge {
		return Value{}, false
	}
	x, y := int64(a), int64(b)
	switch op {
	case opBitOr:
		x |= y
	case opBitXor:
		x ^= y
	case opBitAnd:
		x &= y
	}
	return number(float64(x)), true
}

// joined makes one text of two.
func (in *Input) joined(a, b string) (Value, bool) {
	if !in.pay(len(a) + len(b)) {
		return Value{}, false
	}
	start := len(in.scratch)
	in.scratch = append(append(in.scratch, a...), b...)
	return textual(in.made(start)), true
}

// made is what scratch got since start.
func (in *Input) made(start int) string {
	return view(in.scratch[start:])
}
