package store

import (
	"fmt"

	"alcove/internal/broker"
)

// Append implements broker.Log. It blocks while more than 64 MiB of batches are on
// their way. There is one log on one node, so the shard does not matter.
func (s *Store) Append(_ int, b *broker.Batch, done func(ticket uint64, err error)) {
	if err := s.queue.number(b.Ticket); err != nil {
		s.fault.raise(err)
	}
	ok := s.queue.push(item{batch: b, bytes: batchSize(b)}, waiter{ticket: b.Ticket, done: done})
	if !ok {
		// Not on the caller's goroutine, which may hold what done wants.
		go done(b.Ticket, ErrClosed)
	}
}

// number checks that tickets come without gaps, after a Load: a batch out of order
// would be applied to another state than the one it was made for.
func (q *queue) number(ticket uint64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.mu.loaded {
		return fmt.Errorf("store: batch %d appended before Load", ticket)
	}
	if ticket != q.mu.ticket+1 {
		return fmt.Errorf("store: batch %d appended after batch %d", ticket, q.mu.ticket)
	}
	q.mu.ticket = ticket
	return nil
}

// recordSize is about what a record costs beside its message, in bytes.
const recordSize = 128

// batchSize is about what a batch costs while it is on its way, in bytes.
func batchSize(b *broker.Batch) int {
	n := recordSize
	for i := range b.Records {
		r := &b.Records[i]
		n += recordSize + 32*len(r.Targets) + 8*len(r.IDs)
		if r.Message != nil {
			n += rawSize(r.Message)
		}
		if r.Session != nil && r.Session.Will != nil {
			n += rawSize(r.Session.Will)
		}
	}
	return n
}
