package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"
)

// Transport is how MQTT bytes travel.
type Transport string

// The transports that this client speaks.
const (
	TCP  Transport = "tcp"
	TLS  Transport = "tls"
	WS   Transport = "ws"
	WSS  Transport = "wss"
	Unix Transport = "unix"
)

// DialTimeout bounds opening a connection, handshakes included, where the context
// sets no earlier end.
const DialTimeout = 30 * time.Second

// Endpoint says where a broker listens and how to reach it.
type Endpoint struct {
	Transport Transport
	Address   string // host:port, or the path of a Unix socket
	Path      string // path of the WebSocket request, "/mqtt" when empty
	TLS       *tls.Config
	Bind      string // local address to connect from; empty: any
	Protocol  string // WebSocket subprotocol, "mqtt" when empty
}

// URL is a broker's address with what mosquitto's tools allow in it besides.
type URL struct {
	Endpoint Endpoint
	Username string
	Password string
	HasUser  bool
	HasPass  bool
	Topic    string // the path, without its first slash; empty for WebSocket
}

// defaultPorts are the ports taken where an address names none.
var defaultPorts = map[Transport]string{TCP: "1883", TLS: "8883", WS: "80", WSS: "443"}

var schemes = map[string]Transport{
	"mqtt": TCP, "tcp": TCP, "mqtts": TLS, "tls": TLS, "ssl": TLS,
	"ws": WS, "wss": WSS, "unix": Unix,
}

// ParseURL reads scheme://[user[:password]@]host[:port][/topic], where the scheme is
// mqtt, tcp, mqtts, tls, ssl, ws, wss or unix. The path of ws and wss is the path of
// the request and that of unix the socket's; elsewhere it is a topic.
func ParseURL(s string) (*URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, fmt.Errorf("broker URL: %w", err)
	}
	t, ok := schemes[strings.ToLower(u.Scheme)]
	if !ok {
		return nil, fmt.Errorf("broker URL: unknown scheme %q (mqtt, mqtts, ws, wss or unix)", u.Scheme)
	}
	r := &URL{Endpoint: Endpoint{Transport: t}}
	if u.User != nil {
		r.Username, r.HasUser = u.User.Username(), true
		r.Password, r.HasPass = u.User.Password()
	}
	if t == Unix {
		r.Endpoint.Address = u.Host + u.Path
		if r.Endpoint.Address == "" {
			return nil, errors.New("broker URL: unix needs a path")
		}
		return r, nil
	}
	if u.Hostname() == "" {
		return nil, errors.New("broker URL: no host")
	}
	port := u.Port()
	if port == "" {
		port = defaultPorts[t]
	}
	r.Endpoint.Address = net.JoinHostPort(u.Hostname(), port)
	if t == WS || t == WSS {
		r.Endpoint.Path = u.EscapedPath()
	} else {
		r.Topic = strings.TrimPrefix(u.Path, "/")
	}
	return r, nil
}

// String returns the endpoint as a URL without credentials.
func (e Endpoint) String() string {
	scheme := string(e.Transport)
	switch e.Transport {
	case TCP:
		scheme = "mqtt"
	case TLS:
		scheme = "mqtts"
	}
	return scheme + "://" + e.Address + e.Path
}

// Dial opens a connection that carries the bytes of MQTT packets. The TLS handshake
// and the WebSocket upgrade are done when it returns.
func Dial(ctx context.Context, e Endpoint) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, DialTimeout)
	defer cancel()
	network := "tcp"
	if e.Transport == Unix {
		network = "unix"
	}
	d := net.Dialer{}
	if e.Bind != "" {
		addr, err := net.ResolveTCPAddr("tcp", net.JoinHostPort(e.Bind, "0"))
		if err != nil {
			return nil, fmt.Errorf("local address: %w", err)
		}
		d.LocalAddr = addr
	}
	raw, err := d.DialContext(ctx, network, e.Address)
	if err != nil {
		return nil, err
	}
	conn, err := e.wrap(ctx, raw)
	if err != nil {
		raw.Close()
		return nil, err
	}
	return conn, nil
}

// wrap lays TLS and WebSocket over an open socket.
func (e Endpoint) wrap(ctx context.Context, conn net.Conn) (net.Conn, error) {
	if e.Transport == TLS || e.Transport == WSS {
		cfg := e.TLS.Clone()
		if cfg == nil {
			cfg = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		if cfg.ServerName == "" {
			host, _, err := net.SplitHostPort(e.Address)
			if err != nil {
				return nil, err
			}
			cfg.ServerName = host
		}
		secure := tls.Client(conn, cfg)
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, fmt.Errorf("TLS: %w", err)
		}
		conn = secure
	}
	if e.Transport == WS || e.Transport == WSS {
		return upgrade(ctx, conn, e)
	}
	return conn, nil
}

// TLSFiles are the settings of TLS as a command line gives them.
type TLSFiles struct {
	CAFile     string // PEM; empty: the system's authorities
	CAPath     string // directory of PEM files
	CertFile   string // client certificate, with KeyFile
	KeyFile    string
	ServerName string // SNI and the name to verify; empty: the host of the address
	Version    string // "tlsv1.2" or "tlsv1.3": exactly this one; empty: either
	Protocol   string // ALPN
	Insecure   bool   // the certificate is not verified
}

var tlsVersions = map[string]uint16{
	"tlsv1.2": tls.VersionTLS12, "1.2": tls.VersionTLS12,
	"tlsv1.3": tls.VersionTLS13, "1.3": tls.VersionTLS13,
}

// Config reads the files and makes the settings of a connection.
func (f TLSFiles) Config() (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: f.ServerName, InsecureSkipVerify: f.Insecure}
	if f.Version != "" {
		v, ok := tlsVersions[strings.ToLower(f.Version)]
		if !ok {
			return nil, fmt.Errorf("TLS version %q is not tlsv1.2 or tlsv1.3", f.Version)
		}
		cfg.MinVersion, cfg.MaxVersion = v, v
	}
	if f.Protocol != "" {
		cfg.NextProtos = []string{f.Protocol}
	}
	if (f.CertFile == "") != (f.KeyFile == "") {
		return nil, errors.New("a client certificate needs both its certificate and its key file")
	}
	if f.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(f.CertFile, f.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("client certificate: %w", err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	var err error
	cfg.RootCAs, err = f.authorities()
	return cfg, err
}

func (f TLSFiles) authorities() (*x509.CertPool, error) {
	if f.CAFile == "" && f.CAPath == "" {
		return nil, nil
	}
	pool := x509.NewCertPool()
	if f.CAFile != "" {
		pem, err := os.ReadFile(f.CAFile)
		if err != nil {
			return nil, fmt.Errorf("authorities: %w", err)
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("authorities: no certificate in %s", f.CAFile)
		}
	}
	if f.CAPath != "" {
		entries, err := os.ReadDir(f.CAPath)
		if err != nil {
			return nil, fmt.Errorf("authorities: %w", err)
		}
		for _, entry := range entries {
			if pem, err := os.ReadFile(f.CAPath + "/" + entry.Name()); err == nil {
				pool.AppendCertsFromPEM(pem)
			}
		}
	}
	return pool, nil
}
