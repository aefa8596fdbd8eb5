package isolation

import (
	"bufio"
	"net"
	"sync"
	"time"

	"alcove/test/conform/wire"
)

const patience = 30 * time.Second

// client is one connection. The world's goroutine sends; a goroutine of its own
// reads, searches and acknowledges what comes.
type client struct {
	w    *world
	of   *account
	seat int    // which of the account's clients
	id   string // its client id
	v    byte
	conn net.Conn

	mu  sync.Mutex
	out []byte

	connack chan *wire.Packet
	pongs   chan struct{}
	acks    chan *wire.Packet // SUBACK and UNSUBACK
	counted chan *wire.Packet // the answer to a PUBLISH with counter's identifier
	done    chan struct{}
	nextID  uint16
	pinged  bool
}

// counter is the packet identifier of a PUBLISH whose answer is waited for.
const counter = 65000

func (w *world) dial(of *account, seat int) *client {
	conn, err := net.DialTimeout("tcp", w.b.MQTT, patience)
	if err != nil {
		w.failf("dial: %v", err)
		return nil
	}
	c := &client{w: w, of: of, seat: seat, v: wire.V5, conn: conn, connack: make(chan *wire.Packet, 1), pongs: make(chan struct{}, 16),
		acks: make(chan *wire.Packet, 16), counted: make(chan *wire.Packet, 16), done: make(chan struct{})}
	return c
}

// open sends a CONNECT and returns the CONNACK, or nil.
func (c *client) open(p wire.Connect) *wire.Packet {
	c.v, c.id = p.Version, p.ClientID
	go c.read()
	c.conn.Write(p.Bytes())
	select {
	case ack := <-c.connack:
		return ack
	case <-c.done:
	case <-time.After(patience):
		c.w.failf("%v: no CONNACK", c.of)
	}
	return nil
}

// watched searches every byte that comes for canaries, across the borders of reads.
type watched struct {
	c     *client
	carry []byte
}

func (r *watched) Read(b []byte) (int, error) {
	n, err := r.c.conn.Read(b)
	text := append(r.carry, b[:n]...)
	look(text, func(owner *account, class byte) {
		if !owner.within(r.c.of) {
			r.c.w.failf("client %q of %v is sent the canary %q of %v: …%q…", r.c.id, r.c.of, class, owner, around(text, owner))
		}
	})
	numbers(r.c.of, text, func(o owned, at int) {
		r.c.w.failf("client %q of %v is sent a number (%c) of %v: …%q…", r.c.id, r.c.of, o.class, o.owner, text[max(0, at-80):min(len(text), at+80)])
	})
	r.carry = append(r.carry[:0], text[max(0, len(text)-canarySize+1):]...)
	return n, err
}

func (c *client) read() {
	defer close(c.done)
	defer c.conn.Close()
	r := bufio.NewReaderSize(&watched{c: c}, 32<<10)
	for {
		p, err := wire.Read(r, c.v)
		if err != nil {
			return
		}
		c.take(p)
		if r.Buffered() == 0 {
			c.flush()
		}
	}
}

// take answers one packet.
func (c *client) take(p *wire.Packet) {
	switch p.Type {
	case wire.CONNACK:
		c.connack <- p
	case wire.PINGRESP:
		c.pongs <- struct{}{}
	case wire.SUBACK, wire.UNSUBACK:
		c.acks <- p
	case wire.PUBACK:
		if p.ID == counter {
			c.counted <- p
		}
	case wire.PUBREC:
		if p.Reason < 0x80 {
			c.append(wire.Ack(c.v, wire.PUBREL, p.ID, 0, nil))
		}
	case wire.PUBREL:
		c.append(wire.Ack(c.v, wire.PUBCOMP, p.ID, 0, nil))
	case wire.PUBLISH:
		c.message(p)
		switch p.QoS {
		case 1:
			c.append(wire.Ack(c.v, wire.PUBACK, p.ID, 0, nil))
		case 2:
			c.append(wire.Ack(c.v, wire.PUBREC, p.ID, 0, nil))
		}
	}
}

// message checks what is known of a message beside its bytes: that `cid` is the
// account of what it carries [EXT-UP-2], that an ACL token sees its topics only
// [EXT-TOK-7], and that the broker's own ones show no key.
func (c *client) message(p *wire.Packet) {
	c.w.came.Add(1)
	own := len(p.Topic) >= 7 && p.Topic[:7] == "flespi/"
	if c.seat == 2 && !covers(narrowRule, p.Topic) {
		c.w.failf("the ACL client of %v is sent topic %q", c.of, p.Topic)
	}
	if own {
		if aKey.MatchString(p.Payload) {
			c.w.failf("a key in %s: %.200s", p.Topic, p.Payload)
		}
		return
	}
	if c.v != wire.V5 {
		return
	}
	if p.Topic == answersTo {
		c.answered(p)
		return
	}
	var cids []string
	answer := false // of REST by PUBLISH, which may quote messages of accounts below
	for _, u := range p.Props.All(wire.UserProperty) {
		if u.Text == "cid" {
			cids = append(cids, u.Value)
		}
		answer = answer || u.Text == "status"
	}
	if len(cids) != 1 {
		c.w.failf("a message to %v has cid %q", c.of, cids)
		return
	}
	look([]byte(p.Payload), func(owner *account, _ byte) {
		if owner.id != cids[0] && !answer {
			c.w.failf("a message of %v (%s) comes to %v with cid %s", owner, owner.id, c.of, cids[0])
		}
	})
}

func (c *client) append(b []byte) {
	c.mu.Lock()
	c.out = append(c.out, b...)
	c.mu.Unlock()
}

func (c *client) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.out) > 0 {
		c.conn.SetWriteDeadline(time.Now().Add(patience))
		c.conn.Write(c.out)
		c.out = c.out[:0]
	}
}

// packetID gives identifiers that come again after tens of thousands of packets.
func (c *client) packetID() uint16 {
	c.nextID = c.nextID%60000 + 1
	return c.nextID
}

func (c *client) alive() bool {
	if c == nil {
		return false
	}
	select {
	case <-c.done:
		return false
	default:
		return true
	}
}

// ask sends a packet and waits for what answers it on a channel; nil where the
// connection ends first.
func (c *client) ask(b []byte, answers chan *wire.Packet) *wire.Packet {
	c.append(b)
	c.flush()
	select {
	case p := <-answers:
		return p
	case <-c.done:
		return nil
	case <-time.After(patience):
		c.w.failf("%v: no answer to packet type %d", c.of, b[0]>>4)
		return nil
	}
}

// settle waits until all that the clients sent has been taken, and what that
// brings to themselves has come.
func settle(list []*client) {
	for _, c := range list {
		if c == nil {
			continue
		}
		if c.pinged = c.alive(); c.pinged {
			c.append(wire.Ping())
			c.flush()
		}
	}
	for _, c := range list {
		if c == nil || !c.pinged {
			continue
		}
		select {
		case <-c.pongs:
		case <-c.done:
		case <-time.After(patience):
			c.w.failf("%v: no PINGRESP", c.of)
		}
	}
}

// leave ends a connection, with a DISCONNECT or without, and waits until the broker
// has closed it too.
func (c *client) leave(politely bool) {
	if politely {
		c.append(wire.Disconnect(c.v, 0, nil))
	}
	c.flush()
	if !politely {
		c.conn.(*net.TCPConn).CloseWrite()
	}
	select {
	case <-c.done:
	case <-time.After(patience):
		c.w.failf("%v: the connection stays open after DISCONNECT", c.of)
	}
}
