package server

import (
	"fmt"
	"strings"
	"testing"

	"alcove/internal/mqtt"
)

// TestRefusals: a refused CONNECT gets one CONNACK whose code fits the version, or
// none where 3.x has none, and then the end; what came behind it is not looked at
// [MQTT-3.1.4-2] [MQTT-3.1.4-6] [MQTT-3.2.0-1] [MQTT-4.13.2-1] [MQTT311-3.2.2-4]
// [MQTT311-3.2.2-5] [MQTT311-3.2.2-6].
func TestRefusals(t *testing.T) {
	h := newHouse(t, Config{MQTT: loopback})
	watch := h.dial()
	watch.connect("watch", h.keys[0])
	watch.subscribe("#", mqtt.QoS0)
	badWill := func(c *mqtt.Connect) { c.HasWill, c.Will = true, mqtt.Will{Topic: []byte("a/#")} }
	for _, v := range versions {
		p := h.dial()
		p.version = v
		p.write(append(connectPacket(v, "c", strings.Repeat("x", 64), nil), publishPacket(v, "behind", nil)...))
		h, b := p.expect(mqtt.TypeConnack)
		if b[0] != 0 { // Session Present
			t.Errorf("%v: %v % x", v, h, b)
		}
		if rest := p.closed(); len(rest) > 0 {
			t.Errorf("%v: % x behind CONNACK", v, rest)
		}
	}
	for _, v := range versions { // a CONNECT above its own bound, EXT-LIM-1
		p := h.dial()
		p.version = v
		p.write(connectPacket(v, "c", strings.Repeat("x", 64), func(c *mqtt.Connect) {
			c.HasPassword, c.Password = true, make([]byte, 60_000)
			c.HasWill, c.Will = true, mqtt.Will{Topic: []byte("a"), Payload: make([]byte, 60_000)}
			c.ClientID = make([]byte, 60_000)
		}))
		if v == mqtt.V5 {
			if got := p.refusal(); got != mqtt.PacketTooLarge {
				t.Errorf("got %v", got)
			}
		} else if b := p.closed(); len(b) > 0 {
			t.Errorf("%v: got % x", v, b)
		}
	}
	for _, v := range versions { // "topic name invalid" has no code in 3.x
		p := h.dial()
		p.version = v
		p.write(connectPacket(v, "c", h.keys[0], badWill))
		if v == mqtt.V5 {
			if got := p.refusal(); got != mqtt.TopicNameInvalid {
				t.Errorf("got %v", got)
			}
		} else if b := p.closed(); len(b) > 0 {
			t.Errorf("%v: got % x", v, b)
		}
	}
	// All three forms of a login are there behind it [EXT-TOK-2].
	for i, change := range []func(*mqtt.Connect){
		func(c *mqtt.Connect) { c.Username = []byte("Bearer " + operatorKey) },
		func(c *mqtt.Connect) {
			c.Username, c.HasPassword, c.Password = []byte("me"), true, []byte(operatorKey)
		},
		func(c *mqtt.Connect) {
			c.Username, c.HasPassword, c.Password = []byte("1"), true, []byte(operatorKey[:16])
		},
	} {
		p := h.dial()
		if a := p.connectWith(fmt.Sprint("login", i), operatorKey, change); a.Props.AuthMethod != nil { // [MQTT-4.12.0-6]
			t.Errorf("CONNACK names a method, %q", a.Props.AuthMethod)
		}
	}
	watch.write(publishPacket(mqtt.V5, "last", nil)) // [MQTT-3.1.4-5]: they were good
	if m := watch.published(); string(m.Topic) != "last" {
		t.Errorf("a refused client published to %q", m.Topic)
	}
}

// TestReasonFits: a Reason String is left out where the client's Maximum Packet Size
// has no room for it, and a packet that does not fit without is not sent either
// [MQTT-3.2.2-19] [MQTT-3.14.2-3] [MQTT-3.1.2-24].
func TestReasonFits(t *testing.T) {
	h := newHouse(t, Config{MQTT: loopback})
	refused := func(limit uint32) int {
		p := h.dial()
		p.write(connectPacket(mqtt.V5, "c", "", func(c *mqtt.Connect) {
			c.Props.MaximumPacketSize = limit
			c.Props.AuthMethod, c.Props.HasAuthMethod = []byte("OTHER"), true
		}))
		return len(p.closed())
	}
	if n := refused(1000); n < 20 {
		t.Errorf("CONNACK of %d bytes, without its reason", n)
	}
	if n := refused(10); n != 5 {
		t.Errorf("CONNACK of %d bytes", n)
	}
	if n := refused(4); n != 0 {
		t.Errorf("CONNACK of %d bytes, over the maximum", n)
	}
	for limit, want := range map[uint32]int{0: 40, 10: 3, 2: 0} {
		b := newBare(t, mqtt.V5, Limits{})
		b.c.out.maxPacket = limit
		b.c.out.state |= outGreeted
		b.c.End(b.l.turn, mqtt.SessionTakenOver, strings.Repeat("x", 33))
		if got := b.c.out.size; got != want {
			t.Errorf("DISCONNECT of %d bytes, want %d, for a maximum of %d", got, want, limit)
		}
	}
}

// TestTakeover: the older connection is told and ended, also from another loop.
func TestTakeover(t *testing.T) {
	h := newHouse(t, Config{MQTT: loopback, Loops: 2})
	old := h.dial()
	old.connect("same", h.keys[0])
	for range 4 {
		next := h.dial()
		next.connect("same", h.keys[0])
		if got := old.disconnected(); got != mqtt.SessionTakenOver {
			t.Fatalf("got %v", got)
		}
		old = next
	}
	old.ping()
}

// TestQoS: both ways at QoS 1 and 2, to a persistent session that waits for the
// disk.
func TestQoS(t *testing.T) {
	for _, v := range []mqtt.Version{mqtt.V311, mqtt.V5} {
		h := newHouse(t, Config{MQTT: loopback, Loops: 2})
		sub, pub := h.dial(), h.dial()
		sub.version, pub.version = v, v
		sub.connectWith("sub", h.keys[0], func(c *mqtt.Connect) {
			c.CleanStart, c.Props.HasSessionExpiry, c.Props.SessionExpiry = false, true, 100
		})
		sub.subscribe("q", mqtt.QoS2)
		pub.connect("pub", h.keys[0])
		ack := func(p *peer, typ mqtt.PacketType, id uint16) {
			p.write((&mqtt.Ack{Type: typ, PacketID: id}).Append(nil, v))
		}
		for i := range uint16(20) {
			qos := mqtt.QoS(1 + i%2)
			m := mqtt.Publish{QoS: qos, PacketID: i + 1, Topic: []byte("q"), Payload: body(int(i)*1000, 'q')}
			pub.write(m.Append(nil, v))
			if qos == mqtt.QoS1 {
				pub.expect(mqtt.TypePuback)
			} else {
				pub.expect(mqtt.TypePubrec)
				ack(pub, mqtt.TypePubrel, i+1)
				pub.expect(mqtt.TypePubcomp)
			}
			got := sub.published()
			if got.QoS != qos || len(got.Payload) != int(i)*1000 {
				t.Fatalf("QoS %d, %d bytes", got.QoS, len(got.Payload))
			}
			if qos == mqtt.QoS1 {
				ack(sub, mqtt.TypePuback, got.PacketID)
				continue
			}
			ack(sub, mqtt.TypePubrec, got.PacketID)
			sub.expect(mqtt.TypePubrel)
			ack(sub, mqtt.TypePubcomp, got.PacketID)
		}
		h.stop()
	}
}
