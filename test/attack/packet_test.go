package attack

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"alcove/test/alcovetest"
	"alcove/test/conform/wire"
)

func longVarints(t *testing.T, b *alcovetest.Broker) {
	long := []byte{0x80, 0x80, 0x80, 0x80, 0x01}
	huge := []byte{0xff, 0xff, 0xff, 0xff, 0xff}
	for _, n := range [][]byte{long, huge} {
		bad(t, b, v5, wire.Cat([]byte{0x30}, n), 0x81, 0x82, 0x95)
		bad(t, b, v311, wire.Cat([]byte{0x30}, n))
		bad(t, b, v5, wire.Frame(0x30, wire.Str("a"), n, make([]byte, 50)), 0x81, 0x82)
		bad(t, b, v5, wire.Frame(0x82, wire.U16(1), []byte{6, wire.SubscriptionID}, n, wire.Str("a"), []byte{0}), 0x81, 0x82)
		raw(t, b, wire.Cat([]byte{0x10}, n))
	}
}

func overlongVarints(t *testing.T, b *alcovetest.Broker) {
	// Either the packet is taken or the connection ends; never does the next
	// packet begin in the wrong place.
	for _, packet := range [][]byte{{0xc0, 0x80, 0x00}, {0xc0, 0x80, 0x80, 0x00}} {
		c := connect(t, b)
		c.send(packet, wire.Ping())
		for p := c.next(); p != nil; p = c.next() {
			if p.Type == wire.DISCONNECT && p.Reason != 0x81 && p.Reason != 0x82 {
				t.Errorf("%x: %v", packet, p)
			}
			if p.Type == wire.PINGRESP {
				c.ping()
				break
			}
		}
	}
	bad(t, b, v5, wire.Cat([]byte{0x30, 6}, wire.Str("ab"), []byte{0x80, 0x80}), 0x81, 0x82)
}

func lyingLengths(t *testing.T, b *alcovetest.Broker) {
	for range 20 {
		bad(t, b, v5, wire.Frame(0x30, wire.Str("a"), []byte{0x7f, 1, 0}), 0x81, 0x82)
		bad(t, b, v5, wire.Frame(0x30, []byte{0xff, 0xff, 'a'}), 0x81, 0x82)
		bad(t, b, v311, wire.Frame(0x30, []byte{0xff, 0xff, 'a'}))
		bad(t, b, v5, wire.Frame(0x30, wire.Str("a"), []byte{5, wire.UserProperty, 0, 9, 'k', 'v'}), 0x81, 0x82)
		bad(t, b, v5, wire.Frame(0x30, wire.Str("a"), []byte{4, wire.UserProperty, 0, 1, 'k'}), 0x81, 0x82)
		bad(t, b, v5, wire.Frame(0x82, wire.U16(1), []byte{0}, []byte{0, 200, 'a', 0}), 0x81, 0x82)
		bad(t, b, v5, wire.Frame(0x82, wire.U16(1), []byte{0}, wire.Str("a")), 0x81, 0x82)
		bad(t, b, v5, wire.Frame(0x32, wire.Str("a"), []byte{0}), 0x81, 0x82)
		raw(t, b, wire.Frame(0x10, wire.Str("MQTT"), []byte{5, 2, 0, 0, 0x7f}))
		raw(t, b, wire.Frame(0x10, wire.Str("MQTT"), []byte{4, 2, 0, 0}, []byte{0, 200, 'a'}))
	}
}

func slowConnect(t *testing.T, b *alcovetest.Broker) {
	// Split anywhere, a CONNECT that comes in time is accepted.
	whole := hello(b).Bytes()
	c := dial(t, b)
	for i := range whole {
		c.send(whole[i : i+1])
	}
	if ack := c.await(wire.CONNACK); ack.Reason != 0 {
		t.Errorf("%v", ack)
	}
	// One that never ends is not waited for, however steadily it drips.
	start := time.Now()
	slow := dial(t, b)
	done := make(chan struct{})
	go func() {
		defer close(done)
		slow.SetReadDeadline(time.Now().Add(40 * time.Second))
		slow.r.Peek(1)
	}()
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i = min(i+1, len(whole)-2) {
		select {
		case <-done:
			if d := time.Since(start); d > 30*time.Second {
				t.Errorf("a CONNECT of one byte every 300 ms is waited for %v", d)
			}
			return
		case <-tick.C:
			slow.send(whole[i : i+1])
		}
	}
}

