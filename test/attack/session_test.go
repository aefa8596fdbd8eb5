package attack

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"alcove/test/alcovetest"
	"alcove/test/conform/wire"
)

func TestRow01_hugeLengthAndSilence(t *testing.T) {
	t.Parallel()
	b := alcovetest.Start(t, alcovetest.Config{})
	const sockets = 1500
	grows(t, b, sockets*4<<10+24<<20, func() {
		var all []*conn
		for i := range sockets {
			c := dial(t, b)
			switch i % 3 {
			case 0: // more than any CONNECT may have: refused at once
				c.send([]byte{0x10, 0xff, 0xff, 0xff, 0x7f})
			case 1: // a length that is allowed, and a byte of it
				c.send([]byte{0x10}, wire.Var(100<<10), []byte{0})
			}
			all = append(all, c)
		}
		others(t, b)
		if got := b.RSS(); got > 512<<20 {
			t.Errorf("%d MiB with %d silent sockets", got>>20, sockets)
		}
		for _, c := range all { // silence ends at the connect timeout
			c.SetReadDeadline(time.Now().Add(30 * time.Second))
			if _, err := c.r.Peek(5); err == nil {
				t.Error("answered")
			} else if e, ok := err.(interface{ Timeout() bool }); ok && e.Timeout() {
				t.Fatal("a silent socket stays open")
			}
			c.Close()
		}
	})
}

func repeatedIdentifier(t *testing.T, b *alcovetest.Broker) {
	// Receive Maximum 1,000: the 1,001st unreleased message closes.
	c := connect(t, b)
	for id := range 1001 {
		c.send(wire.Publish{Topic: "q2", QoS: 2, ID: uint16(id + 1)}.Bytes(v5))
	}
	c.closed(0x93)
	// The same identifier again and again is one message.
	topic := name()
	sub := connect(t, b)
	sub.subscribe(topic, 0)
	c = connect(t, b, version(v311))
	for i := range 2000 {
		c.send(wire.Publish{Topic: topic, QoS: 2, ID: 7, Dup: i > 0}.Bytes(v311))
		if i%100 == 99 {
			for range 100 {
				c.await(wire.PUBREC)
			}
		}
	}
	c.send(wire.Ack(v311, wire.PUBREL, 7, 0, nil))
	c.await(wire.PUBCOMP)
	sub.await(wire.PUBLISH)
	if n := sub.count(); n != 0 {
		t.Errorf("%d more copies", n)
	}
}

func TestRow21_unreleasedFlood(t *testing.T) {
	t.Parallel()
	b := alcovetest.Start(t, alcovetest.Config{})
	grows(t, b, 64<<20, func() {
		for range 3 { // 3.1.1 knows no Receive Maximum: identifiers run out, or the broker closes
			c := connect(t, b, version(v311))
			go func() {
				for p, err := wire.Read(c.r, v311); p != nil && err == nil; p, err = wire.Read(c.r, v311) {
				}
			}()
			for chunk := range 65 {
				var all []byte
				for i := range 1000 {
					all = append(all, wire.Publish{Topic: "flood", Payload: "0123456789", QoS: 2, ID: uint16(chunk*1000 + i + 1)}.Bytes(v311)...)
				}
				c.send(all)
			}
			c.Close()
		}
	})
}

func racingRelease(t *testing.T, b *alcovetest.Broker) {
	topic := name()
	sub := connect(t, b)
	sub.subscribe(topic, 2)
	const rounds = 20
	for i := range rounds {
		id := name()
		msg := wire.Publish{Topic: topic, Payload: fmt.Sprint(i), QoS: 2, ID: 5}
		old := connect(t, b, kept(id))
		old.send(msg.Bytes(v5))
		old.await(wire.PUBREC)
		c := connect(t, b, kept(id))
		// The old connection is no longer the session's: its PUBREL is nothing.
		old.send(wire.Ack(v5, wire.PUBREL, 5, 0, nil))
		msg.Dup = true
		c.send(msg.Bytes(v5))
		c.await(wire.PUBREC)
		c.send(wire.Ack(v5, wire.PUBREL, 5, 0, nil))
		c.await(wire.PUBCOMP)
		c.Close()
		old.Close()
	}
	got := map[string]int{}
	for range rounds {
		p := sub.await(wire.PUBLISH)
		got[p.Payload]++
	}
	if n := sub.count(); n != 0 || len(got) != rounds {
		t.Errorf("%d messages: %d different, %d more", rounds, len(got), n)
	}
}

