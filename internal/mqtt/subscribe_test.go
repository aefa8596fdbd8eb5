package mqtt

import (
	"reflect"
	"testing"
)

func subscribeCases() []wireCase {
	return []wireCase{
		{name: "one", v: V5, b: whole(0x82, 0, 1, 0, "a/#", 2)},
		{name: "many with options", v: V5, b: whole(0x82, 0, 1, props(0x0B, 0x80, 1, 0x26, "k", "v"), "a", 0x2E, "+/b", 0x10, "", 0x01)},
		{name: "shared", v: V5, b: whole(0x82, 0, 1, 0, "$share/g/a", 1)},
		{name: "identifier 0 [MQTT-2.2.1-3]", v: V5, b: whole(0x82, 0, 0, 0, "a", 0), want: ProtocolError},
		{name: "no filter [MQTT-3.8.3-2]", v: V5, b: whole(0x82, 0, 1, 0), want: ProtocolError},
		{name: "filter not UTF-8 [MQTT-3.8.3-1]", v: V5, b: whole(0x82, 0, 1, 0, "\xff", 0), want: MalformedPacket},
		{name: "second filter not UTF-8 [MQTT-3.8.3-1]", v: V5, b: whole(0x82, 0, 1, 0, "a", 0, "\xff", 0), want: MalformedPacket},
		{name: "filter with U+0000 [MQTT-4.7.3-2]", v: V5, b: whole(0x82, 0, 1, 0, "\x00", 0), want: MalformedPacket},
		{name: "filter with U+0085 [EXT-RET-2]", v: V5, b: whole(0x82, 0, 1, 0, "\u0085", 0), want: MalformedPacket},
		{name: "reserved bit 6 [MQTT-3.8.3-5]", v: V5, b: whole(0x82, 0, 1, 0, "a", 0x40), want: MalformedPacket},
		{name: "reserved bit 7 [MQTT-3.8.3-5]", v: V5, b: whole(0x82, 0, 1, 0, "a", 0x80), want: MalformedPacket},
		{name: "QoS 3", v: V5, b: whole(0x82, 0, 1, 0, "a", 3), want: ProtocolError},
		{name: "Retain Handling 3", v: V5, b: whole(0x82, 0, 1, 0, "a", 0x30), want: ProtocolError},
		{name: "No Local shared [MQTT-3.8.3-4] [EXT-SHR-5]", v: V5, b: whole(0x82, 0, 1, 0, "$share/g/a", 4), want: ProtocolError},
		{name: "Subscription Identifier 0", v: V5, b: whole(0x82, 0, 1, props(0x0B, 0), "a", 0), want: ProtocolError},
		{name: "Subscription Identifier twice", v: V5, b: whole(0x82, 0, 1, props(0x0B, 1, 0x0B, 1), "a", 0), want: ProtocolError},
		{name: "Reason String", v: V5, b: whole(0x82, 0, 1, props(0x1F, "x"), "a", 0), want: MalformedPacket},
		{name: "options missing", v: V5, b: whole(0x82, 0, 1, 0, "a"), want: MalformedPacket},
		{name: "filter cut", v: V5, b: whole(0x82, 0, 1, 0, "a", 0, 0), want: MalformedPacket},
		{name: "flags [MQTT-3.8.1-1]", v: V5, b: whole(0x80, 0, 1, 0, "a", 0), want: MalformedPacket},
		{name: "3.1.1", v: V311, b: whole(0x82, 0, 1, "a", 0, "b", 1, "c", 2)},
		{name: "3.1.1 identifier 0 [MQTT311-2.3.1-1]", v: V311, b: whole(0x82, 0, 0, "a", 0), want: ProtocolError},
		{name: "3.1.1 no filter [MQTT311-3.8.3-3]", v: V311, b: whole(0x82, 0, 1), want: ProtocolError},
		{name: "3.1.1 QoS 3 [MQTT311-3.8.3-4]", v: V311, b: whole(0x82, 0, 1, "a", 3), want: MalformedPacket},
		{name: "3.1.1 reserved bits [MQTT311-3.8.3-4]", v: V311, b: whole(0x82, 0, 1, "a", 4), want: MalformedPacket},
		{name: "3.1.1 filter not UTF-8 [MQTT311-3.8.3-1]", v: V311, b: whole(0x82, 0, 1, "\xff", 0), want: MalformedPacket},
		{name: "3.1.1 flags [MQTT311-3.8.1-1]", v: V311, b: whole(0x80, 0, 1, "a", 0), want: MalformedPacket},
		{name: "3.1", v: V31, b: whole(0x82, 0, 1, "a", 2)},
	}
}

