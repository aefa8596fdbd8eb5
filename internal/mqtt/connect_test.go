package mqtt

import (
	"strings"
	"testing"
)

// connectWith is a CONNECT of MQTT 5 with these flags and this rest after the keep alive.
func connectWith(flags int, rest ...any) []byte {
	return whole(0x10, "MQTT", 5, flags, 0, 60, raw(rest...))
}

// connectV3 is the same for MQTT 3.1.1.
func connectV3(flags int, rest ...any) []byte {
	return whole(0x10, "MQTT", 4, flags, 0, 60, raw(rest...))
}

// connectV31 is the same for MQTT 3.1.
func connectV31(flags int, rest ...any) []byte {
	return whole(0x10, "MQIsdp", 3, flags, 0, 60, raw(rest...))
}

func connectCases() []wireCase {
	bin := func(s string) []byte { return raw(s) }
	return []wireCase{
		{name: "plain", v: V5, b: connectWith(0x02, 0, "id")},
		{name: "empty client id is a matter of policy [MQTT-3.1.3-3]", v: V5, b: connectWith(0x02, 0, "")},
		{name: "all in their order [MQTT-3.1.3-1]", v: V5, b: connectWith(0xEE,
			props(0x11, 0, 0, 0, 60, 0x21, 0, 10, 0x27, 0, 1, 0, 0, 0x22, 0, 5, 0x19, 1, 0x17, 0,
				0x26, "k", "v", 0x26, "k", "w", 0x15, "SCRAM-SHA-256", 0x16, bin("data")),
			"id", props(0x18, 0, 0, 0, 9, 0x02, 0, 0, 0, 8, 0x01, 1, 0x03, "text", 0x08, "re/ply",
				0x09, bin("\x00\x01"), 0x26, "a", "b"), "will/topic", bin("gone\x00"), "user", bin("\x00pw"))},
		{name: "session expiry is the highest", v: V5, b: connectWith(0, props(0x11, 255, 255, 255, 255), "id")},
		{name: "password alone [MQTT-3.1.2-19]", v: V5, b: connectWith(0x40, 0, "id", bin("pw"))},
		{name: "Will QoS 2 retained [MQTT-3.1.2-12]", v: V5, b: connectWith(0x34, 0, "id", 0, "t", bin(""))},
		{name: "Will QoS 1", v: V5, b: connectWith(0x0C, 0, "id", 0, "t", bin("x"))},
		{name: "defaults said aloud", v: V5, loose: true,
			b: connectWith(0, props(0x17, 1, 0x19, 0, 0x22, 0, 0), "id")},
		{name: "User Properties apart", v: V5, loose: true,
			b: connectWith(0, props(0x26, "a", "1", 0x19, 1, 0x26, "b", "2", 0x21, 0, 1, 0x26, "c", "3"), "id")},

		{name: "reserved flag [MQTT-3.1.2-3]", v: V5, b: connectWith(0x03, 0, "id"), want: MalformedPacket},
		{name: "Will QoS without Will [MQTT-3.1.2-11]", v: V5, b: connectWith(0x08, 0, "id"), want: MalformedPacket},
		{name: "Will Retain without Will [MQTT-3.1.2-13]", v: V5, b: connectWith(0x20, 0, "id"), want: MalformedPacket},
		{name: "Will QoS 3 [MQTT-3.1.2-12]", v: V5, b: connectWith(0x1C, 0, "id", 0, "t", bin("")), want: MalformedPacket},
		{name: "Will missing [MQTT-3.1.2-9]", v: V5, b: connectWith(0x04, 0, "id"), want: MalformedPacket},
		{name: "user name not announced [MQTT-3.1.2-16]", v: V5, b: connectWith(0, 0, "id", "user"), want: MalformedPacket},
		{name: "user name missing [MQTT-3.1.2-17]", v: V5, b: connectWith(0x80, 0, "id"), want: MalformedPacket},
		{name: "password not announced [MQTT-3.1.2-18]", v: V5, b: connectWith(0x80, 0, "id", "u", bin("pw")), want: MalformedPacket},
		{name: "password missing [MQTT-3.1.2-19]", v: V5, b: connectWith(0x40, 0, "id"), want: MalformedPacket},
		{name: "no client id [MQTT-3.1.3-3]", v: V5, b: connectWith(0x02, 0), want: MalformedPacket},
		{name: "client id not UTF-8 [MQTT-3.1.3-4]", v: V5, b: connectWith(0, 0, bin("\xff")), want: MalformedPacket},
		{name: "client id with U+0000 [MQTT-1.5.4-2]", v: V5, b: connectWith(0, 0, bin("a\x00")), want: MalformedPacket},
		{name: "Will Topic not UTF-8 [MQTT-3.1.3-11]", v: V5, b: connectWith(4, 0, "id", 0, bin("\xed\xa0\x80"), bin("")), want: MalformedPacket},
		{name: "Will Topic with a control character [EXT-RET-2]", v: V5, b: connectWith(4, 0, "id", 0, "a\x01", bin("")), want: MalformedPacket},
		{name: "Will Topic empty [MQTT-4.7.3-1]", v: V5, b: connectWith(4, 0, "id", 0, "", bin("")), want: ProtocolError},
		{name: "user name not UTF-8 [MQTT-3.1.3-12]", v: V5, b: connectWith(0x80, 0, "id", bin("\xc0\x80")), want: MalformedPacket},
		{name: "trailing bytes [MQTT-3.1.4-1]", v: V5, b: connectWith(0, 0, "id", 0), want: MalformedPacket},

		{name: "Receive Maximum 0", v: V5, b: connectWith(0, props(0x21, 0, 0), "id"), want: ProtocolError},
		{name: "Maximum Packet Size 0", v: V5, b: connectWith(0, props(0x27, 0, 0, 0, 0), "id"), want: ProtocolError},
		{name: "Request Problem Information 2", v: V5, b: connectWith(0, props(0x17, 2), "id"), want: ProtocolError},
		{name: "Request Response Information 2", v: V5, b: connectWith(0, props(0x19, 2), "id"), want: ProtocolError},
		{name: "property twice", v: V5, b: connectWith(0, props(0x22, 0, 1, 0x22, 0, 1), "id"), want: ProtocolError},
		{name: "Authentication Data alone", v: V5, b: connectWith(0, props(0x16, bin("x")), "id"), want: ProtocolError},
		{name: "Authentication Method not UTF-8", v: V5, b: connectWith(0, props(0x15, bin("\xff")), "id"), want: MalformedPacket},
		{name: "unknown property", v: V5, b: connectWith(0, props(0x7f, 0), "id"), want: MalformedPacket},
		{name: "unknown property above 63", v: V5, b: connectWith(0, props(0x51, 0), "id"), want: MalformedPacket},
		{name: "property of another packet", v: V5, b: connectWith(0, props(0x23, 0, 1), "id"), want: MalformedPacket},
		{name: "Topic Alias in a Will", v: V5, b: connectWith(4, 0, "id", props(0x23, 0, 1), "t", bin("")), want: MalformedPacket},
		{name: "Payload Format 2 in a Will", v: V5, b: connectWith(4, 0, "id", props(0x01, 2), "t", bin("")), want: ProtocolError},
		{name: "Will Delay twice", v: V5, b: connectWith(4, 0, "id", props(0x18, 0, 0, 0, 1, 0x18, 0, 0, 0, 1), "t", bin("")), want: ProtocolError},
		{name: "Property Length past the end", v: V5, b: connectWith(0, 99, "id"), want: MalformedPacket},
		{name: "Property Length not minimal [MQTT-1.5.5-1]", v: V5, b: connectWith(0, 0x80, 0, "id"), want: MalformedPacket},
		{name: "Session Expiry without a value", v: V5, b: connectWith(0, props(0x11), "id"), want: MalformedPacket},
		{name: "Receive Maximum without a value", v: V5, b: connectWith(0, props(0x21), "id"), want: MalformedPacket},
		{name: "Request Problem Information without a value", v: V5, b: connectWith(0, props(0x17), "id"), want: MalformedPacket},
		{name: "Authentication Method without a value", v: V5, b: connectWith(0, props(0x15), "id"), want: MalformedPacket},
		{name: "property cut by its length", v: V5, b: connectWith(0, 2, 0x21, 0, "id"), want: MalformedPacket},
		{name: "User Property key not UTF-8 [MQTT-1.5.7-1]", v: V5, b: connectWith(0, props(0x26, bin("\xff"), "v"), "id"), want: MalformedPacket},
		{name: "User Property value with U+0000 [MQTT-1.5.7-1]", v: V5, b: connectWith(0, props(0x26, "k", bin("\x00")), "id"), want: MalformedPacket},
		{name: "flags missing", v: V5, b: whole(0x10, "MQTT", 5), want: MalformedPacket},
		{name: "keep alive missing", v: V5, b: whole(0x10, "MQTT", 5, 0), want: MalformedPacket},

		{name: "3.1.1 plain", v: V311, b: connectV3(0x02, "id")},
		{name: "3.1.1 all in their order [MQTT311-3.1.3-1]", v: V311, b: connectV3(0xEE, "id", "t", bin("m"), "user", bin("pw"))},
		{name: "3.1.1 reserved flag [MQTT311-3.1.2-3]", v: V311, b: connectV3(0x01, "id"), want: MalformedPacket},
		{name: "3.1.1 Will missing [MQTT311-3.1.2-9]", v: V311, b: connectV3(0x04, "id"), want: MalformedPacket},
		{name: "3.1.1 Will bits alone [MQTT311-3.1.2-11] [MQTT311-3.1.2-13]", v: V311, b: connectV3(0x10, "id"), want: MalformedPacket},
		{name: "3.1.1 Will Retain alone [MQTT311-3.1.2-15]", v: V311, b: connectV3(0x20, "id"), want: MalformedPacket},
		{name: "3.1.1 Will QoS 3 [MQTT311-3.1.2-14]", v: V311, b: connectV3(0x1C, "id", "t", bin("m")), want: MalformedPacket},
		{name: "3.1.1 user name not announced [MQTT311-3.1.2-18]", v: V311, b: connectV3(0, "id", "u"), want: MalformedPacket},
		{name: "3.1.1 user name missing [MQTT311-3.1.2-19]", v: V311, b: connectV3(0x80, "id"), want: MalformedPacket},
		{name: "3.1.1 password not announced [MQTT311-3.1.2-20]", v: V311, b: connectV3(0x80, "id", "u", bin("p")), want: MalformedPacket},
		{name: "3.1.1 password missing [MQTT311-3.1.2-21]", v: V311, b: connectV3(0xC0, "id", "u"), want: MalformedPacket},
		{name: "3.1.1 password alone [MQTT311-3.1.2-22]", v: V311, b: connectV3(0x40, "id", bin("p")), want: MalformedPacket},
		{name: "3.1.1 no client id [MQTT311-3.1.3-3]", v: V311, b: connectV3(0x02), want: MalformedPacket},
		{name: "3.1.1 client id not UTF-8 [MQTT311-3.1.3-4]", v: V311, b: connectV3(2, bin("\xff")), want: MalformedPacket},
		{name: "3.1.1 Will Topic not UTF-8 [MQTT311-3.1.3-10]", v: V311, b: connectV3(4, "id", bin("\xff"), bin("")), want: MalformedPacket},
		{name: "3.1.1 user name not UTF-8 [MQTT311-3.1.3-11]", v: V311, b: connectV3(0x80, "id", bin("\xff")), want: MalformedPacket},
		{name: "3.1.1 trailing bytes [MQTT311-3.1.4-1]", v: V311, b: connectV3(0x02, "id", 0), want: MalformedPacket},

		{name: "3.1 plain", v: V31, b: connectV31(0x02, "id")},
		{name: "3.1 whole", v: V31, b: connectV31(0xC6, "id", "t", bin("m"), "user", bin("pw"))},
		{name: "3.1 user name left out", v: V31, b: connectV31(0xC2, "id"), loose: true},
		{name: "3.1 password left out", v: V31, b: connectV31(0xC2, "id", "user"), loose: true},
		{name: "3.1 user name cut", v: V31, b: connectV31(0x82, "id", 0), want: MalformedPacket},
		{name: "3.1 trailing bytes", v: V31, b: connectV31(0x02, "id", "user"), want: MalformedPacket},
	}
}

