package conform

import (
	"strings"

	"alcove/test/conform/wire"
)

const (
	surrogate = "a\xed\xa0\x80b"
	illFormed = "a\xffb"
	overlong  = "a\xc0\xafb"
	null      = "a\x00b"
)

// badConnect is a CONNECT that must not be accepted. Version 3.1.1 lets a
// server close only, without a CONNACK [MQTT311-3.1.4-1].
func badConnect(v5, v311, title string, change func(*wire.Connect), reasons ...byte) Case {
	return Case{V5: v5, V311: v311, Title: "CONNECT with " + title, Run: func(k *Kit) {
		c := k.Dial()
		c.version.Lock()
		c.V = k.V
		c.version.Unlock()
		p := k.Packet(noCredentials())
		change(&p)
		c.Send(p.Bytes())
		last := c.Refused(reasons...)
		if k.V < wire.V5 && last != nil {
			k.Errorf("MQTT311-3.1.4-1: answered by %v", last)
		}
		k.Connect().Bye() // others are still served
	}}
}

// badPacket is a packet on an open connection after which the broker must
// close, with one of the reasons where it gives one.
func badPacket(v5, v311, title string, packet func(k *Kit) []byte, reasons ...byte) Case {
	return Case{V5: v5, V311: v311, Title: title, Run: func(k *Kit) {
		other := k.Connect()
		c := k.Connect()
		c.Send(packet(k))
		c.Closed(reasons...)
		other.Ping() // MQTT311-4.8.0-1: only the guilty connection ends
	}}
}

func literal(b ...byte) func(*Kit) []byte { return func(*Kit) []byte { return b } }

func publishTo(topic string, qos byte) func(*Kit) []byte {
	return func(k *Kit) []byte { return wire.Publish{Topic: topic, Payload: "x", QoS: qos, ID: 1}.Bytes(k.V) }
}

func publishWith(props ...wire.Prop) func(*Kit) []byte {
	return func(k *Kit) []byte {
		return wire.Publish{Topic: k.Topic("a"), QoS: 1, ID: 1, Props: props}.Bytes(k.V)
	}
}

func subscribeTo(filter string, options byte, props ...wire.Prop) func(*Kit) []byte {
	return func(k *Kit) []byte {
		return wire.Subscribe(k.V, 1, props, wire.Sub{Filter: filter, Options: options})
	}
}

func unsubscribeFrom(filters ...string) func(*Kit) []byte {
	return func(k *Kit) []byte { return wire.Unsubscribe(k.V, 1, nil, filters...) }
}

func flagged(first byte) func(*Kit) []byte {
	return func(k *Kit) []byte {
		switch first >> 4 {
		case wire.SUBSCRIBE:
			return append([]byte{first}, wire.Subscribe(k.V, 1, nil, wire.Sub{Filter: "a"})[1:]...)
		case wire.UNSUBSCRIBE:
			return append([]byte{first}, wire.Unsubscribe(k.V, 1, nil, "a")[1:]...)
		case wire.PUBACK, wire.PUBREC, wire.PUBREL, wire.PUBCOMP:
			return []byte{first, 2, 0, 1}
		}
		return []byte{first, 0}
	}
}

