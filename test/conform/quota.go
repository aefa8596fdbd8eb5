package conform

import (
	"fmt"

	"alcove/test/conform/wire"
)

var quotaCases = []Case{
	{V5: "MQTT-3.3.4-9 MQTT-4.9.0-1 MQTT-4.9.0-2", Title: "deliveries stop at the client's Receive Maximum and go on one by one", Run: func(k *Kit) {
		for _, max := range []int{1, 3} {
			topic := k.Topic(fmt.Sprint(max))
			sub := k.Connect(withProps(wire.Num(wire.ReceiveMaximum, uint32(max))))
			sub.Grant(topic, 2)
			pub := k.Connect()
			for i := range 8 {
				pub.Say(topic, fmt.Sprint(i), byte(i%2+1))
			}
			var open []*wire.Packet
			for i := range 8 {
				for len(open) < max && i+len(open) < 8 {
					open = append(open, sub.Receive())
				}
				sub.Ping()
				if len(sub.pending) > 0 {
					k.Fatalf("after %d answers %v open, and yet came %v", i, open, sub.pending[0])
				}
				if open[0].Payload != fmt.Sprint(i) {
					k.Errorf("got %v, want %d", open[0], i)
				}
				sub.Answer(open[0])
				open = open[1:]
			}
		}
	}},
	{V5: "MQTT-3.3.4-9 MQTT-4.9.0-2", Title: "PUBREC keeps its place in the quota until PUBCOMP", Run: func(k *Kit) {
		sub := k.Connect(withProps(wire.Num(wire.ReceiveMaximum, 1)))
		sub.Grant(k.Topic("a"), 2)
		pub := k.Connect()
		pub.Say(k.Topic("a"), "1", 2)
		pub.Say(k.Topic("a"), "2", 1)
		p := sub.Receive()
		sub.Send(wire.Ack(k.V, wire.PUBREC, p.ID, 0, nil))
		sub.Await(wire.PUBREL)
		sub.Ping()
		if len(sub.pending) > 0 {
			k.Fatalf("before PUBCOMP came %v", sub.pending[0])
		}
		sub.Send(wire.Ack(k.V, wire.PUBCOMP, p.ID, 0, nil))
		sub.Want("2")
	}},
	{V5: "MQTT-3.3.4-9", Title: "a refusing PUBREC or PUBACK gives its place back", Run: func(k *Kit) {
		sub := k.Connect(withProps(wire.Num(wire.ReceiveMaximum, 1)))
		sub.Grant(k.Topic("a"), 2)
		pub := k.Connect()
		pub.Say(k.Topic("a"), "1", 2)
		pub.Say(k.Topic("a"), "2", 1)
		pub.Say(k.Topic("a"), "3", 1)
		sub.Send(wire.Ack(k.V, wire.PUBREC, sub.Receive().ID, 0x83, nil))
		sub.Send(wire.Ack(k.V, wire.PUBACK, sub.Receive().ID, 0x83, nil))
		sub.Want("3")
	}},
	{V5: "MQTT-3.3.4-10 MQTT-4.9.0-3", Title: "a full window holds back nothing but messages", Run: func(k *Kit) {
		sub := k.Connect(withProps(wire.Num(wire.ReceiveMaximum, 1)))
		sub.Grant(k.Topic("a"), 1)
		pub := k.Connect()
		pub.Say(k.Topic("a"), "1", 1)
		pub.Say(k.Topic("a"), "2", 1)
		first := sub.Receive()
		sub.Ping()
		sub.Grant(k.Topic("b"), 1)
		sub.Say(k.Topic("c"), "x", 1)
		sub.Say(k.Topic("c"), "x", 2)
		sub.Unsubscribe(k.Topic("b"))
		sub.Answer(first)
		sub.Want("2")
	}},
	{V5: "MQTT-4.9.0-1", Title: "a new connection starts with a full quota", Run: func(k *Kit) {
		id := k.Name()
		two := withProps(wire.Num(wire.ReceiveMaximum, 2))
		sub := k.Connect(kept(id), two)
		sub.Grant(k.Topic("a"), 1)
		pub := k.Connect()
		for i := range 4 {
			pub.Say(k.Topic("a"), fmt.Sprint(i), 1)
		}
		sub.Receive()
		sub.Receive()
		sub.Drop()
		sub = k.Connect(kept(id), two)
		a, b := sub.Receive(), sub.Receive()
		sub.Ping()
		if len(sub.pending) > 0 || a.Payload != "0" || b.Payload != "1" {
			k.Fatalf("resumed with %v, %v, then %v", a, b, sub.pending)
		}
		sub.Answer(a)
		sub.Answer(b)
		sub.Want("2")
		sub.Want("3")
	}},
}
