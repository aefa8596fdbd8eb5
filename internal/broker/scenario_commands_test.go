package broker_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"alcove/internal/auth"
	"alcove/internal/broker"
	"alcove/internal/mqtt"
)

// commands of the scenarios, by their first word.
var commands = map[string]func(*scenario, *args){
	"config":      (*scenario).cmdConfig,      // config receive_maximum=2 …: restarts with other settings
	"account":     (*scenario).cmdAccount,     // account name [parent=name] [durability=memory] …
	"settings":    (*scenario).cmdSettings,    // settings account key=value …
	"token":       (*scenario).cmdToken,       // token name [account=name] [pub=f,f] [sub=f,f] [ttl=s]
	"revoke":      (*scenario).cmdRevoke,      // revoke token
	"allow":       (*scenario).cmdAllow,       // allow token [pub=…] [sub=…]: a new list
	"reauth":      (*scenario).cmdReauth,      // reauth name token
	"block":       (*scenario).cmdBlock,       // block account
	"connect":     (*scenario).cmdConnect,     // connect name [id=] [v=5] [clean] [expiry=] [token=] [rm=] [max=] [will=topic,payload,flags] [delay=]
	"disconnect":  (*scenario).cmdDisconnect,  // disconnect name [code=] [expiry=]
	"drop":        (*scenario).cmdDrop,        // drop name: the network fails
	"subscribe":   (*scenario).cmdSubscribe,   // subscribe name filter [filter …] [id=] [q=] [sid=] [rh=] [nl] [rap]
	"unsubscribe": (*scenario).cmdUnsubscribe, // unsubscribe name filter [filter …] [id=]
	"publish":     (*scenario).cmdPublish,     // publish name topic payload [q=] [id=] [retain] [dup] [expiry=] [user=] [size=] [times=] [answer=]
	"ack":         (*scenario).cmdAck,         // ack name PUBACK id=1 [code=]
	"full":        (*scenario).cmdFull,        // full name: its output takes no more QoS 0
	"drain":       (*scenario).cmdDrain,       // drain name
	"advance":     (*scenario).cmdAdvance,     // advance 10s
	"restart":     (*scenario).cmdRestart,     // restart
	"low":         (*scenario).cmdLow,         // low on|off: the store's disk is nearly full
	"disk":        (*scenario).cmdDisk,        // disk slow|quick: what is to be stored waits, or waits no more
	"fail":        (*scenario).cmdFail,        // fail: the store writes nothing any more
	"stats":       (*scenario).cmdStats,       // stats: what was dropped
	"bulk":        (*scenario).cmdBulk,        // bulk hold|release: bulk deletions wait after their first page
	"show":        (*scenario).cmdShow,        // show: user properties are printed from here on
}

func (s *scenario) cmdConfig(a *args) {
	l, f := &s.config.Limits, &s.config.Features
	l.ReceiveMaximum = uint16(a.number("receive_maximum", int(l.ReceiveMaximum)))
	l.InflightMaximum = a.number("inflight", l.InflightMaximum)
	l.QueueBytes = int64(a.number("queue_bytes", int(l.QueueBytes)))
	l.FiltersPerPacket = a.number("filters_per_packet", l.FiltersPerPacket)
	l.SubscriptionsEach = a.number("subscriptions", l.SubscriptionsEach)
	l.SessionsPerAccount = a.number("sessions", l.SessionsPerAccount)
	l.RetainedBytes = int64(a.number("retained_bytes", int(l.RetainedBytes)))
	f.ServerKeepAlive = uint16(a.number("keep_alive", int(f.ServerKeepAlive)))
	if q := a.number("maximum_qos", -1); q >= 0 {
		v := mqtt.QoS(q)
		f.QoSLimit = &v
	}
	f.NoRetain = f.NoRetain || a.has("no_retain")
	f.NoWildcards = f.NoWildcards || a.has("no_wildcards")
	f.NoShared = f.NoShared || a.has("no_shared")
	f.NoSubscriptionIDs = f.NoSubscriptionIDs || a.has("no_identifiers")
	f.PayloadFormatCheck = f.PayloadFormatCheck || a.has("payload_check")
	s.restart()
}

func (s *scenario) settings(a *args) *auth.Settings {
	set := &auth.Settings{}
	if v, ok := a.named["durability"]; ok {
		set.Durability = &v
	}
	if v, ok := a.named["overflow"]; ok {
		set.Overflow = &v
	}
	if v, ok := a.named["retained_first"]; ok {
		b := v == "true"
		set.RetainedFirst = &b
	}
	if v, ok := a.named["stamps"]; ok {
		b := v == "true"
		set.Stamps = &b
	}
	if v := int64(a.number("expiry_max", -1)); v >= 0 {
		set.SessionExpiryMax = &v
	}
	if v := int64(a.number("expiry_v3", -1)); v >= 0 {
		set.SessionExpiryV3 = &v
	}
	return set
}

