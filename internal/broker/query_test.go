package broker_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"alcove/internal/auth"
	"alcove/internal/broker"
	"alcove/internal/mqtt"
	"alcove/internal/store"
)

// retain publishes a retained message of account 1 and flushes the turn.
func (x *bulkBroker) retainTopic(tb testing.TB, topic, payload string) {
	x.turn.Begin(time.Now())
	x.publish = mqtt.Publish{Topic: []byte(topic), Payload: []byte(payload), Retain: true}
	if err := x.link.Publish(x.turn, &x.publish); err != nil {
		tb.Fatal(err)
	}
	x.turn.End()
}

func (x *bulkBroker) query(tb testing.TB, q broker.RetainedQuery) (got []string) {
	if q.Account == 0 {
		q.Account = 1
	}
	if err := x.b.Retained(q, func(m *broker.Message) bool {
		got = append(got, fmt.Sprintf("%s=%s", m.Topic, m.Payload))
		return true
	}); err != nil {
		tb.Fatal(err)
	}
	if n, err := x.b.RetainedCount(q); err != nil || n != len(got) {
		tb.Fatalf("%d counted, %d found: %v", n, len(got), err)
	}
	return got
}

// TestRetainedQuery asks as REST does [EXT-SEL-1] [EXT-RET-3] [EXT-TOK-7].
func TestRetainedQuery(t *testing.T) {
	x := newBulkBroker(t, store.NewMemory(), "sync")
	for i := range 300 {
		x.retainTopic(t, fmt.Sprintf("v/%03d/speed", i), fmt.Sprint(i))
	}
	x.retainTopic(t, "$sys", "hidden")
	var since int64
	_ = x.b.Retained(broker.RetainedQuery{Account: 1, Filter: "v/297/+"}, func(m *broker.Message) bool {
		since = m.Stamp
		return true
	})
	for _, c := range []struct {
		q    broker.RetainedQuery
		want string
		n    int
	}{
		{broker.RetainedQuery{Filter: "#"}, "v/000/speed=0", 300},
		{broker.RetainedQuery{Filter: "$sys"}, "$sys=hidden", 1},
		{broker.RetainedQuery{Filter: "v/1,017,200/speed,place"}, "v/017/speed=17 v/200/speed=200", 2},
		{broker.RetainedQuery{Filter: "#", Since: since}, "v/298/speed=298 v/299/speed=299 $sys", 2},
		{broker.RetainedQuery{Filter: "#", Skip: 299}, "v/299/speed=299", 1},
		{broker.RetainedQuery{Filter: "#", Skip: 301}, "", 0},
		{broker.RetainedQuery{Filter: "#", May: func(n []byte) bool { return strings.HasPrefix(string(n), "v/15") }}, "v/150/speed=150", 10},
		{broker.RetainedQuery{Filter: "w/#"}, "", 0},
	} {
		got := x.query(t, c.q)
		first := got[:min(len(got), 2)]
		if len(got) != c.n || !strings.HasPrefix(c.want, strings.Join(first, " ")) && !strings.HasPrefix(strings.Join(first, " "), c.want) {
			t.Errorf("%s: %d found, not %d, beginning with %v", c.q.Filter, len(got), c.n, first)
		}
	}
	if err := x.b.Retained(broker.RetainedQuery{Account: 77, Filter: "#"}, nil); err == nil {
		t.Error("an account that is not there was searched")
	}
	n := 0
	_ = x.b.Retained(broker.RetainedQuery{Account: 1, Filter: "#"}, func(*broker.Message) bool { n++; return n < 150 })
	if n != 150 {
		t.Errorf("%d given after the end", n)
	}
}

