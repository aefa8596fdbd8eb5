package server

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
	"unsafe"

	"pgregory.net/rapid"

	"alcove/internal/broker"
	"alcove/internal/mqtt"
)

// TestOutputIsTheStreamAppended appends at random, small and large, flushes at
// random into a socket that takes what it likes, and compares the bytes.
func TestOutputIsTheStreamAppended(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := newBare(t, mqtt.V5, Limits{OutputBytes: 64 << 20})
		var want []byte
		got := &collector{conn: b.peer}
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			switch rapid.IntRange(0, 4).Draw(rt, "what") {
			case 0, 1:
				size := rapid.SampledFrom([]int{0, 10, 400, 600, 5000, shareSize, 40 << 10, 300 << 10}).Draw(rt, "size")
				m := message("some/topic", body(size, byte(len(want))))
				m.Forward = body(rapid.SampledFrom([]int{0, 30, 9000}).Draw(rt, "forward"), 7)
				stamps := body(rapid.SampledFrom([]int{0, 70}).Draw(rt, "stamps"), 5)
				d := &broker.Delivery{Message: m, Forward: m.Forward, Stamps: stamps}
				if o := b.c.Deliver(b.l.turn, d); o != broker.Sent {
					rt.Fatalf("outcome %v", o)
				}
				h := mqtt.PublishHead{Version: mqtt.V5, Topic: "some/topic", ForwardLen: len(m.Forward) + len(stamps), PayloadLen: size}
				want = append(append(append(h.Append(want), m.Forward...), stamps...), m.Payload...)
			case 2:
				packet := body(rapid.IntRange(1, 3000).Draw(rt, "control"), 9)
				b.c.Send(b.l.turn, packet)
				want = append(want, packet...)
			case 3:
				b.l.turn.End()
			case 4:
				got.read(rapid.IntRange(1, 100<<10).Draw(rt, "read"), len(want)-b.c.out.size)
				b.c.writable()
			}
		}
		for len(got.bytes) < len(want) {
			b.c.writable()
			got.read(1<<20, len(want)-b.c.out.size)
		}
		if !bytes.Equal(got.bytes, want) {
			rt.Fatalf("the stream differs from what was appended")
		}
		if o := &b.c.out; o.queue.first != nil || o.size != 0 || o.control != 0 {
			rt.Fatalf("the output keeps %d bytes, %d of control packets", o.size, o.control)
		}
		b.c.close()
	})
}

// collector reads what the socket holds.
type collector struct {
	conn  net.Conn
	bytes []byte
}

// read reads at most n bytes of those that have been written, up to written.
func (r *collector) read(n, written int) {
	n = min(n, written-len(r.bytes))
	at := len(r.bytes)
	r.bytes = append(r.bytes, make([]byte, max(n, 0))...)
	_, _ = io.ReadFull(r.conn, r.bytes[at:])
}

// TestDeliverAllocatesNothing: neither does the flush.
func TestDeliverAllocatesNothing(t *testing.T) {
	for _, v := range []mqtt.Version{mqtt.V311, mqtt.V5} {
		for _, aliases := range []uint16{0, 10} {
			b := newBare(t, v, Limits{})
			b.c.out.aliasMax = aliases
			d := &broker.Delivery{Message: message("a/topic/of/usual/length", body(64, 'x')), QoS: mqtt.QoS1, PacketID: 7, SubscriptionIDs: []uint32{3}}
			sink := make([]byte, 64<<10)
			send := func() {
				for range 20 {
					if b.c.Deliver(b.l.turn, d) != broker.Sent {
						t.Fatal("not sent")
					}
				}
				b.l.turn.End()
				_, _ = b.peer.Read(sink)
			}
			send()
			if n := testing.AllocsPerRun(200, send); n > flushAllocs+0.5 && !raceEnabled {
				t.Errorf("version %v, aliases %d: %v allocations for 20 messages", v, aliases, n)
			}
		}
	}
}

// TestSharedBodyExistsOnce: a large payload is referred to, not copied.
func TestSharedBodyExistsOnce(t *testing.T) {
	l := newBareLoop(t, Limits{})
	m := &broker.Message{Topic: []byte("t"), Payload: body(1<<20, 'x')}
	d := &broker.Delivery{Message: m}
	var first *byte
	for range 5 {
		b := newBareOn(t, l, mqtt.V5, nil)
		if b.c.Deliver(l.turn, d) != broker.Sent {
			t.Fatal("not sent")
		}
		shared := b.c.out.queue.last
		if shared.class != chunkShared || &shared.mem[0] == &m.Payload[0] {
			t.Fatal("the borrowed payload was not kept, or copied")
		}
		if first == nil {
			first = &shared.mem[0]
		}
		if first != &shared.mem[0] {
			t.Fatal("two receivers have two copies")
		}
	}
}

