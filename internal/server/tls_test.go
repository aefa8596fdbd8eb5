package server

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"alcove/internal/mqtt"
)

var anyServer = &tls.Config{InsecureSkipVerify: true}

// TestTLS: both versions, both ways, small packets and large ones; the handshake's
// last bytes and the first packet may come together.
func TestTLS(t *testing.T) {
	h := newHouse(t, Config{MQTTS: loopback})
	for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		p := h.dialTLS(h.srv.Addrs().MQTTS, &tls.Config{InsecureSkipVerify: true, MinVersion: v, MaxVersion: v})
		p.connect(tls.VersionName(v), h.keys[0])
		p.subscribe("t", mqtt.QoS0)
		for _, size := range []int{0, 1, 1000, 16 << 10, 100 << 10, 3 << 20} {
			payload := body(size, byte(size))
			go func() { _, _ = p.conn.Write(publishPacket(mqtt.V5, "t", payload)) }()
			if m := p.published(); !bytes.Equal(m.Payload, payload) {
				t.Fatalf("%s: the payload of %d bytes came back different", tls.VersionName(v), size)
			}
		}
		p.write((&mqtt.Disconnect{}).Append(nil, mqtt.V5))
		p.closed() // an end with close_notify, not a cut
	}
}

// TestTLSManyRecords: what crypto/tls has decrypted beyond a turn's budget is
// handled although no event comes for it.
func TestTLSManyRecords(t *testing.T) {
	h := newHouse(t, Config{MQTTS: loopback})
	p := h.dialTLS(h.srv.Addrs().MQTTS, anyServer)
	p.connect("records", h.keys[0])
	const n = 20000
	var all []byte
	for range n {
		all = mqtt.AppendPingreq(all)
	}
	go func() { _, _ = p.conn.Write(all) }()
	for range n {
		p.expect(mqtt.TypePingresp)
	}
}

// TestTLSRefuses: old versions, and what is no TLS at all.
func TestTLSRefuses(t *testing.T) {
	h := newHouse(t, Config{MQTTS: loopback})
	for _, v := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		c, err := tls.Dial("tcp", h.srv.Addrs().MQTTS.String(), &tls.Config{InsecureSkipVerify: true, MinVersion: v, MaxVersion: v})
		if err == nil {
			_ = c.Close()
			t.Errorf("%s was accepted", tls.VersionName(v))
		}
	}
	p := h.dialTo(h.srv.Addrs().MQTTS)
	p.write(connectPacket(mqtt.V5, "plain", h.keys[0], nil))
	p.closed()
}

// TestTLSHandshakeTimeout: one that says nothing is let go, and holds nothing.
func TestTLSHandshakeTimeout(t *testing.T) {
	h := newHouse(t, Config{MQTTS: loopback, Limits: Limits{HandshakeTimeout: 200 * time.Millisecond}})
	silent := h.dialTo(h.srv.Addrs().MQTTS)
	silent.closed()
	waitFor(t, "its place", func() bool { return h.srv.Stats().Connections == 0 })
}

// TestTLSOutputStandsStill: TLS output waits like any other when it is not read.
func TestTLSOutputStandsStill(t *testing.T) {
	h := newHouse(t, Config{MQTTS: loopback, MQTT: loopback})
	slow := h.dialTLS(h.srv.Addrs().MQTTS, anyServer)
	slow.connect("slow", h.keys[0])
	slow.subscribe("t", mqtt.QoS1)
	pub := h.dial()
	pub.connect("pub", h.keys[0])
	const n, size = 30, 200 << 10
	for i := range n {
		m := mqtt.Publish{QoS: mqtt.QoS1, PacketID: uint16(i + 1), Topic: []byte("t"), Payload: body(size, byte(i))}
		pub.write(m.Append(nil, mqtt.V5))
		pub.expect(mqtt.TypePuback)
	}
	for i := range n {
		m := slow.published()
		if !bytes.Equal(m.Payload, body(size, byte(i))) {
			t.Fatalf("message %d is another", i)
		}
		slow.write((&mqtt.Ack{Type: mqtt.TypePuback, PacketID: m.PacketID}).Append(nil, mqtt.V5))
	}
}

