package auth

import (
	"net/netip"
	"strconv"
	"strings"
)

// ipMask is one item of a token's ips: a CIDR prefix, or a pattern over the address
// as text.
type ipMask struct {
	prefix  netip.Prefix // valid for CIDR and for a plain address
	pattern string       // with * and ?, else empty
}

// parseIPs reads a comma list of addresses, CIDR prefixes and masks [EXT-TOK-3]. An
// empty text is no restriction (nil).
func parseIPs(text string) ([]ipMask, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	if len(text) > MaxIPsBytes {
		return nil, fieldError("ips", "is longer than "+strconv.Itoa(MaxIPsBytes)+" bytes")
	}
	items := strings.Split(text, ",")
	if len(items) > MaxIPs {
		return nil, fieldError("ips", "has more than "+strconv.Itoa(MaxIPs)+" masks")
	}
	masks := make([]ipMask, 0, len(items))
	for _, item := range items {
		m, ok := parseIPMask(strings.TrimSpace(item))
		if !ok {
			return nil, fieldError("ips", strconv.Quote(strings.TrimSpace(item))+" is no address, mask or prefix")
		}
		masks = append(masks, m)
	}
	return masks, nil
}

func parseIPMask(s string) (ipMask, bool) {
	if s == "" {
		return ipMask{}, false
	}
	if strings.ContainsAny(s, "*?") {
		s = strings.ToLower(s)
		for i := range len(s) {
			if !strings.ContainsRune("0123456789abcdef.:*?", rune(s[i])) {
				return ipMask{}, false
			}
		}
		return ipMask{pattern: s}, true
	}
	if strings.Contains(s, "/") {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return ipMask{}, false
		}
		return ipMask{prefix: unmapPrefix(p).Masked()}, true
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return ipMask{}, false
	}
	a = a.Unmap()
	return ipMask{prefix: netip.PrefixFrom(a, a.BitLen())}, true
}

// unmapPrefix turns ::ffff:a.b.c.d/n (n ≥ 96) into its IPv4 form, so that it meets
// addresses, which are unmapped before they are compared.
func unmapPrefix(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}

// addressAllowed reports whether addr meets one of the masks. No masks allow every
// address; an unknown address (a Unix socket's) meets no mask.
func addressAllowed(masks *[]ipMask, addr netip.Addr) bool {
	if masks == nil || *masks == nil {
		return true
	}
	if !addr.IsValid() {
		return false
	}
	addr = addr.Unmap().WithZone("")
	text := ""
	for _, m := range *masks {
		if m.pattern == "" {
			if m.prefix.Contains(addr) {
				return true
			}
			continue
		}
		if text == "" {
			text = addr.String()
		}
		if MatchMask(m.pattern, text) {
			return true
		}
	}
	return false
}

// MatchMask matches * (any run) and ? (one byte) in O(len(pattern)·len(s)) time,
// without recursion: on a mismatch only the latest * is widened.
func MatchMask(pattern, s string) bool {
	p, i, star, mark := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
