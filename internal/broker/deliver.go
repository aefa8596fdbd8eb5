package broker

import (
	"slices"

	"alcove/internal/mqtt"
)

// deliver gives m to one session of the route. It reports whether the session, online
// or lasting, has a subscription that takes it.
func (t *Turn) deliver(ns *Namespace, m *Message, r *route, tg *target) bool {
	if tg.noLocal && tg.s == t.from {
		fresh, ok := t.again(ns, m, tg.s, true)
		return ok && t.deliverTo(ns, m, &fresh)
	}
	switch {
	case tg.mixed:
		ok := false
		if tg, ok = t.narrowed(tg, m); !ok {
			return false
		}
	case !t.holds(r, tg.needs, m):
		return false
	}
	return t.deliverTo(ns, m, tg)
}

// deliverTo delivers with the lower of the two QoS [MQTT-3.8.4-8]
// [MQTT311-3.8.4-6].
func (t *Turn) deliverTo(ns *Namespace, m *Message, tg *target) (matched bool) {
	for range 8 {
		stale := false
		if min(m.QoS, tg.qos) == mqtt.QoS0 {
			o := t.deliverQoS0(ns, m, tg)
			stale, matched = o == Stale, o != Gone || tg.s.lasting.Load()
		} else {
			t.stamp(ns, m)
			stale, matched = t.deliverQueued(m, tg)
		}
		if !stale {
			return matched
		}
		fresh, ok := t.again(ns, m, tg.s, tg.s == t.from)
		if !ok {
			return false
		}
		tg = &fresh
	}
	return false
}

// deliverQoS0 takes no lock but the output's own. QoS 0, never DUP
// [MQTT-4.3.1-1] [MQTT311-4.3.1-1].
func (t *Turn) deliverQoS0(ns *Namespace, m *Message, tg *target) Outcome {
	a := tg.s.link.Load()
	if a == nil {
		return Gone
	}
	d := &t.scratch.delivery
	d.reset(m)
	d.Retain, d.SubscriptionIDs = tg.rap && m.Retain, tg.ids
	d.Own, d.Live, d.Gen = tg.own, &tg.s.gen, tg.gen
	if m.Expires != 0 {
		d.Expiry, d.HasExpiry = m.Remaining(t.Now)
	}
	stamped := tg.s.stamped(m, a)
	if stamped {
		t.stamp(ns, m)
	}
	t.dress(d, a, stamped)
	if len(tg.ids) == 0 {
		d.Packet = t.shapes.of(d, a.version, stamped)
	}
	o := a.out.Deliver(t, d)
	switch o {
	case Sent:
		t.tally(tg.s.ns).sent(m)
	case Full:
		t.b.stats.DroppedQoS0.Add(1)
		t.dropped(tg.s, a, m)
	case TooLarge:
		t.b.stats.DroppedLarge.Add(1)
	}
	return o
}

// deliverQueued appends m to the session's queue, online or not [MQTT311-4.5.0-1], from which it is sent as soon
// as its turn has come: at once, where nothing waits.
func (t *Turn) deliverQueued(m *Message, tg *target) (stale, matched bool) {
	s := tg.s
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.link.Load()
	switch {
	case s.ended || a == nil && s.expiry == 0 && s.detached != 0:
		// With expiry 0 and detached 0 it is being resumed: what comes between
		// the connections waits for the new one.
		return false, false
	case s.gen.Load() != tg.gen:
		return true, false
	}
	e := entry{qos: min(m.QoS, tg.qos)}
	if tg.rap && m.Retain { // [MQTT-3.3.1-12] [MQTT-3.3.1-13] [MQTT311-3.3.1-9]
		e.flags |= entryRetain
	}
	if len(tg.ids) > 0 {
		e.more = &entryMore{ids: slices.Clone(tg.ids)}
	}
	durable, sync := s.durable()
	if durable {
		e.flags |= entryDurable
		t.sync = t.sync || sync
	}
	if s.enqueue(t, m.Keep(), e) && !durable && a != nil {
		s.pump(t, a)
	}
	return false, !s.overflowed // else it is about to end
}
