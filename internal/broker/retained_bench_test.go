package broker_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"alcove/internal/auth"
	"alcove/internal/broker"
	"alcove/internal/mqtt"
	"alcove/internal/store"
)

// millions is how many retained messages the benchmarks store: ten millions, or with
// -short a tenth of one.
func millions(b *testing.B) int {
	if testing.Short() {
		return 100_000
	}
	return 10_000_000
}

// bulkBroker is a broker whose operator publishes retained messages.
type bulkBroker struct {
	b       *broker.Broker
	turn    *broker.Turn
	d       *auth.Directory
	link    broker.Link
	grant   *auth.Grant
	publish mqtt.Publish
	buf     []byte
	end     func()
}

// mute is an Outlet that counts.
type mute struct {
	sent   int
	posted []func(*broker.Turn)
}

func (m *mute) Deliver(*broker.Turn, *broker.Delivery) broker.Outcome { m.sent++; return broker.Sent }
func (m *mute) Send(*broker.Turn, []byte)                             {}
func (m *mute) End(*broker.Turn, mqtt.ReasonCode, string)             {}
func (m *mute) Wake()                                                 {}
func (m *mute) Post(f func(*broker.Turn))                             { m.posted = append(m.posted, f) }
func (m *mute) Flush()                                                {}
func (m *mute) Sent() uint64                                          { return 0 }

// Peer implements broker.Outlet.
func (m *mute) Peer() (netip.AddrPort, string) { return testAddr, "tcp" }

func newBulkBroker(b testing.TB, log *store.Store, durability string) *bulkBroker {
	key := strings.Repeat("k", 64)
	d, err := auth.Open(auth.Config{OperatorToken: key}, log, nil)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := d.UpdateAccount(1, auth.AccountSpec{Settings: &auth.Settings{Durability: &durability}}); err != nil {
		b.Fatal(err)
	}
	x := &bulkBroker{d: d}
	if x.b, err = broker.New(broker.Config{Log: log, Directory: d}); err != nil {
		b.Fatal(err)
	}
	x.end = sync.OnceFunc(func() {
		if err := errors.Join(x.b.Close(), log.Close()); err != nil {
			b.Error(err)
		}
	})
	b.Cleanup(x.end)
	x.turn = x.b.NewTurn()
	if x.grant, err = d.LoginKey(key, netip.MustParseAddr("127.0.0.1"), time.Now()); err != nil {
		b.Fatal(err)
	}
	x.link = x.connect(b, &mute{}, "p")
	return x
}

func (x *bulkBroker) connect(b testing.TB, o broker.Outlet, id string) (link broker.Link) {
	p := &mqtt.Connect{Version: mqtt.V5, ClientID: []byte(id), CleanStart: true, Props: mqtt.NewConnectProps()}
	x.turn.Begin(time.Now())
	x.b.Connect(x.turn, &broker.ConnectRequest{Packet: p, Grant: x.grant, Outlet: o},
		func(_ *broker.Turn, c broker.Connected, err error) {
			if err != nil {
				b.Fatal(err)
			}
			link = c.Link
		})
	x.turn.End()
	return link
}

// topic of the i-th message, of some 30 bytes.
func (x *bulkBroker) topic(i int) []byte {
	x.buf = append(x.buf[:0], "fleet/eu/vehicle/"...)
	x.buf = append(x.buf, fmt.Sprintf("%08d", i/2)...)
	if i%2 == 0 {
		return append(x.buf, "/speed"...)
	}
	return append(x.buf, "/place"...)
}

func (x *bulkBroker) retain(b *testing.B, i int, payload []byte) {
	x.publish = mqtt.Publish{Topic: x.topic(i), Payload: payload, Retain: true}
	if err := x.link.Publish(x.turn, &x.publish); err != nil {
		b.Fatal(err)
	}
}

// fill stores n messages, as they come: not in the order of topics.
func (x *bulkBroker) fill(b *testing.B, n int) {
	payload := []byte("12345678")
	for i, k := 0, 0; i < n; i++ {
		if i%1000 == 0 {
			x.turn.End()
			x.turn.Begin(time.Now())
		}
		x.retain(b, k, payload)
		if k += 7; k >= n {
			k -= n
			if n%7 == 0 {
				k++
			}
		}
	}
	x.turn.End()
	if count, _ := x.b.RetainedUse(1); count != n {
		b.Fatalf("%d messages retained, not %d", count, n)
	}
}

