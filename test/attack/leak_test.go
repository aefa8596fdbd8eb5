package attack

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"alcove/test/alcovetest"
	"alcove/test/conform/wire"
)

// tenant is one account of the leak hunt.
type tenant struct {
	id, key string
	sees    []int // tenants whose messages come here
}

// actor is one client that does anything at random, and checks all that comes.
type actor struct {
	t       *testing.T
	b       *alcovetest.Broker
	random  *rand.Rand
	tenants []tenant
	own     int // index of its tenant
	name    string
	c       *conn
	nextID  uint16
	got     int
}

// TestRow36_randomOperations lets clients of four accounts use everything at
// once, on the same topics and with the same client ids; nobody ever gets
// another account's message [EXT-ACC-1] [EXT-ACC-2] [EXT-UP-2].
func TestRow36_randomOperations(t *testing.T) {
	t.Parallel()
	const actorsEach, steps = 4, 600
	b := alcovetest.Start(t, alcovetest.Config{})
	tenants := hunted(t, b)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	var actors []*actor
	var wg sync.WaitGroup
	for i := range actorsEach * len(tenants) {
		a := &actor{t: t, b: b, random: rand.New(rand.NewPCG(seed, uint64(i))), tenants: tenants, own: i % len(tenants), name: fmt.Sprint("hunter", i/len(tenants))}
		actors = append(actors, a)
		wg.Go(func() {
			for range steps {
				if t.Failed() {
					return
				}
				a.step()
			}
			a.settle()
		})
	}
	wg.Wait()
	total := 0
	for _, a := range actors {
		total += a.got
	}
	t.Logf("%d messages came", total)
	if total < actorsEach*steps {
		t.Errorf("only %d messages came: the test has not tested much", total)
	}
	others(t, b)
}

