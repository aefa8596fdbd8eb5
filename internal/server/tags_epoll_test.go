//go:build linux && !portable

package server

const flushAllocs = 0

// deadSocket is a socket with no descriptor: every call fails.
func deadSocket() socket { return socket{fd: -1} }
