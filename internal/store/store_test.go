package store

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"alcove/internal/auth"
	"alcove/internal/broker"
)

// TestAckedLeavesNothing: what was published and acknowledged is not queued, and in
// the end not on the disk.
func TestAckedLeavesNothing(t *testing.T) {
	s, fs, w := fresh(t)
	w.must(t, true, session(1), publish(1<<20, message("a", "1"), to(1, 1)), publish(1<<20+1, message("a", "2"), to(1, 2)))
	w.must(t, true, acked(1, 1, 1<<20))
	closeStore(t, s)
	s = reopen(t, fs)
	defer closeStore(t, s)
	got := load(t, s)
	if q := got.Owners[1].Queue; len(q) != 1 || q[0].Seq != 2 || q[0].Topic != "a" || q[0].Size != message("a", "2").Size() {
		t.Fatalf("queue %+v", q)
	}
}

// TestReadOrder: Read visits in the order asked for, absent ones with nil.
func TestReadOrder(t *testing.T) {
	s, _, w := fresh(t)
	w.must(t, false, session(1))
	var ids []broker.MessageID
	for i := range 20 {
		id := broker.MessageID(2<<20 + i)
		ids = append(ids, id)
		w.must(t, false, publish(id, message("t", fmt.Sprint(i)), to(1, uint64(i+1))))
	}
	ids = slices.Insert(ids, 9, ids[8]+1<<10, ids[8]+1<<11) // absent
	ids = slices.Delete(ids, 2, 4)
	for name, ask := range map[string][]broker.MessageID{
		"none":      {},
		"one":       {ids[4]},
		"sorted":    slices.Concat([]broker.MessageID{1}, ids, []broker.MessageID{99 << 20}),
		"twice":     {ids[1], ids[1], ids[2]},
		"backwards": slices.SortedFunc(slices.Values(ids), func(a, b broker.MessageID) int { return int(b - a) }),
		"absent":    {5, 6, 99 << 20},
	} {
		i := 0
		err := s.Read(1, ask, func(id broker.MessageID, m *broker.Message) {
			n, there := id-2<<20, id >= 2<<20 && id < 2<<20+20
			switch {
			case id != ask[i]:
				t.Fatalf("%s: visited %d, want %d", name, id, ask[i])
			case there != (m != nil), there && string(m.Payload) != fmt.Sprint(n):
				t.Fatalf("%s: message %d is %+v", name, id, m)
			}
			i++
		})
		if err != nil || i != len(ask) {
			t.Fatalf("%s: %d of %d visited: %v", name, i, len(ask), err)
		}
	}
	if err := s.Read(2, ids[:1], func(_ broker.MessageID, m *broker.Message) {
		if m != nil {
			t.Fatal("another tree's message was read") // [EXT-ACC-1]
		}
	}); err != nil {
		t.Fatal(err)
	}
}

// TestMovedEntry: an entry added to an older message comes at its position's turn,
// also when the entry it replaces is acknowledged first in the same batch.
func TestMovedEntry(t *testing.T) {
	s, fs, w := fresh(t)
	group := broker.Record{Kind: broker.KindGroup, Top: 1, Account: 1, Owner: 2, Group: &broker.GroupRecord{Share: "g", Inner: "t"}}
	move := broker.Record{Kind: broker.KindTarget, Top: 1, Account: 1, ID: 2 << 20, Targets: []broker.Target{to(1, 9)}}
	w.must(t, true, session(1), group)
	w.must(t, true, publish(2<<20, message("t", "moved"), to(2, 1)), publish(2<<20+1, message("t", "own"), to(1, 8)))
	w.must(t, true, acked(2, 1, 2<<20), move, publish(3<<20, message("t", "last"), to(1, 10)))
	closeStore(t, s)
	s = reopen(t, fs)
	defer closeStore(t, s)
	var got []broker.MessageID
	for _, e := range load(t, s).Owners[1].Queue {
		got = append(got, e.ID)
	}
	if want := []broker.MessageID{2<<20 + 1, 2 << 20, 3 << 20}; !slices.Equal(got, want) {
		t.Fatalf("queue %v, want %v", got, want)
	}
}

