package server

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"pgregory.net/rapid"

	"alcove/internal/broker"
	"alcove/internal/mqtt"
)

// frame returns a client's frame.
func frame(op ws.OpCode, fin bool, payload []byte) []byte {
	h := ws.Header{Fin: fin, OpCode: op, Masked: true, Mask: [4]byte{1, 2, 3, 4}, Length: int64(len(payload))}
	var b bytes.Buffer
	_ = ws.WriteHeader(&b, h)
	masked := bytes.Clone(payload)
	ws.Cipher(masked, h.Mask, 0)
	b.Write(masked)
	return b.Bytes()
}

func binaryFrame(payload []byte) []byte { return frame(ws.OpBinary, true, payload) }

// framed is a client's connection over WebSocket: writes are bytes of frames, reads
// are payload of binary frames.
type framed struct {
	net.Conn
	r       *bufio.Reader
	left    int64
	control []ws.Frame // what else came
}

func (f *framed) Read(b []byte) (int, error) {
	for f.left == 0 {
		h, err := ws.ReadHeader(f.r)
		if err != nil {
			return 0, err
		}
		if h.Masked || !h.Fin || h.Rsv != 0 {
			return 0, io.ErrUnexpectedEOF
		}
		if h.OpCode == ws.OpBinary {
			f.left = h.Length
			continue
		}
		payload := make([]byte, h.Length)
		if _, err := io.ReadFull(f.r, payload); err != nil {
			return 0, err
		}
		f.control = append(f.control, ws.Frame{Header: h, Payload: payload})
	}
	n, err := f.r.Read(b[:min(int64(len(b)), f.left)])
	f.left -= int64(n)
	return n, err
}

// upgradeRequest asks for WebSocket on a path of any name [EXT-WS-1].
func upgradeRequest(extra string) string {
	return "GET /any/path HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + extra + "\r\n"
}

// webSocket makes a WebSocket of a connection; first goes out with the request.
func webSocket(t testing.TB, c net.Conn, extra string, first []byte) (*peer, *framed, *http.Response) {
	t.Helper()
	must(t, c.SetDeadline(time.Now().Add(patience)))
	_, err := c.Write(append([]byte(upgradeRequest(extra)), first...))
	must(t, err)
	r := bufio.NewReader(c)
	answer, err := http.ReadResponse(r, nil)
	must(t, err)
	if answer.StatusCode != http.StatusSwitchingProtocols {
		return nil, nil, answer
	}
	if got := answer.Header.Get("Sec-WebSocket-Accept"); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Errorf("Sec-WebSocket-Accept %q", got)
	}
	f := &framed{Conn: c, r: r}
	return newPeer(t, f), f, answer
}

func (h *house) webSocket(extra string) (*peer, *framed) {
	h.t.Helper()
	c, err := net.Dial("tcp", h.srv.Addrs().HTTP.String())
	must(h.t, err)
	p, f, answer := webSocket(h.t, c, extra, nil)
	if p == nil {
		h.t.Fatalf("HTTP %s", answer.Status)
	}
	return p, f
}

// TestWebSocket: packets cut across frames, several in one, fragments, a ping in
// their midst [MQTT-6.0.0-2] [EXT-WS-1].
func TestWebSocket(t *testing.T) {
	h := newHouse(t, Config{HTTP: loopback})
	p, f := h.webSocket("Sec-WebSocket-Protocol: other, mqtt\r\n")
	connect := connectPacket(mqtt.V5, "ws", h.keys[0], nil)
	p.write(binaryFrame(connect[:1])) // as some clients do
	p.write(binaryFrame(connect[1:9]))
	p.write(binaryFrame(nil))
	p.write(binaryFrame(connect[9:]))
	p.connack()
	s := mqtt.Subscribe{PacketID: 1}
	s.Add("x", mqtt.SubscribeOptions{})
	both := publishPacket(mqtt.V5, "x", body(70000, 'x'))
	p.write(binaryFrame(append(s.Append(nil, mqtt.V5), both...)))
	p.expect(mqtt.TypeSuback)
	if m := p.published(); len(m.Payload) != 70000 {
		t.Errorf("payload of %d bytes", len(m.Payload))
	}
	cut := publishPacket(mqtt.V5, "x", []byte("fragments"))
	p.write(frame(ws.OpBinary, false, cut[:3]))
	p.write(frame(ws.OpPing, true, []byte("how are you")))
	p.write(frame(ws.OpContinuation, false, cut[3:5]))
	p.write(frame(ws.OpContinuation, true, cut[5:]))
	if m := p.published(); string(m.Payload) != "fragments" {
		t.Errorf("payload %q", m.Payload)
	}
	if len(f.control) != 1 || f.control[0].Header.OpCode != ws.OpPong || string(f.control[0].Payload) != "how are you" {
		t.Errorf("pong %v", f.control)
	}
	p.write(binaryFrame((&mqtt.Disconnect{}).Append(nil, mqtt.V5)))
	p.closed()
	checkClose(t, f, ws.StatusNormalClosure)
	// A REST request on the same port.
	r, err := http.Get("http://" + h.srv.Addrs().HTTP.String() + "/any/path")
	must(t, err)
	must(t, r.Body.Close())
	if r.StatusCode != http.StatusNotFound {
		t.Errorf("REST: %s", r.Status)
	}
	http.DefaultClient.CloseIdleConnections()
}

