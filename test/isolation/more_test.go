package isolation

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"alcove/test/conform/wire"
)

// answersTo is the topic of answers to requests by PUBLISH; the ACL token may read it.
const answersTo = "h/a/answer"

// request asks by REST over MQTT, as any of the account's tokens; the answer is a
// message in the account [EXT-REST-9].
func (w *world) request(random *rand.Rand, c *client) {
	if c.v != wire.V5 {
		return
	}
	a := c.of
	path := pick(random, lists(a)...)
	w.tell("%v seat %d asks for %s by PUBLISH", a, c.seat, path)
	if c.seat != 2 {
		s := subscription{topic: answersTo}
		if ack := c.ask(wire.Subscribe(c.v, c.packetID(), nil, wire.Sub{Filter: s.topic, Options: 1}), c.acks); ack != nil && ack.Reasons[0] < 0x80 {
			held := w.sessions[a][c.id].subs
			for other := range held { // the same identity
				if other.filter() == s.filter() && other.by == "" {
					delete(held, other)
				}
			}
			held[s] = true
		}
	}
	c.append(wire.Publish{Topic: "flespi/rest/get" + strings.ReplaceAll(path, "+", "%2B"), QoS: byte(random.IntN(2)), ID: c.packetID(),
		Props: wire.Props{wire.Text(wire.ResponseTopic, answersTo), wire.Text(wire.CorrelationData, a.canary(ofMessage))}}.Bytes(c.v))
}

// answered searches what was asked by PUBLISH. Its Correlation Data names the account;
// those above get the answer as a message of it.
func (c *client) answered(p *wire.Packet) {
	look([]byte(p.Props.Text(wire.CorrelationData)), func(owner *account, _ byte) {
		c.w.seen(owner, "an answer by PUBLISH of /logs", answer{body: []byte(p.Payload)})
	})
}

// stream reads live and retained messages by Server-Sent Events for a moment
// [EXT-REST-8].
func (w *world) stream(random *rand.Rand, c *client) {
	a := c.of
	filter := pick(random, "#", "h/#", "h/a,b/+", "$filter/payload=v>1/#", "$filter/cid="+a.id+"/#", "flespi/#")
	w.tell("%v streams %s", a, filter)
	req, err := http.NewRequest("GET", "http://"+w.b.HTTP+"/mqtt/stream/"+url.PathEscape(filter), nil)
	if err != nil {
		w.failf("stream: %v", err)
		return
	}
	req.Header.Set("Authorization", "FlespiToken "+pick(random, a.keys[:]...))
	resp, err := web.Do(req)
	if err != nil {
		w.failf("stream: %v", err)
		return
	}
	defer w.unstreamed(a)
	defer resp.Body.Close()
	for _, other := range w.clients[a.slot] {
		if other.alive() && other.seat != 2 {
			w.publish(random, other)
			other.flush()
		}
	}
	end := time.AfterFunc(50*time.Millisecond, func() { resp.Body.Close() })
	defer end.Stop()
	lines := bufio.NewReader(resp.Body)
	for range 30 {
		text, err := lines.ReadBytes('\n')
		w.seen(a, "stream with messages and /logs of", answer{body: text})
		if err != nil {
			return
		}
	}
}

// unstreamed waits until the account's streams have ended: one is a session, which
// counts, until its end is noticed.
func (w *world) unstreamed(a *account) {
	for end := time.Now().Add(patience); time.Now().Before(end) && !w.broken.Load(); time.Sleep(2 * time.Millisecond) {
		got := w.call(a.keys[0], "", "GET", "/mqtt/sessions/transport=sse", "")
		if string(bytes.TrimSpace(got.body)) == `{"result":[]}` || got.status != 200 {
			return
		}
	}
	w.failf("%v: a stream is a session still, after its client has gone", a)
}

// intrude logs in with what it does not have: the id of somebody's token or account, and
// its own client id. Whose it is makes no difference [EXT-TOK-2].
func (w *world) intrude(random *rand.Rand, c *client) {
	other := w.stranger(random, c.of)
	w.tell("%v logs in as %v", c.of, other)
	try := func(user, password string) string {
		d := w.dial(c.of, 1)
		if d == nil {
			return ""
		}
		ack := d.open(wire.Connect{Version: wire.V5, ClientID: "hunter0", User: &user, Password: &password})
		d.conn.Close()
		<-d.done
		if ack == nil {
			return "nothing"
		}
		return fmt.Sprintf("%#x %v", ack.Reason, ack.Props)
	}
	theirs, nobodys := try(other.id, c.of.keys[0][:16]), try(absent(random, other.id), c.of.keys[0][:16])
	// Who tries too often is hung up on, or told so, whomever it tries to be.
	held := func(s string) bool { return s == "nothing" || strings.HasPrefix(s, "0x9f ") }
	if strings.HasPrefix(theirs, "0x0 ") || theirs != nobodys && !held(theirs) && !held(nobodys) {
		w.failf("%v logs in as %v: %s, as nobody: %s", c.of, other, theirs, nobodys)
	}
}

