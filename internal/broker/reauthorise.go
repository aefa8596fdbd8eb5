package broker

import (
	"alcove/internal/auth"
	"alcove/internal/event"
)

// reauthorise puts the session under other rights before anything goes out
// [EXT-SES-1]: subscriptions that they do not allow go; what waits in the queue
// is checked, message by message, when its turn comes. Under s.mu.
func (s *Session) reauthorise(t *Turn, rights *auth.Rights) {
	s.rights.Store(rights)
	again := false
	for _, old := range s.subs.all() {
		f, code, _ := s.ns.b.grantable(old.filter(), 0)
		scope := rights.Subscribe(f)
		if code.Failed() || scope == auth.None {
			s.remove(old)
			if durable, sync := s.durable(); durable {
				s.record(t, sync, Record{Kind: KindUnsubscribe, Topic: old.key()})
			}
			if old.group() != nil {
				t.leaving = append(t.leaving, leaving{g: old.group(), s: s, back: s.giveBack(t, old.group())})
			}
			t.noteDrop(s.event(event.SubscriptionDeleted, s.token, s.link.Load()), old.filter(), "the token may not subscribe to this filter")
			continue
		}
		if partial := scope == auth.Partial; partial || old.has(markPartial) {
			// A new record, so that cached routes ask again.
			sub := old.clone()
			sub.mark(markPartial, partial)
			s.install(sub, f)
			again = true
			s.moveReplays(old, sub)
			if sub.group() != nil {
				t.leaving = append(t.leaving, leaving{g: sub.group(), s: s, again: sub})
			}
		}
	}
	if again { // what was decided under the old rights is decided again
		s.gen.Add(1)
	}
}

// leaving is what a group is told after a member's section: that it left, with
// what it gives back, or that its subscription is another.
type leaving struct {
	g     *Group
	s     *Session
	back  givenBack
	again *Subscription
}
