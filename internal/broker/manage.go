package broker

import (
	"context"
	"time"

	"alcove/internal/auth"
	"alcove/internal/event"
	"alcove/internal/mqtt"
)

// Management acts on sessions for callers that have no connection, such as REST. Where
// the session has a connection, that connection's loop does it; where it has none, the
// caller claims it as a connect would, so that none can come between. So what is said of
// takeovers holds here too: nobody else acts for a session at the same time.

// manageWait is how long a managed change may wait for the session: for a connect on its
// way, for a loop. After it the caller is told that the broker is busy.
const manageWait = 10 * time.Second

var errSessionBusy = &mqtt.Error{Code: mqtt.ServerBusy, Reason: "the session is busy: try again"}

// SessionSpec is a session to be made.
type SessionSpec struct {
	ClientID string
	Expiry   uint32 // seconds; 0: as long as those of 3.x clients live. Cut to the account's maximum
}

// CreateSession makes a lasting session before any client connects [EXT-REST-4]: it has
// the rights of the creating token until one does, and its time runs from now. It
// returns once that is durable. The errors are an *auth.FieldError, an
// *auth.QuotaError, an *mqtt.Error, auth.ErrNotFound, the context's, or the store's.
func (b *Broker) CreateSession(ctx context.Context, by Submitter, spec SessionSpec) (SessionInfo, error) {
	ns, ok := b.namespace(by.Account)
	if !ok {
		return SessionInfo{}, auth.ErrNotFound
	}
	if n := len(spec.ClientID); n == 0 || n > clientIDBytes {
		return SessionInfo{}, &auth.FieldError{Field: "client_id", Reason: "must have 1 to 1,024 bytes"}
	}
	s, claim, err := ns.reserve(spec.ClientID, time.Now())
	if err != nil {
		return SessionInfo{}, err
	}
	ticket := uint64(0)
	b.do(func(t *Turn) { ticket = s.found(t, &by, spec.Expiry) })
	err = b.settled(ctx, ticket)
	info, there := s.info()
	b.do(func(t *Turn) {
		if there && err == nil {
			s.tellLife(t, s.managed(event.Created, &by), &info)
		}
		if err != nil && !b.commit.ripe(ticket) {
			s.end(t, "it could not be stored")
			t.settleShared()
			there = false
		}
		claim.unclaim()
	})
	if there {
		b.janitor.watch(s, s.deadline())
		return info, nil
	}
	if err == nil {
		err = auth.ErrNotFound // the account went meanwhile
	}
	return SessionInfo{}, err
}

// reserve puts a new session into the table, claimed.
func (ns *Namespace) reserve(clientID string, now time.Time) (*Session, *connecting, error) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	switch {
	case ns.ended:
		return nil, nil, auth.ErrNotFound
	case ns.sessions[clientID] != nil:
		return nil, nil, &auth.FieldError{Field: "client_id", Reason: "a session with this client id exists"}
	case ns.noSession() != nil:
		return nil, nil, &auth.QuotaError{Limit: "mqtt_sessions"}
	case ns.storeRefuses():
		return nil, nil, &mqtt.Error{Code: mqtt.ServerUnavailable, Reason: errStoreFull}
	}
	s := ns.newSession(clientID, now)
	claim := &connecting{b: ns.b, ns: ns, s: s, clientID: clientID}
	s.contested().claim = claim
	return s, claim, nil
}

