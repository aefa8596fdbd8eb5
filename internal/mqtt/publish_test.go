package mqtt

import (
	"reflect"
	"testing"
)

func publishCases() []wireCase {
	return []wireCase{
		{name: "QoS 0 [MQTT-2.2.1-2]", v: V5, b: whole(0x30, "a/b", 0, []byte("payload"))},
		{name: "QoS 1 retained, sent again [MQTT-3.3.1-1]", v: V5, b: whole(0x3B, "a/b", 0, 7, 0, []byte("payload"))},
		{name: "QoS 2, empty payload", v: V5, b: whole(0x34, "a/b", 255, 255, 0)},
		{name: "alias for the topic", v: V5, b: whole(0x30, "", props(0x23, 0, 1))},
		{name: "alias and topic", v: V5, b: whole(0x30, "t", props(0x23, 255, 255), 'x')},
		{name: "everything", v: V5, b: whole(0x32, "a/b", 0, 7, props(0x23, 0, 1, 0x02, 0, 0, 0, 9, 0x01, 1, 0x03, "text/plain",
			0x08, "reply/to", 0x09, "\x00\xff", 0x26, "k", "v", 0x26, "k", "w"), []byte("payload"))},
		{name: "empty optional fields", v: V5, b: whole(0x30, "t", props(0x01, 0, 0x03, "", 0x09, "", 0x26, "", ""))},
		{name: "topic with wildcards is for the broker [EXT-RET-2]", v: V5, b: whole(0x30, "a/+/#", 0)},
		{name: "byte order mark is kept [MQTT-1.5.4-3]", v: V5, b: whole(0x30, "\ufeffa", 0)},
		{name: "identifiers from a server [MQTT-3.3.4-4]", v: V5, fromServer: true,
			b: whole(0x30, "t", props(0x0B, 1, 0x0B, 0xff, 0xff, 0xff, 0x7f, 0x26, "k", "v"))},
		{name: "User Properties apart", v: V5, loose: true, b: whole(0x30, "t", props(0x26, "a", "1", 0x01, 0, 0x26, "b", "2"))},

		{name: "QoS 3 [MQTT-3.3.1-4]", v: V5, b: whole(0x36, "t", 0, 1, 0), want: MalformedPacket},
		{name: "DUP at QoS 0 [MQTT-3.3.1-2]", v: V5, b: whole(0x38, "t", 0), want: MalformedPacket},
		{name: "identifier 0 [MQTT-2.2.1-3]", v: V5, b: whole(0x32, "t", 0, 0, 0), want: ProtocolError},
		{name: "empty topic [MQTT-4.7.3-1]", v: V5, b: whole(0x30, "", 0), want: ProtocolError},
		{name: "topic not UTF-8 [MQTT-3.3.2-1]", v: V5, b: whole(0x30, "\xed\xa0\x80", 0), want: MalformedPacket},
		{name: "topic with U+0000 [MQTT-4.7.3-2]", v: V5, b: whole(0x30, "a\x00", 0), want: MalformedPacket},
		{name: "topic with U+001F [EXT-RET-2]", v: V5, b: whole(0x30, "a\x1f", 0), want: MalformedPacket},
		{name: "topic with U+FFFF [EXT-RET-2]", v: V5, b: whole(0x30, "a\uffff", 0), want: MalformedPacket},
		{name: "alias 0 [MQTT-3.3.2-8]", v: V5, b: whole(0x30, "t", props(0x23, 0, 0)), want: TopicAliasInvalid},
		{name: "alias twice", v: V5, b: whole(0x30, "t", props(0x23, 0, 1, 0x23, 0, 1)), want: ProtocolError},
		{name: "Payload Format 2", v: V5, b: whole(0x30, "t", props(0x01, 2)), want: ProtocolError},
		{name: "Message Expiry twice", v: V5, b: whole(0x30, "t", props(0x02, 0, 0, 0, 1, 0x02, 0, 0, 0, 1)), want: ProtocolError},
		{name: "Response Topic not UTF-8 [MQTT-3.3.2-13]", v: V5, b: whole(0x30, "t", props(0x08, "\xff")), want: MalformedPacket},
		{name: "Response Topic with a wildcard [MQTT-3.3.2-14]", v: V5, b: whole(0x30, "t", props(0x08, "a/#")), want: ProtocolError},
		{name: "Response Topic with + [MQTT-3.3.2-14]", v: V5, b: whole(0x30, "t", props(0x08, "+")), want: ProtocolError},
		{name: "Response Topic empty [MQTT-4.7.3-1]", v: V5, b: whole(0x30, "t", props(0x08, "")), want: ProtocolError},
		{name: "Content Type not UTF-8 [MQTT-3.3.2-19]", v: V5, b: whole(0x30, "t", props(0x03, "\xff")), want: MalformedPacket},
		{name: "identifier from a client [MQTT-3.3.4-6]", v: V5, b: whole(0x30, "t", props(0x0B, 1)), want: ProtocolError},
		{name: "identifier 0 from a server", v: V5, fromServer: true, b: whole(0x30, "t", props(0x0B, 0)), want: ProtocolError},
		{name: "identifier not minimal [MQTT-1.5.5-1]", v: V5, fromServer: true, b: whole(0x30, "t", props(0x0B, 0x81, 0)), want: MalformedPacket},
		{name: "Will Delay", v: V5, b: whole(0x30, "t", props(0x18, 0, 0, 0, 1)), want: MalformedPacket},
		{name: "unknown property", v: V5, b: whole(0x30, "t", props(0x04, 0)), want: MalformedPacket},
		{name: "property 0", v: V5, b: whole(0x30, "t", props(0x00, 0)), want: MalformedPacket},
		{name: "no properties", v: V5, b: whole(0x30, "t"), want: MalformedPacket},
		{name: "Property Length past the end", v: V5, b: whole(0x30, "t", 9, 'x'), want: MalformedPacket},
		{name: "no identifier", v: V5, b: whole(0x32, "t", 1), want: MalformedPacket},
		{name: "no body", v: V5, b: whole(0x30), want: MalformedPacket},

		{name: "3.1.1 QoS 0 [MQTT311-2.3.1-5]", v: V311, b: whole(0x31, "a/b", []byte("payload"))},
		{name: "3.1.1 QoS 2", v: V311, b: whole(0x3C, "a/b", 0, 7)},
		{name: "3.1.1 empty topic [MQTT311-4.7.3-1]", v: V311, b: whole(0x30, ""), want: ProtocolError},
		{name: "3.1.1 identifier 0 [MQTT311-2.3.1-1]", v: V311, b: whole(0x32, "t", 0, 0), want: ProtocolError},
		{name: "3.1.1 QoS 3 [MQTT311-3.3.1-4]", v: V311, b: whole(0x36, "t", 0, 1), want: MalformedPacket},
		{name: "3.1.1 DUP at QoS 0 [MQTT311-3.3.1-2]", v: V311, b: whole(0x38, "t"), want: MalformedPacket},
		{name: "3.1.1 topic not UTF-8 [MQTT311-3.3.2-1]", v: V311, b: whole(0x30, "\xff"), want: MalformedPacket},
		{name: "3.1.1 U+0000 [MQTT311-4.7.3-2]", v: V311, b: whole(0x30, "\x00"), want: MalformedPacket},
		{name: "3.1 QoS 1", v: V31, b: whole(0x32, "a/b", 0, 7, []byte("payload"))},
	}
}

