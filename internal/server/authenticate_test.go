package server

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"alcove/internal/auth"
	"alcove/internal/mqtt"
)

// scramUser is the client's side of SCRAM-SHA-256.
type scramUser struct {
	id, key   string
	firstBare string
	server    []byte // the signature that the server must show
}

func (u *scramUser) first() []byte {
	u.firstBare = "n=" + u.id + ",r=clientnonce"
	return []byte("n,," + u.firstBare)
}

func (u *scramUser) final(t *testing.T, serverFirst []byte) []byte {
	t.Helper()
	var nonce, salt string
	var iterations int
	for part := range strings.SplitSeq(string(serverFirst), ",") {
		switch value := part[2:]; part[0] {
		case 'r':
			nonce = value
		case 's':
			salt = value
		case 'i':
			_, err := fmt.Sscan(value, &iterations)
			must(t, err)
		}
	}
	raw, err := base64.StdEncoding.DecodeString(salt)
	must(t, err)
	salted, err := pbkdf2.Key(sha256.New, u.key, raw, iterations, sha256.Size)
	must(t, err)
	bare := "c=biws,r=" + nonce
	message := u.firstBare + "," + string(serverFirst) + "," + bare
	clientKey := mac(salted, "Client Key")
	stored := sha256.Sum256(clientKey)
	proof := mac(stored[:], message)
	for i := range proof {
		proof[i] ^= clientKey[i]
	}
	u.server = mac(mac(salted, "Server Key"), message)
	return []byte(bare + ",p=" + base64.StdEncoding.EncodeToString(proof))
}

