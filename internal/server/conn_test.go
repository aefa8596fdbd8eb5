package server

import (
	"testing"

	"alcove/internal/mqtt"
)

func TestPublishSubscribe(t *testing.T) {
	for _, v := range []mqtt.Version{mqtt.V31, mqtt.V311, mqtt.V5} {
		t.Run(v.String(), func(t *testing.T) {
			h := newHouse(t, Config{MQTT: loopback})
			sub, pub := h.dial(), h.dial()
			sub.version, pub.version = v, v
			sub.connect("sub", h.keys[0])
			sub.subscribe("a/+", mqtt.QoS0)
			pub.connect("pub", h.keys[0])
			pub.write(publishPacket(v, "a/b", []byte("hello")))
			if m := sub.published(); string(m.Topic) != "a/b" || string(m.Payload) != "hello" {
				t.Errorf("got %q on %q", m.Payload, m.Topic)
			}
			pub.ping()
		})
	}
}
