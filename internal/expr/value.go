package expr

import (
	"math"
	"strconv"
	"unicode/utf8"
)

// Kind is what a Value is.
type Kind uint8

// The kinds of values. JSON is an object or an array.
const (
	Null Kind = iota
	Bool
	Number
	String
	JSON
)

var kindNames = [...]string{"null", "boolean", "number", "string", "json"}

// String names the kind as the documentation does.
func (k Kind) String() string { return kindNames[k] }

// Value is the result of an expression. The zero Value is null.
type Value struct {
	text   string  // String: its bytes; JSON: its text, valid, perhaps with white space
	number float64 // Number: finite; Bool: 0 or 1
	kind   Kind
}

func number(f float64) Value  { return Value{kind: Number, number: f} }
func textual(s string) Value  { return Value{kind: String, text: s} }
func document(s string) Value { return Value{kind: JSON, text: s} }

func boolean(b bool) Value {
	if b {
		return Value{kind: Bool, number: 1}
	}
	return Value{kind: Bool}
}

// Kind tells what v is.
func (v Value) Kind() Kind { return v.kind }

// Number returns a number, always finite; 0 for the other kinds.
func (v Value) Number() float64 {
	if v.kind != Number {
		return 0
	}
	return v.number
}

// Bool returns a boolean; false for the other kinds.
func (v Value) Bool() bool { return v.kind == Bool && v.number != 0 }

// Text returns a string; "" for the other kinds.
func (v Value) Text() string {
	if v.kind != String {
		return ""
	}
	return v.text
}

// Passes tells whether a message with this result passes: true, a number other than
// zero, a string that is not empty [EXT-EXP-1].
func (v Value) Passes() bool {
	switch v.kind {
	case Bool, Number:
		return v.number != 0
	case String:
		return len(v.text) > 0
	}
	return false
}

// JSON returns v as a JSON document without white space.
func (v Value) JSON() []byte { return v.appendJSON(nil) }

func (v Value) appendJSON(dst []byte) []byte {
	switch v.kind {
	case Bool:
		return strconv.AppendBool(dst, v.number != 0)
	case Number:
		return appendNumber(dst, v.number)
	case String:
		return appendQuoted(dst, v.text)
	case JSON:
		return appendCompact(dst, v.text)
	}
	return append(dst, "null"...)
}

// appendNumber writes the shortest decimal that reads back as f; very large and very
// small ones get an exponent, as in JavaScript.
func appendNumber(dst []byte, f float64) []byte {
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
		if n := len(dst); dst[n-2] == '0' && dst[n-3] == '-' { // e-07
			dst[n-2] = dst[n-1]
			dst = dst[:n-1]
		}
		return dst
	}
	if f == 0 {
		return append(dst, '0') // no "-0"
	}
	return strconv.AppendFloat(dst, f, 'f', -1, 64)
}

const hexDigits = "0123456789abcdef"

// appendQuoted writes a JSON string. Bytes that are no UTF-8 become U+FFFD.
func appendQuoted(dst []byte, text string) []byte {
	dst = append(dst, '"')
	for len(text) > 0 {
		c := text[0]
		if c < utf8.RuneSelf {
			text = text[1:]
			switch {
			case c == '"' || c == '\\':
				dst = append(dst, '\\', c)
			case c == '\n':
				dst = append(dst, '\\', 'n')
			case c == '\r':
				dst = append(dst, '\\', 'r')
			case c == '\t':
				dst = append(dst, '\\', 't')
			case c < ' ' || c == 0x7f:
				dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			default:
				dst = append(dst, c)
			}
			continue
		}
		r, n := utf8.DecodeRuneInString(text)
		dst = utf8.AppendRune(dst, r) // the error rune is U+FFFD itself
		text = text[n:]
	}
	return append(dst, '"')
}

// appendCompact writes valid JSON without the white space between its tokens.
func appendCompact(dst []byte, text string) []byte {
	for i := 0; i < len(text); {
		switch c := text[i]; c {
		case ' ', '\t', '\n', '\r':
			i++
		case '"':
			end := skipString(text, i)
			dst = append(dst, text[i:end]...)
			i = end
		default:
			dst = append(dst, c)
			i++
		}
	}
	return dst
}
