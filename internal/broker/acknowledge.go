package broker

import "alcove/internal/mqtt"

// Ack takes a PUBACK, PUBREC, PUBREL or PUBCOMP from the client.
func (l Link) Ack(t *Turn, p *mqtt.Ack) error {
	s, a := l.parts()
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link.Load() != a {
		return nil
	}
	if p.Type == mqtt.TypePubrel {
		s.release(t, a, p)
		return nil
	}
	e := s.queue.findPacket(p.PacketID)
	if e != nil && e.is(entryHeld) {
		e = nil // the client cannot have seen it
	}
	if err := mismatch(e, p.Type); err != nil {
		return err
	}
	switch {
	case e == nil && p.Type == mqtt.TypePubrec && !p.Code.Failed():
		// No such message: the client is told so, and lets its state go.
		s.answer(t, a, answer{typ: mqtt.TypePubrel, pid: p.PacketID, code: mqtt.PacketIdentifierNotFound})
	case e == nil:
	case p.Type == mqtt.TypePubrec && !p.Code.Failed():
		s.received2(t, a, e)
	default:
		// PUBACK, PUBCOMP, or a PUBREC that refuses: the exchange is over, and
		// nobody else gets the message [MQTT-4.4.0-2] [MQTT-4.8.2-6].
		s.settle(t, e)
		s.pump(t, a)
	}
	return nil
}

// mismatch tells whether an acknowledgement does not belong to the QoS of the
// message whose identifier it carries.
func mismatch(e *entry, typ mqtt.PacketType) error {
	switch {
	case e == nil:
		return nil
	case typ == mqtt.TypePuback && e.qos != mqtt.QoS1:
		return &mqtt.Error{Code: mqtt.ProtocolError, Reason: "PUBACK for a QoS 2 message"}
	case typ != mqtt.TypePuback && e.qos != mqtt.QoS2:
		return &mqtt.Error{Code: mqtt.ProtocolError, Reason: typ.String() + " for a QoS 1 message"}
	case typ == mqtt.TypePubcomp && !e.is(entryReleased):
		return &mqtt.Error{Code: mqtt.ProtocolError, Reason: "PUBCOMP before PUBREL"}
	}
	return nil
}

// received2 handles PUBREC: the PUBREL leaves when the PUBREC is durable
// [EXT-SES-4]; from then on the PUBLISH is never sent again [MQTT-4.3.3-4]
// [MQTT-4.3.3-6] [MQTT311-4.3.3-1].
func (s *Session) received2(t *Turn, a *attachment, e *entry) {
	ticket := uint64(0)
	pid, seq := e.packetID(), e.seq
	if !e.is(entryReleased) {
		e.flags |= entryReleased
		if e.is(entryDurable) {
			_, sync := s.durable()
			ticket = s.record(t, sync, Record{Kind: KindReleased, Seq: e.seq, PacketID: e.pid, ID: e.id})
		}
		e.id, e.msg = 0, nil
	}
	s.answer(t, a, answer{ticket: ticket, typ: mqtt.TypePubrel, pid: pid, seq: seq})
}

// release handles a client's PUBREL: the identifier is free once that is
// durable, and PUBCOMP says so [MQTT-4.3.3-11] [MQTT-4.3.3-12]. One that is not
// known is answered too, with 0x92 to MQTT 5.
func (s *Session) release(t *Turn, a *attachment, p *mqtt.Ack) {
	x := answer{typ: mqtt.TypePubcomp, pid: p.PacketID}
	if _, ok := s.received[p.PacketID]; ok {
		delete(s.received, p.PacketID)
		if durable, sync := s.durable(); durable {
			x.ticket = s.record(t, sync, Record{Kind: KindCompleted, PacketID: p.PacketID})
		}
	} else {
		x.code = mqtt.PacketIdentifierNotFound
	}
	s.answer(t, a, x)
}
