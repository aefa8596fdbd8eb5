package attack

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"alcove/test/alcovetest"
	"alcove/test/conform/wire"
)

func enhancedAuth(t *testing.T, b *alcovetest.Broker) {
	scram := func(data string) wire.Props {
		return wire.Props{wire.Text(wire.AuthMethod, "SCRAM-SHA-256"), wire.Text(wire.AuthData, data)}
	}
	id, key := token(t, b, `"scram":true,"access":{"type":0}`)
	start := func() *conn {
		c := dial(t, b)
		c.send(hello(b, func(p *wire.Connect) { p.User = nil; p.Props = scram("n,,n=" + id + ",r=abcdefgh") }).Bytes())
		if p := c.next(); p == nil || p.Type != wire.AUTH {
			t.Fatalf("CONNECT answered by %v", p)
		}
		return c
	}
	// AUTH where nobody named a method.
	bad(t, b, v5, wire.Auth(0x19, scram("x")), 0x82)
	bad(t, b, v5, []byte{0xf0, 0}, 0x82, 0x81)
	// Authentication never goes on for ever.
	c := start()
	for range 20 {
		c.send(wire.Auth(0x18, scram("n,,n="+id+",r=abcdefgh")))
	}
	c.closed(0x81, 0x82, 0x86, 0x87)
	// Nor does silence in the middle of it.
	began := time.Now()
	silent := start()
	silent.SetReadDeadline(time.Now().Add(40 * time.Second))
	for {
		if _, err := wire.Read(silent.r, v5); err != nil {
			if e, ok := err.(net.Error); ok && e.Timeout() {
				t.Error("silence during authentication is waited for")
			}
			break
		}
	}
	if d := time.Since(began); d > 35*time.Second {
		t.Errorf("silence during authentication is waited for %v", d)
	}
	// Packets before success, another method, no method, data that is none.
	for _, packet := range [][]byte{wire.Ping(), wire.Publish{Topic: "a"}.Bytes(v5), wire.Subscribe(v5, 1, nil, wire.Sub{Filter: "a"}),
		wire.Auth(0x18, wire.Props{wire.Text(wire.AuthMethod, "PLAIN")}), wire.Auth(0x18, nil), wire.Auth(0x18, scram("")),
		wire.Auth(0x18, scram(strings.Repeat("a", 60000))), wire.Auth(0x18, scram("c=biws,r=abcdefghXX,p=AAAA")), wire.Auth(0x00, scram("x"))} {
		c := start()
		c.send(packet)
		c.closed(0x81, 0x82, 0x86, 0x87, 0x8c, 0x95)
	}
	for _, data := range []string{"", "n", "n,,", "n,,n=", "p=tls-unique,,n=1,r=x", "y,,n=" + id + ",r=", "n,,n=" + strings.Repeat("9", 300) + ",r=abc", "n,,m=x,n=1,r=abc", "n,,n=" + id + ",r=a\x00b"} {
		c := dial(t, b)
		c.send(hello(b, func(p *wire.Connect) { p.User = nil; p.Props = scram(data) }).Bytes())
		if p := c.next(); p != nil && p.Type == wire.AUTH {
			c.send(wire.Auth(0x18, scram("c=biws,r=abc,p=AAAA")))
			p = c.next()
			if p != nil && p.Reason == 0 {
				t.Errorf("%q let in", data)
			}
		} else if p != nil && p.Reason == 0 {
			t.Errorf("%q let in", data)
		}
	}
	// A method together with a password is decided by the method.
	c = dial(t, b)
	c.send(hello(b, as(key), with(wire.Text(wire.AuthMethod, "nope"))).Bytes())
	c.closed(0x8c, 0x87)
}

