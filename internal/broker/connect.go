package broker

import (
	"crypto/rand"
	"strings"
	"time"

	"alcove/internal/event"
	"alcove/internal/mqtt"
)

// connecting is a CONNECT on its way to a session. It may have to wait: for the
// connect or takeover before it, for the old connection's loop, for the disk.
// From claim to attach it is the only one that changes whose session it is;
// later ones for the same Client Identifier wait in Session.contest.
type connecting struct {
	b           *Broker
	ns          *Namespace
	s           *Session
	out         Outlet
	done        func(*Turn, Connected, error)
	clientID    string
	assigned    bool // the broker chose the Client Identifier
	clean       bool
	present     bool // Session Present
	altered     bool // it was there, with another Session Expiry Interval
	expiry      uint32
	keepAlive   uint16
	will        *will
	ticket      uint64 // what CONNACK waits for
	respond     bool   // Request Response Information
	askedExpiry uint32
	authMethod  string
	authData    []byte
	a           *attachment         // made ready, not yet the session's
	user        mqtt.UserProperties // of CONNACK
}

// Connect attaches a client that has proved who it is to its session
// [MQTT-3.1.4-4] [MQTT311-3.1.4-3]. done is called exactly once: at once or, on
// the owning loop, when what CONNACK says is durable. On success the CONNACK has
// been appended. An error is an *mqtt.Error for the server to send in its own
// CONNACK.
func (b *Broker) Connect(t *Turn, r *ConnectRequest, done func(t *Turn, c Connected, err error)) {
	c, err := b.prepare(t, r)
	if err != nil {
		t.noteRefused(r.Grant.Account, r.Grant.Token, string(r.Packet.ClientID), r.Outlet, err)
		done(t, Connected{}, err)
		return
	}
	c.done = done
	c.claim(t)
}

// prepare checks a CONNECT and copies what outlives the call.
func (b *Broker) prepare(t *Turn, r *ConnectRequest) (*connecting, error) {
	p := r.Packet
	ns, ok := b.namespace(r.Grant.Account)
	if !ok {
		return nil, &mqtt.Error{Code: mqtt.NotAuthorized, Reason: "the token's account is gone"}
	}
	id, assigned, err := clientID(p)
	if err != nil {
		return nil, err
	}
	rights := r.rights(id)
	w, err := b.newWill(t, p, r.Grant, rights)
	if err != nil {
		return nil, err
	}
	c := &connecting{
		b: b, ns: ns, out: r.Outlet, clientID: id, assigned: assigned,
		clean: p.CleanStart, will: w, keepAlive: p.KeepAlive,
		respond: p.Props.RequestResponseInfo, askedExpiry: p.Props.SessionExpiry,
		authMethod: r.AuthMethod, authData: r.AuthData,
	}
	if k := b.features.ServerKeepAlive; k != 0 {
		c.keepAlive = k
	}
	c.expiry = ns.sessionExpiry(p)
	c.a = &attachment{
		out: r.Outlet, version: p.Version, since: t.Now.UnixNano(),
		grant: r.Grant, rights: rights,
		problemInfo: p.Version == mqtt.V5 && p.Props.RequestProblemInfo,
		window:      uint16(b.limits.InflightMaximum),
		maxPacket:   mqtt.MaxPacketSize,
		keepAlive:   c.keepAlive,
		reading:     r.Reading,
	}
	if n := p.Props.ReceiveMaximum; n != 0 {
		c.a.window = min(c.a.window, n)
	}
	if n := p.Props.MaximumPacketSize; n != 0 {
		c.a.maxPacket = min(n, mqtt.MaxPacketSize)
		if len(c.connack(t, 0)) > int(c.a.maxPacket) { // [MQTT-3.1.2-24]
			return nil, &mqtt.Error{Code: mqtt.PacketTooLarge, Reason: "the Maximum Packet Size is too small for CONNACK"}
		}
	}
	return c, nil
}

