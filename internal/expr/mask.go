package expr

import (
	"strings"
	"unicode/utf8"
)

// like tells whether the text of a value matches a mask, in which '*' stands for any
// characters and '?' for one. Null matches none.
func (in *Input) like(v, mask Value) (like, ok bool) {
	if v.kind == Null || mask.kind == Null {
		return false, true
	}
	text, ok := in.textOf(v)
	if !ok {
		return false, false
	}
	pattern, ok := in.textOf(mask)
	if !ok {
		return false, false
	}
	return in.matchMask(text, pattern)
}

// matchMask goes through the parts of the mask between its '*'. The first must stand
// at the beginning and the last at the end; each of the others is taken at its first
// place after the one before, which leaves most for those that follow. So there is no
// way back. [EXT-EXP-2]
func (in *Input) matchMask(text, mask string) (matches, ok bool) {
	star := strings.IndexByte(mask, '*')
	if star < 0 {
		n := prefixLength(text, mask)
		return n == len(text), true
	}
	n := prefixLength(text, mask[:star])
	if n < 0 {
		return false, true
	}
	text, mask = text[n:], mask[star+1:]
	for {
		if star = strings.IndexByte(mask, '*'); star < 0 {
			return matchSuffix(text, mask), true
		}
		end, ok := in.findPart(text, mask[:star])
		if !ok || end < 0 {
			return false, ok
		}
		text, mask = text[end:], mask[star+1:]
	}
}

// prefixLength returns how many bytes of text a part without '*' takes at its
// beginning, or -1.
func prefixLength(text, part string) int {
	n := 0
	for _, c := range bare(part) {
		switch {
		case n == len(text):
			return -1
		case c != '?':
			if text[n] != c {
				return -1
			}
			n++
		default:
			n += runeLength(text[n:])
		}
	}
	return n
}

// runeLength measures the first character; a byte that is no UTF-8 is one.
func runeLength(text string) int {
	if text[0] < utf8.RuneSelf {
		return 1
	}
	_, n := utf8.DecodeRuneInString(text)
	return n
}

// matchSuffix tells whether text ends with a part without '*'.
func matchSuffix(text, part string) bool {
	at := len(text)
	for i := len(part) - 1; i >= 0; i-- {
		switch {
		case at == 0:
			return false
		case part[i] != '?':
			if at--; text[at] != part[i] {
				return false
			}
		default:
			_, n := utf8.DecodeLastRuneInString(text[:at])
			at -= n
		}
	}
	return true
}

// findPart returns the end of the first place where a part without '*' stands, or -1.
// A part with '?' is tried place by place, which is paid for.
func (in *Input) findPart(text, part string) (end int, ok bool) {
	if strings.IndexByte(part, '?') < 0 {
		at := strings.Index(text, part)
		if at < 0 {
			return -1, true
		}
		return at + len(part), true
	}
	for at := 0; at < len(text); at += runeLength(text[at:]) {
		if part[0] != '?' { // to the next place that can be
			skip := strings.IndexByte(text[at:], part[0])
			if skip < 0 {
				return -1, true
			}
			at += skip
		}
		if !in.pay(min(len(part), len(text)-at)) {
			return -1, false
		}
		if n := prefixLength(text[at:], part); n >= 0 {
			return at + n, true
		}
	}
	return -1, true
}
