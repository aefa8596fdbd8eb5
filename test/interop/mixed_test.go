package interop

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
)

// timeout ends a wait that lasts too long.
func timeout() <-chan time.Time { return time.After(patience) }

// Everybody talks to everybody: each kind publishes one message, each kind gets all.
func TestAllKindsTogether(t *testing.T) {
	topic := "interop/" + unique("all")
	var stands []*stand
	var peers []peer
	for _, k := range kinds {
		if k.missing != nil {
			if why := k.missing(); why != "" {
				t.Logf("skipped: %s: %s", k.name, why)
				continue
			}
		}
		// The transports by turns, so that all of them meet.
		scheme := k.schemes[len(stands)%len(k.schemes)]
		if target.urls[scheme] == nil {
			scheme = "mqtt"
		}
		s := &stand{T: t, kind: k, scheme: scheme}
		stands = append(stands, s)
		peers = append(peers, s.open(options{subs: []subscription{{topic, 1}}}))
	}
	var want []string
	for i, s := range stands {
		text := s.kind.name + " says ü€🚢"
		s.publish(peers[i], message{topic: topic, qos: 1, payload: []byte(text)})
		want = append(want, text)
	}
	slices.Sort(want)
	for i, s := range stands {
		var got []string
		for range want {
			got = append(got, string(s.next(peers[i]).payload))
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s got %q", s.kind.name, got)
		}
	}
}

// The properties of a 5.0 PUBLISH arrive as they left; user properties in order and
// with repeated keys, beside those which the broker adds [EXT-UP-1] [EXT-UP-2].
func TestPahoProperties(t *testing.T) {
	s := &stand{T: t, kind: pahoV5, scheme: "mqtt"}
	topic := "interop/" + unique("prop")
	seen := make(chan *paho.Publish, 10)
	sub, err := openPaho5(s.defaults(options{}), func(m *paho.Publish) { seen <- m })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sub.disconnect() })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	identifier := 268435455
	if _, err := sub.client.Subscribe(ctx, &paho.Subscribe{
		Properties:    &paho.SubscribeProperties{SubscriptionIdentifier: &identifier},
		Subscriptions: []paho.SubscribeOptions{{Topic: topic, QoS: 1}},
	}); err != nil {
		t.Fatal(err)
	}
	pub, err := openPaho5(s.defaults(options{}), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pub.disconnect() })
	format, expiry := byte(1), uint32(1000)
	user := paho.UserProperties{{Key: "b", Value: "2"}, {Key: "a", Value: "1"}, {Key: "b", Value: "3"}, {Key: "", Value: ""}}
	if _, err := pub.client.Publish(ctx, &paho.Publish{
		Topic: topic, QoS: 1, Payload: []byte("{}"),
		Properties: &paho.PublishProperties{
			CorrelationData: []byte{0, 255}, ContentType: "application/json", ResponseTopic: topic + "/answer",
			PayloadFormat: &format, MessageExpiry: &expiry, User: user,
		},
	}); err != nil {
		t.Fatal(err)
	}
	select {
	case m := <-seen:
		checkProperties(t, m.Properties, topic, user)
		if m.Properties.SubscriptionIdentifier == nil || *m.Properties.SubscriptionIdentifier != identifier {
			t.Errorf("subscription identifier %v", m.Properties.SubscriptionIdentifier)
		}
	case <-timeout():
		t.Fatal("the message did not come")
	}
}

func checkProperties(t *testing.T, p *paho.PublishProperties, topic string, user paho.UserProperties) {
	t.Helper()
	if !bytes.Equal(p.CorrelationData, []byte{0, 255}) || p.ContentType != "application/json" || p.ResponseTopic != topic+"/answer" {
		t.Errorf("correlation data %x, content type %q, response topic %q", p.CorrelationData, p.ContentType, p.ResponseTopic)
	}
	if p.PayloadFormat == nil || *p.PayloadFormat != 1 {
		t.Errorf("payload format %v", p.PayloadFormat)
	}
	if p.MessageExpiry == nil || *p.MessageExpiry > 1000 || *p.MessageExpiry < 1000-uint32(patience.Seconds()) {
		t.Errorf("message expiry %v", p.MessageExpiry)
	}
	ours := slices.DeleteFunc(slices.Clone(p.User), func(u paho.UserProperty) bool {
		return u.Key == "timestamp" || u.Key == "token_id" || u.Key == "cid"
	})
	if !slices.Equal(ours, user) {
		t.Errorf("user properties %v, want %v", ours, user)
	}
}

// mqtt.js assigns topic aliases to what it sends and takes them in what it gets; the
// topics come out right on both ways [MQTT-3.3.2-7].
func TestMQTTJSTopicAliases(t *testing.T) {
	k := mqttJS("mqtt.js 5.0", 5)
	if why := k.missing(); why != "" {
		t.Skipf("skipped: mqtt.js: %s", why)
	}
	s := &stand{T: t, kind: k, scheme: "mqtt"}
	topic := "interop/" + unique("alias")
	aliases := map[string]any{
		"autoAssignTopicAlias": true,
		"properties":           map[string]any{"topicAliasMaximum": 3},
	}
	p, err := openJS(5, s.defaults(options{subs: []subscription{{topic + "/+", 0}}}), nil, aliases)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.disconnect() })
	for i := range 40 {
		m := message{topic: fmt.Sprintf("%s/%d", topic, i%7), payload: fmt.Appendf(nil, "%d", i)}
		s.publish(p, m)
		s.expect(p, m)
	}
}

// Request and response between mqtt.js and paho.golang.
func TestRequestResponse(t *testing.T) {
	k := mqttJS("mqtt.js 5.0", 5)
	if why := k.missing(); why != "" {
		t.Skipf("skipped: mqtt.js: %s", why)
	}
	js := &stand{T: t, kind: k, scheme: "mqtt"}
	topic := "interop/" + unique("rpc")
	answers := make(chan jsMessage, 1)
	asker, err := openJS(5, js.defaults(options{subs: []subscription{{topic + "/answer", 1}}}),
		&jsPeer{tap: func(m jsMessage) { answers <- m }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = asker.disconnect() })
	questions := make(chan *paho.Publish, 1)
	server := &stand{T: t, kind: pahoV5, scheme: "mqtt"}
	responder, err := openPaho5(server.defaults(options{subs: []subscription{{topic + "/ask", 1}}}),
		func(m *paho.Publish) { questions <- m })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = responder.disconnect() })
	if err := asker.publishWith(message{topic: topic + "/ask", qos: 1, payload: []byte("2+2")},
		map[string]any{"responseTopic": topic + "/answer"}); err != nil {
		t.Fatal(err)
	}
	select {
	case q := <-questions:
		server.publish(responder, message{topic: q.Properties.ResponseTopic, qos: 1, payload: []byte("4")})
	case <-timeout():
		t.Fatal("the request did not come")
	}
	select {
	case a := <-answers:
		if string(a.Payload) != "4" {
			t.Errorf("the answer is %q", a.Payload)
		}
	case <-timeout():
		t.Fatal("the answer did not come")
	}
}
