package attack

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"alcove/test/alcovetest"
	"alcove/test/conform/wire"
)

// newTenant makes a top-level account and returns its id and a master's key.
func newTenant(t testing.TB, b *alcovetest.Broker, fields string) (id, key string) {
	t.Helper()
	made := rest(t, b, "POST", "/platform/customers", `[{"name":"tenant"`+fields+`}]`)[0]
	key = fmt.Sprint(made["key"])
	if token, ok := made["token"].(map[string]any); ok {
		key = fmt.Sprint(token["key"])
	}
	return fmt.Sprint(made["id"]), key
}

// call is one REST request with any token.
func call(t testing.TB, b *alcovetest.Broker, key, in, method, path, body string) (int, []map[string]any) {
	req, err := http.NewRequest(method, "http://"+b.HTTP+path, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return 0, nil
	}
	req.Header.Set("Authorization", "FlespiToken "+key)
	if in != "" {
		req.Header.Set("x-flespi-cid", in)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return 0, nil
	}
	defer resp.Body.Close()
	var answer struct{ Result []map[string]any }
	d := json.NewDecoder(resp.Body)
	d.UseNumber()
	if err := d.Decode(&answer); err != nil && err != io.EOF {
		t.Errorf("%s %s: %v", method, path, err)
	}
	return resp.StatusCode, answer.Result
}

// nasty are texts which mean something to somebody: as client ids, topic levels and
// names they mean themselves.
var nasty = []string{
	"..", "../../etc/passwd", "a/b", "+", "#", "+/#", "$SYS", "flespi", "%c", "%u", "%2e%2e", "%00", "{client_id}", "${client_id}", "{{.ClientID}}", "$.x", "$[0]",
	".*", "[a-z]+", "(a+)+$", "^victim$", "vic?im", "victim*", "victim,other", "' OR '1'='1", "\"; DROP TABLE sessions; --", "<script>", "%s%n%x", "victim ", "VICTIM", "ví\u0301ctim",
	strings.Repeat("long", 250), "1", "0", "-1", "all",
}

// Row 35: names that are made to collide: nothing is glued to a topic, and a client id
// belongs to its account [EXT-ACC-1].
func TestRow35_collidingNames(t *testing.T) {
	t.Parallel()
	b := alcovetest.Start(t, alcovetest.Config{})
	victimID, victimKey := newTenant(t, b, "")
	_, key := newTenant(t, b, `,"metadata":{"a":"b"}`)
	victim := connect(t, b, as(victimKey), kept("victim"))
	for _, filter := range []string{"#", "$own/#"} {
		victim.subscribe(filter, 1)
	}
	victim.send(wire.Publish{Topic: "secret", Payload: "secret", QoS: 1, ID: 7, Retain: true}.Bytes(v5))
	victim.receive()
	for _, id := range append(nasty, "victim") {
		c := connect(t, b, as(key), kept(id)) // another session of the same name, or one of a nasty name
		for i, topic := range []string{victimID + "/secret", victimID, "../" + victimID + "/secret", id, "$own/x"} {
			if !strings.ContainsAny(topic, "+#") {
				c.send(wire.Publish{Topic: topic, Payload: "from a stranger", QoS: 1, ID: uint16(i + 10), Retain: true}.Bytes(v5))
			}
			c.send(wire.Subscribe(v5, uint16(i+50), nil, wire.Sub{Filter: topic, Options: 1}))
		}
		c.send(wire.Ping())
		for p := c.next(); p == nil || p.Type != wire.PINGRESP; p = c.next() {
			if p == nil || p.Type == wire.PUBLISH && p.Payload != "from a stranger" {
				t.Fatalf("client %.40q: %v", id, p)
			}
		}
		c.Close()
		call(t, b, key, "", "PUT", "/platform/customer", fmt.Sprintf(`{"name":%q}`, id[:min(len(id), 100)]))
	}
	if n := victim.count(); n != 0 { // it was not taken over either
		t.Errorf("%d messages of a stranger", n)
	}
	for _, path := range []string{"..%2F" + victimID + "%2Fsecret", victimID + "%2Fsecret", "secret", "%2e%2e%2Fsecret"} {
		if status, got := call(t, b, key, "", "GET", "/mqtt/messages/"+path, ""); len(got) > 0 && fmt.Sprint(got[0]["payload"]) == "secret" {
			t.Errorf("GET %s: %d %v", path, status, got)
		}
	}
}

