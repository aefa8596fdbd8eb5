package broker

import (
	"context"
	"errors"
	"time"

	"alcove/internal/auth"
	"alcove/internal/mqtt"
	"alcove/internal/topic"
)

// FindRetained is Retained for a Filter as clients write it: with selectors, and with
// "$filter", all of whose items must hold [EXT-FIL-1]. An account named there which
// is not q.Account nor below it is auth.ErrNotFound, whether it exists or not
// [EXT-ACC-1]; a bad filter is an *mqtt.Error. Where ctx ends, so does a search which
// finds nothing.
func (b *Broker) FindRetained(ctx context.Context, q RetainedQuery, yield func(*Message) bool) error {
	f, err := topic.Parse(q.Filter, b.limits.MaximumLevels)
	if err == nil && f.Shared() {
		err = &topic.Error{Kind: topic.Share, Reason: "a shared subscription has no retained messages"}
	}
	var set conditionSet
	if err == nil {
		set, err = b.conditions.compile(&f)
	}
	if err != nil {
		return &mqtt.Error{Code: mqtt.TopicFilterInvalid, Reason: err.Error()}
	}
	if !b.within(q.Account, q.Account) {
		return auth.ErrNotFound
	}
	if f.Items.HasAccount {
		only := auth.AccountID(f.Items.Account)
		if !b.within(only, q.Account) {
			return auth.ErrNotFound
		}
		if only != q.Account && !q.Recursive {
			return nil
		}
		q.Account, q.Recursive = only, false
	}
	q.Filter, q.Since = f.Inner, max(q.Since, f.Items.ModifiedSince)
	if set.none() {
		return b.Retained(q, yield)
	}
	t := b.turns.Get().(*Turn)
	defer func() {
		t.End() // what the account is to be told of its filters
		b.turns.Put(t)
	}()
	err = b.Retained(q, func(m *Message) bool {
		if ctx.Err() != nil {
			return false
		}
		t.Begin(time.Now())
		wanted := t.meets(&set, m)
		// The next message may lie at the same address.
		t.judge.forget()
		t.dressing.forget()
		return !wanted || yield(m)
	})
	return errors.Join(err, ctx.Err())
}
