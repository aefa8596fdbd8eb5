package expr

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// Tokens of JSON. The check functions validate and return the position after the
// token, or -1; the skip functions trust text that was checked before.

const (
	lanes  = 0x0101010101010101
	highs  = 0x8080808080808080
	quotes = '"' * lanes
	slants = '\\' * lanes
	blanks = ' ' * lanes
)

// checkString validates a string that opens at i. It tells whether there are escapes.
func checkString(b string, i int) (end int, escaped bool) {
	i++
	raw := bare(b)
	for {
		// Eight bytes at a time: a byte below blank, a quote or a backslash sets the
		// high bit of its lane. Borrows disturb only lanes above the first hit.
		for i+8 <= len(b) {
			x := binary.LittleEndian.Uint64(raw[i:])
			q, s := x^quotes, x^slants
			hit := ((x - blanks) &^ x) | ((q - lanes) &^ q) | ((s - lanes) &^ s)
			if hit &= highs; hit != 0 {
				i += bits.TrailingZeros64(hit) >> 3
				break
			}
			i += 8
		}
		for i < len(b) && b[i] >= ' ' && b[i] != '"' && b[i] != '\\' {
			i++
		}
		if i >= len(b) || b[i] < ' ' {
			return -1, false
		}
		if b[i] == '"' {
			return i + 1, escaped
		}
		escaped = true
		if i = checkEscape(b, i); i < 0 {
			return -1, false
		}
	}
}

// checkEscape validates the escape at i.
func checkEscape(b string, i int) int {
	if i+1 >= len(b) {
		return -1
	}
	switch b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
		if _, ok := hex4(b, i+2); ok {
			return i + 6
		}
	}
	return -1
}

func hexDigit(c byte) (rune, bool) {
	switch {
	case c >= '0' && c <= '9':
		return rune(c - '0'), true
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return rune(c | 0x20 - 'a' + 10), true
	}
	return 0, false
}

// hex4 reads four hexadecimal digits at i.
func hex4(b string, i int) (r rune, ok bool) {
	if i+4 > len(b) {
		return 0, false
	}
	for _, c := range bare(b[i : i+4]) {
		d, ok := hexDigit(c)
		if !ok {
			return 0, false
		}
		r = r<<4 | d
	}
	return r, true
}

// skipString returns the position after the string that opens at i, or -1 where the
// text is cut off.
func skipString(b string, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
	return -1
}

// appendUnescaped decodes the inside of a valid string. Half of a surrogate pair
// becomes U+FFFD.
func appendUnescaped(dst []byte, inside string) []byte {
	for i := 0; i < len(inside); {
		c := inside[i]
		if c != '\\' {
			dst = append(dst, c)
			i++
			continue
		}
		c = inside[i+1]
		i += 2
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			r, _ := hex4(inside, i)
			i += 4
			if utf16.IsSurrogate(r) {
				half := rune(utf8.RuneError)
				if i+6 <= len(inside) && inside[i] == '\\' && inside[i+1] == 'u' {
					half, _ = hex4(inside, i+2)
				}
				if r = utf16.DecodeRune(r, half); r != utf8.RuneError {
					i += 6
				}
			}
			dst = utf8.AppendRune(dst, r)
			continue
		}
		dst = append(dst, c)
	}
	return dst
}

// checkNumber validates a number at i.
func checkNumber(b string, i int) int {
	if i < len(b) && b[i] == '-' {
		i++
	}
	switch {
	case i >= len(b):
		return -1
	case b[i] == '0':
		i++
	default:
		if i = checkDigits(b, i); i < 0 {
			return -1
		}
	}
	if i < len(b) && b[i] == '.' {
		if i = checkDigits(b, i+1); i < 0 {
			return -1
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		return checkDigits(b, i)
	}
	return i
}

// checkDigits wants at least one digit at i.
func checkDigits(b string, i int) int {
	if i >= len(b) || b[i]-'0' > 9 {
		return -1
	}
	for i++; i < len(b) && b[i]-'0' <= 9; i++ {
	}
	return i
}

// checkWord validates true, false or null at i.
func checkWord(b string, i int) int {
	word := "null"
	switch b[i] {
	case 't':
		word = "true"
	case 'f':
		word = "false"
	}
	if len(b)-i < len(word) || b[i:i+len(word)] != word {
		return -1
	}
	return i + len(word)
}

// skipBlank passes over white space.
func skipBlank(b string, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// skipValue returns the position after the value at i, or -1 where the text is cut
// off; a number may be taken for whole where the cut goes through it.
func skipValue(b string, i int) int {
	for depth := 0; i >= 0 && i < len(b); {
		switch b[i] {
		case '"':
			i = skipString(b, i)
		case '{', '[':
			depth++
			i++
		case '}', ']':
			depth--
			i++
		case ',', ':', ' ', '\t', '\n', '\r':
			i++
		default:
			for i++; i < len(b) && !endsScalar(b[i]); i++ {
			}
		}
		if depth == 0 {
			return i
		}
	}
	return -1
}

func endsScalar(c byte) bool {
	switch c {
	case ',', '}', ']', ' ', '\t', '\n', '\r':
		return true
	}
	return false
}