// TestWSS: WebSocket over TLS, and REST on the same port, over HTTP/2 too.
func TestWSS(t *testing.T) {
	h := newHouse(t, Config{HTTPS: loopback})
	c, err := tls.Dial("tcp", h.srv.Addrs().HTTPS.String(), anyServer)
	must(t, err)
	p, f, _ := webSocket(t, c, "Sec-WebSocket-Protocol: mqtt\r\n", nil)
	p.write(binaryFrame(connectPacket(mqtt.V5, "wss", h.keys[0], nil)))
	p.connack()
	s := mqtt.Subscribe{PacketID: 1}
	s.Add("t", mqtt.SubscribeOptions{})
	p.write(binaryFrame(s.Append(nil, mqtt.V5)))
	p.expect(mqtt.TypeSuback)
	for _, size := range []int{5, 300 << 10} {
		go func() { _, _ = c.Write(binaryFrame(publishPacket(mqtt.V5, "t", body(size, 'x')))) }()
		if m := p.published(); len(m.Payload) != size {
			t.Fatalf("payload of %d bytes", len(m.Payload))
		}
	}
	p.write(binaryFrame((&mqtt.Disconnect{}).Append(nil, mqtt.V5)))
	p.closed()
	checkClose(t, f, ws.StatusNormalClosure)
	for _, h2 := range []bool{false, true} {
		tr := &http.Transport{TLSClientConfig: anyServer.Clone(), ForceAttemptHTTP2: h2}
		r, err := (&http.Client{Transport: tr}).Get("https://" + h.srv.Addrs().HTTPS.String() + "/nothing")
		must(t, err)
		must(t, r.Body.Close())
		if r.StatusCode != http.StatusNotFound || h2 != (r.ProtoMajor == 2) {
			t.Errorf("%s by %s", r.Status, r.Proto)
		}
		tr.CloseIdleConnections()
	}
	waitFor(t, "all places", func() bool { return h.srv.Stats().Connections == 0 })
}

// authority makes certificates.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
	n    int64
}

func newAuthority(t testing.TB) *authority {
	a := &authority{t: t}
	cert, key := a.issue(&x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil, nil)
	a.pem = cert
	block, _ := pem.Decode(cert)
	var err error
	a.cert, err = x509.ParseCertificate(block.Bytes)
	must(t, err)
	a.key = key
	return a
}

func (a *authority) issue(c, parent *x509.Certificate, by *ecdsa.PrivateKey) ([]byte, *ecdsa.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(a.t, err)
	a.n++
	c.SerialNumber, c.Subject = big.NewInt(a.n), pkix.Name{CommonName: "test"}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if parent == nil {
		parent, by = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), by)
	must(a.t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), key
}

