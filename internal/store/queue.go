package store

import (
	"sync"

	"alcove/internal/auth"
	"alcove/internal/broker"
)

// maxInFlight is how many bytes of batches may wait to be done before Append
// blocks. One batch is always let in.
const maxInFlight = 64 << 20

// item is what the applier is given to do: exactly one of its first five fields is
// set.
type item struct {
	batch *broker.Batch
	docs  *documents
	rows  *rows
	drop  *dropped
	sweep bool   // free what a load found dead
	n     uint64 // items are numbered from 1
	bytes int
}

// dropped are references that nobody holds any more.
type dropped struct {
	top auth.AccountID
	ids []broker.MessageID
}

// waiter is who is to be told when item n is done.
type waiter struct {
	n      uint64
	ticket uint64
	bytes  int
	done   func(ticket uint64, err error)
}

// queue is what has been appended and is not done: items, until the applier takes
// them, and waiters, until the announcer has called them. Both by growing n.
type queue struct {
	ready chan struct{} // rings the applier

	mu struct {
		sync.Mutex
		roomy   sync.Cond // there may be room, or there never will be
		items   []item
		waiters []waiter
		n       uint64 // of the last item
		ticket  uint64 // of the last batch
		bytes   int    // of the waiters
		loading bool
		loaded  bool
		closed  bool // no more items
		broken  bool // the store failed: Append does not wait for room
	}
}

func (q *queue) init() {
	q.ready = make(chan struct{}, 1)
	q.mu.roomy.L = &q.mu
}

// ring wakes the reader of c, which looks at everything there is.
func ring(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// push appends an item of a number still to be given, and who waits for it. It is
// false where the queue is closed.
func (q *queue) push(it item, w waiter) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.mu.bytes > 0 && q.mu.bytes+it.bytes > maxInFlight && !q.mu.closed && !q.mu.broken {
		q.mu.roomy.Wait()
	}
	if q.mu.closed {
		return false
	}
	q.mu.n++
	it.n, w.n, w.bytes = q.mu.n, q.mu.n, it.bytes
	if !q.mu.broken {
		q.mu.items = append(q.mu.items, it)
	}
	q.mu.waiters = append(q.mu.waiters, w)
	q.mu.bytes += it.bytes
	ring(q.ready)
	return true
}

// take moves items to dst, about maxBytes of them. more tells that others wait,
// closed that none will come.
func (q *queue) take(dst []item, maxBytes int) (items []item, more, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, bytes := 0, 0
	for n < len(q.mu.items) && (n == 0 || bytes+q.mu.items[n].bytes <= maxBytes) {
		bytes += q.mu.items[n].bytes
		n++
	}
	dst = append(dst, q.mu.items[:n]...)
	rest := copy(q.mu.items, q.mu.items[n:])
	clear(q.mu.items[rest:])
	q.mu.items = q.mu.items[:rest]
	return dst, rest > 0, q.mu.closed && rest == 0
}

// finished moves the waiters up to item n to dst.
func (q *queue) finished(dst []waiter, n uint64) []waiter {
	q.mu.Lock()
	defer q.mu.Unlock()
	k := 0
	for k < len(q.mu.waiters) && q.mu.waiters[k].n <= n {
		q.mu.bytes -= q.mu.waiters[k].bytes
		k++
	}
	dst = append(dst, q.mu.waiters[:k]...)
	rest := copy(q.mu.waiters, q.mu.waiters[k:])
	clear(q.mu.waiters[rest:])
	q.mu.waiters = q.mu.waiters[:rest]
	q.mu.roomy.Broadcast()
	return dst
}

// fail makes the queue take no more items. Waiters may still come.
func (q *queue) fail() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mu.broken = true
	clear(q.mu.items)
	q.mu.items = nil
	q.mu.roomy.Broadcast()
}

// close lets what is there be finished and nothing more in.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mu.closed = true
	q.mu.roomy.Broadcast()
	ring(q.ready)
}

// isClosed tells whether close was called and no waiter is left.
func (q *queue) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.mu.closed && len(q.mu.waiters) == 0
}
