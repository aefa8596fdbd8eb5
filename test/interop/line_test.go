package interop

import (
	"io"
	"net"
	"sync"
	"testing"
)

// line relays one client's TCP connections to the broker, so that a test can cut
// them without the client's help: no DISCONNECT, no TLS close.
type line struct {
	t    *testing.T
	addr string // where clients connect; stays the same over a cut
	to   string // the broker

	mu       sync.Mutex
	listener net.Listener // nil while severed
	open     []net.Conn
}

// newLine opens a relay to the broker's address, for as long as the test lasts.
func newLine(t *testing.T, to string) *line {
	t.Helper()
	l := &line{t: t, addr: "127.0.0.1:0", to: to}
	l.mend()
	t.Cleanup(l.sever)
	return l
}

// mend lets connections through, again after sever.
func (l *line) mend() {
	l.t.Helper()
	listener, err := net.Listen("tcp", l.addr)
	if err != nil {
		l.t.Fatalf("opening the line: %v", err)
	}
	l.mu.Lock()
	l.listener, l.addr = listener, listener.Addr().String()
	l.mu.Unlock()
	go l.accept(listener)
}

func (l *line) accept(listener net.Listener) {
	for {
		down, err := listener.Accept()
		if err != nil {
			return
		}
		up, err := net.Dial("tcp", l.to)
		if err != nil {
			down.Close()
			continue
		}
		l.mu.Lock()
		if l.listener != listener { // severed meanwhile
			down.Close()
			up.Close()
		} else {
			l.open = append(l.open, down, up)
			go relay(down, up)
			go relay(up, down)
		}
		l.mu.Unlock()
	}
}

// relay copies until either side ends and then closes both.
func relay(dst, src net.Conn) {
	_, _ = io.Copy(dst, src)
	src.Close()
	dst.Close()
}

// sever cuts all connections and refuses new ones until mend.
func (l *line) sever() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.listener != nil {
		l.listener.Close()
		l.listener = nil
	}
	for _, c := range l.open {
		c.Close()
	}
	l.open = nil
}
