package topic

// MaxBytes is the length of the longest legal name or filter [MQTT-4.7.3-3].
const MaxBytes = 65535

// Classes of bytes that the scan must look at; 0 is a plain byte.
const (
	slash = iota + 1
	plus
	hash
	comma
	control // U+0000 to U+001F and U+007F
	leadC2  // first byte of U+0080 to U+00BF
	leadEF  // first byte of U+F000 to U+FFFF
)

// class is indexed by byte: nearly every byte of a name is plain, and then
// costs one load.
var class = func() (t [256]uint8) {
	for c := range 0x20 {
		t[c] = control
	}
	t[0x7f] = control
	t['/'], t['+'], t['#'], t[','] = slash, plus, hash, comma
	t[0xc2], t[0xef] = leadC2, leadEF
	return t
}()

// CheckName reports whether name is a legal Topic Name: 1 to 65,535 bytes, no
// '+' or '#', no U+0000 and none of the characters that topics may not hold
// (U+0001 to U+001F, U+007F to U+009F, U+FFFE, U+FFFF), at most maxLevels
// levels (0: no cap). It gives nil or an *Error and allocates only for the
// error. UTF-8 itself is the codec's matter.
func CheckName[T text](name T, maxLevels int) error {
	if len(name) == 0 {
		// [MQTT-4.7.3-1] [MQTT311-4.7.3-1]
		return &Error{Kind: Empty, Reason: "a topic name has at least one character"}
	}
	if e := scan(name, maxLevels, false); e != nil {
		return e
	}
	return nil
}

// HasWildcard reports whether name holds a '+' or '#', which a name may not:
// an empty PUBLISH to such a topic means a deletion of retained messages
// [EXT-RET-2].
func HasWildcard[T text](name T) bool {
	for i := 0; i < len(name); i++ {
		if name[i] == '+' || name[i] == '#' {
			return true
		}
	}
	return false
}

// Under reports whether the first level of a name or filter is first, compared
// as bytes: "flespi" and "flespi/x" are under "flespi", "flespi2" is not
// [EXT-TOP-1].
func Under[T text](name T, first string) bool {
	n := len(first)
	return len(name) >= n && string(name[:n]) == first && (len(name) == n || name[n] == '/')
}

// Levels counts the levels of a name or filter: one more than its slashes.
func Levels[T text](t T) int {
	n := 1
	for i := 0; i < len(t); i++ {
		if t[i] == '/' {
			n++
		}
	}
	return n
}

// scan checks length, characters, depth, wildcards and, in a filter, selectors
// in one pass that stops at the first fault. The columns it gives count from the start of t.
func scan[T text](t T, maxLevels int, filter bool) *Error {
	if len(t) > MaxBytes {
		// [MQTT-4.7.3-3] [MQTT311-4.7.3-3]
		return &Error{Kind: Long, Reason: "longer than 65,535 bytes"}
	}
	levels := 1
	for i := 0; i < len(t); i++ {
		switch class[t[i]] {
		case 0:
		case slash:
			levels++
			if maxLevels > 0 && levels > maxLevels {
				return &Error{Kind: Depth, Reason: "too many levels", Column: i + 1} // [EXT-LIM-1]
			}
		case plus, hash:
			if e := checkWildcard(t, i, filter); e != nil {
				return e
			}
		case comma:
			if filter && emptyWord(t, i) {
				return &Error{Kind: Selector, Reason: "empty word in a list", Column: i + 1} // [EXT-SEL-1]
			}
		default:
			if forbidden(t, i) {
				// [MQTT-4.7.3-2] [MQTT311-4.7.3-2] [EXT-RET-2]
				return &Error{Kind: Character, Reason: "forbidden character", Column: i + 1}
			}
		}
	}
	return nil
}

// checkWildcard checks the wildcard at byte i of t.
func checkWildcard[T text](t T, i int, filter bool) *Error {
	if !filter {
		// [MQTT-4.7.0-1] [MQTT-3.3.2-2] [MQTT311-4.7.1-1] [MQTT311-3.3.2-2]
		return &Error{Kind: Wildcard, Reason: "a topic name holds no wildcard", Column: i + 1}
	}
	first := i == 0 || t[i-1] == '/'
	end := i+1 == len(t)
	if inList(t, i) {
		return &Error{Kind: Selector, Reason: "a word of a list holds no wildcard", Column: i + 1} // [EXT-SEL-1]
	}
	if t[i] == '#' {
		if first && end {
			return nil
		}
		// [MQTT-4.7.1-1] [MQTT311-4.7.1-2]
		return &Error{Kind: Wildcard, Reason: "# stands alone as the last level", Column: i + 1}
	}
	if first && (end || t[i+1] == '/') {
		return nil
	}
	// [MQTT-4.7.1-2] [MQTT311-4.7.1-3]
	return &Error{Kind: Wildcard, Reason: "+ fills a whole level", Column: i + 1}
}

// emptyWord reports whether a word beside the comma at byte i of t is empty.
func emptyWord[T text](t T, i int) bool {
	return i == 0 || t[i-1] == '/' || t[i-1] == ',' || i+1 == len(t) || t[i+1] == '/'
}

// inList reports whether the level which byte i of t is a part of has a comma.
func inList[T text](t T, i int) bool {
	from := i
	for from > 0 && t[from-1] != '/' {
		from--
	}
	for ; from < len(t) && t[from] != '/'; from++ {
		if t[from] == ',' {
			return true
		}
	}
	return false
}

// checkCharacters checks only that t holds none of the characters which topics
// may not hold. Columns count from the start of t.
func checkCharacters(t string) *Error {
	for i := 0; i < len(t); i++ {
		if class[t[i]] >= control && forbidden(t, i) {
			// [MQTT-4.7.3-2] [MQTT311-4.7.3-2] [EXT-RET-2]
			return &Error{Kind: Character, Reason: "forbidden character", Column: i + 1}
		}
	}
	return nil
}

// forbidden reports whether the character at byte i, one of the classes
// control, leadC2 and leadEF, may not stand in a topic.
func forbidden[T text](t T, i int) bool {
	switch class[t[i]] {
	case leadC2: // U+0080 to U+009F are C2 80 to C2 9F
		return i+1 < len(t) && t[i+1] >= 0x80 && t[i+1] <= 0x9f
	case leadEF: // U+FFFE and U+FFFF are EF BF BE and EF BF BF
		return i+2 < len(t) && t[i+1] == 0xbf && t[i+2] >= 0xbe
	}
	return true
}
