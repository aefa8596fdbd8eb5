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
//	topic      2  length
//	topic
//	stamp      8  UNIX microseconds
//	order      8  of its arrival in the namespace
//	expires    8  UNIX nanoseconds, 0 never
//	payload    4  length
//	forward    4  length
//	qos        1
//	token  1..10  varint
//	forward, payload
//
// The topic comes first: what a search looks at shall lie in one line of the cache.
// It is immutable: what is made of it may be referred to for ever. The zero blob is
// none.
type blob struct{ head *[blobTopic]byte }

// Where the fields are; those from blobStamp on count from the end of the topic.
const (
	blobTopic   = 2
	blobStamp   = 0
	blobOrder   = 8
	blobExpires = 16
	blobPayload = 24
	blobForward = 28
	blobQoS     = 32
	blobFixed   = 33
)

// blobOverhead is charged for each retained message beside its blob: its places in
// the two indexes, and what the allocator rounds up.
const blobOverhead = 48

// blobSize is the size of what newBlob makes, and the encoded token in it.
func blobSize(m *Message, token *[binary.MaxVarintLen64]byte) (size, tokenSize int) {
	tokenSize = binary.PutUvarint(token[:], uint64(m.Token))
	return blobTopic + len(m.Topic) + blobFixed + tokenSize + len(m.Forward) + len(m.Payload), tokenSize
}

// newBlob copies m, the order-th message to be retained in its namespace.
func newBlob(m *Message, order uint64) blob {
	var token [binary.MaxVarintLen64]byte
	size, n := blobSize(m, &token)
	b := make([]byte, 0, size)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(m.Topic)))
	b = append(b, m.Topic...)
	b = binary.LittleEndian.AppendUint64(b, uint64(m.Stamp))
	b = binary.LittleEndian.AppendUint64(b, order)
	b = binary.LittleEndian.AppendUint64(b, uint64(m.Expires))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(m.Payload)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(m.Forward)))
	b = append(b, byte(m.QoS))
	b = append(b, token[:n]...)
	b = append(b, m.Forward...)
	b = append(b, m.Payload...)
	return blob{(*[blobTopic]byte)(b)}
}

// part gives the n bytes from the given place on; the lengths in the blob say which
// there are.
func (b blob) part(from, n int) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(b.head), from)), n)
}

// topicBytes shares the blob's memory.
func (b blob) topicBytes() []byte {
	n := int(binary.LittleEndian.Uint16(b.head[:]))
	return b.part(blobTopic, n)
}

// topic shares the blob's memory.
func (b blob) topic() string { return text(b.topicBytes()) }

// name is a copy of the topic, which lets the blob go.
func (b blob) name() string { return strings.Clone(b.topic()) }

// fixed gives the fields behind the topic.
func (b blob) fixed() []byte {
	return b.part(blobTopic+int(binary.LittleEndian.Uint16(b.head[:])), blobFixed)
}

func (b blob) stamp() int64 { return int64(binary.LittleEndian.Uint64(b.fixed()[blobStamp:])) }

func (b blob) order() uint64 { return binary.LittleEndian.Uint64(b.fixed()[blobOrder:]) }

func (b blob) expires() int64 { return int64(binary.LittleEndian.Uint64(b.fixed()[blobExpires:])) }

func (b blob) expired(now time.Time) bool {
	expires := b.expires()
	return expires != 0 && now.UnixNano() >= expires
}

// tail gives the publisher's token, the forwarded properties and the payload.
func (b blob) tail() (token auth.TokenID, forward, payload []byte) {
	fixed := b.fixed()
	at := blobTopic + int(binary.LittleEndian.Uint16(b.head[:])) + blobFixed
	var v uint64
	for shift := 0; ; shift += 7 {
		x := b.part(at, 1)[0]
		at++
		v |= uint64(x&0x7f) << shift
		if x < 0x80 {
			break
		}
	}
	if n := int(binary.LittleEndian.Uint32(fixed[blobForward:])); n > 0 {
		forward = b.part(at, n)
		at += n
	}
	if n := int(binary.LittleEndian.Uint32(fixed[blobPayload:])); n > 0 {
		payload = b.part(at, n)
	}
	return auth.TokenID(v), forward, payload
}

// cost is what the message is charged to its account, in bytes: what it takes.
func (b blob) cost() int64 {
	token, forward, payload := b.tail()
	return retainedCost(&Message{Topic: b.topicBytes(), Forward: forward, Payload: payload, Token: token})
}

// retainedCost is what a message is charged once it is retained.
func retainedCost(m *Message) int64 {
	var token [binary.MaxVarintLen64]byte
	size, _ := blobSize(m, &token)
	return int64(size + blobOverhead)
}

// message makes the message of ns, which shares the blob's memory and is kept.
func (b blob) message(ns *Namespace) *Message {
	fixed := b.fixed()
	m := &Message{
		Topic:   b.topicBytes(),
		QoS:     mqtt.QoS(fixed[blobQoS]),
		Retain:  true,
		Expires: b.expires(),
		Account: ns.account, Top: ns.top,
		Stamp: b.stamp(),
	}
	m.Token, m.Forward, m.Payload = b.tail()
	return m.MarkKept()
}
