package journal

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"alcove/internal/auth"
	"alcove/internal/broker"
	"alcove/internal/event"
	"alcove/internal/store"
)

// bench is a journal over a store in memory, with one account beside the operator's.
type bench struct {
	t         testing.TB
	store     *store.Store
	directory *auth.Directory
	journal   *Journal
	account   int64
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{t: t, store: store.NewMemory()}
	var err error
	if b.directory, err = auth.Open(auth.Config{}, b.store, nil); err != nil {
		t.Fatal(err)
	}
	a, err := b.directory.CreateAccount(auth.Operator, auth.AccountSpec{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	b.account = int64(a.ID)
	b.open()
	return b
}

func (b *bench) open() {
	b.t.Helper()
	var err error
	if b.journal, err = Open(Config{Store: b.store, Directory: b.directory}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) close() {
	if err := b.journal.Close(); err != nil {
		b.t.Error(err)
	}
	_ = b.store.Close()
}

func (b *bench) set(s auth.Settings) {
	b.t.Helper()
	if _, err := b.directory.UpdateAccount(auth.AccountID(b.account), auth.AccountSpec{Settings: &s}); err != nil {
		b.t.Fatal(err)
	}
}

// read renders a log: of each record its code, item and count.
func (b *bench) read(q event.Query) []string {
	b.t.Helper()
	q.Account = b.account
	var all []string
	err := b.journal.Records(context.Background(), q, func(r *event.Stored) bool {
		all = append(all, fmt.Sprintf("%d/%d×%d", r.Code, r.OriginID, r.Count))
		return true
	})
	if err != nil {
		b.t.Error(err)
	}
	return all
}

// [EXT-LOG-2] Of a kind one record a second, the first at once; another item is another
// kind; nothing is left out of the counts.
func TestFloodIsSummedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		time.Sleep(time.Second - time.Duration(time.Now().Nanosecond())) // virtual
		for range 1000 {
			b.journal.Event(event.Record{Code: event.PublishRejected, Account: b.account, OriginID: 7})
		}
		b.journal.Event(event.Record{Code: event.PublishRejected, Account: b.account, OriginID: 8})
		if got := strings.Join(b.read(event.Query{}), " "); got != "530/7×1 530/8×1" {
			t.Errorf("at once: %s", got)
		}
		time.Sleep(1200 * time.Millisecond)
		b.journal.Event(event.Record{Code: event.PublishRejected, Account: b.account, OriginID: 7, Count: 5})
		if got := strings.Join(b.read(event.Query{}), " "); got != "530/7×1 530/8×1 530/7×999 530/7×5" {
			t.Errorf("later: %s", got)
		}
	})
}

// A flood of many kinds costs an account what its bound allows, and no other account
// feels it (attacks row 54).
func TestFloodOfKindsIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		time.Sleep(time.Second - time.Duration(time.Now().Nanosecond()))
		const flood = 50_000
		for i := range flood {
			b.journal.Event(event.Record{Code: event.Accepted, Account: b.account, OriginID: int64(i + 1)})
		}
		for i := range 20 {
			b.journal.Event(event.Record{Code: event.Accepted, Account: int64(auth.Operator), OriginID: int64(i + 1)})
		}
		time.Sleep(1500 * time.Millisecond)
		got := b.read(event.Query{})
		if len(got) != kindsPerClass+1 || got[len(got)-1] != fmt.Sprintf("500/0×%d", flood-kindsPerClass) {
			t.Errorf("%d records, at the end %s", len(got), got[len(got)-1])
		}
		b.account = int64(auth.Operator)
		if got := b.read(event.Query{}); len(got) != 20 {
			t.Errorf("the other account has %d", len(got))
		}
	})
}

