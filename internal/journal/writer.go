package journal

import (
	"time"

	"alcove/internal/auth"
	"alcove/internal/event"
)

// writer is what the writer remembers between two rounds.
type writer struct {
	records  []taken
	values   []byte
	synced   time.Time
	unsynced bool
	lost     uint64
	failed   time.Time // when a failure was told last
}

// write is the writer. It sleeps while nothing comes in.
func (j *Journal) write() {
	defer j.idle.Done()
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	clock := time.NewTimer(flushEvery)
	defer clock.Stop()
	j.writer.synced = time.Now()
	armed := true // the clock is
	for {
		select {
		case <-j.stop:
			return
		case <-j.stir:
			if !armed {
				armed = true
				clock.Reset(flushEvery)
			}
			continue
		case now := <-sweep.C:
			j.sweep(now.UnixMicro())
		case <-j.wake:
		case <-clock.C:
		}
		if armed = j.round(time.Now()); armed {
			clock.Reset(flushEvery)
		}
	}
}

// round writes what has come in, and tells those who wait for it. It tells whether there
// is more to do soon, though nothing comes in: a second to sum up, or a sync.
func (j *Journal) round(now time.Time) (more bool) {
	w := &j.writer
	j.waiting.Lock()
	waiters := j.waiting.list
	j.waiting.list = nil
	j.waiting.Unlock()
	sync := w.unsynced && now.Sub(w.synced) >= syncEvery
	for i := range waiters {
		sync = sync || waiters[i].sync
	}
	w.records = w.records[:0]
	for i := range j.intakes {
		more = j.intakes[i].summary(now.UnixMicro()) || more
		w.records = j.intakes[i].drain(w.records)
	}
	err := j.store(w.records, now, sync)
	for i := range waiters {
		waiters[i].done <- err
	}
	j.complain(err, now)
	j.teller.offer(w.records)
	if clear(w.records); cap(w.records) > recordsKept {
		w.records = nil
	}
	return more || w.unsynced && err == nil
}

// complain tells the operator, once a minute, that records could not be stored.
func (j *Journal) complain(err error, now time.Time) {
	w := &j.writer
	lost := j.lost.Load()
	if err == nil && lost == w.lost || now.Sub(w.failed) < time.Minute {
		return
	}
	w.failed = now
	if err != nil {
		j.cfg.Logger.Error("accounts' logs cannot be written", "error", err)
	}
	if lost != w.lost {
		j.cfg.Logger.Warn("too many accounts have too much to log", "records lost", lost-w.lost)
		w.lost = lost
	}
}

// store writes records, piece by piece, the last one with sync where that is set.
func (j *Journal) store(records []taken, now time.Time, sync bool) error {
	w := &j.writer
	low := j.cfg.LowSpace != nil && j.cfg.LowSpace()
	for {
		put, gone, n := j.plan(records, now, low)
		records = records[n:]
		last := len(records) == 0
		switch {
		case len(put) > 0 || len(gone) > 0 || last && sync && w.unsynced:
			if err := j.cfg.Store.WriteRows(put, gone, last && sync); err != nil {
				return err
			}
			w.unsynced = true
		case last:
			return nil
		}
		if last {
			if sync {
				w.unsynced, w.synced = false, now
			}
			return nil
		}
	}
}

// plan makes the rows of some of the records: n of them.
func (j *Journal) plan(records []taken, now time.Time, low bool) (put []event.Row, gone []event.Span, n int) {
	w := &j.writer
	w.values = w.values[:0]
	sizes := make(map[int64]map[int64]struct{}) // of accounts: the stretches that grew
	j.mu.Lock()
	defer j.mu.Unlock()
	at := now.UnixMicro()
	for n < len(records) && len(w.values) < writeBytes {
		r := &records[n]
		n++
		if low && !r.audit {
			continue
		}
		if _, there := j.cfg.Directory.Account(auth.AccountID(r.Account)); !there {
			continue
		}
		settings := j.cfg.Directory.EffectiveSettings(auth.AccountID(r.Account))
		if settings.LogBytes == 0 || settings.LogDays == 0 {
			continue
		}
		from := len(w.values)
		w.values = appendRecord(w.values, &r.Record)
		value := w.values[from:len(w.values):len(w.values)]
		put = append(put, event.Row{Shelf: event.Records, Account: r.Account, Time: r.Time, Value: value})
		s := j.shelf(r.Account).put(r.Time, int64(len(value)), settings.LogBytes)
		if sizes[r.Account] == nil {
			sizes[r.Account] = make(map[int64]struct{})
		}
		sizes[r.Account][s.first] = struct{}{}
	}
	for account, firsts := range sizes {
		x := j.shelves[account]
		j.trim(account, x, at)
		for i := len(x.stretches) - 1; i >= 0 && len(firsts) > 0; i-- {
			s := &x.stretches[i]
			if _, grew := firsts[s.first]; grew {
				delete(firsts, s.first)
				put = append(put, event.Row{Shelf: event.Sizes, Account: account, Time: s.first, Value: appendSize(nil, s)})
			}
		}
		put = j.withoutGone(put, account)
	}
	gone, j.gone = j.gone, nil
	return put, gone, n
}

// withoutGone takes out rows of the account that were trimmed before they were written:
// deletions come before the rows of the same write.
func (j *Journal) withoutGone(put []event.Row, account int64) []event.Row {
	for i := range j.gone {
		g := &j.gone[i]
		if g.Account != account || g.Shelf != event.Records {
			continue
		}
		kept := put[:0]
		for _, p := range put {
			if p.Account != account || p.Time < g.From || p.Time > g.To {
				kept = append(kept, p)
			}
		}
		put = kept
	}
	return put
}
