package main

import "golang.org/x/sys/unix"

// raiseFileLimit lifts the soft limit of open files to the hard one: each connection
// takes a descriptor. A failure leaves the limit as it is.
func raiseFileLimit() {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) == nil && l.Cur < l.Max {
		l.Cur = l.Max
		_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &l)
	}
}
