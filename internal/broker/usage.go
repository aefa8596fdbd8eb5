package broker

import (
	"sync/atomic"

	"alcove/internal/auth"
	"alcove/internal/event"
	"alcove/internal/mqtt"
)

// usage counts what an account has done since the broker's start, and holds now.
type usage struct {
	published, publishedBytes atomic.Uint64
	sent, sentBytes           atomic.Uint64
	rejected, dropped         atomic.Uint64
	online                    atomic.Int64
	subscriptions             atomic.Int64
	queued                    atomic.Int64 // bytes, to within heldStep for each queue
}

// Usage is what an account has done since the broker's start, and holds now.
type Usage struct {
	// Published are PUBLISH packets from clients and messages from REST, Sent the
	// PUBLISH packets to clients; bytes are those of topics and payloads.
	Published, PublishedBytes uint64
	Sent, SentBytes           uint64
	// Rejected were refused; Dropped were taken and then not delivered to one
	// receiver or another.
	Rejected, Dropped uint64
	// Sessions exist, Online of them have a connection.
	Sessions, Online int64
	Subscriptions    int64
	// QueuedBytes is what waits in the queues of sessions and share groups, to
	// within 4 KiB each.
	QueuedBytes int64
	// Retained are the retained messages, RetainedBytes what they cost.
	Retained, RetainedBytes int64
}

// Usage returns what an account has done and holds; the zero value for one that has
// never been active.
func (b *Broker) Usage(account auth.AccountID) Usage {
	b.mu.RLock()
	ns := b.namespaces[account]
	b.mu.RUnlock()
	if ns == nil {
		return Usage{}
	}
	return ns.measure()
}

// EachUsage gives the usage of every account that has been active since the broker's
// start to f, until that returns false. No lock is held meanwhile.
func (b *Broker) EachUsage(f func(auth.AccountID, Usage) bool) {
	b.mu.RLock()
	all := make([]*Namespace, 0, len(b.namespaces))
	for _, ns := range b.namespaces {
		all = append(all, ns)
	}
	b.mu.RUnlock()
	for _, ns := range all {
		if !f(ns.account, ns.measure()) {
			return
		}
	}
}

func (ns *Namespace) measure() Usage {
	u := &ns.usage
	got := Usage{
		Published: u.published.Load(), PublishedBytes: u.publishedBytes.Load(),
		Sent: u.sent.Load(), SentBytes: u.sentBytes.Load(),
		Rejected: u.rejected.Load(), Dropped: u.dropped.Load(),
		Online: u.online.Load(), Subscriptions: u.subscriptions.Load(), QueuedBytes: u.queued.Load(),
	}
	ns.mu.Lock()
	got.Sessions = int64(len(ns.sessions))
	ns.mu.Unlock()
	ns.retained.mu.RLock()
	got.Retained, got.RetainedBytes = int64(ns.retained.topics.Len()-ns.retained.own), ns.retained.bytes
	ns.retained.mu.RUnlock()
	return got
}

// tally is what a turn has counted for one account and not yet told: a message costs
// an addition, not an atomic one.
type tally struct {
	ns                        *Namespace
	from                      *attachment // whose messages heard counts
	heard                     uint64
	published, publishedBytes uint64
	sends, sentBytes          uint64
	rejected, dropped         uint64
}

// tally returns the turn's counts for an account.
func (t *Turn) tally(ns *Namespace) *tally {
	if t.tallied.ns != ns {
		t.tallied.flush()
		t.tallied.ns = ns
	}
	return &t.tallied
}

// flush adds the counts to the account's.
func (c *tally) flush() {
	if c.ns == nil {
		return
	}
	c.hear(nil)
	c.ns.b.stats.Received.Add(c.published)
	u := &c.ns.usage
	for _, x := range [...]struct {
		to *atomic.Uint64
		n  uint64
	}{
		{&u.published, c.published}, {&u.publishedBytes, c.publishedBytes},
		{&u.sent, c.sends}, {&u.sentBytes, c.sentBytes},
		{&u.rejected, c.rejected}, {&u.dropped, c.dropped},
	} {
		if x.n != 0 {
			x.to.Add(x.n)
		}
	}
	*c = tally{}
}

// received counts a PUBLISH; a is nil for a message that came without a connection.
func (c *tally) received(a *attachment, p *mqtt.Publish) {
	if c.from != a {
		c.hear(a)
	}
	c.heard++
	c.published++
	c.publishedBytes += uint64(len(p.Topic) + len(p.Payload))
}

// hear tells a connection how many of its messages were counted, and begins with those
// of another.
func (c *tally) hear(a *attachment) {
	if c.from != nil {
		c.from.figures.published.Add(c.heard)
	}
	c.from, c.heard = a, 0
}

// sent counts a message; the broker's own are not the account's, and would make
// counters that are told count the telling [EXT-LOG-3].
func (c *tally) sent(m *Message) {
	if m.own {
		return
	}
	c.sends++
	c.sentBytes += uint64(len(m.Topic) + len(m.Payload))
}

// figures count what a connection does.
type figures struct {
	published atomic.Uint64
	rejected  atomic.Uint32
	// dropped are QoS 0 messages that its output had no room for, told those of
	// them that the log knows of, second when it was told last (UNIX s).
	dropped, told, second atomic.Uint32
}

// dropped counts a QoS 0 message that a receiver had no room for, and tells of those
// since the last time, once a second.
func (t *Turn) dropped(s *Session, a *attachment, m *Message) {
	if m.own {
		return // else the log would tell that it could not tell, for ever
	}
	t.tally(s.ns).dropped++
	f := &a.figures
	n, now, last := f.dropped.Add(1), uint32(t.Now.Unix()), f.second.Load()
	if now == last || !f.second.CompareAndSwap(last, now) {
		return
	}
	r := s.event(event.MessageDropped, 0, a)
	r.Count, r.Reason = int(n-f.told.Swap(n)), "the client does not read fast enough: QoS 0 is dropped"
	t.note(r)
}

// heldStep is by how many bytes a queue may differ from what its account knows of it.
const heldStep = 4 << 10

// holds tells the queue where its bytes are counted.
func (q *queue) holds(at *atomic.Int64) *queue {
	q.account = at
	return q
}

// count tells the account of the queue's bytes, where they are others by a step.
func (q *queue) count() {
	if d := q.bytes - q.told; d >= heldStep || d <= -heldStep || q.bytes == 0 && d != 0 {
		q.recount()
	}
}

func (q *queue) recount() {
	if q.account != nil {
		q.account.Add(q.bytes - q.told)
		q.told = q.bytes
	}
}

// relieved ends an episode of dropping, once a quarter of the bound is free: it
// returns how many messages it has cost, 0 where none ends [EXT-SES-3].
func (q *queue) relieved(bound int64) (n int) {
	if q.dropped > 0 && q.bytes <= bound-bound/4 {
		n, q.dropped = q.dropped, 0
	}
	return n
}

// discount takes the queue out of the account's count, when it goes.
func (q *queue) discount() {
	if q.account != nil && q.told != 0 {
		q.account.Add(-q.told)
		q.told = 0
	}
}
