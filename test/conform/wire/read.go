package wire

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Packet is one packet as a server sent it. Only the fields of its type are set.
type Packet struct {
	Type  byte
	Flags byte
	Size  int // bytes on the wire, fixed header included

	ID             uint16
	Reason         byte   // CONNACK, acks, DISCONNECT, AUTH
	Reasons        []byte // SUBACK, UNSUBACK
	SessionPresent bool
	Topic          string
	Payload        string
	QoS            byte
	Dup            bool
	Retain         bool
	Props          Props
}

func (p *Packet) String() string {
	if p == nil {
		return "nothing"
	}
	s := TypeName(p.Type)
	switch p.Type {
	case PUBLISH:
		s += fmt.Sprintf(" id=%d qos=%d dup=%v retain=%v topic=%.80q payload=%.40q", p.ID, p.QoS, p.Dup, p.Retain, p.Topic, p.Payload)
	case SUBACK, UNSUBACK:
		s += fmt.Sprintf(" id=%d reasons=%x", p.ID, p.Reasons)
	case CONNACK:
		s += fmt.Sprintf(" reason=%#02x present=%v", p.Reason, p.SessionPresent)
	case PINGRESP:
	default:
		s += fmt.Sprintf(" id=%d reason=%#02x", p.ID, p.Reason)
	}
	if r := p.Props.Text(ReasonString); r != "" {
		s += fmt.Sprintf(" (%.120s)", r)
	}
	return s
}

// MaxPacket bounds what Read takes for one packet.
const MaxPacket = 64 << 20

// Read takes one packet of a server from r, for protocol level v. Whatever the
// standard forbids a server to send is an error that begins with the clause.
func Read(r io.Reader, v byte) (*Packet, error) {
	var first [1]byte
	if _, err := io.ReadFull(r, first[:]); err != nil {
		return nil, err
	}
	length, n, err := readVar(r)
	if err != nil {
		return nil, err
	}
	if length > MaxPacket {
		return nil, fmt.Errorf("packet of %d bytes", length)
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, fmt.Errorf("packet cut short: %w", err)
	}
	p := &Packet{Type: first[0] >> 4, Flags: first[0] & 15, Size: 1 + n + length}
	d := &decoder{b: body, p: p, v: v}
	d.packet()
	if d.err != nil {
		return nil, fmt.Errorf("%s from the server: %w", TypeName(p.Type), d.err)
	}
	return p, nil
}

func readVar(r io.Reader) (value, n int, err error) {
	var b [1]byte
	for shift := 0; ; shift += 7 {
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return 0, n, fmt.Errorf("length cut short: %w", err)
		}
		n++
		value |= int(b[0]&0x7f) << shift
		if b[0]&0x80 == 0 {
			if b[0] == 0 && n > 1 {
				return 0, n, fmt.Errorf("MQTT-1.5.5-1: length in more bytes than needed")
			}
			return value, n, nil
		}
		if n == 4 {
			return 0, n, fmt.Errorf("MQTT-1.5.5-1: length of more than four bytes")
		}
	}
}

type decoder struct {
	b   []byte
	p   *Packet
	v   byte
	err error
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf(format, args...)
	}
	d.b = nil
}

func (d *decoder) take(n int) []byte {
	if len(d.b) < n {
		d.fail("needs %d bytes, has %d", n, len(d.b))
		return make([]byte, n)
	}
	out := d.b[:n]
	d.b = d.b[n:]
	return out
}

func (d *decoder) byte() byte  { return d.take(1)[0] }
func (d *decoder) u16() uint16 { return binary.BigEndian.Uint16(d.take(2)) }
func (d *decoder) binary() string {
	return string(d.take(int(d.u16())))
}

func (d *decoder) text() string {
	s := d.binary()
	if !utf8.ValidString(s) {
		d.fail("MQTT-1.5.4-1: ill-formed UTF-8 %q", s)
	}
	if strings.ContainsRune(s, 0) {
		d.fail("MQTT-1.5.4-2: null character in %q", s)
	}
	return s
}

func (d *decoder) id() {
	if d.p.ID = d.u16(); d.p.ID == 0 && d.err == nil {
		d.fail("MQTT-2.2.1-4: packet identifier 0")
	}
}

func (d *decoder) props() {
	if d.v < V5 {
		return
	}
	n, used, err := readVar(strings.NewReader(string(d.b)))
	if err != nil {
		d.fail("property length: %v", err)
		return
	}
	d.take(used)
	rest := d.b
	if len(rest) < n {
		d.fail("properties of %d bytes in %d", n, len(rest))
		return
	}
	d.b = rest[:n]
	seen := map[byte]bool{}
	for len(d.b) > 0 && d.err == nil {
		p := Prop{ID: d.byte()}
		if !strings.Contains(fromServer[d.p.Type], string([]byte{p.ID})) {
			d.fail("property %d does not belong here", p.ID)
			return
		}
		if seen[p.ID] && p.ID != UserProperty && (p.ID != SubscriptionID || d.p.Type != PUBLISH) {
			d.fail("property %d twice", p.ID)
			return
		}
		seen[p.ID] = true
		d.value(&p)
		d.p.Props = append(d.p.Props, p)
	}
	if d.err == nil {
		d.b = rest[n:]
	}
}

