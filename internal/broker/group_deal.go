package broker

import (
	"slices"

	"alcove/internal/event"
)

// line puts an entry that has just entered the queue into the lane where it waits,
// if it does: the one of the member that gets it, returned, or idle. Under g.mu.
func (g *Group) line(e *entry) *member {
	st := g.sticky
	if st == nil {
		return nil
	}
	w := waitsAt(e.seq, st.slot(e.msg.Topic))
	if len(g.online) == 0 {
		g.clear(&st.idle)
		st.idle.insert(w)
		return nil
	}
	m := g.pick(w.slot(), e.msg)
	g.clear(&m.lane)
	m.lane.insert(w)
	return m
}

// relined returns entries of a sticky group, which have been taken back, as they
// wait in lanes. Under g.mu.
func (g *Group) relined(seqs []uint64) []waits {
	items := make([]waits, 0, len(seqs))
	for _, seq := range seqs {
		// A message that was with a member is in memory.
		if e := g.queue.find(seq); e != nil && e.msg != nil {
			items = append(items, waitsAt(seq, g.sticky.slot(e.msg.Topic)))
		}
	}
	slices.Sort(items)
	return items
}

// deal gives what waits to the owners of its slots, in order; what they may not have
// goes on to others when its turn comes. With nobody online it is idle. Under g.mu.
func (g *Group) deal(items []waits) {
	if len(items) == 0 {
		return
	}
	if len(g.online) == 0 {
		g.sticky.idle.merge(items)
		return
	}
	var touched []*member
	for _, w := range items {
		m := g.owner(w.slot())
		if len(m.incoming) == 0 {
			touched = append(touched, m)
		}
		m.incoming = append(m.incoming, w)
	}
	for _, m := range touched {
		m.lane.merge(m.incoming)
		m.incoming = nil
	}
}

// takeOver gives a member that has come online what waits for others in its slots,
// and what waited for anybody [EXT-SHR-4]. Under g.mu.
func (g *Group) takeOver(m *member) {
	items := g.sticky.idle.take()
	for _, other := range g.online {
		if other == m || other.lane.left() == 0 {
			continue
		}
		var kept []waits
		for _, w := range other.lane.take() {
			if g.owner(w.slot()) == m {
				items = append(items, w)
			} else {
				kept = append(kept, w)
			}
		}
		other.lane.items = kept
	}
	if !slices.IsSorted(items) {
		slices.Sort(items)
	}
	m.lane.merge(items)
}

// redeal lets all that waits in a sticky group find its member anew. Under g.mu.
func (g *Group) redeal() {
	if g.sticky == nil {
		return
	}
	var items []waits
	for _, m := range g.online {
		items = append(items, m.lane.take()...)
	}
	slices.Sort(items)
	g.deal(items)
}

// unpark lets what was put aside be decided again, since the members have changed.
// Under g.mu.
func (g *Group) unpark() {
	if !g.parked {
		return
	}
	g.parked = false
	for _, m := range g.members {
		switch {
		case g.sticky == nil:
			for _, w := range m.lane.take() {
				if e := g.queue.find(w.seq()); e != nil {
					g.queue.untake(e)
				}
			}
		case m.place < 0:
			g.deal(m.lane.take())
		}
	}
}

// park makes an entry that is next in a group that is not sticky wait for one
// member, so that it does not hold back those behind it. Its message is read from
// the log again: what waits so long has no place in memory. Under g.mu.
func (g *Group) park(t *Turn, m *member, e *entry) {
	g.queue.takeOut(e)
	if e.id != 0 {
		if !e.id.alone() {
			t.b.bodies.share(e.id, e.msg)
		}
		e.msg = nil
	}
	m.lane.insert(waitsAt(e.seq, 0))
	g.parked = true
}

// redirect sees to an entry that the member whose lane it was in may not have: it
// goes to another one that may, online or away, or is dropped, counted and told
// [EXT-TOK-7] [EXT-SES-4]. It is in no lane now. Under g.mu.
func (g *Group) redirect(t *Turn, w waits, e *entry) {
	if g.sticky == nil { // it was parked
		g.queue.untake(e)
		return
	}
	if m := heaviest(g.online, w.slot(), e.msg); m != nil {
		m.lane.insert(w)
		return
	}
	if m := g.absent(w.slot(), e.msg); m != nil {
		m.lane.insert(w)
		g.parked = true
		return
	}
	g.discard(t, e)
}

// absent returns a member that is away, may have the message and keeps it: of a
// sticky group the one with the highest weight. Under g.mu.
func (g *Group) absent(slot uint16, m *Message) *member {
	var away []*member
	for _, mem := range g.members {
		if mem.place < 0 && mem.keeps() && mem.may(m) {
			away = append(away, mem)
		}
	}
	return heaviest(away, slot, nil)
}

// discard ends an entry that no member may have. Under g.mu.
func (g *Group) discard(t *Turn, e *entry) {
	t.b.stats.DroppedRights.Add(1)
	t.noteDrop(g.ns.event(event.MessageDropped, 0), string(e.msg.Topic), "no member of the share group may receive this topic")
	g.settle(t, e)
}
