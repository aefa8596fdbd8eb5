package store

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

// ErrFailed is in every error that says that the store has failed for good.
var ErrFailed = errors.New("store: failed, nothing is stored until the process starts again")

// fault is where the store's failure is noted, at most once.
//
// Why park: what met the error is Pebble's code in the middle of its work, holding
// its locks. It may not go on, since it would report success or end the process
// with every connection in it, and it cannot be unwound. A goroutine that stands
// still for ever costs a few kilobytes, once.
type fault struct {
	once sync.Once
	c    chan struct{} // closed by the failure
	err  error         // valid after that

	// armed tells that errors are to be met by parking. While the database is
	// being opened or closed they go their usual way, to the caller.
	armed atomic.Bool
	log   *slog.Logger
}

func newFault(log *slog.Logger) *fault { return &fault{c: make(chan struct{}), log: log} }

// raise notes the failure.
func (f *fault) raise(err error) {
	f.once.Do(func() {
		f.err = fmt.Errorf("%w: %w", ErrFailed, err)
		f.log.Error("the store has failed: nothing durable is acknowledged any more", "error", err)
		close(f.c)
	})
}

// failed tells whether the store has failed.
func (f *fault) failed() bool {
	select {
	case <-f.c:
		return true
	default:
		return false
	}
}

// park notes err and stops the calling goroutine for ever.
func (f *fault) park(err error) {
	f.raise(err)
	select {}
}

// pebbleLogger sends Pebble's own log to slog.
type pebbleLogger struct{ f *fault }

var _ pebble.Logger = pebbleLogger{}

func (l pebbleLogger) Infof(format string, args ...any) {
	l.f.log.Debug("pebble: " + fmt.Sprintf(format, args...))
}

func (l pebbleLogger) Errorf(format string, args ...any) {
	l.f.log.Error("pebble: " + fmt.Sprintf(format, args...))
}

// Fatalf must not return: Pebble calls it where it cannot go on.
func (l pebbleLogger) Fatalf(format string, args ...any) {
	l.f.park(fmt.Errorf("pebble: "+format, args...))
}
