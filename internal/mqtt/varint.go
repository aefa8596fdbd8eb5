package mqtt

// decodeVarint reads a variable byte integer. While b is too short to tell, n is 0.
//
// An encoding of more than four bytes, or one that a shorter encoding could replace,
// is malformed [MQTT-1.5.5-1].
func decodeVarint(b []byte) (value, n int, err *Error) {
	if len(b) > 0 && b[0] < 0x80 {
		return int(b[0]), 1, nil
	}
	for i, c := range b {
		if i == 3 && c >= 0x80 {
			return 0, 0, errVarint
		}
		value |= int(c&0x7f) << (7 * i)
		if c < 0x80 {
			if c == 0 && i > 0 {
				return 0, 0, errMinimal
			}
			return value, i + 1, nil
		}
	}
	return 0, 0, nil
}

// appendVarint appends x, 0 to MaxRemaining, in its shortest form [MQTT-1.5.5-1].
func appendVarint(dst []byte, x int) []byte {
	for x >= 0x80 {
		dst = append(dst, byte(x)|0x80)
		x >>= 7
	}
	return append(dst, byte(x))
}

// varintSize returns the number of bytes that appendVarint writes for x.
func varintSize(x int) int {
	switch {
	case x < 1<<7:
		return 1
	case x < 1<<14:
		return 2
	case x < 1<<21:
		return 3
	}
	return 4
}
