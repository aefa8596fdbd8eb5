package interop

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
)

// Every QoS both ways: what is published at each QoS comes to subscriptions of each
// QoS at the lower of both [MQTT-3.8.4-8] [MQTT311-3.8.4-6], once, in order
// [MQTT-4.6.0-6].
func TestEveryQoSBothWays(t *testing.T) {
	everyKind(t, func(s *stand) {
		for granted := byte(0); granted <= 2; granted++ {
			topic := "interop/" + unique("qos")
			sub := s.open(options{subs: []subscription{{topic, granted}}})
			pub := s.open(options{})
			for i := range 10 {
				for qos := byte(0); qos <= 2; qos++ {
					s.publish(pub, message{topic: topic, qos: qos, payload: fmt.Appendf(nil, "%d.%d", qos, i)})
				}
			}
			s.expectEachQoS(sub, topic, granted, 30)
		}
	})
}

// expectEachQoS waits for count messages "qos.i", each QoS in its order, i from 0. Between different QoS the receiver's own handshake may change the order.
func (s *stand) expectEachQoS(sub peer, topic string, granted byte, count int) {
	s.Helper()
	var next [3]int
	for range count {
		got := s.next(sub)
		if len(got.payload) < 3 || got.payload[0] < '0' || got.payload[0] > '2' {
			s.Fatalf("got %s", show(got))
		}
		qos := got.payload[0] - '0'
		want := message{topic: topic, qos: min(qos, granted), payload: fmt.Appendf(nil, "%d.%d", qos, next[qos])}
		next[qos]++
		s.same(got, want)
	}
}

// One session on both ends of its own message.
func TestPublishToOneself(t *testing.T) {
	everyKind(t, func(s *stand) {
		topic := "interop/" + unique("self")
		p := s.open(options{subs: []subscription{{topic + "/#", 2}}})
		for qos := byte(0); qos <= 2; qos++ {
			m := message{topic: fmt.Sprintf("%s/%d", topic, qos), qos: qos, payload: []byte("own")}
			s.publish(p, m)
			s.expect(p, m)
		}
	})
}

// A retained message meets later subscribers with the flag set, earlier ones with
// the flag clear, and nobody once it is cleared [MQTT-3.3.1-5] [MQTT-3.3.1-6].
func TestRetained(t *testing.T) {
	everyKind(t, func(s *stand) {
		topic := "interop/" + unique("ret")
		early := s.open(options{subs: []subscription{{topic, 1}}})
		pub := s.open(options{})
		s.publish(pub, message{topic: topic, qos: 1, retain: true, payload: []byte("kept")})
		s.expect(early, message{topic: topic, qos: 1, payload: []byte("kept")})
		late := s.open(options{subs: []subscription{{topic, 1}}})
		s.expect(late, message{topic: topic, qos: 1, retain: true, payload: []byte("kept")})
		s.publish(pub, message{topic: topic, qos: 1, retain: true})
		s.expect(late, message{topic: topic, qos: 1})
		last := s.open(options{subs: []subscription{{topic, 1}}})
		// A marker shows that nothing retained was left.
		s.publish(pub, message{topic: topic, qos: 1, payload: []byte("marker")})
		s.expect(last, message{topic: topic, qos: 1, payload: []byte("marker")})
	})
}

// The Will comes when the socket is dropped, and stays away after a DISCONNECT
// [MQTT-3.1.2-8] [MQTT-3.14.4-3].
func TestWill(t *testing.T) {
	everyKind(t, func(s *stand) {
		topic := "interop/" + unique("will")
		watcher := s.open(options{subs: []subscription{{topic + "/#", 2}}})
		polite := s.open(options{will: &message{topic: topic + "/polite", qos: 1, payload: []byte("polite")}})
		if err := polite.disconnect(); err != nil {
			s.Fatalf("disconnecting: %v", err)
		}
		if s.kind.willOnDisconnect { // DISCONNECT 0x04
			s.expect(watcher, message{topic: topic + "/polite", qos: 1, payload: []byte("polite")})
		}
		will := message{topic: topic + "/dropped", qos: 2, payload: []byte("gone without a word")}
		dropped, l := s.openOnLine(options{will: &will})
		l.sever()
		dropped.abandon()
		s.expect(watcher, will)
		retained := message{topic: topic + "/retained", qos: 1, retain: true, payload: []byte("gone and kept")}
		dropped, l = s.openOnLine(options{will: &retained})
		l.sever()
		dropped.abandon()
		live := retained
		live.retain = false
		s.expect(watcher, live)
		late := s.open(options{subs: []subscription{{retained.topic, 1}}})
		s.expect(late, retained)
		s.publish(late, message{topic: retained.topic, qos: 1, retain: true})
	})
}

// A share group gets every message once, and each of its members some [EXT-SHR-1].
func TestSharedSubscription(t *testing.T) {
	everyKind(t, func(s *stand) {
		const count = 40
		topic := "interop/" + unique("share")
		filter := "$share/" + unique("g") + "/" + topic + "/+"
		one := s.open(options{subs: []subscription{{filter, 1}}})
		two := s.open(options{subs: []subscription{{filter, 1}}})
		pub := s.open(options{})
		for i := range count {
			s.publish(pub, message{topic: fmt.Sprintf("%s/%d", topic, i), qos: 1, payload: []byte("work")})
		}
		seen, shares := map[string]int{}, map[peer]int{}
		for range count {
			var m message
			var from peer
			select {
			case m = <-one.received():
				from = one
			case m = <-two.received():
				from = two
			case <-timeout():
				s.Fatalf("%d of %d messages came", len(seen), count)
			}
			seen[m.topic]++
			shares[from]++
		}
		if len(seen) != count || shares[one] == 0 || shares[two] == 0 {
			s.Errorf("%d topics of %d; the members got %d and %d", len(seen), count, shares[one], shares[two])
		}
	})
}