func slowPublish(t *testing.T, b *alcovetest.Broker) {
	bad(t, b, v5, []byte{0x30, 0xff, 0xff, 0xff, 0x7f, 0, 1, 'a'}, 0x95)
	bad(t, b, v311, []byte{0x30, 0xff, 0xff, 0xff, 0x7f, 0, 1, 'a'})
	// A body that drips below every minimum rate ends too.
	c := connect(t, b)
	start := time.Now()
	c.send([]byte{0x30}, wire.Var(8<<20), wire.Str("a"), []byte{0})
	done := make(chan struct{})
	go func() { defer close(done); c.SetReadDeadline(time.Now().Add(time.Minute)); c.r.Peek(1) }()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-done:
			if d := time.Since(start); d > 50*time.Second {
				t.Errorf("ten bytes a second are waited for %v", d)
			}
			return
		case <-tick.C:
			c.send([]byte{0})
		}
	}
}

func outOfPlace(t *testing.T, b *alcovetest.Broker) {
	for typ := range byte(16) {
		if typ == wire.CONNECT {
			continue
		}
		flags := byte(0)
		if typ == wire.PUBREL || typ == wire.SUBSCRIBE || typ == wire.UNSUBSCRIBE {
			flags = 2
		}
		if got := raw(t, b, []byte{typ<<4 | flags, 2, 0, 1}); len(got) > 0 && (got[0] != 0x20 || len(got) > 3 && got[3] == 0) {
			t.Errorf("%s before CONNECT answered by %x", wire.TypeName(typ), got)
		}
	}
	bad(t, b, v5, hello(b).Bytes(), 0x82)
	bad(t, b, v311, hello(b, version(v311)).Bytes())
	for _, typ := range []byte{0, wire.CONNACK, wire.SUBACK, wire.UNSUBACK, wire.PINGRESP} {
		for _, n := range []int{0, 2, 3, 100} {
			bad(t, b, v5, wire.Frame(typ<<4, make([]byte, n)), 0x81, 0x82)
			bad(t, b, v311, wire.Frame(typ<<4, make([]byte, n)))
		}
	}
	bad(t, b, v311, []byte{0xf0, 0})
}

func otherProtocols(t *testing.T, b *alcovetest.Broker) {
	marker := "reflect-me-not"
	for _, text := range []string{
		"GET /" + marker + " HTTP/1.1\r\nHost: " + marker + "\r\n\r\n",
		"POST /" + marker + " HTTP/1.1\r\nContent-Length: 9999\r\n\r\n",
		"SSH-2.0-" + marker + "\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat(marker, 36),
		"\x00\x00\x00\x00" + marker, "EHLO " + marker + "\r\n", "*1\r\n$4\r\nPING\r\n",
	} {
		if got := raw(t, b, []byte(text)); bytes.Contains(got, []byte(marker)) || len(got) > 5 {
			t.Errorf("%.10q answered by %q", text, got)
		}
	}
	for _, name := range []string{"MQTTX", "mqtt", "MQIsdq", "", strings.Repeat("M", 60000)} {
		p := hello(b)
		p.Name = name
		if name == "" {
			p.Name = "\x00\x00\x00\x00"
		}
		if got := raw(t, b, p.Bytes()); len(got) > 3 && got[3] == 0 {
			t.Errorf("protocol %.10q accepted", name)
		}
	}
	for _, v := range []byte{0, 1, 2, 6, 0x80, 0x84, 255} {
		if got := raw(t, b, hello(b, version(v)).Bytes()); len(got) > 3 && got[3] == 0 {
			t.Errorf("level %d accepted", v)
		}
	}
}

