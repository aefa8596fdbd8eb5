package journal

import (
	"cmp"
	"errors"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"alcove/internal/auth"
	"alcove/internal/broker"
	"alcove/internal/event"
)

// Store keeps rows.
type Store interface {
	// WriteRows deletes spans, then writes rows, all or none; with sync it returns when
	// that is on the disk, else when it is with the operating system.
	WriteRows(put []event.Row, gone []event.Span, sync bool) error
	// ReadRows gives the rows of a span to visit, by time, until that returns false.
	ReadRows(span event.Span, visit func(time int64, value []byte) bool) error
	// EachRow gives all rows of a shelf to visit, account by account; where that returns
	// false, the account's other rows are passed over.
	EachRow(shelf event.Shelf, visit func(account, time int64, value []byte) bool) error
}

// Stage is where records and counters are told live: the broker.
type Stage interface {
	// Active tells whether there is anything of the account in the broker.
	Active(account auth.AccountID) bool
	// Announce publishes messages of the broker's own in an account.
	Announce(account auth.AccountID, list []broker.Announcement)
	// Usage and EachUsage give what accounts have done and hold.
	Usage(account auth.AccountID) broker.Usage
	EachUsage(f func(auth.AccountID, broker.Usage) bool)
}

// Config is what a Journal is made of; Store and Directory must be there.
type Config struct {
	Store     Store
	Directory *auth.Directory
	Logger    *slog.Logger
	// LowSpace, where it is not nil, tells that the disk is nearly full: then only
	// records of changes are stored.
	LowSpace func() bool
	// Calls, where it is not nil, tells how many REST requests an account has made since
	// the start, and the bytes of them and their answers.
	Calls func(auth.AccountID) (calls, bytes uint64)
	// Reserved is the first level of the broker's own topics; "flespi" where empty.
	Reserved string
}

// Journal is the logs of all accounts. Its methods may be called from any goroutine.
type Journal struct {
	cfg     Config
	seed    maphash.Seed
	intakes [intakes]intake
	auditor chan struct{} // a place for each caller of Audit
	lost    atomic.Uint64 // records that found no place at all

	stir    chan struct{} // rings the writer: it comes within flushEvery
	wake    chan struct{} // rings the writer: it comes at once
	stop    chan struct{}
	closing sync.Once
	idle    sync.WaitGroup
	waiting struct {
		sync.Mutex
		list   []waiter
		closed bool
	}
	writer writer // the writer's own
	teller teller

	mu      sync.Mutex
	shelves map[int64]*shelf
	gone    []event.Span // to be deleted with the next write
}

// waiter waits until what came in before it is written, or on the disk.
type waiter struct {
	sync bool
	done chan error
}

// ErrClosed is what calls after Close get.
var ErrClosed = errors.New("journal: closed")

// Open reads how much each account's log holds, and begins to take records. What
// belongs to accounts that are gone is deleted.
func Open(c Config) (*Journal, error) {
	if c.Store == nil || c.Directory == nil {
		return nil, errors.New("journal: Store and Directory must be given")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Reserved = cmp.Or(c.Reserved, "flespi")
	j := &Journal{
		cfg: c, seed: maphash.MakeSeed(),
		auditor: make(chan struct{}, audits),
		stir:    make(chan struct{}, 1),
		wake:    make(chan struct{}, 1), stop: make(chan struct{}),
		shelves: make(map[int64]*shelf),
	}
	for i := range j.intakes {
		j.intakes[i].init(j.stir)
	}
	j.teller.init()
	if err := j.load(); err != nil {
		return nil, err
	}
	j.idle.Add(1)
	go j.write()
	return j, nil
}

// Begin begins to tell live what is written from now on, and to count: it is called
// once, when the broker is there.
func (j *Journal) Begin(s Stage) {
	t := &j.teller
	t.mu.Lock()
	t.stage, t.minute = s, time.Now()
	t.mu.Unlock()
	t.begun.Store(true)
	go j.tell(s)
}

// Hush ends telling and counting: it is called before the broker ends, and once.
func (j *Journal) Hush() {
	if j.teller.begun.CompareAndSwap(true, false) {
		close(j.teller.stop)
		<-j.teller.stopped
	}
}

// Close writes what has come in, syncs it, and ends. The Store must still be open.
func (j *Journal) Close() error {
	var err error
	j.closing.Do(func() {
		j.Hush()
		err = j.flush(true)
		j.waiting.Lock()
		j.waiting.closed = true
		j.waiting.Unlock()
		close(j.stop)
		j.idle.Wait()
	})
	return err
}

// flush returns when what came in before is written; with sync, when it is on the disk.
func (j *Journal) flush(sync bool) error {
	w := waiter{sync, make(chan error, 1)}
	j.waiting.Lock()
	if j.waiting.closed {
		j.waiting.Unlock()
		return ErrClosed
	}
	j.waiting.list = append(j.waiting.list, w)
	j.waiting.Unlock()
	select {
	case j.wake <- struct{}{}:
	default:
	}
	return <-w.done
}

// Event takes a record, which may be summed up with others of its kind. It implements
// broker.Observer: it waits for nothing and takes less than a microsecond.
func (j *Journal) Event(r event.Record) {
	if r.Account == 0 || j.echo(&r) {
		return
	}
	now := time.Now().UnixMicro()
	k := j.kindOf(&r)
	in := &j.intakes[uint64(r.Account)%intakes]
	in.mu.Lock()
	if !in.take(&r, k, now) {
		j.lost.Add(1)
	}
	in.mu.Unlock()
}

// Audit takes records of changes and returns when they are on the disk. None is summed
// up.
func (j *Journal) Audit(records []event.Record) error {
	j.auditor <- struct{}{}
	defer func() { <-j.auditor }()
	now := time.Now().UnixMicro()
	for i := range records {
		if records[i].Account == 0 {
			continue
		}
		in := &j.intakes[uint64(records[i].Account)%intakes]
		in.mu.Lock()
		in.push(&records[i], now, true)
		in.mu.Unlock()
	}
	return j.flush(true)
}

// Forget lets go of everything of accounts that are gone.
func (j *Journal) Forget(ids []auth.AccountID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, id := range ids {
		j.forget(int64(id))
	}
}