func checkClose(t *testing.T, f *framed, want ws.StatusCode) {
	t.Helper()
	if n := len(f.control); n == 0 || f.control[n-1].Header.OpCode != ws.OpClose {
		t.Fatalf("no close frame among %v", f.control)
	}
	last := f.control[len(f.control)-1].Payload
	if got := ws.StatusCode(binary.BigEndian.Uint16(last)); got != want {
		t.Errorf("closed with %d, want %d", got, want)
	}
}

// TestWebSocketBehindRequest: what the client sends with its request is not lost.
func TestWebSocketBehindRequest(t *testing.T) {
	h := newHouse(t, Config{HTTP: loopback})
	c, err := net.Dial("tcp", h.srv.Addrs().HTTP.String())
	must(t, err)
	p, _, _ := webSocket(t, c, "", binaryFrame(connectPacket(mqtt.V5, "eager", h.keys[0], nil)))
	p.connack()
}

// TestWebSocketHandshake: subprotocols [MQTT-6.0.0-4], origins and wrong requests.
func TestWebSocketHandshake(t *testing.T) {
	h := newHouse(t, Config{HTTP: loopback, Origins: []string{"https://good.example"}})
	tests := []struct {
		name, extra string
		status      int
		protocol    string
	}{
		{"no subprotocol", "", 101, ""},
		{"mqtt", "Sec-WebSocket-Protocol: mqtt\r\n", 101, "mqtt"},
		{"mqttv3.1", "Sec-WebSocket-Protocol: mqttv3.1\r\n", 101, "mqttv3.1"},
		{"mqttv3.1.1", "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: mqttv3.1.1\r\n", 101, "mqttv3.1.1"},
		{"unknown subprotocol", "Sec-WebSocket-Protocol: chat\r\n", 400, ""},
		{"good origin", "Origin: https://good.example\r\n", 101, ""},
		{"evil origin", "Origin: https://evil.example\r\n", 403, ""},
	}
	for _, x := range tests {
		c, err := net.Dial("tcp", h.srv.Addrs().HTTP.String())
		must(t, err)
		p, _, answer := webSocket(t, c, x.extra, nil)
		if answer.StatusCode != x.status || answer.Header.Get("Sec-WebSocket-Protocol") != x.protocol {
			t.Errorf("%s: %s, protocol %q", x.name, answer.Status, answer.Header.Get("Sec-WebSocket-Protocol"))
		}
		if p != nil {
			p.write(binaryFrame(connectPacket(mqtt.V311, "c", h.keys[0], nil)))
			p.version = mqtt.V311
			p.connack()
		}
		_ = c.Close()
	}
	for name, change := range map[string][2]string{
		"version":    {"Version: 13", "Version: 8"},
		"key":        {"dGhlIHNhbXBsZSBub25jZQ==", "short"},
		"connection": {"Connection: keep-alive, Upgrade", "Connection: close"},
		"method":     {"GET", "POST"},
		"HTTP":       {"HTTP/1.1", "HTTP/1.0"},
	} {
		c, err := net.Dial("tcp", h.srv.Addrs().HTTP.String())
		must(t, err)
		must(t, c.SetDeadline(time.Now().Add(patience)))
		_, err = c.Write([]byte(strings.Replace(upgradeRequest(""), change[0], change[1], 1)))
		must(t, err)
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		must(t, err)
		if answer.StatusCode/100 != 4 || name == "version" && answer.Header.Get("Sec-WebSocket-Version") != "13" {
			t.Errorf("%s: %s", name, answer.Status)
		}
		_ = c.Close()
	}
}

