package server

import "net/netip"

// endpoint is an address with its port, without a zone: 20 bytes in each connection,
// where netip.AddrPort takes 32.
type endpoint struct {
	ip     [16]byte
	port   uint16
	family uint8 // 4 or 6; 0 for a transport without addresses
}

// endpointOf keeps a. An IPv4 address in IPv6 form becomes an IPv4 one.
func endpointOf(a netip.AddrPort) (e endpoint) {
	switch ip := a.Addr().Unmap(); {
	case ip.Is4():
		e.family = 4
		four := ip.As4()
		copy(e.ip[:], four[:])
	case ip.Is6():
		e.family = 6
		e.ip = ip.As16()
	}
	e.port = a.Port()
	return e
}

// addrPort is what was kept.
func (e *endpoint) addrPort() netip.AddrPort {
	var ip netip.Addr
	switch e.family {
	case 4:
		ip = netip.AddrFrom4([4]byte(e.ip[:4]))
	case 6:
		ip = netip.AddrFrom16(e.ip)
	}
	return netip.AddrPortFrom(ip, e.port)
}