// Row 36, numbers: ids are no counters, so what others make does not show in them
// [EXT-ACC-1]. The hunt for leaks by random operations is test/isolation.
func TestRow36_idsDoNotCount(t *testing.T) {
	t.Parallel()
	b := alcovetest.Start(t, alcovetest.Config{})
	_, one := newTenant(t, b, "")
	_, two := newTenant(t, b, "")
	made := func(key, path, body string) int64 {
		status, r := call(t, b, key, "", "POST", path, body)
		if status != 200 || len(r) != 1 {
			t.Fatalf("POST %s %s: %d %v", path, body, status, r)
		}
		n, err := strconv.ParseInt(fmt.Sprint(r[0]["id"]), 10, 64)
		if err != nil {
			t.Fatalf("POST %s: id %v", path, r[0]["id"])
		}
		return n
	}
	for kind, make := range map[string]func(key string, i int) int64{
		"tokens":   func(key string, i int) int64 { return made(key, "/platform/tokens", `[{"ttl":100}]`) },
		"accounts": func(key string, i int) int64 { return made(key, "/platform/subaccounts", `[{"name":"x"}]`) },
		"limits":   func(key string, i int) int64 { return made(key, "/platform/limits", `[{"name":"x"}]`) },
		"sessions": func(key string, i int) int64 {
			return made(key, "/mqtt/sessions", fmt.Sprintf(`[{"client_id":"c%d","expires":100}]`, i))
		},
	} {
		var ids []int64
		for i := range 40 {
			ids = append(ids, make(one, i))
			make(two, i)
		}
		if rising := slices.IsSorted(ids); rising {
			t.Errorf("the ids of %s rise: %v", kind, ids)
		}
		near := 0
		for i := 1; i < len(ids); i++ {
			if d := ids[i] - ids[i-1]; d > -10_000 && d < 10_000 {
				near++
			}
		}
		if near > 1 {
			t.Errorf("%d of 40 ids of %s are next to the one before: %v", near, kind, ids)
		}
	}
}

// Row 37: {client_id} in a rule is what the client is called, whatever characters that
// has [EXT-TOK-5].
func TestRow37_placeholderIsLiteral(t *testing.T) {
	t.Parallel()
	b := alcovetest.Start(t, alcovetest.Config{})
	_, master := newTenant(t, b, "")
	_, made := call(t, b, master, "", "POST", "/platform/tokens", `[{"ttl":3600,`+acl("home/{client_id}/#", `"publish","subscribe"`)+`}]`)
	key := fmt.Sprint(made[0]["key"])
	all := connect(t, b, as(master))
	all.subscribe("#", 1)
	for _, id := range nasty {
		c := connect(t, b, as(key), func(p *wire.Connect) { p.ClientID = id })
		for _, topic := range []string{"home/victim/x", "home/other/x", "home//x", "home/x", "home", "home/{client_id}/x", "victim/x", "home/a/x"} {
			if topic == "home/"+id+"/x" {
				continue
			}
			if r := c.publish(topic, "no"); r != 0x87 {
				t.Errorf("client %.40q publishes to %s: %#02x", id, topic, r)
			}
			if r := c.subscribe(topic, 1); r != 0x87 && r < 0x80 {
				t.Errorf("client %.40q subscribes to %s: %#02x", id, topic, r)
			}
			if r := all.publish(topic, "no"); r >= 0x80 {
				t.Errorf("%#02x", r)
			}
		}
		all.count()
		// A filter that meets the rule brings only what is under the client's own name.
		c.subscribe("#", 1)
		if n := c.count(); n != 0 {
			t.Errorf("client %.40q gets %d messages of others", id, n)
		}
		if !strings.ContainsAny(id, "/+#") && len(id) < 1000 {
			if r := c.publish("home/"+id+"/y", "own"); r >= 0x80 {
				t.Errorf("client %q publishes to its own topic: %#02x", id, r)
			}
			c.count()
			all.publish("home/"+id+"/x", "own")
			if n := c.count(); n != 1 {
				t.Errorf("client %q gets %d of its own message", id, n)
			}
		}
		all.count()
		c.Close()
	}
}

