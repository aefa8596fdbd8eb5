package mqtt

import "testing"

func connackCases() []wireCase {
	return []wireCase{
		{name: "plain [MQTT-2.2.2-1]", v: V5, b: whole(0x20, 0, 0, 0)},
		{name: "session present [MQTT-3.2.2-3]", v: V5, b: whole(0x20, 1, 0, 0)},
		{name: "refused", v: V5, b: whole(0x20, 0, 0x87, props(0x1F, "no such token"))},
		{name: "everything", v: V5, b: whole(0x20, 1, 0, props(
			0x11, 0, 0, 1, 0, 0x21, 0, 20, 0x24, 1, 0x25, 0, 0x27, 0, 1, 0, 0, 0x22, 0, 100,
			0x28, 0, 0x29, 0, 0x2A, 0, 0x13, 0, 30, 0x12, "assigned", 0x1F, "reason", 0x1A, "info",
			0x1C, "other:1883", 0x15, "method", 0x16, "data", 0x26, "k", "v"))},
		{name: "Maximum QoS 0 [MQTT-3.2.2-9]", v: V5, b: whole(0x20, 0, 0, props(0x24, 0))},
		{name: "available said aloud", v: V5, loose: true, b: whole(0x20, 0, 0, props(0x25, 1, 0x28, 1, 0x29, 1, 0x2A, 1))},
		{name: "reserved flags [MQTT-3.2.2-1]", v: V5, b: whole(0x20, 2, 0, 0), want: MalformedPacket},
		{name: "session present and refused [MQTT-3.2.2-6]", v: V5, b: whole(0x20, 1, 0x87, 0), want: ProtocolError},
		{name: "code of another packet [MQTT-3.2.2-8]", v: V5, b: whole(0x20, 0, 0x92, 0), want: ProtocolError},
		{name: "Maximum QoS 2", v: V5, b: whole(0x20, 0, 0, props(0x24, 2)), want: ProtocolError},
		{name: "Retain Available 2", v: V5, b: whole(0x20, 0, 0, props(0x25, 2)), want: ProtocolError},
		{name: "Receive Maximum 0", v: V5, b: whole(0x20, 0, 0, props(0x21, 0, 0)), want: ProtocolError},
		{name: "Maximum Packet Size 0", v: V5, b: whole(0x20, 0, 0, props(0x27, 0, 0, 0, 0)), want: ProtocolError},
		{name: "Authentication Data alone", v: V5, b: whole(0x20, 0, 0, props(0x16, "x")), want: ProtocolError},
		{name: "twice", v: V5, b: whole(0x20, 0, 0, props(0x12, "a", 0x12, "a")), want: ProtocolError},
		{name: "Topic Alias", v: V5, b: whole(0x20, 0, 0, props(0x23, 0, 1)), want: MalformedPacket},
		{name: "not UTF-8 [MQTT-1.5.4-1]", v: V5, b: whole(0x20, 0, 0, props(0x12, "\xff")), want: MalformedPacket},
		{name: "no properties", v: V5, b: whole(0x20, 0, 0), want: MalformedPacket},
		{name: "trailing", v: V5, b: whole(0x20, 0, 0, 0, 0), want: MalformedPacket},
		{name: "3.1.1 accepted [MQTT311-3.2.2-2]", v: V311, b: whole(0x20, 1, 0)},
		{name: "3.1.1 refused", v: V311, b: whole(0x20, 0, 5)},
		{name: "3.1.1 unavailable", v: V311, b: whole(0x20, 0, 3)},
		{name: "3.1.1 return code 6", v: V311, b: whole(0x20, 0, 6), want: ProtocolError},
		{name: "3.1.1 present and refused [MQTT311-3.2.2-4]", v: V311, b: whole(0x20, 1, 5), want: ProtocolError},
		{name: "3.1.1 long", v: V311, b: whole(0x20, 0, 0, 0), want: MalformedPacket},
		{name: "3.1 accepted", v: V31, b: whole(0x20, 0, 0)},
		{name: "3.1 with the unused byte set", v: V31, loose: true, b: whole(0x20, 7, 0)},
	}
}

func TestConnack(t *testing.T) { runWireCases(t, connackCases()) }

func TestConnackNeverClaimsASessionWhenRefusing(t *testing.T) {
	// [MQTT-3.2.2-6] [MQTT311-3.2.2-4]
	c := Connack{SessionPresent: true, Code: NotAuthorized}
	for _, v := range []Version{V31, V311, V5} {
		if out := c.Append(nil, v); out[2] != 0 {
			t.Errorf("%v: %x", v, out)
		}
	}
}

