package store

import (
	"cmp"
	"math"
	"math/bits"
	"slices"

	"alcove/internal/auth"
	"alcove/internal/broker"
)

// Messages are staged until the group that they are in is handed over, and only those
// that somebody still waits for are written: a message that its receivers acknowledged
// while the group was open never was. A receiver that is connected answers within a
// millisecond or two, about as long as the commit before takes: with 1,000 publishers
// and one to five messages in flight each, 35 to 58 of 100 end here (with twenty, 5).
// They cost neither the log nor the memtable nor a tombstone.
//
// What is left is written by growing key, all queue entries and then all bodies:
// Pebble's memtable looks for a key's place from where the last one went, so one that
// follows it costs a comparison or two, and one that alternates with another space a
// search from the top (a tenth of the broker's time at 100,000 messages a second).
//
// A message in a segment with keys of its own for later entries (KindTarget) is
// written in any case: those keys stand in the group already, and a start would find
// them without it.

// staged is a message of the open group.
type staged struct {
	top     auth.AccountID
	id      broker.MessageID
	message *broker.Message
	targets []broker.Target
}

// struck, in segment.refs, marks a message that is to be forgotten: it was never
// written.
const struck = math.MaxUint32

// stage takes a message with its entries into the open group. Both stay as they are
// until the group is done.
func (s *state) stage(x staged, size int) {
	if n := len(s.staged); n > 0 && compareStaged(&x, &s.staged[n-1]) < 0 {
		s.unsorted = true
	}
	s.staged = append(s.staged, x)
	s.stagedBytes += size
}

func compareStaged(a, b *staged) int {
	return cmp.Or(cmp.Compare(a.top, b.top), cmp.Compare(a.id, b.id))
}

// seal writes the staged messages that are referred to, and forgets the others.
func (s *state) seal(w writes) {
	if s.unsorted {
		slices.SortFunc(s.staged, func(a, b staged) int { return compareStaged(&a, &b) })
	}
	live := s.staged[:0]
	for i := 0; i < len(s.staged); {
		end := i + 1
		for end < len(s.staged) && s.staged[end].top == s.staged[i].top {
			end++
		}
		live = s.sift(live, s.staged[i:end])
		i = end
	}
	for i := range live {
		x := &live[i]
		s.buf.value = appendEntries(s.buf.value[:0], x.message, x.targets)
		s.buf.key = appendMessageKey(s.buf.key[:0], x.top, spaceTarget, x.id)
		w.set(s.buf.key, s.buf.value)
	}
	for i := range live {
		x := &live[i]
		s.buf.value = appendMessage(s.buf.value[:0], x.message)
		s.buf.key = appendMessageKey(s.buf.key[:0], x.top, spaceMessage, x.id)
		w.set(s.buf.key, s.buf.value)
	}
	clear(s.staged)
	s.staged, s.stagedBytes, s.unsorted = s.staged[:0], 0, false
	if cap(s.staged) > stagedKept {
		s.staged = nil
	}
}

// stagedKept is how many places for staged messages are kept from one group to the
// next.
const stagedKept = 1 << 14

// sift appends those of run, messages of one tree by growing id, that are to be
// written to live, which may lie before them in the same array. The others leave their
// segments.
func (s *state) sift(live, run []staged) []staged {
	t := s.trees[run[0].top]
	if t == nil {
		return live // all freed
	}
	var (
		g     *segment
		at    int
		dying []*segment
	)
	for _, x := range run {
		if at++; g == nil || at >= len(g.ids) || g.ids[at] != x.id {
			var ok bool
			if g, at, ok = t.at(x.id); !ok {
				g = nil
				continue // freed with its segment
			}
		}
		if g.refs[at] > 0 || g.extra {
			live = append(live, x)
			continue
		}
		g.refs[at] = struck
		if n := len(dying); n == 0 || dying[n-1] != g {
			dying = append(dying, g)
		}
	}
	for _, g := range dying {
		s.deadBytes -= t.strike(g)
	}
	for _, g := range dying { // joining looks at neighbours, which are to be struck by then
		t.settle(g)
	}
	if len(t.segments) == 0 {
		delete(s.trees, t.top)
	}
	return live
}

// strike forgets the struck messages of g. It tells how many bytes they were to take.
func (t *tree) strike(g *segment) (bytes int64) {
	kept := 0
	for i, refs := range g.refs {
		if refs == struck {
			bytes += int64(g.sizes[i])
			continue
		}
		g.ids[kept], g.refs[kept], g.sizes[kept] = g.ids[i], refs, g.sizes[i]
		kept++
	}
	g.ids, g.refs, g.sizes = g.ids[:kept], g.refs[:kept], g.sizes[:kept]
	g.bytes -= bytes
	return bytes
}

// settle brings the list of segments in order after g has lost messages: the last one
// takes more again, one that is empty goes, and small ones join.
func (t *tree) settle(g *segment) {
	if g.gone {
		return // joined to the one before
	}
	at := len(t.segments) - 1
	for t.segments[at] != g { // it is one of the last
		at--
	}
	switch {
	case len(g.ids) == 0:
		g.gone = true
		t.segments = slices.Delete(t.segments, at, at+1)
	case at == len(t.segments)-1:
		g.full = len(g.ids) >= t.freeing.messages || g.bytes >= t.freeing.bytes
	default:
		g.ids, g.refs, g.sizes = shrink(g.ids, len(g.ids)), shrink(g.refs, len(g.refs)), shrink(g.sizes, len(g.sizes))
		t.join(at)
		t.join(at - 1)
	}
}

// entriesSize is how many bytes appendEntries appends.
func entriesSize(m *broker.Message, targets []broker.Target) int {
	n := 1 + uvarintSize(uint64(rawSize(m))) + varintSize(m.Expires) +
		uvarintSize(uint64(len(m.Topic))) + len(m.Topic) + uvarintSize(uint64(len(targets)))
	for i := range targets {
		x := &targets[i]
		n += 1 + uvarintSize(uint64(x.Owner)) + uvarintSize(x.Seq) + uvarintSize(uint64(len(x.SubscriptionIDs)))
		for _, id := range x.SubscriptionIDs {
			n += uvarintSize(uint64(id))
		}
	}
	return n
}

func uvarintSize(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

func varintSize(v int64) int { return uvarintSize(uint64(v<<1 ^ v>>63)) }
