package server

import (
	"alcove/internal/broker"
	"alcove/internal/mqtt"
)

var (
	errSecondConnect = &mqtt.Error{Code: mqtt.ProtocolError, Reason: "a second CONNECT"}
	errServerPacket  = &mqtt.Error{Code: mqtt.ProtocolError, Reason: "a packet that only servers send"}
	errBeforeConnack = &mqtt.Error{Code: mqtt.ProtocolError, Reason: "only AUTH and DISCONNECT may come before CONNACK"}
)

// pingresp is the answer to PINGREQ.
var pingresp = mqtt.AppendPingresp(nil)

// packet handles one packet, by the state of the connection. It is borrowed.
func (c *Conn) packet(t *broker.Turn, h mqtt.Header, whole []byte) {
	body := whole[len(whole)-h.Remaining:]
	switch c.state {
	case stateNew:
		c.connect(t, h, body)
	case stateAuth:
		c.authPacket(t, h, body)
	case stateUp:
		if err := c.dispatch(t, h, whole, body); err != nil {
			c.fail(t, err)
		}
	}
}

// dispatch handles one packet of a connected client. An error ends the connection.
func (c *Conn) dispatch(t *broker.Turn, h mqtt.Header, whole, body []byte) error {
	in, v := &c.loop.packets, c.out.version
	switch h.Type {
	case mqtt.TypePublish:
		return c.publish(t, h, whole)
	case mqtt.TypePuback, mqtt.TypePubrec, mqtt.TypePubrel, mqtt.TypePubcomp:
		if err := in.ack.Decode(v, h, body); err != nil {
			return err
		}
		return c.slowed(h.Type == mqtt.TypePubrel, c.link.Ack(t, &in.ack))
	case mqtt.TypePingreq:
		c.reply(t, pingresp) // [MQTT-3.12.4-1] [MQTT311-3.12.4-1]
		return nil
	case mqtt.TypeSubscribe:
		if err := in.subscribe.Decode(v, h, body); err != nil {
			return err
		}
		return c.slowed(true, c.link.Subscribe(t, &in.subscribe))
	case mqtt.TypeUnsubscribe:
		if err := in.unsubscribe.Decode(v, h, body); err != nil {
			return err
		}
		return c.slowed(true, c.link.Unsubscribe(t, &in.unsubscribe))
	case mqtt.TypeDisconnect:
		if err := in.disconnect.Decode(v, h, body); err != nil {
			return err
		}
		return c.disconnect(t, &in.disconnect)
	case mqtt.TypeAuth:
		return c.reauthenticate(t, h, body)
	case mqtt.TypeConnect:
		return errSecondConnect // [MQTT-3.1.0-2] [MQTT311-3.1.0-2]
	}
	return errServerPacket
}

// slowed holds the connection back where its packet was answered and too many of its
// answers wait. It returns err.
func (c *Conn) slowed(answered bool, err error) error {
	if answered && err == nil && c.state == stateUp && c.link.Behind() {
		c.hold(holdAnswers)
	}
	return err
}

// publish handles PUBLISH: its Topic Alias is resolved before the broker looks at
// the topic.
func (c *Conn) publish(t *broker.Turn, h mqtt.Header, whole []byte) error {
	p := &c.loop.packets.publish
	if err := p.Decode(c.out.version, h, whole[len(whole)-h.Remaining:]); err != nil {
		return err
	}
	p.Packet = whole
	if p.Props.HasTopicAlias {
		if err := c.resolve(p); err != nil {
			return err
		}
	}
	if err := c.link.Publish(t, p); err != nil {
		return err
	}
	if c.state == stateUp && (t.Laden() || t.Busy() && c.loop.yields()) {
		c.hold(holdLaden)
		c.loop.makeReady(c)
	}
	if c.loop.srv.broker.Paused(t) && c.state == stateUp {
		c.loop.holdForDisk(c)
	}
	return nil
}

// disconnect handles DISCONNECT. What a client sends behind it is not looked at
// [MQTT-3.14.4-1] [MQTT311-3.14.4-2]; we close, should it not do so itself.
func (c *Conn) disconnect(t *broker.Turn, p *mqtt.Disconnect) error {
	if err := c.link.Disconnect(t, p); err != nil {
		return err
	}
	c.finish(t, nil)
	return nil
}

// reply appends an answer of ours, which is no CONNACK.
func (c *Conn) reply(t *broker.Turn, packet []byte) {
	o := &c.out
	o.mu.Lock()
	if o.state&(outEnding|outClosed) == 0 {
		c.appendControl(t, packet)
	}
	o.mu.Unlock()
}

// aliasTable holds the Topic Aliases of a client, which live as long as the
// connection [MQTT-3.3.2-7].
type aliasTable struct {
	topics [][]byte // by alias - 1
	size   int      // bytes of them
}

var (
	errAliasTooHigh = &mqtt.Error{Code: mqtt.TopicAliasInvalid, Reason: "Topic Alias above the announced maximum"}
	errAliasUnknown = &mqtt.Error{Code: mqtt.ProtocolError, Reason: "Topic Alias that stands for no topic"}
	errAliasBytes   = &mqtt.Error{Code: mqtt.QuotaExceeded, Reason: "Topic Aliases hold too many bytes"}
)

// resolve gives p the topic that its alias stands for, or sets the alias.
func (c *Conn) resolve(p *mqtt.Publish) error {
	alias := int(p.Props.TopicAlias)
	if alias == 0 || alias > int(c.loop.srv.limits.TopicAliasMaximum) {
		return errAliasTooHigh // [MQTT-3.3.2-8] [MQTT-3.3.2-9] [MQTT-3.3.2-12]
	}
	x := c.rarely()
	if x.aliases == nil {
		x.aliases = &aliasTable{}
	}
	a := x.aliases
	if len(p.Topic) == 0 {
		if alias > len(a.topics) || a.topics[alias-1] == nil {
			return errAliasUnknown
		}
		p.Topic = a.topics[alias-1]
		return nil
	}
	for len(a.topics) < alias {
		a.topics = append(a.topics, nil)
	}
	at := &a.topics[alias-1]
	if string(*at) == string(p.Topic) {
		return nil
	}
	a.size += len(p.Topic) - len(*at)
	if a.size > aliasBytes {
		return errAliasBytes
	}
	*at = append([]byte(nil), p.Topic...)
	return nil
}
