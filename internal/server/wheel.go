package server

import (
	"math/bits"
	"time"
)

// tickTime is the resolution of everything that the wheel times.
const tickTime = 100 * time.Millisecond

// wheelSlots is how many ticks one round of the wheel has (51.2 s).
const wheelSlots = 512

// ticks returns d in ticks, rounded up, plus the one that is under way: what is
// timed with it never comes too early.
func ticks(d time.Duration) uint32 {
	return uint32((d+tickTime-1)/tickTime) + 1
}

// timer is a Conn's place in its loop's wheel; Conn.timed is the tick it is due, 0
// while it has none.
type timer struct{ next, prev *Conn }

// wheel is a hashed timing wheel of connections, each with one timer: the list of
// a slot holds those due at its tick, in this round or a later one. Setting and
// unsetting cost a few pointers. It belongs to its loop.
type wheel struct {
	heads [wheelSlots]*Conn
	used  [wheelSlots / 64]uint64 // which heads are not nil
	tick  uint32                  // the last one that advance has done
	fired []*Conn                 // reused
}

// set times c for the tick due, in place of what it was timed for.
func (w *wheel) set(c *Conn, due uint32) {
	w.unset(c)
	due = max(due, w.tick+1)
	i := due % wheelSlots
	c.timer, c.timed = timer{next: w.heads[i]}, due
	if c.timer.next != nil {
		c.timer.next.timer.prev = c
	}
	w.heads[i] = c
	w.used[i/64] |= 1 << (i % 64)
}

// unset takes c out of the wheel.
func (w *wheel) unset(c *Conn) {
	t := &c.timer
	if c.timed == 0 {
		return
	}
	if t.next != nil {
		t.next.timer.prev = t.prev
	}
	if t.prev != nil {
		t.prev.timer.next = t.next
	} else {
		i := c.timed % wheelSlots
		w.heads[i] = t.next
		if t.next == nil {
			w.used[i/64] &^= 1 << (i % 64)
		}
	}
	c.timer, c.timed = timer{}, 0
}

// advance takes out what is due up to the tick now, and returns it. The slice is
// valid until the next call.
func (w *wheel) advance(now uint32) []*Conn {
	w.fired = w.fired[:0]
	if now <= w.tick {
		return nil
	}
	first := w.tick + 1
	if now-first >= wheelSlots {
		first = now - wheelSlots + 1 // each slot once is enough
	}
	w.tick = now
	for t := first; t <= now; t++ {
		for c := w.heads[t%wheelSlots]; c != nil; {
			next := c.timer.next
			if c.timed <= now {
				w.unset(c)
				w.fired = append(w.fired, c)
			}
			c = next
		}
	}
	return w.fired
}

// ahead returns how many ticks after the last one a slot has entries: 1 to
// wheelSlots, or 0 where the wheel is empty. The entries may be those of a later
// round.
func (w *wheel) ahead() uint32 {
	const words = uint32(len(w.used))
	start := (w.tick + 1) % wheelSlots
	for n := uint32(0); n <= words; n++ {
		i := (start/64 + n) % words
		word := w.used[i]
		switch n {
		case 0:
			word &= ^uint64(0) << (start % 64)
		case words:
			word &= 1<<(start%64) - 1
		}
		if word != 0 {
			slot := i*64 + uint32(bits.TrailingZeros64(word))
			return (slot+wheelSlots-start)%wheelSlots + 1
		}
	}
	return 0
}
