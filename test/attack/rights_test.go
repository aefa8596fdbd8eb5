package attack

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"alcove/test/alcovetest"
	"alcove/test/conform/wire"
)

// soon is how long a change of rights may take to act: the contract's second, and what
// a laden machine adds.
const soon = 5 * time.Second

// enter opens a connection by a transport, which must be accepted.
func enter(t testing.TB, b *alcovetest.Broker, transport int, change ...func(*wire.Connect)) *conn {
	t.Helper()
	c := wrap(t, transports[transport].open(t, b))
	p := hello(b, change...)
	c.v = p.Version
	c.send(p.Bytes())
	if ack := c.await(wire.CONNACK); ack.Reason != 0 {
		t.Fatalf("%s: CONNECT answered by %v", transports[transport].name, ack)
	}
	return c
}

// mustCall is a REST request that must succeed.
func mustCall(t testing.TB, b *alcovetest.Broker, key, in, method, path, body string) []map[string]any {
	t.Helper()
	status, result := call(t, b, key, in, method, path, body)
	if status != 200 || len(result) == 0 {
		t.Fatalf("%s %s %s: %d, %v", method, path, body, status, result)
	}
	return result
}

// customer makes a top-level account and returns its id and its master's key.
func customer(t testing.TB, b *alcovetest.Broker) (id, key string) {
	t.Helper()
	r := mustCall(t, b, b.Token, "", "POST", "/platform/customers", `[{"name":"attacked"}]`)[0]
	k := r["key"]
	if nested, ok := r["token"].(map[string]any); ok {
		k = nested["key"]
	}
	return fmt.Sprint(r["id"]), fmt.Sprint(k)
}

// tokenOf makes a token of an account, by its master.
func tokenOf(t testing.TB, b *alcovetest.Broker, master, fields string) (id, key string) {
	t.Helper()
	r := mustCall(t, b, master, "", "POST", "/platform/tokens", "[{"+fields+"}]")[0]
	return fmt.Sprint(r["id"]), fmt.Sprint(r["key"])
}

// revocations are the changes after which a token's connections end, each of which is
// made to a token (with these fields) of an account of its own.
var revocations = []struct {
	name, fields string
	do           func(t *testing.T, b *alcovetest.Broker, master, account, token string)
}{
	{"deleted", `"ttl":3600`, func(t *testing.T, b *alcovetest.Broker, master, _, token string) {
		mustCall(t, b, master, "", "DELETE", "/platform/tokens/"+token, "")
	}},
	{"disabled", `"ttl":3600`, func(t *testing.T, b *alcovetest.Broker, master, _, token string) {
		mustCall(t, b, master, "", "PUT", "/platform/tokens/"+token, `{"enabled":false}`)
	}},
	{"lapsed", `"expire":%d`, func(t *testing.T, b *alcovetest.Broker, _, _, _ string) {}},
	{"made to lapse", `"ttl":3600`, func(t *testing.T, b *alcovetest.Broker, master, _, token string) {
		mustCall(t, b, master, "", "PUT", "/platform/tokens/"+token, `{"ttl":0,"expire":1000000000}`)
	}},
	{"from elsewhere only", `"ttl":3600`, func(t *testing.T, b *alcovetest.Broker, master, _, token string) {
		mustCall(t, b, master, "", "PUT", "/platform/tokens/"+token, `{"ips":"203.0.113.0/24"}`)
	}},
	{"blocked", `"ttl":3600`, func(t *testing.T, b *alcovetest.Broker, _, account, _ string) {
		mustCall(t, b, b.Token, "", "PUT", "/platform/customers/"+account, `{"blocked":1}`)
	}},
	{"of a deleted account", `"ttl":3600`, func(t *testing.T, b *alcovetest.Broker, _, account, _ string) {
		mustCall(t, b, b.Token, "", "DELETE", "/platform/customers/"+account, "")
	}},
}

// revocable makes a token for one of the revocations.
func revocable(t *testing.T, b *alcovetest.Broker, i int) (account, master, id, key string) {
	t.Helper()
	account, master = customer(t, b)
	fields := revocations[i].fields
	if strings.Contains(fields, "%d") {
		fields = fmt.Sprintf(fields, time.Now().Unix()+3)
	}
	id, key = tokenOf(t, b, master, fields)
	return account, master, id, key
}

// ended checks that a connection ends soon, with 0x87 where it is told.
func (c *conn) ended(t *testing.T, since time.Time, what string) {
	t.Helper()
	c.SetReadDeadline(since.Add(soon))
	var last *wire.Packet
	for {
		p, err := wire.Read(c.r, c.v)
		if err != nil {
			break
		}
		last = p
	}
	switch took := time.Since(since); {
	case took >= soon:
		t.Errorf("%s: still open", what)
	case c.v == v5 && (last == nil || last.Type != wire.DISCONNECT || last.Reason != 0x87):
		t.Errorf("%s: the last packet was %v", what, last)
	default:
		t.Logf("%s: ended after %v", what, took.Round(time.Millisecond))
	}
}

