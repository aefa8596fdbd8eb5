package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/gobwas/ws"
)

// ErrWebSocketClosed is what reading a connection gives after the peer's close frame.
var ErrWebSocketClosed = errors.New("WebSocket closed by the peer")

// maxControlFrame is the longest payload of a ping, pong or close frame (RFC 6455, 5.5).
const maxControlFrame = 125

// socket is a net.Conn whose bytes travel in binary WebSocket frames. A packet may
// span frames and a frame may hold several packets [MQTT-6.0.0-2].
type socket struct {
	net.Conn
	in io.Reader // the connection behind what the upgrade has read ahead

	// The reading side; one goroutine at a time.
	left   int64 // bytes of the current frame not yet read
	masked bool
	mask   [4]byte
	offset int
	opened bool // a data message has begun and not ended

	write struct {
		sync.Mutex
		buf []byte
	}
}

// upgrade asks for a WebSocket over conn with the subprotocol of MQTT [MQTT-6.0.0-3].
func upgrade(ctx context.Context, conn net.Conn, e Endpoint) (net.Conn, error) {
	protocol := e.Protocol
	if protocol == "" {
		protocol = "mqtt"
	}
	path := e.Path
	if path == "" {
		path = "/mqtt"
	}
	u, err := url.Parse("ws://" + e.Address + path)
	if err != nil {
		return nil, fmt.Errorf("WebSocket: %w", err)
	}
	if end, ok := ctx.Deadline(); ok {
		conn.SetDeadline(end)
		defer conn.SetDeadline(time.Time{})
	}
	d := ws.Dialer{Protocols: []string{protocol}, Header: ws.HandshakeHeaderHTTP(http.Header{})}
	ahead, shake, err := d.Upgrade(conn, u)
	if err != nil {
		return nil, fmt.Errorf("WebSocket: %w", err)
	}
	if shake.Protocol != protocol {
		// The subprotocol must be one that the client offered [MQTT-6.0.0-4].
		return nil, fmt.Errorf("WebSocket: the server chose subprotocol %q", shake.Protocol)
	}
	s := &socket{Conn: conn, in: conn}
	if ahead != nil {
		s.in = ahead
	} else {
		s.in = bufio.NewReaderSize(conn, 16<<10)
	}
	return s, nil
}

// Read reads payload bytes of binary frames, answering pings on the way.
func (s *socket) Read(p []byte) (int, error) {
	for s.left == 0 {
		if err := s.nextFrame(); err != nil {
			return 0, err
		}
	}
	if int64(len(p)) > s.left {
		p = p[:s.left]
	}
	n, err := s.in.Read(p)
	if s.masked {
		ws.Cipher(p[:n], s.mask, s.offset)
	}
	s.offset += n
	s.left -= int64(n)
	return n, err
}

// nextFrame reads a frame's header; control frames it handles whole.
func (s *socket) nextFrame() error {
	h, err := ws.ReadHeader(s.in)
	if err != nil {
		return err
	}
	if h.Rsv != 0 {
		return errors.New("WebSocket: reserved bits set")
	}
	switch h.OpCode {
	case ws.OpBinary, ws.OpContinuation:
		if (h.OpCode == ws.OpContinuation) != s.opened {
			return errors.New("WebSocket: fragment out of place")
		}
		s.opened = !h.Fin
		s.left, s.masked, s.mask, s.offset = h.Length, h.Masked, h.Mask, 0
		return nil
	case ws.OpText:
		return errors.New("WebSocket: text frame") // [MQTT-6.0.0-1]
	}
	if !h.OpCode.IsControl() || h.Length > maxControlFrame || !h.Fin {
		return errors.New("WebSocket: invalid frame")
	}
	body := make([]byte, h.Length)
	if _, err := io.ReadFull(s.in, body); err != nil {
		return err
	}
	if h.Masked {
		ws.Cipher(body, h.Mask, 0)
	}
	switch h.OpCode {
	case ws.OpPing:
		return s.writeFrame(ws.OpPong, body)
	case ws.OpClose:
		code, reason := ws.ParseCloseFrameData(body)
		if err := s.writeFrame(ws.OpClose, body); err != nil {
			return err
		}
		if code == ws.StatusNormalClosure || code == 0 {
			return ErrWebSocketClosed
		}
		return fmt.Errorf("%w: %d %s", ErrWebSocketClosed, code, reason)
	}
	return nil
}

// Write sends p as one binary frame.
func (s *socket) Write(p []byte) (int, error) {
	if err := s.writeFrame(ws.OpBinary, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (s *socket) writeFrame(op ws.OpCode, p []byte) error {
	s.write.Lock()
	defer s.write.Unlock()
	h := ws.Header{Fin: true, OpCode: op, Masked: true, Length: int64(len(p))}
	key := rand.Uint32()
	h.Mask = [4]byte{byte(key), byte(key >> 8), byte(key >> 16), byte(key >> 24)}
	buf := appendFrameHeader(s.write.buf[:0], h)
	at := len(buf)
	buf = append(buf, p...)
	ws.Cipher(buf[at:], h.Mask, 0)
	_, err := s.Conn.Write(buf)
	if cap(buf) > 64<<10 {
		buf = nil // one large packet must not stay for the connection's life
	}
	s.write.buf = buf
	return err
}

// appendFrameHeader writes a final, masked frame's header (RFC 6455, 5.2).
func appendFrameHeader(dst []byte, h ws.Header) []byte {
	dst = append(dst, 0x80|byte(h.OpCode))
	switch n := h.Length; {
	case n < 126:
		dst = append(dst, 0x80|byte(n))
	case n < 1<<16:
		dst = append(dst, 0x80|126, byte(n>>8), byte(n))
	default:
		dst = append(dst, 0x80|127)
		for shift := 56; shift >= 0; shift -= 8 {
			dst = append(dst, byte(n>>shift))
		}
	}
	return append(dst, h.Mask[:]...)
}

// Close says goodbye with status 1000 and closes the socket.
func (s *socket) Close() error {
	s.Conn.SetWriteDeadline(time.Now().Add(time.Second))
	_ = s.writeFrame(ws.OpClose, ws.NewCloseFrameBody(ws.StatusNormalClosure, ""))
	return s.Conn.Close()
}
