package server

import (
	"time"

	"alcove/internal/auth"
)

// A loop serves accounts by turns: each has a lane in which its connections wait for
// their events to be handled, and a lane that has had its slice goes behind the others.
// So an account with a thousand busy connections takes from one with a single
// connection what another busy account with one would take.
//
// Connections that have not proved who they are share the lane of account 0, and so do
// listeners: a flood of connects is one account more, however large.
//
// Rejected: a queue for each connection with a budget of bytes (fair to connections,
// not to accounts); a goroutine for each account (no batches, a switch per event).
type lanes struct {
	of     map[auth.AccountID]*lane // those with events
	first  *lane                    // whose turn it is
	last   *lane
	recent *lane // the one that was last added to
	free   *lane
	count  int // of events that wait, in all lanes
	// listeners are those with an event that waits, by index.
	listeners uint64
}

// lane is what waits for one account.
type lane struct {
	account auth.AccountID
	events  []event // what is in Conn.pending, not here
	head    int
	next    *lane
}

// laneEvents is the capacity up to which the memory of a lane is kept.
const laneEvents = 1 << 12

// add lets an event wait in the account's lane.
func (s *lanes) add(account auth.AccountID, ev event) {
	ln := s.recent
	if ln == nil || ln.account != account {
		if ln = s.of[account]; ln == nil {
			ln = s.open(account)
		}
		s.recent = ln
	}
	ln.events = append(ln.events, ev)
	s.count++
}

// open gives an account a lane, behind all others.
func (s *lanes) open(account auth.AccountID) *lane {
	ln := s.free
	if ln == nil {
		ln = &lane{}
	} else {
		s.free = ln.next
	}
	ln.account = account
	if s.of == nil {
		s.of = make(map[auth.AccountID]*lane)
	}
	s.of[account] = ln
	s.append(ln)
	return ln
}

func (s *lanes) append(ln *lane) {
	ln.next = nil
	if s.last == nil {
		s.first = ln
	} else {
		s.last.next = ln
	}
	s.last = ln
}

// take takes the first event of the lane whose turn it is.
func (s *lanes) take() event {
	ln := s.first
	ev := ln.events[ln.head]
	ln.head++
	s.count--
	return ev
}

// spent tells whether nothing waits any more in the lane whose turn it is.
func (s *lanes) spent() bool { return s.first.head == len(s.first.events) }

// turn ends the turn of the first lane: it goes behind the others or, spent, away.
func (s *lanes) turn() {
	ln := s.first
	s.first = ln.next
	if s.first == nil {
		s.last = nil
	}
	if ln.head < len(ln.events) {
		if ln.head > len(ln.events)/2 {
			ln.events = append(ln.events[:0], ln.events[ln.head:]...)
			ln.head = 0
		}
		s.append(ln)
		return
	}
	delete(s.of, ln.account)
	if s.recent == ln {
		s.recent = nil
	}
	if cap(ln.events) > laneEvents {
		ln.events = nil
	}
	*ln = lane{events: ln.events[:0], next: s.free}
	s.free = ln
}

// alone tells whether no other account waits.
func (s *lanes) alone() bool { return s.first == nil || s.first.next == nil }

// again, in Conn.pending, has a connection read whatever the system says.
const again interest = 1 << 7

// enqueue lets the events wait for their accounts' turns. What waits already is not
// told twice.
func (l *loop) enqueue(events []event) {
	for _, ev := range events {
		if ev.slot&slotListener != 0 {
			if bit := uint64(1) << (ev.slot & 63); l.lanes.listeners&bit == 0 {
				l.lanes.listeners |= bit
				l.lanes.add(0, ev)
			}
			continue
		}
		if c := l.slots.find(ev.slot, ev.gen); c != nil {
			l.await(c, ev.what)
		}
	}
}

// await lets one connection wait for its account's turn.
func (l *loop) await(c *Conn, what interest) {
	if c.pending == 0 {
		l.lanes.add(c.account, event{slot: c.slot, gen: c.gen})
	}
	c.pending |= what
}

// serve handles what waits for the length of a turn: account by account, a slice each.
// While only one waits, the system is asked now and then whether another does.
func (l *loop) serve() {
	l.share = max(shareLeast, min(writeSize, roundSize/max(l.lanes.count, 1)))
	slice, asked, over := l.began, l.began, false
	for l.lanes.first != nil {
		l.handle(l.lanes.take())
		now := time.Now()
		if l.lanes.alone() && now.Sub(asked) > laneSlice {
			l.enqueue(l.poll.wait(0))
			asked = now
		}
		switch spent := l.lanes.spent(); {
		case l.lanes.alone():
			if spent {
				l.lanes.turn()
			}
			if now.Sub(l.began) > turnBudget {
				return
			}
			continue
		case !spent && now.Sub(slice) < laneSlice:
			continue
		}
		l.lanes.turn()
		if over {
			return
		}
		// Where accounts share the loop nobody's output waits long. But the one that
		// comes next still gets its slice before the output of the first is written:
		// its own goes out before that (Turn.End).
		slice, over = now, now.Sub(l.began) > 2*laneSlice
	}
}

// yields tells whether a connection that has done much in this turn should let other
// accounts go on before it.
func (l *loop) yields() bool {
	if l.lanes.alone() {
		l.enqueue(l.poll.wait(0))
	}
	return !l.lanes.alone()
}
