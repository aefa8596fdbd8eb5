package broker

import (
	"time"

	"alcove/internal/auth"
	"alcove/internal/mqtt"
)

// Message is an Application Message. One that was made by a loop for a
// PUBLISH just read borrows the bytes of the read buffer and lives until
// Publish returns; Keep makes the immutable heap copy, at most once.
type Message struct {
	// Topic is the Topic Name; it shares the borrowed buffer until Keep.
	Topic []byte
	// Payload is the Application Message's payload.
	Payload []byte
	// Forward holds the MQTT 5 properties that travel unchanged, encoded
	// (mqtt.PublishProps.AppendForward): Payload Format Indicator, Response
	// Topic, Correlation Data, Content Type, User Properties.
	Forward []byte
	// QoS and Retain are those of the publisher.
	QoS    mqtt.QoS
	Retain bool
	// Given tells that the publisher gave the stamp; it is not stored.
	Given bool
	// own tells that it is the broker's, and not stored where it is retained.
	own bool
	// Expires is when the message expires, UNIX nanoseconds; 0 never.
	Expires int64
	// Account is where it was published, Top that account's top-level one.
	Account auth.AccountID
	Top     auth.AccountID
	// Token published it.
	Token auth.TokenID
	// Stamp is its timestamp, UNIX microseconds [EXT-UP-1]; 0 while nobody has
	// needed it.
	Stamp int64

	kept *Message // what Keep returned, or itself
}

// Keep returns m as an immutable heap object which borrows nothing. Called
// again on the same message it returns the same object.
func (m *Message) Keep() *Message {
	if m.kept != nil {
		return m.kept
	}
	buf := make([]byte, 0, len(m.Topic)+len(m.Forward)+len(m.Payload))
	k := &Message{}
	*k = *m
	buf = append(buf, m.Topic...)
	k.Topic = buf[:len(buf):len(buf)]
	buf = append(buf, m.Forward...)
	k.Forward = buf[len(k.Topic):len(buf):len(buf)]
	n := len(buf)
	buf = append(buf, m.Payload...)
	k.Payload = buf[n:len(buf):len(buf)]
	k.kept = k
	m.kept = k
	return k
}

// MarkKept declares that m already owns its bytes (a store that has just read
// it, a test): Keep then returns m itself.
func (m *Message) MarkKept() *Message {
	m.kept = m
	return m
}

// Size is what the message costs a queue, in bytes.
func (m *Message) Size() int {
	return len(m.Topic) + len(m.Forward) + len(m.Payload) + messageOverhead
}

// Expired tells whether the message has expired at now.
func (m *Message) Expired(now time.Time) bool {
	return m.Expires != 0 && now.UnixNano() >= m.Expires
}

// Remaining returns the Message Expiry Interval that is left at now, in
// seconds, rounded up, as it goes out with a delivery [MQTT-3.3.2-6].
func (m *Message) Remaining(now time.Time) (seconds uint32, has bool) {
	if m.Expires == 0 {
		return 0, false
	}
	left := m.Expires - now.UnixNano()
	if left <= 0 {
		return 0, true
	}
	return uint32((left + int64(time.Second) - 1) / int64(time.Second)), true
}

// Properties returns the properties that the publisher gave, without User Properties
// under the names that are the broker's own: those are Stamp, Token and Account
// [EXT-UP-1] [EXT-UP-2]. They borrow from m.
func (m *Message) Properties() (p mqtt.PublishProps, err error) {
	rest, _ := undress(m.Forward)
	err = p.DecodeForward(rest)
	return p, err
}
