package broker

import (
	"sync"

	"alcove/internal/mqtt"
	"alcove/internal/topic"
)

// A Group is a share group: identified by account, group text and inner filter
// [MQTT-4.8.2-1]. Its QoS 1 and 2 messages lie in its own queue until a member
// has acknowledged them; a member's queue holds an entry that refers to the
// group's. So a member that leaves gives back, in order, what it has not
// acknowledged. A QoS 2 message belongs to the member's session from the moment
// it is handed to it, and completes there or nowhere [MQTT-4.8.2-4]
// [MQTT-4.8.2-5].
//
// Group.mu is taken before Session.mu, never the other way round: what a member
// settles inside its own section is told through Turn.shared.
type Group struct {
	ns    *Namespace
	id    OwnerID
	key   groupKey
	entry *Subscription // what stands for the group in the tree

	mu       sync.Mutex
	ended    bool
	recorded bool
	members  map[*Session]*member
	online   []*member
	cursor   int
	queue    queue
}

type groupKey struct{ share, inner string }

// group returns the share group, and makes it where it is missing.
func (ns *Namespace) group(f topic.Filter) *Group {
	key := groupKey{f.Share, f.Inner}
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if g := ns.groups[key]; g != nil {
		return g
	}
	g := &Group{ns: ns, id: ns.b.newOwner(), key: key, members: make(map[*Session]*member)}
	g.entry = &Subscription{group: g, filter: f.Inner}
	ns.groups[key] = g
	ns.tree.Add(f.Inner, g.entry)
	return g
}

// join adds or replaces a member. The caller holds no session's lock. It
// returns false where the group has ended meanwhile; the caller asks for it
// anew.
func (g *Group) join(t *Turn, sub *Subscription) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended {
		return false
	}
	m := g.members[sub.s]
	if m == nil {
		m = &member{s: sub.s, place: -1}
		g.members[sub.s] = m
	}
	m.sub = sub
	g.setOnline(m, sub.s.link.Load() != nil)
	if durable, _ := g.ns.durability(); durable && sub.s.lasting.Load() {
		g.enter(t)
	}
	g.pump(t)
	return true
}

// attached tells the group that a member's connection has come or gone.
func (g *Group) attached(t *Turn, s *Session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if m := g.members[s]; m != nil {
		g.setOnline(m, s.link.Load() != nil)
		g.pump(t)
	}
}

// leave removes a member; seqs are the entries that it gives back. With the
// last one the group and its queue go.
func (g *Group) leave(t *Turn, s *Session, seqs []uint64) {
	g.ns.mu.Lock()
	defer g.ns.mu.Unlock()
	g.mu.Lock()
	defer g.mu.Unlock()
	m := g.members[s]
	if m == nil || g.ended {
		return
	}
	g.setOnline(m, false)
	delete(g.members, s)
	g.untake(seqs)
	if len(g.members) > 0 {
		g.pump(t)
		return
	}
	g.end(t)
}

// end removes the group and its queue. Under ns.mu and g.mu.
func (g *Group) end(t *Turn) {
	g.ended = true
	delete(g.ns.groups, g.key)
	g.ns.tree.Remove(g.key.inner, g.entry)
	if g.recorded {
		g.record(t, false, Record{Kind: KindGroupEnd, IDs: g.queue.references()})
	}
	g.queue = queue{}
}

func (g *Group) setOnline(m *member, online bool) {
	switch {
	case online && m.place < 0:
		m.place = len(g.online)
		g.online = append(g.online, m)
	case !online && m.place >= 0:
		last := g.online[len(g.online)-1]
		g.online[m.place] = last
		last.place = m.place
		g.online[len(g.online)-1] = nil
		g.online = g.online[:len(g.online)-1]
		m.place = -1
	}
}

func (g *Group) record(t *Turn, sync bool, r Record) {
	r.Top, r.Account, r.Owner = g.ns.top, g.ns.account, g.id
	t.kick = true
	t.b.commit.append(sync, false, r)
}

// publish takes a message for the group. It reports whether a member got it or
// will.
func (g *Group) publish(t *Turn, m *Message) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended {
		return false
	}
	if m.QoS == mqtt.QoS0 {
		return g.sendQoS0(t, m)
	}
	if len(g.online) == 0 && !g.outlives() {
		return false
	}
	e := entry{qos: m.QoS, msg: m.Keep(), size: uint32(m.Size())}
	if g.queue.bytes+int64(e.size) > t.b.limits.QueueBytes {
		t.b.stats.DroppedQueue.Add(1)
		t.note(Event{Code: EventMessageDropped, Account: g.ns.account, Topic: string(m.Topic),
			Reason: "the share group's queue is full"})
		return false
	}
	if _, sync := g.ns.durability(); g.recorded {
		e.flags = entryDurable | entryOpen
		p := g.queue.push(e)
		t.sync = t.sync || sync
		t.targets = append(t.targets, Target{Owner: g.id, Account: g.ns.account, Seq: p.seq, QoS: e.qos})
		t.opened = append(t.opened, opened{g: g, seq: p.seq})
		return true
	}
	g.queue.push(e)
	g.pump(t)
	return true
}

// outlives tells whether a member's session lives on without its connection.
func (g *Group) outlives() bool {
	for s := range g.members {
		if s.lasting.Load() {
			return true
		}
	}
	return false
}

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
	_, taken := t.deliverQoS0(m, &tg)
	return taken
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
