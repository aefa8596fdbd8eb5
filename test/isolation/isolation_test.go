package isolation

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"alcove/test/alcovetest"
)

var (
	flagOps  = flag.Int("ops", 1_000_000, "operations in all")
	flagSeed = flag.Uint64("seed", 1, "seed of the first world, the same for everybody unless one hunts; 0 takes one from the clock")
	flagSize = flag.Int("size", 8_000, "operations of one world")
)

// side is how many worlds live on the broker at once.
const side = 3

// TestIsolation [EXT-ACC-1] [EXT-ACC-2] [EXT-ACC-3] [EXT-UP-2] [EXT-UP-3] [EXT-UP-4]
// [EXT-TOK-1] [EXT-TOK-7] [EXT-REST-1] [EXT-REST-3] (row 36 of the attacks).
func TestIsolation(t *testing.T) {
	total := *flagOps
	if testing.Short() {
		total = min(total, 50_000)
	}
	seed := *flagSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano()) % 1e12
	}
	t.Logf("go test ./test/isolation -args -seed %d -ops %d -size %d", seed, total, *flagSize)
	b := alcovetest.Start(t, alcovetest.Config{})
	var begun, done, came atomic.Int64
	played := make([]atomic.Int64, len(table))
	var wg sync.WaitGroup
	start := time.Now()
	for range side {
		wg.Go(func() {
			for !t.Failed() {
				n := begun.Add(1) - 1
				if n*int64(*flagSize) >= int64(total) {
					return
				}
				w, did := one(t, b, seed+uint64(n), *flagSize)
				done.Add(int64(did))
				came.Add(w.came.Load())
				for i, n := range w.played {
					played[i].Add(int64(n))
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d operations, %d messages came, in %v", done.Load(), came.Load(), time.Since(start).Round(time.Second))
	for i := range table {
		n := played[i].Load()
		t.Logf("%8d %s", n, table[i].name)
		// Connecting takes the place of some.
		if want := int64(total) * int64(table[i].weight) / int64(weights) / 3; !t.Failed() && n < want {
			t.Errorf("%q was done %d times, want %d", table[i].name, n, want)
		}
	}
	if !t.Failed() && (done.Load() < int64(total) || came.Load() < int64(total)) {
		t.Errorf("%d operations and %d messages are too few to have tested much", done.Load(), came.Load())
	}
	for line := range strings.Lines(b.Output()) {
		if aKey.MatchString(line) && !strings.Contains(line, "sha256") {
			t.Errorf("what looks like a key in the broker's own log: %.300s", line)
			break
		}
	}
}

// one lives one world through, and explains how it failed.
func one(t *testing.T, b *alcovetest.Broker, seed uint64, size int) (w *world, did int) {
	list := ops(seed, size)
	w = create(t, b, fmt.Sprint(seed), seed)
	did = w.run(list)
	w.close()
	if !w.broken.Load() {
		return w, did
	}
	if t.Failed() {
		return w, did // one explanation is enough
	}
	t.Errorf("world %d fails at operation %d:\n  %s\nlast operations:\n  %s", seed, did, strings.Join(w.failures, "\n  "), strings.Join(w.told[max(0, len(w.told)-12):], "\n  "))
	if file := os.Getenv("ISOLATION_TOLD"); file != "" { // all that is remembered
		os.WriteFile(file, []byte(strings.Join(w.told, "\n")), 0o600)
	}
	shrink(t, b, seed, list[:min(did+1, len(list))])
	return w, did
}

// shrink tries the operations again, leaving out more and more of them, and reports
// the shortest list found that still fails.
func shrink(t *testing.T, b *alcovetest.Broker, seed uint64, list []op) {
	end := time.Now().Add(60 * time.Second)
	tries := 0
	fails := func(list []op) *world {
		tries++
		w := create(t, b, fmt.Sprint("again ", seed, " ", tries), seed)
		w.run(list)
		w.close()
		if w.broken.Load() {
			return w
		}
		return nil
	}
	last := fails(list)
	if last == nil {
		t.Logf("the same operations alone do not fail again: other worlds take part, or time does")
		return
	}
	for part := len(list) / 2; part > 0 && time.Now().Before(end); {
		smaller := false
		for at := 0; at < len(list) && time.Now().Before(end); {
			shorter := append(append([]op{}, list[:at]...), list[min(at+part, len(list)):]...)
			if w := fails(shorter); w != nil {
				list, last, smaller = shorter, w, true
			} else {
				at += part
			}
		}
		if !smaller || part > len(list) {
			part /= 2
		}
	}
	t.Logf("%d operations are enough after %d tries:\n  %s\nfail by:\n  %s", len(list), tries, strings.Join(last.told, "\n  "), strings.Join(last.failures, "\n  "))
}
