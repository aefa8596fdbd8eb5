package kill

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"sync/atomic"

	"alcove/internal/mqtt"
)

const (
	// window is how many messages a sender has unacknowledged at most.
	window = 10
	// retainEvery: each such message goes to the sender's retained topic instead.
	retainEvery = 8
)

// Payloads begin with their sort and number; the rest follows from the number.
const (
	sortMessage = 'm'
	sortEnd     = 'e' // the last of its sender
)

// payload makes the contents of a message, which check recognises.
func payload(sort byte, seq uint64) []byte {
	size := 9 + int(seq*7919%200)
	if seq%97 == 0 {
		size += 20_000
	}
	p := bytes.Repeat([]byte{byte(seq)}, size)
	p[0] = sort
	binary.BigEndian.PutUint64(p[1:], seq)
	return p
}

// parse takes a payload apart and checks it byte by byte.
func parse(p []byte) (sort byte, seq uint64, err error) {
	if len(p) < 9 {
		return 0, 0, fmt.Errorf("a payload of %d bytes", len(p))
	}
	sort, seq = p[0], binary.BigEndian.Uint64(p[1:])
	if !bytes.Equal(p, payload(sort, seq)) {
		return 0, 0, fmt.Errorf("the payload of message %d is damaged", seq)
	}
	return sort, seq, nil
}

// flight is a message on its way.
type flight struct {
	p        mqtt.Publish
	seq      uint64
	released bool // PUBREC came, PUBREL is due or sent
}

// sender publishes numbered messages and keeps those that are not acknowledged over
// its connections.
type sender struct {
	client
	index  int
	qos    mqtt.QoS
	door   *door
	stop   *atomic.Bool // no new messages but the last
	flying []*flight    // in the order of their first sending
	lastID uint16
	made   uint64 // all messages
	seq    uint64 // live ones
	ended  bool   // the last one is made

	retainedSeq   uint64        // number of the newest retained message made
	retainedAcked atomic.Uint64 // number of the newest that was acknowledged
}

func liveTopic(index int) string     { return fmt.Sprintf("kill/live/%d", index) }
func retainedTopic(index int) string { return fmt.Sprintf("kill/kept/%d", index) }

// run publishes until stop and until everything is acknowledged.
func (s *sender) run(ctx context.Context) error {
	life := 0
	for ctx.Err() == nil {
		addr, now, err := s.door.enter(ctx, life)
		if err != nil {
			return err
		}
		life = now
		err = s.connection(addr)
		if err == nil {
			return nil
		}
		if fault(err) || !s.door.excuses(life) {
			return fmt.Errorf("sender %s (%s, QoS %d), life %d: %w", s.id, s.version, s.qos, life, err)
		}
	}
	return ctx.Err()
}

// connection sends over one connection until it breaks; nil means that all is done.
func (s *sender) connection(addr string) error {
	w, err := s.dial(addr)
	if err != nil {
		return err
	}
	defer w.conn.Close()
	s.resend(w)
	for {
		for len(s.flying) < window && !s.ended {
			s.send(w)
		}
		if len(s.flying) == 0 {
			return w.bye()
		}
		h, body, err := w.read()
		if err != nil {
			return err
		}
		if err := s.answer(w, h, body); err != nil {
			return err
		}
	}
}

// resend repeats what is unacknowledged, in its order and with its packet ids
// [MQTT-4.4.0-1] [MQTT-4.4.0-2] [MQTT311-4.4.0-1].
func (s *sender) resend(w *wire) {
	for _, f := range s.flying {
		if f.released {
			w.ack(mqtt.TypePubrel, f.p.PacketID)
			continue
		}
		f.p.Dup = true // [MQTT-3.3.1-1]
		w.out = f.p.Append(w.out, w.version)
	}
}

// send makes one new message.
func (s *sender) send(w *wire) {
	f := &flight{p: mqtt.Publish{QoS: s.qos, PacketID: s.freeID()}}
	s.made++
	switch {
	case s.stop.Load():
		s.ended = true
		s.seq++
		f.seq = s.seq
		f.p.Topic, f.p.Payload = []byte(liveTopic(s.index)), payload(sortEnd, s.seq)
	case s.made%retainEvery == 0:
		s.retainedSeq++
		f.seq = s.retainedSeq
		f.p.Retain = true
		f.p.Topic, f.p.Payload = []byte(retainedTopic(s.index)), payload(sortMessage, s.retainedSeq)
	default:
		s.seq++
		f.seq = s.seq
		f.p.Topic, f.p.Payload = []byte(liveTopic(s.index)), payload(sortMessage, s.seq)
	}
	s.flying = append(s.flying, f)
	w.out = f.p.Append(w.out, w.version)
}

// freeID gives the next packet id that is not in use [MQTT-2.2.1-3].
func (s *sender) freeID() uint16 {
	for {
		s.lastID++
		if s.lastID == 0 {
			s.lastID = 1
		}
		if s.find(s.lastID) < 0 {
			return s.lastID
		}
	}
}

func (s *sender) find(id uint16) int {
	for i, f := range s.flying {
		if f.p.PacketID == id {
			return i
		}
	}
	return -1
}

// answer takes one packet of the broker.
func (s *sender) answer(w *wire, h mqtt.Header, body []byte) error {
	switch h.Type {
	case mqtt.TypePuback, mqtt.TypePubrec, mqtt.TypePubcomp:
	default:
		return &refusedError{fmt.Sprintf("an unexpected %s %x", h.Type, body)}
	}
	var a mqtt.Ack
	if err := a.Decode(w.version, h, body); err != nil {
		return &refusedError{err.Error()}
	}
	i := s.find(a.PacketID)
	if i < 0 {
		return &refusedError{fmt.Sprintf("%s for packet id %d, which is not in use", h.Type, a.PacketID)}
	}
	f := s.flying[i]
	// PUBCOMP 0x92 is right when the broker's PUBCOMP was lost with the broker.
	if a.Code.Failed() && !(h.Type == mqtt.TypePubcomp && a.Code == mqtt.PacketIdentifierNotFound) {
		return &refusedError{fmt.Sprintf("%s with %s", h.Type, a.Code)}
	}
	if (h.Type == mqtt.TypePuback) != (s.qos == mqtt.QoS1) {
		return &refusedError{fmt.Sprintf("%s for a message of QoS %d", h.Type, s.qos)}
	}
	if f.p.Retain && f.seq > s.retainedAcked.Load() {
		s.retainedAcked.Store(f.seq)
	}
	if h.Type == mqtt.TypePubrec {
		f.released = true
		w.ack(mqtt.TypePubrel, a.PacketID)
		return nil
	}
	if h.Type == mqtt.TypePubcomp && !f.released {
		return &refusedError{"PUBCOMP before PUBREC"}
	}
	s.flying = append(s.flying[:i], s.flying[i+1:]...)
	return nil
}
