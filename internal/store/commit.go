package store

// maxGroup is about how many bytes of writes one commit takes.
const maxGroup = 8 << 20

// group is what one commit writes.
type group struct {
	writes writes
	last   uint64 // number of its last item
	bytes  int

	sync    bool // something in it asks for it
	batches bool // there are batches in it
	ended   []ended
}

// applyLoop is the applier. While the committer is busy with one group, the next one
// grows; it is closed and handed over when the committer is idle. So the commits are
// as large as the disk is slow, and an owner that many batches touched is written
// once.
func (s *Store) applyLoop() {
	defer ring(s.queue.ready) // whoever follows looks at what was left
	defer close(s.groups)
	var (
		open  *group
		items []item
	)
	for {
		ready, idle := s.queue.ready, s.idle
		if open == nil {
			idle = nil
		} else if open.bytes >= maxGroup {
			ready = nil
		}
		select {
		case <-s.fault.c:
			s.queue.fail()
			return
		case <-idle:
			s.handOver(open)
			open = nil
			ring(s.queue.ready) // what was left when the group was full
		case <-ready:
			var more, closed bool
			items, more, closed = s.queue.take(items[:0], maxGroup)
			if len(items) > 0 {
				open = s.applyItems(open, items)
				clear(items)
			}
			if more {
				ring(s.queue.ready)
			}
			if !closed {
				continue
			}
			if open != nil {
				select {
				case <-s.idle:
					s.handOver(open)
				case <-s.fault.c:
				}
			}
			return
		}
	}
}

// applyItems adds the writes of items to the open group, or to a new one.
func (s *Store) applyItems(g *group, items []item) *group {
	if g == nil {
		g = &group{writes: s.engine.begin()}
	}
	for _, it := range items {
		switch {
		case it.batch != nil:
			g.ended = append(g.ended, s.state.apply(g.writes, it.batch)...)
			g.sync = g.sync || it.batch.Sync
			g.batches = true
		case it.docs != nil:
			it.docs.write(g.writes)
			g.sync = true
		case it.rows != nil:
			it.rows.write(g.writes)
			g.sync = g.sync || it.rows.sync
		case it.drop != nil:
			for _, id := range it.drop.ids {
				s.state.unref(it.drop.top, id)
			}
			s.state.bury(g.writes)
		case it.sweep:
			s.state.tidy(g.writes)
		}
		g.last = it.n
	}
	g.bytes = g.writes.size() + s.state.stagedBytes
	return g
}

// handOver gives g to the committer, which has said that it is idle.
func (s *Store) handOver(g *group) {
	if g.batches {
		s.state.flush(g.writes)
	}
	s.groups <- g
}

// commitLoop is the committer.
func (s *Store) commitLoop() {
	defer close(s.committed)
	for {
		var (
			g  *group
			ok bool
		)
		select {
		case s.idle <- struct{}{}:
			g, ok = <-s.groups
		case g, ok = <-s.groups:
		}
		if !ok {
			return
		}
		if err := s.engine.commit(g.writes, g.sync); err != nil {
			s.fault.raise(err)
			return
		}
		for _, e := range g.ended {
			s.collectSoon(e)
		}
		s.durable.Store(g.last)
		ring(s.announce)
	}
}

// announceLoop is the announcer. Once the store has failed, nothing is announced as
// done, even if it was just then.
func (s *Store) announceLoop() {
	defer close(s.announced)
	var waiters []waiter
	committed := s.committed
	for {
		select {
		case <-s.announce:
		case <-s.fault.c:
			s.refuse(waiters)
			return
		case <-committed:
			// The committer has ended: by Close or by a failure.
			committed = nil
		}
		if s.Failed() {
			continue
		}
		waiters = s.queue.finished(waiters[:0], s.durable.Load())
		for i := range waiters {
			if w := &waiters[i]; w.done != nil {
				if s.Failed() {
					w.done(w.ticket, s.fault.err)
				} else {
					w.done(w.ticket, nil)
				}
			}
		}
		clear(waiters)
		if committed == nil && s.queue.isClosed() {
			return
		}
	}
}

// refuse gives the failure to everybody who waits or will, until Close.
func (s *Store) refuse(waiters []waiter) {
	s.queue.fail()
	for {
		waiters = s.queue.finished(waiters[:0], ^uint64(0))
		for i := range waiters {
			if w := &waiters[i]; w.done != nil {
				w.done(w.ticket, s.fault.err)
			}
		}
		clear(waiters)
		if s.queue.isClosed() {
			return
		}
		<-s.queue.ready
	}
}
