package conform

import (
	"time"

	"alcove/test/conform/wire"
)

// willOn subscribes to a will topic of this case and makes its will.
func willOn(k *Kit, qos byte, props ...wire.Prop) (sub *Client, w wire.Will) {
	sub = k.Connect()
	sub.Grant(k.Topic("will"), 2)
	return sub, wire.Will{Topic: k.Topic("will"), Payload: "will", QoS: qos, Props: props}
}

var willCases = []Case{
	{V5: "MQTT-3.1.2-7 MQTT-3.1.2-8 MQTT-3.1.2-10", V311: "MQTT311-3.1.2-8 MQTT311-3.1.2-10", V31: "MQTT31", Title: "a cut connection publishes the will once", Run: func(k *Kit) {
		sub, w := willOn(k, 1)
		id := k.Name()
		k.Connect(withID(id), withWill(w)).Drop()
		sub.Want("will")
		k.Connect(withID(id)).Bye() // the will is gone with its connection
		k.Connect(withID(id)).Drop()
		k.Connect(withID(id)).Bye()
		sub.Silent()
	}},
	{V5: "MQTT-3.14.4-3 MQTT-3.1.2-10", V311: "MQTT311-3.14.4-3 MQTT311-3.1.2-10", V31: "MQTT31", Title: "DISCONNECT removes the will", Run: func(k *Kit) {
		sub, w := willOn(k, 1)
		k.Connect(withWill(w)).Bye()
		sub.Silent()
	}},
	{V5: "MQTT-3.14.4-3 MQTT-3.1.2-8", Title: "DISCONNECT with another reason publishes the will", Run: func(k *Kit) {
		sub, w := willOn(k, 1)
		for _, reason := range []byte{0x04, 0x80, 0x81} {
			c := k.Connect(withWill(w))
			c.Send(wire.Disconnect(k.V, reason, nil))
			c.Closed()
			sub.Want("will")
		}
	}},
	{V5: "MQTT-3.1.2-8", V311: "MQTT311-3.1.2-8", Title: "a protocol error publishes the will", Run: func(k *Kit) {
		sub, w := willOn(k, 1)
		c := k.Connect(withWill(w))
		c.Send([]byte{0x36, 5, 0, 1, 'a', 0, 1})
		c.Closed(0x81, 0x82)
		sub.Want("will")
	}},
	{V311: "MQTT311-3.1.2-12", V5: "MQTT-3.1.2-8", Title: "without a will nothing is published", Run: func(k *Kit) {
		sub := k.Connect()
		sub.Grant(k.Topic("#"), 0)
		id := k.Name()
		k.Connect(withID(id)).Drop()
		k.Connect(withID(id)).Bye() // after the takeover the first one is done with
		sub.Silent()
	}},
	{V5: "MQTT-3.1.2-12", V311: "MQTT311-3.1.2-9 MQTT311-3.1.2-14", Title: "the will is published with its QoS", Run: func(k *Kit) {
		for qos := range byte(3) {
			sub, w := willOn(k, qos)
			k.Connect(withWill(w)).Drop()
			if p := sub.Want("will"); p.QoS != qos {
				k.Errorf("will of QoS %d came as %v", qos, p)
			}
			sub.Bye()
		}
	}},
	{V5: "MQTT-3.1.2-14", V311: "MQTT311-3.1.2-16", Title: "a will without retain is not stored", Run: func(k *Kit) {
		sub, w := willOn(k, 1)
		k.Connect(withWill(w)).Drop()
		sub.Want("will")
		if got := k.Retained(w.Topic); len(got) > 0 {
			k.Errorf("retained: %v", got[0])
		}
	}},
	{V5: "MQTT-3.1.2-15", V311: "MQTT311-3.1.2-17", V31: "MQTT31", Title: "a will with retain is stored", Run: func(k *Kit) {
		sub, w := willOn(k, 1)
		w.Retain = true
		k.Clear(w.Topic)
		k.Connect(withWill(w)).Drop()
		sub.Want("will")
		got := k.Retained(w.Topic)
		if len(got) != 1 || !got[0].Retain || got[0].Payload != "will" {
			k.Errorf("retained: %v", got)
		}
	}},
	{V5: "MQTT-3.1.3-10", Title: "the properties of a will are forwarded in order", Run: func(k *Kit) {
		props := wire.Props{wire.Num(wire.PayloadFormat, 1), wire.Num(wire.MessageExpiry, 1000), wire.Text(wire.ContentType, "text/plain"),
			wire.Text(wire.ResponseTopic, "r"), wire.Text(wire.CorrelationData, "\x00\x01"),
			wire.User("b", "1"), wire.User("a", "2"), wire.User("b", "3"), wire.User("", "")}
		sub, w := willOn(k, 1, props...)
		k.Connect(withWill(w)).Drop()
		sameProps(k, props, sub.Want("will"))
	}},
	{V5: "MQTT-3.1.2-8", Title: "a delayed will comes after its delay", Run: func(k *Kit) {
		sub, w := willOn(k, 1, wire.Num(wire.WillDelay, 2))
		c := k.Connect(kept(k.Name()), withWill(w))
		start := time.Now()
		c.Drop()
		sub.Silent()
		sub.Want("will")
		if d := time.Since(start); d < 1500*time.Millisecond {
			k.Errorf("came after %v", d)
		}
	}},
	{V5: "MQTT-3.1.3-9", Title: "a reconnection before the delay ends suppresses the will", Run: func(k *Kit) {
		sub, w := willOn(k, 1, wire.Num(wire.WillDelay, 2))
		id := k.Name()
		k.Connect(kept(id), withWill(w)).Drop()
		c := k.Connect(kept(id))
		time.Sleep(4 * time.Second)
		sub.Silent()
		c.Bye()
		sub.Silent()
	}},
	{V5: "MQTT-3.1.2-8", Title: "the end of the session publishes a delayed will at once", Run: func(k *Kit) {
		sub, w := willOn(k, 1, wire.Num(wire.WillDelay, 600))
		k.Connect(withWill(w)).Drop() // Session Expiry 0
		sub.Want("will")
		k.Connect(withID(k.Name()), withProps(wire.Num(wire.SessionExpiry, 1)), withWill(w)).Drop()
		sub.Want("will")
	}},
	{V5: "MQTT-3.1.2-8 MQTT-3.1.2-4", Title: "a clean start ends the session and publishes its delayed will", Run: func(k *Kit) {
		sub, w := willOn(k, 1, wire.Num(wire.WillDelay, 600))
		id := k.Name()
		k.Connect(kept(id), withWill(w)).Drop()
		k.Connect(withID(id)).Bye()
		sub.Want("will")
	}},
	{V5: "MQTT-3.1.2-8", V311: "MQTT311-3.1.2-8", Title: "a connection of which the client has closed its half ends, and the will is published", Run: func(k *Kit) {
		sub, w := willOn(k, 1)
		c := k.Connect(withWill(w))
		half, ok := c.conn.(interface{ CloseWrite() error })
		if !ok {
			k.Skipf("the transport has no halves")
		}
		half.CloseWrite()
		c.Closed()
		sub.Want("will")
	}},
	{V5: "MQTT-3.1.2-8", V311: "MQTT311-3.1.2-8", Title: "a takeover publishes the will of the older connection", Run: func(k *Kit) {
		// With no delay the will is due whenever the old connection ends.
		sub, w := willOn(k, 1)
		id := k.Name()
		old := k.Connect(withID(id), withWill(w))
		k.Connect(withID(id))
		old.Closed(0x8e)
		sub.Want("will")
	}},
}