// TestWebSocketBadFrames: each ends the connection with the status that names it.
func TestWebSocketBadFrames(t *testing.T) {
	h := newHouse(t, Config{HTTP: loopback})
	unmasked := []byte{0x82, 2, 0xc0, 0}
	tests := []struct {
		name string
		send []byte
		want ws.StatusCode
	}{
		{"text [MQTT-6.0.0-1]", frame(ws.OpText, true, []byte("hi")), ws.StatusUnsupportedData},
		{"unmasked", unmasked, ws.StatusProtocolError},
		{"reserved bit", append([]byte{0xc2}, binaryFrame([]byte("x"))[1:]...), ws.StatusProtocolError},
		{"reserved opcode", frame(3, true, nil), ws.StatusProtocolError},
		{"fragmented ping", frame(ws.OpPing, false, nil), ws.StatusProtocolError},
		{"long ping", frame(ws.OpPing, true, body(126, 0)), ws.StatusProtocolError},
		{"continuation of nothing", frame(ws.OpContinuation, true, nil), ws.StatusProtocolError},
		{"a message in a message", append(frame(ws.OpBinary, false, nil), binaryFrame(nil)...), ws.StatusProtocolError},
		{"2^63", []byte{0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, ws.StatusMessageTooBig},
		{"1 GiB", []byte{0x82, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 1, 2, 3, 4}, ws.StatusMessageTooBig},
		{"long form of a short length", []byte{0x82, 0xfe, 0, 2, 1, 2, 3, 4, 0, 0}, ws.StatusProtocolError},
		{"close", frame(ws.OpClose, true, []byte{0x03, 0xe9}), ws.StatusGoingAway},
		{"close without status", frame(ws.OpClose, true, nil), ws.StatusNormalClosure},
		{"close with half a status", frame(ws.OpClose, true, []byte{3}), ws.StatusProtocolError},
		{"close with 1005", frame(ws.OpClose, true, []byte{0x03, 0xed}), ws.StatusProtocolError},
	}
	for _, x := range tests {
		t.Run(x.name, func(t *testing.T) {
			p, f := h.webSocket("")
			p.t = t
			p.write(binaryFrame(connectPacket(mqtt.V5, "", h.keys[0], nil)))
			p.connack()
			p.write(x.send)
			if b := p.closed(); len(b) > 0 {
				t.Errorf("got % x", b)
			}
			checkClose(t, f, x.want)
		})
	}
}

// TestWebSocketHold: what comes while CONNECT is pending waits, in frames and in
// parts of frames.
func TestWebSocketHold(t *testing.T) {
	h := newHouse(t, Config{HTTP: loopback})
	h.log.freeze()
	p, _ := h.webSocket("")
	all := connectPacket(mqtt.V5, "held", h.keys[0], func(c *mqtt.Connect) {
		c.Props.SessionExpiry, c.Props.HasSessionExpiry = 100, true
	})
	all = mqtt.AppendPingreq(mqtt.AppendPingreq(all))
	p.write(append(binaryFrame(all[:len(all)-1]), binaryFrame(all[len(all)-1:])...))
	more := binaryFrame(mqtt.AppendPingreq(nil))
	p.write(more[:4])
	h.log.thaw()
	p.connack()
	p.expect(mqtt.TypePingresp)
	p.expect(mqtt.TypePingresp)
	p.write(more[4:])
	p.expect(mqtt.TypePingresp)
}

// TestWebSocketOutput compares what goes out in frames with what was appended,
// whatever the socket takes at a time, with pongs between.
func TestWebSocketOutput(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := newBareOn(t, newBareLoop(t, Limits{OutputBytes: 64 << 20}), mqtt.V5, &wrap{ws: &wsConn{}})
		var want []byte
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			switch rapid.IntRange(0, 3).Draw(rt, "what") {
			case 0:
				size := rapid.SampledFrom([]int{0, 1, 100, 500, 70000, 200000}).Draw(rt, "size")
				m := message("t", body(size, byte(len(want))))
				b.c.Deliver(b.l.turn, &broker.Delivery{Message: m})
				h := mqtt.PublishHead{Version: mqtt.V5, Topic: "t", PayloadLen: size}
				want = append(h.Append(want), m.Payload...)
			case 1:
				b.c.feedFrames(b.l.turn, frame(ws.OpPing, true, []byte("p")))
			case 2:
				b.l.turn.End()
			case 3:
				b.c.writable()
			}
		}
		got := make([]byte, len(want))
		read := make(chan error, 1)
		f := &framed{Conn: b.peer, r: bufio.NewReader(b.peer)}
		go func() { _, err := io.ReadFull(f, got); read <- err }()
		for done := false; !done; {
			b.c.writable()
			select {
			case err := <-read:
				if err != nil {
					rt.Fatal(err)
				}
				done = true
			default:
			}
		}
		if !bytes.Equal(got, want) {
			rt.Fatal("the stream differs from what was appended")
		}
		b.c.close()
	})
}

