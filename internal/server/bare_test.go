package server

import (
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"alcove/internal/broker"
	"alcove/internal/mqtt"
)

// bare is a connection on a loop that does not run: the test is the owner.
type bare struct {
	t    testing.TB
	l    *loop
	c    *Conn
	peer net.Conn
}

// newBareLoop returns a loop that nobody runs.
func newBareLoop(t testing.TB, limits Limits) *loop {
	t.Helper()
	return newBareLoopWith(t, limits, broker.Limits{})
}

func newBareLoopWith(t testing.TB, limits Limits, announced broker.Limits) *loop {
	t.Helper()
	h := newBroker(t, broker.Config{Limits: announced})
	s := &Server{
		limits:    h.broker.Limits(),
		cfg:       Config{Limits: limits, Log: quiet, Anonymous: 1}.withDefaults(),
		broker:    h.broker,
		directory: h.directory,
		started:   time.Now(),
	}
	s.noise.log = quiet
	l, err := newLoop(s, 0)
	must(t, err)
	s.loops = []*loop{l}
	t.Cleanup(l.poll.close)
	return l
}

// socketPair returns a loop's end and a test's end of a stream.
func socketPair(t testing.TB) (socket, net.Conn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	must(t, err)
	var ends [2]net.Conn
	for i, fd := range fds {
		must(t, unix.SetNonblock(fd, true))
		f := os.NewFile(uintptr(fd), "pair")
		ends[i], err = net.FileConn(f)
		must(t, err)
		must(t, f.Close())
	}
	k, err := takeSocket(ends[0])
	must(t, err)
	t.Cleanup(func() { _ = ends[1].Close() })
	return k, ends[1]
}

// newBare returns a connected client of the version, without the broker's side.
func newBare(t testing.TB, v mqtt.Version, limits Limits) *bare {
	t.Helper()
	return newBareOn(t, newBareLoop(t, limits), v, nil)
}

func newBareOn(t testing.TB, l *loop, v mqtt.Version, w *wrap) *bare {
	t.Helper()
	k, peer := socketPair(t)
	c := &Conn{loop: l, sock: k, state: stateUp, wrap: w}
	c.out.version = v
	l.slots.put(c)
	l.srv.live.Add(1)
	b := &bare{t: t, l: l, c: c, peer: peer}
	t.Cleanup(func() { l.collect(); c.close(); l.collect() })
	must(t, peer.SetDeadline(time.Now().Add(patience)))
	return b
}

// message returns a message that owns its bytes.
func message(topic string, payload []byte) *broker.Message {
	return (&broker.Message{Topic: []byte(topic), Payload: payload}).MarkKept()
}

func newGen(n uint32) *atomic.Uint32 {
	g := new(atomic.Uint32)
	g.Store(n)
	return g
}
