package store

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"

	"alcove/internal/auth"
	"alcove/internal/broker"
)

// Config says where and how to store. The zero value of every field but Dir is its
// default.
type Config struct {
	// Dir is the database's own directory. It is made where it does not exist.
	Dir string
	// Logger is the operator's log; nothing is logged by default.
	Logger *slog.Logger
	// FreeSpaceWatermark is how many bytes the file system of Dir must have free;
	// with fewer LowSpace is true, until a quarter more is free. 512 MiB by
	// default, none where it is negative.
	FreeSpaceWatermark int64
	// CacheSize is how many bytes of the database are kept in memory, 64 MiB by
	// default.
	CacheSize int64

	fs      vfs.FS   // the file system; the machine's own by default
	freeing *freeing // defaultFreeing by default
}

const (
	defaultWatermark = 512 << 20
	defaultCache     = 64 << 20
)

// Store is the durable log and the directory's documents. It is safe for use by
// many goroutines.
type Store struct {
	where  string // the directory, for errors
	engine engine
	fault  *fault
	log    *slog.Logger
	state  *state // the applier's, once loaded
	queue  queue
	space  space

	// idle is how the committer asks the applier for a group, groups how it gets
	// it. It closes committed when it has ended.
	idle      chan struct{}
	groups    chan *group
	committed chan struct{}
	// durable is the number of the last item that is done, announce rings the
	// announcer, which closes announced when it has ended.
	durable   atomic.Uint64
	announce  chan struct{}
	announced chan struct{}

	collects   collects
	background sync.WaitGroup // of the collectors and the watcher
	stop       chan struct{}  // closed by Close
	closing    sync.Once
	closed     error // valid after closing

	// reads is held shared by whoever reads the engine, and by Close, which sets
	// shut, when it closes that.
	reads sync.RWMutex
	shut  bool
}

var (
	_ broker.Log = (*Store)(nil)
	_ auth.Store = (*Store)(nil)
)

// ErrClosed is what calls after Close get.
var ErrClosed = errors.New("store: closed")

// Open opens the database in c.Dir, or makes it. One process at a time can have it
// open. An error names the directory and says what is wrong with it.
func Open(c Config) (*Store, error) {
	log := c.Logger
	if log == nil {
		log = slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelError + 1}))
	}
	if c.Dir == "" {
		return nil, errors.New("store: no directory given")
	}
	if c.CacheSize == 0 {
		c.CacheSize = defaultCache
	}
	if c.fs == nil {
		c.fs = vfs.Default
		if err := os.MkdirAll(c.Dir, 0o700); err != nil {
			return nil, fmt.Errorf("store: making the directory %s: %w", c.Dir, err)
		}
	}
	if c.freeing == nil {
		c.freeing = &defaultFreeing
	}
	f := newFault(log)
	e, err := openPebble(c.Dir, c.fs, c.CacheSize, f)
	if err != nil {
		return nil, err
	}
	if err := checkLayout(e); err != nil {
		return nil, errors.Join(fmt.Errorf("store: opening the database in %s: %w", c.Dir, err), e.close())
	}
	s := start(e, f, c.freeing, log)
	s.where = c.Dir
	s.space.begin(s, c)
	return s, nil
}

// NewMemory returns a store that keeps everything in memory, for tests and for
// brokers that need not remember. Nothing of it outlives Close.
func NewMemory() *Store {
	log := slog.New(slog.DiscardHandler)
	return start(&memoryEngine{}, newFault(log), &defaultFreeing, log)
}

// start begins the goroutines.
func start(e engine, f *fault, free *freeing, log *slog.Logger) *Store {
	s := &Store{
		where:     "memory",
		engine:    e,
		fault:     f,
		log:       log,
		state:     newState(free, log),
		idle:      make(chan struct{}),
		groups:    make(chan *group, 1),
		committed: make(chan struct{}),
		announce:  make(chan struct{}, 1),
		announced: make(chan struct{}),
		stop:      make(chan struct{}),
	}
	s.queue.init()
	go s.applyLoop()
	go s.commitLoop()
	go s.announceLoop()
	return s
}

// checkLayout refuses a database whose layout this version does not know, and marks
// a new one.
func checkLayout(e engine) error {
	key := appendPrefix(nil, 0, 0, spaceFormat)
	found := false
	err := e.get(key, func(value []byte) error {
		found = true
		if len(value) != 1 || value[0] != layout {
			return fmt.Errorf("its layout is %x, this version knows %d: it was written by a newer version, or by something else", value, layout)
		}
		return nil
	})
	if err != nil || found {
		return err
	}
	err = e.scan(nil, []byte{0xFF}, func(key []byte, _ func() ([]byte, error)) ([]byte, error) {
		return nil, fmt.Errorf("it holds the key %x but no layout: it was written by something else", key)
	})
	if err != nil {
		return err
	}
	w := e.begin()
	w.set(key, []byte{layout})
	return e.commit(w, true)
}

// read runs f, which reads the engine, unless the store is closed.
func (s *Store) read(f func() error) error {
	s.reads.RLock()
	defer s.reads.RUnlock()
	if s.shut {
		return ErrClosed
	}
	return f()
}

// Failed tells whether the store has failed: nothing more will be durable until the
// process starts again.
func (s *Store) Failed() bool { return s.fault.failed() }

// LowSpace tells whether less than the watermark is free on the disk. It costs one
// load; the disk is looked at once a second.
func (s *Store) LowSpace() bool { return s.space.low.Load() }

// Close finishes what was appended, calls its done functions, and lets everything
// go. On a store that has failed it only ends what it can: the database stays locked
// until the process ends.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.queue.close()
		<-s.announced
		close(s.stop)
		if s.Failed() {
			s.closed = s.fault.err
			return
		}
		s.background.Wait()
		s.reads.Lock()
		defer s.reads.Unlock()
		s.shut = true
		s.closed = s.engine.close()
	})
	return s.closed
}