// TestReferences: a message stays as long as an entry waits for it, however often the
// others are acknowledged, and goes with the last.
func TestReferences(t *testing.T) {
	released := func(owner broker.OwnerID, seq uint64) broker.Record {
		r := acked(owner, seq, 2<<20)
		r.Kind = broker.KindReleased
		return r
	}
	end := broker.Record{Kind: broker.KindSessionEnd, Top: 1, Account: 1, Owner: 1}
	for name, c := range map[string]struct {
		records []broker.Record
		gone    bool
	}{
		"acknowledged twice":          {records: []broker.Record{acked(1, 1, 2<<20), acked(1, 1, 2<<20)}},
		"released, then acknowledged": {records: []broker.Record{released(1, 1), released(1, 1), acked(1, 1, 2<<20)}}, // [MQTT-4.3.3-6]
		"released, then ended":        {records: []broker.Record{released(1, 1), end}},
		"by a stranger":               {records: []broker.Record{acked(7, 1, 2<<20), acked(1, 9, 2<<20), acked(1, 0, 2<<20)}},
		"by both":                     {records: []broker.Record{acked(1, 1, 2<<20), acked(2, 1, 2<<20)}, gone: true},
		"released and acknowledged":   {records: []broker.Record{released(1, 1), acked(2, 1, 2<<20)}, gone: true},
	} {
		t.Run(name, func(t *testing.T) {
			at := freeing{messages: 1, bytes: 1}
			s := start(&memoryEngine{}, newFault(discard), &at, discard)
			defer closeStore(t, s)
			load(t, s)
			w := &writer{s: s}
			w.must(t, true, session(1), session(2))
			w.must(t, true, publish(2<<20, message("t", "x"), to(1, 1), to(2, 1)))
			for _, r := range c.records {
				w.must(t, true, r)
			}
			if n := diskMessages(t, s); (n == 0) != c.gone {
				t.Fatalf("%d messages on the disk", n)
			}
		})
	}
}

