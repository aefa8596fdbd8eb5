package isolation

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"alcove/test/conform/wire"
)

// manage makes a session by REST, subscribes it, lists it and drops it again
// [EXT-REST-4]. Its client id is the same in all accounts.
func (w *world) manage(random *rand.Rand, a *account) {
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

// stream listens to messages by HTTP for a moment [EXT-REST-8].
func (w *world) stream(random *rand.Rand, a *account) {
	filter := pick(random, "#", "h/#", "flespi/#", "$filter/payload=v>0/#", "$share/g/#")
	w.tell("%v streams %s", a, filter)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", "http://"+w.b.HTTP+"/mqtt/stream/"+url.PathEscape(filter), nil)
	if err != nil {
		w.failf("%v", err)
		return
	}
	req.Header.Set("Authorization", "FlespiToken "+a.keys[0])
	resp, err := web.Do(req)
	if err != nil {
		return // the moment was over
	}
	defer resp.Body.Close()
	for range 20 { // messages come meanwhile
		w.clients[a.slot][0].say(w.payload(random, a))
	}
	text, _ := io.ReadAll(resp.Body)
	look(text, func(owner *account, class byte) {
		if !owner.within(a) {
			w.failf("the stream %s of %v shows the canary %q of %v: …%s…", filter, a, class, owner, around(text, owner))
		}
	})
	// The stream's session ends, and the model counts on that.
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		var online struct{ Result []struct{ Transport string } }
		got := w.call(a.keys[0], "", "GET", "/mqtt/sessions/transport=sse", "")
		if decode(got.body, &online); len(online.Result) == 0 {
			return
		}
		if time.Now().After(end) {
			w.failf("%v: the session of a stream stays: %s", a, got.body)
			return
		}
	}
}

func (c *client) say(payload string) {
	if c.alive() {
		c.append(wire.Publish{Topic: "h/a", Payload: payload}.Bytes(c.v))
		c.flush()
	}
}

// request asks REST by PUBLISH, about the account's own and a stranger's [EXT-REST-9].
func (w *world) request(random *rand.Rand, c *client) {
	if c.v != wire.V5 || c.seat == 2 {
		return
	}
	other := w.stranger(random, c.of)
	path := pick(random, "platform/customer", "platform/tokens/all", "mqtt/sessions/all", "mqtt/messages/%23", "mqtt/logs", "platform/subaccounts/"+other.id, "platform/customers/"+other.id)
	w.tell("%v seat %d asks flespi/rest/get/%s", c.of, c.seat, path)
	c.append(wire.Publish{Topic: "flespi/rest/get/" + path, QoS: 1, ID: c.packetID(), Props: wire.Props{wire.Text(wire.ResponseTopic, "h/b/y"), wire.Text(wire.CorrelationData, c.of.canary(ofMessage))}}.Bytes(c.v))
}
