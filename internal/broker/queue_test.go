package broker

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"alcove/internal/mqtt"
)

// queueFrom returns a queue whose next position is seq.
func queueFrom(seq uint64) *queue { return &queue{nextSeq: seq} }

// add appends n entries of the given size, whose messages are in memory.
func (q *queue) add(n int, size uint32) {
	for range n {
		q.push(entry{msg: &Message{}, size: size, qos: mqtt.QoS1})
	}
}

// send hands on n entries, as a session does.
func (q *queue) send(n int) {
	for range n {
		q.choosePacketID(&q.items[q.next])
		q.take()
	}
}

func TestPacketID(t *testing.T) {
	for _, c := range []struct {
		seq  uint64
		want uint16
	}{
		{1, 1}, {2, 2}, {65534, 65534}, {65535, 65535}, {65536, 1}, {65537, 2},
		{2 * 65535, 65535}, {2*65535 + 1, 1}, {1 << 40, uint16((uint64(1)<<40-1)%65535) + 1},
	} {
		if got := PacketID(c.seq); got != c.want {
			t.Errorf("PacketID(%d) = %d, want %d", c.seq, got, c.want)
		}
	}
}

// Each entry in flight is found by its identifier, and nothing by any other, in
// windows that begin anywhere on the circle of identifiers [MQTT-2.2.1-4].
func TestFindPacket(t *testing.T) {
	for _, c := range []struct {
		name  string
		first uint64
		sent  int
		wait  int
		done  []uint64 // positions behind first
	}{
		{"nothing", 1, 0, 3, nil},
		{"from the beginning", 1, 10, 3, nil},
		{"over the wrap", 65530, 12, 3, nil},
		{"over a later wrap", 7*65535 - 3, 9, 0, nil},
		{"at the wrap", 65535, 2, 2, nil},
		{"behind the wrap", 65536, 2, 2, nil},
		{"holes", 65530, 12, 3, []uint64{1, 4, 5, 6, 11}},
		{"a hole at the head", 65530, 12, 3, []uint64{0, 1, 2}},
		{"a whole window", 40_000, 65_535, 5, nil},
		{"a whole window with holes", 40_000, 65_535, 5, []uint64{10, 65_000}},
		{"all gone", 65530, 4, 0, []uint64{0, 1, 2, 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := queueFrom(c.first)
			q.add(c.sent+c.wait, 1)
			q.send(c.sent)
			for _, d := range c.done {
				q.done(q.find(c.first + d))
			}
			want := map[uint16]uint64{}
			for i := range uint64(c.sent) {
				if !slices.Contains(c.done, i) {
					want[PacketID(c.first+i)] = c.first + i
				}
			}
			for pid := range 1 << 16 {
				e := q.findPacket(uint16(pid))
				switch seq, ok := want[uint16(pid)]; {
				case !ok && e != nil && pid != 0:
					t.Fatalf("%d is found at %d", pid, e.seq)
				case ok && (e == nil || e.seq != seq):
					t.Fatalf("%d of position %d: %+v", pid, seq, e)
				}
			}
		})
	}
}

// An identifier that is still in use is not used again; the entry gets another
// one, keeps it over a rewind, and gives it back [MQTT-2.2.1-4] [MQTT-4.4.0-1].
func TestOddIdentifiers(t *testing.T) {
	for _, first := range []uint64{1, 65_535} { // 65,535 has none behind it but 1
		t.Run(fmt.Sprint(first), func(t *testing.T) {
			q := queueFrom(first)
			q.add(3, 1) // they stay for a whole turn of the circle
			q.send(3)
			q.nextSeq = first + 65_535
			q.add(4, 1)
			q.send(4)
			seen := map[uint16]bool{}
			var odd []uint64
			for _, e := range q.items {
				if seen[e.packetID()] || e.packetID() == 0 {
					t.Fatalf("position %d has identifier %d", e.seq, e.packetID())
				}
				seen[e.packetID()] = true
				if e.pid != 0 {
					odd = append(odd, e.seq)
				}
				if f := q.findPacket(e.packetID()); f == nil || f.seq != e.seq {
					t.Fatalf("%d is found at %+v, not at %d", e.packetID(), f, e.seq)
				}
			}
			if len(odd) != q.odd || len(odd) < 3 {
				t.Fatalf("%d odd ones, counted %d", len(odd), q.odd)
			}
			ids := map[uint64]uint16{}
			for _, e := range q.items {
				ids[e.seq] = e.packetID()
			}
			q.rewind()
			if q.findPacket(ids[first]) != nil {
				t.Fatal("found while nothing is in flight")
			}
			q.send(7)
			for seq, id := range ids {
				if e := q.findPacket(id); e == nil || e.seq != seq {
					t.Fatalf("after a rewind %d is at %+v, not at %d", id, e, seq)
				}
			}
			for _, seq := range odd {
				q.done(q.find(seq))
			}
			if q.odd != 0 {
				t.Fatalf("%d odd ones are left", q.odd)
			}
		})
	}
}