func TestRow44_TLS(t *testing.T) {
	t.Parallel()
	b := alcovetest.Start(t, alcovetest.Config{Args: []string{"--mqtts", "127.0.0.1:0"}})
	for _, v := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		if c, err := tls.Dial("tcp", b.MQTTS, &tls.Config{InsecureSkipVerify: true, MinVersion: v, MaxVersion: v}); err == nil {
			t.Errorf("%s is accepted", tls.VersionName(v))
			c.Close()
		}
	}
	// A hello in single bytes is a hello.
	in, err := net.Dial("tcp", b.MQTTS)
	if err != nil {
		t.Fatal(err)
	}
	dripping := tls.Client(dripper{in}, &tls.Config{InsecureSkipVerify: true})
	dripping.SetDeadline(time.Now().Add(patience))
	if err := dripping.Handshake(); err != nil {
		t.Errorf("a hello byte by byte: %v", err)
	}
	c := wrap(t, dripping)
	c.send(hello(b).Bytes())
	if ack := c.await(wire.CONNACK); ack.Reason != 0 {
		t.Errorf("%v", ack)
	}
	// Whoever does not finish the handshake is not waited for.
	grows(t, b, 96<<20, func() {
		var all []net.Conn
		for i := range 300 {
			c, err := net.Dial("tcp", b.MQTTS)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			switch i % 4 {
			case 0:
				c.Write([]byte{0x16, 3, 1, 0x3f, 0xff, 1, 0}) // a record that never ends
			case 1:
				c.Write([]byte{0x16})
			case 2:
				c.Write(hello(b).Bytes()) // no TLS at all
			}
			all = append(all, c)
		}
		for i, c := range all {
			c.SetReadDeadline(time.Now().Add(40 * time.Second))
			if _, err := io.ReadAll(c); err != nil {
				if e, ok := err.(net.Error); ok && e.Timeout() {
					t.Fatalf("socket %d (kind %d) stays open", i, i%4)
				}
			}
		}
	})
}

// dripper writes every byte alone.
type dripper struct{ net.Conn }

