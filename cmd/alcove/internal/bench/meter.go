package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

// meter holds the counters of a run, which everybody may read at any time.
type meter struct {
	clock
	sent     atomic.Uint64
	received atomic.Uint64
	errors   atomic.Uint64
	from, to atomic.Int64 // what is due from one to the other is measured; 0: no beginning, no end yet
	closing  atomic.Bool  // connections end because we end them
}

// measures reports whether a message that was due at a moment counts. What was due in
// the time that is measured does, however late it comes: else a broker that stands
// still at the end would be forgiven.
func (m *meter) measures(due int64) bool {
	from, to := m.from.Load(), m.to.Load()
	return from > 0 && due >= from && (to == 0 || due < to)
}

// Usage is what a process has taken from the machine.
type Usage struct {
	CPU time.Duration // user and system time since its start
	RSS int64         // resident memory in bytes
}

// clockTick is the unit of CPU times in /proc: fixed at 100 Hz for user programs.
const clockTick = 10 * time.Millisecond

// Measure reads the usage of the process with the given id from /proc; for id 0 it
// returns the zero value.
func Measure(pid int) (Usage, error) {
	if pid == 0 {
		return Usage{}, nil
	}
	dir := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return Usage{}, fmt.Errorf("usage of process %d: %w", pid, err)
	}
	// The command's name stands in parentheses and may hold anything.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 22 {
		return Usage{}, fmt.Errorf("usage of process %d: %s/stat has another form", pid, dir)
	}
	user, err1 := strconv.ParseInt(string(fields[11]), 10, 64)
	system, err2 := strconv.ParseInt(string(fields[12]), 10, 64)
	pages, err3 := strconv.ParseInt(string(fields[21]), 10, 64)
	if err1 != nil || err2 != nil || err3 != nil {
		return Usage{}, fmt.Errorf("usage of process %d: %s/stat has another form", pid, dir)
	}
	return Usage{CPU: time.Duration(user+system) * clockTick, RSS: pages * int64(os.Getpagesize())}, nil
}

// sample is the state of a run at one moment.
type sample struct {
	at             int64
	sent, received uint64
	usage          Usage
}

func (r *run) sample() (sample, error) {
	u, err := Measure(r.cfg.PID)
	return sample{at: r.meter.now(), sent: r.meter.sent.Load(), received: r.meter.received.Load(), usage: u}, err
}
