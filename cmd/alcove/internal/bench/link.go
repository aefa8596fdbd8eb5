package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"alcove/internal/client"
	"alcove/internal/mqtt"
)

// readSize is the buffer of one read, in bytes.
const readSize = 256 << 10

// link is one connection to the broker in raw form. All but conn is guarded by the
// cell's mutex.
type link struct {
	cell  *cell
	conn  net.Conn // until a loop has taken the socket over
	fd    int      // the loop's socket; -1 when a goroutine drives conn
	loop  *loop
	slot  int
	pub   *publisher // nil for a subscriber
	place int        // of a subscriber, within its cell
	flows []flow     // of a subscriber, by publisher
	own   int        // the broker's user properties on the first delivery; -1: none has come

	tail    []byte // the beginning of a packet whose rest has not come
	out     []byte // what the socket has not taken yet
	answers []byte // scratch of feed
	kick    chan struct{}
	busy    bool // a goroutine is writing
	dead    bool
}

// idle reports whether the link can take another write.
func (l *link) idle() bool { return len(l.out) == 0 && !l.busy && !l.dead }

// write sends b, or keeps what the socket does not take. Called with the cell's mutex
// held.
func (l *link) write(b []byte) {
	if l.dead {
		return
	}
	if l.fd >= 0 && len(l.out) == 0 {
		b = l.loop.writeNow(l, b)
		if len(b) == 0 || l.dead {
			return
		}
	}
	l.out = append(l.out, b...)
	if l.fd < 0 {
		select {
		case l.kick <- struct{}{}:
		default:
		}
	}
}

// feed takes received bytes, answers what wants an answer, and keeps the beginning of
// an unfinished packet in l.tail. b may begin with what was in l.tail. Called with the
// cell's mutex held.
func (l *link) feed(b []byte, now int64) error {
	c := l.cell
	answers := l.answers[:0]
	var seen, acked uint64
	for {
		size, head, err := frame(b)
		if err != nil {
			return err
		}
		if size == 0 || len(b) < size {
			break
		}
		if b[0]>>4 == byte(mqtt.TypePublish) {
			payload, id, err := publishBody(c.version, b[0], b[head:size])
			if err != nil {
				return err
			}
			if l.own < 0 {
				l.own = ownProperties(c.version, b[:size])
			}
			topic := b[head+2 : head+2+int(b[head])<<8+int(b[head+1])]
			if err := c.deliver(l, topic, payload, now); err != nil {
				return err
			}
			seen++
			switch b[0] & 0x06 {
			case 0x02:
				answers = ackBytes(answers, mqtt.TypePuback, id)
			case 0x04:
				answers = ackBytes(answers, mqtt.TypePubrec, id)
			}
		} else {
			n, err := l.control(b[:size], head, &answers)
			if err != nil {
				return err
			}
			acked += n
		}
		b = b[size:]
	}
	l.tail = append(l.tail[:0], b...)
	if seen > 0 {
		c.meter.received.Add(seen)
		c.advance(l)
	}
	if acked > 0 {
		c.acknowledge(l.pub, acked, now)
	}
	if len(answers) > 0 {
		l.write(answers)
	}
	l.answers = answers
	return nil
}

// control handles a packet that is not a PUBLISH and returns the number of messages
// that it acknowledges.
func (l *link) control(b []byte, head int, answers *[]byte) (acked uint64, err error) {
	t := mqtt.PacketType(b[0] >> 4)
	switch t {
	case mqtt.TypePuback, mqtt.TypePubrec, mqtt.TypePubrel, mqtt.TypePubcomp:
		if len(b) < head+2 {
			return 0, errShort
		}
		failed := len(b) > head+2 && mqtt.ReasonCode(b[head+2]).Failed()
		id := uint16(b[head])<<8 | uint16(b[head+1])
		if failed {
			l.cell.fail(fmt.Errorf("the broker refused a message: %v", mqtt.ReasonCode(b[head+2])))
		}
		switch {
		case t == mqtt.TypePubrel:
			*answers = ackBytes(*answers, mqtt.TypePubcomp, id)
		case t == mqtt.TypePubrec && !failed:
			*answers = ackBytes(*answers, mqtt.TypePubrel, id)
		case l.pub != nil:
			return 1, nil
		}
	case mqtt.TypeSuback:
		if b[len(b)-1] >= 0x80 {
			return 0, fmt.Errorf("SUBSCRIBE refused: %v", mqtt.ReasonCode(b[len(b)-1]))
		}
	case mqtt.TypeDisconnect:
		code := mqtt.NormalDisconnection
		if len(b) > head {
			code = mqtt.ReasonCode(b[head])
		}
		return 0, fmt.Errorf("the broker ended a connection: %v", code)
	}
	return 0, nil
}

// end marks a link as gone. Called with the cell's mutex held.
func (l *link) end(err error) {
	if l.dead {
		return
	}
	l.dead = true
	l.cell.fail(err)
}

