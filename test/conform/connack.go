package conform

import (
	"alcove/test/conform/wire"
)

var connackCases = []Case{
	{V5: "MQTT-3.2.0-1 MQTT-3.2.2-1 MQTT-2.2.2-1", V311: "MQTT311-3.2.0-1", Title: "CONNACK comes before queued messages", Run: func(k *Kit) {
		id := k.Name()
		c := k.Connect(kept(id))
		c.Grant(k.Topic("a"), 1)
		c.Bye()
		pub := k.Connect()
		for range 10 {
			pub.Say(k.Topic("a"), "x", 1)
		}
		_, ack := k.Open(kept(id))
		if ack == nil || ack.Type != wire.CONNACK {
			k.Errorf("first packet %v", ack)
		}
	}},
	{V5: "MQTT-3.2.2-9", Title: "without a Maximum QoS in CONNACK, QoS 2 works", Run: func(k *Kit) {
		c := k.Connect()
		if max := c.Connack.Props.Num(wire.MaximumQoS, 2); max < 2 {
			c.Send(wire.Publish{Topic: k.Topic("a"), QoS: byte(max) + 1, ID: 1}.Bytes(k.V))
			c.Closed(0x9b)
			return
		}
		c.Say(k.Topic("a"), "x", 2)
	}},
	{V5: "MQTT-3.1.2-28", Title: "no Response Information unless it was asked for", Run: func(k *Kit) {
		for _, props := range [][]wire.Prop{nil, {wire.Num(wire.RequestResponse, 0)}} {
			if c := k.Connect(withProps(props...)); c.Connack.Props.Has(wire.ResponseInfo) {
				k.Errorf("Response Information %q", c.Connack.Props.Text(wire.ResponseInfo))
			}
		}
		k.Connect(withProps(wire.Num(wire.RequestResponse, 1))).Ping()
	}},
	{V5: "MQTT-3.2.2-19 MQTT-3.2.2-20", Title: "CONNACK fits the client's Maximum Packet Size", Run: func(k *Kit) {
		for _, limit := range []uint32{5, 20, 60, 200} {
			for _, o := range []option{withKeepAlive(0), withUser(&nobody, &wrong)} {
				c, ack := k.Open(o, withProps(wire.Num(wire.MaximumPacketSize, limit)))
				if ack != nil && ack.Size > int(limit) {
					k.Errorf("%v of %d bytes for a limit of %d", ack, ack.Size, limit)
				}
				c.Drop()
			}
		}
	}},
	{V5: "MQTT-3.2.2-15", Title: "a packet above the server's Maximum Packet Size closes", Run: func(k *Kit) {
		c := k.Connect()
		limit := c.Connack.Props.Num(wire.MaximumPacketSize, 0)
		if limit == 0 || limit >= 1<<28-10 {
			k.Skipf("announces no Maximum Packet Size")
		}
		c.Send([]byte{0x30}, wire.Var(int(limit)), wire.Str(k.Topic("a")), []byte{0})
		c.Closed(0x95)
	}},
	{V5: "MQTT-3.2.2-17 MQTT-3.2.2-18 MQTT-3.3.2-9", Title: "an alias above the server's Topic Alias Maximum closes", Run: func(k *Kit) {
		c := k.Connect()
		max := c.Connack.Props.Num(wire.TopicAliasMaximum, 0)
		if max == 65535 {
			k.Skipf("every alias is allowed")
		}
		c.Send(wire.Publish{Topic: k.Topic("a"), Props: wire.Props{wire.Num(wire.TopicAlias, max+1)}}.Bytes(k.V))
		c.Closed(0x94)
	}},
	{V5: "MQTT-3.3.4-7", Title: "more unacknowledged messages than the server's Receive Maximum close", Run: func(k *Kit) {
		c := k.Connect()
		max := int(c.Connack.Props.Num(wire.ReceiveMaximum, 65535))
		if max > 5000 {
			k.Skipf("Receive Maximum %d leaves no identifiers", max)
		}
		for i := range max {
			c.Send(wire.Publish{Topic: k.Topic("a"), QoS: 2, ID: uint16(i + 1)}.Bytes(k.V))
		}
		for range max {
			c.Await(wire.PUBREC)
		}
		c.Ping() // exactly the maximum is allowed
		c.Send(wire.Publish{Topic: k.Topic("a"), QoS: 2, ID: uint16(max + 1)}.Bytes(k.V))
		c.Closed(0x93)
	}},
	{V5: "MQTT-3.2.2-21 MQTT-3.2.2-22", Title: "Server Keep Alive is absent where the client's value is kept", Run: func(k *Kit) {
		c := k.Connect(withKeepAlive(30))
		if v := c.Connack.Props.Num(wire.ServerKeepAlive, 30); v == 0 {
			k.Errorf("Server Keep Alive 0 turns keep-alive off")
		}
		c.Ping()
	}},
}
