package broker

import (
	"strconv"
	"strings"
	"unsafe"

	"alcove/internal/auth"
	"alcove/internal/mqtt"
	"alcove/internal/topic"
)

// Subscription is one record, linked from its session and from the tree. It
// never changes: other options, or other rights, are a new record in its place
// [MQTT-3.8.4-3] [MQTT311-3.8.4-3].
//
// In the tree a share group stands for its members: there s is nil.
//
// A record takes 32 bytes, and the text of a plain one, if it is not long, stands
// right behind it (newRecord).
type Subscription struct {
	s     *Session
	more  *subscriptionMore // nil for a plain one
	text  *byte             // the whole filter, as sent
	id    uint32            // Subscription Identifier, 0 none
	size  uint16            // of the text
	qos   mqtt.QoS          // the highest that it may have
	marks subscriptionMarks
}

// subscriptionMarks are what a subscription asks for beside its QoS.
type subscriptionMarks uint8

const (
	markRetainHandling subscriptionMarks = 3      // 0, 1 or 2
	markNoLocal        subscriptionMarks = 1 << 2 // No Local
	markRAP            subscriptionMarks = 1 << 3 // Retain As Published
	markPartial        subscriptionMarks = 1 << 4 // each message's topic is checked against the rights [EXT-TOK-7]
)

// newRecord makes the record of a plain subscription. A text of up to 96 bytes is
// copied behind the record, into the same piece of memory. So a match, which reads
// both, comes to one cache line instead of two, and to one page; and a subscription of
// 25 bytes takes 64 instead of 80. The text keeps the record in memory, and with it the
// session: who keeps a filter longer than its subscription must copy it.
func newRecord(s *Session, filter string) *Subscription {
	var sub *Subscription
	var room []byte
	switch n := len(filter); { // each makes one of the allocator's sizes
	case n <= 16:
		r := &struct {
			Subscription
			text [16]byte
		}{}
		sub, room = &r.Subscription, r.text[:]
	case n <= 32:
		r := &struct {
			Subscription
			text [32]byte
		}{}
		sub, room = &r.Subscription, r.text[:]
	case n <= 48:
		r := &struct {
			Subscription
			text [48]byte
		}{}
		sub, room = &r.Subscription, r.text[:]
	case n <= 64:
		r := &struct {
			Subscription
			text [64]byte
		}{}
		sub, room = &r.Subscription, r.text[:]
	case n <= 96:
		r := &struct {
			Subscription
			text [96]byte
		}{}
		sub, room = &r.Subscription, r.text[:]
	default:
		sub = &Subscription{}
	}
	if sub.s = s; room != nil {
		copy(room, filter)
		filter = unsafe.String(&room[0], len(filter))
	}
	sub.setFilter(filter)
	return sub
}

// setFilter gives a new record its text, of topic.MaxBytes at most, where it stands.
func (sub *Subscription) setFilter(filter string) {
	sub.text, sub.size = unsafe.StringData(filter), uint16(len(filter))
}

// filter returns the whole text, as sent.
func (sub *Subscription) filter() string { return unsafe.String(sub.text, sub.size) }

// options returns what was asked for, with the QoS that was granted.
func (sub *Subscription) options() mqtt.SubscribeOptions {
	return mqtt.SubscribeOptions{
		QoS: sub.qos, NoLocal: sub.has(markNoLocal), RetainAsPublished: sub.has(markRAP),
		RetainHandling: byte(sub.marks & markRetainHandling),
	}
}

// setOptions gives a new record its options.
func (sub *Subscription) setOptions(o mqtt.SubscribeOptions) {
	sub.qos = o.QoS
	sub.marks = sub.marks&markPartial | subscriptionMarks(o.RetainHandling)&markRetainHandling
	sub.mark(markNoLocal, o.NoLocal)
	sub.mark(markRAP, o.RetainAsPublished)
}

// mark gives a new record a mark, or takes it.
func (sub *Subscription) mark(m subscriptionMarks, set bool) {
	if sub.marks &^= m; set {
		sub.marks |= m
	}
}

// clone makes a new record like this one.
func (sub *Subscription) clone() *Subscription {
	c := newRecord(sub.s, sub.filter())
	text := c.text
	*c = *sub
	c.text = text
	return c
}

// has tells whether the subscription has a mark.
func (sub *Subscription) has(m subscriptionMarks) bool { return sub.marks&m != 0 }

// subscriptionMore is what few subscriptions have.
type subscriptionMore struct {
	group   *Group         // of a shared subscription
	inner   string         // what topics are matched with, where it is not the whole text
	account auth.AccountID // only messages from this account, 0 any [EXT-UP-3] [EXT-FIL-1]
	given   bool           // account came as a property: a part of the identity [EXT-UP-3]
	since   int64          // only retained messages newer than this, UNIX microseconds [EXT-RET-3]

	conditions conditionSet // [EXT-FIL-2]
}

