package broker

import (
	"alcove/internal/mqtt"
	"alcove/internal/topic"
)

// replay is the sending of retained messages for one subscription: where it
// stands among the namespaces and topics, nothing more. A page goes out at a
// time, as the receiver's quota and output allow, so that millions of retained
// messages to a slow subscriber use bounded memory and delay nobody
// [EXT-RET-4]. It belongs to the session and goes on after a reconnection.
//
// Guarded by Session.mu.
type replay struct {
	sub    *Subscription
	walker *topic.Walker
	family []*Namespace
	limits []uint64 // order of each namespace's retained when the subscription began
	at     string
}

// newReplay begins a replay for a subscription that is already installed:
// whatever is stored from now on reaches it as a live message.
func newReplay(ns *Namespace, sub *Subscription, f topic.Filter) *replay {
	r := &replay{sub: sub, family: ns.family(nil)}
	r.walker = topic.NewWalker(f.Inner, topic.Dialect{HideDollar: true, HideFirst: ns.b.features.ReservedLevel, Selectors: true})
	r.at = r.walker.From()
	for _, n := range r.family {
		n.retained.mu.RLock()
		r.limits = append(r.limits, n.retained.order)
		n.retained.mu.RUnlock()
	}
	return r
}

// replay sends pages of what is to be replayed while there is room. One call
// sends one page at most for each subscription; what is left is posted, so that
// the loop serves others between. Under s.mu.
func (s *Session) replay(t *Turn, a *attachment) {
	rest := s.replays[:0]
	for _, r := range s.replays {
		if s.subs.has(r.sub) && s.page(t, a, r) {
			rest = append(rest, r)
		}
	}
	clear(s.replays[len(rest):])
	s.replays = rest
	if len(rest) == 0 || a.posted || a.choked || s.queue.inflight >= int(a.window) {
		return
	}
	a.posted = true
	a.out.Post(func(t *Turn) {
		s.mu.Lock()
		defer s.mu.Unlock()
		a.posted = false
		if s.link.Load() == a {
			s.pump(t, a)
		}
	})
}

// moveReplays lets the replays of a subscription, also of one whose SUBACK still
// waits, go on for the record that takes its place. Under s.mu.
func (s *Session) moveReplays(old, sub *Subscription) {
	move := func(replays []*replay) {
		for _, r := range replays {
			if r.sub == old {
				r.sub = sub
			}
		}
	}
	move(s.replays)
	if a := s.link.Load(); a != nil && !a.acks.empty() {
		for _, x := range a.acks.items[a.acks.head:] {
			if x.subs != nil {
				move(x.subs.replays)
			}
		}
	}
}

// page sends one page and tells whether there is more.
func (s *Session) page(t *Turn, a *attachment, r *replay) (more bool) {
	room := retainedPage
	if r.sub.options.QoS > mqtt.QoS0 {
		room = min(room, int(a.window)-s.queue.inflight)
	}
	for room > 0 && !a.choked {
		ns := r.family[0]
		page, after, more := ns.retained.scan(r.walker, r.at, r.limits[0], room, t.scratch.page[:0], t.Now)
		sent := 0
		for _, m := range page {
			if !s.sendRetained(t, a, r.sub, m) {
				after, more = string(m.Topic), true
				break
			}
			sent++
		}
		room -= sent
		clear(page)
		t.scratch.page = page[:0]
		if more {
			// The key is a stored message's own bytes; a copy lets it go.
			r.at = string(append([]byte(nil), after...))
			return true
		}
		if r.family, r.limits = r.family[1:], r.limits[1:]; len(r.family) == 0 {
			return false
		}
		r.at = r.walker.From()
	}
	return true
}

// sendRetained sends or queues one retained message, with RETAIN 1
// [MQTT311-3.3.1-8]. It returns false where the output is full: the replay
// waits until it has drained.
func (s *Session) sendRetained(t *Turn, a *attachment, sub *Subscription, m *Message) bool {
	if !a.rights.MayReceive(m.Topic) { // [EXT-TOK-7]
		return true
	}
	var ids []uint32
	if sub.id != 0 {
		ids = []uint32{sub.id}
	}
	qos := min(m.QoS, sub.options.QoS)
	if qos == mqtt.QoS0 {
		d := Delivery{Message: m, Retain: true, SubscriptionIDs: ids}
		d.Expiry, d.HasExpiry = m.Remaining(t.Now)
		t.dress(&d, s, a)
		switch a.out.Deliver(t, &d) {
		case Full:
			a.choked = true
			return false
		case TooLarge:
			t.b.stats.DroppedLarge.Add(1)
		}
		return true
	}
	e := entry{qos: qos, flags: entryRetain, msg: m, size: uint32(m.Size())}
	if ids != nil {
		e.more = &entryMore{ids: ids}
	}
	durable, sync := s.durable()
	if durable {
		e.flags |= entryDurable
	}
	p := s.own().push(e)
	if durable {
		rec := []Record{{Kind: KindPublish, Top: m.Top, Account: m.Account, Message: m, Targets: []Target{{
			Owner: s.id, Account: s.ns.account, Seq: p.seq, QoS: qos, Retain: true, SubscriptionIDs: ids,
		}}}}
		t.kick = true
		t.b.commit.append(sync, false, rec...)
		p.id = rec[0].ID
	}
	if s.queue.next == len(s.queue.items)-1 && s.queue.inflight < int(a.window) {
		s.handOn(t, a, p)
	}
	return true
}

// Drained tells that the output, which was full, has room again: what waited
// for it goes on.
func (l Link) Drained(t *Turn) {
	s, a := l.s, l.a
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link.Load() == a {
		a.choked = false
		s.pump(t, a)
	}
}
