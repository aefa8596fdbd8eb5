package auth

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"testing"
	"time"

	"alcove/internal/mqtt"
)

// TestScramVector is the example of RFC 7677, section 3.
func TestScramVector(t *testing.T) {
	salt, _ := base64.StdEncoding.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==")
	s := &Scram{
		directory: &Directory{},
		nonce:     "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
		verifier:  newVerifier("pencil", salt, 4096),
	}
	if err := s.first([]byte("n,,n=user,r=rOprNGfwEbeRWgbNEkqO"), start); err != nil {
		t.Fatal(err)
	}
	const want = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
	if string(s.serverFirst) != want {
		t.Errorf("server-first %s", s.serverFirst)
	}
	reply, err := s.final([]byte("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="))
	if err != nil || string(reply) != "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" {
		t.Errorf("server-final %s, %v", reply, err)
	}
}

// scramClient is the other side, written on its own from RFC 5802.
type scramClient struct {
	user, key, header, nonce string
	first, server            string
}

func (c *scramClient) hello() []byte {
	c.first = "n=" + c.user + ",r=" + c.nonce
	return []byte(c.header + c.first)
}

func (c *scramClient) answer(serverFirst []byte) []byte {
	fields := map[byte]string{}
	for f := range strings.SplitSeq(string(serverFirst), ",") {
		fields[f[0]] = f[2:]
	}
	salt, _ := base64.StdEncoding.DecodeString(fields['s'])
	rounds, _ := strconv.Atoi(fields['i'])
	salted, _ := pbkdf2.Key(sha256.New, c.key, salt, rounds, 32)
	sum := func(key []byte, text string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	without := "c=" + base64.StdEncoding.EncodeToString([]byte(c.header)) + ",r=" + fields['r']
	message := c.first + "," + string(serverFirst) + "," + without
	clientKey := sum(salted, "Client Key")
	stored := sha256.Sum256(clientKey)
	proof := sum(stored[:], message)
	for i := range proof {
		proof[i] ^= clientKey[i]
	}
	c.server = "v=" + base64.StdEncoding.EncodeToString(sum(sum(salted, "Server Key"), message))
	return []byte(without + ",p=" + base64.StdEncoding.EncodeToString(proof))
}

// TestScramLogin: a token with scram logs in with its id and key, and the server
// proves itself; every other user goes the same way and gets 0x87 at its end
// [EXT-TOK-9] [MQTT-4.12.0-4].
func TestScramLogin(t *testing.T) {
	d := open(t, newMemory())
	with, key := d.testToken(t, TokenSpec{Scram: ptr(true)})
	without, otherKey := d.testToken(t, TokenSpec{})
	disabled, disabledKey := d.testToken(t, TokenSpec{Scram: ptr(true), Enabled: ptr(false)})
	if !with.Scram || without.Scram {
		t.Error("the scram field does not say what was made")
	}
	id := func(t Token) string { return strconv.FormatInt(int64(t.ID), 10) }
	for _, c := range []struct {
		name   string
		client scramClient
		want   mqtt.ReasonCode
	}{
		{"right", scramClient{user: id(with), key: key, header: "n,,"}, 0},
		{"client could bind", scramClient{user: id(with), key: key, header: "y,,"}, 0},
		{"acting for itself", scramClient{user: id(with), key: key, header: "n,a=" + id(with) + ","}, 0},
		{"wrong key", scramClient{user: id(with), key: otherKey, header: "n,,"}, mqtt.NotAuthorized},
		{"token without scram", scramClient{user: id(without), key: otherKey, header: "n,,"}, mqtt.NotAuthorized},
		{"operator without scram", scramClient{user: "1", key: operatorKey, header: "n,,"}, mqtt.NotAuthorized},
		{"unknown id", scramClient{user: "424242", key: key, header: "n,,"}, mqtt.NotAuthorized},
		{"no id", scramClient{user: "root=2C=3D", key: key, header: "n,,"}, mqtt.NotAuthorized},
		{"disabled", scramClient{user: id(disabled), key: disabledKey, header: "n,,"}, mqtt.NotAuthorized},
	} {
		c.client.nonce = "clientnonce"
		s := NewScram(d, home)
		challenge, done, _, err := s.Step(c.client.hello(), start)
		if err != nil || done {
			t.Errorf("%s: first step: %v %v", c.name, done, err)
			continue
		}
		reply, done, g, err := s.Step(c.client.answer(challenge), start)
		if code(t, err) != c.want || done != (c.want == 0) {
			t.Errorf("%s: %v, done %v", c.name, err, done)
		}
		if c.want == 0 && (g == nil || g.Token != with.ID || string(reply) != c.client.server) {
			t.Errorf("%s: grant %+v, reply %s, want %s", c.name, g, reply, c.client.server)
		}
		if c.want != 0 && (g != nil || reply != nil) {
			t.Errorf("%s: a refusal carries something", c.name)
		}
		if _, _, _, err := s.Step(c.client.answer(challenge), start); err == nil {
			t.Errorf("%s: a third round is taken", c.name)
		}
	}
}

// TestScramTellsNothing: asked twice, an unknown user has the same salt, as a known
// one does, and of the same form; nonces differ [EXT-TOK-1] [EXT-ACC-1].
func TestScramTellsNothing(t *testing.T) {
	d := open(t, newMemory())
	with, _ := d.testToken(t, TokenSpec{Scram: ptr(true)})
	ask := func(user string) (nonce, rest string) {
		s := NewScram(d, home)
		challenge, _, _, err := s.Step([]byte("n,,n="+user+",r=x"), start)
		if err != nil {
			t.Fatal(err)
		}
		nonce, rest, _ = strings.Cut(string(challenge), ",")
		return nonce, rest
	}
	for _, user := range []string{strconv.FormatInt(int64(with.ID), 10), "424242", "1", "nobody"} {
		n1, r1 := ask(user)
		n2, r2 := ask(user)
		if n1 == n2 || r1 != r2 || len(r1) != len("s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096") {
			t.Errorf("%s: %s %s, then %s %s", user, n1, r1, n2, r2)
		}
	}
}

// TestScramHostile: malformed messages are refused, whatever is wrong (attacks row 43).
func TestScramHostile(t *testing.T) {
	d := open(t, newMemory())
	with, key := d.testToken(t, TokenSpec{Scram: ptr(true)})
	user := strconv.FormatInt(int64(with.ID), 10)
	for _, first := range []string{
		"", ",", "n", "n,", "n,,", "n,,n=1", "n,,n=1,r=", "n,,r=x,n=1", "n,,n=,r=x", "n,,n=1,r=\x01",
		"p=tls-unique,,n=1,r=x", "p=tls-exporter,,n=" + user + ",r=x", "x,,n=1,r=x",
		"n,a=7,n=" + user + ",r=x", "n,b=1,n=1,r=x", "n,,m=ext,n=1,r=x", "n,,n=1=2,r=x", "n,,n=1,r=x,junk", "n,,n=1,r=x,=y",
		"n,,n=1,r=" + strings.Repeat("x", MaxScramMessage),
	} {
		s := NewScram(d, home)
		if _, done, _, err := s.Step([]byte(first), start); code(t, err) != mqtt.NotAuthorized || done {
			t.Errorf("first %.40q: %v", first, err)
		}
		if _, _, _, err := s.Step([]byte("n,,n="+user+",r=x"), start); err == nil {
			t.Errorf("first %.40q: the exchange goes on", first)
		}
	}
	for name, spoil := range map[string]func(string) string{
		"no proof":          func(m string) string { return m[:strings.Index(m, ",p=")] },
		"empty":             func(string) string { return "" },
		"short proof":       func(m string) string { return m[:len(m)-8] },
		"proof not base64":  func(m string) string { return m[:len(m)-3] + "???" },
		"other nonce":       func(m string) string { return strings.Replace(m, "r=", "r=x", 1) },
		"client nonce only": func(m string) string { return "c=biws,r=abc" + m[strings.Index(m, ",p="):] },
		"other header":      func(m string) string { return strings.Replace(m, "c=biws", "c=eSws", 1) },
		"no header":         func(m string) string { return m[strings.Index(m, ",")+1:] },
		"zero proof":        func(m string) string { return m[:strings.Index(m, ",p=")] + ",p=" + strings.Repeat("A", 43) + "=" },
		"too long":          func(m string) string { return m + strings.Repeat("x", MaxScramMessage) },
		"replayed twice":    func(m string) string { return m + "," + m },
	} {
		c := scramClient{user: user, key: key, header: "n,,", nonce: "abc"}
		s := NewScram(d, home)
		challenge, _, _, err := s.Step(c.hello(), start)
		if err != nil {
			t.Fatal(err)
		}
		if _, done, g, err := s.Step([]byte(spoil(string(c.answer(challenge)))), start); code(t, err) != mqtt.NotAuthorized || done || g != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A message recorded from one exchange opens no other.
	c := scramClient{user: user, key: key, header: "n,,", nonce: "abc"}
	challenge, _, _, _ := NewScram(d, home).Step(c.hello(), start)
	recorded := c.answer(challenge)
	s := NewScram(d, home)
	s.Step(c.hello(), start)
	if _, _, _, err := s.Step(recorded, start); err == nil {
		t.Error("a replay is taken")
	}
	// What changes between the rounds counts.
	s = NewScram(d, home)
	challenge, _, _, _ = s.Step(c.hello(), start)
	if err := d.DeleteToken(with.ID); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := s.Step(c.answer(challenge), start.Add(time.Second)); code(t, err) != mqtt.NotAuthorized {
		t.Errorf("token deleted in between: %v", err)
	}
}

// FuzzScram: no pair of messages panics, grows, or logs in without the key.
func FuzzScram(f *testing.F) {
	d := open(f, newMemory())
	token, _ := d.testToken(f, TokenSpec{Scram: ptr(true)})
	user := strconv.FormatInt(int64(token.ID), 10)
	f.Add([]byte("n,,n="+user+",r=abc"), []byte("c=biws,r=abc,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="))
	f.Add([]byte("y,a=1,n=1,r=abc,x=y"), []byte("c=,r=,p="))
	f.Add([]byte("p=x,,n=1,r=abc"), []byte(",p="))
	f.Add([]byte("n,,n==2C=3D,r=~"), []byte("c=biws,r=~,z=1,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="))
	f.Fuzz(func(t *testing.T, first, final []byte) {
		s := NewScram(d, home)
		reply, done, g, err := s.Step(first, start)
		if done || g != nil || len(reply) > 2*MaxScramMessage {
			t.Fatalf("first step: %v %v %d bytes", done, g, len(reply))
		}
		code(t, err)
		if _, done, g, err := s.Step(final, start); err == nil || done || g != nil {
			t.Fatalf("%q %q logged in", first, final)
		}
	})
}
