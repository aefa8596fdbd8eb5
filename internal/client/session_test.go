package client

import (
	"errors"
	"fmt"
	"testing"

	"alcove/internal/mqtt"
)

// leave starts messages on a connection which then breaks, each as far as its number
// of steps says: 0 sent, 1 PUBREC received.
func leave(t *testing.T, s *Session, qos []mqtt.QoS, released map[int]bool) {
	t.Helper()
	c, p := meet(t, Options{ClientID: "c", Session: s}, mqtt.Connack{})
	for i, q := range qos {
		start := async(func() (*Delivery, error) {
			return c.Start(bounded(t), &Message{Topic: fmt.Sprint("t", i), QoS: q})
		})
		m := p.publish()
		if _, err := start(); err != nil {
			t.Fatal(err)
		}
		if released[i] {
			p.send(&mqtt.Ack{Type: mqtt.TypePubrec, PacketID: m.PacketID})
			p.ack(mqtt.TypePubrel)
		}
	}
	p.conn.Close()
	<-c.Done()
}

func TestSessionResumes(t *testing.T) { // [MQTT-4.4.0-1] [MQTT-4.6.0-1] [MQTT-3.3.1-1]
	s := NewSession()
	leave(t, s, []mqtt.QoS{1, 2, 2, 1}, map[int]bool{1: true})
	conn, p := pipe(t, mqtt.V5)
	got := async(func() (*Client, error) { return Connect(bounded(t), conn, Options{ClientID: "c", Session: s}) })
	p.connect()
	// A Receive Maximum of 2 lets the third message go only when one is acknowledged.
	p.send(&mqtt.Connack{SessionPresent: true, Props: mqtt.ConnackProps{ReceiveMaximum: 2}})
	first := p.publish()
	release := p.ack(mqtt.TypePubrel)
	c, err := got()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if !first.Dup || string(first.Topic) != "t0" {
		t.Errorf("the first is %+v", first)
	}
	p.send(&mqtt.Ack{Type: mqtt.TypePuback, PacketID: first.PacketID})
	third := p.publish()
	if !third.Dup || string(third.Topic) != "t2" || third.QoS != 2 {
		t.Errorf("the third is %+v", third)
	}
	p.send(&mqtt.Ack{Type: mqtt.TypePubcomp, PacketID: release.PacketID})
	fourth := p.publish()
	if string(fourth.Topic) != "t3" {
		t.Errorf("the fourth is %+v", fourth)
	}
	p.send(&mqtt.Ack{Type: mqtt.TypePuback, PacketID: fourth.PacketID})
	p.send(&mqtt.Ack{Type: mqtt.TypePubrec, PacketID: third.PacketID})
	p.ack(mqtt.TypePubrel)
	p.send(&mqtt.Ack{Type: mqtt.TypePubcomp, PacketID: third.PacketID})
	// A ping of ours comes after all that: the reader has handled it.
	last := async(func() (Receipt, error) { return c.Publish(bounded(t), &Message{Topic: "new", QoS: 1}) })
	m := p.publish()
	if m.Dup {
		t.Error("a new message has DUP")
	}
	p.send(&mqtt.Ack{Type: mqtt.TypePuback, PacketID: m.PacketID})
	if _, err := last(); err != nil {
		t.Fatal(err)
	}
	if n := s.Pending(); n != 0 {
		t.Errorf("%d messages are pending", n)
	}
}

func TestSessionLost(t *testing.T) { // [MQTT-3.2.2-5]
	s := NewSession()
	leave(t, s, []mqtt.QoS{1}, nil)
	s.mu.Lock()
	d := &Delivery{client: &Client{done: make(chan struct{})}, flight: s.flights[0]}
	s.mu.Unlock()
	_, p := meet(t, Options{ClientID: "c", Session: s}, mqtt.Connack{})
	if _, err := d.Wait(bounded(t)); !errors.Is(err, ErrSessionLost) {
		t.Errorf("the delivery ended with %v", err)
	}
	if n := s.Pending(); n != 0 {
		t.Errorf("%d messages are pending", n)
	}
	_ = p
}

func TestSessionKeepsReceivedIdentifiers(t *testing.T) { // [MQTT-4.3.3-10]
	s := NewSession()
	c, p := meet(t, Options{ClientID: "c", Session: s}, mqtt.Connack{})
	p.send(&mqtt.Publish{Topic: []byte("t"), QoS: 2, PacketID: 8})
	if _, err := c.Receive(bounded(t)); err != nil {
		t.Fatal(err)
	}
	p.ack(mqtt.TypePubrec)
	p.conn.Close()
	<-c.Done()
	c, p = meet(t, Options{ClientID: "c", Session: s}, mqtt.Connack{SessionPresent: true})
	p.send(&mqtt.Publish{Topic: []byte("t"), QoS: 2, PacketID: 8, Dup: true})
	p.ack(mqtt.TypePubrec)
	p.send(&mqtt.Ack{Type: mqtt.TypePubrel, PacketID: 8})
	p.ack(mqtt.TypePubcomp)
	select {
	case m := <-c.Messages():
		t.Errorf("delivered twice: %+v", m)
	default:
	}
}

func TestSessionPresentAgainstCleanStart(t *testing.T) { // [MQTT-3.2.2-2]
	conn, p := pipe(t, mqtt.V5)
	got := async(func() (*Client, error) { return Connect(bounded(t), conn, Options{ClientID: "c", CleanStart: true}) })
	p.connect()
	p.send(&mqtt.Connack{SessionPresent: true})
	if _, err := got(); err == nil {
		t.Error("accepted")
	}
}

func TestPacketIdentifiers(t *testing.T) { // [MQTT-2.2.1-3]
	s := NewSession()
	seen := make(map[uint16]bool)
	for range 65535 {
		id, err := s.nextID()
		if err != nil || id == 0 || seen[id] {
			t.Fatalf("identifier %d, %v", id, err)
		}
		seen[id] = true
	}
	if _, err := s.nextID(); !errors.Is(err, ErrIdentifiers) {
		t.Errorf("a 65,536th identifier: %v", err)
	}
	delete(s.used, 700)
	if id, err := s.nextID(); err != nil || id != 700 {
		t.Errorf("got %d, %v, want the free one", id, err)
	}
}
