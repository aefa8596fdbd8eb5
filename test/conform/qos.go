package conform

import (
	"fmt"

	"alcove/test/conform/wire"
)

// held is a kept session with one subscription of QoS 2, and a publisher.
func held(k *Kit) (id string, pub, sub *Client) {
	id = k.Name()
	pub, sub = k.Connect(), k.Connect(kept(id))
	sub.Grant(k.Topic("a"), 2)
	return id, pub, sub
}

var qosCases = []Case{
	{V5: "MQTT-4.3.2-2 MQTT-4.3.3-2", V311: "MQTT311-4.3.2-1 MQTT311-4.3.3-1", V31: "MQTT31", Title: "the first delivery has DUP 0 and its QoS", Run: func(k *Kit) {
		pub, sub := k.Pair(k.Topic("a"), 2)
		for qos := byte(1); qos <= 2; qos++ {
			pub.Say(k.Topic("a"), "x", qos)
			if p := sub.Want("x"); p.Dup || p.QoS != qos {
				k.Errorf("%v", p)
			}
		}
	}},
	{V5: "MQTT-3.3.1-1 MQTT-4.3.2-3 MQTT-4.4.0-1", V311: "MQTT311-3.3.1-1 MQTT311-4.4.0-1 MQTT311-4.3.2-1", V31: "MQTT31", Title: "QoS 1 without PUBACK returns on resumption with DUP and its identifier", Run: func(k *Kit) {
		id, pub, sub := held(k)
		pub.Say(k.Topic("a"), "x", 1)
		first := sub.Receive()
		sub.Silent() // never resent while connected
		sub.Drop()
		sub = k.Connect(kept(id))
		again := sub.Want("x")
		if !again.Dup || again.ID != first.ID || again.QoS != 1 {
			k.Errorf("first %v, then %v", first, again)
		}
		sub.Ping()
		sub.Drop()
		k.Connect(kept(id)).Silent()
	}},
	{V5: "MQTT-4.3.3-3 MQTT-3.3.1-1 MQTT-4.4.0-1", V311: "MQTT311-4.3.3-1 MQTT311-4.4.0-1", V31: "MQTT31", Title: "QoS 2 without PUBREC returns on resumption with DUP and its identifier", Run: func(k *Kit) {
		id, pub, sub := held(k)
		pub.Say(k.Topic("a"), "x", 2)
		first := sub.Receive()
		sub.Drop()
		sub = k.Connect(kept(id))
		if again := sub.Want("x"); !again.Dup || again.ID != first.ID || again.QoS != 2 {
			k.Errorf("first %v, then %v", first, again)
		}
	}},
	{V5: "MQTT-4.3.3-4 MQTT-4.3.3-5 MQTT-4.3.3-6 MQTT-3.6.2-1", V311: "MQTT311-4.3.3-1 MQTT311-4.4.0-1", V31: "MQTT31", Title: "after PUBREC only PUBREL returns, with its identifier", Run: func(k *Kit) {
		id, pub, sub := held(k)
		pub.Say(k.Topic("a"), "x", 2)
		p := sub.Receive()
		sub.Send(wire.Ack(k.V, wire.PUBREC, p.ID, 0, nil))
		if rel := sub.Await(wire.PUBREL); rel.ID != p.ID {
			k.Fatalf("%v", rel)
		}
		sub.Drop()
		sub = k.Connect(kept(id))
		if rel := sub.Await(wire.PUBREL); rel.ID != p.ID || rel.Reason != 0 {
			k.Fatalf("%v", rel)
		}
		sub.Silent()
		sub.Send(wire.Ack(k.V, wire.PUBCOMP, p.ID, 0, nil))
		sub.Ping()
		sub.Drop()
		sub = k.Connect(kept(id))
		sub.Silent()
		if len(sub.pending) > 0 {
			k.Errorf("after PUBCOMP came %v", sub.pending[0])
		}
	}},
	{V5: "MQTT-4.3.3-4 MQTT-4.4.0-2", Title: "PUBREC with an error ends the flow", Run: func(k *Kit) {
		id, pub, sub := held(k)
		pub.Say(k.Topic("a"), "x", 2)
		p := sub.Receive()
		sub.Send(wire.Ack(k.V, wire.PUBREC, p.ID, 0x80, nil))
		sub.Ping()
		if len(sub.pending) > 0 {
			k.Errorf("answered by %v", sub.pending[0])
		}
		sub.Drop()
		sub = k.Connect(kept(id))
		sub.Silent()
		pub.Say(k.Topic("a"), "y", 2)
		sub.Want("y")
	}},
	{V5: "MQTT-4.4.0-2", Title: "PUBACK with an error ends the flow", Run: func(k *Kit) {
		id, pub, sub := held(k)
		pub.Say(k.Topic("a"), "x", 1)
		sub.Send(wire.Ack(k.V, wire.PUBACK, sub.Receive().ID, 0x97, nil))
		sub.Ping()
		sub.Drop()
		k.Connect(kept(id)).Silent()
	}},
	{V5: "MQTT-4.3.2-5", V311: "MQTT311-4.3.2-2 MQTT311-2.3.1-3", V31: "MQTT31", Title: "after PUBACK an identifier means a new message, DUP or not", Run: func(k *Kit) {
		pub, sub := k.Pair(k.Topic("a"), 1)
		for i := range 3 {
			pub.Publish(wire.Publish{Topic: k.Topic("a"), Payload: "x", QoS: 1, ID: 5, Dup: i > 0})
			sub.Want("x")
		}
		sub.Silent()
	}},
	{V5: "MQTT-4.3.3-10 MQTT-4.3.3-8", V311: "MQTT311-4.3.3-2 MQTT311-2.3.1-3", V31: "MQTT31", Title: "before PUBREL a repeated QoS 2 message is one message", Run: func(k *Kit) {
		pub, sub := k.Pair(k.Topic("a"), 2)
		msg := wire.Publish{Topic: k.Topic("a"), Payload: "x", QoS: 2, ID: 5}
		for range 3 {
			pub.Send(msg.Bytes(k.V))
			if rec := pub.Next(); rec == nil || rec.Type != wire.PUBREC || rec.ID != 5 || rec.Reason >= 0x80 {
				if k.V >= wire.V5 && msg.Dup && (rec == nil || rec.Type == wire.DISCONNECT) {
					return // version 5 allows repeating on a new connection only [MQTT-4.4.0-1]
				}
				k.Fatalf("DUP %v answered by %v", msg.Dup, rec)
			}
			msg.Dup = true
		}
		pub.Send(wire.Ack(k.V, wire.PUBREL, 5, 0, nil))
		pub.Await(wire.PUBCOMP)
		sub.Want("x")
		sub.Silent()
	}},
	{V5: "MQTT-4.3.3-12", V311: "MQTT311-4.3.3-2", V31: "MQTT31", Title: "after PUBCOMP an identifier means a new message", Run: func(k *Kit) {
		pub, sub := k.Pair(k.Topic("a"), 2)
		for i := range 3 {
			pub.Publish(wire.Publish{Topic: k.Topic("a"), Payload: fmt.Sprint(i), QoS: 2, ID: 5, Dup: i == 2})
			sub.Want(fmt.Sprint(i))
		}
		sub.Silent()
	}},
	{V5: "MQTT-4.3.3-10 MQTT-4.3.3-11 MQTT-4.1.0-1", V311: "MQTT311-4.3.3-2 MQTT311-4.1.0-1", V31: "MQTT31", Title: "a QoS 2 publish goes on over a new connection as one message", Run: func(k *Kit) {
		sub := k.Connect()
		sub.Grant(k.Topic("a"), 2)
		id := k.Name()
		msg := wire.Publish{Topic: k.Topic("a"), Payload: "x", QoS: 2, ID: 5}
		pub := k.Connect(kept(id))
		pub.Send(msg.Bytes(k.V))
		pub.Await(wire.PUBREC)
		pub.Drop()
		pub = k.Connect(kept(id))
		msg.Dup = true
		pub.Send(msg.Bytes(k.V))
		pub.Await(wire.PUBREC)
		pub.Drop()
		pub = k.Connect(kept(id))
		pub.Send(wire.Ack(k.V, wire.PUBREL, 5, 0, nil))
		pub.Await(wire.PUBCOMP)
		sub.Want("x")
		sub.Silent()
	}},
	{V5: "MQTT-3.7.2-1 MQTT-4.3.3-11", V311: "MQTT311-4.3.3-2", Title: "PUBREL for an unknown identifier draws PUBCOMP", Run: func(k *Kit) {
		c := k.Connect()
		c.Send(wire.Ack(k.V, wire.PUBREL, 77, 0, nil))
		if p := c.Await(wire.PUBCOMP); p.ID != 77 || k.V >= wire.V5 && p.Reason != 0 && p.Reason != 0x92 {
			k.Errorf("%v", p)
		}
		c.Ping()
	}},
	{V5: "MQTT-4.13.1-1", V311: "MQTT311-4.8.0-1", Title: "acknowledgements of what was never sent do no harm", Run: func(k *Kit) {
		// A broker may ignore them or close; it must not answer PUBLISH or fall.
		for _, typ := range []byte{wire.PUBACK, wire.PUBREC, wire.PUBCOMP} {
			c := k.Connect()
			c.Send(wire.Ack(k.V, typ, 999, 0, nil), wire.Ping())
			for p := c.Next(); p != nil && p.Type != wire.PINGRESP && p.Type != wire.DISCONNECT; p = c.Next() {
				if p.Type != wire.PUBREL {
					k.Errorf("%s answered by %v", wire.TypeName(typ), p)
				}
			}
		}
		k.Connect().Ping()
	}},
	{V5: "MQTT-4.3.3-9", Title: "after a refusing PUBREC the identifier is free", Needs: needsDialect, Run: func(k *Kit) {
		pub, sub := k.Pair(k.Topic("a"), 2)
		if r := pub.Publish(wire.Publish{Topic: "$share/x/y", QoS: 2, ID: 5}); r < 0x80 {
			k.Fatalf("a topic under $share accepted with %#02x", r)
		}
		pub.Publish(wire.Publish{Topic: k.Topic("a"), Payload: "x", QoS: 2, ID: 5})
		sub.Want("x")
	}},
	{V5: "MQTT-3.3.4-1", V311: "MQTT311-3.3.4-1", Title: "a kept session completes many flows begun before a cut", Run: func(k *Kit) {
		id, pub, sub := held(k)
		const n = 30
		for i := range n {
			pub.Say(k.Topic("a"), fmt.Sprint(i), byte(i%2+1))
		}
		for range 5 { // taken but never answered
			sub.Receive()
		}
		sub.Drop()
		sub = k.Connect(kept(id))
		seen := map[string]bool{}
		for len(seen) < n {
			p := sub.Take()
			if seen[p.Payload] && p.QoS == 2 {
				k.Fatalf("%s twice", p.Payload)
			}
			seen[p.Payload] = true
		}
		sub.Silent()
	}},
}
