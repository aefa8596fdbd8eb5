package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// formatVersion is the newest of Pebble's formats whose write-ahead log makes no
// promise about what was synced; see walFS.
const formatVersion = pebble.FormatColumnarBlocks

const (
	memTableSize    = 64 << 20
	walBytesPerSync = 1 << 20
	maxOpenFiles    = 1000
	slowDisk        = 5 * time.Second // longer operations are logged
	// freeDelay is how long what was deleted may stay on the disk for want of
	// further writes. Without it a disk that is nearly full would stay so: nothing
	// is written there, since it is refused, and so nothing would be freed.
	freeDelay = 10 * time.Second

	// backgroundPause is how long a flush or compaction that failed waits before it
	// is tried again, backgroundLog how often that is logged.
	backgroundPause = 50 * time.Millisecond
	backgroundLog   = 10 * time.Second
)

// pebbleEngine is the engine on a disk.
type pebbleEngine struct {
	db     *pebble.DB
	fs     *walFS
	health io.Closer // watches how long the disk takes
	fault  *fault
}

// openPebble opens or makes the database in dir.
func openPebble(dir string, base vfs.FS, cacheSize int64, f *fault) (*pebbleEngine, error) {
	fs := &walFS{FS: base, fault: f}
	o := &pebble.Options{
		FS:                          fs,
		Logger:                      pebbleLogger{f},
		EventListener:               listener(f.log),
		FormatMajorVersion:          formatVersion,
		CacheSize:                   cacheSize,
		MemTableSize:                memTableSize,
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       4,
		L0StopWritesThreshold:       24,
		MaxOpenFiles:                maxOpenFiles,
		WALBytesPerSync:             walBytesPerSync,
		FlushDelayDeleteRange:       freeDelay,
		CompactionConcurrencyRange:  func() (int, int) { return 1, 2 },
		// Message bodies are read by id, and only where they are; a filter would
		// be asked for keys that exist. So there is none.
	}
	// Not o.WithFSDefaults, which would leave the checks running where Open fails.
	checked, health := vfs.WithDiskHealthChecks(fs, slowDisk, nil, func(info vfs.DiskSlowInfo) { o.EventListener.DiskSlow(info) })
	o.FS = checked
	o.EnsureDefaults()
	type opened struct {
		db  *pebble.DB
		err error
	}
	c := make(chan opened, 1)
	go func() { // it may end in Fatalf, which does not return
		defer func() {
			if r := recover(); r != nil {
				c <- opened{nil, fmt.Errorf("pebble: %v", r)}
			}
		}()
		db, err := pebble.Open(dir, o)
		c <- opened{db, err}
	}()
	select {
	case r := <-c:
		if r.err != nil {
			err := errors.Join(explain(r.err), health.Close())
			return nil, fmt.Errorf("store: opening the database in %s: %w", dir, err)
		}
		f.armed.Store(true)
		return &pebbleEngine{db: r.db, fs: fs, health: health, fault: f}, nil
	case <-f.c:
		return nil, fmt.Errorf("store: opening the database in %s: %w", dir, f.err)
	}
}

// explain says in plain words what an operator can do about err.
func explain(err error) error {
	switch {
	case pebble.IsCorruptionError(err):
		return fmt.Errorf("it is damaged (restore a backup, or move the directory away to begin anew): %w", err)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("this user may not read and write there: %w", err)
	}
	return err
}

// listener reports what an operator should know of Pebble's inner life.
func listener(log *slog.Logger) *pebble.EventListener {
	var l pebble.EventListener
	if log.Enabled(context.Background(), slog.LevelDebug) {
		l = pebble.MakeLoggingEventListener(debugLogger{log})
	}
	var logged atomic.Int64 // when, UNIX nanoseconds
	l.BackgroundError = func(err error) {
		if now := time.Now().UnixNano(); now-logged.Load() > int64(backgroundLog) {
			logged.Store(now)
			log.Error("the store cannot write in the background and tries again", "error", err)
		}
		// Why: Pebble tries again at once, which on a full disk is a busy loop.
		// It holds its lock here, which only a change of the log file wants.
		time.Sleep(backgroundPause)
	}
	l.DataCorruption = func(info pebble.DataCorruptionInfo) {
		log.Error("the store has met damaged data", "what", info.String())
	}
	l.DiskSlow = func(info vfs.DiskSlowInfo) {
		log.Warn("the disk is slow", "file", info.Path, "doing", info.OpType.String(), "for", info.Duration)
	}
	l.WriteStallBegin = func(info pebble.WriteStallBeginInfo) {
		log.Warn("the store holds writes back", "why", info.Reason)
	}
	l.WriteStallEnd = func() { log.Warn("the store takes writes again") }
	return &l
}

// debugLogger sends events to slog's lowest level.
type debugLogger struct{ log *slog.Logger }

func (l debugLogger) Infof(format string, args ...any) {
	l.log.Debug("pebble: " + fmt.Sprintf(format, args...))
}
func (l debugLogger) Errorf(format string, args ...any) {
	l.log.Debug("pebble: " + fmt.Sprintf(format, args...))
}
func (l debugLogger) Fatalf(format string, args ...any) {
	l.log.Error("pebble: " + fmt.Sprintf(format, args...))
}

func (e *pebbleEngine) begin() writes { return pebbleWrites{e.db.NewBatch()} }

func (e *pebbleEngine) commit(w writes, sync bool) (err error) {
	b := w.(pebbleWrites).b
	defer func() {
		if r := recover(); r != nil { // the third line of defence, see walFS
			err = fmt.Errorf("pebble: %v", r)
		}
	}()
	e.fs.relaxed.Store(!sync)
	if err := e.db.Apply(b, pebble.Sync); err != nil {
		return err
	}
	return b.Close()
}

func (e *pebbleEngine) get(key []byte, visit func(value []byte) error) error {
	value, closer, err := e.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	defer closer.Close()
	return visit(value)
}

func (e *pebbleEngine) scan(low, high []byte, visit func([]byte, func() ([]byte, error)) ([]byte, error)) (err error) {
	it, err := e.db.NewIter(&pebble.IterOptions{LowerBound: low, UpperBound: high})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	value := it.ValueAndErr
	for ok := it.First(); ok; {
		next, err := visit(it.Key(), value)
		if err != nil {
			return err
		}
		if next == nil {
			ok = it.Next()
		} else {
			ok = it.SeekGE(next)
		}
	}
	return it.Error()
}

func (e *pebbleEngine) close() error {
	e.fs.relaxed.Store(false)
	c := make(chan error, 1)
	go func() {
		err := e.db.Flush() // so that the next start replays nothing
		c <- errors.Join(err, e.db.Close(), e.health.Close())
	}()
	select {
	case err := <-c:
		return err
	case <-e.fault.c:
		return e.fault.err
	}
}

// pebbleWrites is a Pebble batch.
type pebbleWrites struct{ b *pebble.Batch }

// The methods of pebble.Batch fail only where memory or the batch's 4 GiB end,
// which the bounds of a group exclude.

func (w pebbleWrites) set(key, value []byte)     { must(w.b.Set(key, value, nil)) }
func (w pebbleWrites) del(key []byte)            { must(w.b.Delete(key, nil)) }
func (w pebbleWrites) delRange(low, high []byte) { must(w.b.DeleteRange(low, high, nil)) }
func (w pebbleWrites) size() int                 { return w.b.Len() }

func must(err error) {
	if err != nil {
		panic("store: building a batch: " + err.Error())
	}
}
