package topic

import (
	"testing"
	"unsafe"

	"pgregory.net/rapid"
)

// TestTableAgainstModel adds, replaces, finds and removes at random, with
// hashes that fill few segments, or one tag, or one slot.
func TestTableAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mask := rapid.SampledFrom([]uint32{0xffffffff, 0xfff00000, 0x3ff00fff, 0xff, 0}).Draw(t, "mask")
		hashOf := func(id uint32) uint32 { return hashEdge(id%1_000_000, 0) & mask }
		var tab table
		model := map[uint32]bool{}
		live := func(id uint32) bool {
			for got, p := tab.probe(hashOf(id)).next(); got != 0; got, p = p.next() {
				if got == id {
					return true
				}
			}
			return false
		}
		many := 4000
		if mask <= 0xff {
			many = 300 // all in one chain
		}
		for range rapid.IntRange(1, 12).Draw(t, "rounds") {
			from := uint32(rapid.IntRange(1, many).Draw(t, "from"))
			n := uint32(rapid.IntRange(1, many).Draw(t, "n"))
			add := rapid.Bool().Draw(t, "add")
			for id := from; id < from+n; id++ {
				switch {
				case add && !model[id]:
					tab.insert(hashOf(id), id, hashOf)
					model[id] = true
				case !add && model[id]:
					tab.remove(hashOf(id), id, hashOf)
					delete(model, id)
				}
			}
			tab.check(t, hashOf)
			for id := uint32(1); id < uint32(2*many); id += 7 {
				if live(id) != model[id] {
					t.Fatalf("record %d is found: %v", id, !model[id])
				}
			}
			if len(tab.all()) != len(model) {
				t.Fatalf("%d records, want %d", len(tab.all()), len(model))
			}
		}
		for id := range model {
			tab.replace(hashOf(id), id, id+1_000_000) // has the same hash
			if live(id) || !live(id+1_000_000) {
				t.Fatalf("record %d was not replaced", id)
			}
		}
		tab.check(t, hashOf)
	})
}

// TestLineSize: a line is a cache line.
func TestLineSize(t *testing.T) {
	if n := unsafe.Sizeof(line{}); n != 64 {
		t.Errorf("%d bytes", n)
	}
}

// TestTableGrows: no insertion moves more than a segment, and after removals
// little memory is left.
func TestTableGrows(t *testing.T) {
	const n = 200_000
	var tab table
	moved := 0
	hashOf := func(id uint32) uint32 { moved++; return hashEdge(id, 1) }
	slots := func() (slots int) {
		var last *segment
		for _, s := range tab.dir {
			if s != last {
				slots += len(s.lines) * lineSlots
			}
			last = s
		}
		return slots
	}
	for id := uint32(1); id <= n; id++ {
		moved = 0
		tab.insert(hashEdge(id, 1), id, hashOf)
		if moved > 2*segmentMost*lineSlots {
			t.Fatalf("insertion %d moved %d records", id, moved)
		}
	}
	if got := slots(); got > n*3/2 {
		t.Errorf("%d slots for %d records", got, n)
	}
	for id := uint32(1); id < n; id++ {
		moved = 0
		tab.remove(hashEdge(id, 1), id, hashOf)
		if moved > 2*segmentMost*lineSlots {
			t.Fatalf("removal %d moved %d records", id, moved)
		}
	}
	if got := slots(); got > 2*lineSlots*len(tab.dir) {
		t.Errorf("%d slots in %d segments for one record", got, len(tab.dir))
	}
}
