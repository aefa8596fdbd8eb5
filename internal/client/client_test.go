package client

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"alcove/internal/mqtt"
)

func TestConnectSaysWhatOptionsSay(t *testing.T) {
	for _, v := range []mqtt.Version{mqtt.V31, mqtt.V311, mqtt.V5} {
		t.Run(v.String(), func(t *testing.T) {
			props := mqtt.NewConnectProps()
			props.ReceiveMaximum = 7
			o := Options{Version: v, ClientID: "c", CleanStart: true, KeepAlive: 30 * time.Second,
				Username: []byte("u"), Password: []byte("p"), Props: &props,
				Will: &mqtt.Will{Topic: []byte("w"), Payload: []byte("gone"), QoS: 1, Retain: true}}
			conn, p := pipe(t, v)
			got := async(func() (*Client, error) { return Connect(bounded(t), conn, o) })
			c := p.connect()
			p.send(&mqtt.Connack{})
			client, err := got()
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			if c.Version != v || string(c.ClientID) != "c" || !c.CleanStart || c.KeepAlive != 30 ||
				string(c.Username) != "u" || string(c.Password) != "p" || string(c.Will.Payload) != "gone" ||
				c.Will.QoS != 1 || !c.Will.Retain {
				t.Errorf("CONNECT is %+v", c)
			}
			if v == mqtt.V5 && c.Props.ReceiveMaximum != 7 {
				t.Errorf("Receive Maximum is %d", c.Props.ReceiveMaximum)
			}
		})
	}
}

func TestConnectRefused(t *testing.T) {
	for _, test := range []struct {
		v    mqtt.Version
		code mqtt.ReasonCode
		v3   byte
	}{
		{mqtt.V5, mqtt.NotAuthorized, 0},
		{mqtt.V311, mqtt.BadUserNameOrPassword, 4},
		{mqtt.V31, mqtt.NotAuthorized, 5},
	} {
		conn, p := pipe(t, test.v)
		got := async(func() (*Client, error) {
			return Connect(bounded(t), conn, Options{Version: test.v, ClientID: "c", CleanStart: true})
		})
		p.connect()
		p.send(&mqtt.Connack{Code: test.code, Props: mqtt.ConnackProps{Reason: []byte("because")}})
		_, err := got()
		var refused *RefusedError
		if !errors.As(err, &refused) || refused.Code != test.code || refused.V3 != test.v3 {
			t.Errorf("%v: %v", test.v, err)
		}
		if test.v == mqtt.V5 && !strings.Contains(err.Error(), "because") {
			t.Errorf("the reason is not told: %v", err)
		}
		p.gone()
	}
}

func TestConnectEndsWithContext(t *testing.T) {
	conn, p := pipe(t, mqtt.V5)
	ctx, cancel := context.WithCancel(t.Context())
	got := async(func() (*Client, error) { return Connect(ctx, conn, Options{}) })
	p.connect()
	cancel()
	if _, err := got(); !errors.Is(err, context.Canceled) {
		t.Errorf("Connect gives %v", err)
	}
}

func TestOptionsRefused(t *testing.T) {
	for name, o := range map[string]Options{
		"version":        {Version: 9},
		"keep alive":     {KeepAlive: 70_000 * time.Second},
		"empty id":       {Version: mqtt.V311},
		"lone password":  {Version: mqtt.V311, ClientID: "c", Password: []byte("p")},
		"authentication": {Version: mqtt.V311, ClientID: "c", Auth: NewSCRAM("u", "p")},
	} {
		conn, _ := pipe(t, mqtt.V5)
		if c, err := Connect(bounded(t), conn, o); err == nil {
			c.Close()
			t.Errorf("%s: no error", name)
		}
	}
}