// A session left by DISCONNECT gathers what comes, and gives it in order to the next
// connection of its client [MQTT-4.5.0-1] [MQTT311-3.1.2-4].
func TestSessionResumption(t *testing.T) {
	everyKind(t, func(s *stand) {
		const count = 25
		topic, id := "interop/"+unique("resum"), unique("r")
		first := s.open(options{clientID: id, persistent: true, subs: []subscription{{topic, 2}}})
		if present, known := first.sessionPresent(); known && present {
			s.Error("a new session is announced as present")
		}
		if err := first.disconnect(); err != nil {
			s.Fatalf("disconnecting: %v", err)
		}
		pub := s.open(options{})
		for i := range count {
			for qos := byte(1); qos <= 2; qos++ {
				s.publish(pub, message{topic: topic, qos: qos, payload: fmt.Appendf(nil, "%d.%d", qos, i)})
			}
		}
		again := s.open(options{clientID: id, persistent: true})
		if present, known := again.sessionPresent(); known && !present {
			s.Error("the session is not announced as present")
		}
		s.expectEachQoS(again, topic, 2, 2*count)
		if err := again.disconnect(); err != nil {
			s.Fatalf("disconnecting: %v", err)
		}
		// Clean start wipes it: the subscription is gone.
		wiped := s.open(options{clientID: id, subs: []subscription{{topic + "/other", 1}}})
		if present, known := wiped.sessionPresent(); known && present {
			s.Error("a session that was wiped is announced as present")
		}
		s.publish(pub, message{topic: topic, qos: 1, payload: []byte("to nobody")})
		s.publish(pub, message{topic: topic + "/other", qos: 1, payload: []byte("marker")})
		s.expect(wiped, message{topic: topic + "/other", qos: 1, payload: []byte("marker")})
	})
}

// A client that loses its connection comes back by itself, finds its session and
// misses nothing.
func TestReconnectsByItself(t *testing.T) {
	everyKind(t, func(s *stand) {
		if !slices.Contains(s.kind.selfReconnect, s.scheme) {
			s.Log("here this client leaves reconnecting to its user")
			return
		}
		topic := "interop/" + unique("again")
		sub, l := s.openOnLine(options{persistent: true, reconnects: true, subs: []subscription{{topic, 1}}})
		pub := s.open(options{})
		seen := map[string]bool{}
		for round := range 2 {
			l.sever()
			for i := range 5 {
				s.publish(pub, message{topic: topic, qos: 1, payload: fmt.Appendf(nil, "%d.%d", round, i)})
			}
			l.mend()
			for i := 0; i < 5; {
				m := s.next(sub)
				if seen[string(m.payload)] { // the cut took its PUBACK: repeated by right
					continue
				}
				seen[string(m.payload)] = true
				s.same(m, message{topic: topic, qos: 1, payload: fmt.Appendf(nil, "%d.%d", round, i)})
				i++
			}
		}
		if err := sub.disconnect(); err != nil {
			s.Errorf("disconnecting: %v", err)
		}
	})
}

// Ten megabytes go through whole: at every QoS on each kind's first transport, at
// QoS 1 on the others.
func TestLargePayload(t *testing.T) {
	everyKind(t, func(s *stand) {
		payload := bytes.Repeat([]byte("0123456789abcdef"), 10<<20/16)
		payload[0], payload[len(payload)-1] = '<', '>'
		topic := "interop/" + unique("large")
		sub := s.open(options{subs: []subscription{{topic, 2}}})
		pub := s.open(options{})
		for _, qos := range []byte{1, 0, 2} {
			m := message{topic: topic, qos: qos, payload: payload}
			s.publish(pub, m)
			s.expect(sub, m)
			if s.scheme != s.kind.schemes[0] {
				break
			}
		}
	})
}

// A large retained message comes to a late subscriber and can be cleared.
func TestLargeRetained(t *testing.T) {
	everyKind(t, func(s *stand) {
		m := message{
			topic: "interop/" + unique("large"), qos: 1, retain: true,
			payload: bytes.Repeat([]byte{0, 1, 254, 255}, 1<<18),
		}
		pub := s.open(options{})
		s.publish(pub, m)
		sub := s.open(options{subs: []subscription{{m.topic, 1}}})
		s.expect(sub, m)
		s.publish(pub, message{topic: m.topic, qos: 1, retain: true})
	})
}

// The ways to log in with a token, and the refusal of a wrong one [EXT-TOK-2].
func TestLogin(t *testing.T) {
	if target.token == "" {
		t.Skip("skipped: this broker takes anybody")
	}
	everyKind(t, func(s *stand) {
		for _, good := range []options{
			{username: target.token},
			{username: "FlespiToken " + target.token},
			{username: "Bearer " + target.token},
			{username: "device", password: target.token},
			{username: "device", password: "FlespiToken " + target.token},
		} {
			p := s.open(good)
			if err := p.disconnect(); err != nil {
				s.Errorf("disconnecting: %v", err)
			}
		}
		wrong := "x" + target.token[1:]
		for _, bad := range []options{{username: wrong}, {username: "device", password: wrong}, {username: "device"}} {
			if p, err := s.kind.open(s.T, s.defaults(bad)); err == nil {
				s.Errorf("logged in as %q with password %q", bad.username, bad.password)
				_ = p.disconnect()
			}
		}
	})
}
