package client

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"alcove/internal/mqtt"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// peer is the server's side of a connection, played by a test.
type peer struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
	v    mqtt.Version
}

// pipe returns a connection and the peer at its other end.
func pipe(t testing.TB, v mqtt.Version) (net.Conn, *peer) {
	a, b := net.Pipe()
	t.Cleanup(func() { b.Close() })
	return a, &peer{t: t, conn: b, in: bufio.NewReader(b), v: v}
}

// read returns the next packet.
func (p *peer) read() (mqtt.Header, []byte) {
	p.t.Helper()
	h, body, err := p.tryRead()
	if err != nil {
		p.t.Fatalf("reading from the client: %v", err)
	}
	return h, body
}

func (p *peer) tryRead() (mqtt.Header, []byte, error) {
	var b []byte
	for {
		c, err := p.in.ReadByte()
		if err != nil {
			return mqtt.Header{}, nil, err
		}
		b = append(b, c)
		h, n, err := mqtt.DecodeHeader(b)
		if err != nil {
			return h, nil, err
		}
		if n > 0 {
			body := make([]byte, h.Remaining)
			_, err := io.ReadFull(p.in, body)
			return h, body, err
		}
	}
}

// expect reads a packet of the given type.
func (p *peer) expect(want mqtt.PacketType) (mqtt.Header, []byte) {
	p.t.Helper()
	h, body := p.read()
	if h.Type != want {
		p.t.Fatalf("the client sent %v, want %v", h.Type, want)
	}
	return h, body
}

func (p *peer) connect() mqtt.Connect {
	p.t.Helper()
	h, body := p.expect(mqtt.TypeConnect)
	var c mqtt.Connect
	if err := c.Decode(h, body); err != nil {
		p.t.Fatalf("CONNECT: %v", err)
	}
	return c
}

func (p *peer) publish() mqtt.Publish {
	p.t.Helper()
	h, body := p.expect(mqtt.TypePublish)
	var m mqtt.Publish
	if err := m.Decode(p.v, h, body); err != nil {
		p.t.Fatalf("PUBLISH: %v", err)
	}
	return m
}

func (p *peer) ack(want mqtt.PacketType) mqtt.Ack {
	p.t.Helper()
	h, body := p.expect(want)
	var a mqtt.Ack
	if err := a.Decode(p.v, h, body); err != nil {
		p.t.Fatalf("%v: %v", want, err)
	}
	return a
}

// send writes a packet.
func (p *peer) send(packet interface {
	Append([]byte, mqtt.Version) []byte
}) {
	p.t.Helper()
	p.sendBytes(packet.Append(nil, p.v))
}

func (p *peer) sendBytes(b []byte) {
	p.t.Helper()
	if _, err := p.conn.Write(b); err != nil {
		p.t.Fatalf("writing to the client: %v", err)
	}
}

// gone waits for the client to close the connection.
func (p *peer) gone() {
	p.t.Helper()
	if _, _, err := p.tryRead(); !errors.Is(err, io.EOF) {
		p.t.Fatalf("the client has not closed the connection: %v", err)
	}
}

// meet connects a client to a peer which accepts it with the given CONNACK.
func meet(t *testing.T, o Options, a mqtt.Connack) (*Client, *peer) {
	t.Helper()
	if o.Version == 0 {
		o.Version = mqtt.V5
	}
	conn, p := pipe(t, o.Version)
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.connect()
		p.send(&a)
	}()
	c, err := Connect(bounded(t), conn, o)
	<-done
	if err != nil {
		t.Fatalf("Connect: %v", err)
	}
	t.Cleanup(func() { p.conn.Close(); c.Close() })
	return c, p
}

// bounded returns a context which ends long before the test run does.
func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// async runs f beside the test and returns its result when called.
func async[T any](f func() (T, error)) func() (T, error) {
	type result struct {
		v   T
		err error
	}
	ch := make(chan result, 1)
	go func() {
		v, err := f()
		ch <- result{v, err}
	}()
	return func() (T, error) {
		r := <-ch
		return r.v, r.err
	}
}
