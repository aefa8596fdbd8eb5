package topic

import (
	"strconv"
	"strings"
)

// sharePrefix begins a shared subscription, in exactly this case [MQTT-4.8.2-1].
const sharePrefix = "$share/"

// maxSticky is the largest number in a sticky suffix [EXT-SHR-4].
const maxSticky = 65535

// cutShare sets what f says of its group from a text that begins with "$share/".
func (f *Filter) cutShare() *Error {
	const at = len(sharePrefix)
	group, rest, found := strings.Cut(f.Text[at:], "/")
	if group == "" {
		// [MQTT-4.8.2-1]
		return &Error{Kind: Share, Reason: "a share name has at least one character", Column: at + 1}
	}
	if i := strings.IndexAny(group, "+#"); i >= 0 {
		// [MQTT-4.8.2-2]
		return &Error{Kind: Share, Reason: "a share name holds no wildcard", Column: at + i + 1}
	}
	if e := checkCharacters(group); e != nil {
		e.Column += at
		return e
	}
	column := at + len(group) + 1
	if !found {
		// [MQTT-4.8.2-2]
		return &Error{Kind: Share, Reason: "no filter follows the share name", Column: column}
	}
	if rest == "" {
		// [MQTT-4.8.2-2] [MQTT-4.7.3-1]
		return &Error{Kind: Empty, Reason: "no filter follows the share name", Column: column}
	}
	if strings.HasPrefix(rest, sharePrefix) {
		// Why: the standard would have it match topics that begin with
		// "$share/", to which nobody may publish; it is always a mistake.
		return &Error{Kind: Share, Reason: "a shared filter is not shared again", Column: column + 1}
	}
	f.Share, f.Group, f.Inner, f.Rest = group, group, rest, rest
	if e := f.readSuffix(); e != nil {
		e.Column += at
		return e
	}
	return nil
}

// readSuffix reads the sticky suffix of a group, ":<count>" or
// ":<from>:<count>", and makes the group's identity canonical [EXT-SHR-4]. Any
// other text is a part of the name, which stands before the suffix and has at
// least one character [MQTT-4.8.2-1]. Columns count from the start of the group.
func (f *Filter) readSuffix() *Error {
	name, count, ok := cutNumber(f.Share)
	if !ok {
		return nil
	}
	from := ""
	if head, number, two := cutNumber(name); two {
		name, from = head, number
	}
	if name == "" {
		return &Error{Kind: Share, Reason: "a share name has at least one character before its sticky suffix", Column: 1}
	}
	n, ok := stickyNumber(count)
	switch {
	case !ok:
		return &Error{Kind: Share, Reason: "a sticky group's number is over 65,535", Column: len(f.Share) - len(count) + 1}
	case n == 0:
		return &Error{Kind: Share, Reason: "a sticky group counts at least one word", Column: len(f.Share) - len(count) + 1}
	}
	start, ok := stickyNumber(from)
	if !ok {
		return &Error{Kind: Share, Reason: "a sticky group's number is over 65,535", Column: len(name) + 2}
	}
	f.Sticky, f.From, f.Count = true, start, n
	canonical := name
	// Why: "a:1:0:2" is the name "a:1" and must not become "a:1:2", which is "a".
	if _, _, numbered := cutNumber(name); start > 0 || numbered {
		canonical += ":" + strconv.Itoa(int(start))
	}
	if canonical += ":" + strconv.Itoa(int(n)); canonical != f.Share {
		f.Group = canonical
	}
	return nil
}

// cutNumber cuts ":<digits>" from the end of s.
func cutNumber(s string) (before, digits string, ok bool) {
	colon := strings.LastIndexByte(s, ':')
	if colon < 0 || colon+1 == len(s) {
		return s, "", false
	}
	for _, c := range []byte(s[colon+1:]) {
		if c < '0' || c > '9' {
			return s, "", false
		}
	}
	return s[:colon], s[colon+1:], true
}

// stickyNumber reads digits; leading zeros say nothing, and no digits are 0.
func stickyNumber(digits string) (n uint16, ok bool) {
	value := 0
	for _, c := range []byte(digits) {
		if value = value*10 + int(c-'0'); value > maxSticky {
			return 0, false
		}
	}
	return uint16(value), true
}
