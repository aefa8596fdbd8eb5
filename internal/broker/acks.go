package broker

import "alcove/internal/mqtt"

// Answers leave in the order of the packets that they answer [MQTT311-4.6.0-2]
// [MQTT311-4.6.0-3] [MQTT311-4.6.0-4], and none before
// what it promises is durable [EXT-SES-4]: one FIFO per attachment, each item
// with the ticket it waits for; an item without one waits behind those before
// it. PUBREL and the QoS 2 PUBLISH of a durable session stand in the same line,
// since they promise something too: that the PUBREC, the packet identifier, is
// known for ever.
//
// Guarded by Session.mu.
type acks struct {
	items   []answer
	head    int
	awaited uint64 // ticket for which the attachment is already waited
}

// answer is one item of the FIFO.
type answer struct {
	ticket uint64
	typ    mqtt.PacketType // of the packet to send
	pid    uint16
	code   mqtt.ReasonCode
	reason string
	seq    uint64        // TypePublish, TypePubrel: the queue's entry
	subs   *subscribeAck // TypeSuback
	raw    []byte        // TypeUnsuback: the packet
	user   mqtt.UserProperties
	later  *later // what is not known yet, nil
}

// later is an answer's content that comes when a piece of work is done. It holds back
// the answers behind it, not the packets. Guarded by Session.mu.
type later struct {
	done   bool
	placed bool // the answer stands in the FIFO
	ticket uint64
	user   mqtt.UserProperties
}

// complete takes what was to come; false while it has not.
func (x *answer) complete() bool {
	if x.later == nil {
		return true
	}
	if !x.later.done {
		return false
	}
	x.ticket, x.user, x.later = x.later.ticket, x.later.user, nil
	return true
}

// postponed tells that the answer brings retained messages along, of which the turn
// has looked at enough: it leaves in another one [EXT-RET-4].
func (x *answer) postponed(t *Turn) bool {
	return t.rows <= 0 && x.subs != nil && len(x.subs.replays) > 0
}

func (f *acks) empty() bool { return f == nil || f.head == len(f.items) }

func (f *acks) push(x answer) {
	if f.head > 32 && f.head*2 > len(f.items) {
		n := copy(f.items, f.items[f.head:])
		clear(f.items[n:])
		f.items, f.head = f.items[:n], 0
	}
	f.items = append(f.items, x)
}

func (f *acks) pop() {
	f.items[f.head] = answer{}
	f.head++
	if f.head == len(f.items) {
		f.items, f.head = f.items[:0], 0
		if cap(f.items) > 64 {
			f.items = nil
		}
	}
}

// answer sends x now where nothing holds it back, and queues it otherwise.
// Under s.mu.
func (s *Session) answer(t *Turn, a *attachment, x answer) {
	if a.acks.empty() && x.complete() && t.b.commit.ripe(x.ticket) && !x.postponed(t) {
		s.send(t, a, &x)
		return
	}
	if a.acks == nil {
		a.acks = &acks{}
	}
	a.acks.push(x)
	s.awaitHead(t, a)
}

// Behind tells that so many answers wait that the client, which goes on asking, is not
// to be read until Ripe has released some: packets that need no place of our Receive
// Maximum would else pile up behind a slow disk, a bulk deletion or replays.
func (l Link) Behind() bool {
	s, a := l.parts()
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.link.Load() == a && !a.acks.empty() && len(a.acks.items)-a.acks.head >= answersWaiting
}

// awaitHead asks to be woken for the ticket at the head of the FIFO, or for the next
// turn where it waits for that.
func (s *Session) awaitHead(t *Turn, a *attachment) {
	x := &a.acks.items[a.acks.head]
	if !x.complete() {
		return // whoever completes it wakes the connection
	}
	ticket := x.ticket
	if x.postponed(t) && t.b.commit.ripe(ticket) {
		a.out.Wake()
		return
	}
	if ticket <= a.acks.awaited {
		return
	}
	a.acks.awaited = ticket
	t.kick = true
	t.b.commit.await(ticket, a)
}

// Ripe releases every answer whose ticket is synced. The server calls it on the
// owning loop after Outlet.Wake.
func (l Link) Ripe(t *Turn) {
	s, a := l.parts()
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link.Load() != a {
		return
	}
	for !a.acks.empty() {
		x := &a.acks.items[a.acks.head]
		if !x.complete() || !t.b.commit.ripe(x.ticket) || x.postponed(t) {
			a.acks.awaited = 0
			s.awaitHead(t, a)
			break
		}
		y := *x
		a.acks.pop()
		s.send(t, a, &y)
	}
	s.pump(t, a)
}

// send puts an answer's packet on the output. Under s.mu.
func (s *Session) send(t *Turn, a *attachment, x *answer) {
	switch x.typ {
	case mqtt.TypePublish:
		if e := s.queue.find(x.seq); e != nil && e.is(entryHeld) {
			e.flags &^= entryHeld
			s.transmit(t, a, e)
		}
	case mqtt.TypeSuback:
		s.sendSuback(t, a, x)
	case mqtt.TypeUnsuback:
		a.out.Send(t, x.raw)
	default:
		switch x.typ {
		case mqtt.TypePuback:
			a.answered()
		case mqtt.TypePubcomp:
			// A PUBREL for nothing gives no place back.
			if !x.code.Failed() {
				a.answered()
			}
		case mqtt.TypePubrec:
			if x.code.Failed() {
				a.answered()
			}
		}
		t.scratch.packet = a.appendAck(t.scratch.packet[:0], x)
		a.out.Send(t, t.scratch.packet)
	}
}

// answered gives one place of our Receive Maximum back. An identifier received
// on an earlier connection holds none on this one.
func (a *attachment) answered() { a.receiving -= min(a.receiving, 1) }

// appendAck encodes a PUBACK, PUBREC, PUBREL or PUBCOMP. The Reason String goes
// along where the client wants it and its Maximum Packet Size allows
// [MQTT-3.4.2-2] [MQTT-3.5.2-2] [MQTT-3.6.2-2] [MQTT-3.7.2-2] [MQTT-3.1.2-29].
func (a *attachment) appendAck(dst []byte, x *answer) []byte {
	p := mqtt.Ack{Type: x.typ, PacketID: x.pid, Code: x.code}
	if x.reason == "" && x.user == nil || a.version != mqtt.V5 || !a.problemInfo {
		return p.Append(dst, a.version)
	}
	if x.reason != "" {
		p.Reason = []byte(x.reason)
	}
	p.User = x.user
	p.Fit(a.version, int(a.maxPacket))
	return p.Append(dst, a.version)
}