// group returns the share group of a shared subscription, or nil.
func (sub *Subscription) group() *Group {
	if sub.more == nil {
		return nil
	}
	return sub.more.group
}

// inner returns the Topic Filter that topics are matched with.
func (sub *Subscription) inner() string {
	if sub.more == nil || sub.more.inner == "" {
		return sub.filter()
	}
	return sub.more.inner
}

// account returns the only account whose messages the subscription takes, 0 for all.
func (sub *Subscription) account() auth.AccountID {
	if sub.more == nil {
		return 0
	}
	return sub.more.account
}

// since returns the timestamp that retained messages must be newer than, UNIX
// microseconds, 0 for all.
func (sub *Subscription) since() int64 {
	if sub.more == nil {
		return 0
	}
	return sub.more.since
}

// conditional tells whether the subscription asks about more of a message than its
// topic and its account.
func (sub *Subscription) conditional() bool { return sub.more != nil && !sub.more.conditions.none() }

// wants tells whether m, which has its stamp, meets the subscription's conditions. The
// topic, the account and the rights have been seen to [EXT-FIL-2].
func (sub *Subscription) wants(t *Turn, m *Message) bool {
	return sub.more == nil || t.meets(&sub.more.conditions, m)
}

// narrowing is what a SUBSCRIBE's user properties say of all its filters.
type narrowing struct {
	account auth.AccountID // cid, 0 without one [EXT-UP-3]
	since   int64          // modified_since, UNIX microseconds [EXT-RET-3]
}

// newSubscription makes the record of a filter, not yet installed. An error is that of
// an expression.
func (s *Session) newSubscription(f topic.Filter, n narrowing) (*Subscription, error) {
	if f.Inner == f.Text && n == (narrowing{}) {
		return newRecord(s, f.Text), nil
	}
	sub := &Subscription{s: s}
	sub.setFilter(f.Text) // of which f.Inner is a part
	whole := f            // f itself stays on the stack
	set, err := s.ns.b.conditions.compile(&whole)
	if err != nil {
		return nil, err
	}
	sub.more = &subscriptionMore{
		inner: f.Inner, account: auth.AccountID(f.Items.Account), since: max(f.Items.ModifiedSince, n.since),
		conditions: set,
	}
	if n.account != 0 {
		sub.more.account, sub.more.given = n.account, true
	}
	return sub, nil
}

// key is the subscription's identity in its session: the filter's text, and, behind
// U+0000, which no filter has, the account where it came as a property [EXT-UP-3].
func (sub *Subscription) key() string {
	given := sub.given()
	if given == 0 {
		return sub.filter()
	}
	return sub.filter() + "\x00" + strconv.FormatInt(int64(given), 10)
}

// cutKey is the inverse of subscriptionKey.
func cutKey(key string) (filter string, account auth.AccountID) {
	filter, id, _ := strings.Cut(key, "\x00")
	n, _ := strconv.ParseInt(id, 10, 64)
	return filter, auth.AccountID(n)
}

// given returns the account that came as a property, 0 without one.
func (sub *Subscription) given() auth.AccountID {
	if sub.more == nil || !sub.more.given {
		return 0
	}
	return sub.more.account
}

// is tells whether the subscription has this identity.
func (sub *Subscription) is(filter string, given auth.AccountID) bool {
	return sub.filter() == filter && sub.given() == given
}

// install puts sub into its session and the tree, the new record before the old
// one goes, so that no message is lost meanwhile [MQTT-3.8.4-4]. It reports
// whether the subscription is new, which the caller then counts for the account. Under s.mu, except for shared ones, whose
// group the caller changes after it.
func (s *Session) install(sub *Subscription, f topic.Filter) (isNew bool) {
	old := s.subs.put(sub)
	s.ns.quota.add(sub)
	if old != nil {
		s.ns.quota.remove(old)
	}
	if old == nil {
		s.ns.b.stats.Subscriptions.Add(1)
	}
	if f.Share == "" {
		s.ns.tree.Add(sub.inner(), sub)
		if old != nil {
			s.ns.tree.Remove(old.inner(), old)
		}
	}
	return old == nil
}

// remove takes a subscription out of the session and the tree; a shared one
// also leaves its group, which the caller sees to. Deliveries that were already
// decided are refused in the output from here on [MQTT-3.10.4-2]
// [MQTT311-3.10.4-2]. Under s.mu.
func (s *Session) remove(sub *Subscription) {
	s.subs.remove(sub)
	s.ns.quota.remove(sub)
	s.ns.b.stats.Subscriptions.Add(-1)
	s.ns.usage.subscriptions.Add(-1)
	if sub.group() == nil {
		s.ns.tree.Remove(sub.inner(), sub)
	}
	s.gen.Add(1)
}
