package broker

import (
	"strconv"

	"alcove/internal/mqtt"
	"alcove/internal/topic"
)

// Publish takes a client's PUBLISH; its Topic Alias is resolved. Its answer, a
// PUBACK or PUBREC, leaves when everything that it promises is durable.
func (l Link) Publish(t *Turn, p *mqtt.Publish) error {
	s, a := l.parts()
	if s == nil || s.link.Load() != a {
		return nil
	}
	t.tally(s.ns).received(a, p)
	if err := t.b.offered(p); err != nil {
		return err
	}
	if p.QoS != mqtt.QoS0 {
		repeated, err := s.receive(t, a, p)
		if repeated || err != nil {
			return err
		}
	}
	if s.ns.noMessages() { // [EXT-LIM-1]
		return s.refused(t, a, p, mqtt.QuotaExceeded, reasonMessages)
	}
	again := t.recent.is(a, p.Topic)
	if !again && len(p.Payload) == 0 && topic.HasWildcard(p.Topic) {
		return s.publishDeletion(t, a, p) // [EXT-RET-2]
	}
	code, reason := s.refuse(t, a, p, again)
	if code.Failed() {
		if rest, ok := t.b.requestIn(p.Topic); ok {
			return s.request(t, a, p, rest)
		}
		return s.refused(t, a, p, code, reason)
	}
	if !again {
		t.recent.note(a, p.Topic)
	}
	m := &t.scratch.message
	t.fill(m, s, a, p)
	t.shapes.came(a.version, p, len(m.Forward))
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
	x := answer{ticket: ticket, typ: typ, pid: p.PacketID, code: code}
	if code == mqtt.QuotaExceeded {
		x.reason = reasonRetained
	}
	if asked(p) {
		x.user = mqtt.AppendUser(x.user, "subscribers_count", strconv.Itoa(count))
	}
	s.answer(t, a, x)
	return nil
}

// asked tells whether the publisher wants to know how many sessions and groups take
// its message [EXT-UP-4].
func asked(p *mqtt.Publish) bool {
	if len(p.Props.User) == 0 {
		return false
	}
	v, ok := p.Props.User.Get("count_subscribers")
	return ok && string(v) == "1"
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
		var l *later
		if l, repeated = s.received[p.PacketID]; repeated {
			// Whatever the first one wrote is in the pending batch at latest.
			ticket := uint64(0)
			if durable, _ := s.durable(); durable {
				ticket = t.b.commit.latest()
			}
			s.answer(t, a, answer{ticket: ticket, typ: mqtt.TypePubrec, pid: p.PacketID, later: l})
			return true, nil
		}
	}
	if a.receiving >= t.b.limits.ReceiveMaximum {
		return false, &mqtt.Error{Code: mqtt.ReceiveMaximumExceeded, Reason: "more PUBLISH packets than the Receive Maximum are unacknowledged"}
	}
	a.receiving++
	if p.QoS == mqtt.QoS2 {
		if s.received == nil {
			s.received = make(map[uint16]*later)
		}
		s.received[p.PacketID] = nil
	}
	return false, nil
}

// fill makes the borrowed Message of a client's PUBLISH.
func (t *Turn) fill(m *Message, s *Session, a *attachment, p *mqtt.Publish) {
	t.scratch.forward = p.Props.AppendForward(t.scratch.forward[:0])
	*m = Message{}
	m.Topic, m.Payload, m.Forward = p.Topic, p.Payload, t.scratch.forward
	m.QoS, m.Retain = p.QoS, p.Retain
	m.Account, m.Top, m.Token = s.ns.account, s.ns.top, a.grant.Token
	if p.Props.HasMessageExpiry {
		m.Expires = t.Now.UnixNano() + int64(p.Props.MessageExpiry)*1e9
	}
}

// publish is the one way of every Application Message, from a client, a Will or
// elsewhere: retain, then route, then the log. Records that must be durable
// together with the message may already stand in t.records. It returns how many
// sessions and groups of ns take it, online or lasting [EXT-UP-4] (an ancestor's do
// not count: it cannot be seen from below [EXT-ACC-2]), the ticket its answer waits
// for, and a reason code that is not Success where part of it was refused.
//
// A message without RETAIN leaves what is retained alone [MQTT-3.3.1-8]
// [MQTT311-3.3.1-12]. All topics are ordered: a publisher's messages enter here
// in the order in which they came, and each queue keeps it [MQTT-4.6.0-5]
// [MQTT-4.6.0-6] [MQTT311-4.6.0-5] [MQTT311-4.6.0-6].
func (t *Turn) publish(ns *Namespace, m *Message) (count int, ticket uint64, code mqtt.ReasonCode) {
	t.dressing.forget()
	t.judge.forget()
	if m.Retain {
		t.stamp(ns, m)
		ticket, code = t.retain(ns, m)
	}
	r := t.route(ns, m.Topic)
	t.shapes.begin(m, len(r.targets))
	t.work += len(r.targets) + len(r.groups) + 1
	if len(r.conditions) > 0 {
		t.stamp(ns, m)
		t.judge.begin(len(r.conditions))
	}
	for i := range r.targets {
		if t.deliver(ns, m, r, &r.targets[i]) && r.targets[i].own {
			count++
		}
	}
	for i := range r.groups {
		x := &r.groups[i]
		if !t.holds(r, x.needs, m) {
			continue
		}
		t.stamp(ns, m)
		if x.g.publish(t, m) && x.own {
			count++
		}
	}
	t.placed()
	t.shapes.end()
	if len(t.targets) > 0 {
		t.records = append(t.records, Record{
			Kind: KindPublish, Top: ns.top, Account: ns.account,
			Message: m.Keep(), Targets: t.targets,
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
