package client

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"alcove/internal/mqtt"
)

// readStep is how much memory a packet takes before its bytes have come.
const readStep = 1 << 20

// packet reads one packet. The body is fresh: what is decoded from it may keep it.
func (c *Client) packet() (h mqtt.Header, body []byte, err error) {
	var b [5]byte
	for n := 0; ; n++ {
		if b[n], err = c.in.ReadByte(); err != nil {
			return h, nil, err
		}
		var used int
		if h, used, err = mqtt.DecodeHeader(b[:n+1]); err != nil {
			return h, nil, err
		}
		if used > 0 {
			break
		}
	}
	if mqtt.PacketSize(h.Remaining) > c.opts.MaximumPacket {
		return h, nil, &mqtt.Error{Code: mqtt.PacketTooLarge, Reason: "the server's packet exceeds our maximum"}
	}
	if h.Remaining <= readStep {
		body = make([]byte, h.Remaining)
		_, err = io.ReadFull(c.in, body)
		return h, body, err
	}
	var buf bytes.Buffer
	if _, err = io.CopyN(&buf, c.in, int64(h.Remaining)); err != nil {
		return h, nil, err
	}
	return h, buf.Bytes(), nil
}

// read serves the connection until it ends.
func (c *Client) read() {
	defer close(c.readEnd)
	defer close(c.inbox)
	for {
		h, body, err := c.packet()
		if err == nil {
			err = c.handle(h, body)
		}
		if err == nil && c.in.Buffered() == 0 {
			err = c.flush() // acknowledgements go out in batches
		}
		if err != nil {
			c.fail(err)
			return
		}
	}
}

// fail ends the connection after an error on the reading side, telling the server
// about its violations of the protocol.
func (c *Client) fail(err error) {
	var violation *mqtt.Error
	if errors.As(err, &violation) && c.version == mqtt.V5 && !c.leaving.Load() {
		d := mqtt.Disconnect{Code: violation.Code, Reason: []byte(violation.Reason)}
		_ = c.send(d.Append(nil, c.version), "DISCONNECT") // [MQTT-4.13.1-1]
	}
	if c.leaving.Load() {
		err = ErrClosed
	} else if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("the server closed the connection")
	}
	c.end(err)
}

// handle acts on one packet from the server.
func (c *Client) handle(h mqtt.Header, body []byte) error {
	if c.opts.Trace != nil {
		c.opts.Trace(false, h.Type.String())
	}
	if c.leaving.Load() {
		return nil // nothing may be sent after DISCONNECT [MQTT-3.14.4-1]
	}
	switch h.Type {
	case mqtt.TypePublish:
		return c.handlePublish(h, body)
	case mqtt.TypePuback, mqtt.TypePubrec, mqtt.TypePubrel, mqtt.TypePubcomp:
		var a mqtt.Ack
		if err := a.Decode(c.version, h, body); err != nil {
			return err
		}
		return c.handleAck(&a)
	case mqtt.TypeSuback:
		s := new(mqtt.Suback)
		if err := s.Decode(c.version, h, body); err != nil {
			return err
		}
		return c.answer(s.PacketID, s)
	case mqtt.TypeUnsuback:
		u := new(mqtt.Unsuback)
		if err := u.Decode(c.version, h, body); err != nil {
			return err
		}
		return c.answer(u.PacketID, u)
	case mqtt.TypePingresp:
		c.pinged.Store(0)
		return nil
	case mqtt.TypeDisconnect:
		var d mqtt.Disconnect
		if err := d.DecodeFromServer(c.version, h, body); err != nil {
			return err
		}
		return &DisconnectedError{Code: d.Code, Reason: string(d.Reason), ServerReference: string(d.ServerReference)}
	case mqtt.TypeAuth:
		a := new(mqtt.Auth)
		if err := a.Decode(c.version, h, body); err != nil {
			return err
		}
		return c.handleAuth(a)
	}
	return &mqtt.Error{Code: mqtt.ProtocolError, Reason: fmt.Sprintf("%v from a server", h.Type)}
}