func (d dripper) Write(b []byte) (int, error) {
	for i := range b {
		if _, err := d.Conn.Write(b[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(b), nil
}

const proxy2 = "\r\n\r\n\x00\r\nQUIT\n"

// proxyV2 is a version 2 header for a client at 192.0.2.1.
func proxyV2(command byte, more []byte) []byte {
	addresses := wire.Cat([]byte{192, 0, 2, 1, 127, 0, 0, 1}, wire.U16(5555), wire.U16(1883), more)
	return wire.Cat([]byte(proxy2), []byte{0x20 | command, 0x11}, wire.U16(uint16(len(addresses))), addresses)
}

func proxyHeaders(t *testing.T, b *alcovetest.Broker) {
	// Nobody is trusted by default, so a header is just not MQTT.
	for _, head := range [][]byte{[]byte("PROXY TCP4 192.0.2.1 127.0.0.1 5555 1883\r\n"), proxyV2(1, nil), proxyV2(0, nil), []byte(proxy2)} {
		if got := raw(t, b, wire.Cat(head, hello(b).Bytes())); len(got) > 3 && got[0] == 0x20 && got[3] == 0 {
			t.Errorf("%.20q is taken from a stranger", head)
		}
	}
}

func TestRow45_PROXYfromTrusted(t *testing.T) {
	t.Parallel()
	b := alcovetest.Start(t, alcovetest.Config{YAML: "proxy_trusted: [127.0.0.0/8]\n"})
	for name, head := range map[string][]byte{
		"v1": []byte("PROXY TCP4 192.0.2.1 127.0.0.1 5555 1883\r\n"), "v1 unknown": []byte("PROXY UNKNOWN\r\n"),
		"v2": proxyV2(1, nil), "v2 local": proxyV2(0, nil), "v2 with TLV": proxyV2(1, wire.Cat([]byte{4}, wire.Str("xx"))),
	} {
		c := dial(t, b)
		for i := range head { // cut anywhere
			c.send(head[i : i+1])
		}
		c.send(hello(b).Bytes())
		if ack := c.next(); ack == nil || ack.Reason != 0 {
			t.Errorf("%s: %v", name, ack)
		}
		c.Close()
	}
	for name, head := range map[string][]byte{
		"no header": nil, "v1 without end": []byte("PROXY TCP4 " + strings.Repeat("1", 200)), "v1 garbage": []byte("PROXY TCP4 a b c d\r\n"),
		"v2 wrong version": wire.Cat([]byte(proxy2), []byte{0x11, 0x11, 0, 12}, make([]byte, 12)), "v2 short": wire.Cat([]byte(proxy2), []byte{0x21, 0x11, 0, 3, 1, 2, 3}),
		"v2 of 64 KB": proxyV2(1, make([]byte, 65000)), "v2 unknown command": proxyV2(7, nil),
	} {
		if got := raw(t, b, wire.Cat(head, hello(b).Bytes())); len(got) > 3 && got[0] == 0x20 && got[3] == 0 {
			t.Errorf("%s: accepted", name)
		}
	}
}

// upgrade opens a WebSocket with more header lines and returns it and the answer.
func upgrade(t *testing.T, b *alcovetest.Broker, lines string) (*conn, *http.Response) {
	t.Helper()
	c, err := net.DialTimeout("tcp", b.HTTP, patience)
	if err != nil {
		t.Fatal(err)
	}
	w := wrap(t, c)
	w.send([]byte("GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + lines + "\r\n"))
	c.SetReadDeadline(time.Now().Add(patience))
	resp, err := http.ReadResponse(w.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	return w, resp
}

// frame is a WebSocket frame; first holds FIN, reserved bits and opcode.
func frame(first byte, payload []byte, masked bool) []byte {
	b := []byte{first}
	mask := byte(0)
	if masked {
		mask = 0x80
	}
	switch n := len(payload); {
	case n < 126:
		b = append(b, mask|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, mask|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, mask|127), uint64(n))
	}
	if masked {
		b = append(b, 0, 0, 0, 0) // a mask of zeros leaves the payload as it is
	}
	return append(b, payload...)
}

// closeCode reads frames to the end of the connection and returns the close code, or 0.
func closeCode(t *testing.T, c *conn) int {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(patience))
	code := 0
	for {
		head := make([]byte, 2)
		if _, err := io.ReadFull(c.r, head); err != nil {
			if e, ok := err.(net.Error); ok && e.Timeout() {
				t.Error("the WebSocket stays open")
			}
			return code
		}
		n := int(head[1] & 0x7f)
		if n == 126 {
			ext := make([]byte, 2)
			io.ReadFull(c.r, ext)
			n = int(binary.BigEndian.Uint16(ext))
		}
		payload := make([]byte, n)
		io.ReadFull(c.r, payload)
		if head[0]&15 == 8 && n >= 2 {
			code = int(binary.BigEndian.Uint16(payload))
		}
	}
}

const mqttProtocol = "Sec-WebSocket-Protocol: mqtt\r\n"

func webSocket(t *testing.T, b *alcovetest.Broker) {
	hi := frame(0x82, hello(b).Bytes(), true)
	for name, x := range map[string]struct {
		bytes []byte
		codes []int
	}{
		"without mask":       {frame(0x82, hello(b).Bytes(), false), []int{1002}},
		"2^63 bytes":         {append([]byte{0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0}, 0, 0, 0, 0), []int{1002, 1009}},
		"2^62 bytes":         {append([]byte{0x82, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0}, 0, 0, 0, 0), []int{1002, 1009}},
		"text":               {frame(0x81, hello(b).Bytes(), true), []int{1002, 1003}},
		"compressed":         {frame(0xc2, hello(b).Bytes(), true), []int{1002}},
		"unknown opcode":     {frame(0x83, nil, true), []int{1002}},
		"fragmented control": {frame(0x09, nil, true), []int{1002}},
		"long control":       {frame(0x89, make([]byte, 200), true), []int{1002}},
		"lone continuation":  {frame(0x80, []byte("x"), true), []int{1002}},
		"nested message":     {wire.Cat(hi, frame(0x02, []byte{0xc0}, true), frame(0x82, []byte{0}, true)), []int{1002}},
		"MQTT error":         {wire.Cat(hi, frame(0x82, []byte{0x36, 0}, true)), []int{1000, 1002, 1003, 1007, 1008}},
	} {
		c, resp := upgrade(t, b, mqttProtocol)
		if resp.StatusCode != 101 {
			t.Fatalf("%s: %s", name, resp.Status)
		}
		c.send(x.bytes)
		if code := closeCode(t, c); !contains(x.codes, code) {
			t.Errorf("%s: close code %d, want one of %v", name, code, x.codes)
		}
	}
	// Compression is never agreed to, so there is nothing to inflate.
	if _, resp := upgrade(t, b, mqttProtocol+"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"); strings.Contains(resp.Header.Get("Sec-WebSocket-Extensions"), "deflate") {
		t.Errorf("extensions %q", resp.Header.Get("Sec-WebSocket-Extensions"))
	}
	if _, resp := upgrade(t, b, "Sec-WebSocket-Protocol: chat\r\n"); resp.StatusCode == 101 && resp.Header.Get("Sec-WebSocket-Protocol") != "" {
		t.Errorf("subprotocol chat: %s %q", resp.Status, resp.Header.Get("Sec-WebSocket-Protocol"))
	}
	// A frame shorter than the MQTT packet it begins, then silence: the packet is waited for, not guessed.
	c, _ := upgrade(t, b, mqttProtocol)
	c.send(hi, frame(0x82, []byte{0x30, 100, 0, 1, 'a', 0, 'x'}, true), frame(0x82, make([]byte, 95), true), frame(0x82, wire.Ping(), true))
	c.SetReadDeadline(time.Now().Add(patience))
	readBinary(t, c, wire.PINGRESP)
	// Many tiny frames and fragments, and a flood of pings.
	c, _ = upgrade(t, b, mqttProtocol)
	c.send(hi)
	var all []byte
	for range 30000 {
		all = append(all, frame(0x82, []byte{0xc0}, true)...)
		all = append(all, frame(0x82, []byte{0}, true)...)
	}
	go c.send(all)
	for range 30000 {
		readBinary(t, c, wire.PINGRESP)
	}
	flood := connectionFlood(t, b)
	if flood > 64<<20 {
		t.Errorf("pings that nobody reads the answers of take %d MiB", flood>>20)
	}
}

// connectionFlood sends pings and reads nothing; it returns by how much memory grows.
func connectionFlood(t *testing.T, b *alcovetest.Broker) int64 {
	before := b.RSS()
	c, _ := upgrade(t, b, mqttProtocol)
	c.send(frame(0x82, hello(b).Bytes(), true))
	ping := frame(0x89, make([]byte, 125), true)
	var all []byte
	for range 1000 {
		all = append(all, ping...)
	}
	for range 300 { // 39 MB, or less where the broker stops reading
		c.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
		if _, err := c.Write(all); err != nil {
			break
		}
	}
	return b.RSS() - before
}

// readBinary takes frames until an MQTT packet of the type in a frame, or inside one, has come.
func readBinary(t *testing.T, c *conn, typ byte) {
	t.Helper()
	if frames[c] == nil {
		frames[c] = bufio.NewReader(&payloads{c: c})
	}
	c.SetReadDeadline(time.Now().Add(patience))
	for {
		p, err := wire.Read(frames[c], v5)
		if err != nil {
			t.Fatalf("waiting for %s: %v", wire.TypeName(typ), err)
		}
		if p.Type == typ {
			return
		}
	}
}

// frames holds the reader of each WebSocket of the one row that uses it.
var frames = map[*conn]*bufio.Reader{}

// payloads reads the contents of a server's frames.
type payloads struct {
	c    *conn
	rest int // bytes of the frame not yet read
}

func (p *payloads) Read(b []byte) (int, error) {
	for p.rest == 0 {
		var head [4]byte
		if _, err := io.ReadFull(p.c.r, head[:2]); err != nil {
			return 0, err
		}
		p.rest = int(head[1] & 0x7f)
		if p.rest == 126 {
			io.ReadFull(p.c.r, head[2:])
			p.rest = int(binary.BigEndian.Uint16(head[2:]))
		}
		if p.rest == 127 || head[0] != 0x82 {
			return 0, fmt.Errorf("frame % x", head)
		}
	}
	n, err := p.c.r.Read(b[:min(len(b), p.rest)])
	p.rest -= n
	return n, err
}

func contains(list []int, n int) bool {
	for _, x := range list {
		if x == n {
			return true
		}
	}
	return false
}

func TestRow46_origins(t *testing.T) {
	t.Parallel()
	b := alcovetest.Start(t, alcovetest.Config{YAML: "ws_origins: [\"https://good.test\"]\n"})
	for origin, ok := range map[string]bool{"https://good.test": true, "https://evil.test": false, "https://good.test.evil.test": false, "null": false} {
		if _, resp := upgrade(t, b, mqttProtocol+"Origin: "+origin+"\r\n"); (resp.StatusCode == 101) != ok {
			t.Errorf("origin %q: %s", origin, resp.Status)
		}
	}
	if _, resp := upgrade(t, b, mqttProtocol); resp.StatusCode != 101 {
		t.Errorf("without Origin: %s", resp.Status)
	}
}
