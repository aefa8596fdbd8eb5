package server

import (
	"log/slog"
	"net/netip"
	"runtime"
	"time"

	"alcove/internal/auth"
)

// The addresses that are listened on by default.
const (
	DefaultMQTT  = ":1883"
	DefaultMQTTS = ":8883"
	DefaultHTTP  = ":8080"
	DefaultHTTPS = ":8443"
	// Off as an address means that there is no such listener.
	Off = "off"
)

// Config is the server's configuration; the zero value is the default.
type Config struct {
	// Addresses of the listeners: host:port (port 0 takes a free one), Off, or
	// empty for the default. Unix is the path of a socket, none where empty.
	MQTT, MQTTS, HTTP, HTTPS, Unix string

	TLS TLS

	// Anonymous is the token of clients without credentials; 0 refuses them.
	Anonymous auth.TokenID

	// ProxyTrusted are the networks whose connections begin with a PROXY
	// protocol header, on every listener but the Unix socket.
	ProxyTrusted []netip.Prefix

	// Origins are the values of Origin that a WebSocket may have; empty allows
	// any. A request without Origin is not from a browser, and passes.
	Origins []string

	Limits Limits

	// Loops is the number of loops; 0 is one for each processor in use.
	Loops int

	// Log takes the operator's messages; nil is slog.Default.
	Log *slog.Logger
}

// TLS says how the TLS listeners authenticate.
type TLS struct {
	// Certificates are pairs of PEM files; the first is used where no name that
	// the client asks for fits another. Empty: a self-signed one is made and
	// kept in Dir. Files are read again when they change.
	Certificates []CertificateFiles
	// Dir is where the self-signed certificate is kept. Empty: in memory.
	Dir string
	// ClientCA is a PEM file of authorities: a certificate that a client gives
	// must be by one of them. None is asked for where empty.
	ClientCA string
	// MinVersion is the lowest version, a constant of crypto/tls; 0 is TLS 1.2.
	MinVersion uint16
}

// CertificateFiles names the PEM files of a certificate chain and its key.
type CertificateFiles struct{ Cert, Key string }

// Limits are the bounds that a setting may move; a zero field takes its default.
// Those that clients are told of are the broker's: see broker.Limits.
type Limits struct {
	// ConnectPacketSize is the largest packet, in bytes, until a client is
	// authenticated; 128 KiB [EXT-LIM-1]. From then on it is what the broker
	// announces.
	ConnectPacketSize int
	// ConnectTimeout is the time for a whole CONNECT, from accept on, and for
	// an authentication; 10 s.
	ConnectTimeout time.Duration
	// HandshakeTimeout is the time for a TLS handshake; 10 s.
	HandshakeTimeout time.Duration
	// ConnectRate is how many connects are taken in a second, ConnectRateAddress how
	// many of one address (of IPv6, one /64); 0 is any number.
	ConnectRate, ConnectRateAddress int
	// WriteTimeout is how long an output may stand still; 30 s.
	WriteTimeout time.Duration
	// Connections at a time; by default what the limit of open files allows.
	Connections int
	// OutputBytes is the soft mark of an output: above it, QoS 0 presses back
	// or is dropped; 1 MiB.
	OutputBytes int
}

func (l Limits) withDefaults() Limits {
	orDefault(&l.ConnectPacketSize, 128<<10)
	orDefault(&l.ConnectTimeout, 10*time.Second)
	orDefault(&l.HandshakeTimeout, 10*time.Second)
	orDefault(&l.WriteTimeout, 30*time.Second)
	orDefault(&l.Connections, max(fileLimit()-reservedFiles, 64))
	orDefault(&l.OutputBytes, 1<<20)
	return l
}

func (c Config) withDefaults() Config {
	orDefault(&c.MQTT, DefaultMQTT)
	orDefault(&c.MQTTS, DefaultMQTTS)
	orDefault(&c.HTTP, DefaultHTTP)
	orDefault(&c.HTTPS, DefaultHTTPS)
	orDefault(&c.Unix, Off)
	orDefault(&c.Loops, runtime.GOMAXPROCS(0))
	if c.Log == nil {
		c.Log = slog.Default()
	}
	c.Limits = c.Limits.withDefaults()
	return c
}

func orDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}