func TestPublishFlows(t *testing.T) {
	for _, v := range []mqtt.Version{mqtt.V31, mqtt.V311, mqtt.V5} {
		c, p := meet(t, Options{Version: v, ClientID: "c", CleanStart: true}, mqtt.Connack{})
		for qos := mqtt.QoS0; qos <= mqtt.QoS2; qos++ {
			got := async(func() (Receipt, error) {
				return c.Publish(bounded(t), &Message{Topic: "t", Payload: []byte("x"), QoS: qos, Retain: true})
			})
			m := p.publish()
			if m.QoS != qos || string(m.Topic) != "t" || string(m.Payload) != "x" || !m.Retain || m.Dup {
				t.Errorf("%v QoS %d: PUBLISH is %+v", v, qos, m)
			}
			switch qos {
			case mqtt.QoS1: // [MQTT-4.3.2-1]
				p.send(&mqtt.Ack{Type: mqtt.TypePuback, PacketID: m.PacketID})
			case mqtt.QoS2: // [MQTT-4.3.3-1]
				p.send(&mqtt.Ack{Type: mqtt.TypePubrec, PacketID: m.PacketID})
				if a := p.ack(mqtt.TypePubrel); a.PacketID != m.PacketID {
					t.Errorf("PUBREL for %d, want %d", a.PacketID, m.PacketID)
				}
				p.send(&mqtt.Ack{Type: mqtt.TypePubcomp, PacketID: m.PacketID})
			}
			if r, err := got(); err != nil || r.Code != mqtt.Success {
				t.Errorf("%v QoS %d: %+v, %v", v, qos, r, err)
			}
		}
		if n := c.Session().Pending(); n != 0 {
			t.Errorf("%d messages are pending", n)
		}
	}
}

func TestPublishRefusedByServer(t *testing.T) {
	c, p := meet(t, Options{}, mqtt.Connack{})
	for qos, answer := range map[mqtt.QoS]mqtt.PacketType{1: mqtt.TypePuback, 2: mqtt.TypePubrec} {
		got := async(func() (Receipt, error) { return c.Publish(bounded(t), &Message{Topic: "t", QoS: qos}) })
		m := p.publish()
		p.send(&mqtt.Ack{Type: answer, PacketID: m.PacketID, Code: mqtt.NotAuthorized, Reason: []byte("no")})
		// A refusing PUBREC ends the flow: no PUBREL follows [MQTT-4.3.3-4].
		if r, err := got(); err != nil || r.Code != mqtt.NotAuthorized || r.Reason != "no" {
			t.Errorf("QoS %d: %+v, %v", qos, r, err)
		}
	}
}

func TestPublishKeepsToWhatServerOffers(t *testing.T) {
	c, _ := meet(t, Options{}, mqtt.Connack{Props: mqtt.ConnackProps{
		HasMaximumQoS: true, MaximumQoS: 1, RetainUnavailable: true, MaximumPacketSize: 40, TopicAliasMaximum: 2}})
	alias := func(n uint16) *Message {
		m := &Message{Topic: "t"}
		m.Props.TopicAlias, m.Props.HasTopicAlias = n, true
		return m
	}
	for name, m := range map[string]*Message{
		"QoS":       {Topic: "t", QoS: 2},                                 // [MQTT-3.2.2-11]
		"retain":    {Topic: "t", Retain: true},                           // [MQTT-3.2.2-14]
		"size":      {Topic: "t", Payload: bytes.Repeat([]byte("x"), 40)}, // [MQTT-3.2.2-15]
		"alias":     alias(3),                                             // [MQTT-3.2.2-17]
		"alias 0":   alias(0),                                             // [MQTT-3.3.2-8]
		"no topic":  {},                                                   // [MQTT-4.7.3-1]
		"long":      {Topic: strings.Repeat("t", 65536)},                  // [MQTT-4.7.3-3]
		"character": {Topic: "a\x00b"},                                    // [MQTT-4.7.3-2]
	} {
		if _, err := c.Publish(bounded(t), m); err == nil {
			t.Errorf("%s: sent", name)
		}
	}
}

