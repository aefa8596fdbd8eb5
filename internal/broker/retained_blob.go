package broker

import (
	"encoding/binary"
	"strings"
	"time"
	"unsafe"

	"alcove/internal/auth"
	"alcove/internal/mqtt"
)

// blob is one retained message in a single piece of memory without pointers, so
// that millions of them cost the collector little and their owner eight bytes each:
//
//	stamp      8  UNIX microseconds
//	order      8  of its arrival in the namespace
//	expires    8  UNIX nanoseconds, 0 never
//	payload    4  length
//	forward    4  length
//	topic      2  length
//	qos        1
//	token  1..10  varint
//	topic, forward, payload
//
// It is immutable: what is made of it may be referred to for ever. The zero blob is
// none.
type blob struct{ head *[blobHead]byte }

const (
	blobOrder   = 8
	blobExpires = 16
	blobPayload = 24
	blobForward = 28
	blobTopic   = 32
	blobQoS     = 34
	blobHead    = 35
)

// blobOverhead is charged for each retained message beside its blob: its places in
// the two indexes, and what the allocator rounds up.
const blobOverhead = 64

// newBlob copies m, the order-th message to be retained in its namespace.
func newBlob(m *Message, order uint64) blob {
	var token [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(token[:], uint64(m.Token))
	b := make([]byte, blobHead, blobHead+n+len(m.Topic)+len(m.Forward)+len(m.Payload))
	binary.LittleEndian.PutUint64(b, uint64(m.Stamp))
	binary.LittleEndian.PutUint64(b[blobOrder:], order)
	binary.LittleEndian.PutUint64(b[blobExpires:], uint64(m.Expires))
	binary.LittleEndian.PutUint32(b[blobPayload:], uint32(len(m.Payload)))
	binary.LittleEndian.PutUint32(b[blobForward:], uint32(len(m.Forward)))
	binary.LittleEndian.PutUint16(b[blobTopic:], uint16(len(m.Topic)))
	b[blobQoS] = byte(m.QoS)
	b = append(b, token[:n]...)
	b = append(b, m.Topic...)
	b = append(b, m.Forward...)
	b = append(b, m.Payload...)
	return blob{(*[blobHead]byte)(b)}
}

func (b blob) stamp() int64 { return int64(binary.LittleEndian.Uint64(b.head[:])) }

func (b blob) order() uint64 { return binary.LittleEndian.Uint64(b.head[blobOrder:]) }

func (b blob) expires() int64 { return int64(binary.LittleEndian.Uint64(b.head[blobExpires:])) }

func (b blob) expired(now time.Time) bool {
	expires := b.expires()
	return expires != 0 && now.UnixNano() >= expires
}

// tail gives the n bytes from the given place on; the head says how many there are.
func (b blob) tail(from, n int) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(b.head), from)), n)[:n:n]
}

// token returns the publisher's token, and where the topic begins.
func (b blob) token() (token auth.TokenID, end int) {
	var v uint64
	for shift, at := 0, blobHead; ; shift, at = shift+7, at+1 {
		x := *(*byte)(unsafe.Add(unsafe.Pointer(b.head), at))
		v |= uint64(x&0x7f) << shift
		if x < 0x80 {
			return auth.TokenID(v), at + 1
		}
	}
}

// topic shares the blob's memory.
func (b blob) topic() string {
	_, at := b.token()
	return unsafe.String((*byte)(unsafe.Add(unsafe.Pointer(b.head), at)), int(binary.LittleEndian.Uint16(b.head[blobTopic:])))
}

// topicBytes shares the blob's memory.
func (b blob) topicBytes() []byte {
	_, at := b.token()
	return b.tail(at, int(binary.LittleEndian.Uint16(b.head[blobTopic:])))
}

// name is a copy of the topic, which lets the blob go.
func (b blob) name() string { return strings.Clone(b.topic()) }

// lengths gives those of topic, forwarded properties and payload.
func (b blob) lengths() (name, forward, payload int) {
	return int(binary.LittleEndian.Uint16(b.head[blobTopic:])),
		int(binary.LittleEndian.Uint32(b.head[blobForward:])),
		int(binary.LittleEndian.Uint32(b.head[blobPayload:]))
}

// cost is what the message is charged to its account, in bytes: what it takes.
func (b blob) cost() int64 {
	name, forward, payload := b.lengths()
	_, at := b.token()
	return int64(at + name + forward + payload + blobOverhead)
}

// retainedCost is cost of what newBlob would make.
func retainedCost(m *Message) int64 {
	var token [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(token[:], uint64(m.Token))
	return int64(blobHead + n + len(m.Topic) + len(m.Forward) + len(m.Payload) + blobOverhead)
}

// message makes the message of ns, which shares the blob's memory and is kept.
func (b blob) message(ns *Namespace) *Message {
	token, at := b.token()
	name, forward, payload := b.lengths()
	m := &Message{
		Topic:   b.tail(at, name),
		QoS:     mqtt.QoS(b.head[blobQoS]),
		Retain:  true,
		Expires: b.expires(),
		Account: ns.account, Top: ns.top,
		Token: token,
		Stamp: b.stamp(),
	}
	if forward > 0 {
		m.Forward = b.tail(at+name, forward)
	}
	if payload > 0 {
		m.Payload = b.tail(at+name+forward, payload)
	}
	return m.MarkKept()
}
