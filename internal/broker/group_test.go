package broker

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// evenGroup makes a group with n online members, each with a Receive Maximum of
// window.
func evenGroup(n int, window int32) *Group {
	g := &Group{members: map[*Session]*member{}}
	for i := range n {
		m := g.enrol(OwnerID(i + 1))
		m.sub.qos = 1
		m.qos = 1
		m.s.link.Store(&attachment{window: uint16(window)})
	}
	return g
}

// Members as quick as each other get as much, to the message, and a slow one as much
// as it acknowledges, however many there are [EXT-SHR-1].
func TestSpreadEven(t *testing.T) {
	for _, n := range []int{2, 3, 100, 1000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			g := evenGroup(n, 20)
			slow := g.online[n/2]
			got := map[*member]int{}
			m := &Message{}
			for i := range 100 * n {
				mem := g.next(m, (*member).roomy)
				if mem == nil {
					t.Fatal("nobody has room")
				}
				got[mem]++
				mem.s.load.Add(1)
				if i%n == n-1 { // all but one acknowledge
					for _, x := range g.online {
						if x != slow {
							x.s.load.Store(0)
						}
					}
				}
			}
			least, most := 100*n, 0
			for _, x := range g.online {
				if x != slow {
					least, most = min(least, got[x]), max(most, got[x])
				}
			}
			if got[slow] > 20 || most-least > 2 {
				t.Errorf("the slow one has %d, the others %d to %d", got[slow], least, most)
			}
		})
	}
}

// The choice falls on the least in flight of those with room, in turn among equal
// ones; a full one is never chosen, nor is one passed over for ever [EXT-SHR-1].
func TestNext(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := evenGroup(rapid.IntRange(1, groupChoices).Draw(t, "members"), 4)
		m := &Message{}
		turn := map[*member]int{}
		for i := range rapid.IntRange(1, 200).Draw(t, "choices") {
			for range rapid.IntRange(0, 3).Draw(t, "changes") {
				x := g.online[rapid.IntRange(0, len(g.online)-1).Draw(t, "who")]
				x.s.load.Store(rapid.Int32Range(0, 5).Draw(t, "load"))
			}
			least := int32(4)
			for _, x := range g.online {
				least = min(least, x.s.load.Load())
			}
			mem := g.next(m, (*member).roomy)
			switch {
			case least >= 4 && mem != nil:
				t.Fatalf("one is chosen with %d in flight", mem.s.load.Load())
			case least >= 4:
				continue
			case mem == nil || mem.s.load.Load() != least:
				t.Fatalf("%+v is chosen, though one has %d in flight", mem, least)
			}
			for _, x := range g.online {
				// Of two as little busy all along, the one that was chosen longer ago.
				if x.s.load.Load() == least && turn[x] == 0 && turn[mem] == i && i > 0 {
					t.Fatalf("one is chosen twice, and another with as little in flight never")
				}
			}
			turn[mem] = i + 1
		}
	})
}
