package broker

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"alcove/internal/topic"
)

// conditional makes a subscription with an expression about the payload.
func conditional(t *testing.T, c *conditions, source string) *Subscription {
	t.Helper()
	made, err := c.of(source, false)
	if err != nil {
		t.Fatal(err)
	}
	sub := newRecord(nil, "$filter/payload="+source+"/t")
	sub.more = &subscriptionMore{inner: "t", conditions: conditionSet{made}}
	return sub
}

// An account's distinct expressions are bounded by what they take; the same one counts
// once, and what goes makes room [EXT-EXP-2].
func TestExpressionQuota(t *testing.T) {
	var c conditions
	var q filterQuota
	source := func(i int) string { return strings.Repeat("v|", 2000) + fmt.Sprint(i) }
	var subs []*Subscription
	for {
		sub := conditional(t, &c, source(len(subs)))
		if reason := q.refuse(sub); reason != "" {
			if !strings.Contains(reason, "expressions") {
				t.Fatal(reason)
			}
			break
		}
		q.add(sub)
		if subs = append(subs, sub); len(subs) > 10_000 {
			t.Fatal("no bound")
		}
	}
	if len(subs) < 200 {
		t.Fatalf("only %d expressions", len(subs))
	}
	for range 1000 { // the same expression again costs its text
		sub := conditional(t, &c, source(0))
		if reason := q.refuse(sub); reason != "" {
			t.Fatal(reason)
		}
		q.add(sub)
		subs = append(subs, sub)
	}
	one := conditional(t, &c, source(-1))
	q.remove(subs[len(subs)-1])
	if q.refuse(one) == "" {
		t.Fatal("one of many uses has gone, and made room")
	}
	for _, sub := range subs[:len(subs)-1] {
		q.remove(sub)
	}
	if reason := q.refuse(one); reason != "" || q.bytes != 0 || q.programs != 0 || len(q.expressions) != 0 {
		t.Fatalf("%q; %d bytes, %d of programs, %d expressions are left", reason, q.bytes, q.programs, len(q.expressions))
	}
}

// Filters are charged what they take: selectors by their words.
func TestFilterQuota(t *testing.T) {
	plain := newRecord(nil, strings.Repeat("x", 3000)).cost()
	words := newRecord(nil, strings.Repeat("ab,", 999)+"ab").cost()
	if words < plain+1000*100 {
		t.Errorf("a thousand words cost %d, plain text %d", words, plain)
	}
	var q filterQuota
	q.bytes = filterBytes - words
	if reason := q.refuse(newRecord(nil, "a")); reason != "" {
		t.Error(reason)
	}
	q.bytes = filterBytes
	if q.refuse(newRecord(nil, "a")) == "" {
		t.Error("there is no bound")
	}
}

// One message has a bounded number of steps for all the conditions that it meets: what
// is asked beyond does not match, and the next message has its own [EXT-EXP-2].
func TestMessageSteps(t *testing.T) {
	var c conditions
	tu := &Turn{b: &Broker{}, Now: time.Now()}
	m := &Message{Payload: []byte(`{"s":"` + strings.Repeat("x", 100_000) + `"}`)}
	ask := func(i int) bool {
		return tu.asks(conditional(t, &c, fmt.Sprintf(`contains(s,"x") && len(s) > %d`, i)).more.conditions[0], m)
	}
	passed := 0
	for i := range 1000 {
		if ask(i) {
			passed++
		}
	}
	if passed == 0 || passed == 1000 || tu.b.stats.Unasked.Load() != uint64(1000-passed) {
		t.Fatalf("%d of 1000 passed, %d were not asked", passed, tu.b.stats.Unasked.Load())
	}
	tu.judge.forget()
	if !ask(1) {
		t.Fatal("the next message is not asked about")
	}
}

// A cached route that no longer holds does not keep alive what has ended.
func TestRouteSweep(t *testing.T) {
	b := &Broker{}
	b.features.ReservedLevel = "flespi"
	ns := &Namespace{b: b}
	ns.tree = topic.NewTree[*Subscription]("flespi")
	sub := newRecord(&Session{ns: ns}, "t")
	ns.tree.Add("t", sub)
	tu := &Turn{b: b}
	start := time.Now()
	tu.Begin(start)
	for range 2 { // an entry is made at the second
		tu.route(ns, []byte("t"))
	}
	tu.Begin(start.Add(2 * routeSweep))
	if len(tu.routes.routes) != 1 {
		t.Fatal("a route that holds is gone")
	}
	ns.tree.Remove("t", sub)
	tu.Begin(start.Add(2*routeSweep + routeSweep/2))
	if len(tu.routes.routes) != 1 {
		t.Fatal("swept too soon")
	}
	tu.Begin(start.Add(4 * routeSweep))
	if len(tu.routes.routes) != 0 || tu.routes.targets != 0 || tu.routes.single.targets != nil {
		t.Fatalf("%d routes are left, of weight %d", len(tu.routes.routes), tu.routes.targets)
	}
}
