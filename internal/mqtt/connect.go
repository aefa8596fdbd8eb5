package mqtt

// Connect is the first packet of a client [MQTT-3.1.0-1].
//
// For MQTT 3.x CleanStart is what these versions call Clean Session, and Props and
// the properties of the Will stay empty.
type Connect struct {
	Version     Version // set by Decode
	CleanStart  bool
	KeepAlive   uint16 // seconds; 0 turns it off
	ClientID    []byte // may be empty: whether it may be is the server's policy
	HasUsername bool
	Username    []byte
	HasPassword bool
	Password    []byte
	HasWill     bool
	Will        Will
	Props       ConnectProps
}

// ConnectProps are the properties of a CONNECT. Begin from NewConnectProps: the zero
// value asks for no problem information.
type ConnectProps struct {
	SessionExpiry       uint32 // seconds; 0xFFFFFFFF never expires
	HasSessionExpiry    bool
	ReceiveMaximum      uint16 // 0 when absent, which means 65,535
	MaximumPacketSize   uint32 // bytes; 0 when absent, which means no limit
	TopicAliasMaximum   uint16 // 0 when absent: no aliases
	RequestResponseInfo bool
	RequestProblemInfo  bool // true when absent
	User                UserProperties
	AuthMethod          []byte
	HasAuthMethod       bool
	AuthData            []byte
	HasAuthData         bool
}

// NewConnectProps returns the properties of a CONNECT which has none.
func NewConnectProps() ConnectProps { return ConnectProps{RequestProblemInfo: true} }

// The connect flags.
const (
	connectReserved   = 0x01
	connectCleanStart = 0x02
	connectWill       = 0x04
	connectWillQoS    = 0x18
	connectWillRetain = 0x20
	connectPassword   = 0x40
	connectUsername   = 0x80
)

// Decode reads a CONNECT of any version from the body of a packet with header h.
//
// On an error, Version is the one in which the refusal is to be written: that of the
// packet if its level is supported; V311 for an unknown level, since MQTT 3.1.1 asks
// for CONNACK 0x01 there [MQTT311-3.1.2-2] and no version can be presumed (this also
// refuses levels with bit 7 set, by which some bridges mark themselves, in the way
// they expect); and 0 when it is not MQTT at all: then nothing should be answered.
func (c *Connect) Decode(h Header, body []byte) error {
	*c = Connect{Props: NewConnectProps()}
	r := reader{b: body}
	if c.decodeProtocol(&r); r.err != nil {
		return r.err
	}
	flags := r.uint8()
	c.KeepAlive = r.uint16()
	if r.err == nil {
		if e := checkConnectFlags(flags, c.Version); e != nil {
			return e
		}
	}
	c.CleanStart = flags&connectCleanStart != 0
	if c.Version == V5 {
		c.Props.decode(&r)
	}
	c.decodePayload(&r, flags)
	return r.end() // [MQTT-3.1.4-1] [MQTT311-3.1.4-1]
}

// decodeProtocol reads the protocol name and level.
//
// [MQTT-3.1.2-1] [MQTT-3.1.2-2] [MQTT311-3.1.2-1] [MQTT311-3.1.2-2]
func (c *Connect) decodeProtocol(r *reader) {
	name := r.binary()
	if r.err == nil && string(name) != "MQTT" && string(name) != "MQIsdp" {
		r.fail(errProtocolName)
	}
	level := Version(r.uint8())
	switch {
	case r.err != nil:
	case level == V31 && string(name) == "MQIsdp":
		c.Version = V31
	case (level == V311 || level == V5) && string(name) == "MQTT":
		c.Version = level
	default:
		c.Version = V311
		r.fail(errProtocolLevel)
	}
}

func checkConnectFlags(flags byte, v Version) *Error {
	switch {
	case flags&connectReserved != 0:
		return errConnectFlags // [MQTT-3.1.2-3] [MQTT311-3.1.2-3]
	case flags&connectWill == 0 && flags&(connectWillQoS|connectWillRetain) != 0:
		// [MQTT-3.1.2-11] [MQTT-3.1.2-13]
		// [MQTT311-3.1.2-11] [MQTT311-3.1.2-13] [MQTT311-3.1.2-15]
		return errWillFlags
	case flags&connectWillQoS == connectWillQoS:
		return errWillQoS // [MQTT-3.1.2-12] [MQTT311-3.1.2-14]
	case v != V5 && flags&connectPassword != 0 && flags&connectUsername == 0:
		return errPasswordAlone // [MQTT311-3.1.2-22]
	}
	return nil
}

// decodePayload reads the fields that the flags announce, in their only order
// [MQTT-3.1.3-1] [MQTT311-3.1.3-1]. A field that is announced and missing, or there
// and not announced, leaves the packet too short or too long.
//
// [MQTT-3.1.2-9] [MQTT-3.1.2-16] [MQTT-3.1.2-17] [MQTT-3.1.2-18] [MQTT-3.1.2-19]
// [MQTT-3.1.3-3] [MQTT311-3.1.2-9] [MQTT311-3.1.2-18] [MQTT311-3.1.2-19]
// [MQTT311-3.1.2-20] [MQTT311-3.1.2-21] [MQTT311-3.1.3-3]
func (c *Connect) decodePayload(r *reader, flags byte) {
	c.ClientID = r.text(errClientIDText) // [MQTT-3.1.3-4] [MQTT311-3.1.3-4]
	if flags&connectWill != 0 {
		c.HasWill = true
		c.Will.QoS = QoS(flags & connectWillQoS >> 3)
		c.Will.Retain = flags&connectWillRetain != 0
		c.Will.decode(r, c.Version)
	}
	if flags&connectUsername != 0 && !c.cutShort(r) {
		c.HasUsername = true
		c.Username = r.text(errUsernameText) // [MQTT-3.1.3-12] [MQTT311-3.1.3-11]
	}
	if flags&connectPassword != 0 && !c.cutShort(r) {
		c.HasPassword = true
		c.Password = r.binary()
	}
}