func TestSubscribe(t *testing.T) { runWireCases(t, subscribeCases()) }

func TestSubscribeFilters(t *testing.T) {
	type entry struct {
		filter  string
		options SubscribeOptions
	}
	want := []entry{
		{"a", SubscribeOptions{QoS: QoS2, NoLocal: true, RetainAsPublished: true, RetainHandling: 2}},
		{"+/b", SubscribeOptions{RetainHandling: 1}},
		{"", SubscribeOptions{QoS: QoS1}},
	}
	built := Subscribe{PacketID: 1, SubscriptionID: 128, User: AppendUser(UserProperties(nil), "k", "v")}
	for _, e := range want {
		built.Add(e.filter, e.options)
	}
	b := subscribeCases()[1].b
	if got := built.Append(nil, V5); string(got) != string(b) {
		t.Fatalf("%x, want %x", got, b)
	}
	p, err := decodeWhole(V5, false, b)
	if err != nil {
		t.Fatal(err)
	}
	s := p.(*Subscribe)
	var got []entry
	for filter, options := range s.Filters() {
		got = append(got, entry{string(filter), options})
	}
	if !reflect.DeepEqual(got, want) || s.Count != 3 || s.SubscriptionID != 128 || s.PacketID != 1 {
		t.Fatalf("%+v of %+v", got, s)
	}
	for range s.Filters() {
		break
	}
	before := string(b)
	s.Add("more", SubscribeOptions{}) // copies: the packet is only lent
	if string(b) != before || s.Count != 4 {
		t.Fatal("Add wrote into the packet")
	}
}

func unsubscribeCases() []wireCase {
	return []wireCase{
		{name: "one", v: V5, b: whole(0xA2, 0, 1, 0, "a/#")},
		{name: "many", v: V5, b: whole(0xA2, 0, 1, props(0x26, "cid", "5"), "a", "", "$share/g/c")},
		{name: "identifier 0 [MQTT-2.2.1-3]", v: V5, b: whole(0xA2, 0, 0, 0, "a"), want: ProtocolError},
		{name: "no filter [MQTT-3.10.3-2]", v: V5, b: whole(0xA2, 0, 1, 0), want: ProtocolError},
		{name: "not UTF-8 [MQTT-3.10.3-1]", v: V5, b: whole(0xA2, 0, 1, 0, "\xff"), want: MalformedPacket},
		{name: "Subscription Identifier", v: V5, b: whole(0xA2, 0, 1, props(0x0B, 1), "a"), want: MalformedPacket},
		{name: "cut", v: V5, b: whole(0xA2, 0, 1, 0, "a", 0), want: MalformedPacket},
		{name: "flags [MQTT-3.10.1-1]", v: V5, b: whole(0xA0, 0, 1, 0, "a"), want: MalformedPacket},
		{name: "3.1.1", v: V311, b: whole(0xA2, 0, 1, "a", "b")},
		{name: "3.1.1 identifier 0 [MQTT311-2.3.1-1]", v: V311, b: whole(0xA2, 0, 0, "a"), want: ProtocolError},
		{name: "3.1.1 no filter [MQTT311-3.10.3-2]", v: V311, b: whole(0xA2, 0, 1), want: ProtocolError},
		{name: "3.1.1 not UTF-8 [MQTT311-3.10.3-1]", v: V311, b: whole(0xA2, 0, 1, "\xff"), want: MalformedPacket},
		{name: "3.1.1 flags [MQTT311-3.10.1-1]", v: V311, b: whole(0xA0, 0, 1, "a"), want: MalformedPacket},
		{name: "3.1", v: V31, b: whole(0xA2, 0, 1, "a")},
	}
}

func TestUnsubscribe(t *testing.T) { runWireCases(t, unsubscribeCases()) }

