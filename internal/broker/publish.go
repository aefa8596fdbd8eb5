package broker

import (
	"slices"
	"unicode/utf8"

	"alcove/internal/mqtt"
	"alcove/internal/topic"
)

// scratch is what a Turn reuses from one message to the next.
type scratch struct {
	message  Message
	forward  []byte
	packet   []byte
	delivery Delivery
	subs     []*Subscription
	places   map[*Session]int
	page     []*Message
}

// opened is a queue entry whose record is not in a batch yet: of a session, or
// of a group.
type opened struct {
	s   *Session
	g   *Group
	seq uint64
}

// sharedDone is a group's entry that a member has acknowledged or given up, or,
// with seq 0, nothing but the news that a member has room.
type sharedDone struct {
	g   *Group
	seq uint64
}

// Publish takes a client's PUBLISH; its Topic Alias is resolved. Its answer, a
// PUBACK or PUBREC, leaves when everything that it promises is durable.
func (l Link) Publish(t *Turn, p *mqtt.Publish) error {
	s, a := l.s, l.a
	if s == nil || s.link.Load() != a {
		return nil
	}
	t.b.stats.Received.Add(1)
	if err := t.b.offered(p); err != nil {
		return err
	}
	if p.QoS != mqtt.QoS0 {
		repeated, err := s.receive(t, a, p)
		if repeated || err != nil {
			return err
		}
	}
	code, reason := s.refuse(t, a, p)
	if code.Failed() {
		return s.refused(t, a, p, code, reason)
	}
	m := &t.scratch.message
	t.fill(m, s, a, p)
	t.from = s
	if p.QoS == mqtt.QoS2 {
		if durable, sync := s.durable(); durable {
			t.addRecord(sync, Record{Kind: KindReceived, Top: s.ns.top, Account: s.ns.account, Owner: s.id, PacketID: p.PacketID})
		}
	}
	count, ticket, code := t.publish(s.ns, m)
	t.from = nil
	if p.QoS == mqtt.QoS0 {
		return nil
	}
	if count == 0 && code == mqtt.Success && a.version == mqtt.V5 {
		code = mqtt.NoMatchingSubscribers
	}
	// Answered by its QoS; an expired message's exchange is finished like any
	// other [MQTT-3.3.4-1] [MQTT-4.3.3-13] [MQTT311-3.3.4-1]. After a PUBACK
	// nothing is left of the identifier [MQTT-4.3.2-5] [MQTT311-4.3.2-2].
	typ := mqtt.TypePuback
	if p.QoS == mqtt.QoS2 {
		typ = mqtt.TypePubrec
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link.Load() != a {
		return nil
	}
	if a.version != mqtt.V5 {
		code = mqtt.Success // which is all that the client can be told
	}
	if p.QoS == mqtt.QoS2 && code.Failed() {
		// Delivered, but not stored as retained: a failing PUBREC ends the
		// exchange and frees the identifier [MQTT-4.3.3-9].
		delete(s.received, p.PacketID)
		if durable, sync := s.durable(); durable {
			ticket = s.record(t, sync, Record{Kind: KindCompleted, PacketID: p.PacketID})
		}
	}
	s.answer(t, a, answer{ticket: ticket, typ: typ, pid: p.PacketID, code: code})
	return nil
}

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

// receive notes a QoS 1 or 2 PUBLISH as received, within our Receive Maximum
// [MQTT-3.3.4-7]. A QoS 2 identifier that is in use is a repetition: it is
// answered again and goes no further [MQTT-4.3.3-10] [MQTT311-4.3.3-2].
func (s *Session) receive(t *Turn, a *attachment, p *mqtt.Publish) (repeated bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link.Load() != a {
		return true, nil
	}
	if p.QoS == mqtt.QoS2 {
		if _, repeated = s.received[p.PacketID]; repeated {
			// Whatever the first one wrote is in the pending batch at latest.
			ticket := uint64(0)
			if durable, _ := s.durable(); durable {
				ticket = t.b.commit.latest()
			}
			s.answer(t, a, answer{ticket: ticket, typ: mqtt.TypePubrec, pid: p.PacketID})
			return true, nil
		}
	}
	if a.receiving >= int32(t.b.limits.ReceiveMaximum) {
		return false, &mqtt.Error{Code: mqtt.ReceiveMaximumExceeded, Reason: "more PUBLISH packets than the Receive Maximum are unacknowledged"}
	}
	a.receiving++
	if p.QoS == mqtt.QoS2 {
		if s.received == nil {
			s.received = make(map[uint16]struct{})
		}
		s.received[p.PacketID] = struct{}{}
	}
	return false, nil
}

// refuse tells why a well-formed PUBLISH is not taken: its name, then the
// rights, then what the broker can hold [EXT-UP-7].
func (s *Session) refuse(t *Turn, a *attachment, p *mqtt.Publish) (mqtt.ReasonCode, string) {
	if err := topic.CheckName(p.Topic, t.b.limits.MaximumLevels); err != nil {
		return mqtt.TopicNameInvalid, err.Error()
	}
	if reason := t.b.reserved(p.Topic); reason != "" {
		return mqtt.TopicNameInvalid, reason
	}
	if !a.rights.MayPublish(p.Topic) { // [EXT-TOK-6]
		return mqtt.NotAuthorized, "the token may not publish to this topic"
	}
	if t.b.features.PayloadFormatCheck && p.Props.PayloadFormat == 1 && !utf8.Valid(p.Payload) {
		return mqtt.PayloadFormatInvalid, "the payload is not UTF-8"
	}
	if (p.QoS > 0 || p.Retain) && t.b.storeRefuses() {
		return mqtt.QuotaExceeded, errStoreFull
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
	t.note(Event{Code: EventPublishRejected, Account: s.ns.account, Token: a.grant.Token,
		ClientID: s.clientID, Topic: string(p.Topic), Close: code, Reason: reason})
	wildcard := code == mqtt.TopicNameInvalid && topic.HasWildcard(p.Topic)
	switch {
	case wildcard && a.version != mqtt.V5: // [MQTT311-3.3.2-2] [MQTT311-4.7.1-1]
		return &mqtt.Error{Code: code, Reason: reason}
	case wildcard && p.QoS == mqtt.QoS0: // [MQTT-3.3.2-2] [MQTT-4.7.0-1] [EXT-RET-2]
		return &mqtt.Error{Code: mqtt.MalformedPacket, Reason: reason}
	case code == mqtt.QuotaExceeded && a.version != mqtt.V5:
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

// fill makes the borrowed Message of a client's PUBLISH.
func (t *Turn) fill(m *Message, s *Session, a *attachment, p *mqtt.Publish) {
	t.scratch.forward = p.Props.AppendForward(t.scratch.forward[:0])
	*m = Message{
		Topic: p.Topic, Payload: p.Payload, Forward: t.scratch.forward,
		QoS: p.QoS, Retain: p.Retain,
		Account: s.ns.account, Top: s.ns.top, Token: a.grant.Token,
		Published: t.Now.UnixNano(),
	}
	if p.Props.HasMessageExpiry {
		m.Expires = m.Published + int64(p.Props.MessageExpiry)*1e9
	}
}

// publish is the one way of every Application Message, from a client, a Will or
// elsewhere: retain, then route, then the log. Records that must be durable
// together with the message may already stand in t.records. It returns how many
// sessions and groups the message went to, the ticket its answer waits for, and
// a reason code that is not Success where part of it was refused.
//
// A message without RETAIN leaves what is retained alone [MQTT-3.3.1-8]
// [MQTT311-3.3.1-12]. All topics are ordered: a publisher's messages enter here
// in the order in which they came, and each queue keeps it [MQTT-4.6.0-5]
// [MQTT-4.6.0-6] [MQTT311-4.6.0-5] [MQTT311-4.6.0-6].
func (t *Turn) publish(ns *Namespace, m *Message) (count int, ticket uint64, code mqtt.ReasonCode) {
	if m.Retain {
		ticket, code = t.retain(ns, m)
	}
	r := t.route(ns, m.Topic)
	for i := range r.targets {
		if t.deliver(ns, m, &r.targets[i]) {
			count++
		}
	}
	for _, g := range r.groups {
		if g.publish(t, m) {
			count++
		}
	}
	if len(t.targets) > 0 {
		t.records = append(t.records, Record{
			Kind: KindPublish, Top: ns.top, Account: ns.account,
			Message: m.Keep(), Targets: slices.Clone(t.targets),
		})
	}
	if len(t.records) > 0 {
		ticket = max(ticket, t.commitRecords())
	}
	return count, ticket, code
}

// addRecord lets r become durable with the message that is published next.
func (t *Turn) addRecord(sync bool, r Record) {
	t.records = append(t.records, r)
	t.sync = t.sync || sync
}

// commitRecords puts the turn's records into the pending batch, all together,
// and then lets the queue entries that were open go on.
func (t *Turn) commitRecords() uint64 {
	ticket := t.b.commit.append(t.sync, false, t.records...)
	t.kick = true
	var id MessageID
	for i := range t.records {
		if t.records[i].Kind == KindPublish {
			id = t.records[i].ID
		}
	}
	clear(t.records)
	t.records, t.targets, t.sync = t.records[:0], t.targets[:0], false
	// Closing an entry can open no other: a group's pump only moves entries.
	for _, o := range t.opened {
		if o.s != nil {
			o.s.close(t, o.seq, id)
		} else {
			o.g.close(t, o.seq, id)
		}
	}
	clear(t.opened)
	t.opened = t.opened[:0]
	return ticket
}

// close gives an open entry its place in the log, and sends on.
func (s *Session) close(t *Turn, seq uint64, id MessageID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.queue.find(seq); e != nil {
		e.id = id
		e.flags &^= entryOpen
		if a := s.link.Load(); a != nil {
			s.pump(t, a)
		}
		if e = s.queue.find(seq); e != nil && s.queue.index(seq) >= s.queue.next {
			s.queue.shed(&t.b.bodies, e)
		}
	} else if id != 0 {
		// The session ended meanwhile: its reference goes.
		s.record(t, false, Record{Kind: KindAcked, Seq: seq, ID: id})
	}
}

// deliver gives m to one session. It reports whether the session took it.
func (t *Turn) deliver(ns *Namespace, m *Message, tg *target) bool {
	if tg.noLocal && tg.s == t.from {
		fresh, ok := t.again(ns, m.Topic, tg.s, true)
		return ok && t.deliverTo(ns, m, &fresh)
	}
	return t.deliverTo(ns, m, tg)
}

// deliverTo delivers with the lower of the two QoS [MQTT-3.8.4-8]
// [MQTT311-3.8.4-6].
func (t *Turn) deliverTo(ns *Namespace, m *Message, tg *target) bool {
	for range 8 {
		stale, taken := false, false
		if min(m.QoS, tg.qos) == mqtt.QoS0 {
			stale, taken = t.deliverQoS0(m, tg)
		} else {
			stale, taken = t.deliverQueued(m, tg)
		}
		if !stale {
			return taken
		}
		fresh, ok := t.again(ns, m.Topic, tg.s, tg.s == t.from)
		if !ok {
			return false
		}
		tg = &fresh
	}
	return false
}

// deliverQoS0 takes no lock but the output's own. QoS 0, never DUP
// [MQTT-4.3.1-1] [MQTT311-4.3.1-1].
func (t *Turn) deliverQoS0(m *Message, tg *target) (stale, taken bool) {
	a := tg.s.link.Load()
	if a == nil {
		return false, false
	}
	d := &t.scratch.delivery
	*d = Delivery{
		Message: m, Retain: tg.rap && m.Retain, SubscriptionIDs: tg.ids,
		Own: tg.own, Live: &tg.s.gen, Gen: tg.gen,
	}
	if m.Expires != 0 {
		d.Expiry, d.HasExpiry = m.Remaining(t.Now)
	}
	switch a.out.Deliver(t, d) {
	case Sent:
		return false, true
	case Stale:
		return true, false
	case Full:
		t.b.stats.DroppedQoS0.Add(1)
	case TooLarge:
		t.b.stats.DroppedLarge.Add(1)
	}
	return false, false
}

// deliverQueued appends m to the session's queue, online or not [MQTT311-4.5.0-1], from which it is sent as soon
// as its turn has come: at once, where nothing waits.
func (t *Turn) deliverQueued(m *Message, tg *target) (stale, taken bool) {
	s := tg.s
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.link.Load()
	switch {
	case s.ended || a == nil && s.expiry == 0 && s.detached != 0:
		// With expiry 0 and detached 0 it is being resumed: what comes between
		// the connections waits for the new one.
		return false, false
	case s.gen.Load() != tg.gen:
		return true, false
	}
	e := entry{qos: min(m.QoS, tg.qos)}
	if tg.rap && m.Retain { // [MQTT-3.3.1-12] [MQTT-3.3.1-13] [MQTT311-3.3.1-9]
		e.flags |= entryRetain
	}
	if len(tg.ids) > 0 {
		e.more = &entryMore{ids: slices.Clone(tg.ids)}
	}
	durable, sync := s.durable()
	if durable {
		e.flags |= entryDurable
		t.sync = t.sync || sync
	}
	if !s.enqueue(t, m.Keep(), e) {
		return false, false
	}
	if !durable && a != nil {
		s.pump(t, a)
	}
	return false, true
}
