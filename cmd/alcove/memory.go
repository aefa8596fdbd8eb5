package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Memory that a burst needed (ten thousand handshakes, a drained queue) is given
// back to the system once the burst is over: a broker is idle most of the time,
// and what its idle connections cost is what its owner sees. While it works, the
// collector's own pace is left alone.
const (
	tidyEvery = time.Second / 2
	// quietBytes is how little may have been allocated since the last look for
	// the broker to count as quiet.
	quietBytes = 1 << 20
	// worthwhile is how much must be free and not given back, or have been
	// allocated since the last time, for a collection to pay; beside that, a
	// quarter of the heap, since collecting a large one costs more.
	worthwhile = 4 << 20
)

// tidy collects and gives back memory whenever the process has become quiet
// after it had grown, until ctx ends.
func tidy(ctx context.Context) {
	clock := time.NewTicker(tidyEvery)
	defer clock.Stop()
	var last, collected uint64
	for {
		select {
		case <-ctx.Done():
			return
		case <-clock.C:
		}
		allocated, live, spare := memory()
		quiet := allocated-last < quietBytes
		last = allocated
		if pays := max(worthwhile, live/4); quiet && (spare >= pays || allocated-collected >= pays) {
			debug.FreeOSMemory()
			collected = allocated
		}
	}
}

// memory returns the bytes allocated since the start, those of the heap's
// objects, and those that are free and still held.
func memory() (allocated, live, spare uint64) {
	samples := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(samples)
	return samples[0].Value.Uint64(), samples[1].Value.Uint64(), samples[2].Value.Uint64()
}
