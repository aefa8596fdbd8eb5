package conform

import (
	"fmt"

	"alcove/test/conform/wire"
)

// members connects n kept members of a shared group on the case's topic "a".
func members(k *Kit, n int, qos byte, opts ...option) (filter string, ids []string, all []*Client) {
	filter = "$share/" + k.Name() + "/" + k.Topic("a")
	for range n {
		id := k.Name()
		c := k.Connect(append([]option{kept(id)}, opts...)...)
		c.Grant(filter, qos)
		ids, all = append(ids, id), append(all, c)
	}
	return filter, ids, all
}

// holder waits until one of the members has an unanswered message and tells
// which one, with the message.
func holder(k *Kit, all []*Client) (int, *wire.Packet) {
	for range 200 {
		for i, c := range all {
			c.Ping()
			for j, p := range c.pending {
				if p.Type == wire.PUBLISH {
					c.pending = append(c.pending[:j:j], c.pending[j+1:]...)
					return i, p
				}
			}
		}
	}
	k.Fatalf("no member receives the message")
	return 0, nil
}

var sharedCases = []Case{
	{V5: "MQTT-4.8.2-1 MQTT-4.8.2-2", Title: "malformed $share filters are refused", Run: func(k *Kit) {
		for _, f := range []string{"$share//" + k.Topic("a"), "$share/g", "$share/g/", "$share/g+/a", "$share/#/a", "$share/+/a", "$share/"} {
			c := k.Connect()
			c.Send(wire.Subscribe(k.V, 1, nil, wire.Sub{Filter: f}))
			p := c.Next()
			switch {
			case p != nil && p.Type == wire.SUBACK && p.Reasons[0] < 0x80:
				k.Errorf("%q granted", f)
			case p == nil || p.Type == wire.DISCONNECT:
				c.Closed()
			}
		}
	}},
	{V5: "MQTT-4.8.2-3", Title: "each message goes to one member, at its granted QoS", Run: func(k *Kit) {
		filter := "$share/" + k.Name() + "/" + k.Topic("a")
		var all []*Client
		for qos := range byte(2) {
			c := k.Connect()
			c.Grant(filter, qos)
			all = append(all, c)
		}
		plain := k.Connect()
		plain.Grant(k.Topic("a"), 0)
		pub := k.Connect()
		const n = 30
		for i := range n {
			pub.Say(k.Topic("a"), fmt.Sprint(i), 2)
			plain.Want(fmt.Sprint(i))
		}
		total := 0
		k.Until(fmt.Sprintf("the members have %d messages", n), func() bool {
			for qos, c := range all {
				for _, p := range c.Drain() {
					if total++; int(p.QoS) != qos {
						k.Errorf("member of QoS %d got %v", qos, p)
					}
				}
			}
			return total >= n
		})
		if total != n {
			k.Errorf("%d deliveries of %d messages", total, n)
		}
	}},
	{V5: "MQTT-4.8.2-3", Title: "groups and plain subscriptions each get the message", Run: func(k *Kit) {
		pub := k.Connect()
		var all []*Client
		for _, f := range []string{"$share/" + k.Name() + "/", "$share/" + k.Name() + "/", ""} {
			c := k.Connect()
			c.Grant(f+k.Topic("a"), 1)
			all = append(all, c)
		}
		pub.Say(k.Topic("a"), "x", 1)
		for _, c := range all {
			c.Want("x")
			c.Silent()
		}
	}},
	{V5: "MQTT-4.8.2-3", Title: "no retained messages for a shared subscription", Run: func(k *Kit) {
		k.Retain(k.Connect(), wire.Publish{Topic: k.Topic("a"), Payload: "x", QoS: 1})
		c := k.Connect()
		c.Grant("$share/"+k.Name()+"/"+k.Topic("a"), 1)
		c.Silent()
	}},
	{V5: "MQTT-4.8.2-3", Title: "messages spread over the members", Run: func(k *Kit) {
		_, _, all := members(k, 3, 1)
		pub := k.Connect()
		const n = 60
		for i := range n {
			pub.Say(k.Topic("a"), fmt.Sprint(i), 1)
		}
		counts, total := make([]int, 3), 0
		k.Until("all messages arrived", func() bool {
			for i, c := range all {
				got := len(c.Drain())
				counts[i] += got
				total += got
			}
			return total >= n
		})
		for i, c := range counts {
			if c == 0 {
				k.Errorf("member %d of %v gets nothing", i, counts)
			}
		}
	}},
	{V5: "MQTT-4.8.2-4", Title: "QoS 2 begun with a member completes with that member", Run: func(k *Kit) {
		_, ids, all := members(k, 2, 2)
		k.Connect().Say(k.Topic("a"), "x", 2)
		i, first := holder(k, all)
		all[i].Drop()
		all[1-i].Silent()
		back := k.Connect(kept(ids[i]))
		if again := back.Receive(); again.ID != first.ID || again.Payload != "x" {
			k.Fatalf("first %v, then %v", first, again)
		} else {
			back.Answer(again)
		}
		all[1-i].Silent()
	}},
	{V5: "MQTT-4.8.2-4", Title: "QoS 2 released with a member completes with that member", Run: func(k *Kit) {
		_, ids, all := members(k, 2, 2)
		k.Connect().Say(k.Topic("a"), "x", 2)
		i, first := holder(k, all)
		all[i].Send(wire.Ack(k.V, wire.PUBREC, first.ID, 0, nil))
		all[i].Await(wire.PUBREL)
		all[i].Drop()
		back := k.Connect(kept(ids[i]))
		if rel := back.Await(wire.PUBREL); rel.ID != first.ID {
			k.Fatalf("%v", rel)
		}
		back.Send(wire.Ack(k.V, wire.PUBCOMP, first.ID, 0, nil))
		back.Silent()
		all[1-i].Silent()
	}},
	{V5: "MQTT-4.8.2-5", Title: "when the member's session ends its QoS 2 message goes to nobody else", Run: func(k *Kit) {
		_, ids, all := members(k, 2, 2)
		k.Connect().Say(k.Topic("a"), "x", 2)
		i, first := holder(k, all)
		all[i].Send(wire.Ack(k.V, wire.PUBREC, first.ID, 0, nil))
		all[i].Await(wire.PUBREL)
		all[i].Drop()
		k.Connect(withID(ids[i])).Bye() // Clean Start ends the session
		all[1-i].Silent()
	}},
	{V5: "MQTT-4.8.2-6", Title: "a message refused by its member is tried on no other", Run: func(k *Kit) {
		_, _, all := members(k, 2, 2)
		pub := k.Connect()
		for qos := byte(1); qos <= 2; qos++ {
			pub.Say(k.Topic("a"), "x", qos)
			i, p := holder(k, all)
			typ := wire.PUBACK
			if qos == 2 {
				typ = wire.PUBREC
			}
			all[i].Send(wire.Ack(k.V, typ, p.ID, 0x80, nil))
			all[i].Silent()
			all[1-i].Silent()
		}
	}},
	{V5: "EXT-SHR-2", V311: "EXT-SHR-2", Title: "QoS 1 unacknowledged by a leaving member goes to another", Needs: needsDialect, Run: func(k *Kit) {
		_, _, all := members(k, 2, 1)
		pub := k.Connect()
		for i := range 10 {
			pub.Say(k.Topic("a"), fmt.Sprint(i), 1)
		}
		i, _ := holder(k, all)
		all[i].Bye()
		seen := map[string]bool{}
		for len(seen) < 10 {
			seen[all[1-i].Take().Payload] = true
		}
	}},
	{V5: "MQTT-4.8.2-3", Title: "UNSUBSCRIBE of a shared subscription leaves its group", Run: func(k *Kit) {
		filter, _, all := members(k, 2, 1)
		if r := all[0].Unsubscribe(filter); len(r) > 0 && r[0] != 0 {
			k.Errorf("reason %#02x", r[0])
		}
		pub := k.Connect()
		for range 4 {
			pub.Say(k.Topic("a"), "x", 1)
			all[1].Want("x")
		}
		all[0].Silent()
	}},
}
