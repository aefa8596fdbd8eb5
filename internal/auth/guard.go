package auth

import (
	"hash/maphash"
	"math/bits"
	"net/netip"
	"sync/atomic"
	"time"
)

// guard slows down guessing. Failed logins have a rate for each address and, for
// logins that name a token (its id with a short key, and SCRAM), for each name. Who
// is over it is refused before anything is hashed or looked up, with 0x9F and HTTP
// 429; refusals themselves do not count, so the wait is never longer than one failure
// costs. Names that do not exist are slowed like those that do [EXT-TOK-1].
//
// Behind one address there may be many devices, and anybody may fail in a token's name:
// so what has been right before (a login, or the creation of the key) is recognised by
// a cheap fingerprint and goes on to the real comparison all the same. Fingerprints
// are keyed by a random seed and are in memory only: after a restart a device behind
// an address that is attacked has to come in between two guesses.
type guard struct {
	addresses *Throttle // nil where logins are not slowed
	names     *Throttle
	seed      maphash.Seed
	known     []atomic.Uint32
}

// knownCells is how many fingerprints are kept: a newer one may replace an older one.
const knownCells = 1 << 19

// DefaultFailedLogins is the rate of failed logins of one address, and of one name, a
// second.
const DefaultFailedLogins = 10

// guessBurst is how many seconds' worth of failures may come at once: a person, or a
// device with an old key, tries a few times.
const guessBurst = 2 * time.Second

func newGuard(rate int) guard {
	if rate == 0 {
		rate = DefaultFailedLogins
	}
	g := guard{addresses: NewThrottle(rate, guessBurst), names: NewThrottle(rate, guessBurst), seed: maphash.MakeSeed()}
	if g.addresses != nil {
		g.known = make([]atomic.Uint32, knownCells)
	}
	return g
}

// attempt is one login on its way.
type attempt struct {
	g    *guard
	addr netip.Addr
	now  int64
	shut bool // the address is over its rate
}

// free tells that nothing slows the login: by the settings, or because there is no
// address, as on a Unix socket.
func (a *attempt) free() bool { return a.g.addresses == nil || !a.addr.IsValid() }

// attempt begins a login.
func (g *guard) attempt(addr netip.Addr, now time.Time) attempt {
	a := attempt{g: g, addr: addr, now: now.UnixNano()}
	if !a.free() {
		a.shut = g.addresses.shut(g.addresses.address(addr), a.now)
	}
	return a
}

// mayTry tells whether a key may be hashed; name is the token's that it comes with,
// nil for a whole key. mark is its fingerprint, to be given back at the end.
func (a *attempt) mayTry(name, key []byte) (mark fingerprint, may bool) {
	if a.free() {
		return 0, true
	}
	mark = a.g.mark(name, key)
	if a.shut || name != nil && a.g.names.shut(a.g.names.name(name), a.now) {
		return mark, a.g.knows(mark)
	}
	return mark, true
}

// failed counts a login that was wrong in a token's name, nil for none, and forgets
// that it was ever right.
func (a *attempt) failed(name []byte, mark fingerprint) {
	if a.free() {
		return
	}
	a.g.forget(mark)
	if name != nil {
		a.g.names.charge(a.g.names.name(name), a.now)
	}
}

// end counts a failure of the address.
func (a *attempt) end() {
	if !a.free() {
		a.g.addresses.charge(a.g.addresses.address(a.addr), a.now)
	}
}

// fingerprint of what has been right: its cell, and a tag that is not 0.
type fingerprint uint64

func (g *guard) mark(name, key []byte) fingerprint {
	h := maphash.Bytes(g.seed, key)
	if name != nil {
		h = bits.RotateLeft64(h, 32) ^ maphash.Bytes(g.seed, name)
	}
	return fingerprint(h | 1)
}

func (g *guard) cell(p fingerprint) *atomic.Uint32 {
	return &g.known[p>>(64-bits.Len(knownCells-1))]
}

func (g *guard) knows(p fingerprint) bool { return g.cell(p).Load() == uint32(p) }

func (g *guard) remember(p fingerprint) {
	if p == 0 || g.addresses == nil {
		return
	}
	if c := g.cell(p); c.Load() != uint32(p) {
		c.Store(uint32(p))
	}
}

func (g *guard) forget(p fingerprint) {
	if p != 0 && g.addresses != nil {
		g.cell(p).CompareAndSwap(uint32(p), 0)
	}
}

// introduce remembers a key that has just been made, in both of its forms.
func (g *guard) introduce(id TokenID, key string) {
	if g.addresses == nil {
		return
	}
	var room [20]byte
	g.remember(g.mark(nil, []byte(key)))
	g.remember(g.mark(appendID(room[:0], id), []byte(key[:ShortLength])))
}
