package topic

import (
	"slices"
	"strings"
)

// Walker finds the names that match a filter in a store which is sorted
// bytewise by name. It looks at one name after the other and tells where to go
// on, so that a scan costs what it returns plus the branches it must look
// into, not what is stored:
//
//	w := NewWalker(filter, dialect)
//	for name := seek(w.From()); name exists; {
//		match, next, more := w.Next(name)
//		…use name if match…
//		if !more { break }
//		if next == "" { name = successor } else { name = seek(next) }
//	}
//
// where seek gives the first stored name that is not below its argument.
//
// Bytewise order is not the order of levels: "a!" and "a.b" lie between "a" and
// "a/b". What does hold, and all that is used, is that the names below a level
// lie together: those which begin with "a/" fill the range from "a/" up to "a0",
// '0' being the byte after '/'.
//
// The names which a literal or a list can match at its level, given what
// precedes, are therefore a few disjoint spans, sorted once: the single name
// "c", or the range of "c/". A '+' is one range for each level that occurs.
// Next finds the first level where the name leaves the filter's spans, and the
// least name above it that is in one again: a later span of that level, or else
// the next range of the nearest level before it.
//
// A Walker holds about the filter's size in memory, allocates a string for each
// seek, and belongs to one goroutine. A name may be added or removed in the
// store between two calls.
type Walker struct {
	dialect Dialect
	levels  []walkLevel
}

// walkLevel is a level of the filter, and where the name under inspection
// passes through it.
type walkLevel struct {
	plus, hash bool
	last       bool     // no level follows
	tail       bool     // only "#" follows
	spans      []string // sorted; "c" is a name that ends here, "c/" a range; none for wildcards

	at   int // where the level begins in the name
	end  int // '+': where it ends in the name
	span int // literal, list: the span the name is in
}

// afterSlash is the byte that follows '/': it ends the range below a level.
const afterSlash = "0"

// NewWalker prepares a scan for a legal, plain filter read in dialect d.
func NewWalker(filter string, d Dialect) *Walker {
	w := &Walker{dialect: d, levels: make([]walkLevel, 0, Levels(filter))}
	for rest, more := filter, true; more; {
		var level string
		level, rest, more = strings.Cut(rest, "/")
		l := walkLevel{last: !more, tail: more && rest == "#"}
		switch {
		case level == "+":
			l.plus = true
		case level == "#" && !more:
			l.hash = true
		default:
			l.spans = spansOf(level, &l, &d)
		}
		w.levels = append(w.levels, l)
	}
	return w
}

// spansOf gives the spans of a level that is no wildcard.
func spansOf(level string, l *walkLevel, d *Dialect) []string {
	words := []string{level}
	if d.list(level) {
		words = append(words, strings.Split(level, ",")...) // [EXT-SEL-1]
	}
	var spans []string
	for _, word := range words {
		if l.last || l.tail {
			spans = append(spans, word)
		}
		if !l.last {
			spans = append(spans, word+"/")
		}
	}
	slices.Sort(spans)
	return slices.Compact(spans)
}

// From gives the name to seek first: no name below it matches.
func (w *Walker) From() string { return w.least("", 0) }

// Next reports whether name matches the filter, and how to go on: more is false
// when no name above it matches; next is the name to seek, which is above name,
// or "" to go on with name's successor. Names come in ascending order.
func (w *Walker) Next(name string) (match bool, next string, more bool) {
	at := 0
	for i := range w.levels {
		l := &w.levels[i]
		l.at = at
		if (l.plus || l.hash) && i == 0 && hidesTopic(&w.dialect, name) {
			return false, w.pastHidden(name), true
		}
		if l.hash || l.plus && l.tail {
			return true, "", true
		}
		if !l.plus {
			if in, below := l.enter(name[at:]); !in {
				next, more = w.later(i, name)
				return false, next, more
			} else if !below {
				next, more = w.later(i, name)
				return true, next, more
			}
			if l.tail {
				return true, "", true
			}
			at += len(l.spans[l.span])
			continue
		}
		l.end = levelEnd(name, at)
		if l.last {
			if l.end == len(name) {
				return true, "", true
			}
			return false, name[:l.end] + afterSlash, true
		}
		if l.end == len(name) {
			return false, "", true // names further on may go deeper: "a" is followed by "a!/x"
		}
		at = l.end + 1
	}
	return false, "", false // not reached: the last level always returns
}

// enter finds the span that rest, the name from this level on, is in, or else
// the last one before it (-1 if there is none).
func (l *walkLevel) enter(rest string) (in, below bool) {
	i, found := slices.BinarySearch(l.spans, rest)
	if !found {
		i--
	}
	l.span = i
	if i < 0 {
		return false, false
	}
	span := l.spans[i]
	if strings.HasSuffix(span, "/") {
		return strings.HasPrefix(rest, span), true
	}
	return found, false
}

// later gives the least name that can match and is above all names which agree
// with name up to level i and are in level i's present span.
func (w *Walker) later(i int, name string) (next string, more bool) {
	for ; i >= 0; i-- {
		l := &w.levels[i]
		if l.plus {
			return name[:l.end] + afterSlash, true
		}
		if l.span+1 < len(l.spans) {
			return w.least(name[:l.at]+l.spans[l.span+1], w.after(i, l.span+1)), true
		}
	}
	return "", false
}

// after gives the level that follows level i through one of its spans; the
// number of levels if none does.
func (w *Walker) after(i, span int) int {
	if strings.HasSuffix(w.levels[i].spans[span], "/") {
		return i + 1
	}
	return len(w.levels)
}

// least extends prefix, which ends before level i, by the least that the
// following levels up to a wildcard demand.
func (w *Walker) least(prefix string, i int) string {
	for i < len(w.levels) && len(w.levels[i].spans) > 0 {
		prefix += w.levels[i].spans[0]
		i = w.after(i, 0)
	}
	return prefix
}

// pastHidden gives the name to seek from a hidden one, or "" for its successor.
func (w *Walker) pastHidden(name string) string {
	if w.dialect.HideDollar && name[0] == '$' {
		return "%" // the byte after '$' [MQTT-4.7.2-1] [MQTT311-4.7.2-1]
	}
	if name == w.dialect.HideFirst {
		return ""
	}
	return w.dialect.HideFirst + afterSlash // [EXT-TOP-1]
}