func TestReceiveMaximumHoldsPublisherBack(t *testing.T) { // [MQTT-3.3.4-7]
	c, p := meet(t, Options{}, mqtt.Connack{Props: mqtt.ConnackProps{ReceiveMaximum: 2}})
	sent := make(chan mqtt.Publish, 8)
	go func() {
		for range 3 {
			m := p.publish()
			sent <- m
			if len(sent) == 2 {
				p.send(&mqtt.Ack{Type: mqtt.TypePuback, PacketID: m.PacketID})
			}
		}
	}()
	for range 2 {
		if _, err := c.Start(bounded(t), &Message{Topic: "t", QoS: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.slots) == 0 {
		t.Fatal("no slot is taken")
	}
	if _, err := c.Start(bounded(t), &Message{Topic: "third", QoS: 1}); err != nil {
		t.Fatal(err)
	}
	// The third could start only because the second was acknowledged.
	if n := c.Session().Pending(); n != 2 {
		t.Errorf("%d messages are pending, want 2", n)
	}
}

func TestStartWaitsAtReceiveMaximum(t *testing.T) {
	c, p := meet(t, Options{}, mqtt.Connack{Props: mqtt.ConnackProps{ReceiveMaximum: 1}})
	first := async(func() (*Delivery, error) { return c.Start(bounded(t), &Message{Topic: "t", QoS: 1}) })
	p.publish()
	if _, err := first(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Start(ctx, &Message{Topic: "t", QoS: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("a second message passed: %v", err)
	}
}

func TestReceiveFlows(t *testing.T) {
	c, p := meet(t, Options{}, mqtt.Connack{})
	message := mqtt.Publish{Topic: []byte("t"), Payload: []byte("x"), Retain: true}
	message.Props.User = mqtt.AppendUser(message.Props.User, "k", "v")
	message.Props.SubscriptionIDs = []uint32{3, 4}
	for qos := mqtt.QoS0; qos <= mqtt.QoS2; qos++ {
		message.QoS, message.PacketID = qos, uint16(qos)
		p.send(&message)
		m, err := c.Receive(bounded(t))
		if err != nil {
			t.Fatal(err)
		}
		if v, _ := m.Props.User.Get("k"); string(v) != "v" || m.QoS != qos || !m.Retain ||
			len(m.Props.SubscriptionIDs) != 2 || m.PacketID() != uint16(qos) {
			t.Errorf("QoS %d: %+v", qos, m)
		}
		switch qos {
		case mqtt.QoS1:
			p.ack(mqtt.TypePuback) // [MQTT-4.3.2-4]
		case mqtt.QoS2:
			p.ack(mqtt.TypePubrec) // [MQTT-4.3.3-8]
			message.Dup = true
			p.send(&message) // again before PUBREL: acknowledged, not delivered [MQTT-4.3.3-10]
			p.ack(mqtt.TypePubrec)
			p.send(&mqtt.Ack{Type: mqtt.TypePubrel, PacketID: message.PacketID})
			if a := p.ack(mqtt.TypePubcomp); a.Code != mqtt.Success { // [MQTT-4.3.3-11]
				t.Errorf("PUBCOMP with %v", a.Code)
			}
			p.send(&mqtt.Ack{Type: mqtt.TypePubrel, PacketID: 77})
			if a := p.ack(mqtt.TypePubcomp); a.Code != mqtt.PacketIdentifierNotFound {
				t.Errorf("PUBCOMP for an unknown identifier with %v", a.Code)
			}
		}
	}
	select {
	case m := <-c.Messages():
		t.Errorf("delivered twice: %+v", m)
	default:
	}
}

func TestManualAck(t *testing.T) {
	c, p := meet(t, Options{ManualAck: true}, mqtt.Connack{})
	p.send(&mqtt.Publish{Topic: []byte("t"), QoS: 1, PacketID: 5})
	m, err := c.Receive(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	// Nothing but the ping that follows may come before Ack.
	go c.send(mqtt.AppendPingreq(nil), "PINGREQ")
	p.expect(mqtt.TypePingreq)
	go m.Ack()
	if a := p.ack(mqtt.TypePuback); a.PacketID != 5 {
		t.Errorf("PUBACK for %d", a.PacketID)
	}
}

func TestSubscribeAndUnsubscribe(t *testing.T) {
	c, p := meet(t, Options{}, mqtt.Connack{})
	want := Subscription{ID: 9, Filters: []Filter{
		{"a/#", mqtt.SubscribeOptions{QoS: 1, NoLocal: true, RetainHandling: 2}}, {"b", mqtt.SubscribeOptions{QoS: 2}}}}
	got := async(func() (*mqtt.Suback, error) { return c.Subscribe(bounded(t), want) })
	h, body := p.expect(mqtt.TypeSubscribe)
	var s mqtt.Subscribe
	if err := s.Decode(mqtt.V5, h, body); err != nil || s.SubscriptionID != 9 || s.Count != 2 {
		t.Fatalf("SUBSCRIBE is %+v, %v", s, err)
	}
	i := 0
	for filter, options := range s.Filters() {
		if string(filter) != want.Filters[i].Filter || options != want.Filters[i].SubscribeOptions {
			t.Errorf("filter %d is %s %+v", i, filter, options)
		}
		i++
	}
	p.send(&mqtt.Suback{PacketID: s.PacketID, Codes: []mqtt.ReasonCode{1, mqtt.NotAuthorized}})
	if ack, err := got(); err != nil || ack.Codes[1] != mqtt.NotAuthorized {
		t.Errorf("%+v, %v", ack, err)
	}
	gone := async(func() (*mqtt.Unsuback, error) { return c.Unsubscribe(bounded(t), []string{"b"}, nil) })
	h, body = p.expect(mqtt.TypeUnsubscribe)
	var u mqtt.Unsubscribe
	if err := u.Decode(mqtt.V5, h, body); err != nil {
		t.Fatal(err)
	}
	p.send(&mqtt.Unsuback{PacketID: u.PacketID, Codes: []mqtt.ReasonCode{mqtt.NoSubscriptionExisted}})
	if ack, err := gone(); err != nil || ack.Codes[0] != mqtt.NoSubscriptionExisted {
		t.Errorf("%+v, %v", ack, err)
	}
}

func TestTopicAliasesFromServer(t *testing.T) {
	props := mqtt.NewConnectProps()
	props.TopicAliasMaximum = 2
	c, p := meet(t, Options{Props: &props}, mqtt.Connack{})
	m := mqtt.Publish{Topic: []byte("long/topic")}
	m.Props.TopicAlias, m.Props.HasTopicAlias = 2, true
	p.send(&m)
	m.Topic = nil
	p.send(&m)
	for range 2 {
		if got, err := c.Receive(bounded(t)); err != nil || got.Topic != "long/topic" {
			t.Errorf("%+v, %v", got, err)
		}
	}
	m.Props.TopicAlias = 3 // [MQTT-3.1.2-26]
	p.send(&m)
	expectGoodbye(t, p, mqtt.TopicAliasInvalid)
}

// expectGoodbye reads the DISCONNECT by which the client names a violation.
func expectGoodbye(t *testing.T, p *peer, want mqtt.ReasonCode) {
	t.Helper()
	h, body := p.expect(mqtt.TypeDisconnect)
	var d mqtt.Disconnect
	if err := d.Decode(mqtt.V5, h, body); err != nil || d.Code != want {
		t.Errorf("DISCONNECT with %v (%v), want %v", d.Code, err, want)
	}
	p.gone()
}

func TestViolationsOfServer(t *testing.T) {
	for name, test := range map[string]struct {
		bytes []byte
		code  mqtt.ReasonCode
	}{
		"client's packet": {[]byte{0xC0, 0}, mqtt.ProtocolError},
		"malformed":       {[]byte{0x36, 3, 0, 1, 't'}, mqtt.MalformedPacket},    // QoS 3
		"too large":       {[]byte{0x30, 0xff, 0xff, 0x7f}, mqtt.PacketTooLarge}, // [MQTT-3.1.2-24]
		"auth":            {(&mqtt.Auth{Code: mqtt.ContinueAuthentication, Method: []byte("x")}).Append(nil, mqtt.V5), mqtt.ProtocolError},
	} {
		t.Run(name, func(t *testing.T) {
			c, p := meet(t, Options{MaximumPacket: 1000}, mqtt.Connack{})
			p.sendBytes(test.bytes)
			expectGoodbye(t, p, test.code)
			var violation *mqtt.Error
			if _, err := c.Receive(bounded(t)); !errors.As(err, &violation) || violation.Code != test.code {
				t.Errorf("ended with %v", err)
			}
		})
	}
}

func TestReceiveMaximumOfOurs(t *testing.T) { // [MQTT-3.3.4-9]
	props := mqtt.NewConnectProps()
	props.ReceiveMaximum = 1
	_, p := meet(t, Options{Props: &props, ManualAck: true}, mqtt.Connack{})
	for id := uint16(1); id <= 2; id++ {
		p.send(&mqtt.Publish{Topic: []byte("t"), QoS: 1, PacketID: id})
	}
	expectGoodbye(t, p, mqtt.ReceiveMaximumExceeded)
}

func TestDisconnectByServer(t *testing.T) {
	c, p := meet(t, Options{}, mqtt.Connack{})
	p.send(&mqtt.Disconnect{Code: mqtt.ServerShuttingDown, Reason: []byte("bye")})
	<-c.Done()
	var gone *DisconnectedError
	if !errors.As(c.Err(), &gone) || gone.Code != mqtt.ServerShuttingDown || gone.Reason != "bye" {
		t.Errorf("ended with %v", c.Err())
	}
	p.gone()
}

func TestDisconnectByClient(t *testing.T) {
	for _, v := range []mqtt.Version{mqtt.V311, mqtt.V5} {
		c, p := meet(t, Options{Version: v, ClientID: "c", CleanStart: true}, mqtt.Connack{})
		done := async(func() (struct{}, error) {
			return struct{}{}, c.Disconnect(bounded(t), &mqtt.Disconnect{Code: mqtt.DisconnectWithWill})
		})
		h, body := p.expect(mqtt.TypeDisconnect)
		var d mqtt.Disconnect
		if err := d.Decode(v, h, body); err != nil || v == mqtt.V5 && d.Code != mqtt.DisconnectWithWill {
			t.Errorf("%v: %+v, %v", v, d, err)
		}
		p.conn.Close()
		if _, err := done(); err != nil {
			t.Error(err)
		}
		if !errors.Is(c.Err(), ErrClosed) {
			t.Errorf("ended with %v", c.Err())
		}
		if _, err := c.Publish(bounded(t), &Message{Topic: "t"}); !errors.Is(err, ErrClosed) {
			t.Errorf("published after the end: %v", err)
		}
	}
}

func TestKeepAlive(t *testing.T) { // [MQTT-3.1.2-20] [MQTT-3.1.2-21]
	synctest.Test(t, func(t *testing.T) {
		c, p := meet(t, Options{KeepAlive: 60 * time.Second},
			mqtt.Connack{Props: mqtt.ConnackProps{HasServerKeepAlive: true, ServerKeepAlive: 10}})
		begin := time.Now()
		for range 3 {
			p.expect(mqtt.TypePingreq)
			p.sendBytes(mqtt.AppendPingresp(nil))
		}
		if since := time.Since(begin); since > 30*time.Second {
			t.Errorf("three pings took %v with a Server Keep Alive of 10 s", since)
		}
		p.expect(mqtt.TypePingreq) // unanswered
		<-c.Done()
		if !errors.Is(c.Err(), ErrKeepAlive) {
			t.Errorf("ended with %v", c.Err())
		}
	})
}

func TestDeliveryEndsWithConnection(t *testing.T) {
	c, p := meet(t, Options{}, mqtt.Connack{})
	got := async(func() (Receipt, error) { return c.Publish(bounded(t), &Message{Topic: "t", QoS: 1}) })
	p.publish()
	p.conn.Close()
	if _, err := got(); err == nil {
		t.Error("a message that nobody acknowledged is said to be")
	}
	if n := c.Session().Pending(); n != 1 {
		t.Errorf("%d messages are pending, want 1", n)
	}
}