func TestConnect(t *testing.T) { runWireCases(t, connectCases()) }

func TestConnectProtocol(t *testing.T) {
	cases := []struct {
		name    string
		b       []byte
		want    ReasonCode
		version Version // in which the refusal is written
	}{
		{"unknown name [MQTT-3.1.2-1] [MQTT311-3.1.2-1]", whole(0x10, "MQXX", 5, 2, 0, 0, 0, "id"), UnsupportedProtocolVersion, 0},
		{"name in another case [MQTT-3.1.2-1]", whole(0x10, "mqtt", 4, 2, 0, 0, "id"), UnsupportedProtocolVersion, 0},
		{"empty name", whole(0x10, "", 4, 2, 0, 0, "id"), UnsupportedProtocolVersion, 0},
		{"level 6 [MQTT-3.1.2-2]", whole(0x10, "MQTT", 6, 2, 0, 0, 0, "id"), UnsupportedProtocolVersion, V311},
		{"level 99 [MQTT311-3.1.2-2]", whole(0x10, "MQTT", 99, 2, 0, 0, "id"), UnsupportedProtocolVersion, V311},
		{"level 3 by the new name", whole(0x10, "MQTT", 3, 2, 0, 0, "id"), UnsupportedProtocolVersion, V311},
		{"level 4 by the old name", whole(0x10, "MQIsdp", 4, 2, 0, 0, "id"), UnsupportedProtocolVersion, V311},
		{"bridge of 3.1.1", whole(0x10, "MQTT", 0x84, 2, 0, 0, "id"), UnsupportedProtocolVersion, V311},
		{"bridge of 3.1", whole(0x10, "MQIsdp", 0x83, 2, 0, 0, "id"), UnsupportedProtocolVersion, V311},
		{"nothing", whole(0x10), MalformedPacket, 0},
		{"name cut", whole(0x10, 0, 4, 'M'), MalformedPacket, 0},
		{"no level", whole(0x10, "MQTT"), MalformedPacket, 0},
		{"bad flags of 5.0", connectWith(0x01, 0, "id"), MalformedPacket, V5},
		{"bad flags of 3.1.1", connectV3(0x01, "id"), MalformedPacket, V311},
		{"bad flags of 3.1", connectV31(0x01, "id"), MalformedPacket, V31},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h, n, err := DecodeHeader(c.b)
			if err != nil {
				t.Fatal(err)
			}
			var p Connect
			wantCode(t, p.Decode(h, c.b[n:]), c.want)
			if p.Version != c.version {
				t.Errorf("refusal in version %d, want %d", p.Version, c.version)
			}
		})
	}
}

