package broker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"alcove/internal/auth"
	"alcove/internal/broker"
	"alcove/internal/mqtt"
	"alcove/internal/store"
)

func init() {
	commands["submit"] = (*scenario).cmdSubmit // submit token topic [payload] [q=] [retain] [account=]: as REST does
	commands["find"] = (*scenario).cmdFind     // find token filter [since=] [flat] [account=]
}

func (s *scenario) submitter(a *args) broker.Submitter {
	grant, err := s.directory.LoginKey(s.keys[a.word(0)], testAddr.Addr(), time.Now())
	if err != nil {
		s.t.Fatalf("%s: %v", a.line, err)
	}
	by := broker.Submitter{Grant: grant, Account: grant.Account}
	if name := a.named["account"]; name != "" {
		by.Account = s.accounts[name]
	}
	return by
}

func (s *scenario) cmdSubmit(a *args) {
	m := broker.Submission{Topic: []byte(a.word(1)), QoS: mqtt.QoS(a.number("q", 0)), Retain: a.has("retain")}
	for _, w := range a.words[2:] {
		if w != "retain" {
			m.Payload = []byte(w)
		}
	}
	done := s.broker.Submit(context.Background(), s.submitter(a), []broker.Submission{m})[0]
	switch {
	case done.Err != nil:
		s.say("rest < %s", explain(done.Err))
	case done.Deletion:
		s.say("rest < deleted %d", done.Deleted)
	default:
		s.say("rest < subscribers %d", done.Subscribers)
	}
}

func (s *scenario) cmdFind(a *args) {
	by := s.submitter(a)
	q := broker.RetainedQuery{
		Account: by.Account, Filter: a.word(1), Since: int64(a.number("since", 0)) * 1e6, Recursive: !a.has("flat"),
		May: func([]byte) bool { return true },
	}
	err := s.broker.FindRetained(context.Background(), q, func(m *broker.Message) bool {
		s.say("rest < %s %s cid=%s", m.Topic, m.Payload, s.nameOf(m.Account))
		return true
	})
	if err != nil {
		s.say("rest < %s", explain(err))
	}
}

func (s *scenario) nameOf(id auth.AccountID) string {
	for name, account := range s.accounts {
		if account == id {
			return name
		}
	}
	return "?"
}

// holdingLog keeps its batches until it is told to let them through.
type holdingLog struct {
	broker.Log
	mu   sync.Mutex
	open bool
	held []func()
}

func (l *holdingLog) Append(shard int, b *broker.Batch, done func(uint64, error)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open {
		l.Log.Append(shard, b, done)
		return
	}
	l.held = append(l.held, func() { l.Log.Append(shard, b, done) })
}

func (l *holdingLog) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = true
	for _, f := range l.held {
		f()
	}
	l.held = nil
}

// held is a broker over a holdingLog.
func held(t *testing.T) (*broker.Broker, *holdingLog, broker.Submitter) {
	t.Helper()
	st := store.NewMemory()
	d, err := auth.Open(auth.Config{}, st, nil)
	if err != nil {
		t.Fatal(err)
	}
	log := &holdingLog{Log: st}
	b, err := broker.New(broker.Config{Log: log, Directory: d})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		log.release()
		if err := errors.Join(b.Close(), st.Close()); err != nil {
			t.Error(err)
		}
	})
	grant, err := d.LoginKey(d.FirstOperatorKey(), testAddr.Addr(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return b, log, broker.Submitter{Grant: grant, Account: grant.Account}
}

// TestSubmitDurable: Submit returns when what it took is durable, at once where there
// is nothing to store [EXT-SES-4].
func TestSubmitDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, log, by := held(t)
		if done := b.Submit(t.Context(), by, []broker.Submission{{Topic: []byte("a")}}); done[0].Err != nil {
			t.Error(done[0].Err)
		}
		var done []broker.Submitted
		returned := false
		go func() {
			done = b.Submit(context.Background(), by, []broker.Submission{
				{Topic: []byte("a"), Payload: []byte("x"), Retain: true}, {Topic: []byte("b")},
			})
			returned = true
		}()
		synctest.Wait()
		if returned {
			t.Fatal("answered before it was durable")
		}
		// A caller who leaves learns of what was not durable yet.
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for i, want := range []error{context.Canceled, nil} {
			m := broker.Submission{Topic: []byte("c"), Payload: []byte("x"), Retain: i == 0}
			if got := b.Submit(ctx, by, []broker.Submission{m})[0].Err; !errors.Is(got, want) {
				t.Errorf("%d: %v", i, got)
			}
		}
		log.release()
		synctest.Wait()
		if !returned || done[0].Err != nil || done[1].Err != nil {
			t.Errorf("%v %+v", returned, done)
		}
	})
}

