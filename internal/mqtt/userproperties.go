package mqtt

import (
	"encoding/binary"
	"iter"
)

// UserProperties is a run of encoded User Properties: for each 0x26, a key and a
// value, as they stand on the wire. Order and repetition are kept [MQTT-3.3.2-18].
// nil is none. Those of a decoded packet borrow its body when they stand together in
// it, and are a copy otherwise.
type UserProperties []byte

// AppendUser appends one User Property to dst, which may be UserProperties or the
// bytes of AppendForward. Key and value must be valid UTF-8 without U+0000; each is
// cut to MaxString bytes.
func AppendUser[B ~[]byte, K, V ~string | ~[]byte](dst B, key K, value V) B {
	return B(appendText(appendText(append(dst, propUser), key), value))
}

// UserSize returns the number of bytes that AppendUser writes.
func UserSize[K, V ~string | ~[]byte](key K, value V) int { return 1 + textSize(key) + textSize(value) }

// All yields each key and value in order. The slices borrow u.
func (u UserProperties) All() iter.Seq2[[]byte, []byte] {
	return func(yield func([]byte, []byte) bool) {
		for rest := u; len(rest) > 0; {
			key, value, n := rest.first()
			if n == 0 || !yield(key, value) {
				return
			}
			rest = rest[n:]
		}
	}
}

// Len returns the number of pairs.
func (u UserProperties) Len() int {
	count := 0
	for len(u) > 0 {
		_, _, n := u.first()
		if n == 0 {
			break
		}
		count++
		u = u[n:]
	}
	return count
}

// Get returns the value of the first pair with this key. It borrows u.
func (u UserProperties) Get(key string) (value []byte, ok bool) {
	for len(u) > 0 {
		k, v, n := u.first()
		if n == 0 {
			break
		}
		if string(k) == key {
			return v, true
		}
		u = u[n:]
	}
	return nil, false
}

// first splits off the first pair; n is its size, 0 when u does not hold a whole one
// (which decoded properties always do).
func (u UserProperties) first() (key, value []byte, n int) {
	if len(u) < 5 || u[0] != propUser {
		return nil, nil, 0
	}
	k := 3 + int(binary.BigEndian.Uint16(u[1:]))
	if len(u) < k+2 {
		return nil, nil, 0
	}
	v := k + 2 + int(binary.BigEndian.Uint16(u[k:]))
	if len(u) < v {
		return nil, nil, 0
	}
	return u[3:k:k], u[k+2 : v : v], v
}