// cutShort reports whether user name or password are announced and left out in the
// way that MQTT 3.1 allows: there the length of the packet rules over the flags.
func (c *Connect) cutShort(r *reader) bool {
	return c.Version == V31 && r.err == nil && len(r.b) == 0
}

func (p *ConnectProps) decode(r *reader) {
	in := r.properties(propsConnect)
	for id := in.next(); id != 0; id = in.next() {
		switch id {
		case propSessionExpiry:
			p.SessionExpiry, p.HasSessionExpiry = in.uint32(), true
		case propReceiveMaximum:
			p.ReceiveMaximum = in.positive16()
		case propMaximumPacketSize:
			p.MaximumPacketSize = in.positive32()
		case propTopicAliasMaximum:
			p.TopicAliasMaximum = in.uint16()
		case propRequestResponseInfo:
			p.RequestResponseInfo = in.flag()
		case propRequestProblemInfo:
			p.RequestProblemInfo = in.flag()
		case propUser:
			p.User = in.user(p.User)
		case propAuthMethod:
			p.AuthMethod, p.HasAuthMethod = in.text(errAuthMethodText), true
		case propAuthData:
			p.AuthData, p.HasAuthData = in.binary(), true
		}
	}
	if p.HasAuthData && !p.HasAuthMethod {
		in.fail(errAuthMethodMissing)
	}
	in.leave(r)
}

// Size returns the size of the whole packet in bytes.
func (c *Connect) Size(v Version) int { return PacketSize(c.remaining(v)) }

func (c *Connect) remaining(v Version) int {
	n := 2 + len(protocolName(v)) + 1 + 1 + 2
	if v == V5 {
		props := c.Props.size()
		n += varintSize(props) + props
	}
	n += textSize(c.ClientID)
	if c.HasWill {
		n += c.Will.size(v)
	}
	return n + when(c.HasUsername, textSize(c.Username)) + when(c.HasPassword, binarySize(c.Password))
}

func protocolName(v Version) string {
	if v == V31 {
		return "MQIsdp"
	}
	return "MQTT"
}

func (c *Connect) flags() (flags byte) {
	if c.CleanStart {
		flags |= connectCleanStart
	}
	if c.HasWill {
		flags |= connectWill | byte(c.Will.QoS&3)<<3
		if c.Will.Retain {
			flags |= connectWillRetain
		}
	}
	if c.HasPassword {
		flags |= connectPassword
	}
	if c.HasUsername {
		flags |= connectUsername
	}
	return flags
}

// Append appends the whole packet to dst, in the form of v; c.Version is not looked at.
func (c *Connect) Append(dst []byte, v Version) []byte {
	dst = appendHeader(dst, byte(TypeConnect)<<4, c.remaining(v))
	dst = appendText(dst, protocolName(v))
	dst = append(dst, byte(v), c.flags())
	dst = appendUint16(dst, c.KeepAlive)
	if v == V5 {
		dst = c.Props.append(dst)
	}
	dst = appendText(dst, c.ClientID)
	if c.HasWill {
		dst = c.Will.append(dst, v)
	}
	if c.HasUsername {
		dst = appendText(dst, c.Username)
	}
	if c.HasPassword {
		dst = appendBinary(dst, c.Password)
	}
	return dst
}

func (p *ConnectProps) size() int {
	return when(p.HasSessionExpiry, uint32Property) +
		when(p.ReceiveMaximum != 0, uint16Property) +
		when(p.MaximumPacketSize != 0, uint32Property) +
		when(p.TopicAliasMaximum != 0, uint16Property) +
		when(p.RequestResponseInfo, byteProperty) +
		when(!p.RequestProblemInfo, byteProperty) +
		len(p.User) +
		when(p.HasAuthMethod, textProperty(p.AuthMethod)) +
		when(p.HasAuthData, binaryProperty(p.AuthData))
}

func (p *ConnectProps) append(dst []byte) []byte {
	dst = appendVarint(dst, p.size())
	if p.HasSessionExpiry {
		dst = appendUint32Property(dst, propSessionExpiry, p.SessionExpiry)
	}
	if p.ReceiveMaximum != 0 {
		dst = appendUint16Property(dst, propReceiveMaximum, p.ReceiveMaximum)
	}
	if p.MaximumPacketSize != 0 {
		dst = appendUint32Property(dst, propMaximumPacketSize, p.MaximumPacketSize)
	}
	if p.TopicAliasMaximum != 0 {
		dst = appendUint16Property(dst, propTopicAliasMaximum, p.TopicAliasMaximum)
	}
	if p.RequestResponseInfo {
		dst = appendFlagProperty(dst, propRequestResponseInfo, true)
	}
	if !p.RequestProblemInfo {
		dst = appendFlagProperty(dst, propRequestProblemInfo, false)
	}
	dst = append(dst, p.User...)
	if p.HasAuthMethod {
		dst = appendTextProperty(dst, propAuthMethod, p.AuthMethod)
	}
	if p.HasAuthData {
		dst = appendBinaryProperty(dst, propAuthData, p.AuthData)
	}
	return dst
}
