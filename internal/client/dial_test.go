package client

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

func TestParseURL(t *testing.T) {
	for text, want := range map[string]URL{
		"mqtt://h":                  {Endpoint: Endpoint{Transport: TCP, Address: "h:1883"}},
		"tcp://h:5/a/b":             {Endpoint: Endpoint{Transport: TCP, Address: "h:5"}, Topic: "a/b"},
		"mqtts://u:p@[::1]/t":       {Endpoint: Endpoint{Transport: TLS, Address: "[::1]:8883"}, Username: "u", Password: "p", HasUser: true, HasPass: true, Topic: "t"},
		"ws://h/some/path":          {Endpoint: Endpoint{Transport: WS, Address: "h:80", Path: "/some/path"}},
		"WSS://u@h:9":               {Endpoint: Endpoint{Transport: WSS, Address: "h:9"}, Username: "u", HasUser: true},
		"unix:///run/alcove.socket": {Endpoint: Endpoint{Transport: Unix, Address: "/run/alcove.socket"}},
	} {
		got, err := ParseURL(text)
		if err != nil || *got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "h:1883", "http://h", "mqtt://", "mqtt://h:x", "unix://"} {
		if got, err := ParseURL(text); err == nil {
			t.Errorf("%s: %+v", text, got)
		}
	}
}

// echo accepts connections and sends back what comes, until the test ends.
func echo(t *testing.T, l net.Listener, wrap func(net.Conn) (io.ReadWriter, error)) {
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				rw, err := wrap(conn)
				if err == nil {
					io.Copy(rw, rw)
				}
			}()
		}
	}()
}

// checkEcho sends bytes both ways over an endpoint.
func checkEcho(t *testing.T, e Endpoint) {
	t.Helper()
	conn, err := Dial(bounded(t), e)
	if err != nil {
		t.Fatalf("%s: %v", e, err)
	}
	defer conn.Close()
	want := bytes.Repeat([]byte("0123456789"), 20_000)
	go conn.Write(want)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: the bytes come back changed: %v", e, err)
	}
}

// authority makes a certificate for 127.0.0.1 and writes it to a file.
func authority(t *testing.T) (tls.Certificate, string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"broker.test"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, path
}

func listen(t *testing.T) net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func plain(c net.Conn) (io.ReadWriter, error) { return c, nil }

func TestTransports(t *testing.T) {
	cert, ca := authority(t)
	serverTLS := &tls.Config{Certificates: []tls.Certificate{cert}}
	trusting, err := TLSFiles{CAFile: ca}.Config()
	if err != nil {
		t.Fatal(err)
	}

	l := listen(t)
	echo(t, l, plain)
	checkEcho(t, Endpoint{Transport: TCP, Address: l.Addr().String()})
	checkEcho(t, Endpoint{Transport: TCP, Address: l.Addr().String(), Bind: "127.0.0.1"})

	l = tls.NewListener(listen(t), serverTLS)
	echo(t, l, plain)
	checkEcho(t, Endpoint{Transport: TLS, Address: l.Addr().String(), TLS: trusting})
	if conn, err := Dial(bounded(t), Endpoint{Transport: TLS, Address: l.Addr().String()}); err == nil {
		conn.Close()
		t.Error("a certificate of an unknown authority was accepted")
	}
	careless, _ := TLSFiles{Insecure: true, Version: "tlsv1.3"}.Config()
	checkEcho(t, Endpoint{Transport: TLS, Address: l.Addr().String(), TLS: careless})
	named, _ := TLSFiles{CAFile: ca, ServerName: "broker.test"}.Config()
	checkEcho(t, Endpoint{Transport: TLS, Address: l.Addr().String(), TLS: named})

	l = listen(t)
	echo(t, l, serveWebSocket("mqtt"))
	checkEcho(t, Endpoint{Transport: WS, Address: l.Addr().String()})

	l = tls.NewListener(listen(t), serverTLS)
	echo(t, l, serveWebSocket("mqtt"))
	checkEcho(t, Endpoint{Transport: WSS, Address: l.Addr().String(), TLS: trusting, Path: "/any/path"})

	path := filepath.Join(t.TempDir(), "socket")
	l, err = net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	echo(t, l, plain)
	checkEcho(t, Endpoint{Transport: Unix, Address: path})
}