// [EXT-LOG-2] Records go after log_days, also those of nobody who writes; and their
// deletion reaches the store.
func TestRetentionByDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		b.set(auth.Settings{LogDays: new(int64(3))})
		for i := range 10 {
			b.journal.Event(event.Record{Code: event.Accepted, Account: b.account, OriginID: int64(i + 1)})
			time.Sleep(24 * time.Hour)
		}
		if got := strings.Join(b.read(event.Query{}), " "); got != "500/8×1 500/9×1 500/10×1" && got != "500/9×1 500/10×1" {
			t.Errorf("kept: %s", got)
		}
		time.Sleep(96 * time.Hour)
		rows := 0
		for _, shelf := range []event.Shelf{event.Records, event.Sizes} {
			if err := b.store.EachRow(shelf, func(_, _ int64, _ []byte) bool { rows++; return true }); err != nil {
				t.Error(err)
			}
		}
		if rows != 0 {
			t.Errorf("%d rows are left", rows)
		}
	})
}

// [EXT-LOG-2] [EXT-ACC-5] No more than log_bytes, the oldest first, also after a restart
// and with other settings; 0 keeps nothing.
func TestRetentionByBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		b.set(auth.Settings{LogBytes: new(int64(100_000))})
		fill := func(n int) {
			for i := range n {
				b.journal.Event(event.Record{Code: event.Accepted, Account: b.account, OriginID: int64(i + 1), Reason: strings.Repeat("x", 500)})
				time.Sleep(200 * time.Millisecond)
			}
		}
		check := func(most int64) (n int) {
			bytes := int64(0)
			err := b.journal.Records(context.Background(), event.Query{Account: b.account}, func(r *event.Stored) bool {
				n++
				bytes += int64(len(r.JSON))
				return true
			})
			if err != nil || bytes > most {
				t.Errorf("%d bytes of %d, %v", bytes, most, err)
			}
			return n
		}
		fill(500)
		n := check(100_000)
		if n < 100 {
			t.Errorf("only %d records are left", n)
		}
		if got := b.read(event.Query{Reverse: true}); got[0] != "500/500×1" {
			t.Errorf("the newest is %s", got[0])
		}
		if err := b.journal.Close(); err != nil {
			t.Error(err)
		}
		b.open()
		if again := check(100_000); again != n {
			t.Errorf("%d records after the restart, %d before", again, n)
		}
		fill(50)
		check(100_000)
		b.set(auth.Settings{LogBytes: new(int64(20_000))})
		if n := check(20_000); n == 0 {
			t.Error("nothing is left of the log")
		}
		b.set(auth.Settings{LogBytes: new(int64(0))})
		fill(10)
		if n := check(0); n != 0 {
			t.Errorf("%d records in a log of no bytes", n)
		}
	})
}

// Nothing of an account stays when it has gone, whether the journal was told or finds
// it at its start [EXT-ACC-1].
func TestForget(t *testing.T) {
	for _, told := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			defer b.close()
			b.journal.Event(event.Record{Code: event.Accepted, Account: b.account, OriginID: 1})
			b.read(event.Query{})
			if _, err := b.directory.DeleteAccount(auth.AccountID(b.account)); err != nil {
				t.Fatal(err)
			}
			if told {
				b.journal.Forget([]auth.AccountID{auth.AccountID(b.account)})
			} else if err := b.journal.Close(); err == nil {
				b.open()
			}
			b.journal.Event(event.Record{Code: event.Closed, Account: b.account, OriginID: 1})
			time.Sleep(2 * time.Second)
			err := b.store.EachRow(event.Records, func(account, _ int64, _ []byte) bool {
				t.Errorf("told %v: a record of %d is left", told, account)
				return true
			})
			if err != nil || len(b.journal.shelves) != 0 {
				t.Errorf("%v, %d shelves", err, len(b.journal.shelves))
			}
		})
	}
}

