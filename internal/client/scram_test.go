package client

import (
	"errors"
	"strings"
	"testing"

	"alcove/internal/mqtt"
)

// rfc7677 plays the client of RFC 7677, section 3.
func rfc7677() *SCRAM {
	s := NewSCRAM("user", "pencil")
	s.nonce = func() string { return "rOprNGfwEbeRWgbNEkqO" }
	return s
}

const (
	rfcServerFirst = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
	rfcClientFinal = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
	rfcServerFinal = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
)

func TestSCRAMVector(t *testing.T) {
	s := rfc7677()
	first, err := s.Start()
	if err != nil || string(first) != "n,,n=user,r=rOprNGfwEbeRWgbNEkqO" {
		t.Fatalf("first message %q, %v", first, err)
	}
	final, err := s.Next([]byte(rfcServerFirst))
	if err != nil || string(final) != rfcClientFinal {
		t.Fatalf("final message %q, %v", final, err)
	}
	if err := s.Finish([]byte(rfcServerFinal)); err != nil {
		t.Error(err)
	}
}

func TestSCRAMHostileServer(t *testing.T) {
	for name, first := range map[string]string{
		"empty":           "",
		"form":            "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,r=x",
		"nonce":           strings.Replace(rfcServerFirst, "rOpr", "xOpr", 1),
		"nonce unchanged": "r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
		"salt":            strings.Replace(rfcServerFirst, "W22", "!!!", 1),
		"iterations":      strings.Replace(rfcServerFirst, "4096", "x", 1),
		"no iterations":   strings.Replace(rfcServerFirst, "4096", "0", 1),
		"endless":         strings.Replace(rfcServerFirst, "4096", "2000000000", 1),
	} {
		s := rfc7677()
		s.Start()
		if out, err := s.Next([]byte(first)); err == nil {
			t.Errorf("%s: answered %q", name, out)
		}
	}
	for name, final := range map[string]string{
		"empty": "", "wrong": "v=AAAATRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "error": "e=unknown-user", "not base64": "v=!",
	} {
		s := rfc7677()
		s.Start()
		s.Next([]byte(rfcServerFirst))
		if err := s.Finish([]byte(final)); err == nil {
			t.Errorf("%s: taken for the server's signature", name)
		}
	}
	s := rfc7677()
	s.Start()
	if err := s.Finish([]byte(rfcServerFinal)); err == nil {
		t.Error("success without an exchange")
	}
}

func TestSCRAMName(t *testing.T) {
	s := NewSCRAM("a,b=c", "p")
	first, _ := s.Start()
	if !strings.HasPrefix(string(first), "n,,n=a=2Cb=3Dc,r=") {
		t.Errorf("first message %q", first)
	}
	again, _ := s.Start()
	if string(first) == string(again) {
		t.Error("the nonce repeats")
	}
}

func FuzzSCRAM(f *testing.F) {
	f.Add([]byte(rfcServerFirst), []byte(rfcServerFinal))
	f.Add([]byte("r=rOprNGfwEbeRWgbNEkqO1,s=,i=1"), []byte("v="))
	f.Fuzz(func(t *testing.T, first, final []byte) {
		if strings.Contains(string(first), "i=") && len(first) > 200 {
			return // many iterations make a slow run, not a finding
		}
		s := rfc7677()
		s.Start()
		if _, err := s.Next(first); err != nil {
			return
		}
		if err := s.Finish(final); err == nil && string(first) != rfcServerFirst {
			t.Error("a signature was accepted that cannot be known")
		}
	})
}

// enhanced is the server's part of the vector's exchange over AUTH packets.
func enhanced(t *testing.T, auth Authenticator, success []byte) (*Client, *peer, error) {
	conn, p := pipe(t, mqtt.V5)
	got := async(func() (*Client, error) { return Connect(bounded(t), conn, Options{ClientID: "c", Auth: auth}) })
	c := p.connect()
	if string(c.Props.AuthMethod) != "SCRAM-SHA-256" || string(c.Props.AuthData) != "n,,n=user,r=rOprNGfwEbeRWgbNEkqO" {
		t.Errorf("CONNECT with %q and %q", c.Props.AuthMethod, c.Props.AuthData)
	}
	p.send(&mqtt.Auth{Code: mqtt.ContinueAuthentication, Method: []byte("SCRAM-SHA-256"), Data: []byte(rfcServerFirst)})
	h, body := p.expect(mqtt.TypeAuth)
	var a mqtt.Auth
	// [MQTT-4.12.0-3]
	if err := a.Decode(mqtt.V5, h, body); err != nil || a.Code != mqtt.ContinueAuthentication || string(a.Data) != rfcClientFinal {
		t.Errorf("AUTH is %+v, %v", a, err)
	}
	p.send(&mqtt.Connack{Props: mqtt.ConnackProps{AuthMethod: []byte("SCRAM-SHA-256"), AuthData: success}})
	client, err := got()
	if err == nil {
		t.Cleanup(func() { p.conn.Close(); client.Close() })
	}
	return client, p, err
}

func TestEnhancedAuthentication(t *testing.T) {
	c, p, err := enhanced(t, rfc7677(), []byte(rfcServerFinal))
	if err != nil {
		t.Fatal(err)
	}
	again := async(func() (struct{}, error) { return struct{}{}, c.Reauthenticate(bounded(t), rfc7677()) })
	var a mqtt.Auth
	h, body := p.expect(mqtt.TypeAuth)
	if err := a.Decode(mqtt.V5, h, body); err != nil || a.Code != mqtt.ReAuthenticate {
		t.Fatalf("AUTH is %+v, %v", a, err)
	}
	p.send(&mqtt.Auth{Code: mqtt.ContinueAuthentication, Method: a.Method, Data: []byte(rfcServerFirst)})
	p.expect(mqtt.TypeAuth)
	p.send(&mqtt.Auth{Code: mqtt.Success, Method: a.Method, Data: []byte(rfcServerFinal)})
	if _, err := again(); err != nil {
		t.Error(err)
	}
}

func TestEnhancedAuthenticationOfImpostor(t *testing.T) {
	if _, _, err := enhanced(t, rfc7677(), []byte("v=AAAA")); err == nil {
		t.Error("a server that does not know the verifier was accepted")
	}
	c, p := meet(t, Options{}, mqtt.Connack{})
	if err := c.Reauthenticate(bounded(t), rfc7677()); err == nil { // [MQTT-4.12.1-1]
		t.Error("re-authentication on a connection without a method")
	}
	p.conn.Close()
	<-c.Done()
	if errors.Is(c.Err(), ErrClosed) {
		t.Error("the peer's end counts as ours")
	}
}