// listen opens an event stream [EXT-REST-8] and returns what is closed at its end.
func listen(t *testing.T, b *alcovetest.Broker, key string) <-chan struct{} {
	t.Helper()
	req, err := http.NewRequest("GET", "http://"+b.HTTP+"/mqtt/stream/any", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "FlespiToken "+key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v, %v", resp, err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	end := make(chan struct{})
	go func() {
		io.Copy(io.Discard, resp.Body)
		close(end)
	}()
	return end
}

// TestRow27_revokedWhileConnected: each revocation ends the token's connections on each
// transport, in both versions, and drops their Wills [EXT-TOK-8] [EXT-TOK-9]
// [EXT-ACC-4].
func TestRow27_revokedWhileConnected(t *testing.T) {
	t.Parallel()
	b := everyDoor(t, "")
	for i, r := range revocations {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			account, master, id, key := revocable(t, b, i)
			sub := connect(t, b, as(master))
			sub.subscribe("will/#", 0)
			var all []*conn
			var names []string
			for tr := range transports {
				for _, v := range []byte{v5, v311} {
					will := func(p *wire.Connect) { p.Will = &wire.Will{Topic: "will/" + name(), Payload: "x"} }
					all = append(all, enter(t, b, tr, as(key), version(v), will))
					names = append(names, fmt.Sprintf("%s version %d", transports[tr].name, v))
				}
			}
			stream := listen(t, b, key)
			since := time.Now()
			if r.name == "lapsed" {
				since = since.Add(3 * time.Second)
			}
			r.do(t, b, master, account, id)
			for k, c := range all {
				c.ended(t, since, names[k])
			}
			select {
			case <-stream:
			case <-time.After(soon):
				t.Error("the event stream is still open")
			}
			if r.name == "blocked" || r.name == "of a deleted account" {
				return // nobody is left who could see a Will
			}
			if n := sub.count(); n != 0 {
				t.Errorf("%d Wills of the token came", n)
			}
		})
	}
}

// TestRow27_revokedBeforeTheWill: a Will that is still to come when its token goes is
// dropped, whichever way its time comes, and the log says so (530) [EXT-TOK-9].
func TestRow27_revokedBeforeTheWill(t *testing.T) {
	t.Parallel()
	b := everyDoor(t, "")
	for _, way := range []struct {
		name          string
		expiry, delay uint32
		then          func(t *testing.T, b *alcovetest.Broker, id string)
	}{
		{"its delay ends", 60, 2, func(*testing.T, *alcovetest.Broker, string) {}},
		{"its session ends first", 2, 60, func(*testing.T, *alcovetest.Broker, string) {}},
		{"another token begins anew", 60, 60, func(t *testing.T, b *alcovetest.Broker, id string) {
			connect(t, b, func(p *wire.Connect) { p.ClientID = id })
		}},
		{"its session is deleted", 60, 60, func(t *testing.T, b *alcovetest.Broker, id string) {
			rest(t, b, "DELETE", "/mqtt/sessions/client_id="+id, "")
		}},
	} {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			sub, id, topic := connect(t, b), name(), "late/"+name()
			sub.subscribe(topic, 0)
			tokenID, key := token(t, b, `"access":{"type":0}`)
			c := connect(t, b, as(key), func(p *wire.Connect) {
				p.ClientID, p.Props = id, wire.Props{wire.Num(wire.SessionExpiry, way.expiry)}
				p.Will = &wire.Will{Topic: topic, Payload: "x", Props: wire.Props{wire.Num(wire.WillDelay, way.delay)}}
			})
			c.Close()
			rest(t, b, "DELETE", "/platform/tokens/"+tokenID, "")
			way.then(t, b, id)
			time.Sleep(4 * time.Second)
			if n := sub.count(); n != 0 {
				t.Error("the Will came")
			}
		})
	}
}

// TestRow27_revokedBeforeARestart: a Will in the log, whose token has gone, is dropped
// by the broker's next start as well.
func TestRow27_revokedBeforeARestart(t *testing.T) {
	t.Parallel()
	b := alcovetest.Start(t, alcovetest.Config{})
	watcher := kept("watcher")
	connect(t, b, watcher).subscribe("late/#", 1)
	tokenID, key := token(t, b, `"access":{"type":0}`)
	for _, delay := range []uint32{0, 60} {
		connect(t, b, as(key), with(wire.Num(wire.SessionExpiry, 1)), func(p *wire.Connect) {
			p.Will = &wire.Will{Topic: "late/x", Payload: "x", QoS: 1, Props: wire.Props{wire.Num(wire.WillDelay, delay)}}
		}).ping()
	}
	// Deleting the token ends the connections; killed before, or after: no Will.
	rest(t, b, "DELETE", "/platform/tokens/"+tokenID, "")
	b.Kill()
	b.Restart()
	time.Sleep(2 * time.Second)
	if n := connect(t, b, watcher).count(); n != 0 {
		t.Errorf("%d Wills came", n)
	}
}

