package broker

import "slices"

// waits is one entry of a group's queue that waits in a lane: its position, and
// the slot of its fingerprint where the group is sticky. They sort by position.
type waits uint64

const slotBits = 14

func waitsAt(seq uint64, slot uint16) waits { return waits(seq<<slotBits | uint64(slot)) }

func (w waits) seq() uint64  { return uint64(w >> slotBits) }
func (w waits) slot() uint16 { return uint16(w & (1<<slotBits - 1)) }

// A lane is what waits for one member of a group, in order of position. It may name
// entries that have gone since; whoever comes to them leaves them out.
type lane struct {
	items []waits
	head  int
	drops uint64 // Group.drops when the front was last cleared of those that have gone
}

func (l *lane) left() int { return len(l.items) - l.head }

// first returns what is next, if anything waits.
func (l *lane) first() (w waits, ok bool) {
	if l.head == len(l.items) {
		return 0, false
	}
	return l.items[l.head], true
}

func (l *lane) pop() {
	l.head++
	switch {
	case l.head == len(l.items):
		l.items, l.head = l.items[:0], 0
		if cap(l.items) > 64 {
			l.items = nil
		}
	case l.head > 1024 && l.head*2 > len(l.items):
		l.items, l.head = slices.Clone(l.items[l.head:]), 0
	}
}

// insert puts w in its place, mostly at the end.
func (l *lane) insert(w waits) {
	if n := len(l.items); n == l.head || l.items[n-1] < w {
		l.items = append(l.items, w)
		return
	}
	i, _ := slices.BinarySearch(l.items[l.head:], w)
	l.items = slices.Insert(l.items, l.head+i, w)
}

// merge puts many in their places; more is in order and not kept.
func (l *lane) merge(more []waits) {
	mine := l.items[l.head:]
	if len(more) == 0 {
		return
	}
	if len(mine) == 0 || mine[len(mine)-1] < more[0] {
		l.items = append(l.items, more...)
		return
	}
	merged := make([]waits, 0, len(mine)+len(more))
	for len(mine) > 0 && len(more) > 0 {
		if mine[0] < more[0] {
			merged, mine = append(merged, mine[0]), mine[1:]
		} else {
			merged, more = append(merged, more[0]), more[1:]
		}
	}
	l.items, l.head = append(append(merged, mine...), more...), 0
}

// take empties the lane and returns what waited.
func (l *lane) take() []waits {
	items := l.items[l.head:]
	l.items, l.head = nil, 0
	return items
}

// clear drops from the front of a lane what the queue's bound has thrown out, so
// that a lane which nobody empties grows no longer than the queue. Under g.mu.
func (g *Group) clear(l *lane) {
	if l.drops == g.drops {
		return
	}
	l.drops = g.drops
	for w, ok := l.first(); ok && g.queue.find(w.seq()) == nil; w, ok = l.first() {
		l.pop()
	}
}
