package broker

import (
	"runtime"
	"strings"
	"testing"
)

// A message is in memory once, and not kept alive by being findable.
func TestBodiesShareAndForget(t *testing.T) {
	var b bodies
	first := (&Message{Payload: []byte(strings.Repeat("x", 1<<16))}).MarkKept()
	if got := b.share(1, first); got != first {
		t.Fatal("the first message does not stand for its id")
	}
	second := (&Message{}).MarkKept()
	if b.share(1, second) != first || b.find(1) != first {
		t.Error("a second reading is not replaced by the first")
	}
	if b.find(2) != nil {
		t.Error("an id that was never shared is found")
	}
	runtime.KeepAlive(first)
	first = nil
	for range 100 {
		runtime.GC()
		b.mu.Lock()
		n := len(b.held)
		b.mu.Unlock()
		if n == 0 {
			return
		}
	}
	t.Error("a message that nobody holds is still listed")
}
