package mqtt

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"
)

// Words of eight equal bytes, for looking at eight characters in one step.
const (
	eachOne   = 0x0101010101010101
	eachHigh  = 0x8080808080808080
	eachSpace = 0x2020202020202020
)

// ValidText reports whether b may stand in a UTF-8 string field: well-formed UTF-8
// without surrogates or overlong forms, and without U+0000. A byte order mark is an
// ordinary character and stays [MQTT-1.5.4-3] [MQTT311-1.5.3-3].
//
// [MQTT-1.5.4-1] [MQTT-1.5.4-2] [MQTT311-1.5.3-1] [MQTT311-1.5.3-2]
func ValidText(b []byte) bool {
	for i := 0; i+8 <= len(b); i += 8 {
		if w := binary.LittleEndian.Uint64(b[i:]); unplainText(w) != 0 {
			return validTextSlow(b[i:])
		}
	}
	if len(b) >= 8 {
		// The last eight bytes overlap what was seen: cheaper than a loop.
		if w := binary.LittleEndian.Uint64(b[len(b)-8:]); unplainText(w) != 0 {
			return validTextSlow(b[len(b)&^7:])
		}
		return true
	}
	for i, c := range b {
		if c == 0 {
			return false
		}
		if c >= 0x80 {
			return validTextSlow(b[i:])
		}
	}
	return true
}

// unplainText is not 0 when one of the eight bytes is zero or not ASCII.
func unplainText(w uint64) uint64 { return (w | (w-eachOne)&^w) & eachHigh }

func validTextSlow(b []byte) bool {
	return bytes.IndexByte(b, 0) < 0 && utf8.Valid(b)
}

// ValidTopicText reports whether b may stand in a topic name or topic filter: valid
// text without U+0001–U+001F, U+007F–U+009F and U+FFFF [EXT-RET-2]. It says nothing
// about length, levels and wildcards.
//
// [MQTT-4.7.3-2] [MQTT311-4.7.3-2]
func ValidTopicText(b []byte) bool {
	for i := 0; i+8 <= len(b); i += 8 {
		if w := binary.LittleEndian.Uint64(b[i:]); unplainTopic(w) != 0 {
			return validTopicSlow(b[i:])
		}
	}
	if len(b) >= 8 {
		if w := binary.LittleEndian.Uint64(b[len(b)-8:]); unplainTopic(w) != 0 {
			return validTopicSlow(b[len(b)&^7:])
		}
		return true
	}
	for i, c := range b {
		if c < 0x20 || c >= 0x7f {
			return validTopicSlow(b[i:])
		}
	}
	return true
}

// unplainTopic is not 0 when one of the eight bytes is a control character or not
// ASCII. Adding one to each byte lifts 0x7F to 0x80; a carry comes only from 0xFF,
// which is found by itself.
func unplainTopic(w uint64) uint64 {
	return (w | (w-eachSpace)&^w | (w + eachOne)) & eachHigh
}

func validTopicSlow(b []byte) bool {
	if !utf8.Valid(b) {
		return false
	}
	for i, c := range b {
		switch {
		case c < 0x20 || c == 0x7f:
			return false
		case c == 0xc2 && b[i+1] < 0xa0: // U+0080–U+009F
			return false
		case c == 0xef && b[i+1] == 0xbf && b[i+2] == 0xbf: // U+FFFF
			return false
		}
	}
	return true
}

// hasWildcard reports whether a topic has a character that only filters may have.
func hasWildcard(b []byte) bool {
	return bytes.IndexByte(b, '+') >= 0 || bytes.IndexByte(b, '#') >= 0
}

// cutText cuts s to MaxString bytes at the start of a character.
func cutText[T ~string | ~[]byte](s T) T {
	if len(s) <= MaxString {
		return s
	}
	n := MaxString
	for n > MaxString-utf8.UTFMax && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:n]
}
