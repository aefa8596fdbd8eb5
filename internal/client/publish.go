package client

import (
	"context"
	"errors"
	"fmt"

	"alcove/internal/mqtt"
)

// Publish sends a message and waits for its acknowledgement (QoS 1 and 2). A refusal
// by the server is in the receipt's code, not an error. The message must not be
// changed until it is acknowledged.
func (c *Client) Publish(ctx context.Context, m *Message) (Receipt, error) {
	d, err := c.Start(ctx, m)
	if err != nil {
		return Receipt{}, err
	}
	return d.Wait(ctx)
}

// Start sends a message and returns without waiting for its acknowledgement, but it
// waits while the server's Receive Maximum of them is outstanding [MQTT-3.3.4-7].
func (c *Client) Start(ctx context.Context, m *Message) (*Delivery, error) {
	if err := c.allowed(m); err != nil {
		return nil, err
	}
	if m.QoS == mqtt.QoS0 {
		if err := c.Err(); err != nil {
			return nil, err
		}
		p := m.packet()
		if err := c.send(p.Append(nil, c.version), "PUBLISH"); err != nil {
			c.end(err)
			return nil, err
		}
		return &Delivery{client: c}, nil
	}
	select {
	case c.slots <- struct{}{}:
	case <-c.done:
		return nil, c.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	id, err := c.session.nextID()
	if err != nil {
		<-c.slots
		return nil, err
	}
	f := &flight{id: id, message: m, done: make(chan struct{})}
	c.session.flights = append(c.session.flights, f)
	if err := c.launch(f); err != nil {
		c.end(err) // the flight stays in the session
		return nil, err
	}
	return &Delivery{client: c, flight: f}, nil
}

// packet returns the PUBLISH of a message, without an identifier.
func (m *Message) packet() mqtt.Publish {
	return mqtt.Publish{QoS: m.QoS, Retain: m.Retain, Topic: []byte(m.Topic), Props: m.Props, Payload: m.Payload}
}

// launch sends a flight on this connection. Called with session.mu held and a slot
// taken.
func (c *Client) launch(f *flight) error {
	f.sent = true
	if f.released {
		return c.send(release(f, c.version), "PUBREL") // [MQTT-4.4.0-1]
	}
	p := f.message.packet()
	p.PacketID, p.Dup = f.id, f.earlier // [MQTT-3.3.1-1]
	f.earlier = true
	return c.send(p.Append(nil, c.version), "PUBLISH")
}

// resume sends what an earlier connection left unacknowledged, in its order, as far as
// the server's Receive Maximum allows [MQTT-4.4.0-1] [MQTT-4.6.0-1].
func (c *Client) resume() error {
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	for _, f := range c.session.flights {
		f.sent = false
	}
	for _, f := range c.session.flights {
		select {
		case c.slots <- struct{}{}:
		default:
			return nil
		}
		if err := c.launch(f); err != nil {
			return err
		}
	}
	return nil
}

// passSlot gives a slot that has become free to a message that waits since the
// connection began, else back. Called with session.mu held.
func (c *Client) passSlot() {
	for _, f := range c.session.flights {
		if !f.sent {
			if err := c.launch(f); err != nil {
				c.end(err)
			}
			return
		}
	}
	<-c.slots
}

// allowed refuses what the server has not offered.
func (c *Client) allowed(m *Message) error {
	p := &c.connack.Props
	switch {
	case m.QoS > mqtt.QoS2:
		return fmt.Errorf("QoS %d does not exist", m.QoS)
	case m.Topic == "" && !m.Props.HasTopicAlias:
		return errors.New("no topic")
	case len(m.Topic) > mqtt.MaxString:
		return errors.New("topic over 65,535 bytes")
	case !mqtt.ValidTopicText([]byte(m.Topic)):
		return errors.New("topic has characters that MQTT does not allow")
	case c.version != mqtt.V5:
		return c.fits(m)
	case p.HasMaximumQoS && m.QoS > p.MaximumQoS:
		return fmt.Errorf("the server takes QoS %d at most", p.MaximumQoS) // [MQTT-3.2.2-11]
	case m.Retain && p.RetainUnavailable:
		return errors.New("the server takes no retained messages") // [MQTT-3.2.2-14]
	case m.Props.HasTopicAlias && (m.Props.TopicAlias == 0 || m.Props.TopicAlias > p.TopicAliasMaximum):
		return fmt.Errorf("the server takes topic aliases up to %d", p.TopicAliasMaximum) // [MQTT-3.2.2-17]
	}
	return c.fits(m)
}

// fits refuses a packet over the size that the server takes [MQTT-3.2.2-15].
func (c *Client) fits(m *Message) error {
	limit := mqtt.MaxPacketSize
	if n := c.connack.Props.MaximumPacketSize; c.version == mqtt.V5 && n > 0 {
		limit = int(n)
	}
	p := m.packet()
	if m.QoS > 0 {
		p.PacketID = 1
	}
	if size := p.Size(c.version); size > limit {
		return fmt.Errorf("the message takes %d bytes; the server takes %d", size, limit)
	}
	return nil
}