func aliases(t *testing.T, b *alcovetest.Broker) {
	alias := func(topic string, n uint32) []byte {
		return wire.Publish{Topic: topic, Payload: "x", Props: wire.Props{wire.Num(wire.TopicAlias, n)}}.Bytes(v5)
	}
	bad(t, b, v5, alias("a", 0), 0x94)
	bad(t, b, v5, alias("a", 101), 0x94)
	bad(t, b, v5, alias("a", 65535), 0x94)
	bad(t, b, v5, alias("", 1), 0x82, 0x94)
	c := connect(t, b)
	for i := range 5000 { // set anew in each packet: the table keeps one topic an alias
		c.send(alias(fmt.Sprint("set/", i, "/", strings.Repeat("x", 200)), uint32(i%100+1)))
	}
	c.ping()
	id := name()
	c = connect(t, b, kept(id))
	c.send(alias("a", 1))
	c.ping()
	c.Close()
	c = connect(t, b, kept(id))
	c.send(alias("", 1))
	c.closed(0x82, 0x94)
}

func userProperties(t *testing.T, b *alcovetest.Broker) {
	var many wire.Props
	for range 100000 {
		many = append(many, wire.User("k", "v"))
	}
	c := dial(t, b)
	c.send(hello(b, with(many...)).Bytes()) // larger than any CONNECT may be
	c.closed()
	c = connect(t, b)
	c.send(wire.Publish{Topic: "many", QoS: 1, ID: 1, Props: many}.Bytes(v5))
	if p := c.next(); p != nil && p.Type != wire.PUBACK && p.Type != wire.DISCONNECT {
		t.Errorf("%v", p)
	}
	big := strings.Repeat("k", 65535)
	c = connect(t, b)
	c.send(wire.Publish{Topic: "big", QoS: 1, ID: 1, Props: wire.Props{wire.User(big, big), wire.User(big, big)}}.Bytes(v5))
	if p := c.next(); p != nil && p.Type != wire.PUBACK && p.Type != wire.DISCONNECT {
		t.Errorf("%v", p)
	}
	for _, p := range []wire.Prop{wire.Num(wire.PayloadFormat, 1), wire.Num(wire.MessageExpiry, 1), wire.Text(wire.ContentType, "a"),
		wire.Text(wire.ResponseTopic, "a"), wire.Text(wire.CorrelationData, "a"), wire.Num(wire.TopicAlias, 1)} {
		bad(t, b, v5, wire.Publish{Topic: "a", QoS: 1, ID: 1, Props: wire.Props{p, p}}.Bytes(v5), 0x81, 0x82)
	}
	for _, p := range []wire.Prop{wire.Num(wire.SessionExpiry, 1), wire.Num(wire.ReceiveMaximum, 1), wire.Num(wire.MaximumPacketSize, 100),
		wire.Num(wire.TopicAliasMaximum, 1), wire.Num(wire.RequestProblem, 1), wire.Num(wire.RequestResponse, 1), wire.Text(wire.AuthMethod, "x")} {
		c := dial(t, b)
		c.send(hello(b, with(p, p)).Bytes())
		c.closed(0x81, 0x82)
	}
}

func TestRow25_sessionFlood(t *testing.T) {
	t.Parallel()
	b := alcovetest.Start(t, alcovetest.Config{})
	const sessions = 2000
	grows(t, b, sessions*8<<10+48<<20, func() {
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				for range sessions / 20 {
					c := try(t, b)
					if c == nil {
						return
					}
					c.send(hello(b, kept(fmt.Sprintf("flood%x", rand.Uint64())), func(p *wire.Connect) { p.Props = wire.Props{wire.Num(wire.SessionExpiry, 0xffffffff)} }).Bytes())
					if ack := c.next(); ack == nil || ack.Reason != 0 && ack.Reason != 0x97 {
						t.Errorf("%v", ack)
					}
					c.send(wire.Disconnect(v5, 0, nil))
					c.Close()
				}
			})
		}
		wg.Wait()
	})
}

