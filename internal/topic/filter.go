package topic

import "strings"

// Filter is a parsed, legal Topic Filter. Its strings share Text's memory,
// except where Group was made canonical and where an expression had percent
// codes to decode.
type Filter struct {
	Text  string // whole, as sent
	Share string // the group of a shared subscription as sent, or ""
	Group string // Share in its canonical form: the identity of the group [EXT-SHR-4]
	Rest  string // Text without "$share/<group>/", "$filter/…/" included: identifies the group too [EXT-SHR-5]
	Inner string // Rest without "$filter/<items>/": what topics are matched with

	Sticky bool   // Share has a sticky suffix [EXT-SHR-4]
	From   uint16 // the fingerprint's first word, from zero; with Count it may reach past 65,535
	Count  uint16 // how many words it takes, at least 1 when Sticky
	Items  Items  // of "$filter", zero without one [EXT-FIL-1]

	Levels   int  // number of levels of Inner, at least 1
	Wildcard bool // Inner has a '+' or '#' level
	Selector bool // Inner has a level with a comma
	Dollar   bool // Inner begins with '$'
}

// Shared reports whether f is a shared subscription's filter.
func (f *Filter) Shared() bool { return f.Share != "" }

// Parse reads a subscription's filter: plain, with selectors [EXT-SEL-1], shared
// [EXT-SHR-4], with "$filter" [EXT-FIL-1], or shared with "$filter". maxLevels
// bounds the levels of the inner filter (0: no cap) and is enforced during the
// first pass over it. The error is an *Error whose column counts from the start
// of text. Expressions are decoded and not compiled. Time is linear in text.
func Parse(text string, maxLevels int) (Filter, error) {
	if text == "" {
		// [MQTT-4.7.3-1] [MQTT311-4.7.3-1]
		return Filter{}, &Error{Kind: Empty, Reason: "a topic filter has at least one character"}
	}
	if len(text) > MaxBytes {
		// [MQTT-4.7.3-3] [MQTT311-4.7.3-3]
		return Filter{}, &Error{Kind: Long, Reason: "longer than 65,535 bytes"}
	}
	f := Filter{Text: text, Inner: text, Rest: text}
	if strings.HasPrefix(text, sharePrefix) {
		if e := f.cutShare(); e != nil {
			return Filter{}, e
		}
	}
	if strings.HasPrefix(f.Rest, filterPrefix) {
		if e := f.cutItems(); e != nil {
			return Filter{}, e
		}
	}
	if e := scan(f.Inner, maxLevels, true); e != nil {
		if e.Column > 0 {
			e.Column += len(text) - len(f.Inner)
		}
		return Filter{}, e
	}
	f.Levels = Levels(f.Inner)
	f.Wildcard = HasWildcard(f.Inner)
	f.Selector = strings.IndexByte(f.Inner, ',') >= 0
	f.Dollar = f.Inner[0] == '$'
	return f, nil
}

// CheckSelector reports whether filter is a legal filter, neither shared nor
// with "$filter", as rules of access name them: each level with a comma is a
// list of words without an empty word or a wildcard [EXT-SEL-1]. maxLevels
// bounds its levels (0: no cap). It gives nil or an *Error.
func CheckSelector(filter string, maxLevels int) error {
	if filter == "" {
		return &Error{Kind: Empty, Reason: "a topic filter has at least one character"} // [MQTT-4.7.3-1]
	}
	if e := scan(filter, maxLevels, true); e != nil {
		return e
	}
	return nil
}