// hunted makes a parent with two children and a stranger.
func hunted(t *testing.T, b *alcovetest.Broker) []tenant {
	made := func(auth, in, path string) string {
		status, result := call(t, b, auth, in, "POST", path, `[{"name":"hunt"}]`)
		if status != 200 {
			t.Fatalf("POST %s: %d", path, status)
		}
		key := result[0]["key"]
		if token, ok := result[0]["token"].(map[string]any); ok {
			key = token["key"]
		}
		return fmt.Sprint(result[0]["id"], " ", key)
	}
	var out []tenant
	for _, sees := range [][]int{{0, 1, 2}, nil, nil, {3}} {
		out = append(out, tenant{sees: sees})
	}
	for _, i := range []int{0, 3} {
		out[i].id, out[i].key, _ = strings.Cut(made(b.Token, "", "/platform/customers"), " ")
	}
	for _, i := range []int{1, 2} {
		out[i].id, _, _ = strings.Cut(made(out[0].key, "", "/platform/subaccounts"), " ")
		_, result := call(t, b, out[0].key, out[i].id, "POST", "/platform/tokens", `[{"ttl":3600,"access":{"type":1}}]`)
		out[i].key, out[i].sees = fmt.Sprint(result[0]["key"]), []int{i}
	}
	return out
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

func (a *actor) pick(texts ...string) string { return texts[a.random.IntN(len(texts))] }

func (a *actor) id() uint16 {
	a.nextID++
	return a.nextID%60000 + 1
}

// step does one thing.
func (a *actor) step() {
	if a.c == nil || a.random.IntN(40) == 0 {
		a.connect()
	}
	switch n := a.random.IntN(100); {
	case n < 15:
		a.subscribe()
	case n < 22:
		a.c.send(wire.Unsubscribe(a.c.v, a.id(), a.props(), a.filter()))
	case n < 90:
		a.publish()
	case n < 93:
		a.c.send(wire.Publish{Topic: a.pick("h/+", "h/#", "h/a,b/+", "+/b"), QoS: byte(a.random.IntN(3)), ID: a.id()}.Bytes(a.c.v))
	case n < 97:
		a.query()
	default:
		a.setting()
	}
	a.read()
}

// connect leaves the present connection in one way or another and makes the next.
func (a *actor) connect() {
	if a.c != nil {
		if a.random.IntN(2) == 0 {
			a.c.send(wire.Disconnect(a.c.v, 0, nil))
		}
		a.c.Close()
	}
	a.c = try(a.t, a.b)
	p := hello(a.b, as(a.tenants[a.own].key), kept(a.name))
	if a.random.IntN(3) == 0 {
		p = hello(a.b, version(v311), as(a.tenants[a.own].key), kept(a.name))
	}
	p.Clean = a.random.IntN(5) == 0
	p.Will = &wire.Will{Topic: a.topic(), Payload: a.payload(), QoS: byte(a.random.IntN(3)), Retain: a.random.IntN(2) == 0}
	a.c.v = p.Version
	a.c.send(p.Bytes())
	if ack := a.c.next(); ack == nil || ack.Type != wire.CONNACK || ack.Reason != 0 {
		a.t.Errorf("CONNECT answered by %v", ack)
	}
}

func (a *actor) topic() string {
	return "h/" + a.pick("a", "b", "c", "a,b") + a.pick("", "/a", "/b", "/c/d")
}

func (a *actor) payload() string {
	return fmt.Sprintf(`{"from":%d,"v":%d}`, a.own, a.random.IntN(4))
}

// filter is any form of a filter, sometimes with another account's id.
func (a *actor) filter() string {
	f := a.pick("#", "+/+", "h/#", "h/a,b", "h/+/a,b", "h/a,b/#", "h/a,b/c/d", "h/b")
	if a.random.IntN(3) == 0 {
		f = "$filter/" + a.pick("payload=v>1", "message=qos<2", "message="+percent("retain||qos>0"), "modified_since>1700000000", "cid="+a.tenants[a.random.IntN(4)].id, "payload=from==3&cid="+a.tenants[a.random.IntN(4)].id) + "/" + f
	}
	if a.random.IntN(3) == 0 {
		f = "$share/" + a.pick("g", "h", "g:1:1", "g:2", "g:0:2") + "/" + f
	}
	return f
}

func (a *actor) props() (out wire.Props) {
	if a.random.IntN(6) == 0 {
		out = append(out, wire.User("cid", a.tenants[a.random.IntN(4)].id))
	}
	if a.random.IntN(6) == 0 {
		out = append(out, wire.User("modified_since", "1700000000"))
	}
	return out
}

func (a *actor) subscribe() {
	a.c.send(wire.Subscribe(a.c.v, a.id(), a.props(), wire.Sub{Filter: a.filter(), Options: byte(a.random.IntN(3))}, wire.Sub{Filter: a.filter(), Options: byte(a.random.IntN(3))}))
}

// publish forges whatever names an account.
func (a *actor) publish() {
	props := wire.Props{wire.User("cid", a.tenants[a.random.IntN(4)].id), wire.User("token_id", "1"), wire.User("count_subscribers", "1")}
	if a.random.IntN(4) == 0 {
		props = append(props, wire.User("timestamp", fmt.Sprint(1700000000+a.random.IntN(5))))
	}
	a.c.send(wire.Publish{Topic: a.topic(), Payload: a.payload(), QoS: byte(a.random.IntN(3)), Retain: a.random.IntN(3) == 0, ID: a.id(), Props: props}.Bytes(a.c.v))
}

func (a *actor) query() {
	path := "/mqtt/messages/" + url.PathEscape(a.pick("#", "h/a,b/#", "h/+", "$filter/payload=v>1/#", "$filter/cid="+a.tenants[a.random.IntN(4)].id+"/#"))
	_, result := call(a.t, a.b, a.tenants[a.own].key, "", "GET", path, "")
	for _, r := range result {
		a.check(fmt.Sprint(r["payload"]), fmt.Sprint(r["cid"]))
	}
}

// setting changes how a child's account keeps and replays what it has.
func (a *actor) setting() {
	if a.own == 1 || a.own == 2 {
		body := fmt.Sprintf(`{"settings":{"retained_first":%v,"durability":%q}}`, a.random.IntN(2) == 0, a.pick("sync", "async", "memory"))
		if status, _ := call(a.t, a.b, a.tenants[a.own].key, "", "PUT", "/platform/customer", body); status != 200 {
			a.t.Errorf("PUT settings: %d", status)
		}
	}
}

// check fails the test when a message of the tenant that its payload names may
// not come here, or where cid says something else.
func (a *actor) check(payload, cid string) {
	var m struct{ From int }
	if payload == "" {
		return // a cleared retained message
	}
	if err := json.Unmarshal([]byte(payload), &m); err != nil {
		a.t.Errorf("payload %q", payload)
		return
	}
	a.got++
	if !slices.Contains(a.tenants[a.own].sees, m.From) {
		a.t.Errorf("tenant %d sees a message of tenant %d", a.own, m.From)
	}
	if cid != "" && cid != a.tenants[m.From].id {
		a.t.Errorf("a message of tenant %d has cid %s", m.From, cid)
	}
}

// read takes all that comes until a PINGRESP and answers it.
func (a *actor) read() {
	a.c.send(wire.Ping())
	for {
		p := a.c.next()
		switch {
		case p == nil || p.Type == wire.DISCONNECT:
			a.t.Errorf("the connection of tenant %d ends with %v", a.own, p)
			a.connect()
			return
		case p.Type == wire.PINGRESP:
			return
		case p.Type == wire.PUBREC && p.Reason < 0x80:
			a.c.send(wire.Ack(a.c.v, wire.PUBREL, p.ID, 0, nil))
		case p.Type == wire.PUBREL:
			a.c.send(wire.Ack(a.c.v, wire.PUBCOMP, p.ID, 0, nil))
		case p.Type == wire.PUBLISH:
			a.delivery(p)
		}
	}
}

func (a *actor) delivery(p *wire.Packet) {
	switch p.QoS {
	case 1:
		a.c.send(wire.Ack(a.c.v, wire.PUBACK, p.ID, 0, nil))
	case 2:
		a.c.send(wire.Ack(a.c.v, wire.PUBREC, p.ID, 0, nil))
	}
	cid, stamps := "", map[string]int{}
	for _, u := range p.Props.All(wire.UserProperty) {
		stamps[u.Text]++
		if u.Text == "cid" {
			cid = u.Value
		}
	}
	if a.c.v == v5 && (stamps["cid"] != 1 || stamps["token_id"] != 1 || stamps["timestamp"] != 1) {
		a.t.Errorf("stamps %v in %v", stamps, p)
	}
	a.check(p.Payload, cid)
}

// settle reads what still comes.
func (a *actor) settle() {
	for range 5 {
		if a.c != nil {
			a.read()
		}
	}
}