func disconnectCases() []wireCase {
	return []wireCase{
		{name: "short", v: V5, b: whole(0xE0)},
		{name: "code alone", v: V5, b: whole(0xE0, 4)},
		{name: "code 0 said aloud", v: V5, loose: true, b: whole(0xE0, 0)},
		{name: "empty properties", v: V5, loose: true, b: whole(0xE0, 0, 0)},
		{name: "everything of a client", v: V5, b: whole(0xE0, 4, props(0x11, 0, 0, 0, 9, 0x1F, "bye", 0x26, "k", "v"))},
		{name: "everything of a server", v: V5, fromServer: true, b: whole(0xE0, 0x9C, props(0x1F, "go", 0x1C, "there", 0x26, "k", "v"))},
		{name: "code of a server from a client [MQTT-3.14.2-1]", v: V5, b: whole(0xE0, 0x8E), want: ProtocolError},
		{name: "code of a client from a server [MQTT-3.14.2-1]", v: V5, fromServer: true, b: whole(0xE0, 4), want: ProtocolError},
		{name: "unknown code [MQTT-3.14.2-1]", v: V5, b: whole(0xE0, 0x42), want: ProtocolError},
		{name: "Session Expiry of a server [MQTT-3.14.2-2]", v: V5, fromServer: true, b: whole(0xE0, 0x80, props(0x11, 0, 0, 0, 9)), want: ProtocolError},
		{name: "Server Reference of a client", v: V5, b: whole(0xE0, 0, props(0x1C, "x")), want: ProtocolError},
		{name: "twice", v: V5, b: whole(0xE0, 0, props(0x1F, "x", 0x1F, "y")), want: ProtocolError},
		{name: "Topic Alias", v: V5, b: whole(0xE0, 0, props(0x23, 0, 1)), want: MalformedPacket},
		{name: "Reason String not UTF-8", v: V5, b: whole(0xE0, 0, props(0x1F, "\xff")), want: MalformedPacket},
		{name: "trailing", v: V5, b: whole(0xE0, 0, 0, 0), want: MalformedPacket},
		{name: "flags [MQTT-3.14.1-1]", v: V5, b: whole(0xE1), want: MalformedPacket},
		{name: "3.1.1", v: V311, b: whole(0xE0)},
		{name: "3.1", v: V31, b: whole(0xE0)},
		{name: "3.1.1 with a body", v: V311, b: whole(0xE0, 0), want: MalformedPacket},
	}
}

func TestDisconnect(t *testing.T) { runWireCases(t, disconnectCases()) }

func authCases() []wireCase {
	return []wireCase{
		{name: "short", v: V5, b: whole(0xF0)},
		{name: "continue", v: V5, b: whole(0xF0, 0x18, props(0x15, "m", 0x16, "data"))},
		{name: "everything", v: V5, b: whole(0xF0, 0x19, props(0x15, "m", 0x16, "", 0x1F, "again", 0x26, "k", "v"))},
		{name: "success", v: V5, b: whole(0xF0, 0, props(0x15, "m"))},
		{name: "unknown code [MQTT-3.15.2-1]", v: V5, b: whole(0xF0, 0x42, props(0x15, "m")), want: ProtocolError},
		{name: "no method", v: V5, b: whole(0xF0, 0x18, 0), want: ProtocolError},
		{name: "data without method", v: V5, b: whole(0xF0, 0x18, props(0x16, "x")), want: ProtocolError},
		{name: "method twice", v: V5, b: whole(0xF0, 0x18, props(0x15, "m", 0x15, "m")), want: ProtocolError},
		{name: "method not UTF-8", v: V5, b: whole(0xF0, 0x18, props(0x15, "\xff")), want: MalformedPacket},
		{name: "property of another packet", v: V5, b: whole(0xF0, 0x18, props(0x15, "m", 0x11, 0, 0, 0, 1)), want: MalformedPacket},
		{name: "no properties", v: V5, b: whole(0xF0, 0x18), want: MalformedPacket},
		{name: "trailing", v: V5, b: whole(0xF0, 0x18, props(0x15, "m"), 0), want: MalformedPacket},
		{name: "flags [MQTT-3.15.1-1]", v: V5, b: whole(0xF1), want: MalformedPacket},
		{name: "3.1.1", v: V311, b: whole(0xF0), want: MalformedPacket},
	}
}

func TestAuth(t *testing.T) { runWireCases(t, authCases()) }
