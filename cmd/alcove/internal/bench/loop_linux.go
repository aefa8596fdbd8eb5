package bench

import (
	"errors"
	"io"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// loop is one thread that waits in epoll for the sockets of its cells. It owns them:
// nobody else reads or writes.
type loop struct {
	poll    int
	cells   []*cell
	links   []*link
	meter   *meter
	stop    atomic.Bool
	done    chan struct{}
	timed   bool // an open loop: wake up when the next message is due
	touched []*cell
}

// longestWait is the longest sleep of a loop in nanoseconds: it bounds how late stop
// is seen.
const longestWait = 50e6

func newLoop(m *meter) (*loop, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return &loop{poll: fd, meter: m, done: make(chan struct{})}, nil
}

// take moves the socket of a plain TCP or Unix connection to the loop. It reports
// false for a connection whose bytes pass through another layer.
func (lp *loop) take(l *link) (bool, error) {
	raw, ok := l.conn.(syscall.Conn)
	if !ok {
		return false, nil
	}
	rc, err := raw.SyscallConn()
	if err != nil {
		return false, err
	}
	fd, dupErr := -1, error(nil)
	if err := rc.Control(func(old uintptr) {
		fd, dupErr = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0)
	}); err != nil {
		return false, err
	}
	if dupErr != nil {
		return false, dupErr
	}
	l.conn.Close() // takes it off the runtime's poller; the copy lives on
	l.fd, l.loop, l.slot = fd, lp, len(lp.links)
	lp.links = append(lp.links, l)
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(l.slot)}
	return true, unix.EpollCtl(lp.poll, unix.EPOLL_CTL_ADD, fd, &event)
}

// run drives the loop until stop is set.
func (lp *loop) run() {
	defer close(lp.done)
	buf := make([]byte, readSize)
	events := make([]unix.EpollEvent, 1024)
	for _, c := range lp.cells {
		c.mu.Lock()
		c.fill(lp.meter.now())
		c.mu.Unlock()
	}
	for !lp.stop.Load() {
		n := lp.wait(events)
		now := lp.meter.now()
		for _, event := range events[:n] {
			lp.handle(lp.links[event.Fd], event.Events, buf, now)
		}
		due := lp.touched
		if lp.timed {
			due, now = lp.cells, lp.meter.now()
		}
		for _, c := range due {
			c.mu.Lock()
			c.fill(now)
			c.mu.Unlock()
		}
		lp.touched = lp.touched[:0]
	}
	for _, l := range lp.links {
		unix.Close(l.fd)
	}
	unix.Close(lp.poll)
}

// wait sleeps until a socket is ready or, in an open loop, a message is due.
func (lp *loop) wait(events []unix.EpollEvent) int {
	timeout := int64(longestWait)
	if lp.timed {
		now := lp.meter.now()
		for _, c := range lp.cells {
			c.mu.Lock()
			if !c.stopped {
				for _, p := range c.pubs {
					if c.pace.limit > 0 && p.sent >= c.pace.limit || c.qos > 0 && c.credit(p) <= 0 {
						continue
					}
					timeout = min(timeout, c.pace.due(p.place, p.sent)-now)
				}
			}
			c.mu.Unlock()
		}
		// epoll_wait counts milliseconds; ppoll on its descriptor, nanoseconds.
		if timeout > 0 {
			ts := unix.NsecToTimespec(timeout)
			fds := []unix.PollFd{{Fd: int32(lp.poll), Events: unix.POLLIN}}
			unix.Ppoll(fds, &ts, nil)
		}
		timeout = 0
	}
	n, err := unix.EpollWait(lp.poll, events, int(timeout/1e6))
	if err != nil {
		return 0
	}
	return n
}

func (lp *loop) handle(l *link, events uint32, buf []byte, now int64) {
	c := l.cell
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.dead {
		return
	}
	if events&unix.EPOLLOUT != 0 {
		l.out = append(l.out[:0], lp.writeNow(l, l.out)...)
		if len(l.out) == 0 {
			lp.watch(l, unix.EPOLLIN)
		}
	}
	if events&(unix.EPOLLIN|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		at := copy(buf, l.tail)
		if at == len(buf) {
			l.end(errors.New("a packet larger than the driver's buffer"))
			return
		}
		n, err := unix.Read(l.fd, buf[at:])
		switch {
		case n > 0:
			err = l.feed(buf[:at+n], now)
		case err == nil:
			err = io.EOF
		case err == unix.EAGAIN || err == unix.EINTR:
			err = nil
		}
		if err != nil {
			l.end(err)
			lp.watch(l, 0)
		}
	}
	if len(lp.touched) == 0 || lp.touched[len(lp.touched)-1] != c {
		lp.touched = append(lp.touched, c)
	}
}

// writeNow writes to the socket and returns what it did not take.
func (lp *loop) writeNow(l *link, b []byte) []byte {
	for len(b) > 0 {
		n, err := unix.Write(l.fd, b)
		if n > 0 {
			b = b[n:]
			continue
		}
		if err == unix.EINTR {
			continue
		}
		if err == unix.EAGAIN {
			lp.watch(l, unix.EPOLLIN|unix.EPOLLOUT)
			return b
		}
		l.end(err)
		return nil
	}
	return nil
}

func (lp *loop) watch(l *link, events uint32) {
	unix.EpollCtl(lp.poll, unix.EPOLL_CTL_MOD, l.fd, &unix.EpollEvent{Events: events, Fd: int32(l.slot)})
}
