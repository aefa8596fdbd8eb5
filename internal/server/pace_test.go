package server

import (
	"testing"
	"time"

	"alcove/internal/auth"
	"alcove/internal/mqtt"
)

// TestPaced: a publisher over its account's rate is not read, a whole batch of packets
// in one write included; nothing is lost, order is kept, its hang-up is noticed, and a
// higher limit acts within a second [EXT-LIM-1].
func TestPaced(t *testing.T) {
	h := newHouse(t, Config{MQTT: loopback})
	few, all := int64(1), int64(auth.Unlimited) // one a minute
	made, err := h.directory.CreateLimits(auth.Operator, []auth.LimitSpec{{MQTTMessages: &few}}, time.Now())
	must(t, err)
	must(t, made[0].Err)
	name, id, expire := "held", int64(made[0].Limit.ID), time.Now().Add(time.Hour).Unix()
	_, token, err := h.directory.CreateCustomer(auth.AccountSpec{Name: &name, LimitID: &id}, auth.TokenSpec{Expire: &expire}, time.Now())
	must(t, err)

	sub, pub, gone := h.dial(), h.dial(), h.dial()
	sub.connect("sub", token.Key)
	sub.subscribe("t", mqtt.QoS0)
	pub.connect("pub", token.Key)
	gone.connect("gone", token.Key)
	var batch []byte
	for i := range byte(100) {
		batch = append(batch, publishPacket(mqtt.V5, "t", []byte{i})...)
	}
	batch = append(batch, mqtt.AppendPingreq(nil)...)
	gone.write(batch)
	waitFor(t, "the first publisher to be held back", func() bool { return h.srv.Stats().Paced >= 1 })
	pub.write(batch)
	waitFor(t, "both publishers to be held back", func() bool { return h.srv.Stats().Paced >= 2 })
	must(t, gone.conn.Close())
	waitFor(t, "the hang-up to be noticed", func() bool { return h.srv.Stats().Connections == 2 })
	first := sub.published() // the one of this minute
	sub.ping()               // another connection of the account is not held back, and nothing else came to it
	if len(first.Payload) != 1 || first.Payload[0] != 0 {
		t.Fatalf("% x", first.Payload)
	}

	changed := h.directory.UpdateLimits([]auth.LimitID{made[0].Limit.ID}, auth.LimitSpec{MQTTMessages: &all})
	must(t, changed[0].Err)
	for i := range byte(100) {
		if m := sub.published(); len(m.Payload) != 1 || m.Payload[0] != i {
			t.Fatalf("message %d is % x", i, m.Payload)
		}
	}
	pub.expect(mqtt.TypePingresp)
}
