package bench

import (
	"encoding/binary"
	"errors"
	"fmt"

	"alcove/internal/mqtt"
)

// template is a run of equal PUBLISH packets whose stamps are filled in before each
// write.
type template struct {
	packets []byte
	size    int // bytes of one packet
	stamp   int // offset of the stamp within a packet
	id      int // offset of the packet identifier; 0 for QoS 0
	form    form
	bare    bool // the payload has no room for a stamp
}

// newTemplate encodes count PUBLISH packets of the given shape, with binary stamps.
func newTemplate(v mqtt.Version, topic string, qos mqtt.QoS, payload, count int) template {
	return binaryForm.template(v, topic, qos, payload, count)
}

// template encodes count PUBLISH packets with payloads of this form.
func (f form) template(v mqtt.Version, topic string, qos mqtt.QoS, payload, count int) template {
	p := mqtt.Publish{Topic: []byte(topic), QoS: qos, Payload: f.payload(payload)}
	if qos > 0 {
		p.PacketID = 1
	}
	one := p.Append(nil, v)
	t := template{size: len(one), stamp: len(one) - payload, form: f, bare: payload < f.least()}
	if qos > 0 {
		t.id = len(one) - payload - 2
		if v == mqtt.V5 {
			t.id-- // the empty property length stands between
		}
	}
	for range count {
		t.packets = append(t.packets, one...)
	}
	return t
}

// set fills in the stamp of the packet at index i.
func (t *template) set(i int, publisher uint32, seq uint64, due int64) {
	b := t.packets[i*t.size : (i+1)*t.size]
	if t.id > 0 {
		binary.BigEndian.PutUint16(b[t.id:], packetID(seq))
	}
	if t.bare {
		return
	}
	t.form.write(b[t.stamp:], publisher, seq, due)
}

// retain sets the RETAIN flag of all packets.
func (t *template) retain() {
	for i := 0; i < len(t.packets); i += t.size {
		t.packets[i] |= 0x01
	}
}

// packetID gives the identifiers 1 to 65,535 in turn. Windows are far smaller, so an
// identifier is free again when its turn comes.
func packetID(seq uint64) uint16 { return uint16(seq%65535) + 1 }

var (
	errShort = errors.New("a PUBLISH from the broker is shorter than its fields")
	errAlien = errors.New("a PUBLISH from the broker is not one of ours")
)

// frame returns the size of the packet at the start of b and of its fixed header; 0
// while b is too short to tell.
func frame(b []byte) (size, head int, err error) {
	if len(b) < 2 {
		return 0, 0, nil
	}
	if b[1] < 0x80 {
		return 2 + int(b[1]), 2, nil
	}
	h, n, e := mqtt.DecodeHeader(b)
	if e != nil {
		return 0, 0, fmt.Errorf("from the broker: %w", e)
	}
	if n == 0 {
		return 0, 0, nil
	}
	return n + h.Remaining, n, nil
}

// publishBody finds the payload and the packet identifier of a PUBLISH in its body.
func publishBody(v mqtt.Version, first byte, body []byte) (payload []byte, id uint16, err error) {
	if len(body) < 2 {
		return nil, 0, errShort
	}
	at := 2 + (int(body[0])<<8 | int(body[1]))
	if first&0x06 != 0 {
		if len(body) < at+2 {
			return nil, 0, errShort
		}
		id = uint16(body[at])<<8 | uint16(body[at+1])
		at += 2
	}
	if v == mqtt.V5 {
		if len(body) <= at {
			return nil, 0, errShort
		}
		n, shift := int(body[at]&0x7f), 7
		for body[at] >= 0x80 {
			if at++; at >= len(body) || shift > 21 {
				return nil, 0, errShort
			}
			n |= int(body[at]&0x7f) << shift
			shift += 7
		}
		at += 1 + n
	}
	if at > len(body) {
		return nil, 0, errShort
	}
	return body[at:], id, nil
}

// ownProperties counts those user properties of a PUBLISH that Alcove sets itself.
func ownProperties(v mqtt.Version, packet []byte) int {
	if v != mqtt.V5 {
		return 0
	}
	h, n, err := mqtt.DecodeHeader(packet)
	if err != nil {
		return 0
	}
	var p mqtt.Publish
	if p.DecodeFromServer(v, h, packet[n:]) != nil {
		return 0
	}
	count := 0
	for _, key := range []string{"timestamp", "token_id", "cid"} {
		if _, ok := p.Props.User.Get(key); ok {
			count++
		}
	}
	return count
}

// ackBytes appends the shortest form of a PUBACK, PUBREC, PUBREL or PUBCOMP, which is
// the same in all versions.
func ackBytes(dst []byte, t mqtt.PacketType, id uint16) []byte {
	first := byte(t) << 4
	if t == mqtt.TypePubrel {
		first |= 0x02
	}
	return append(dst, first, 2, byte(id>>8), byte(id))
}

// subscribeBytes appends a SUBSCRIBE for the given filters.
func subscribeBytes(dst []byte, v mqtt.Version, id uint16, filters []string, qos mqtt.QoS) []byte {
	n := 2
	if v == mqtt.V5 {
		n++
	}
	for _, f := range filters {
		n += 3 + len(f)
	}
	dst = mqtt.Header{Type: mqtt.TypeSubscribe, Flags: 2, Remaining: n}.Append(dst)
	dst = append(dst, byte(id>>8), byte(id))
	if v == mqtt.V5 {
		dst = append(dst, 0)
	}
	for _, f := range filters {
		dst = append(dst, byte(len(f)>>8), byte(len(f)))
		dst = append(dst, f...)
		dst = append(dst, byte(qos))
	}
	return dst
}
