package broker

import (
	"net/netip"
	"sync/atomic"
	"unsafe"

	"alcove/internal/mqtt"
)

// Outlet is the sending half of one Network Connection, as the broker sees
// it. internal/server implements it; every method is safe from any goroutine
// and none of them blocks or makes a system call, but Flush.
//
// A method called after the connection has ended does nothing. The broker may
// call Deliver, Send and End while it holds a Session.mu; an Outlet therefore
// never calls back into the broker from them.
type Outlet interface {
	// Deliver appends one PUBLISH, encoded for this receiver: its protocol
	// version, its Topic Aliases, its Maximum Packet Size (which is checked
	// before an alias is spent). The connection is flushed at the end of t.
	Deliver(t *Turn, d *Delivery) Outcome

	// Send appends the bytes of one or more whole control packets. It copies
	// them. The connection is flushed at the end of t.
	Send(t *Turn, packets []byte)

	// End makes the connection close after what was appended so far has been
	// written (or could not be written within the server's close deadline).
	// To an MQTT 5 client a DISCONNECT with code and, where it fits, reason
	// goes out last. Nothing appended later is sent [MQTT-3.14.4-1].
	End(t *Turn, code mqtt.ReasonCode, reason string)

	// Wake makes the owning loop call Link.Ripe soon. Many calls before that
	// count as one.
	Wake()

	// Post runs f on the owning loop, after every f posted before it. Where
	// the connection has ended, f still runs (with the loop's Turn), so that
	// what it holds is let go.
	Post(f func(t *Turn))

	// Peer is where the client is (by the PROXY header where that is trusted; zero
	// where the transport has no addresses), and how it comes: "tcp", "tls", "ws",
	// "wss" or "unix".
	Peer() (remote netip.AddrPort, transport string)

	// Sent is how many PUBLISH packets were appended so far, repetitions
	// included.
	Sent() uint64

	// Flush writes what the socket takes, without blocking. Turn.End calls it
	// once for each Outlet that was touched.
	Flush()
}

// Outcome tells what became of a Delivery.
type Outcome uint8

const (
	// Sent means that the packet was appended.
	Sent Outcome = iota
	// Full means that the output holds more than its bound, or that the
	// receiver is slow: nothing was appended. QoS 0 is dropped and counted;
	// a message with a packet identifier is never refused this way, because
	// the inflight window bounds those.
	Full
	// TooLarge means that the packet would exceed the receiver's Maximum
	// Packet Size: nothing was appended, and the message counts as delivered
	// [MQTT-3.1.2-25].
	TooLarge
	// Stale means that Delivery.Live no longer had the value Delivery.Gen:
	// the session's subscriptions or its connection changed since the route
	// was made. Nothing was appended.
	Stale
	// Gone means that the connection has ended. Nothing was appended.
	Gone
)

// Delivery is one Application Message on its way to one receiver. The caller
// owns it and may reuse it as soon as Deliver has returned.
type Delivery struct {
	// Message is the message; see Keep for how long its bytes live.
	Message *Message
	// QoS, Dup and Retain are the flags of the outgoing packet.
	QoS    mqtt.QoS
	Dup    bool
	Retain bool
	// PacketID is not zero exactly when QoS is not zero.
	PacketID uint16
	// SubscriptionIDs of all the receiver's matching subscriptions that have
	// one; MQTT 5 only [MQTT-3.3.4-4].
	SubscriptionIDs []uint32
	// Expiry is the Message Expiry Interval that remains, in seconds.
	Expiry    uint32
	HasExpiry bool
	// Forward holds the properties that travel, Stamps those of the broker's own
	// that go behind them: encoded, MQTT 5 only. Forward lives as long as the
	// message, Stamps until Deliver returns.
	Forward, Stamps []byte
	// Packet, where it is not nil, is the whole packet as a client without Topic
	// Aliases takes it, encoded before for others: it is copied in the place of
	// encoding the rest. It lives until Deliver returns.
	Packet []byte
	// Own tells that the message was published in the receiver's own
	// account: only then may a full receiver press back on the publisher.
	Own bool
	// Live, where it is not nil, is compared with Gen inside the output's
	// lock; where they differ the outcome is Stale.
	Live *atomic.Uint32
	Gen  uint32
}

// reset makes it one of m, by QoS 0, for whoever takes it.
func (d *Delivery) reset(m *Message) {
	*d = Delivery{}
	d.Message = m
}

// Head is the packet up to what all receivers share, without a Topic Alias.
func (d *Delivery) Head(v mqtt.Version) (h mqtt.PublishHead) {
	m := d.Message
	// Field by field: a literal is built aside and copied by wider moves than it was
	// written by, for which the processor waits.
	h.Version, h.Dup, h.QoS, h.Retain = v, d.Dup, d.QoS, d.Retain
	h.Topic = unsafe.String(unsafe.SliceData(m.Topic), len(m.Topic))
	h.PacketID, h.PayloadLen = d.PacketID, len(m.Payload)
	if v == mqtt.V5 {
		h.ForwardLen = len(d.Forward) + len(d.Stamps)
		h.SubscriptionIDs = d.SubscriptionIDs
		h.Expiry, h.HasExpiry = d.Expiry, d.HasExpiry
	}
	return h
}

// Append appends the whole packet, for a client of the version that has no Topic
// Aliases.
func (d *Delivery) Append(dst []byte, v mqtt.Version) []byte {
	h := d.Head(v)
	dst = h.Append(dst)
	dst = append(dst, d.Forward...)
	dst = append(dst, d.Stamps...)
	return append(dst, d.Message.Payload...)
}

// Keep returns the message as an immutable heap object, whose bytes may be
// referred to for ever. It copies at most once per publish: an output that
// would rather refer to a large payload than copy it calls this.
func (d *Delivery) Keep() *Message {
	d.Message = d.Message.Keep()
	return d.Message
}