var malformedCases = []Case{
	// CONNECT.
	badConnect("MQTT-3.1.2-3", "MQTT311-3.1.2-3", "the reserved flag", func(c *wire.Connect) { c.FlagsXor = 1 }, 0x81, 0x82),
	badConnect("MQTT-3.1.2-9", "MQTT311-3.1.2-9", "the will flag and no will", func(c *wire.Connect) { c.FlagsXor = 4 }, 0x81, 0x82),
	badConnect("MQTT-3.1.2-11", "MQTT311-3.1.2-11 MQTT311-3.1.2-13", "will QoS and no will", func(c *wire.Connect) { c.FlagsXor = 8 }, 0x81, 0x82),
	badConnect("MQTT-3.1.2-12", "MQTT311-3.1.2-14", "will QoS 3", func(c *wire.Connect) { c.Will = &wire.Will{Topic: "a", QoS: 3} }, 0x81, 0x82),
	badConnect("MQTT-3.1.2-13", "MQTT311-3.1.2-15", "will retain and no will", func(c *wire.Connect) { c.FlagsXor = 0x20 }, 0x81, 0x82),
	badConnect("MQTT-3.1.2-16", "MQTT311-3.1.2-18", "a user name and no flag for it", func(c *wire.Connect) { c.Trailing = wire.Str("user") }, 0x81, 0x82),
	badConnect("MQTT-3.1.2-17", "MQTT311-3.1.2-19", "the user name flag and no user name", func(c *wire.Connect) { c.FlagsXor = 0x80 }, 0x81, 0x82),
	badConnect("MQTT-3.1.2-18", "MQTT311-3.1.2-20", "a password and no flag for it", func(c *wire.Connect) { c.User, c.Trailing = &nobody, wire.Str("x") }, 0x81, 0x82),
	badConnect("MQTT-3.1.2-19", "MQTT311-3.1.2-21", "the password flag and no password", func(c *wire.Connect) { c.User, c.FlagsXor = &nobody, 0x40 }, 0x81, 0x82),
	badConnect("", "MQTT311-3.1.2-22", "a password and no user name", func(c *wire.Connect) { c.Password = &wrong }),
	badConnect("MQTT-3.1.3-4", "MQTT311-3.1.3-4", "an ill-formed client identifier", func(c *wire.Connect) { c.ClientID = illFormed }, 0x81, 0x82, 0x85),
	badConnect("MQTT-1.5.4-1", "MQTT311-1.5.3-1", "a surrogate in the client identifier", func(c *wire.Connect) { c.ClientID = surrogate }, 0x81, 0x82, 0x85),
	badConnect("MQTT-1.5.4-2", "MQTT311-1.5.3-2", "a null character in the client identifier", func(c *wire.Connect) { c.ClientID = null }, 0x81, 0x82, 0x85),
	badConnect("MQTT-3.1.3-11", "MQTT311-3.1.3-10", "an ill-formed will topic", func(c *wire.Connect) { c.Will = &wire.Will{Topic: illFormed} }, 0x81, 0x82, 0x90),
	badConnect("MQTT-3.1.3-12", "MQTT311-3.1.3-11", "an ill-formed user name", func(c *wire.Connect) { s := illFormed; c.User = &s }, 0x81, 0x82),
	badConnect("MQTT-3.1.4-1", "MQTT311-3.1.4-1", "bytes after its payload", func(c *wire.Connect) { c.Trailing = []byte{0} }, 0x81, 0x82),
	badConnect("MQTT-1.5.7-1", "", "an ill-formed user property", func(c *wire.Connect) { c.Props = wire.Props{wire.User("a", illFormed)} }, 0x81, 0x82),
	badConnect("MQTT-4.13.1-1", "", "Receive Maximum 0", func(c *wire.Connect) { c.Props = wire.Props{wire.Num(wire.ReceiveMaximum, 0)} }, 0x81, 0x82),
	badConnect("MQTT-4.13.1-1", "", "Maximum Packet Size 0", func(c *wire.Connect) { c.Props = wire.Props{wire.Num(wire.MaximumPacketSize, 0)} }, 0x81, 0x82),
	badConnect("MQTT-4.13.1-1", "", "Request Problem Information 2", func(c *wire.Connect) { c.Props = wire.Props{wire.Num(wire.RequestProblem, 2)} }, 0x81, 0x82),
	badConnect("MQTT-4.13.1-1", "", "a property twice", func(c *wire.Connect) {
		c.Props = wire.Props{wire.Num(wire.SessionExpiry, 1), wire.Num(wire.SessionExpiry, 1)}
	}, 0x81, 0x82),
	badConnect("MQTT-4.13.1-1", "", "a property of another packet", func(c *wire.Connect) { c.Props = wire.Props{wire.Num(wire.TopicAlias, 1)} }, 0x81, 0x82),
	badConnect("MQTT-4.13.1-1", "", "authentication data and no method", func(c *wire.Connect) { c.Props = wire.Props{wire.Text(wire.AuthData, "x")} }, 0x81, 0x82),
	badConnect("MQTT-4.13.1-1", "", "Payload Format 2 in the will", func(c *wire.Connect) {
		c.Will = &wire.Will{Topic: "a", Props: wire.Props{wire.Num(wire.PayloadFormat, 2)}}
	}, 0x81, 0x82),
	{V5: "MQTT-3.1.3-3 MQTT-3.14.0-1", V311: "MQTT311-3.1.3-3", Title: "CONNECT with no payload", Run: func(k *Kit) {
		props := []byte(nil)
		if k.V >= wire.V5 {
			props = []byte{0}
		}
		got := k.Raw(wire.Frame(0x10, wire.Str("MQTT"), []byte{k.V, 2, 0, 0}, props))
		if len(got) > 0 && (k.V < wire.V5 || got[0] != 0x20 || got[3] < 0x80) {
			k.Errorf("answered by %x", got)
		}
	}},
	{V5: "MQTT-3.1.4-1 MQTT-3.14.0-1", V311: "MQTT311-3.1.4-1", Title: "CONNECT cut at every field", Run: func(k *Kit) {
		whole := k.Packet(withWill(wire.Will{Topic: "a", Payload: "b"}), withUser(&nobody, &wrong)).Bytes()[2:]
		for _, n := range []int{0, 1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 14, len(whole) - 1} {
			got := k.Raw(wire.Frame(0x10, whole[:n]))
			if len(got) > 0 && (k.V < wire.V5 || got[0] != 0x20 || got[3] < 0x80) {
				k.Errorf("cut to %d bytes: answered by %x", n, got)
			}
		}
	}},

	// Flags of the fixed header.
	badPacket("MQTT-2.1.3-1", "MQTT311-2.2.2-2 MQTT311-2.2.2-1", "PINGREQ with flags closes", flagged(0xc1), 0x81, 0x82),
	badPacket("MQTT-2.1.3-1", "MQTT311-2.2.2-2 MQTT311-4.8.0-1", "PUBACK with flags closes", flagged(0x41), 0x81, 0x82),
	badPacket("MQTT-2.1.3-1", "MQTT311-2.2.2-2", "PUBREC with flags closes", flagged(0x52), 0x81, 0x82),
	badPacket("MQTT-3.6.1-1", "MQTT311-3.6.1-1", "PUBREL without its flags closes", flagged(0x60), 0x81, 0x82),
	badPacket("MQTT-2.1.3-1", "MQTT311-2.2.2-2", "PUBCOMP with flags closes", flagged(0x71), 0x81, 0x82),
	badPacket("MQTT-3.8.1-1", "MQTT311-3.8.1-1", "SUBSCRIBE without its flags closes", flagged(0x80), 0x81, 0x82),
	badPacket("MQTT-3.10.1-1", "MQTT311-3.10.1-1", "UNSUBSCRIBE without its flags closes", flagged(0xa0), 0x81, 0x82),
	badPacket("MQTT-3.15.1-1", "", "AUTH with flags closes", flagged(0xf1), 0x81, 0x82),
	{V5: "MQTT-3.14.1-1", V311: "MQTT311-3.14.1-1", Title: "DISCONNECT with flags is an error, and the will is published", Run: func(k *Kit) {
		sub := k.Connect()
		sub.Grant(k.Topic("will"), 0)
		c := k.Connect(withWill(wire.Will{Topic: k.Topic("will"), Payload: "w"}))
		c.Send([]byte{0xe1, 0})
		c.Closed(0x81, 0x82)
		sub.Want("w")
	}},
	badPacket("MQTT-3.3.1-4", "MQTT311-3.3.1-4", "PUBLISH with QoS 3 closes", func(k *Kit) []byte {
		return wire.Frame(0x36, wire.Str("a"), wire.U16(1), []byte{0})
	}, 0x81, 0x82),

	// Types and lengths.
	badPacket("MQTT-4.13.1-1", "MQTT311-4.8.0-1", "packet type 0 closes", literal(0, 0), 0x81, 0x82),
	badPacket("MQTT-4.13.1-1", "MQTT311-4.8.0-1", "CONNACK from a client closes", literal(0x20, 2, 0, 0), 0x81, 0x82),
	badPacket("MQTT-4.13.1-1", "MQTT311-4.8.0-1", "SUBACK from a client closes", literal(0x90, 3, 0, 1, 0), 0x81, 0x82),
	badPacket("MQTT-4.13.1-1", "MQTT311-4.8.0-1", "PINGRESP from a client closes", literal(0xd0, 0), 0x81, 0x82),
	badPacket("", "MQTT311-4.8.0-1", "packet type 15 closes", literal(0xf0, 0)),
	badPacket("MQTT-1.5.5-1 MQTT-4.13.1-1", "MQTT311-4.8.0-1", "a length of five bytes closes", literal(0x30, 0x80, 0x80, 0x80, 0x80, 1), 0x81, 0x82, 0x95),
	badPacket("MQTT-4.13.1-1", "MQTT311-4.8.0-1", "a topic longer than its packet closes", func(k *Kit) []byte {
		return wire.Frame(0x30, []byte{0, 200, 'a'})
	}, 0x81, 0x82),
	badPacket("MQTT-4.13.1-1", "", "properties longer than their packet close", func(k *Kit) []byte {
		return wire.Frame(0x30, wire.Str("a"), []byte{100, 1, 0})
	}, 0x81, 0x82),
	badPacket("MQTT-4.13.1-1", "", "an unknown property closes", func(k *Kit) []byte {
		return wire.Frame(0x30, wire.Str("a"), []byte{2, 0x7f, 0})
	}, 0x81, 0x82),
	badPacket("MQTT-4.13.1-1", "", "a property of another packet closes", publishWith(wire.Num(wire.SessionExpiry, 1)), 0x81, 0x82),
	badPacket("MQTT-4.13.1-1", "", "a single property twice closes", publishWith(wire.Num(wire.MessageExpiry, 9), wire.Num(wire.MessageExpiry, 9)), 0x81, 0x82),
	badPacket("MQTT-4.13.1-1", "", "Payload Format 2 closes", publishWith(wire.Num(wire.PayloadFormat, 2)), 0x81, 0x82),

	// Identifiers.
	badPacket("MQTT-2.2.1-3", "MQTT311-2.3.1-1", "SUBSCRIBE with identifier 0 closes", func(k *Kit) []byte {
		return wire.Subscribe(k.V, 0, nil, wire.Sub{Filter: k.Topic("a")})
	}, 0x81, 0x82),
	badPacket("MQTT-2.2.1-3", "MQTT311-2.3.1-1", "UNSUBSCRIBE with identifier 0 closes", func(k *Kit) []byte {
		return wire.Unsubscribe(k.V, 0, nil, k.Topic("a"))
	}, 0x81, 0x82),
	badPacket("MQTT-2.2.1-3", "MQTT311-2.3.1-1", "PUBLISH with identifier 0 closes", func(k *Kit) []byte {
		return wire.Publish{Topic: k.Topic("a"), QoS: 1}.Bytes(k.V)
	}, 0x81, 0x82),

	// Strings.
	badPacket("MQTT-3.3.2-1 MQTT-1.5.4-1", "MQTT311-3.3.2-1 MQTT311-1.5.3-1", "an ill-formed topic closes", publishTo(illFormed, 0), 0x81, 0x82, 0x90),
	badPacket("MQTT-1.5.4-1", "MQTT311-1.5.3-1", "a surrogate in a topic closes", publishTo(surrogate, 1), 0x81, 0x82, 0x90),
	badPacket("MQTT-1.5.4-1", "MQTT311-1.5.3-1", "an overlong encoding in a topic closes", publishTo(overlong, 1), 0x81, 0x82, 0x90),
	badPacket("MQTT-1.5.4-2 MQTT-4.7.3-2", "MQTT311-1.5.3-2 MQTT311-4.7.3-2", "a null character in a topic closes", publishTo(null, 0), 0x81, 0x82, 0x90),
	badPacket("MQTT-3.8.3-1 MQTT-1.5.4-1", "MQTT311-3.8.3-1", "an ill-formed filter in SUBSCRIBE closes", subscribeTo(illFormed, 0), 0x81, 0x82, 0x8f),
	badPacket("MQTT-1.5.4-2 MQTT-4.7.3-2", "MQTT311-1.5.3-2 MQTT311-4.7.3-2", "a null character in a filter closes", subscribeTo(null, 0), 0x81, 0x82, 0x8f),
	badPacket("MQTT-3.10.3-1", "MQTT311-3.10.3-1", "an ill-formed filter in UNSUBSCRIBE closes", unsubscribeFrom(illFormed), 0x81, 0x82, 0x8f),
	badPacket("MQTT-1.5.7-1", "", "an ill-formed user property closes", publishWith(wire.User(illFormed, "v")), 0x81, 0x82),
	badPacket("MQTT-1.5.7-1", "", "a null character in a user property closes", publishWith(wire.User("k", null)), 0x81, 0x82),
	badPacket("MQTT-3.3.2-13", "", "an ill-formed Response Topic closes", publishWith(wire.Text(wire.ResponseTopic, illFormed)), 0x81, 0x82, 0x90),
	badPacket("MQTT-3.3.2-19", "", "an ill-formed Content Type closes", publishWith(wire.Text(wire.ContentType, illFormed)), 0x81, 0x82),
	badPacket("MQTT-4.7.3-1", "MQTT311-4.7.3-1", "an empty topic closes", publishTo("", 0), 0x81, 0x82, 0x90),

	// SUBSCRIBE, UNSUBSCRIBE, PUBLISH.
	badPacket("MQTT-3.8.3-2", "MQTT311-3.8.3-3", "SUBSCRIBE without a filter closes", func(k *Kit) []byte { return wire.Subscribe(k.V, 1, nil) }, 0x81, 0x82),
	badPacket("MQTT-3.10.3-2", "MQTT311-3.10.3-2", "UNSUBSCRIBE without a filter closes", unsubscribeFrom(), 0x81, 0x82),
	badPacket("MQTT-3.8.3-5", "MQTT311-3.8.3-4", "reserved option bit 7 closes", subscribeTo("a", 0x80), 0x81, 0x82),
	badPacket("MQTT-3.8.3-5", "MQTT311-3.8.3-4", "reserved option bit 6 closes", subscribeTo("a", 0x40), 0x81, 0x82),
	badPacket("", "MQTT311-3.8.3-4", "reserved option bit 2 closes", subscribeTo("a", 4)),
	badPacket("MQTT-4.13.1-1", "MQTT311-3.8.3-4", "a requested QoS of 3 closes", subscribeTo("a", 3), 0x81, 0x82),
	badPacket("MQTT-4.13.1-1", "", "Retain Handling 3 closes", subscribeTo("a", 0x30), 0x81, 0x82),
	badPacket("MQTT-4.13.1-1", "", "Subscription Identifier 0 closes", subscribeTo("a", 0, wire.Num(wire.SubscriptionID, 0)), 0x81, 0x82),
	badPacket("MQTT-4.13.1-1", "", "two Subscription Identifiers in SUBSCRIBE close",
		subscribeTo("a", 0, wire.Num(wire.SubscriptionID, 1), wire.Num(wire.SubscriptionID, 2)), 0x81, 0x82),
	badPacket("MQTT-3.3.4-6", "", "a Subscription Identifier in PUBLISH closes", publishWith(wire.Num(wire.SubscriptionID, 1)), 0x81, 0x82),
	badPacket("MQTT-4.13.1-1", "", "a reason that PUBACK does not know closes", literal(0x40, 3, 0, 1, 0x42), 0x81, 0x82),
	badPacket("MQTT-4.13.1-1", "", "a reason that DISCONNECT does not know closes", literal(0xe0, 1, 0x42), 0x81, 0x82),
	{V5: "MQTT-3.3.2-14", Title: "wildcards in a Response Topic are refused", Run: func(k *Kit) {
		for _, t := range []string{"a/#", "+/b"} {
			c := k.Connect()
			c.Send(wire.Publish{Topic: k.Topic("a"), QoS: 1, ID: 1, Props: wire.Props{wire.Text(wire.ResponseTopic, t)}}.Bytes(k.V))
			refusedOrClosed(c, wire.PUBACK, 0x81, 0x82, 0x90)
		}
	}},
	{V5: "MQTT-3.3.2-2 MQTT-4.7.0-1", V311: "MQTT311-3.3.2-2 MQTT311-4.7.1-1", Title: "wildcards in a topic name are refused", Run: func(k *Kit) {
		sub := k.Connect()
		sub.Grant(k.Topic("#"), 0)
		for _, t := range []string{"+", "a/#", "#", "a/+/b"} {
			c := k.Connect()
			c.Send(wire.Publish{Topic: k.Topic(t), Payload: "x", QoS: 1, ID: 1}.Bytes(k.V))
			if k.V >= wire.V5 {
				refusedOrClosed(c, wire.PUBACK, 0x81, 0x82, 0x90)
			} else {
				c.Closed()
			}
		}
		sub.Silent()
	}},
	{V5: "MQTT-3.3.1-2", V311: "MQTT311-3.3.1-2", Title: "QoS 0 with DUP never comes out as sent", Run: func(k *Kit) {
		// A broker may refuse it or pass it on without DUP.
		pub, sub := k.Pair(k.Topic("a"), 0)
		pub.Send(wire.Publish{Topic: k.Topic("a"), Dup: true}.Bytes(k.V), wire.Ping())
		if p := pub.Next(); p != nil && p.Type == wire.DISCONNECT && p.Reason != 0x81 && p.Reason != 0x82 {
			k.Errorf("answered by %v", p)
		}
		sub.Drain() // wire.Read refuses QoS 0 with DUP
	}},
	{V5: "MQTT-4.7.3-3", V311: "MQTT311-4.7.3-3", Title: "a topic of 65,535 bytes is carried or refused cleanly", Run: func(k *Kit) {
		sub := k.Connect()
		sub.Grant(k.Topic("#"), 1)
		for _, level := range []string{"x", "y/"} {
			topic := (k.Topic("") + strings.Repeat(level, 65535))[:65535]
			c := k.Connect()
			c.Send(wire.Publish{Topic: topic, Payload: level, QoS: 1, ID: 1}.Bytes(k.V))
			p := c.Next()
			switch {
			case p == nil: // closed
			case p.Type == wire.DISCONNECT:
			case p.Type != wire.PUBACK:
				k.Errorf("answered by %v", p)
			case p.Reason == 0 && k.V >= wire.V5:
				if got := sub.Take(); got.Topic != topic {
					k.Errorf("arrived as %d bytes", len(got.Topic))
				}
			}
			sub.Ping()
		}
	}},
}

// refusedOrClosed takes either a failing ack of the type or a close.
func refusedOrClosed(c *Client, ack byte, reasons ...byte) {
	p := c.Next()
	if p != nil && p.Type == ack {
		if !strings.Contains(string(reasons), string([]byte{p.Reason})) {
			c.k.Errorf("answered by %v", p)
		}
		return
	}
	if p != nil {
		c.pending = append([]*wire.Packet{p}, c.pending...)
	}
	c.Closed(reasons...)
}