// Audit returns when its records are stored, each by itself.
func TestAudit(t *testing.T) {
	b := newBench(t)
	defer b.close()
	records := make([]event.Record, 500)
	for i := range records {
		records[i] = event.Record{Code: event.Created, Origin: event.Token, Account: b.account, OriginID: int64(i + 1)}
	}
	if err := b.journal.Audit(records); err != nil {
		t.Fatal(err)
	}
	n := 0
	_ = b.store.ReadRows(event.Span{Shelf: event.Records, Account: b.account, To: math.MaxInt64}, func(int64, []byte) bool { n++; return true })
	if n != len(records) {
		t.Errorf("%d of %d are stored", n, len(records))
	}
	_ = b.journal.Close()
	if err := b.journal.Audit(records[:1]); err != ErrClosed {
		t.Errorf("after Close: %v", err)
	}
}

// What the journal itself tells makes no records when it is dropped, for that would go
// on for ever.
func TestEcho(t *testing.T) {
	b := newBench(t)
	defer b.close()
	b.journal.Event(event.Record{Code: event.MessageDropped, Account: b.account, Topic: "flespi/log/mqtt/sessions/1/closed"})
	b.journal.Event(event.Record{Code: event.MessageDropped, Account: b.account, Topic: "flespi/state/platform/x"})
	b.journal.Event(event.Record{Code: event.MessageDropped, Account: b.account, Topic: "flespi/other", OriginID: 1})
	if got := strings.Join(b.read(event.Query{}), " "); got != "531/1×1" {
		t.Error(got)
	}
}

// A query gives what a list of all records gives, narrowed and turned about.
func TestQueriesLikeAList(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := newBench(t)
		defer b.close()
		b.set(auth.Settings{LogBytes: new(int64(1 << 20))})
		type one struct{ time, item int64 }
		var list []one
		n := rapid.IntRange(0, 300).Draw(rt, "records")
		for i := range n {
			r := event.Record{Code: event.Created, Account: b.account, OriginID: int64(i + 1), Reason: strings.Repeat("y", i%97*10)}
			if err := b.journal.Audit([]event.Record{r}); err != nil {
				rt.Fatal(err)
			}
		}
		_ = b.journal.Records(context.Background(), event.Query{Account: b.account}, func(r *event.Stored) bool {
			list = append(list, one{r.Time, r.OriginID})
			return true
		})
		if len(list) != n {
			rt.Fatalf("%d of %d records", len(list), n)
		}
		if rapid.Bool().Draw(rt, "restart") {
			_ = b.journal.Close()
			b.open()
		}
		for range 5 {
			q := event.Query{Account: b.account, Reverse: rapid.Bool().Draw(rt, "reverse")}
			if n > 0 {
				q.From = list[rapid.IntRange(0, n-1).Draw(rt, "from")].time + rapid.Int64Range(-1, 1).Draw(rt, "after")
				q.To = list[rapid.IntRange(0, n-1).Draw(rt, "to")].time
			}
			most := rapid.IntRange(1, 50).Draw(rt, "count")
			var want, got []one
			for _, x := range list {
				if x.time >= q.From && (q.To == 0 || x.time <= q.To) {
					want = append(want, x)
				}
			}
			if q.Reverse {
				slices.Reverse(want)
			}
			want = want[:min(most, len(want))]
			_ = b.journal.Records(context.Background(), q, func(r *event.Stored) bool {
				got = append(got, one{r.Time, r.OriginID})
				return len(got) < most
			})
			if !slices.Equal(got, want) {
				rt.Fatalf("%+v: got %v, want %v", q, got, want)
			}
		}
	})
}

// stage is a broker of one account.
type stage struct {
	mu      sync.Mutex
	account auth.AccountID
	usage   broker.Usage
	told    []string
}

func (s *stage) Active(id auth.AccountID) bool { return id == s.account }

func (s *stage) Announce(id auth.AccountID, list []broker.Announcement) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range list {
		s.told = append(s.told, fmt.Sprintf("%s=%s", a.Topic, a.Payload))
	}
}

func (s *stage) Usage(id auth.AccountID) broker.Usage {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id == s.account {
		return s.usage
	}
	return broker.Usage{}
}

