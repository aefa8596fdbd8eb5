package main

import (
	"runtime"
	"testing"

	"alcove/internal/server"
)

// The loops stay as many as there were processors, or as were asked for; the
// scheduler gets one more.
func TestSpareProcessor(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	for _, test := range []struct{ procs, asked, loops, after int }{
		{1, 0, 1, 2}, {2, 0, 2, 3}, {4, 1, 1, 4}, {2, 5, 5, 6},
	} {
		runtime.GOMAXPROCS(test.procs)
		c := server.Config{Loops: test.asked}
		spareProcessor(&c)
		if c.Loops != test.loops || runtime.GOMAXPROCS(0) != test.after {
			t.Errorf("%d processors, %d loops asked: %d loops on %d", test.procs, test.asked, c.Loops, runtime.GOMAXPROCS(0))
		}
	}
}
