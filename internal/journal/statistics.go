package journal

import (
	"context"
	"math"
	"strconv"
	"time"

	"alcove/internal/auth"
	"alcove/internal/broker"
	"alcove/internal/event"
)

// figures are what an account has done since the start.
type figures struct {
	published, publishedBytes, sent, sentBytes, rejected, dropped, calls, traffic uint64
}

// gauges are what it has.
type gauges struct {
	sessions, online, subscriptions, queued, retained, retainedBytes int64
}

// measure returns an account's figures.
func (j *Journal) measure(account auth.AccountID, u *broker.Usage) (figures, gauges) {
	calls, traffic := j.calls(account)
	return figures{u.Published, u.PublishedBytes, u.Sent, u.SentBytes, u.Rejected, u.Dropped, calls, traffic},
		gauges{u.Sessions, u.Online, u.Subscriptions, u.QueuedBytes, u.Retained, u.RetainedBytes}
}

// since returns what was done after base; figures of an account that was dropped and
// came back begin again.
func (f figures) since(base figures) figures {
	less := func(a, b uint64) uint64 {
		if a < b {
			return a
		}
		return a - b
	}
	return figures{
		less(f.published, base.published), less(f.publishedBytes, base.publishedBytes), less(f.sent, base.sent), less(f.sentBytes, base.sentBytes),
		less(f.rejected, base.rejected), less(f.dropped, base.dropped), less(f.calls, base.calls), less(f.traffic, base.traffic),
	}
}

// appendMinute appends the JSON of a minute's figures; at is its begin.
func appendMinute(dst []byte, at int64, f figures, g gauges) []byte {
	dst = strconv.AppendInt(append(dst, `{"timestamp":`...), at/1e6, 10)
	for _, x := range [...]struct {
		name  string
		value int64
	}{
		{"mqtt_messages", int64(f.published)}, {"mqtt_messages_bytes", int64(f.publishedBytes)},
		{"mqtt_messages_out", int64(f.sent)}, {"mqtt_messages_out_bytes", int64(f.sentBytes)},
		{"mqtt_rejected", int64(f.rejected)}, {"mqtt_dropped", int64(f.dropped)},
		{"mqtt_sessions", g.sessions}, {"mqtt_sessions_online", g.online}, {"mqtt_subscriptions", g.subscriptions},
		{"mqtt_session_storage", g.queued}, {"mqtt_retained_messages", g.retained}, {"mqtt_retained_storage", g.retainedBytes},
		{"api_calls", int64(f.calls)}, {"api_traffic", int64(f.traffic)},
	} {
		dst = strconv.AppendInt(append(append(append(dst, `,"`...), x.name...), `":`...), x.value, 10)
	}
	return append(dst, '}')
}

// minuteRow makes the row of the minute that is being counted, where the account was not
// idle in it. Under teller.mu.
func (j *Journal) minuteRow(account auth.AccountID, x *told, u *broker.Usage) (value []byte, f figures, g gauges) {
	f, g = j.measure(account, u)
	done := f.since(x.base)
	if done == (figures{}) && g == x.kept {
		return nil, f, g
	}
	return appendMinute(nil, j.teller.begin(), done, g), f, g
}

// begin is when the figures that are being counted begin, to the minute but for the
// first: UNIX microseconds.
func (t *teller) begin() int64 { return t.minute.Unix() * 1e6 }

// endMinute stores the figures of the accounts that were not idle.
func (j *Journal) endMinute(now time.Time) {
	t := &j.teller
	var put []event.Row
	one := func(account auth.AccountID, u broker.Usage) bool {
		if _, there := j.cfg.Directory.Account(account); !there {
			delete(t.accounts, account)
			return true
		}
		x := t.of(account)
		value, f, g := j.minuteRow(account, x, &u)
		if x.base = f; value != nil {
			x.kept = g
			put = append(put, event.Row{Shelf: event.Statistics, Account: int64(account), Time: t.begin(), Value: value})
		}
		x.called = false
		return true
	}
	t.mu.Lock()
	t.stage.EachUsage(one)
	for account, x := range t.accounts {
		if x.called { // by REST alone
			one(account, t.stage.Usage(account))
		}
	}
	t.minute = now.Truncate(time.Minute)
	t.mu.Unlock()
	for len(put) > 0 {
		n := min(len(put), 1000)
		if err := j.cfg.Store.WriteRows(put[:n], nil, false); err != nil {
			j.cfg.Logger.Error("accounts' statistics cannot be written", "error", err)
			return
		}
		put = put[n:]
	}
}

