package store

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"alcove/internal/auth"
	"alcove/internal/broker"
	"alcove/internal/mqtt"
)

// TestMain runs a child's part where this process is one (see child_test.go), else
// the tests, after which no goroutine may be left.
func TestMain(m *testing.M) {
	if part := os.Getenv(childEnv); part != "" {
		os.Exit(runChild(part))
	}
	goleak.VerifyTestMain(m)
}

// plain is a message by value, so that two can be compared.
type plain struct {
	Topic, Payload, Forward string
	QoS                     mqtt.QoS
	Retain                  bool
	Expires, Stamp          int64
	Account, Top            auth.AccountID
	Token                   auth.TokenID
	absent, foreign         bool
}

func plainOf(m *broker.Message) plain {
	if m == nil {
		return plain{absent: true}
	}
	return plain{
		Topic: string(m.Topic), Payload: string(m.Payload), Forward: string(m.Forward),
		QoS: m.QoS, Retain: m.Retain, Expires: m.Expires, Stamp: m.Stamp,
		Account: m.Account, Top: m.Top, Token: m.Token,
	}
}

// stored is plainOf for what a store returned, which owns its bytes.
func stored(m *broker.Message) plain {
	p := plainOf(m)
	p.foreign = m != nil && m.Keep() != m
	return p
}

// content is what Load showed, in a form that can be compared.
type content struct {
	Ticket   uint64
	Highest  broker.OwnerID
	Owners   map[broker.OwnerID]*ownerContent
	Retained []retainedContent
}

type ownerContent struct {
	Top, Account auth.AccountID
	Session      *broker.SessionRecord
	Will         *plain
	Group        *broker.GroupRecord
	State        broker.QueueState
	Filters      map[string]broker.SubscriptionRecord
	Queue        []broker.QueuedEntry
}

type retainedContent struct {
	Top, Account auth.AccountID
	Message      plain
}

// reader is a broker.Loader that fills a content and minds the order of the calls.
type reader struct {
	c      content
	queued bool // a queue entry was shown
}

func (r *reader) owner(top, account auth.AccountID, id broker.OwnerID, q broker.QueueState) (*ownerContent, error) {
	if r.c.Owners[id] != nil {
		return nil, fmt.Errorf("owner %d shown twice", id)
	}
	if r.queued || len(r.c.Retained) > 0 {
		return nil, fmt.Errorf("owner %d shown too late", id)
	}
	o := &ownerContent{Top: top, Account: account, State: normal(q), Filters: map[string]broker.SubscriptionRecord{}}
	r.c.Owners[id] = o
	return o, nil
}

// normal makes empty lists nil.
func normal(q broker.QueueState) broker.QueueState {
	if len(q.Released) == 0 {
		q.Released = nil
	}
	if len(q.Identifiers) == 0 {
		q.Identifiers = nil
	}
	if len(q.Received) == 0 {
		q.Received = nil
	}
	return q
}

func (r *reader) Session(top, account auth.AccountID, id broker.OwnerID, s broker.SessionRecord, q broker.QueueState) error {
	o, err := r.owner(top, account, id, q)
	if err == nil {
		if s.Will != nil {
			w := stored(s.Will)
			o.Will, s.Will = &w, nil
		}
		o.Session = &s
	}
	return err
}

func (r *reader) Group(top, account auth.AccountID, id broker.OwnerID, g broker.GroupRecord, q broker.QueueState) error {
	o, err := r.owner(top, account, id, q)
	if err == nil {
		o.Group = &g
	}
	return err
}

func (r *reader) Subscription(id broker.OwnerID, s broker.SubscriptionRecord) error {
	o := r.c.Owners[id]
	if o == nil || len(o.Queue) > 0 {
		return fmt.Errorf("subscription of owner %d shown before it or after its queue", id)
	}
	if _, was := o.Filters[s.Filter]; was {
		return fmt.Errorf("subscription %q of owner %d shown twice", s.Filter, id)
	}
	o.Filters[s.Filter] = s
	return nil
}

func (r *reader) Queued(e broker.QueuedEntry) error {
	r.queued = true
	o := r.c.Owners[e.Owner]
	if o == nil || len(r.c.Retained) > 0 {
		return fmt.Errorf("entry of owner %d shown before it or after the retained messages", e.Owner)
	}
	if n := len(o.Queue); n > 0 && o.Queue[n-1].Seq >= e.Seq {
		return fmt.Errorf("entry %d of owner %d shown after %d", e.Seq, e.Owner, o.Queue[n-1].Seq)
	}
	o.Queue = append(o.Queue, e)
	return nil
}

func (r *reader) Retained(top, account auth.AccountID, m *broker.Message) error {
	c := retainedContent{top, account, plainOf(m)} // borrowed
	if n := len(r.c.Retained); n > 0 && compareRetained(r.c.Retained[n-1], c) >= 0 {
		return fmt.Errorf("retained message %q of account %d out of order", m.Topic, account)
	}
	r.c.Retained = append(r.c.Retained, c)
	return nil
}

