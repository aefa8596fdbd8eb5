package conform

import (
	"fmt"
	"strings"

	"alcove/test/conform/wire"
)

// tiny is a Maximum Packet Size which holds acknowledgements with a reason
// and nothing beside it.
const tiny = 24

// fits fails the case when a packet is larger than tiny.
func fits(k *Kit, p *wire.Packet) *wire.Packet {
	if p != nil && p.Size > tiny {
		k.Errorf("%v of %d bytes for a Maximum Packet Size of %d", p, p.Size, tiny)
	}
	return p
}

// small connects with a tiny Maximum Packet Size; a broker which cannot even
// send its CONNACK within it is given one byte more, until it can.
func small(k *Kit, opts ...option) *Client {
	c, ack := k.Open(append(opts, withProps(wire.Num(wire.MaximumPacketSize, tiny)))...)
	if ack == nil || ack.Reason != 0 {
		k.Skipf("does not serve clients with a Maximum Packet Size of %d", tiny)
	}
	c.Connack = ack
	return c
}

// bare fails the case when a packet other than PUBLISH, CONNACK and DISCONNECT explains itself.
func bare(k *Kit, p *wire.Packet) {
	if p.Props.Has(wire.ReasonString) || p.Props.Has(wire.UserProperty) {
		k.Errorf("%v with %v", p, p.Props)
	}
}

// refusedTopic is a topic that Alcove refuses in the ack; elsewhere the ack is just an ack.
const refusedTopic = "$share/x/y"

