package conform

import (
	"fmt"

	"alcove/test/conform/wire"
)

// inOrder takes n messages from c and fails unless their payloads count up from 0.
func inOrder(k *Kit, c *Client, n int) {
	for i := range n {
		if p := c.Take(); p.Payload != fmt.Sprint(i) {
			k.Fatalf("got %s, want %d", p.Payload, i)
		}
	}
}

var orderCases = []Case{
	{V5: "MQTT-4.6.0-5 MQTT-4.6.0-6", V311: "MQTT311-4.6.0-5 MQTT311-4.6.0-6", V31: "MQTT31", Title: "one publisher's messages of one QoS arrive in order", Run: func(k *Kit) {
		for qos := range byte(3) {
			topic := k.Topic(fmt.Sprint(qos))
			pub, sub := k.Pair(topic, 2)
			var all []byte
			const n = 15 // within any broker's receive maximum
			for i := range n {
				all = append(all, wire.Publish{Topic: topic, Payload: fmt.Sprint(i), QoS: qos, ID: uint16(i + 1)}.Bytes(k.V)...)
			}
			pub.Send(all)
			if qos == 2 {
				for i := range n {
					pub.Await(wire.PUBREC)
					pub.Send(wire.Ack(k.V, wire.PUBREL, uint16(i+1), 0, nil))
				}
			}
			inOrder(k, sub, n)
		}
	}},
	{V5: "MQTT-4.6.0-6", V311: "MQTT311-4.6.0-5", Title: "order holds topic by topic through wildcards and queues", Run: func(k *Kit) {
		id := k.Name()
		sub := k.Connect(kept(id))
		sub.Grant(k.Topic("+"), 1)
		sub.Bye()
		pub := k.Connect()
		next := map[string]int{}
		for i := range 60 {
			topic := k.Topic(fmt.Sprint("t", i%3))
			pub.Say(topic, fmt.Sprint(next[topic]), 1)
			next[topic]++
		}
		sub = k.Connect(kept(id))
		got := map[string]int{}
		for range 60 {
			p := sub.Take()
			if p.Payload != fmt.Sprint(got[p.Topic]) {
				k.Fatalf("%s: got %s, want %d", p.Topic, p.Payload, got[p.Topic])
			}
			got[p.Topic]++
		}
	}},
	{V5: "MQTT-4.6.0-1", V311: "MQTT311-4.6.0-1 MQTT311-4.6.0-6", V31: "MQTT31", Title: "resent messages keep their order, before new ones", Run: func(k *Kit) {
		id := k.Name()
		sub := k.Connect(kept(id))
		sub.Grant(k.Topic("a"), 1)
		pub := k.Connect()
		for i := range 10 {
			pub.Say(k.Topic("a"), fmt.Sprint(i), 1)
			sub.Receive()
		}
		sub.Bye()
		for i := 10; i < 15; i++ {
			pub.Say(k.Topic("a"), fmt.Sprint(i), 1)
		}
		inOrder(k, k.Connect(kept(id)), 15)
	}},
	{V5: "MQTT-4.6.0-2 MQTT-4.6.0-3", V311: "MQTT311-4.6.0-2 MQTT311-4.6.0-3", V31: "MQTT31", Title: "acknowledgements come in the order of the messages", Run: func(k *Kit) {
		c := k.Connect()
		for qos := byte(1); qos <= 2; qos++ {
			var all []byte
			ids := []uint16{9, 3, 7, 1, 8, 2, 6, 4, 5}
			for _, id := range ids {
				all = append(all, wire.Publish{Topic: k.Topic("a"), QoS: qos, ID: id}.Bytes(k.V)...)
			}
			c.Send(all)
			for _, id := range ids {
				if p := c.Await(wire.PUBACK, wire.PUBREC); p.ID != id {
					k.Fatalf("QoS %d: %v, want identifier %d", qos, p, id)
				}
			}
			if qos == 2 {
				for _, id := range ids {
					c.Send(wire.Ack(k.V, wire.PUBREL, id, 0, nil))
					c.same(id, c.Await(wire.PUBCOMP))
				}
			}
		}
	}},
	{V5: "MQTT-4.6.0-4", V311: "MQTT311-4.6.0-4", Title: "PUBREL come in the order of PUBREC", Run: func(k *Kit) {
		pub, sub := k.Pair(k.Topic("a"), 2)
		var ids []uint16
		for i := range 5 {
			pub.Say(k.Topic("a"), fmt.Sprint(i), 2)
			ids = append(ids, sub.Receive().ID)
		}
		order := []int{2, 0, 4, 1, 3}
		for _, i := range order {
			sub.Send(wire.Ack(k.V, wire.PUBREC, ids[i], 0, nil))
		}
		for _, i := range order {
			p := sub.Await(wire.PUBREL)
			if p.ID != ids[i] {
				k.Fatalf("%v, want identifier %d", p, ids[i])
			}
			sub.Send(wire.Ack(k.V, wire.PUBCOMP, p.ID, 0, nil))
		}
	}},
}