func compareRetained(a, b retainedContent) int {
	if a.Top != b.Top {
		return int(a.Top - b.Top)
	}
	if a.Account != b.Account {
		return int(a.Account - b.Account)
	}
	return strings.Compare(a.Message.Topic, b.Message.Topic)
}

// fataler is what testing.TB and rapid.T have in common.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// load loads s.
func load(t fataler, s *Store) content {
	t.Helper()
	r := &reader{c: content{Owners: map[broker.OwnerID]*ownerContent{}}}
	var err error
	if r.c.Ticket, r.c.Highest, err = s.Load(r); err != nil {
		t.Fatalf("Load: %v", err)
	}
	return r.c
}

// same compares two contents, and says where they differ.
func same(t fataler, what string, got, want content) {
	t.Helper()
	if got.Ticket != want.Ticket || got.Highest != want.Highest {
		t.Fatalf("%s: ticket %d, highest owner %d, want %d and %d", what, got.Ticket, got.Highest, want.Ticket, want.Highest)
	}
	for id, w := range want.Owners {
		g := got.Owners[id]
		if g == nil {
			t.Fatalf("%s: owner %d is missing", what, id)
		}
		if !reflect.DeepEqual(g, w) {
			t.Fatalf("%s: owner %d:\n got %s\nwant %s", what, id, g, w)
		}
	}
	for id := range got.Owners {
		if want.Owners[id] == nil {
			t.Fatalf("%s: owner %d should be gone", what, id)
		}
	}
	if !slices.Equal(got.Retained, want.Retained) {
		t.Fatalf("%s: retained:\n got %+v\nwant %+v", what, got.Retained, want.Retained)
	}
}

func (o *ownerContent) String() string {
	return fmt.Sprintf("%d/%d session %+v will %+v group %+v state %+v filters %+v queue %+v",
		o.Top, o.Account, o.Session, o.Will, o.Group, o.State, o.Filters, o.Queue)
}

// writer appends batches one after the other.
type writer struct {
	s      *Store
	ticket uint64
}

// append appends records and waits until they are done.
func (w *writer) append(sync bool, records ...broker.Record) error {
	w.ticket++
	c := make(chan error, 1)
	w.s.Append(0, &broker.Batch{Ticket: w.ticket, Records: records, Sync: sync}, func(ticket uint64, err error) {
		if err == nil && ticket != w.ticket {
			err = fmt.Errorf("done with ticket %d", ticket)
		}
		c <- err
	})
	return <-c
}

// must is append where no error may come.
func (w *writer) must(t fataler, sync bool, records ...broker.Record) {
	t.Helper()
	if err := w.append(sync, records...); err != nil {
		t.Fatalf("Append %d: %v", w.ticket, err)
	}
}

// fresh opens a new store in memory-backed Pebble and loads it.
func fresh(t testing.TB) (*Store, *vfs.MemFS, *writer) {
	t.Helper()
	fs := vfs.NewCrashableMem()
	s := reopen(t, fs)
	t.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, ErrFailed) {
			t.Error(err)
		}
	})
	load(t, s)
	return s, fs, &writer{s: s}
}

func reopen(t fataler, fs vfs.FS) *Store {
	t.Helper()
	s, err := Open(Config{Dir: "db", fs: fs, FreeSpaceWatermark: -1, CacheSize: 1 << 20})
	if err != nil {
		t.Fatalf("%v", err)
	}
	return s
}

// The records that tests are made of. Account 1 is the tree, unless said.

func session(id broker.OwnerID) broker.Record {
	return broker.Record{Kind: broker.KindSession, Top: 1, Account: 1, Owner: id, Session: &broker.SessionRecord{
		ClientID: fmt.Sprint("client", id), Version: mqtt.V5, Expiry: 3600, Epoch: 1,
	}}
}

func message(topic, payload string) *broker.Message {
	return &broker.Message{Topic: []byte(topic), Payload: []byte(payload), QoS: 1, Account: 1, Top: 1, Token: 9, Stamp: 12345}
}

func publish(id broker.MessageID, m *broker.Message, targets ...broker.Target) broker.Record {
	return broker.Record{Kind: broker.KindPublish, Top: 1, Account: 1, ID: id, Message: m, Targets: targets}
}

func to(owner broker.OwnerID, seq uint64) broker.Target {
	return broker.Target{Owner: owner, Account: 1, Seq: seq, QoS: 1}
}

func acked(owner broker.OwnerID, seq uint64, id broker.MessageID) broker.Record {
	return broker.Record{Kind: broker.KindAcked, Top: 1, Account: 1, Owner: owner, Seq: seq, ID: id}
}

var discard = slog.New(slog.DiscardHandler)
