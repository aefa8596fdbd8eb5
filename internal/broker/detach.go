package broker

import (
	"errors"
	"time"

	"alcove/internal/event"
	"alcove/internal/mqtt"
)

// Disconnect takes the client's DISCONNECT. The server then closes the
// connection; the session is detached already.
func (l Link) Disconnect(t *Turn, p *mqtt.Disconnect) error {
	s, a := l.parts()
	if s == nil || s.link.Load() != a {
		return nil
	}
	altered := false
	s.mu.Lock()
	if p.HasSessionExpiry {
		if s.expiry == 0 && p.SessionExpiry != 0 {
			s.mu.Unlock()
			return &mqtt.Error{Code: mqtt.ProtocolError, Reason: "the Session Expiry Interval was 0 in CONNECT and is not in DISCONNECT"}
		}
		was := s.expiry
		s.expiry = clampSeconds(p.SessionExpiry, s.ns.settings.Load().SessionExpiryMax)
		s.lasting.Store(s.expiry > 0)
		altered = s.expiry != was
	}
	if p.Code == mqtt.NormalDisconnection || a.version != mqtt.V5 {
		// [MQTT-3.14.4-3] [MQTT-3.1.2-10] [MQTT311-3.14.4-3] [MQTT311-3.1.2-10]
		s.will = nil
	}
	s.mu.Unlock()
	if info, there := s.lastSeen(t); altered && there {
		s.tellLife(t, s.event(event.Updated, a.grant.Token, a), &info)
	}
	s.detach(t, a, p.Code, "the client disconnected")
	return nil
}

// Detach ends the connection's hold on the session as for a network failure:
// the Will is published, at once or after its delay [MQTT-3.1.2-8]
// [MQTT311-3.1.2-8].
func (l Link) Detach(t *Turn, cause error) {
	if l.a == nil {
		return
	}
	code, reason := mqtt.UnspecifiedError, "the connection was lost"
	var e *mqtt.Error
	if errors.As(cause, &e) {
		code, reason = e.Code, e.Reason
	} else if cause != nil {
		reason = cause.Error()
	}
	l.a.s.detach(t, l.a, code, reason)
}

// detach takes a from its session. On the owning loop, without a lock.
func (s *Session) detach(t *Turn, a *attachment, code mqtt.ReasonCode, reason string) {
	s.mu.Lock()
	if s.link.Load() != a {
		s.mu.Unlock()
		return
	}
	s.link.Store(nil)
	s.detached = t.Now.UnixNano()
	a.acks = nil
	t.giveBackAll(s)
	s.queue.rewind()
	s.load.Store(0)
	now, lasting := s.parting(t), s.expiry > 0
	if s.recorded && lasting {
		s.record(t, false, Record{Kind: KindSession, Session: s.snapshotFor(nil)})
	}
	groups := s.groups()
	s.mu.Unlock()
	t.settleShared() // what the groups get back comes before all later messages
	for _, g := range groups {
		g.attached(t, s)
	}
	t.b.stats.Attached.Add(-1)
	s.ns.usage.online.Add(-1)
	t.b.directory.SetLive(a.grant.Token, -1, t.Now)
	t.b.users.leave(a)
	t.note(s.closed(t, a, code, reason))
	if !lasting {
		// The session ends with its connection, never before [MQTT-4.1.0-2]
		// [MQTT-3.1.2-23] [MQTT311-4.1.0-2].
		s.end(t, "the connection ended")
	} else {
		t.b.janitor.watch(s, s.deadline())
	}
	t.settleShared()
	t.fire(s.ns, s.clientID, now)
}

// closed is the record of a connection's end.
func (s *Session) closed(t *Turn, a *attachment, code mqtt.ReasonCode, reason string) event.Record {
	t.tallied.hear(nil)
	r := s.event(event.Closed, a.grant.Token, a)
	r.Close, r.Reason = int(code), reason
	r.Duration = time.Duration(t.Now.UnixNano() - a.since)
	r.Published, r.Rejected = a.figures.published.Load(), uint64(a.figures.rejected.Load())
	r.Received = a.out.Sent()
	return r
}