// files writes a certificate for names, and returns where.
func (a *authority) files(dir, name string, names ...string) CertificateFiles {
	cert, key := a.issue(&x509.Certificate{DNSNames: names}, a.cert, a.key)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	must(a.t, err)
	f := CertificateFiles{filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")}
	must(a.t, os.WriteFile(f.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	must(a.t, os.WriteFile(f.Cert, cert, 0o600))
	return f
}

func serial(t testing.TB, at net.Addr, name string) string {
	t.Helper()
	c, err := tls.Dial("tcp", at.String(), &tls.Config{InsecureSkipVerify: true, ServerName: name})
	must(t, err)
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

// TestCertificatesByName: SNI picks among several, and the first is for the rest;
// files are read again when they have changed.
func TestCertificatesByName(t *testing.T) {
	a, dir := newAuthority(t), t.TempDir()
	one, two := a.files(dir, "one", "one.example"), a.files(dir, "two", "*.two.example")
	h := newHouse(t, Config{MQTTS: loopback, TLS: TLS{Certificates: []CertificateFiles{one, two}}})
	at := h.srv.Addrs().MQTTS
	for name, want := range map[string]string{"one.example": "2", "x.two.example": "3", "other.example": "2", "": "2"} {
		if got := serial(t, at, name); got != want {
			t.Errorf("%q: certificate %s, want %s", name, got, want)
		}
	}
	a.files(dir, "two", "*.two.example")
	h.srv.certs.mu.Lock()
	h.srv.certs.checked = time.Now().Add(-certificateCheck)
	h.srv.certs.mu.Unlock()
	if got := serial(t, at, "x.two.example"); got != "4" {
		t.Errorf("certificate %s after the file changed", got)
	}
	must(t, os.WriteFile(two.Cert, []byte("damaged"), 0o600))
	h.srv.certs.mu.Lock()
	h.srv.certs.checked = time.Now().Add(-certificateCheck)
	h.srv.certs.mu.Unlock()
	if got := serial(t, at, "x.two.example"); got != "4" {
		t.Errorf("certificate %s after the file was damaged", got)
	}
	if _, err := newCertificates(TLS{Certificates: []CertificateFiles{two}}, quiet); err == nil {
		t.Error("a damaged file was accepted at the start")
	}
}

// TestClientCertificates: one that is given must be good; none is good too.
func TestClientCertificates(t *testing.T) {
	a, other, dir := newAuthority(t), newAuthority(t), t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	must(t, os.WriteFile(ca, a.pem, 0o600))
	h := newHouse(t, Config{MQTTS: loopback, TLS: TLS{ClientCA: ca}})
	try := func(f *CertificateFiles) error {
		cfg := anyServer.Clone()
		if f != nil {
			pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
			must(t, err)
			cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
		}
		p := h.dialTLS(h.srv.Addrs().MQTTS, cfg)
		_, _ = p.conn.Write(connectPacket(mqtt.V5, "c", h.keys[0], nil))
		_, _, err := p.tryPacket()
		return err
	}
	good, bad := client(a, dir, "good"), client(other, dir, "bad")
	if err := try(nil); err != nil {
		t.Errorf("without a certificate: %v", err)
	}
	if err := try(&good); err != nil {
		t.Errorf("with a good certificate: %v", err)
	}
	if err := try(&bad); err == nil {
		t.Error("a certificate of another authority was accepted")
	}
	if _, err := newCertificates(TLS{ClientCA: filepath.Join(dir, "good.key")}, quiet); err == nil {
		t.Error("authorities without a certificate were accepted")
	}
}

func client(a *authority, dir, name string) CertificateFiles {
	cert, key := a.issue(&x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, a.cert, a.key)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	must(a.t, err)
	f := CertificateFiles{filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")}
	must(a.t, os.WriteFile(f.Cert, cert, 0o600))
	must(a.t, os.WriteFile(f.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	return f
}

// TestSelfSigned: the certificate is made once, for this machine.
func TestSelfSigned(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	first, err := newCertificates(TLS{Dir: dir}, quiet)
	must(t, err)
	again, err := newCertificates(TLS{Dir: dir}, quiet)
	must(t, err)
	if !bytes.Equal(first.all[0].Certificate[0], again.all[0].Certificate[0]) {
		t.Error("the second start made another certificate")
	}
	info, err := os.Stat(filepath.Join(dir, selfSignedKey))
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the key has mode %v", info.Mode())
	}
	leaf := first.all[0].Leaf
	for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
		if err := leaf.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	memory, err := newCertificates(TLS{}, quiet)
	must(t, err)
	if len(memory.all) != 1 || memory.config.MinVersion != tls.VersionTLS12 {
		t.Error("no certificate in memory, or old TLS")
	}
}