func wills(t *testing.T, b *alcovetest.Broker) {
	will := func(w wire.Will) func(*wire.Connect) { return func(p *wire.Connect) { p.Will = &w } }
	sub := connect(t, b)
	topic := name()
	sub.subscribe(topic, 1)
	want := func(payload string) {
		t.Helper()
		if p := sub.receive(); p.Payload != payload {
			t.Errorf("got %.40q, want %.40q", p.Payload, payload)
		}
	}
	// A delay longer than the session ends with the session.
	c := connect(t, b, with(wire.Num(wire.SessionExpiry, 1)), will(wire.Will{Topic: topic, Payload: "early", QoS: 1, Props: wire.Props{wire.Num(wire.WillDelay, 10000)}}))
	c.Close()
	want("early")
	// A reconnect brings its own will and delay; the old one is forgotten.
	id := name()
	connect(t, b, kept(id), will(wire.Will{Topic: topic, Payload: "old", QoS: 1, Props: wire.Props{wire.Num(wire.WillDelay, 2)}})).Close()
	connect(t, b, kept(id), will(wire.Will{Topic: topic, Payload: "new", QoS: 1, Props: wire.Props{wire.Num(wire.WillDelay, 1)}})).Close()
	want("new")
	time.Sleep(2500 * time.Millisecond)
	if n := sub.count(); n != 0 {
		t.Error("the forgotten will came")
	}
	// The largest will there can be.
	huge := strings.Repeat("w", 65535)
	connect(t, b, will(wire.Will{Topic: topic, Payload: huge, QoS: 1})).Close()
	want(huge)
	for _, bad := range []string{"a/+", "#", "$share/g/a", "flespi/x", "a\x01"} {
		c := dial(t, b)
		c.send(hello(b, will(wire.Will{Topic: bad})).Bytes())
		c.closed(0x90, 0x81)
	}
	// Rights are asked at CONNECT and again when the will fires.
	tokenID, key := token(t, b, acl(topic, `"publish"`))
	c = dial(t, b)
	c.send(hello(b, as(key), will(wire.Will{Topic: topic + "x"})).Bytes())
	c.closed(0x87)
	c = connect(t, b, as(key), with(wire.Num(wire.SessionExpiry, 60)), will(wire.Will{Topic: topic, Payload: "denied", QoS: 1, Props: wire.Props{wire.Num(wire.WillDelay, 3)}}))
	c.Close()
	rest(t, b, "PUT", "/platform/tokens/"+tokenID, "{"+acl("elsewhere", `"publish"`)+"}")
	time.Sleep(5 * time.Second)
	if n := sub.count(); n != 0 {
		t.Error("a will without the right came")
	}
}

func rightRemoved(t *testing.T, b *alcovetest.Broker) {
	topic := name()
	sub := connect(t, b)
	sub.subscribe(topic, 2)
	tokenID, key := token(t, b, acl(topic, `"publish"`))
	id := name()
	c := connect(t, b, as(key), kept(id))
	c.send(wire.Publish{Topic: topic, Payload: "x", QoS: 2, ID: 3}.Bytes(v5))
	c.await(wire.PUBREC)
	c.Close()
	before := sub.count() // a broker may route at PUBLISH, with the right in force
	rest(t, b, "PUT", "/platform/tokens/"+tokenID, "{"+acl("elsewhere", `"publish"`)+"}")
	time.Sleep(1200 * time.Millisecond) // changes act within a second
	c = connect(t, b, as(key), kept(id))
	c.send(wire.Ack(v5, wire.PUBREL, 3, 0, nil))
	c.await(wire.PUBCOMP)
	c.send(wire.Publish{Topic: topic, Payload: "y", QoS: 2, ID: 4}.Bytes(v5))
	if p := c.await(wire.PUBREC); p.Reason != 0x87 {
		t.Errorf("%v", p)
	}
	if n := sub.count(); before+n > 1 || before == 0 && n > 0 {
		t.Errorf("%d before the right was removed, %d after", before, n)
	}
}

func TestRow39_kickLoop(t *testing.T) {
	t.Parallel()
	b := alcovetest.Start(t, alcovetest.Config{})
	grows(t, b, 128<<20, func() {
		end := time.Now().Add(6 * time.Second)
		var wg sync.WaitGroup
		for range 40 {
			wg.Go(func() {
				for time.Now().Before(end) {
					c := try(t, b)
					if c == nil {
						return
					}
					c.send(hello(b, kept("the-one")).Bytes())
					c.send(wire.Subscribe(v5, 1, nil, wire.Sub{Filter: fmt.Sprint("kick/", rand.IntN(5)), Options: 1}))
					c.send(wire.Publish{Topic: fmt.Sprint("kick/", rand.IntN(5)), QoS: 1, ID: 2}.Bytes(v5))
					c.send(wire.Unsubscribe(v5, 3, nil, fmt.Sprint("kick/", rand.IntN(5))))
					c.SetReadDeadline(time.Now().Add(time.Duration(rand.IntN(1500)) * time.Millisecond))
					for p, err := wire.Read(c.r, v5); p != nil && err == nil; p, err = wire.Read(c.r, v5) {
					}
					c.Close()
				}
			})
		}
		wg.Wait()
	})
	// Afterwards the identifier works like any other; a delayed newcomer waits at most its turn.
	c := connect(t, b, kept("the-one"))
	c.ping()
}
