package isolation

import (
	"fmt"
	"math/rand/v2"
)

// makeAndDrop makes a session by REST, subscribes it, lists it and drops it again
// [EXT-REST-4]. Its client id is the same in all accounts.
func (w *world) makeAndDrop(random *rand.Rand, c *client) {
	a := c.of
	w.tell("%v makes a session and drops it", a)
	const named = "/mqtt/sessions/client_id=made"
	filter := pick(random, "#", "h/a,b", "h/"+a.canary(ofMessage), "$share/"+a.canary(ofClient)+"/h/#", "$filter/payload=v>1/#")
	for _, r := range []struct{ method, path, body string }{
		{"POST", "/mqtt/sessions", `[{"client_id":"made","expires":600}]`},
		{"POST", named + "/subscriptions", fmt.Sprintf(`[{"topic":%q,"qos":1}]`, filter)},
		{"POST", "/mqtt/messages", fmt.Sprintf(`{"topic":"h/a","payload":%q,"qos":1}`, w.payload(random, a))},
		{"GET", named, ""},
		{"GET", named + "/subscriptions/all", ""},
		{"DELETE", named, ""},
	} {
		got := w.call(a.keys[0], "", r.method, r.path, r.body)
		w.seen(a, r.method+" "+r.path, got)
		if got.status != 200 {
			w.failf("%v: %s %s %s: %d %s", a, r.method, r.path, r.body, got.status, got.body)
		}
	}
}