func (s *scenario) cmdAccount(a *args) {
	name, parent := a.word(0), "operator"
	if p := a.named["parent"]; p != "" {
		parent = p
	}
	spec := auth.AccountSpec{Name: &name, Settings: s.settings(a)}
	account, err := s.directory.CreateAccount(s.accounts[parent], spec, time.Now())
	if err != nil {
		s.t.Fatalf("%s: %v", a.line, err)
	}
	s.accounts[name] = account.ID
	s.makeToken(name, account.ID, auth.TokenSpec{})
}

func (s *scenario) cmdSettings(a *args) {
	if _, err := s.directory.UpdateAccount(s.accounts[a.word(0)], auth.AccountSpec{Settings: s.settings(a)}); err != nil {
		s.t.Fatalf("%s: %v", a.line, err)
	}
}

func (s *scenario) makeToken(name string, account auth.AccountID, spec auth.TokenSpec) {
	if spec.TTL == nil && spec.Expire == nil {
		ttl := int64(1_000_000)
		spec.TTL = &ttl
	}
	token, key, err := s.directory.CreateToken(account, spec, time.Now())
	if err != nil {
		s.t.Fatalf("token %s: %v", name, err)
	}
	s.keys[name], s.tokens[name] = key, token.ID
}

// access reads pub= and sub= into an access list; without either, everything.
func access(a *args) *auth.Access {
	var entries []string
	for _, kind := range []struct{ key, action string }{{"pub", "publish"}, {"sub", "subscribe"}} {
		if v, ok := a.named[kind.key]; ok {
			for _, f := range strings.Split(v, ";") {
				entries = append(entries, fmt.Sprintf(`{"uri":"mqtt","topic":%q,"actions":[%q]}`, f, kind.action))
			}
		}
	}
	if len(entries) == 0 {
		return nil
	}
	return &auth.Access{Type: auth.Listed, ACL: []byte("[" + strings.Join(entries, ",") + "]")}
}

func (s *scenario) cmdToken(a *args) {
	account := auth.AccountID(1)
	if name := a.named["account"]; name != "" {
		account = s.accounts[name]
	}
	spec := auth.TokenSpec{Access: access(a)}
	if ttl := int64(a.number("ttl", 0)); ttl > 0 {
		spec.TTL = &ttl
	}
	if after := int64(a.number("expires", 0)); after > 0 {
		at := time.Now().Unix() + after
		spec.Expire = &at
	}
	s.makeToken(a.word(0), account, spec)
}

func (s *scenario) cmdRevoke(a *args) {
	if err := s.directory.DeleteToken(s.tokens[a.word(0)]); err != nil {
		s.t.Fatalf("%s: %v", a.line, err)
	}
}

func (s *scenario) cmdAllow(a *args) {
	if _, err := s.directory.UpdateToken(s.tokens[a.word(0)], auth.TokenSpec{Access: access(a)}); err != nil {
		s.t.Fatalf("%s: %v", a.line, err)
	}
}

func (s *scenario) cmdReauth(a *args) {
	grant, err := s.directory.LoginKey(s.keys[a.word(1)], testAddr.Addr(), time.Now())
	if err != nil {
		s.t.Fatal(err)
	}
	s.call(a.word(0), func(t *broker.Turn, l broker.Link) error { return l.Reauthenticate(t, grant) })
}

func (s *scenario) cmdBlock(a *args) {
	blocked := 1
	if _, err := s.directory.UpdateAccount(s.accounts[a.word(0)], auth.AccountSpec{Blocked: &blocked}); err != nil {
		s.t.Fatalf("%s: %v", a.line, err)
	}
}

