package broker

import "alcove/internal/auth"

// durability says what the account's answers wait for [EXT-SES-4].
func (ns *Namespace) durability() (durable, sync bool) {
	switch ns.settings.Load().Durability {
	case auth.DurabilityMemory:
		return false, false
	case auth.DurabilityAsync:
		return true, false
	}
	return true, true
}

// mayStore tells whether a message of the account can end up in the log: where
// it, or one above it, is not in memory only.
func (ns *Namespace) mayStore() bool {
	for n := ns; n != nil; n = n.parent {
		if durable, _ := n.durability(); durable {
			return true
		}
	}
	return false
}

// durable tells whether the session's changes go to the log, and whether with
// fsync [EXT-SES-4]. A session that is in the log stays there until its end: if
// the account's durability becomes memory meanwhile, its changes are still
// recorded, or a restart would bring back what has gone. Under s.mu.
func (s *Session) durable() (durable, sync bool) {
	if s.expiry == 0 || !s.recorded {
		return false, false
	}
	_, sync = s.ns.durability()
	return true, sync
}

// enter puts the session's own data into the log and, where it was not there
// yet, what it had before; but not its queue, for which nothing was promised (nor
// for retained messages).
// Under s.mu.
func (s *Session) enter(t *Turn, a *attachment, sync bool) (ticket uint64) {
	entered := s.recorded
	s.recorded = true
	ticket = s.record(t, sync, Record{Kind: KindSession, Session: s.snapshotFor(a)})
	if entered {
		return ticket
	}
	for _, sub := range s.subs.all() {
		ticket = s.record(t, sync, Record{Kind: KindSubscribe, Subscription: &SubscriptionRecord{
			Filter: sub.key(), Options: sub.options(), ID: sub.id,
		}})
	}
	for pid, l := range s.received {
		if l != nil && !l.done {
			continue // Session.deleted sees to it
		}
		ticket = s.record(t, sync, Record{Kind: KindReceived, PacketID: pid})
	}
	return ticket
}

// enter puts the group into the log, once. Under g.mu.
func (g *Group) enter(t *Turn) {
	if !g.recorded {
		g.recorded = true
		g.record(t, false, Record{Kind: KindGroup, Group: &GroupRecord{Share: g.key.share, Inner: g.key.rest}})
	}
}

// adopt takes other settings. Where the account was in memory only and is so no
// more, everything that outlives its connection goes into the log; where sessions may
// live less long than before, those that there are do so too [EXT-ACC-5].
func (ns *Namespace) adopt(t *Turn, settings *auth.EffectiveSettings) {
	old := ns.settings.Swap(settings)
	if durable, _ := ns.durability(); old.Durability == auth.DurabilityMemory && durable {
		ns.enter(t)
	}
	if settings.SessionExpiryMax < old.SessionExpiryMax {
		for _, s := range ns.all() {
			s.clamp(t, seconds(settings.SessionExpiryMax))
		}
	}
}

// all returns the sessions that there are.
func (ns *Namespace) all() []*Session {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	sessions := make([]*Session, 0, len(ns.sessions))
	for _, s := range ns.sessions {
		sessions = append(sessions, s)
	}
	return sessions
}

// clamp has the session live no longer after its connection than the account now lets
// it: one whose time is over by that ends at once [EXT-SES-2] [EXT-ACC-5].
func (s *Session) clamp(t *Turn, longest uint32) {
	s.mu.Lock()
	if s.ended || s.expiry <= longest {
		s.mu.Unlock()
		return
	}
	// The log hears of it before the session counts as one that ends with its
	// connection, of which it hears no more.
	s.expiry = longest
	s.lasting.Store(longest > 0)
	if s.recorded {
		s.record(t, false, Record{Kind: KindSession, Session: s.snapshotFor(s.link.Load())})
	}
	waits := s.detached != 0
	s.mu.Unlock()
	if waits {
		t.b.janitor.watch(s, s.deadline())
	}
}

// enter puts what outlives its connection into the log.
func (ns *Namespace) enter(t *Turn) {
	_, sync := ns.durability()
	ns.mu.Lock()
	groups := make([]*Group, 0, len(ns.groups))
	for _, g := range ns.groups {
		groups = append(groups, g)
	}
	ns.mu.Unlock()
	for _, s := range ns.all() {
		s.mu.Lock()
		if !s.ended && !s.recorded && s.expiry > 0 {
			s.enter(t, s.link.Load(), sync)
		}
		s.mu.Unlock()
	}
	for _, g := range groups {
		g.mu.Lock()
		if !g.ended && g.outlives() {
			g.enter(t)
		}
		g.mu.Unlock()
	}
}