// does changes what the account has done.
func (s *stage) does(f func(u *broker.Usage)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.usage)
}

func (s *stage) EachUsage(f func(auth.AccountID, broker.Usage) bool) {
	f(s.account, s.Usage(s.account))
}

// [EXT-LOG-3] Counters are told once a second at most, and only the changed ones.
func TestCounters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		s := &stage{account: auth.AccountID(b.account)}
		b.journal.Begin(s)
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		first := len(s.told)
		if first < 15 {
			t.Errorf("told %v", s.told)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if len(s.told) != first {
			t.Errorf("told again: %v", s.told[first:])
		}
		s.does(func(u *broker.Usage) { u.Published, u.Online = 7, 1 })
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if got := strings.Join(s.told[first:], " "); got != "state/platform/customer/counters/mqtt_sessions_online=1 state/platform/customer/counters/mqtt_messages=7" {
			t.Error(got)
		}
		b.journal.Hush()
	})
}

// Statistics have a row for each minute that was not idle, for 30 days [EXT-REST-5].
func TestStatistics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer b.close()
		s := &stage{account: auth.AccountID(b.account)}
		b.journal.Begin(s)
		time.Sleep(time.Second) // nothing below falls on the moment when a minute is written
		for range 3 {
			s.does(func(u *broker.Usage) { u.Published += 10 })
			time.Sleep(5 * time.Minute)
		}
		read := func(q event.Query) (all []string) {
			q.Account = b.account
			if err := b.journal.Statistics(context.Background(), q, func(r *event.Stored) bool {
				all = append(all, string(r.JSON))
				return true
			}); err != nil {
				t.Error(err)
			}
			return all
		}
		got := read(event.Query{})
		if len(got) != 3 {
			t.Fatalf("%v", got)
		}
		for _, line := range got {
			if !strings.Contains(line, `"mqtt_messages":10,`) {
				t.Error(line)
			}
		}
		s.does(func(u *broker.Usage) { u.Published++ })
		turned := read(event.Query{Reverse: true})
		if len(turned) != 4 || !strings.Contains(turned[0], `"mqtt_messages":1,`) || turned[3] != got[0] || turned[1] != got[2] {
			t.Errorf("turned about: %v", turned)
		}
		now := time.Now().UnixMicro()
		old := []event.Row{
			{Shelf: event.Statistics, Account: b.account, Time: now - 31*day, Value: []byte("{}")},
			{Shelf: event.Statistics, Account: b.account, Time: now - 29*day, Value: []byte("{}")},
			{Shelf: event.Statistics, Account: 12345, Time: now - 1*day, Value: []byte("{}")},
		}
		if err := b.store.WriteRows(old, nil, false); err != nil {
			t.Error(err)
		}
		if got := read(event.Query{}); len(got) != 5 || got[0] != "{}" {
			t.Errorf("with those of before: %v", got)
		}
		time.Sleep(90 * time.Minute)
		rows := 0
		_ = b.store.EachRow(event.Statistics, func(_, _ int64, _ []byte) bool { rows++; return true })
		if rows != 5 { // that of a month ago has gone, the running minute came
			t.Errorf("%d rows", rows)
		}
		b.journal.Hush()
	})
}

// BenchmarkEvent: a record costs its giver less than a microsecond.
func BenchmarkEvent(b *testing.B) {
	for _, c := range []struct {
		name  string
		items int64
	}{{"one kind", 1}, {"many kinds", 1 << 40}} {
		b.Run(c.name, func(b *testing.B) {
			x := newBench(b)
			defer x.close()
			r := event.Record{Code: event.PublishRejected, Account: x.account, ClientID: "c", Topic: "a/b/c", Reason: "no"}
			b.ReportAllocs()
			for i := int64(0); b.Loop(); i++ {
				r.OriginID = i % c.items
				x.journal.Event(r)
			}
		})
	}
}