func TestConnectFields(t *testing.T) {
	c := connectCases()[2]
	p, err := decodeWhole(V5, false, c.b)
	if err != nil {
		t.Fatal(err)
	}
	got := p.(*Connect)
	switch w := &got.Will; {
	case got.Version != V5 || !got.CleanStart || got.KeepAlive != 60 || string(got.ClientID) != "id":
	case !got.HasUsername || string(got.Username) != "user" || !got.HasPassword || string(got.Password) != "\x00pw":
	case !got.HasWill || w.QoS != QoS1 || !w.Retain || string(w.Topic) != "will/topic" || string(w.Payload) != "gone\x00":
	case w.DelayInterval != 9 || w.Props.MessageExpiry != 8 || w.Props.PayloadFormat != 1:
	case string(w.Props.ResponseTopic) != "re/ply" || string(w.Props.CorrelationData) != "\x00\x01":
	case got.Props.SessionExpiry != 60 || got.Props.ReceiveMaximum != 10 || got.Props.MaximumPacketSize != 65536:
	case got.Props.TopicAliasMaximum != 5 || !got.Props.RequestResponseInfo || got.Props.RequestProblemInfo:
	case string(got.Props.AuthMethod) != "SCRAM-SHA-256" || string(got.Props.AuthData) != "data":
	case userText(got.Props.User) != "k=v k=w " || userText(w.Props.User) != "a=b ":
	default:
		return
	}
	t.Fatalf("%+v", got)
}

