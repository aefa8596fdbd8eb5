//go:build linux && !portable

package server

const flushAllocs = 0

// idleBytes is what an idle connection may cost.
const idleBytes = 1536

// deadSocket is a socket with no descriptor: every call fails.
func deadSocket() socket { return socket{fd: -1} }
