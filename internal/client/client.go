package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"alcove/internal/mqtt"
)

// Client is one connection to a server, from its CONNACK to its end.
type Client struct {
	conn    net.Conn
	opts    Options
	version mqtt.Version
	session *Session
	connack mqtt.Connack
	keep    time.Duration

	slots    chan struct{} // a token for each unacknowledged QoS 1 or 2 message
	inbox    chan *Message
	requests struct {
		sync.Mutex
		waiting map[uint16]chan any // *mqtt.Suback or *mqtt.Unsuback
		auth    chan *mqtt.Auth     // of a re-authentication under way
	}
	out struct {
		sync.Mutex
		buf  []byte    // packets not written yet
		last time.Time // of the last write
	}
	in struct { // the reader's own
		*bufio.Reader
		aliases map[uint16]string
	}
	unacked atomic.Int32 // QoS 1 and 2 messages received and not acknowledged
	pinged  atomic.Int64 // UNIX ns of the unanswered PINGREQ; 0: none
	leaving atomic.Bool  // DISCONNECT has been sent
	readEnd chan struct{}
	done    chan struct{}
	once    sync.Once
	err     error
}

// Open dials and connects.
func Open(ctx context.Context, e Endpoint, o Options) (*Client, error) {
	if o.Version == mqtt.V31 && e.Protocol == "" {
		e.Protocol = "mqttv3.1"
	}
	conn, err := Dial(ctx, e)
	if err != nil {
		return nil, err
	}
	return Connect(ctx, conn, o)
}

// Connect introduces itself on conn and waits for CONNACK. It owns conn from then on,
// also when it fails. A refusal is a *RefusedError.
func Connect(ctx context.Context, conn net.Conn, o Options) (*Client, error) {
	o, err := o.complete()
	if err != nil {
		conn.Close()
		return nil, err
	}
	c := &Client{conn: conn, opts: o, version: o.Version, session: o.Session,
		done: make(chan struct{}), readEnd: make(chan struct{}), inbox: make(chan *Message, o.Inbox)}
	c.in.Reader = bufio.NewReaderSize(conn, 16<<10)
	c.requests.waiting = make(map[uint16]chan any)
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	err = c.handshake()
	if !stop() && ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	if err := c.resume(); err != nil {
		conn.Close()
		return nil, err
	}
	go c.read()
	if c.keep > 0 {
		go c.keepAlive()
	}
	return c, nil
}

// handshake exchanges CONNECT, AUTH and CONNACK.
func (c *Client) handshake() error {
	p, err := c.opts.connect()
	if err != nil {
		return err
	}
	if err := c.send(p.Append(nil, c.version), "CONNECT"); err != nil {
		return err
	}
	for {
		h, body, err := c.packet()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return errors.New("the server closed the connection before CONNACK")
			}
			return err
		}
		switch {
		case h.Type == mqtt.TypeConnack:
			return c.accept(h, body)
		case h.Type == mqtt.TypeAuth && c.opts.Auth != nil:
			var a mqtt.Auth
			if err := a.Decode(c.version, h, body); err != nil {
				return err
			}
			if err := c.answerAuth(c.opts.Auth, &a, mqtt.ContinueAuthentication); err != nil {
				return err
			}
		default:
			return fmt.Errorf("%v before CONNACK", h.Type) // [MQTT-3.2.0-1]
		}
	}
}

// answerAuth continues an exchange with AUTH.
func (c *Client) answerAuth(auth Authenticator, a *mqtt.Auth, code mqtt.ReasonCode) error {
	data, err := auth.Next(a.Data)
	if err != nil {
		return err
	}
	answer := mqtt.Auth{Code: code, Method: []byte(auth.Method()), Data: data} // [MQTT-4.12.0-3]
	return c.send(answer.Append(nil, c.version), "AUTH")
}

// accept takes what CONNACK says into force.
func (c *Client) accept(h mqtt.Header, body []byte) error {
	a := &c.connack
	if err := a.Decode(c.version, h, body); err != nil {
		return err
	}
	if a.Code.Failed() {
		e := &RefusedError{Code: a.Code, Reason: string(a.Props.Reason)}
		if c.version != mqtt.V5 {
			e.V3, _ = mqtt.V3Connack(a.Code)
		}
		return e
	}
	if c.opts.Auth != nil {
		if err := c.opts.Auth.Finish(a.Props.AuthData); err != nil {
			return err
		}
	}
	if !a.SessionPresent {
		c.session.reset()
	} else if c.opts.CleanStart {
		return errors.New("the server resumes a session in spite of Clean Start") // [MQTT-3.2.2-2]
	}
	quota := 65535
	if a.Props.ReceiveMaximum > 0 {
		quota = int(a.Props.ReceiveMaximum)
	}
	c.slots = make(chan struct{}, quota)
	c.keep = c.opts.KeepAlive
	if a.Props.HasServerKeepAlive {
		c.keep = time.Duration(a.Props.ServerKeepAlive) * time.Second // [MQTT-3.2.2-21]
	}
	return nil
}

