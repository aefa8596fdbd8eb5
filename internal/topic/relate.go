package topic

import "strings"

// Covers reports whether every topic that inner matches is matched by outer
// too: a subscription that lies wholly inside a rule needs no check per message
// [EXT-TOK-7]. Each filter is read in its own dialect. The answer is exact for
// legal filters, selectors included; a selector covers another only when the
// two are spelled alike, since each also matches its own spelling.
func Covers(outer, inner string, outerIn, innerIn Dialect) bool {
	if outer == "" || inner == "" {
		return false
	}
	empty := true // whether what inner has matched so far may be no character at all
	for first := true; ; first = false {
		o, orest, omore := strings.Cut(outer, "/")
		i, irest, imore := strings.Cut(inner, "/")
		if o == "#" {
			return !first || wildcardCovers(i, &outerIn, &innerIn)
		}
		if i == "#" {
			// "a/#" matches "a", which "a/+/#" does not. But no name is empty,
			// so "+/#" is as much as "#", and "/+/#" as "/#".
			return empty && o == "+" && orest == "#" && (!first || outerIn.hidesAtMost(&innerIn))
		}
		if o == "+" {
			if first && !wildcardCovers(i, &outerIn, &innerIn) {
				return false
			}
		} else if !levelCovers(o, i, &outerIn, &innerIn) {
			return false
		}
		if !imore {
			return !omore || orest == "#"
		}
		if !omore {
			return false
		}
		outer, inner, empty = orest, irest, first && i == ""
	}
}

// wildcardCovers reports whether a wildcard in outer's first level matches
// every first level that i, inner's first level, matches.
func wildcardCovers(i string, outerIn, innerIn *Dialect) bool {
	if i == "+" || i == "#" {
		return outerIn.hidesAtMost(innerIn)
	}
	if outerIn.hides(i) {
		return false
	}
	if innerIn.list(i) {
		for word := range strings.SplitSeq(i, ",") {
			if outerIn.hides(word) {
				return false
			}
		}
	}
	return true
}

// levelCovers compares two levels, of which o is no wildcard and i is not "#".
func levelCovers(o, i string, outerIn, innerIn *Dialect) bool {
	if i == "+" {
		return false
	}
	if innerIn.list(i) {
		return o == i && outerIn.Selectors
	}
	return o == i || outerIn.list(o) && hasWord(o, i)
}

// Intersects reports whether some topic is matched by both filters, each read
// in its own dialect: a subscription that meets no rule is refused [EXT-TOK-7].
// The answer is exact for legal filters. Time is linear in the two lengths,
// for comma lists on both sides of one level too.
func Intersects(a, b string, aIn, bIn Dialect) bool {
	if a == "" || b == "" {
		return false
	}
	for first := true; ; first = false {
		x, xrest, xmore := strings.Cut(a, "/")
		y, yrest, ymore := strings.Cut(b, "/")
		if first && !firstMeets(x, y, &aIn, &bIn) {
			return false
		}
		if x == "#" || y == "#" {
			return true
		}
		if x != "+" && y != "+" && !levelMeets(x, y, &aIn, &bIn) {
			return false
		}
		// A filter that ends meets the parent of the other's "#", unless that
		// is the parent of "/#": no name is empty.
		if !xmore {
			return !ymore || yrest == "#" && !(first && y == "")
		}
		if !ymore {
			return xrest == "#" && !(first && x == "")
		}
		a, b = xrest, yrest
	}
}

// firstMeets reports whether what the dialects hide leaves the first levels a
// common value when one is a wildcard.
func firstMeets(x, y string, xIn, yIn *Dialect) bool {
	xwild, ywild := x == "+" || x == "#", y == "+" || y == "#"
	switch {
	case xwild && !ywild:
		return shows(xIn, y, yIn)
	case ywild && !xwild:
		return shows(yIn, x, xIn)
	}
	return true
}

// shows reports whether d leaves visible some first level that level, read in
// dialect in, matches.
func shows(d *Dialect, level string, in *Dialect) bool {
	if !d.hides(level) {
		return true
	}
	if in.list(level) {
		for word := range strings.SplitSeq(level, ",") {
			if !d.hides(word) {
				return true
			}
		}
	}
	return false
}

// levelMeets reports whether two levels that are no wildcards share a value.
func levelMeets(x, y string, xIn, yIn *Dialect) bool {
	if x == y {
		return true
	}
	xlist, ylist := xIn.list(x), yIn.list(y)
	switch {
	case xlist && ylist:
		return listsMeet(x, y)
	case xlist:
		return hasWord(x, y)
	case ylist:
		return hasWord(y, x)
	}
	return false
}

// pairwise is how many words of the shorter list are looked up one by one;
// beyond it a set keeps two lists of 32,000 words from costing 10⁹ steps.
const pairwise = 8

// listsMeet reports whether two comma lists share a word.
func listsMeet(x, y string) bool {
	if strings.Count(x, ",") > strings.Count(y, ",") {
		x, y = y, x
	}
	if n := strings.Count(x, ","); n < pairwise {
		for word := range strings.SplitSeq(x, ",") {
			if hasWord(y, word) {
				return true
			}
		}
		return false
	}
	words := make(map[string]struct{}, strings.Count(x, ",")+1)
	for word := range strings.SplitSeq(x, ",") {
		words[word] = struct{}{}
	}
	for word := range strings.SplitSeq(y, ",") {
		if _, ok := words[word]; ok {
			return true
		}
	}
	return false
}
