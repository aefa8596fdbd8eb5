package broker

import (
	"slices"

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
	sel    selection
	family []*Namespace
	limits []uint64 // order of each namespace's retained when the subscription began
}

// newReplay begins a replay for a subscription that is already installed:
// whatever is stored from now on reaches it as a live message. Of the accounts it
// takes the one that the subscription names, where it names one [EXT-UP-3], of
// the messages those newer than it says [EXT-RET-3]. It returns nil where they retain
// nothing now.
func newReplay(ns *Namespace, sub *Subscription, f topic.Filter) (r *replay) {
	var room [4]*Namespace
	for _, n := range ns.family(room[:0]) {
		if only := sub.account(); only != 0 && only != n.account {
			continue
		}
		latest, any := n.retained.extent()
		if !any {
			continue
		}
		if r == nil {
			r = &replay{sub: sub, sel: ns.b.newSelection(f.Inner, sub.since())}
		}
		r.family = append(r.family, n)
		r.limits = append(r.limits, latest)
	}
	if r != nil {
		r.begin()
	}
	return r
}

// begin turns to the first of the namespaces that are left.
func (r *replay) begin() {
	if len(r.family) > 0 {
		r.sel.begin(&r.family[0].retained, 0, r.limits[0])
	}
}

// replay sends pages of what is to be replayed while there is room. One call
// sends one page at most for each subscription, and looks at no more rows than one
// step may, however many subscriptions wait: those that got no turn are the first
// of the next call. What is left is posted, so that the loop serves others between.
// Under s.mu.
func (s *Session) replay(t *Turn, a *attachment) {
	rows := min(retainedScan, t.rows)
	all, done := s.replays(), 0
	for n := len(all); done < n && rows > 0; done++ {
		if r := all[done]; s.subs.has(r.sub) && s.page(t, a, r, &rows) {
			all = append(all, r)
		}
	}
	all = slices.Delete(all, 0, done)
	s.setReplays(all)
	if len(all) == 0 || a.posted || a.choked || s.queue.inflight >= int(a.window) {
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
	move(s.replays())
	if a := s.link.Load(); a != nil && !a.acks.empty() {
		for _, x := range a.acks.items[a.acks.head:] {
			if x.subs != nil {
				move(x.subs.replays)
			}
		}
	}
}

// page sends one page and tells whether there is more. What it looks at without
// sending is bounded as well: a filter that takes one message in a thousand must not
// stop the loop. It takes what it has looked at from rows and from the turn's.
func (s *Session) page(t *Turn, a *attachment, r *replay, rows *int) (more bool) {
	room := allowance{messages: retainedPage, bytes: retainedPageBytes, rows: min(retainedScan, *rows)}
	defer func(had int) {
		*rows -= had - room.rows
		t.rows -= had - room.rows
	}(room.rows)
	if r.sub.qos > mqtt.QoS0 {
		room.messages = min(room.messages, int(a.window)-s.queue.inflight)
	}
	for len(r.family) > 0 {
		if !room.left() || a.choked {
			return true
		}
		ns := r.family[0]
		page, more := r.sel.scan(&ns.retained, &room, t.scratch.page[:0], t.Now)
		for _, b := range page {
			if !s.sendPaged(t, a, r, b, &room) {
				r.sel.stopAt(b)
				more = true
				break
			}
		}
		clear(page)
		t.scratch.page = page[:0]
		if more {
			continue
		}
		room.rows -= retainedSeek // an account costs something, empty or not
		r.family, r.limits = r.family[1:], r.limits[1:]
		r.begin()
	}
	return false
}

// sendPaged sends or queues one message of a page, where the rights and the
// subscription's own condition take it. It returns false where the output is full.
func (s *Session) sendPaged(t *Turn, a *attachment, r *replay, b blob, room *allowance) bool {
	if !a.rights.MayReceive(b.topicBytes()) { // [EXT-TOK-7]
		room.rows -= retainedRefused
		return true
	}
	m := b.message(r.family[0])
	if !r.sub.wants(t, m) {
		room.rows -= retainedRefused + t.judge.steps
		return true
	}
	room.messages--
	room.bytes -= m.Size()
	return s.sendRetained(t, a, r.sub, m)
}

// sendRetained sends or queues one retained message, with RETAIN 1
// [MQTT311-3.3.1-8]. It returns false where the output is full: the replay
// waits until it has drained.
func (s *Session) sendRetained(t *Turn, a *attachment, sub *Subscription, m *Message) bool {
	var ids []uint32
	if sub.id != 0 {
		ids = []uint32{sub.id}
	}
	qos := min(m.QoS, sub.qos)
	if qos == mqtt.QoS0 {
		d := Delivery{Message: m, Retain: true, SubscriptionIDs: ids}
		d.Expiry, d.HasExpiry = m.Remaining(t.Now)
		t.dress(&d, a, s.stamped(m, a))
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
	s, a := l.parts()
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
