package broker

import (
	"context"

	"alcove/internal/auth"
	"alcove/internal/event"
	"alcove/internal/mqtt"
)

// SubscriptionSpec is a subscription to be added: everything that a SUBSCRIBE says of
// one filter.
type SubscriptionSpec struct {
	Filter  string
	Options mqtt.SubscribeOptions
	ID      uint32         // Subscription Identifier, 0 none
	Account auth.AccountID // only messages of this account, 0 all [EXT-UP-3]
}

// Subscribe adds subscriptions to a session of the account, online or not, as a
// SUBSCRIBE of its client would, with the session's rights: retained messages come at
// once, or with the next connection. It returns once what was taken is durable
// [EXT-SES-4]: an *mqtt.Error for each that was refused. err is of them all, as in
// CreateSession.
func (b *Broker) Subscribe(ctx context.Context, by Submitter, id int64, list []SubscriptionSpec) (errs []error, err error) {
	s, err := b.session(by.Account, id)
	if err != nil {
		return nil, err
	}
	refused, ticket := make([]error, len(list)), uint64(0)
	err = b.act(ctx, s, func(t *Turn, a *attachment) {
		ack := &subscribeAck{silent: true}
		for i := range list {
			if code, reason := s.addManaged(t, a, ack, &by, &list[i]); code.Failed() {
				refused[i] = &mqtt.Error{Code: code, Reason: reason}
			}
		}
		ticket = s.beginReplays(t, a, ack)
	})
	if err == nil {
		err = b.settled(ctx, ticket)
	}
	if err != nil {
		return nil, err
	}
	return refused, nil
}

// addManaged handles one filter.
func (s *Session) addManaged(t *Turn, a *attachment, ack *subscribeAck, by *Submitter, spec *SubscriptionSpec) (mqtt.ReasonCode, string) {
	w := wanted{text: spec.Filter, options: spec.Options, id: spec.ID, by: by}
	if w.narrow.account = spec.Account; spec.Account != 0 && !s.ns.sees(spec.Account) {
		return mqtt.NotAuthorized, errForeign
	}
	return s.subscribe(t, a, ack, w)
}

// beginReplays lets the retained messages of new subscriptions go out behind what waits,
// without a SUBACK, and returns the ticket of the subscriptions.
func (s *Session) beginReplays(t *Turn, a *attachment, ack *subscribeAck) (ticket uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if durable, _ := s.durable(); durable {
		ticket = t.b.commit.latest()
	}
	switch {
	case len(ack.replays) == 0 || s.ended:
	case a == nil: // with the next connection
		have := s.replays()
		s.setReplays(append(have, ack.replays[:min(len(ack.replays), max(0, replaysPerSession-len(have)))]...))
	case s.link.Load() == a:
		s.answer(t, a, answer{ticket: ticket, typ: mqtt.TypeSuback, subs: ack})
	}
	return ticket
}

// Unsubscribe removes the subscriptions with these filters, character by character, from
// a session of the account, online or not, as an UNSUBSCRIBE would; all of them for a
// nil list. It returns the filters of those that were there, once that is durable. The
// error is as in CreateSession.
func (b *Broker) Unsubscribe(ctx context.Context, by Submitter, id int64, filters []string) (removed []string, err error) {
	s, err := b.session(by.Account, id)
	if err != nil {
		return nil, err
	}
	var found []string
	ticket := uint64(0)
	err = b.act(ctx, s, func(t *Turn, _ *attachment) {
		for _, text := range s.filters(filters) {
			if !s.unsubscribe(t, s.managed(event.SubscriptionDeleted, &by), text, nil).Failed() {
				found = append(found, text)
			}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if durable, _ := s.durable(); durable {
			ticket = t.b.commit.latest()
		}
	})
	if err == nil {
		err = b.settled(ctx, ticket)
	}
	if err != nil {
		return nil, err
	}
	return found, nil
}

// filters returns the filters of all the session's subscriptions, each once, or those
// of the given ones that it has.
func (s *Session) filters(only []string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	list, seen := only, make(map[string]bool)
	if only == nil {
		for sub := range s.subs.each() {
			list = append(list, sub.filter())
		}
	}
	var there []string
	for _, text := range list {
		if !seen[text] && len(s.subs.withFilter(text)) > 0 {
			seen[text], there = true, append(there, text)
		}
	}
	return there
}

// CheckFilter tells why the broker takes no subscription with this filter: an
// *mqtt.Error.
func (b *Broker) CheckFilter(text string) error {
	if _, code, reason := b.grantable(text, 0); code.Failed() {
		return &mqtt.Error{Code: code, Reason: reason}
	}
	return nil
}
