package broker

import (
	"hash/maphash"
	"iter"
	"slices"

	"alcove/internal/auth"
)

// subscriptions are a session's, found by their identity: a list while they are few,
// since most sessions have few and a table costs more than the session itself, then a
// table with open addressing. The table holds nothing but pointers to the records,
// which have the text; a map of the same would take three times the memory.
type subscriptions struct {
	slots  []*Subscription // in no order; in a table nil is a free place
	n      int32
	hashed bool
}

const fewSubscriptions = 8

var subscriptionSeed = maphash.MakeSeed()

func (x *subscriptions) len() int { return int(x.n) }

// home is where in a table the search for a filter begins.
func (x *subscriptions) home(filter string) int {
	h := maphash.String(subscriptionSeed, filter)
	return int((h >> 32) * uint64(len(x.slots)) >> 32)
}

// place returns where the subscription is, or, in a table, where it would be; -1 where
// a list does not have it.
func (x *subscriptions) place(filter string, account auth.AccountID) int {
	if !x.hashed {
		return slices.IndexFunc(x.slots, func(sub *Subscription) bool { return sub.is(filter, account) })
	}
	i := x.home(filter)
	for x.slots[i] != nil && !x.slots[i].is(filter, account) {
		if i++; i == len(x.slots) {
			i = 0
		}
	}
	return i
}

// find returns the subscription with this identity, or nil.
func (x *subscriptions) find(filter string, account auth.AccountID) *Subscription {
	if i := x.place(filter, account); i >= 0 {
		return x.slots[i]
	}
	return nil
}

// has tells whether this very record is the session's.
func (x *subscriptions) has(sub *Subscription) bool {
	return x.find(sub.filter(), sub.given()) == sub
}

// put adds sub and returns the one with the same identity which it replaces, or nil.
func (x *subscriptions) put(sub *Subscription) (old *Subscription) {
	i := x.place(sub.filter(), sub.given())
	if i >= 0 && x.slots[i] != nil {
		old, x.slots[i] = x.slots[i], sub
		return old
	}
	x.n++
	switch {
	case !x.hashed && x.n <= fewSubscriptions:
		x.slots = append(x.slots, sub)
	case !x.hashed || int(x.n) > len(x.slots)*4/5:
		x.rehash(int(x.n)*3/2+fewSubscriptions, sub)
	default:
		x.slots[i] = sub
	}
	return nil
}

// rehash makes a table of the given size with all there is and sub, unless it is nil.
func (x *subscriptions) rehash(size int, sub *Subscription) {
	before := x.slots
	x.slots, x.hashed = make([]*Subscription, size), true
	for _, s := range before {
		if s != nil {
			x.settle(s)
		}
	}
	if sub != nil {
		x.settle(sub)
	}
}

// settle puts sub into the first free place of its run.
func (x *subscriptions) settle(sub *Subscription) {
	i := x.home(sub.filter())
	for x.slots[i] != nil {
		if i++; i == len(x.slots) {
			i = 0
		}
	}
	x.slots[i] = sub
}

// remove takes out this very record, if it is there.
func (x *subscriptions) remove(sub *Subscription) {
	i := x.place(sub.filter(), sub.given())
	if i < 0 || x.slots[i] != sub {
		return
	}
	x.n--
	switch {
	case !x.hashed:
		x.slots = slices.Delete(x.slots, i, i+1)
	case x.n == 0:
		*x = subscriptions{}
	default:
		x.slots[i] = nil
		x.close(i)
		if len(x.slots) > 64 && int(x.n) < len(x.slots)/4 {
			x.rehash(len(x.slots)/2, nil)
		}
	}
}

// close moves up what stands behind a place that has become free, so that every search
// still ends at a free place.
func (x *subscriptions) close(free int) {
	for i := free; ; {
		if i++; i == len(x.slots) {
			i = 0
		}
		sub := x.slots[i]
		if sub == nil {
			return
		}
		// It stays where its home lies between the free place and its own.
		home := x.home(sub.filter())
		stays := free < home && home <= i
		if free > i {
			stays = free < home || home <= i
		}
		if !stays {
			x.slots[free], x.slots[i] = sub, nil
			free = i
		}
	}
}

// each yields them, in no order; they must not change meanwhile.
func (x *subscriptions) each() iter.Seq[*Subscription] {
	return func(yield func(*Subscription) bool) {
		for _, sub := range x.slots {
			if sub != nil && !yield(sub) {
				return
			}
		}
	}
}

// all lists them, in no order; the list stays good while they change.
func (x *subscriptions) all() []*Subscription {
	return slices.AppendSeq(make([]*Subscription, 0, x.n), x.each())
}

// withFilter lists those with this text, whatever their account [EXT-UP-3].
func (x *subscriptions) withFilter(filter string) (found []*Subscription) {
	if !x.hashed {
		for _, sub := range x.slots {
			if sub.filter() == filter {
				found = append(found, sub)
			}
		}
		return found
	}
	for i := x.home(filter); x.slots[i] != nil; {
		if x.slots[i].filter() == filter {
			found = append(found, x.slots[i])
		}
		if i++; i == len(x.slots) {
			i = 0
		}
	}
	return found
}
