package store

import (
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"alcove/internal/broker"
)

// BenchmarkAppend stores messages of 64 bytes for a session, synced, from so many
// writers at once, each of which waits for its own before it goes on; as the broker
// does, what waits is put together into batches. It reports messages a second and
// bytes of the log for each message.
func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 100, 1000} {
		for _, mode := range []string{"sync", "async"} {
			b.Run(fmt.Sprintf("%s/writers=%d", mode, writers), func(b *testing.B) {
				benchAppend(b, writers, mode == "sync")
			})
		}
	}
}

// gatherer puts what many writers store into batches, one in flight at a time, and a
// second one in the making.
type gatherer struct {
	s      *Store
	sync   bool
	mu     sync.Mutex
	open   *broker.Batch
	wait   chan struct{} // of the open batch
	flying int
	ticket uint64
}

func (g *gatherer) store(seq uint64, payload []byte) {
	g.mu.Lock()
	if g.open == nil {
		g.ticket++
		g.open = &broker.Batch{Ticket: g.ticket, Sync: g.sync}
		g.wait = make(chan struct{})
	}
	id := broker.MessageID(g.open.Ticket<<broker.OrdinalBits) + broker.MessageID(len(g.open.Records))
	m := &broker.Message{Topic: []byte("bench/topic"), Payload: payload, QoS: 1, Account: 1, Top: 1}
	g.open.Records = append(g.open.Records, publish(id, m, to(1, seq)))
	if seq > 1 {
		// The one before is acknowledged with it.
		g.open.Records = append(g.open.Records, acked(1, seq-1, 0))
	}
	wait := g.wait
	g.launch()
	g.mu.Unlock()
	<-wait
}

// launch appends the open batch where fewer than two are in flight.
func (g *gatherer) launch() {
	if g.open == nil || g.flying >= 2 {
		return
	}
	b, wait := g.open, g.wait
	g.open, g.wait = nil, nil
	g.flying++
	g.s.Append(0, b, func(uint64, error) {
		close(wait)
		g.mu.Lock()
		g.flying--
		g.launch()
		g.mu.Unlock()
	})
}

func benchAppend(b *testing.B, writers int, sync bool) {
	s, err := Open(Config{Dir: filepath.Join(b.TempDir(), "db"), FreeSpaceWatermark: -1})
	if err != nil {
		b.Fatal(err)
	}
	load(b, s)
	(&writer{s: s}).must(b, true, session(1))
	g := &gatherer{s: s, sync: sync, ticket: 1}
	payload := make([]byte, 64)
	var seq atomic.Uint64
	db := s.engine.(*pebbleEngine).db
	before := db.Metrics().WAL.BytesWritten
	b.ReportAllocs()
	b.ResetTimer()
	run(writers, b.N, func() { g.store(seq.Add(1), payload) })
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
	b.ReportMetric(float64(db.Metrics().WAL.BytesWritten-before)/float64(b.N), "walB/msg")
	closeStore(b, s)
}

// run calls f n times from so many goroutines.
func run(goroutines, n int, f func()) {
	var (
		wg   sync.WaitGroup
		left atomic.Int64
	)
	left.Store(int64(n))
	for range goroutines {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				f()
			}
		})
	}
	wg.Wait()
}

// BenchmarkApply is the applier's work for one message and its acknowledgement, 100 of
// them to a group: acknowledged in the same group, so that the message is not written,
// or in the next one.
func BenchmarkApply(b *testing.B) {
	const group = 100
	for name, later := range map[string]uint64{"same": 0, "next": group} {
		b.Run(name, func(b *testing.B) {
			s := newState(&defaultFreeing, discard)
			w := &countingWrites{}
			r := session(1)
			s.record(w, &r)
			m := message("bench/topic", string(make([]byte, 64)))
			batch := &broker.Batch{Records: make([]broker.Record, 0, 2*group)}
			targets := make([]broker.Target, group)
			b.ReportAllocs()
			for n := uint64(1); n <= uint64(b.N); n += group {
				batch.Ticket, batch.Records = n, batch.Records[:0]
				for i := range uint64(group) {
					targets[i] = to(1, n+i)
					r := publish(broker.MessageID(n<<broker.OrdinalBits|i), m)
					r.Targets = targets[i : i+1]
					batch.Records = append(batch.Records, r)
				}
				for i := range uint64(group) {
					if n > later {
						id := broker.MessageID((n-later)<<broker.OrdinalBits | i)
						batch.Records = append(batch.Records, acked(1, n+i-later, id))
					}
				}
				s.apply(w, batch)
				s.flush(w)
			}
			b.ReportMetric(float64(w.n)/float64(b.N), "B/msg")
		})
	}
}

// countingWrites forget everything but its size.
type countingWrites struct{ n int }

func (w *countingWrites) set(key, value []byte)     { w.n += len(key) + len(value) }
func (w *countingWrites) del(key []byte)            { w.n += len(key) }
func (w *countingWrites) delRange(low, high []byte) { w.n += len(low) + len(high) }
func (w *countingWrites) size() int                 { return w.n }

// BenchmarkLoad loads a queue of 100,000 messages of 1 KiB, bodies not among it.
func BenchmarkLoad(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "db")
	s, err := Open(Config{Dir: dir, FreeSpaceWatermark: -1})
	if err != nil {
		b.Fatal(err)
	}
	load(b, s)
	w := &writer{s: s}
	w.must(b, false, session(1))
	payload := string(make([]byte, 1024))
	for i := range uint64(100) {
		var records []broker.Record
		for k := range uint64(1000) {
			id := broker.MessageID((w.ticket+1)<<broker.OrdinalBits | k)
			records = append(records, publish(id, message("t", payload), to(1, i*1000+k+1)))
		}
		w.must(b, false, records...)
	}
	closeStore(b, s)
	for b.Loop() {
		s, err := Open(Config{Dir: dir, FreeSpaceWatermark: -1})
		if err != nil {
			b.Fatal(err)
		}
		if n := len(load(b, s).Owners[1].Queue); n != 100_000 {
			b.Fatalf("%d entries", n)
		}
		closeStore(b, s)
	}
}

// BenchmarkRead reads one message of a stored queue at a time.
func BenchmarkRead(b *testing.B) {
	s, err := Open(Config{Dir: filepath.Join(b.TempDir(), "db"), FreeSpaceWatermark: -1})
	if err != nil {
		b.Fatal(err)
	}
	load(b, s)
	w := &writer{s: s}
	w.must(b, false, session(1))
	var records []broker.Record
	for k := range uint64(1000) {
		records = append(records, publish(broker.MessageID(2<<broker.OrdinalBits|k), message("t", "payload"), to(1, k+1)))
	}
	w.must(b, false, records...)
	ids := make([]broker.MessageID, 100)
	for i := range ids {
		ids[i] = broker.MessageID(2<<broker.OrdinalBits | i*7)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Read(1, ids, func(broker.MessageID, *broker.Message) {}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(ids)), "ns/msg")
	closeStore(b, s)
}