// clientID gives the Client Identifier in force. An empty one is replaced
// [MQTT-3.1.3-6] [MQTT-3.1.3-7] [MQTT311-3.1.3-6], which a 3.1.1 client may
// only ask for with a clean session [MQTT311-3.1.3-7] [MQTT311-3.1.3-8], and a
// 3.1 client never. Every other valid text is taken [MQTT-3.1.3-5]
// [MQTT311-3.1.3-5], up to a bound [MQTT-3.1.3-8] [MQTT311-3.1.3-9].
func clientID(p *mqtt.Connect) (id string, assigned bool, err error) {
	switch n := len(p.ClientID); {
	case n > clientIDBytes:
		return "", false, &mqtt.Error{Code: mqtt.ClientIdentifierNotValid, Reason: "the Client Identifier is longer than 1,024 bytes"}
	case n > 0:
		return string(p.ClientID), false, nil
	case p.Version == mqtt.V31 || p.Version == mqtt.V311 && !p.CleanStart:
		return "", false, &mqtt.Error{Code: mqtt.ClientIdentifierNotValid, Reason: "the Client Identifier is empty"}
	}
	// 130 bits of chance: unique without asking [MQTT-3.2.2-16].
	return "auto" + strings.ToLower(rand.Text()), true, nil
}

// sessionExpiry is how long the session lives after its connection, in seconds
// [EXT-SES-2].
func (ns *Namespace) sessionExpiry(p *mqtt.Connect) uint32 {
	settings := ns.settings.Load()
	if p.Version == mqtt.V5 {
		return clampSeconds(p.Props.SessionExpiry, settings.SessionExpiryMax)
	}
	if p.CleanStart {
		return 0 // [MQTT311-3.1.2-6]
	}
	return clampSeconds(seconds(settings.SessionExpiryV3), settings.SessionExpiryMax)
}

func seconds(d time.Duration) uint32 { return uint32(min(int64(d/time.Second), never)) }

func clampSeconds(v uint32, limit time.Duration) uint32 { return min(v, seconds(limit)) }

// claim takes the session, or waits behind whoever has it.
func (c *connecting) claim(t *Turn) {
	ns := c.ns
	ns.mu.Lock()
	if ns.ended {
		ns.mu.Unlock()
		c.refuse(t, &mqtt.Error{Code: mqtt.NotAuthorized, Reason: "the account is gone"})
		return
	}
	s := ns.sessions[c.clientID]
	switch {
	case s == nil && ns.noSession() != nil:
		refusal := ns.noSession()
		ns.mu.Unlock()
		c.refuse(t, refusal)
		return
	case s == nil && c.expiry > 0 && ns.storeRefuses():
		ns.mu.Unlock()
		c.refuse(t, &mqtt.Error{Code: mqtt.QuotaExceeded, Reason: errStoreFull})
		return
	case s == nil:
		s = ns.newSession(c.clientID, t.Now)
	case s.claimed() != nil:
		outrun := s.contest.wait(c)
		ns.mu.Unlock()
		for _, older := range outrun {
			older.out.Post(older.outrun)
		}
		return
	default: // Session Present, by the Client Identifier [MQTT-3.1.3-2] [MQTT311-3.1.3-2]
		c.present = true
	}
	s.contested().claim, c.s = c, s
	damped := s.link.Load() != nil && s.contest.damped(t.Now)
	ns.mu.Unlock()
	if s.link.Load() == nil {
		c.proceed(t)
		return
	}
	if damped {
		r := s.event(event.Takeover, c.a.grant.Token, c.a)
		r.Reason = "more than 5 takeovers in 10 seconds: the newcomer waits"
		t.note(r)
		time.AfterFunc(takeoverDelay, func() { c.out.Post(c.takeOver) })
		return
	}
	c.takeOver(t)
}

// takeOver lets the old connection's loop detach it, with 0x8E, and goes on
// after that [MQTT-3.1.4-3] [MQTT311-3.1.4-2] [EXT-SES-1]. So no two loops ever
// act for one session.
func (c *connecting) takeOver(t *Turn) {
	old := c.s.link.Load()
	if old == nil {
		c.proceed(t)
		return
	}
	old.out.Post(func(t *Turn) {
		// The end comes before the newcomer's CONNACK; the Will is published
		// unless its delay lets the resumption cancel it [MQTT-3.1.2-8].
		old.out.End(t, mqtt.SessionTakenOver, "another connection uses this Client Identifier")
		c.s.detach(t, old, mqtt.SessionTakenOver, "taken over")
		r := c.s.event(event.Takeover, c.a.grant.Token, c.a)
		r.Reason = "the session was taken over from another connection" // [EXT-LOG-1]
		t.note(r)
		c.out.Post(c.proceed)
	})
}

