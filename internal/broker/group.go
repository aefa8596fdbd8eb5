package broker

import (
	"sync"

	"alcove/internal/auth"
	"alcove/internal/event"
	"alcove/internal/mqtt"
	"alcove/internal/topic"
)

// A Group is a share group: identified by account, group text and inner filter
// [MQTT-4.8.2-1] [EXT-SHR-5]. Its QoS 1 and 2 messages lie in its own queue until a
// member has acknowledged them; a member's queue holds an entry that refers to the
// group's. So a member that leaves gives back, in order, what it has not
// acknowledged; another member gets that as a new packet, with its own Packet
// Identifier and without DUP. A QoS 2 message belongs to the member's session from
// the moment it is handed to it, and completes there or nowhere once it was sent
// [MQTT-4.8.2-4] [MQTT-4.8.2-5]; one that was not sent goes back too [EXT-SHR-2].
//
// The queue is bounded like a session's, by the account's rule [EXT-SES-3]. A group
// cannot be deleted while it has members, so delete_session means for it what
// drop_newest does.
//
// In a sticky group (sticky.go) messages wait in the lanes of their members
// (group_lane.go), in any other in the queue alone, but for those that only members
// without room may have.
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
	// stalled says that no member had room for what is next. All were asked to
	// tell; until one does, more messages are no reason to look again.
	stalled bool
	parked  bool // lanes hold what would go elsewhere if the members were others
	members map[*Session]*member
	online  []*member
	cursor  int    // in online: where the next choice begins
	drops   uint64 // how often the bound threw something out
	queue   queue
	sticky  *sticky // nil: not sticky
}

// groupKey is the identity of a group in its account: the canonical group text and
// the text inside, "$filter" included [EXT-SHR-5].
type groupKey struct{ share, rest string }

// text is a filter that subscribes to the group.
func (g *Group) text() string { return "$share/" + g.key.share + "/" + g.key.rest }

// group returns the share group, and makes it where it is missing.
func (ns *Namespace) group(f topic.Filter) *Group {
	key := groupKey{f.Group, f.Rest}
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if g := ns.groups[key]; g != nil {
		return g
	}
	g := ns.newGroup(ns.b.newOwner(), key, f)
	ns.groups[key] = g
	ns.tree.Add(f.Inner, g.entry)
	return g
}

// newGroup makes a group without members, which is not in the tree yet.
func (ns *Namespace) newGroup(id OwnerID, key groupKey, f topic.Filter) *Group {
	g := &Group{ns: ns, id: id, queue: queue{account: &ns.usage.queued}, key: key, members: make(map[*Session]*member)}
	if f.Sticky {
		g.sticky = &sticky{from: int(f.From), count: int(f.Count)}
	}
	g.entry = &Subscription{more: &subscriptionMore{
		group: g, inner: f.Inner, account: auth.AccountID(f.Items.Account),
		// It compiles: so it did for the member that makes the group.
		conditions: ns.b.conditions.must(&f),
	}}
	g.entry.setFilter(f.Rest)
	return g
}

// join adds a member, or gives it another subscription. The caller holds no
// session's lock. It returns false where the group has ended meanwhile; the caller
// asks for it anew.
func (g *Group) join(t *Turn, sub *Subscription) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended {
		return false
	}
	m := g.members[sub.s]
	isNew := m == nil
	if isNew {
		m = &member{s: sub.s, place: -1, name: mix(uint64(sub.s.id))}
		g.members[sub.s] = m
	}
	m.use(g, sub)
	g.setOnline(m, sub.s.link.Load() != nil)
	if !isNew { // its rights may be others
		g.unpark()
		g.redeal()
	}
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

// leave removes a member, with what it gives back, unless the session has another
// subscription of the group. With the last one the group and its queue go
// [EXT-SHR-3].
func (g *Group) leave(t *Turn, s *Session, back givenBack) {
	g.ns.mu.Lock()
	defer g.ns.mu.Unlock()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.takeBack(t, s, back)
	m := g.members[s]
	if m == nil || g.ended {
		return
	}
	s.mu.Lock()
	other := s.memberBy(g, m)
	s.mu.Unlock()
	if other != nil {
		m.use(g, other)
		g.pump(t)
		return
	}
	g.setOnline(m, false)
	delete(g.members, s)
	if len(g.members) > 0 {
		g.pump(t)
		return
	}
	g.end(t)
}