// TestRow28_retainedStays: what a token has retained stays when it is revoked, and
// readers are checked at each replay [EXT-TOK-7] [EXT-TOK-9].
func TestRow28_retainedStays(t *testing.T) {
	t.Parallel()
	b := alcovetest.Start(t, alcovetest.Config{})
	tokenID, key := token(t, b, `"access":{"type":0}`)
	c := connect(t, b, as(key))
	for _, topic := range []string{"kept/1", "kept/2"} {
		c.send(wire.Publish{Topic: topic, Payload: "stays", QoS: 1, ID: 1, Retain: true}.Bytes(v5))
		c.await(wire.PUBACK)
	}
	readerID, reader := token(t, b, acl("kept/#", `"subscribe"`))
	r := connect(t, b, as(reader))
	if n := r.replayed("kept/#"); n != 2 {
		t.Errorf("%d of 2 retained messages", n)
	}
	since := time.Now()
	rest(t, b, "DELETE", "/platform/tokens/"+tokenID, "")
	c.ended(t, since, "the publisher")
	rest(t, b, "PUT", "/platform/tokens/"+readerID, "{"+acl("kept/2", `"subscribe"`)+"}")
	r.eventually(t, func() bool { return r.replayed("kept/#") == 1 }, "the reader still sees both")
	if n := connect(t, b).replayed("kept/#"); n != 2 {
		t.Errorf("%d retained messages are left of 2", n)
	}
}

// replayed subscribes and counts what is retained; it may come before the SUBACK.
func (c *conn) replayed(filter string) int {
	c.send(wire.Subscribe(c.v, 1, nil, wire.Sub{Filter: filter}))
	return c.count()
}

// eventually waits until a change has acted.
func (c *conn) eventually(t *testing.T, acted func() bool, what string) {
	t.Helper()
	for end := time.Now().Add(soon); !acted(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Error(what)
			return
		}
	}
}

// TestRow29_queueUnderOtherRights: a queue is checked message by message when it goes
// out, under the same token with less rights, or under another one [EXT-TOK-7]
// [EXT-SES-1].
func TestRow29_queueUnderOtherRights(t *testing.T) {
	t.Parallel()
	b := alcovetest.Start(t, alcovetest.Config{})
	pub := connect(t, b)
	for _, same := range []bool{true, false} {
		base := "queue/" + name()
		tokenID, key := token(t, b, acl(base+"/#", `"subscribe"`))
		id := name()
		c := connect(t, b, as(key), kept(id))
		c.subscribe(base+"/#", 1)
		c.Close()
		for _, last := range []string{"/1", "/2", "/3"} {
			pub.publish(base+last, last)
		}
		if same {
			rest(t, b, "PUT", "/platform/tokens/"+tokenID, "{"+acl(base+"/2", `"subscribe"`)+"}")
		} else {
			rest(t, b, "DELETE", "/platform/tokens/"+tokenID, "")
			_, key = token(t, b, acl(base+"/2", `"subscribe"`))
		}
		c = connect(t, b, as(key), kept(id))
		if p := c.receive(); p.Payload != "/2" {
			t.Errorf("same token %v: %v", same, p)
		}
		if n := c.count(); n != 0 {
			t.Errorf("same token %v: %d more", same, n)
		}
	}
}

// TestRow30_filtersReauthorised: a subscription whose right has gone is removed, on
// resumption and on a live connection, and does not come back with the right
// [EXT-TOK-8] [EXT-SES-1].
func TestRow30_filtersReauthorised(t *testing.T) {
	t.Parallel()
	b := alcovetest.Start(t, alcovetest.Config{})
	pub := connect(t, b)
	for _, live := range []bool{true, false} {
		base := "filter/" + name()
		all := acl(base+"/#", `"subscribe"`)
		tokenID, key := token(t, b, all)
		id := name()
		c := connect(t, b, as(key), kept(id))
		for _, filter := range []string{base + "/secret", "$share/g/" + base + "/secret", base + "/open"} {
			c.subscribe(filter, 1)
		}
		if !live {
			c.Close()
		}
		rest(t, b, "PUT", "/platform/tokens/"+tokenID, "{"+acl(base+"/open", `"subscribe"`)+"}")
		if live {
			time.Sleep(1200 * time.Millisecond) // changes act within a second
		} else {
			c = connect(t, b, as(key), kept(id))
		}
		for _, fields := range []string{"", all} {
			if fields != "" {
				rest(t, b, "PUT", "/platform/tokens/"+tokenID, "{"+fields+"}")
				time.Sleep(1200 * time.Millisecond)
			}
			pub.publish(base+"/secret", "secret")
			pub.publish(base+"/open", "open")
			if p := c.receive(); p.Payload != "open" {
				t.Errorf("live %v: %v", live, p)
			}
			if n := c.count(); n != 0 {
				t.Errorf("live %v: %d more", live, n)
			}
		}
	}
}

