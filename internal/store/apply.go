package store

import (
	"slices"

	"alcove/internal/auth"
	"alcove/internal/broker"
)

// ended are queues of one tree that ended, and whose references to messages are to be
// found.
type ended struct {
	top    auth.AccountID
	owners map[broker.OwnerID]*owner // frozen: no record changes them any more
}

// apply turns the records of b into writes. What it does depends on the records
// before and on nothing else. It returns the queues whose references are to be
// collected once the batch is committed.
func (s *state) apply(w writes, b *broker.Batch) []ended {
	for i := range b.Records {
		s.saw(b.Records[i].Owner)
		s.record(w, &b.Records[i])
	}
	s.ticket = b.Ticket
	s.bury(w)
	gone := s.ended
	s.ended = nil
	return gone
}

// record applies one record. A record of an owner that is not there (its session
// ended, its account was deleted) does nothing.
func (s *state) record(w writes, r *broker.Record) {
	switch r.Kind {
	case broker.KindSession:
		s.putSession(w, r)
	case broker.KindGroup:
		o := s.owner(r, true)
		s.put(w, o, partGroup, "", appendGroup(s.buf.value[:0], r.Group))
		s.touch(o)
	case broker.KindSessionEnd, broker.KindGroupEnd:
		s.endOwner(w, r)
	case broker.KindSubscribe:
		if o := s.owners[r.Owner]; o != nil {
			s.put(w, o, partSubscription, r.Subscription.Filter, appendSubscription(s.buf.value[:0], r.Subscription))
		}
	case broker.KindUnsubscribe:
		if o := s.owners[r.Owner]; o != nil {
			w.del(s.ownerKey(o, partSubscription, r.Topic))
		}
	case broker.KindPublish:
		s.publish(r)
	case broker.KindTarget:
		s.target(w, r)
	case broker.KindSent, broker.KindAcked, broker.KindReleased, broker.KindReceived, broker.KindCompleted:
		s.progress(w, r)
	case broker.KindRetain:
		s.buf.value = appendMessage(s.buf.value[:0], r.Message)
		s.buf.key = append(appendPrefix(s.buf.key[:0], r.Top, r.Account, spaceRetained), r.Message.Topic...)
		w.set(s.buf.key, s.buf.value)
	case broker.KindRetainDelete:
		s.buf.key = append(appendPrefix(s.buf.key[:0], r.Top, r.Account, spaceRetained), r.Topic...)
		w.del(s.buf.key)
	case broker.KindAccountEnd:
		s.endAccount(w, r)
	default:
		s.log.Error("store: record of an unknown kind", "kind", r.Kind)
	}
}

// owner returns the owner of r, made where there is none yet.
func (s *state) owner(r *broker.Record, group bool) *owner {
	o := s.owners[r.Owner]
	if o == nil {
		o = &owner{top: r.Top, account: r.Account, id: r.Owner, group: group}
		s.owners[r.Owner] = o
	}
	return o
}

// ownerKey builds the key of a part of o.
func (s *state) ownerKey(o *owner, part byte, rest string) []byte {
	s.buf.key = append(appendOwnerKey(s.buf.key[:0], o.top, o.account, o.id), part)
	s.buf.key = append(s.buf.key, rest...)
	return s.buf.key
}

// put writes a part of o.
func (s *state) put(w writes, o *owner, part byte, rest string, value []byte) {
	s.buf.value = value
	w.set(s.ownerKey(o, part, rest), value)
}

// putSession stores a session, unless one with a newer epoch is stored.
func (s *state) putSession(w writes, r *broker.Record) {
	o := s.owners[r.Owner]
	if o != nil && r.Session.Epoch < o.epoch {
		return
	}
	o = s.owner(r, false)
	o.epoch = r.Session.Epoch
	s.put(w, o, partSession, "", appendSession(s.buf.value[:0], r.Session))
	s.touch(o)
}

