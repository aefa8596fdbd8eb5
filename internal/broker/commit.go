package broker

import (
	"sync"
	"sync/atomic"
	"time"

	"alcove/internal/mqtt"
)

// Group commit.
//
// Records are appended to the pending batch under commit.mu, mostly from
// inside a Session.mu section, so that the order in the log is the order in
// which things were decided. The batch's number is its ticket. A turn that
// appended records rings the committer at its end; the committer hands the
// pending batch to the log, and while that one is being written the next one
// fills. Once the log says that a batch is done, synced is its ticket, and
// every attachment that waits for it is woken: its loop then releases the
// answers that have become ripe (acks.go).
//
// Batches that nobody waits for (a client's PUBACK, a detach) are held back
// for commitDelay, since losing them costs only a legal repetition.
//
// Once the log has failed, no ticket is ever ripe again: no answer that
// promises durability leaves, QoS 0 goes on. Whoever waits, or would from then on,
// is told: a connection ends, since nothing behind its answer could leave either.
type commit struct {
	log    Log
	synced atomic.Uint64
	bytes  atomic.Int64 // appended and not yet done
	failed atomic.Bool
	broken chan struct{} // closed when failed becomes true
	onDone func()        // after each batch
	onFail func(error)

	wake chan struct{}
	stop chan struct{}
	idle sync.WaitGroup

	mu      sync.Mutex
	batch   *Batch
	free    []*Batch // empty, to be used again
	size    int64
	ordinal uint64
	urgent  bool
	waiters []waiter
	closed  bool

	flight chan struct{}
	called []waiter // scratch of the log's goroutine
}

// waiter is what waits for a batch: an attachment, or a function. One of its
// functions is run on the log's goroutine (and so must be short): f once the batch
// is durable, lost, where there is one, when the log has failed before.
type waiter struct {
	ticket  uint64
	a       *attachment
	f, lost func()
}

// flights is how many batches may be at the log at once: one being written,
// one ready.
const flights = 2

func newCommit(log Log, ticket uint64, onDone func(), onFail func(error)) *commit {
	c := &commit{
		log: log, onDone: onDone, onFail: onFail,
		broken: make(chan struct{}),
		wake:   make(chan struct{}, 1),
		stop:   make(chan struct{}),
		flight: make(chan struct{}, flights),
		batch:  &Batch{Ticket: ticket + 1},
	}
	c.synced.Store(ticket)
	c.idle.Add(1)
	go c.run()
	return c
}

// append adds records to the pending batch, all or none of which become
// durable, and returns its ticket. A record of a message gets its MessageID.
// sync asks for fsync; urgent says that somebody will wait.
func (c *commit) append(sync, urgent bool, records ...Record) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.put(sync, urgent, records)
	return c.batch.Ticket
}

// put is append under c.mu. It returns the place of the first record in the batch.
func (c *commit) put(sync, urgent bool, records []Record) (place int) {
	total := int64(0)
	for i := range records {
		r := &records[i]
		if r.Kind == KindPublish {
			c.ordinal++
			r.ID = newMessageID(c.batch.Ticket, c.ordinal, len(r.Targets) == 1)
		}
		size := int64(64)
		if r.Message != nil {
			size += int64(r.Message.Size())
		}
		total += size
	}
	c.size += total
	c.bytes.Add(total)
	c.batch.Sync = c.batch.Sync || sync
	c.urgent = c.urgent || urgent
	return c.batch.add(records)
}

// ripe tells whether what ticket stands for is durable. Ticket 0 always is.
func (c *commit) ripe(ticket uint64) bool { return ticket <= c.synced.Load() }

// latest is the ticket of whatever was appended last.
func (c *commit) latest() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.batch.Records) > 0 {
		return c.batch.Ticket
	}
	return c.batch.Ticket - 1
}

// await makes the attachment's loop be woken once ticket is ripe.
func (c *commit) await(ticket uint64, a *attachment) { c.wait(ticket, waiter{a: a}) }

// after runs f on the log's goroutine once ticket is ripe, or at once; lost, which
// may be nil, where that will never be.
func (c *commit) after(ticket uint64, f, lost func()) { c.wait(ticket, waiter{f: f, lost: lost}) }

