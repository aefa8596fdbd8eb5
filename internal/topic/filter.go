package topic

import "strings"

// sharePrefix begins a shared subscription, in exactly this case [MQTT-4.8.2-1].
const sharePrefix = "$share/"

// Filter is a parsed, legal Topic Filter. Its strings share Text's memory.
type Filter struct {
	Text  string // whole, as sent
	Share string // the group of a shared subscription as sent, or ""
	Group string // Share in its canonical form: the identity of the group [EXT-SHR-4]
	Rest  string // Text without "$share/<group>/", "$filter/…/" included: identifies the group too [EXT-SHR-5]
	Inner string // Rest without "$filter/<items>/": what topics are matched with

	Sticky bool   // Share has a sticky suffix [EXT-SHR-4]
	From   uint16 // the fingerprint's first word, from zero
	Count  uint16 // how many words it takes, at least 1
	Items  Items  // of "$filter", zero without one [EXT-FIL-1]

	Levels   int  // number of levels of Inner, at least 1
	Wildcard bool // Inner has a '+' or '#' level
	Selector bool // Inner has a level with a comma
	Dollar   bool // Inner begins with '$'
}

// Items are what stands between "$filter/" and the Topic Filter [EXT-FIL-1].
type Items struct {
	Account          int64 // cid=
	HasAccount       bool
	ModifiedSince    int64 // modified_since=, UNIX microseconds [EXT-RET-3]
	HasModifiedSince bool
	Payload          string // payload=, the expression's source decoded; "" none
	Message          string // message=, likewise
}

// Shared reports whether f is a shared subscription's filter.
func (f *Filter) Shared() bool { return f.Share != "" }

// Parse reads a Topic Filter, shared or not. maxLevels bounds the levels of the
// inner filter (0: no cap) and is enforced during the first pass over the text.
// The error is an *Error whose column counts from the start of text. Commas
// are not judged: CheckSelector does that where they make lists.
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
	if e := scan(f.Inner, maxLevels, true); e != nil {
		e.Column += len(text) - len(f.Inner)
		return Filter{}, e
	}
	f.Levels = Levels(f.Inner)
	f.Wildcard = HasWildcard(f.Inner)
	f.Selector = strings.IndexByte(f.Inner, ',') >= 0
	f.Dollar = f.Inner[0] == '$'
	return f, nil
}

// cutShare sets Share and Inner from a text that begins with "$share/".
func (f *Filter) cutShare() *Error {
	const at = len(sharePrefix)
	group, inner, found := strings.Cut(f.Text[at:], "/")
	if group == "" {
		// [MQTT-4.8.2-1]
		return &Error{Kind: Share, Reason: "a share name has at least one character", Column: at + 1}
	}
	if i := strings.IndexAny(group, "+#"); i >= 0 {
		// [MQTT-4.8.2-2]
		return &Error{Kind: Share, Reason: "a share name holds no wildcard", Column: at + i + 1}
	}
	if e := scan(group, 0, true); e != nil {
		e.Column += at
		return e
	}
	column := at + len(group) + 1
	if !found {
		// [MQTT-4.8.2-2]
		return &Error{Kind: Share, Reason: "no filter follows the share name", Column: column}
	}
	if inner == "" {
		// [MQTT-4.8.2-2] [MQTT-4.7.3-1]
		return &Error{Kind: Empty, Reason: "no filter follows the share name", Column: column}
	}
	if strings.HasPrefix(inner, sharePrefix) {
		// Why: the standard would have it match topics that begin with
		// "$share/", to which nobody may publish; it is always a mistake.
		return &Error{Kind: Share, Reason: "a shared filter is not shared again", Column: column + 1}
	}
	f.Share, f.Group, f.Inner, f.Rest = group, group, inner, inner
	return nil
}

// CheckSelector reports whether filter is a legal filter, not shared, in which
// each level with a comma is a list of words without an empty word [EXT-SEL-1].
// maxLevels bounds its levels (0: no cap). It gives nil or an *Error.
func CheckSelector(filter string, maxLevels int) error {
	if filter == "" {
		return &Error{Kind: Empty, Reason: "a topic filter has at least one character"} // [MQTT-4.7.3-1]
	}
	if e := scan(filter, maxLevels, true); e != nil {
		return e
	}
	for i := 0; i < len(filter); i++ {
		if filter[i] != ',' {
			continue
		}
		if i == 0 || filter[i-1] == '/' || filter[i-1] == ',' || i+1 == len(filter) || filter[i+1] == '/' {
			return &Error{Kind: Selector, Reason: "empty word in a list", Column: i + 1} // [EXT-SEL-1]
		}
	}
	return nil
}