// handlePublish delivers a message and acknowledges it.
func (c *Client) handlePublish(h mqtt.Header, body []byte) error {
	var p mqtt.Publish
	if err := p.DecodeFromServer(c.version, h, body); err != nil {
		return err
	}
	topic, err := c.resolve(&p)
	if err != nil {
		return err
	}
	m := &Message{Topic: topic, Payload: p.Payload, QoS: p.QoS, Retain: p.Retain, Dup: p.Dup,
		Props: p.Props, id: p.PacketID, client: c}
	if p.QoS == mqtt.QoS2 {
		c.session.mu.Lock()
		_, known := c.session.received[p.PacketID]
		c.session.received[p.PacketID] = struct{}{}
		c.session.mu.Unlock()
		if known {
			// Delivered before: only the acknowledgement is repeated [MQTT-4.3.3-10].
			return c.acknowledge(p.PacketID, mqtt.TypePubrec)
		}
	}
	if p.QoS > 0 {
		limit := int32(c.opts.Props.ReceiveMaximum)
		if n := c.unacked.Add(1); c.version == mqtt.V5 && limit > 0 && n > limit {
			return &mqtt.Error{Code: mqtt.ReceiveMaximumExceeded, Reason: "more messages than our Receive Maximum"}
		}
	}
	select {
	case c.inbox <- m:
	default:
		// The caller is slow: what is owed to the server goes out first.
		if err := c.flush(); err != nil {
			return err
		}
		select {
		case c.inbox <- m:
		case <-c.done:
			return c.err
		}
	}
	if p.QoS > 0 && !c.opts.ManualAck {
		return m.Ack()
	}
	return nil
}

// resolve returns the topic of a PUBLISH, through its alias if it has one.
func (c *Client) resolve(p *mqtt.Publish) (string, error) {
	if !p.Props.HasTopicAlias {
		return string(p.Topic), nil
	}
	alias := p.Props.TopicAlias
	if alias > c.opts.Props.TopicAliasMaximum {
		// [MQTT-3.1.2-26] [MQTT-3.1.2-27]
		return "", &mqtt.Error{Code: mqtt.TopicAliasInvalid, Reason: "Topic Alias above our maximum"}
	}
	if len(p.Topic) > 0 {
		if c.in.aliases == nil {
			c.in.aliases = make(map[uint16]string)
		}
		c.in.aliases[alias] = string(p.Topic)
		return string(p.Topic), nil
	}
	topic, ok := c.in.aliases[alias]
	if !ok {
		return "", &mqtt.Error{Code: mqtt.ProtocolError, Reason: "Topic Alias without a topic"}
	}
	return topic, nil
}

// Ack acknowledges a received QoS 1 or 2 message: with ManualAck, once for each. QoS 0
// needs none. The packet is written with the next one, or at once if the reader rests.
func (m *Message) Ack() error {
	if m.client == nil || m.QoS == mqtt.QoS0 {
		return nil
	}
	c := m.client
	t := mqtt.TypePuback // [MQTT-4.3.2-4]
	if m.QoS == mqtt.QoS2 {
		t = mqtt.TypePubrec // [MQTT-4.3.3-8]
	} else {
		c.unacked.Add(-1)
	}
	if err := c.acknowledge(m.id, t); err != nil {
		return err
	}
	if c.opts.ManualAck {
		return c.flush()
	}
	return nil
}

func (c *Client) acknowledge(id uint16, t mqtt.PacketType) error {
	a := mqtt.Ack{Type: t, PacketID: id}
	c.put(a.Append(nil, c.version), t.String())
	return nil
}

// handleAck moves a QoS 1 or 2 flow one step on.
func (c *Client) handleAck(a *mqtt.Ack) error {
	if a.Type == mqtt.TypePubrel {
		c.session.mu.Lock()
		_, known := c.session.received[a.PacketID]
		delete(c.session.received, a.PacketID)
		c.session.mu.Unlock()
		answer := mqtt.Ack{Type: mqtt.TypePubcomp, PacketID: a.PacketID} // [MQTT-4.3.3-11]
		if known {
			if c.unacked.Add(-1) < 0 {
				c.unacked.Store(0) // received on an earlier connection
			}
		} else if c.version == mqtt.V5 {
			answer.Code = mqtt.PacketIdentifierNotFound
		}
		c.put(answer.Append(nil, c.version), "PUBCOMP")
		return nil
	}
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	f := c.session.find(a.PacketID)
	if f == nil || !f.sent {
		if a.Type == mqtt.TypePubrec && c.version == mqtt.V5 {
			answer := mqtt.Ack{Type: mqtt.TypePubrel, PacketID: a.PacketID, Code: mqtt.PacketIdentifierNotFound}
			c.put(answer.Append(nil, c.version), "PUBREL")
		}
		return nil
	}
	if (a.Type == mqtt.TypePuback) != (f.message.QoS == mqtt.QoS1) {
		return &mqtt.Error{Code: mqtt.ProtocolError, Reason: "acknowledgement of another QoS"}
	}
	if a.Type != mqtt.TypePubcomp {
		f.receipt = Receipt{Code: a.Code, Reason: string(a.Reason), User: a.User}
	}
	if a.Type == mqtt.TypePubrec && !a.Code.Failed() {
		f.released = true
		c.put(release(f, c.version), "PUBREL") // [MQTT-4.3.3-4]
		return nil
	}
	c.session.finish(f)
	c.passSlot()
	return nil
}

func release(f *flight, v mqtt.Version) []byte {
	a := mqtt.Ack{Type: mqtt.TypePubrel, PacketID: f.id}
	return a.Append(nil, v)
}