// TestSharedBodiesCostLittle: what stands before a shared body is a few bytes, and so
// is the memory that it takes, however many bodies wait.
func TestSharedBodiesCostLittle(t *testing.T) {
	b := newBare(t, mqtt.V5, Limits{})
	for range 50 {
		d := &broker.Delivery{Message: message("some/topic", body(shareSize, 'x')), QoS: mqtt.QoS1, PacketID: 1}
		if got := b.c.Deliver(b.l.turn, d); got != broker.Sent {
			t.Fatalf("got %v", got)
		}
	}
	taken := 0
	for ch := b.c.out.queue.first; ch != nil; ch = ch.next {
		if ch.class != chunkShared {
			taken += len(ch.mem)
		}
	}
	if most := 50 * chunkSizes[0]; taken > most {
		t.Fatalf("50 shared bodies hold %d bytes of chunks, more than %d", taken, most)
	}
}

// TestLargeOutputIsTheOwnersToWrite: the end of a turn writes little of a large
// output; the owner writes a share of it each time that the socket has room.
func TestLargeOutputIsTheOwnersToWrite(t *testing.T) {
	b := newBare(t, mqtt.V5, Limits{})
	o := &b.c.out
	d := &broker.Delivery{Message: message("t", body(1<<20, 'x'))}
	if got := b.c.Deliver(b.l.turn, d); got != broker.Sent {
		t.Fatalf("got %v", got)
	}
	whole := o.size
	b.l.turn.End()
	if o.size != whole || o.state&outBlocked == 0 {
		t.Fatalf("the turn wrote %d bytes", whole-o.size)
	}
	b.l.collect()
	b.l.share = shareLeast
	if !b.c.armed {
		t.Fatal("the owner does not wait for room")
	}
	b.c.writable()
	if wrote := whole - o.size; wrote == 0 || wrote > shareLeast {
		t.Fatalf("the owner wrote %d bytes of a share of %d", wrote, shareLeast)
	}
}

// TestMaximumPacketSizeBeforeAlias: what the client does not take is not appended,
// and spends no Topic Alias [MQTT-3.1.2-24] [MQTT-3.1.2-25].
func TestMaximumPacketSizeBeforeAlias(t *testing.T) {
	b := newBare(t, mqtt.V5, Limits{})
	o := &b.c.out
	o.maxPacket, o.aliasMax = 40, 5
	long := &broker.Delivery{Message: message("topic/one", body(60, 'x'))}
	if got := b.c.Deliver(b.l.turn, long); got != broker.TooLarge {
		t.Fatalf("got %v, want TooLarge", got)
	}
	if o.rarely().aliases != nil || o.size != 0 {
		t.Fatal("an alias was spent, or something appended")
	}
	// Exactly the limit without alias, three bytes over with one.
	h := mqtt.PublishHead{Version: mqtt.V5, Topic: "topic/one"}
	fits := &broker.Delivery{Message: message("topic/one", body(40-h.Size(), 'x'))}
	if got := b.c.Deliver(b.l.turn, fits); got != broker.Sent || o.size != 40 || o.rarely().aliases != nil {
		t.Fatalf("got %v, %d bytes", got, o.size)
	}
}

// TestTopicAliasesOut: as many as the client takes, from 1 on; the rest go without
// [MQTT-3.1.2-26] [MQTT-3.1.2-27] [MQTT-3.3.2-11].
func TestTopicAliasesOut(t *testing.T) {
	for _, aliases := range []uint16{0, 2} {
		b := newBare(t, mqtt.V5, Limits{})
		b.c.out.aliasMax = aliases
		p := newPeer(t, b.peer)
		known := map[uint16]string{}
		for _, topic := range []string{"a", "a", "b", "c", "a", "b", "c", "c"} {
			b.c.Deliver(b.l.turn, &broker.Delivery{Message: message(topic, nil)})
			b.l.turn.End()
			m := p.published()
			alias := m.Props.TopicAlias
			if alias > aliases || m.Props.HasTopicAlias && alias == 0 {
				t.Fatalf("alias %d of %d", alias, aliases)
			}
			name := string(m.Topic)
			if name == "" {
				name = known[alias]
			} else if alias != 0 {
				known[alias] = name
			}
			if name != topic {
				t.Fatalf("got topic %q, want %q", name, topic)
			}
			if topic != "c" && aliases > 0 && alias == 0 {
				t.Errorf("%q goes without the alias that is free", topic)
			}
		}
	}
}

