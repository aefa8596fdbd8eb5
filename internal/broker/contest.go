package broker

import (
	"time"

	"alcove/internal/mqtt"
)

// unclaim lets the next connects for the session go on.
func (c *connecting) unclaim() {
	c.ns.mu.Lock()
	x := c.s.contest
	waiting, bells := x.waiting, x.bells
	x.claim, x.waiting, x.bells = nil, nil, nil
	if x.count == 0 {
		c.s.contest = nil
	}
	c.s.mu.Lock()
	if c.s.ended && c.ns.sessions[c.clientID] == c.s {
		delete(c.ns.sessions, c.clientID)
	}
	c.s.mu.Unlock()
	c.ns.mu.Unlock()
	for _, w := range waiting {
		w.out.Post(w.claim)
	}
	for _, bell := range bells {
		close(bell)
	}
}

// outrun refuses a connect that a newer one for the same Client Identifier has
// overtaken while both waited in a storm [EXT-SES-1].
func (c *connecting) outrun(t *Turn) {
	c.refuse(t, &mqtt.Error{Code: mqtt.ConnectionRateExceeded, Reason: "a newer connection uses this Client Identifier"})
}

// contest is who wants a session: the connect (or the janitor, or the management) that
// has claimed it, those who wait behind, and how many takeovers there were lately.
// Guarded by Namespace.mu.
type contest struct {
	claim   *connecting
	waiting []*connecting
	bells   []chan struct{} // of callers without a connection: closed when claim is nil again
	start   time.Time       // of the window in which count counts
	count   int
}

// claimed returns who has claimed the session, or nil. Under ns.mu.
func (s *Session) claimed() *connecting {
	if s.contest == nil {
		return nil
	}
	return s.contest.claim
}

// contested returns the session's contest, made where there is none. Under
// ns.mu.
func (s *Session) contested() *contest {
	if s.contest == nil {
		s.contest = &contest{}
	}
	return s.contest
}

// wait puts c behind the others. While takeovers are damped only the newest
// waits: those it has outrun are returned, so that a storm of connections, most
// of them dead by the time their turn would come, does not make the last one
// wait for all of them.
func (x *contest) wait(c *connecting) (outrun []*connecting) {
	if x.count > takeoverBurst {
		outrun, x.waiting = x.waiting, nil
	}
	x.waiting = append(x.waiting, c)
	return outrun
}

// damped counts a takeover and tells whether it has to wait.
func (x *contest) damped(now time.Time) bool {
	if now.Sub(x.start) > takeoverWindow {
		x.start, x.count = now, 0
	}
	x.count++
	return x.count > takeoverBurst
}
