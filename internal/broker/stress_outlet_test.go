package broker_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"

	"alcove/internal/broker"
	"alcove/internal/mqtt"
)

// packet is one packet which the broker appended for a peer.
type packet struct {
	typ     mqtt.PacketType
	pid     uint16
	code    mqtt.ReasonCode
	present bool
	dup     bool
	qos     mqtt.QoS
	item    item
}

// item is what the payload of every message says.
type item struct {
	stream stream
	seq    int
	clock  int64 // of its publishing
}

// stream is the messages of one publisher, topic class and QoS: they are
// numbered.
type stream struct {
	class   byte // 't' plain, 's' shared, 'z' forbidden to narrow tokens
	account int
	pub     int
	qos     mqtt.QoS
}

func (x stream) topic() string { return fmt.Sprintf("%c/%d/%d", x.class, x.account, x.pub) }

func (i item) payload() []byte {
	return fmt.Appendf(nil, "%c %d %d %d %d %d", i.stream.class, i.stream.account, i.stream.pub, i.stream.qos, i.seq, i.clock)
}

func readItem(payload []byte) (i item) {
	words := strings.Fields(string(payload))
	n := make([]int, len(words))
	for k := 1; k < len(words); k++ {
		n[k], _ = strconv.Atoi(words[k])
	}
	return item{
		stream: stream{class: words[0][0], account: n[1], pub: n[2], qos: mqtt.QoS(n[3])},
		seq:    n[4], clock: int64(n[5]),
	}
}

// peer is one connection of a device: its Outlet, and what the client knows of
// it. What stands before mu belongs to the loop.
type peer struct {
	d         *device
	l         *stressLoop
	version   mqtt.Version
	clean     bool
	window    int
	link      broker.Link
	connected bool // done was called
	greeted   bool // CONNACK was read
	closed    bool // the client has gone
	refused   bool
	todo      []mqtt.Ack
	offers    map[uint16][]string // SUBSCRIBE and UNSUBSCRIBE that wait for their answer
	nextOffer uint16
	last      map[order]int

	mu       sync.Mutex
	ended    bool
	began    bool
	in       []packet
	inflight map[uint16]bool // from the broker, not acknowledged
	asked    map[uint16]item // PUBLISH which the broker has to answer
	rung     bool
}

// order is what must come in ascending order on one connection.
type order struct {
	stream stream
	qos    mqtt.QoS // of the delivery
}

// Sent implements broker.Outlet.
func (p *peer) Sent() uint64 { return 0 }

// Peer implements broker.Outlet.
func (p *peer) Peer() (netip.AddrPort, string) { return testAddr, "tcp" }

func (p *peer) Deliver(t *broker.Turn, d *broker.Delivery) broker.Outcome {
	s := p.l.s
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.ended:
		return broker.Gone
	case d.Live != nil && d.Live.Load() != d.Gen:
		return broker.Stale
	}
	if !p.began {
		s.fail("%s: PUBLISH before CONNACK", p.d.name)
	}
	it := readItem(d.Message.Payload)
	if d.Packet != nil && !bytes.Equal(d.Packet, d.Append(nil, p.d.version)) {
		s.fail("%s: %q comes as the packet %q", p.d.name, d.Message.Payload, d.Packet)
	}
	if (d.PacketID == 0) != (d.QoS == 0) || d.QoS > it.stream.qos {
		s.fail("%s: QoS %d with identifier %d of a QoS %d message", p.d.name, d.QoS, d.PacketID, it.stream.qos)
	}
	if d.QoS > 0 {
		p.fly(d.PacketID, "PUBLISH")
	}
	s.judge(p.d, it)
	p.in = append(p.in, packet{typ: mqtt.TypePublish, pid: d.PacketID, qos: d.QoS, dup: d.Dup, item: it})
	t.Touch(p)
	return broker.Sent
}

// fly notes an identifier as in flight: unique, and within the window
// [MQTT-2.2.1-4] [MQTT-3.3.4-9]. Under p.mu.
func (p *peer) fly(pid uint16, what string) {
	if p.inflight[pid] {
		p.l.s.fail("%s: %s with identifier %d, which is in flight", p.d.name, what, pid)
	}
	p.inflight[pid] = true
	if len(p.inflight) > p.window {
		p.l.s.fail("%s: %d messages in flight, the Receive Maximum is %d", p.d.name, len(p.inflight), p.window)
	}
}

