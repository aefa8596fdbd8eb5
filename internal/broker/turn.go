package broker

import (
	"time"

	"alcove/internal/event"
)

// Turn is the context in which a caller enters the broker: what one loop (or
// one worker) keeps between Begin and End, and scratch that it reuses. A Turn
// belongs to one goroutine. Everything that a turn appended to outputs is
// flushed once, at its End; the records it made go to the log in one batch.
type Turn struct {
	// Now is the coarse clock of the turn, read once at Begin. It carries a
	// monotonic reading.
	Now time.Time

	b       *Broker
	touched []Outlet
	scratch scratch
	routes  routeCache
	recent  recent
	shapes  shapes // of the message that is being published
	kick    bool   // records were appended: the committer is woken at End
	rows    int    // stored messages that replays may still look at
	steps   int    // that conditions have spent
	work    int    // deliveries since Busy was true

	// Of the message that is being published.
	from    *Session // its publisher, nil for a Will
	records []Record // what becomes durable with it
	targets []Target // its queue entries
	opened  []opened // their owners
	sync    bool     // one of them asks for fsync
	stripe  *stripe  // of its topic, while it is locked

	dressing dressing
	judge    judge
	tallied  tally // of the account that was last asked for

	shared   []sharedDone // share groups' entries that are settled
	returned []returned   // what members that went away give back
	leaving  []leaving    // members that a section took out of their groups
	events   []event.Record
}

// NewTurn returns a Turn for one more loop or worker.
func (b *Broker) NewTurn() *Turn { return &Turn{b: b, Now: time.Now(), rows: retainedTurn} }

// Begin starts a turn at now.
func (t *Turn) Begin(now time.Time) {
	t.Now, t.rows, t.steps = now, retainedTurn, 0
	if now.Sub(t.routes.swept) >= routeSweep {
		t.routes.sweep(now)
		t.recent.forget()
	}
}

// Busy tells, once for each so many deliveries, that the turn has done much: the caller
// may want to see whether somebody else waits.
func (t *Turn) Busy() bool {
	if t.work < workStep {
		return false
	}
	t.work = 0
	return true
}

// Touch notes that o has output to flush at the end of the turn. An Outlet
// calls it from Deliver, Send and End when it was not already noted by a turn
// that has still to flush it.
func (t *Turn) Touch(o Outlet) { t.touched = append(t.touched, o) }

// End hands the turn's records to the committer and flushes every touched
// connection once.
func (t *Turn) End() {
	t.settleShared()
	t.tallied.flush()
	if t.kick {
		t.kick = false
		t.b.commit.kick()
	}
	// Flushing can touch no further connection: Flush only writes. The last comes
	// first: where one account has touched many connections and then another had its
	// turn, the other does not wait for all those.
	for i := len(t.touched) - 1; i >= 0; i-- {
		t.touched[i].Flush()
		t.touched[i] = nil
	}
	t.touched = t.touched[:0]
	t.tell()
}

// do runs f in a turn of its own, for callers that have no loop.
func (b *Broker) do(f func(t *Turn)) {
	t := b.turns.Get().(*Turn)
	t.Begin(time.Now())
	f(t)
	t.End()
	t.routes = routeCache{} // it may lie there for long
	t.recent.forget()
	b.turns.Put(t)
}

// scratch is what a Turn reuses from one message to the next.
type scratch struct {
	message  Message
	forward  []byte
	packet   []byte
	delivery Delivery
	subs     []*Subscription
	places   map[*Session]int
	needed   map[*condition]uint32
	target   target
	page     []blob
}

// opened is a queue entry whose record is not in a batch yet: of a session, or
// of a group.
type opened struct {
	s   *Session
	g   *Group
	seq uint64
}

// sharedDone is a group's entry that the member s has acknowledged or given up, or,
// with seq 0, nothing but the news that s has room.
type sharedDone struct {
	g   *Group
	s   *Session
	seq uint64
}