// TestStaleAndGone: the epoch is looked at under the output's lock.
func TestStaleAndGone(t *testing.T) {
	b := newBare(t, mqtt.V5, Limits{})
	d := &broker.Delivery{Message: message("t", nil), Live: newGen(4), Gen: 3}
	if got := b.c.Deliver(b.l.turn, d); got != broker.Stale {
		t.Errorf("got %v, want Stale", got)
	}
	d.Gen = 4
	if got := b.c.Deliver(b.l.turn, d); got != broker.Sent {
		t.Errorf("got %v, want Sent", got)
	}
	b.c.Send(b.l.turn, []byte{0x20, 3, 0, 0, 0})
	b.c.End(b.l.turn, mqtt.SessionTakenOver, "")
	if got := b.c.Deliver(b.l.turn, d); got != broker.Gone {
		t.Errorf("got %v after End, want Gone", got)
	}
	b.c.Send(b.l.turn, []byte("not sent"))
	b.l.turn.End()
	must(t, b.peer.SetDeadline(time.Now().Add(patience)))
	p := newPeer(t, b.peer)
	p.expect(mqtt.TypePublish)
	p.expect(mqtt.TypeConnack)
	if h, body := p.expect(mqtt.TypeDisconnect); h.Remaining != 1 || body[0] != byte(mqtt.SessionTakenOver) {
		t.Errorf("DISCONNECT says % x", body)
	}
	b.l.collect()
	if rest := p.closed(); len(rest) > 0 {
		t.Errorf("% x after DISCONNECT", rest) // [MQTT-3.14.4-1]
	}
}

// TestNoDisconnectBeforeConnack [MQTT-3.14.0-1].
func TestNoDisconnectBeforeConnack(t *testing.T) {
	b := newBare(t, mqtt.V5, Limits{})
	b.c.End(b.l.turn, mqtt.ServerShuttingDown, "")
	b.l.turn.End()
	b.l.collect()
	if rest := newPeer(t, b.peer).closed(); len(rest) > 0 {
		t.Errorf("got % x", rest)
	}
}

// TestFullOutput walks one receiver through its marks.
func TestFullOutput(t *testing.T) {
	l := newBareLoopWith(t, Limits{OutputBytes: 100 << 10}, broker.Limits{MaximumPacketSize: 100 << 10})
	recv, from := newBareOn(t, l, mqtt.V5, nil), newBareOn(t, l, mqtt.V5, nil)
	recv.c.out.state |= outBlocked // the socket is full
	now := time.Now()
	l.turn.Begin(now)
	l.feeding = from.c
	own := &broker.Delivery{Message: message("t", body(1000, 'x')), Own: true}
	foreign := &broker.Delivery{Message: message("t", body(1000, 'x'))}
	fill := func(d *broker.Delivery, most int) (sent int) {
		for range most {
			if recv.c.Deliver(l.turn, d) != broker.Sent {
				return sent
			}
			sent++
		}
		return sent
	}
	n := fill(foreign, 1000)
	if size := recv.c.out.size; size < 100<<10 || size > 102<<10 {
		t.Fatalf("another account filled it to %d (%d messages)", size, n)
	}
	if from.c.holds != 0 {
		t.Fatal("another account's publisher was held back")
	}
	if fill(own, 1) != 1 || from.c.holds != holdPress {
		t.Fatal("the own account's publisher was not held back")
	}
	// A connection whose own output is full is not.
	from.c.holds, l.pressed = 0, nil
	from.c.out.over.Store(true)
	if fill(own, 1) != 1 || from.c.holds != 0 {
		t.Fatal("a publisher that is full itself was held back")
	}
	from.c.out.over.Store(false)
	fill(own, 1000)
	if size, most := recv.c.out.size, l.marks.hard+2000; size > most {
		t.Fatalf("%d bytes, more than %d", size, most)
	}
	// After pressTime it is slow: it drops, and nobody stalls.
	from.c.holds, l.pressed = 0, nil
	recv.c.out.mu.Lock()
	recv.c.settle(recv.c.out.size - 100<<10) // not below the low mark
	recv.c.out.mu.Unlock()
	l.turn.Begin(now.Add(pressTime))
	if fill(own, 1) != 0 || from.c.holds != 0 || recv.c.out.state&outSlow == 0 {
		t.Fatal("it is not slow")
	}
	// With an identifier nothing is refused.
	q1 := &broker.Delivery{Message: message("t", nil), QoS: mqtt.QoS1, PacketID: 1, Own: true}
	if recv.c.Deliver(l.turn, q1) != broker.Sent {
		t.Fatal("QoS 1 was refused")
	}
	recv.c.out.mu.Lock()
	recv.c.settle(recv.c.out.size - 10)
	recv.c.out.mu.Unlock()
	if fill(own, 1) != 1 || recv.c.out.state&(outSlow|outPressed) != 0 {
		t.Fatal("it is still slow after it has drained")
	}
	if recv.c.out.later&(opDrained|opRelieve) != opDrained|opRelieve {
		t.Fatal("nobody is told that it has drained")
	}
}