func TestPublish(t *testing.T) { runWireCases(t, publishCases()) }

func TestPublishFields(t *testing.T) {
	c := publishCases()[5]
	var p Publish
	h, n, _ := DecodeHeader(c.b)
	if err := p.Decode(V5, h, c.b[n:]); err != nil {
		t.Fatal(err)
	}
	want := Publish{QoS: QoS1, Topic: []byte("a/b"), PacketID: 7, Payload: []byte("payload"), Props: PublishProps{
		PayloadFormat: 1, HasPayloadFormat: true, MessageExpiry: 9, HasMessageExpiry: true,
		TopicAlias: 1, HasTopicAlias: true, ResponseTopic: []byte("reply/to"), HasResponseTopic: true,
		CorrelationData: []byte("\x00\xff"), HasCorrelationData: true, ContentType: []byte("text/plain"), HasContentType: true,
		User: AppendUser(AppendUser(UserProperties(nil), "k", "v"), "k", "w"),
	}}
	if !reflect.DeepEqual(p, want) {
		t.Fatalf("%+v\nwant\n%+v", p, want)
	}
	// Reused, nothing of the last packet is left.
	c = publishCases()[0]
	h, n, _ = DecodeHeader(c.b)
	if err := p.Decode(V5, h, c.b[n:]); err != nil {
		t.Fatal(err)
	}
	if want := (Publish{Topic: []byte("a/b"), Payload: []byte("payload")}); !reflect.DeepEqual(p, want) {
		t.Fatalf("%+v\nwant\n%+v", p, want)
	}
}

