//go:build !linux || portable

package server

// flushAllocs is what a flush allocates on the fallback.
const flushAllocs = 3
