package client

import (
	"errors"
	"fmt"
	"time"

	"alcove/internal/mqtt"
)

// Defaults of Options.
const (
	DefaultInbox         = 1024             // messages
	DefaultMaximumPacket = 64 << 20         // bytes
	DefaultWriteTimeout  = 30 * time.Second // of one write
)

// Options say how to introduce oneself and what to keep to.
type Options struct {
	Version    mqtt.Version  // 0: MQTT 5
	ClientID   string        // empty: the server chooses (3.x: CleanStart is needed)
	CleanStart bool          // Clean Session in 3.x
	KeepAlive  time.Duration // whole seconds, at most 65,535; 0: none

	Username []byte // nil: absent
	Password []byte // nil: absent
	Auth     Authenticator
	Will     *mqtt.Will

	// Props are the properties of CONNECT, nil for none; the authentication fields
	// are filled in from Auth. They also say what this client holds the server to:
	// Receive Maximum, Maximum Packet Size, Topic Alias Maximum.
	Props *mqtt.ConnectProps

	// Session resumes an earlier one; nil begins anew. It serves one Client at a time.
	Session *Session

	// ManualAck leaves the acknowledgement of QoS 1 and 2 messages to Message.Ack;
	// otherwise they are acknowledged when they are put into the inbox.
	ManualAck bool

	Inbox         int           // messages waiting for Receive; 0: DefaultInbox
	MaximumPacket int           // bytes; 0: what Props announces, else DefaultMaximumPacket
	WriteTimeout  time.Duration // 0: DefaultWriteTimeout

	// Trace is called for each packet, with its direction; nil: not at all. It must
	// not call the Client.
	Trace func(sent bool, packet string)
}

// Message is an application message. One that was received owns its bytes.
type Message struct {
	Topic   string
	Payload []byte
	QoS     mqtt.QoS
	Retain  bool
	Dup     bool // of a received message
	Props   mqtt.PublishProps

	id     uint16
	client *Client
}

// PacketID returns the packet identifier under which the message came; 0 for QoS 0
// and for messages made here.
func (m *Message) PacketID() uint16 { return m.id }

// Errors by which a Client ends or refuses.
var (
	// ErrClosed is the end of a Client by its own Disconnect or Close.
	ErrClosed = errors.New("the connection was closed")
	// ErrKeepAlive is the end when the server answers no ping.
	ErrKeepAlive = errors.New("the server does not answer")
	// ErrSessionLost ends deliveries which the server has no session for any more.
	ErrSessionLost = errors.New("the server has lost the session")
	// ErrIdentifiers is given when all packet identifiers are in use.
	ErrIdentifiers = errors.New("all packet identifiers are in use")
)

// RefusedError says that the server has refused the CONNECT.
type RefusedError struct {
	Code   mqtt.ReasonCode // a 3.x return code is expressed by the code of MQTT 5
	V3     byte            // the return code in 3.x
	Reason string
}

// Error names the code and gives the server's reason.
func (e *RefusedError) Error() string {
	text := fmt.Sprintf("connection refused: %v", e.Code)
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return text
}

// DisconnectedError says that the server has ended the connection with a DISCONNECT.
type DisconnectedError struct {
	Code            mqtt.ReasonCode
	Reason          string
	ServerReference string
}

// Error names the code and gives the server's reason.
func (e *DisconnectedError) Error() string {
	text := fmt.Sprintf("disconnected by the server: %v", e.Code)
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return text
}

// complete returns a copy with the defaults filled in.
func (o Options) complete() (Options, error) {
	if o.Version == 0 {
		o.Version = mqtt.V5
	}
	if o.Props == nil {
		p := mqtt.NewConnectProps()
		o.Props = &p
	}
	if o.Session == nil {
		o.Session = NewSession()
	}
	if o.Inbox <= 0 {
		o.Inbox = DefaultInbox
	}
	if o.MaximumPacket <= 0 {
		if o.MaximumPacket = DefaultMaximumPacket; o.Version == mqtt.V5 && o.Props.MaximumPacketSize > 0 {
			o.MaximumPacket = int(o.Props.MaximumPacketSize)
		}
	}
	if o.WriteTimeout <= 0 {
		o.WriteTimeout = DefaultWriteTimeout
	}
	switch {
	case o.Version < mqtt.V31 || o.Version > mqtt.V5:
		return o, fmt.Errorf("protocol %v", o.Version)
	case o.KeepAlive < 0 || o.KeepAlive > 65535*time.Second:
		return o, errors.New("keep alive is not within 0 and 65,535 seconds")
	case o.Auth != nil && o.Version != mqtt.V5:
		return o, errors.New("enhanced authentication needs MQTT 5")
	case o.Version != mqtt.V5 && o.ClientID == "" && !o.CleanStart:
		return o, errors.New("an empty client identifier needs a clean session") // [MQTT311-3.1.3-7]
	case o.Version != mqtt.V5 && o.Username == nil && o.Password != nil:
		return o, errors.New("MQTT 3 has no password without a user name") // [MQTT311-3.1.2-22]
	}
	return o, nil
}

// connect builds the CONNECT packet.
func (o *Options) connect() (*mqtt.Connect, error) {
	c := &mqtt.Connect{Version: o.Version, CleanStart: o.CleanStart, ClientID: []byte(o.ClientID), Props: *o.Props}
	c.KeepAlive = uint16(o.KeepAlive / time.Second)
	c.HasUsername, c.Username = o.Username != nil, o.Username
	c.HasPassword, c.Password = o.Password != nil, o.Password
	if o.Will != nil {
		c.HasWill, c.Will = true, *o.Will
	}
	if o.Auth != nil {
		data, err := o.Auth.Start()
		if err != nil {
			return nil, err
		}
		c.Props.AuthMethod, c.Props.HasAuthMethod = []byte(o.Auth.Method()), true
		c.Props.AuthData, c.Props.HasAuthData = data, data != nil
	}
	return c, nil
}
