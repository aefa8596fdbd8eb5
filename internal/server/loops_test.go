package server

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"alcove/internal/broker"
	"alcove/internal/mqtt"
)

// TestTwoLoopsTwoAccounts opens and closes connections of two accounts on two
// loops, in every way, while each publishes to all others of its account: the
// system gives the descriptor of one to the next all the time, and still nobody
// ever sees a byte of the other account, nor a broken packet.
func TestTwoLoopsTwoAccounts(t *testing.T) {
	h := newHouse(t, Config{MQTT: loopback, Loops: 2})
	rounds := 200
	if testing.Short() {
		rounds = 30
	}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			account := i % 2
			for round := range rounds {
				if err := h.visit(account, fmt.Sprintf("c%d", i), round); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	waitFor(t, "all to be gone", func() bool { return h.srv.Stats().Connections == 0 })
}

// visit is one connection of TestTwoLoopsTwoAccounts.
func (h *house) visit(account int, id string, round int) error {
	conn, err := net.Dial("tcp", h.srv.Addrs().MQTT.String())
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	p := newPeer(h.t, conn)
	tag := byte('A' + account)
	out := connectPacket(mqtt.V5, id, h.keys[account], func(c *mqtt.Connect) { c.Props.TopicAliasMaximum = uint16(round % 3) })
	s := mqtt.Subscribe{PacketID: 1}
	s.Add("t/#", mqtt.SubscribeOptions{})
	out = s.Append(out, mqtt.V5)
	for range 10 {
		size := []int{1, 100, 3000, shareSize + 100}[rand.N(4)]
		out = append(out, publishPacket(mqtt.V5, fmt.Sprintf("t/%c", tag), body(size, tag))...)
	}
	if _, err := conn.Write(out); err != nil {
		return err
	}
	for range rand.N(13) { // CONNACK, SUBACK and its own ten come at least
		hd, b, err := p.tryPacket()
		if err != nil {
			break // taken over, or reset
		}
		switch hd.Type {
		case mqtt.TypeConnack, mqtt.TypeSuback, mqtt.TypeDisconnect:
		case mqtt.TypePublish:
			var m mqtt.Publish
			if err := m.DecodeFromServer(mqtt.V5, hd, b); err != nil {
				return err
			}
			if len(m.Payload) == 0 || len(bytes.Trim(m.Payload, string(tag))) != 0 {
				return fmt.Errorf("account %c was given %q", tag, m.Payload[:min(len(m.Payload), 20)])
			}
		default:
			return fmt.Errorf("%v out of the blue", hd.Type)
		}
	}
	switch rand.N(3) {
	case 0:
		_ = conn.(*net.TCPConn).SetLinger(0)
	case 1:
		_, _ = conn.Write((&mqtt.Disconnect{}).Append(nil, mqtt.V5))
	}
	return nil
}

// TestCloseWaitsForWriter: while another loop has the write turn, the owner does
// not close the socket; the writer's leaving does.
func TestCloseWaitsForWriter(t *testing.T) {
	b := newBare(t, mqtt.V5, Limits{})
	c := b.c
	c.Deliver(b.l.turn, &broker.Delivery{Message: message("t", body(100, 'x'))})
	c.out.mu.Lock()
	c.out.state |= outWriting // the other loop is inside of the system call
	c.out.mu.Unlock()
	live := b.l.srv.live.Load()
	c.close()
	if b.l.srv.live.Load() != live {
		t.Fatal("the socket was closed under the writer")
	}
	if b.l.slots.find(c.slot, c.gen) != nil {
		t.Error("an event would still find the connection")
	}
	// The writer comes back.
	c.out.mu.Lock()
	c.write(writeSize)
	c.out.state &^= outWriting
	c.out.later |= opGone
	c.out.mu.Unlock()
	c.Flush()
	b.l.collect()
	if b.l.srv.live.Load() != live-1 || c.out.queue.first != nil {
		t.Error("nobody has closed the socket")
	}
}

// TestSlots: a slot that is used again is found by the new generation only.
func TestSlots(t *testing.T) {
	var s slots
	a, b := &Conn{}, &Conn{}
	s.put(a)
	slot, gen := a.slot, a.gen
	s.take(a)
	s.put(b)
	if b.slot != slot || s.find(slot, gen) != nil || s.find(slot, b.gen) != b || s.find(99, 1) != nil || s.live != 1 {
		t.Errorf("slot %d, generations %d and %d", b.slot, gen, b.gen)
	}
}

// TestPostAfterTheEnd: what is posted runs, whatever has become of the connection
// and of its loop.
func TestPostAfterTheEnd(t *testing.T) {
	h := newHouse(t, Config{MQTT: loopback, Loops: 1})
	p := h.dial()
	p.connect("c", h.keys[0])
	l := h.srv.loops[0]
	found := make(chan *Conn)
	l.leave(nil, func(*broker.Turn) { found <- l.slots.at[0].c })
	c := <-found
	var order []int
	ran := make(chan struct{})
	_ = p.conn.Close()
	waitFor(t, "the end", func() bool { return h.srv.Stats().Connections == 0 })
	for i := range 3 {
		c.Post(func(turn *broker.Turn) {
			if h.srv.loopOf(turn) != l {
				t.Error("not the loop's turn")
			}
			if order = append(order, i); i == 2 {
				close(ran)
			}
		})
	}
	<-ran
	if fmt.Sprint(order) != "[0 1 2]" {
		t.Errorf("order %v", order)
	}
	c.Wake()
	if c.Deliver(h.broker.NewTurn(), &broker.Delivery{Message: message("t", nil)}) != broker.Gone {
		t.Error("it still takes messages")
	}
	h.stopServer()
	late := make(chan struct{})
	c.Post(func(*broker.Turn) { close(late) })
	<-late
}

// TestPipelineAllocatesNothing sends QoS 0 messages through the whole way, socket
// to socket, and counts: less than one allocation for many messages.
func TestPipelineAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	h := newHouse(t, Config{MQTT: loopback, Loops: 1})
	sub, pub := h.dial(), h.dial()
	sub.version, pub.version = mqtt.V311, mqtt.V311
	sub.connect("sub", h.keys[0])
	sub.subscribe("a/b", mqtt.QoS0)
	pub.connect("pub", h.keys[0])
	const batch = 1000
	var out []byte
	for range batch {
		out = append(out, publishPacket(mqtt.V311, "a/b", body(64, 'x'))...)
	}
	in := make([]byte, len(out))
	once := func() {
		_, err := pub.conn.Write(out)
		must(t, err)
		for n := 0; n < len(in); {
			k, err := sub.conn.Read(in[n:])
			must(t, err)
			n += k
		}
	}
	once()
	n := testing.AllocsPerRun(50, once)
	t.Logf("%v allocations for %d messages", n, batch)
	if n > batch/20 {
		t.Errorf("%v allocations for %d messages", n, batch)
	}
}