func reservedFlags(t *testing.T, b *alcovetest.Broker) {
	for typ := wire.PUBACK; typ <= wire.AUTH; typ++ {
		want := byte(0)
		if typ == wire.PUBREL || typ == wire.SUBSCRIBE || typ == wire.UNSUBSCRIBE {
			want = 2
		}
		for _, flags := range []byte{0, 1, 2, 3, 4, 8, 15} {
			if flags == want {
				continue
			}
			bad(t, b, v5, []byte{typ<<4 | flags, 2, 0, 1}, 0x81, 0x82)
			bad(t, b, v311, []byte{typ<<4 | flags, 2, 0, 1})
		}
	}
	for _, first := range []byte{0x36, 0x37, 0x3e} {
		bad(t, b, v5, wire.Frame(first, wire.Str("a"), wire.U16(1), []byte{0}), 0x81, 0x82)
		bad(t, b, v311, wire.Frame(first, wire.Str("a"), wire.U16(1)))
	}
	bad(t, b, v5, wire.Frame(0x38, wire.Str("a"), []byte{0}), 0x81, 0x82) // DUP with QoS 0
	for _, options := range []byte{3, 0x30, 0x40, 0x80, 0xff} {
		bad(t, b, v5, wire.Subscribe(v5, 1, nil, wire.Sub{Filter: "a", Options: options}), 0x81, 0x82)
	}
	for _, options := range []byte{3, 4, 8, 0x10, 0x80} {
		bad(t, b, v311, wire.Subscribe(v311, 1, nil, wire.Sub{Filter: "a", Options: options}))
	}
}

func TestRow10_acknowledgementsOfNothing(t *testing.T) {
	t.Parallel()
	b := alcovetest.Start(t, alcovetest.Config{})
	for _, typ := range []byte{wire.PUBACK, wire.PUBREC, wire.PUBREL, wire.PUBCOMP} {
		c := connect(t, b)
		c.send(wire.Ack(v5, typ, 0, 0, nil))
		c.closed(0x81, 0x82)
	}
	grows(t, b, 32<<20, func() {
		for range 5 { // PUBREL to every identifier draws 0x92 and makes no state
			c := connect(t, b)
			for chunk := range 65 {
				var all []byte
				for i := range 1000 {
					all = append(all, wire.Ack(v5, wire.PUBREL, uint16(chunk*1000+i+1), 0, nil)...)
				}
				c.send(all)
				for i := range 1000 {
					if p := c.await(wire.PUBCOMP); p.Reason != 0x92 || int(p.ID) != chunk*1000+i+1 {
						t.Fatalf("%v", p)
					}
				}
			}
			c.Close()
		}
	})
	// PUBACK for a delivery of QoS 2 does not complete it.
	pub, sub := connect(t, b), connect(t, b)
	topic := name()
	sub.subscribe(topic, 2)
	pub.send(wire.Publish{Topic: topic, QoS: 2, ID: 1}.Bytes(v5))
	pub.await(wire.PUBREC)
	pub.send(wire.Ack(v5, wire.PUBREL, 1, 0, nil))
	p := sub.await(wire.PUBLISH)
	sub.send(wire.Ack(v5, wire.PUBACK, p.ID, 0, nil), wire.Ping())
	switch p := sub.next(); {
	case p == nil: // closed
	case p.Type == wire.DISCONNECT && p.Reason != 0x82:
		t.Errorf("%v", p)
	case p.Type == wire.PUBREL:
		t.Errorf("PUBACK answered by %v", p)
	}
	others(t, b)
}

func hugeSubscribe(t *testing.T, b *alcovetest.Broker) {
	bad(t, b, v5, wire.Subscribe(v5, 1, nil), 0x81, 0x82)
	bad(t, b, v311, wire.Subscribe(v311, 1, nil))
	bad(t, b, v5, wire.Unsubscribe(v5, 1, nil), 0x81, 0x82)
	var subs []wire.Sub
	var filters []string
	for i := range 10000 {
		filters = append(filters, fmt.Sprint("huge/", i))
		subs = append(subs, wire.Sub{Filter: filters[i]})
	}
	// What is over the cap is refused filter by filter, or the connection ends.
	for _, v := range []byte{v5, v311} {
		c := connect(t, b, version(v))
		c.send(wire.Subscribe(v, 1, nil, subs...))
		granted := 0
		if p := c.next(); p != nil && p.Type == wire.SUBACK {
			for _, r := range p.Reasons {
				if r < 0x80 {
					granted++
				}
			}
		}
		if granted > 1000 {
			t.Errorf("level %d: %d filters of one packet granted", v, granted)
		}
		c.send(wire.Unsubscribe(v, 2, nil, filters...))
		c.next()
		c.Close()
	}
}
