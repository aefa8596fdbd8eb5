//go:build race

package main

// pause is how long a tour waits, in seconds, where it tells the reader to wait 2:
// programs with the race detector take long to start.
const pause = "10"