// FuzzWebSocketFrames feeds frames cut in two: nothing panics, the cut makes no
// difference, and no more is kept than has come.
func FuzzWebSocketFrames(f *testing.F) {
	f.Add(binaryFrame([]byte{0xc0, 0}), 3)
	f.Add(append(frame(ws.OpBinary, false, []byte{0xc0}), frame(ws.OpContinuation, true, []byte{0})...), 7)
	f.Add(frame(ws.OpPing, true, []byte("ping")), 5)
	f.Add(frame(ws.OpClose, true, []byte{3, 0xe8}), 1)
	f.Add([]byte{0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, 2)
	l := newBareLoop(f, Limits{})
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		if len(data) == 0 {
			return
		}
		cut = min(max(cut, 0), len(data))
		run := func(pieces ...[]byte) (state connState, tail, out string) {
			w := &wrap{ws: &wsConn{}}
			c := &Conn{loop: l, state: stateUp, wrap: w}
			c.out.version = mqtt.V5
			l.slots.put(c)
			c.sock = deadSocket()
			l.srv.live.Add(1)
			for _, p := range pieces {
				c.feedFrames(l.turn, bytes.Clone(p))
				if n := c.tail.len() + len(w.ws.rest) + len(w.ws.word); n > len(data) {
					t.Fatalf("%d bytes kept of %d", n, len(data))
				}
			}
			state, tail = c.state, c.tail.text()
			c.out.state |= outBlocked
			for ch := c.out.queue.first; ch != nil; ch = ch.next {
				out += string(ch.mem[ch.r:ch.w])
			}
			c.close()
			l.turn.End()
			l.collect()
			return state, tail, out
		}
		s1, t1, o1 := run(data)
		s2, t2, o2 := run(data[:cut], data[cut:])
		if s1 != s2 || t1 != t2 || o1 != o2 {
			t.Fatalf("the cut makes a difference: %v %v, %q %q, %q %q", s1, s2, t1, t2, o1, o2)
		}
	})
}

// FuzzConnFeed feeds the bytes of a stream of packets cut in two, behind CONNECT:
// nothing panics, and the cut makes no difference.
func FuzzConnFeed(f *testing.F) {
	f.Add(publishPacket(mqtt.V5, "a", []byte("b")), 3)
	f.Add(mqtt.AppendPingreq(mqtt.AppendPingreq(nil)), 1)
	f.Add((&mqtt.Disconnect{}).Append(nil, mqtt.V5), 1)
	f.Add([]byte{0x30, 0xff, 0xff, 0xff, 0x7f}, 4)
	f.Add([]byte{0x82, 8, 0, 1, 0, 0, 2, 'a', '/', 0}, 5)
	l := newBareLoop(f, Limits{})
	connect := connectPacket(mqtt.V5, "", "", nil)
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		cut = min(max(cut, 0), len(data))
		run := func(pieces ...[]byte) (connState, string) {
			c := &Conn{loop: l, state: stateNew, sock: deadSocket()}
			c.out.state |= outBlocked
			l.slots.put(c)
			l.srv.live.Add(1)
			c.received(l.turn, connect)
			for _, p := range pieces {
				l.collect()
				c.received(l.turn, bytes.Clone(p))
			}
			state, tail := c.state, c.tail.text()
			c.lost(l.turn, errPeerClosed)
			l.turn.End()
			l.collect()
			return state, tail
		}
		s1, t1 := run(data)
		s2, t2 := run(data[:cut], data[cut:])
		if s1 != s2 || t1 != t2 {
			t.Fatalf("the cut makes a difference: %v %v, %q %q", s1, s2, t1, t2)
		}
	})
}
