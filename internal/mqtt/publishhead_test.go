package mqtt

import (
	"strings"
	"testing"
)

func TestPublishHead(t *testing.T) {
	cases := []struct {
		name string
		head PublishHead
		want []byte // with the forwarded properties 0x01 0x01 (MQTT 5) and the payload "x"
	}{
		{"QoS 0 [MQTT-3.3.1-2]", PublishHead{Version: V5, Topic: "a/b"}, whole(0x30, "a/b", props(1, 1), 'x')},
		{"QoS 0 writes no identifier [MQTT-2.2.1-2]", PublishHead{Version: V5, Topic: "a/b", PacketID: 9}, whole(0x30, "a/b", props(1, 1), 'x')},
		{"QoS 1 sent again [MQTT-3.3.1-1]", PublishHead{Version: V5, Topic: "a/b", QoS: QoS1, Dup: true, PacketID: 0x102},
			whole(0x3A, "a/b", 1, 2, props(1, 1), 'x')},
		{"QoS 2 retained", PublishHead{Version: V5, Topic: "a/b", QoS: QoS2, Retain: true, PacketID: 1},
			whole(0x35, "a/b", 0, 1, props(1, 1), 'x')},
		{"alias with its topic", PublishHead{Version: V5, Topic: "a/b", Alias: 5}, whole(0x30, "a/b", props(0x23, 0, 5, 1, 1), 'x')},
		{"alias for its topic", PublishHead{Version: V5, Topic: "a/b", Alias: 5, OmitTopic: true}, whole(0x30, "", props(0x23, 0, 5, 1, 1), 'x')},
		{"expiry [MQTT-3.3.2-6]", PublishHead{Version: V5, Topic: "t", Expiry: 258, HasExpiry: true}, whole(0x30, "t", props(2, 0, 0, 1, 2, 1, 1), 'x')},
		{"expiry 0", PublishHead{Version: V5, Topic: "t", HasExpiry: true}, whole(0x30, "t", props(2, 0, 0, 0, 0, 1, 1), 'x')},
		{"identifiers [MQTT-3.3.4-3] [MQTT-3.3.4-4]", PublishHead{Version: V5, Topic: "t", SubscriptionIDs: []uint32{1, 200, MaxSubscriptionID}},
			whole(0x30, "t", props(0x0B, 1, 0x0B, 0xC8, 1, 0x0B, 255, 255, 255, 127, 1, 1), 'x')},
		{"3.1.1 has no properties", PublishHead{Version: V311, Topic: "t", QoS: QoS1, PacketID: 3, Alias: 1, OmitTopic: true,
			SubscriptionIDs: []uint32{1}, HasExpiry: true}, whole(0x32, "t", 0, 3, 'x')},
		{"3.1", PublishHead{Version: V31, Topic: "t", Retain: true}, whole(0x31, "t", 'x')},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.head.ForwardLen, c.head.PayloadLen = 2, 1
			out := c.head.Append(nil)
			if c.head.Version == V5 {
				out = append(out, 1, 1)
			}
			out = append(out, 'x')
			if string(out) != string(c.want) {
				t.Fatalf("%x, want %x", out, c.want)
			}
			if c.head.Size() != len(out) {
				t.Fatalf("Size %d, written %d", c.head.Size(), len(out))
			}
			if _, err := decodeWhole(c.head.Version, true, out); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestPublishHeadEmptyProperties(t *testing.T) {
	// [MQTT-2.2.2-1]
	h := PublishHead{Version: V5, Topic: "t"}
	if got, want := h.Append(nil), whole(0x30, "t", 0); string(got) != string(want) {
		t.Fatalf("%x, want %x", got, want)
	}
}

func TestPublishHeadSizes(t *testing.T) {
	// The Remaining Length counts what the caller appends, at every length of its own.
	for _, payload := range []int{0, 100, 119, 120, 121, 16000, 16375, 16376, 16377, 2097000, 2097145, 2097150, 20 << 20} {
		for _, forward := range []int{0, 126, 127, 128, 129, 17000} {
			h := PublishHead{Version: V5, Topic: "t", QoS: QoS1, PacketID: 1, ForwardLen: forward, PayloadLen: payload}
			head := h.Append(nil)
			fixed, n, err := DecodeHeader(head)
			if err != nil || n+fixed.Remaining != h.Size() || len(head)+forward+payload != h.Size() {
				t.Errorf("payload %d, forward %d: %v, header says %d, Size %d, written %d",
					payload, forward, err, n+fixed.Remaining, h.Size(), len(head)+forward+payload)
			}
		}
	}
	h := PublishHead{Version: V5, Topic: strings.Repeat("é", MaxString)}
	if got := len(h.Append(nil)); got != h.Size() { // [MQTT-4.7.3-3]
		t.Errorf("Size %d, written %d", h.Size(), got)
	}
}