func (s *scenario) cmdConnect(a *args) {
	name := a.word(0)
	p := &mqtt.Connect{
		Version: mqtt.Version(a.number("v", 5)), CleanStart: a.has("clean"),
		ClientID: []byte(name), Props: mqtt.NewConnectProps(),
		KeepAlive: uint16(a.number("keep_alive", 0)),
	}
	if id, ok := a.named["id"]; ok {
		p.ClientID = []byte(id)
	}
	p.Props.SessionExpiry = uint32(a.number("expiry", 0))
	p.Props.ReceiveMaximum = uint16(a.number("rm", 0))
	p.Props.MaximumPacketSize = uint32(a.number("max", 0))
	p.Props.RequestProblemInfo = !a.has("noproblem")
	p.Props.RequestResponseInfo = a.has("response")
	if w, ok := a.named["will"]; ok {
		parts := append(strings.Split(w, ","), "", "")
		p.HasWill = true
		p.Will = mqtt.Will{
			Topic: []byte(parts[0]), Payload: []byte(parts[1]),
			DelayInterval: uint32(a.number("delay", 0)),
			QoS:           mqtt.QoS(a.number("willqos", 0)), Retain: parts[2] == "retain",
			Props: mqtt.PublishProps{User: s.userOf(a)},
		}
	}
	token := "operator"
	if t := a.named["token"]; t != "" {
		token = t
	}
	grant, err := s.directory.LoginKey(s.keys[token], testAddr.Addr(), time.Now())
	if err != nil {
		s.say("%s < %v", name, err)
		return
	}
	c := &client{s: s, name: name, version: p.Version, maximum: mqtt.MaxPacketSize}
	if p.Props.MaximumPacketSize > 0 {
		c.maximum = int(p.Props.MaximumPacketSize)
	}
	s.clients[name] = c
	request := &broker.ConnectRequest{Packet: p, Grant: grant, Outlet: c}
	s.do(func(t *broker.Turn) {
		s.broker.Connect(t, request, func(t *broker.Turn, r broker.Connected, err error) {
			if err != nil {
				s.say("%s < REFUSED %s", name, explain(err))
				return
			}
			c.link = r.Link
			s.links[name] = r.Link
		})
	})
}

func explain(err error) string {
	var e *mqtt.Error
	if errors.As(err, &e) {
		return fmt.Sprintf("0x%02x %q", byte(e.Code), e.Reason)
	}
	return err.Error()
}

// call runs a link's method; an error ends the connection as the server would.
func (s *scenario) call(name string, f func(*broker.Turn, broker.Link) error) {
	c := s.clients[name]
	if c == nil {
		s.t.Fatalf("no client %s", name)
	}
	s.do(func(t *broker.Turn) {
		if err := f(t, c.link); err != nil {
			s.say("%s < CLOSE %s", name, explain(err))
			c.ended = true
			c.link.Detach(t, err)
		}
	})
}

func (s *scenario) cmdDisconnect(a *args) {
	p := &mqtt.Disconnect{Code: mqtt.ReasonCode(a.number("code", 0))}
	if n := a.number("expiry", -1); n >= 0 {
		p.SessionExpiry, p.HasSessionExpiry = uint32(n), true
	}
	s.call(a.word(0), func(t *broker.Turn, l broker.Link) error { return l.Disconnect(t, p) })
}

func (s *scenario) cmdDrop(a *args) {
	c := s.clients[a.word(0)]
	c.ended = true
	s.do(func(t *broker.Turn) { c.link.Detach(t, errors.New("connection reset")) })
}

func (s *scenario) cmdSubscribe(a *args) {
	p := mqtt.Subscribe{PacketID: uint16(a.number("id", 1)), SubscriptionID: uint32(a.number("sid", 0)), User: s.userOf(a)}
	options := mqtt.SubscribeOptions{QoS: mqtt.QoS(a.number("q", 0)), RetainHandling: byte(a.number("rh", 0))}
	c := s.clients[a.word(0)]
	var filters []string
	for _, w := range a.words[1:] {
		switch w {
		case "nl":
			options.NoLocal = true
		case "rap":
			options.RetainAsPublished = true
		default:
			filters = append(filters, w)
		}
	}
	for _, f := range filters {
		p.Add(s.filter(f), options)
	}
	// Through the codec, which keeps the filters.
	raw := p.Append(nil, c.version)
	h, n, _ := mqtt.DecodeHeader(raw)
	var q mqtt.Subscribe
	if err := q.Decode(c.version, h, raw[n:]); err != nil {
		s.t.Fatalf("%s: %v", a.line, err)
	}
	s.call(a.word(0), func(t *broker.Turn, l broker.Link) error { return l.Subscribe(t, &q) })
}

func (s *scenario) cmdUnsubscribe(a *args) {
	p := mqtt.Unsubscribe{PacketID: uint16(a.number("id", 1)), User: s.userOf(a)}
	for _, f := range a.words[1:] {
		p.Add(s.filter(f))
	}
	c := s.clients[a.word(0)]
	raw := p.Append(nil, c.version)
	h, n, _ := mqtt.DecodeHeader(raw)
	var q mqtt.Unsubscribe
	if err := q.Decode(c.version, h, raw[n:]); err != nil {
		s.t.Fatalf("%s: %v", a.line, err)
	}
	s.call(a.word(0), func(t *broker.Turn, l broker.Link) error { return l.Unsubscribe(t, &q) })
}

