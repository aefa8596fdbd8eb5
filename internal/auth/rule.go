package auth

import (
	"bytes"
	"slices"
	"strings"
)

type levelKind uint8

const (
	levelText   levelKind = iota // exactly text
	levelPlus                    // any one level
	levelHash                    // this level and all below it, and the level above
	levelWords                   // one of words
	levelClient                  // exactly the Client Identifier
)

type level struct {
	kind  levelKind
	text  string
	words []string // sorted
}

// rule is one compiled topic of an access list. Immutable.
type rule struct {
	levels   []level
	personal bool // has a {client_id} level
}

// matches reports whether the level takes this level of a concrete topic.
func (l *level) matches(segment []byte, clientID string) bool {
	switch l.kind {
	case levelText:
		return string(segment) == l.text
	case levelPlus:
		return true
	case levelWords:
		return hasWord(l.words, segment)
	case levelClient:
		// Why: an empty Client Identifier names nobody, so it owns no level.
		return clientID != "" && string(segment) == clientID // [EXT-TOK-5]
	}
	return false
}

// hasWord is a binary search which compares without copying the segment.
func hasWord(words []string, segment []byte) bool {
	low, high := 0, len(words)
	for low < high {
		mid := int(uint(low+high) >> 1)
		switch {
		case string(segment) == words[mid]:
			return true
		case string(segment) < words[mid]:
			high = mid
		default:
			low = mid + 1
		}
	}
	return false
}

// match reports whether a concrete topic lies inside the rule. It allocates nothing.
func (r *rule) match(topic []byte, clientID string) bool {
	rest, ended := topic, false
	for i := range r.levels {
		l := &r.levels[i]
		if l.kind == levelHash {
			return true // also for the parent: a/# takes a [MQTT-4.7.1-1]
		}
		if ended {
			return false
		}
		segment := rest
		if cut := bytes.IndexByte(rest, '/'); cut >= 0 {
			segment, rest = rest[:cut], rest[cut+1:]
		} else {
			ended = true
		}
		if !l.matches(segment, clientID) {
			return false
		}
	}
	return ended
}

// splitFilter reads the levels of a subscription's filter, which the topic package
// has checked before. A level with commas is read as a selector; where its words are
// not well formed it is only itself.
func splitFilter(filter string, dst []level) []level {
	for part := range strings.SplitSeq(filter, "/") {
		l := level{kind: levelText, text: part}
		switch {
		case part == "+":
			l = level{kind: levelPlus}
		case part == "#":
			l = level{kind: levelHash}
		case strings.Contains(part, ","):
			if words := strings.Split(part, ","); !slices.Contains(words, "") {
				l = selectorLevel(part, words)
			}
		}
		dst = append(dst, l)
	}
	return dst
}

// covers reports whether every topic that matches the filter lies inside the rule. It
// is never true wrongly.
func (r *rule) covers(filter []level, clientID string) bool {
	if r.dead(clientID) {
		return false
	}
	for i := range r.levels {
		l := &r.levels[i]
		switch {
		case l.kind == levelHash:
			return true
		case i == len(filter):
			return false
		case filter[i].kind == levelHash:
			// "+/#" takes every topic, as "#" does; deeper down p/# also takes p.
			return i == 0 && l.kind == levelPlus && len(r.levels) == 2 && r.levels[1].kind == levelHash
		case !l.coversLevel(&filter[i], clientID):
			return false
		}
	}
	return len(filter) == len(r.levels)
}

// coversLevel compares the rule's level with the filter's. A selector also takes its
// own spelling, so another one covers it only if it has that word as well.
func (l *level) coversLevel(f *level, clientID string) bool {
	switch {
	case l.kind == levelPlus:
		return true
	case f.kind == levelText:
		return l.matches([]byte(f.text), clientID)
	case f.kind == levelWords && l.kind == levelWords:
		// Why the lengths: a long selector must not be compared with every rule.
		return len(f.words) <= len(l.words) && !slices.ContainsFunc(f.words, func(w string) bool { return !l.hasText(w) })
	}
	return false
}

// intersects reports whether some topic matches both the filter and the rule. A
// wildcard in the filter's first level takes neither "$…" nor the reserved level
// [MQTT-4.7.2-1] [EXT-TOP-1]; one in the rule takes everything.
func (r *rule) intersects(filter []level, clientID, reserved string) bool {
	if r.dead(clientID) {
		return false
	}
	for i := 0; ; i++ {
		ruleEnds, filterEnds := i == len(r.levels), i == len(filter)
		if ruleEnds || filterEnds {
			if ruleEnds && filterEnds {
				return true
			}
			// They meet in the parent of "#", which is a topic unless it is empty.
			empty := i == 1 && (r.levels[0].isEmpty() || filter[0].isEmpty())
			return !empty && (ruleEnds || len(r.levels) == i+1 && r.levels[i].kind == levelHash) &&
				(filterEnds || len(filter) == i+1 && filter[i].kind == levelHash)
		}
		l, f := &r.levels[i], &filter[i]
		if i == 0 && f.kind != levelText && f.kind != levelWords && !l.takesOrdinary(clientID, reserved) {
			return false
		}
		if l.kind == levelHash || f.kind == levelHash {
			return true
		}
		if !l.meetsLevel(f, clientID) {
			return false
		}
	}
}

func (l *level) isEmpty() bool { return l.kind == levelText && l.text == "" }

// takesOrdinary reports whether, as a first level, l takes some level that a
// wildcard in a filter takes too.
func (l *level) takesOrdinary(clientID, reserved string) bool {
	ordinary := func(s string) bool { return !strings.HasPrefix(s, "$") && (reserved == "" || s != reserved) }
	switch l.kind {
	case levelText:
		return ordinary(l.text)
	case levelWords:
		return slices.ContainsFunc(l.words, ordinary)
	case levelClient:
		return ordinary(clientID)
	}
	return true
}

// meetsLevel reports whether some level is taken by the rule's and by the filter's,
// neither of which is "#". Each selector stands for its words, never for a filter per
// word; of two, the shorter is looked up in the longer, so that the work for a filter
// is bounded by the length of the access list [EXT-SEL-1].
func (l *level) meetsLevel(f *level, clientID string) bool {
	switch {
	case l.kind == levelPlus, f.kind == levelPlus:
		return true
	case f.kind == levelText:
		return l.matches([]byte(f.text), clientID)
	case l.kind == levelText:
		return f.hasText(l.text)
	case l.kind == levelClient:
		return f.hasText(clientID) // not empty, or the rule would be dead
	case len(l.words) < len(f.words):
		return slices.ContainsFunc(l.words, f.hasText)
	}
	return slices.ContainsFunc(f.words, l.hasText)
}

// hasText reports whether a level that is text or a selector takes s.
func (l *level) hasText(s string) bool {
	switch l.kind {
	case levelText:
		return l.text == s
	case levelWords:
		_, found := slices.BinarySearch(l.words, s)
		return found
	}
	return false
}

// dead reports whether the rule can match no topic: a Client Identifier that is empty
// or has "/", "+" or "#" is no level of any topic, so what names it grants nothing.
func (r *rule) dead(clientID string) bool {
	return r.personal && (clientID == "" || strings.ContainsAny(clientID, "/+#"))
}