func (p *peer) Send(t *broker.Turn, packets []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	for len(packets) > 0 {
		h, n, err := mqtt.DecodeHeader(packets)
		if err != nil || n == 0 {
			p.l.s.fail("%s: the broker sent % x: %v", p.d.name, packets, err)
			return
		}
		x, err := decodeAnswer(p.version, h, packets[n:n+h.Remaining])
		if err != nil {
			p.l.s.fail("%s: %v: %v", p.d.name, h.Type, err)
		}
		p.sent(x)
		p.in = append(p.in, x)
		packets = packets[n+h.Remaining:]
	}
	t.Touch(p)
}

// sent checks what the broker promises. Under p.mu.
func (p *peer) sent(x packet) {
	s := p.l.s
	if (x.typ == mqtt.TypeConnack) == p.began {
		s.fail("%s: %v, and CONNACK had come: %v", p.d.name, x.typ, p.began) // [MQTT-3.2.0-1] [MQTT-3.2.0-2]
	}
	switch x.typ {
	case mqtt.TypeConnack:
		p.began = true
	case mqtt.TypePuback, mqtt.TypePubrec:
		it, ok := p.asked[x.pid]
		if !ok || (it.stream.qos == mqtt.QoS1) != (x.typ == mqtt.TypePuback) {
			s.fail("%s: %v %d answers nothing", p.d.name, x.typ, x.pid)
		}
		delete(p.asked, x.pid)
		s.acknowledged(p.d, it, x.code)
	case mqtt.TypePubrel:
		if !p.inflight[x.pid] {
			p.fly(x.pid, "PUBREL") // of an earlier connection
		}
	case mqtt.TypeUnsuback:
		p.d.unsubscribed(p, x.pid, s.clock.Add(1))
	}
}

func decodeAnswer(v mqtt.Version, h mqtt.Header, body []byte) (x packet, err error) {
	x.typ = h.Type
	switch h.Type {
	case mqtt.TypeConnack:
		var c mqtt.Connack
		err = c.Decode(v, h, body)
		x.code, x.present = c.Code, c.SessionPresent
	case mqtt.TypeSuback:
		var c mqtt.Suback
		err = c.Decode(v, h, body)
		x.pid = c.PacketID
	case mqtt.TypeUnsuback:
		var c mqtt.Unsuback
		err = c.Decode(v, h, body)
		x.pid = c.PacketID
	default:
		var c mqtt.Ack
		err = c.Decode(v, h, body)
		x.pid, x.code = c.PacketID, c.Code
	}
	return x, err
}

func (p *peer) End(t *broker.Turn, code mqtt.ReasonCode, reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	t.Touch(p)
}

func (p *peer) Wake() { p.l.leave(p, nil) }

func (p *peer) Post(f func(*broker.Turn)) { p.l.leave(nil, f) }

func (p *peer) Flush() { p.l.ring() }

// stressLoop is one loop: it alone uses the links of its peers.
type stressLoop struct {
	s    *stress
	n    int
	turn *broker.Turn
	bell chan struct{}

	peers []*peer // the owner's

	mu    sync.Mutex
	woken []*peer
	calls []func(*broker.Turn)
}

func (l *stressLoop) leave(p *peer, f func(*broker.Turn)) {
	l.mu.Lock()
	if f != nil {
		l.calls = append(l.calls, f)
	} else {
		l.woken = append(l.woken, p)
	}
	l.mu.Unlock()
	l.ring()
}

func (l *stressLoop) ring() {
	select {
	case l.bell <- struct{}{}:
	default:
	}
}

// collect empties the mailbox.
func (l *stressLoop) collect() {
	l.mu.Lock()
	calls, woken := l.calls, l.woken
	l.calls, l.woken = nil, nil
	l.mu.Unlock()
	for _, f := range calls {
		f(l.turn)
	}
	for _, p := range woken {
		p.link.Ripe(l.turn)
	}
}