// endOwner removes a session or a group, and the references that it held.
func (s *state) endOwner(w writes, r *broker.Record) {
	o := s.owners[r.Owner]
	if o == nil {
		return
	}
	delete(s.owners, r.Owner)
	s.buf.key = appendOwnerKey(s.buf.key[:0], o.top, o.account, o.id)
	s.buf.bound = appendOwnerKey(s.buf.bound[:0], o.top, o.account, o.id+1)
	w.delRange(s.buf.key, s.buf.bound)
	if len(r.IDs) != o.held {
		// The broker did not know them all: an entry was on its way to the log
		// when the session ended.
		s.ended = append(s.ended, ended{o.top, map[broker.OwnerID]*owner{o.id: o}})
		return
	}
	for _, id := range r.IDs {
		s.unref(o.top, id)
	}
}

// endAccount removes everything of an account but its references to messages:
// those are only on the disk, so they are collected after the commit.
func (s *state) endAccount(w writes, r *broker.Record) {
	e := ended{top: r.Top, owners: map[broker.OwnerID]*owner{}}
	for id, o := range s.owners {
		if o.account != r.Account || o.top != r.Top {
			continue
		}
		delete(s.owners, id)
		if o.held > 0 {
			e.owners[id] = o
		}
	}
	if len(e.owners) > 0 {
		s.ended = append(s.ended, e)
	}
	s.buf.key = appendAccount(s.buf.key[:0], r.Top, r.Account)
	s.buf.bound = appendAccount(s.buf.bound[:0], r.Top, r.Account+1)
	w.delRange(s.buf.key, s.buf.bound)
}

// enter takes the queue entries that have an owner, each at a position of its own.
func (s *state) enter(targets []broker.Target) []broker.Target {
	s.targets = s.targets[:0]
	for i := range targets {
		t := &targets[i]
		s.saw(t.Owner)
		o := s.owners[t.Owner]
		if o == nil {
			continue
		}
		s.touch(o)
		if !o.enter(t.Seq) {
			s.log.Error("store: queue position used again or out of reach", "owner", t.Owner, "position", t.Seq, "next", o.next)
			continue
		}
		s.targets = append(s.targets, *t)
	}
	return s.targets
}

// publish stages a message and its entries; nothing where nobody waits for it.
func (s *state) publish(r *broker.Record) {
	targets := s.enter(r.Targets)
	if len(targets) == 0 {
		return
	}
	if len(targets) == len(r.Targets) {
		targets = r.Targets
	} else {
		targets = slices.Clone(targets)
	}
	size := keyCost + entriesSize(r.Message, targets) + rawSize(r.Message)
	if !s.tree(r.Top).add(r.ID, uint32(len(targets)), uint32(size)) {
		s.log.Error("store: message stored twice", "message", r.ID)
		s.void(targets)
		return
	}
	s.liveBytes += int64(size)
	s.stage(staged{top: r.Top, id: r.ID, message: r.Message, targets: targets}, size)
}

// target adds entries to a message stored before. Where that one is gone, so are
// they.
func (s *state) target(w writes, r *broker.Record) {
	targets := s.enter(r.Targets)
	if len(targets) == 0 {
		return
	}
	t := s.trees[r.Top]
	if t == nil {
		s.void(targets)
		return
	}
	g, i, ok := t.at(r.ID)
	if !ok || g.refs[i] == 0 && !s.revive(g, i) {
		s.void(targets)
		return
	}
	for range targets {
		g.ref(i)
	}
	g.extra = true
	s.buf.value = appendEntries(s.buf.value[:0], nil, targets)
	s.buf.key = appendExtraKey(s.buf.key[:0], r.Top, r.ID, targets[0])
	w.set(s.buf.key, s.buf.value)
}

// void settles entries whose message does not exist.
func (s *state) void(targets []broker.Target) {
	for i := range targets {
		s.owners[targets[i].Owner].settle(targets[i].Seq)
	}
}

// progress applies what happened to an entry or to a QoS 2 identifier.
func (s *state) progress(w writes, r *broker.Record) {
	o := s.owners[r.Owner]
	if o == nil {
		return
	}
	s.touch(o)
	switch r.Kind {
	case broker.KindSent:
		o.setSent(r.Seq, r.PacketID)
	case broker.KindAcked:
		if o.settle(r.Seq) {
			s.unref(o.top, r.ID)
		}
	case broker.KindReleased:
		if o.release(r.Seq, r.PacketID) { // [MQTT-4.3.3-6]
			s.unref(o.top, r.ID)
		}
	case broker.KindReceived:
		o.receive(r.PacketID)
	case broker.KindCompleted:
		o.complete(r.PacketID)
	}
}
