//go:build linux && !portable

package server

import (
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// addPlain takes the socket of a listener out of the Go runtime: the loops accept.
func (d *door) addPlain(ln net.Listener, transport uint8) error {
	p := &plainDoor{transport: transport, fd: -1}
	if u, ok := ln.(*net.UnixListener); ok {
		p.path = u.Addr().String()
		u.SetUnlinkOnClose(false)
	}
	raw, err := ln.(syscall.Conn).SyscallConn()
	if err != nil {
		return err
	}
	var dupErr error
	if err := raw.Control(func(fd uintptr) {
		p.fd, dupErr = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
	}); err != nil {
		return err
	}
	if dupErr != nil {
		return dupErr
	}
	_ = ln.Close()
	prepare(p.fd)
	d.plain = append(d.plain, p)
	return nil
}

// servePlain has every loop accept from p.
func (d *door) servePlain(s *Server, index uint32, p *plainDoor) error {
	for _, l := range s.loops {
		if err := l.poll.listen(p.fd, index); err != nil {
			return err
		}
	}
	return nil
}

// unlisten has l accept no more.
func (d *door) unlisten(l *loop) {
	l.resting = 0
	for _, p := range d.plain {
		l.poll.unlisten(p.fd)
	}
}

// closeSockets closes the listeners of the loops.
func (d *door) closeSockets() {
	for _, p := range d.plain {
		_ = unix.Close(p.fd)
		if p.path != "" {
			_ = os.Remove(p.path)
		}
	}
	d.plain = nil
}

// accept takes what has come to a listener.
func (l *loop) accept(index uint32) {
	s := l.srv
	p := s.door.plain[index]
	for range acceptBatch {
		fd, sa, err := unix.Accept4(p.fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch err {
		case nil:
		case unix.EAGAIN:
			return
		case unix.EINTR, unix.ECONNABORTED:
			continue
		default:
			// No descriptors, most likely: asking again at once would only
			// burn the processor.
			s.noise.say(noiseAccept, err.Error())
			s.door.unlisten(l)
			l.resting = l.tick + ticks(acceptBackoff)
			return
		}
		k := socket{fd: int32(fd)}
		if !s.enter() {
			k.close()
			continue
		}
		remote := sockAddrPort(sa)
		c := s.newConn(k, p.transport, remote)
		if p.transport != transportUnix && s.trusted(c.address()) {
			c.state = stateProxy
		}
		s.adopt(l, c, nil)
	}
}

// relisten accepts again after a rest.
func (l *loop) relisten() {
	l.resting = 0
	for i, p := range l.srv.door.plain {
		_ = l.poll.listen(p.fd, uint32(i))
	}
}

func sockAddrPort(sa unix.Sockaddr) netip.AddrPort {
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port))
	}
	return netip.AddrPort{}
}