// readBelow reads a list of an account below by x-flespi-cid [EXT-REST-3].
func (w *world) readBelow(random *rand.Rand, c *client) {
	under := w.below(random, c.of)
	if under == nil {
		return
	}
	path := pick(random, lists(under)...)
	if strings.HasPrefix(path, "/auth/info") {
		return // about who asks
	}
	w.tell("%v reads %s of %v", c.of, path, under)
	w.seen(under, "GET "+path, w.call(c.of.keys[0], under.id, "GET", path, ""))
}

// writeBelow publishes in, and deletes from, an account below; what it publishes is that
// account's.
func (w *world) writeBelow(random *rand.Rand, c *client) {
	under := w.below(random, c.of)
	if under == nil {
		return
	}
	topic, binary := pick(random, topicsOf(under)...), base64.StdEncoding.EncodeToString([]byte("\xff\x00"+under.canary(ofMessage)))
	method, path, body := "POST", "/mqtt/messages", fmt.Sprintf(`[{"topic":%q,"payload_base64":%q,"retain":%v,"qos":2,"correlation_data":%q}]`, topic, binary, random.IntN(2) == 0, binary)
	switch random.IntN(4) {
	case 0:
		method, path, body = "DELETE", "/mqtt/messages/"+url.PathEscape(pick(random, "h/#", "#", "h/a,b/+")), ""
	case 1:
		method, path, body = "PUT", "/platform/customer", fmt.Sprintf(`{"metadata":{"note":%q}}`, under.canary(ofName))
	}
	w.tell("%v: %s %s in %v", c.of, method, path, under)
	w.seen(under, method+" "+path, w.call(c.of.keys[0], under.id, method, path, body))
}

// setting changes how the account keeps and gives what it has [EXT-ACC-5].
func (w *world) setting(random *rand.Rand, c *client) {
	body := fmt.Sprintf(`{"settings":{"retained_first":%v,"overflow":%q,"durability":%q}}`, random.IntN(2) == 0,
		pick(random, "drop_oldest", "drop_newest"), pick(random, "memory", "async"))
	w.tell("%v: %s", c.of, body)
	got := w.call(c.of.keys[0], "", "PUT", "/platform/customer", body)
	if got.status != 200 {
		w.failf("%v: PUT /platform/customer %s: %d %s", c.of, body, got.status, got.body)
	}
	w.seen(c.of, "PUT /platform/customer", got)
}

// manage makes, changes and drops sessions by REST, and the model with them. The names
// are the same in all accounts, or the account's alone [EXT-REST-4].
func (w *world) manage(random *rand.Rand, c *client) {
	a := c.of
	name := pick(random, "posted1", "posted2", "posted"+a.canary(ofClient))
	held := w.sessions[a][name]
	method, path, body := "POST", "/mqtt/sessions", fmt.Sprintf(`[{"client_id":%q,"expires":600}]`, name)
	s := subscription{topic: pick(random, "h/+", "h/a,b", "#", "n/c")}
	if random.IntN(3) == 0 {
		s.share = "$share/" + pick(random, "g", a.canary(ofClient)) + "/"
	}
	change := func() {
		if held == nil {
			w.sessions[a][name] = &session{keeps: true, subs: map[subscription]bool{}}
		}
	}
	if held != nil {
		switch random.IntN(5) {
		case 0:
			method, path, body = "DELETE", "/mqtt/sessions/client_id="+name, ""
			change = func() { delete(w.sessions[a], name) }
		case 1:
			path, body = "/mqtt/sessions/client_id="+name+"/subscriptions/", ""
			method, path = "DELETE", path+url.PathEscape("topic="+s.filter())
			change = func() { delete(held.subs, s) }
		case 2, 3:
			path, body = "/mqtt/sessions/client_id="+name+"/subscriptions", fmt.Sprintf(`[{"topic":%q,"qos":1}]`, s.filter())
			change = func() { held.subs[s] = true }
		}
	}
	w.tell("%v: %s %s %s", a, method, path, body)
	got := w.call(a.keys[0], "", method, path, body)
	w.seen(a, method+" "+path, got)
	switch {
	case got.status == 200:
		change()
	case got.status/100 != 4:
		w.failf("%v: %s %s: %d %s", a, method, path, got.status, got.body)
	}
}