// parting decides about the Will at the connection's end: it returns the one to
// publish now, or sets when it is due. Under s.mu.
func (s *Session) parting(t *Turn) (now *will) {
	w := s.will
	if w == nil {
		return nil
	}
	if w.delay == 0 || s.expiry == 0 {
		s.will = nil
		return w
	}
	w.due = t.Now.UnixNano() + int64(w.delay)*1e9
	return nil
}

// deadline is when something is to be done for a detached session: its Will, or
// its end: UNIX nanoseconds, 0 for never.
func (s *Session) deadline() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || s.detached == 0 {
		return 0
	}
	due := int64(0)
	if s.expiry != never {
		due = s.detached + int64(s.expiry)*1e9
	}
	if w := s.will; w != nil && (due == 0 || w.due < due) {
		due = w.due
	}
	return due
}

// giveBackAll returns to every share group what has to go to another member.
// Under s.mu.
func (t *Turn) giveBackAll(s *Session) {
	for _, sub := range s.subs.all() {
		if sub.group() != nil {
			if back := s.giveBack(t, sub.group()); !back.empty() {
				t.returned = append(t.returned, returned{sub.group(), s, back})
			}
		}
	}
}

// returned is what a group gets back from a member that went away.
type returned struct {
	g    *Group
	s    *Session
	back givenBack
}

// end removes a session for good: subscriptions, queue, and whatever the log
// has of it. A Will that was still to come is published [MQTT-3.1.2-8]. It
// returns the ticket of the removal, 0 where nothing was in the log. No lock is
// held; the session is detached.
func (s *Session) end(t *Turn, reason string) (ticket uint64) { return s.endBy(t, reason, nil) }

// endBy is end in the name of a caller without a connection, nil for nobody's.
func (s *Session) endBy(t *Turn, reason string, by *Submitter) (ticket uint64) {
	last, seen := s.lastSeen(t)
	s.ns.mu.Lock()
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		s.ns.mu.Unlock()
		return 0
	}
	s.ended = true
	s.ns.ordered.Delete(s.id.place)
	// Whoever has claimed it puts another one in its place.
	if s.claimed() == nil && s.ns.sessions[s.clientID] == s {
		delete(s.ns.sessions, s.clientID)
	}
	s.ns.mu.Unlock()
	w := s.will
	s.will = nil
	for _, sub := range s.subs.all() {
		s.remove(sub)
		if sub.group() != nil {
			t.leaving = append(t.leaving, leaving{g: sub.group(), s: s, back: s.giveBack(t, sub.group())})
		}
	}
	if s.recorded {
		_, sync := s.ns.durability()
		ticket = s.record(t, sync, Record{Kind: KindSessionEnd, IDs: s.queue.references()})
	}
	if n := s.queue.left(); n > 0 {
		r := s.event(event.MessageDropped, s.token, nil)
		r.Count = n
		t.noteDrop(r, "", "the session ended ("+reason+") with messages in its queue")
	}
	s.queue.discount()
	s.queue, s.received, s.replaying = emptyQueue, nil, nil
	s.mu.Unlock()
	if seen {
		r := s.event(event.Deleted, last.Token, nil)
		if by != nil {
			r = s.managed(event.Deleted, by)
		}
		r.Reason = reason
		s.tellLife(t, r, &last)
	}
	t.b.janitor.cancel(s)
	t.b.stats.Sessions.Add(-1)
	t.fire(s.ns, s.clientID, w)
	return ticket
}

// newSession adds a session. Under ns.mu.
func (ns *Namespace) newSession(clientID string, now time.Time) *Session {
	s := &Session{ns: ns, id: ns.b.newOwner(), clientID: clientID, created: now.UnixNano(), queue: emptyQueue}
	ns.sessions[clientID] = s
	ns.ordered.Put(s, s.id.place)
	ns.b.stats.Sessions.Add(1)
	return s
}
