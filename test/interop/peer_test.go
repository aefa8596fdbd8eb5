package interop

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

// message is one delivery, as far as every client can show it.
type message struct {
	topic   string
	qos     byte
	retain  bool
	payload []byte
}

// subscription is one entry of a SUBSCRIBE.
type subscription struct {
	filter string
	qos    byte
}

// options say how a peer connects.
type options struct {
	url                *url.URL
	clientID           string
	username, password string
	// persistent: the session outlives the connection and is resumed if it exists
	// (3.x clean session 0; 5.0 Clean Start 0 and a session expiry of an hour).
	persistent bool
	will       *message
	// subs are subscribed, and acknowledged, before open returns.
	subs []subscription
	// reconnects: the client connects again by itself when it loses the connection.
	reconnects bool
}

// peer is one connected client.
type peer interface {
	// publish returns when the message has been acknowledged, or for QoS 0 written.
	publish(message) error
	// received gives the deliveries in their order.
	received() <-chan message
	// sessionPresent is CONNACK's flag; known is false where the client hides it.
	sessionPresent() (present, known bool)
	// disconnect ends politely; the connection is closed when it returns.
	disconnect() error
	// abandon stops the client without a DISCONNECT; its line is cut already.
	abandon()
}

// kind is one client library in one protocol version.
type kind struct {
	name    string
	schemes []string
	// open connects, subscribes and returns; or it returns the refusal.
	open func(*testing.T, options) (peer, error)
	// missing says why the kind cannot run on this machine; empty when it can.
	missing func() string
	// selfReconnect are the transports on which the client connects again by itself
	// when its connection breaks (options.reconnects).
	selfReconnect []string
	// willOnDisconnect: a client with a Will ends by DISCONNECT 0x04, which asks for
	// the Will [MQTT-3.14.4-3].
	willOnDisconnect bool
}

// kinds are all clients of the suite.
var kinds = []kind{
	pahoV3("paho.mqtt.golang 3.1.1", 4),
	pahoV3("paho.mqtt.golang 3.1", 3),
	pahoV5,
	autopahoV5,
	mqttJS("mqtt.js 3.1.1", 4),
	mqttJS("mqtt.js 5.0", 5),
	mosquittoClients("mosquitto_pub and _sub 3.1", "mqttv31"),
	mosquittoClients("mosquitto_pub and _sub 3.1.1", "mqttv311"),
	mosquittoClients("mosquitto_pub and _sub 5.0", "mqttv5"),
}

// stand is one kind over one transport in one scenario: what a scenario works with.
type stand struct {
	*testing.T
	kind   kind
	scheme string
}

// everyKind runs a scenario for each kind on each of its transports.
func everyKind(t *testing.T, scenario func(*stand)) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			if k.missing != nil {
				if why := k.missing(); why != "" {
					t.Skipf("skipped: %s: %s", k.name, why)
				}
			}
			for _, scheme := range k.schemes {
				t.Run(scheme, func(t *testing.T) {
					if target.urls[scheme] == nil {
						t.Skipf("skipped: the broker offers no %s", scheme)
					}
					t.Parallel()
					scenario(&stand{T: t, kind: k, scheme: scheme})
				})
			}
		})
	}
}

// defaults fills in what a scenario leaves out: the broker's address on this
// transport, a client id, the token as user name.
func (s *stand) defaults(o options) options {
	if o.url == nil {
		o.url = target.urls[s.scheme]
	}
	if o.clientID == "" {
		o.clientID = unique("c")
	}
	if o.username == "" && o.password == "" {
		o.username = target.token
	}
	return o
}

// open connects a peer which is disconnected when the test ends, unless a scenario
// did so before.
func (s *stand) open(o options) peer {
	s.Helper()
	p, err := s.kind.open(s.T, s.defaults(o))
	if err != nil {
		s.Fatalf("connecting: %v", err)
	}
	s.Cleanup(func() { _ = p.disconnect() })
	return p
}

// openOnLine connects a peer through a relay that can be cut.
func (s *stand) openOnLine(o options) (peer, *line) {
	s.Helper()
	u := *target.urls[s.scheme]
	l := newLine(s.T, u.Host)
	u.Host = l.addr
	o.url = &u
	p, err := s.kind.open(s.T, s.defaults(o))
	if err != nil {
		s.Fatalf("connecting: %v", err)
	}
	s.Cleanup(func() { p.abandon() })
	return p, l
}

func (s *stand) publish(p peer, m message) {
	s.Helper()
	if err := p.publish(m); err != nil {
		s.Fatalf("publishing to %s at QoS %d: %v", m.topic, m.qos, err)
	}
}

// next waits for one delivery.
func (s *stand) next(p peer) message {
	s.Helper()
	select {
	case m, ok := <-p.received():
		if !ok {
			s.Fatal("the client ended while a message was awaited")
		}
		return m
	case <-time.After(patience):
		s.Fatal("an awaited message did not come")
	}
	panic("unreachable")
}

// expect waits for one delivery and compares it.
func (s *stand) expect(p peer, want message) {
	s.Helper()
	s.same(s.next(p), want)
}

// same compares a delivery with what was published.
func (s *stand) same(got, want message) {
	s.Helper()
	if got.topic != want.topic || got.qos != want.qos || got.retain != want.retain || string(got.payload) != string(want.payload) {
		s.Fatalf("got %s, want %s", show(got), show(want))
	}
}

// show prints a message with its payload cut.
func show(m message) string {
	var b strings.Builder
	b.WriteString(m.topic + " ")
	b.WriteString(strings.Repeat("q", int(m.qos)))
	if m.retain {
		b.WriteString(" retained")
	}
	payload := m.payload
	if len(payload) > 40 {
		payload = payload[:40]
	}
	b.WriteString(" \"" + string(payload) + "\"")
	return b.String()
}
