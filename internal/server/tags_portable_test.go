//go:build !linux || portable

package server

import "net"

// flushAllocs is what a flush allocates on the fallback.
const flushAllocs = 3

// idleBytes: here each connection has a goroutine.
const idleBytes = 8 << 10

// deadSocket is a socket that is closed: every call fails.
func deadSocket() socket {
	a, b := net.Pipe()
	_, _ = a.Close(), b.Close()
	return socket{nc: a, raw: deadRaw{}}
}

type deadRaw struct{}

func (deadRaw) Control(func(uintptr)) error    { return net.ErrClosed }
func (deadRaw) Read(func(uintptr) bool) error  { return net.ErrClosed }
func (deadRaw) Write(func(uintptr) bool) error { return net.ErrClosed }
