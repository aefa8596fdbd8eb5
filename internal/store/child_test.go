package store

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"alcove/internal/auth"
	"alcove/internal/broker"
)

// Some tests end a process, or leave goroutines parked in it for ever. They start
// the test binary once more, with its part in childEnv and a directory in dirEnv.
const (
	childEnv = "STORE_TEST_CHILD"
	dirEnv   = "STORE_TEST_DIR"
)

// child returns the command that plays part on dir.
func child(t *testing.T, part, dir string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^$")
	cmd.Env = append(os.Environ(), childEnv+"="+part, dirEnv+"="+dir)
	return cmd
}

// runChild plays part; its result is the process's.
func runChild(part string) int {
	name, arg, _ := strings.Cut(part, ":")
	var err error
	switch name {
	case "append":
		err = childAppends(os.Getenv(dirEnv), arg)
	case "fault":
		err = childFault(os.Getenv(dirEnv), arg)
	default:
		err = fmt.Errorf("no part %q", part)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// The schedule of the kill test: batch t stores message t for session 1 at position
// t, releases the entry of batch t-5, acknowledges that of t-10, receives the packet
// identifier t%100+1, and completes that of t-3.
const releasedAfter, ackedAfter, completedAfter = 5, 10, 3

func scheduledID(t uint64) broker.MessageID { return broker.MessageID(t << broker.OrdinalBits) }

func received(t uint64) uint16 { return uint16(t%100) + 1 }

func scheduled(t uint64, mode string) *broker.Batch {
	b := &broker.Batch{Ticket: t, Sync: mode == "sync" || mode == "mixed" && t%4 == 0}
	of := func(kind broker.Kind, seq uint64) broker.Record {
		return broker.Record{Kind: kind, Top: 1, Account: 1, Owner: 1, Seq: seq, ID: scheduledID(seq)}
	}
	if t == 1 {
		b.Records = append(b.Records, session(1))
	}
	target := to(1, t)
	target.QoS = 2
	b.Records = append(b.Records, publish(scheduledID(t), message("kill/it", scheduledPayload(t)), target))
	if t > releasedAfter {
		b.Records = append(b.Records, of(broker.KindReleased, t-releasedAfter))
	}
	if t > ackedAfter {
		b.Records = append(b.Records, of(broker.KindAcked, t-ackedAfter))
	}
	b.Records = append(b.Records, broker.Record{Kind: broker.KindReceived, Top: 1, Account: 1, Owner: 1, PacketID: received(t)})
	if t > completedAfter {
		b.Records = append(b.Records, broker.Record{Kind: broker.KindCompleted, Top: 1, Account: 1, Owner: 1, PacketID: received(t - completedAfter)})
	}
	return b
}

func scheduledPayload(t uint64) string {
	return strings.Repeat(strconv.FormatUint(t, 10)+" ", int(t%50)+1)
}

// childAppends goes on with the schedule until it is killed, and writes the number of
// each batch when it is done.
func childAppends(dir, mode string) error {
	s, err := Open(Config{Dir: dir, FreeSpaceWatermark: -1})
	if err != nil {
		return err
	}
	r := &reader{c: content{Owners: map[broker.OwnerID]*ownerContent{}}}
	ticket, _, err := s.Load(r)
	if err != nil {
		return err
	}
	window := make(chan struct{}, 64) // batches in flight
	for {
		ticket++
		window <- struct{}{}
		s.Append(0, scheduled(ticket, mode), func(ticket uint64, err error) {
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			// One write, so that a line is whole.
			_, _ = os.Stdout.WriteString(strconv.FormatUint(ticket, 10) + "\n")
			<-window
		})
	}
}

// TestKill kills a process with SIGKILL while it appends, ten times on one database.
// What was done before is there afterwards, once and in order: with Sync, without it,
// and mixed [EXT-SES-4].
func TestKill(t *testing.T) {
	for _, mode := range []string{"sync", "async", "mixed"} {
		t.Run(mode, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "db")
			last := uint64(0)
			for range 10 {
				done := killed(t, child(t, "append:"+mode, dir), last, 1+rand.IntN(1500))
				last = checkSchedule(t, dir, done)
			}
		})
	}
}

