package expr

import "strings"

// Program is a compiled expression. It never changes, so that many goroutines may
// evaluate it, each with its own Input.
type Program struct {
	source string
	root   node
}

// Compile reads an expression. The error is an *Error, with the column [EXT-EXP-2].
func Compile(source string) (*Program, error) {
	root, e := parse(source)
	if e != nil {
		return nil, e
	}
	return &Program{source, root}, nil
}

// Source returns what was compiled.
func (p *Program) Source() string { return p.source }

// Match tells whether the object passes: the value is defined, and true, a number
// other than zero or a string that is not empty [EXT-EXP-1]. It allocates nothing,
// except where functions make texts longer than any before.
func (p *Program) Match(in *Input) bool {
	if !in.begin() {
		return false
	}
	v, ok := p.root.eval(in)
	return ok && v.Passes()
}

// Eval returns the value of the expression, or false where it is undefined: a name is
// missing, a number is divided by zero or out of the range of float64, a text was
// taken for a number and is none, more than MaxSteps, or the Input holds nothing
// [EXT-EXP-1] [EXT-EXP-2]. The value owns its memory.
func (p *Program) Eval(in *Input) (Value, bool) {
	if !in.begin() {
		return Value{}, false
	}
	v, ok := p.root.eval(in)
	if !ok {
		return Value{}, false
	}
	v.text = strings.Clone(v.text)
	return v, true
}