// A reading takes the next entries without a message, up to its bounds, never
// past one that is open.
func TestWanted(t *testing.T) {
	for _, c := range []struct {
		name string
		size uint32
		n    int
		open int // -1 none
		want int
	}{
		{"a few", 10, 5, -1, 5},
		{"up to the entries", 10, 3 * pageEntries, -1, pageEntries},
		{"up to the bytes", pageBytes / 4, 20, -1, 4},
		{"one that is larger", 2 * pageBytes, 3, -1, 1},
		{"not past an open one", 10, 20, 7, 7},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := &queue{}
			q.add(2, c.size) // in memory, in flight
			q.send(2)
			for i := range c.n {
				e := q.push(entry{id: MessageID(i + 1), size: c.size, qos: mqtt.QoS1})
				if i == c.open {
					e.flags |= entryOpen
				}
			}
			seqs, ids := q.wanted()
			if len(seqs) != c.want || len(ids) != c.want {
				t.Fatalf("%d wanted, not %d", len(seqs), c.want)
			}
			found := map[MessageID]*Message{}
			for i, id := range ids {
				if id != MessageID(i+1) || seqs[i] != uint64(i+3) {
					t.Fatalf("place %d: message %d at %d", i, id, seqs[i])
				}
				if i > 0 {
					found[id] = &Message{}
				}
			}
			// The first is not in the store any more.
			if missing := q.arrived(seqs, found); !slices.Equal(missing, seqs[:1]) {
				t.Fatalf("missing: %v", missing)
			}
			if want := int64(c.want-1) * int64(c.size); q.resident != want {
				t.Fatalf("%d bytes resident, want %d", q.resident, want)
			}
			if again, _ := q.wanted(); len(again) == 0 || again[0] != seqs[0] || len(again) > 1 && again[1] <= seqs[len(seqs)-1] {
				t.Fatalf("wanted next: %v", again)
			}
		})
	}
}

// A backlog's memory goes while the last entries are still there.
func TestQueueLetsRoomGo(t *testing.T) {
	q := &queue{}
	q.add(50_000, 1)
	q.send(50_000)
	for seq := uint64(1); seq < 50_000; seq++ {
		q.done(q.find(seq))
	}
	if q.find(50_000) == nil || q.findPacket(PacketID(50_000)) == nil || cap(q.items) > 2048 {
		t.Fatalf("%d left, room for %d", q.left(), cap(q.items))
	}
}

