package server

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"alcove/internal/broker"
)

// The PROXY protocol, versions 1 and 2: a load balancer tells in front of a
// connection whose it is. A header is read from trusted peers only, and required of
// them: an address that anybody could claim would open tokens bound to addresses.

var (
	errProxy        = errors.New("no valid PROXY header")
	errProxyTooLong = errors.New("the PROXY header is too long")
)

const (
	proxyV1Max    = 107
	proxyV1Prefix = "PROXY "
	proxyV2Prefix = "\r\n\r\n\x00\r\nQUIT\n"
	proxyV2Head   = len(proxyV2Prefix) + 4
)

// parseProxy reads the header at the start of b. n is its length; while b is too
// short n is 0 and lacks says how many bytes are missing at least. from is the
// zero value where the proxy speaks for itself or does not know.
func parseProxy(b []byte) (from netip.AddrPort, n, lacks int, err error) {
	switch {
	case len(b) == 0:
		return from, 0, 1, nil
	case begins(b, proxyV2Prefix):
		if len(b) < proxyV2Head {
			return from, 0, proxyV2Head - len(b), nil
		}
		return parseProxyV2(b)
	case begins(b, proxyV1Prefix):
		end := bytes.IndexByte(b[:min(len(b), proxyV1Max)], '\n')
		if end < 0 {
			if len(b) >= proxyV1Max {
				return from, 0, 0, errProxyTooLong
			}
			return from, 0, 1, nil
		}
		if end == 0 || b[end-1] != '\r' {
			return from, 0, 0, errProxy
		}
		from, err = parseProxyV1(string(b[:end-1]))
		return from, end + 1, 0, err
	}
	return from, 0, 0, errProxy
}

// begins tells whether b begins with prefix, as far as it goes.
func begins(b []byte, prefix string) bool {
	n := min(len(b), len(prefix))
	return string(b[:n]) == prefix[:n]
}

// parseProxyV1 reads "PROXY TCP4 192.0.2.1 192.0.2.2 1000 1883".
func parseProxyV1(line string) (from netip.AddrPort, err error) {
	words := strings.Split(line, " ")
	if len(words) >= 2 && words[1] == "UNKNOWN" {
		return from, nil
	}
	if len(words) != 6 || words[1] != "TCP4" && words[1] != "TCP6" {
		return from, errProxy
	}
	source, err := proxyEnd(words[1], words[2], words[4])
	if err != nil {
		return from, err
	}
	if _, err := proxyEnd(words[1], words[3], words[5]); err != nil {
		return from, err
	}
	return source, nil
}

func proxyEnd(family, address, port string) (netip.AddrPort, error) {
	a, err := netip.ParseAddr(address)
	if err != nil || a.Zone() != "" || a.Is4() != (family == "TCP4") {
		return netip.AddrPort{}, errProxy
	}
	p, err := strconv.ParseUint(port, 10, 16)
	if err != nil || port != strconv.FormatUint(p, 10) {
		return netip.AddrPort{}, errProxy
	}
	return netip.AddrPortFrom(a, uint16(p)), nil
}

// parseProxyV2 reads the binary form; its first 16 bytes are there.
func parseProxyV2(b []byte) (from netip.AddrPort, n, lacks int, err error) {
	kind, family := b[12], b[13]
	n = proxyV2Head + int(binary.BigEndian.Uint16(b[14:]))
	switch {
	case kind != 0x20 && kind != 0x21: // version 2: LOCAL or PROXY
		return from, 0, 0, errProxy
	case n > proxyHeaderMax:
		return from, 0, 0, errProxyTooLong
	case len(b) < n:
		return from, 0, n - len(b), nil
	}
	body := b[proxyV2Head:n]
	if kind == 0x20 { // the proxy itself: a health check
		return from, n, 0, nil
	}
	size := 0
	switch family {
	case 0x00: // unknown
		return from, n, 0, nil
	case 0x11: // TCP over IPv4
		size = 12
	case 0x21: // TCP over IPv6
		size = 36
	case 0x31: // a Unix stream
		size = 216
	default:
		return from, 0, 0, errProxy
	}
	if len(body) < size || !validTLVs(body[size:]) {
		return from, 0, 0, errProxy
	}
	switch family {
	case 0x11:
		from = netip.AddrPortFrom(netip.AddrFrom4([4]byte(body[:4])), binary.BigEndian.Uint16(body[8:]))
	case 0x21:
		from = netip.AddrPortFrom(netip.AddrFrom16([16]byte(body[:16])), binary.BigEndian.Uint16(body[32:]))
	}
	return from, n, 0, nil
}

// validTLVs tells whether b is a run of type, length, value.
func validTLVs(b []byte) bool {
	for len(b) > 0 {
		if len(b) < 3 {
			return false
		}
		n := 3 + int(binary.BigEndian.Uint16(b[1:]))
		if len(b) < n {
			return false
		}
		b = b[n:]
	}
	return true
}

// takeProxy handles the PROXY header of a connection on a loop, like Conn.take.
func (c *Conn) takeProxy(t *broker.Turn, b []byte) int {
	from, n, _, err := parseProxy(b)
	if err != nil {
		c.loop.srv.noise.say(noiseProxy, err.Error(), "remote", remoteText(c.remote.addrPort()))
		c.lost(t, err)
		return len(b)
	}
	if n > 0 {
		c.state = stateNew
		if from.IsValid() {
			c.remote = endpointOf(from)
		}
	}
	return n
}

// proxied returns the address of the client behind nc: where the peer is trusted,
// the one in its PROXY header, which is read, and not a byte more. The caller has
// set a deadline.
func (s *Server) proxied(nc net.Conn) (netip.AddrPort, error) {
	remote := addrPortOf(nc)
	if !s.trusted(remote.Addr()) {
		return remote, nil
	}
	b := make([]byte, 0, 2*proxyV1Max)
	for {
		from, n, lacks, err := parseProxy(b)
		if err != nil {
			return remote, err
		}
		if n > 0 {
			if from.IsValid() {
				remote = unmapped(from)
			}
			return remote, nil
		}
		at := len(b)
		b = append(b, make([]byte, lacks)...)
		k, err := nc.Read(b[at:])
		b = b[:at+k]
		if err != nil && k == 0 {
			return remote, err
		}
	}
}

// addrPortOf returns the address of nc's peer, the zero value for a Unix socket.
func addrPortOf(nc net.Conn) netip.AddrPort {
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		return unmapped(a.AddrPort())
	}
	return netip.AddrPort{}
}
