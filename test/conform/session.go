package conform

import (
	"fmt"

	"alcove/test/conform/wire"
)

var sessionCases = []Case{
	{V5: "MQTT-3.1.2-4 MQTT-3.1.4-4 MQTT-3.2.2-2", V311: "MQTT311-3.1.2-6 MQTT311-3.1.4-3 MQTT311-3.2.2-1", V31: "MQTT31", Title: "a clean start drops the earlier session", Run: func(k *Kit) {
		id := k.Name()
		c := k.Connect(kept(id))
		c.Grant(k.Topic("a"), 1)
		c.Bye()
		pub := k.Connect()
		pub.Say(k.Topic("a"), "queued", 1)
		c = k.Connect(withID(id))
		if c.Connack.SessionPresent {
			k.Errorf("session present")
		}
		pub.Say(k.Topic("a"), "live", 1)
		c.Silent()
		c.Bye()
		if c = k.Connect(kept(id)); c.Connack.SessionPresent {
			k.Errorf("session present after a clean one")
		}
		c.Silent()
	}},
	{V5: "MQTT-3.1.2-5 MQTT-3.2.2-3 MQTT-3.1.2-23 MQTT-4.5.0-1", V311: "MQTT311-3.1.2-4 MQTT311-3.1.2-5 MQTT311-3.2.2-2 MQTT311-4.1.0-1 MQTT311-4.5.0-1", V31: "MQTT31",
		Title: "a kept session resumes with its subscriptions and queue", Run: func(k *Kit) {
			id := k.Name()
			c := k.Connect(kept(id))
			c.Grant(k.Topic("a/#"), 2)
			c.Bye()
			pub := k.Connect()
			for i := range 20 {
				pub.Say(k.Topic("a/b"), fmt.Sprint(i), byte(i%2+1))
			}
			c = k.Connect(kept(id))
			if !c.Connack.SessionPresent && k.V != wire.V31 {
				k.Errorf("no session present")
			}
			seen := map[string]int{}
			for range 20 {
				seen[c.Take().Payload]++
			}
			if len(seen) != 20 {
				k.Errorf("received %v", seen)
			}
			pub.Say(k.Topic("a/c"), "live", 1)
			c.Want("live")
		}},
	{V5: "MQTT-3.1.2-6 MQTT-3.2.2-3", V311: "MQTT311-3.2.2-3", Title: "with nothing to resume a session is made", Run: func(k *Kit) {
		if c := k.Connect(kept(k.Name())); c.Connack.SessionPresent {
			k.Errorf("session present")
		}
	}},
	{V5: "MQTT-3.1.3-2", V311: "MQTT311-3.1.3-2", Title: "state belongs to one client identifier", Run: func(k *Kit) {
		a, b := k.Name(), k.Name()
		c := k.Connect(kept(a))
		c.Grant(k.Topic("a"), 1)
		c.Bye()
		k.Connect().Say(k.Topic("a"), "x", 1)
		for _, other := range []string{b, a + "x", a[:len(a)-1]} {
			o := k.Connect(kept(other))
			if o.Connack.SessionPresent {
				k.Errorf("%q resumes the session of %q", other, a)
			}
			o.Silent()
		}
		k.Connect(kept(a)).Want("x")
	}},
	{V5: "MQTT-3.1.4-3 EXT-SES-1", V311: "MQTT311-3.1.4-2", V31: "MQTT31", Title: "the newer connection wins", Run: func(k *Kit) {
		id := k.Name()
		old := k.Connect(kept(id))
		old.Grant(k.Topic("a"), 1)
		c := k.Connect(kept(id))
		old.Closed(0x8e)
		k.Connect().Say(k.Topic("a"), "x", 1)
		c.Want("x")
		c.Ping()
	}},
	{V5: "MQTT-3.1.2-23", Title: "a session without expiry ends with its connection", Run: func(k *Kit) {
		id := k.Name()
		k.Connect(withID(id), withClean(false)).Bye()
		c := k.Connect(withID(id), withClean(false))
		if c.Connack.SessionPresent {
			k.Errorf("session present")
		}
		c.Bye()
	}},
	{V5: "MQTT-3.1.2-23 MQTT-4.1.0-2", Title: "DISCONNECT may shorten the session's life", Run: func(k *Kit) {
		id := k.Name()
		c := k.Connect(kept(id))
		c.Send(wire.Disconnect(k.V, 0, wire.Props{wire.Num(wire.SessionExpiry, 0)}))
		c.Closed()
		if c = k.Connect(kept(id)); c.Connack.SessionPresent {
			k.Errorf("session present")
		}
	}},
	{V5: "MQTT-3.1.2-23", Title: "DISCONNECT may lengthen the session's life", Run: func(k *Kit) {
		id := k.Name()
		c := k.Connect(withID(id), withProps(wire.Num(wire.SessionExpiry, 1)))
		c.Send(wire.Disconnect(k.V, 0, wire.Props{wire.Num(wire.SessionExpiry, 60)}))
		c.Closed()
		waitSeconds(3)
		if c = k.Connect(kept(id)); !c.Connack.SessionPresent {
			k.Errorf("no session present")
		}
	}},
	{V5: "MQTT-4.13.1-1", Title: "DISCONNECT cannot give life to a session without expiry", Run: func(k *Kit) {
		id := k.Name()
		c := k.Connect(withID(id))
		c.Send(wire.Disconnect(k.V, 0, wire.Props{wire.Num(wire.SessionExpiry, 60)}))
		c.Closed(0x82)
		c = k.Connect(withID(id), withClean(false))
		if c.Connack.SessionPresent {
			k.Errorf("session present")
		}
		c.Bye()
	}},
	{V5: "MQTT-3.1.2-5", Title: "a new expiry at reconnection replaces the old one", Run: func(k *Kit) {
		id := k.Name()
		k.Connect(kept(id)).Bye()
		c := k.Connect(withID(id), withClean(false))
		if !c.Connack.SessionPresent {
			k.Errorf("no session present")
		}
		c.Bye()
		if c = k.Connect(kept(id)); c.Connack.SessionPresent {
			k.Errorf("session present after Session Expiry 0")
		}
	}},
}
