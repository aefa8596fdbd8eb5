package broker

import (
	"slices"
	"strconv"

	"alcove/internal/auth"
	"alcove/internal/event"
	"alcove/internal/mqtt"
	"alcove/internal/topic"
)

// subscribeAck is a SUBACK that waits for its ticket, and what is to be
// replayed with it.
type subscribeAck struct {
	codes   []mqtt.ReasonCode
	reason  string
	replays []*replay
	silent  bool // only the replays: the subscriptions came by REST
}

// Subscribe installs the packet's subscriptions one by one, as if each had come
// alone [MQTT-3.8.4-5] [MQTT311-3.8.4-4], and answers them with one SUBACK
// [MQTT-3.8.4-1] [MQTT311-3.8.4-1] once they are durable. A bad filter fails
// alone; the codes, granted QoS or failure, stand in the filters' order
// [MQTT-3.8.4-6] [MQTT-3.8.4-7] [MQTT-3.9.3-1]
// [MQTT311-3.8.4-5] [MQTT311-3.9.3-1].
func (l Link) Subscribe(t *Turn, p *mqtt.Subscribe) error {
	s, a := l.parts()
	if s == nil || s.link.Load() != a {
		return nil
	}
	ack := &subscribeAck{codes: make([]mqtt.ReasonCode, 0, p.Count)}
	narrow, refusal := s.narrowing(t, p.User)
	size := 0
	for text, options := range p.Filters() {
		code, reason := mqtt.QuotaExceeded, "more filters than one packet may hold"
		size += len(text)
		switch {
		case len(ack.codes) >= t.b.limits.FiltersPerPacket || size > filterBytesPerPacket:
		case refusal != "":
			code, reason = mqtt.NotAuthorized, refusal
		default:
			code, reason = s.subscribe(t, a, ack, wanted{text: string(text), options: options, id: p.SubscriptionID, narrow: narrow})
		}
		ack.codes = append(ack.codes, code)
		if code.Failed() {
			ack.reason = reason
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link.Load() != a {
		return nil
	}
	ticket := uint64(0)
	if durable, _ := s.durable(); durable {
		ticket = t.b.commit.latest()
	}
	s.answer(t, a, answer{ticket: ticket, typ: mqtt.TypeSuback, pid: p.PacketID, subs: ack})
	return nil
}

// wanted is one filter of a SUBSCRIBE.
type wanted struct {
	text    string
	options mqtt.SubscribeOptions
	id      uint32
	narrow  narrowing
	by      *Submitter // who asks for it by REST, nil for a SUBSCRIBE
}

// narrowing reads the user properties of a SUBSCRIBE. Only messages of the account
// itself or of one below it can be asked for: any other account is refused, whether
// it is there or not [EXT-UP-3] [EXT-ACC-1]. A modified_since that is no number is
// ignored [EXT-RET-3].
func (s *Session) narrowing(t *Turn, user mqtt.UserProperties) (n narrowing, refusal string) {
	if len(user) == 0 {
		return n, ""
	}
	if text, ok := user.Get(keyAccount); ok {
		id, err := strconv.ParseInt(string(text), 10, 64)
		if n.account = auth.AccountID(id); err != nil || !s.ns.sees(n.account) {
			return n, errForeign
		}
	}
	if text, ok := user.Get("modified_since"); ok {
		n.since, _ = topic.ModifiedSince(string(text))
	}
	return n, ""
}

const errForeign = "cid is not this account nor one below it"

// sees tells whether messages of the account reach this one's sessions: its own, and
// those of the accounts below it [EXT-ACC-2].
func (ns *Namespace) sees(account auth.AccountID) bool {
	return ns.b.within(account, ns.account)
}

// subscribe handles one filter; a is nil where the session has no connection.
func (s *Session) subscribe(t *Turn, a *attachment, ack *subscribeAck, w wanted) (mqtt.ReasonCode, string) {
	f, code, reason := t.b.grantable(w.text, w.id)
	if code.Failed() {
		return code, reason
	}
	if id := auth.AccountID(f.Items.Account); f.Items.HasAccount && !s.ns.sees(id) {
		return mqtt.NotAuthorized, errForeign
	} else if f.Items.HasAccount && w.narrow.account != 0 && w.narrow.account != id {
		return mqtt.TopicFilterInvalid, "$filter and the property name different accounts"
	}
	o := w.options
	scope := s.scope(f)
	if scope == auth.None {
		return mqtt.NotAuthorized, "the token may not subscribe to this filter"
	}
	sub, err := s.newSubscription(f, w.narrow)
	if err != nil {
		return mqtt.TopicFilterInvalid, err.Error() // [EXT-FIL-1] [EXT-EXP-2]
	}
	if s.lasting.Load() && s.ns.storeRefuses() && !s.subscribed(sub) {
		return mqtt.QuotaExceeded, errStoreFull
	}
	o.QoS = min(o.QoS, t.b.features.maximumQoS()) // [MQTT-3.2.2-10]
	if a != nil && a.reading {                    // it acknowledges nothing
		o.QoS = mqtt.QoS0
	}
	sub.id = w.id
	sub.setOptions(o)
	sub.mark(markPartial, scope == auth.Partial)
	isNew, refusal := s.admit(t, sub, f)
	if refusal != "" {
		return mqtt.QuotaExceeded, refusal
	}
	t.noteDrop(s.subscribedBy(a, w.by, isNew), f.Text, "")
	if sub.group() != nil {
		s.enterGroup(t, sub, f)
		return mqtt.ReasonCode(o.QoS), ""
	}
	// Retain Handling [MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11]; a 3.x
	// subscription always asks for the retained messages [MQTT311-3.3.1-6].
	if !t.b.features.NoRetain && (o.RetainHandling == 0 || o.RetainHandling == 1 && isNew) {
		if r := newReplay(s.ns, sub, f); r != nil {
			ack.replays = append(ack.replays, r)
		}
	}
	return mqtt.ReasonCode(o.QoS), ""
}

// scope tells how a filter, of a share the inner one, lies to the session's rights.
// Without rights everything is taken, and looked at when the next token comes.
func (s *Session) scope(f topic.Filter) auth.Scope {
	if rights := s.rights.Load(); rights != nil {
		return rights.Subscribe(f)
	}
	return auth.Whole
}

// subscribedBy begins the record of a subscription.
func (s *Session) subscribedBy(a *attachment, by *Submitter, isNew bool) event.Record {
	switch {
	case by == nil:
		return s.event(event.Subscribed, a.grant.Token, a)
	case isNew:
		return s.managed(event.SubscriptionCreated, by)
	}
	return s.managed(event.SubscriptionUpdated, by)
}

// subscribed tells whether the session has a subscription with the identity of sub.
func (s *Session) subscribed(sub *Subscription) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.subs.find(sub.filter(), sub.given()) != nil
}

// grantable reads a filter and tells why the broker, whoever asks, does not
// take it.
func (b *Broker) grantable(text string, id uint32) (topic.Filter, mqtt.ReasonCode, string) {
	f, err := topic.Parse(text, b.limits.MaximumLevels)
	switch {
	case err != nil: // [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.3-1] [MQTT-4.8.2-1] [MQTT-4.8.2-2]
		return f, mqtt.TopicFilterInvalid, err.Error()
	case f.Share != "" && b.features.NoShared:
		return f, mqtt.SharedSubscriptionsNotSupported, "shared subscriptions are not available"
	case f.Wildcard && b.features.NoWildcards: // [MQTT311-3.8.3-2]
		return f, mqtt.WildcardSubscriptionsNotSupported, "wildcards are not available"
	case id != 0 && b.features.NoSubscriptionIDs:
		return f, mqtt.SubscriptionIdentifiersNotSupported, "subscription identifiers are not available"
	}
	return f, mqtt.Success, ""
}

// admit installs sub, within the bounds of the session and of the account, and
// records it.
func (s *Session) admit(t *Turn, sub *Subscription, f topic.Filter) (isNew bool, refusal string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	counted := false
	if s.subs.find(sub.filter(), sub.given()) == nil {
		if s.subs.len() >= t.b.limits.SubscriptionsEach {
			return false, "the session has too many subscriptions"
		}
		if refusal := s.ns.quota.refuse(sub); refusal != "" {
			return false, refusal
		}
		if !s.ns.claimSubscription() {
			return false, reasonLimit("mqtt_subscriptions")
		}
		counted = true
	}
	if f.Share != "" {
		// Namespace.mu comes before Session.mu. Only this loop adds to the
		// session's subscriptions, so the bound still holds afterwards.
		s.mu.Unlock()
		sub.more.group = s.ns.group(f)
		s.mu.Lock()
	}
	if s.ended {
		if counted {
			s.ns.usage.subscriptions.Add(-1)
		}
		return false, "the session has ended"
	}
	switch isNew = s.install(sub, f); {
	case isNew && !counted: // its forerunner went meanwhile
		s.ns.usage.subscriptions.Add(1)
	case !isNew && counted:
		s.ns.usage.subscriptions.Add(-1)
	}
	if durable, sync := s.durable(); durable {
		s.record(t, sync, Record{Kind: KindSubscribe, Subscription: &SubscriptionRecord{
			Filter: sub.key(), Options: sub.options(), ID: sub.id,
		}})
	}
	return isNew, ""
}

// sendSuback sends a SUBACK that is ripe. The first page of retained messages
// goes out before it, as the account's setting says [EXT-RET-4]; the rest
// follows. Under s.mu.
func (s *Session) sendSuback(t *Turn, a *attachment, x *answer) {
	p := mqtt.Suback{PacketID: x.pid, Codes: x.subs.codes} // [MQTT-3.8.4-2] [MQTT-2.2.1-6] [MQTT311-3.8.4-2] [MQTT311-2.3.1-7]
	if x.subs.reason != "" && a.problemInfo {
		p.Reason = []byte(x.subs.reason)
	}
	p.Fit(a.version, int(a.maxPacket)) // [MQTT-3.9.2-1]
	first := s.ns.settings.Load().RetainedFirst
	if !first && !x.subs.silent {
		a.out.Send(t, p.Append(nil, a.version))
	}
	rows := retainedTurn
	for _, r := range x.subs.replays {
		if !s.subs.has(r.sub) || rows > 0 && !s.page(t, a, r, &rows) {
			continue
		}
		if all := s.replays(); len(all) < replaysPerSession {
			s.setReplays(append(all, r))
			continue
		}
		t.noteDrop(s.event(event.MessageDropped, a.grant.Token, a), r.sub.filter(), "too many replays of retained messages wait in the session")
	}
	if first && !x.subs.silent {
		a.out.Send(t, p.Append(nil, a.version))
	}
	if len(s.replays()) > 0 && s.queue.next == len(s.queue.items) && !a.choked {
		s.replay(t, a)
	}
}

// Unsubscribe removes subscriptions whose filters are the same text, character
// by character [MQTT-3.10.4-1] [MQTT311-3.10.4-1], and answers with one
// UNSUBACK, also where nothing matched [MQTT-3.10.4-4] [MQTT-3.10.4-5]
// [MQTT-3.10.4-6] [MQTT311-3.10.4-4] [MQTT311-3.10.4-5] [MQTT311-3.10.4-6].
// What is in flight completes [MQTT-3.10.4-3] [MQTT311-3.10.4-3].
func (l Link) Unsubscribe(t *Turn, p *mqtt.Unsubscribe) error {
	s, a := l.parts()
	if s == nil || s.link.Load() != a {
		return nil
	}
	codes := make([]mqtt.ReasonCode, 0, p.Count)
	note := s.event(event.Unsubscribed, a.grant.Token, a)
	account, only := p.User.Get(keyAccount)
	for text := range p.Filters() {
		if !only {
			codes = append(codes, s.unsubscribe(t, note, string(text), nil))
			continue
		}
		// The account is a part of the identity where it is given [EXT-UP-3].
		codes = append(codes, s.unsubscribe(t, note, string(text), account))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link.Load() != a {
		return nil
	}
	ticket := uint64(0)
	if durable, _ := s.durable(); durable {
		ticket = t.b.commit.latest()
	}
	u := mqtt.Unsuback{PacketID: p.PacketID, Codes: codes}
	s.answer(t, a, answer{ticket: ticket, typ: mqtt.TypeUnsuback, raw: u.Append(nil, a.version)})
	return nil
}

// unsubscribe removes one filter's subscription: that of the account given, or of any.
// note is the record of it.
func (s *Session) unsubscribe(t *Turn, note event.Record, text string, account []byte) mqtt.ReasonCode {
	if _, err := topic.Parse(text, t.b.limits.MaximumLevels); err != nil {
		return mqtt.TopicFilterInvalid
	}
	s.mu.Lock()
	found := s.subs.withFilter(text)
	if account != nil {
		found = slices.DeleteFunc(found, func(sub *Subscription) bool {
			return strconv.FormatInt(int64(sub.account()), 10) != string(account)
		})
	}
	var left []leaving
	for _, sub := range found {
		s.remove(sub)
		if durable, sync := s.durable(); durable {
			s.record(t, sync, Record{Kind: KindUnsubscribe, Topic: sub.key()})
		}
		if g := sub.group(); g == nil {
			continue
		} else if rest := s.subs.withFilter(text); len(rest) > 0 {
			// The same group, asked for with another cid: the member stays.
			left = append(left, leaving{g: g, s: s, again: rest[0]})
		} else {
			left = append(left, leaving{g: g, s: s, back: s.giveBack(t, g)})
		}
	}
	t.leaving = append(t.leaving, left...)
	s.mu.Unlock()
	t.settleShared()
	if len(found) == 0 {
		return mqtt.NoSubscriptionExisted
	}
	t.noteDrop(note, text, "")
	return mqtt.Success
}
