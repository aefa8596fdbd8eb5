//go:build unix && (!linux || portable)

package server

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// socket is a connection of the Go runtime, which a loop reads and writes without
// waiting. Here a goroutine of the poller waits for each of them: see poll_portable.go.
type socket struct {
	nc  net.Conn
	raw syscall.RawConn
}

type sysVector struct{}

// The calls below go through Control, which takes no lock: the one of Read and
// Write is held by a goroutine that waits.

// read reads at most len(b) bytes. io.EOF says that the peer has shut its side.
func (s *socket) read(b []byte) (n int, err error) {
	e := s.raw.Control(func(fd uintptr) {
		n, err = unix.Read(int(fd), b)
	})
	return outcome(n, err, e, true)
}

// write writes what v holds, as much as the socket takes.
func (s *socket) write(v *vector) (total int, err error) {
	e := s.raw.Control(func(fd uintptr) {
		for _, b := range v.bufs[:v.n] {
			var n int
			n, err = unix.Write(int(fd), b)
			total += max(n, 0)
			if err != nil || n < len(b) {
				break
			}
		}
	})
	if total > 0 && errors.Is(err, unix.EAGAIN) {
		err = nil
	}
	return outcome(total, err, e, false)
}

func outcome(n int, err, rawErr error, reading bool) (int, error) {
	switch {
	case rawErr != nil:
		return 0, rawErr
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
		return 0, errAgain
	case err != nil:
		return max(n, 0), err
	case n == 0 && reading:
		return 0, io.EOF
	}
	return n, nil
}

// shut tells the peer that nothing more comes.
func (s *socket) shut() {
	if c, ok := s.nc.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite()
	}
}

func (s *socket) close() { _ = s.nc.Close() }

// takeSocket makes the connection nc one that a loop may use.
func takeSocket(nc net.Conn) (socket, error) {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return socket{}, errors.New("not a socket")
	}
	raw, err := sc.SyscallConn()
	return socket{nc: nc, raw: raw}, err
}

// fileLimit returns the limit of open files, which the Go runtime has raised.
func fileLimit() int {
	var r unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &r) != nil {
		return 1024
	}
	return int(min(r.Cur, 1<<24))
}

// addPlain keeps a listener, from which a goroutine will accept.
func (d *door) addPlain(ln net.Listener, transport uint8) error {
	d.plain = append(d.plain, &plainDoor{transport: transport, fd: -1})
	d.nets = append(d.nets, ln)
	d.plain[len(d.plain)-1].nets = ln
	return nil
}

// servePlain accepts in a goroutine.
func (d *door) servePlain(s *Server, _ uint32, p *plainDoor) error {
	d.busy.Go(func() {
		for {
			nc, err := p.nets.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				s.noise.say(noiseAccept, err.Error())
				s.pause(acceptBackoff)
				continue
			}
			s.takePlain(nc, p.transport)
		}
	})
	return nil
}

func (s *Server) takePlain(nc net.Conn, transport uint8) {
	remote := netip.AddrPort{}
	if transport != transportUnix {
		remote = addrPortOf(nc)
	}
	k, err := takeSocket(nc)
	if err != nil || !s.enter() {
		_ = nc.Close()
		return
	}
	c := s.newConn(k, transport, remote)
	if transport != transportUnix && s.trusted(remote.Addr()) {
		c.state = stateProxy
	}
	s.adopt(nil, c, nil)
}

// The loops do not accept here.
func (d *door) unlisten(*loop) {}
func (d *door) closeSockets()  {}
func (l *loop) accept(uint32)  {}
func (l *loop) relisten()      {}