func mac(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

func authPacket(code mqtt.ReasonCode, method string, data []byte) []byte {
	return (&mqtt.Auth{Code: code, Method: []byte(method), Data: data}).Append(nil, mqtt.V5)
}

func (p *peer) auth() (a mqtt.Auth) {
	p.t.Helper()
	h, body := p.expect(mqtt.TypeAuth)
	must(p.t, a.Decode(mqtt.V5, h, body))
	if string(a.Method) != auth.ScramMethod { // [MQTT-4.12.0-5]
		p.t.Errorf("AUTH by %q", a.Method)
	}
	return a
}

func withScram(data []byte) func(*mqtt.Connect) {
	return func(c *mqtt.Connect) {
		c.Props.AuthMethod, c.Props.HasAuthMethod = []byte(auth.ScramMethod), true
		c.Props.AuthData, c.Props.HasAuthData = data, data != nil
	}
}

// scramHouse has a token made for SCRAM.
func scramHouse(t *testing.T) (*house, *scramUser) {
	h := newHouse(t, Config{MQTT: loopback})
	yes, expire := true, time.Now().Add(time.Hour).Unix()
	tok, key, err := h.directory.CreateToken(1, auth.TokenSpec{Scram: &yes, Expire: &expire}, time.Now())
	must(t, err)
	return h, &scramUser{id: fmt.Sprint(tok.ID), key: key}
}

// TestScram: the exchange before CONNACK, and again on the living connection
// [MQTT-4.12.0-2] [MQTT-4.12.0-5] [MQTT-4.12.1-1] [EXT-TOK-9].
func TestScram(t *testing.T) {
	h, u := scramHouse(t)
	p := h.dial()
	p.write(connectPacket(mqtt.V5, "scram", "", withScram(u.first())))
	a := p.auth()
	if a.Code != mqtt.ContinueAuthentication {
		t.Fatalf("AUTH %v", a.Code)
	}
	p.write(authPacket(mqtt.ContinueAuthentication, auth.ScramMethod, u.final(t, a.Data)))
	ack := p.connack()
	signature := "v=" + base64.StdEncoding.EncodeToString(u.server)
	if string(ack.Props.AuthMethod) != auth.ScramMethod || string(ack.Props.AuthData) != signature {
		t.Errorf("CONNACK says %q, %q", ack.Props.AuthMethod, ack.Props.AuthData)
	}
	p.subscribe("t", mqtt.QoS0)
	for range 2 {
		p.write(authPacket(mqtt.ReAuthenticate, auth.ScramMethod, u.first()))
		a = p.auth()
		p.ping() // other packets go on meanwhile
		p.write(authPacket(mqtt.ContinueAuthentication, auth.ScramMethod, u.final(t, a.Data)))
		if a = p.auth(); a.Code != mqtt.Success || !strings.HasPrefix(string(a.Data), "v=") {
			t.Fatalf("AUTH %v %q", a.Code, a.Data)
		}
	}
	// Without data in CONNECT the server asks for it.
	q := h.dial()
	q.write(connectPacket(mqtt.V5, "asked", "", withScram(nil)))
	q.auth()
	q.write(authPacket(mqtt.ContinueAuthentication, auth.ScramMethod, u.first()))
	a = q.auth()
	q.write(authPacket(mqtt.ContinueAuthentication, auth.ScramMethod, u.final(t, a.Data)))
	q.connack()
}

// TestScramRefused: whatever goes wrong before CONNACK ends in a CONNACK
// [MQTT-4.12.0-4], and afterwards in a DISCONNECT [MQTT-4.12.1-2].
func TestScramRefused(t *testing.T) {
	h, u := scramHouse(t)
	wrong := &scramUser{id: u.id, key: strings.Repeat("x", 64)}
	before := []struct {
		name string
		send func(p *peer, a mqtt.Auth) []byte
		want mqtt.ReasonCode
	}{
		{"wrong key", func(p *peer, a mqtt.Auth) []byte {
			return authPacket(mqtt.ContinueAuthentication, auth.ScramMethod, wrong.final(t, a.Data))
		}, mqtt.NotAuthorized},
		{"PUBLISH [MQTT-3.1.2-30]", func(*peer, mqtt.Auth) []byte { return publishPacket(mqtt.V5, "a", nil) }, mqtt.ProtocolError},
		{"CONNECT [MQTT-3.1.0-2]", func(*peer, mqtt.Auth) []byte { return connectPacket(mqtt.V5, "a", "", nil) }, mqtt.ProtocolError},
		{"another method", func(*peer, mqtt.Auth) []byte { return authPacket(mqtt.ContinueAuthentication, "OTHER", nil) }, mqtt.ProtocolError},
		{"another code [MQTT-4.12.0-3]", func(*peer, mqtt.Auth) []byte { return authPacket(mqtt.ReAuthenticate, auth.ScramMethod, nil) }, mqtt.ProtocolError},
		{"malformed", func(*peer, mqtt.Auth) []byte { return []byte{0xf0, 1, 0x55} }, mqtt.ProtocolError},
	}
	for _, x := range before {
		t.Run(x.name, func(t *testing.T) {
			p := h.dial()
			p.t = t
			wrong.first()
			p.write(connectPacket(mqtt.V5, "", "", withScram(u.first())))
			p.write(x.send(p, p.auth()))
			if got := p.refusal(); got != x.want {
				t.Errorf("got %v, want %v", got, x.want)
			}
		})
	}
	p := h.dial()
	p.write(connectPacket(mqtt.V5, "", "", withScram(u.first())))
	p.auth()
	p.write((&mqtt.Disconnect{}).Append(nil, mqtt.V5)) // is allowed
	if b := p.closed(); len(b) > 0 {
		t.Errorf("got % x", b)
	}
	after := map[string][]byte{
		"another method":     authPacket(mqtt.ReAuthenticate, "OTHER", nil),
		"out of the blue":    authPacket(mqtt.ContinueAuthentication, auth.ScramMethod, nil),
		"nonsense":           authPacket(mqtt.ReAuthenticate, auth.ScramMethod, []byte("nonsense")),
		"channel binding":    authPacket(mqtt.ReAuthenticate, auth.ScramMethod, []byte("p=tls-unique,,n=1,r=x")),
		"again in its midst": append(authPacket(mqtt.ReAuthenticate, auth.ScramMethod, nil), authPacket(mqtt.ReAuthenticate, auth.ScramMethod, nil)...),
	}
	for name, send := range after {
		p := h.dial()
		p.write(connectPacket(mqtt.V5, "", "", withScram(u.first())))
		p.write(authPacket(mqtt.ContinueAuthentication, auth.ScramMethod, u.final(t, p.auth().Data)))
		p.connack()
		p.write(send)
		h, b := p.packet()
		if h.Type == mqtt.TypeAuth {
			h, b = p.packet()
		}
		if h.Type != mqtt.TypeDisconnect || b[0] < 0x80 {
			t.Errorf("%s: %v % x", name, h.Type, b)
		}
		p.closed()
	}
}

// TestScramTimeout: an exchange that does not end is ended.
func TestScramTimeout(t *testing.T) {
	h := newHouse(t, Config{MQTT: loopback, Limits: Limits{ConnectTimeout: 300 * time.Millisecond}})
	p := h.dial()
	u := &scramUser{id: "1"}
	p.write(connectPacket(mqtt.V5, "", "", withScram(u.first())))
	p.auth()
	p.closed()
}
