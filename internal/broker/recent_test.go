package broker

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"alcove/internal/auth"
	"alcove/internal/mqtt"
)

// TestShapesAreWhatIsEncoded: whatever came and whoever takes it, what a shape gives is
// the packet that would be encoded for that receiver alone.
func TestShapesAreWhatIsEncoded(t *testing.T) {
	version := rapid.SampledFrom([]mqtt.Version{mqtt.V31, mqtt.V311, mqtt.V5})
	var x shapes
	given := 0
	rapid.Check(t, func(rt *rapid.T) {
		from := version.Draw(rt, "from")
		p := mqtt.Publish{
			QoS:     mqtt.QoS(rapid.IntRange(0, 2).Draw(rt, "qos")),
			Retain:  rapid.Bool().Draw(rt, "retain"),
			Topic:   []byte(rapid.StringMatching(`[a-z/]{1,40}`).Draw(rt, "topic")),
			Payload: make([]byte, rapid.SampledFrom([]int{0, 1, 64, 200, shapeBytes, shapeBytes + 1}).Draw(rt, "payload")),
		}
		if p.QoS > 0 {
			p.PacketID = 7
		}
		var m Message
		if from == mqtt.V5 {
			if rapid.Bool().Draw(rt, "user") {
				p.Props.User = mqtt.AppendUser([]byte(nil), "k", "v")
			}
			if rapid.Bool().Draw(rt, "expiry") {
				p.Props.MessageExpiry, p.Props.HasMessageExpiry = 9, true
			}
			if rapid.Bool().Draw(rt, "alias") {
				p.Props.TopicAlias, p.Props.HasTopicAlias = 3, true
			}
			m.Forward = p.Props.AppendForward(nil)
		}
		p.Packet = p.Append(nil, from)
		m.Topic, m.Payload = p.Topic, p.Payload
		x.came(from, &p, len(m.Forward))
		x.begin(&m, rapid.IntRange(1, 3).Draw(rt, "receivers"))
		for range rapid.IntRange(1, 6).Draw(rt, "deliveries") {
			to := version.Draw(rt, "to")
			var d Delivery
			d.reset(&m)
			d.Retain = p.Retain && rapid.Bool().Draw(rt, "as published")
			stamped := false
			if to == mqtt.V5 {
				d.Forward = m.Forward
				d.Expiry, d.HasExpiry = p.Props.MessageExpiry, p.Props.HasMessageExpiry
				if stamped = rapid.Bool().Draw(rt, "stamped"); stamped {
					d.Stamps = mqtt.AppendUser([]byte(nil), "timestamp", "1.000000")
				}
			}
			got := x.of(&d, to, stamped)
			if got == nil {
				continue
			}
			if want := d.Append(nil, to); !bytes.Equal(got, want) {
				rt.Fatalf("from %v to %v:\n%x\n%x", from, to, got, want)
			}
			given++
		}
	})
	if given == 0 {
		t.Error("no shape was ever given")
	}
}

// TestRecentTopic: what was allowed holds for that connection, that topic and those
// rights alone.
func TestRecentTopic(t *testing.T) {
	a, b := &attachment{rights: &auth.Rights{}}, &attachment{}
	b.rights = a.rights
	var r recent
	if r.is(a, nil) {
		t.Error("nothing was allowed yet")
	}
	name := []byte("one/topic")
	r.note(a, name)
	if !r.is(a, []byte("one/topic")) || r.is(a, []byte("one/topic2")) || r.is(b, []byte("one/topic")) {
		t.Error("what was allowed is not what was noted")
	}
	if name[0] = 'x'; r.is(a, name) || !r.is(a, []byte("one/topic")) {
		t.Error("the topic is borrowed")
	}
	a.rights = &auth.Rights{}
	if r.is(a, []byte("one/topic")) {
		t.Error("other rights")
	}
	r.note(a, []byte("one/topic"))
	if r.forget(); r.is(a, []byte("one/topic")) {
		t.Error("not forgotten")
	}
}

// TestShapesAreOfOneMessage: another message that is sent while one is published, or
// after it, is never given that one's packet [EXT-ACC-1].
func TestShapesAreOfOneMessage(t *testing.T) {
	var x shapes
	p := mqtt.Publish{Topic: []byte("a"), Payload: []byte("mine")}
	p.Packet = p.Append(nil, mqtt.V311)
	m, other := Message{Topic: p.Topic, Payload: p.Payload}, Message{Topic: []byte("b"), Payload: []byte("yours")}
	var d, foreign Delivery
	d.reset(&m)
	foreign.reset(&other)
	x.came(mqtt.V311, &p, 0)
	x.begin(&m, 2)
	if x.of(&d, mqtt.V311, false) == nil || x.of(&d, mqtt.V5, false) == nil {
		t.Fatal("no packet for the message itself")
	}
	for _, v := range []mqtt.Version{mqtt.V311, mqtt.V5} {
		if got := x.of(&foreign, v, false); got != nil {
			t.Errorf("%v: %q while the other is published", v, got)
		}
	}
	x.end()
	for _, v := range []mqtt.Version{mqtt.V311, mqtt.V5} {
		if got := x.of(&foreign, v, false); got != nil {
			t.Errorf("%v: %q after the other", v, got)
		}
		if got := x.of(&d, v, false); got != nil { // its memory is the next one's
			t.Errorf("%v: %q after the end", v, got)
		}
	}
}