func (s *scenario) cmdPublish(a *args) {
	payload := ""
	for _, w := range a.words[2:] {
		if w != "retain" && w != "dup" {
			payload = w
		}
	}
	if n := a.number("size", 0); n > 0 {
		payload = strings.Repeat("x", n)
	}
	id := a.number("id", 1)
	for i := range a.number("times", 1) {
		p := mqtt.Publish{
			Topic: []byte(strings.ReplaceAll(a.word(1), "%d", fmt.Sprint(i+1))), QoS: mqtt.QoS(a.number("q", 0)),
			Retain: a.has("retain"), Dup: a.has("dup"),
			Payload: []byte(strings.ReplaceAll(payload, "%d", fmt.Sprint(i+1))),
		}
		if p.QoS > 0 {
			p.PacketID = uint16(id + i)
		}
		if n := a.number("expiry", -1); n >= 0 {
			p.Props.MessageExpiry, p.Props.HasMessageExpiry = uint32(n), true
		}
		p.Props.User = s.userOf(a)
		if v, ok := a.named["answer"]; ok {
			p.Props.ResponseTopic, p.Props.HasResponseTopic = []byte(v), true
			p.Props.CorrelationData, p.Props.HasCorrelationData = []byte(fmt.Sprint(id+i)), true
		}
		if a.number("format", 0) == 1 {
			p.Props.PayloadFormat, p.Props.HasPayloadFormat = 1, true
		}
		s.call(a.word(0), func(t *broker.Turn, l broker.Link) error { return l.Publish(t, &p) })
	}
}

func (s *scenario) cmdAck(a *args) {
	p := mqtt.Ack{PacketID: uint16(a.number("id", 1)), Code: mqtt.ReasonCode(a.number("code", 0))}
	for typ := mqtt.TypePuback; typ <= mqtt.TypePubcomp; typ++ {
		if typ.String() == a.word(1) {
			p.Type = typ
		}
	}
	if p.Type == 0 {
		s.t.Fatalf("no such packet: %s", a.line)
	}
	s.call(a.word(0), func(t *broker.Turn, l broker.Link) error { return l.Ack(t, &p) })
}

func (s *scenario) cmdFull(a *args) { s.clients[a.word(0)].full = true }

func (s *scenario) cmdDrain(a *args) {
	c := s.clients[a.word(0)]
	c.full = false
	s.do(func(t *broker.Turn) { c.link.Drained(t) })
}

func (s *scenario) cmdAdvance(a *args) {
	d, err := time.ParseDuration(a.word(0))
	if err != nil {
		s.t.Fatalf("%s: %v", a.line, err)
	}
	time.Sleep(d) // synthetic
}

func (s *scenario) cmdRestart(*args) { s.restart() }

func (s *scenario) cmdFail(*args) { s.failing.failed.Store(true) }

func (s *scenario) cmdDisk(a *args) { s.failing.hold(a.word(0) == "slow") }

func (s *scenario) cmdLow(a *args) { s.low = a.word(0) == "on" }

func (s *scenario) cmdBulk(a *args) { s.broker.HoldBulk(a.word(0) == "hold") }

func (s *scenario) cmdShow(*args) { s.show = true }

// user reads user=key:value;key:value. An account's name stands for its id.
func (s *scenario) userOf(a *args) (u mqtt.UserProperties) {
	text, ok := a.named["user"]
	if !ok {
		return nil
	}
	for pair := range strings.SplitSeq(text, ";") {
		k, v, _ := strings.Cut(pair, ":")
		switch {
		case k == "cid" && s.accounts[v] != 0:
			v = fmt.Sprint(s.accounts[v])
		case strings.HasPrefix(v, "T+"): // seconds since the beginning of synthetic time
			whole, fraction, _ := strings.Cut(v[2:], ".")
			n, _ := strconv.Atoi(whole)
			if v = fmt.Sprint(946684800 + n); fraction != "" {
				v += "." + fraction
			}
		}
		u = mqtt.AppendUser(u, k, v)
	}
	return u
}

// filter puts the accounts' ids in the place of their names in a filter.
func (s *scenario) filter(f string) string {
	for name, id := range s.accounts {
		f = strings.ReplaceAll(f, "cid="+name, fmt.Sprint("cid=", id))
	}
	return f
}

func (s *scenario) cmdStats(*args) {
	st := s.broker.Stats()
	s.say("stats rejected=%d qos0=%d queue=%d rights=%d large=%d expired=%d sessions=%d attached=%d subscriptions=%d retained=%d",
		st.Rejected.Load(), st.DroppedQoS0.Load(), st.DroppedQueue.Load(), st.DroppedRights.Load(), st.DroppedLarge.Load(),
		st.Expired.Load(), st.Sessions.Load(), st.Attached.Load(), st.Subscriptions.Load(), st.Retained.Load())
}
