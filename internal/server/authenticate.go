package server

import (
	"alcove/internal/auth"
	"alcove/internal/broker"
	"alcove/internal/mqtt"
)

// authentication is the enhanced authentication of a connection: the method named
// in CONNECT, and the exchange that is under way.
type authentication struct {
	method string
	scram  *auth.Scram // nil between exchanges
	rounds int         // AUTH packets of the exchange
	by     uint32      // when a re-authentication must be done, in ticks; 0 none
	// connect is the CONNECT that waits for the exchange, and its header.
	connect []byte
	header  mqtt.Header
}

var (
	errAuthMethod   = &mqtt.Error{Code: mqtt.BadAuthenticationMethod, Reason: "the Authentication Method is not supported"}
	errAuthAnother  = &mqtt.Error{Code: mqtt.ProtocolError, Reason: "another Authentication Method than that of CONNECT"}
	errAuthNone     = &mqtt.Error{Code: mqtt.ProtocolError, Reason: "AUTH without an Authentication Method in CONNECT"}
	errAuthCode     = &mqtt.Error{Code: mqtt.ProtocolError, Reason: "AUTH with a reason code that does not fit here"}
	errAuthRounds   = &mqtt.Error{Code: mqtt.NotAuthorized, Reason: "the authentication does not come to an end"}
	errAuthTimeout  = &mqtt.Error{Code: mqtt.NotAuthorized, Reason: "the authentication takes too long"}
	errAuthTooLarge = &mqtt.Error{Code: mqtt.PacketTooLarge, Reason: "Maximum Packet Size is too small for AUTH"}
)

// beginAuthentication begins the exchange that CONNECT asks for.
func (c *Conn) beginAuthentication(t *broker.Turn, p *mqtt.Connect, body []byte, h mqtt.Header) {
	if string(p.Props.AuthMethod) != auth.ScramMethod {
		c.fail(t, errAuthMethod) // [MQTT-4.12.0-1]
		return
	}
	c.rarely().auth = &authentication{
		method:  auth.ScramMethod,
		scram:   auth.NewScram(c.loop.srv.directory, c.address()),
		connect: append([]byte(nil), body...),
		header:  h,
	}
	c.state = stateAuth
	if !p.Props.HasAuthData {
		c.sendAuth(t, mqtt.ContinueAuthentication, nil)
		return
	}
	c.authStep(t, p.Props.AuthData)
}

// authPacket handles what comes between CONNECT and CONNACK.
func (c *Conn) authPacket(t *broker.Turn, h mqtt.Header, body []byte) {
	in := &c.loop.packets
	var err error
	switch h.Type {
	case mqtt.TypeDisconnect:
		if err = in.disconnect.Decode(c.out.version, h, body); err == nil {
			c.finish(t, nil)
			return
		}
	case mqtt.TypeAuth:
		if err = in.auth.Decode(c.out.version, h, body); err != nil {
			break
		}
		switch {
		case in.auth.Code != mqtt.ContinueAuthentication:
			err = errAuthCode // [MQTT-4.12.0-3]
		case string(in.auth.Method) != c.more.auth.method:
			err = errAuthAnother // [MQTT-4.12.0-5]
		default:
			c.authStep(t, in.auth.Data)
			return
		}
	case mqtt.TypeConnect:
		err = errSecondConnect // [MQTT-3.1.0-2]
	default:
		err = errBeforeConnack // [MQTT-3.1.2-30]
	}
	c.fail(t, err)
}

// authStep takes the client's next Authentication Data, at CONNECT or later.
func (c *Conn) authStep(t *broker.Turn, data []byte) {
	a := c.authentication()
	if a.rounds++; a.rounds > authRounds {
		c.fail(t, errAuthRounds)
		return
	}
	reply, done, g, err := a.scram.Step(data, t.Now)
	if err != nil {
		c.turnedAwayLate(t, err)
		c.fail(t, err) // [MQTT-4.12.0-4] [MQTT-4.12.1-2]
		return
	}
	if !done {
		c.sendAuth(t, mqtt.ContinueAuthentication, reply) // [MQTT-4.12.0-2]
		return
	}
	a.scram, a.rounds, a.by = nil, 0, 0
	if c.state == stateUp {
		if err := c.link.Reauthenticate(t, g); err != nil {
			c.fail(t, err) // [MQTT-4.12.1-2]
			return
		}
		c.sendAuth(t, mqtt.Success, reply)
		return
	}
	body, h := a.connect, a.header
	a.connect = nil
	p := &c.loop.packets.connect
	if err := p.Decode(h, body); err != nil {
		c.fail(t, err)
		return
	}
	c.attach(t, p, g, reply)
}

// turnedAwayLate is turnedAway for an exchange: its CONNECT is read once more for the
// Client Identifier. Of a re-authentication the end of the connection tells.
func (c *Conn) turnedAwayLate(t *broker.Turn, err error) {
	if c.state != stateAuth {
		return
	}
	p := &c.loop.packets.connect
	if p.Decode(c.more.auth.header, c.more.auth.connect) == nil {
		c.turnedAway(t, p.ClientID, err)
	}
}

// sendAuth sends an AUTH, with the method of CONNECT [MQTT-4.12.0-5].
func (c *Conn) sendAuth(t *broker.Turn, code mqtt.ReasonCode, data []byte) {
	p := mqtt.Auth{Code: code, Method: []byte(c.more.auth.method), Data: data}
	if limit := c.out.maxPacket; limit != 0 && !p.Fit(mqtt.V5, int(limit)) {
		c.fail(t, errAuthTooLarge) // [MQTT-3.1.2-24]
		return
	}
	var room [512]byte
	c.reply(t, p.Append(room[:0], mqtt.V5))
}

// reauthenticate handles AUTH of a connected client. Other packets go on meanwhile,
// under the rights that were.
func (c *Conn) reauthenticate(t *broker.Turn, h mqtt.Header, body []byte) error {
	p := &c.loop.packets.auth
	if err := p.Decode(c.out.version, h, body); err != nil {
		return err
	}
	a := c.authentication()
	if a == nil {
		return errAuthNone // [MQTT-4.12.0-6] [MQTT-4.12.0-7]
	}
	if string(p.Method) != a.method {
		return errAuthAnother // [MQTT-4.12.1-1]
	}
	switch {
	case p.Code == mqtt.ReAuthenticate && a.scram == nil:
		a.scram = auth.NewScram(c.loop.srv.directory, c.address())
		a.by = c.loop.tick + ticks(c.loop.srv.cfg.Limits.ConnectTimeout)
		c.arm()
		if p.Data == nil {
			c.sendAuth(t, mqtt.ContinueAuthentication, nil)
			return nil
		}
	case p.Code == mqtt.ContinueAuthentication && a.scram != nil:
	default:
		return errAuthCode
	}
	c.authStep(t, p.Data)
	return nil
}
