package broker_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"alcove/internal/auth"
	"alcove/internal/broker"
	"alcove/internal/mqtt"
	"alcove/internal/store"
)

// benchOutlet is a client that remembers the last Packet Identifier.
type benchOutlet struct {
	link broker.Link
	pid  uint16
	got  int
}

func (o *benchOutlet) Deliver(t *broker.Turn, d *broker.Delivery) broker.Outcome {
	o.pid = d.PacketID
	o.got++
	return broker.Sent
}
func (o *benchOutlet) Send(*broker.Turn, []byte)                 {}
func (o *benchOutlet) End(*broker.Turn, mqtt.ReasonCode, string) {}
func (o *benchOutlet) Wake()                                     {}
func (o *benchOutlet) Sent() uint64                              { return uint64(o.got) }

// Peer implements broker.Outlet.
func (o *benchOutlet) Peer() (netip.AddrPort, string) { return testAddr, "tcp" }
func (o *benchOutlet) Post(func(*broker.Turn))        {}
func (o *benchOutlet) Flush()                         {}
func (o *benchOutlet) publish(b testing.TB, t *broker.Turn, p *mqtt.Publish) {
	if err := o.link.Publish(t, p); err != nil {
		b.Fatal(err)
	}
}

// benchGroup is a broker in memory with a publisher and members of one filter.
type benchGroup struct {
	b         testing.TB
	broker    *broker.Broker
	directory *auth.Directory
	key       string
	turn      *broker.Turn
}

func newBenchGroup(b testing.TB, limits broker.Limits) *benchGroup {
	log := store.NewMemory()
	key := strings.Repeat("k", 64)
	directory, err := auth.Open(auth.Config{OperatorToken: key}, log, nil)
	if err != nil {
		b.Fatal(err)
	}
	memory := "memory"
	if _, err = directory.UpdateAccount(1, auth.AccountSpec{Settings: &auth.Settings{Durability: &memory}}); err != nil {
		b.Fatal(err)
	}
	x, err := broker.New(broker.Config{Log: log, Directory: directory, Limits: limits})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := x.Close(); err != nil {
			b.Error(err)
		}
		log.Close()
	})
	return &benchGroup{b: b, broker: x, directory: directory, key: key, turn: x.NewTurn()}
}

func (x *benchGroup) client(name string, window uint16, filter string) *benchOutlet {
	p := &mqtt.Connect{Version: mqtt.V5, CleanStart: true, ClientID: []byte(name), Props: mqtt.NewConnectProps()}
	p.Props.ReceiveMaximum, p.Props.SessionExpiry = window, 1
	grant, err := x.directory.LoginKey(x.key, testAddr.Addr(), time.Now())
	if err != nil {
		x.b.Fatal(err)
	}
	o := &benchOutlet{}
	x.broker.Connect(x.turn, &broker.ConnectRequest{Packet: p, Grant: grant, Outlet: o}, func(_ *broker.Turn, c broker.Connected, err error) {
		if err != nil {
			x.b.Fatal(err)
		}
		o.link = c.Link
	})
	if filter != "" {
		s := mqtt.Subscribe{PacketID: 1}
		s.Add(filter, mqtt.SubscribeOptions{QoS: 1})
		raw := s.Append(nil, mqtt.V5)
		h, n, _ := mqtt.DecodeHeader(raw)
		if err := s.Decode(mqtt.V5, h, raw[n:]); err != nil {
			x.b.Fatal(err)
		}
		if err := o.link.Subscribe(x.turn, &s); err != nil {
			x.b.Fatal(err)
		}
	}
	x.turn.End()
	return o
}