// diskMessages counts the message bodies in the engine.
func diskMessages(t *testing.T, s *Store) (n int) {
	t.Helper()
	err := s.engine.scan(firstTree(), lastKey, func(key []byte, _ func() ([]byte, error)) ([]byte, error) {
		if k, err := parseKey(key); err != nil || k.space != spaceMessage {
			return nil, err
		}
		n++
		return nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestSweep: a session that stays away and holds one message in a thousand does not
// pin the others.
func TestSweep(t *testing.T) {
	s, fs, w := fresh(t)
	w.must(t, false, session(1), session(2))
	const batches, each = 200, 500
	ids := make([]broker.MessageID, 0, each)
	kept := 0
	for b := range batches {
		var records []broker.Record
		ids = ids[:0]
		for i := range each {
			n := uint64(b*each + i + 1)
			id := broker.MessageID((w.ticket+1)<<broker.OrdinalBits) + broker.MessageID(i)
			targets := []broker.Target{to(1, n)}
			if n%1000 == 0 {
				targets = append(targets, to(2, n/1000))
				kept++
			}
			records = append(records, publish(id, message("t", strings.Repeat("x", 100)), targets...))
			ids = append(ids, id)
		}
		w.must(t, false, records...)
		records = nil
		for i, id := range ids {
			records = append(records, acked(1, uint64(b*each+i+1), id))
		}
		w.must(t, false, records...)
		if b%20 != 19 {
			continue
		}
		if n := diskMessages(t, s); n > 2*kept+2*defaultFreeing.messages {
			t.Fatalf("%d messages on the disk while %d live", n, kept)
		}
	}
	if n := len(s.state.trees[1].segments); n > 3 {
		t.Errorf("%d segments for %d messages", n, kept)
	}
	closeStore(t, s)
	s = reopen(t, fs)
	defer closeStore(t, s)
	if q := load(t, s).Owners[2].Queue; len(q) != kept {
		t.Fatalf("%d of %d messages left", len(q), kept)
	}
}

// TestAccountEnd: a deleted account's queues, retained messages and references go,
// an ancestor's entries stay [EXT-ACC-2].
func TestAccountEnd(t *testing.T) {
	for name, open := range map[string]func() *Store{"disk": func() *Store { return reopen(t, vfs.NewMem()) }, "memory": NewMemory} {
		t.Run(name, func(t *testing.T) {
			s := open()
			defer closeStore(t, s)
			load(t, s)
			w := &writer{s: s}
			kid := session(2)
			kid.Account = 5
			w.must(t, true, session(1), kid)
			const n = 3 * collectStep
			for i := uint64(0); i < n; i += 1000 {
				var records []broker.Record
				for k := i; k < min(i+1000, n); k++ {
					r := publish(broker.MessageID((w.ticket+1)<<20|k%1000), message("t", "x"), to(2, k+1))
					if k == 7 {
						r.Targets = append(r.Targets, to(1, 1))
					}
					records = append(records, r)
				}
				w.must(t, false, records...)
			}
			retained := broker.Record{Kind: broker.KindRetain, Top: 1, Account: 5, Message: message("r", "x")}
			w.must(t, true, retained)
			w.must(t, true, broker.Record{Kind: broker.KindAccountEnd, Top: 1, Account: 5})
			s.background.Wait()
			w.must(t, true) // after the collected references
			if got := diskMessages(t, s); got > defaultFreeing.messages {
				t.Fatalf("%d messages on the disk, one lives", got)
			}
		})
	}
}

// TestSessionEnd: what a session that ended held goes, and what names it later is
// nobody's.
func TestSessionEnd(t *testing.T) {
	s, fs, w := fresh(t)
	end := broker.Record{Kind: broker.KindSessionEnd, Top: 1, Account: 1, Owner: 1, IDs: []broker.MessageID{2 << 20}}
	w.must(t, true, session(1), session(2))
	w.must(t, true, publish(2<<20, message("t", "x"), to(1, 1), to(2, 1)))
	w.must(t, true, end)
	w.must(t, true, publish(4<<20, message("t", "y"), to(1, 2)), acked(1, 1, 2<<20))
	closeStore(t, s)
	s = reopen(t, fs)
	defer closeStore(t, s)
	got := load(t, s)
	if got.Owners[1] != nil || len(got.Owners[2].Queue) != 1 || diskMessages(t, s) != 1 {
		t.Fatalf("%v, %d messages on the disk", got.Owners, diskMessages(t, s))
	}
}

// TestSessionEndUnknown: a session that ended held more than the broker knew; that is
// found on the disk and goes too.
func TestSessionEndUnknown(t *testing.T) {
	at := freeing{messages: 1, bytes: 1}
	s := start(&memoryEngine{}, newFault(discard), &at, discard)
	defer closeStore(t, s)
	load(t, s)
	w := &writer{s: s}
	w.must(t, true, session(1), session(2), session(3))
	for n := uint64(1); n <= 20; n++ {
		targets := []broker.Target{to(1, n), to(2, n)}
		if n == 7 {
			targets = append(targets, to(3, 1))
		}
		w.must(t, true, publish(broker.MessageID(n+1)<<broker.OrdinalBits, message("t", "x"), targets...))
	}
	w.must(t, true, acked(1, 1, 2<<broker.OrdinalBits))
	for id := range broker.OwnerID(2) {
		w.must(t, true, broker.Record{Kind: broker.KindSessionEnd, Top: 1, Account: 1, Owner: id + 1, IDs: []broker.MessageID{3 << broker.OrdinalBits}})
	}
	s.background.Wait()
	w.must(t, true)
	if n := diskMessages(t, s); n != 1 {
		t.Fatalf("%d messages on the disk, one lives", n)
	}
}

// TestStaleSession: a session's record with an older epoch does nothing.
func TestStaleSession(t *testing.T) {
	s, fs, w := fresh(t)
	newer, older := session(1), session(1)
	newer.Session.Epoch, newer.Session.Expiry = 5, 111
	older.Session.Epoch = 4
	w.must(t, true, newer, older)
	closeStore(t, s)
	s = reopen(t, fs)
	defer closeStore(t, s)
	if r := load(t, s).Owners[1].Session; r.Expiry != 111 || r.Epoch != 5 {
		t.Fatalf("%+v", r)
	}
}

// TestDocuments: documents are written before and after Load, by kinds that do not
// mingle, and deleted.
func TestDocuments(t *testing.T) {
	fs := vfs.NewMem()
	s := reopen(t, fs)
	put := func(kind string, docs ...auth.Document) {
		t.Helper()
		if err := s.PutDocuments(kind, docs); err != nil {
			t.Fatal(err)
		}
	}
	put("token", auth.Document{ID: 2, Bytes: []byte("two")}, auth.Document{ID: 1, Bytes: []byte{}})
	put("tokens", auth.Document{ID: 3, Bytes: []byte("other kind")})
	load(t, s)
	put("token", auth.Document{ID: 300, Bytes: []byte("300")}, auth.Document{ID: -1, Bytes: []byte("-1")}, auth.Document{ID: 2})
	for range 2 {
		var got []string
		err := s.LoadDocuments("token", func(id int64, doc []byte) error {
			got = append(got, fmt.Sprintf("%d=%s", id, doc))
			return nil
		})
		if want := []string{"-1=-1", "1=", "300=300"}; err != nil || !slices.Equal(got, want) {
			t.Fatalf("%q, want %q (%v)", got, want, err)
		}
		closeStore(t, s)
		s = reopen(t, fs)
	}
	if err := s.PutDocuments("a\x00b", nil); err == nil {
		t.Fatal("a kind with a zero byte is taken")
	}
	closeStore(t, s)
	if err := s.PutDocuments("token", []auth.Document{{ID: 1}}); !errors.Is(err, ErrClosed) {
		t.Fatalf("PutDocuments after Close: %v", err)
	}
}

// TestTickets: a batch out of order fails the store, as one before Load does.
func TestTickets(t *testing.T) {
	for name, ticket := range map[string]uint64{"before Load": 1, "leap": 3} {
		t.Run(name, func(t *testing.T) {
			s := NewMemory()
			if name == "leap" {
				load(t, s)
			}
			w := &writer{s: s, ticket: ticket - 1}
			if err := w.append(true); !errors.Is(err, ErrFailed) || !s.Failed() {
				t.Fatalf("%v", err)
			}
			if err := s.Close(); !errors.Is(err, ErrFailed) {
				t.Fatalf("Close: %v", err)
			}
		})
	}
}

// TestCloseFinishes: Close finishes what was appended; later batches are refused.
func TestCloseFinishes(t *testing.T) {
	s := NewMemory()
	load(t, s)
	done := make(chan uint64, 1000)
	for i := range uint64(1000) {
		s.Append(0, &broker.Batch{Ticket: i + 1}, func(ticket uint64, err error) {
			if err != nil {
				ticket = 0
			}
			done <- ticket
		})
	}
	closeStore(t, s)
	for i := range uint64(1000) {
		if got := <-done; got != i+1 {
			t.Fatalf("done with %d, want %d", got, i+1)
		}
	}
	w := &writer{s: s, ticket: 1000}
	if err := w.append(true); !errors.Is(err, ErrClosed) {
		t.Fatalf("Append after Close: %v", err)
	}
	if _, _, err := s.Load(&reader{}); err == nil {
		t.Fatal("loaded twice")
	}
}

// stuckEngine is a disk that does not answer until it is released.
type stuckEngine struct {
	memoryEngine
	release chan struct{}
}

func (e *stuckEngine) commit(w writes, sync bool) error {
	<-e.release
	return e.memoryEngine.commit(w, sync)
}

// TestBackPressure: Append blocks while more than maxInFlight is on its way, and goes
// on when there is room.
func TestBackPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &stuckEngine{release: make(chan struct{})}
		s := start(e, newFault(discard), &defaultFreeing, discard)
		load(t, s)
		appended, done := 0, 0
		go func() {
			for i := range uint64(20) {
				s.Append(0, &broker.Batch{Ticket: i + 1, Records: []broker.Record{
					{Kind: broker.KindRetain, Top: 1, Account: 1, Message: message("t", strings.Repeat("x", 8<<20))},
				}}, func(uint64, error) { done++ })
				appended++
			}
		}()
		synctest.Wait()
		if appended != 7 || done != 0 {
			t.Fatalf("%d batches of 8 MiB let in, %d done", appended, done)
		}
		close(e.release)
		synctest.Wait()
		if appended != 20 || done != 20 {
			t.Fatalf("%d appended, %d done", appended, done)
		}
		closeStore(t, s)
	})
}

