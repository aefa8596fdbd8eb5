package server

import (
	"errors"
	"net/netip"

	"alcove/internal/auth"
	"alcove/internal/broker"
	"alcove/internal/mqtt"
)

// connect handles CONNECT, the first packet.
func (c *Conn) connect(t *broker.Turn, h mqtt.Header, body []byte) {
	p := &c.loop.packets.connect
	err := p.Decode(h, body)
	c.out.version = p.Version
	if err != nil {
		c.fail(t, err)
		return
	}
	if c.asksAtConnect() && !c.loop.srv.admission.allow(c.address(), t.Now) {
		c.fail(t, errConnectRate)
		return
	}
	c.out.maxPacket = p.Props.MaximumPacketSize
	c.out.aliasMax = p.Props.TopicAliasMaximum
	if p.Props.HasAuthMethod {
		c.beginAuthentication(t, p, body, h)
		return
	}
	g, err := c.login(t, p)
	if err != nil {
		c.turnedAway(t, p.ClientID, err)
		c.fail(t, err)
		return
	}
	c.attach(t, p, g, nil)
}

// login finds whose connection this is, by what CONNECT tells [EXT-TOK-2].
func (c *Conn) login(t *broker.Turn, p *mqtt.Connect) (*auth.Grant, error) {
	s := c.loop.srv
	if !p.HasUsername && !p.HasPassword && s.cfg.Anonymous != 0 {
		return s.directory.Anonymous(s.cfg.Anonymous, c.address(), t.Now)
	}
	return s.directory.Login(auth.Credentials{
		HasUsername: p.HasUsername,
		Username:    p.Username,
		HasPassword: p.HasPassword,
		Password:    p.Password,
		Addr:        c.address(),
	}, t.Now)
}

// turnedAway tells the account whose token it was that a login was refused; logins
// with no token that there is are the operator's alone to know [EXT-LOG-1].
func (c *Conn) turnedAway(t *broker.Turn, clientID []byte, err error) {
	if r := (*auth.Refusal)(nil); errors.As(err, &r) {
		c.loop.srv.broker.Refused(t, r, clientID, c)
	}
}

func (c *Conn) address() netip.Addr { return c.remote.addrPort().Addr() }

// attach hands the connection to the broker. Until that has answered nothing is
// read: packets that the client sent along with CONNECT wait. A CONNECT that is valid
// gets a CONNACK 0x00, from the broker [MQTT-3.1.4-5] [MQTT311-3.1.4-4].
func (c *Conn) attach(t *broker.Turn, p *mqtt.Connect, g *auth.Grant, data []byte) {
	c.state = statePending
	c.account = g.Account
	c.hold(holdConnect)
	r := broker.ConnectRequest{
		Packet:   p,
		Grant:    g,
		Outlet:   c,
		AuthData: data,
	}
	if a := c.authentication(); a != nil {
		r.AuthMethod = a.method
	}
	c.calling = true
	c.loop.srv.broker.Connect(t, &r, c.connected)
	c.calling = false
}

// connected is the broker's answer to CONNECT. Where err is nil, CONNACK is in the
// output already.
func (c *Conn) connected(t *broker.Turn, answer broker.Connected, err error) {
	if c.state != statePending {
		// The connection has ended meanwhile.
		if err == nil {
			answer.Link.Detach(t, errPeerClosed)
		}
		return
	}
	if err != nil {
		// What came behind CONNECT is not looked at [MQTT-3.1.4-6]
		// [MQTT311-3.1.4-5].
		c.fail(t, err)
		return
	}
	c.link = answer.Link
	c.state = stateUp
	c.heard = c.loop.tick
	if answer.KeepAlive > 0 {
		c.keepAlive = ticks(answer.KeepAlive + answer.KeepAlive/2)
	}
	c.loop.wheel.unset(c) // the deadline of CONNECT
	if c.calling {
		c.holds &^= holdConnect
		c.arm()
		return
	}
	c.unhold(t, holdConnect)
	c.arm()
}
