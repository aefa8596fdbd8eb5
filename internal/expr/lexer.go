package expr

import (
	"strconv"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// token is what the lexer cuts the source into.
type token struct {
	kind   tokenKind
	at     int     // its first byte, counted from 0
	text   string  // of an operator, a name, or the value of a string
	number float64 // of a number
}

type tokenKind uint8

const (
	endToken tokenKind = iota
	operatorToken
	nameToken // text: letters, digits, '_' and '.'
	stringToken
	numberToken
)

// describe names a token in an error, without quoting the source.
func (t token) describe() string {
	switch t.kind {
	case endToken:
		return "the end"
	case operatorToken:
		return `"` + t.text + `"`
	case nameToken:
		return "a name"
	case stringToken:
		return "a string"
	}
	return "a number"
}

type lexer struct {
	source string
	at     int
}

func fault(at int, reason string) *Error { return &Error{Column: at + 1, Reason: reason} }

// operators, longer ones first where one begins another.
var operators = []string{
	"||", "&&", "==", "!=", "!~", "<=", ">=",
	"|", "&", "^", "~", "<", ">", "+", "-", "*", "/", "%", "!", "?", ":", "(", ")", "[", "]", ",", "$", ".",
}

// next cuts off the next token.
func (l *lexer) next() (token, *Error) {
	for l.at < len(l.source) && (l.source[l.at] == ' ' || l.source[l.at]-'\t' <= '\r'-'\t') {
		l.at++
	}
	t := token{at: l.at}
	if l.at == len(l.source) {
		return t, nil
	}
	c := l.source[l.at]
	switch {
	case c == '"' || c == '\'':
		return l.quoted(c)
	case isDigit(c) || c == '.' && l.at+1 < len(l.source) && isDigit(l.source[l.at+1]):
		return l.numeral()
	}
	if n := nameLength(l.source[l.at:], true); n > 0 {
		t.kind, t.text = nameToken, l.source[l.at:l.at+n]
		l.at += n
		return t, nil
	}
	for _, o := range operators {
		if rest := l.source[l.at:]; len(rest) >= len(o) && rest[:len(o)] == o {
			t.kind, t.text = operatorToken, o
			l.at += len(o)
			return t, nil
		}
	}
	if c == '=' {
		return t, fault(l.at, `equality is written "=="`)
	}
	return t, fault(l.at, "a character that begins nothing")
}

// name cuts off a dotted text that goes on after a bracket: it may begin with any of
// its characters.
func (l *lexer) name() (token, *Error) {
	n := nameLength(l.source[l.at:], false)
	if n == 0 {
		return token{}, fault(l.at, "a name is missing")
	}
	t := token{kind: nameToken, at: l.at, text: l.source[l.at : l.at+n]}
	l.at += n
	return t, nil
}

func isDigit(c byte) bool { return c-'0' <= 9 }

// nameLength measures the name at the beginning of s; a whole one does not begin with
// a digit or a dot.
func nameLength(s string, whole bool) int {
	for i, r := range s {
		switch {
		case r == '_' || unicode.IsLetter(r):
		case (r == '.' || unicode.IsDigit(r)) && (i > 0 || !whole):
		default:
			return i
		}
	}
	return len(s)
}

// numeral cuts off a number: 12, 1.5, .5, 2e-3, 0x1f [EXT-EXP-1].
func (l *lexer) numeral() (token, *Error) {
	start, s := l.at, l.source
	i := start
	var f float64
	ok := true
	if s[i] == '0' && i+1 < len(s) && s[i+1]|0x20 == 'x' {
		for i += 2; i < len(s); i++ {
			if _, digit := hexDigit(s[i]); !digit {
				break
			}
		}
		if i == start+2 {
			return token{}, fault(i, "hexadecimal digits are missing")
		}
		f, ok = parseHex(s[start+2 : i])
	} else {
		var bad bool
		if i, bad = decimalEnd(s, i); bad {
			return token{}, fault(i, "digits are missing")
		}
		var err error
		f, err = strconv.ParseFloat(s[start:i], 64)
		ok = err == nil
	}
	if !ok {
		return token{}, fault(start, "a number that is too large")
	}
	if nameLength(s[i:], false) > 0 {
		return token{}, fault(i, "a number runs into a name")
	}
	l.at = i
	return token{kind: numberToken, at: start, number: f}, nil
}

// decimalEnd finds the end of a decimal, or where digits are missing.
func decimalEnd(s string, i int) (end int, bad bool) {
	digits := func() bool {
		start := i
		for i < len(s) && isDigit(s[i]) {
			i++
		}
		return i > start
	}
	digits() // none in .5
	if i < len(s) && s[i] == '.' {
		if i++; !digits() {
			return i, true
		}
	}
	if i < len(s) && s[i]|0x20 == 'e' {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if !digits() {
			return i, true
		}
	}
	return i, false
}

// quoted cuts off a string.
func (l *lexer) quoted(quote byte) (token, *Error) {
	t := token{kind: stringToken, at: l.at}
	var text []byte
	for i := l.at + 1; i < len(l.source); {
		switch c := l.source[i]; {
		case c == quote:
			l.at, t.text = i+1, string(text)
			return t, nil
		case c == '\\':
			r, n, e := l.escape(i)
			if e != nil {
				return t, e
			}
			text = utf8.AppendRune(text, r)
			i += n
		default:
			text = append(text, c)
			i++
		}
	}
	return t, fault(l.at, "a string that is not closed")
}

// escape reads the escape at i and its length.
func (l *lexer) escape(i int) (r rune, n int, e *Error) {
	if i+1 == len(l.source) {
		return 0, 0, fault(l.at, "a string that is not closed")
	}
	switch c := l.source[i+1]; c {
	case '\\', '"', '\'', '/':
		return rune(c), 2, nil
	case 'n':
		return '\n', 2, nil
	case 't':
		return '\t', 2, nil
	case 'r':
		return '\r', 2, nil
	case 'u':
		r, ok := hex4(l.source, i+2)
		if !ok {
			return 0, 0, fault(i, `\u wants four hexadecimal digits`)
		}
		if !utf16.IsSurrogate(r) {
			return r, 6, nil
		}
		if i+12 <= len(l.source) && l.source[i+6:i+8] == `\u` {
			if half, ok := hex4(l.source, i+8); ok {
				if r = utf16.DecodeRune(r, half); r != utf8.RuneError {
					return r, 12, nil
				}
			}
		}
		return 0, 0, fault(i, "half of a surrogate pair")
	}
	return 0, 0, fault(i, `an unknown escape: there are \\ \" \' \/ \n \t \r \uXXXX`)
}