// TestWorkersDoNotPress: Wills and REST have no connection to hold back.
func TestWorkersDoNotPress(t *testing.T) {
	b := newBare(t, mqtt.V5, Limits{OutputBytes: 10 << 10})
	b.c.out.state |= outBlocked
	turn := b.l.srv.broker.NewTurn()
	d := &broker.Delivery{Message: message("t", body(1000, 'x')), Own: true}
	n := 0
	for b.c.Deliver(turn, d) == broker.Sent {
		n++
	}
	if n < 9 || n > 12 || b.c.out.state&(outPressed|outSlow) != 0 {
		t.Errorf("%d taken, state %b", n, b.c.out.state)
	}
}

// TestControlBound: a client that does not read its answers is ended.
func TestControlBound(t *testing.T) {
	b := newBare(t, mqtt.V5, Limits{})
	b.c.out.state |= outBlocked
	for range controlBytes/1000 + 2 {
		b.c.Send(b.l.turn, body(1000, 0))
	}
	if b.c.out.state&outEnding == 0 || b.c.out.size > controlBytes+2000 {
		t.Fatalf("%d bytes wait", b.c.out.size)
	}
	b.l.turn.End()
	b.l.collect()
	if b.c.state != stateClosed {
		t.Error("the connection lives on")
	}
}

// TestChunksGoBack: an output that is empty holds no buffer, and its chunks are of
// the class that its size asks for.
func TestChunksGoBack(t *testing.T) {
	var q chunks
	for range 100 {
		ch := q.reserve(100)
		ch.w += 100
	}
	var classes []uint8
	for ch := q.first; ch != nil; ch = ch.next {
		classes = append(classes, ch.class)
	}
	if !bytes.Equal(classes, []byte{0, 1, 2}) {
		t.Errorf("classes %v", classes)
	}
	q.drop(100 * 100)
	if q.first != nil || q.last != nil {
		t.Error("an empty queue holds a chunk")
	}
	if ch := q.reserve(1 << 20); ch.class != chunkOdd || ch.room() != 1<<20 {
		t.Errorf("class %d for a large packet", ch.class)
	}
}

// TestSizes: an idle connection with its session, the attachment of both and one
// subscription costs little.
func TestSizes(t *testing.T) {
	conn := unsafe.Sizeof(Conn{})
	t.Logf("Conn %d bytes, of which output %d; session, attachment and subscription %d", conn, unsafe.Sizeof(output{}), broker.SessionBytes)
	if all := conn + broker.SessionBytes; all > 700 {
		t.Errorf("together %d bytes", all)
	}
}

// BenchmarkDeliver is what one delivery costs until the socket is written: by each
// version, and with the broker's three user properties [EXT-UP-1] [EXT-UP-2].
func BenchmarkDeliver(b *testing.B) {
	stamps := mqtt.AppendUser([]byte(nil), "timestamp", "1700000000.123456")
	stamps = mqtt.AppendUser(stamps, "token_id", "1234567")
	stamps = mqtt.AppendUser(stamps, "cid", "12345")
	for _, c := range []struct {
		name    string
		version mqtt.Version
		stamps  []byte
	}{{"3.1.1", mqtt.V311, nil}, {"5.0", mqtt.V5, nil}, {"5.0 with stamps", mqtt.V5, stamps}} {
		b.Run(c.name, func(b *testing.B) {
			x := newBare(b, c.version, Limits{OutputBytes: 1 << 30})
			x.c.out.state |= outBlocked
			d := &broker.Delivery{Message: message("bench/topic/17", body(64, 'x')), Stamps: c.stamps}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				x.c.Deliver(x.l.turn, d)
				if i%300 == 0 {
					x.c.out.mu.Lock()
					x.c.settle(x.c.out.size)
					x.c.out.mu.Unlock()
				}
			}
		})
	}
}