// What a queue's bound throws out leaves the lanes too, whether a member is online
// or none is [EXT-SHR-3] [EXT-SHR-4].
func TestLanesBounded(t *testing.T) {
	for _, c := range []struct {
		name   string
		member bool
	}{{"stalled member", true}, {"nobody online", false}} {
		t.Run(c.name, func(t *testing.T) {
			x := newBenchGroup(t, broker.Limits{QueueBytes: 100_000})
			p := x.client("p", 0, "")
			m := x.client("m", 1, "$share/g:1:1/s/#")
			if !c.member {
				if err := m.link.Disconnect(x.turn, &mqtt.Disconnect{SessionExpiry: 1000, HasSessionExpiry: true}); err != nil {
					t.Fatal(err)
				}
				x.turn.End()
			}
			for i := range 20_000 {
				p.publish(t, x.turn, &mqtt.Publish{Topic: fmt.Appendf(nil, "s/%d", i%7), QoS: 1, PacketID: 1})
				x.turn.End()
			}
			if waiting, lined := x.broker.Waiting(); lined > waiting+1 || waiting < 500 || waiting > 1000 {
				t.Errorf("%d wait in the queues, %d in lanes", waiting, lined)
			}
		})
	}
}

// BenchmarkGroupBacklog publishes to the healthy member of a sticky group, which
// acknowledges at once, beside one that has stalled with so many messages waiting
// for it: the cost of one must not depend on them [EXT-SHR-4].
func BenchmarkGroupBacklog(b *testing.B) {
	for _, backlog := range []int{0, 1000, 1_000_000} {
		b.Run(fmt.Sprint(backlog), func(b *testing.B) {
			x := newBenchGroup(b, broker.Limits{})
			p := x.client("p", 0, "")
			stalled := x.client("stalled", 1, "$share/g:1:1/s/#")
			healthy := x.client("healthy", 100, "$share/g:1:1/s/#")
			var mine, theirs []byte
			for i := 0; mine == nil || theirs == nil; i++ {
				topic := fmt.Appendf(nil, "s/%d/data", i)
				before := healthy.got
				p.publish(b, x.turn, &mqtt.Publish{Topic: topic})
				if healthy.got > before {
					mine = topic
				} else {
					theirs = topic
				}
			}
			stalled.got = 0
			for range backlog {
				p.publish(b, x.turn, &mqtt.Publish{Topic: theirs, QoS: 1, PacketID: 1})
				x.turn.End()
			}
			b.ReportAllocs()
			b.ResetTimer()
			for b.Loop() {
				healthy.got = 0
				p.publish(b, x.turn, &mqtt.Publish{Topic: mine, QoS: 1, PacketID: 1})
				if healthy.got != 1 {
					b.Fatal("nothing has come")
				}
				if err := healthy.link.Ack(x.turn, &mqtt.Ack{Type: mqtt.TypePuback, PacketID: healthy.pid}); err != nil {
					b.Fatal(err)
				}
				x.turn.End()
			}
			if backlog > 0 && stalled.got != 1 {
				b.Fatalf("%d went to the one that stalls", stalled.got)
			}
		})
	}
}

// BenchmarkGroupSpread publishes to a group that is not sticky, whose members
// acknowledge at once, or of whom all others are full.
func BenchmarkGroupSpread(b *testing.B) {
	for _, n := range []int{3, 100, 1000} {
		for _, full := range []bool{false, true} {
			b.Run(fmt.Sprintf("%d/full=%t", n, full), func(b *testing.B) {
				x := newBenchGroup(b, broker.Limits{})
				p := x.client("p", 0, "")
				members := make([]*benchOutlet, n)
				for i := range members {
					members[i] = x.client(fmt.Sprint("m", i), 1, "$share/g/s/#")
				}
				m := &mqtt.Publish{Topic: []byte("s/1/data"), QoS: 1, PacketID: 1}
				at := 0
				if full {
					for range n + 50 {
						p.publish(b, x.turn, m)
						x.turn.End()
					}
				}
				b.ReportAllocs()
				b.ResetTimer()
				for b.Loop() {
					p.publish(b, x.turn, m)
					for members[at].got == 0 {
						at = (at + 1) % n
					}
					members[at].got--
					if err := members[at].link.Ack(x.turn, &mqtt.Ack{Type: mqtt.TypePuback, PacketID: members[at].pid}); err != nil {
						b.Fatal(err)
					}
					x.turn.End()
				}
			})
		}
	}
}
