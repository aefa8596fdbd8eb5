package broker

import (
	"context"
	"time"

	"alcove/internal/auth"
	"alcove/internal/mqtt"
)

// RetainedQuery asks for retained messages.
type RetainedQuery struct {
	// Account whose messages are asked for; Recursive adds those of its
	// descendants.
	Account   auth.AccountID
	Recursive bool
	// Filter is a plain Topic Filter, legal, read like a subscription's: selectors
	// are known, and a wildcard at the first level hides "$…" and the reserved level.
	Filter string
	// Since is the timestamp that they must be newer than, UNIX microseconds; 0
	// for all [EXT-RET-3].
	Since int64
	// May, where it is not nil, tells whether the caller may see a topic
	// [EXT-TOK-7]. It must be quick; the bytes are borrowed.
	May func(topic []byte) bool
	// Skip is how many of the matching messages are left out at the beginning.
	Skip int
}

// errDeletions tells that an account has too many bulk deletions under way.
var errDeletions = &mqtt.Error{Code: mqtt.ServerBusy, Reason: "too many deletions of retained messages are under way in the account"}

// Retained gives the retained messages that q asks for, one after the other, to
// yield, until that returns false; no lock is held then, and it may take its time.
// The messages are immutable. Memory is bounded whatever there is to find, and so is
// the time that others wait.
//
// Account by account, each in the order of topics, or of timestamps where Since makes
// that shorter. A message which is replaced meanwhile is given in one of its versions
// at least, and in two at most.
func (b *Broker) Retained(q RetainedQuery, yield func(*Message) bool) error {
	return b.query(q, func(ns *Namespace, x blob) bool { return yield(x.message(ns)) })
}

// RetainedCount returns how many messages Retained would give, as it does: at the
// cost of looking at each. Skip counts as well.
func (b *Broker) RetainedCount(q RetainedQuery) (count int, err error) {
	err = b.query(q, func(*Namespace, blob) bool {
		count++
		return true
	})
	return count, err
}

// RetainedUse tells how many retained messages an account has, and how many bytes
// they are charged.
func (b *Broker) RetainedUse(account auth.AccountID) (count int, bytes int64) {
	b.mu.RLock()
	ns := b.namespaces[account]
	b.mu.RUnlock()
	if ns == nil {
		return 0, 0
	}
	r := &ns.retained
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.topics.Len(), r.bytes
}

// query visits what q asks for.
func (b *Broker) query(q RetainedQuery, visit func(*Namespace, blob) bool) error {
	ns, ok := b.namespace(q.Account)
	if !ok {
		return auth.ErrNotFound
	}
	family := []*Namespace{ns}
	if q.Recursive {
		family = ns.family(nil)
	}
	sel := b.newSelection(q.Filter, q.Since)
	for _, ns := range family {
		if !b.queryOne(&q, &sel, ns, visit) {
			break
		}
	}
	return nil
}

// queryOne visits what q asks for in one namespace, and tells whether to go on.
func (b *Broker) queryOne(q *RetainedQuery, sel *selection, ns *Namespace, visit func(*Namespace, blob) bool) bool {
	var page []blob
	r := &ns.retained
	// By timestamp, what is replaced meanwhile moves behind, for ever perhaps: the
	// first round passes it over, a second one gives what came during the first.
	for after, limit := uint64(0), r.latest(); ; after, limit = limit, r.latest() {
		sel.begin(r, after, limit)
		if !sel.byStamp {
			sel.limit = ^uint64(0)
		}
		for more := true; more; {
			room := allowance{messages: retainedPage, bytes: retainedPageBytes, rows: retainedScan}
			page, more = sel.scan(r, &room, page[:0], time.Now())
			for _, x := range page {
				if q.May != nil && !q.May(x.topicBytes()) {
					continue
				}
				if q.Skip > 0 {
					q.Skip--
				} else if !visit(ns, x) {
					return false
				}
			}
			clear(page)
		}
		if !sel.byStamp || after > 0 || r.latest() == limit {
			return true
		}
	}
}

// DeleteRetained deletes the retained messages of one account that match filter, read
// as RetainedQuery.Filter, and whose topics may takes (all where it is nil)
// [EXT-RET-2]; none that was stored after the call began. It goes step by step, so
// that nobody waits for it, and returns how many there were once that is durable.
// Where ctx ends before, what has been deleted stays so.
func (b *Broker) DeleteRetained(ctx context.Context, account auth.AccountID, filter string, may func(topic []byte) bool) (count int, err error) {
	ns, ok := b.namespace(account)
	if !ok {
		return 0, auth.ErrNotFound
	}
	d := b.newDeletion(ns, filter, may)
	if d == nil {
		return 0, errDeletions
	}
	defer d.end()
	if err := d.run(ctx); err != nil {
		return d.count, err
	}
	return d.count, b.settled(ctx, d.ticket)
}

// settled waits until ticket is durable.
func (b *Broker) settled(ctx context.Context, ticket uint64) error {
	done := make(chan struct{})
	b.commit.after(ticket, func() { close(done) }, nil)
	b.commit.kick()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-b.commit.broken:
		return errStore
	}
}