// drive serves a link whose bytes pass through TLS or WebSocket, until it ends.
func (l *link) drive() {
	var writer sync.WaitGroup
	writer.Go(func() { l.driveWriter(l.kick) })
	defer writer.Wait()
	buf := make([]byte, 32<<10)
	for {
		n, err := l.conn.Read(buf)
		l.cell.mu.Lock()
		if n > 0 {
			err2 := l.feed(append(l.tail, buf[:n]...), l.cell.meter.now())
			l.cell.fill(l.cell.meter.now())
			if err == nil {
				err = err2
			}
		}
		if err != nil {
			if !l.cell.meter.closing.Load() {
				l.end(err)
			}
			l.dead = true
			close(l.kick)
			l.cell.mu.Unlock()
			return
		}
		l.cell.mu.Unlock()
	}
}

func (l *link) driveWriter(kick <-chan struct{}) {
	var buf []byte
	for {
		if _, ok := <-kick; !ok {
			return
		}
		for {
			l.cell.mu.Lock()
			buf, l.out = l.out, buf[:0]
			l.busy = len(buf) > 0
			if !l.busy {
				l.cell.fill(l.cell.meter.now())
				more := len(l.out) > 0
				l.cell.mu.Unlock()
				if more {
					continue
				}
				break
			}
			l.cell.mu.Unlock()
			_, err := l.conn.Write(buf)
			l.cell.mu.Lock()
			l.busy = false
			l.cell.mu.Unlock()
			if err != nil {
				return // the reader reports it
			}
		}
	}
}

// hello is how one connection introduces itself.
type hello struct {
	id      string
	token   string       // empty: the run's
	version mqtt.Version // 0: the run's
	clean   bool
	eager   bool   // do not wait for SUBACK: retained messages may come before it
	expiry  uint32 // seconds, MQTT 5
	filters []string
	qos     mqtt.QoS
}

// helloTime bounds one connection's introduction, many subscriptions included.
const helloTime = 60 * time.Second

// filtersPerPacket and bytesPerPacket bound one SUBSCRIBE.
const (
	filtersPerPacket = 500
	bytesPerPacket   = 60 << 10
)

// connect opens a connection, has its CONNECT accepted and its filters granted.
func (r *run) connect(ctx context.Context, h hello) (net.Conn, error) {
	e := r.cfg.Endpoint
	e.Bind = r.bind()
	conn, err := client.Dial(ctx, e)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(helloTime))
	if err := r.introduce(conn, h); err != nil {
		conn.Close()
		return nil, err
	}
	conn.SetDeadline(time.Time{})
	return conn, nil
}

func (r *run) introduce(conn net.Conn, h hello) error {
	version := cmp.Or(h.version, r.cfg.Version)
	c := mqtt.Connect{Version: version, CleanStart: h.clean, ClientID: []byte(h.id), Props: mqtt.NewConnectProps()}
	if token := cmp.Or(h.token, r.cfg.Token); token != "" {
		c.HasUsername, c.Username = true, []byte(token)
	}
	if h.expiry > 0 && c.Version == mqtt.V5 {
		c.Props.SessionExpiry, c.Props.HasSessionExpiry = h.expiry, true
	}
	if _, err := conn.Write(c.Append(nil, c.Version)); err != nil {
		return err
	}
	body, err := expect(conn, mqtt.TypeConnack)
	if err != nil {
		return err
	}
	if len(body) < 2 || body[1] != 0 {
		return fmt.Errorf("CONNECT refused with code %d", body[1:2])
	}
	id := uint16(0)
	for rest := h.filters; len(rest) > 0; {
		n, bytes := 0, 0
		for n < len(rest) && n < filtersPerPacket && bytes < bytesPerPacket {
			bytes += 3 + len(rest[n])
			n++
		}
		id++
		if _, err := conn.Write(subscribeBytes(nil, version, id, rest[:n], h.qos)); err != nil {
			return err
		}
		rest = rest[n:]
		if h.eager {
			continue
		}
		body, err := expect(conn, mqtt.TypeSuback)
		if err != nil {
			return err
		}
		if len(body) < n {
			return errShort
		}
		for _, code := range body[len(body)-n:] {
			if code >= 0x80 {
				return fmt.Errorf("SUBSCRIBE refused: %v", mqtt.ReasonCode(code))
			}
		}
	}
	return nil
}

// expect reads one packet of the given type and returns its body. It takes not a byte
// more from the connection.
func expect(conn net.Conn, want mqtt.PacketType) ([]byte, error) {
	var b [5]byte
	for n := 0; n < len(b); n++ {
		if _, err := io.ReadFull(conn, b[n:n+1]); err != nil {
			return nil, fmt.Errorf("waiting for %v: %w", want, err)
		}
		h, used, err := mqtt.DecodeHeader(b[:n+1])
		if err != nil {
			return nil, err
		}
		if used == 0 {
			continue
		}
		if h.Type != want {
			return nil, fmt.Errorf("%v instead of %v", h.Type, want)
		}
		if h.Remaining > 1<<20 {
			return nil, errors.New("answer too large")
		}
		body := make([]byte, h.Remaining)
		_, err = io.ReadFull(conn, body)
		return body, err
	}
	return nil, errShort
}
