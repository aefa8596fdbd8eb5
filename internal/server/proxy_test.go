package server

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"testing"

	"alcove/internal/auth"
	"alcove/internal/mqtt"
)

// proxyV2 returns a binary header.
func proxyV2(command, family byte, body []byte) []byte {
	b := append([]byte(proxyV2Prefix), command, family)
	return append(binary.BigEndian.AppendUint16(b, uint16(len(body))), body...)
}

func v4body(tlvs ...byte) []byte {
	return append([]byte{192, 0, 2, 1, 10, 0, 0, 1, 0x30, 0x39, 0x07, 0x5b}, tlvs...)
}

func TestProxyHeader(t *testing.T) {
	v6 := netip.MustParseAddr("2001:db8::1").As16()
	v6body := append(append(v6[:], make([]byte, 16)...), 0x30, 0x39, 0x07, 0x5b)
	tests := []struct {
		name string
		in   []byte
		from string // of the client; empty: unknown
		ok   bool
	}{
		{"v1 IPv4", []byte("PROXY TCP4 192.0.2.1 10.0.0.1 12345 1883\r\n"), "192.0.2.1:12345", true},
		{"v1 IPv6", []byte("PROXY TCP6 2001:db8::1 ::1 12345 1883\r\n"), "[2001:db8::1]:12345", true},
		{"v1 unknown", []byte("PROXY UNKNOWN\r\n"), "", true},
		{"v1 unknown with addresses", []byte("PROXY UNKNOWN ff:: ff:: 1 2\r\n"), "", true},
		{"v1 family", []byte("PROXY TCP4 2001:db8::1 ::1 12345 1883\r\n"), "", false},
		{"v1 zone", []byte("PROXY TCP6 fe80::1%eth0 ::1 12345 1883\r\n"), "", false},
		{"v1 UDP", []byte("PROXY UDP4 192.0.2.1 10.0.0.1 12345 1883\r\n"), "", false},
		{"v1 port", []byte("PROXY TCP4 192.0.2.1 10.0.0.1 65536 1883\r\n"), "", false},
		{"v1 port with zeros", []byte("PROXY TCP4 192.0.2.1 10.0.0.1 0012 1883\r\n"), "", false},
		{"v1 address", []byte("PROXY TCP4 192.0.2 10.0.0.1 1 1883\r\n"), "", false},
		{"v1 second address", []byte("PROXY TCP4 192.0.2.1 x 1 1883\r\n"), "", false},
		{"v1 words", []byte("PROXY TCP4 192.0.2.1 10.0.0.1 1\r\n"), "", false},
		{"v1 spaces", []byte("PROXY  TCP4 192.0.2.1 10.0.0.1 1 2\r\n"), "", false},
		{"v1 line feed alone", []byte("PROXY TCP4 192.0.2.1 10.0.0.1 1 2\n"), "", false},
		{"v1 too long", []byte("PROXY UNKNOWN " + strings.Repeat("x", 100) + "\r\n"), "", false},
		{"v2 IPv4", proxyV2(0x21, 0x11, v4body()), "192.0.2.1:12345", true},
		{"v2 IPv6", proxyV2(0x21, 0x21, v6body), "[2001:db8::1]:12345", true},
		{"v2 with TLVs", proxyV2(0x21, 0x11, v4body(1, 0, 2, 'h', '2', 4, 0, 0)), "192.0.2.1:12345", true},
		{"v2 LOCAL", proxyV2(0x20, 0x00, nil), "", true},
		{"v2 LOCAL with a body", proxyV2(0x20, 0x11, []byte("whatever")), "", true},
		{"v2 unknown family", proxyV2(0x21, 0x00, []byte("whatever")), "", true},
		{"v2 Unix", proxyV2(0x21, 0x31, make([]byte, 216)), "", true},
		{"v2 UDP", proxyV2(0x21, 0x12, v4body()), "", false},
		{"v2 short", proxyV2(0x21, 0x11, v4body()[:11]), "", false},
		{"v2 cut TLV", proxyV2(0x21, 0x11, v4body(1, 0, 9)), "", false},
		{"v2 command", proxyV2(0x22, 0x11, v4body()), "", false},
		{"v2 version", proxyV2(0x11, 0x11, v4body()), "", false},
		{"v2 64 KiB of TLVs", proxyV2(0x21, 0x11, v4body(append([]byte{1, 0xff, 0}, make([]byte, 0xff00)...)...)), "", false},
		{"CONNECT", connectPacket(mqtt.V5, "c", "", nil), "", false},
		{"HTTP", []byte("GET / HTTP/1.1\r\n"), "", false},
	}
	for _, x := range tests {
		t.Run(x.name, func(t *testing.T) {
			from, n, _, err := parseProxy(append(bytes.Clone(x.in), "rest"...))
			if (err == nil) != x.ok {
				t.Fatalf("error %v", err)
			}
			if !x.ok {
				return
			}
			if n != len(x.in) {
				t.Errorf("length %d, want %d", n, len(x.in))
			}
			if from.IsValid() != (x.from != "") || x.from != "" && from.String() != x.from {
				t.Errorf("from %v, want %s", from, x.from)
			}
			for i := range x.in {
				if _, n, lacks, err := parseProxy(x.in[:i]); n != 0 || err != nil || lacks < 1 || lacks > len(x.in)-i {
					t.Fatalf("%d bytes of it: n %d, lacks %d, %v", i, n, lacks, err)
				}
			}
		})
	}
}

