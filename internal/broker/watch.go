package broker

import (
	"errors"

	"alcove/internal/auth"
	"alcove/internal/event"
	"alcove/internal/mqtt"
)

// watcher brings changes of tokens and accounts to living connections, within
// a second [EXT-TOK-8] [EXT-ACC-4] [EXT-ACC-5].
type watcher struct{ b *Broker }

// TokenChanged implements auth.Observer.
func (w watcher) TokenChanged(id auth.TokenID) { w.b.recheckAll(w.b.users.of(id)) }

// TokenGone implements auth.Observer.
func (w watcher) TokenGone(id auth.TokenID) { w.b.recheckAll(w.b.users.of(id)) }

// TokenLapsed implements auth.Observer: the account's log tells it [EXT-TOK-3].
func (w watcher) TokenLapsed(k auth.Token) {
	if w.b.observer == nil {
		return
	}
	w.b.observer.Event(event.Record{
		Code: event.TokenExpired, Account: int64(k.Account), Origin: event.Token, OriginID: int64(k.ID), Token: int64(k.ID),
		Reason: "neither expire nor ttl holds any longer",
	})
}

// AccountChanged implements auth.Observer: settings and limits act at once, and whatever
// is blocked or gone ends.
func (w watcher) AccountChanged(id auth.AccountID) {
	b := w.b
	b.mu.RLock()
	ns := b.namespaces[id]
	b.mu.RUnlock()
	if ns == nil {
		return
	}
	b.do(func(t *Turn) {
		for _, n := range ns.family(nil) {
			s := b.directory.EffectiveSettings(n.account)
			n.adopt(t, &s)
			n.limit(b.directory.EffectiveLimits(n.account))
		}
	})
	if b.directory.Blocked(id) {
		for _, n := range ns.family(nil) {
			b.recheckAll(n.attached())
		}
	}
}

// recheckAll lets living connections check their token again, each on its own
// loop.
func (b *Broker) recheckAll(all []*attachment) {
	for _, a := range all {
		a.out.Post(func(t *Turn) { b.recheck(t, a) })
	}
}

// recheck asks whether the connection's token still stands, and from what is
// allowed now. On the owning loop.
func (b *Broker) recheck(t *Turn, a *attachment) {
	s := a.s
	if s.link.Load() != a {
		return
	}
	remote, _ := a.out.Peer()
	g, err := b.directory.Revalidate(a.grant.Token, remote.Addr(), t.Now)
	if err != nil {
		// 0x8A is not for DISCONNECT: 0x87 says it [EXT-TOK-8].
		reason := err.Error()
		if e := (*mqtt.Error)(nil); errors.As(err, &e) {
			reason = e.Reason
		}
		a.out.End(t, mqtt.NotAuthorized, reason)
		s.revokeWill(t, reason)
		s.detach(t, a, mqtt.NotAuthorized, reason)
		return
	}
	if g != a.grant {
		s.adopt(t, a, g)
	}
}

// revokeWill drops the Will of a connection that may no longer be, now, also where its
// token may still be used from another address [EXT-TOK-9].
func (s *Session) revokeWill(t *Turn, reason string) {
	s.mu.Lock()
	w := s.will
	s.will = nil
	s.mu.Unlock()
	if w != nil {
		t.dropWill(s.ns, s.clientID, w.message, reason)
	}
}

// Reauthenticate puts the connection under the grant that enhanced
// authentication has found, of the same account, all rights at once
// [MQTT-4.12.1-1].
func (l Link) Reauthenticate(t *Turn, g *auth.Grant) error {
	s, a := l.parts()
	if s == nil || s.link.Load() != a {
		return nil
	}
	if g.Account != s.ns.account {
		return &mqtt.Error{Code: mqtt.NotAuthorized, Reason: "re-authentication with a token of another account"}
	}
	if g.Token != a.grant.Token {
		t.b.directory.SetLive(a.grant.Token, -1, t.Now)
		t.b.directory.SetLive(g.Token, 1, t.Now)
		t.b.users.leave(a)
		t.b.users.enter(a, g.Token)
	}
	s.adopt(t, a, g)
	return nil
}

