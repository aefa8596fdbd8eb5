package store

import (
	"encoding/binary"
	"math"

	"alcove/internal/auth"
	"alcove/internal/broker"
	"alcove/internal/mqtt"
)

// Flags of a stored message and of a queue entry.
const (
	flagQoS    = 0x03
	flagRetain = 0x04
)

// overhead is what broker.Message.Size adds to the bytes of a message.
var overhead = (&broker.Message{}).Size()

// rawSize is the bytes of a message itself.
func rawSize(m *broker.Message) int { return len(m.Topic) + len(m.Forward) + len(m.Payload) }

func packFlags(q mqtt.QoS, retain bool) byte {
	f := byte(q) & flagQoS
	if retain {
		f |= flagRetain
	}
	return f
}

func (d *decoder) flags(field string) (q mqtt.QoS, retain bool) {
	f := d.byte(field)
	if f > flagQoS|flagRetain || f&flagQoS == flagQoS {
		d.fault(field, "no such flags")
		return 0, false
	}
	return mqtt.QoS(f & flagQoS), f&flagRetain != 0
}

// appendMessage appends the value of a message.
func appendMessage(dst []byte, m *broker.Message) []byte {
	dst = append(dst, encoding, packFlags(m.QoS, m.Retain))
	dst = appendTime(dst, m.Expires)
	dst = appendTime(dst, m.Stamp)
	dst = binary.AppendUvarint(dst, uint64(m.Account))
	dst = binary.AppendUvarint(dst, uint64(m.Token))
	dst = appendBytes(dst, m.Topic)
	dst = appendBytes(dst, m.Forward)
	return appendBytes(dst, m.Payload)
}

// latestStamp is beyond every timestamp in microseconds (the year 5138), and before
// every one in nanoseconds.
const latestStamp = 1e17

// decodeMessage makes a whole message of the tree top. It borrows value, which
// the caller therefore gives away.
func decodeMessage(value []byte, top auth.AccountID) (*broker.Message, error) {
	m := &broker.Message{}
	if err := readMessage(m, value, top); err != nil {
		return nil, err
	}
	return m.MarkKept(), nil
}

// readMessage is decodeMessage into m.
func readMessage(m *broker.Message, value []byte, top auth.AccountID) error {
	d := newDecoder(value)
	*m = broker.Message{Top: top}
	m.QoS, m.Retain = d.flags("flags")
	m.Expires = d.time("expires")
	if m.Stamp = d.time("stamp"); m.Stamp > latestStamp {
		m.Stamp /= 1000 // written when it was the time of arrival, in nanoseconds
	}
	m.Account = auth.AccountID(d.uint("account", math.MaxUint64))
	m.Token = auth.TokenID(d.uint("token", math.MaxUint64))
	m.Topic = d.bytes("topic")
	m.Forward = d.bytes("properties")
	m.Payload = d.bytes("payload")
	return d.end()
}

// entries is the value of space q: queue entries of one message and, in the first
// of its values, what a queue must know of the message without reading it.
type entries struct {
	raw     int   // bytes of topic, properties and payload
	expires int64 // UNIX nanoseconds
	topic   []byte
	targets []broker.Target // Account is not stored: it is the owner's
}

// appendEntries appends the value of the entries that were stored with m, or of
// some that were added later where m is nil.
func appendEntries(dst []byte, m *broker.Message, targets []broker.Target) []byte {
	dst = append(dst, encoding)
	if m != nil {
		dst = binary.AppendUvarint(dst, uint64(rawSize(m)))
		dst = appendTime(dst, m.Expires)
		dst = appendBytes(dst, m.Topic)
	}
	dst = binary.AppendUvarint(dst, uint64(len(targets)))
	for i := range targets {
		t := &targets[i]
		dst = append(dst, packFlags(t.QoS, t.Retain))
		dst = binary.AppendUvarint(dst, uint64(t.Owner))
		dst = binary.AppendUvarint(dst, t.Seq)
		dst = binary.AppendUvarint(dst, uint64(len(t.SubscriptionIDs)))
		for _, id := range t.SubscriptionIDs {
			dst = binary.AppendUvarint(dst, uint64(id))
		}
	}
	return dst
}

// decode fills e, reusing its slice; topic is borrowed from value.
func (e *entries) decode(value []byte, extra bool) error {
	d := newDecoder(value)
	targets := e.targets[:0]
	*e = entries{}
	if !extra {
		e.raw = int(d.uint("size", math.MaxInt32))
		e.expires = d.time("expires")
		e.topic = d.bytes("topic")
	}
	n := d.count("targets")
	for range n {
		var t broker.Target
		t.QoS, t.Retain = d.flags("flags")
		t.Owner = broker.OwnerID(d.uint("owner", math.MaxUint64))
		t.Seq = d.uint("position", math.MaxUint64)
		if ids := d.count("identifiers"); ids > 0 {
			t.SubscriptionIDs = make([]uint32, ids)
			for i := range t.SubscriptionIDs {
				t.SubscriptionIDs[i] = uint32(d.uint("identifier", mqtt.MaxSubscriptionID))
			}
		}
		if d.err != nil {
			break
		}
		targets = append(targets, t)
	}
	e.targets = targets
	return d.end()
}
