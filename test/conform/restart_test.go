package conform

import (
	"fmt"
	"testing"

	"alcove/test/alcovetest"
	"alcove/test/conform/wire"
)

// TestRestart stores every kind of state, ends the broker (by SIGTERM and by
// kill -9), starts it again and finds everything as it was [EXT-SES-4].
func TestRestart(t *testing.T) {
	overEnd(t, func(k *Kit) func(*Kit) { return before(k).after })
}

// overEnd runs a case in two parts, with the end and a new start of the broker
// between them, for each way of ending and each version.
func overEnd(t *testing.T, before func(*Kit) (after func(*Kit))) {
	if *flagURL != "" {
		t.Skip("-url given")
	}
	for name, end := range map[string]func(*alcovetest.Broker){"SIGTERM": (*alcovetest.Broker).Stop, "kill -9": (*alcovetest.Broker).Kill} {
		for _, v := range []byte{wire.V5, wire.V311} {
			t.Run(fmt.Sprintf("%s, level %d", name, v), func(t *testing.T) {
				t.Parallel()
				b := alcovetest.Start(t, alcovetest.Config{})
				k := &Kit{Target: alcove(b), V: v, name: fmt.Sprintf("%s%d", run, caseNumber.Add(1))}
				k.try(func(k *Kit) {
					after := before(k)
					end(b)
					b.Restart()
					k.Target = alcove(b)
					after(k)
				})
				for _, f := range k.failures {
					t.Error(f)
				}
			})
		}
	}
}

// persistent names what before has stored.
type persistent struct {
	queue, inflight, publisher, shared, will string // client identifiers
	group                                    string
	sent, released                           uint16 // identifiers of deliveries under way
}

func before(k *Kit) persistent {
	p := persistent{queue: k.Name(), inflight: k.Name(), publisher: k.Name(), shared: k.Name(), will: k.Name(), group: "$share/" + k.Name() + "/" + k.Topic("shared")}
	pub := k.Connect()
	// Subscriptions and a queue.
	q := k.Connect(kept(p.queue))
	q.Grant(k.Topic("q/+"), 2)
	q.Bye()
	for i := range 50 {
		pub.Say(k.Topic(fmt.Sprint("q/", i%3)), fmt.Sprint(i), byte(i%2+1))
	}
	// Deliveries under way: sent, and released.
	f := k.Connect(kept(p.inflight))
	f.Grant(k.Topic("f"), 2)
	pub.Say(k.Topic("f"), "sent", 1)
	pub.Say(k.Topic("f"), "released", 2)
	p.sent = f.Receive().ID
	p.released = f.Receive().ID
	f.Send(wire.Ack(k.V, wire.PUBREC, p.released, 0, nil))
	f.Await(wire.PUBREL)
	// A QoS 2 publish under way.
	w := k.Connect(kept(p.publisher))
	w.Send(wire.Publish{Topic: k.Topic("q/half"), Payload: "half", QoS: 2, ID: 77}.Bytes(k.V))
	w.Await(wire.PUBREC)
	// Retained messages, one of them cleared.
	k.Retain(pub, wire.Publish{Topic: k.Topic("r"), Payload: "kept", QoS: 1})
	k.Retain(pub, wire.Publish{Topic: k.Topic("gone"), Payload: "x", QoS: 1})
	k.Retain(pub, wire.Publish{Topic: k.Topic("gone"), QoS: 1})
	// A shared group whose only member is away.
	s := k.Connect(kept(p.shared))
	s.Grant(p.group, 1)
	s.Bye()
	for i := range 5 {
		pub.Say(k.Topic("shared"), fmt.Sprint(i), 1)
	}
	return p
}

func (p persistent) after(k *Kit) {
	q := k.Connect(kept(p.queue))
	if !q.Connack.SessionPresent {
		k.Fatalf("no session present")
	}
	w := k.Connect(kept(p.publisher))
	w.Send(wire.Publish{Topic: k.Topic("q/half"), Payload: "half", QoS: 2, ID: 77, Dup: true}.Bytes(k.V))
	w.Await(wire.PUBREC)
	w.Send(wire.Ack(k.V, wire.PUBREL, 77, 0, nil))
	w.Await(wire.PUBCOMP)
	next := map[string]int{}
	half := 0
	for range 51 {
		m := q.Take()
		if m.Payload == "half" {
			half++
			continue
		}
		var n int
		fmt.Sscan(m.Payload, &n)
		stream := fmt.Sprint(m.Topic, m.QoS) // order holds within one topic and QoS
		if last, seen := next[stream]; seen && n != last+6 {
			k.Errorf("%s: %d after %d", stream, n, last)
		}
		next[stream] = n
	}
	q.Silent()
	if half != 1 {
		k.Errorf("the QoS 2 message published across the end came %d times", half)
	}
	f := k.Connect(kept(p.inflight))
	again, rel := f.Receive(), f.Await(wire.PUBREL)
	if again.Payload != "sent" || again.ID != p.sent || !again.Dup || rel.ID != p.released {
		k.Errorf("under way were %d and %d, came %v and %v", p.sent, p.released, again, rel)
	}
	f.Send(wire.Ack(k.V, wire.PUBACK, again.ID, 0, nil), wire.Ack(k.V, wire.PUBCOMP, rel.ID, 0, nil))
	f.Silent()
	c := k.Connect()
	c.Grant(k.Topic("+"), 0)
	if m := c.Want("kept"); !m.Retain {
		k.Errorf("%v", m)
	}
	c.Silent()
	s := k.Connect(kept(p.shared))
	inOrder(k, s, 5)
	pub := k.Connect()
	pub.Say(k.Topic("q/new"), "live", 1)
	q.Want("live")
	pub.Say(k.Topic("shared"), "live", 1)
	s.Want("live")
}