func TestBorrowedSlicesAreCut(t *testing.T) {
	// Appending to what a packet lends never writes into the packet.
	for _, c := range publishCases()[:11] {
		before := string(c.b)
		p, err := decodeWhole(c.v, c.fromServer, c.b)
		if err != nil {
			t.Fatal(err)
		}
		pub := p.(*Publish)
		for _, s := range [][]byte{pub.Topic, pub.Payload, pub.Props.ResponseTopic, pub.Props.CorrelationData, pub.Props.ContentType, pub.Props.User} {
			_ = append(s, "overwritten"...)
		}
		for k, v := range pub.Props.User.All() {
			_, _ = append(k, '!'), append(v, '!')
		}
		if string(c.b) != before {
			t.Errorf("%s: packet changed", c.name)
		}
	}
}

func TestPublishDecodesNoTooManyIdentifiers(t *testing.T) {
	p := Publish{Topic: []byte("t"), Props: PublishProps{SubscriptionIDs: make([]uint32, MaxSubscriptionIDs)}}
	for i := range p.Props.SubscriptionIDs {
		p.Props.SubscriptionIDs[i] = 1
	}
	if _, err := decodeWhole(V5, true, p.Append(nil, V5)); err != nil {
		t.Fatal(err)
	}
	p.Props.SubscriptionIDs = append(p.Props.SubscriptionIDs, 1)
	_, err := decodeWhole(V5, true, p.Append(nil, V5))
	wantCode(t, err, PacketTooLarge)
}

func TestForward(t *testing.T) {
	// [MQTT-3.3.2-4] [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-17] [MQTT-3.3.2-18]
	// [MQTT-3.3.2-20] [MQTT-3.1.3-10]: all of these travel, the rest does not.
	p, err := decodeWhole(V5, false, publishCases()[5].b)
	if err != nil {
		t.Fatal(err)
	}
	sent := &p.(*Publish).Props
	b := sent.AppendForward(nil)
	if len(b) != sent.ForwardSize() {
		t.Fatalf("ForwardSize %d, written %d", sent.ForwardSize(), len(b))
	}
	var got PublishProps
	got.SubscriptionIDs = []uint32{1}
	if err := got.DecodeForward(b); err != nil {
		t.Fatal(err)
	}
	want := *sent
	want.TopicAlias, want.HasTopicAlias, want.MessageExpiry, want.HasMessageExpiry = 0, false, 0, false
	want.SubscriptionIDs = []uint32{}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v\nwant\n%+v", got, want)
	}
	for cut := range b { // store contents: checked as well
		_ = got.DecodeForward(b[:cut])
	}
	wantCode(t, got.DecodeForward(raw(0x23, 0, 1)), MalformedPacket)
	wantCode(t, got.DecodeForward(raw(0x02, 0, 0, 0, 1)), MalformedPacket)
	wantCode(t, got.DecodeForward(raw(0x26, "k", "\xff")), MalformedPacket)
	wantCode(t, got.DecodeForward(raw(0x01, 0, 0x01, 0)), ProtocolError)
}
