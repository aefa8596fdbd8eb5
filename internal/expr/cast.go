package expr

import "strconv"

// numberOf casts to a number: null and false are 0, true is 1, a text is the number
// that it spells. Other texts, objects and arrays are none [EXT-EXP-1].
func (in *Input) numberOf(v Value) (float64, bool) {
	switch v.kind {
	case Null, Bool, Number:
		return v.number, true
	case String:
		if !in.pay(len(v.text)) {
			return 0, false
		}
		return parseText(v.text)
	}
	return 0, false
}

// textOf casts to a text: null is empty, numbers are decimal, booleans are true and
// false, objects and arrays are JSON without white space.
func (in *Input) textOf(v Value) (string, bool) {
	switch v.kind {
	case String:
		return v.text, in.pay(len(v.text))
	case Null:
		return "", true
	}
	if !in.pay(len(v.text)) {
		return "", false
	}
	start := len(in.scratch)
	switch v.kind {
	case Bool:
		in.scratch = strconv.AppendBool(in.scratch, v.number != 0)
	case Number:
		in.scratch = appendNumber(in.scratch, v.number)
	case JSON:
		in.scratch = appendCompact(in.scratch, v.text)
	}
	return in.made(start), true
}

// truthOf casts to a boolean: null and the empty text are false, a number is whether
// it is not zero, a text is true, false or a number. Other texts, objects and arrays
// are none.
func (in *Input) truthOf(v Value) (truth, ok bool) {
	if v.kind == String {
		switch v.text {
		case "true":
			return true, true
		case "false", "":
			return false, true
		}
	}
	f, ok := in.numberOf(v)
	return f != 0, ok
}
