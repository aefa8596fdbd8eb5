//go:build !linux

package bench

import (
	"sync/atomic"
	"time"
)

// loop stands for the epoll loop where there is none: every link has its goroutine,
// and the loop only lets the publishers of an open loop send when they are due.
type loop struct {
	cells []*cell
	meter *meter
	stop  atomic.Bool
	done  chan struct{}
	timed bool
}

// pacing is how often an open loop looks for messages that are due.
const pacing = 200 * time.Microsecond

func newLoop(m *meter) (*loop, error) {
	return &loop{meter: m, done: make(chan struct{})}, nil
}

func (lp *loop) take(*link) (bool, error) { return false, nil }

func (lp *loop) run() {
	defer close(lp.done)
	for first := true; !lp.stop.Load(); first = false {
		if first || lp.timed {
			for _, c := range lp.cells {
				c.mu.Lock()
				c.fill(lp.meter.now())
				c.mu.Unlock()
			}
		}
		time.Sleep(pacing)
	}
}

func (lp *loop) writeNow(_ *link, b []byte) []byte { return b }
