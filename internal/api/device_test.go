package api

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"alcove/internal/auth"
	"alcove/internal/broker"
	"alcove/internal/mqtt"
	"alcove/internal/store"
)

// failing is a store that can be told to take nothing more.
type failing struct {
	*store.Store
	mu  sync.Mutex
	err error
}

func (f *failing) Append(shard int, b *broker.Batch, done func(uint64, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		err := f.err
		go done(b.Ticket, err)
		return
	}
	f.Store.Append(shard, b, done)
}

func (f *failing) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

// realBench is a bench whose broker is the real one, over a store in memory.
type realBench struct {
	*bench
	log  *failing
	real *broker.Broker
	low  bool
}

func newRealBench(t testing.TB, limits broker.Limits) *realBench {
	t.Helper()
	st := store.NewMemory()
	d, err := auth.Open(auth.Config{}, st, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &realBench{log: &failing{Store: st}}
	r.real, err = broker.New(broker.Config{
		Log: r.log, Directory: d, Limits: limits, LowSpace: func() bool { return r.low },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = r.real.Close()
		_ = st.Close()
	})
	r.bench = &bench{t: t, directory: d, operator: d.FirstOperatorKey()}
	r.handler = New(Config{Directory: d, Broker: r.real, Sessions: r.real, Streams: r.real, Version: "test"})
	return r
}

// device is a client on a loop of its own.
type device struct {
	t     testing.TB
	turn  *broker.Turn
	link  broker.Link
	tasks chan func(*broker.Turn)
	got   chan string
	ended chan mqtt.ReasonCode // DISCONNECT
}

// device connects a client with a session that lasts, and subscribes it.
func (r *realBench) device(key, id string, qos mqtt.QoS, filters ...string) *device {
	r.t.Helper()
	d, err := r.attach(key, id)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, filter := range filters {
		d.subscribe(filter, qos)
	}
	return d
}

// attach connects a client, or tells why it was refused.
func (r *realBench) attach(key, id string) (*device, error) {
	r.t.Helper()
	d := &device{t: r.t, turn: r.real.NewTurn(), tasks: make(chan func(*broker.Turn), 4096), got: make(chan string, 4096), ended: make(chan mqtt.ReasonCode, 16)}
	var idle sync.WaitGroup
	idle.Go(func() {
		for f := range d.tasks {
			if f == nil { // the end; what is posted later is left
				return
			}
			d.turn.Begin(time.Now())
			f(d.turn)
			d.turn.End()
		}
	})
	r.t.Cleanup(func() { d.tasks <- nil; idle.Wait() })
	grant, err := r.directory.LoginKey(key, netip.Addr{}, time.Now())
	if err != nil {
		return nil, err
	}
	p := &mqtt.Connect{Version: mqtt.V5, ClientID: []byte(id), Props: mqtt.NewConnectProps()}
	p.Props.SessionExpiry = 3600
	connected := make(chan error)
	d.Post(func(t *broker.Turn) {
		r.real.Connect(t, &broker.ConnectRequest{Packet: p, Grant: grant, Outlet: d},
			func(_ *broker.Turn, c broker.Connected, err error) {
				d.link = c.Link
				go func() { connected <- err }()
			})
	})
	return d, <-connected
}

func (d *device) subscribe(filter string, qos mqtt.QoS) {
	p := mqtt.Subscribe{PacketID: 1}
	p.Add(filter, mqtt.SubscribeOptions{QoS: qos})
	raw := p.Append(nil, mqtt.V5)
	h, n, _ := mqtt.DecodeHeader(raw)
	var q mqtt.Subscribe
	if err := q.Decode(mqtt.V5, h, raw[n:]); err != nil {
		d.t.Fatal(err)
	}
	done := make(chan error, 1)
	d.Post(func(t *broker.Turn) { done <- d.link.Subscribe(t, &q) })
	if err := <-done; err != nil {
		d.t.Fatal(err)
	}
}

// leave lets the connection end; the session stays.
func (d *device) leave() {
	done := make(chan error, 1)
	d.Post(func(t *broker.Turn) { done <- d.link.Disconnect(t, &mqtt.Disconnect{}) })
	<-done
}

// next waits for a delivery.
func (d *device) next() string {
	d.t.Helper()
	select {
	case line := <-d.got:
		return line
	case <-time.After(10 * time.Second):
		d.t.Fatal("nothing was delivered")
		return ""
	}
}

func (d *device) Deliver(_ *broker.Turn, x *broker.Delivery) broker.Outcome {
	m := x.Message
	line := fmt.Sprintf("%s %q q%d", m.Topic, m.Payload, x.QoS)
	if x.Retain {
		line += " retain"
	}
	if x.HasExpiry {
		line += fmt.Sprintf(" expiry=%d", x.Expiry)
	}
	var p mqtt.PublishProps
	if err := p.DecodeForward(append(append([]byte{}, x.Forward...), x.Stamps...)); err != nil {
		line += " " + err.Error()
	}
	if p.HasContentType {
		line += fmt.Sprintf(" type=%s", p.ContentType)
	}
	if p.HasResponseTopic {
		line += fmt.Sprintf(" answer=%s", p.ResponseTopic)
	}
	if p.HasCorrelationData {
		line += fmt.Sprintf(" correlation=%x", p.CorrelationData)
	}
	for name, value := range p.User.All() {
		if string(name) != "timestamp" {
			line += fmt.Sprintf(" %s=%s", name, value)
		}
	}
	d.got <- line
	return broker.Sent
}

func (d *device) Send(*broker.Turn, []byte) {}
func (d *device) End(_ *broker.Turn, code mqtt.ReasonCode, _ string) {
	d.ended <- code
}
func (d *device) Wake()                     { d.Post(func(t *broker.Turn) { d.link.Ripe(t) }) }
func (d *device) Post(f func(*broker.Turn)) { d.tasks <- f }
func (d *device) Flush()                    {}
func (d *device) Sent() uint64              { return 0 }

// Peer implements broker.Outlet.
func (d *device) Peer() (netip.AddrPort, string) { return netip.AddrPort{}, "tcp" }
