package broker

// need puts the subscription's conditions into the route's list, each once.
func (t *Turn) need(r *route, sub *Subscription) (n needs) {
	if sub.more == nil || sub.more.conditions.none() {
		return n
	}
	if t.scratch.needed == nil {
		t.scratch.needed = make(map[*condition]uint32)
	}
	for i, c := range sub.more.conditions {
		if c == nil {
			continue
		}
		at, ok := t.scratch.needed[c]
		if !ok {
			r.conditions = append(r.conditions, c)
			at = uint32(len(r.conditions))
			t.scratch.needed[c] = at
		}
		n[i] = at
	}
	return n
}

// gather lists the subscriptions of the mixed targets: which of them take a message is
// found out for each one.
func (t *Turn) gather(r *route, ns *Namespace, topic []byte) {
	for n := ns; n != nil; n = n.parent {
		t.scratch.subs = n.tree.Match(topic, t.scratch.subs[:0])
		for _, sub := range t.scratch.subs {
			if sub.s == nil || !sub.takes(topic, ns.account) {
				continue
			}
			if tg, _ := t.place(r, sub.s); tg.mixed {
				tg.subs = append(tg.subs, sub)
				r.mixed++
			}
		}
	}
}

// holds tells whether m meets what is needed; each condition is asked once for a
// message, however many subscriptions have it [EXT-FIL-3].
func (t *Turn) holds(r *route, n needs, m *Message) bool {
	for _, at := range n {
		if at == 0 {
			continue
		}
		v := &t.judge.verdicts[at-1]
		if *v == unknown {
			*v = verdictOf(t.asks(r.conditions[at-1], m))
		}
		if *v == fails {
			return false
		}
	}
	return true
}

// narrowed is a mixed target as m meets it: of those of its subscriptions that take
// it. It is good until the next call.
func (t *Turn) narrowed(tg *target, m *Message) (*target, bool) {
	one := &t.scratch.target
	*one = target{s: tg.s, gen: tg.gen, own: tg.own, ids: one.ids[:0]}
	found := false
	for _, sub := range tg.subs {
		if sub.wants(t, m) {
			one.merge(sub)
			found = true
		}
	}
	return one, found
}