// adopt puts a living session under another grant: its subscriptions, its queue
// and its Will [EXT-TOK-8].
func (s *Session) adopt(t *Turn, a *attachment, g *auth.Grant) {
	s.mu.Lock()
	if s.link.Load() != a {
		s.mu.Unlock()
		return
	}
	a.grant, a.rights = g, (&ConnectRequest{Grant: g, Reading: a.reading}).rights(s.clientID)
	if s.token != g.Token && s.will != nil {
		// From now on the Will is the new token's, and stands and falls with it.
		m := *s.will.message
		m.Token = g.Token
		s.will = &will{message: m.MarkKept(), delay: s.will.delay, due: s.will.due}
	}
	s.token = g.Token
	s.reauthorise(t, a.rights)
	s.dropUnacknowledged(t, a)
	var dropped *will
	if w := s.will; w != nil && !a.rights.MayPublish(w.message.Topic) {
		dropped, s.will = w, nil
	}
	if s.recorded {
		_, sync := s.durable()
		s.record(t, sync, Record{Kind: KindSession, Session: s.snapshotFor(a)})
	}
	s.mu.Unlock()
	if dropped != nil {
		t.dropWill(s.ns, s.clientID, dropped.message, "the token may no longer publish to the Will Topic")
	}
	t.settleShared()
}

// dropUnacknowledged keeps messages that wait for a ticket from going out under
// rights that no longer allow them. Under s.mu.
func (s *Session) dropUnacknowledged(t *Turn, a *attachment) {
	var refused []uint64
	for i := s.queue.head; i < s.queue.next; i++ {
		e := &s.queue.items[i]
		if !e.is(entryDone) && e.is(entryHeld) && e.msg != nil && !a.rights.MayReceive(e.msg.Topic) {
			refused = append(refused, e.seq)
		}
	}
	for _, seq := range refused {
		t.b.stats.DroppedRights.Add(1)
		s.drop(t, s.queue.find(seq), "the token may not receive this topic")
	}
}

// Dropped is what went with accounts.
type Dropped struct {
	Sessions, Retained int
}

// DropAccounts removes everything of the given accounts: their connections end,
// and their sessions, subscriptions, retained messages and queues go. It returns how
// much that was, once it is durable. The accounts must be gone from the Directory.
func (b *Broker) DropAccounts(ids []auth.AccountID) (gone Dropped, err error) {
	synced := make(chan struct{})
	b.do(func(t *Turn) {
		ticket := uint64(0)
		for _, id := range ids {
			ticket = max(ticket, b.dropAccount(t, id, &gone))
		}
		t.kick = true
		b.commit.after(ticket, func() { close(synced) }, nil)
	})
	select {
	case <-synced:
		return gone, nil
	case <-b.commit.broken:
		return gone, errStore
	}
}

func (b *Broker) dropAccount(t *Turn, id auth.AccountID, gone *Dropped) (ticket uint64) {
	b.mu.Lock()
	ns := b.namespaces[id]
	delete(b.namespaces, id)
	b.mu.Unlock()
	if ns == nil {
		return 0
	}
	if p := ns.parent; p != nil {
		p.mu.Lock()
		for i, child := range p.children {
			if child == ns {
				p.children = append(p.children[:i:i], p.children[i+1:]...)
				break
			}
		}
		p.mu.Unlock()
	}
	ns.mu.Lock()
	ns.ended = true
	sessions := make([]*Session, 0, len(ns.sessions))
	for _, s := range ns.sessions {
		sessions = append(sessions, s)
	}
	ns.mu.Unlock()
	gone.Sessions += len(sessions)
	for _, s := range sessions {
		if a := s.link.Load(); a != nil {
			a.out.Post(func(t *Turn) {
				a.out.End(t, mqtt.NotAuthorized, "the account is gone")
				s.detach(t, a, mqtt.NotAuthorized, "the account is gone")
				s.end(t, "the account is gone")
			})
			continue
		}
		s.end(t, "the account is gone")
	}
	gone.Retained += ns.retained.clear(b)
	return b.commit.append(true, true, Record{Kind: KindAccountEnd, Top: ns.top, Account: id})
}
