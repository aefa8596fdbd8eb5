package broker

import (
	"slices"

	"alcove/internal/auth"
	"alcove/internal/event"
	"alcove/internal/mqtt"
)

// Messages that wait far back in a queue are in the log only. When their turn
// comes a goroutine of its own reads a page of them, and the queue goes on. At
// most one reading is under way for each queue.

// wanted lists the next entries whose messages are not in memory.
func (q *queue) wanted() (seqs []uint64, ids []MessageID) {
	bytes := int64(0)
	for i := q.next; i < len(q.items) && len(ids) < pageEntries && bytes < pageBytes; i++ {
		e := &q.items[i]
		if e.is(entryOpen) {
			break
		}
		if e.msg == nil && e.id != 0 && !e.is(entryDone|entryReleased|entryTaken) {
			seqs, ids = append(seqs, e.seq), append(ids, e.id)
			bytes += int64(e.size)
		}
	}
	return seqs, ids
}

// beginPaging lists what is to be read and notes that it is; nothing where a
// reading is under way already.
func (q *queue) beginPaging() (seqs []uint64, ids []MessageID) {
	if q.paging {
		return nil, nil
	}
	seqs, ids = q.wanted()
	q.paging = len(ids) > 0
	return seqs, ids
}

// pageIn begins a reading for the session. Under s.mu.
func (s *Session) pageIn(t *Turn) {
	seqs, ids := s.queue.beginPaging()
	if len(ids) == 0 {
		return
	}
	t.b.read(s.ns.top, ids, func(found map[MessageID]*Message, err error) {
		t.b.do(func(t *Turn) {
			s.mu.Lock()
			s.queue.paging = false
			if err == nil && !s.ended {
				for _, e := range s.queue.arrived(seqs, found) {
					s.drop(t, s.queue.find(e), "the message is no longer in the store")
				}
				if a := s.link.Load(); a != nil {
					s.pump(t, a)
				}
			}
			s.mu.Unlock()
		})
	})
}

// pageIn begins a reading for the group. Under g.mu.
func (g *Group) pageIn(t *Turn) {
	seqs, ids := g.queue.beginPaging()
	if len(ids) > 0 {
		g.read(t, seqs, ids, nil)
	}
}

// pageLane begins a reading for what a member of the group has room for and waits
// for. At most one is under way for each member. Under g.mu.
func (g *Group) pageLane(t *Turn, m *member) {
	if m.paging {
		return
	}
	room := pageEntries
	if a := m.s.link.Load(); a != nil && m.qos > mqtt.QoS0 {
		room = min(room, int(int32(a.window)-m.s.load.Load()))
	}
	if room <= 0 && !m.awaitRoom() {
		return
	}
	var seqs []uint64
	var ids []MessageID
	bytes := int64(0)
	for _, w := range m.lane.items[m.lane.head:] {
		e := g.queue.find(w.seq())
		switch {
		case e == nil || e.msg != nil:
			continue
		case !e.is(entryOpen) && e.id != 0:
			seqs, ids = append(seqs, e.seq), append(ids, e.id)
			bytes += int64(e.size)
		}
		if len(ids) >= room || bytes >= pageBytes || e.is(entryOpen) {
			break
		}
	}
	if m.paging = len(ids) > 0; m.paging {
		g.read(t, seqs, ids, m)
	}
}

// read reads messages for a member's lane or, m being nil, for the queue. Under g.mu.
func (g *Group) read(t *Turn, seqs []uint64, ids []MessageID, m *member) {
	t.b.read(g.ns.top, ids, func(found map[MessageID]*Message, err error) {
		t.b.do(func(t *Turn) {
			g.mu.Lock()
			defer g.mu.Unlock()
			if m == nil {
				g.queue.paging = false
			} else {
				m.paging = false
			}
			if err != nil || g.ended {
				return
			}
			for _, seq := range g.queue.arrived(seqs, found) {
				t.noteDrop(g.ns.event(event.MessageDropped, 0), g.text(), "the message is no longer in the store")
				g.settle(t, g.queue.find(seq))
			}
			if m == nil {
				g.spread(t, nil)
				return
			}
			g.serve(t, m)
			for _, seq := range seqs { // the member may have gone
				if e := g.queue.find(seq); e != nil {
					g.queue.shed(&t.b.bodies, e)
				}
			}
		})
	})
}

// arrived gives the entries their messages and returns those for which there is
// none.
func (q *queue) arrived(seqs []uint64, found map[MessageID]*Message) (missing []uint64) {
	for _, seq := range seqs {
		e := q.find(seq)
		if e == nil || e.msg != nil || e.is(entryReleased) {
			continue
		}
		if m := found[e.id]; m != nil {
			q.fill(e, m)
		} else {
			missing = append(missing, seq)
		}
	}
	return missing
}

// fetch returns messages that somebody still holds, and reads the others.
func (b *Broker) fetch(top auth.AccountID, ids []MessageID) (map[MessageID]*Message, error) {
	found := make(map[MessageID]*Message, len(ids))
	var missing []MessageID
	for _, id := range ids {
		if !id.alone() {
			if m := b.bodies.find(id); m != nil {
				found[id] = m
				continue
			}
		}
		missing = append(missing, id)
	}
	if len(missing) == 0 {
		return found, nil
	}
	err := b.commit.log.Read(top, missing, func(id MessageID, m *Message) {
		switch {
		case m == nil:
		case id.alone():
			found[id] = m
		default:
			found[id] = b.bodies.share(id, m)
		}
	})
	if err != nil {
		b.logger.Error("reading queued messages", "error", err)
	}
	return found, err
}

// read reads messages on a goroutine of its own, once the last of them is in the log,
// and then calls done there.
func (b *Broker) read(top auth.AccountID, ids []MessageID, done func(map[MessageID]*Message, error)) {
	b.readers.Add(1)
	ticket := slices.Max(ids).ticket()
	b.commit.after(ticket, func() {
		go func() {
			defer b.readers.Done()
			b.reading <- struct{}{}
			defer func() { <-b.reading }()
			done(b.fetch(top, ids))
		}()
	}, func() {
		go func() {
			defer b.readers.Done()
			done(nil, errStore)
		}()
	})
	b.commit.kick()
}
