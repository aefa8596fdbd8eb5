package bench

import (
	"bytes"
	"encoding/binary"
)

// form is how a payload carries its publisher's number, its sequence number and the
// time at which it was due.
type form uint8

const (
	binaryForm form = iota
	jsonForm        // an object, as devices send it
)

// stampSize is the part of a binary payload that the driver uses: the publisher's
// number (4 bytes), the sequence number (8) and the time at which it was due (8).
const stampSize = 20

// MinPayload is the smallest payload of a measured message, in bytes.
const MinPayload = stampSize

// An object begins with the numbers, each in digits of its own place, and with a "1"
// before them, since a number in JSON has no leading zeros. "key" says which of
// filterKeys expressions the message is for. What a tracker reports follows.
const (
	jsonHead = `{"pub":1000000,"seq":1000000000000000,"due":1000000000000000,"key":1000,`
	jsonRest = `"ident":"352093081234567","position.latitude":54.6871,"position.longitude":25.2797,` +
		`"position.speed":81,"din":3,"movement.status":true,"pad":"`
	jsonEnd = `"}`

	jsonPub, pubDigits = len(`{"pub":1`), 6
	jsonSeq, seqDigits = jsonPub + pubDigits + len(`,"seq":1`), 15
	jsonDue            = jsonSeq + seqDigits + len(`,"due":1`)
	jsonKey, keyDigits = jsonDue + seqDigits + len(`,"key":1`), 3
)

// filterKeys is the number of values of "key", and keyRun the number of messages one
// after the other that have the same: those of one write, so that what is filtered is
// written as what is not.
const (
	filterKeys = 1000
	keyRun     = usualBatch
)

// keyOf returns the key of a publisher's message.
func keyOf(seq uint64) uint64 { return seq / keyRun % filterKeys }

// least is the smallest payload with room for the driver's numbers.
func (f form) least() int {
	if f == jsonForm {
		return len(jsonHead) + len(jsonRest) + len(jsonEnd)
	}
	return stampSize
}

// payload makes one of the given size.
func (f form) payload(size int) []byte {
	p := make([]byte, size)
	for i := range p {
		p[i] = 'a' + byte(i%26)
	}
	if f == jsonForm && size >= f.least() {
		copy(p, jsonHead+jsonRest)
		copy(p[size-len(jsonEnd):], jsonEnd)
	}
	return p
}

// write puts the numbers into a payload.
func (f form) write(p []byte, number uint32, seq uint64, due int64) {
	if f == jsonForm {
		putDigits(p[jsonPub:jsonPub+pubDigits], uint64(number))
		putDigits(p[jsonSeq:jsonSeq+seqDigits], seq)
		putDigits(p[jsonDue:jsonDue+seqDigits], uint64(due))
		putDigits(p[jsonKey:jsonKey+keyDigits], keyOf(seq))
		return
	}
	binary.LittleEndian.PutUint32(p, number)
	binary.LittleEndian.PutUint64(p[4:], seq)
	binary.LittleEndian.PutUint64(p[12:], uint64(due))
}

// read takes the numbers out of a payload; ok is false for one that is not the
// driver's.
func (f form) read(p []byte) (number uint32, seq uint64, due int64, ok bool) {
	if f == jsonForm {
		if len(p) < f.least() || !bytes.Equal(p[:jsonPub], []byte(jsonHead[:jsonPub])) {
			return 0, 0, 0, false
		}
		n, ok1 := digitsOf(p[jsonPub : jsonPub+pubDigits])
		seq, ok2 := digitsOf(p[jsonSeq : jsonSeq+seqDigits])
		at, ok3 := digitsOf(p[jsonDue : jsonDue+seqDigits])
		return uint32(n), seq, int64(at), ok1 && ok2 && ok3
	}
	if len(p) < stampSize {
		return 0, 0, 0, false
	}
	return binary.LittleEndian.Uint32(p), binary.LittleEndian.Uint64(p[4:]), int64(binary.LittleEndian.Uint64(p[12:])), true
}

// putDigits writes the last digits of n, as many as there is room for.
func putDigits(b []byte, n uint64) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = '0' + byte(n%10)
		n /= 10
	}
}

// digitsOf reads a number of decimal digits.
func digitsOf(b []byte) (n uint64, ok bool) {
	for _, d := range b {
		if d < '0' || d > '9' {
			return 0, false
		}
		n = n*10 + uint64(d-'0')
	}
	return n, len(b) > 0
}