// Connack returns the packet by which the server accepted.
func (c *Client) Connack() *mqtt.Connack { return &c.connack }

// ClientID returns the client identifier in force: the one chosen by the server if it
// assigned one.
func (c *Client) ClientID() string {
	if len(c.connack.Props.AssignedClientID) > 0 {
		return string(c.connack.Props.AssignedClientID)
	}
	return c.opts.ClientID
}

// Session returns the session, to be passed to a later Connect.
func (c *Client) Session() *Session { return c.session }

// Done is closed when the connection has ended.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err returns why the connection ended; nil while it lives.
func (c *Client) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// Receive returns the next message. When the connection has ended and no message is
// left it returns the connection's error.
func (c *Client) Receive(ctx context.Context) (*Message, error) {
	select {
	case m, ok := <-c.inbox:
		if !ok {
			return nil, c.Err()
		}
		return m, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Messages returns the channel that Receive reads: closed when the connection has
// ended.
func (c *Client) Messages() <-chan *Message { return c.inbox }

// lingerTime is how long Disconnect waits for the server to close its side.
const lingerTime = time.Second

// Disconnect says goodbye and closes the connection. d may be nil for a normal
// disconnection; MQTT 3.x sends none of its fields.
func (c *Client) Disconnect(ctx context.Context, d *mqtt.Disconnect) error {
	if d == nil {
		d = &mqtt.Disconnect{}
	}
	c.leaving.Store(true)
	err := c.send(d.Append(nil, c.version), "DISCONNECT")
	if err == nil {
		// Why not close at once: bytes from the server that nobody has read would
		// turn the close into a reset, and the server may then never see DISCONNECT.
		t := time.NewTimer(lingerTime)
		defer t.Stop()
		select {
		case <-c.readEnd:
		case <-ctx.Done():
		case <-t.C:
		}
	}
	c.end(ErrClosed) // [MQTT-3.14.4-1] [MQTT-3.14.4-2]
	<-c.readEnd
	return err
}

// Close drops the connection without a goodbye: the server publishes the Will.
func (c *Client) Close() error {
	c.end(ErrClosed)
	<-c.readEnd
	return nil
}

// end closes the connection once, for the given reason.
func (c *Client) end(err error) {
	c.once.Do(func() {
		c.err = err
		close(c.done)
		c.conn.Close()
	})
}

// send writes a packet, behind those that wait.
func (c *Client) send(packet []byte, name string) error {
	c.out.Lock()
	defer c.out.Unlock()
	if c.opts.Trace != nil {
		c.opts.Trace(true, name)
	}
	c.out.buf = append(c.out.buf, packet...)
	return c.flushLocked()
}

// put leaves a packet to be written by the next send or flush.
func (c *Client) put(packet []byte, name string) {
	c.out.Lock()
	defer c.out.Unlock()
	if c.opts.Trace != nil {
		c.opts.Trace(true, name)
	}
	c.out.buf = append(c.out.buf, packet...)
}

func (c *Client) flush() error {
	c.out.Lock()
	defer c.out.Unlock()
	return c.flushLocked()
}

func (c *Client) flushLocked() error {
	if len(c.out.buf) == 0 {
		return nil
	}
	now := time.Now()
	c.out.last = now
	c.conn.SetWriteDeadline(now.Add(c.opts.WriteTimeout))
	_, err := c.conn.Write(c.out.buf)
	if c.out.buf = c.out.buf[:0]; cap(c.out.buf) > 64<<10 {
		c.out.buf = nil // one large packet must not stay for the connection's life
	}
	if err != nil && c.leaving.Load() {
		return ErrClosed
	}
	return err
}

// keepAlive pings when nothing else is sent and ends the connection when no answer
// comes [MQTT-3.1.2-20].
func (c *Client) keepAlive() {
	t := time.NewTicker(max(c.keep/4, time.Millisecond))
	defer t.Stop()
	for {
		select {
		case <-c.done:
			return
		case now := <-t.C:
			if at := c.pinged.Load(); at != 0 {
				if now.UnixNano()-at >= int64(c.keep) {
					c.end(ErrKeepAlive)
					return
				}
				continue
			}
			c.out.Lock()
			quiet := now.Sub(c.out.last)
			c.out.Unlock()
			if quiet >= c.keep/2 && c.pinged.CompareAndSwap(0, now.UnixNano()) {
				if err := c.send(mqtt.AppendPingreq(nil), "PINGREQ"); err != nil {
					c.end(err)
					return
				}
			}
		}
	}
}
