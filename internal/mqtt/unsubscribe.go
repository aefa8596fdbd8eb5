package mqtt

import (
	"encoding/binary"
	"iter"
)

// Unsubscribe is an UNSUBSCRIBE packet. Its filters are read by Filters and, when
// building one, written by Add.
type Unsubscribe struct {
	PacketID uint16
	User     UserProperties
	Count    int    // number of filters, at least 1 after decoding
	entries  []byte // the filters after one another, as on the wire
}

// Decode reads an UNSUBSCRIBE and checks every filter's characters.
func (u *Unsubscribe) Decode(v Version, h Header, body []byte) error {
	*u = Unsubscribe{}
	if e := h.repeatFlags(v); e != nil {
		return e
	}
	r := reader{b: body}
	u.PacketID = r.packetID()
	if v == V5 {
		in := r.properties(propsUserOnly)
		for id := in.next(); id != 0; id = in.next() {
			u.User = in.user(u.User)
		}
		in.leave(&r)
	}
	u.entries = r.b[:len(r.b):len(r.b)]
	for len(r.b) > 0 {
		r.topic(errFilterText) // [MQTT-3.10.3-1] [MQTT311-3.10.3-1]
		u.Count++
	}
	if u.Count == 0 {
		r.fail(errNoFilters) // [MQTT-3.10.3-2] [MQTT311-3.10.3-2]
	}
	return r.result()
}

// Filters yields each filter in order. The slices borrow the body.
func (u *Unsubscribe) Filters() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for rest := u.entries; len(rest) >= 2; {
			n := 2 + int(binary.BigEndian.Uint16(rest))
			if n > len(rest) || !yield(rest[2:n:n]) {
				return
			}
			rest = rest[n:]
		}
	}
}

// Add appends a filter to the packet.
func (u *Unsubscribe) Add(filter string) {
	u.entries = appendText(u.entries, filter)
	u.Count++
}

func (u *Unsubscribe) remaining(v Version) int {
	n := 2 + len(u.entries)
	if v == V5 {
		n += varintSize(len(u.User)) + len(u.User)
	}
	return n
}

// Size returns the size of the whole packet in bytes.
func (u *Unsubscribe) Size(v Version) int { return PacketSize(u.remaining(v)) }

// Append appends the whole packet to dst.
func (u *Unsubscribe) Append(dst []byte, v Version) []byte {
	dst = appendHeader(dst, byte(TypeUnsubscribe)<<4|flagsReserved, u.remaining(v))
	dst = appendUint16(dst, u.PacketID)
	if v == V5 {
		dst = append(appendVarint(dst, len(u.User)), u.User...)
	}
	return append(dst, u.entries...)
}
