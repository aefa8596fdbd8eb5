package broker

import (
	"time"

	"alcove/internal/auth"
	"alcove/internal/mqtt"
)

// ConnectRequest is a CONNECT whose sender has proved who it is.
type ConnectRequest struct {
	// Packet is borrowed until Connect returns.
	Packet *mqtt.Connect
	// Grant is what authentication found.
	Grant *auth.Grant
	// Outlet sends to the client.
	Outlet Outlet
	// AuthMethod is repeated in CONNACK [MQTT-4.12.0-5]; AuthData is the
	// final data of enhanced authentication.
	AuthMethod string
	AuthData   []byte
	// Reading makes the connection one of REST that only receives: what the token may
	// GET, always with the broker's stamps [EXT-REST-8] [EXT-UP-8].
	Reading bool
}

// rights are those of the connection under its first grant.
func (r *ConnectRequest) rights(clientID string) *auth.Rights {
	if r.Reading {
		return r.Grant.Reading()
	}
	return r.Grant.Rights(clientID)
}

// Connected is what the server needs to know once a session is attached.
type Connected struct {
	Link Link
	// ClientID is the Client Identifier in force, chosen by the broker where
	// the client sent none.
	ClientID string
	// KeepAlive is in force: the client's, or the Server Keep Alive
	// [MQTT-3.1.2-21]; 0 means none.
	KeepAlive time.Duration
}

// Link is one connection's hold on a Session: the session and this
// attachment of it. Every call after the attachment has ended (a takeover,
// Detach) does nothing and returns no error. A Link is used on its
// connection's owning loop only. The zero Link does nothing.
//
// An error from a method is what ends the connection: *mqtt.Error carries the
// Reason Code for DISCONNECT (3.x: close). The server then sends it and calls
// Detach with that error.
type Link struct{ a *attachment }

// parts are the session and the attachment, nil for the zero Link.
func (l Link) parts() (*Session, *attachment) {
	if l.a == nil {
		return nil, nil
	}
	return l.a.s, l.a
}

// Attached tells whether the link holds a session.
func (l Link) Attached() bool { return l.a != nil }