// Row 38: who takes over a client id with a weaker token gets nothing of what the token
// may not see: subscriptions, queue, what is in flight, the Will [EXT-SES-1].
func TestRow38_takeoverByAWeakerToken(t *testing.T) {
	t.Parallel()
	b := alcovetest.Start(t, alcovetest.Config{})
	_, master := newTenant(t, b, "")
	_, made := call(t, b, master, "", "POST", "/platform/tokens", `[{"ttl":3600,`+acl("open/#", `"publish","subscribe"`)+`}]`)
	weak := fmt.Sprint(made[0]["key"])
	pub := connect(t, b, as(master))
	will := connect(t, b, as(master))
	will.subscribe("secret/will", 1)
	for _, v := range []byte{v5, v311} {
		for _, online := range []bool{true, false} {
			id := name()
			strong := connect(t, b, version(v), as(master), kept(id), func(p *wire.Connect) {
				p.Will = &wire.Will{Topic: "secret/will", Payload: "will of " + id, QoS: 1}
			})
			for _, f := range []string{"secret/#", "+/x", "#", "$share/g/secret/x", "$filter/payload=v%3E0/secret/x", "open/#"} {
				strong.subscribe(f, 2)
			}
			pub.publish("secret/x", `{"v":1}`) // stays in flight
			strong.await(wire.PUBLISH)
			if !online {
				strong.send(wire.Disconnect(v, 0, nil))
				strong.Close()
				pub.publish("secret/x", `{"v":2}`) // waits
			}
			pub.publish("open/x", `{"v":3}`)
			thief := connect(t, b, version(v), as(weak), kept(id))
			got := map[string]int{}
			takeAll(thief, got)
			pub.publish("secret/x", `{"v":4}`)
			pub.publish("open/y", `{"v":5}`)
			takeAll(thief, got)
			for topic := range got {
				if !strings.HasPrefix(topic, "open/") {
					t.Errorf("version %d, online %v: the weaker token gets %s", v, online, topic)
				}
			}
			if got["open/x"] == 0 || got["open/y"] == 0 {
				t.Errorf("version %d, online %v: of what it may see came %v", v, online, got)
			}
			thief.send(wire.Disconnect(v, 0, nil))
			thief.Close()
			back := connect(t, b, version(v), as(master), kept(id)) // what was dropped does not come back
			got = map[string]int{}
			takeAll(back, got)
			if got["secret/x"] > 0 {
				t.Errorf("version %d, online %v: what was dropped comes back: %v", v, online, got)
			}
			back.Close()
		}
	}
}

// takeAll counts what comes before a PINGRESP by topic, and acknowledges it.
func takeAll(c *conn, got map[string]int) {
	c.send(wire.Ping())
	for {
		switch p := c.next(); {
		case p == nil:
			c.t.Fatal("the connection ended")
		case p.Type == wire.PINGRESP:
			return
		case p.Type == wire.PUBREL:
			c.send(wire.Ack(c.v, wire.PUBCOMP, p.ID, 0, nil))
		case p.Type == wire.PUBLISH:
			got[p.Topic]++
			if p.QoS > 0 {
				c.send(wire.Ack(c.v, []byte{0, wire.PUBACK, wire.PUBREC}[p.QoS], p.ID, 0, nil))
			}
		}
	}
}

