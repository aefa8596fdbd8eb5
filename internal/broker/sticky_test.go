package broker

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// stickyGroup makes a sticky group with n online members, whose sessions are
// numbered from 1.
func stickyGroup(n int) *Group {
	g := &Group{members: map[*Session]*member{}, sticky: &sticky{count: 1}}
	for i := range n {
		g.enrol(OwnerID(i + 1))
	}
	return g
}

func (g *Group) enrol(id OwnerID) *member {
	m := &member{s: &Session{id: id}, sub: &Subscription{}, place: -1, name: mix(uint64(id))}
	g.members[m.s] = m
	g.setOnline(m, true)
	return m
}

// owners lists who owns each slot.
func (g *Group) owners() []*member {
	list := make([]*member, stickySlots)
	for slot := range list {
		list[slot] = g.owner(uint16(slot))
	}
	return list
}

// The fingerprint is the words as they are cut by a naive reader [EXT-SHR-4].
func TestFingerprint(t *testing.T) {
	for _, c := range []struct {
		topic       string
		from, count int
		want        string
	}{
		{"a/b/c", 0, 1, "a"},
		{"a/b/c", 0, 2, "a/b"},
		{"a/b/c", 1, 2, "b/c"},
		{"a/b/c", 1, 65_535, "b/c"},
		{"a/b/c", 2, 1, "c"},
		{"a/b/c", 3, 1, ""},
		{"a/b/c", 65_535, 65_535, ""},
		{"a", 0, 3, "a"},
		{"a/", 0, 3, "a"},
		{"a//", 0, 3, "a"},
		{"a//", 0, 2, "a"},
		{"a//c", 0, 2, "a"},
		{"a//c", 0, 3, "a//c"},
		{"/b", 0, 1, ""},
		{"/b", 0, 2, "/b"},
		{"b", 0, 2, "b"},
		{"/", 0, 2, ""},
		{"", 0, 1, ""},
		{"//x", 1, 2, "/x"},
		{"//x", 2, 1, "x"},
	} {
		if got := string(fingerprint([]byte(c.topic), c.from, c.count)); got != c.want {
			t.Errorf("%q [%d, +%d): %q, want %q", c.topic, c.from, c.count, got, c.want)
		}
	}
}

// Two topics have one fingerprint exactly when their words are the same, missing
// ones being empty: ("a", "bc") is not ("ab", "c") [EXT-SHR-4].
func FuzzFingerprint(f *testing.F) {
	f.Add("a/bc", "ab/c", uint16(0), uint16(2))
	f.Add("a", "a//", uint16(0), uint16(3))
	f.Add("x/a/", "y/a", uint16(1), uint16(2))
	f.Add("/", "", uint16(0), uint16(1))
	f.Add("a/b/c/d/e/f", "a/b/c/d/e/f/", uint16(2), uint16(9))
	f.Fuzz(func(t *testing.T, a, b string, from, count uint16) {
		if count == 0 || count > 100 {
			count = 1 + count%100
		}
		x := fingerprint([]byte(a), int(from), int(count))
		y := fingerprint([]byte(b), int(from), int(count))
		same := slices.Equal(words(a, int(from), int(count)), words(b, int(from), int(count)))
		if same != (string(x) == string(y)) {
			t.Fatalf("%q and %q [%d, +%d): %q and %q", a, b, from, count, x, y)
		}
		if same && hashWords(x) != hashWords(y) {
			t.Fatalf("%q and %q have two hashes", x, y)
		}
	})
}

func words(topic string, from, count int) []string {
	all := strings.Split(topic, "/")
	list := make([]string, count)
	for i := range list {
		if from+i < len(all) {
			list[i] = all[from+i]
		}
	}
	return list
}

// Whatever the number of members, computed or by the table, a slot has the owner
// with the highest weight. A joining member only takes slots, a leaving one only
// gives its own away [EXT-SHR-4].
func TestStickyMembers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := stickyGroup(rapid.SampledFrom([]int{1, 2, 4, 7, 8, 9, 40}).Draw(t, "members"))
		next := OwnerID(1000)
		var away []OwnerID
		before := g.owners()
		for range rapid.IntRange(1, 12).Draw(t, "changes") {
			var joined, left *member
			switch n := rapid.IntRange(0, 2).Draw(t, "change"); {
			case n == 0 && len(away) > 0: // returns
				joined, away = g.enrol(away[0]), away[1:]
			case n == 1 && len(g.online) > 1:
				left = g.online[rapid.IntRange(0, len(g.online)-1).Draw(t, "leaver")]
				g.setOnline(left, false)
				delete(g.members, left.s)
				away = append(away, left.s.id)
			default:
				next++
				joined = g.enrol(next)
			}
			after := g.owners()
			for slot, m := range after {
				switch was := before[slot]; {
				case m.place < 0 || g.online[m.place] != m:
					t.Fatalf("slot %d belongs to one who is not there", slot)
				case joined != nil && m != was && m != joined:
					t.Fatalf("slot %d moves between members that stay, as one joins", slot)
				case left != nil && was != left && m != was:
					t.Fatalf("slot %d moves between members that stay, as one leaves", slot)
				case m != heaviest(g.online, uint16(slot), nil):
					t.Fatalf("slot %d: not the heaviest", slot)
				}
			}
			before = after
		}
	})
}

