package server

import (
	"bytes"
	"fmt"
	"testing"

	"alcove/internal/mqtt"
)

// bareClient is a client of the broker whose socket takes nothing: what it is sent stays
// in its output until it is taken from there.
type bareClient struct {
	bare *bare
	sent []byte // what was taken last
}

func newBareClient(t testing.TB, l *loop, v mqtt.Version, id string) *bareClient {
	t.Helper()
	b := newBareOn(t, l, v, nil)
	b.c.state = stateNew
	b.c.out.state |= outBlocked
	x := &bareClient{bare: b}
	x.receive(connectPacket(v, id, operatorKey, nil))
	if b.c.state != stateUp || len(x.sent) == 0 {
		t.Fatalf("%s is in state %d after its CONNECT", id, b.c.state)
	}
	return x
}

// receive handles what the client sends, as one read of its socket in a turn of its own.
func (x *bareClient) receive(b []byte) {
	c := x.bare.c
	c.received(c.loop.turn, b)
	c.loop.turn.End()
	c.loop.collect()
	x.take()
}

// take empties the output.
func (x *bareClient) take() {
	o := &x.bare.c.out
	o.mu.Lock()
	x.sent = x.sent[:0]
	for ch := o.queue.first; ch != nil; ch = ch.next {
		x.sent = append(x.sent, ch.mem[ch.r:ch.w]...)
	}
	x.bare.c.settle(o.size)
	o.mu.Unlock()
}

func (x *bareClient) subscribe(t testing.TB, filter string, qos mqtt.QoS) {
	t.Helper()
	s := mqtt.Subscribe{PacketID: 1}
	s.Add(filter, mqtt.SubscribeOptions{QoS: qos})
	x.receive(s.Append(nil, x.bare.c.out.version))
	if len(x.sent) == 0 || mqtt.PacketType(x.sent[0]>>4) != mqtt.TypeSuback {
		t.Fatalf("the answer to SUBSCRIBE is %x", x.sent)
	}
}

// BenchmarkMessage is the whole way of messages but for the kernel: from the bytes that
// were read from the publisher's socket to those that wait for its three subscribers'. A
// QoS 1 message is acknowledged by all of them and to its publisher.
func BenchmarkMessage(b *testing.B) {
	for _, c := range []struct {
		version mqtt.Version
		qos     mqtt.QoS
		batch   int
	}{{mqtt.V311, mqtt.QoS0, 1}, {mqtt.V311, mqtt.QoS0, 8}, {mqtt.V5, mqtt.QoS0, 1}, {mqtt.V311, mqtt.QoS1, 1}, {mqtt.V5, mqtt.QoS1, 1}} {
		name := map[mqtt.Version]string{mqtt.V311: "3.1.1", mqtt.V5: "5.0"}[c.version]
		b.Run(fmt.Sprintf("%s QoS %d, %d at once", name, c.qos, c.batch), func(b *testing.B) {
			const topic = "bench/topic/17"
			l := newBareLoop(b, Limits{})
			var subs []*bareClient
			for i := range 3 {
				sub := newBareClient(b, l, c.version, fmt.Sprint("sub", i))
				sub.subscribe(b, topic, c.qos)
				subs = append(subs, sub)
			}
			p := mqtt.Publish{Topic: []byte(topic), Payload: body(64, 'x'), QoS: c.qos, PacketID: 7}
			packets := bytes.Repeat(p.Append(nil, c.version), c.batch)
			pub := newBareClient(b, l, c.version, "pub")
			ack := []byte{0x40, 2, 0, 0}
			b.ReportAllocs()
			for b.Loop() {
				pub.receive(packets)
				for _, sub := range subs {
					sub.take()
					if len(sub.sent) < c.batch*64 {
						b.Fatalf("%d bytes for %d messages", len(sub.sent), c.batch)
					}
					if c.qos == mqtt.QoS1 {
						_, head, _ := mqtt.DecodeHeader(sub.sent)
						id := sub.sent[head+2+len(topic):]
						ack[2], ack[3] = id[0], id[1]
						sub.receive(ack)
					}
				}
				if c.qos == mqtt.QoS1 && len(pub.sent) == 0 {
					b.Fatal("no PUBACK")
				}
			}
		})
	}
}
