//go:build linux && !portable

package server

import (
	"encoding/binary"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// slotBell is the slot of the eventfd.
const slotBell = ^uint32(0)

// waits is nothing here: the system remembers what is waited for.
type waits struct{}

// poller is a loop's epoll instance and the bell that wakes it.
//
// Sockets are watched edge-triggered: one that has something is told once, when that
// comes, and waits in its account's lane from then on. Level-triggered, each question
// would be answered with all the sockets that still wait there: with 2,000 busy
// connections a third of the broker's time went into asking them again, with 18,000
// nearly half. What follows: whoever stops reading before a socket is empty remembers
// it (Conn.unread), and whoever stops writing before it is full has it told again
// (remind).
type poller struct {
	epfd, bell int
	raw        []unix.EpollEvent
	events     []event
}

func (p *poller) open() (err error) {
	if p.epfd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	if p.bell, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		_ = unix.Close(p.epfd)
		return err
	}
	p.raw = make([]unix.EpollEvent, pollEvents)
	p.events = make([]event, 0, pollEvents)
	return p.control(unix.EPOLL_CTL_ADD, p.bell, unix.EPOLLIN|unix.EPOLLET, slotBell, 0)
}

func (p *poller) close() {
	_ = unix.Close(p.bell)
	_ = unix.Close(p.epfd)
}

// control registers a descriptor. What comes back in its events is the slot and
// its generation: a descriptor could be another's by then.
func (p *poller) control(op, fd int, events, slot, gen uint32) error {
	ev := unix.EpollEvent{Events: events, Fd: int32(slot), Pad: int32(gen)}
	return unix.EpollCtl(p.epfd, op, fd, &ev)
}

// watch has the owner told of want, and no longer of what it wanted before. Hang-ups
// of both sides and errors are always told.
func (p *poller) watch(c *Conn, want interest) error {
	want |= watched
	if c.wants == want {
		return nil
	}
	op := unix.EPOLL_CTL_MOD
	if c.wants&watched == 0 {
		op = unix.EPOLL_CTL_ADD
	}
	c.wants = want
	return p.control(op, int(c.sock.fd), edges(want), c.slot, c.gen)
}

// edges are the events of an interest. Who reads is told of the end as well: data and
// the end may come at once, in one event.
func edges(want interest) uint32 {
	events := uint32(unix.EPOLLET)
	if want&wantRead != 0 {
		events |= unix.EPOLLIN | unix.EPOLLRDHUP
	}
	if want&wantWrite != 0 {
		events |= unix.EPOLLOUT
	}
	if want&wantHangup != 0 {
		events |= unix.EPOLLRDHUP
	}
	return events
}

// remind has the owner told again of what is so now.
func (p *poller) remind(c *Conn) {
	if c.wants&watched != 0 {
		_ = p.control(unix.EPOLL_CTL_MOD, int(c.sock.fd), edges(c.wants), c.slot, c.gen)
	}
}

// forget has the owner told of nothing more.
func (p *poller) forget(c *Conn) {
	if c.wants&watched != 0 {
		c.wants = 0
		_ = p.control(unix.EPOLL_CTL_DEL, int(c.sock.fd), 0, 0, 0)
	}
}

// rearm is for systems whose events come once.
func (p *poller) rearm(*Conn, interest) {}

// listen has the loop told of connections to a listener.
func (p *poller) listen(fd int, index uint32) error {
	return p.control(unix.EPOLL_CTL_ADD, fd, unix.EPOLLIN|unix.EPOLLEXCLUSIVE, slotListener|index, 0)
}

// unlisten is the reverse.
func (p *poller) unlisten(fd int) { _ = p.control(unix.EPOLL_CTL_DEL, fd, 0, 0, 0) }

// wait returns what has happened. It waits at most so long for it; 0 does not wait,
// a negative time waits for ever. Only a call that waits tells the scheduler (a
// raw one would keep its processor, and stall the collector).
func (p *poller) wait(atMost time.Duration) []event {
	var n int
	if atMost == 0 {
		r, _, e := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.epfd),
			uintptr(unsafe.Pointer(unsafe.SliceData(p.raw))), uintptr(len(p.raw)), 0, 0, 0)
		if e == 0 {
			n = int(r)
		}
	} else {
		ms := -1
		if atMost > 0 {
			ms = int((atMost + time.Millisecond - 1) / time.Millisecond)
		}
		n, _ = unix.EpollWait(p.epfd, p.raw, ms) // an interrupted wait is an empty one
	}
	p.events = p.events[:0]
	for i := range max(n, 0) {
		p.take(&p.raw[i])
	}
	return p.events
}

func (p *poller) take(ev *unix.EpollEvent) {
	slot := uint32(ev.Fd)
	if slot == slotBell {
		return // each ring is an edge: its counter is never read, nor full in our time
	}
	var what interest
	if ev.Events&unix.EPOLLIN != 0 {
		what |= wantRead
	}
	if ev.Events&unix.EPOLLOUT != 0 {
		what |= wantWrite
	}
	if ev.Events&unix.EPOLLRDHUP != 0 {
		what |= wantHangup
	}
	if ev.Events&unix.EPOLLHUP != 0 {
		what |= sawHangup
	}
	if ev.Events&unix.EPOLLERR != 0 {
		what |= sawError
	}
	p.events = append(p.events, event{slot: slot, gen: uint32(ev.Pad), what: what})
}

// ring ends the wait that is under way, or the next one. Any goroutine may ring.
func (p *poller) ring() {
	var b [8]byte
	binary.NativeEndian.PutUint64(b[:], 1)
	_, _ = unix.Write(p.bell, b[:])
}
