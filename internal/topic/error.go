package topic

import "strconv"

// Kind tells why a name or a filter was refused, so that a caller can choose
// the reason code without reading text.
type Kind uint8

// The kinds of refusal.
const (
	// Empty: no character at all, or no filter after the share name [MQTT-4.7.3-1].
	Empty Kind = iota + 1
	// Long: more than MaxBytes bytes [MQTT-4.7.3-3].
	Long
	// Character: U+0000, a control character, U+FFFE or U+FFFF [MQTT-4.7.3-2] [EXT-RET-2].
	Character
	// Wildcard: a wildcard in a name, or out of place in a filter
	// [MQTT-4.7.0-1] [MQTT-4.7.1-1] [MQTT-4.7.1-2].
	Wildcard
	// Depth: more levels than the cap [EXT-LIM-1].
	Depth
	// Share: a malformed or nested "$share" [MQTT-4.8.2-1] [MQTT-4.8.2-2]
	// [EXT-SHR-4].
	Share
	// Selector: an empty word or a wildcard in a comma list [EXT-SEL-1].
	Selector
	// FilterItem: a malformed, nested or misplaced "$filter" [EXT-FIL-1].
	FilterItem
)

// Error says why a name or filter is refused. It holds no part of the refused
// text, so that it may be logged as it is.
type Error struct {
	Kind   Kind
	Reason string // plain English, constant
	Column int    // position of the first offending byte, counted from 1; 0: the whole text
}

// Error gives the reason and, where there is one, the column.
func (e *Error) Error() string {
	if e.Column == 0 {
		return "topic: " + e.Reason
	}
	return "topic: " + e.Reason + " at column " + strconv.Itoa(e.Column)
}
