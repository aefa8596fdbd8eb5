package conform

import (
	"alcove/test/conform/wire"
)

var expiryCases = []Case{
	{V5: "MQTT-3.3.2-5", Title: "a queued message past its expiry is not delivered", Run: func(k *Kit) {
		id := k.Name()
		sub := k.Connect(kept(id))
		sub.Grant(k.Topic("a"), 1)
		sub.Bye()
		pub := k.Connect()
		pub.Say(k.Topic("a"), "short", 1, wire.Num(wire.MessageExpiry, 1))
		pub.Say(k.Topic("a"), "long", 1, wire.Num(wire.MessageExpiry, 100))
		waitSeconds(3)
		sub = k.Connect(kept(id))
		sub.Want("long")
		sub.Silent()
	}},
	{V5: "MQTT-3.3.2-6", Title: "a queued message's expiry is lowered by the time it waited", Run: func(k *Kit) {
		id := k.Name()
		sub := k.Connect(kept(id))
		sub.Grant(k.Topic("a"), 1)
		pub := k.Connect()
		pub.Say(k.Topic("a"), "live", 1, wire.Num(wire.MessageExpiry, 100))
		if n := sub.Want("live").Props.Num(wire.MessageExpiry, 0); n < 95 || n > 100 {
			k.Errorf("live: expiry %d", n)
		}
		sub.Bye()
		pub.Say(k.Topic("a"), "x", 1, wire.Num(wire.MessageExpiry, 100))
		waitSeconds(3)
		sub = k.Connect(kept(id))
		if n := sub.Want("x").Props.Num(wire.MessageExpiry, 0); n > 97 || n < 60 {
			k.Errorf("expiry %d after 3 seconds of 100", n)
		}
	}},
	{V5: "MQTT-3.3.2-5 MQTT-3.3.2-6", Title: "a retained message expires, and its expiry is lowered", Run: func(k *Kit) {
		pub := k.Connect()
		k.Retain(pub, wire.Publish{Topic: k.Topic("a"), Payload: "short", QoS: 1, Props: wire.Props{wire.Num(wire.MessageExpiry, 1)}})
		k.Retain(pub, wire.Publish{Topic: k.Topic("b"), Payload: "long", QoS: 1, Props: wire.Props{wire.Num(wire.MessageExpiry, 100)}})
		waitSeconds(3)
		got := k.Retained(k.Topic("#"))
		if len(got) != 1 || got[0].Payload != "long" {
			k.Fatalf("retained %v", got)
		}
		if n := got[0].Props.Num(wire.MessageExpiry, 0); n > 97 || n < 60 {
			k.Errorf("expiry %d after 3 seconds of 100", n)
		}
	}},
	{V5: "MQTT-3.3.2-5 MQTT-3.3.4-9", Title: "a message that expires behind a full window is not delivered", Run: func(k *Kit) {
		sub := k.Connect(withProps(wire.Num(wire.ReceiveMaximum, 1)))
		sub.Grant(k.Topic("a"), 1)
		pub := k.Connect()
		pub.Say(k.Topic("a"), "first", 1)
		pub.Say(k.Topic("a"), "short", 1, wire.Num(wire.MessageExpiry, 1))
		pub.Say(k.Topic("a"), "last", 1)
		p := sub.Receive()
		waitSeconds(3)
		sub.Answer(p)
		sub.Want("last")
		sub.Silent()
	}},
	{V5: "MQTT-4.3.3-7 MQTT-4.3.3-13", Title: "a QoS 2 flow finishes though its message expires", Run: func(k *Kit) {
		id := k.Name()
		sub := k.Connect(kept(id))
		sub.Grant(k.Topic("a"), 2)
		pub := k.Connect()
		pub.Send(wire.Publish{Topic: k.Topic("a"), Payload: "x", QoS: 2, ID: 500, Props: wire.Props{wire.Num(wire.MessageExpiry, 1)}}.Bytes(k.V))
		pub.Await(wire.PUBREC)
		// A broker may route at PUBLISH or at PUBREL; begin the second delivery by a message of its own.
		pub.Say(k.Topic("a"), "y", 2, wire.Num(wire.MessageExpiry, 2))
		var y *wire.Packet
		for y == nil {
			if p := sub.Receive(); p.Payload == "y" {
				y = p
			}
		}
		sub.Send(wire.Ack(k.V, wire.PUBREC, y.ID, 0, nil))
		sub.Await(wire.PUBREL)
		waitSeconds(3)
		pub.Send(wire.Ack(k.V, wire.PUBREL, 500, 0, nil))
		pub.Await(wire.PUBCOMP)
		sub.Drop()
		sub = k.Connect(kept(id))
		for rel := sub.Await(wire.PUBREL); rel.ID != y.ID; rel = sub.Await(wire.PUBREL) {
			sub.Send(wire.Ack(k.V, wire.PUBCOMP, rel.ID, 0, nil))
		}
		sub.Send(wire.Ack(k.V, wire.PUBCOMP, y.ID, 0, nil))
		sub.Ping()
	}},
	{V5: "MQTT-4.3.3-7", Title: "a QoS 2 message sent before its expiry is resent after it", Run: func(k *Kit) {
		id := k.Name()
		sub := k.Connect(kept(id))
		sub.Grant(k.Topic("a"), 2)
		pub := k.Connect()
		pub.Say(k.Topic("a"), "x", 2, wire.Num(wire.MessageExpiry, 1))
		first := sub.Receive()
		waitSeconds(3)
		sub.Drop()
		sub = k.Connect(kept(id))
		if again := sub.Take(); again.ID != first.ID || !again.Dup {
			k.Errorf("first %v, then %v", first, again)
		}
	}},
	{V5: "MQTT-4.1.0-2 MQTT-3.2.2-3", Title: "a session past its expiry is discarded", Run: func(k *Kit) {
		id := k.Name()
		short := withProps(wire.Num(wire.SessionExpiry, 1))
		c := k.Connect(withID(id), short)
		c.Grant(k.Topic("a"), 1)
		c.Bye()
		k.Connect().Say(k.Topic("a"), "x", 1)
		waitSeconds(3)
		c = k.Connect(withID(id), withClean(false), short)
		if c.Connack.SessionPresent {
			k.Errorf("session present")
		}
		c.Silent()
	}},
}
