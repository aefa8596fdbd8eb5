package conform

import (
	"bufio"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"alcove/test/conform/wire"
)

// Client is one connection under a case's control: it answers nothing by
// itself. A goroutine reads packets into incoming until the connection ends;
// everything else belongs to the goroutine of the case.
type Client struct {
	V       byte
	Connack *wire.Packet

	k        *Kit
	conn     net.Conn
	incoming chan *wire.Packet
	ended    chan struct{} // closed after the last packet
	err      error         // why reading ended; set before ended is closed
	pending  []*wire.Packet
	lastID   uint16
	connacks int
	version  sync.Mutex // guards V between CONNECT and the reader
}

func (c *Client) read() {
	defer close(c.ended)
	r := bufio.NewReader(c.conn)
	for {
		if _, err := r.Peek(1); err != nil {
			c.err = err
			return
		}
		c.version.Lock()
		v := c.V
		c.version.Unlock()
		p, err := wire.Read(r, v)
		if err != nil {
			c.err = err
			return
		}
		c.incoming <- p
	}
}

// Send writes bytes as they are. A broker may close while we write, so write
// errors are left to whoever reads next.
func (c *Client) Send(parts ...[]byte) {
	c.conn.SetWriteDeadline(time.Now().Add(patience))
	c.conn.Write(wire.Cat(parts...))
}

// Open sends a CONNECT and returns the next packet.
func (c *Client) Open(p wire.Connect) *wire.Packet {
	c.version.Lock()
	c.V = p.Version
	c.version.Unlock()
	c.Send(p.Bytes())
	return c.Next()
}

// Next is the next packet from the server, or nil when the connection ended
// or nothing came for as long as patience allows. A packet that no server may
// send fails the case.
func (c *Client) Next() *wire.Packet {
	if len(c.pending) > 0 {
		p := c.pending[0]
		c.pending = c.pending[1:]
		return p
	}
	return c.fetch()
}

func (c *Client) fetch() *wire.Packet {
	select {
	case p := <-c.incoming:
		return c.seen(p)
	default:
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case p := <-c.incoming:
		return c.seen(p)
	case <-c.ended:
		select {
		case p := <-c.incoming:
			return c.seen(p)
		default:
		}
		if c.Violation() {
			c.k.Fatalf("%v", c.err)
		}
		return nil
	case <-timer.C:
		return nil
	}
}

// seen checks what holds of the packets of a whole connection.
func (c *Client) seen(p *wire.Packet) *wire.Packet {
	if p.Type == wire.CONNACK {
		if c.connacks++; c.connacks > 1 {
			c.k.Fatalf("MQTT-3.2.0-2: a second CONNACK")
		}
	} else if c.connacks == 0 && p.Type != wire.AUTH {
		c.k.Fatalf("MQTT-3.2.0-1 MQTT-3.14.0-1: %v before CONNACK", p)
	}
	return p
}

// Violation tells whether reading ended at something that is not MQTT.
func (c *Client) Violation() bool {
	select {
	case <-c.ended:
	default:
		return false
	}
	var ofNet net.Error
	return c.err != nil && !errors.As(c.err, &ofNet) && !errors.Is(c.err, io.EOF)
}

// Await is the next packet of one of the types; packets of other types stay in
// their order for later. It fails the case when none comes.
func (c *Client) Await(types ...byte) *wire.Packet {
	for i, p := range c.pending {
		if slices.Contains(types, p.Type) {
			c.pending = slices.Delete(c.pending, i, i+1)
			return p
		}
	}
	for {
		p := c.fetch()
		if p == nil {
			c.k.Fatalf("waited for %s, %s", wire.TypeName(types[0]), c.state())
		}
		if slices.Contains(types, p.Type) {
			return p
		}
		if p.Type == wire.DISCONNECT {
			c.k.Fatalf("waited for %s, got %v", wire.TypeName(types[0]), p)
		}
		c.pending = append(c.pending, p)
	}
}

func (c *Client) state() string {
	s := "nothing came"
	select {
	case <-c.ended:
		s = "the connection ended"
	default:
	}
	for _, p := range c.pending {
		s += "; had " + p.String()
	}
	return s
}

