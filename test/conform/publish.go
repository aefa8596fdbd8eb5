package conform

import (
	"fmt"

	"alcove/test/conform/wire"
)

var publishCases = []Case{
	{V5: "MQTT-2.2.1-2 MQTT-4.3.1-1 MQTT-3.3.1-2", V311: "MQTT311-2.3.1-5 MQTT311-4.3.1-1 MQTT311-3.3.1-2", V31: "MQTT31", Title: "QoS 0 is delivered without identifier and DUP", Run: func(k *Kit) {
		pub, sub := k.Pair(k.Topic("a"), 0)
		pub.Say(k.Topic("a"), "payload", 0)
		if p := sub.Want("payload"); p.Flags != 0 || p.Topic != k.Topic("a") {
			k.Errorf("%v", p)
		}
	}},
	{V5: "MQTT-2.2.1-4 MQTT-4.3.2-1 MQTT-4.3.3-1", V311: "MQTT311-2.3.1-4 MQTT311-4.3.2-1 MQTT311-4.3.3-1", Title: "unacknowledged deliveries have identifiers of their own", Run: func(k *Kit) {
		pub, sub := k.Pair(k.Topic("a"), 2)
		seen := map[uint16]bool{}
		for i := range 10 {
			pub.Say(k.Topic("a"), fmt.Sprint(i), byte(i%2+1))
			p := sub.Receive()
			if p.ID == 0 || seen[p.ID] {
				k.Errorf("identifier %d again", p.ID)
			}
			seen[p.ID] = true
		}
	}},
	{V5: "MQTT-2.2.1-5 MQTT-3.3.4-1 MQTT-4.3.2-4 MQTT-4.3.3-8 MQTT-4.3.3-11", V311: "MQTT311-2.3.1-6 MQTT311-3.3.4-1", V31: "MQTT31", Title: "acknowledgements repeat the identifier", Run: func(k *Kit) {
		c := k.Connect()
		c.Send(wire.Publish{Topic: k.Topic("a"), QoS: 0}.Bytes(k.V))
		for _, id := range []uint16{1, 256, 65535} {
			c.Publish(wire.Publish{Topic: k.Topic("a"), QoS: 1, ID: id})
			c.Publish(wire.Publish{Topic: k.Topic("a"), QoS: 2, ID: id})
		}
		c.Ping()
		if len(c.pending) > 0 {
			k.Errorf("QoS 0 answered by %v", c.pending[0])
		}
	}},
	{V5: "MQTT-2.2.1-6 MQTT-3.8.4-1 MQTT-3.8.4-2 MQTT-3.10.4-4", V311: "MQTT311-2.3.1-7 MQTT311-3.8.4-1 MQTT311-3.8.4-2 MQTT311-3.10.4-4", V31: "MQTT31", Title: "SUBACK and UNSUBACK repeat the identifier", Run: func(k *Kit) {
		c := k.Connect()
		for _, id := range []uint16{1, 256, 65535} {
			c.lastID = id - 1
			c.Grant(k.Topic("a"), 0)
			c.lastID = id - 1
			c.Unsubscribe(k.Topic("a"))
		}
	}},
	{V5: "MQTT-3.3.1-3", V311: "MQTT311-3.3.1-3", Title: "DUP is not passed on", Run: func(k *Kit) {
		pub, sub := k.Pair(k.Topic("a"), 2)
		for qos := byte(1); qos <= 2; qos++ {
			pub.Publish(wire.Publish{Topic: k.Topic("a"), Payload: "x", QoS: qos, Dup: true})
			if p := sub.Want("x"); p.Dup {
				k.Errorf("%v", p)
			}
		}
	}},
	{V5: "MQTT-3.8.4-8", V311: "MQTT311-3.8.4-6", V31: "MQTT31", Title: "delivery is at the lower of published and granted QoS", Run: func(k *Kit) {
		pub := k.Connect()
		for granted := range byte(3) {
			topic := k.Topic(fmt.Sprint("granted", granted))
			sub := k.Connect()
			if r := sub.Subscribe(topic, granted); r > granted {
				k.Fatalf("granted %d for %d", r, granted)
			}
			for published := range byte(3) {
				pub.Say(topic, "x", published)
				if p := sub.Want("x"); p.QoS != min(granted, published) {
					k.Errorf("published %d, granted %d: %v", published, granted, p)
				}
			}
			sub.Silent()
		}
	}},
	{V5: "MQTT-3.3.2-3", V311: "MQTT311-3.3.2-3", Title: "payloads of every size arrive whole", Run: func(k *Kit) {
		pub, sub := k.Pair(k.Topic("a"), 1)
		for _, n := range []int{0, 1, 100, 127, 128, 16383, 16384, 100000, 2100000} {
			payload := make([]byte, n)
			for i := range payload {
				payload[i] = byte(i * 7)
			}
			pub.Say(k.Topic("a"), string(payload), 1)
			sub.Want(string(payload))
		}
	}},
	{V5: "MQTT-3.4.2-1 MQTT-3.5.2-1", Title: "a message nobody subscribes to is acknowledged with a listed reason", Run: func(k *Kit) {
		c := k.Connect()
		for qos := byte(1); qos <= 2; qos++ {
			if r := c.Publish(wire.Publish{Topic: k.Topic("lonely"), QoS: qos}); r != 0 && r != 0x10 {
				k.Errorf("QoS %d: reason %#02x", qos, r)
			}
		}
	}},
}
