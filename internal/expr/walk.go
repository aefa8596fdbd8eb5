package expr

import "strings"

// Walking finds values in checked JSON without the tape: below arrays, after [...],
// and in documents that the tape does not hold. The steps of the program pay for each
// byte that is passed over.

// walk takes one step from the value at s.
func (in *Input) walk(s span, a *access) (span, outcome) {
	switch a.kind {
	case byIndex:
		return in.walkIndex(s, a.index)
	case byKey:
		return in.walkKey(s, a.text)
	}
	return in.walkName(s, a.text)
}

// skipFuel is what passing over a value costs beside its bytes.
const skipFuel = 4

// skip returns the position after the value at i and pays for it, or returns -1 where
// the steps do not suffice. It looks no further than they do.
func (in *Input) skip(i int) int {
	b := in.document
	if end := skipValue(b[:min(len(b), i+max(in.fuel, 0))], i); end >= 0 && in.pay(end-i+skipFuel) {
		return end
	}
	in.fuel = -1
	return -1
}

// walkIndex finds an element of an array, counted from 0.
func (in *Input) walkIndex(s span, index int) (span, outcome) {
	b := in.document
	if b[s.start] != '[' {
		return s, missing
	}
	for i, n := skipBlank(b, int(s.start)+1), 0; b[i] != ']'; n++ {
		end := in.skip(i)
		if end < 0 {
			return s, spoilt
		}
		if n == index {
			return span{uint32(i), uint32(end)}, found
		}
		if i = skipBlank(b, end); b[i] == ',' {
			i = skipBlank(b, i+1)
		}
	}
	return s, missing
}

// walkKey finds the last member of an object with a key.
func (in *Input) walkKey(s span, key string) (at span, o outcome) {
	b := in.document
	if b[s.start] != '{' {
		return s, missing
	}
	for i := skipBlank(b, int(s.start)+1); b[i] != '}'; {
		end := in.skip(i)
		if end < 0 {
			return s, spoilt
		}
		value := skipBlank(b, skipBlank(b, end)+1)
		past := in.skip(value)
		if past < 0 {
			return s, spoilt
		}
		if in.reads(b[i+1:end-1], key) {
			at, o = span{uint32(value), uint32(past)}, found
		}
		if i = skipBlank(b, past); b[i] == ',' {
			i = skipBlank(b, i+1)
		}
	}
	return at, o
}

// reads tells whether the inside of a JSON string reads as text.
func (in *Input) reads(inside, text string) bool {
	if strings.IndexByte(inside, '\\') < 0 {
		return inside == text
	}
	in.tape.plain = appendUnescaped(in.tape.plain[:0], inside)
	return string(in.tape.plain) == text
}

// walkName finds what a dotted text means in an object: the member with just this
// key, else, for the longest part before a dot that is the key of an object, what the
// rest means there, and so on to the shortest [EXT-EXP-1]. It recurses as deep as the
// document nests, MaxJSONDepth.
func (in *Input) walkName(s span, text string) (span, outcome) {
	if at, o := in.walkKey(s, text); o != missing {
		return at, o
	}
	for cut := strings.LastIndexByte(text, '.'); cut >= 0; cut = strings.LastIndexByte(text[:cut], '.') {
		at, o := in.walkKey(s, text[:cut])
		if o == found {
			at, o = in.walkName(at, text[cut+1:])
		}
		if o != missing {
			return at, o
		}
	}
	return s, missing
}

// plain returns what the inside of a JSON string reads as: itself, where it has no
// escapes.
func (in *Input) plain(inside string) (string, bool) {
	if !in.pay(len(inside)) {
		return "", false
	}
	if strings.IndexByte(inside, '\\') < 0 {
		return inside, true
	}
	start := len(in.scratch)
	in.scratch = appendUnescaped(in.scratch, inside)
	return in.made(start), true
}
