package conform

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
)

// The opcodes of WebSocket frames (RFC 6455).
const (
	opContinue byte = 0
	opText     byte = 1
	opBinary   byte = 2
	opClose    byte = 8
	opPing     byte = 9
	opPong     byte = 10
)

// frames is a net.Conn over WebSocket: Write sends one masked binary frame,
// Read gives the contents of the server's binary frames. A text frame from the
// server is an error. Pongs and the close code are kept for the case to see.
type frames struct {
	net.Conn
	r    *bufio.Reader
	rest []byte

	mu        sync.Mutex
	pongs     []string
	closeCode int // of the server's close frame; 0 until it came
}

// errUpgrade is an answer other than 101.
var errUpgrade = errors.New("not upgraded")

// upgrade opens a WebSocket on an address and path and returns the subprotocol
// that the server chose.
func (k *Kit) upgrade(address string, header http.Header) (*frames, string, error) {
	u, err := url.Parse(address)
	if err != nil {
		k.Fatalf("%v", err)
	}
	conn := k.dial(address)
	k.Cleanup(func() { conn.Close() })
	nonce := make([]byte, 16)
	rand.Read(nonce)
	key := base64.StdEncoding.EncodeToString(nonce)
	var req bytes.Buffer
	fmt.Fprintf(&req, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n", u.RequestURI(), u.Host, key)
	header.Write(&req)
	req.WriteString("\r\n")
	conn.Write(req.Bytes())
	f := &frames{Conn: conn, r: bufio.NewReader(conn)}
	resp, err := http.ReadResponse(f.r, nil)
	if err != nil {
		return nil, "", err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return nil, "", fmt.Errorf("%w: %s", errUpgrade, resp.Status)
	}
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	if resp.Header.Get("Sec-WebSocket-Accept") != base64.StdEncoding.EncodeToString(sum[:]) {
		k.Fatalf("wrong Sec-WebSocket-Accept")
	}
	return f, resp.Header.Get("Sec-WebSocket-Protocol"), nil
}

// subprotocol is the header that asks for one.
func subprotocol(names ...string) http.Header {
	h := http.Header{}
	for _, n := range names {
		h.Add("Sec-WebSocket-Protocol", n)
	}
	return h
}

// WebSocket opens a connection over WebSocket with subprotocol mqtt.
func (k *Kit) WebSocket() (*Client, *frames) {
	f, _, err := k.upgrade(k.WS, subprotocol("mqtt"))
	if err != nil {
		k.Fatalf("%v", err)
	}
	return k.client(f), f
}

// frame is one frame as a client sends it, or with masked false as it must not.
func frame(fin bool, op byte, payload []byte, masked bool) []byte {
	first := op
	if fin {
		first |= 0x80
	}
	b := []byte{first}
	var mask byte
	if masked {
		mask = 0x80
	}
	switch n := len(payload); {
	case n < 126:
		b = append(b, mask|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, mask|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, mask|127), uint64(n))
	}
	if !masked {
		return append(b, payload...)
	}
	key := [4]byte{0x12, 0x34, 0x56, 0x78}
	b = append(b, key[:]...)
	for i, c := range payload {
		b = append(b, c^key[i%4])
	}
	return b
}

func (f *frames) Write(b []byte) (int, error) {
	_, err := f.Conn.Write(frame(true, opBinary, b, true))
	return len(b), err
}

// Raw writes bytes under the frame layer.
func (f *frames) Raw(parts ...[]byte) {
	for _, p := range parts {
		f.Conn.Write(p)
	}
}

func (f *frames) Read(b []byte) (int, error) {
	for len(f.rest) == 0 {
		if err := f.next(); err != nil {
			return 0, err
		}
	}
	n := copy(b, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

// next reads one frame.
func (f *frames) next() error {
	var head [2]byte
	if _, err := io.ReadFull(f.r, head[:]); err != nil {
		return err
	}
	n := int64(head[1] & 0x7f)
	switch n {
	case 126:
		var b [2]byte
		io.ReadFull(f.r, b[:])
		n = int64(binary.BigEndian.Uint16(b[:]))
	case 127:
		var b [8]byte
		io.ReadFull(f.r, b[:])
		n = int64(binary.BigEndian.Uint64(b[:]))
	}
	if head[1]&0x80 != 0 || head[0]&0x70 != 0 || n < 0 || n > 1<<27 {
		return fmt.Errorf("server frame % x", head)
	}
	payload := make([]byte, n)
	if _, err := io.ReadFull(f.r, payload); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch op := head[0] & 15; op {
	case opBinary, opContinue:
		f.rest = payload
	case opPing:
		f.Conn.Write(frame(true, opPong, payload, true))
	case opPong:
		f.pongs = append(f.pongs, string(payload))
	case opClose:
		f.closeCode = 1005
		if n >= 2 {
			f.closeCode = int(binary.BigEndian.Uint16(payload))
		}
		return io.EOF
	default:
		return fmt.Errorf("MQTT-6.0.0-1: server frame with opcode %d", op)
	}
	return nil
}

// code is the close code that came, or 0.
func (f *frames) code() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closeCode
}

// ponged tells whether a pong with this payload came.
func (f *frames) ponged(payload string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.pongs {
		if p == payload {
			return true
		}
	}
	return false
}
