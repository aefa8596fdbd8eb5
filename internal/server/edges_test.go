package server

import (
	"testing"
	"time"

	"alcove/internal/mqtt"
)

// TestEndWithData: where bytes and the end of the stream come in one event, the end is
// seen without another. The bytes are half a packet, since an answer would show the end
// as well.
func TestEndWithData(t *testing.T) {
	b := newBare(t, mqtt.V311, Limits{})
	must(t, b.l.poll.watch(b.c, wantRead))
	_, err := b.peer.Write(mqtt.AppendPingreq(nil)[:1])
	must(t, err)
	must(t, b.peer.Close())
	b.rounds(func() bool { return b.c.state == stateClosed })
}

// TestEndWithinHold: what came with the end during a hold is handled after it, and so
// is the end.
func TestEndWithinHold(t *testing.T) {
	b := newBare(t, mqtt.V311, Limits{})
	must(t, b.l.poll.watch(b.c, wantRead))
	b.c.hold(holdDisk)
	_, err := b.peer.Write(mqtt.AppendPingreq(nil))
	must(t, err)
	must(t, b.peer.Close())
	for range 3 {
		b.l.round(b.l.poll.wait(time.Millisecond))
	}
	if b.c.state != stateUp {
		t.Fatalf("state %d during the hold", b.c.state)
	}
	in := b.l.stats.packetsIn.Load()
	b.c.unhold(b.l.turn, holdDisk)
	b.rounds(func() bool { return b.c.state == stateClosed })
	if got := b.l.stats.packetsIn.Load() - in; got != 1 {
		t.Errorf("%d packets handled after the hold", got)
	}
}

// TestMoreThanARead: what is longer than one read is read to its end, though the
// system tells of it once.
func TestMoreThanARead(t *testing.T) {
	b := newBare(t, mqtt.V311, Limits{})
	must(t, b.l.poll.watch(b.c, wantRead))
	const n = 80_000
	var packets []byte
	for range n {
		packets = mqtt.AppendPingreq(packets)
	}
	sent := make(chan error, 1)
	go func() {
		_, err := b.peer.Write(packets)
		sent <- err
	}()
	go func() {
		for buf := make([]byte, 1<<16); ; {
			if _, err := b.peer.Read(buf); err != nil {
				return
			}
		}
	}()
	b.rounds(func() bool { return b.l.stats.packetsIn.Load() == n })
	must(t, <-sent)
}

// rounds runs the loop by hand until something is so.
func (b *bare) rounds(until func() bool) {
	b.t.Helper()
	for end := time.Now().Add(packetGrace / 2); !until(); { // before any deadline ends it
		if time.Now().After(end) {
			b.t.Fatal("it does not come to it")
		}
		wait := time.Duration(0)
		if !b.l.busy() {
			wait = 50 * time.Millisecond
		}
		b.l.round(b.l.poll.wait(wait))
	}
}
