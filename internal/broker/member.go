package broker

import (
	"alcove/internal/mqtt"
	"alcove/internal/topic"
)

// member is one session's part in a group. Guarded by Group.mu.
type member struct {
	s     *Session
	sub   *Subscription
	place int // in online, -1 while offline
	// gen is that of the session when its subscription was last seen to stand.
	gen uint32
	// leaving says that the subscription has gone; Group.leave is on its way.
	leaving bool
	several bool     // the session has, or had, more than one subscription of the group
	ids     []uint32 // of sub, its Subscription Identifier where it has one
	// others are more of the session's subscriptions of the group; qos is the highest of
	// all: one cid is asked for at another QoS than all accounts are.
	others []*Subscription
	qos    mqtt.QoS
	// lane is what waits for this member and no other: in a sticky group all that
	// is its own, else what nobody with room might have.
	lane     lane
	incoming []waits // scratch of Group.deal
	paging   bool    // a reading of the lane's messages is under way
	name     uint64  // the session's OwnerID, mixed: the member's name in a sticky group
	seat     uint32  // in sticky.seats
}

// may tells whether one of the member's subscriptions, and its token, take the message
// [EXT-UP-3] [EXT-TOK-7].
func (mem *member) may(m *Message) bool {
	if mem.sub.takes(m.Topic, m.Account) {
		return true
	}
	for _, sub := range mem.others {
		if sub.takes(m.Topic, m.Account) {
			return true
		}
	}
	return false
}

// by returns the subscription by which the member gets the message, the one with the
// highest QoS of those that take it, and its identifiers.
func (mem *member) by(m *Message) (*Subscription, []uint32) {
	if len(mem.others) == 0 {
		return mem.sub, mem.ids
	}
	best := mem.sub
	for _, sub := range mem.others {
		if sub.takes(m.Topic, m.Account) && (sub.qos > best.qos || !best.takes(m.Topic, m.Account)) {
			best = sub
		}
	}
	switch {
	case best == mem.sub:
		return best, mem.ids
	case best.id == 0:
		return best, nil
	}
	return best, []uint32{best.id}
}

// use makes sub the subscription by which the session is a member, one of them where it
// has several in the group. Under the group's lock.
func (mem *member) use(g *Group, sub *Subscription) {
	mem.several = mem.several || mem.sub != nil && mem.sub.key() != sub.key()
	mem.sub, mem.ids, mem.leaving = sub, nil, false
	mem.gen = mem.s.gen.Load() - 1
	if sub.id != 0 {
		mem.ids = []uint32{sub.id}
	}
	mem.others, mem.qos = nil, sub.qos
	if mem.several {
		mem.s.mu.Lock()
		mem.gather(g)
		mem.s.mu.Unlock()
	}
}

// gather finds the session's other subscriptions of the group. Under Session.mu.
func (mem *member) gather(g *Group) {
	mem.others, mem.qos = nil, mem.sub.qos
	for sub := range mem.s.subs.each() {
		if sub != mem.sub && sub.group() == g {
			mem.others = append(mem.others, sub)
			mem.qos = max(mem.qos, sub.qos)
		}
	}
	mem.several = len(mem.others) > 0
}

// online tells whether the member can be sent anything at all.
func (mem *member) online() bool { return mem.s.link.Load() != nil }

// roomy tells whether the member may be handed a message: one with a full Receive
// Maximum is passed over [EXT-SHR-1].
func (mem *member) roomy() bool {
	a := mem.s.link.Load()
	return a != nil && !mem.leaving && (mem.qos == mqtt.QoS0 || mem.s.load.Load() < int32(a.window))
}

// awaitRoom asks the member to tell as soon as it has room. It returns true where
// it has had some meanwhile.
func (mem *member) awaitRoom() bool {
	mem.s.wanted.Store(true)
	return mem.roomy()
}

// keeps tells whether the member's session keeps messages while it is away.
func (mem *member) keeps() bool {
	return mem.qos > mqtt.QoS0 && mem.s.lasting.Load()
}

// handed is a message of the group as one of a member's own.
func (g *Group) handed(mem *member, e *entry) entry {
	sub, ids := mem.by(e.msg)
	out := entry{qos: min(e.qos, sub.qos), msg: e.msg, size: e.size} // [MQTT-4.8.2-3]
	if sub.has(markRAP) && e.msg.Retain {
		out.flags |= entryRetain
	}
	out.more = &entryMore{group: g, share: e.seq, ids: ids}
	return out
}

// enterGroup makes the session a member by sub, whose group may end meanwhile. The
// caller holds no lock.
func (s *Session) enterGroup(t *Turn, sub *Subscription, f topic.Filter) {
	for g := sub.group(); !g.join(t, sub); {
		g = s.ns.group(f)
		s.mu.Lock()
		sub.more.group = g
		s.mu.Unlock()
	}
}

// memberBy returns a subscription by which the session is a member of g, or nil. There
// can be several: a sticky group can be written in more than one way [EXT-SHR-4], and
// a cid given beside the filter makes another subscription [EXT-UP-3]. Under s.mu.
func (s *Session) memberBy(g *Group, m *member) *Subscription {
	if s.subs.has(m.sub) {
		return m.sub
	}
	if !m.several {
		if sub := s.subs.find(m.sub.filter(), m.sub.given()); sub != nil && sub.group() == g {
			return sub
		}
		return nil
	}
	for sub := range s.subs.each() {
		if sub.group() == g {
			return sub
		}
	}
	return nil
}

// givenBack is what a member that goes away returns to its group.
type givenBack struct {
	seqs []uint64 // entries of the group that the member's queue referred to
	// own are QoS 2 messages that were handed over and not sent: seq is their old
	// position in the group, more.logged that in the session.
	own []entry
}

func (b *givenBack) empty() bool { return len(b.seqs) == 0 && len(b.own) == 0 }

// giveBack takes a group's messages out of the queue which go to another member:
// at QoS 1 what the client has not acknowledged, at QoS 2 what was not sent; a QoS 2
// message that was sent stays until its exchange or the session is over
// [EXT-SHR-2] [MQTT-4.8.2-4] [MQTT-4.8.2-5]. While the connection lives, a QoS 1
// message that was sent keeps its place in the client's Receive Maximum and its
// Packet Identifier until its acknowledgement comes [MQTT-3.3.4-9]. Under s.mu.
func (s *Session) giveBack(t *Turn, g *Group) (back givenBack) {
	q := s.queue
	var seqs []uint64
	last := uint64(0)
	for i := q.head; i < len(q.items); i++ {
		e := &q.items[i]
		if e.is(entryDone) || e.more == nil || e.more.group != g || e.qos == mqtt.QoS2 && e.is(entryAttempted|entryReleased) {
			continue
		}
		seqs = append(seqs, e.seq)
		if !e.is(entryDurable) {
			last = e.seq
		}
	}
	if last > 0 && s.recorded && s.expiry > 0 {
		// The log is told how far the positions are: they had no record.
		s.record(t, false, Record{Kind: KindAcked, Seq: last})
	}
	attached := s.link.Load() != nil
	for _, seq := range seqs {
		e := q.find(seq)
		if e.qos == mqtt.QoS2 {
			own := *e
			own.seq, own.pid, own.flags = e.more.share, 0, e.flags&entryDurable
			own.more = &entryMore{logged: e.seq}
			back.own = append(back.own, own)
			q.done(e) // the client has not seen its identifier
			continue
		}
		back.seqs = append(back.seqs, e.more.share)
		if attached && e.is(entryTaken) {
			e.vacate()
		} else {
			q.done(e)
		}
	}
	return back
}
