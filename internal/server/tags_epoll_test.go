//go:build linux && !portable

package server

const flushAllocs = 0
