package journal

import (
	"fmt"
	"math"
	"time"

	"alcove/internal/auth"
	"alcove/internal/event"
)

// shelf is what memory knows of an account's log. Under Journal.mu.
type shelf struct {
	stretches []stretch // the oldest first
	bytes     int64
}

// stretch is a piece of a log, which goes as a whole.
type stretch struct {
	first, last int64 // times of records, UNIX microseconds
	bytes       int64
}

const day = int64(24 * time.Hour / time.Microsecond)

// load reads the shelves.
func (j *Journal) load() error {
	err := j.cfg.Store.EachRow(event.Sizes, func(account, first int64, value []byte) bool {
		s, ok := decodeSize(first, value)
		if !ok {
			j.cfg.Logger.Error("journal: the size of a stretch cannot be read", "account", account)
			return true
		}
		x := j.shelf(account)
		x.stretches = append(x.stretches, s)
		x.bytes += s.bytes
		return true
	})
	if err != nil {
		return fmt.Errorf("journal: reading the sizes of the logs: %w", err)
	}
	now := time.Now().UnixMicro()
	for account, x := range j.shelves {
		if _, there := j.cfg.Directory.Account(auth.AccountID(account)); !there {
			j.forget(account)
			continue
		}
		// Times go on growing, unless the clock was far ahead.
		in := &j.intakes[uint64(account)%intakes]
		if last := x.stretches[len(x.stretches)-1].last; last < now+int64(time.Hour/time.Microsecond) {
			in.last = max(in.last, last)
		}
		j.trim(account, x, now)
	}
	return nil
}

func (j *Journal) shelf(account int64) *shelf {
	x := j.shelves[account]
	if x == nil {
		x = &shelf{}
		j.shelves[account] = x
	}
	return x
}

// forget has everything of an account deleted with the next write.
func (j *Journal) forget(account int64) {
	delete(j.shelves, account)
	for _, on := range []event.Shelf{event.Records, event.Sizes, event.Statistics} {
		j.gone = append(j.gone, event.Span{Shelf: on, Account: account, To: math.MaxInt64})
	}
}

// put finds a place for a record of n bytes, and returns its stretch.
func (x *shelf) put(at, n, most int64) *stretch {
	n += rowBytes
	bound := min(max(most/16, stretchLeast), stretchBytes)
	last := len(x.stretches) - 1
	if last < 0 || x.stretches[last].bytes+n > bound || x.stretches[last].first/day != at/day {
		x.stretches = append(x.stretches, stretch{first: at})
		last++
	}
	s := &x.stretches[last]
	s.last = max(s.last, at)
	s.bytes += n
	x.bytes += n
	return s
}

// trim has what is over the account's bounds deleted with the next write: the oldest
// stretches [EXT-LOG-2] [EXT-ACC-5].
func (j *Journal) trim(account int64, x *shelf, now int64) {
	settings := j.cfg.Directory.EffectiveSettings(auth.AccountID(account))
	oldest := now - settings.LogDays*day
	n := 0
	for n < len(x.stretches) && (x.bytes > settings.LogBytes || x.stretches[n].last < oldest) {
		x.bytes -= x.stretches[n].bytes
		n++
	}
	if n == 0 {
		return
	}
	first, last := x.stretches[0].first, x.stretches[n-1].last
	j.gone = append(j.gone,
		event.Span{Shelf: event.Records, Account: account, From: first, To: last},
		event.Span{Shelf: event.Sizes, Account: account, From: first, To: last})
	if x.stretches = x.stretches[n:]; len(x.stretches) == 0 {
		x.stretches = nil
	}
}

// sweep looks at the logs that nobody writes to.
func (j *Journal) sweep(now int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for account, x := range j.shelves {
		if j.trim(account, x, now); len(x.stretches) == 0 {
			delete(j.shelves, account)
		}
	}
}
