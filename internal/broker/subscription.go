package broker

import (
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
	group   *Group // of a shared subscription
	filter  string // whole text, as sent
	id      uint32 // Subscription Identifier, 0 none
	options mqtt.SubscribeOptions
	partial bool // each message's topic is checked against the rights [EXT-TOK-7]
}

// install puts sub into its session and the tree, the new record before the old
// one goes, so that no message is lost meanwhile [MQTT-3.8.4-4]. It reports
// whether the subscription is new. Under s.mu, except for shared ones, whose
// group the caller changes after it.
func (s *Session) install(sub *Subscription, f topic.Filter) (isNew bool) {
	if s.subs == nil {
		s.subs = make(map[string]*Subscription)
	}
	old := s.subs[sub.filter]
	s.subs[sub.filter] = sub
	if old == nil {
		s.ns.b.stats.Subscriptions.Add(1)
	}
	if f.Share == "" {
		s.ns.tree.Add(f.Inner, sub)
		if old != nil {
			s.ns.tree.Remove(f.Inner, old)
		}
	}
	return old == nil
}

// remove takes a subscription out of the session and the tree; a shared one
// also leaves its group, which the caller sees to. Deliveries that were already
// decided are refused in the output from here on [MQTT-3.10.4-2]
// [MQTT311-3.10.4-2]. Under s.mu.
func (s *Session) remove(sub *Subscription) {
	delete(s.subs, sub.filter)
	s.ns.b.stats.Subscriptions.Add(-1)
	if sub.group == nil {
		s.ns.tree.Remove(sub.filter, sub)
	}
	s.gen.Add(1)
}