// killed starts cmd, reads lines of its output, and kills it. What it wrote until its
// end counts as done too; that is the last number returned.
func killed(t *testing.T, cmd *exec.Cmd, last uint64, lines int) uint64 {
	t.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewScanner(out)
	for n := 0; in.Scan(); n++ {
		ticket, err := strconv.ParseUint(in.Text(), 10, 64)
		if err != nil || ticket <= last {
			t.Fatalf("done with %q after %d", in.Text(), last)
		}
		last = ticket
		if n == lines {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the child ended by itself: %v\n%s", err, stderr.String())
	}
	return last
}

// checkSchedule looks whether the database is exactly what the schedule gives at some
// batch, which is not before done.
func checkSchedule(t *testing.T, dir string, done uint64) uint64 {
	t.Helper()
	s, err := Open(Config{Dir: dir, FreeSpaceWatermark: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer closeStore(t, s)
	got := load(t, s)
	last := got.Ticket
	if last < done {
		t.Fatalf("batch %d was done and is lost: the last one there is %d", done, last)
	}
	o := got.Owners[1]
	if o == nil || o.State.Next != last+1 {
		t.Fatalf("after batch %d the session is %v", last, o)
	}
	var released, waiting []uint64
	for seq := uint64(1); seq <= last; seq++ {
		switch {
		case seq+ackedAfter <= last:
		case seq+releasedAfter <= last:
			released = append(released, seq)
		default:
			waiting = append(waiting, seq)
		}
	}
	if len(o.Queue) != len(waiting) || len(o.State.Released) != len(released) {
		t.Fatalf("after batch %d: waiting %v, released %v\nwant %v and %v", last, o.Queue, o.State.Released, waiting, released)
	}
	for i, seq := range released {
		if o.State.Released[i].Seq != seq {
			t.Fatalf("released %v, want %v", o.State.Released, released)
		}
	}
	for i, seq := range waiting {
		e := o.Queue[i]
		if e.Seq != seq || e.ID != scheduledID(seq) {
			t.Fatalf("entry %d is %+v, want position %d", i, e, seq)
		}
		err := s.Read(1, []broker.MessageID{e.ID}, func(_ broker.MessageID, m *broker.Message) {
			if m == nil || string(m.Payload) != scheduledPayload(seq) {
				t.Fatalf("message %d is %+v", seq, m)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := min(int(last), completedAfter); len(o.State.Received) != n {
		t.Fatalf("after batch %d: received %v, want %d of them", last, o.State.Received, n)
	}
	return last
}

// faults are the errors that a store must survive by standing still: which operation
// on which file meets what, from some moment on.
var faults = map[string]struct {
	err   error
	hits  func(op errorfs.Op) bool
	relax bool // the batches are without Sync
	extra int  // bytes in each batch
}{
	"log full":        {err: syscall.ENOSPC, hits: onLog(errorfs.OpFileWrite)},
	"log full, async": {err: syscall.ENOSPC, hits: onLog(errorfs.OpFileWrite), relax: true},
	"log sync":        {err: syscall.EIO, hits: onLog(errorfs.OpFileSync, errorfs.OpFileSyncData)},
	"log flush":       {err: syscall.EIO, hits: onLog(errorfs.OpFileSyncTo), extra: 4 << 20},
	"next log":        {err: syscall.ENOSPC, hits: onLog(errorfs.OpCreate, errorfs.OpReuseForWrite)},
	"directory": {err: syscall.EIO, hits: func(op errorfs.Op) bool {
		return op.Kind == errorfs.OpFileSync && !strings.Contains(filepath.Base(op.Path), ".") && !strings.Contains(op.Path, "MANIFEST")
	}},
	"manifest": {err: syscall.ENOSPC, hits: func(op errorfs.Op) bool {
		return op.Kind == errorfs.OpFileWrite && strings.Contains(op.Path, "MANIFEST")
	}},
}

func onLog(kinds ...errorfs.OpKind) func(op errorfs.Op) bool {
	return func(op errorfs.Op) bool {
		for _, k := range kinds {
			if op.Kind == k && isLog(op.Path) {
				return true
			}
		}
		return false
	}
}

// TestFault meets each fault in a process of its own, which must go on, and then
// opens what it left: what was done is there [EXT-SES-4], the parked store failure.
func TestFault(t *testing.T) {
	for name := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "db")
			out, err := child(t, "fault:"+name, dir).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			done, err := strconv.ParseUint(strings.TrimSpace(string(out)), 10, 64)
			if err != nil || done == 0 {
				t.Fatalf("%s", out)
			}
			checkSchedule(t, dir, done)
		})
	}
}

// childFault appends until the fault has failed the store, looks how it behaves then,
// and writes which batch was the last one done.
func childFault(dir, name string) error {
	fault := faults[name]
	on := &errorfs.Toggle{Injector: errorfs.InjectorFunc(func(op errorfs.Op) error {
		if fault.hits(op) {
			return fault.err
		}
		return nil
	})}
	s, err := Open(Config{Dir: dir, fs: errorfs.Wrap(vfs.Default, on), FreeSpaceWatermark: -1})
	if err != nil {
		return err
	}
	if _, _, err := s.Load(&reader{c: content{Owners: map[broker.OwnerID]*ownerContent{}}}); err != nil {
		return err
	}
	mode := "sync"
	if fault.relax {
		mode = "async"
	}
	w := &writer{s: s}
	for w.ticket < 20 {
		if err := w.appendScheduled(mode, 0); err != nil {
			return err
		}
	}
	on.On()
	done := w.ticket
	for !s.Failed() { // some faults come only when the log file is full
		switch err := w.appendScheduled(mode, max(fault.extra, 256<<10)); {
		case err == nil:
			done = w.ticket
		case !errors.Is(err, ErrFailed) || !strings.Contains(err.Error(), fault.err.Error()):
			return fmt.Errorf("batch %d: %w", w.ticket, err)
		}
		if w.ticket > 2000 {
			return errors.New("the fault does not show")
		}
	}
	if err := afterFault(s, w, done); err != nil {
		return err
	}
	fmt.Println(done)
	return nil
}

// appendScheduled appends the next batch, with extra bytes in a retained message.
func (w *writer) appendScheduled(mode string, extra int) error {
	b := scheduled(w.ticket+1, mode)
	if extra > 0 {
		m := message("extra", strings.Repeat("x", extra))
		b.Records = append(b.Records, broker.Record{Kind: broker.KindRetain, Top: 1, Account: 1, Message: m})
	}
	return w.append(b.Sync, b.Records...)
}

// afterFault checks that a failed store refuses everything, in order, and still reads.
func afterFault(s *Store, w *writer, done uint64) error {
	const more = 50
	tickets := make(chan uint64, more)
	for range more {
		w.ticket++
		s.Append(0, scheduled(w.ticket, "sync"), func(ticket uint64, err error) {
			if !errors.Is(err, ErrFailed) {
				ticket = 0
			}
			tickets <- ticket
		})
	}
	for want := w.ticket - more + 1; want <= w.ticket; want++ {
		if got := <-tickets; got != want {
			return fmt.Errorf("refused batch %d, want %d", got, want)
		}
	}
	if err := s.PutDocuments("account", []auth.Document{{ID: 1, Bytes: []byte("x")}}); !errors.Is(err, ErrFailed) {
		return fmt.Errorf("PutDocuments after the failure: %v", err)
	}
	var got *broker.Message
	err := s.Read(1, []broker.MessageID{scheduledID(done)}, func(_ broker.MessageID, m *broker.Message) { got = m })
	if err != nil || got == nil || string(got.Payload) != scheduledPayload(done) {
		return fmt.Errorf("after the failure message %d reads as %+v (%v)", done, got, err)
	}
	if err := s.Close(); !errors.Is(err, ErrFailed) {
		return fmt.Errorf("Close after the failure: %v", err)
	}
	return nil
}