func TestUnsubscribeFilters(t *testing.T) {
	want := []string{"a", "", "$share/g/c"}
	built := Unsubscribe{PacketID: 1, User: AppendUser(UserProperties(nil), "cid", "5")}
	for _, filter := range want {
		built.Add(filter)
	}
	b := unsubscribeCases()[1].b
	if got := built.Append(nil, V5); string(got) != string(b) {
		t.Fatalf("%x, want %x", got, b)
	}
	p, err := decodeWhole(V5, false, b)
	if err != nil {
		t.Fatal(err)
	}
	u := p.(*Unsubscribe)
	var got []string
	for filter := range u.Filters() {
		got = append(got, string(filter))
	}
	if !reflect.DeepEqual(got, want) || u.Count != 3 {
		t.Fatalf("%q of %+v", got, u)
	}
	for range u.Filters() {
		break
	}
	before := string(b)
	u.Add("more")
	if string(b) != before {
		t.Fatal("Add wrote into the packet")
	}
}

func subackCases() []wireCase {
	return []wireCase{
		{name: "codes in order [MQTT-3.9.3-1] [MQTT-3.8.4-6] [MQTT-3.8.4-2]", v: V5, b: whole(0x90, 1, 2, 0, 0, 1, 2, 0x80, 0x87, 0x8F, 0x97, 0xA2)},
		{name: "everything", v: V5, b: whole(0x90, 0, 1, props(0x1F, "why", 0x26, "k", "v"), 0x8F)},
		{name: "unlisted code [MQTT-3.9.3-2]", v: V5, b: whole(0x90, 0, 1, 0, 3), want: ProtocolError},
		{name: "no code", v: V5, b: whole(0x90, 0, 1, 0), want: ProtocolError},
		{name: "identifier 0 [MQTT-2.2.1-6]", v: V5, b: whole(0x90, 0, 0, 0, 0), want: ProtocolError},
		{name: "Topic Alias", v: V5, b: whole(0x90, 0, 1, props(0x23, 0, 1), 0), want: MalformedPacket},
		{name: "3.1.1 [MQTT311-3.9.3-1] [MQTT311-3.8.4-2]", v: V311, b: whole(0x90, 0, 1, 0, 1, 2, 0x80)},
		{name: "3.1.1 unlisted code [MQTT311-3.9.3-2]", v: V311, b: whole(0x90, 0, 1, 0x87), want: ProtocolError},
		{name: "3.1.1 no code", v: V311, b: whole(0x90, 0, 1), want: ProtocolError},
	}
}

func TestSuback(t *testing.T) { runWireCases(t, subackCases()) }

func TestSubackV3HasOneFailure(t *testing.T) {
	// [MQTT311-3.9.3-2] [MQTT311-3.8.4-5]
	s := Suback{PacketID: 1, Codes: []ReasonCode{GrantedQoS2, NotAuthorized, TopicFilterInvalid, GrantedQoS0}, Reason: []byte("no")}
	want := whole(0x90, 0, 1, 2, 0x80, 0x80, 0)
	if got := s.Append(nil, V311); string(got) != string(want) || s.Size(V311) != len(want) {
		t.Fatalf("%x, want %x", got, want)
	}
}

func unsubackCases() []wireCase {
	return []wireCase{
		{name: "codes in order [MQTT-3.11.3-1] [MQTT-3.10.4-5]", v: V5, b: whole(0xB0, 1, 2, 0, 0, 0x11, 0x87)},
		{name: "everything", v: V5, b: whole(0xB0, 0, 1, props(0x1F, "why", 0x26, "k", "v"), 0x11)},
		{name: "unlisted code [MQTT-3.11.3-2]", v: V5, b: whole(0xB0, 0, 1, 0, 0x97), want: ProtocolError},
		{name: "no code", v: V5, b: whole(0xB0, 0, 1, 0), want: ProtocolError},
		{name: "identifier 0", v: V5, b: whole(0xB0, 0, 0, 0, 0), want: ProtocolError},
		{name: "3.1.1 [MQTT311-3.10.4-4]", v: V311, b: whole(0xB0, 0, 1)},
		{name: "3.1.1 long", v: V311, b: whole(0xB0, 0, 1, 0), want: MalformedPacket},
	}
}

func TestUnsuback(t *testing.T) { runWireCases(t, unsubackCases()) }

func TestUnsubackV3HasNoCodes(t *testing.T) {
	u := Unsuback{PacketID: 1, Codes: []ReasonCode{Success, NoSubscriptionExisted}}
	if got := u.Append(nil, V311); string(got) != "\xb0\x02\x00\x01" || u.Size(V311) != 4 {
		t.Fatalf("%x", got)
	}
}