// TestSubmitPaused: as publishers, whoever submits waits while too much is to be
// written.
func TestSubmitPaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, log, by := held(t)
		payload := bytes.Repeat([]byte("x"), 1<<20)
		var all []broker.Submission
		for i := range 100 {
			all = append(all, broker.Submission{Topic: fmt.Appendf(nil, "t/%d", i), Payload: payload, Retain: true})
		}
		finished := false
		go func() {
			for i, done := range b.Submit(context.Background(), by, all) {
				if done.Err != nil {
					t.Errorf("%d: %v", i, done.Err)
				}
			}
			finished = true
		}()
		synctest.Wait()
		if count, _ := b.RetainedUse(1); finished || count < 60 || count > 65 {
			t.Errorf("%d messages of 1 MiB wait for the disk", count)
		}
		log.release()
		synctest.Wait()
		if count, _ := b.RetainedUse(1); !finished || count != 100 {
			t.Errorf("%d messages in the end", count)
		}
	})
}

// TestSubmitGone: an account that is not there answers like any other.
func TestSubmitGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _, by := held(t)
		by.Account = 77
		if got := b.Submit(t.Context(), by, []broker.Submission{{Topic: []byte("a")}})[0].Err; !errors.Is(got, auth.ErrNotFound) {
			t.Errorf("submit: %v", got)
		}
		q := broker.RetainedQuery{Account: 77, Filter: "#"}
		if got := b.FindRetained(t.Context(), q, nil); !errors.Is(got, auth.ErrNotFound) {
			t.Errorf("find: %v", got)
		}
	})
}

// TestFindEnds: a search that finds nothing ends with its caller.
func TestFindEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, log, by := held(t)
		log.release()
		var all []broker.Submission
		for i := range 500 {
			all = append(all, broker.Submission{Topic: fmt.Appendf(nil, "t/%d", i), Payload: []byte("1"), Retain: true})
		}
		b.Submit(t.Context(), by, all)
		ctx, cancel := context.WithCancel(t.Context())
		looked := 0
		q := broker.RetainedQuery{Account: 1, Filter: "$filter/payload=x/#", May: func([]byte) bool {
			if looked++; looked == 5 {
				cancel()
			}
			return true
		}}
		err := b.FindRetained(ctx, q, func(*broker.Message) bool { return true })
		if !errors.Is(err, context.Canceled) || looked > 10 {
			t.Errorf("%v after %d", err, looked)
		}
	})
}

// BenchmarkSubmit publishes 1,000 retained messages a request.
func BenchmarkSubmit(b *testing.B) {
	st := store.NewMemory()
	d, _ := auth.Open(auth.Config{}, st, nil)
	br, err := broker.New(broker.Config{Log: st, Directory: d})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = errors.Join(br.Close(), st.Close()) }()
	grant, _ := d.LoginKey(d.FirstOperatorKey(), testAddr.Addr(), time.Now())
	var all []broker.Submission
	for i := range 1000 {
		all = append(all, broker.Submission{Topic: fmt.Appendf(nil, "t/%d", i), Payload: []byte(strings.Repeat("x", 100)), Retain: true})
	}
	b.ReportAllocs()
	for b.Loop() {
		br.Submit(context.Background(), broker.Submitter{Grant: grant, Account: 1}, all)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(all)), "ns/message")
}