// found fills in a session that was made without a connection, and records it.
func (s *Session) found(t *Turn, by *Submitter, expiry uint32) (ticket uint64) {
	settings := s.ns.settings.Load()
	if expiry == 0 {
		expiry = seconds(settings.SessionExpiryV3)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expiry = max(1, clampSeconds(expiry, settings.SessionExpiryMax))
	s.detached = t.Now.UnixNano()
	if by.Grant.Account == s.ns.account { // an account above is not shown [EXT-ACC-2]
		s.token = by.Grant.Token
		s.rights.Store(by.Grant.Rights(s.clientID))
	}
	s.lasting.Store(true)
	if durable, sync := s.ns.durability(); durable {
		ticket = s.enter(t, nil, sync)
	}
	return ticket
}

// DropSessions ends the sessions of the account with these ids for good, and their
// connections with 0x98 [EXT-REST-4]. A Will that was still to come is published, since
// its session ends [MQTT-3.1.2-8]. It returns once that is durable: an error for each,
// nil where it is gone, auth.ErrNotFound where there was none.
func (b *Broker) DropSessions(ctx context.Context, by Submitter, ids []int64) []error {
	ctx, cancel := context.WithTimeout(ctx, manageWait)
	defer cancel()
	errs, gone := make([]error, len(ids)), make([]chan uint64, len(ids))
	for i, id := range ids {
		s, err := b.session(by.Account, id)
		if err == nil {
			gone[i], err = b.drop(ctx, s, &by)
		}
		errs[i] = err
	}
	last := uint64(0)
	for i := range ids {
		if gone[i] == nil {
			continue
		}
		select {
		case ticket := <-gone[i]:
			last = max(last, ticket)
		case <-ctx.Done():
			errs[i] = errSessionBusy
		}
	}
	if err := b.settled(ctx, last); err != nil {
		for i := range errs {
			if errs[i] == nil {
				errs[i] = err
			}
		}
	}
	return errs
}

const dropReason = "the session was deleted"

// drop claims the session and has it ended; gone then gets the ticket of its end.
func (b *Broker) drop(ctx context.Context, s *Session, by *Submitter) (gone chan uint64, err error) {
	claim, err := s.claim(ctx, true)
	if err != nil {
		return nil, err
	}
	gone = make(chan uint64, 1)
	finish := func(t *Turn) {
		if a := s.link.Load(); a != nil {
			a.out.End(t, mqtt.AdministrativeAction, dropReason)
			s.detach(t, a, mqtt.AdministrativeAction, dropReason)
		}
		ticket := s.endBy(t, dropReason, by)
		t.settleShared()
		claim.unclaim()
		gone <- ticket
	}
	// The claim lets no other connection come.
	if a := s.link.Load(); a != nil {
		a.out.Post(finish)
	} else {
		b.do(finish)
	}
	return gone, nil
}

// Disconnect ends the connection of a session, if there is one, with 0x98; the session
// stays as after any other end.
func (b *Broker) Disconnect(ctx context.Context, by Submitter, id int64) error {
	s, err := b.session(by.Account, id)
	if err != nil {
		return err
	}
	const reason = "disconnected by the account's administration"
	return b.act(ctx, s, func(t *Turn, a *attachment) {
		if a != nil {
			a.out.End(t, mqtt.AdministrativeAction, reason)
			s.detach(t, a, mqtt.AdministrativeAction, reason)
		}
	})
}

// claim gets the session for the caller alone, which must call unclaim. Unless online
// is set, it gives a nil claim where the session has a connection.
func (s *Session) claim(ctx context.Context, online bool) (*connecting, error) {
	for {
		claim, bell, err := s.tryClaim(online)
		if bell == nil {
			return claim, err
		}
		select {
		case <-bell:
		case <-ctx.Done():
			return nil, errSessionBusy
		}
	}
}

// tryClaim claims the session, or gives the bell that rings when somebody else's claim
// has ended.
func (s *Session) tryClaim(online bool) (claim *connecting, bell chan struct{}, err error) {
	s.ns.mu.Lock()
	defer s.ns.mu.Unlock()
	s.mu.Lock()
	ended := s.ended
	s.mu.Unlock()
	switch {
	case ended:
		return nil, nil, auth.ErrNotFound
	case !online && s.link.Load() != nil:
		return nil, nil, nil
	case s.claimed() != nil:
		bell = make(chan struct{})
		s.contest.bells = append(s.contest.bells, bell)
		return nil, bell, nil
	}
	claim = &connecting{b: s.ns.b, ns: s.ns, s: s, clientID: s.clientID}
	s.contested().claim = claim
	return claim, nil, nil
}

// act runs f where nobody else acts for the session: on the loop of its connection, or
// with nil while none can come. Where it returns an error f has not run, or will run
// later: nothing that it writes may be read then.
func (b *Broker) act(ctx context.Context, s *Session, f func(t *Turn, a *attachment)) error {
	ctx, cancel := context.WithTimeout(ctx, manageWait)
	defer cancel()
	for {
		if a := s.link.Load(); a != nil {
			done := make(chan bool, 1)
			a.out.Post(func(t *Turn) {
				there := s.link.Load() == a
				if there {
					f(t, a)
				}
				done <- there
			})
			select {
			case there := <-done:
				if there {
					return nil
				}
			case <-ctx.Done():
				return errSessionBusy
			}
			continue
		}
		claim, err := s.claim(ctx, false)
		if err != nil {
			return err
		}
		if claim == nil {
			continue // it has a connection now
		}
		b.do(func(t *Turn) {
			f(t, nil)
			t.settleShared()
			claim.unclaim()
		})
		// The janitor passes a claimed session over.
		b.janitor.watch(s, s.deadline())
		return nil
	}
}

// managed begins a record of what REST did to the session. Who acts from an account
// above is not shown [EXT-ACC-2].
func (s *Session) managed(code event.Code, by *Submitter) event.Record {
	r := s.event(code, 0, nil)
	if by.Grant.Account == s.ns.account {
		r.Token, r.Source = int64(by.Grant.Token), by.Source
	}
	r.Transport = by.Transport
	return r
}
