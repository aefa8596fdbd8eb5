package server

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/gobwas/ws"

	"alcove/internal/broker"
)

// wsConn is WebSocket on a loop: the frames of RFC 6455, without extensions. MQTT
// packets and frames have nothing to do with each other [MQTT-6.0.0-2]
// [MQTT311-6.0.0-2].
//
// All but out is the owner's; out is guarded by output.mu.
type wsConn struct {
	head  [wsHeadMax]byte // of the frame that is coming, as far as it has come
	have  int
	frame bool // the header is complete
	op    ws.OpCode
	fin   bool
	left  uint64 // payload of the frame that has still to come
	mask  [4]byte
	at    int    // position in the mask
	parts bool   // a fragmented message is under way
	word  []byte // payload of the control frame that is coming
	rest  []byte // what came during a hold
	out   wsOut
}

// wsError ends a connection with a status of RFC 6455.
type wsError struct {
	code ws.StatusCode
	why  string
}

func (e *wsError) Error() string { return fmt.Sprintf("WebSocket %d: %s", e.code, e.why) }

var (
	errWSText     = &wsError{ws.StatusUnsupportedData, "a text frame"}
	errWSUnmasked = &wsError{ws.StatusProtocolError, "a frame without mask"}
	errWSReserved = &wsError{ws.StatusProtocolError, "reserved bits or opcode"}
	errWSControl  = &wsError{ws.StatusProtocolError, "a control frame that is fragmented or too long"}
	errWSParts    = &wsError{ws.StatusProtocolError, "fragments out of order"}
	errWSLength   = &wsError{ws.StatusProtocolError, "a length that is not in its shortest form"}
	errWSTooLarge = &wsError{ws.StatusMessageTooBig, "a frame that is too large"}
	errWSClosed   = errors.New("closed by the client's close frame")
)

// feedFrames takes the next bytes from the network, takes them out of their frames
// and feeds them on.
func (c *Conn) feedFrames(t *broker.Turn, b []byte) {
	w := c.wrap.ws
	for c.state < stateClosing {
		if c.holds != 0 {
			w.rest = append(w.rest, b...)
			return
		}
		if !w.frame {
			if len(b) == 0 {
				return
			}
			n, err := w.takeHead(b, c.frameLimit())
			if err != nil {
				c.failFrames(t, err)
				return
			}
			b = b[n:]
			if !w.frame {
				return
			}
		}
		n := int(min(uint64(len(b)), w.left))
		if n == 0 && w.left > 0 {
			return
		}
		piece := b[:n]
		b = b[n:]
		ws.Cipher(piece, w.mask, w.at)
		w.at = (w.at + n) & 3
		w.left -= uint64(n)
		w.frame = w.left > 0
		if w.op.IsControl() {
			w.word = append(w.word, piece...)
			if !w.frame {
				c.controlFrame(t)
			}
			continue
		}
		if !w.frame {
			w.parts = !w.fin
		}
		c.feed(t, piece)
	}
}

// frameLimit is the longest frame that a client may send now. Frames are not
// stored: it only tells senseless lengths.
func (c *Conn) frameLimit() uint64 {
	return 2 * uint64(c.packetLimit())
}

// takeHead takes a frame's header from b, which may begin or end anywhere in it.
func (w *wsConn) takeHead(b []byte, limit uint64) (n int, err error) {
	for n < len(b) {
		need := w.headNeeds()
		k := copy(w.head[w.have:need], b[n:])
		w.have += k
		n += k
		if w.have == need && w.headNeeds() == need {
			return n, w.begin(limit)
		}
		// A mask bit that is missing shows in the first two bytes.
		if w.have >= 2 && w.head[1]&0x80 == 0 {
			return n, errWSUnmasked
		}
	}
	return n, nil
}

// headNeeds is how long the header is, as far as it can be told.
func (w *wsConn) headNeeds() int {
	if w.have < 2 {
		return 2
	}
	switch w.head[1] & 0x7f {
	case 126:
		return 2 + 2 + 4
	case 127:
		return 2 + 8 + 4
	}
	return 2 + 4
}

// begin checks the complete header and begins its frame.
func (w *wsConn) begin(limit uint64) error {
	size := w.have
	w.have, w.frame, w.at = 0, true, 0
	first, length := w.head[0], uint64(w.head[1]&0x7f)
	short := uint64(0)
	switch length {
	case 126:
		length, short = uint64(binary.BigEndian.Uint16(w.head[2:])), 126
	case 127:
		length, short = binary.BigEndian.Uint64(w.head[2:]), 1<<16
	}
	copy(w.mask[:], w.head[size-4:size])
	w.op, w.fin, w.left = ws.OpCode(first&0x0f), first&0x80 != 0, length
	switch {
	case w.head[1]&0x80 == 0:
		return errWSUnmasked
	case first&0x70 != 0 || w.op.IsReserved():
		return errWSReserved
	case w.op.IsControl() && (!w.fin || length > wsControlMax):
		return errWSControl
	case w.op == ws.OpText:
		return errWSText // [MQTT-6.0.0-1] [MQTT311-6.0.0-1]
	case w.op == ws.OpBinary && w.parts, w.op == ws.OpContinuation && !w.parts:
		return errWSParts
	case length < short:
		return errWSLength
	case length > limit:
		return errWSTooLarge
	}
	if w.op.IsControl() {
		w.word = w.word[:0]
	}
	return nil
}

