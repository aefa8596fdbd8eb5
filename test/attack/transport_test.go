package attack

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"alcove/test/alcovetest"
)

// everyDoor starts a broker with all its listeners.
func everyDoor(t *testing.T, yaml string) *alcovetest.Broker {
	return alcovetest.Start(t, alcovetest.Config{YAML: yaml, Args: []string{"--mqtts", "127.0.0.1:0", "--https", "127.0.0.1:0"}})
}

// transports are the ways in; each opens a connection that carries plain MQTT.
var transports = []struct {
	name string
	open func(testing.TB, *alcovetest.Broker) net.Conn
}{
	{"tcp", func(t testing.TB, b *alcovetest.Broker) net.Conn { return plainDial(t, b.MQTT) }},
	{"tls", func(t testing.TB, b *alcovetest.Broker) net.Conn { return tlsDial(t, b.MQTTS) }},
	{"ws", func(t testing.TB, b *alcovetest.Broker) net.Conn { return framed(t, plainDial(t, b.HTTP)) }},
	{"wss", func(t testing.TB, b *alcovetest.Broker) net.Conn { return framed(t, tlsDial(t, b.HTTPS)) }},
}

func plainDial(t testing.TB, at string) net.Conn {
	t.Helper()
	c, err := net.DialTimeout("tcp", at, patience)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func tlsDial(t testing.TB, at string) net.Conn {
	t.Helper()
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", at, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// socket is a WebSocket as a stream of the bytes in its binary frames.
type socket struct {
	net.Conn
	r    *bufio.Reader
	rest int
}

func framed(t testing.TB, c net.Conn) net.Conn {
	t.Helper()
	s := &socket{Conn: c, r: bufio.NewReader(c)}
	c.SetDeadline(time.Now().Add(patience))
	c.Write([]byte("GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + mqttProtocol + "\r\n"))
	resp, err := http.ReadResponse(s.r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("WebSocket: %v, %v", resp, err)
	}
	return s
}

// Write sends one frame.
func (s *socket) Write(b []byte) (int, error) {
	if _, err := s.Conn.Write(frame(0x82, b, true)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Read reads what binary frames hold, up to a close frame.
func (s *socket) Read(b []byte) (int, error) {
	for s.rest == 0 {
		head := make([]byte, 2)
		if _, err := io.ReadFull(s.r, head); err != nil {
			return 0, err
		}
		switch s.rest = int(head[1]); s.rest {
		case 126:
			io.ReadFull(s.r, head)
			s.rest = int(binary.BigEndian.Uint16(head))
		case 127:
			long := make([]byte, 8)
			io.ReadFull(s.r, long)
			s.rest = int(binary.BigEndian.Uint64(long))
		}
		if head[0]&15 == 8 {
			return 0, io.EOF
		}
	}
	n, err := s.r.Read(b[:min(len(b), s.rest)])
	s.rest -= n
	return n, err
}
