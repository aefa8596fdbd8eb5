package broker

import (
	"sync"

	"alcove/internal/auth"
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

// groupKey is the identity of a group in its account: the canonical group text and
// the text inside, "$filter" included [EXT-SHR-5].
type groupKey struct{ share, rest string }

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
	g := &Group{ns: ns, id: id, key: key, members: make(map[*Session]*member)}
	g.entry = &Subscription{filter: f.Rest, more: &subscriptionMore{
		group: g, inner: f.Inner, account: auth.AccountID(f.Items.Account),
		// It compiles: so it did for the member that makes the group.
		conditions: ns.b.conditions.must(&f),
	}}
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
	g.ns.tree.Remove(g.entry.inner(), g.entry)
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
