package server

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"alcove/internal/broker"
	"alcove/internal/mqtt"
)

// loop owns connections: it reads and decodes for them, and runs their timers, in
// one goroutine. See the package's doc for what others may touch.
type loop struct {
	// Set once.
	srv   *Server
	marks marks
	turn  *broker.Turn
	index int
	done  chan struct{} // closed when run has returned

	// The owner's.
	poll    poller
	slots   slots
	wheel   wheel
	lanes   lanes
	feeding *Conn // whose packet is being handled
	buffers
	held
	clock
	share     int // what one connection may write of a large output in this round
	stage     stage
	lingering int    // connections that wait for their client to close first
	resting   uint32 // until this tick nothing is accepted; 0 while not resting

	stats counters

	mail mailbox
	// asleep is set while the owner waits, or is about to: who clears it rings.
	asleep atomic.Bool
	// relief asks the owner to look at the connections that are held back.
	relief atomic.Bool
}

// buffers are what a loop reads and decodes into.
type buffers struct {
	buf     []byte  // the one read buffer
	tails   tails   // free buffers for partial packets
	packets packets // one of each, reused
}

// held are the connections with a hold that the loop has to end.
type held struct {
	pressed []press // by full receivers
	disk    []*Conn // until the disk has caught up
}

// clock is the coarse time of a turn.
type clock struct {
	began time.Time
	tick  uint32 // of began
}

// stage is how far a loop has come.
type stage uint8

const (
	stageRunning stage = iota
	stageDraining
	stageStopped
)

// packets is where packets are decoded into, one after another.
type packets struct {
	connect     mqtt.Connect
	publish     mqtt.Publish
	ack         mqtt.Ack
	subscribe   mqtt.Subscribe
	unsubscribe mqtt.Unsubscribe
	disconnect  mqtt.Disconnect
	auth        mqtt.Auth
	out         []byte
}

// mailbox is what other goroutines leave for the owner.
type mailbox struct {
	sync.Mutex
	conns   []*Conn              // whose ops are not 0
	calls   []func(*broker.Turn) // in order
	stopped bool

	// The owner's: the slices of the turn before, to be swapped in.
	oldConns []*Conn
	oldCalls []func(*broker.Turn)
}

func newLoop(s *Server, index int) (*loop, error) {
	soft := s.cfg.Limits.OutputBytes
	l := &loop{
		srv:   s,
		index: index,
		marks: marks{low: soft / 4, soft: soft, hard: soft + int(s.limits.MaximumPacketSize)},
		turn:  s.broker.NewTurn(),
		done:  make(chan struct{}),
		share: writeSize,
	}
	l.buf = make([]byte, readSize)
	l.began = time.Now()
	l.tick = s.tickOf(l.began)
	l.wheel.tick = l.tick
	return l, l.poll.open()
}

// run is the loop. It asks the system without waiting, then, when there is nothing
// to do at all, waits.
func (l *loop) run() {
	defer close(l.done)
	for {
		events := l.poll.wait(0)
		if len(events) == 0 && !l.busy() {
			if l.stage == stageDraining && l.slots.live == 0 {
				break
			}
			// Goroutines that this turn has made ready would otherwise wait
			// until the scheduler takes the processor from the system call.
			runtime.Gosched()
			events = l.sleep()
		}
		l.round(events)
	}
	l.stop()
}

// busy tells whether there is work for which no event will come.
func (l *loop) busy() bool {
	if l.lanes.first != nil {
		return true
	}
	l.mail.Lock()
	defer l.mail.Unlock()
	return len(l.mail.conns) > 0 || len(l.mail.calls) > 0
}

// sleep waits for an event, the bell or a timer.
func (l *loop) sleep() []event {
	l.asleep.Store(true)
	if l.busy() || l.relief.Load() {
		l.asleep.Store(false)
		return nil
	}
	wait := time.Duration(-1)
	if n := l.wheel.ahead(); n > 0 {
		due := l.srv.timeOf(l.wheel.tick + n)
		wait = max(time.Until(due), time.Millisecond)
	}
	if l.resting != 0 && (wait < 0 || wait > acceptBackoff) {
		wait = acceptBackoff
	}
	if len(l.pressed) > 0 {
		wait = time.Millisecond
	}
	events := l.poll.wait(wait)
	l.asleep.Store(false)
	return events
}

// round is one turn: what has come up waits for its account's turn, and as much of
// what waits as a turn takes is handled.
func (l *loop) round(events []event) {
	l.begin()
	l.enqueue(events)
	l.serve()
	l.turn.End()
}

