package broker

import (
	"fmt"
	"runtime"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"alcove/internal/auth"
	"alcove/internal/topic"
)

// TestSubscriptions compares a session's subscriptions, list and table, with a map.
func TestSubscriptions(t *testing.T) {
	type identity struct {
		filter string
		given  auth.AccountID
	}
	rapid.Check(t, func(rt *rapid.T) {
		var x subscriptions
		model := map[identity]*Subscription{}
		for range rapid.IntRange(1, 300).Draw(rt, "steps") {
			id := identity{fmt.Sprint("f/", rapid.IntRange(0, 60).Draw(rt, "filter")), auth.AccountID(rapid.IntRange(0, 2).Draw(rt, "given"))}
			if rapid.IntRange(0, 2).Draw(rt, "what") == 0 {
				if sub := x.find(id.filter, id.given); sub != nil {
					other := newRecord(nil, id.filter)
					other.more = sub.more
					x.remove(other) // not this record
					x.remove(sub)
				}
				delete(model, id)
			} else {
				sub := newRecord(nil, id.filter)
				if id.given != 0 {
					sub.more = &subscriptionMore{account: id.given, given: true}
				}
				if old := x.put(sub); old != model[id] {
					rt.Fatalf("put gave back %p, not %p", old, model[id])
				}
				model[id] = sub
			}
			if x.len() != len(model) {
				rt.Fatalf("len %d, want %d", x.len(), len(model))
			}
		}
		for id, sub := range model {
			if x.find(id.filter, id.given) != sub || !x.has(sub) {
				rt.Fatalf("%v is not found", id)
			}
			if !slices.Contains(x.withFilter(id.filter), sub) {
				rt.Fatalf("%v is not found by its filter", id)
			}
		}
		for _, sub := range x.all() {
			if model[identity{sub.filter(), sub.given()}] != sub {
				rt.Fatalf("%v is listed", sub.filter())
			}
		}
		if x.find("f/x", 0) != nil {
			rt.Fatal("what was never put is found")
		}
	})
}

// TestSubscriptionKey goes through what the log holds of a subscription's identity.
func TestSubscriptionKey(t *testing.T) {
	for _, account := range []auth.AccountID{0, 1, 1 << 60} {
		sub := newRecord(nil, "a/b")
		sub.more = &subscriptionMore{account: account, given: account != 0}
		if filter, given := cutKey(sub.key()); filter != "a/b" || given != account {
			t.Errorf("%q is read as %q, %d", sub.key(), filter, given)
		}
	}
}

// BenchmarkSubscriptionMemory tells what a plain subscription takes: its record, its
// text, its places in the session's table and in the account's tree.
func BenchmarkSubscriptionMemory(b *testing.B) {
	for _, shape := range []string{"exact/site/%07d/state", "wild/%07d/+"} {
		b.Run(shape[:4], func(b *testing.B) {
			const n, sessions = 1_000_000, 100
			for range b.N {
				before := heapBytes()
				tree := topic.NewTree[*Subscription]("flespi")
				all := make([]*Session, sessions)
				for i := range all {
					all[i] = &Session{}
				}
				for i := range n {
					s := all[i%sessions]
					sub := newRecord(s, fmt.Sprintf(shape, i))
					s.subs.put(sub)
					tree.Add(sub.inner(), sub)
				}
				b.ReportMetric(float64(heapBytes()-before)/n, "B/subscription")
				runtime.KeepAlive(all)
				runtime.KeepAlive(tree)
			}
		})
	}
}

func heapBytes() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
