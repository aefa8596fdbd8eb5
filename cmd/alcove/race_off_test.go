//go:build !race

package main

// pause is how long a tour waits, in seconds, where it tells the reader to wait 2.
const pause = "2"
