package broker

import (
	"slices"
	"unicode/utf8"

	"alcove/internal/event"
	"alcove/internal/mqtt"
	"alcove/internal/topic"
)

// offered tells what the broker was set not to do [MQTT-3.2.2-11]
// [MQTT-3.2.2-14].
func (b *Broker) offered(p *mqtt.Publish) error {
	if p.QoS > b.features.maximumQoS() {
		return &mqtt.Error{Code: mqtt.QoSNotSupported, Reason: "the QoS is higher than the announced Maximum QoS"}
	}
	if p.Retain && b.features.NoRetain {
		return &mqtt.Error{Code: mqtt.RetainNotSupported, Reason: "retained messages are not available"}
	}
	return nil
}

// refuse tells why a well-formed PUBLISH is not taken: its name, then the
// rights, then what the broker can hold [EXT-UP-7]. Name and rights are not asked
// again for the topic of before.
func (s *Session) refuse(t *Turn, a *attachment, p *mqtt.Publish, again bool) (mqtt.ReasonCode, string) {
	if !again {
		if code, reason := t.b.refuseName(a, p.Topic); code.Failed() {
			return code, reason
		}
	}
	if t.b.features.PayloadFormatCheck && p.Props.PayloadFormat == 1 && !utf8.Valid(p.Payload) {
		return mqtt.PayloadFormatInvalid, "the payload is not UTF-8"
	}
	if (p.QoS > 0 || p.Retain) && s.ns.mayStore() && t.b.storeRefuses() {
		return mqtt.QuotaExceeded, errStoreFull
	}
	return mqtt.Success, ""
}

// refuseName is refuse for what the name and the rights alone decide.
func (b *Broker) refuseName(a *attachment, name []byte) (mqtt.ReasonCode, string) {
	if err := topic.CheckName(name, b.limits.MaximumLevels); err != nil {
		return mqtt.TopicNameInvalid, err.Error()
	}
	if reason := b.reserved(name); reason != "" {
		return mqtt.TopicNameInvalid, reason
	}
	if !a.rights.MayPublish(name) { // [EXT-TOK-6]
		return mqtt.NotAuthorized, "the token may not publish to this topic"
	}
	return mqtt.Success, ""
}

// reserved tells why a client may not publish under this first level
// [EXT-TOP-1] [EXT-LIM-1].
func (b *Broker) reserved(name []byte) string {
	first := name
	if i := slices.Index(name, '/'); i >= 0 {
		first = name[:i]
	}
	switch string(first) {
	case b.features.ReservedLevel:
		return "topics under " + b.features.ReservedLevel + "/ are the broker's own"
	case "$share", "$filter":
		return "topics under $share/ and $filter/ cannot be published to"
	}
	return ""
}

// refused answers a refused PUBLISH in its ack; the connection stays
// [EXT-UP-7]. A 3.x client cannot be told, so it is acknowledged and the
// message dropped [MQTT311-3.3.5-2] [EXT-TOK-6] - but for a wildcard in the
// name, or where the store is full: then acknowledging would break a promise,
// and the connection ends [MQTT311-4.8.0-2].
func (s *Session) refused(t *Turn, a *attachment, p *mqtt.Publish, code mqtt.ReasonCode, reason string) error {
	t.b.stats.Rejected.Add(1)
	a.figures.rejected.Add(1)
	t.tally(s.ns).rejected++
	t.noteRefusal(s.event(event.PublishRejected, a.grant.Token, a), p.Topic, code, reason)
	wildcard := code == mqtt.TopicNameInvalid && topic.HasWildcard(p.Topic)
	switch {
	case wildcard && a.version != mqtt.V5: // [MQTT311-3.3.2-2] [MQTT311-4.7.1-1]
		return &mqtt.Error{Code: code, Reason: reason}
	case wildcard && p.QoS == mqtt.QoS0: // [MQTT-3.3.2-2] [MQTT-4.7.0-1] [EXT-RET-2]
		return &mqtt.Error{Code: mqtt.MalformedPacket, Reason: reason}
	case code == mqtt.QuotaExceeded && reason != reasonMessages && a.version != mqtt.V5:
		// The client sends it again after it has reconnected: that is not a
		// repetition then.
		s.forget(p)
		return &mqtt.Error{Code: mqtt.QuotaExceeded, Reason: reason}
	}
	if p.QoS == mqtt.QoS0 {
		return nil
	}
	typ := mqtt.TypePuback
	if p.QoS == mqtt.QoS2 {
		typ = mqtt.TypePubrec
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link.Load() != a {
		return nil
	}
	if p.QoS == mqtt.QoS2 && a.version == mqtt.V5 {
		// After a failing PUBREC the identifier is free [MQTT-4.3.3-9].
		delete(s.received, p.PacketID)
	}
	if a.version != mqtt.V5 {
		code = mqtt.Success
	}
	s.answer(t, a, answer{typ: typ, pid: p.PacketID, code: code, reason: reason})
	return nil
}

// forget frees the identifier of a QoS 2 PUBLISH that was not taken.
func (s *Session) forget(p *mqtt.Publish) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.received, p.PacketID)
}