// FuzzProxy: nothing panics, no header reaches behind its bytes, and what is asked
// for as missing leads to the same end.
func FuzzProxy(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.1 10.0.0.1 12345 1883\r\n"))
	f.Add([]byte("PROXY UNKNOWN\r\n"))
	f.Add(proxyV2(0x21, 0x11, v4body(1, 0, 2, 'h', '2')))
	f.Add(proxyV2(0x20, 0, nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		from, n, _, err := parseProxy(data)
		if n > len(data) || n > proxyHeaderMax || err != nil && from.IsValid() {
			t.Fatalf("%v, %d of %d bytes, %v", from, n, len(data), err)
		}
		at := 0
		for {
			f2, n2, lacks, err2 := parseProxy(data[:at])
			if n2 == 0 && err2 == nil {
				if lacks < 1 {
					t.Fatal("neither a header nor bytes missing")
				}
				if at += lacks; at <= len(data) {
					continue
				}
				if n != 0 {
					t.Fatal("more was asked for than the header has")
				}
				return
			}
			if (err == nil) == (err2 == nil) && err == nil && (n2 != n || f2 != from) {
				t.Fatalf("byte by byte: %v %d, at once: %v %d", f2, n2, from, n)
			}
			return
		}
	})
}

// TestProxyListeners: every listener but the Unix one reads the header of a trusted
// peer, and only of one; the client's address is what tokens are bound to.
func TestProxyListeners(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	h := newHouse(t, Config{MQTT: loopback, MQTTS: loopback, HTTP: loopback, HTTPS: loopback, ProxyTrusted: trusted})
	ips := "203.0.113.*"
	if _, err := h.directory.UpdateToken(1, auth.TokenSpec{IPs: &ips}); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{"203.0.113.9", "198.51.100.1"} {
		for _, header := range [][]byte{
			[]byte("PROXY TCP4 " + from + " 10.0.0.1 12345 1883\r\n"),
			proxyV2(0x21, 0x11, append(netip.MustParseAddr(from).AsSlice(), v4body(3, 0, 4, 1, 2, 3, 4)[4:]...)),
		} {
			for _, name := range []string{"mqtt", "mqtts", "http", "https"} {
				p, wrap := h.through(name, header)
				p.write(wrap(connectPacket(mqtt.V5, "", h.keys[0], nil)))
				if from == "203.0.113.9" {
					p.connack()
				} else if got := p.refusal(); got != mqtt.NotAuthorized {
					t.Errorf("%s: %v", name, got)
				}
				_ = p.conn.Close()
			}
		}
	}
	// Without a header, nobody comes in from there.
	p := h.dial()
	p.write(connectPacket(mqtt.V5, "c", h.keys[0], nil))
	if b := p.closed(); len(b) > 0 {
		t.Errorf("got % x", b)
	}
}

// through connects to a listener behind a PROXY header.
func (h *house) through(name string, header []byte) (*peer, func([]byte) []byte) {
	h.t.Helper()
	plain := func(b []byte) []byte { return b }
	a := h.srv.Addrs()
	at := map[string]net.Addr{"mqtt": a.MQTT, "mqtts": a.MQTTS, "http": a.HTTP, "https": a.HTTPS}[name]
	c, err := net.Dial("tcp", at.String())
	must(h.t, err)
	for _, b := range header {
		_, err = c.Write([]byte{b})
		must(h.t, err)
	}
	if strings.HasSuffix(name, "s") {
		c = tls.Client(c, anyServer)
	}
	if strings.HasPrefix(name, "mqtt") {
		return newPeer(h.t, c), plain
	}
	p, _, _ := webSocket(h.t, c, "", nil)
	return p, binaryFrame
}
