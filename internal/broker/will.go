package broker

import (
	"alcove/internal/auth"
	"alcove/internal/event"
	"alcove/internal/mqtt"
	"alcove/internal/topic"
)

// will is the Will of a session [MQTT-3.1.2-7] [MQTT311-3.1.2-8]: its message,
// kept, and when it is due.
type will struct {
	message *Message
	delay   uint32 // seconds
	due     int64  // UNIX nanoseconds; 0 while the connection lives
}

// newWill checks a CONNECT's Will and makes it [MQTT-3.2.2-12] [MQTT-3.2.2-13]
// [EXT-RET-2].
func (b *Broker) newWill(t *Turn, p *mqtt.Connect, g *auth.Grant, rights *auth.Rights) (*will, error) {
	if !p.HasWill { // nothing to publish at the end [MQTT311-3.1.2-12]
		return nil, nil
	}
	w := &p.Will
	switch {
	case w.QoS > b.features.maximumQoS():
		return nil, &mqtt.Error{Code: mqtt.QoSNotSupported, Reason: "the Will's QoS is higher than the Maximum QoS"}
	case w.Retain && b.features.NoRetain:
		return nil, &mqtt.Error{Code: mqtt.RetainNotSupported, Reason: "retained messages are not available"}
	}
	if err := topic.CheckName(w.Topic, b.limits.MaximumLevels); err != nil {
		return nil, &mqtt.Error{Code: mqtt.TopicNameInvalid, Reason: "Will Topic: " + err.Error()}
	}
	if reason := b.reserved(w.Topic); reason != "" {
		return nil, &mqtt.Error{Code: mqtt.TopicNameInvalid, Reason: "Will Topic: " + reason}
	}
	if !rights.MayPublish(w.Topic) { // [EXT-TOK-8]
		return nil, &mqtt.Error{Code: mqtt.NotAuthorized, Reason: "the token may not publish to the Will Topic"}
	}
	m := &Message{
		Topic: w.Topic, Payload: w.Payload, Forward: w.Props.AppendForward(nil),
		QoS: w.QoS, Retain: w.Retain, // [MQTT-3.1.2-14] [MQTT-3.1.2-15] [MQTT311-3.1.2-16] [MQTT311-3.1.2-17]
		Account: g.Account, Top: g.Top, Token: g.Token,
	}
	if w.Props.HasMessageExpiry {
		m.Expires = int64(w.Props.MessageExpiry) * 1e9 // counts from when it fires
	}
	return &will{message: m.Keep(), delay: w.DelayInterval}, nil
}

// fire publishes a Will, if its token still stands and may [EXT-TOK-8]
// [EXT-TOK-9]. No lock is held.
func (t *Turn) fire(ns *Namespace, clientID string, w *will) {
	if w == nil {
		return
	}
	m := *w.message
	m.kept = nil
	if m.Expires != 0 {
		m.Expires += t.Now.UnixNano()
	}
	grant, err := t.b.directory.Standing(m.Token, t.Now)
	switch {
	case err != nil:
		t.dropWill(ns, clientID, &m, "the Will's token is no longer valid")
	case !grant.Rights(clientID).MayPublish(m.Topic):
		t.dropWill(ns, clientID, &m, "the token may no longer publish to the Will Topic")
	default:
		t.publish(ns, &m)
	}
}

func (t *Turn) dropWill(ns *Namespace, clientID string, m *Message, reason string) {
	t.b.stats.Rejected.Add(1)
	t.tally(ns).rejected++
	r := ns.event(event.PublishRejected, m.Token)
	r.ClientID = clientID
	t.noteRefusal(r, m.Topic, mqtt.NotAuthorized, reason)
}
