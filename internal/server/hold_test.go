package server

import (
	"bytes"
	"crypto/tls"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"alcove/internal/mqtt"
)

// at moves the bare loop's clock to a tick and runs what is due.
func (b *bare) at(tick uint32) {
	l := b.l
	l.tick = tick
	for _, c := range l.wheel.advance(tick) {
		c.expire(l.turn)
	}
	l.turn.End()
	l.collect()
}

// TestSlowPacket: a packet that has begun must come at a least rate, however little
// of it comes at a time; a slow but honest one passes.
func TestSlowPacket(t *testing.T) {
	head := []byte{0x30, 0x80, 0x80, 0x04} // 64 KiB
	grace := ticks(packetGrace)
	for _, x := range []struct {
		name string
		rate int // bytes a second
		ends bool
	}{{"too slow", packetRate / 10, true}, {"slow", 2 * packetRate, false}} {
		b := newBare(t, mqtt.V5, Limits{})
		start := b.l.tick
		b.c.feed(b.l.turn, head)
		if b.c.begun == 0 || b.c.timed == 0 {
			t.Fatal("the packet is not timed")
		}
		for s := uint32(1); s <= 20 && b.c.state == stateUp; s++ {
			b.c.feed(b.l.turn, body(x.rate, 0))
			b.at(start + s*uint32(time.Second/tickTime))
		}
		if ended := b.c.state != stateUp; ended != x.ends {
			t.Errorf("%s: ended %v after %d bytes", x.name, ended, b.c.tail.len())
		}
	}
	// While we do not read, it is not the client that is slow.
	b := newBare(t, mqtt.V5, Limits{})
	start := b.l.tick
	b.c.feed(b.l.turn, head)
	b.c.hold(holdDisk)
	b.at(start + 3*grace)
	b.c.unhold(b.l.turn, holdDisk)
	b.at(start + 4*grace - 10)
	if b.c.state != stateUp {
		t.Error("ended for the time in which it was not read")
	}
	b.at(start + 4*grace + 10)
	if b.c.state == stateUp {
		t.Error("never ended")
	}
}

// TestKeepAliveStopsDuringHold: while we do not read, keep-alive does not run.
func TestKeepAliveStopsDuringHold(t *testing.T) {
	b := newBare(t, mqtt.V5, Limits{})
	c, start := b.c, b.l.tick
	c.keepAlive, c.heard = 15, start
	c.arm()
	b.at(start + 10)
	c.hold(holdPress)
	b.at(start + 40)
	if c.state != stateUp {
		t.Fatal("ended while it was held back")
	}
	c.unhold(b.l.turn, holdPress)
	b.at(start + 54)
	if c.state != stateUp {
		t.Fatal("the clock went on")
	}
	b.at(start + 55)
	if c.state == stateUp {
		t.Error("keep-alive never ends it")
	}
}

// TestHoldKeepsOrder: what came during a hold is handled before what comes after,
// and the last hold decides.
func TestHoldKeepsOrder(t *testing.T) {
	b := newBare(t, mqtt.V5, Limits{})
	c := b.c
	c.hold(holdDisk)
	c.hold(holdPress)
	ping := mqtt.AppendPingreq(nil)
	c.received(b.l.turn, ping[:1])
	c.received(b.l.turn, ping[1:])
	c.received(b.l.turn, append(bytes.Clone(ping), 0xe0)) // half a DISCONNECT
	c.unhold(b.l.turn, holdDisk)
	if c.out.size != 0 {
		t.Fatal("handled although a hold is left")
	}
	c.unhold(b.l.turn, holdPress)
	if c.out.size != 4 || c.tail.len() != 1 || c.begun == 0 {
		t.Fatalf("%d bytes of answers, %d of a packet", c.out.size, c.tail.len())
	}
	c.received(b.l.turn, []byte{0})
	if c.state != stateClosing {
		t.Error("the packet was not completed")
	}
}

// TestRelease: publishers go on when the receiver has drained, or pressTime has
// passed; those who wait for the disk when it has caught up; those who left are
// forgotten.
func TestRelease(t *testing.T) {
	l := newBareLoop(t, Limits{})
	recv, other := newBareOn(t, l, mqtt.V5, nil), newBareOn(t, l, mqtt.V5, nil)
	recv.c.out.over.Store(true)
	other.c.out.over.Store(true)
	var from [4]*Conn
	now := time.Now()
	l.turn.Begin(now)
	for i := range from {
		from[i] = newBareOn(t, l, mqtt.V5, nil).c
	}
	l.press(from[0], recv.c)
	l.press(from[1], other.c)
	l.press(from[2], other.c)
	from[2].close()
	l.holdForDisk(from[3])
	recv.c.out.over.Store(false)
	l.release()
	if from[0].holds != 0 || from[1].holds != holdPress || from[3].holds != 0 || len(l.pressed) != 1 || len(l.disk) != 0 {
		t.Fatalf("holds %v %v %v, %d pressed", from[0].holds, from[1].holds, from[3].holds, len(l.pressed))
	}
	l.turn.Begin(now.Add(pressTime))
	l.release()
	if from[1].holds != 0 || len(l.pressed) != 0 {
		t.Error("held back for ever")
	}
	for range 100 { // clients come, are held for the disk, and leave
		c := newBareOn(t, l, mqtt.V5, nil).c
		l.holdForDisk(c)
		c.close()
	}
	if len(l.disk) > 2*l.slots.live+1 {
		t.Errorf("%d are remembered, %d are there", len(l.disk), l.slots.live)
	}
}