// TestGroups: while the disk is busy, what comes in waits for one commit together,
// which syncs if any batch asks for it.
func TestGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &countingEngine{stuckEngine: stuckEngine{release: make(chan struct{})}}
		s := start(e, newFault(discard), &defaultFreeing, discard)
		load(t, s)
		done := 0
		synctest.Wait() // the committer is busy with what Load found
		for i := range uint64(100) {
			s.Append(0, &broker.Batch{Ticket: i + 1, Sync: i == 50}, func(uint64, error) { done++ })
		}
		synctest.Wait()
		close(e.release)
		synctest.Wait()
		if done != 100 || !slices.Equal(e.syncs, []bool{false, true}) {
			t.Fatalf("%d done, commits with sync: %v", done, e.syncs)
		}
		closeStore(t, s)
	})
}

type countingEngine struct {
	stuckEngine
	syncs []bool
}

func (e *countingEngine) commit(w writes, sync bool) error {
	err := e.stuckEngine.commit(w, sync)
	e.syncs = append(e.syncs, sync)
	return err
}

// TestLowSpace: the watermark is met from above and left with a quarter more.
func TestLowSpace(t *testing.T) {
	fs := vfs.NewMem()
	fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 2000})
	s, err := Open(Config{Dir: "db", fs: fs, FreeSpaceWatermark: 1000})
	if err != nil {
		t.Fatal(err)
	}
	defer closeStore(t, s)
	for _, c := range []struct {
		free uint64
		low  bool
	}{{2000, false}, {1000, false}, {999, true}, {1000, true}, {1249, true}, {1250, false}, {1, true}} {
		fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: c.free})
		s.space.look(s)
		if s.LowSpace() != c.low {
			t.Fatalf("with %d free LowSpace is %v", c.free, !c.low)
		}
	}
}

