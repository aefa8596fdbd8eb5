package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/eclipse/paho.golang/paho"
)

// Every client takes selectors, $filter and sticky groups as the plain text that
// they are to it [EXT-SEL-1] [EXT-FIL-1] [EXT-SHR-4].
func TestSelectorAndFilter(t *testing.T) {
	everyKind(t, func(s *stand) {
		topic := "interop/" + unique("dia")
		pub := s.open(options{})
		kept := message{topic: topic + "/a/speed", qos: 1, retain: true, payload: []byte(`{"v":120}`)}
		s.publish(pub, kept)
		s.publish(pub, message{topic: topic + "/c/speed", qos: 1, retain: true, payload: []byte(`{"v":120}`)})
		sub := s.open(options{subs: []subscription{{"$filter/payload=v%3E100/" + topic + "/a,b/speed", 1}}})
		s.expect(sub, kept)
		for _, word := range []string{"b", "c", "a"} {
			for _, v := range []int{90, 110} {
				s.publish(pub, message{topic: topic + "/" + word + "/speed", qos: 1, payload: fmt.Appendf(nil, `{"v":%d}`, v)})
			}
		}
		s.expect(sub, message{topic: topic + "/b/speed", qos: 1, payload: []byte(`{"v":110}`)})
		s.expect(sub, message{topic: topic + "/a/speed", qos: 1, payload: []byte(`{"v":110}`)})
		s.publish(pub, message{topic: topic + "/a/speed", qos: 1, retain: true})
		s.publish(pub, message{topic: topic + "/c/speed", qos: 1, retain: true})
	})
}

// Equal words stay with one member of a sticky group [EXT-SHR-4].
func TestStickyGroup(t *testing.T) {
	everyKind(t, func(s *stand) {
		const words, rounds = 12, 3
		topic := "interop/" + unique("stick")
		filter := "$share/" + unique("g") + ":2:1/" + topic + "/+"
		members := []peer{s.open(options{subs: []subscription{{filter, 1}}}), s.open(options{subs: []subscription{{filter, 1}}})}
		pub := s.open(options{})
		for round := range rounds {
			for w := range words {
				s.publish(pub, message{topic: fmt.Sprintf("%s/%d", topic, w), qos: 1, payload: fmt.Append(nil, round)})
			}
		}
		home := map[string]int{}
		for range words * rounds {
			var m message
			member := 0
			select {
			case m = <-members[0].received():
			case m = <-members[1].received():
				member = 1
			case <-timeout():
				s.Fatal("an awaited message did not come")
			}
			if at, ok := home[m.topic]; ok && at != member {
				s.Errorf("%s comes to both members", m.topic)
			}
			home[m.topic] = member
		}
	})
}

// brokerStamp is how the broker writes a timestamp [EXT-UP-1].
var brokerStamp = regexp.MustCompile(`^[0-9]+\.[0-9]{6}$`)

// mqtt.js sees who published what and when, gets the number of subscribers in the
// acknowledgement, and learns at CONNECT who it is [EXT-UP-1] [EXT-UP-2] [EXT-UP-4]
// [EXT-UP-5].
func TestMQTTJSUserProperties(t *testing.T) {
	k := mqttJS("mqtt.js 5.0", 5)
	if why := k.missing(); why != "" {
		t.Skipf("skipped: mqtt.js: %s", why)
	}
	s := &stand{T: t, kind: k, scheme: "mqtt"}
	topic := "interop/" + unique("user")
	seen := make(chan jsMessage, 10)
	p, err := openJS(5, s.defaults(options{subs: []subscription{{topic + "/a,b", 1}}}), &jsPeer{tap: func(m jsMessage) { seen <- m }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.disconnect() })
	var token struct {
		ID     json.Number
		CID    json.Number
		Access struct{ Type int }
	}
	greeting, _ := userProperties(p.greeting)["token"].(string)
	if err := json.Unmarshal([]byte(greeting), &token); err != nil || token.ID == "" || token.CID != "1" || token.Access.Type != 1 {
		t.Errorf("CONNACK: token %q: %v", greeting, err)
	}
	if list := userProperties(p.greeting)["subscriptions"]; list != "[]" {
		t.Errorf("CONNACK: subscriptions %v", list)
	}
	ack, err := tell(map[string]any{"op": "publish", "peer": p.name, "topic": topic + "/b", "qos": 1, "payload": []byte("x"),
		"properties": map[string]any{"userProperties": map[string]any{"count_subscribers": "1", "unit": []string{"C", "F"}, "cid": "forged"}}})
	if err != nil {
		t.Fatal(err)
	}
	if n := userProperties(ack.Properties)["subscribers_count"]; n != "1" {
		t.Errorf("PUBACK: subscribers_count %v", n)
	}
	select {
	case m := <-seen:
		user := userProperties(m.Properties)
		stamp, _ := user["timestamp"].(string)
		if !brokerStamp.MatchString(stamp) || user["token_id"] != token.ID.String() || user["cid"] != "1" || fmt.Sprint(user["unit"]) != "[C F]" {
			t.Errorf("user properties %v", user)
		}
	case <-timeout():
		t.Fatal("the message did not come")
	}
}

