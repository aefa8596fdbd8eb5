package store

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"alcove/internal/broker"
)

// naive is a queue's state as one map: what became of each position.
type naive struct {
	next, sent uint64
	fate       map[uint64]string // "waits", "released", "settled"; none where it never came
	ids        map[uint64]uint16 // of waiting and of released ones
	gaps       []uint64
}

func (n *naive) settled(seq uint64) bool {
	return seq < n.next && n.fate[seq] != "waits" && n.fate[seq] != "released"
}

// reach leaps to seq; the last maxGaps positions leapt over may still come.
func (n *naive) reach(seq uint64) {
	for gap := n.next; gap < seq; gap++ {
		n.gaps = append(n.gaps, gap)
	}
	n.gaps = n.gaps[max(0, len(n.gaps)-maxGaps):]
	n.next = seq + 1
}

func (n *naive) fill(seq uint64) bool {
	i, was := slices.BinarySearch(n.gaps, seq)
	if was {
		n.gaps = slices.Delete(n.gaps, i, i+1)
	}
	return was
}

// step applies one random step to both, and compares what they say of it.
func (n *naive) step(t *rapid.T, o *owner) {
	seq := n.position(t)
	id := uint16(0)
	if rapid.IntRange(0, 3).Draw(t, "own id") == 0 {
		id = uint16(rapid.IntRange(1, 65535).Draw(t, "id"))
	}
	switch rapid.SampledFrom([]string{"enter", "enter", "enter", "settle", "settle", "settle", "release", "sent", "rewrite"}).Draw(t, "step") {
	case "enter":
		want := seq >= n.next
		if want {
			n.reach(seq)
		} else {
			want = n.fill(seq)
		}
		if want {
			n.fate[seq] = "waits"
		}
		if got := o.enter(seq); got != want {
			t.Fatalf("enter(%d) = %v", seq, got)
		}
	case "settle":
		want := n.fate[seq] == "waits"
		if seq >= n.next {
			n.reach(seq)
		}
		n.fill(seq)
		n.fate[seq] = "settled"
		delete(n.ids, seq)
		if got := o.settle(seq); got != want {
			t.Fatalf("settle(%d) = %v", seq, got)
		}
	case "release":
		want := n.fate[seq] == "waits"
		if want {
			n.fate[seq] = "released"
			n.sent = max(n.sent, seq)
			n.setID(seq, id)
		}
		if got := o.release(seq, id); got != want {
			t.Fatalf("release(%d) = %v", seq, got)
		}
	case "sent":
		n.sent = max(n.sent, seq)
		if n.fate[seq] == "waits" {
			n.setID(seq, id)
		}
		o.setSent(seq, id)
	case "rewrite":
		n.gaps = nil
		*o = *rewritten(t, o)
	}
}

func (n *naive) setID(seq uint64, id uint16) {
	if id != 0 {
		n.ids[seq] = id
	}
	if id == broker.PacketID(seq) {
		delete(n.ids, seq)
	}
}

// position draws one near the end, near the oldest that waits, or anywhere.
func (n *naive) position(t *rapid.T) uint64 {
	oldest := n.next
	for seq, fate := range n.fate {
		if fate != "settled" {
			oldest = min(oldest, seq)
		}
	}
	switch rapid.SampledFrom([]string{"next", "leap", "gap", "oldest", "any"}).Draw(t, "where") {
	case "leap":
		return n.next + uint64(rapid.SampledFrom([]int{1, 2, 70, 300, 1023, 1024, 3000}).Draw(t, "far"))
	case "gap":
		if len(n.gaps) > 0 {
			return rapid.SampledFrom(n.gaps).Draw(t, "gap")
		}
	case "oldest":
		return oldest + uint64(rapid.IntRange(0, 3).Draw(t, "near"))
	case "any":
		return rapid.Uint64Range(0, n.next).Draw(t, "any")
	}
	return n.next
}

// rewritten is what a restart makes of o. The engine keeps pages between calls.
func rewritten(t *rapid.T, o *owner) *owner {
	e := engineOf(o)
	w := e.begin()
	o.write(w, nil, nil)
	if err := e.commit(w, true); err != nil {
		t.Fatalf("%v", err)
	}
	back := &owner{top: o.top, account: o.account, id: o.id, held: o.held} // which Load counts
	low, high := appendOwnerKey(nil, o.top, o.account, o.id), appendOwnerKey(nil, o.top, o.account, o.id+1)
	err := e.scan(low, high, func(key []byte, value func() ([]byte, error)) ([]byte, error) {
		k, err := parseKey(key)
		if err != nil {
			return nil, err
		}
		_, part, rest, err := k.owner()
		if err != nil {
			return nil, err
		}
		v, _ := value()
		if part == partState {
			return nil, back.readState(v)
		}
		if len(v) > 8<<10 {
			t.Fatalf("a page of %d bytes", len(v))
		}
		return nil, back.readPage(pageNumber(rest), v)
	})
	if err != nil {
		t.Fatalf("%v", err)
	}
	disks[back] = e
	delete(disks, o)
	return back
}