// ID is a packet identifier not used before on this client.
func (c *Client) ID() uint16 {
	c.lastID++
	return c.lastID
}

// Ping waits for a PINGRESP: everything sent before it was taken by the broker.
func (c *Client) Ping() {
	c.Send(wire.Ping())
	c.Await(wire.PINGRESP)
}

// Subscribe subscribes one filter and returns its reason code.
func (c *Client) Subscribe(filter string, options byte, props ...wire.Prop) byte {
	return c.SubscribeAll(props, wire.Sub{Filter: filter, Options: options})[0]
}

// Grant subscribes one filter, which must be granted.
func (c *Client) Grant(filter string, options byte, props ...wire.Prop) {
	if r := c.Subscribe(filter, options, props...); r >= 0x80 {
		c.k.Fatalf("SUBSCRIBE %.80q refused by %#02x", filter, r)
	}
}

// SubscribeAll sends one SUBSCRIBE and returns its reason codes.
func (c *Client) SubscribeAll(props wire.Props, subs ...wire.Sub) []byte {
	return c.SubscribeAck(props, subs...).Reasons
}

// SubscribeAck sends one SUBSCRIBE and returns its SUBACK.
func (c *Client) SubscribeAck(props wire.Props, subs ...wire.Sub) *wire.Packet {
	id := c.ID()
	c.Send(wire.Subscribe(c.V, id, props, subs...))
	ack := c.Await(wire.SUBACK)
	if ack.ID != id || len(ack.Reasons) != len(subs) {
		c.k.Fatalf("SUBSCRIBE %d of %d filters answered by %v", id, len(subs), ack)
	}
	return ack
}

// Unsubscribe removes filters and returns the reason codes (none below version 5).
func (c *Client) Unsubscribe(filters ...string) []byte {
	return c.UnsubscribeWith(nil, filters...)
}

// UnsubscribeWith is Unsubscribe with properties.
func (c *Client) UnsubscribeWith(props wire.Props, filters ...string) []byte {
	id := c.ID()
	c.Send(wire.Unsubscribe(c.V, id, props, filters...))
	ack := c.Await(wire.UNSUBACK)
	if ack.ID != id || c.V >= wire.V5 && len(ack.Reasons) != len(filters) {
		c.k.Fatalf("UNSUBSCRIBE %d of %d filters answered by %v", id, len(filters), ack)
	}
	return ack.Reasons
}

// Publish sends a message, sees its handshake through and returns the reason
// of the PUBACK or PUBREC. At QoS 0 it waits for a PINGRESP instead, so that
// the message has been taken when it returns.
func (c *Client) Publish(p wire.Publish) byte { return c.PublishAck(p).Reason }

// PublishAck is Publish and returns the PUBACK or PUBREC itself, and an empty
// packet for QoS 0.
func (c *Client) PublishAck(p wire.Publish) *wire.Packet {
	if p.QoS > 0 && p.ID == 0 {
		p.ID = c.ID()
	}
	c.Send(p.Bytes(c.V))
	switch p.QoS {
	case 0:
		c.Ping()
		return &wire.Packet{}
	case 1:
		ack := c.Await(wire.PUBACK)
		c.same(p.ID, ack)
		return ack
	}
	rec := c.Await(wire.PUBREC)
	c.same(p.ID, rec)
	if rec.Reason < 0x80 {
		c.Send(wire.Ack(c.V, wire.PUBREL, p.ID, 0, nil))
		c.same(p.ID, c.Await(wire.PUBCOMP))
	}
	return rec
}

func (c *Client) same(id uint16, ack *wire.Packet) {
	if ack.ID != id {
		c.k.Fatalf("MQTT-2.2.1-5: packet identifier %d answered by %v", id, ack)
	}
}

// Say publishes a payload at a QoS; the message must be taken.
func (c *Client) Say(topic, payload string, qos byte, props ...wire.Prop) {
	if r := c.Publish(wire.Publish{Topic: topic, Payload: payload, QoS: qos, Props: props}); r >= 0x80 {
		c.k.Fatalf("PUBLISH to %.80q refused by %#02x", topic, r)
	}
}

