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
			Filter: sub.key(), Options: sub.options, ID: sub.id,
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
// more, everything that outlives its connection goes into the log [EXT-ACC-5].
func (ns *Namespace) adopt(t *Turn, settings *auth.EffectiveSettings) {
	old := ns.settings.Swap(settings)
	durable, sync := ns.durability()
	if old.Durability != auth.DurabilityMemory || !durable {
		return
	}
	ns.mu.Lock()
	sessions, groups := make([]*Session, 0, len(ns.sessions)), make([]*Group, 0, len(ns.groups))
	for _, s := range ns.sessions {
		sessions = append(sessions, s)
	}
	for _, g := range ns.groups {
		groups = append(groups, g)
	}
	ns.mu.Unlock()
	for _, s := range sessions {
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