func TestWebSocketSubprotocol(t *testing.T) { // [MQTT-6.0.0-3] [MQTT-6.0.0-4]
	l := listen(t)
	echo(t, l, serveWebSocket("other"))
	if conn, err := Dial(bounded(t), Endpoint{Transport: WS, Address: l.Addr().String()}); err == nil {
		conn.Close()
		t.Error("a WebSocket without the subprotocol was accepted")
	}
}

// serveWebSocket upgrades a connection for the given subprotocol and echoes with many
// small frames, pings among them.
func serveWebSocket(protocol string) func(net.Conn) (io.ReadWriter, error) {
	return func(c net.Conn) (io.ReadWriter, error) {
		u := ws.Upgrader{Protocol: func(p []byte) bool { return string(p) == protocol }}
		_, err := u.Upgrade(c)
		return &frames{conn: c}, err
	}
}

type frames struct {
	conn net.Conn
	rest []byte
	n    int
}

func (f *frames) Read(p []byte) (int, error) {
	for len(f.rest) == 0 {
		frame, err := ws.ReadFrame(f.conn)
		if err != nil {
			return 0, err
		}
		if !frame.Header.Masked {
			return 0, errors.New("a client's frame must be masked")
		}
		if frame.Header.OpCode == ws.OpBinary {
			f.rest = ws.UnmaskFrame(frame).Payload
		}
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

// Write sends fragments of changing size with a ping between two of them.
func (f *frames) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		f.n++
		n := min(len(rest), 1+f.n%7*300)
		half := n / 2
		for _, frame := range []ws.Frame{
			ws.NewFrame(ws.OpBinary, false, rest[:half]),
			ws.NewPingFrame([]byte("are you there")),
			ws.NewFrame(ws.OpContinuation, true, rest[half:n]),
		} {
			if err := ws.WriteFrame(f.conn, frame); err != nil {
				return 0, err
			}
		}
		rest = rest[n:]
	}
	return len(p), nil
}

func TestWebSocketFramesRefused(t *testing.T) {
	for name, frame := range map[string]ws.Frame{
		"text":            ws.NewTextFrame([]byte("x")), // [MQTT-6.0.0-1]
		"lone fragment":   ws.NewFrame(ws.OpContinuation, true, []byte("x")),
		"long ping":       ws.NewFrame(ws.OpPing, true, make([]byte, 126)),
		"fragmented ping": ws.NewFrame(ws.OpPing, false, nil),
		"close":           ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusGoingAway, "bye")),
	} {
		a, b := net.Pipe()
		s := &socket{Conn: a, in: a}
		go func() {
			ws.WriteFrame(b, frame)
			io.Copy(io.Discard, b)
		}()
		if n, err := s.Read(make([]byte, 10)); err == nil {
			t.Errorf("%s: read %d bytes", name, n)
		}
		a.Close()
		b.Close()
	}
}

// FuzzWebSocket checks that no bytes of a server make reading panic or run on.
func FuzzWebSocket(f *testing.F) {
	f.Add([]byte{0x82, 3, 'a', 'b', 'c'})
	f.Add([]byte{0x02, 1, 'a', 0x89, 0, 0x80, 1, 'b'})
	f.Add([]byte{0x82, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 'x'})
	f.Add([]byte{0x88, 2, 3, 0xe8})
	f.Fuzz(func(t *testing.T, b []byte) {
		s := &socket{Conn: discard{}, in: bytes.NewReader(b)}
		n, _ := io.Copy(io.Discard, s)
		if n > int64(len(b)) {
			t.Errorf("%d bytes out of %d", n, len(b))
		}
	})
}

// discard is a connection that takes everything.
type discard struct{ net.Conn }

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func TestTLSFilesRefused(t *testing.T) {
	for name, f := range map[string]TLSFiles{
		"no such file": {CAFile: filepath.Join(t.TempDir(), "none")},
		"no directory": {CAPath: filepath.Join(t.TempDir(), "none")},
		"key missing":  {CertFile: "x"},
		"old version":  {Version: "tlsv1.1"},
		"no such pair": {CertFile: "x", KeyFile: "y"},
		"not a PEM":    {CAFile: "dial_test.go"},
	} {
		if _, err := f.Config(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
