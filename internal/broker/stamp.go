package broker

import (
	"bytes"
	"hash/maphash"
	"strconv"
	"sync"
	"sync/atomic"

	"alcove/internal/auth"
	"alcove/internal/mqtt"
)

// The user properties that are the broker's own [EXT-UP-1] [EXT-UP-2].
const (
	keyTimestamp = "timestamp"
	keyToken     = "token_id"
	keyAccount   = "cid"
)

// clock gives the timestamps of one tree of accounts: a top-level account and all
// below it, since whoever is above sees the messages of them all. Each topic belongs
// to one of its stripes. A stripe's lock is held from when a message is stamped until
// it stands in every queue and output: so who sees two messages of a topic and of one
// QoS sees them in the order of their stamps, whichever loops they came in on
// [EXT-UP-1]; QoS 0 may pass what waits for the receiver or the disk. It comes before
// Group.mu and Session.mu, and one publish holds one stripe at most.
type clock struct {
	last    atomic.Int64 // UNIX microseconds
	_       [56]byte
	stripes [clockStripes]stripe
}

type stripe struct {
	sync.Mutex
	_ [56]byte
}

var stripeSeed = maphash.MakeSeed()

// clock returns the clock of the namespace's tree, which is made when it is first
// needed.
func (ns *Namespace) clock() *clock {
	top := ns.root
	if c := top.time.Load(); c != nil {
		return c
	}
	top.time.CompareAndSwap(nil, &clock{})
	return top.time.Load()
}

// tick returns a timestamp above all that the account's messages were given before:
// max(now, the last one + 1 µs).
func (ns *Namespace) tick(now int64) (stamp int64) {
	c := ns.clock()
	for {
		last := c.last.Load()
		if stamp = max(now, last+1); c.last.CompareAndSwap(last, stamp) {
			break
		}
	}
	if ns.ahead.Load() >= stamp {
		stamp = ns.ahead.Add(1)
	}
	return stamp
}

// stamp gives m its timestamp, unless it has one: the publisher's own where that is
// valid, else the next of the clock. It is called only where somebody can see it,
// before m goes anywhere, with no lock held; the topic's stripe stays locked until
// Turn.placed.
func (t *Turn) stamp(ns *Namespace, m *Message) {
	if m.Stamp != 0 {
		return
	}
	if stamp := givenStamp(m.Forward, t.Now.UnixMicro()); stamp != 0 {
		m.Given = true
		m.restamp(stamp)
		return
	}
	t.stripe = &ns.clock().stripes[maphash.Bytes(stripeSeed, m.Topic)%clockStripes]
	t.stripe.Lock()
	m.restamp(ns.tick(t.Now.UnixMicro()))
}

// restamp sets the timestamp. A copy of m that went out before does not have it, so it
// is not the one to queue.
func (m *Message) restamp(stamp int64) {
	m.Stamp = stamp
	if m.kept != m {
		m.kept = nil
	}
}

// placed tells that the message stands in every queue and output: those of its topic
// that come next go behind it.
func (t *Turn) placed() {
	if t.stripe != nil {
		t.stripe.Unlock()
		t.stripe = nil
	}
}

// outrun lets the account's later stamps be above one that a publisher set into the
// future, and that had to be topped [EXT-RET-1]: by a minute at most.
func (ns *Namespace) outrun(stamp int64) {
	for {
		ahead := ns.ahead.Load()
		if ahead >= stamp || ns.ahead.CompareAndSwap(ahead, stamp) {
			return
		}
	}
}

// givenStamp returns the publisher's own timestamp in microseconds, or 0 where there
// is none, or one that is no decimal number or lies too far in the future.
func givenStamp(forward []byte, now int64) int64 {
	if len(forward) == 0 {
		return 0
	}
	v, ok := mqtt.ForwardUser(forward).Get(keyTimestamp)
	if !ok {
		return 0
	}
	stamp, ok := parseStamp(v)
	if !ok || stamp > now+stampAhead {
		return 0
	}
	return stamp
}

// parseStamp reads UNIX seconds as decimal text, as microseconds; digits beyond the
// sixth are not compared.
func parseStamp(v []byte) (micros int64, ok bool) {
	whole, point := 0, -1
	for i, c := range v {
		switch {
		case c == '.' && point < 0 && i > 0:
			point = 0
		case c < '0' || c > '9':
			return 0, false
		case point < 0:
			if whole++; whole > 12 {
				return 0, false
			}
			micros = micros*10 + int64(c-'0')
		case point < 6:
			micros = micros*10 + int64(c-'0')
			point++
		}
	}
	if whole == 0 || v[len(v)-1] == '.' {
		return 0, false
	}
	for i := max(point, 0); i < 6; i++ {
		micros *= 10
	}
	return max(micros, 1), true // 0 is no timestamp
}

