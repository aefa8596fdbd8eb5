package mqtt

import "encoding/binary"

// reader takes fields off the front of a body. The first failure is kept in err and
// empties the reader, so that a decoder can read on and look at err once.
type reader struct {
	b   []byte
	err *Error
}

func (r *reader) fail(e *Error) {
	if r.err == nil {
		r.err = e
	}
	r.b = nil
}

func (r *reader) uint8() byte {
	if len(r.b) < 1 {
		r.fail(errTruncated)
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) uint16() uint16 {
	if len(r.b) < 2 {
		r.fail(errTruncated)
		return 0
	}
	x := binary.BigEndian.Uint16(r.b)
	r.b = r.b[2:]
	return x
}

func (r *reader) uint32() uint32 {
	if len(r.b) < 4 {
		r.fail(errTruncated)
		return 0
	}
	x := binary.BigEndian.Uint32(r.b)
	r.b = r.b[4:]
	return x
}

func (r *reader) varint() int {
	x, n, e := decodeVarint(r.b)
	if n == 0 {
		if e == nil {
			e = errTruncated
		}
		r.fail(e)
		return 0
	}
	r.b = r.b[n:]
	return x
}

// binary reads a length and that many bytes. The result borrows the body and is not
// nil, except after a failure.
func (r *reader) binary() []byte {
	if len(r.b) < 2 {
		r.fail(errTruncated)
		return nil
	}
	n := 2 + int(binary.BigEndian.Uint16(r.b))
	if len(r.b) < n {
		r.fail(errTruncated)
		return nil
	}
	field := r.b[2:n:n]
	r.b = r.b[n:]
	return field
}

// text reads a UTF-8 string; bad is the failure when it is not one.
func (r *reader) text(bad *Error) []byte {
	s := r.binary()
	if !ValidText(s) {
		r.fail(bad)
	}
	return s
}

// topic reads a topic name or filter; bad is the failure for forbidden characters.
func (r *reader) topic(bad *Error) []byte {
	s := r.binary()
	if !ValidTopicText(s) {
		r.fail(bad)
	}
	return s
}

// packetID reads a Packet Identifier, which is never 0.
//
// [MQTT-2.2.1-3] [MQTT-2.2.1-4] [MQTT311-2.3.1-1]
func (r *reader) packetID() uint16 {
	id := r.uint16()
	if id == 0 {
		r.fail(errPacketID) // a failure to read it stands first
	}
	return id
}

// end gives the result of a decoder that has read all its fields.
func (r *reader) end() error {
	if len(r.b) > 0 {
		r.fail(errTrailing)
	}
	return r.result()
}

// result turns the typed error into an interface without making a nil one non-nil.
func (r *reader) result() error {
	if r.err != nil {
		return r.err
	}
	return nil
}

func appendUint16(dst []byte, x uint16) []byte { return append(dst, byte(x>>8), byte(x)) }

func appendUint32(dst []byte, x uint32) []byte {
	return append(dst, byte(x>>24), byte(x>>16), byte(x>>8), byte(x))
}

// appendText appends a string field, cut to MaxString bytes at a character
// [MQTT-4.7.3-3] [MQTT311-4.7.3-3].
func appendText[T ~string | ~[]byte](dst []byte, s T) []byte {
	s = cutText(s)
	return append(appendUint16(dst, uint16(len(s))), s...)
}

// textSize is the number of bytes that appendText writes.
func textSize[T ~string | ~[]byte](s T) int { return 2 + len(cutText(s)) }

// appendBinary appends a binary field, cut to MaxString bytes.
func appendBinary(dst, b []byte) []byte {
	b = b[:min(len(b), MaxString)]
	return append(appendUint16(dst, uint16(len(b))), b...)
}

func binarySize(b []byte) int { return 2 + min(len(b), MaxString) }
