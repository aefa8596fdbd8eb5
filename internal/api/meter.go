package api

import (
	"sync"
	"sync/atomic"
	"time"

	"alcove/internal/auth"
)

// Meter counts the REST requests of accounts and their bytes, and tells who may make
// another one [EXT-LIM-1]. Its methods may be called from any goroutine. It holds some
// 80 bytes for each account that has used REST since the start and is still there.
type Meter struct {
	mu   sync.RWMutex
	each map[auth.AccountID]*meter
}

// NewMeter returns a Meter that has counted nothing.
func NewMeter() *Meter { return &Meter{each: map[auth.AccountID]*meter{}} }

// Usage returns how many requests the tokens of an account have made since the start,
// in whatever account they acted, and the bytes of those requests' targets and bodies
// and of the answers' bodies. Refused requests count too, but for their bytes.
func (m *Meter) Usage(account auth.AccountID) (calls, bytes uint64) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if e := m.each[account]; e != nil {
		return e.calls.Load(), e.bytes.Load()
	}
	return 0, 0
}

// of returns the account's meter, made where it was missing.
func (m *Meter) of(account auth.AccountID) *meter {
	m.mu.RLock()
	e := m.each[account]
	m.mu.RUnlock()
	if e != nil {
		return e
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if e = m.each[account]; e == nil {
		e = &meter{}
		m.each[account] = e
	}
	return e
}

// forget lets go of accounts that are gone.
func (m *Meter) forget(ids []auth.AccountID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		delete(m.each, id)
	}
}

// meter is what one account has used, and its two buckets: each is the time at which
// it will be full again, so an idle one costs nothing.
type meter struct {
	calls, bytes atomic.Uint64

	mu          sync.Mutex
	callsFull   time.Time
	bytesFull   time.Time
	refused     string    // the limit for which it is refused until then
	refusedTill time.Time // of blocking_duration
	limits      *auth.EffectiveLimits
}

// enter counts a request and tells why it is refused: the limit's name, and when to
// come again. Both rates refill continuously, with a second's worth at once.
func (e *meter) enter(limits *auth.EffectiveLimits, now time.Time) (limit string, wait time.Duration) {
	e.calls.Add(1)
	if limits.APICalls < 0 && limits.APITraffic < 0 {
		return "", 0
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.limits != limits {
		if e.limits != nil && *e.limits != *limits {
			// Another rate begins anew: debts of the old one do not count, nor does a
			// sanction.
			e.callsFull, e.bytesFull, e.refusedTill = time.Time{}, time.Time{}, time.Time{}
		}
		e.limits = limits
	}
	if wait = e.refusedTill.Sub(now); wait > 0 {
		return e.refused, wait
	}
	if wait = owes(e.bytesFull, limits.APITraffic, now); wait > 0 {
		return e.refuse("api_traffic", wait, now)
	}
	if wait = owes(e.callsFull, limits.APICalls, now); wait > 0 {
		return e.refuse("api_calls", wait, now)
	}
	if limits.APICalls > 0 {
		e.callsFull = charge(e.callsFull, 1, limits.APICalls, now)
	}
	return "", 0
}

// refuse begins the time for which the account is refused.
func (e *meter) refuse(limit string, wait time.Duration, now time.Time) (string, time.Duration) {
	if d := time.Duration(e.limits.Blocking) * time.Second; d > wait {
		wait = d
	}
	if e.limits.Blocking > 0 {
		e.refused, e.refusedTill = limit, now.Add(wait)
	}
	return limit, wait
}

// count adds bytes that have come or gone. They are charged when they are known: what
// is over the rate is paid by waiting before the next request.
func (e *meter) count(n int, now func() time.Time) {
	if n <= 0 {
		return
	}
	e.bytes.Add(uint64(n))
	e.mu.Lock()
	defer e.mu.Unlock()
	if l := e.limits; l != nil && l.APITraffic > 0 {
		e.bytesFull = charge(e.bytesFull, n, l.APITraffic, now())
	}
}

// owes returns how long it is until one more may be taken.
func owes(full time.Time, perMinute int64, now time.Time) time.Duration {
	switch {
	case perMinute < 0:
		return 0
	case perMinute == 0:
		return time.Minute // none ever; limits change
	}
	burst := max(time.Second-time.Minute/time.Duration(perMinute), 0) // beside the one that is taken
	return full.Sub(now.Add(burst))
}

// charge takes n of so many a minute.
func charge(full time.Time, n int, perMinute int64, now time.Time) time.Time {
	if full.Before(now) {
		full = now
	}
	// In floating point: bytes times nanoseconds are beyond 64 bits.
	cost := min(float64(n)*float64(time.Minute)/float64(perMinute), float64(maxDebt))
	full = full.Add(time.Duration(cost))
	if latest := now.Add(maxDebt); full.After(latest) {
		return latest
	}
	return full
}
