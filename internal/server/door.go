package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"time"
)

// door is what clients come in by.
type door struct {
	plain  []*plainDoor   // MQTT over TCP and Unix sockets, taken by the loops
	nets   []net.Listener // TLS and HTTP, taken by goroutines of their own
	http   []*http.Server
	addrs  Addrs
	busy   sync.WaitGroup // the goroutines
	served sync.WaitGroup // connections that net/http has
	// hands bounds the TLS handshakes that are under way, ctx ends them.
	hands chan struct{}
	desk  desk
	ctx   context.Context
	stop  context.CancelFunc

	mqtts, web, webs net.Listener
}

// plainDoor is a listener whose connections speak MQTT at once.
type plainDoor struct {
	transport uint8
	fd        int // owned by the door where the loops accept, else -1
	nets      net.Listener
	path      string // of a Unix socket
}

// Addrs are the addresses that are listened on; nil where a listener is off.
type Addrs struct{ MQTT, MQTTS, HTTP, HTTPS, Unix net.Addr }

// Addrs returns the addresses in use, with the ports that were taken for port 0.
// It is valid after Listen.
func (s *Server) Addrs() Addrs { return s.door.addrs }

// Listen opens the listeners, on ordered and lossless streams all of them
// [MQTT-4.2.0-1] [MQTT311-7.1.1-1]. Connections wait in the system until Start.
func (s *Server) Listen() (err error) {
	d := &s.door
	defer func() {
		if err != nil {
			d.shut(context.Background())
			d.closeSockets()
		}
	}()
	d.hands = make(chan struct{}, handshakesMax)
	d.desk = newDesk(runtime.GOMAXPROCS(0))
	d.ctx, d.stop = context.WithCancel(context.Background())
	if ln, err := listenOn("tcp", s.cfg.MQTT, "mqtt"); err != nil {
		return err
	} else if ln != nil {
		d.addrs.MQTT = ln.Addr()
		if err := d.addPlain(ln, transportTCP); err != nil {
			return err
		}
	}
	if ln, err := listenUnix(s.cfg.Unix); err != nil {
		return err
	} else if ln != nil {
		d.addrs.Unix = ln.Addr()
		if err := d.addPlain(ln, transportUnix); err != nil {
			return err
		}
	}
	for _, x := range []struct {
		what, at string
		ln       *net.Listener
		addr     *net.Addr
	}{
		{"mqtts", s.cfg.MQTTS, &d.mqtts, &d.addrs.MQTTS},
		{"http", s.cfg.HTTP, &d.web, &d.addrs.HTTP},
		{"https", s.cfg.HTTPS, &d.webs, &d.addrs.HTTPS},
	} {
		ln, err := listenOn("tcp", x.at, x.what)
		if err != nil {
			return err
		}
		if ln != nil {
			*x.ln, *x.addr = ln, ln.Addr()
			d.nets = append(d.nets, ln)
		}
	}
	return nil
}

func listenOn(network, at, what string) (net.Listener, error) {
	if at == Off {
		return nil, nil
	}
	ln, err := net.Listen(network, at)
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", what, err)
	}
	return ln, nil
}

// listenUnix listens on the socket at path. One that nobody serves any more is
// replaced.
func listenUnix(path string) (net.Listener, error) {
	if path == Off {
		return nil, nil
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
		c, err := net.Dial("unix", path)
		if err == nil {
			_ = c.Close()
			return nil, fmt.Errorf("listen for unix: %s is in use", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("listen for unix: %w", err)
		}
	}
	return listenOn("unix", path, "unix")
}

// open lets clients in.
func (d *door) open(s *Server) error {
	for i, p := range d.plain {
		if err := d.servePlain(s, uint32(i), p); err != nil {
			return err
		}
	}
	if d.mqtts != nil {
		d.busy.Go(func() { s.serveTLS(d.mqtts, s.takeMQTTS) })
	}
	if d.web != nil {
		d.serveHTTP(s, &proxyListener{Listener: d.web, srv: s})
	}
	if d.webs != nil {
		feed := newFeedListener(d.webs.Addr())
		d.nets = append(d.nets, feed)
		d.busy.Go(func() { s.serveTLS(d.webs, func(conn *tls.Conn, _ *tlsWire) { s.handHTTPS(feed, conn) }) })
		d.serveHTTP(s, feed)
	}
	return nil
}

// shut takes no further clients in, and lets HTTP requests end.
func (d *door) shut(ctx context.Context) {
	if d.stop != nil {
		d.stop()
	}
	for _, ln := range d.nets {
		_ = ln.Close()
	}
	for _, h := range d.http {
		if err := h.Shutdown(ctx); err != nil {
			_ = h.Close()
		}
	}
	d.busy.Wait()
	// net/http closes idle connections without waiting for their goroutines.
	gone := make(chan struct{})
	go func() {
		d.served.Wait()
		close(gone)
	}()
	select {
	case <-gone:
	case <-ctx.Done():
	}
}

// trusted tells whether connections from a begin with a PROXY header.
func (s *Server) trusted(a netip.Addr) bool {
	a = a.Unmap()
	for _, p := range s.cfg.ProxyTrusted {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// pause waits, unless the end comes first.
func (s *Server) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-s.door.ctx.Done():
	}
}

// newConn makes the connection of a socket that has entered.
func (s *Server) newConn(k socket, transport uint8, remote netip.AddrPort) *Conn {
	return &Conn{sock: k, transport: transport, remote: endpointOf(remote), state: stateNew}
}

// unmapped turns an IPv4 address in IPv6 form into an IPv4 one.
func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
