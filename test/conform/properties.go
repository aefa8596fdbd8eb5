package conform

import (
	"slices"

	"alcove/test/conform/wire"
)

// own tells a property that a broker may add by its own contract.
func own(p wire.Prop) bool {
	return p.ID == wire.UserProperty && slices.Contains([]string{"timestamp", "token_id", "cid"}, p.Text)
}

// sameProps compares the properties of a delivery with those published: user
// properties in order, the rest in any; what belongs to the connection is left out.
func sameProps(k *Kit, want wire.Props, got *wire.Packet) {
	for _, id := range []byte{wire.PayloadFormat, wire.ContentType, wire.ResponseTopic, wire.CorrelationData} {
		if !slices.Equal(want.All(id), got.Props.All(id)) {
			k.Errorf("property %d: got %v, want %v", id, got.Props.All(id), want.All(id))
		}
	}
	if want.Has(wire.MessageExpiry) != got.Props.Has(wire.MessageExpiry) {
		k.Errorf("Message Expiry: got %v, want %v", got.Props.All(wire.MessageExpiry), want.All(wire.MessageExpiry))
	}
	users := slices.DeleteFunc(got.Props.All(wire.UserProperty), own)
	if !slices.Equal(users, want.All(wire.UserProperty)) {
		k.Errorf("user properties: got %v, want %v", users, want.All(wire.UserProperty))
	}
}

var everyProp = wire.Props{
	wire.User("zeta", "1"), wire.Num(wire.PayloadFormat, 1), wire.User("alpha", "2"), wire.Text(wire.ContentType, "text/ünï; charset=utf-8"),
	wire.User("zeta", "1"), wire.Text(wire.ResponseTopic, "answers/to/me"), wire.User("zeta", "3"),
	wire.Text(wire.CorrelationData, "\x00\xff\x00bin"), wire.User("", ""), wire.Num(wire.MessageExpiry, 3600), wire.User("alpha", ""),
}

const propertyClauses = "MQTT-3.3.2-4 MQTT-3.3.2-15 MQTT-3.3.2-16 MQTT-3.3.2-17 MQTT-3.3.2-18 MQTT-3.3.2-20"

var propertyCases = []Case{
	{V5: propertyClauses, Title: "properties pass unchanged to live subscribers", Run: func(k *Kit) {
		pub, sub := k.Pair(k.Topic("a"), 2)
		for qos := range byte(3) {
			pub.Say(k.Topic("a"), "x", qos, everyProp...)
			sameProps(k, everyProp, sub.Want("x"))
		}
		pub.Say(k.Topic("a"), "x", 1, wire.Num(wire.PayloadFormat, 0))
		sameProps(k, wire.Props{wire.Num(wire.PayloadFormat, 0)}, sub.Want("x"))
		pub.Say(k.Topic("a"), "x", 1)
		sameProps(k, nil, sub.Want("x"))
	}},
	{V5: propertyClauses, Title: "properties pass unchanged through a queue", Run: func(k *Kit) {
		id := k.Name()
		sub := k.Connect(kept(id))
		sub.Grant(k.Topic("a"), 2)
		sub.Bye()
		pub := k.Connect()
		pub.Say(k.Topic("a"), "1", 1, everyProp...)
		pub.Say(k.Topic("a"), "2", 2, everyProp...)
		sub = k.Connect(kept(id))
		sameProps(k, everyProp, sub.Want("1"))
		sameProps(k, everyProp, sub.Want("2"))
	}},
	{V5: propertyClauses, Title: "properties pass unchanged with a retained message", Run: func(k *Kit) {
		k.Retain(k.Connect(), wire.Publish{Topic: k.Topic("a"), Payload: "x", QoS: 1, Props: everyProp})
		c := k.Connect()
		c.Grant(k.Topic("a"), 1)
		sameProps(k, everyProp, c.Want("x"))
	}},
	{V5: propertyClauses, Title: "properties pass unchanged to each of several subscribers", Run: func(k *Kit) {
		var subs []*Client
		for range 3 {
			c := k.Connect()
			c.Grant(k.Topic("+"), 1)
			subs = append(subs, c)
		}
		old := k.Connect(withVersion(wire.V311))
		old.Grant(k.Topic("a"), 1)
		k.Connect().Say(k.Topic("a"), "x", 1, everyProp...)
		for _, c := range subs {
			sameProps(k, everyProp, c.Want("x"))
		}
		old.Want("x") // a 3.1.1 subscriber gets the message without them
	}},
	{V5: "MQTT-2.2.2-1", V311: "MQTT311-7.0.0-2", Title: "messages cross protocol versions", Run: func(k *Kit) {
		var subs []*Client
		for _, v := range []byte{wire.V31, wire.V311, wire.V5} {
			c := k.Connect(withVersion(v))
			c.Grant(k.Topic("a"), 2)
			subs = append(subs, c)
		}
		pub := k.Connect()
		for qos := range byte(3) {
			pub.Say(k.Topic("a"), "x", qos)
			for _, c := range subs {
				if p := c.Want("x"); p.QoS != qos {
					k.Errorf("version %d: %v", c.V, p)
				}
			}
		}
	}},
}
