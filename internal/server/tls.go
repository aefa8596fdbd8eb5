package server

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// tlsConn is TLS on a loop. The handshake is made in a goroutine of its own, over
// a net.Conn of the Go runtime; then the socket moves to a loop and the wire below
// crypto/tls into loop mode: it never waits. A read that finds nothing is a timeout,
// which crypto/tls does not remember; a write appends to the wire's output and
// always succeeds, since crypto/tls would remember the failure for ever.
//
// Reads are the owner's, writes are made by who has the write turn.
type tlsConn struct {
	conn     *tls.Conn
	wire     *tlsWire
	notified bool // close_notify is made. By the write turn
}

// tlsWire is what crypto/tls takes for its network.
type tlsWire struct {
	nc     net.Conn       // until loop mode
	desk   desk           // during the handshake, else nil
	remote netip.AddrPort // of the client, through a trusted proxy

	sock *socket // in loop mode

	// What is encrypted and not yet taken by the socket: the writer's records,
	// and the few answers that reading makes (alerts, key updates).
	mu   sync.Mutex
	out  chunks
	size int
}

// errWireEmpty is what Read says in loop mode when nothing has come.
var errWireEmpty net.Error = wireEmpty{}

type wireEmpty struct{}

func (wireEmpty) Error() string   { return "nothing has come" }
func (wireEmpty) Timeout() bool   { return true }
func (wireEmpty) Temporary() bool { return true }

func (w *tlsWire) Read(b []byte) (int, error) {
	if w.sock == nil {
		w.desk.leave()
		defer w.desk.take()
		return w.nc.Read(b)
	}
	n, err := w.sock.read(b)
	if err == errAgain {
		err = errWireEmpty
	}
	return n, err
}

func (w *tlsWire) Write(b []byte) (int, error) {
	if w.sock == nil {
		w.desk.leave()
		defer w.desk.take()
		return w.nc.Write(b)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.size += len(b)
	for rest := b; len(rest) > 0; {
		ch := w.out.reserve(1)
		n := copy(ch.mem[ch.w:], rest)
		ch.w += n
		rest = rest[n:]
	}
	return len(b), nil
}

// Close closes the network. In loop mode that is the owner's to do.
func (w *tlsWire) Close() error {
	if w.sock == nil {
		return w.nc.Close()
	}
	return nil
}

// LocalAddr is our side's address.
func (w *tlsWire) LocalAddr() net.Addr {
	if w.sock == nil {
		return w.nc.LocalAddr()
	}
	return nil
}

// RemoteAddr is the client's address, as a trusted proxy may have given it.
func (w *tlsWire) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(w.remote) }

// SetDeadline is for the time before loop mode, in which nothing waits.
func (w *tlsWire) SetDeadline(t time.Time) error {
	if w.sock != nil {
		return nil
	}
	return w.nc.SetDeadline(t)
}

// SetReadDeadline is like SetDeadline.
func (w *tlsWire) SetReadDeadline(t time.Time) error {
	if w.sock != nil {
		return nil
	}
	return w.nc.SetReadDeadline(t)
}

// SetWriteDeadline is like SetDeadline.
func (w *tlsWire) SetWriteDeadline(t time.Time) error {
	if w.sock != nil {
		return nil
	}
	return w.nc.SetWriteDeadline(t)
}

func (w *tlsWire) waiting() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.size > 0
}

func (w *tlsWire) drop() {
	w.mu.Lock()
	w.out.clear()
	w.size = 0
	w.mu.Unlock()
}

// flush writes what is encrypted. The caller has the write turn.
func (w *tlsWire) flush(c *Conn) (wrote int, blocked bool, err error) {
	v := vectors.Get().(*vector)
	defer vectors.Put(v)
	for {
		w.mu.Lock()
		v.collect(&w.out, writeSize)
		w.mu.Unlock()
		if v.total == 0 {
			return wrote, false, nil
		}
		n, err := c.sock.write(v)
		all := n == v.total
		v.reset()
		wrote += n
		w.mu.Lock()
		w.out.drop(n)
		w.size -= n
		w.mu.Unlock()
		switch {
		case err == errAgain || err == nil && !all:
			return wrote, true, nil
		case err != nil:
			return wrote, false, err
		}
	}
}

// write encrypts what v holds, if what was encrypted before has gone out, and
// writes it. It returns how many bytes of v it has taken: all or none. The caller
// has the write turn.
func (t *tlsConn) write(c *Conn, v *vector) (taken, wrote int, blocked bool, err error) {
	wrote, blocked, err = t.wire.flush(c)
	if blocked || err != nil {
		return 0, wrote, blocked, err
	}
	if err := t.encrypt(v); err != nil {
		return 0, wrote, false, err
	}
	taken = v.total
	n, blocked, err := t.wire.flush(c)
	return taken, wrote + n, blocked, err
}

