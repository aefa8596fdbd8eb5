package conform

import (
	"fmt"

	"alcove/test/conform/wire"
)

func aliased(topic string, alias uint32, payload string) wire.Publish {
	return wire.Publish{Topic: topic, Payload: payload, Props: wire.Props{wire.Num(wire.TopicAlias, alias)}}
}

// offered is the server's Topic Alias Maximum; without one the case is skipped.
func offered(k *Kit, c *Client) uint32 {
	max := c.Connack.Props.Num(wire.TopicAliasMaximum, 0)
	if max == 0 {
		k.Skipf("takes no topic aliases")
	}
	return max
}

var aliasCases = []Case{
	{V5: "MQTT-3.3.2-12", Title: "every alias from 1 to the announced maximum resolves", Run: func(k *Kit) {
		pub, sub := k.Pair(k.Topic("#"), 0)
		max := offered(k, pub)
		for _, alias := range []uint32{1, max/2 + 1, max} {
			topic := k.Topic(fmt.Sprint(alias))
			pub.Publish(aliased(topic, alias, "set"))
			pub.Publish(aliased("", alias, "used"))
			for _, want := range []string{"set", "used"} {
				if p := sub.Want(want); p.Topic != topic || p.Props.Has(wire.TopicAlias) {
					k.Errorf("%v", p)
				}
			}
		}
	}},
	{V5: "MQTT-3.3.2-12", Title: "an alias may be given another topic", Run: func(k *Kit) {
		pub, sub := k.Pair(k.Topic("#"), 1)
		offered(k, pub)
		for _, t := range []string{"a", "b"} {
			pub.Publish(aliased(k.Topic(t), 1, t))
			sub.Want(t)
		}
		p := aliased("", 1, "again")
		p.QoS = 1
		pub.Publish(p)
		if got := sub.Want("again"); got.Topic != k.Topic("b") {
			k.Errorf("%v", got)
		}
	}},
	{V5: "MQTT-3.3.2-7", Title: "aliases end with their connection", Run: func(k *Kit) {
		id := k.Name()
		c := k.Connect(kept(id))
		offered(k, c)
		c.Publish(aliased(k.Topic("a"), 1, "x"))
		c.Bye()
		c = k.Connect(kept(id))
		c.Send(aliased("", 1, "x").Bytes(k.V))
		c.Closed(0x82, 0x94)
	}},
	{V5: "MQTT-3.3.2-8", Title: "alias 0 closes", Run: func(k *Kit) {
		c := k.Connect()
		c.Send(aliased(k.Topic("a"), 0, "x").Bytes(k.V))
		c.Closed(0x94, 0x82)
	}},
	{V5: "MQTT-4.7.3-1", Title: "an alias that was never set closes", Run: func(k *Kit) {
		c := k.Connect()
		offered(k, c)
		c.Send(aliased("", 1, "x").Bytes(k.V))
		c.Closed(0x82, 0x94)
	}},
	{V5: "MQTT-3.1.2-26 MQTT-3.3.2-11", Title: "the server's aliases stay within the client's maximum and resolve", Run: func(k *Kit) {
		sub := k.Connect(withProps(wire.Num(wire.TopicAliasMaximum, 2)))
		sub.Grant(k.Topic("#"), 1)
		pub := k.Connect()
		topics := map[uint32]string{}
		for i := range 40 {
			want := k.Topic(fmt.Sprint("t", i%4))
			pub.Say(want, fmt.Sprint(i), byte(i%2))
			p := sub.Want(fmt.Sprint(i))
			alias := p.Props.Num(wire.TopicAlias, 0)
			if alias > 2 {
				k.Fatalf("alias %d", alias)
			}
			if p.Topic == "" {
				p.Topic = topics[alias]
			} else if alias > 0 {
				topics[alias] = p.Topic
			}
			if p.Topic != want {
				k.Errorf("message %d came as %q, want %q", i, p.Topic, want)
			}
		}
		if k.Dialect && len(topics) == 0 {
			k.Errorf("a client that offers aliases gets none")
		}
	}},
	{V5: "MQTT-3.1.2-27", Title: "without an offer the server sends no aliases", Run: func(k *Kit) {
		for _, props := range [][]wire.Prop{nil, {wire.Num(wire.TopicAliasMaximum, 0)}} {
			sub := k.Connect(withProps(props...))
			sub.Grant(k.Topic("a"), 0)
			pub := k.Connect()
			for range 5 {
				pub.Say(k.Topic("a"), "x", 0)
				if p := sub.Want("x"); p.Props.Has(wire.TopicAlias) || p.Topic == "" {
					k.Errorf("%v", p)
				}
			}
		}
	}},
	{V5: "MQTT-3.3.2-7 MQTT-3.1.2-26", Title: "messages resent to a new connection carry no alias of the old one", Run: func(k *Kit) {
		id := k.Name()
		offer := withProps(wire.Num(wire.TopicAliasMaximum, 5))
		sub := k.Connect(kept(id), offer)
		sub.Grant(k.Topic("a"), 1)
		pub := k.Connect()
		for range 3 {
			pub.Say(k.Topic("a"), "x", 1)
			sub.Receive() // unacknowledged
		}
		sub.Drop()
		sub = k.Connect(kept(id))
		for range 3 {
			if p := sub.Take(); p.Topic != k.Topic("a") || p.Props.Has(wire.TopicAlias) {
				k.Errorf("%v", p)
			}
		}
	}},
}
