package broker

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"alcove/internal/auth"
	"alcove/internal/event"
)

// Config is what a Broker is made of; zero values are defaults, but for Log and
// Directory, which must be there.
type Config struct {
	Log       Log
	Directory *auth.Directory
	Logger    *slog.Logger
	// Observer hears of the accounts' events; nil for nobody.
	Observer Observer
	// LowSpace, where it is not nil, tells that the store has too little room
	// for anything durable; it must be cheap.
	LowSpace func() bool
	Limits   Limits
	Features Features
}

// Broker is all namespaces of an installation. Its methods may be called from
// any goroutine; each caller brings its own Turn.
type Broker struct {
	directory *auth.Directory
	logger    *slog.Logger
	observer  Observer
	lowSpace  func() bool
	limits    Limits
	features  Features
	stats     Stats
	commit    *commit
	janitor   *janitor
	users     users
	bodies    bodies
	requests  *requests

	conditions conditions
	owners     atomic.Uint64 // the highest OwnerID given

	reading chan struct{} // bounds the readings from the log
	bulk    chan struct{} // bounds the bulk deletions at work
	readers sync.WaitGroup
	resume  atomic.Pointer[func()]
	paused  atomic.Bool
	turns   sync.Pool // of Turns for callers that have no loop
	sweeper chan struct{}
	idle    sync.WaitGroup

	mu         sync.RWMutex
	namespaces map[auth.AccountID]*Namespace
}

// concurrentReads bounds the goroutines that read queued messages.
const concurrentReads = 4

// New makes a Broker and brings it to the state that the log holds: sessions
// with their subscriptions and queues, share groups, retained messages, Wills
// that are due. It becomes the Directory's Observer.
func New(c Config) (*Broker, error) {
	if c.Log == nil || c.Directory == nil {
		return nil, errors.New("broker: Log and Directory must be given")
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	orDefault(&c.Features.ReservedLevel, "flespi")
	limits := c.Limits.withDefaults()
	if c.Features.NoTopicAliases {
		limits.TopicAliasMaximum = 0 // [MQTT-3.2.2-18]
	}
	b := &Broker{
		directory: c.Directory, logger: c.Logger, observer: c.Observer, lowSpace: c.LowSpace,
		limits: limits, features: c.Features,
		reading:    make(chan struct{}, concurrentReads),
		bulk:       make(chan struct{}, bulkTurns),
		sweeper:    make(chan struct{}),
		namespaces: make(map[auth.AccountID]*Namespace),
		requests:   newRequests(),
	}
	b.turns.New = func() any { return b.NewTurn() }
	b.janitor = newJanitor(b)
	if err := b.recover(c.Log); err != nil {
		return nil, err
	}
	b.directory.SetObserver(watcher{b})
	b.janitor.start()
	b.idle.Add(1)
	go b.sweep()
	return b, nil
}

// Close ends what the broker does by itself, and makes everything appended so
// far durable. Connections must have been detached before. It does not close
// the Log.
func (b *Broker) Close() error {
	b.requests.close()
	close(b.sweeper)
	b.idle.Wait()
	b.janitor.close()
	b.readers.Wait()
	b.commit.close()
	return b.directory.Flush(time.Now())
}

// Limits returns what is in force, for the server to enforce its part.
func (b *Broker) Limits() Limits { return b.limits }

// Features returns what is in force.
func (b *Broker) Features() Features { return b.features }

// Stats returns the broker's counters.
func (b *Broker) Stats() *Stats { return &b.stats }

// newOwner gives an OwnerID that was never used.
func (b *Broker) newOwner() OwnerID { return OwnerID(b.owners.Add(1)) }

// storeRefuses tells that nothing durable may be taken: the store has failed,
// or its disk is nearly full.
func (b *Broker) storeRefuses() bool {
	return b.commit.failed.Load() || b.lowSpace != nil && b.lowSpace()
}

// storeRefuses tells the same of what is the account's, whose durability may need no
// store.
func (ns *Namespace) storeRefuses() bool {
	durable, _ := ns.durability()
	return durable && ns.b.storeRefuses()
}

// errStoreFull is what clients are told of it.
const errStoreFull = "the broker's storage takes nothing more"

// Paused tells that too much waits for the disk: the server stops reading from
// publishers until the function given to OnResume is called.
func (b *Broker) Paused(*Turn) bool {
	if b.commit.bytes.Load() < commitBytes {
		return false
	}
	b.paused.Store(true)
	// It may have drained between the two.
	return b.commit.bytes.Load() >= commitBytes/2
}

// OnResume sets what is called, on any goroutine, when publishers that were
// paused may be read again.
func (b *Broker) OnResume(f func()) { b.resume.Store(&f) }

// drained is called after each batch.
func (b *Broker) drained() {
	if b.commit.bytes.Load() >= commitBytes/2 || !b.paused.CompareAndSwap(true, false) {
		return
	}
	if f := b.resume.Load(); f != nil {
		(*f)()
	}
}

// sweep lets tokens lapse in time [EXT-TOK-3].
func (b *Broker) sweep() {
	defer b.idle.Done()
	clock := time.NewTimer(0)
	defer clock.Stop()
	for {
		select {
		case <-b.sweeper:
			return
		case <-clock.C:
		}
		wait, err := b.directory.Sweep(time.Now())
		if err != nil {
			b.logger.Error("sweeping tokens", "error", err)
			wait = time.Second
		}
		clock.Reset(max(wait, 10*time.Millisecond))
	}
}

// overflow ends a session whose queue has reached its bound, as its account
// wants it [EXT-SES-3]. Under s.mu.
func (b *Broker) overflow(t *Turn, s *Session) {
	a := s.link.Load()
	t.note(s.event(event.Overflowed, s.token, a))
	if a == nil {
		b.janitor.watch(s, t.Now.UnixNano())
		return
	}
	a.out.Post(func(t *Turn) {
		a.out.End(t, 0x97, "the session's queue is full")
		s.detach(t, a, 0x97, "the session's queue is full")
		b.janitor.watch(s, t.Now.UnixNano())
	})
}
