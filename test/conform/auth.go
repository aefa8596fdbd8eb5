package conform

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"alcove/test/conform/wire"
)

const scramMethod = "SCRAM-SHA-256"

// scram is the client's half of one SCRAM-SHA-256 exchange (RFC 5802, RFC 7677).
type scram struct {
	user, password string
	bare, nonce    string
	serverProof    string // what the server must prove itself with
}

func (s *scram) first(nonce string) string {
	s.nonce = nonce
	s.bare = "n=" + s.user + ",r=" + nonce
	return "n,," + s.bare
}

func (s *scram) final(challenge string) (string, error) {
	f := map[string]string{}
	for _, part := range strings.Split(challenge, ",") {
		if name, value, ok := strings.Cut(part, "="); ok {
			f[name] = value
		}
	}
	salt, err := base64.StdEncoding.DecodeString(f["s"])
	rounds, err2 := strconv.Atoi(f["i"])
	if err != nil || err2 != nil || !strings.HasPrefix(f["r"], s.nonce) || len(f["r"]) == len(s.nonce) || rounds < 4096 {
		return "", fmt.Errorf("challenge %q", challenge)
	}
	key, err := pbkdf2.Key(sha256.New, s.password, salt, rounds, 32)
	if err != nil {
		return "", err
	}
	last := "c=biws,r=" + f["r"]
	message := s.bare + "," + challenge + "," + last
	client := mac(key, "Client Key")
	stored := sha256.Sum256(client)
	proof := mac(stored[:], message)
	for i := range proof {
		proof[i] ^= client[i]
	}
	s.serverProof = "v=" + base64.StdEncoding.EncodeToString(mac(mac(key, "Server Key"), message))
	return last + ",p=" + base64.StdEncoding.EncodeToString(proof), nil
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func method(data string) wire.Props {
	return wire.Props{wire.Text(wire.AuthMethod, scramMethod), wire.Text(wire.AuthData, data)}
}

// challenged opens a connection and takes it as far as the server's challenge.
func challenged(k *Kit, id, key string, opts ...option) (c *Client, s *scram, challenge string) {
	s = &scram{user: id, password: key}
	c = k.Dial()
	p := c.Open(k.Packet(append(opts, noCredentials(), withProps(method(s.first("nonce"+k.Name()))...))...))
	if p == nil || p.Type != wire.AUTH || p.Reason != 0x18 || p.Props.Text(wire.AuthMethod) != scramMethod {
		k.Fatalf("CONNECT answered by %v", p)
	}
	return c, s, p.Props.Text(wire.AuthData)
}

// authenticated opens a connection by SCRAM.
func authenticated(k *Kit, id, key string, opts ...option) *Client {
	c, s, challenge := challenged(k, id, key, opts...)
	answer, err := s.final(challenge)
	if err != nil {
		k.Fatalf("%v", err)
	}
	c.Send(wire.Auth(0x18, method(answer)))
	ack := c.Next()
	if ack == nil || ack.Type != wire.CONNACK || ack.Reason != 0 || ack.Props.Text(wire.AuthMethod) != scramMethod || ack.Props.Text(wire.AuthData) != s.serverProof {
		k.Fatalf("answer drew %v", ack)
	}
	c.Connack = ack
	return c
}

var authCases = []Case{
	{V5: "MQTT-4.12.0-6", Title: "a CONNECT without a method sees none", Run: func(k *Kit) {
		if c := k.Connect(); c.Connack.Props.Has(wire.AuthMethod) || c.Connack.Props.Has(wire.AuthData) {
			k.Errorf("%v", c.Connack.Props)
		}
	}},
	{V5: "MQTT-4.12.0-1 MQTT-3.2.2-7", Title: "an unknown method is refused", Run: func(k *Kit) {
		c, ack := k.Open(withProps(wire.Text(wire.AuthMethod, "nope")))
		if ack != nil && (ack.Type != wire.CONNACK || ack.Reason != 0x8c && ack.Reason != 0x87) {
			k.Fatalf("answered by %v", ack)
		}
		c.Closed()
	}},
	badPacket("MQTT-4.12.0-7", "", "AUTH after a CONNECT without a method closes", func(k *Kit) []byte {
		return wire.Auth(0x19, method("x"))
	}, 0x82, 0x81, 0x8c),
	badPacket("MQTT-3.15.2-1", "", "AUTH with an unknown reason closes", func(k *Kit) []byte {
		return wire.Auth(0x42, method("x"))
	}, 0x81, 0x82),
	{V5: "MQTT-4.12.0-2 MQTT-4.12.0-5 EXT-TOK-9", Title: "SCRAM lets a token in", Needs: needsSCRAM, Run: func(k *Kit) {
		t := k.Token(`"scram":true,"access":{"type":0}`)
		c := authenticated(k, t.ID, t.Key)
		c.Grant(k.Topic("a"), 1)
		c.Say(k.Topic("a"), "x", 1)
		c.Want("x")
	}},
	{V5: "MQTT-4.12.0-3", Title: "an answer with another reason closes", Needs: needsSCRAM, Run: func(k *Kit) {
		t := k.Token(`"scram":true,"access":{"type":0}`)
		for _, reason := range []byte{0x00, 0x19} {
			c, s, challenge := challenged(k, t.ID, t.Key)
			answer, _ := s.final(challenge)
			c.Send(wire.Auth(reason, method(answer)))
			c.Refused(0x82, 0x81, 0x87)
		}
	}},
	{V5: "MQTT-4.12.0-4", Title: "a wrong proof is refused", Needs: needsSCRAM, Run: func(k *Kit) {
		t := k.Token(`"scram":true,"access":{"type":0}`)
		for _, data := range []string{"", "garbage"} {
			c, s, challenge := challenged(k, t.ID, t.Key+"x")
			if data == "" {
				data, _ = s.final(challenge)
			}
			c.Send(wire.Auth(0x18, method(data)))
			c.Refused(0x86, 0x87, 0x81, 0x82)
		}
	}},
	{V5: "MQTT-4.12.0-5", Title: "another method during authentication closes", Needs: needsSCRAM, Run: func(k *Kit) {
		t := k.Token(`"scram":true,"access":{"type":0}`)
		c, s, challenge := challenged(k, t.ID, t.Key)
		answer, _ := s.final(challenge)
		c.Send(wire.Auth(0x18, wire.Props{wire.Text(wire.AuthMethod, "PLAIN"), wire.Text(wire.AuthData, answer)}))
		c.Refused(0x82, 0x81, 0x87, 0x8c)
	}},
	{V5: "MQTT-3.1.2-30", Title: "other packets during authentication close", Needs: needsSCRAM, Run: func(k *Kit) {
		t := k.Token(`"scram":true,"access":{"type":0}`)
		sub := k.Connect()
		sub.Grant(k.Topic("a"), 0)
		for _, b := range [][]byte{wire.Publish{Topic: k.Topic("a"), Payload: "x"}.Bytes(k.V), wire.Ping(), wire.Subscribe(k.V, 1, nil, wire.Sub{Filter: "a"})} {
			c, _, _ := challenged(k, t.ID, t.Key)
			c.Send(b)
			c.Refused(0x82, 0x81, 0x87)
		}
		sub.Silent()
	}},
	{V5: "EXT-TOK-9 MQTT-4.12.0-4", Title: "SCRAM is refused to a token made without it and to unknown ones", Needs: needsSCRAM, Run: func(k *Kit) {
		t := k.Token(`"access":{"type":0}`)
		for _, id := range []string{t.ID, "999999999", "no number"} {
			s := &scram{user: id, password: t.Key}
			c := k.Dial()
			p := c.Open(k.Packet(noCredentials(), withProps(method(s.first("nonce"+k.Name()))...)))
			if p != nil && p.Type == wire.AUTH { // a server may hide which ids exist
				answer, err := s.final(p.Props.Text(wire.AuthData))
				if err != nil {
					k.Fatalf("%v", err)
				}
				c.Send(wire.Auth(0x18, method(answer)))
				p = nil
			}
			if p != nil {
				c.pending = append(c.pending, p)
			}
			c.Refused(0x86, 0x87)
		}
	}},
	{V5: "MQTT-4.12.1-1", Title: "a client may authenticate again", Needs: needsSCRAM, Run: func(k *Kit) {
		t := k.Token(`"scram":true,"access":{"type":0}`)
		c := authenticated(k, t.ID, t.Key)
		c.Grant(k.Topic("a"), 1)
		for range 2 {
			s := &scram{user: t.ID, password: t.Key}
			c.Send(wire.Auth(0x19, method(s.first("again"+k.Name()))))
			p := c.Await(wire.AUTH)
			c.Say(k.Topic("a"), "x", 1) // traffic goes on meanwhile
			c.Want("x")
			answer, err := s.final(p.Props.Text(wire.AuthData))
			if err != nil {
				k.Fatalf("%v", err)
			}
			c.Send(wire.Auth(0x18, method(answer)))
			if p = c.Await(wire.AUTH); p.Reason != 0 || p.Props.Text(wire.AuthData) != s.serverProof || p.Props.Text(wire.AuthMethod) != scramMethod {
				k.Fatalf("%v %v", p, p.Props)
			}
		}
		c.Ping()
	}},
	{V5: "MQTT-4.12.1-1", Title: "authenticating again by another method closes", Needs: needsSCRAM, Run: func(k *Kit) {
		t := k.Token(`"scram":true,"access":{"type":0}`)
		c := authenticated(k, t.ID, t.Key)
		c.Send(wire.Auth(0x19, wire.Props{wire.Text(wire.AuthMethod, "PLAIN")}))
		c.Closed(0x82, 0x8c)
	}},
	{V5: "MQTT-4.12.1-2", Title: "a failed re-authentication closes", Needs: needsSCRAM, Run: func(k *Kit) {
		t := k.Token(`"scram":true,"access":{"type":0}`)
		c := authenticated(k, t.ID, t.Key)
		s := &scram{user: t.ID, password: "wrong"}
		c.Send(wire.Auth(0x19, method(s.first("again"+k.Name()))))
		answer, _ := s.final(c.Await(wire.AUTH).Props.Text(wire.AuthData))
		c.Send(wire.Auth(0x18, method(answer)))
		c.Closed(0x87, 0x82)
	}},
}