// A member that comes back has the slots that it had.
func TestStickyReturn(t *testing.T) {
	for _, n := range []int{3, 30} {
		g := stickyGroup(n)
		before := g.owners()
		g.setOnline(before[0], false)
		g.setOnline(before[0], true)
		if !slices.Equal(before, g.owners()) {
			t.Errorf("of %d members one has other slots", n)
		}
	}
}

// Slots fall evenly to the members, and fingerprints to the slots.
func TestStickyEven(t *testing.T) {
	for _, n := range []int{2, 3, 16, 100, 1000} {
		g := stickyGroup(n)
		counts := map[*member]int{}
		for _, m := range g.owners() {
			counts[m]++
		}
		mean := float64(stickySlots) / float64(n)
		for m, c := range counts {
			if d := math.Abs(float64(c) - mean); d > 6*math.Sqrt(mean) {
				t.Errorf("member %d of %d has %d slots, %.0f are a share", m.s.id, n, c, mean)
			}
		}
	}
	var seen [stickySlots]int
	st := &sticky{from: 1, count: 1}
	const each = 64
	for i := range each * stickySlots {
		seen[st.slot(fmt.Appendf(nil, "devices/%d/telemetry", i))]++
	}
	for slot, n := range seen {
		if n < each/3 || n > 3*each {
			t.Fatalf("slot %d has %d of %d fingerprints", slot, n, each*stickySlots)
		}
	}
}

// A lane keeps its order whatever is put in and taken out.
func TestLane(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l lane
		var list []waits
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				w := waits(rapid.Uint64Range(0, 5000).Draw(t, "w"))
				if !slices.Contains(list, w) {
					l.insert(w)
					list = append(list, w)
				}
			case 1:
				var more []waits
				for range rapid.IntRange(0, 40).Draw(t, "many") {
					if w := waits(rapid.Uint64Range(0, 5000).Draw(t, "w")); !slices.Contains(append(more, list...), w) {
						more = append(more, w)
					}
				}
				slices.Sort(more)
				l.merge(more)
				list = append(list, more...)
			case 2:
				for range rapid.IntRange(1, 30).Draw(t, "pops") {
					if len(list) > 0 {
						l.pop()
						list = list[1:]
					}
				}
			case 3:
				if rapid.IntRange(0, 9).Draw(t, "all") == 0 {
					if got := l.take(); !slices.Equal(got, list) {
						t.Fatalf("%v, want %v", got, list)
					}
					list = nil
				}
			}
			slices.Sort(list)
			if got := l.items[l.head:]; !slices.Equal(got, list) || l.left() != len(list) {
				t.Fatalf("%v, want %v", got, list)
			}
		}
	})
}

// What a lane remembers of an entry is its position and its slot.
func TestWaits(t *testing.T) {
	for _, seq := range []uint64{1, 2, 1 << 20, 1<<50 - 1} {
		for _, slot := range []uint16{0, 1, stickySlots - 1} {
			if w := waitsAt(seq, slot); w.seq() != seq || w.slot() != slot {
				t.Errorf("%d, %d: %d, %d", seq, slot, w.seq(), w.slot())
			}
		}
	}
	if waitsAt(1, stickySlots-1) >= waitsAt(2, 0) {
		t.Error("the slot goes before the position")
	}
}

func BenchmarkStickyPick(b *testing.B) {
	for _, n := range []int{3, 8, 16, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			g := stickyGroup(n)
			g.sticky.from, g.sticky.count = 1, 1
			topics := make([][]byte, 1024)
			for i := range topics {
				topics[i] = fmt.Appendf(nil, "devices/%015d/telemetry", i*7919)
			}
			m := &Message{}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				m.Topic = topics[i%len(topics)]
				if g.pick(g.sticky.slot(m.Topic), m) == nil {
					b.Fatal("nobody")
				}
			}
		})
	}
}

// A member's coming or going, by the table.
func BenchmarkStickyJoin(b *testing.B) {
	for _, n := range []int{100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			g := stickyGroup(n)
			m := g.online[n/2]
			for b.Loop() {
				g.setOnline(m, false)
				g.setOnline(m, true)
			}
		})
	}
}