func (c *commit) wait(ticket uint64, w waiter) {
	c.mu.Lock()
	if !c.ripe(ticket) {
		if c.failed.Load() {
			c.mu.Unlock()
			w.giveUp()
			return
		}
		w.ticket = ticket
		c.waiters = append(c.waiters, w)
		c.urgent = c.urgent || ticket == c.batch.Ticket
		c.mu.Unlock()
		return
	}
	c.mu.Unlock()
	w.call()
}

// wakeRipe calls everybody whose ticket is synced.
func (c *commit) wakeRipe() {
	c.mu.Lock()
	ripe := c.called[:0]
	rest := c.waiters[:0]
	for _, w := range c.waiters {
		if c.ripe(w.ticket) {
			ripe = append(ripe, w)
		} else {
			rest = append(rest, w)
		}
	}
	clear(c.waiters[len(rest):])
	c.waiters = rest
	c.mu.Unlock()
	for i, w := range ripe {
		w.call()
		ripe[i] = waiter{}
	}
	c.called = ripe
}

func (w waiter) call() {
	if w.a != nil {
		w.a.out.Wake()
		return
	}
	w.f()
}

// giveUp tells w that what it waits for will never be.
func (w waiter) giveUp() {
	switch {
	case w.a != nil:
		w.a.out.Post(w.a.storeLost)
	case w.lost != nil:
		w.lost()
	}
}

// fail is called once, when the log has failed.
func (c *commit) fail(err error) {
	close(c.broken)
	c.onFail(err)
	c.mu.Lock()
	waiters := c.waiters
	c.waiters = nil // nobody waits any more: wait looks at failed
	c.mu.Unlock()
	for _, w := range waiters {
		w.giveUp()
	}
}

// storeLost ends a connection whose next answer can never leave.
func (a *attachment) storeLost(t *Turn) {
	a.out.End(t, mqtt.ImplementationSpecificError, errStoreLost.Reason)
	a.s.detach(t, a, mqtt.ImplementationSpecificError, errStoreLost.Reason)
}

// errStoreLost refuses a client whose session cannot be durable any more.
var errStoreLost = &mqtt.Error{Code: mqtt.ServerUnavailable, Reason: "the broker's storage has failed"}

// kick rings the committer.
func (c *commit) kick() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// run is the committer: it alone takes batches and hands them to the log.
func (c *commit) run() {
	defer c.idle.Done()
	for {
		select {
		case <-c.wake:
		case <-c.stop:
			c.flush()
			return
		}
		c.gather()
		c.flush()
	}
}

// gather lets records come together for a while, as long as nobody waits.
func (c *commit) gather() {
	timer := time.NewTimer(commitDelay)
	defer timer.Stop()
	for !c.pressing() {
		select {
		case <-c.wake:
		case <-timer.C:
			return
		case <-c.stop:
			return
		}
	}
}

func (c *commit) pressing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.urgent || len(c.batch.Records) > 1000
}

// flush hands the pending batch to the log, if there is anything in it.
func (c *commit) flush() {
	c.flight <- struct{}{}
	c.mu.Lock()
	batch, size := c.batch, c.size
	if len(batch.Records) == 0 {
		c.mu.Unlock()
		<-c.flight
		return
	}
	c.batch = c.next(batch.Ticket + 1)
	c.size, c.ordinal, c.urgent = 0, 0, false
	c.mu.Unlock()
	c.log.Append(0, batch, func(ticket uint64, err error) {
		if err != nil {
			c.bytes.Add(-size)
			<-c.flight
			if c.failed.CompareAndSwap(false, true) {
				c.fail(err)
			}
			return
		}
		c.synced.Store(ticket)
		c.bytes.Add(-size)
		c.spent(batch)
		<-c.flight
		c.wakeRipe()
		c.onDone()
	})
}

// close writes what is pending and waits until the log has done it.
func (c *commit) close() {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.closed = true
	c.mu.Unlock()
	close(c.stop)
	c.idle.Wait()
	for range flights {
		c.flight <- struct{}{}
	}
}
