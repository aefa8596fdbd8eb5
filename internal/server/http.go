package server

import (
	"context"
	"crypto/tls"
	"log"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// proxyListener gives net/http the connections of the HTTP port, as those of the
// clients behind trusted proxies.
type proxyListener struct {
	net.Listener
	srv *Server
}

// Accept waits for the next connection for which there is room.
func (l *proxyListener) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if !l.srv.enter() {
			_ = nc.Close()
			continue
		}
		return &proxyConn{Conn: nc, srv: l.srv}, nil
	}
}

// proxyConn is a connection of the HTTP port. Its PROXY header, if it must have
// one, is read by the goroutine that first asks for the address or reads.
type proxyConn struct {
	net.Conn
	srv    *Server
	once   sync.Once
	remote netip.AddrPort
	err    error
}

func (c *proxyConn) greet() {
	c.once.Do(func() {
		_ = c.Conn.SetReadDeadline(time.Now().Add(c.srv.cfg.Limits.HandshakeTimeout))
		c.remote, c.err = c.srv.proxied(c.Conn)
		_ = c.Conn.SetReadDeadline(time.Time{})
		if c.err != nil {
			c.srv.noise.say(noiseProxy, c.err.Error(), "remote", c.Conn.RemoteAddr().String())
			_ = c.Conn.Close()
		}
	})
}

// Read reads what follows the PROXY header.
func (c *proxyConn) Read(b []byte) (int, error) {
	if c.greet(); c.err != nil {
		return 0, c.err
	}
	return c.Conn.Read(b)
}

// RemoteAddr is the client's address.
func (c *proxyConn) RemoteAddr() net.Addr {
	c.greet()
	return net.TCPAddrFromAddrPort(c.remote)
}

// feedListener gives net/http the connections whose TLS handshake is done.
type feedListener struct {
	addr  net.Addr
	conns chan net.Conn
	ctx   context.Context
	close context.CancelFunc
}

func newFeedListener(addr net.Addr) *feedListener {
	l := &feedListener{addr: addr, conns: make(chan net.Conn)}
	l.ctx, l.close = context.WithCancel(context.Background())
	return l
}

// handHTTPS gives a connection to net/http, or closes it where that has ended. The
// http.Server counts it out.
func (s *Server) handHTTPS(l *feedListener, conn *tls.Conn) {
	select {
	case l.conns <- conn:
	case <-l.ctx.Done():
		_ = conn.NetConn().Close()
		s.leave()
	}
}

func (l *feedListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.ctx.Done():
		return nil, net.ErrClosed
	}
}

func (l *feedListener) Close() error   { l.close(); return nil }
func (l *feedListener) Addr() net.Addr { return l.addr }

// serveHTTP serves REST and WebSocket to the connections of ln.
func (d *door) serveHTTP(s *Server, ln net.Listener) {
	h := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: s.cfg.Limits.ConnectTimeout,
		WriteTimeout:      httpAnswerTime, // a handler that streams sets its own
		IdleTimeout:       httpIdleTime,
		MaxHeaderBytes:    httpHeaderMax,
		// Streams that a client opens and resets at once cost it more than us; what
		// they may hold of our memory is bounded (attacks row 47).
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          http2Streams,
			MaxReceiveBufferPerConnection: http2Buffer,
			MaxReceiveBufferPerStream:     http2Buffer / 4,
			SendPingTimeout:               httpIdleTime / 4,
			WriteByteTimeout:              s.cfg.Limits.WriteTimeout,
		},
		ErrorLog: log.New(httpNoise{s}, "", 0),
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				d.served.Add(1)
			case http.StateHijacked:
				d.served.Done()
			case http.StateClosed:
				s.leave()
				d.served.Done()
			}
		},
	}
	d.http = append(d.http, h)
	d.busy.Go(func() { _ = h.Serve(ln) })
}

// httpNoise bounds what net/http writes about bad requests.
type httpNoise struct{ srv *Server }

func (n httpNoise) Write(b []byte) (int, error) {
	n.srv.noise.say(noiseHTTP, "net/http complains")
	return len(b), nil
}

// ServeHTTP takes WebSocket on any path [EXT-WS-1] and leaves the rest to REST.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		// net/http reads what a handler leaves of a body, as long as that takes.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(httpBodyTime))
	}
	if r.ProtoMajor == 1 && (r.ProtoMinor == 0 || len(r.TransferEncoding) > 0) {
		// A proxy in between might see another end of the request: whatever follows
		// is not read as one (RFC 9112, 6.1) (attacks row 47).
		w.Header().Set("Connection", "close")
	}
	if IsUpgrade(r) {
		s.upgrade(w, r)
		return
	}
	s.rest.ServeHTTP(w, r)
}
