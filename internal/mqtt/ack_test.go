package mqtt

import (
	"fmt"
	"testing"
)

func ackCases() []wireCase {
	cases := []wireCase{
		{name: "unknown code of PUBACK [MQTT-3.4.2-1]", v: V5, b: whole(0x40, 0, 1, 0x42), want: ProtocolError},
		{name: "code of PUBREL in PUBACK [MQTT-3.4.2-1]", v: V5, b: whole(0x40, 0, 1, 0x92), want: ProtocolError},
		{name: "code of PUBREL in PUBREC [MQTT-3.5.2-1]", v: V5, b: whole(0x50, 0, 1, 0x92), want: ProtocolError},
		{name: "code of PUBACK in PUBREL [MQTT-3.6.2-1]", v: V5, b: whole(0x62, 0, 1, 0x10), want: ProtocolError},
		{name: "code of PUBACK in PUBCOMP [MQTT-3.7.2-1]", v: V5, b: whole(0x70, 0, 1, 0x87), want: ProtocolError},
		{name: "PUBREL unknown identifier [MQTT-3.6.2-1]", v: V5, b: whole(0x62, 0, 1, 0x92)},
		{name: "PUBCOMP unknown identifier [MQTT-3.7.2-1]", v: V5, b: whole(0x70, 0, 1, 0x92)},
		{name: "PUBREL flags [MQTT-3.6.1-1] [MQTT311-3.6.1-1]", v: V5, b: whole(0x60, 0, 1), want: MalformedPacket},
		{name: "PUBACK for nobody", v: V5, b: whole(0x40, 0, 1, 0x10)},
		{name: "PUBREC quota", v: V5, b: whole(0x50, 0, 1, 0x97, props(0x1F, "mqtt_messages"))},
	}
	for _, first := range []int{0x40, 0x50, 0x62, 0x70} {
		for _, c := range []wireCase{
			{name: "short [MQTT-2.2.1-5]", v: V5, b: whole(first, 1, 2)},
			{name: "code said aloud", v: V5, loose: true, b: whole(first, 1, 2, 0)},
			{name: "empty properties", v: V5, loose: true, b: whole(first, 1, 2, 0, 0)},
			{name: "everything", v: V5, b: whole(first, 1, 2, 0, props(0x1F, "why", 0x26, "k", "v", 0x26, "k", "w"))},
			{name: "empty reason", v: V5, b: whole(first, 1, 2, 0, props(0x1F, ""))},
			{name: "identifier 0 [MQTT-2.2.1-5]", v: V5, b: whole(first, 0, 0), want: ProtocolError},
			{name: "reason twice", v: V5, b: whole(first, 0, 1, 0, props(0x1F, "a", 0x1F, "b")), want: ProtocolError},
			{name: "reason not UTF-8", v: V5, b: whole(first, 0, 1, 0, props(0x1F, "\xff")), want: MalformedPacket},
			{name: "Topic Alias", v: V5, b: whole(first, 0, 1, 0, props(0x23, 0, 1)), want: MalformedPacket},
			{name: "trailing", v: V5, b: whole(first, 0, 1, 0, 0, 0), want: MalformedPacket},
			{name: "no identifier", v: V5, b: whole(first, 0), want: MalformedPacket},
			{name: "3.1.1 [MQTT311-2.3.1-6]", v: V311, b: whole(first, 1, 2)},
			{name: "3.1", v: V31, b: whole(first, 1, 2)},
			{name: "3.1.1 long", v: V311, b: whole(first, 1, 2, 0), want: MalformedPacket},
		} {
			c.name = fmt.Sprint(PacketType(first>>4), " ", c.name)
			cases = append(cases, c)
		}
	}
	return cases
}

func TestAck(t *testing.T) { runWireCases(t, ackCases()) }

func TestAckV3HasNoCode(t *testing.T) {
	a := Ack{Type: TypePuback, PacketID: 258, Code: NotAuthorized, Reason: []byte("no")}
	for _, v := range []Version{V31, V311} {
		if got := a.Append(nil, v); string(got) != "\x40\x02\x01\x02" {
			t.Errorf("%v: %x", v, got)
		}
	}
}

// TestFit makes the limit smaller byte by byte: the Reason String goes first, then the
// User Properties, then there is nothing more to leave out.
//
// [MQTT-3.2.2-19] [MQTT-3.2.2-20] [MQTT-3.4.2-2] [MQTT-3.4.2-3] [MQTT-3.5.2-2]
// [MQTT-3.5.2-3] [MQTT-3.6.2-2] [MQTT-3.6.2-3] [MQTT-3.7.2-2] [MQTT-3.7.2-3]
// [MQTT-3.9.2-1] [MQTT-3.9.2-2] [MQTT-3.11.2-1] [MQTT-3.11.2-2] [MQTT-3.14.2-3]
// [MQTT-3.14.2-4] [MQTT-3.15.2-2] [MQTT-3.15.2-3]
func TestFit(t *testing.T) {
	reason := []byte("a reason of some length")
	user := AppendUser(UserProperties(nil), "key", "value")
	makers := map[string]func(reason []byte, user UserProperties) fitter{
		"PUBACK": func(r []byte, u UserProperties) fitter {
			return &Ack{Type: TypePuback, PacketID: 1, Code: 0x87, Reason: r, User: u}
		},
		"PUBREC": func(r []byte, u UserProperties) fitter {
			return &Ack{Type: TypePubrec, PacketID: 1, Reason: r, User: u}
		},
		"PUBREL": func(r []byte, u UserProperties) fitter {
			return &Ack{Type: TypePubrel, PacketID: 1, Code: 0x92, Reason: r, User: u}
		},
		"PUBCOMP": func(r []byte, u UserProperties) fitter {
			return &Ack{Type: TypePubcomp, PacketID: 1, Reason: r, User: u}
		},
		"SUBACK": func(r []byte, u UserProperties) fitter {
			return &Suback{PacketID: 1, Codes: []ReasonCode{0}, Reason: r, User: u}
		},
		"UNSUBACK": func(r []byte, u UserProperties) fitter {
			return &Unsuback{PacketID: 1, Codes: []ReasonCode{0}, Reason: r, User: u}
		},
		"DISCONNECT": func(r []byte, u UserProperties) fitter { return &Disconnect{Code: 0x82, Reason: r, User: u} },
		"AUTH": func(r []byte, u UserProperties) fitter {
			return &Auth{Code: 0x18, Method: []byte("m"), Reason: r, User: u}
		},
		"CONNACK": func(r []byte, u UserProperties) fitter {
			return &Connack{Code: 0x87, Props: ConnackProps{Reason: r, User: u}}
		},
	}
	for name, make := range makers {
		whole, noReason, bare := make(reason, user), make(nil, user), make(nil, nil)
		for limit := whole.Size(V5); limit >= 0; limit-- {
			p := make(reason, user)
			fits := p.Fit(V5, limit)
			want := whole
			switch {
			case limit < noReason.Size(V5):
				want = bare
			case limit < whole.Size(V5):
				want = noReason
			}
			if got := p.Append(nil, V5); string(got) != string(want.Append(nil, V5)) || fits != (len(got) <= limit) {
				t.Errorf("%s in %d bytes: %x, %v", name, limit, got, fits)
			}
		}
	}
}

type fitter interface {
	packet
	Fit(v Version, limit int) bool
}
