//go:build linux && !portable

package server

import (
	"errors"
	"io"
	"net"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket is a non-blocking descriptor which the Go runtime does not know.
//
// Its calls never wait, so they are made raw, without telling the scheduler: that
// costs as much as a small write does.
type socket struct{ fd int32 }

type sysVector struct{ iov [writeChunks]syscall.Iovec }

// read reads at most len(b) bytes. io.EOF says that the peer has shut its side.
func (s *socket) read(b []byte) (int, error) {
	for {
		n, _, e := syscall.RawSyscall(syscall.SYS_READ, uintptr(s.fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		switch {
		case e == 0 && n == 0:
			return 0, io.EOF
		case e == 0:
			return int(n), nil
		case e == syscall.EAGAIN:
			return 0, errAgain
		case e != syscall.EINTR:
			return 0, e
		}
	}
}

// write writes what v holds, as much as the socket takes.
func (s *socket) write(v *vector) (int, error) {
	for {
		var n uintptr
		var e syscall.Errno
		if v.n == 1 {
			b := v.bufs[0]
			n, _, e = syscall.RawSyscall(syscall.SYS_WRITE, uintptr(s.fd),
				uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		} else {
			iov := &v.sys.iov
			for i, b := range v.bufs[:v.n] {
				iov[i].Base = unsafe.SliceData(b)
				iov[i].SetLen(len(b))
			}
			n, _, e = syscall.RawSyscall(syscall.SYS_WRITEV, uintptr(s.fd),
				uintptr(unsafe.Pointer(iov)), uintptr(v.n))
			clear(iov[:v.n])
		}
		runtime.KeepAlive(v)
		switch {
		case e == 0:
			return int(n), nil
		case e == syscall.EAGAIN:
			return 0, errAgain
		case e != syscall.EINTR:
			return 0, e
		}
	}
}

// shut tells the peer that nothing more comes.
func (s *socket) shut() { _ = unix.Shutdown(int(s.fd), unix.SHUT_WR) }

func (s *socket) close() { _ = unix.Close(int(s.fd)) }

// prepare sets what the connections of a listener inherit: no Nagle's algorithm,
// since output is coalesced by the turn, and probes of silent peers. Sockets that
// have none of it do not mind.
func prepare(fd int) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, probeIdle)
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, probeEvery)
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPCNT, probeCount)
}

// takeSocket moves the socket of nc out of the Go runtime: the descriptor is
// duplicated and nc closed, so that no goroutine and no poller entry stays.
func takeSocket(nc net.Conn) (socket, error) {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return socket{}, errors.New("not a socket")
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return socket{}, err
	}
	fd := -1
	var dupErr error
	if err := raw.Control(func(p uintptr) {
		fd, dupErr = unix.FcntlInt(p, unix.F_DUPFD_CLOEXEC, 0)
	}); err != nil {
		return socket{}, err
	}
	if dupErr != nil {
		return socket{}, dupErr
	}
	_ = nc.Close()
	return socket{fd: int32(fd)}, nil
}

// fileLimit raises the limit of open files as far as it goes and returns it.
func fileLimit() int {
	var r unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &r) != nil {
		return 1024
	}
	if r.Cur < r.Max {
		raised := unix.Rlimit{Cur: r.Max, Max: r.Max}
		if unix.Setrlimit(unix.RLIMIT_NOFILE, &raised) == nil {
			r = raised
		}
	}
	return int(min(r.Cur, 1<<24))
}
