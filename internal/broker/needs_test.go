package broker

import (
	"fmt"
	"testing"
	"time"

	"alcove/internal/topic"
)

// Ten thousand subscriptions with one expression ask a message once, and those with
// another one once more, whatever the order [EXT-FIL-3].
func TestConditionsAskedOnce(t *testing.T) {
	const n = 10_000
	b := &Broker{}
	ns := &Namespace{b: b, tree: topic.NewTree[*Subscription]("flespi")}
	for i := range n {
		sub := conditional(t, &b.conditions, []string{"v > 1", "v > 5"}[i%2])
		sub.s = &Session{ns: ns, id: OwnerID(i)}
		ns.tree.Add(sub.inner(), sub)
	}
	tu := &Turn{b: b, Now: time.Now()}
	r := tu.route(ns, []byte("t"))
	if len(r.targets) != n || len(r.conditions) != 2 {
		t.Fatalf("%d targets, %d conditions", len(r.targets), len(r.conditions))
	}
	for v, want := range map[int]int{0: 0, 3: n / 2, 9: n} {
		m := &Message{Topic: []byte("t"), Payload: fmt.Appendf(nil, `{"v":%d}`, v), Stamp: 1}
		tu.judge.begin(len(r.conditions))
		first := 0
		passed := 0
		for i := range r.targets {
			if tu.holds(r, r.targets[i].needs, m) {
				passed++
			}
			if i == 1 {
				first = tu.judge.steps // of both
			}
		}
		if passed != want || first == 0 || first > 2*tu.judge.payload.Spent() || tu.judge.steps != first {
			t.Errorf("v=%d: %d passed; %d steps after two targets, %d at the end", v, passed, first, tu.judge.steps)
		}
	}
}
