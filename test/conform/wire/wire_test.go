package wire

import (
	"bytes"
	"testing"
)

func TestLiteralBytes(t *testing.T) {
	user := "u"
	cases := map[string]struct{ got, want []byte }{
		"CONNECT 3.1":   {Connect{Version: V31, ClientID: "a", Clean: true, KeepAlive: 60}.Bytes(), []byte("\x10\x0f\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x01a")},
		"CONNECT 5":     {Connect{Version: V5, ClientID: "a", User: &user, Props: Props{Num(SessionExpiry, 5)}}.Bytes(), []byte("\x10\x16\x00\x04MQTT\x05\x80\x00\x00\x05\x11\x00\x00\x00\x05\x00\x01a\x00\x01u")},
		"PUBLISH QoS 0": {Publish{Topic: "t", Payload: "p"}.Bytes(V311), []byte("\x30\x04\x00\x01tp")},
		"PUBLISH QoS 2": {Publish{Topic: "t", QoS: 2, ID: 7, Retain: true, Dup: true, Props: Props{Num(TopicAlias, 3)}}.Bytes(V5), []byte("\x3d\x09\x00\x01t\x00\x07\x03\x23\x00\x03")},
		"SUBSCRIBE":     {Subscribe(V5, 2, nil, Sub{"a", 1}), []byte("\x82\x07\x00\x02\x00\x00\x01a\x01")},
		"PUBREL":        {Ack(V311, PUBREL, 258, 0, nil), []byte("\x62\x02\x01\x02")},
		"length 128":    {Var(128), []byte{0x80, 1}},
	}
	for name, c := range cases {
		if !bytes.Equal(c.got, c.want) {
			t.Errorf("%s: got %q want %q", name, c.got, c.want)
		}
	}
}

func TestReadRefusesWhatServersMustNotSend(t *testing.T) {
	bad := map[string]string{
		"PUBREL flags":          "\x60\x02\x00\x01",
		"overlong length":       "\xd0\x80\x00",
		"QoS 3":                 "\x36\x05\x00\x01a\x00\x01",
		"QoS 0 with DUP":        "\x38\x03\x00\x01a",
		"identifier 0":          "\x40\x02\x00\x00",
		"CONNACK flags":         "\x20\x02\x02\x00",
		"CONNACK present+error": "\x20\x02\x01\x05",
		"SUBACK code 3":         "\x90\x03\x00\x01\x03",
		"CONNECT":               "\x10\x00",
		"wildcard topic":        "\x30\x03\x00\x01#",
		"bytes too many":        "\xd0\x01\x00",
		"bad UTF-8":             "\x30\x03\x00\x01\xff",
	}
	for name, b := range bad {
		if p, err := Read(bytes.NewReader([]byte(b)), V311); err == nil {
			t.Errorf("%s: read as %v", name, p)
		}
	}
	bad5 := map[string]string{
		"session expiry in DISCONNECT": "\xe0\x07\x82\x05\x11\x00\x00\x00\x01",
		"alias 0":                      "\x30\x07\x00\x01a\x03\x23\x00\x00",
		"property twice":               "\x40\x0a\x00\x01\x10\x06\x1f\x00\x00\x1f\x00\x00",
		"CONNACK reason":               "\x20\x03\x00\x01\x00",
	}
	for name, b := range bad5 {
		if p, err := Read(bytes.NewReader([]byte(b)), V5); err == nil {
			t.Errorf("%s: read as %v", name, p)
		}
	}
}

func TestPublishReadsBack(t *testing.T) {
	want := Publish{Topic: "a/b", Payload: "x", QoS: 1, ID: 9, Props: Props{User("k", "v"), User("k", "w"), Num(SubscriptionID, 300)}}
	p, err := Read(bytes.NewReader(want.Bytes(V5)), V5)
	if err != nil {
		t.Fatal(err)
	}
	if p.Topic != want.Topic || p.Payload != want.Payload || p.QoS != 1 || p.ID != 9 || !bytes.Equal(p.Props.Bytes(), want.Props.Bytes()) {
		t.Errorf("got %v %v", p, p.Props)
	}
}