// appendStamp writes microseconds as UNIX seconds with six decimals.
func appendStamp(dst []byte, micros int64) []byte {
	dst = strconv.AppendInt(dst, micros/1e6, 10)
	dst = append(dst, ".000000"...)
	putFraction(dst[len(dst)-6:], micros)
	return dst
}

// putFraction writes the six decimals of a number of microseconds.
func putFraction(dst []byte, micros int64) {
	f := uint32(micros % 1e6)
	for i := 5; i >= 0; i-- {
		dst[i] = byte('0' + f%10)
		f /= 10
	}
}

// dress sets what the delivery of its message to one receiver carries: the properties
// that the publisher gave, and, where the receiver's account wants them or the message
// comes from another account, the broker's own in the place of any that the publisher
// gave under the same names [EXT-UP-1] [EXT-UP-2] [EXT-UP-8].
func (t *Turn) dress(d *Delivery, a *attachment, stamped bool) {
	if a.version != mqtt.V5 {
		return
	}
	d.Forward = d.Message.Forward
	if stamped {
		d.Forward, d.Stamps = t.dressing.of(d.Message)
	}
}

// stamped tells whether the session's client is to see the broker's properties of m.
func (s *Session) stamped(m *Message, a *attachment) bool {
	return a.version == mqtt.V5 && (a.reading || m.Account != s.ns.account || s.ns.settings.Load().Stamps)
}

// dressing is the encoded form of the broker's properties of the message that was
// delivered last, for all its receivers. From one message to the next of the same
// publisher only digits of the time change: they are written over the former ones.
type dressing struct {
	m       *Message
	forward []byte // without the broker's keys; immutable
	stamps  []byte // the broker's three

	// Where usual, stamps are those of token and account, and hold a time of six
	// decimals in the given second.
	usual   bool
	token   auth.TokenID
	account auth.AccountID
	second  int64
}

// stampText is where in dressing.stamps the text of the time begins.
const stampText = 1 + 2 + len(keyTimestamp) + 2

func (x *dressing) of(m *Message) (forward, stamps []byte) {
	if x.m != m {
		x.make(m)
	}
	return x.forward, x.stamps
}

func (x *dressing) make(m *Message) {
	x.m, x.forward = m, m.Forward
	second := m.Stamp / 1e6
	if len(m.Forward) == 0 && x.usual && x.second == second && x.token == m.Token && x.account == m.Account {
		end := bytes.IndexByte(x.stamps[stampText:], '.') + stampText + 1
		putFraction(x.stamps[end:end+6], m.Stamp)
		return
	}
	var digits [32]byte
	text := appendStamp(digits[:0], m.Stamp)
	x.usual, x.second, x.token, x.account = true, second, m.Token, m.Account
	if len(m.Forward) > 0 {
		var given []byte
		if x.forward, given = undress(m.Forward); given != nil {
			// As the publisher wrote it, where it is the one in force.
			if v, ok := parseStamp(given); ok && v == m.Stamp {
				text, x.usual = given, false
			}
		}
	}
	var number [20]byte
	x.stamps = mqtt.AppendUser(x.stamps[:0], keyTimestamp, text)
	x.stamps = mqtt.AppendUser(x.stamps, keyToken, strconv.AppendInt(number[:0], int64(m.Token), 10))
	x.stamps = mqtt.AppendUser(x.stamps, keyAccount, strconv.AppendInt(number[:0], int64(m.Account), 10))
}

// forget lets the message go: its memory is about to be used for another one.
func (x *dressing) forget() { x.m = nil }

// ownKey tells whether a user property is the broker's to set.
func ownKey(key []byte) bool {
	switch string(key) {
	case keyTimestamp, keyToken, keyAccount:
		return true
	}
	return false
}

// undress returns the properties without those whose keys are the broker's, and the
// publisher's timestamp where there is one. Where there is none of them it returns
// forward itself, else a copy.
func undress(forward []byte) (rest, timestamp []byte) {
	user := mqtt.ForwardUser(forward)
	found := false
	for key := range user.All() {
		found = found || ownKey(key)
	}
	if !found {
		return forward, nil
	}
	rest = append(make([]byte, 0, len(forward)), forward[:len(forward)-len(user)]...)
	for key, value := range user.All() {
		switch {
		case !ownKey(key):
			rest = mqtt.AppendUser(rest, key, value)
		case string(key) == keyTimestamp && timestamp == nil:
			timestamp = value
		}
	}
	return rest, timestamp
}