// TestNoise: a flood of one kind is one line a second, with a count.
func TestNoise(t *testing.T) {
	var b bytes.Buffer
	n := noise{log: slog.New(slog.NewTextHandler(&b, nil))}
	for range 1000 {
		n.say(noiseProtocol, "bad")
	}
	n.say(noiseFull, "full")
	n.last[noiseProtocol].Store(0)
	n.say(noiseProtocol, "bad")
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != 3 || !strings.Contains(lines[2], "more=999") {
		t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-1])
	}
}

// TestTailGrowsWithBytes: a large packet that is announced costs nothing until it
// comes, and a small rest a small buffer, which goes back.
func TestTailGrowsWithBytes(t *testing.T) {
	b := newBare(t, mqtt.V5, Limits{})
	c := b.c
	head := []byte{0x30, 0xff, 0xff, 0xff, 0x03} // 8 MiB
	c.feed(b.l.turn, head[:3])
	c.feed(b.l.turn, head[3:])
	if cap(c.tail.b) > tailSize {
		t.Fatalf("%d bytes for a header", cap(c.tail.b))
	}
	for have := len(head); have < 1<<20; have += 10000 {
		c.feed(b.l.turn, body(10000, 0))
		if cap(c.tail.b) > 2*c.tail.len()+tailSize {
			t.Fatalf("room for %d bytes, %d have come", cap(c.tail.b), c.tail.len())
		}
	}
	c.close()
	if c.tail != nil {
		t.Error("the buffer outlives the connection")
	}
	d := newBareOn(t, b.l, mqtt.V5, nil).c
	free := len(b.l.tails.free)
	ping := mqtt.AppendPingreq(nil)
	d.feed(b.l.turn, ping[:1])
	d.feed(b.l.turn, ping[1:])
	if d.tail != nil || len(b.l.tails.free) < max(free, 1) {
		t.Error("the buffer of a rest does not go back")
	}
}

// TestIdleMemory measures what an idle connection with one subscription costs the
// process, the kernel aside.
func TestIdleMemory(t *testing.T) {
	if raceEnabled || testing.Short() {
		t.Skip("measured without the race detector only")
	}
	path := t.TempDir() + "/s"
	h := newHouse(t, Config{Unix: path})
	const n = 3000
	before := memory()
	fds := make([]int, 0, n)
	defer func() {
		for _, fd := range fds {
			_ = unix.Close(fd)
		}
	}()
	s := mqtt.Subscribe{PacketID: 1}
	s.Add("a/topic/filter", mqtt.SubscribeOptions{})
	subscribe := s.Append(nil, mqtt.V311)
	answers := make([]byte, 100)
	for range n {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		must(t, err)
		fds = append(fds, fd)
		must(t, unix.Connect(fd, &unix.SockaddrUnix{Name: path}))
		_, err = unix.Write(fd, append(connectPacket(mqtt.V311, "", h.keys[0], nil), subscribe...))
		must(t, err)
		for have := 0; have < 4+5; {
			k, err := unix.Read(fd, answers)
			must(t, err)
			have += k
		}
	}
	each := (memory() - before) / n
	t.Logf("%d bytes a connection", each)
	if each > idleBytes {
		t.Errorf("an idle connection costs %d bytes", each)
	}
}

// memory is what the process holds in heap and stacks.
func memory() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}

// TestIdleMemoryTLS is the same over TLS: both ends are in this process, and the
// client's costs at least as much as ours.
func TestIdleMemoryTLS(t *testing.T) {
	if raceEnabled || testing.Short() {
		t.Skip("measured without the race detector only")
	}
	h := newHouse(t, Config{MQTTS: loopback})
	const n = 300
	before := memory()
	var peers []*tls.Conn
	for range n {
		c, err := tls.Dial("tcp", h.srv.Addrs().MQTTS.String(), anyServer)
		must(t, err)
		defer c.Close()
		peers = append(peers, c)
		_, err = c.Write(connectPacket(mqtt.V311, "", h.keys[0], nil))
		must(t, err)
		_, err = io.ReadFull(c, make([]byte, 4))
		must(t, err)
	}
	both := (memory() - before) / n
	t.Logf("%d bytes a connection, both ends", both)
	if both > 2*12<<10 {
		t.Errorf("an idle connection and its client cost %d bytes", both)
	}
	runtime.KeepAlive(peers)
}

// TestLadenGoesOn: who published what was dear to filter goes on in the next round,
// with what came first, and not before.
func TestLadenGoesOn(t *testing.T) {
	b := newBare(t, mqtt.V5, Limits{})
	c, l := b.c, b.l
	c.hold(holdLaden)
	l.makeReady(c)
	c.received(l.turn, mqtt.AppendPingreq(nil))
	if c.out.size != 0 {
		t.Fatal("handled in the same round")
	}
	l.round(nil)
	if c.holds != 0 || l.lanes.first != nil {
		t.Fatalf("holds %v, %d wait", c.holds, l.lanes.count)
	}
	got := make([]byte, 2)
	if _, err := io.ReadFull(b.peer, got); err != nil || !bytes.Equal(got, pingresp) {
		t.Errorf("%x, %v", got, err)
	}
}

// text is what waits.
func (t *tail) text() string {
	if t == nil {
		return ""
	}
	return string(t.b)
}