// userProperties are those of mqtt.js: a text, or a list where a name is repeated.
func userProperties(properties map[string]any) map[string]any {
	user, _ := properties["userProperties"].(map[string]any)
	return user
}

// paho.golang narrows a subscription by user properties and reads the counts of
// acknowledgements [EXT-RET-2] [EXT-RET-3] [EXT-UP-4].
func TestPahoRetainedDatabase(t *testing.T) {
	s := &stand{T: t, kind: pahoV5, scheme: "mqtt"}
	topic := "interop/" + unique("base")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	p, err := openPaho5(s.defaults(options{}), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.disconnect() })
	send := func(name string, payload string, user ...paho.UserProperty) paho.UserProperties {
		r, err := p.client.Publish(ctx, &paho.Publish{
			Topic: topic + "/" + name, QoS: 1, Retain: true, Payload: []byte(payload), Properties: &paho.PublishProperties{User: user},
		})
		if err != nil {
			t.Fatal(err)
		}
		return r.Properties.User
	}
	for i := range 4 {
		send(fmt.Sprint(i), fmt.Sprint(i), paho.UserProperty{Key: "timestamp", Value: fmt.Sprintf("17000000%d0", i)})
	}
	if _, err := p.client.Subscribe(ctx, &paho.Subscribe{
		Properties:    &paho.SubscribeProperties{User: paho.UserProperties{{Key: "modified_since", Value: "1700000010"}}},
		Subscriptions: []paho.SubscribeOptions{{Topic: topic + "/+", QoS: 1}},
	}); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for range 2 {
		seen[string(s.next(p).payload)] = true
	}
	if !seen["2"] || !seen["3"] {
		t.Errorf("newer than 1700000010: %v", seen)
	}
	if n := send("live", "x", paho.UserProperty{Key: "count_subscribers", Value: "1"}).Get("subscribers_count"); n != "1" {
		t.Errorf("subscribers_count %q", n)
	}
	s.next(p)
	if n := send("+", "").Get("deleted_count"); n != "5" {
		t.Errorf("deleted_count %q", n)
	}
	late := s.open(options{subs: []subscription{{topic + "/+", 1}}})
	s.publish(late, message{topic: topic + "/marker", qos: 1, payload: []byte("marker")})
	s.expect(late, message{topic: topic + "/marker", qos: 1, payload: []byte("marker")})
}

// mosquitto_sub shows the stamps of mosquitto_pub's message and counts the messages
// of a filtered selector on the command line [EXT-UP-1] [EXT-FIL-1].
func TestMosquittoUserProperties(t *testing.T) {
	k := mosquittoClients("mosquitto", "mqttv5")
	if why := k.missing(); why != "" {
		t.Skipf("skipped: %s", why)
	}
	s := &stand{T: t, kind: k, scheme: "mqtt"}
	topic := "interop/" + unique("mosq")
	for _, v := range []string{"90", "110"} {
		p := s.open(options{})
		s.publish(p, message{topic: topic + "/a/" + v, qos: 1, retain: true, payload: []byte(`{"v":` + v + `}`)})
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	o := s.defaults(options{})
	cmd := exec.CommandContext(ctx, "mosquitto_sub", "-V", "mqttv5", "-h", o.url.Hostname(), "-p", o.url.Port(), "-u", o.username, "-i", unique("sub"),
		"-D", "subscribe", "user-property", "modified_since", "0",
		"-t", "$filter/payload="+url.PathEscape("v>100")+"&modified_since=1/"+topic+"/a,b/+", "-q", "1", "-C", "1", "-F", "%t %P")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("mosquitto_sub: %v: %s%s", err, out, stderr.String())
	}
	user := map[string]string{}
	for _, pair := range strings.Fields(strings.TrimPrefix(string(out), topic+"/a/110")) {
		name, value, _ := strings.Cut(pair, ":")
		user[name] = value
	}
	if !strings.HasPrefix(string(out), topic+"/a/110 ") || !brokerStamp.MatchString(user["timestamp"]) || user["cid"] != "1" || user["token_id"] == "" {
		t.Errorf("mosquitto_sub prints %q", out)
	}
	for _, v := range []string{"90", "110"} {
		s.publish(s.open(options{}), message{topic: topic + "/a/" + v, qos: 1, retain: true})
	}
}