// begin starts a turn: the clock, the mailbox, the timers.
func (l *loop) begin() {
	l.began = time.Now()
	l.turn.Begin(l.began)
	if tick := l.srv.tickOf(l.began); tick != l.tick {
		l.tick = tick
		for _, c := range l.wheel.advance(tick) {
			c.expire(l.turn)
		}
		if l.resting != 0 && tick >= l.resting {
			l.relisten()
		}
	}
	l.collect()
	if len(l.pressed) > 0 || l.relief.Load() {
		l.release()
	}
}

// handle passes on what waited for a connection, if that is still there.
func (l *loop) handle(ev event) {
	if ev.slot&slotListener != 0 {
		l.lanes.listeners &^= 1 << (ev.slot & 63)
		l.accept(ev.slot &^ slotListener)
		return
	}
	c := l.slots.find(ev.slot, ev.gen)
	if c == nil {
		return
	}
	what := c.pending
	c.pending = 0
	if what&^again != 0 {
		l.poll.rearm(c, what&^again)
	}
	if what&wantWrite != 0 {
		c.writable()
	}
	if what&again != 0 {
		c.unhold(l.turn, holdLaden)
		if c.holds != 0 {
			what &^= again // there will be another time
		}
	}
	if what&^wantWrite != 0 {
		c.input(l.turn, what)
	}
}

// collect empties the mailbox.
func (l *loop) collect() {
	m := &l.mail
	m.Lock()
	if len(m.conns) == 0 && len(m.calls) == 0 {
		m.Unlock()
		return
	}
	conns, calls := m.conns, m.calls
	m.conns, m.calls = m.oldConns[:0], m.oldCalls[:0]
	m.Unlock()
	for i, f := range calls {
		f(l.turn)
		calls[i] = nil
	}
	for i, c := range conns {
		c.handleOps(l.turn, ops(c.ops.Swap(0)))
		conns[i] = nil
	}
	m.oldConns, m.oldCalls = conns, calls
}

// leave leaves a connection, or a call where c is nil, in the mailbox.
func (l *loop) leave(c *Conn, call func(*broker.Turn)) {
	m := &l.mail
	m.Lock()
	switch {
	case m.stopped && call != nil:
		m.Unlock()
		// The loop has gone, what the call holds is let go all the same.
		go l.srv.runLate(call)
		return
	case m.stopped:
		m.Unlock()
		c.late()
		return
	case call != nil:
		m.calls = append(m.calls, call)
	default:
		m.conns = append(m.conns, c)
	}
	m.Unlock()
	l.wake()
}

// wake rings the bell where the owner sleeps.
func (l *loop) wake() {
	if l.asleep.Load() && l.asleep.CompareAndSwap(true, false) {
		l.poll.ring()
	}
}

// stop runs what was left after the last connection had gone.
func (l *loop) stop() {
	m := &l.mail
	for {
		l.begin()
		l.turn.End()
		m.Lock()
		if len(m.conns) == 0 && len(m.calls) == 0 {
			m.stopped = true
			l.stage = stageStopped
			m.Unlock()
			break
		}
		m.Unlock()
	}
	l.poll.close()
}

// slots are the places of a loop's connections. A place is used again, with
// another generation.
type slots struct {
	at   []slot
	free []uint32
	live int
}

type slot struct {
	c   *Conn
	gen uint32
}

func (s *slots) put(c *Conn) {
	if n := len(s.free); n > 0 {
		c.slot = s.free[n-1]
		s.free = s.free[:n-1]
	} else {
		c.slot = uint32(len(s.at))
		s.at = append(s.at, slot{})
	}
	at := &s.at[c.slot]
	at.gen++
	at.c, c.gen = c, at.gen
	s.live++
}

func (s *slots) take(c *Conn) {
	s.at[c.slot].c = nil
	s.free = append(s.free, c.slot)
	s.live--
}

func (s *slots) find(i, gen uint32) *Conn {
	if int(i) >= len(s.at) || s.at[i].gen != gen {
		return nil
	}
	return s.at[i].c
}

// tail is input that waits in a connection; nil is none.
type tail struct{ b []byte }

func (t *tail) len() int {
	if t == nil {
		return 0
	}
	return len(t.b)
}

// tails are free buffers for the partial packets of connections.
type tails struct{ free []*tail }

func (t *tails) get(n int) *tail {
	if n > tailSize {
		return &tail{make([]byte, 0, n)}
	}
	if k := len(t.free); k > 0 {
		b := t.free[k-1]
		t.free = t.free[:k-1]
		return b
	}
	return &tail{make([]byte, 0, tailSize)}
}

func (t *tails) put(b *tail) {
	if cap(b.b) == tailSize && len(t.free) < tailsKept {
		b.b = b.b[:0]
		t.free = append(t.free, b)
	}
}
