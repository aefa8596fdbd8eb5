package broker

import (
	"maps"
	"slices"

	"alcove/internal/auth"
	"alcove/internal/mqtt"
	"alcove/internal/topic"
)

// Subscription is one record, linked from its session and from the tree. It
// never changes: other options, or other rights, are a new record in its place
// [MQTT-3.8.4-3] [MQTT311-3.8.4-3].
//
// In the tree a share group stands for its members: there s is nil.
type Subscription struct {
	s       *Session
	filter  string            // whole text, as sent
	more    *subscriptionMore // nil for a plain one
	id      uint32            // Subscription Identifier, 0 none
	options mqtt.SubscribeOptions
	partial bool // each message's topic is checked against the rights [EXT-TOK-7]
}

// subscriptionMore is what few subscriptions have.
type subscriptionMore struct {
	group   *Group         // of a shared subscription
	inner   string         // what topics are matched with, where it is not the whole text
	account auth.AccountID // only messages from this account, 0 any [EXT-UP-3] [EXT-FIL-1]
	given   bool           // account came as a property: a part of the identity [EXT-UP-3]
	since   int64          // only retained messages newer than this, UNIX microseconds [EXT-RET-3]
}

// group returns the share group of a shared subscription, or nil.
func (sub *Subscription) group() *Group {
	if sub.more == nil {
		return nil
	}
	return sub.more.group
}

// inner returns the Topic Filter that topics are matched with.
func (sub *Subscription) inner() string {
	if sub.more == nil || sub.more.inner == "" {
		return sub.filter
	}
	return sub.more.inner
}

// account returns the only account whose messages the subscription takes, 0 for all.
func (sub *Subscription) account() auth.AccountID {
	if sub.more == nil {
		return 0
	}
	return sub.more.account
}

// since returns the timestamp that retained messages must be newer than, UNIX
// microseconds, 0 for all.
func (sub *Subscription) since() int64 {
	if sub.more == nil {
		return 0
	}
	return sub.more.since
}

// wants tells whether the subscription's own condition takes the message. The
// topic, the account and the rights have been seen to.
func (sub *Subscription) wants(t *Turn, m *Message) bool { return true }

// newSubscription makes the record of a filter, not yet installed.
func newSubscription(s *Session, f topic.Filter) *Subscription {
	sub := &Subscription{s: s, filter: f.Text}
	if f.Inner != f.Text {
		sub.more = &subscriptionMore{inner: f.Inner, account: auth.AccountID(f.Items.Account), since: f.Items.ModifiedSince}
	}
	return sub
}

// install puts sub into its session and the tree, the new record before the old
// one goes, so that no message is lost meanwhile [MQTT-3.8.4-4]. It reports
// whether the subscription is new. Under s.mu, except for shared ones, whose
// group the caller changes after it.
func (s *Session) install(sub *Subscription, f topic.Filter) (isNew bool) {
	old := s.subs.put(sub)
	if old == nil {
		s.ns.b.stats.Subscriptions.Add(1)
	}
	if f.Share == "" {
		s.ns.tree.Add(f.Inner, sub)
		if old != nil {
			s.ns.tree.Remove(old.inner(), old)
		}
	}
	return old == nil
}

// remove takes a subscription out of the session and the tree; a shared one
// also leaves its group, which the caller sees to. Deliveries that were already
// decided are refused in the output from here on [MQTT-3.10.4-2]
// [MQTT311-3.10.4-2]. Under s.mu.
func (s *Session) remove(sub *Subscription) {
	s.subs.remove(sub)
	s.ns.b.stats.Subscriptions.Add(-1)
	if sub.group() == nil {
		s.ns.tree.Remove(sub.inner(), sub)
	}
	s.gen.Add(1)
}

// subscriptions are a session's, by filter text: a short list, since most
// sessions have few and a map costs more than the session itself, or a map.
type subscriptions struct {
	few  []*Subscription
	many map[string]*Subscription
}

const fewSubscriptions = 8

func (x *subscriptions) len() int { return len(x.few) + len(x.many) }

// find returns the subscription with exactly this text, or nil.
func (x *subscriptions) find(filter string) *Subscription {
	if x.many != nil {
		return x.many[filter]
	}
	for _, sub := range x.few {
		if sub.filter == filter {
			return sub
		}
	}
	return nil
}

// put adds sub and returns the one with the same text which it replaces, or nil.
func (x *subscriptions) put(sub *Subscription) (old *Subscription) {
	if x.many == nil {
		for i := range x.few {
			if x.few[i].filter == sub.filter {
				old, x.few[i] = x.few[i], sub
				return old
			}
		}
		if len(x.few) < fewSubscriptions {
			x.few = append(x.few, sub)
			return nil
		}
		x.many = make(map[string]*Subscription, 2*fewSubscriptions)
		for _, s := range x.few {
			x.many[s.filter] = s
		}
		x.few = nil
	}
	old = x.many[sub.filter]
	x.many[sub.filter] = sub
	return old
}

func (x *subscriptions) remove(sub *Subscription) {
	if x.many != nil {
		delete(x.many, sub.filter)
		return
	}
	for i := range x.few {
		if x.few[i].filter == sub.filter {
			x.few = slices.Delete(x.few, i, i+1)
			return
		}
	}
}

// all lists them, in no order; the list stays good while they change.
func (x *subscriptions) all() []*Subscription {
	if x.many == nil {
		return slices.Clone(x.few)
	}
	return slices.Collect(maps.Values(x.many))
}
