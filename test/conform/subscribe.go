package conform

import (
	"fmt"
	"slices"

	"alcove/test/conform/wire"
)

var subscribeCases = []Case{
	{V5: "MQTT-3.8.3-3", Title: "No Local keeps a client's own messages from it", Run: func(k *Kit) {
		c, other := k.Connect(), k.Connect()
		c.Grant(k.Topic("a"), 1|noLocal)
		c.Grant(k.Topic("b"), 1)
		c.Say(k.Topic("a"), "mine", 1)
		other.Say(k.Topic("a"), "theirs", 1)
		c.Want("theirs")
		c.Say(k.Topic("b"), "mine", 1)
		c.Want("mine")
		c.Silent()
	}},
	{V5: "MQTT-3.8.3-4", Title: "No Local on a shared subscription closes", Run: func(k *Kit) {
		c := k.Connect()
		c.Send(wire.Subscribe(k.V, 1, nil, wire.Sub{Filter: "$share/g/" + k.Topic("a"), Options: noLocal}))
		c.Closed(0x82)
	}},
	{V5: "MQTT-3.8.4-3", V311: "MQTT311-3.8.4-3", V31: "MQTT31", Title: "the same filter again replaces the subscription", Run: func(k *Kit) {
		pub, sub := k.Pair(k.Topic("a"), 2)
		pub.Say(k.Topic("a"), "x", 2)
		if p := sub.Want("x"); p.QoS != 2 {
			k.Errorf("%v", p)
		}
		sub.Grant(k.Topic("a"), 0)
		pub.Say(k.Topic("a"), "y", 2)
		if p := sub.Want("y"); p.QoS != 0 {
			k.Errorf("%v", p)
		}
		sub.Silent()
	}},
	{V5: "MQTT-3.8.4-4", V311: "MQTT311-3.8.4-3", Title: "replacing a subscription resends retained messages and loses none", Run: func(k *Kit) {
		pub := k.Connect()
		k.Retain(pub, wire.Publish{Topic: k.Topic("retained"), Payload: "r", QoS: 1})
		sub := k.Connect()
		sub.Grant(k.Topic("#"), 1)
		const n = 200
		for i := range n { // pipelined, with SUBSCRIBE packets between
			pub.Send(wire.Publish{Topic: k.Topic("live"), Payload: fmt.Sprint(i), QoS: 1, ID: uint16(i + 1000)}.Bytes(k.V))
			if i%50 == 25 {
				sub.Send(wire.Subscribe(k.V, sub.ID(), nil, wire.Sub{Filter: k.Topic("#"), Options: 1}))
			}
		}
		retained, next := 0, 0
		for next < n || retained < 5 {
			p := sub.Take()
			switch {
			case p.Payload == "r":
				retained++
			case p.Payload != fmt.Sprint(next):
				k.Fatalf("got %s, want %d", p.Payload, next)
			default:
				next++
			}
		}
		for range 4 {
			sub.Await(wire.SUBACK)
		}
		sub.Silent()
	}},
	{V5: "MQTT-3.8.4-5 MQTT-3.8.4-6 MQTT-3.8.4-7 MQTT-3.9.3-2", V311: "MQTT311-3.8.4-4 MQTT311-3.8.4-5 MQTT311-3.9.3-2", V31: "MQTT31", Title: "several filters in one SUBSCRIBE draw one SUBACK and all act", Run: func(k *Kit) {
		pub, c := k.Connect(), k.Connect()
		got := c.SubscribeAll(nil, wire.Sub{Filter: k.Topic("a"), Options: 0}, wire.Sub{Filter: k.Topic("b/+"), Options: 1}, wire.Sub{Filter: k.Topic("c/#"), Options: 2})
		if !slices.Equal(got, []byte{0, 1, 2}) {
			k.Errorf("reasons %x", got)
		}
		for i, t := range []string{"a", "b/x", "c/x/y"} {
			pub.Say(k.Topic(t), t, 2)
			if p := c.Want(t); int(p.QoS) != i {
				k.Errorf("%v", p)
			}
		}
		c.Ping()
		if len(c.pending) > 0 {
			k.Errorf("also came %v", c.pending[0])
		}
	}},
	{V5: "MQTT-3.9.3-1 MQTT-3.8.4-1 MQTT-3.9.3-2", V311: "MQTT311-3.9.3-1 MQTT311-3.8.4-1 MQTT311-3.9.3-2", Title: "reasons follow the order of the filters, good and bad", Run: func(k *Kit) {
		c := k.Connect()
		c.Send(wire.Subscribe(k.V, 7, nil, wire.Sub{Filter: k.Topic("a"), Options: 1}, wire.Sub{Filter: k.Topic("a#"), Options: 1},
			wire.Sub{Filter: k.Topic("b"), Options: 2}, wire.Sub{Filter: k.Topic("#/c"), Options: 0}, wire.Sub{Filter: k.Topic("d"), Options: 0}))
		p := c.Next()
		if p == nil || p.Type == wire.DISCONNECT {
			c.Closed(0x81, 0x82, 0x8f)
			return
		}
		bad := []byte{0x80}
		if k.V >= wire.V5 {
			bad = []byte{0x8f, 0x80}
		}
		r := p.Reasons
		if p.Type != wire.SUBACK || len(r) != 5 || r[0] != 1 || r[2] != 2 || r[4] != 0 || !slices.Contains(bad, r[1]) || !slices.Contains(bad, r[3]) {
			k.Errorf("answered by %v", p)
		}
	}},
	{V5: "MQTT-3.8.4-5", V311: "MQTT311-3.8.4-4", Title: "the same filter twice in one SUBSCRIBE: the later one stands", Run: func(k *Kit) {
		pub, c := k.Connect(), k.Connect()
		c.SubscribeAll(nil, wire.Sub{Filter: k.Topic("a"), Options: 2}, wire.Sub{Filter: k.Topic("a"), Options: 1})
		pub.Say(k.Topic("a"), "x", 2)
		if p := c.Want("x"); p.QoS != 1 {
			k.Errorf("%v", p)
		}
		c.Silent()
	}},
	{V5: "MQTT-3.8.4-1", V311: "MQTT311-3.8.4-1", Title: "a hundred filters in one packet", Run: func(k *Kit) {
		pub, c := k.Connect(), k.Connect()
		var subs []wire.Sub
		for i := range 100 {
			subs = append(subs, wire.Sub{Filter: k.Topic(fmt.Sprint(i)), Options: 1})
		}
		c.SubscribeAll(nil, subs...)
		pub.Say(k.Topic("0"), "first", 1)
		pub.Say(k.Topic("99"), "last", 1)
		c.Want("first")
		c.Want("last")
	}},
}

