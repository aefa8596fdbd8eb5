//go:build unix && (!linux || portable)

package server

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// poller waits for sockets by goroutines: one for each connection that is read,
// which waits in the Go runtime's poller without a buffer, and one while there is
// no room for output. They leave events for the loop, which handles them as it
// does those of epoll; each event comes once, and rearm asks for the next.
type poller struct {
	mu     sync.Mutex
	queue  []event
	events []event
	bell   chan struct{}
	clock  *time.Timer
}

func (p *poller) open() error {
	p.bell = make(chan struct{}, 1)
	p.clock = time.NewTimer(time.Hour)
	return nil
}

func (p *poller) close() { p.clock.Stop() }

// watch has the owner told of want, and no longer of what it wanted before.
func (p *poller) watch(c *Conn, want interest) error {
	want |= watched
	fresh := want &^ c.wants
	c.wants = want
	if fresh&wantRead != 0 && !c.waits.reading {
		c.waits.reading = true
		p.await(c, wantRead)
	}
	if fresh&wantWrite != 0 && !c.waits.writing {
		c.waits.writing = true
		p.await(c, wantWrite)
	}
	return nil
}

// waits is what goroutines wait for on behalf of a connection. The owner's.
type waits struct{ reading, writing bool }

// forget has the owner told of nothing more. A goroutine that waits ends with the
// socket; its event finds the slot taken by nobody or another.
func (p *poller) forget(c *Conn) { c.wants = 0 }

// remind is for systems that tell of changes only.
func (p *poller) remind(*Conn) {}

// rearm waits again for what has just been told, if it is still wanted.
func (p *poller) rearm(c *Conn, what interest) {
	if what&wantRead != 0 {
		c.waits.reading = false
	}
	if what&wantWrite != 0 {
		c.waits.writing = false
	}
	again := c.wants & what
	c.wants &^= what
	_ = p.watch(c, c.wants|again)
}

// await starts a goroutine which waits until the socket is ready for what.
func (p *poller) await(c *Conn, what interest) {
	ev := event{slot: c.slot, gen: c.gen, what: what}
	raw, mask, wait := c.sock.raw, int16(unix.POLLIN), c.sock.raw.Read
	if what == wantWrite {
		mask, wait = unix.POLLOUT, raw.Write
	}
	go func() {
		err := wait(func(fd uintptr) bool {
			fds := []unix.PollFd{{Fd: int32(fd), Events: mask}}
			n, err := unix.Poll(fds, 0)
			return n > 0 || err != nil && err != unix.EINTR
		})
		if err == nil {
			p.tell(ev)
		}
	}()
}

func (p *poller) tell(ev event) {
	p.mu.Lock()
	p.queue = append(p.queue, ev)
	p.mu.Unlock()
	p.ring()
}

// wait returns what has happened, waiting at most so long for it; 0 does not wait,
// a negative time waits for ever.
func (p *poller) wait(atMost time.Duration) []event {
	if atMost != 0 {
		var late <-chan time.Time
		if atMost > 0 {
			p.clock.Reset(atMost)
			late = p.clock.C
		}
		select {
		case <-p.bell:
		case <-late:
		}
	}
	p.mu.Lock()
	p.events, p.queue = p.queue, p.events[:0]
	p.mu.Unlock()
	return p.events
}

// ring ends the wait that is under way, or the next one. Any goroutine may ring.
func (p *poller) ring() {
	select {
	case p.bell <- struct{}{}:
	default:
	}
}