// reap deletes statistics that are too old, and those of accounts that are gone.
func (j *Journal) reap(now time.Time) {
	cut := now.UnixMicro() - statisticsDays*day
	var gone []event.Span
	err := j.cfg.Store.EachRow(event.Statistics, func(account, first int64, _ []byte) bool {
		_, there := j.cfg.Directory.Account(auth.AccountID(account))
		switch {
		case !there:
			gone = append(gone, event.Span{Shelf: event.Statistics, Account: account, To: math.MaxInt64})
		case first < cut:
			gone = append(gone, event.Span{Shelf: event.Statistics, Account: account, To: cut - 1})
		}
		return false
	})
	if err == nil && len(gone) > 0 {
		err = j.cfg.Store.WriteRows(nil, gone, false)
	}
	if err != nil {
		j.cfg.Logger.Error("accounts' statistics cannot be looked through", "error", err)
	}
}

// Statistics gives an account's figures of each minute in which it was not idle, by
// time, the running one included, until visit returns false. Only Time and JSON of what
// is visited are set.
func (j *Journal) Statistics(ctx context.Context, q event.Query, visit func(*event.Stored) bool) error {
	q.From = max(q.From, time.Now().UnixMicro()-statisticsDays*day, 0)
	if q.To <= 0 {
		q.To = math.MaxInt64
	}
	at, running := j.running(auth.AccountID(q.Account))
	give := func(time int64, value []byte) bool {
		return len(value) == 0 || time < q.From || time > q.To || visit(&event.Stored{Time: time, JSON: value})
	}
	if q.Reverse && !give(at, running) {
		return nil
	}
	// A day is read at a time, so that nothing is held open while it is visited.
	for from := q.From; ; {
		list, next, err := j.readDay(&q, from)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		for i := range list {
			if !visit(&list[i]) {
				return nil
			}
		}
		if next == 0 {
			break
		}
		if from = next; q.Reverse {
			q.To = next
		}
	}
	if !q.Reverse {
		give(at, running)
	}
	return nil
}

// readDay reads up to a day's rows: forward from the given time, or backward from the
// end of the query. next is where to go on, 0 at the end.
func (j *Journal) readDay(q *event.Query, from int64) (list []event.Stored, next int64, err error) {
	to := q.To
	newest := min(to, time.Now().UnixMicro())
	if q.Reverse {
		from = max(q.From, newest-day)
		if next = from - 1; from <= q.From {
			next = 0
		}
	} else {
		to = min(to, from+day-1)
		if next = to + 1; to >= newest {
			next = 0
		}
	}
	span := event.Span{Shelf: event.Statistics, Account: q.Account, From: from, To: to}
	err = j.cfg.Store.ReadRows(span, func(time int64, value []byte) bool {
		list = append(list, event.Stored{Time: time, JSON: append([]byte(nil), value...)})
		return true
	})
	if q.Reverse {
		for i, k := 0, len(list)-1; i < k; i, k = i+1, k-1 {
			list[i], list[k] = list[k], list[i]
		}
	}
	return list, next, err
}

// running returns the figures of the minute that is being counted; nil where the account
// has been idle in it.
func (j *Journal) running(account auth.AccountID) (at int64, value []byte) {
	t := &j.teller
	if !t.begun.Load() {
		return 0, nil
	}
	u := t.stage.Usage(account)
	t.mu.Lock()
	defer t.mu.Unlock()
	x := t.accounts[account]
	if x == nil {
		x = &told{}
	}
	value, _, _ = j.minuteRow(account, x, &u)
	return t.begin(), value
}