var overlapCases = []Case{
	{V5: "MQTT-3.3.4-2", V311: "MQTT311-3.3.5-1", Title: "overlapping subscriptions deliver at the highest QoS", Run: func(k *Kit) {
		pub, c := k.Connect(), k.Connect()
		c.Grant(k.Topic("a/#"), 0)
		c.Grant(k.Topic("a/+"), 2)
		c.Grant(k.Topic("+/b"), 1)
		pub.Say(k.Topic("a/b"), "x", 2)
		var highest byte
		first := c.Take()
		for _, p := range append(c.Drain(), first) {
			highest = max(highest, p.QoS)
		}
		if highest != 2 {
			k.Errorf("highest QoS %d", highest)
		}
	}},
	{V5: "MQTT-3.3.4-2 MQTT-3.3.4-4", V311: "MQTT311-3.3.5-1", Title: "Alcove delivers overlapping subscriptions once", Needs: needsDialect, Run: func(k *Kit) {
		pub, c := k.Connect(), k.Connect()
		c.Grant(k.Topic("a/#"), 0)
		c.Grant(k.Topic("a/b"), 2)
		pub.Say(k.Topic("a/b"), "x", 2)
		c.Want("x")
		c.Silent()
	}},
	{V5: "MQTT-3.3.4-3 MQTT-3.3.4-4 MQTT-3.3.4-5", Title: "deliveries carry the identifiers of the matching subscriptions", Run: func(k *Kit) {
		pub, c := k.Connect(), k.Connect()
		c.Grant(k.Topic("a/#"), 1, wire.Num(wire.SubscriptionID, 7))
		c.Grant(k.Topic("a/+"), 2, wire.Num(wire.SubscriptionID, 268435455))
		c.Grant(k.Topic("+/b"), 0)
		c.Grant(k.Topic("other"), 0, wire.Num(wire.SubscriptionID, 9))
		pub.Say(k.Topic("a/b"), "x", 2)
		first := c.Take()
		copies := append([]*wire.Packet{first}, c.Drain()...)
		var ids []uint32
		for _, p := range copies {
			mine := p.Props.All(wire.SubscriptionID)
			if len(copies) > 1 && len(mine) > 1 {
				k.Errorf("one of %d copies carries %v", len(copies), mine)
			}
			for _, id := range mine {
				ids = append(ids, id.Num)
			}
		}
		slices.Sort(ids)
		if !slices.Equal(ids, []uint32{7, 268435455}) {
			k.Errorf("identifiers %v in %d copies", ids, len(copies))
		}
	}},
	{V5: "MQTT-3.3.4-3", Title: "an identifier goes with its subscription", Run: func(k *Kit) {
		id := k.Name()
		pub, c := k.Connect(), k.Connect(kept(id))
		ids := func(want ...uint32) {
			pub.Say(k.Topic("a"), "x", 1)
			var got []uint32
			for _, p := range c.Want("x").Props.All(wire.SubscriptionID) {
				got = append(got, p.Num)
			}
			if !slices.Equal(got, want) {
				k.Errorf("identifiers %v, want %v", got, want)
			}
		}
		c.Grant(k.Topic("a"), 1, wire.Num(wire.SubscriptionID, 5))
		ids(5)
		c.Grant(k.Topic("a"), 1, wire.Num(wire.SubscriptionID, 6))
		ids(6)
		c.Bye()
		c = k.Connect(kept(id))
		ids(6)
		c.Grant(k.Topic("a"), 1)
		ids()
	}},
	{V5: "MQTT-3.3.4-3", Title: "retained and queued messages carry the identifier", Run: func(k *Kit) {
		id := k.Name()
		pub, c := k.Connect(), k.Connect(kept(id))
		k.Retain(pub, wire.Publish{Topic: k.Topic("a"), Payload: "r", QoS: 1})
		c.Grant(k.Topic("a"), 1, wire.Num(wire.SubscriptionID, 5))
		if n := c.Want("r").Props.Num(wire.SubscriptionID, 0); n != 5 {
			k.Errorf("retained: identifier %d", n)
		}
		c.Bye()
		pub.Say(k.Topic("a"), "q", 1)
		c = k.Connect(kept(id))
		if n := c.Want("q").Props.Num(wire.SubscriptionID, 0); n != 5 {
			k.Errorf("queued: identifier %d", n)
		}
	}},
}
