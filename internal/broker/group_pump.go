package broker

import (
	"alcove/internal/mqtt"
)

// sendQoS0 gives a QoS 0 message to one online member.
func (g *Group) sendQoS0(t *Turn, m *Message) bool {
	for range g.online {
		mem := g.next(m, func(*member, *attachment) bool { return true })
		if mem == nil {
			return false
		}
		if g.sendNow(t, mem, m) {
			return true
		}
	}
	return false
}

// sendNow delivers at QoS 0.
func (g *Group) sendNow(t *Turn, mem *member, m *Message) bool {
	tg := target{s: mem.s, gen: mem.s.gen.Load(), rap: mem.sub.options.RetainAsPublished, own: m.Account == g.ns.account}
	if mem.sub.id != 0 {
		tg.ids = []uint32{mem.sub.id}
	}
	return t.deliverQoS0(g.ns, m, &tg) == Sent
}

// next picks an online member that may have the message: of a few from the
// cursor on, the one with the least in its queue [EXT-SHR-1].
func (g *Group) next(m *Message, fits func(*member, *attachment) bool) *member {
	n := len(g.online)
	var best *member
	seen := 0
	for i := range n {
		mem := g.online[(g.cursor+i)%n]
		a := mem.s.link.Load()
		if a == nil || !mem.may(m) || !fits(mem, a) {
			continue
		}
		if best == nil || mem.s.load.Load() < best.s.load.Load() {
			best = mem
		}
		if seen++; seen == groupChoices {
			break
		}
	}
	if best != nil {
		g.cursor = (best.place + 1) % n
	}
	return best
}

// roomy tells whether a member may be handed a message: one with a full Receive
// Maximum is passed over [EXT-SHR-1].
func roomy(mem *member, a *attachment) bool {
	return mem.sub.options.QoS == mqtt.QoS0 || mem.s.load.Load() < a.window
}

// pump hands waiting messages to members with room, in order. Under g.mu.
func (g *Group) pump(t *Turn) {
	q := &g.queue
	for {
		q.skip()
		if q.next == len(q.items) || len(g.online) == 0 {
			return
		}
		e := &q.items[q.next]
		switch {
		case e.is(entryOpen):
			return
		case e.msg == nil:
			g.pageIn(t)
			return
		case e.msg.Expired(t.Now): // [MQTT-3.3.2-5]
			t.b.stats.Expired.Add(1)
			g.settle(t, e)
			continue
		}
		mem := g.next(e.msg, roomy)
		if mem == nil {
			// A member that gets room from here on tells the group; one may
			// have got some just before.
			for _, m := range g.online {
				m.s.wanted.Store(true)
			}
			mem = g.next(e.msg, roomy)
		}
		switch {
		case mem == nil && !g.pass(t, e):
			return
		case mem != nil && !g.assign(t, mem, e):
			return
		}
	}
}

// assign gives the entry at next to a member.
func (g *Group) assign(t *Turn, mem *member, e *entry) bool {
	qos := min(e.qos, mem.sub.options.QoS) // [MQTT-4.8.2-3]
	if qos == mqtt.QoS0 {
		m := e.msg
		g.queue.take()
		g.settle(t, e)
		g.sendNow(t, mem, m)
		return true
	}
	s := mem.s
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.link.Load()
	if a == nil || s.ended {
		g.setOnline(mem, false)
		return true
	}
	out := g.handed(mem, e)
	if qos == mqtt.QoS2 {
		g.move(t, s, e, out)
	} else {
		if out.more == nil {
			out.more = &entryMore{}
		}
		out.more.group, out.more.share = g, e.seq
		g.queue.take()
		s.own().push(out)
	}
	s.pump(t, a)
	return true
}

// move makes a message the member's own.
func (g *Group) move(t *Turn, s *Session, e *entry, out entry) {
	durable, sync := s.durable()
	id := e.id
	if durable && id != 0 {
		out.flags |= entryDurable
		out.id = id
		p := s.own().push(out)
		// Both or neither: a QoS 2 message must not be in two queues, or in
		// none, after a crash.
		t.kick = true
		t.b.commit.append(sync, false, Record{
			Kind: KindTarget, Top: g.ns.top, Account: g.ns.account, Owner: g.id, ID: id,
			Targets: []Target{{
				Owner: s.id, Account: s.ns.account, Seq: p.seq, QoS: p.qos,
				Retain: p.is(entryRetain), SubscriptionIDs: p.subscriptionIDs(),
			}},
		}, Record{Kind: KindAcked, Top: g.ns.top, Account: g.ns.account, Owner: g.id, Seq: e.seq, ID: id})
		g.queue.take()
		g.queue.done(e)
		return
	}
	s.own().push(out)
	g.queue.take()
	g.settle(t, e)
}

// settle ends one of the group's own entries.
func (g *Group) settle(t *Turn, e *entry) {
	if e.is(entryDurable) {
		g.record(t, false, Record{Kind: KindAcked, Seq: e.seq, ID: e.id})
	}
	g.queue.done(e)
}

// close gives an open entry its place in the log, and sends on.
func (g *Group) close(t *Turn, seq uint64, id MessageID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	e := g.queue.find(seq)
	if e == nil || g.ended {
		if id != 0 {
			g.record(t, false, Record{Kind: KindAcked, Seq: seq, ID: id})
		}
		return
	}
	e.id = id
	e.flags &^= entryOpen
	g.queue.shed(&t.b.bodies, e)
	g.pump(t)
}

// back takes entries that a member has not acknowledged: they go to another
// one, before everything later [EXT-SHR-2].
func (g *Group) back(t *Turn, seqs []uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.untake(seqs)
	g.pump(t)
}

func (g *Group) untake(seqs []uint64) {
	for _, seq := range seqs {
		if e := g.queue.find(seq); e != nil {
			g.queue.untake(e)
		}
	}
}

// settleShared tells the groups what their members have settled and who has
// left. No lock is held. A pump can settle more, which is told in the same loop.
func (t *Turn) settleShared() {
	for _, r := range t.returned {
		r.g.back(t, r.seqs)
	}
	clear(t.returned)
	t.returned = t.returned[:0]
	for _, l := range t.leaving {
		if l.again != nil {
			l.g.join(t, l.again)
			continue
		}
		l.g.leave(t, l.s, l.seqs)
	}
	clear(t.leaving)
	t.leaving = t.leaving[:0]
	for i := 0; i < len(t.shared); i++ {
		g, seq := t.shared[i].g, t.shared[i].seq
		g.mu.Lock()
		if e := g.queue.find(seq); e != nil {
			g.settle(t, e)
		}
		g.pump(t)
		g.mu.Unlock()
	}
	clear(t.shared)
	t.shared = t.shared[:0]
}
