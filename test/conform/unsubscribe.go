package conform

import (
	"slices"

	"alcove/test/conform/wire"
)

var unsubscribeCases = []Case{
	{V5: "MQTT-3.10.4-1 MQTT-3.10.4-2", V311: "MQTT311-3.10.4-1 MQTT311-3.10.4-2", V31: "MQTT31", Title: "UNSUBSCRIBE removes the filter spelled the same, and only it", Run: func(k *Kit) {
		pub, c := k.Connect(), k.Connect()
		c.Grant(k.Topic("a/b"), 1)
		c.Grant(k.Topic("A/b"), 1)
		c.Unsubscribe(k.Topic("a/#"), k.Topic("a/+"), k.Topic("a/b/"), k.Topic("+/b"))
		pub.Say(k.Topic("a/b"), "x", 1)
		c.Want("x")
		c.Unsubscribe(k.Topic("a/b"))
		pub.Say(k.Topic("a/b"), "y", 1)
		c.Silent()
		pub.Say(k.Topic("A/b"), "z", 1)
		c.Want("z")
	}},
	{V5: "MQTT-3.10.4-3", V311: "MQTT311-3.10.4-3", Title: "a delivery already begun is completed after UNSUBSCRIBE", Run: func(k *Kit) {
		pub, c := k.Pair(k.Topic("a"), 2)
		pub.Say(k.Topic("a"), "x", 2)
		p := c.Receive()
		c.Unsubscribe(k.Topic("a"))
		c.Answer(p)
		c.Ping()
	}},
	{V5: "MQTT-3.10.4-5 MQTT-3.11.3-1 MQTT-3.11.3-2", V311: "MQTT311-3.10.4-5", Title: "UNSUBACK tells filter by filter, in order", Run: func(k *Kit) {
		c := k.Connect()
		c.Grant(k.Topic("a"), 1)
		c.Grant(k.Topic("c"), 1)
		got := c.Unsubscribe(k.Topic("a"), k.Topic("b"), k.Topic("c"))
		if k.V >= wire.V5 && !slices.Equal(got, []byte{0, 0x11, 0}) {
			k.Errorf("reasons %x", got)
		}
		if got = c.Unsubscribe(k.Topic("a")); k.V >= wire.V5 && got[0] != 0x11 {
			k.Errorf("reasons %x", got)
		}
	}},
	{V5: "MQTT-3.10.4-6 MQTT-3.10.4-4", V311: "MQTT311-3.10.4-6 MQTT311-3.10.4-4", Title: "several filters in one UNSUBSCRIBE draw one UNSUBACK and all go", Run: func(k *Kit) {
		pub, c := k.Connect(), k.Connect()
		names := []string{k.Topic("a"), k.Topic("b/+"), k.Topic("c/#")}
		for _, f := range names {
			c.Grant(f, 1)
		}
		c.Unsubscribe(names...)
		for _, t := range []string{"a", "b/x", "c"} {
			pub.Say(k.Topic(t), "x", 1)
		}
		c.Silent()
		if len(c.pending) > 0 {
			k.Errorf("also came %v", c.pending[0])
		}
	}},
	{V5: "MQTT-3.10.4-2", V311: "MQTT311-3.10.4-2", Title: "nothing is queued for a kept session after UNSUBSCRIBE", Run: func(k *Kit) {
		id := k.Name()
		c := k.Connect(kept(id))
		c.Grant(k.Topic("a"), 1)
		c.Unsubscribe(k.Topic("a"))
		c.Bye()
		k.Connect().Say(k.Topic("a"), "x", 1)
		k.Connect(kept(id)).Silent()
	}},
}