func (d *decoder) value(p *Prop) {
	switch kinds[p.ID] {
	case kindByte:
		p.Num = uint32(d.byte())
		if p.Num > 1 {
			d.fail("property %d is %d", p.ID, p.Num)
		}
	case kindU16:
		p.Num = uint32(d.u16())
		if p.Num == 0 && (p.ID == ReceiveMaximum || p.ID == TopicAlias) {
			d.fail("MQTT-3.3.2-8: property %d is 0", p.ID)
		}
	case kindU32:
		p.Num = binary.BigEndian.Uint32(d.take(4))
	case kindVar:
		n, used, err := readVar(strings.NewReader(string(d.b)))
		if err != nil || n == 0 {
			d.fail("property %d: %d %v", p.ID, n, err)
			return
		}
		d.take(used)
		p.Num = uint32(n)
	case kindText:
		p.Text = d.text()
	case kindBinary:
		p.Text = d.binary()
	case kindPair:
		p.Text, p.Value = d.text(), d.text()
	}
}

// reasons lists the codes that a version 5 server may put in each packet type.
var reasons = map[byte]string{
	CONNACK:    "\x00\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8c\x90\x95\x97\x99\x9a\x9b\x9c\x9d\x9f",
	PUBACK:     "\x00\x10\x80\x83\x87\x90\x91\x97\x99",
	PUBREC:     "\x00\x10\x80\x83\x87\x90\x91\x97\x99",
	PUBREL:     "\x00\x92",
	PUBCOMP:    "\x00\x92",
	SUBACK:     "\x00\x01\x02\x80\x83\x87\x8f\x91\x97\x9e\xa1\xa2",
	UNSUBACK:   "\x00\x11\x80\x83\x87\x8f\x91",
	DISCONNECT: "\x00\x80\x81\x82\x83\x87\x89\x8b\x8c\x8d\x8e\x8f\x90\x93\x94\x95\x96\x97\x98\x99\x9a\x9b\x9c\x9d\x9e\x9f\xa0\xa1\xa2",
	AUTH:       "\x00\x18\x19",
}

func (d *decoder) reason() byte {
	r := d.byte()
	list := reasons[d.p.Type]
	if d.v < V5 {
		switch d.p.Type {
		case CONNACK:
			list = "\x00\x01\x02\x03\x04\x05"
		case SUBACK:
			list = "\x00\x01\x02\x80"
		}
	}
	if !strings.Contains(list, string([]byte{r})) {
		d.fail("reason %#02x is not in its list", r)
	}
	return r
}

func (d *decoder) packet() {
	p := d.p
	want := byte(0)
	if p.Type == PUBREL {
		want = 2
	}
	if p.Type != PUBLISH && p.Flags != want {
		d.fail("MQTT-2.1.3-1: flags %#x", p.Flags)
		return
	}
	switch p.Type {
	case CONNACK:
		d.connack()
	case PUBLISH:
		d.publish()
		return
	case PUBACK, PUBREC, PUBREL, PUBCOMP:
		d.id()
		d.tail()
	case SUBACK, UNSUBACK:
		d.id()
		d.props()
		if p.Type == UNSUBACK && d.v < V5 {
			break
		}
		for len(d.b) > 0 {
			p.Reasons = append(p.Reasons, d.reason())
		}
	case PINGRESP:
	case DISCONNECT:
		if d.v < V5 {
			d.fail("a server of this version sends none")
		}
		d.tail()
	case AUTH:
		if d.v < V5 {
			d.fail("no such packet in this version")
		}
		d.tail()
	default:
		d.fail("a server never sends it")
	}
	if d.err == nil && len(d.b) > 0 {
		d.fail("%d bytes too many", len(d.b))
	}
}

// tail reads the reason and properties that version 5 may leave out.
func (d *decoder) tail() {
	if d.v < V5 || len(d.b) == 0 {
		return
	}
	d.p.Reason = d.reason()
	if len(d.b) > 0 {
		d.props()
	}
}

func (d *decoder) connack() {
	flags := d.byte()
	if flags > 1 {
		d.fail("MQTT-3.2.2-1: flags %#x", flags)
	}
	if d.v == V31 {
		flags = 0 // reserved there
	}
	d.p.SessionPresent = flags == 1
	d.p.Reason = d.reason()
	if d.p.Reason != 0 && d.p.SessionPresent {
		d.fail("MQTT-3.2.2-6: session present with reason %#02x", d.p.Reason)
	}
	d.props()
}

func (d *decoder) publish() {
	p := d.p
	p.Dup, p.QoS, p.Retain = p.Flags&8 != 0, p.Flags>>1&3, p.Flags&1 != 0
	if p.QoS == 3 {
		d.fail("MQTT-3.3.1-4: QoS 3")
	}
	if p.QoS == 0 && p.Dup {
		d.fail("MQTT-3.3.1-2: QoS 0 with DUP")
	}
	p.Topic = d.text()
	if strings.ContainsAny(p.Topic, "+#") {
		d.fail("MQTT-3.3.2-2: wildcard in topic %q", p.Topic)
	}
	if p.QoS > 0 {
		d.id()
	}
	d.props()
	p.Payload = string(d.b)
}