// TestTableFull: while tables cannot be written the store goes on as long as its
// memory suffices, and recovers.
func TestTableFull(t *testing.T) {
	mem := vfs.NewMem()
	on := &errorfs.Toggle{Injector: errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpCreate && strings.HasSuffix(op.Path, ".sst") {
			tries.Add(1)
			return syscall.ENOSPC
		}
		return nil
	})}
	tries.Store(0)
	s := reopen(t, errorfs.Wrap(mem, on))
	load(t, s)
	w := &writer{s: s}
	on.On()
	for tries.Load() < 3 && w.ticket < 100_000 {
		w.must(t, true, broker.Record{Kind: broker.KindRetain, Top: 1, Account: 1, Message: message(fmt.Sprint(w.ticket%100), strings.Repeat("x", 16<<10))})
	}
	if s.Failed() || tries.Load() < 3 {
		t.Fatalf("failed: %v after %d tries", s.Failed(), tries.Load())
	}
	on.Off()
	closeStore(t, s)
	if got := load(t, reopenClosing(t, mem)); got.Ticket != w.ticket {
		t.Fatalf("batch %d of %d", got.Ticket, w.ticket)
	}
}

// tries counts the tables that TestTableFull did not let be made.
var tries atomic.Int64

// TestOpenErrors: what is wrong with a directory is said with its name.
func TestOpenErrors(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	open := func() error {
		s, err := Open(Config{Dir: dir, FreeSpaceWatermark: -1})
		if err == nil {
			err = errors.Join(errors.New("opened"), s.Close())
		}
		return err
	}
	expect := func(what string, words ...string) {
		t.Helper()
		err := open()
		for _, w := range append(words, dir) {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Fatalf("%s: %q does not say %q", what, err, w)
			}
		}
	}
	s, err := Open(Config{Dir: dir, FreeSpaceWatermark: -1})
	if err != nil {
		t.Fatal(err)
	}
	load(t, s)
	expect("a second process", "lock")
	w := &writer{s: s}
	for range 50 {
		w.must(t, true, broker.Record{Kind: broker.KindRetain, Top: 1, Account: 1, Message: message(fmt.Sprint(w.ticket), strings.Repeat("x", 1000))})
	}
	closeStore(t, s)

	// Another layout.
	db, err := pebble.Open(dir, &pebble.Options{Logger: pebbleLogger{newFault(discard)}})
	if err != nil {
		t.Fatal(err)
	}
	layoutKey := appendPrefix(nil, 0, 0, spaceFormat)
	if err := errors.Join(db.Set(layoutKey, []byte{layout + 1}, nil), db.Flush(), db.Close()); err != nil {
		t.Fatal(err)
	}
	expect("a newer layout", "newer version")

	// No MANIFEST that can be read.
	manifests, err := filepath.Glob(filepath.Join(dir, "MANIFEST-*"))
	if err != nil || len(manifests) == 0 {
		t.Fatalf("%v %v", manifests, err)
	}
	for _, m := range manifests {
		if err := os.WriteFile(m, []byte("garbage, garbage, garbage, garbage"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	expect("a damaged manifest", "damaged")

	if _, err := Open(Config{}); err == nil {
		t.Fatal("opened without a directory")
	}
}

// TestDamagedTable: a flipped bit in a table is found by its checksum, and Load says
// so instead of showing anything wrong.
func TestDamagedTable(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	s, err := Open(Config{Dir: dir, FreeSpaceWatermark: -1})
	if err != nil {
		t.Fatal(err)
	}
	load(t, s)
	w := &writer{s: s}
	w.must(t, true, broker.Record{Kind: broker.KindRetain, Top: 1, Account: 1, Message: message("t", strings.Repeat("payload", 500))})
	closeStore(t, s)
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("%v %v", tables, err)
	}
	for _, name := range tables {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		b[10] ^= 1 // in the first data block
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var log strings.Builder
	s, err = Open(Config{Dir: dir, FreeSpaceWatermark: -1, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		return // found already
	}
	_, _, err = s.Load(&reader{c: content{Owners: map[broker.OwnerID]*ownerContent{}}})
	if err == nil || s.Failed() {
		t.Fatalf("Load: %v, failed: %v", err, s.Failed())
	}
	closeStore(t, s)
	if !strings.Contains(log.String(), "damaged") {
		t.Errorf("the log says nothing of the damage:\n%s", log.String())
	}
}

// TestPowerCutAfterRotation: when a commit with Sync is on the disk, so is everything
// before it, also what was written without Sync to an earlier log file [EXT-SES-4].
func TestPowerCutAfterRotation(t *testing.T) {
	_, fs, w := fresh(t)
	logs := func() string {
		names, err := fs.List("db")
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(slices.DeleteFunc(names, func(n string) bool { return !isLog(n) }))
	}
	for first := logs(); logs() == first; {
		w.must(t, false, broker.Record{Kind: broker.KindRetain, Top: 1, Account: 1, Message: message(fmt.Sprint(w.ticket), strings.Repeat("x", 32<<10))})
	}
	// The new file holds only what came after the change.
	if got := load(t, reopenClosing(t, fs.CrashClone(vfs.CrashCloneCfg{}))); got.Ticket < w.ticket-1 {
		t.Fatalf("the first log file ends with batch %d of %d", got.Ticket, w.ticket)
	}
	w.must(t, true)
	if got := load(t, reopenClosing(t, fs.CrashClone(vfs.CrashCloneCfg{}))); got.Ticket != w.ticket || len(got.Retained) != int(w.ticket-1) {
		t.Fatalf("batch %d of %d, %d retained messages", got.Ticket, w.ticket, len(got.Retained))
	}
}

// reopenClosing is reopen for a test that does not close.
func reopenClosing(t *testing.T, fs vfs.FS) *Store {
	t.Helper()
	s := reopen(t, fs)
	t.Cleanup(func() { closeStore(t, s) })
	return s
}

// TestDamagedValue: a value that is not what its key says is named by Load.
func TestDamagedValue(t *testing.T) {
	owner := appendOwnerKey(nil, 3, 4, 5)
	at := func(part byte, rest ...byte) []byte { return append(append(slices.Clone(owner), part), rest...) }
	for _, c := range []struct {
		key   []byte
		words string
	}{
		{appendPrefix(nil, 0, 0, spaceHead), "the head"},
		{at(partSession), "the session of owner 5 in account 4"},
		{at(partGroup), "the share group of owner 5 in account 4"},
		{at(partState), "the queue state of owner 5 in account 4"},
		{at(partPage, 0, 0, 0, 0, 0, 0, 0, 9), "page 9 of the queue state of owner 5 in account 4"},
		{at(partPage, 9), "names no page"},
		{at(partSubscription, 'f'), "a subscription of owner 5 in account 4"},
		{at(77), "a part 77"},
		{owner[:prefixLen+3], "names no owner"},
		{appendMessageKey(nil, 3, spaceTarget, 6), "the queue entries of message 6 in tree 3"},
		{appendMessageKey(nil, 3, spaceTarget, 6)[:prefixLen+2], "names no message"},
		{append(appendPrefix(nil, 3, 4, spaceRetained), "a/b"...), `the retained message of topic "a/b" in account 4`},
		{appendPrefix(nil, 3, 4, 'z'), "no known kind"},
		{[]byte{0, 0, 0, 0, 0, 0, 0, 3, 1}, "too short"},
	} {
		s := NewMemory()
		w := s.engine.begin()
		w.set(c.key, []byte{encoding, 0xFF})
		if err := s.engine.commit(w, true); err != nil {
			t.Fatal(err)
		}
		_, _, err := s.Load(&reader{c: content{Owners: map[broker.OwnerID]*ownerContent{}}})
		if err == nil || !strings.Contains(err.Error(), c.words) || !strings.Contains(err.Error(), s.where) {
			t.Errorf("key %x: %v, want %q", c.key, err, c.words)
		}
		closeStore(t, s)
	}
}

// TestTogether reads and writes documents and messages while batches are appended,
// and closes meanwhile: who comes too late is told so.
func TestTogether(t *testing.T) {
	s := reopen(t, vfs.NewMem())
	load(t, s)
	w := &writer{s: s}
	w.must(t, true, session(1))
	var wg sync.WaitGroup
	closed := func(err error) bool {
		if err != nil && !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		return err != nil
	}
	for _, f := range []func(n int) error{
		func(n int) error {
			return w.append(n%8 == 0, publish(broker.MessageID((w.ticket+1)<<broker.OrdinalBits), message("t", "x"), to(1, w.ticket)))
		},
		func(n int) error { return s.PutDocuments("token", []auth.Document{{ID: int64(n), Bytes: []byte("x")}}) },
		func(int) error { return s.LoadDocuments("token", func(int64, []byte) error { return nil }) },
		func(n int) error {
			ids := []broker.MessageID{broker.MessageID(n) << broker.OrdinalBits, broker.MessageID(n+1) << broker.OrdinalBits}
			return s.Read(1, ids[n%2:], func(broker.MessageID, *broker.Message) {})
		},
	} {
		wg.Go(func() {
			for n := 0; !closed(f(n)); n++ {
				if n == 300 {
					go func() { _ = s.Close() }()
				}
			}
		})
	}
	wg.Wait()
	closeStore(t, s)
}
