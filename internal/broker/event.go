package broker

import (
	"alcove/internal/auth"
	"alcove/internal/event"
	"alcove/internal/mqtt"
)

// Observer hears of what happens in accounts [EXT-LOG-1]. It must be quick and must
// not call back: it is called on loops, never under a lock of the broker. The record
// is the Observer's to keep.
type Observer interface {
	Event(event.Record)
}

// event begins a record of the account.
func (ns *Namespace) event(code event.Code, token auth.TokenID) event.Record {
	return event.Record{Code: code, Account: int64(ns.account), Token: int64(token)}
}

// event begins a record of the session; a is its connection, nil without one.
func (s *Session) event(code event.Code, token auth.TokenID, a *attachment) event.Record {
	r := s.ns.event(code, token)
	r.OriginID, r.ClientID = s.public(), s.clientID
	if a != nil {
		r.Source, r.Transport = a.peer()
	}
	return r
}

// peer is where the connection's client is, and how it comes.
func (a *attachment) peer() (source, transport string) {
	remote, transport := a.out.Peer()
	if !remote.IsValid() {
		return "", transport
	}
	return remote.String(), transport
}

// public is the session's id as its account sees it, which tells nothing about other
// accounts' sessions [EXT-ACC-1].
func (s *Session) public() int64 { return s.ns.b.publicID(s.id) }

func (b *Broker) publicID(id OwnerID) int64 { return b.directory.Disguise(uint64(id)) }

// note keeps a record for the end of the turn, when no lock is held. What is refused
// to or dropped of one session again and again in one turn is one record with a count,
// so that its flood costs no other record its place [EXT-LOG-2]; beyond eventsPerTurn
// they are only counted.
func (t *Turn) note(r event.Record) {
	if t.b.observer == nil {
		return
	}
	if n := len(t.events); n >= eventsApart && floods(&t.events[n-1], &r) {
		last := &t.events[n-1]
		last.Count = max(1, last.Count) + max(1, r.Count)
		return
	}
	if len(t.events) >= eventsPerTurn {
		t.b.stats.EventsLost.Add(1)
		return
	}
	t.events = append(t.events, r)
}

// noteRefusal notes that a message was refused.
func (t *Turn) noteRefusal(r event.Record, name []byte, code mqtt.ReasonCode, reason string) {
	r.Topic, r.Close, r.Reason = string(name), int(code), reason
	t.note(r)
}

// noteDrop notes that a message, or several of one topic or filter, will not be
// delivered.
func (t *Turn) noteDrop(r event.Record, name, reason string) {
	r.Topic, r.Reason = name, reason
	t.note(r)
}

// floods tells whether b is one more of what a is about.
func floods(a, b *event.Record) bool {
	return a.Code == b.Code && (b.Code == event.PublishRejected || b.Code == event.MessageDropped) &&
		a.Account == b.Account && a.Origin == b.Origin && a.OriginID == b.OriginID && a.ClientID == b.ClientID
}

const (
	// eventsPerTurn bounds the events of one turn.
	eventsPerTurn = 1024
	// eventsApart is how many events of a turn are kept apart whatever they are.
	eventsApart = 64
)

func (t *Turn) tell() {
	for i := range t.events {
		t.b.observer.Event(t.events[i])
		t.events[i] = event.Record{}
	}
	t.events = t.events[:0]
}
