package kill

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"alcove/internal/mqtt"
)

// patience bounds every wait for a living broker; no test passes because of it.
const patience = 30 * time.Second

// door tells clients where the broker is. It is shut while the broker is dead.
type door struct {
	mu      sync.Mutex
	addr    string
	life    int           // counts the broker's lives, from 1
	dying   bool          // this life is over or about to end
	changed chan struct{} // closed at the next open
}

func newDoor() *door { return &door{changed: make(chan struct{})} }

// open lets clients in at addr, the broker's next life.
func (d *door) open(addr string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.addr = addr
	d.life++
	d.dying = false
	close(d.changed)
	d.changed = make(chan struct{})
}

// shut says that the broker's life is about to end: connections may break from now on.
func (d *door) shut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dying = true
}

// excuses tells whether a connection of the given life may have broken by the
// broker's death.
func (d *door) excuses(life int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.life != life || d.dying
}

// enter waits for a life of the broker after the one given.
func (d *door) enter(ctx context.Context, after int) (addr string, life int, err error) {
	for {
		d.mu.Lock()
		addr, life, changed := d.addr, d.life, d.changed
		d.mu.Unlock()
		if life > after {
			return addr, life, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", 0, ctx.Err()
		}
	}
}

// client is who connects: what stays the same from connection to connection.
type client struct {
	id      string
	version mqtt.Version
	token   string
	clean   bool
	// receiveMaximum is announced in 5.0; 0 announces none.
	receiveMaximum uint16
	// created: an earlier CONNACK has promised the session.
	created bool
}

// wire is one connection, used by one goroutine.
type wire struct {
	conn    net.Conn
	in      *bufio.Reader
	out     []byte // not yet written
	version mqtt.Version
	body    []byte
}

// errSession tells that a session which was promised is not there.
var errSession = errors.New("the session is lost")

// dial connects and waits for CONNACK. An error that wraps errSession or
// *refusedError is the broker's fault, others may come from its death.
func (c *client) dial(addr string) (*wire, error) {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	w := &wire{conn: conn, in: bufio.NewReaderSize(conn, 64<<10), version: c.version}
	p := mqtt.Connect{
		Version: c.version, CleanStart: c.clean, ClientID: []byte(c.id),
		HasUsername: true, Username: []byte(c.token), Props: mqtt.NewConnectProps(),
	}
	if c.version == mqtt.V5 {
		if !c.clean {
			p.Props.SessionExpiry, p.Props.HasSessionExpiry = 3600, true
		}
		p.Props.ReceiveMaximum = c.receiveMaximum
	}
	w.out = p.Append(w.out, c.version)
	h, body, err := w.read()
	if err != nil {
		conn.Close()
		return nil, err
	}
	var ack mqtt.Connack
	if h.Type != mqtt.TypeConnack {
		err = &refusedError{fmt.Sprintf("%s instead of CONNACK", h.Type)}
	} else if err = ack.Decode(c.version, h, body); err == nil && ack.Code != mqtt.Success {
		err = &refusedError{"CONNACK " + ack.Code.String()}
	} else if err == nil && c.created && !c.clean && c.version != mqtt.V31 && !ack.SessionPresent {
		err = fmt.Errorf("%w: CONNACK of %s says so", errSession, c.id) // [MQTT-3.2.2-3] [MQTT311-3.2.2-2]
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	c.created = true
	return w, nil
}

// refusedError is an answer that a client of this test never deserves.
type refusedError struct{ what string }

func (e *refusedError) Error() string { return e.what }

// read writes what is pending and returns the next packet, whose body is valid until
// the next call.
func (w *wire) read() (mqtt.Header, []byte, error) {
	if w.in.Buffered() == 0 {
		if err := w.flush(); err != nil {
			return mqtt.Header{}, nil, err
		}
	}
	if err := w.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return mqtt.Header{}, nil, err
	}
	var head [5]byte
	for n := 0; n < len(head); n++ {
		b, err := w.in.ReadByte()
		if err != nil {
			return mqtt.Header{}, nil, err
		}
		head[n] = b
		h, size, err := mqtt.DecodeHeader(head[:n+1])
		if err != nil {
			return h, nil, &refusedError{err.Error()}
		}
		if size == 0 {
			continue
		}
		w.body = append(w.body[:0], make([]byte, h.Remaining)...)
		_, err = io.ReadFull(w.in, w.body)
		return h, w.body, err
	}
	return mqtt.Header{}, nil, &refusedError{"a fixed header of more than five bytes"}
}

// flush writes what is pending.
func (w *wire) flush() error {
	if len(w.out) == 0 {
		return nil
	}
	_ = w.conn.SetWriteDeadline(time.Now().Add(patience))
	_, err := w.conn.Write(w.out)
	w.out = w.out[:0]
	return err
}

// ack puts an acknowledgement into the pending output.
func (w *wire) ack(t mqtt.PacketType, id uint16) {
	a := mqtt.Ack{Type: t, PacketID: id}
	w.out = a.Append(w.out, w.version)
}

// subscribe subscribes and waits for the SUBACK; other receives what comes before it.
func (w *wire) subscribe(filters []string, other func(mqtt.Header, []byte) error) error {
	s := mqtt.Subscribe{PacketID: 60000}
	for _, f := range filters {
		s.Add(f, mqtt.SubscribeOptions{QoS: mqtt.QoS2})
	}
	w.out = s.Append(w.out, w.version)
	for {
		h, body, err := w.read()
		if err != nil {
			return err
		}
		if h.Type != mqtt.TypeSuback {
			if err := other(h, body); err != nil {
				return err
			}
			continue
		}
		var ack mqtt.Suback
		if err := ack.Decode(w.version, h, body); err != nil {
			return &refusedError{err.Error()}
		}
		for i, code := range ack.Codes {
			if code != mqtt.GrantedQoS2 {
				return &refusedError{fmt.Sprintf("SUBACK %s for %s", code, filters[i])}
			}
		}
		return nil
	}
}

// bye ends the connection politely; the session stays, also in 5.0, since the session
// expiry is as CONNECT gave it.
func (w *wire) bye() error {
	d := mqtt.Disconnect{}
	w.out = d.Append(w.out, w.version)
	err := w.flush()
	w.conn.Close()
	return err
}

// fault tells whether an error is the broker's fault rather than its death's.
func fault(err error) bool {
	var refused *refusedError
	var timeout net.Error
	return errors.As(err, &refused) || errors.Is(err, errSession) || errors.As(err, &timeout) && timeout.Timeout()
}
