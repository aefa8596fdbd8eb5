package auth

import (
	"hash/maphash"
	"math/bits"
	"net/netip"
	"sync"
	"time"
)

// Throttle bounds how often something may happen for each of many keys: a rate a
// second, and as many at once. Its memory is fixed. Safe for concurrent use.
//
// A key stands in the set that its hash, under a random seed, chooses. What a key has
// used is one number, the time at which its debt is paid. A newcomer to a full set
// takes the place of the least debtor, but only of one that owes less than itself:
// so nobody can have a hot key forgotten by flooding the table with others. Where all
// of a set owe as much, the newcomer is not held back; a table of thirty thousand hot
// keys is bounded by the rate of connects, not here.
type Throttle struct {
	seed  maphash.Seed
	cost  int64 // ns of debt for one use
	burst int64 // ns of debt from which on a key is held back
	sets  []debtors
}

const (
	throttleSets = 1 << 12 // of a Throttle
	throttleWays = 8       // keys of a set
	maxRate      = 1_000_000
)

type debtors struct {
	sync.Mutex
	at [throttleWays]debtor
}

// debtor is a key's hash, and when its debt is paid (UNIX ns).
type debtor struct {
	key  uint64
	paid int64
}

// NewThrottle makes a Throttle of so many uses a second for each key, 1 to 1,000,000,
// and of as many at once as come in burst; nil, which holds nobody back, for a rate of 0
// or less.
func NewThrottle(rate int, burst time.Duration) *Throttle {
	if rate <= 0 {
		return nil
	}
	return &Throttle{
		seed:  maphash.MakeSeed(),
		cost:  int64(time.Second) / int64(min(rate, maxRate)),
		burst: int64(burst),
		sets:  make([]debtors, throttleSets),
	}
}

// Allow counts a use from an address and tells whether it is within the rate; one that
// is not is not counted. An IPv6 address stands for its /64, which one user has. The
// zero Addr is never held back.
func (h *Throttle) Allow(addr netip.Addr, now time.Time) bool {
	if h == nil || !addr.IsValid() {
		return true
	}
	key := h.address(addr)
	if h.shut(key, now.UnixNano()) {
		return false
	}
	h.charge(key, now.UnixNano())
	return true
}

// address returns the key of an address. Keys are never 0.
func (h *Throttle) address(addr netip.Addr) uint64 {
	b := addr.As16()
	n := len(b)
	if !addr.Unmap().Is4() {
		n = 8 // of IPv6 the network
	}
	return maphash.Bytes(h.seed, b[:n]) | 1
}

// name returns the key of a text.
func (h *Throttle) name(text []byte) uint64 { return maphash.Bytes(h.seed, text) | 1 }

func (h *Throttle) set(key uint64) *debtors {
	return &h.sets[key>>(64-bits.Len(throttleSets-1))]
}

// shut tells whether a key has used up its rate.
func (h *Throttle) shut(key uint64, now int64) bool {
	set := h.set(key)
	set.Lock()
	defer set.Unlock()
	for i := range set.at {
		if d := &set.at[i]; d.key == key {
			// Nobody owes much more than the burst, but a clock set back says so.
			d.paid = min(d.paid, now+h.burst+h.cost)
			return d.paid+h.cost > now+h.burst
		}
	}
	return false
}

// charge counts a use.
func (h *Throttle) charge(key uint64, now int64) {
	set := h.set(key)
	set.Lock()
	defer set.Unlock()
	least := &set.at[0]
	for i := range set.at {
		d := &set.at[i]
		if d.key == key {
			d.paid = min(max(d.paid, now)+h.cost, now+h.burst+h.cost)
			return
		}
		if d.paid < least.paid {
			least = d
		}
	}
	if paid := now + h.cost; least.paid < paid {
		*least = debtor{key: key, paid: paid}
	}
}