// proceed makes the session the newcomer's: as it was, re-authorised, or a new
// one where there was none [MQTT-3.1.2-5] [MQTT-3.1.2-6] [MQTT311-3.1.2-4].
func (c *connecting) proceed(t *Turn) {
	if c.clean && c.present { // [MQTT-3.1.2-4] [MQTT311-3.1.2-6]
		c.ticket = c.s.end(t, "clean start")
	}
	for !c.take(t) {
		if !c.renew(t) {
			c.unclaim()
			c.refuse(t, &mqtt.Error{Code: mqtt.NotAuthorized, Reason: "the account is gone"})
			return
		}
	}
	t.b.janitor.cancel(c.s)
	t.settleShared()
	if t.b.commit.ripe(c.ticket) {
		c.attach(t)
		return
	}
	// The session's state is durable before CONNACK speaks of it [EXT-SES-4].
	t.kick = true
	t.b.commit.after(c.ticket, func() { c.out.Post(c.attach) }, func() { c.out.Post(c.forsake) })
}

// forsake gives up a session that can no longer be made durable: one that was there
// waits for its end as before, a new one goes.
func (c *connecting) forsake(t *Turn) {
	s := c.s
	s.mu.Lock()
	s.will, s.detached = nil, t.Now.UnixNano()
	lasting := c.present && s.expiry > 0
	s.mu.Unlock()
	if lasting {
		t.b.janitor.watch(s, s.deadline())
	} else {
		s.end(t, errStoreLost.Reason)
	}
	t.settleShared()
	c.unclaim()
	c.refuse(t, errStoreLost)
}

// renew makes a new session in the place of the one that ended. The claim, and
// those who wait, go over to it.
func (c *connecting) renew(t *Turn) bool {
	ns, old := c.ns, c.s
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if ns.ended {
		return false
	}
	c.s = ns.newSession(c.clientID, t.Now)
	c.s.contest, old.contest = old.contest, nil
	c.present = false
	return true
}

// take writes the newcomer's data into the session and records them. It
// returns false where the session has ended.
func (c *connecting) take(t *Turn) bool {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || s.expiry == 0 && s.detached != 0 {
		// The second: its connection has just ended, and whoever saw to that is
		// about to end it too.
		return false
	}
	if c.present {
		s.reauthorise(t, c.a.rights)
	} else {
		s.rights.Store(c.a.rights)
	}
	s.token = c.a.grant.Token
	s.will = c.will // a delayed Will of before is cancelled [MQTT-3.1.3-9]
	s.detached = 0
	s.epoch++
	// The account's settings may have changed since CONNECT was read.
	c.expiry = clampSeconds(c.expiry, s.ns.settings.Load().SessionExpiryMax)
	c.altered = c.present && s.expiry != c.expiry
	s.expiry = c.expiry
	s.lasting.Store(c.expiry > 0)
	durable, sync := s.ns.durability()
	switch {
	case !durable && !s.recorded:
	case c.expiry > 0 || s.recorded:
		c.ticket = s.enter(t, c.a, sync)
	case c.will != nil:
		// Not durable but for its Will, which fires after a crash too: nobody
		// waits for this record.
		s.enter(t, c.a, false)
	}
	return true
}

// attach makes the session reachable and appends CONNACK in one section: the
// CONNACK is the first packet [MQTT-3.2.0-1] [MQTT311-3.2.0-1]. What was not
// acknowledged goes out again behind it, in order [MQTT-4.4.0-1]
// [MQTT-4.6.0-1] [MQTT311-4.4.0-1] [MQTT311-4.6.0-1].
func (c *connecting) attach(t *Turn) {
	s, a := c.s, c.a
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		c.unclaim()
		c.refuse(t, &mqtt.Error{Code: mqtt.NotAuthorized, Reason: "the account is gone"})
		return
	}
	a.s = s
	a.out.Send(t, c.greeting(t, s))
	s.link.Store(a) // QoS 0 finds it without the lock: not before CONNACK
	s.pump(t, a)
	groups := s.groups()
	s.mu.Unlock()
	for _, g := range groups {
		g.attached(t, s)
	}
	t.b.stats.Attached.Add(1)
	s.ns.usage.online.Add(1)
	t.b.directory.SetLive(a.grant.Token, 1, t.Now)
	t.b.users.enter(a, a.grant.Token)
	c.tellLife(t)
	t.note(s.event(event.Accepted, a.grant.Token, a))
	c.done(t, Connected{
		Link: Link{a}, ClientID: c.clientID,
		KeepAlive: time.Duration(c.keepAlive) * time.Second,
	}, nil)
	c.unclaim()
	t.b.recheck(t, a)
}