// Receive is the next PUBLISH, unanswered.
func (c *Client) Receive() *wire.Packet { return c.Await(wire.PUBLISH) }

// Take is the next PUBLISH, its handshake completed.
func (c *Client) Take() *wire.Packet {
	p := c.Receive()
	c.Answer(p)
	return p
}

// Answer completes the handshake of a PUBLISH.
func (c *Client) Answer(p *wire.Packet) {
	switch p.QoS {
	case 1:
		c.Send(wire.Ack(c.V, wire.PUBACK, p.ID, 0, nil))
	case 2:
		c.Send(wire.Ack(c.V, wire.PUBREC, p.ID, 0, nil))
		c.same(p.ID, c.Await(wire.PUBREL))
		c.Send(wire.Ack(c.V, wire.PUBCOMP, p.ID, 0, nil))
	}
}

// Want takes the next PUBLISH and compares its payload.
func (c *Client) Want(payload string) *wire.Packet {
	p := c.Take()
	if p.Payload != payload {
		c.k.Fatalf("got %v, want payload %.40q", p, payload)
	}
	return p
}

// Drain answers and returns all messages that come until a PINGRESP, so it
// shows what did not come: whoever published has had its answer before.
func (c *Client) Drain() []*wire.Packet {
	c.Send(wire.Ping())
	var got []*wire.Packet
	for {
		p := c.Await(wire.PUBLISH, wire.PINGRESP)
		if p.Type == wire.PINGRESP {
			return got
		}
		c.Answer(p)
		got = append(got, p)
	}
}

// Silent fails the case when a message comes before a PINGRESP.
func (c *Client) Silent() {
	if got := c.Drain(); len(got) > 0 {
		c.k.Fatalf("%d messages that must not come, first %v", len(got), got[0])
	}
}

// Bye disconnects properly and waits until the broker has closed too.
func (c *Client) Bye() {
	c.Send(wire.Disconnect(c.V, 0, nil))
	c.waitEnd(2 * time.Second)
	c.conn.Close()
}

// Drop cuts the connection without a DISCONNECT.
func (c *Client) Drop() { c.conn.Close() }

// Closed waits until the broker closes the connection and returns its last
// packet, or nil. When that is a CONNACK or DISCONNECT with a reason, the
// reason must be one of those given; a strict target must give one after
// CONNECT was accepted. Nothing may follow a DISCONNECT.
func (c *Client) Closed(reasons ...byte) *wire.Packet {
	if !c.waitEnd(patience) {
		c.k.Fatalf("the connection stays open")
	}
	if c.Violation() {
		c.k.Fatalf("%v", c.err)
	}
	var last *wire.Packet
	for {
		p := c.Next()
		if p == nil {
			break
		}
		if last != nil && last.Type == wire.DISCONNECT {
			c.k.Fatalf("MQTT-3.14.4-1: %v after DISCONNECT", p)
		}
		last = p
	}
	told := last != nil && (last.Type == wire.DISCONNECT || last.Type == wire.CONNACK && last.Reason != 0)
	switch {
	case told && len(reasons) > 0 && !slices.Contains(reasons, last.Reason):
		c.k.Fatalf("closed with %v, want reason in %#x", last, reasons)
	case !told && c.k.Strict && c.V >= wire.V5 && c.Connack != nil && len(reasons) > 0:
		c.k.Errorf("closed without DISCONNECT, want reason in %#x", reasons)
	}
	return last
}

// Refused is Closed for a connection whose CONNECT must not be accepted.
func (c *Client) Refused(reasons ...byte) *wire.Packet {
	last := c.Closed(reasons...)
	if last != nil && last.Type == wire.CONNACK && last.Reason == 0 {
		c.k.Fatalf("CONNECT accepted")
	}
	return last
}

// waitEnd tells whether the connection ends within d.
func (c *Client) waitEnd(d time.Duration) bool {
	select {
	case <-c.ended:
		return true
	case <-time.After(d):
		return false
	}
}