func userText(u UserProperties) string {
	var s strings.Builder
	for k, v := range u.All() {
		s.WriteString(string(k) + "=" + string(v) + " ")
	}
	return s.String()
}

func TestUserPropertiesApart(t *testing.T) {
	// Apart from one another in the packet, they are one run in the struct, in order
	// [MQTT-3.3.2-18], and the packet stays as it was.
	b := connectWith(0, props(0x26, "a", "1", 0x19, 1, 0x26, "b", "2", 0x26, "a", "3", 0x21, 0, 1, 0x26, "c", ""), "id")
	before := string(b)
	p, err := decodeWhole(V5, false, b)
	if err != nil {
		t.Fatal(err)
	}
	u := p.(*Connect).Props.User
	if got := userText(u); got != "a=1 b=2 a=3 c= " || u.Len() != 4 || string(b) != before {
		t.Fatalf("%q, %d", got, u.Len())
	}
	if v, ok := u.Get("a"); !ok || string(v) != "1" {
		t.Errorf("Get(a) = %q, %v", v, ok)
	}
	if v, ok := u.Get("c"); !ok || string(v) != "" {
		t.Errorf("Get(c) = %q, %v", v, ok)
	}
	if _, ok := u.Get("d"); ok {
		t.Error("Get(d) found something")
	}
	for range u.All() {
		break
	}
	for cut := range u { // not from a packet: no panic
		if n := u[:cut].Len(); n > 3 {
			t.Errorf("%d pairs in %d bytes", n, cut)
		}
		userText(u[:cut])
		u[:cut].Get("c")
	}
}

func TestUserPropertiesBound(t *testing.T) {
	// Attack: a packet full of User Properties is refused at a bounded cost.
	var u UserProperties
	for range MaxUserProperties {
		u = AppendUser(u, "k", "v")
	}
	if len(u) != MaxUserProperties*UserSize("k", "v") {
		t.Fatalf("%d bytes", len(u))
	}
	good := Publish{Topic: []byte("t"), Props: PublishProps{User: u}}
	p, err := decodeWhole(V5, false, good.Append(nil, V5))
	if err != nil || p.(*Publish).Props.User.Len() != MaxUserProperties {
		t.Fatal(err)
	}
	good.Props.User = AppendUser(u, "k", "v")
	_, err = decodeWhole(V5, false, good.Append(nil, V5))
	wantCode(t, err, PacketTooLarge)
	// Spread over both of a CONNECT's property sections each has its own count.
	c := Connect{HasWill: true, Will: Will{Topic: []byte("t"), Props: PublishProps{User: u}}, Props: ConnectProps{User: u}}
	if _, err = decodeWhole(V5, false, c.Append(nil, V5)); err != nil {
		t.Fatal(err)
	}
}
