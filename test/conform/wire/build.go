// Package wire is the suite's own view of MQTT on the wire: it builds packets,
// right ones and wrong ones, and reads what a broker sends with no lenience.
//
// It shares no code with the broker on purpose, so that a misreading of the
// standard in one of the two shows up as a failing case instead of hiding in
// both. It holds no connection and no state; every function is pure except
// Read, which takes bytes from its reader.
package wire

import "encoding/binary"

// Packet types by their number in the fixed header.
const (
	CONNECT byte = iota + 1
	CONNACK
	PUBLISH
	PUBACK
	PUBREC
	PUBREL
	PUBCOMP
	SUBSCRIBE
	SUBACK
	UNSUBSCRIBE
	UNSUBACK
	PINGREQ
	PINGRESP
	DISCONNECT
	AUTH
)

// Protocol levels as they stand in CONNECT.
const (
	V31  byte = 3
	V311 byte = 4
	V5   byte = 5
)

var names = [16]string{"reserved 0", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP",
	"SUBSCRIBE", "SUBACK", "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH"}

// TypeName is the standard's word for a packet type.
func TypeName(t byte) string { return names[t&15] }

// U16 is a two byte integer, big end first.
func U16(n uint16) []byte { return binary.BigEndian.AppendUint16(nil, n) }

// Var is n as a variable byte integer in its shortest form; n must be below 2^28.
func Var(n int) []byte {
	var b []byte
	for {
		d := byte(n & 0x7f)
		n >>= 7
		if n > 0 {
			b = append(b, d|0x80)
			continue
		}
		return append(b, d)
	}
}

// Str is s behind its two byte length; the bytes are not checked, so it also
// makes ill-formed strings and binary data.
func Str(s string) []byte { return append(U16(uint16(len(s))), s...) }

// Cat joins parts to one slice.
func Cat(parts ...[]byte) []byte {
	var b []byte
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// Frame puts a fixed header with the right remaining length before the parts.
func Frame(first byte, parts ...[]byte) []byte {
	body := Cat(parts...)
	return Cat([]byte{first}, Var(len(body)), body)
}

// Will is the Will of a CONNECT.
type Will struct {
	Topic   string
	Payload string
	QoS     byte
	Retain  bool
	Props   Props
}

// Connect describes a CONNECT packet. Zero values give a correct one of
// version 5 with Clean Start 0; the last group of fields makes wrong ones.
type Connect struct {
	Version   byte
	ClientID  string
	Clean     bool
	KeepAlive uint16
	Props     Props
	Will      *Will
	User      *string
	Password  *string

	Name     string // protocol name in place of the version's own
	FlagsXor byte   // bits of the connect flags to turn over
	Trailing []byte // bytes after the payload
}

// Bytes is the whole packet.
func (c Connect) Bytes() []byte {
	name := c.Name
	if name == "" {
		name = "MQTT"
		if c.Version == V31 {
			name = "MQIsdp"
		}
	}
	flags := bit(c.Clean, 1) | bit(c.Will != nil, 2) | bit(c.User != nil, 7) | bit(c.Password != nil, 6)
	payload := Str(c.ClientID)
	if w := c.Will; w != nil {
		flags |= w.QoS<<3 | bit(w.Retain, 5)
		if c.Version >= V5 {
			payload = append(payload, w.Props.Bytes()...)
		}
		payload = Cat(payload, Str(w.Topic), Str(w.Payload))
	}
	if c.User != nil {
		payload = append(payload, Str(*c.User)...)
	}
	if c.Password != nil {
		payload = append(payload, Str(*c.Password)...)
	}
	head := Cat(Str(name), []byte{c.Version, flags ^ c.FlagsXor}, U16(c.KeepAlive))
	if c.Version >= V5 {
		head = append(head, c.Props.Bytes()...)
	}
	return Frame(CONNECT<<4, head, payload, c.Trailing)
}

// Publish describes a PUBLISH packet; ID is written when QoS is not 0.
type Publish struct {
	Topic   string
	Payload string
	QoS     byte
	Retain  bool
	Dup     bool
	ID      uint16
	Props   Props
}

// Bytes is the whole packet for protocol level v.
func (p Publish) Bytes(v byte) []byte {
	head := Str(p.Topic)
	if p.QoS > 0 {
		head = append(head, U16(p.ID)...)
	}
	if v >= V5 {
		head = append(head, p.Props.Bytes()...)
	}
	return Frame(PUBLISH<<4|bit(p.Dup, 3)|p.QoS<<1|bit(p.Retain, 0), head, []byte(p.Payload))
}

// Sub is one filter of a SUBSCRIBE with its options byte as it stands.
type Sub struct {
	Filter  string
	Options byte
}

// Subscribe is a SUBSCRIBE packet; props are left out below version 5.
func Subscribe(v byte, id uint16, props Props, subs ...Sub) []byte {
	body := U16(id)
	if v >= V5 {
		body = append(body, props.Bytes()...)
	}
	for _, s := range subs {
		body = append(append(body, Str(s.Filter)...), s.Options)
	}
	return Frame(SUBSCRIBE<<4|2, body)
}

// Unsubscribe is an UNSUBSCRIBE packet.
func Unsubscribe(v byte, id uint16, props Props, filters ...string) []byte {
	body := U16(id)
	if v >= V5 {
		body = append(body, props.Bytes()...)
	}
	for _, f := range filters {
		body = append(body, Str(f)...)
	}
	return Frame(UNSUBSCRIBE<<4|2, body)
}

// Ack is a PUBACK, PUBREC, PUBREL or PUBCOMP. Version 5 writes reason and
// properties only where they say something.
func Ack(v, typ byte, id uint16, reason byte, props Props) []byte {
	first := typ << 4
	if typ == PUBREL {
		first |= 2
	}
	if v < V5 || reason == 0 && len(props) == 0 {
		return Frame(first, U16(id))
	}
	if len(props) == 0 {
		return Frame(first, U16(id), []byte{reason})
	}
	return Frame(first, U16(id), []byte{reason}, props.Bytes())
}

// Disconnect is a DISCONNECT packet.
func Disconnect(v, reason byte, props Props) []byte {
	if v < V5 || reason == 0 && len(props) == 0 {
		return Frame(DISCONNECT << 4)
	}
	return Frame(DISCONNECT<<4, []byte{reason}, props.Bytes())
}

// Auth is an AUTH packet.
func Auth(reason byte, props Props) []byte {
	return Frame(AUTH<<4, []byte{reason}, props.Bytes())
}

// Ping is a PINGREQ packet.
func Ping() []byte { return []byte{PINGREQ << 4, 0} }

func bit(on bool, n byte) byte {
	if on {
		return 1 << n
	}
	return 0
}
