package broker

import "alcove/internal/mqtt"

// wants tells whether any member, online or lasting, takes the message. What only an
// account that nobody asked for, or a right that nobody has, keeps from all of them
// is not the group's [EXT-UP-3] [EXT-TOK-7]. Under g.mu.
func (g *Group) wants(m *Message) bool {
	for _, mem := range g.online {
		if mem.may(m) {
			return true
		}
	}
	for _, mem := range g.members {
		if mem.place < 0 && mem.s.lasting.Load() && mem.may(m) {
			return true
		}
	}
	return false
}

// sendQoS0 gives a QoS 0 message to one online member: of a sticky group the one
// that its fingerprint belongs to and no other [EXT-SHR-4], else the first whose
// output takes it. Under g.mu.
func (g *Group) sendQoS0(t *Turn, m *Message) {
	if len(g.online) == 0 {
		return
	}
	if st := g.sticky; st != nil {
		if mem := g.pick(st.slot(m.Topic), m); mem.may(m) {
			g.sendNow(t, mem, m)
		}
		return
	}
	first := g.next(m, (*member).online)
	if first == nil || g.sendNow(t, first, m) {
		return
	}
	for i := range g.online {
		mem := g.online[(g.cursor+i)%len(g.online)]
		if mem != first && mem.may(m) && g.sendNow(t, mem, m) {
			return
		}
	}
}

// sendNow delivers at QoS 0. While the member is one, it does not matter that other
// subscriptions of its session end meanwhile.
func (g *Group) sendNow(t *Turn, mem *member, m *Message) bool {
	sub, ids := mem.by(m)
	tg := target{s: mem.s, rap: sub.has(markRAP), own: m.Account == g.ns.account, ids: ids}
	for range 8 {
		tg.gen = mem.s.gen.Load()
		if o := t.deliverQoS0(g.ns, m, &tg); o != Stale {
			return o == Sent
		}
	}
	return false
}

// next picks an online member that may have the message and that fits: the one with
// the least in flight, of equal ones the next in turn [EXT-SHR-1]. One with nothing
// in flight is not beaten; otherwise up to groupChoices are compared, from the one
// behind the last choice on. Under g.mu.
func (g *Group) next(m *Message, fits func(*member) bool) *member {
	n := len(g.online)
	if g.cursor >= n { // members have left
		g.cursor = 0
	}
	var best *member
	least := int32(0)
	seen := 0
	for i := range n {
		at := g.cursor + i
		if at >= n {
			at -= n
		}
		mem := g.online[at]
		if !fits(mem) || !mem.may(m) {
			continue
		}
		if load := mem.s.load.Load(); best == nil || load < least {
			best, least = mem, load
		}
		if seen++; least == 0 || seen == groupChoices {
			break
		}
	}
	if best != nil {
		g.cursor = (best.place + 1) % n
	}
	return best
}

// stuck sees to the entry that is next where no online member has both the right to
// it and room. It returns false where the entry has only to wait, and all others
// with it: no member has room. Else it waits for one member alone, one that is online
// or, where none of them may have it, one that is away; and where there is none
// either it is dropped, counted and told [EXT-TOK-7] [EXT-SES-4]. Under g.mu.
func (g *Group) stuck(t *Turn, e *entry) bool {
	var best *member
	room := false
	for _, mem := range g.online {
		room = room || mem.roomy()
		if mem.may(e.msg) && (best == nil || mem.s.load.Load() < best.s.load.Load()) {
			best = mem
		}
	}
	switch {
	case best != nil && !room:
		return false
	case best != nil:
		g.park(t, best, e)
		return true
	}
	if mem := g.absent(0, e.msg); mem != nil {
		g.park(t, mem, e)
		return true
	}
	g.discard(t, e)
	return true
}

// assign gives a waiting entry to a member. It returns false where that one is about
// to go; the entry then waits. Under g.mu.
func (g *Group) assign(t *Turn, mem *member, e *entry) bool {
	sub, _ := mem.by(e.msg)
	qos := min(e.qos, sub.qos) // [MQTT-4.8.2-3]
	if qos == mqtt.QoS0 {
		m := e.msg
		g.settle(t, e)
		g.sendNow(t, mem, m)
		return true
	}
	s := mem.s
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.link.Load()
	if a == nil || s.ended || !mem.stands(g) {
		return false
	}
	if qos == mqtt.QoS2 {
		g.move(t, s, e, g.handed(mem, e))
	} else {
		g.queue.takeOut(e)
		s.own().push(g.handed(mem, e))
	}
	s.pump(t, a)
	return true
}

// stands tells whether the session still has the subscription that makes it a
// member. Under s.mu.
func (mem *member) stands(g *Group) bool {
	gen := mem.s.gen.Load()
	if mem.gen == gen {
		return true
	}
	if mem.s.memberBy(g, mem) == nil {
		// What it was given now would not be among what leave takes back.
		mem.leaving = true
		return false
	}
	if mem.several && mem.s.subs.has(mem.sub) {
		mem.gather(g)
	}
	mem.gen = gen
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
		}, Record{Kind: KindAcked, Top: g.ns.top, Account: g.ns.account, Owner: g.id, Seq: e.position(), ID: id})
		g.queue.done(e)
		return
	}
	s.own().push(out)
	g.settle(t, e)
}
