package expr

import "strings"

// comparison is one of == != ~ !~ < <= > >=: a boolean.
type comparison struct {
	operation   operation
	left, right node
	mask        maskSide
}

// maskSide is the operand of == or != that is a literal with a '*': it is a mask
// [EXT-EXP-1].
type maskSide uint8

const (
	noMask maskSide = iota
	leftMask
	rightMask
)

func newComparison(left node, t term) *comparison {
	c := &comparison{operation: t.operation, left: left, right: t.value}
	switch t.operation {
	case opLike, opUnlike:
		c.mask = rightMask
	case opEqual, opUnequal:
		if isMask(t.value) {
			c.mask = rightMask
		} else if isMask(left) {
			c.mask = leftMask
		}
	}
	return c
}

func isMask(n node) bool {
	c, ok := n.(*constant)
	return ok && c.value.kind == String && strings.IndexByte(c.value.text, '*') >= 0
}

func (c *comparison) eval(in *Input) (Value, bool) {
	left, ok := c.left.eval(in)
	if !ok {
		return Value{}, false
	}
	return c.with(in, left)
}

// with goes on where the value of the left side is known.
func (c *comparison) with(in *Input, left Value) (Value, bool) {
	right, ok := c.right.eval(in)
	if !ok || !in.step() {
		return Value{}, false
	}
	if left.kind == Number && right.kind == Number { // the usual case
		if c.mask == noMask {
			return boolean(c.holds(left.number < right.number, left.number == right.number)), true
		}
	}
	if c.mask != noMask {
		if c.mask == leftMask {
			left, right = right, left
		}
		like, ok := in.like(left, right)
		return boolean(like == (c.operation == opEqual || c.operation == opLike)), ok
	}
	less, equal, ordered, ok := in.compare(left, right)
	if !ok {
		return Value{}, false
	}
	if !ordered {
		return boolean(equal == (c.operation == opEqual) && c.operation <= opUnequal), true
	}
	return boolean(c.holds(less, equal)), true
}

// holds tells whether the operator holds between two values that have an order.
func (c *comparison) holds(less, equal bool) bool {
	switch c.operation {
	case opEqual:
		return equal
	case opUnequal:
		return !equal
	case opLess:
		return less
	case opLessEqual:
		return less || equal
	case opGreater:
		return !less && !equal
	}
	return !less
}

// comparisons are several in a row, from left to right: a < b < c compares the truth
// of a < b with c.
type comparisons struct {
	first *comparison
	rest  []*comparison // their left sides are what came before
}

func (c *comparisons) eval(in *Input) (Value, bool) {
	v, ok := c.first.eval(in)
	for i := 0; i < len(c.rest) && ok; i++ {
		v, ok = c.rest[i].with(in, v)
	}
	return v, ok
}

// compare relates two values. Where either is a number, both are cast to one; two
// strings compare by their bytes, two booleans as 0 and 1. Any others have no order:
// they are unequal, except null and null, and the same object or array by its text.
// So is a number and what cannot be cast to one [EXT-EXP-1].
func (in *Input) compare(a, b Value) (less, equal, ordered, ok bool) {
	switch {
	case a.kind == String && b.kind == String:
		if !in.pay(min(len(a.text), len(b.text))) {
			return false, false, false, false
		}
		order := strings.Compare(a.text, b.text)
		return order < 0, order == 0, true, true
	case a.kind == Bool && b.kind == Bool:
		return a.number < b.number, a.number == b.number, true, true
	case a.kind == Null && b.kind == Null:
		return false, true, true, true
	case a.kind == JSON && b.kind == JSON:
		x, ok := in.textOf(a)
		if !ok {
			return false, false, false, false
		}
		y, ok := in.textOf(b)
		return false, x == y, false, ok
	case a.kind != Number && b.kind != Number:
		return false, false, false, true
	}
	x, ordered := in.numberOf(a)
	y, too := in.numberOf(b)
	if in.fuel < 0 {
		return false, false, false, false
	}
	ordered = ordered && too
	return ordered && x < y, ordered && x == y, ordered, true
}
