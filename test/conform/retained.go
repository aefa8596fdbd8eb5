package conform

import (
	"fmt"

	"alcove/test/conform/wire"
)

// The retain options of a SUBSCRIBE.
const (
	noLocal           = 4
	retainAsPublished = 8
	retainIfNew       = 0x10
	retainNever       = 0x20
)

// wantRetained compares the retained message of the topic "a" of the case; empty means none.
func wantRetained(k *Kit, payload string) {
	got := k.Retained(k.Topic("a"))
	switch {
	case payload == "" && len(got) > 0:
		k.Fatalf("retained: %v", got[0])
	case payload != "" && (len(got) != 1 || got[0].Payload != payload || !got[0].Retain):
		k.Fatalf("retained %v, want %q", got, payload)
	}
}

var retainedCases = []Case{
	{V5: "MQTT-3.3.1-5", V311: "MQTT311-3.3.1-5 MQTT311-3.3.1-8", V31: "MQTT31", Title: "the last retained message is stored and replaces the one before", Run: func(k *Kit) {
		pub := k.Connect()
		for qos := range byte(3) {
			k.Retain(pub, wire.Publish{Topic: k.Topic("a"), Payload: "first", QoS: qos})
			k.Retain(pub, wire.Publish{Topic: k.Topic("a"), Payload: "second", QoS: qos})
			got := k.Retained(k.Topic("a"))
			if len(got) != 1 || got[0].Payload != "second" || !got[0].Retain || got[0].QoS != qos {
				k.Errorf("QoS %d: retained %v", qos, got)
			}
		}
	}},
	{V311: "MQTT311-3.3.1-5", V5: "MQTT-3.8.4-8", Title: "a retained message is bounded by the granted QoS", Run: func(k *Kit) {
		k.Retain(k.Connect(), wire.Publish{Topic: k.Topic("a"), Payload: "x", QoS: 2})
		c := k.Connect()
		for qos := range byte(3) {
			c.Grant(k.Topic("a"), qos)
			if p := c.Want("x"); p.QoS != qos {
				k.Errorf("granted %d: %v", qos, p)
			}
		}
	}},
	{V311: "MQTT311-3.3.1-6", V5: "MQTT-3.3.1-9", Title: "a new subscription gets each matching topic's last message", Run: func(k *Kit) {
		pub := k.Connect()
		for _, t := range []string{"r", "r/1", "r/2", "r/2/3", "s"} {
			k.Retain(pub, wire.Publish{Topic: k.Topic(t), Payload: t, QoS: 1})
		}
		for filter, want := range map[string]int{"r/#": 4, "r/+": 2, "+": 2, "r/2": 1, "r/+/3": 1, "none": 0} {
			if got := k.Retained(k.Topic(filter)); len(got) != want {
				k.Errorf("%s: %d messages, want %d: %s", filter, len(got), want, payloads(got))
			}
		}
	}},
	{V311: "MQTT311-3.3.1-7", V5: "MQTT-3.3.1-5", Title: "a retained message of QoS 0 discards the one before", Run: func(k *Kit) {
		pub := k.Connect()
		k.Retain(pub, wire.Publish{Topic: k.Topic("a"), Payload: "one", QoS: 1})
		k.Retain(pub, wire.Publish{Topic: k.Topic("a"), Payload: "two", QoS: 0})
		wantRetained(k, "two")
	}},
	{V5: "MQTT-3.3.1-6 MQTT-3.3.1-7", V311: "MQTT311-3.3.1-10 MQTT311-3.3.1-11", V31: "MQTT31", Title: "an empty retained message is delivered, clears and is not stored", Run: func(k *Kit) {
		pub, sub := k.Pair(k.Topic("a"), 1)
		k.Retain(pub, wire.Publish{Topic: k.Topic("a"), Payload: "x", QoS: 1})
		sub.Want("x")
		k.Retain(pub, wire.Publish{Topic: k.Topic("a"), QoS: 1})
		sub.Want("")
		wantRetained(k, "")
	}},
	{V5: "MQTT-3.3.1-8", V311: "MQTT311-3.3.1-12", Title: "a message without RETAIN leaves the stored one", Run: func(k *Kit) {
		pub := k.Connect()
		k.Retain(pub, wire.Publish{Topic: k.Topic("a"), Payload: "kept", QoS: 1})
		pub.Say(k.Topic("a"), "other", 1)
		wantRetained(k, "kept")
		pub.Say(k.Topic("a"), "", 1)
		wantRetained(k, "kept")
	}},
	{V5: "MQTT-3.3.1-9", Title: "Retain Handling 0 sends at every subscribe", Run: func(k *Kit) {
		k.Retain(k.Connect(), wire.Publish{Topic: k.Topic("a"), Payload: "x", QoS: 1})
		c := k.Connect()
		for range 3 {
			c.Grant(k.Topic("a"), 1)
			c.Want("x")
			c.Silent()
		}
	}},
	{V5: "MQTT-3.3.1-10", Title: "Retain Handling 1 sends at a new subscription only", Run: func(k *Kit) {
		k.Retain(k.Connect(), wire.Publish{Topic: k.Topic("a"), Payload: "x", QoS: 1})
		c := k.Connect()
		c.Grant(k.Topic("a"), 1|retainIfNew)
		c.Want("x")
		c.Grant(k.Topic("a"), 1|retainIfNew)
		c.Silent()
		c.Unsubscribe(k.Topic("a"))
		c.Grant(k.Topic("a"), 1|retainIfNew)
		c.Want("x")
	}},
	{V5: "MQTT-3.3.1-11", Title: "Retain Handling 2 sends nothing", Run: func(k *Kit) {
		k.Retain(k.Connect(), wire.Publish{Topic: k.Topic("a"), Payload: "x", QoS: 1})
		c := k.Connect()
		c.Grant(k.Topic("a"), 1|retainNever)
		c.Silent()
	}},
	{V5: "MQTT-3.3.1-12", V311: "MQTT311-3.3.1-9", V31: "MQTT31", Title: "live messages arrive with RETAIN 0", Run: func(k *Kit) {
		pub, sub := k.Pair(k.Topic("a"), 1)
		k.Retain(pub, wire.Publish{Topic: k.Topic("a"), Payload: "x", QoS: 1})
		if p := sub.Want("x"); p.Retain {
			k.Errorf("%v", p)
		}
	}},
	{V5: "MQTT-3.3.1-13", Title: "Retain As Published keeps RETAIN as sent", Run: func(k *Kit) {
		pub, sub := k.Pair(k.Topic("a"), 1|retainAsPublished)
		k.Retain(pub, wire.Publish{Topic: k.Topic("a"), Payload: "x", QoS: 1})
		if p := sub.Want("x"); !p.Retain {
			k.Errorf("%v", p)
		}
		pub.Say(k.Topic("a"), "y", 1)
		if p := sub.Want("y"); p.Retain {
			k.Errorf("%v", p)
		}
	}},
	{V311: "MQTT311-3.1.2-7", V5: "MQTT-3.3.1-5", Title: "retained messages outlive their publisher's session", Run: func(k *Kit) {
		pub := k.Connect()
		k.Retain(pub, wire.Publish{Topic: k.Topic("a"), Payload: "x", QoS: 1})
		pub.Bye()
		wantRetained(k, "x")
	}},
	{V5: "MQTT-3.3.1-9", V311: "MQTT311-3.3.1-6", Title: "hundreds of retained messages all arrive", Run: func(k *Kit) {
		const n = 300
		pub := k.Connect()
		for i := range n {
			k.cleanTopic(pub, i)
		}
		got := k.collect(k.Topic("many/#"), n)
		if len(got) != n {
			k.Errorf("%d of %d topics", len(got), n)
		}
	}},
}

// cleanTopic stores the i-th of many retained messages.
func (k *Kit) cleanTopic(pub *Client, i int) {
	topic := k.Topic(fmt.Sprintf("many/%d", i))
	pub.Publish(wire.Publish{Topic: topic, Payload: topic, QoS: 1, Retain: true})
	if i == 0 {
		k.Cleanup(func() {
			c := k.Connect()
			for j := range 300 {
				c.Publish(wire.Publish{Topic: k.Topic(fmt.Sprintf("many/%d", j)), QoS: 1, Retain: true})
			}
		})
	}
}

// collect subscribes and takes messages until n topics have come.
func (k *Kit) collect(filter string, n int) map[string]bool {
	c := k.Connect()
	c.Grant(filter, 1)
	got := map[string]bool{}
	for len(got) < n {
		p := c.Take()
		if got[p.Topic] {
			k.Fatalf("%s twice", p.Topic)
		}
		got[p.Topic] = true
	}
	c.Silent()
	return got
}
