package broker

import (
	"context"
	"errors"
	"strconv"

	"alcove/internal/mqtt"
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

// newDeletion begins a deletion of what is stored now. It returns nil where too many
// are under way in the account.
func (b *Broker) newDeletion(ns *Namespace, filter string, may func(topic []byte) bool) *deletion {
	r := &ns.retained
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.deletions >= bulkEach {
		return nil
	}
	r.deletions++
	d := &deletion{ns: ns, sel: b.newSelection(filter, 0), may: may}
	d.sel.choose(r, 0, r.order)
	return d
}

// end gives the deletion's place back.
func (d *deletion) end() {
	r := &d.ns.retained
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deletions--
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

// run goes through all that is left, and lets the log come after: it waits where much
// is to be written. An error tells that it cannot or shall not go on.
func (d *deletion) run(ctx context.Context) error {
	b := d.ns.b
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		if b.commit.bytes.Load() >= commitBytes/4 {
			if err := b.settled(ctx, d.ticket); err != nil {
				return err
			}
		}
		select {
		case b.bulk <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		case <-b.sweeper:
			return errClosed
		}
		b.do(func(t *Turn) { more = d.step(t) })
		<-b.bulk
	}
	return nil
}

// errClosed tells that the broker has ended.
var errClosed = errors.New("broker: closed")

// deleteRetained deletes the retained messages of one namespace that match filter and
// whose topics may takes, and calls done once, with their number and the ticket of
// the last record. A page is deleted at once; where that was all, done is called
// before deleteRetained returns, else later on a goroutine of its own, or never, where
// the broker ends before. It returns false, and does nothing, where too many deletions
// are under way in the account. No lock is held, nor by the caller.
func (t *Turn) deleteRetained(ns *Namespace, filter string, may func(topic []byte) bool, done func(t *Turn, count int, ticket uint64)) bool {
	b := t.b
	d := b.newDeletion(ns, filter, may)
	if d == nil {
		return false
	}
	if !d.step(t) {
		d.end()
		done(t, d.count, d.ticket)
		return true
	}
	b.readers.Add(1)
	go func() {
		defer b.readers.Done()
		err := d.run(context.Background())
		d.end()
		// Where the log has failed, whoever waits for the ticket is told there.
		if err != errClosed {
			b.do(func(t *Turn) { done(t, d.count, d.ticket) })
		}
	}()
	return true
}

// publishDeletion takes a PUBLISH without payload to a topic with wildcards: it
// deletes the retained messages that match, of the publisher's account, and goes no
// further, RETAIN or not [EXT-RET-2]. The answer has their number; it waits for the
// end, while packets behind it are handled. The deletion goes on whatever becomes of
// the connection.
func (s *Session) publishDeletion(t *Turn, a *attachment, p *mqtt.Publish) error {
	if reason := t.b.reserved(p.Topic); reason != "" {
		return s.refused(t, a, p, mqtt.TopicNameInvalid, reason)
	}
	f, err := topic.Parse(string(p.Topic), t.b.limits.MaximumLevels)
	if err != nil {
		return s.refused(t, a, p, mqtt.TopicNameInvalid, err.Error())
	}
	if durable, _ := s.ns.durability(); durable && t.b.commit.failed.Load() {
		return s.refused(t, a, p, mqtt.QuotaExceeded, errStoreFull)
	}
	x := answer{typ: mqtt.TypePuback, pid: p.PacketID, later: &later{}}
	if p.QoS == mqtt.QoS2 {
		x.typ = mqtt.TypePubrec
	}
	rights, qos := a.rights, p.QoS
	s.mu.Lock()
	if _, held := s.received[p.PacketID]; held && qos == mqtt.QoS2 {
		s.received[p.PacketID] = x.later // a repetition, on whatever connection, waits as well
	}
	s.mu.Unlock()
	ok := t.deleteRetained(s.ns, f.Inner, rights.MayPublish, func(t *Turn, count int, ticket uint64) {
		if qos != mqtt.QoS0 {
			s.deleted(t, &x, count, ticket)
		}
	})
	if !ok {
		return s.refused(t, a, p, mqtt.QuotaExceeded, "too many deletions of retained messages are under way")
	}
	if qos == mqtt.QoS0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link.Load() == a {
		x.later.placed = true
		s.answer(t, a, x)
	}
	return nil
}

// deleted completes the answer x to a PUBLISH that was a bulk deletion. The QoS 2
// identifier becomes durable only now: after a crash the client's repetition must not
// pass for one of a deletion that was done.
func (s *Session) deleted(t *Turn, x *answer, count int, ticket uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := x.later
	if _, held := s.received[x.pid]; held && x.typ == mqtt.TypePubrec {
		if durable, sync := s.durable(); durable {
			ticket = max(ticket, s.record(t, sync, Record{Kind: KindReceived, PacketID: x.pid}))
		}
	}
	l.done, l.ticket = true, ticket
	l.user = mqtt.AppendUser(l.user, "deleted_count", strconv.Itoa(count))
	if a := s.link.Load(); l.placed && a != nil {
		a.out.Wake()
	}
}
