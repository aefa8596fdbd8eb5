package broker

import (
	"cmp"
	"slices"

	"alcove/internal/event"
)

// pump hands on whatever can be, after a change of members or of many messages.
// Under g.mu.
func (g *Group) pump(t *Turn) {
	for again := true; again; {
		again = false
		for _, m := range g.online {
			again = g.drain(t, m) || again
		}
	}
	g.spread(t, nil)
}

// pumpNew hands on what a message that has just come may go to: m, in whose lane it
// waits, or whoever has room. Under g.mu.
func (g *Group) pumpNew(t *Turn, m *member) {
	switch {
	case m != nil:
		g.serve(t, m)
	case !g.stalled:
		g.spread(t, nil)
	}
}

// serve hands on what waits for a member that has got room, or may have. Under g.mu.
func (g *Group) serve(t *Turn, m *member) {
	if m.place >= 0 && g.drain(t, m) {
		g.pump(t)
		return
	}
	if g.stalled && m.place >= 0 {
		g.spread(t, m)
	} else {
		g.spread(t, nil)
	}
}

// drain hands on what waits in a member's lane, in order, as far as it has room
// [EXT-SHR-4]. It returns true where something went to another lane, or back to the
// queue. It changes no member's place. Under g.mu.
func (g *Group) drain(t *Turn, m *member) (elsewhere bool) {
	for {
		w, ok := m.lane.first()
		if !ok {
			return elsewhere
		}
		e := g.queue.find(w.seq())
		switch {
		case e == nil: // the bound has thrown it out
			m.lane.pop()
			continue
		case e.is(entryOpen):
			return elsewhere
		case e.msg == nil:
			g.pageLane(t, m)
			return elsewhere
		case e.msg.Expired(t.Now): // [MQTT-3.3.2-5]
			t.b.stats.Expired.Add(1)
			m.lane.pop()
			g.settle(t, e)
			continue
		case !m.may(e.msg):
			m.lane.pop()
			g.redirect(t, w, e)
			elsewhere = true
			continue
		case !m.roomy() && !m.awaitRoom(), !g.assign(t, m, e):
			return elsewhere
		}
		m.lane.pop()
	}
}

// spread hands on what waits in the queue of a group that is not sticky, in order,
// to members with room. Where only is not nil the group has stalled and only that
// member may have got room since. Under g.mu.
func (g *Group) spread(t *Turn, only *member) {
	if g.sticky != nil {
		return
	}
	q := &g.queue
	g.stalled = false
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
		mem := only
		switch {
		case only == nil || !only.may(e.msg):
			mem = g.anyWithRoom(e.msg)
		case !only.roomy() && !only.awaitRoom():
			g.stalled = true
			return
		}
		switch {
		case mem == nil && !g.stuck(t, e):
			g.stalled = true
			return
		case mem != nil && !g.assign(t, mem, e): // it is about to go
			only = nil
		}
	}
}

// anyWithRoom returns the next member that may have the message and has room. Where
// there is none, all have been asked to tell when they have. Under g.mu.
func (g *Group) anyWithRoom(m *Message) *member {
	if mem := g.next(m, (*member).roomy); mem != nil {
		return mem
	}
	// One that gets room from here on tells the group; one may have got some just
	// before.
	for _, mem := range g.online {
		mem.s.wanted.Store(true)
	}
	return g.next(m, (*member).roomy)
}

// settle ends one of the group's own entries.
func (g *Group) settle(t *Turn, e *entry) {
	if e.is(entryDurable) {
		g.record(t, false, Record{Kind: KindAcked, Seq: e.position(), ID: e.id})
	}
	g.queue.done(e)
	if n := g.queue.relieved(g.ns.queueBound()); n > 0 {
		r := g.ns.event(event.MessageDropped, 0)
		r.Count = n
		t.noteDrop(r, g.text(), "the share group's queue has room again")
	}
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
	var lined *member
	if st := g.sticky; st != nil && len(g.online) > 0 {
		lined = g.pick(st.slot(e.msg.Topic), e.msg)
	}
	g.pumpNew(t, lined)
	if e = g.queue.find(seq); e != nil {
		g.queue.shed(&t.b.bodies, e)
	}
}

// back takes what a member has not acknowledged or was not sent: it goes to another
// one, before everything later [EXT-SHR-2].
func (g *Group) back(t *Turn, s *Session, back givenBack) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.takeBack(t, s, back)
	if !g.ended {
		g.pump(t)
	}
}

// takeBack lets what the member s gives back wait again, in its old places. Under
// g.mu.
func (g *Group) takeBack(t *Turn, s *Session, back givenBack) {
	g.reown(t, s, back.own)
	if g.ended {
		return
	}
	seqs := back.seqs[:0]
	for _, seq := range back.seqs {
		if e := g.queue.find(seq); e != nil && e.is(entryTaken) {
			g.queue.untake(e)
			seqs = append(seqs, seq)
		}
	}
	if len(back.own) > 0 {
		slices.SortFunc(back.own, func(a, b entry) int { return cmp.Compare(a.seq, b.seq) })
		g.queue.reinsert(back.own)
	}
	if g.sticky == nil {
		return
	}
	for i := range back.own {
		seqs = append(seqs, back.own[i].seq)
	}
	g.deal(g.relined(seqs))
}

// reown brings QoS 2 messages that were handed to s and not sent back to the group in
// the log too. There they get new positions, which nothing else needs: after a
// restart they stand behind what came meanwhile. Under g.mu.
func (g *Group) reown(t *Turn, s *Session, own []entry) {
	for i := range own {
		e := &own[i]
		given := e.more.logged
		e.more = nil
		if !e.is(entryDurable) {
			continue
		}
		acked := Record{Kind: KindAcked, Top: g.ns.top, Account: s.ns.account, Owner: s.id, Seq: given, ID: e.id}
		t.kick = true
		if g.ended || !g.recorded {
			e.flags &^= entryDurable
			t.b.commit.append(false, false, acked)
			continue
		}
		e.more = &entryMore{logged: g.queue.unused()}
		// Both or neither, as when it was handed over.
		_, sync := g.ns.durability()
		t.b.commit.append(sync, false, Record{
			Kind: KindTarget, Top: g.ns.top, Account: g.ns.account, Owner: g.id, ID: e.id,
			Targets: []Target{{Owner: g.id, Account: g.ns.account, Seq: e.more.logged, QoS: e.qos}},
		}, acked)
	}
}

// settled takes the news that a member has settled an entry, or has room.
func (g *Group) settled(t *Turn, s *Session, seq uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if e := g.queue.find(seq); e != nil {
		g.settle(t, e)
	}
	if m := g.members[s]; m != nil {
		g.serve(t, m)
	}
}

// settleShared tells the groups what their members have settled and who has
// left. No lock is held. A pump can settle more, which is told in the same loop.
func (t *Turn) settleShared() {
	for _, r := range t.returned {
		r.g.back(t, r.s, r.back)
	}
	clear(t.returned)
	t.returned = t.returned[:0]
	for _, l := range t.leaving {
		if l.again != nil {
			l.g.join(t, l.again)
			continue
		}
		l.g.leave(t, l.s, l.back)
	}
	clear(t.leaving)
	t.leaving = t.leaving[:0]
	for i := 0; i < len(t.shared); i++ {
		x := t.shared[i]
		x.g.settled(t, x.s, x.seq)
	}
	clear(t.shared)
	t.shared = t.shared[:0]
}
