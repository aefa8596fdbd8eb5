//go:build race

package server

// raceEnabled: the race detector allocates, and sync.Pool forgets on purpose.
const raceEnabled = true