// TestRetainedQueryFamily: descendants are searched where that is asked for, a bulk
// deletion stays in the account [EXT-RET-2].
func TestRetainedQueryFamily(t *testing.T) {
	x := newBulkBroker(t, store.NewMemory(), "sync")
	name := "below"
	child, err := x.d.CreateAccount(1, auth.AccountSpec{Name: &name}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	ttl := int64(1000)
	_, key, err := x.d.CreateToken(child.ID, auth.TokenSpec{TTL: &ttl}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	x.retainTopic(t, "t", "own")
	own, grant := x.link, x.grant
	if x.grant, err = x.d.LoginKey(key, testAddr.Addr(), time.Now()); err != nil {
		t.Fatal(err)
	}
	x.link = x.connect(t, &mute{}, "c")
	x.retainTopic(t, "t", "below")
	if got := x.query(t, broker.RetainedQuery{Filter: "#"}); !slices.Equal(got, []string{"t=own"}) {
		t.Error(got)
	}
	if got := x.query(t, broker.RetainedQuery{Filter: "#", Recursive: true}); !slices.Equal(got, []string{"t=own", "t=below"}) {
		t.Error(got)
	}
	if n, err := x.b.DeleteRetained(context.Background(), 1, "#", nil); n != 1 || err != nil {
		t.Error(n, err)
	}
	if got := x.query(t, broker.RetainedQuery{Filter: "#", Recursive: true}); !slices.Equal(got, []string{"t=below"}) {
		t.Error(got)
	}
	if n, bytes := x.b.RetainedUse(1); n != 0 || bytes != 0 {
		t.Errorf("%d messages of %d bytes are left", n, bytes)
	}
	x.link, x.grant = own, grant
}

// TestRetainedQueryWhileStored: a message that is there all the time is given,
// however often it is replaced meanwhile, at most twice; a query by timestamp ends
// though everything keeps moving to its end.
func TestRetainedQueryWhileStored(t *testing.T) {
	x := newBulkBroker(t, store.NewMemory(), "memory")
	const n = 1000
	for i := range n {
		x.retainTopic(t, fmt.Sprint("t/", i), "0")
	}
	for _, since := range []int64{0, 1} {
		got := map[string]int{}
		i := 0
		if err := x.b.Retained(broker.RetainedQuery{Account: 1, Filter: "t/#", Since: since}, func(m *broker.Message) bool {
			got[string(m.Topic)]++
			i += 7
			x.retainTopic(t, fmt.Sprint("t/", i%n), "1")
			return true
		}); err != nil {
			t.Fatal(err)
		}
		for topic, times := range got {
			if times > 2 {
				t.Errorf("since %d: %s came %d times", since, topic, times)
			}
		}
		if len(got) != n {
			t.Errorf("since %d: %d topics of %d", since, len(got), n)
		}
	}
}

// TestRetainedStress does everything at once; the race detector watches. What is
// stored after a deletion began stays.
func TestRetainedStress(t *testing.T) {
	x := newBulkBroker(t, store.NewMemory(), "sync")
	const loops, rounds = 3, 3000
	var wg sync.WaitGroup
	for l := range loops {
		link := x.connect(t, &mute{}, fmt.Sprint("l", l))
		wg.Go(func() {
			turn := x.b.NewTurn()
			for i := range rounds {
				turn.Begin(time.Now())
				p := mqtt.Publish{Topic: fmt.Appendf(nil, "t/%d/%d", l, i%500), Payload: []byte("x"), Retain: true}
				if err := link.Publish(turn, &p); err != nil {
					t.Error(err)
				}
				turn.End()
			}
		})
	}
	stop := make(chan struct{})
	var others sync.WaitGroup
	for _, f := range []func(){
		func() { _, _ = x.b.DeleteRetained(context.Background(), 1, "t/+/1,2,3,4,5,6,7", nil) },
		func() { _, _ = x.b.DeleteRetained(context.Background(), 1, "#", nil) },
		func() {
			_ = x.b.Retained(broker.RetainedQuery{Account: 1, Filter: "#", Since: 1}, func(m *broker.Message) bool { return len(m.Payload) == 1 })
		},
		func() { _, _ = x.b.RetainedCount(broker.RetainedQuery{Account: 1, Filter: "t/1/#", Recursive: true}) },
	} {
		others.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					f()
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	others.Wait()
	x.retainTopic(t, "last", "x")
	left := x.query(t, broker.RetainedQuery{Filter: "#"})
	if n, _ := x.b.RetainedUse(1); n != len(left) || int64(n) != x.b.Stats().Retained.Load() {
		t.Errorf("%d left, %d counted, %d in the statistics", len(left), n, x.b.Stats().Retained.Load())
	}
	if n, err := x.b.DeleteRetained(context.Background(), 1, "#", nil); n != len(left) || err != nil {
		t.Errorf("%d deleted of %d: %v", n, len(left), err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := x.b.DeleteRetained(ctx, 1, "#", nil); err == nil {
		t.Error("deleted though nobody waits")
	}
}

// TestRetainedBomb: many clients subscribe to everything where very much is retained.
// Each gets it all, a page at a time, so that others come between; what waits is a
// position [EXT-RET-4]. Row 55 of the attacks.
func TestRetainedBomb(t *testing.T) {
	x := newBulkBroker(t, store.NewMemory(), "memory")
	const n, clients = 20_000, 10
	x.turn.Begin(time.Now())
	for i := range n {
		x.publish = mqtt.Publish{Topic: fmt.Appendf(nil, "bomb/%d", i), Payload: []byte("x"), Retain: true}
		if err := x.link.Publish(x.turn, &x.publish); err != nil {
			t.Fatal(err)
		}
	}
	x.turn.End()
	var outs []*mute
	for i := range clients {
		out := &mute{}
		outs = append(outs, out)
		link := x.connect(t, out, fmt.Sprint("c", i))
		var p mqtt.Subscribe
		p.PacketID = 1
		p.Add([]string{"#", "bomb/+"}[i%2], mqtt.SubscribeOptions{})
		x.subscribe(t, link, &p)
		x.turn.End()
	}
	for busy := true; busy; {
		busy = false
		for _, out := range outs {
			if len(out.posted) == 0 {
				continue
			}
			f, before := out.posted[0], out.sent
			out.posted = out.posted[1:]
			x.turn.Begin(time.Now())
			f(x.turn)
			x.turn.End()
			busy = true
			if got := out.sent - before; got > 100 || len(out.posted) > 1 {
				t.Fatalf("%d messages in one step, %d steps posted", got, len(out.posted))
			}
		}
	}
	for i, out := range outs {
		if out.sent != n {
			t.Errorf("client %d got %d messages of %d", i, out.sent, n)
		}
	}
}

// waker is an Outlet that counts what it is sent, and notes that it is to be woken.
type waker struct {
	mute
	answers int
	woken   bool
}

func (w *waker) Send(*broker.Turn, []byte) { w.answers++ }
func (w *waker) Wake()                     { w.woken = true }

// subscribe sends p, through the codec, which keeps the filters.
func (x *bulkBroker) subscribe(t *testing.T, link broker.Link, p *mqtt.Subscribe) {
	t.Helper()
	raw := p.Append(nil, mqtt.V5)
	h, n, _ := mqtt.DecodeHeader(raw)
	var q mqtt.Subscribe
	if err := q.Decode(mqtt.V5, h, raw[n:]); err != nil {
		t.Fatal(err)
	}
	if err := link.Subscribe(x.turn, &q); err != nil {
		t.Fatal(err)
	}
}

// TestManyReplaysOneClient: a client that asks a thousand times for what nothing
// meets takes no more of a turn than the bound allows, whether it asks in one packet or
// in many; each request is answered, and others come between [EXT-RET-4]. Row 55 of the
// attacks.
func TestManyReplaysOneClient(t *testing.T) {
	x := newBulkBroker(t, store.NewMemory(), "memory")
	const n, filters = 3000, 300
	x.turn.Begin(time.Now())
	for i := range n {
		x.publish = mqtt.Publish{Topic: fmt.Appendf(nil, "many/%d", i), Payload: []byte(`{"a":1}`), Retain: true}
		if err := x.link.Publish(x.turn, &x.publish); err != nil {
			t.Fatal(err)
		}
	}
	x.turn.End()
	out := &waker{}
	link := x.connect(t, out, "asks")
	out.answers = 0
	x.turn.Begin(time.Now())
	for i := range filters {
		p := mqtt.Subscribe{PacketID: uint16(i + 1)}
		p.Add(fmt.Sprintf("$filter/payload=a==-%d/many/#", i+1), mqtt.SubscribeOptions{})
		x.subscribe(t, link, &p)
	}
	x.turn.End()
	// A first page looks at 250 messages, and a turn at some 1,000.
	if out.answers == 0 || out.answers > 8 || !out.woken {
		t.Fatalf("%d answers in the first turn, woken %v", out.answers, out.woken)
	}
	for rounds := 0; out.woken || len(out.posted) > 0; rounds++ {
		if rounds > 100*filters {
			t.Fatal("it does not end")
		}
		before, posted := out.answers, out.posted
		out.posted = nil
		x.turn.Begin(time.Now())
		for _, f := range posted {
			f(x.turn)
		}
		if out.woken {
			out.woken = false
			link.Ripe(x.turn)
		}
		x.turn.End()
		if got := out.answers - before; got > 8 || len(out.posted) > 1 {
			t.Fatalf("%d answers in one turn, %d steps posted", got, len(out.posted))
		}
	}
	if out.answers != filters || out.sent != 0 {
		t.Errorf("%d answers, %d messages", out.answers, out.sent)
	}
}

// TestTurnIsLaden: a message that is dear to filter makes the turn one after which its
// publisher waits, a cheap one does not, and the next turn begins anew [EXT-EXP-2].
// Row 33 of the attacks.
func TestTurnIsLaden(t *testing.T) {
	x := newBulkBroker(t, store.NewMemory(), "memory")
	link := x.connect(t, &mute{}, "asks")
	p := mqtt.Subscribe{PacketID: 1}
	for i := range 20 {
		p.Add(fmt.Sprintf("$filter/payload=%sa==%d/dear", strings.Repeat("a*", 1500), i), mqtt.SubscribeOptions{})
	}
	p.Add("$filter/payload=a==7/cheap", mqtt.SubscribeOptions{})
	x.subscribe(t, link, &p)
	x.turn.End()
	for _, topic := range []string{"cheap", "dear", "cheap"} {
		x.turn.Begin(time.Now())
		x.publish = mqtt.Publish{Topic: []byte(topic), Payload: []byte(`{"a":1}`)}
		if err := x.link.Publish(x.turn, &x.publish); err != nil {
			t.Fatal(err)
		}
		if laden := x.turn.Laden(); laden != (topic == "dear") {
			t.Errorf("%s: laden %v", topic, laden)
		}
		x.turn.End()
	}
}