// controlFrame handles a whole control frame.
func (c *Conn) controlFrame(t *broker.Turn) {
	w := c.wrap.ws
	word := w.word
	w.word = nil
	switch w.op {
	case ws.OpPing:
		c.out.mu.Lock()
		w.out.pong(word)
		c.touch(t)
		c.out.mu.Unlock()
	case ws.OpClose:
		code := ws.StatusNormalClosure
		if len(word) >= 2 {
			code = ws.StatusCode(binary.BigEndian.Uint16(word))
			if code.Empty() || code.IsProtocolReserved() || code.IsNotUsed() {
				code = ws.StatusProtocolError
			}
		} else if len(word) == 1 {
			code = ws.StatusProtocolError
		}
		c.endFrames(t, code, errWSClosed)
	}
}

// failFrames ends the connection because of a frame.
func (c *Conn) failFrames(t *broker.Turn, err error) {
	c.loop.srv.noise.say(noiseWebSocket, err.Error(), "remote", remoteText(c.remote.addrPort()))
	code := ws.StatusProtocolError
	var e *wsError
	if errors.As(err, &e) {
		code = e.code
	}
	c.endFrames(t, code, err)
}

func (c *Conn) endFrames(t *broker.Turn, code ws.StatusCode, cause error) {
	c.out.mu.Lock()
	c.wrap.ws.out.code = code
	c.out.mu.Unlock()
	c.finish(t, cause)
}

// wsOut is the writing side: the output goes out in binary frames, one for what a
// flush finds. Guarded by output.mu; what is being written is the write turn's.
type wsOut struct {
	answer  []byte // a control frame to send between two frames
	sending []byte // what of one has still to be written
	head    [10]byte
	from    int // head[from:to] has still to be written
	to      int
	left    int // payload of the frame under way that has still to be written
	code    ws.StatusCode
	closed  bool // the close frame is made
}

// wsFrameSize bounds a frame: browsers show nothing of one until all has come.
const wsFrameSize = 64 << 10

func (o *wsOut) waiting() bool {
	return len(o.answer) > 0 || len(o.sending) > 0 || o.from < o.to || o.left > 0
}

// pong answers a ping. Of several pings that came before it could go out only the
// last is answered.
func (o *wsOut) pong(word []byte) {
	if !o.closed {
		o.answer = appendFrame(o.answer[:0], ws.OpPong, word)
	}
}

// close makes the close frame.
func (o *wsOut) close() {
	o.closed = true
	code := o.code
	if code == 0 {
		code = ws.StatusNormalClosure
	}
	o.answer = appendFrame(o.answer[:0], ws.OpClose, binary.BigEndian.AppendUint16(nil, uint16(code)))
}

// appendFrame appends a short frame that is not masked.
func appendFrame(dst []byte, op ws.OpCode, word []byte) []byte {
	return append(append(dst, 0x80|byte(op), byte(len(word))), word...)
}

// collect adds what waits to v, in frames.
func (o *wsOut) collect(out *output, v *vector) {
	if len(o.sending) == 0 && o.from == o.to && o.left == 0 && len(o.answer) > 0 {
		o.sending, o.answer = o.answer, nil
	}
	if o.from == o.to && o.left == 0 && out.size > 0 {
		o.left = min(out.size, wsFrameSize)
		o.from, o.to = 0, putHead(&o.head, o.left)
	}
	v.add(o.sending)
	v.add(o.head[o.from:o.to])
	left := o.left
	for ch := out.queue.first; ch != nil && left > 0 && v.room(); ch = ch.next {
		b := ch.mem[ch.r:min(ch.w, ch.r+left)]
		left -= len(b)
		v.add(b)
	}
}

// putHead writes the header of a binary frame of n bytes and returns its size.
func putHead(head *[10]byte, n int) int {
	head[0] = 0x80 | byte(ws.OpBinary)
	switch {
	case n < 126:
		head[1] = byte(n)
		return 2
	case n < 1<<16:
		head[1] = 126
		binary.BigEndian.PutUint16(head[2:], uint16(n))
		return 4
	}
	head[1] = 127
	binary.BigEndian.PutUint64(head[2:], uint64(n))
	return 10
}

// wrote notes that n bytes of what was collected have gone out, and returns how
// many of them were of the output.
func (o *wsOut) wrote(n int) int {
	k := min(n, len(o.sending))
	o.sending = o.sending[k:]
	n -= k
	k = min(n, o.to-o.from)
	o.from += k
	n -= k
	o.left -= n
	return n
}
