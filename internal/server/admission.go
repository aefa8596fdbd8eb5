package server

import (
	"net/netip"
	"sync/atomic"
	"time"

	"alcove/internal/auth"
	"alcove/internal/mqtt"
)

// admission bounds how many connects are taken in a second, in all and of one address.
// Where TLS comes first, a connection is asked before its handshake and, over the rate,
// closed without a word: anything else would cost what is to be saved. Others are asked
// at CONNECT, and told.
//
// It is for operators who know their fleet. What keeps a flood of connects from being
// felt by those who are connected are the lanes (see lanes.go): all connections that
// have not proved who they are share one.
type admission struct {
	all       knock
	addresses *auth.Throttle // nil where addresses have no rate
}

// errConnectRate refuses a CONNECT over the rate. 3.x clients get 3, server
// unavailable.
var errConnectRate = &mqtt.Error{Code: mqtt.ConnectionRateExceeded, Reason: "too many connects"}

func (a *admission) set(l Limits) {
	a.addresses = auth.NewThrottle(l.ConnectRateAddress, time.Second)
	if l.ConnectRate > 0 {
		a.all.cost = max(int64(time.Second)/int64(l.ConnectRate), 1)
	}
}

// allow counts a connect and tells whether it is taken. What one address has too many
// of does not count for all.
func (a *admission) allow(remote netip.Addr, now time.Time) bool {
	return a.addresses.Allow(remote, now) && a.all.allow(now.UnixNano())
}

// knock is a rate of connects that all loops share: the time at which what was taken is paid for.
type knock struct {
	cost int64 // ns of one use, 0 without a rate
	paid atomic.Int64
}

// knockBurst is how much may be taken at once: a second's worth.
const knockBurst = int64(time.Second)

func (p *knock) allow(now int64) bool {
	for p.cost > 0 {
		paid := p.paid.Load()
		next := max(min(paid, now+knockBurst), now) + p.cost
		if next > now+knockBurst {
			return false
		}
		if p.paid.CompareAndSwap(paid, next) {
			return true
		}
	}
	return true
}

// asksAtConnect tells whether the connection is asked at CONNECT, not before.
func (c *Conn) asksAtConnect() bool {
	return c.transport != transportTLS && c.transport != transportWSS
}

// desk lets a few TLS handshakes compute at a time. Hundreds of them may be under way,
// nearly all of which wait for their client: a seat is given back meanwhile. Without it
// a flood of handshakes puts as many goroutines before a loop that has work.
type desk chan struct{}

// newDesk leaves at least one processor, where there is more than one, to the loops.
func newDesk(processors int) desk { return make(desk, max(1, processors/2)) }

func (d desk) take() {
	if d != nil {
		d <- struct{}{}
	}
}

func (d desk) leave() {
	if d != nil {
		<-d
	}
}