// TestRow29_shareGroup: what a member may no longer see goes to one that may
// [EXT-TOK-7].
func TestRow29_shareGroup(t *testing.T) {
	t.Parallel()
	b := alcovetest.Start(t, alcovetest.Config{})
	base := "share/" + name()
	tokenID, key := token(t, b, acl(base+"/#", `"subscribe"`))
	one, two, pub := connect(t, b, as(key)), connect(t, b), connect(t, b)
	for _, c := range []*conn{one, two} {
		c.subscribe("$share/g/"+base+"/#", 1)
	}
	rest(t, b, "PUT", "/platform/tokens/"+tokenID, "{"+acl(base+"/open", `"subscribe"`)+"}")
	time.Sleep(1200 * time.Millisecond)
	for range 20 {
		pub.publish(base+"/secret", "secret")
	}
	if got := two.count(); got != 20 {
		t.Errorf("the member that may got %d of 20", got)
	}
	if got := one.count(); got != 0 {
		t.Errorf("the member that may not got %d", got)
	}
	for range 20 {
		pub.publish(base+"/open", "open")
	}
	if a, b := one.count(), two.count(); a+b != 20 || a == 0 {
		t.Errorf("of what both may see: %d and %d", a, b)
	}
}

// TestTimeToLiveOfAToken: a live session keeps its token, and without one the token
// goes [EXT-TOK-3].
func TestTimeToLiveOfAToken(t *testing.T) {
	t.Parallel()
	b := alcovetest.Start(t, alcovetest.Config{})
	r := rest(t, b, "POST", "/platform/tokens", `[{"ttl":2}]`)[0]
	key := fmt.Sprint(r["key"])
	c := connect(t, b, as(key))
	time.Sleep(4500 * time.Millisecond)
	c.ping()
	status, again := call(t, b, b.Token, "", "GET", "/platform/tokens/"+fmt.Sprint(r["id"]), "")
	if status != 200 || len(again) != 1 {
		t.Fatalf("the token of a live session: %d, %v", status, again)
	}
	c.Close()
	c.eventually(t, func() bool {
		status, gone := call(t, b, b.Token, "", "GET", "/platform/tokens/"+fmt.Sprint(r["id"]), "")
		return status == 404 || len(gone) == 0
	}, "the token outlives its time")
	d := dial(t, b)
	d.send(hello(b, as(key)).Bytes())
	d.closed(0x86)
}

// TestSessionExpiryMaxLowered: sessions that are there live no longer than their
// account now lets them [EXT-SES-2] [EXT-ACC-5].
func TestSessionExpiryMaxLowered(t *testing.T) {
	t.Parallel()
	b := alcovetest.Start(t, alcovetest.Config{})
	_, master := customer(t, b)
	long := func(id string) func(*wire.Connect) {
		return func(p *wire.Connect) {
			p.User, p.ClientID, p.Clean = &master, id, false
			p.Props = wire.Props{wire.Num(wire.SessionExpiry, 100_000)}
		}
	}
	present := func(id string) bool {
		c := dial(t, b)
		c.send(hello(b, long(id)).Bytes())
		ack := c.await(wire.CONNACK)
		c.Close()
		return ack.SessionPresent
	}
	connect(t, b, long("offline")).Close()
	online := connect(t, b, long("online"))
	mustCall(t, b, master, "", "PUT", "/platform/customer", `{"settings":{"session_expiry_max":1}}`)
	online.ping()
	time.Sleep(3 * time.Second)
	online.ping()
	if present("offline") {
		t.Error("an offline session is still there")
	}
	online.Close()
	time.Sleep(3 * time.Second)
	if present("online") {
		t.Error("a session whose connection ended later is still there")
	}
	// And so after a restart.
	mustCall(t, b, master, "", "PUT", "/platform/customer", `{"settings":{"session_expiry_max":100000}}`)
	c := connect(t, b, long("stopped"))
	mustCall(t, b, master, "", "PUT", "/platform/customer", `{"settings":{"session_expiry_max":0}}`)
	c.ping()
	b.Kill()
	b.Restart()
	if present("stopped") {
		t.Error("a session that may not outlive its connection outlives the broker")
	}
}
