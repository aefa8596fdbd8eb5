package mqtt

import (
	"strings"
	"testing"
)

// benchPackets are the packets of the hot path.
func benchPackets() map[string]wireCase {
	payload := []byte(strings.Repeat("p", 64))
	topic := "sensors/building-7/floor-3/temperature"
	return map[string]wireCase{
		"v3":     {v: V311, b: whole(0x30, topic, payload)},
		"v5":     {v: V5, b: whole(0x30, topic, 0, payload)},
		"v5QoS1": {v: V5, b: whole(0x32, topic, 0, 7, 0, payload)},
		"v5props": {v: V5, b: whole(0x32, topic, 0, 7, props(0x02, 0, 0, 0, 60, 0x03, "application/json",
			0x26, "timestamp", "1700000000.123456", 0x26, "cid", "1"), payload)},
		"v5alias": {v: V5, b: whole(0x30, "", props(0x23, 0, 5), payload)},
	}
}

var benchHead = PublishHead{Version: V5, QoS: QoS1, Topic: "sensors/building-7/floor-3/temperature", PacketID: 7,
	Alias: 3, OmitTopic: true, SubscriptionIDs: []uint32{5}, Expiry: 60, HasExpiry: true, ForwardLen: 60, PayloadLen: 64}

func TestHotPathAllocatesNothing(t *testing.T) {
	for name, c := range benchPackets() {
		var p Publish
		h, n, _ := DecodeHeader(c.b)
		noAllocs(t, "Publish.Decode "+name, func() {
			if p.Decode(c.v, h, c.b[n:]) != nil {
				t.Fatal("refused")
			}
		})
		buf := make([]byte, 0, 1024)
		noAllocs(t, "Publish.Append "+name, func() { buf = p.Append(buf[:0], c.v) })
		noAllocs(t, "AppendForward "+name, func() { buf = p.Props.AppendForward(buf[:0]) })
	}
	bad := whole(0x30, "\xff", 0)
	var p Publish
	noAllocs(t, "refused Publish.Decode", func() {
		if p.Decode(V5, Header{Type: TypePublish}, bad[2:]) == nil {
			t.Fatal("accepted")
		}
	})
	withIDs := whole(0x30, "t", props(0x0B, 1, 0x0B, 2))
	noAllocs(t, "Publish.DecodeFromServer with identifiers", func() {
		if p.DecodeFromServer(V5, Header{Type: TypePublish}, withIDs[2:]) != nil || len(p.Props.SubscriptionIDs) != 2 {
			t.Fatal("refused")
		}
	})
	buf := make([]byte, 0, 1024)
	noAllocs(t, "PublishHead.Append", func() { buf = benchHead.Append(buf[:0]) })
	noAllocs(t, "PublishHead.Size", func() { _ = benchHead.Size() })
	noAllocs(t, "DecodeHeader", func() { _, _, _ = DecodeHeader(withIDs) })

	ack := whole(0x40, 0, 7, 0x10, props(0x1F, "why", 0x26, "k", "v"))
	var a Ack
	noAllocs(t, "Ack.Decode", func() {
		if a.Decode(V5, Header{Type: TypePuback}, ack[2:]) != nil {
			t.Fatal("refused")
		}
	})
	noAllocs(t, "Ack.Append", func() { buf = a.Append(buf[:0], V5) })
	noAllocs(t, "AppendUser", func() { buf = AppendUser(buf[:0], "timestamp", "1700000000.123456") })
	noAllocs(t, "UserProperties", func() {
		for range a.User.All() {
		}
		_, _ = a.User.Get("k")
	})
	var s Subscribe
	sub := whole(0x82, 0, 1, 0, "a", 0, "b", 1)
	noAllocs(t, "Subscribe", func() {
		if s.Decode(V5, Header{Type: TypeSubscribe, Flags: 2}, sub[2:]) != nil {
			t.Fatal("refused")
		}
		for range s.Filters() {
		}
	})
}

func noAllocs(t *testing.T, name string, f func()) {
	t.Helper()
	if n := testing.AllocsPerRun(100, f); n != 0 {
		t.Errorf("%s: %v allocations", name, n)
	}
}

func BenchmarkPublishDecode(b *testing.B) {
	for name, c := range benchPackets() {
		b.Run(name, func(b *testing.B) {
			var p Publish
			b.ReportAllocs()
			for b.Loop() {
				h, n, err := DecodeHeader(c.b)
				if err == nil {
					err = p.Decode(c.v, h, c.b[n:])
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkPublishHeadAppend(b *testing.B) {
	heads := map[string]PublishHead{
		"v3QoS0":  {Version: V311, Topic: benchHead.Topic, PayloadLen: 64},
		"v5QoS0":  {Version: V5, Topic: benchHead.Topic, ForwardLen: 60, PayloadLen: 64},
		"v5whole": benchHead,
	}
	for name, h := range heads {
		b.Run(name, func(b *testing.B) {
			buf := make([]byte, 0, 1024)
			b.ReportAllocs()
			for b.Loop() {
				buf = h.Append(buf[:0])
			}
		})
	}
}

func BenchmarkAckDecode(b *testing.B) {
	packet := whole(0x40, 0, 7)
	var a Ack
	b.ReportAllocs()
	for b.Loop() {
		h, n, _ := DecodeHeader(packet)
		if a.Decode(V5, h, packet[n:]) != nil {
			b.Fatal("refused")
		}
	}
}

func BenchmarkAckAppend(b *testing.B) {
	a := Ack{Type: TypePuback, PacketID: 7}
	buf := make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		buf = a.Append(buf[:0], V5)
	}
}

func BenchmarkValidTopicText(b *testing.B) {
	for name, s := range map[string]string{
		"short": "a/b", "ascii38": "sensors/building-7/floor-3/temperature", "umlaut38": "sensors/Gebäude-7/Geschoß-3/temperatur",
	} {
		topic := []byte(s)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if !ValidTopicText(topic) {
					b.Fatal("refused")
				}
			}
		})
	}
}

func BenchmarkConnectDecode(b *testing.B) {
	packet := connectCases()[2].b
	var c Connect
	b.ReportAllocs()
	for b.Loop() {
		h, n, _ := DecodeHeader(packet)
		if err := c.Decode(h, packet[n:]); err != nil {
			b.Fatal(err)
		}
	}
}
