package broker

import (
	"strconv"
	"testing"

	"alcove/internal/mqtt"
	"alcove/internal/topic"
)

// TestRouteCacheIsBounded: many topics with many subscribers each do not fill the
// memory of a Turn, and every route is right all the same.
func TestRouteCacheIsBounded(t *testing.T) {
	const sessions, topics = 3000, 600
	ns := &Namespace{account: 1, tree: topic.NewTree[*Subscription]("flespi")}
	for range sessions {
		sub := newRecord(&Session{ns: ns}, "#")
		sub.qos = mqtt.QoS1
		ns.tree.Add("#", sub)
	}
	turn := &Turn{}
	for range 2 { // a topic is cached when it comes the second time
		for i := range topics {
			if r := turn.route(ns, []byte("t/"+strconv.Itoa(i))); len(r.targets) != sessions {
				t.Fatalf("topic %d: %d targets, want %d", i, len(r.targets), sessions)
			}
		}
	}
	held := 0
	for _, r := range turn.routes.routes {
		held += cap(r.targets)
	}
	if held != turn.routes.targets || held > routeCacheTargets || held == 0 {
		t.Fatalf("the cache has room for %d targets and counts %d; the bound is %d", held, turn.routes.targets, routeCacheTargets)
	}
}
