package server

import (
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"alcove/internal/broker"
	"alcove/internal/mqtt"
)

// TestKnock: in no stretch of time is more taken than its rate and a second's worth, and
// nothing is refused that is slower.
func TestKnock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Int64Range(1, 10_000).Draw(t, "rate")
		p := knock{cost: int64(time.Second) / rate}
		first := time.Unix(1_700_000_000, 0).UnixNano()
		now, taken := first, int64(0)
		for _, wait := range rapid.SliceOfN(rapid.Int64Range(0, int64(time.Second)), 1, 200).Draw(t, "waits") {
			now += wait
			if p.allow(now) {
				taken++
			} else if wait >= p.cost {
				t.Fatalf("refused after a wait of %v", time.Duration(wait))
			}
			if taken > (now-first+knockBurst)/p.cost+1 {
				t.Fatalf("%d taken within %v", taken, time.Duration(now-first))
			}
		}
	})
	if p := (&knock{}); !p.allow(1) || !p.allow(1) {
		t.Error("no rate refuses")
	}
}

// TestConnectRates: over a rate, CONNECT is told so before its login is looked at.
func TestConnectRates(t *testing.T) {
	for _, limits := range []Limits{{ConnectRate: 1}, {ConnectRateAddress: 1}} {
		h := newHouse(t, Config{MQTT: loopback, Limits: limits})
		h.dial().connect("first", h.keys[0])
		for _, v := range versions {
			p := h.dial()
			p.version = v
			p.write(connectPacket(v, "second", h.keys[0], nil))
			var a mqtt.Connack
			head, body := p.expect(mqtt.TypeConnack)
			must(t, a.Decode(v, head, body))
			want := mqtt.ConnectionRateExceeded
			if v != mqtt.V5 {
				want = mqtt.ServerUnavailable
			}
			if code := body[1]; v != mqtt.V5 && code != 3 || v == mqtt.V5 && a.Code != want {
				t.Errorf("%v: % x", v, body)
			}
			p.closed()
		}
	}
}

// TestConnectRateBeforeTLS: over the rate there is no handshake.
func TestConnectRateBeforeTLS(t *testing.T) {
	h := newHouse(t, Config{MQTTS: loopback, Limits: Limits{ConnectRate: 1}})
	h.dialTLS(h.srv.Addrs().MQTTS, anyServer).connect("first", h.keys[0])
	p := h.dialTo(h.srv.Addrs().MQTTS)
	if b := p.closed(); len(b) > 0 {
		t.Errorf("got % x", b)
	}
}

// TestLingering: connections beyond the bound are closed as soon as they are told why.
func TestLingering(t *testing.T) {
	h := newHouse(t, Config{MQTT: loopback, Loops: 1})
	l := h.srv.loops[0]
	on := func(f func()) {
		done := make(chan struct{})
		l.leave(nil, func(*broker.Turn) { f(); close(done) })
		<-done
	}
	on(func() { l.lingering += lingerMax })
	p := h.dial()
	p.write(connectPacket(mqtt.V5, "c", strings.Repeat("x", 64), nil))
	if got := p.refusal(); got != mqtt.BadUserNameOrPassword {
		t.Errorf("got %v", got)
	}
	on(func() {
		if l.slots.live != 0 || l.lingering != lingerMax {
			t.Errorf("%d connections, %d linger", l.slots.live, l.lingering)
		}
		l.lingering -= lingerMax
	})
	p = h.dial()
	p.write(connectPacket(mqtt.V5, "c", strings.Repeat("x", 64), nil))
	p.refusal()
	p.conn.Close()
	for left := 1; left != 0; runtime.Gosched() {
		on(func() { left = l.slots.live })
	}
	on(func() {
		if l.lingering != 0 {
			t.Errorf("%d linger for ever", l.lingering)
		}
	})
}

// TestDesk: no more than its seats compute at a time, and whoever waits for its client
// holds none.
func TestDesk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(4)
		var computing, waiting, most atomic.Int32
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				for range 3 {
					d.take()
					most.Store(max(most.Load(), computing.Add(1)))
					time.Sleep(time.Millisecond) // computes
					computing.Add(-1)
					d.leave()
					waiting.Add(1)
					time.Sleep(time.Hour) // waits for the client
					waiting.Add(-1)
				}
			})
		}
		time.Sleep(time.Minute)
		if n := waiting.Load(); n != 50 {
			t.Errorf("%d of 50 wait", n)
		}
		wg.Wait()
		if n := most.Load(); n != 2 {
			t.Errorf("%d computed at a time", n)
		}
	})
	var none desk
	none.take()
	none.leave()
}

// TestRefusedCostsNothing: a refusal over the rate allocates nothing.
func TestRefusedCostsNothing(t *testing.T) {
	var a admission
	a.set(Limits{ConnectRate: 1, ConnectRateAddress: 1})
	from, now := netip.MustParseAddr("192.0.2.1"), time.Now()
	if n := testing.AllocsPerRun(100, func() { a.allow(from, now) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
