package broker

import "alcove/internal/mqtt"

// member is one session's part in a group.
type member struct {
	s     *Session
	sub   *Subscription
	place int // in online, -1 while offline
}

// may tells whether the member's subscription and token take the message [EXT-UP-3]
// [EXT-TOK-7].
func (mem *member) may(m *Message) bool { return mem.sub.takes(m.Topic, m.Account) }

// pass sees to a message that no online member may have, so that it does not hold
// back those behind it: a member that is away and may have it gets it for good, and
// where there is none it is dropped, counted and told [EXT-TOK-7] [EXT-SES-4]. It
// returns false where the message has only to wait, for a member with room. e is the
// entry at next. Under g.mu.
func (g *Group) pass(t *Turn, e *entry) bool {
	for _, mem := range g.online {
		if mem.may(e.msg) {
			return false
		}
	}
	for _, mem := range g.members {
		if mem.place < 0 && mem.sub.options.QoS > mqtt.QoS0 && mem.may(e.msg) && g.keepFor(t, mem, e) {
			return true
		}
	}
	t.b.stats.DroppedRights.Add(1)
	t.note(Event{Code: EventMessageDropped, Account: g.ns.account, Topic: string(e.msg.Topic),
		Reason: "no member of the share group may receive this topic"})
	g.settle(t, e)
	return true
}

// keepFor puts the entry at next into the queue of a member that is away, if that
// outlives its connection and has room. Under g.mu.
func (g *Group) keepFor(t *Turn, mem *member, e *entry) bool {
	s := mem.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || s.expiry == 0 || s.queue.bytes+int64(e.size) > t.b.limits.QueueBytes {
		return false
	}
	g.move(t, s, e, g.handed(mem, e))
	if a := s.link.Load(); a != nil {
		s.pump(t, a) // it has just come back
	}
	return true
}

// handed is a message of the group as one of a member's own.
func (g *Group) handed(mem *member, e *entry) entry {
	out := entry{qos: min(e.qos, mem.sub.options.QoS), msg: e.msg, size: e.size} // [MQTT-4.8.2-3]
	if mem.sub.options.RetainAsPublished && e.msg.Retain {
		out.flags |= entryRetain
	}
	if mem.sub.id != 0 {
		out.more = &entryMore{ids: []uint32{mem.sub.id}}
	}
	return out
}