// end removes the group and its queue. Under ns.mu and g.mu.
func (g *Group) end(t *Turn) {
	g.ended = true
	if g.queue.left() > 0 {
		t.noteDrop(g.ns.event(event.MessageDropped, 0), g.text(), "the share group ended with messages in its queue")
	}
	delete(g.ns.groups, g.key)
	g.ns.tree.Remove(g.entry.inner(), g.entry)
	if g.recorded {
		g.record(t, false, Record{Kind: KindGroupEnd, IDs: g.queue.references()})
	}
	g.queue.discount()
	g.queue = queue{}
}

// setOnline puts a member among those that messages go to, or takes it away, and
// sees to what waits for it.
func (g *Group) setOnline(m *member, online bool) {
	switch {
	case online && m.place < 0:
		g.unpark()
		m.place = len(g.online)
		g.online = append(g.online, m)
		if g.sticky != nil {
			g.sit(m)
			g.takeOver(m)
		}
	case !online && m.place >= 0:
		last := g.online[len(g.online)-1]
		g.online[m.place] = last
		last.place = m.place
		g.online[len(g.online)-1] = nil
		g.online = g.online[:len(g.online)-1]
		m.place = -1
		if g.sticky != nil {
			g.rise(m)
			g.deal(m.lane.take())
		}
		g.unpark()
	case !online && m.lane.left() > 0: // it was away, and leaves
		g.unpark()
	}
}

func (g *Group) record(t *Turn, sync bool, r Record) {
	r.Top, r.Account, r.Owner = g.ns.top, g.ns.account, g.id
	t.kick = true
	t.b.commit.append(sync, false, r)
}

// publish takes a message for the group. It reports whether a member, online or
// lasting, takes such messages [EXT-UP-4].
func (g *Group) publish(t *Turn, m *Message) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.ended || !g.wants(m):
		return false
	case m.QoS == mqtt.QoS0:
		g.sendQoS0(t, m)
	case len(g.online) > 0 || g.outlives():
		g.enqueue(t, m)
	}
	return true
}

// enqueue appends m to the queue. Where the group is durable the entry stays open
// until Turn.publish has put its record into a batch. Under g.mu.
func (g *Group) enqueue(t *Turn, m *Message) {
	e := entry{qos: m.QoS, msg: m.Keep(), size: uint32(min(m.Size(), 1<<31))}
	if g.queue.bytes+int64(e.size) > g.ns.queueBound() && !g.makeRoom(t, int64(e.size)) {
		return
	}
	if g.recorded {
		e.flags = entryDurable | entryOpen
	}
	p := g.queue.push(e)
	lined := g.line(p)
	if !g.recorded {
		g.pumpNew(t, lined)
		return
	}
	_, sync := g.ns.durability()
	t.sync = t.sync || sync
	t.targets = append(t.targets, Target{Owner: g.id, Account: g.ns.account, Seq: p.seq, QoS: e.qos})
	t.opened = append(t.opened, opened{g: g, seq: p.seq})
}

// makeRoom applies the account's overflow rule [EXT-SES-3]: what has waited longest
// goes, never what is with a member.
func (g *Group) makeRoom(t *Turn, size int64) bool {
	t.b.stats.DroppedQueue.Add(1)
	t.tally(g.ns).dropped++
	if g.queue.dropped++; g.queue.dropped == 1 {
		t.noteDrop(g.ns.event(event.MessageDropped, 0), g.text(), "the share group's queue is full: messages are dropped until there is room")
	}
	if g.ns.settings.Load().Overflow != auth.DropOldest {
		return false
	}
	q := &g.queue
	q.skip()
	var few [8]uint64
	victims := few[:0]
	for i, need := q.next, q.bytes+size-g.ns.queueBound(); need > 0; i++ {
		if i == len(q.items) || q.items[i].is(entryOpen) {
			return false // all of it would not make the room
		}
		if e := &q.items[i]; !e.is(entryDone | entryTaken) {
			victims, need = append(victims, e.seq), need-int64(e.size)
		}
	}
	for _, seq := range victims {
		g.settle(t, q.find(seq))
	}
	g.drops++
	return true
}

// outlives tells whether messages wait for a member while none is online: one whose
// session lives on, and to which they would go at QoS 1 or 2 [EXT-SHR-3].
func (g *Group) outlives() bool {
	for _, m := range g.members {
		if m.keeps() {
			return true
		}
	}
	return false
}
