package conform

import (
	"bytes"
	"strings"

	"alcove/test/conform/wire"
)

// noCredentials leaves user name and password out.
func noCredentials() option { return withUser(nil, nil) }

var nobody, wrong = "nobody-of-this-name", "not-the-password"

var connectCases = []Case{
	{V5: "MQTT-3.1.4-5 MQTT-4.2.0-1 MQTT-3.2.0-2", V311: "MQTT311-3.1.4-4 MQTT311-7.1.1-1 MQTT311-7.0.0-2", V31: "MQTT31",
		Title: "a good CONNECT over TCP is accepted once", Run: func(k *Kit) {
			c := k.Connect()
			c.Ping()
			c.Grant(k.Topic("a"), 1)
			c.Say(k.Topic("a"), "x", 1)
			c.Want("x")
			c.Bye()
		}},
	{V5: "MQTT-3.1.0-1 MQTT-3.14.0-1", V311: "MQTT311-3.1.0-1", Title: "another packet before CONNECT closes", Run: func(k *Kit) {
		for _, b := range [][]byte{
			wire.Ping(), wire.Publish{Topic: "a"}.Bytes(k.V), wire.Subscribe(k.V, 1, nil, wire.Sub{Filter: "a"}),
			wire.Disconnect(k.V, 0, nil), wire.Ack(k.V, wire.PUBACK, 1, 0, nil), {0xf0, 0},
		} {
			if got := k.Raw(b); len(got) > 0 && got[0]>>4 != wire.CONNACK {
				k.Errorf("%x answered by %x", b, got)
			}
		}
	}},
	{V5: "MQTT-3.1.0-2", V311: "MQTT311-3.1.0-2", V31: "MQTT31", Title: "a second CONNECT closes", Run: func(k *Kit) {
		c := k.Connect()
		c.Send(k.Packet().Bytes())
		c.Closed(0x82)
	}},
	{V5: "MQTT-3.1.2-1", V311: "MQTT311-3.1.2-1", Title: "another protocol name is not served", Run: func(k *Kit) {
		for _, name := range []string{"MQXX", "mqtt", "MQTTT", ""} {
			p := k.Packet()
			p.Name = name
			b := p.Bytes()
			if name == "" {
				b = bytes.Replace(b, wire.Str("MQTT"), wire.Str(""), 1)
				b[1] -= 4
			}
			got := k.Raw(b)
			if len(got) > 0 && (got[0] != wire.CONNACK<<4 || len(got) < 4 || got[3] == 0) {
				k.Errorf("name %q answered by %x", name, got)
			}
		}
	}},
	{V5: "MQTT-3.1.2-2", Title: "an unknown protocol version draws 0x84 at most", Run: func(k *Kit) {
		for _, v := range []byte{6, 99, 255} {
			got := k.Raw(k.Packet(withVersion(v)).Bytes())
			if len(got) > 0 && !bytes.Equal(got, []byte{0x20, 2, 0, 1}) && (len(got) < 5 || got[0] != 0x20 || got[2] != 0 || got[3] != 0x84) {
				k.Errorf("version %d answered by %x", v, got)
			}
		}
	}},
	{V311: "MQTT311-3.1.2-2", Title: "an unsupported level draws return code 1", Run: func(k *Kit) {
		for _, v := range []byte{1, 2} {
			if got := k.Raw(k.Packet(withVersion(v)).Bytes()); !bytes.Equal(got, []byte{0x20, 2, 0, 1}) {
				k.Errorf("level %d answered by %x", v, got)
			}
		}
		got := k.Raw(k.Packet(withVersion(99)).Bytes())
		if !bytes.Equal(got, []byte{0x20, 2, 0, 1}) && (len(got) < 5 || got[3] != 0x84) {
			k.Errorf("level 99 answered by %x", got)
		}
	}},
	{V5: "MQTT-3.1.3-5", V311: "MQTT311-3.1.3-5", V31: "MQTT31", Title: "client identifiers of 1 to 23 letters and digits", Run: func(k *Kit) {
		long := (k.Name() + "ABCDEFGHIJKLMNOPQRSTUVWXYZ")[:23]
		k.Connect(withID(long)).Bye()
		k.Connect(withID(long[:1])).Bye()
	}},
	{V5: "MQTT-3.1.3-6 MQTT-3.1.3-7 MQTT-3.2.2-16", Title: "an empty client identifier gets a unique one, told in CONNACK", Run: func(k *Kit) {
		a := k.Connect(withID(""), withProps(wire.Num(wire.SessionExpiry, 30)))
		b := k.Connect(withID(""))
		ida, idb := a.Connack.Props.Text(wire.AssignedClientID), b.Connack.Props.Text(wire.AssignedClientID)
		if ida == "" || idb == "" || ida == idb {
			k.Fatalf("assigned %q and %q", ida, idb)
		}
		a.Grant(k.Topic("a"), 1)
		a.Bye()
		b.Say(k.Topic("a"), "x", 1)
		a = k.Connect(kept(ida))
		if !a.Connack.SessionPresent {
			k.Errorf("the session of the assigned identifier is not resumed")
		}
		a.Want("x")
	}},
	{V311: "MQTT311-3.1.3-6", Title: "empty client identifiers with CleanSession 1 coexist", Run: func(k *Kit) {
		a, b := k.Connect(withID("")), k.Connect(withID(""))
		a.Ping()
		b.Ping()
		a.Ping()
	}},
	{V311: "MQTT311-3.1.3-8 MQTT311-3.1.3-9 MQTT311-3.1.3-7 MQTT311-3.2.2-5", Title: "an empty client identifier with CleanSession 0 draws return code 2", Run: func(k *Kit) {
		c, ack := k.Open(withID(""), withClean(false))
		if ack == nil || ack.Type != wire.CONNACK || ack.Reason != 2 {
			k.Fatalf("answered by %v", ack)
		}
		c.Closed()
	}},
	{V5: "MQTT-3.1.3-8", Title: "a client identifier that is too long is accepted or refused with 0x85", Run: func(k *Kit) {
		c, ack := k.Open(withID(k.Name() + strings.Repeat("x", 60000)))
		if ack != nil && ack.Reason == 0 {
			c.Bye()
			return
		}
		if ack != nil && ack.Reason != 0x85 {
			k.Errorf("answered by %v", ack)
		}
		c.Closed()
	}},
	{V5: "MQTT-3.1.3-1", V311: "MQTT311-3.1.3-1", V31: "MQTT31", Title: "all payload fields in their order act as sent", Run: func(k *Kit) {
		sub := k.Connect()
		sub.Grant(k.Topic("will"), 1)
		c := k.Connect(withWill(wire.Will{Topic: k.Topic("will"), Payload: "gone", QoS: 1}))
		c.Drop()
		sub.Want("gone")
	}},
	{V5: "MQTT-3.1.2-19", Title: "a password without a user name is well-formed", Run: func(k *Kit) {
		pass := k.User
		if !k.Dialect {
			pass = "anything"
		}
		c, ack := k.Open(withUser(nil, &pass))
		switch {
		case k.Dialect && (ack == nil || ack.Reason != 0):
			k.Fatalf("answered by %v", ack)
		case ack != nil && ack.Reason == 0:
			c.Bye()
		case ack != nil && ack.Reason == 0x81:
			k.Fatalf("answered by %v", ack)
		}
	}},
	{V5: "MQTT-3.1.4-2 MQTT-3.2.2-7 MQTT-3.2.2-8 MQTT-4.13.2-1", V311: "MQTT311-3.2.2-5 MQTT311-3.2.2-6", V31: "MQTT31",
		Title: "unknown credentials are refused and closed", Needs: needsAuth, Run: func(k *Kit) {
			c, ack := k.Open(withUser(&nobody, &wrong))
			if ack != nil && (ack.Reason == 0 || ack.Type != wire.CONNACK) {
				k.Fatalf("answered by %v", ack)
			}
			c.Closed()
			if ack != nil && k.V >= wire.V5 && ack.Reason != 0x86 && ack.Reason != 0x87 {
				k.Errorf("reason %#02x", ack.Reason)
			}
			if ack != nil && k.V < wire.V5 && ack.Reason != 4 && ack.Reason != 5 {
				k.Errorf("return code %d", ack.Reason)
			}
		}},
	{V5: "MQTT-3.2.2-6", V311: "MQTT311-3.2.2-4", Title: "a refusal never says that a session is present", Needs: needsAuth, Run: func(k *Kit) {
		id := k.Name()
		k.Connect(kept(id)).Bye()
		_, ack := k.Open(kept(id), withUser(&nobody, &wrong))
		if ack != nil && ack.SessionPresent {
			k.Errorf("answered by %v", ack)
		}
		if c := k.Connect(kept(id)); !c.Connack.SessionPresent {
			k.Errorf("the refused attempt has ended the session")
		}
	}},
	{V5: "MQTT-3.1.4-6", V311: "MQTT311-3.1.4-5", Title: "packets behind a rejected CONNECT are ignored", Run: func(k *Kit) {
		sub := k.Connect()
		sub.Grant(k.Topic("a"), 0)
		p := k.Packet()
		if k.Auth {
			p = k.Packet(withUser(&nobody, &wrong))
		} else {
			p.Name = "MQXX"
		}
		k.Raw(wire.Cat(p.Bytes(), wire.Publish{Topic: k.Topic("a"), Payload: "smuggled"}.Bytes(k.V)))
		sub.Silent()
	}},
	{V5: "MQTT-3.1.4-6 MQTT-3.1.4-1", V311: "MQTT311-3.1.4-5", Title: "packets sent with CONNECT before its CONNACK are served", Run: func(k *Kit) {
		// Clients need not wait for CONNACK.
		c := k.Dial()
		p := k.Packet()
		c.Send(p.Bytes(), wire.Subscribe(k.V, 1, nil, wire.Sub{Filter: k.Topic("a"), Options: 1}),
			wire.Publish{Topic: k.Topic("a"), Payload: "x", QoS: 1, ID: 2}.Bytes(k.V))
		c.Await(wire.CONNACK)
		c.Await(wire.SUBACK)
		c.Await(wire.PUBACK)
		c.Want("x")
	}},
	{V5: "MQTT-1.5.4-3", V311: "MQTT311-1.5.3-3", Title: "U+FEFF inside a string is kept", Run: func(k *Kit) {
		pub, sub := k.Pair(k.Topic("\ufeffb"), 1)
		sub.Grant(k.Topic("plain"), 1)
		pub.Say(k.Topic("b"), "no", 1)
		pub.Say(k.Topic("\ufeffb"), "yes", 1)
		if p := sub.Want("yes"); p.Topic != k.Topic("\ufeffb") {
			k.Errorf("topic %q", p.Topic)
		}
	}},
}
