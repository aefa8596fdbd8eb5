package journal

import (
	"context"
	"math"
	"slices"
	"time"

	"alcove/internal/auth"
	"alcove/internal/event"
)

// Records gives the records of an account that came in before the call to visit, by
// time, until that returns false. It holds one stretch in memory at a time. The error
// is the context's or the store's.
func (j *Journal) Records(ctx context.Context, q event.Query, visit func(*event.Stored) bool) error {
	if err := j.flush(false); err != nil {
		return err
	}
	now := time.Now().UnixMicro()
	settings := j.cfg.Directory.EffectiveSettings(auth.AccountID(q.Account))
	q.From = max(q.From, now-settings.LogDays*day, 0)
	if q.To <= 0 {
		q.To = math.MaxInt64
	}
	var stretches []stretch
	j.mu.Lock()
	if x := j.shelves[q.Account]; x != nil {
		j.trim(q.Account, x, now) // other settings act at once [EXT-ACC-5]
		stretches = slices.Clone(x.stretches)
	}
	j.mu.Unlock()
	if q.Reverse {
		slices.Reverse(stretches)
	}
	for _, s := range stretches {
		if err := ctx.Err(); err != nil {
			return err
		}
		if s.last < q.From || s.first > q.To {
			continue
		}
		more, err := j.readStretch(&q, &s, visit)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// readStretch gives the records of one stretch.
func (j *Journal) readStretch(q *event.Query, s *stretch, visit func(*event.Stored) bool) (more bool, err error) {
	type place struct {
		time     int64
		from, to int
	}
	var places []place
	var bytes []byte
	span := event.Span{Shelf: event.Records, Account: q.Account, From: max(s.first, q.From), To: min(s.last, q.To)}
	err = j.cfg.Store.ReadRows(span, func(time int64, value []byte) bool {
		from := len(bytes)
		bytes = append(bytes, value...)
		places = append(places, place{time, from, len(bytes)})
		return true
	})
	if err != nil {
		return false, err
	}
	if q.Reverse {
		slices.Reverse(places)
	}
	for _, p := range places {
		r, ok := decodeRecord(p.time, bytes[p.from:p.to:p.to])
		if !ok {
			j.cfg.Logger.Error("journal: a record cannot be read", "account", q.Account, "time", p.time)
			continue
		}
		if !visit(&r) {
			return false, nil
		}
	}
	return true, nil
}
