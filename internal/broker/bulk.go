package broker

import (
	"context"

	"alcove/internal/topic"
)

// deletion is a bulk deletion of retained messages in one namespace, under way
// [EXT-RET-2]. It goes a page at a time; between two of them it holds no lock and no
// loop. What is stored after its beginning stays, whatever topic it has.
type deletion struct {
	ns     *Namespace
	sel    selection
	may    func(topic []byte) bool // nil for any topic
	count  int                     // deleted so far
	ticket uint64                  // of the last record
	page   []blob
}

// newDeletion begins a deletion of what is stored now.
func (b *Broker) newDeletion(ns *Namespace, filter string, may func(topic []byte) bool) *deletion {
	d := &deletion{ns: ns, sel: b.newSelection(filter, 0), may: may}
	d.sel.begin(&ns.retained, 0, ns.retained.latest())
	return d
}

// step deletes a page, and tells whether there may be more.
func (d *deletion) step(t *Turn) (more bool) {
	r := &d.ns.retained
	room := allowance{messages: bulkPage, bytes: retainedPageBytes << 4, rows: retainedScan}
	page, more := d.sel.scan(r, &room, d.page[:0], t.Now)
	gone := page[:0]
	for _, b := range page {
		if d.allowed(t, b) {
			gone = append(gone, b)
		}
	}
	if len(gone) > 0 {
		r.mu.Lock()
		count, ticket := t.drop(d.ns, gone)
		r.mu.Unlock()
		d.count += count
		d.ticket = max(d.ticket, ticket)
	}
	clear(page)
	d.page = page[:0]
	return more
}

// allowed tells whether a message's topic is the caller's to delete: one that it may
// publish to [EXT-TOK-7], and never one of the broker's own [EXT-TOP-1].
func (d *deletion) allowed(t *Turn, b blob) bool {
	if topic.Under(b.topic(), t.b.features.ReservedLevel) {
		return false
	}
	return d.may == nil || d.may(b.topicBytes())
}

// pause lets the log come after: it waits where much is to be written. It fails where
// the deletion cannot or shall not go on.
func (d *deletion) pause(ctx context.Context) error {
	b := d.ns.b
	if err := ctx.Err(); err != nil {
		return err
	}
	if b.commit.bytes.Load() >= commitBytes/4 {
		return b.settled(ctx, d.ticket)
	}
	return nil
}

// deleteRetained deletes the retained messages of one namespace that match filter and
// whose topics may takes, and calls done once, with their number and the ticket of
// the last record. A page is deleted at once; where that was all, done is called
// before deleteRetained returns, else on a goroutine of its own, or never, where the
// broker ends before. No lock is held, by the caller neither.
func (t *Turn) deleteRetained(ns *Namespace, filter string, may func(topic []byte) bool, done func(t *Turn, count int, ticket uint64)) {
	d := t.b.newDeletion(ns, filter, may)
	if !d.step(t) {
		done(t, d.count, d.ticket)
		return
	}
	b := t.b
	b.readers.Add(1)
	go func() {
		defer b.readers.Done()
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		for more := true; more; {
			select {
			case <-b.sweeper:
				return
			default:
			}
			if d.pause(ctx) != nil {
				return
			}
			b.do(func(t *Turn) { more = d.step(t) })
		}
		b.do(func(t *Turn) { done(t, d.count, d.ticket) })
	}()
}