// BenchmarkRetained tells what millions of retained messages of an account in memory
// cost: bytes each beside the payload, updates, queries that return ten, a bulk
// deletion.
func BenchmarkRetained(b *testing.B) {
	n := millions(b)
	x := newBulkBroker(b, store.NewMemory(), "memory")
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	x.fill(b, n)
	each := func(b *testing.B) {
		b.ReportMetric(float64(heap()-before)/float64(n)-8, "B/message")
		_, charged := x.b.RetainedUse(1)
		b.ReportMetric(float64(charged)/float64(n)-8, "B/charged")
		b.ReportMetric(0, "ns/op")
	}
	b.Run("memory", func(b *testing.B) {
		for b.Loop() {
		}
		each(b)
	})
	b.Run("update", func(b *testing.B) {
		k := 1
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if i%100 == 0 {
				x.turn.End()
				x.turn.Begin(time.Now())
			}
			k = (k*1103515245 + 12345) & (1<<31 - 1)
			x.retain(b, k%n, []byte("87654321"))
		}
		x.turn.End()
	})
	b.Run("memory after updates", func(b *testing.B) {
		for b.Loop() {
		}
		each(b)
	})
	query := func(name string, want int, q broker.RetainedQuery) {
		q.Account = 1
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				got := 0
				if err := x.b.Retained(q, func(*broker.Message) bool { got++; return true }); err != nil || got != want {
					b.Fatalf("%d messages, not %d: %v", got, want, err)
				}
			}
		})
	}
	query("query selectors", 10, broker.RetainedQuery{Filter: "fleet/eu,us/vehicle/00000001,00000005,00010000,00012345,00049999/speed,place"})
	x.turn.Begin(time.Now())
	since := time.Now().Add(time.Millisecond).UnixMicro()
	time.Sleep(2 * time.Millisecond)
	x.turn.Begin(time.Now())
	for i := range 10 {
		x.retain(b, i*1001, []byte("new"))
	}
	x.turn.End()
	query("query since", 10, broker.RetainedQuery{Filter: "#", Since: since})
	query("query since and filter", 1, broker.RetainedQuery{Filter: "fleet/+/vehicle/00000500/#", Since: since})
	b.Run("subscribe since", func(b *testing.B) {
		out := &mute{}
		link := x.connect(b, out, "s")
		var p mqtt.Subscribe
		p.PacketID = 1
		p.User = mqtt.AppendUser(p.User, "modified_since", strconv.FormatFloat(float64(since)/1e6, 'f', 6, 64))
		p.Add("fleet/#", mqtt.SubscribeOptions{})
		raw := p.Append(nil, mqtt.V5)
		h, m, _ := mqtt.DecodeHeader(raw)
		var q mqtt.Subscribe
		if err := q.Decode(mqtt.V5, h, raw[m:]); err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			out.sent = 0
			if err := link.Subscribe(x.turn, &q); err != nil || out.sent != 10 {
				b.Fatalf("%d messages: %v", out.sent, err)
			}
		}
		link.Detach(x.turn, nil)
		x.turn.End()
	})
	b.Run("delete", func(b *testing.B) {
		for b.Loop() {
			count, err := x.b.DeleteRetained(context.Background(), 1, "#", nil)
			if err != nil {
				b.Fatal(err)
			}
			if count > 0 {
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(count), "ns/message")
			}
		}
	})
}

// BenchmarkRetainedDurable updates ten million retained messages on the disk, each
// update acknowledged after its fsync, a thousand in flight; and loads them.
func BenchmarkRetainedDurable(b *testing.B) {
	n := millions(b)
	dir := b.TempDir()
	open := func() *store.Store {
		log, err := store.Open(store.Config{Dir: dir})
		if err != nil {
			b.Fatal(err)
		}
		return log
	}
	x := newBulkBroker(b, open(), "sync")
	flow := func(i int) {
		if i%100 == 0 {
			x.turn.End()
			for x.b.Paused(x.turn) {
				time.Sleep(time.Millisecond)
			}
			x.turn.Begin(time.Now())
		}
	}
	for i := range n {
		flow(i)
		x.retain(b, i, []byte("12345678"))
	}
	x.turn.End()
	b.Run("update", func(b *testing.B) {
		k := 1
		for i := 0; b.Loop(); i++ {
			flow(i)
			k = (k*1103515245 + 12345) & (1<<31 - 1)
			x.retain(b, k%n, []byte("87654321"))
		}
		x.turn.End()
		x.drain(b)
	})
	x.end()
	b.Run("load", func(b *testing.B) { // once, however often is asked for
		begin := time.Now()
		y := newBulkBroker(b, open(), "sync")
		b.ReportMetric(time.Since(begin).Seconds(), "s/load")
		if count, _ := y.b.RetainedUse(1); count != n {
			b.Fatalf("%d messages, not %d", count, n)
		}
		y.end()
	})
}

// drain returns when everything published so far is on the disk.
func (x *bulkBroker) drain(b *testing.B) {
	x.retainTopic(b, "last", "x")
	if count, err := x.b.DeleteRetained(context.Background(), 1, "last", nil); count != 1 || err != nil {
		b.Fatal(count, err)
	}
}
