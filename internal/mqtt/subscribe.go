package mqtt

import (
	"bytes"
	"encoding/binary"
	"iter"
)

// Subscribe is a SUBSCRIBE packet. Its filters are read by Filters and, when building
// one, written by Add. How many it may hold is the server's policy: see Count.
type Subscribe struct {
	PacketID       uint16
	SubscriptionID uint32 // 0 for none; MQTT 5
	User           UserProperties
	Count          int    // number of filters, at least 1 after decoding
	entries        []byte // filter and options after one another, as on the wire
}

// SubscribeOptions are what a client asks for with one filter. MQTT 3.x has only QoS.
type SubscribeOptions struct {
	QoS               QoS
	NoLocal           bool
	RetainAsPublished bool
	RetainHandling    byte // 0 always, 1 only for a new subscription, 2 never
}

// The bits of the Subscription Options byte.
const (
	optionQoS               = 0x03
	optionNoLocal           = 0x04
	optionRetainAsPublished = 0x08
	optionRetainHandling    = 0x30
	optionReserved          = 0xC0
)

// Decode reads a SUBSCRIBE and checks every filter's characters and options. Whether
// a filter is well formed (wildcards, shares, emptiness) is not looked at: that is
// answered for each filter in the SUBACK.
func (s *Subscribe) Decode(v Version, h Header, body []byte) error {
	*s = Subscribe{}
	if e := h.repeatFlags(v); e != nil {
		return e
	}
	r := reader{b: body}
	s.PacketID = r.packetID()
	if v == V5 {
		in := r.properties(propsSubscribe)
		for id := in.next(); id != 0; id = in.next() {
			if id == propUser {
				s.User = in.user(s.User)
			} else {
				s.SubscriptionID = in.subscriptionID()
			}
		}
		in.leave(&r)
	}
	s.entries = r.b[:len(r.b):len(r.b)]
	for len(r.b) > 0 {
		filter := r.topic(errFilterText) // [MQTT-3.8.3-1] [MQTT311-3.8.3-1]
		options := r.uint8()
		if e := checkOptions(v, filter, options); e != nil {
			r.fail(e)
		}
		s.Count++
	}
	if s.Count == 0 {
		r.fail(errNoFilters) // [MQTT-3.8.3-2] [MQTT311-3.8.3-3]
	}
	return r.result()
}

func checkOptions(v Version, filter []byte, options byte) *Error {
	switch {
	case v != V5 && options > 2:
		return errOptionBits // [MQTT311-3.8.3-4]
	case options&optionReserved != 0:
		return errOptionBits // [MQTT-3.8.3-5]
	case options&optionQoS == 3:
		return errOptionQoS
	case options&optionRetainHandling == optionRetainHandling:
		return errOptionRetain
	case options&optionNoLocal != 0 && bytes.HasPrefix(filter, []byte("$share/")):
		return errShareNoLocal // [MQTT-3.8.3-4] [EXT-SHR-5]
	}
	return nil
}

// Filters yields each filter with its options, in order. The slices borrow the body.
func (s *Subscribe) Filters() iter.Seq2[[]byte, SubscribeOptions] {
	return func(yield func([]byte, SubscribeOptions) bool) {
		for rest := s.entries; len(rest) > 2; {
			n := 2 + int(binary.BigEndian.Uint16(rest))
			if n >= len(rest) || !yield(rest[2:n:n], decodeOptions(rest[n])) {
				return
			}
			rest = rest[n+1:]
		}
	}
}

// Add appends a filter to the packet.
func (s *Subscribe) Add(filter string, options SubscribeOptions) {
	s.entries = append(appendText(s.entries, filter), options.encode())
	s.Count++
}

func decodeOptions(b byte) SubscribeOptions {
	return SubscribeOptions{
		QoS:               QoS(b & optionQoS),
		NoLocal:           b&optionNoLocal != 0,
		RetainAsPublished: b&optionRetainAsPublished != 0,
		RetainHandling:    b & optionRetainHandling >> 4,
	}
}

func (o SubscribeOptions) encode() byte {
	b := byte(o.QoS)&optionQoS | o.RetainHandling<<4&optionRetainHandling
	if o.NoLocal {
		b |= optionNoLocal
	}
	if o.RetainAsPublished {
		b |= optionRetainAsPublished
	}
	return b
}

func (s *Subscribe) propsSize() int {
	n := len(s.User)
	if s.SubscriptionID != 0 {
		n += 1 + varintSize(int(s.SubscriptionID))
	}
	return n
}

func (s *Subscribe) remaining(v Version) int {
	n := 2 + len(s.entries)
	if v == V5 {
		props := s.propsSize()
		n += varintSize(props) + props
	}
	return n
}

// Size returns the size of the whole packet in bytes.
func (s *Subscribe) Size(v Version) int { return PacketSize(s.remaining(v)) }

// Append appends the whole packet to dst. MQTT 3.x has no options but QoS; the others
// must not be set there.
func (s *Subscribe) Append(dst []byte, v Version) []byte {
	dst = appendHeader(dst, byte(TypeSubscribe)<<4|flagsReserved, s.remaining(v))
	dst = appendUint16(dst, s.PacketID)
	if v == V5 {
		dst = appendVarint(dst, s.propsSize())
		if s.SubscriptionID != 0 {
			dst = appendVarint(append(dst, propSubscriptionID), int(s.SubscriptionID))
		}
		dst = append(dst, s.User...)
	}
	return append(dst, s.entries...)
}
