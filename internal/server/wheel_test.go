package server

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestTicksNeverTooEarly(t *testing.T) {
	for _, d := range []time.Duration{0, 1, tickTime - 1, tickTime, tickTime + 1, 90 * time.Second} {
		// The tick under way may have only just begun to count.
		if got := time.Duration(ticks(d)-1) * tickTime; got < d {
			t.Errorf("ticks(%v) leaves only %v", d, got)
		}
	}
}

// TestWheel compares the wheel with a map of deadlines.
func TestWheel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w wheel
		w.tick = rapid.Uint32Range(0, 5000).Draw(t, "start")
		conns := make([]*Conn, 20)
		for i := range conns {
			conns[i] = &Conn{}
		}
		due := map[*Conn]uint32{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			c := conns[rapid.IntRange(0, len(conns)-1).Draw(t, "conn")]
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0, 1:
				at := w.tick + rapid.Uint32Range(0, 3*wheelSlots).Draw(t, "due")
				w.set(c, at)
				due[c] = max(at, w.tick+1)
			case 2:
				w.unset(c)
				delete(due, c)
			case 3:
				now := w.tick + rapid.Uint32Range(0, 2*wheelSlots).Draw(t, "advance")
				fired := slices.Clone(w.advance(now))
				for _, c := range fired {
					if d, ok := due[c]; !ok || d > now {
						t.Fatalf("fired at %d, due %d (%v)", now, d, ok)
					}
					delete(due, c)
				}
				for _, d := range due {
					if d <= now {
						t.Fatalf("due at %d, not fired at %d", d, now)
					}
				}
			}
			checkAhead(t, &w, due)
		}
	})
}

// checkAhead: ahead is never later than the next deadline, and 0 only when empty.
func checkAhead(t *rapid.T, w *wheel, due map[*Conn]uint32) {
	n := w.ahead()
	if (n == 0) != (len(due) == 0) {
		t.Fatalf("ahead %d with %d timers", n, len(due))
	}
	for _, d := range due {
		if d < w.tick+n {
			t.Fatalf("ahead says %d, a timer is due at %d", w.tick+n, d)
		}
	}
}