var limitCases = []Case{
	{V5: "MQTT-3.1.2-24 MQTT-3.1.2-25", Title: "messages above the client's Maximum Packet Size are dropped, smaller ones come", Run: func(k *Kit) {
		sub := k.Connect(withProps(wire.Num(wire.MaximumPacketSize, 400), wire.Num(wire.ReceiveMaximum, 2)))
		sub.Grant(k.Topic("a"), 2)
		pub := k.Connect()
		for i := range 12 { // more than the quota: dropped ones must not use it up
			pub.Say(k.Topic("a"), strings.Repeat("x", 500), byte(i%3))
			pub.Say(k.Topic("a"), fmt.Sprint(i), byte(i%3))
		}
		seen := map[string]bool{} // order holds within one QoS only
		for range 12 {
			p := sub.Take()
			if p.Size > 400 || seen[p.Payload] {
				k.Errorf("%v of %d bytes", p, p.Size)
			}
			seen[p.Payload] = true
		}
		sub.Silent()
	}},
	{V5: "MQTT-3.1.2-24 MQTT-3.1.2-25", Title: "queued and retained messages above the Maximum Packet Size are dropped too", Run: func(k *Kit) {
		id := k.Name()
		limit := withProps(wire.Num(wire.MaximumPacketSize, 400))
		sub := k.Connect(kept(id))
		sub.Grant(k.Topic("a"), 1)
		sub.Bye()
		pub := k.Connect()
		pub.Say(k.Topic("a"), strings.Repeat("x", 500), 1)
		pub.Say(k.Topic("a"), "small", 1)
		k.Retain(pub, wire.Publish{Topic: k.Topic("r"), Payload: strings.Repeat("x", 500), QoS: 1})
		sub = k.Connect(kept(id), limit)
		sub.Want("small")
		sub.Grant(k.Topic("r"), 1)
		sub.Silent()
	}},
	{V5: "MQTT-3.4.2-2 MQTT-3.4.2-3 MQTT-3.5.2-2 MQTT-3.5.2-3 MQTT-3.6.2-2 MQTT-3.6.2-3 MQTT-3.7.2-2 MQTT-3.7.2-3", Title: "acks fit the client's Maximum Packet Size", Run: func(k *Kit) {
		c := small(k)
		for _, topic := range []string{refusedTopic, "+"} {
			c.Send(wire.Publish{Topic: topic, Payload: "x", QoS: 1, ID: 1}.Bytes(k.V))
			if p := fits(k, c.Next()); p == nil || p.Type == wire.DISCONNECT {
				c = small(k)
			}
			c.Send(wire.Publish{Topic: topic, Payload: "x", QoS: 2, ID: 2}.Bytes(k.V))
			p := fits(k, c.Next())
			if p == nil || p.Type == wire.DISCONNECT {
				c = small(k)
				continue
			}
			c.Send(wire.Ack(k.V, wire.PUBREL, 2, 0, nil))
			fits(k, c.Await(wire.PUBCOMP))
		}
		c.Send(wire.Ack(k.V, wire.PUBREL, 99, 0, nil))
		fits(k, c.Await(wire.PUBCOMP))
		c.Grant("x"+k.name, 2)
		k.Connect().Say("x"+k.name, "", 2)
		rec := c.fetch()
		if rec == nil {
			return // the delivery itself was too large
		}
		if fits(k, rec).Type == wire.PUBLISH {
			c.Send(wire.Ack(k.V, wire.PUBREC, rec.ID, 0, nil))
			fits(k, c.Await(wire.PUBREL))
		}
	}},
	{V5: "MQTT-3.9.2-1 MQTT-3.9.2-2 MQTT-3.11.2-1 MQTT-3.11.2-2", Title: "SUBACK and UNSUBACK fit the client's Maximum Packet Size", Run: func(k *Kit) {
		for _, f := range []string{"ok" + k.name, "a#", "$share//x", "$share/g/$share/h/x"} {
			c := small(k)
			c.Send(wire.Subscribe(k.V, 1, nil, wire.Sub{Filter: f}))
			if p := fits(k, c.Next()); p == nil || p.Type == wire.DISCONNECT {
				continue
			}
			c.Send(wire.Unsubscribe(k.V, 2, nil, f, "never-there"))
			fits(k, c.Next())
		}
	}},
	{V5: "MQTT-3.14.2-3 MQTT-3.14.2-4", Title: "DISCONNECT fits the client's Maximum Packet Size", Run: func(k *Kit) {
		for _, b := range [][]byte{{0xc1, 0}, {0x36, 0}, wire.Subscribe(k.V, 1, nil), k.Packet().Bytes()} {
			c := small(k)
			c.Send(b)
			for p := c.Next(); p != nil; p = c.Next() {
				fits(k, p)
			}
		}
	}},
	{V5: "MQTT-3.4.2-2 MQTT-3.9.2-1 MQTT-3.14.2-3", Title: "Alcove explains refusals where that fits", Needs: needsDialect, Run: func(k *Kit) {
		for _, limit := range []uint32{0, tiny} { // 0: no limit given
			open := func() *Client {
				if limit == 0 {
					return k.Connect()
				}
				return small(k)
			}
			told := func(p *wire.Packet) {
				if p == nil || limit == 0 && !p.Props.Has(wire.ReasonString) || limit == tiny && p.Size > tiny {
					k.Errorf("Maximum Packet Size %d: %v", limit, p)
				}
			}
			c := open()
			c.Send(wire.Publish{Topic: refusedTopic, Payload: "x", QoS: 1, ID: 1}.Bytes(k.V))
			told(c.Await(wire.PUBACK))
			c.Send(wire.Publish{Topic: refusedTopic, Payload: "x", QoS: 2, ID: 2}.Bytes(k.V))
			told(c.Await(wire.PUBREC))
			c.Send(wire.Subscribe(k.V, 3, nil, wire.Sub{Filter: "a#"}))
			told(c.Await(wire.SUBACK))
			c.Send(wire.Subscribe(k.V, 4, nil))
			told(c.Next())
		}
	}},
	{V5: "MQTT-3.15.2-2 MQTT-3.15.2-3", Title: "AUTH fits the client's Maximum Packet Size", Run: func(k *Kit) {
		c := k.Dial()
		c.Send(k.Packet(withProps(wire.Num(wire.MaximumPacketSize, tiny), wire.Text(wire.AuthMethod, "SCRAM-SHA-256"), wire.Text(wire.AuthData, "n,,n=1,r=abc"))).Bytes())
		c.version.Lock()
		c.V = k.V
		c.version.Unlock()
		for p := c.Next(); p != nil; p = c.Next() {
			fits(k, p)
			if p.Type == wire.AUTH {
				break
			}
		}
	}},
	{V5: "MQTT-3.1.2-29 EXT-UP-6", Title: "Request Problem Information 0 keeps explanations out of acks", Run: func(k *Kit) {
		c := k.Connect(withProps(wire.Num(wire.RequestProblem, 0)))
		for qos := byte(1); qos <= 2; qos++ {
			c.Send(wire.Publish{Topic: refusedTopic, QoS: qos, ID: 1}.Bytes(k.V))
			p := c.Next()
			if p == nil || p.Type == wire.DISCONNECT {
				c = k.Connect(withProps(wire.Num(wire.RequestProblem, 0)))
				continue
			}
			bare(k, p)
			if p.Type == wire.PUBREC && p.Reason < 0x80 {
				c.Send(wire.Ack(k.V, wire.PUBREL, 1, 0, nil))
				bare(k, c.Await(wire.PUBCOMP))
			}
		}
		c.Send(wire.Ack(k.V, wire.PUBREL, 99, 0, nil))
		bare(k, c.Await(wire.PUBCOMP))
		for _, f := range []string{k.Topic("a"), "a#", "$share//x"} {
			c = k.Connect(withProps(wire.Num(wire.RequestProblem, 0)))
			c.Send(wire.Subscribe(k.V, 1, nil, wire.Sub{Filter: f}))
			if p := c.Next(); p != nil && p.Type != wire.DISCONNECT {
				bare(k, p)
				c.Send(wire.Unsubscribe(k.V, 2, nil, f))
				if p = c.Next(); p != nil && p.Type != wire.DISCONNECT {
					bare(k, p)
				}
			}
		}
	}},
}
