package server

import (
	"testing"

	"pgregory.net/rapid"

	"alcove/internal/auth"
)

// TestLanesAreFair: whatever comes in whatever order, each account's events are taken in
// the order in which they came, nothing is lost or taken twice, and between two turns of
// one account every other that waits has had one.
func TestLanesAreFair(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var s lanes
		waiting := map[auth.AccountID][]uint32{}
		overtaken := map[[2]auth.AccountID]int{} // who waits, who had turns meanwhile
		var next uint32
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			for range rapid.IntRange(0, 20).Draw(rt, "new") {
				account := auth.AccountID(rapid.IntRange(0, 5).Draw(rt, "account"))
				next++
				s.add(account, event{slot: next})
				waiting[account] = append(waiting[account], next)
			}
			if s.first == nil {
				continue
			}
			account := s.first.account
			others := []auth.AccountID{}
			for a, w := range waiting {
				if a != account && len(w) > 0 {
					others = append(others, a)
				}
			}
			if s.alone() != (len(others) == 0) {
				rt.Fatalf("alone: %v with %v waiting", s.alone(), others)
			}
			for range rapid.IntRange(1, 8).Draw(rt, "slice") {
				if got := s.take().slot; got != waiting[account][0] {
					rt.Fatalf("account %d: took %d, want %d", account, got, waiting[account][0])
				}
				if waiting[account] = waiting[account][1:]; s.spent() {
					break
				}
			}
			if s.spent() != (len(waiting[account]) == 0) {
				rt.Fatal("spent is wrong")
			}
			s.turn()
			for x := range overtaken {
				if x[0] == account {
					delete(overtaken, x)
				}
			}
			for _, a := range others {
				x := [2]auth.AccountID{a, account}
				if overtaken[x]++; overtaken[x] > 1 {
					rt.Fatalf("account %d waits while account %d has two turns", a, account)
				}
			}
			total := 0
			for _, w := range waiting {
				total += len(w)
			}
			if s.count != total {
				rt.Fatalf("%d wait, counted %d", total, s.count)
			}
		}
	})
}

// TestTurnOfTheOther: with many connections of one account ready, another account's
// connection is served after the slice of the first, not after all of it; what waits is
// told once however often the system tells it.
func TestTurnOfTheOther(t *testing.T) {
	l := newBareLoop(t, Limits{})
	var order []auth.AccountID
	for i := range 200 {
		c := &Conn{loop: l, account: 7}
		if i == 150 {
			c.account = 8
		}
		l.slots.put(c)
		l.await(c, wantRead)
		l.await(c, wantRead|wantWrite)
	}
	if l.lanes.count != 200 {
		t.Fatalf("%d events wait", l.lanes.count)
	}
	for l.lanes.first != nil {
		order = append(order, l.lanes.first.account)
		for range 5 { // a slice
			ev := l.lanes.take()
			c := l.slots.find(ev.slot, ev.gen)
			if c.pending != wantRead|wantWrite {
				t.Fatalf("pending %b", c.pending)
			}
			c.pending = 0
			l.slots.take(c)
			if l.lanes.spent() {
				break
			}
		}
		l.lanes.turn()
	}
	if len(order) < 2 || order[0] != 7 || order[1] != 8 {
		t.Errorf("turns %v", order[:min(4, len(order))])
	}
	if l.lanes.count != 0 || len(l.lanes.of) != 0 {
		t.Errorf("%d wait, %d lanes", l.lanes.count, len(l.lanes.of))
	}
}