// disks are where the owners of the test at hand are written.
var disks map[*owner]*memoryEngine

func engineOf(o *owner) *memoryEngine {
	if disks[o] == nil {
		disks[o] = &memoryEngine{}
	}
	return disks[o]
}

// TestOwner drives a queue's state through random steps over many pages, with
// rewrites, and compares it with a map.
func TestOwner(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		disks = map[*owner]*memoryEngine{}
		o := &owner{top: 1, account: 2, id: 3}
		engine := engineOf(o)
		n := &naive{fate: map[uint64]string{}, ids: map[uint64]uint16{}}
		for range rapid.IntRange(1, 120).Draw(t, "steps") {
			n.step(t, o)
			disks[o] = engine
			n.compare(t, o)
		}
	})
}

func (n *naive) compare(t *rapid.T, o *owner) {
	want := broker.QueueState{Next: n.next, Sent: n.sent}
	var waiting []uint64
	for _, seq := range slices.Sorted(maps.Keys(n.fate)) {
		if seq >= n.next {
			continue
		}
		switch e := (broker.SentEntry{Seq: seq, PacketID: n.ids[seq]}); {
		case n.fate[seq] == "released":
			want.Released = append(want.Released, e)
		case n.fate[seq] == "waits":
			waiting = append(waiting, seq)
			if e.PacketID != 0 {
				want.Identifiers = append(want.Identifiers, e)
			}
		}
	}
	if o.held != len(waiting) {
		t.Fatalf("%d held, while %v wait", o.held, waiting)
	}
	got := o.queueState()
	if got.Next != want.Next || got.Sent != want.Sent || !slices.Equal(got.Released, want.Released) || !slices.Equal(got.Identifiers, want.Identifiers) {
		t.Fatalf("state %+v, want %+v", got, want)
	}
	seq := o.nextWaiting(0)
	for _, w := range waiting {
		if seq != w {
			t.Fatalf("waiting %d, want %d of %v", seq, w, waiting)
		}
		seq = o.nextWaiting(seq + 1)
	}
	if seq != n.next {
		t.Fatalf("waiting %d beyond %v", seq, waiting)
	}
	for number, p := range o.pages {
		if p.empty() && !p.stored {
			t.Fatalf("page %d says nothing", number)
		}
	}
}

// TestOwnerSmall looks at what a queue costs whose entries are acknowledged in order,
// and every other one: its value stays small, and pages behind the floor go.
func TestOwnerSmall(t *testing.T) {
	for _, step := range []uint64{1, 2} {
		e := &memoryEngine{}
		o := &owner{top: 1, account: 1, id: 1}
		var value []byte
		for seq := uint64(1); seq <= 40_000; seq++ {
			o.enter(seq)
			if seq%step == 0 {
				o.settle(seq)
			}
			if seq%500 == 0 {
				w := e.begin()
				_, value = o.write(w, nil, value)
				if err := e.commit(w, false); err != nil {
					t.Fatal(err)
				}
				for _, c := range w.(*memoryWrites).list {
					if len(c.value) > 3*pageSize {
						t.Fatalf("one write of %d bytes", len(c.value))
					}
				}
			}
		}
		if step == 1 && (e.m.Len() != 1 || len(o.pages) != 0) {
			t.Fatalf("%d keys and %d pages of an empty queue", e.m.Len(), len(o.pages))
		}
		for seq := uint64(1); seq <= 40_000; seq += 2 {
			o.settle(seq)
		}
		w := e.begin()
		o.write(w, nil, nil)
		if err := e.commit(w, false); err != nil {
			t.Fatal(err)
		}
		if e.m.Len() != 1 || len(o.pages) != 0 || o.floor != 40_001 {
			t.Fatalf("%d keys, %d pages, floor %d", e.m.Len(), len(o.pages), o.floor)
		}
	}
}

// TestOwnerBounds looks at positions that are too far out to be true.
func TestOwnerBounds(t *testing.T) {
	o := &owner{}
	if !o.enter(1<<60) || o.enter(1<<61) || !o.enter(1<<60+1) {
		t.Fatal("an empty queue may begin anywhere, one that is not may not leap")
	}
	if len(o.gaps) > maxGaps || len(o.pages) > 1 {
		t.Fatalf("%d gaps, %d pages", len(o.gaps), len(o.pages))
	}
	if o.settle(1<<62) || o.next != 1<<60+2 {
		t.Fatal("an acknowledgement from nowhere moves the queue")
	}
	if o.enter(^uint64(0)) {
		t.Fatal("the last position has no successor")
	}
	if o.enter(5) {
		t.Fatal("a position below all gaps is used again")
	}
}
