package conform

import (
	"strings"

	"alcove/test/conform/wire"
)

// oldCases are what MQTT 3.1 has of its own; most of its flows run as variants
// of the other cases.
var oldCases = []Case{
	{V31: "MQTT31 EXT-LIM-1", Title: "client identifiers over 23 characters are accepted", Needs: needsDialect, Run: func(k *Kit) {
		k.Connect(withID(k.Name() + strings.Repeat("x", 40))).Ping()
	}},
	{V31: "MQTT31", Title: "an empty client identifier draws return code 2", Run: func(k *Kit) {
		c, ack := k.Open(withID(""))
		if ack != nil && ack.Reason != 2 {
			k.Fatalf("answered by %v", ack)
		}
		c.Closed()
	}},
	{V31: "MQTT31", Title: "SUBSCRIBE, UNSUBSCRIBE and PUBREL may be sent again with DUP", Run: func(k *Kit) {
		c := k.Connect()
		again := func(b []byte) []byte { b[0] |= 8; return b }
		c.Send(again(wire.Subscribe(k.V, 1, nil, wire.Sub{Filter: k.Topic("a"), Options: 2})))
		c.Await(wire.SUBACK)
		c.Send(wire.Publish{Topic: k.Topic("a"), Payload: "x", QoS: 2, ID: 2}.Bytes(k.V))
		c.Await(wire.PUBREC)
		c.Send(again(wire.Ack(k.V, wire.PUBREL, 2, 0, nil)))
		c.Await(wire.PUBCOMP)
		c.Want("x")
		c.Send(again(wire.Unsubscribe(k.V, 3, nil, k.Topic("a"))))
		c.Await(wire.UNSUBACK)
	}},
	{V31: "MQTT31", Title: "a kept session sends on", Run: func(k *Kit) {
		id := k.Name()
		c := k.Connect(kept(id))
		c.Grant(k.Topic("a"), 2)
		c.Bye()
		k.Connect(withVersion(wire.V5)).Say(k.Topic("a"), "x", 2)
		k.Connect(kept(id)).Want("x")
	}},
}
