package store

import (
	"testing"

	"pgregory.net/rapid"

	"alcove/internal/broker"
)

// spaces counts the keys of each kind that w sets and the deletions that it makes.
func spaces(w *memoryWrites) (set map[byte]int, deleted int) {
	set = map[byte]int{}
	for _, c := range w.list {
		if c.high != "" || c.value == nil {
			deleted++
		} else {
			set[c.key[prefixLen-1]]++
		}
	}
	return set, deleted
}

// TestStaged says which messages of a group are written: those that somebody waits for
// at its end.
func TestStaged(t *testing.T) {
	id := func(ticket, n uint64) broker.MessageID { return broker.MessageID(ticket<<broker.OrdinalBits | n) }
	both := func(n uint64) broker.Record { return publish(id(1, n), message("t", "x"), to(1, n), to(2, n)) }
	begin := []broker.Record{session(1), session(2)}
	for _, c := range []struct {
		name    string
		records []broker.Record
		written int // messages
		extra   int // keys of later entries
		deleted int // ranges: the session's own
	}{
		{"nobody has it yet", []broker.Record{both(1), both(2)}, 2, 0, 0},
		{"one of two has it", []broker.Record{both(1), acked(1, 1, id(1, 1))}, 1, 0, 0},
		{"both have it", []broker.Record{both(1), acked(1, 1, id(1, 1)), acked(2, 1, id(1, 1))}, 0, 0, 0},
		{"one of three is had", []broker.Record{both(1), both(2), both(3), acked(2, 2, id(1, 2)), acked(1, 2, id(1, 2))}, 2, 0, 0},
		{"its session ends", []broker.Record{
			publish(id(1, 1), message("t", "x"), to(1, 1)),
			{Kind: broker.KindSessionEnd, Top: 1, Account: 1, Owner: 1, IDs: []broker.MessageID{id(1, 1)}},
		}, 0, 0, 1},
		{"it has an entry of its own beside", []broker.Record{
			publish(id(1, 1), message("t", "x"), to(1, 1)),
			{Kind: broker.KindTarget, Top: 1, Account: 1, ID: id(1, 1), Targets: []broker.Target{to(2, 1)}},
			acked(1, 1, id(1, 1)), acked(2, 1, id(1, 1)),
		}, 1, 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, w := newState(&defaultFreeing, discard), &memoryWrites{}
			s.apply(w, &broker.Batch{Ticket: 1, Records: append(begin[:2:2], c.records...)})
			s.flush(w)
			set, deleted := spaces(w)
			if set[spaceMessage] != c.written || set[spaceTarget] != c.written+c.extra || deleted != c.deleted {
				t.Errorf("%d bodies, %d entries, %d deletions; want %d, %d, %d",
					set[spaceMessage], set[spaceTarget], deleted, c.written, c.written+c.extra, c.deleted)
			}
			if len(s.staged) != 0 || s.stagedBytes != 0 {
				t.Errorf("%d messages of %d bytes are left", len(s.staged), s.stagedBytes)
			}
		})
	}
}

// TestStagedLater acknowledges a message in the group after its own: that one deletes
// it with its segment.
func TestStagedLater(t *testing.T) {
	s, w := newState(&freeing{messages: 1, bytes: 1 << 20, idle: 1 << 20, sweep: 1 << 20, allowance: 1 << 20}, discard), &memoryWrites{}
	m := broker.MessageID(1 << broker.OrdinalBits)
	s.apply(w, &broker.Batch{Ticket: 1, Records: []broker.Record{session(1), publish(m, message("t", "x"), to(1, 1))}})
	s.flush(w)
	later := &memoryWrites{}
	s.apply(later, &broker.Batch{Ticket: 2, Records: []broker.Record{acked(1, 1, m)}})
	s.flush(later)
	if set, deleted := spaces(later); deleted != 2 || set[spaceMessage] != 0 {
		t.Errorf("%d deletions and %d bodies, want 2 and none", deleted, set[spaceMessage])
	}
	if len(s.trees) != 0 || s.liveBytes != 0 || s.deadBytes != 0 {
		t.Errorf("%d trees, %d and %d bytes are left", len(s.trees), s.liveBytes, s.deadBytes)
	}
}

// TestGrouping applies random histories in groups of random length: what is loaded then
// is what a group for each batch would have left, and the sums of the state are those
// of its segments.
func TestGrouping(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := &memoryEngine{}
		s := newState(&eager, discard)
		a := &author{m: newModel(), seqs: map[broker.OwnerID]uint64{}, late: map[broker.OwnerID][]uint64{}}
		var steps []step
		w := e.begin()
		end := func() {
			s.flush(w)
			if err := e.commit(w, true); err != nil {
				t.Fatalf("%v", err)
			}
			w = e.begin()
			checkSums(t, s)
		}
		for range rapid.IntRange(1, 40).Draw(t, "batches") {
			b := &broker.Batch{Ticket: a.m.ticket + 1}
			for i := range rapid.IntRange(1, 12).Draw(t, "records") {
				r := a.record(t, broker.MessageID(b.Ticket<<broker.OrdinalBits|uint64(i)))
				b.Records = append(b.Records, r)
				a.m.record(&r)
			}
			steps = append(steps, b)
			a.m = replay(steps)
			s.apply(w, b)
			if rapid.IntRange(0, 5).Draw(t, "end") == 0 {
				end()
			}
		}
		end()
		a.m.reopened()
		loaded := start(e, newFault(discard), &eager, discard)
		checkAll(t, loaded, a.m, "in groups")
		closeStore(t, loaded)
	})
}

// checkSums compares what a state has added up with its segments.
func checkSums(t *rapid.T, s *state) {
	live, dead := int64(0), int64(0)
	for top, tree := range s.trees {
		last := broker.MessageID(0)
		for _, g := range tree.segments {
			n, bytes, liveBytes := 0, int64(0), int64(0)
			for i, refs := range g.refs {
				if refs == struck || i > 0 && g.ids[i] <= g.ids[i-1] {
					t.Fatalf("tree %d: message %d out of order or struck", top, g.ids[i])
				}
				bytes += int64(g.sizes[i])
				if refs > 0 {
					n++
					liveBytes += int64(g.sizes[i])
				}
			}
			if g.gone || len(g.ids) == 0 || g.first() <= last || g.live != n || g.bytes != bytes || g.liveBytes != liveBytes {
				t.Fatalf("tree %d: a segment from %d on says %d live, %d of %d bytes; it has %d, %d of %d",
					top, g.first(), g.live, g.liveBytes, g.bytes, n, liveBytes, bytes)
			}
			last = g.last()
			live, dead = live+liveBytes, dead+bytes-liveBytes
		}
	}
	if live != s.liveBytes || dead != s.deadBytes {
		t.Fatalf("%d bytes live and %d dead, the segments hold %d and %d", s.liveBytes, s.deadBytes, live, dead)
	}
}
