package bench

import (
	"testing"

	"alcove/internal/mqtt"
)

// TestTemplateIsWhatTheCodecReads checks the fast path against the codec.
func TestTemplateIsWhatTheCodecReads(t *testing.T) {
	for _, v := range []mqtt.Version{mqtt.V31, mqtt.V311, mqtt.V5} {
		for qos := mqtt.QoS0; qos <= mqtt.QoS2; qos++ {
			for _, size := range []int{MinPayload, 64, 300} {
				tmpl := newTemplate(v, "a/topic", qos, size, 3)
				tmpl.set(1, 7, 70_000, 12345)
				b := tmpl.packets[tmpl.size : 2*tmpl.size]
				h, n, err := mqtt.DecodeHeader(b)
				if err != nil {
					t.Fatal(err)
				}
				var p mqtt.Publish
				if err := p.Decode(v, h, b[n:]); err != nil {
					t.Fatalf("%v QoS %d: %v", v, qos, err)
				}
				if qos > 0 && p.PacketID != packetID(70_000) {
					t.Errorf("packet identifier %d", p.PacketID)
				}
				total, head, err := frame(b)
				if err != nil || total != len(b) {
					t.Fatalf("frame of %d bytes, %v, want %d", total, err, len(b))
				}
				payload, id, err := publishBody(v, b[0], b[head:total])
				if err != nil || string(payload) != string(p.Payload) || id != p.PacketID || len(payload) != size {
					t.Errorf("%v QoS %d: payload of %d bytes, identifier %d, %v", v, qos, len(payload), id, err)
				}
			}
		}
	}
}

func TestPublishBodyWithProperties(t *testing.T) {
	p := mqtt.Publish{Topic: []byte("t"), QoS: 1, PacketID: 9, Payload: []byte("payload")}
	for range 20 { // a property length of two bytes
		p.Props.User = mqtt.AppendUser(p.Props.User, "timestamp", "1700000000.123456")
	}
	b := p.Append(nil, mqtt.V5)
	total, head, err := frame(b)
	if err != nil {
		t.Fatal(err)
	}
	payload, id, err := publishBody(mqtt.V5, b[0], b[head:total])
	if err != nil || string(payload) != "payload" || id != 9 {
		t.Errorf("%q, %d, %v", payload, id, err)
	}
}

func TestSubscribeBytes(t *testing.T) {
	for _, v := range []mqtt.Version{mqtt.V311, mqtt.V5} {
		b := subscribeBytes(nil, v, 3, []string{"a/+", "b"}, 1)
		h, n, err := mqtt.DecodeHeader(b)
		if err != nil {
			t.Fatal(err)
		}
		var s mqtt.Subscribe
		if err := s.Decode(v, h, b[n:]); err != nil || s.Count != 2 || s.PacketID != 3 {
			t.Errorf("%v: %+v, %v", v, s, err)
		}
	}
}

// FuzzFeed checks that no bytes of a broker make the raw parser panic.
func FuzzFeed(f *testing.F) {
	tmpl := newTemplate(mqtt.V5, "t", 1, MinPayload, 1)
	f.Add(tmpl.packets)
	f.Add([]byte{0x32, 0xff, 0xff, 0x7f, 0, 0xff})
	f.Add([]byte{0xe0, 0, 0x62, 2, 0, 1, 0x90, 3, 0, 1, 0x80})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, v := range []mqtt.Version{mqtt.V311, mqtt.V5} {
			c := &cell{version: v, meter: &meter{}, pace: pace{window: 10, batch: 1}}
			l := &link{cell: c, fd: -1, kick: make(chan struct{}, 1), flows: make([]flow, 1)}
			c.subs = []*link{l}
			p := &publisher{link: &link{cell: c, fd: -1, kick: make(chan struct{}, 1)}}
			l.pub, c.pubs = p, []*publisher{p}
			c.begin()
			if err := l.feed(b, 1); err == nil && len(l.tail) > len(b) {
				t.Errorf("%d bytes kept of %d", len(l.tail), len(b))
			}
		}
	})
}

// BenchmarkFeed measures what one received message costs the driver.
func BenchmarkFeed(b *testing.B) {
	tmpl := newTemplate(mqtt.V311, "bench/b/12", 0, 64, 100)
	c := &cell{version: mqtt.V311, meter: &meter{}, pace: pace{window: 1 << 30, batch: 32}}
	l := &link{cell: c, fd: -1, flows: make([]flow, 1)}
	c.subs = []*link{l}
	p := &publisher{link: &link{cell: c, fd: -1}}
	c.pubs = []*publisher{p}
	c.begin()
	seq := uint64(0)
	b.ReportAllocs()
	for n := 0; n < b.N; n += 100 {
		for i := range 100 {
			tmpl.set(i, 0, seq, 0)
			seq++
		}
		p.sent = seq
		if err := l.feed(tmpl.packets, 1); err != nil {
			b.Fatal(err)
		}
	}
}