// recordSize is the largest plain text of a TLS record.
const recordSize = 16 << 10

// encrypt makes records of what v holds, as few as possible.
func (t *tlsConn) encrypt(v *vector) error {
	if v.plain == nil {
		v.plain = make([]byte, 0, recordSize)
	}
	plain := v.plain[:0]
	for _, b := range v.bufs[:v.n] {
		for len(b) > 0 {
			if len(plain) == 0 && len(b) >= recordSize {
				n := len(b) / recordSize * recordSize
				if _, err := t.conn.Write(b[:n]); err != nil {
					return err
				}
				b = b[n:]
				continue
			}
			n := copy(plain[len(plain):cap(plain)], b)
			plain, b = plain[:len(plain)+n], b[n:]
			if len(plain) == cap(plain) {
				if _, err := t.conn.Write(plain); err != nil {
					return err
				}
				plain = plain[:0]
			}
		}
	}
	if len(plain) == 0 {
		return nil
	}
	_, err := t.conn.Write(plain)
	return err
}

// read decrypts what has come. Where reading made an answer (a key update, an
// alert), it goes out at the end of the turn.
func (t *tlsConn) read(c *Conn, b []byte) (int, error) {
	n, err := t.conn.Read(b)
	if err != nil {
		var e wireEmpty
		if errors.As(err, &e) {
			err = errAgain
		} else if err != io.EOF {
			err = errPeerClosed
		}
	}
	if t.wire.waiting() {
		c.out.mu.Lock()
		c.touch(c.loop.turn)
		c.out.mu.Unlock()
	}
	return n, err
}

// serveTLS accepts connections and makes their handshakes, a bounded number at a
// time. What comes out of it is given to take.
func (s *Server) serveTLS(ln net.Listener, take func(*tls.Conn, *tlsWire)) {
	cfg := s.certs.config
	if ln == s.door.webs {
		cfg = cfg.Clone()
		cfg.NextProtos = []string{"h2", "http/1.1"}
	}
	for {
		nc, err := ln.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			s.noise.say(noiseAccept, err.Error())
			s.pause(acceptBackoff)
			continue
		}
		if !s.enter() {
			_ = nc.Close()
			continue
		}
		select {
		case s.door.hands <- struct{}{}:
		case <-s.door.ctx.Done():
			_ = nc.Close()
			s.leave()
			continue
		}
		s.door.busy.Go(func() {
			defer func() { <-s.door.hands }()
			if conn, wire := s.handshake(nc, cfg); conn != nil {
				take(conn, wire)
				return
			}
			_ = nc.Close()
			s.leave()
		})
	}
}

// handshake makes the handshake over nc, after the PROXY header of a trusted peer.
// It returns nil if either fails.
func (s *Server) handshake(nc net.Conn, cfg *tls.Config) (*tls.Conn, *tlsWire) {
	ctx, cancel := context.WithTimeout(s.door.ctx, s.cfg.Limits.HandshakeTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	remote, err := s.proxied(nc)
	if err != nil {
		s.noise.say(noiseProxy, err.Error(), "remote", nc.RemoteAddr().String())
		return nil, nil
	}
	if !s.admission.allow(remote.Addr(), time.Now()) {
		s.noise.say(noiseRate, errConnectRate.Reason, "remote", remoteText(remote))
		return nil, nil
	}
	wire := &tlsWire{nc: nc, remote: remote, desk: s.door.desk}
	conn := tls.Server(wire, cfg)
	wire.desk.take()
	err = conn.HandshakeContext(ctx)
	wire.desk.leave()
	wire.desk = nil
	if err != nil {
		s.noise.say(noiseHandshake, err.Error(), "remote", remoteText(remote))
		return nil, nil
	}
	if !stop() {
		return nil, nil
	}
	return conn, wire
}

// takeMQTTS gives a connection that speaks MQTT over TLS to a loop.
func (s *Server) takeMQTTS(conn *tls.Conn, wire *tlsWire) {
	s.takeTLS(conn, wire, transportTLS, nil, nil)
}

// takeTLS moves a connection after its handshake to a loop.
func (s *Server) takeTLS(conn *tls.Conn, wire *tlsWire, transport uint8, ws *wsConn, first []byte) {
	k, err := takeSocket(wire.nc)
	if err != nil {
		s.noise.say(noiseAccept, err.Error())
		_ = wire.nc.Close()
		s.leave()
		return
	}
	c := s.newConn(k, transport, wire.remote)
	c.wrap = &wrap{tls: &tlsConn{conn: conn, wire: wire}, ws: ws}
	wire.nc, wire.sock = nil, &c.sock
	s.adopt(nil, c, first)
}
