package conform

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"alcove/test/alcovetest"
)

// authority issues certificates for one test.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // PEM of cert
}

func newAuthority(t *testing.T, name string) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{dir: t.TempDir(), cert: cert, key: key}
	a.file = filepath.Join(a.dir, "ca.pem")
	writePEM(t, a.file, "CERTIFICATE", der)
	return a
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// issue makes a certificate for a host name, and its files.
func (a *authority) issue(t *testing.T, name string) (cert tls.Certificate, certFile, keyFile string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(a.dir, name+".pem"), filepath.Join(a.dir, name+".key")
	writePEM(t, certFile, "CERTIFICATE", der)
	writePEM(t, keyFile, "PRIVATE KEY", keyDER)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, certFile, keyFile
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

var tlsPorts = []string{"--mqtts", "127.0.0.1:0", "--https", "127.0.0.1:0"}

// secured starts an alcove with a certificate for broker.test, and more YAML under tls.
func secured(t *testing.T, ca *authority, more string) (*alcovetest.Broker, Target) {
	if *flagURL != "" {
		t.Skip("-url given")
	}
	_, cert, key := ca.issue(t, "broker.test")
	b := alcovetest.Start(t, alcovetest.Config{YAML: fmt.Sprintf("tls:\n  cert: %s\n  key: %s\n%s", cert, key, more), Args: tlsPorts})
	target := alcove(b)
	target.URL, target.WS = "mqtts://"+b.MQTTS, "wss://"+b.HTTPS+"/mqtt"
	target.TLS = &tls.Config{RootCAs: ca.pool(), ServerName: "broker.test"}
	return b, target
}

// TestTLS runs what passes most bytes over TLS and secure WebSocket.
func TestTLS(t *testing.T) {
	t.Parallel()
	_, target := secured(t, newAuthority(t, "authority"), "")
	Run(t, target, "connect", "publish", "qos", "will", "websocket")
}

func handshake(b *alcovetest.Broker, c *tls.Config) error {
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", b.MQTTS, c)
	if err != nil {
		return err
	}
	defer conn.Close()
	// With TLS 1.3 a refused client certificate shows at the first read.
	conn.SetDeadline(time.Now().Add(patience))
	conn.Write([]byte{0xc0, 0}) // no CONNECT: the broker closes
	_, err = conn.Read(make([]byte, 1))
	if alert := new(tls.AlertError); errors.As(err, alert) {
		return err
	}
	if op := new(net.OpError); errors.As(err, &op) && op.Op == "remote error" {
		return err
	}
	return nil
}

func TestTLSVersions(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "authority")
	for min, refused := range map[string][]uint16{"": {tls.VersionTLS10, tls.VersionTLS11}, "  min_version: \"1.3\"\n": {tls.VersionTLS11, tls.VersionTLS12}} {
		b, target := secured(t, ca, min)
		for v := uint16(tls.VersionTLS10); v <= tls.VersionTLS13; v++ {
			c := target.TLS.Clone()
			c.MinVersion, c.MaxVersion = v, v
			bad := v == refused[0] || v <= refused[1]
			if err := handshake(b, c); (err != nil) != bad {
				t.Errorf("with %q, %s: %v", min, tls.VersionName(v), err)
			}
		}
	}
}

func TestTLSServerName(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "authority")
	_, cert, key := ca.issue(t, "second.test")
	b, target := secured(t, ca, fmt.Sprintf("  certificates:\n    - cert: %s\n      key: %s\n", cert, key))
	for _, name := range []string{"broker.test", "second.test"} {
		c := target.TLS.Clone()
		c.ServerName = name
		if err := handshake(b, c); err != nil {
			t.Errorf("name %q: %v", name, err)
		}
	}
	// A name that no certificate fits, or none, gets the first one; the client decides.
	for _, name := range []string{"other.test", ""} {
		if err := handshake(b, &tls.Config{InsecureSkipVerify: true, ServerName: name}); err != nil {
			t.Errorf("name %q: %v", name, err)
		}
	}
	c := target.TLS.Clone()
	c.ServerName = "other.test"
	if err := handshake(b, c); err == nil {
		t.Error("the certificate is taken for another name")
	}
}

func TestTLSClientCertificates(t *testing.T) {
	t.Parallel()
	ca, clients, strangers := newAuthority(t, "authority"), newAuthority(t, "clients"), newAuthority(t, "strangers")
	b, target := secured(t, ca, "  client_ca: "+clients.file+"\n")
	good, _, _ := clients.issue(t, "client.test")
	bad, _, _ := strangers.issue(t, "client.test")
	for name, x := range map[string]struct {
		certs []tls.Certificate
		ok    bool
	}{"none": {nil, true}, "by the authority": {[]tls.Certificate{good}, true}, "by a stranger": {[]tls.Certificate{bad}, false}} {
		c := target.TLS.Clone()
		// Sent whatever authorities the server names.
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if len(x.certs) == 0 {
				return &tls.Certificate{}, nil
			}
			return &x.certs[0], nil
		}
		if err := handshake(b, c); (err == nil) != x.ok {
			t.Errorf("certificate %s: %v", name, err)
		}
	}
}

// TestSelfSigned: without a certificate the broker makes one and keeps it.
func TestSelfSigned(t *testing.T) {
	if *flagURL != "" {
		t.Skip("-url given")
	}
	t.Parallel()
	b := alcovetest.Start(t, alcovetest.Config{Args: tlsPorts})
	var first []byte
	for range 2 {
		conn, err := tls.Dial("tcp", b.MQTTS, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		cert := conn.ConnectionState().PeerCertificates[0].Raw
		conn.Close()
		if first == nil {
			first = cert
		} else if string(first) != string(cert) {
			t.Error("another certificate after a restart")
		}
		b.Stop()
		b.Restart()
	}
}