// TestQueueModel compares a queue with a list that is searched from its front. A
// session's has identifiers and is rewound, a group's takes entries back.
func TestQueueModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := queueFrom(rapid.Uint64Range(1, 70_000).Draw(t, "first"))
		grouped := rapid.Bool().Draw(t, "of a group")
		var list, gone []*naiveEntry
		pick := func(keep func(*naiveEntry) bool) *naiveEntry {
			var some []*naiveEntry
			for _, e := range list {
				if keep(e) {
					some = append(some, e)
				}
			}
			if len(some) == 0 {
				return nil
			}
			return some[rapid.IntRange(0, len(some)-1).Draw(t, "which")]
		}
		for range rapid.IntRange(0, 300).Draw(t, "steps") {
			switch rapid.IntRange(0, 8).Draw(t, "step") {
			case 0, 1:
				size := rapid.Uint32Range(1, 9).Draw(t, "size")
				for range rapid.IntRange(1, 40).Draw(t, "many") {
					list = append(list, &naiveEntry{seq: q.push(entry{msg: &Message{}, size: size}).seq, size: int64(size)})
				}
			case 2, 3: // hand on
				for range rapid.IntRange(1, 30).Draw(t, "many") {
					i := slices.IndexFunc(list, func(e *naiveEntry) bool { return !e.taken })
					q.skip()
					if i < 0 {
						if q.next != len(q.items) {
							t.Fatalf("%+v waits", q.items[q.next])
						}
						break
					}
					if !grouped {
						q.choosePacketID(&q.items[q.next])
					}
					e := q.take()
					if e.seq != list[i].seq {
						t.Fatalf("%d is handed on, not %d", e.seq, list[i].seq)
					}
					list[i].taken, list[i].pid = true, e.packetID()
				}
			case 4, 5: // settle
				for range rapid.IntRange(1, 30).Draw(t, "many") {
					e := pick(func(*naiveEntry) bool { return true })
					if e == nil {
						break
					}
					q.done(q.find(e.seq))
					list = slices.DeleteFunc(list, func(x *naiveEntry) bool { return x == e })
					gone = append(gone, e)
				}
			case 6:
				if !grouped {
					q.rewind()
					for _, e := range list {
						e.taken = false
					}
				} else if e := pick(func(e *naiveEntry) bool { return e.taken }); e != nil {
					q.untake(q.find(e.seq))
					e.taken = false
				}
			case 7: // hand on out of turn
				if e := pick(func(e *naiveEntry) bool { return !e.taken }); grouped && e != nil {
					q.takeOut(q.find(e.seq))
					e.taken = true
				}
			case 8: // back into its old place
				if n := rapid.IntRange(0, min(len(gone), 20)).Draw(t, "back"); grouped && n > 0 {
					back := gone[len(gone)-n:]
					gone = gone[:len(gone)-n]
					slices.SortFunc(back, func(a, b *naiveEntry) int { return cmp.Compare(a.seq, b.seq) })
					var entries []entry
					for _, e := range back {
						e.taken = false
						entries = append(entries, entry{seq: e.seq, msg: &Message{}, size: uint32(e.size)})
					}
					q.reinsert(entries)
					list = append(list, back...)
					slices.SortFunc(list, func(a, b *naiveEntry) int { return cmp.Compare(a.seq, b.seq) })
				}
			}
			compareQueue(t, q, list, grouped)
		}
	})
}

type naiveEntry struct {
	seq   uint64
	size  int64
	pid   uint16
	taken bool
}

func compareQueue(t *rapid.T, q *queue, list []*naiveEntry, grouped bool) {
	var bytes, inflightBytes, resident int64
	inflight := 0
	pids := map[uint16]bool{}
	for _, e := range list {
		got := q.find(e.seq)
		if got == nil || got.seq != e.seq || got.is(entryTaken) != e.taken {
			t.Fatalf("position %d: %+v", e.seq, got)
		}
		bytes += e.size
		if !e.taken {
			resident += e.size
			continue
		}
		inflight++
		inflightBytes += e.size
		if grouped {
			continue
		}
		if pids[e.pid] {
			t.Fatalf("identifier %d is given twice", e.pid)
		}
		pids[e.pid] = true
		if f := q.findPacket(e.pid); f == nil || f.seq != e.seq {
			t.Fatalf("identifier %d of %d: %+v", e.pid, e.seq, f)
		}
	}
	if q.left() != len(list) || q.inflight != inflight || q.bytes != bytes || q.inflightBytes != inflightBytes || q.resident != resident {
		t.Fatalf("left %d of %d, inflight %d of %d, bytes %d of %d, inflight %d of %d, resident %d of %d", q.left(), len(list),
			q.inflight, inflight, q.bytes, bytes, q.inflightBytes, inflightBytes, q.resident, resident)
	}
	if len(q.items) > 4*len(list)+512 {
		t.Fatalf("%d places for %d entries", len(q.items), len(list))
	}
}

// Answers leave in the order in which they were pushed, however the line grows
// and shrinks [EXT-SES-4].
func TestAcksOrder(t *testing.T) {
	var f acks
	pushed, popped := uint16(0), uint16(0)
	for round := range 200 {
		for range round%7 + round%3*40 {
			pushed++
			f.push(answer{pid: pushed})
		}
		for range round%5 + round%2*60 {
			if f.empty() {
				break
			}
			popped++
			if x := f.items[f.head]; x.pid != popped {
				t.Fatalf("%d leaves, not %d", x.pid, popped)
			}
			f.pop()
		}
		if n := len(f.items) - f.head; n != int(pushed-popped) || len(f.items) > 2*n+64 {
			t.Fatalf("%d places for %d answers", len(f.items), pushed-popped)
		}
	}
	if popped < 1000 {
		t.Fatalf("only %d were popped", popped)
	}
}