// Row 34 by REST: what the broker says of itself is its own: nobody publishes there,
// "#" neither shows nor deletes it [EXT-TOP-1].
func TestRow34_internalPrefixesByREST(t *testing.T) {
	t.Parallel()
	b := alcovetest.Start(t, alcovetest.Config{})
	_, key := newTenant(t, b, "")
	for _, topic := range []string{"flespi", "flespi/x", "flespi/state/platform/customer/counters/x", "flespi/log/mqtt/sessions/1/created", "$share/g/x", "$filter/payload=v/x"} {
		for _, body := range []string{`{"topic":%q,"payload":"forged"}`, `[{"topic":%q,"payload":"forged","retain":true,"qos":1}]`, `{"topic":%q,"payload":"forged","retained":true}`} {
			status, got := call(t, b, key, "", "POST", "/mqtt/messages", fmt.Sprintf(body, topic))
			if status == 200 && len(got) > 0 {
				t.Errorf("POST to %s: %v", topic, got)
			}
		}
	}
	if status, _ := call(t, b, key, "", "POST", "/mqtt/messages", `{"topic":"$own/x","payload":"x","retain":true}`); status != 200 {
		t.Errorf("POST to $own/x: %d", status)
	}
	for _, filter := range []string{"#", "+", "+/#", "+/x", "$share/g/#", "flespi/#", "flespi/+/#"} {
		_, got := call(t, b, key, "", "GET", "/mqtt/messages/"+url.PathEscape(filter), "")
		for _, m := range got {
			if fmt.Sprint(m["payload"]) == "forged" || strings.HasPrefix(fmt.Sprint(m["topic"]), "$") {
				t.Errorf("GET %s shows %v", filter, m)
			}
		}
		call(t, b, key, "", "DELETE", "/mqtt/messages/"+url.PathEscape(filter), "")
	}
	if _, got := call(t, b, key, "", "GET", "/mqtt/messages/"+url.PathEscape("$own/#"), ""); len(got) != 1 {
		t.Errorf("$own/x after the deletions: %v", got)
	}
	if status, _ := call(t, b, key, "", "DELETE", "/mqtt/messages/"+url.PathEscape("flespi/#"), ""); status == 200 {
		c := connect(t, b, as(key))
		c.ping() // whatever was answered, the broker's own topics are still told anew
	}
}

// Row 55 by account: the bound of one account is its own; others store on.
func TestRow55_boundOfAnAccount(t *testing.T) {
	t.Parallel()
	b := alcovetest.Start(t, alcovetest.Config{})
	limit := fmt.Sprint(rest(t, b, "POST", "/platform/limits", `[{"name":"small","mqtt_retained_storage":200000}]`)[0]["id"])
	_, bomber := newTenant(t, b, `,"limit_id":`+limit)
	_, other := newTenant(t, b, "")
	c := connect(t, b, as(bomber))
	const n = 20000
	refused := storeMany(c, n, func(i int) string { return fmt.Sprint("bomb/", i) }, "x")
	if refused == 0 || refused == n {
		t.Errorf("%d of %d refused", refused, n)
	}
	if refused := storeMany(connect(t, b, as(other)), 5000, func(i int) string { return fmt.Sprint("bomb/", i) }, "x"); refused > 0 {
		t.Errorf("%d of 5000 of another account refused", refused)
	}
	for key, want := range map[string]int{bomber: n - refused, other: 5000} {
		if got := takeRetained(connect(t, b, as(key)), "#", want); got != want {
			t.Errorf("%d retained, want %d", got, want)
		}
	}
	if r := c.publish("bomb/#", ""); r >= 0x80 {
		t.Errorf("a bulk deletion at the bound: %#02x", r)
	}
	if got := takeRetained(connect(t, b, as(other)), "#", 5000); got != 5000 {
		t.Errorf("the deletion left %d of another account", got)
	}
	if refused := storeMany(c, 100, func(i int) string { return fmt.Sprint("new/", i) }, "x"); refused > 0 {
		t.Errorf("%d of 100 refused after the deletion", refused)
	}
}
