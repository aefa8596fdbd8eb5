package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"alcove/internal/mqtt"
)

// noiseKind is a kind of message that peers can cause as often as they like.
type noiseKind uint8

const (
	noiseProtocol noiseKind = iota
	noiseRefused
	noiseTimeout
	noiseHandshake
	noiseProxy
	noiseWebSocket
	noiseFull
	noiseRate
	noiseAccept
	noiseHTTP
	noiseKinds
)

var noiseTexts = [noiseKinds]string{
	"connection ended: bad input", "connection refused", "connection ended: timeout",
	"TLS handshake failed", "bad PROXY header", "WebSocket refused or ended",
	"no room for a connection", "connects come too fast", "accept failed", "HTTP",
}

// noise writes the operator's messages about peers: at most one a second of each
// kind, with the number of those that were left out.
type noise struct {
	log  *slog.Logger
	last [noiseKinds]atomic.Int64 // UNIX nanoseconds
	kept [noiseKinds]atomic.Uint64
}

// say writes a message, or counts it.
func (n *noise) say(kind noiseKind, why string, args ...any) {
	if n.due(kind) {
		n.write(kind, why, args...)
	}
}

// due tells whether a message of a kind is to be written now, and counts it if not.
// Where a flood comes, its answer saves the making of what would be written.
func (n *noise) due(kind noiseKind) bool {
	now := time.Now().UnixNano()
	last := n.last[kind].Load()
	if now-last < int64(time.Second) || !n.last[kind].CompareAndSwap(last, now) {
		n.kept[kind].Add(1)
		return false
	}
	return true
}

// write writes a message that is due.
func (n *noise) write(kind noiseKind, why string, args ...any) {
	args = append(args, "why", why, "more", n.kept[kind].Swap(0))
	n.log.Info(noiseTexts[kind], args...)
}

// complain tells the operator why a connection ended. Nothing that the peer sent is
// repeated.
func (s *Server) complain(c *Conn, err error) {
	kind := noiseProtocol
	var e *mqtt.Error
	switch {
	case err == errConnectRate:
		kind = noiseRate
	case errors.Is(err, errConnectTimeout), errors.Is(err, errWriteTimeout), err == errKeepAlive:
		kind = noiseTimeout
	case errors.As(err, &e) && c.state < stateUp && e.Code != mqtt.MalformedPacket && e.Code != mqtt.ProtocolError:
		kind = noiseRefused
	}
	if s.noise.due(kind) {
		s.noise.write(kind, err.Error(), "remote", remoteText(c.remote.addrPort()), "transport", transportNames[c.transport])
	}
}

// remoteText is an address as it stands in the log.
func remoteText(a netip.AddrPort) string {
	if !a.IsValid() {
		return "local"
	}
	return fmt.Sprint(a)
}
