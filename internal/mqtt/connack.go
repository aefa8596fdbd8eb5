package mqtt

// Connack is the server's answer to CONNECT.
type Connack struct {
	SessionPresent bool
	Code           ReasonCode
	Props          ConnackProps
}

// ConnackProps are the properties of a CONNACK (MQTT 5). The zero value has none. For
// the byte slices nil is absent; an empty slice is sent as an empty string.
type ConnackProps struct {
	SessionExpiry              uint32 // seconds
	HasSessionExpiry           bool
	ReceiveMaximum             uint16 // 0 when absent, which means 65,535
	MaximumQoS                 QoS    // counts if HasMaximumQoS: 0 or 1
	HasMaximumQoS              bool
	RetainUnavailable          bool
	MaximumPacketSize          uint32 // bytes; 0 when absent, which means no limit
	AssignedClientID           []byte
	TopicAliasMaximum          uint16 // 0 when absent: no aliases
	Reason                     []byte
	User                       UserProperties
	WildcardsUnavailable       bool
	SubscriptionIDsUnavailable bool
	SharedUnavailable          bool
	ServerKeepAlive            uint16 // seconds
	HasServerKeepAlive         bool
	ResponseInfo               []byte
	ServerReference            []byte
	AuthMethod                 []byte
	AuthData                   []byte
}

// [MQTT-3.2.2-8]
var connackCodes = newCodeSet(Success, UnspecifiedError, MalformedPacket, ProtocolError,
	ImplementationSpecificError, UnsupportedProtocolVersion, ClientIdentifierNotValid,
	BadUserNameOrPassword, NotAuthorized, ServerUnavailable, ServerBusy, Banned,
	BadAuthenticationMethod, TopicNameInvalid, PacketTooLarge, QuotaExceeded,
	PayloadFormatInvalid, RetainNotSupported, QoSNotSupported, UseAnotherServer, ServerMoved,
	ConnectionRateExceeded)

// Decode reads a CONNACK. The return codes of MQTT 3.x become those of MQTT 5.
func (c *Connack) Decode(v Version, _ Header, body []byte) error {
	*c = Connack{}
	r := reader{b: body}
	flags := r.uint8()
	code := r.uint8()
	if v == V31 {
		flags = 0 // Why: MQTT 3.1 has no flags there, only an unused byte.
	}
	if flags > 1 {
		r.fail(errConnackFlags) // [MQTT-3.2.2-1]
	}
	c.SessionPresent = flags == 1
	c.Code = ReasonCode(code)
	if v != V5 {
		if int(code) >= len(v3ConnackCodes) {
			r.fail(errCode)
		} else {
			c.Code = v3ConnackCodes[code]
		}
	} else if !connackCodes.has(c.Code) {
		r.fail(errCode)
	}
	if c.SessionPresent && c.Code != Success {
		r.fail(errConnackPresent) // [MQTT-3.2.2-6] [MQTT311-3.2.2-4]
	}
	if v == V5 {
		c.Props.decode(&r)
	}
	return r.end()
}

func (p *ConnackProps) decode(r *reader) {
	in := r.properties(propsConnack)
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
		case propServerKeepAlive:
			p.ServerKeepAlive, p.HasServerKeepAlive = in.uint16(), true
		case propUser:
			p.User = in.user(p.User)
		default:
			p.decodeRest(&in, id)
		}
	}
	if p.AuthData != nil && p.AuthMethod == nil {
		in.fail(errAuthMethodMissing)
	}
	in.leave(r)
}

// decodeRest reads the strings and what the server can and cannot do.
func (p *ConnackProps) decodeRest(in *properties, id byte) {
	switch id {
	case propMaximumQoS:
		p.HasMaximumQoS = true
		if in.flag() {
			p.MaximumQoS = QoS1
		}
	case propRetainAvailable:
		p.RetainUnavailable = !in.flag()
	case propWildcardAvailable:
		p.WildcardsUnavailable = !in.flag()
	case propSubscriptionIDsAvail:
		p.SubscriptionIDsUnavailable = !in.flag()
	case propSharedAvailable:
		p.SharedUnavailable = !in.flag()
	case propAssignedClientID:
		p.AssignedClientID = in.text(errClientIDText)
	case propReasonString:
		p.Reason = in.text(errReasonText)
	case propResponseInfo:
		p.ResponseInfo = in.text(errResponseInfoText)
	case propServerReference:
		p.ServerReference = in.text(errServerRefText)
	case propAuthMethod:
		p.AuthMethod = in.text(errAuthMethodText)
	case propAuthData:
		p.AuthData = in.binary()
	}
}

// Size returns the size of the whole packet in bytes, or 0 when there is no such
// packet (see Append).
func (c *Connack) Size(v Version) int {
	if v != V5 {
		if _, ok := V3Connack(c.Code); !ok {
			return 0
		}
	}
	return PacketSize(c.remaining(v))
}

func (c *Connack) remaining(v Version) int {
	if v != V5 {
		return 2
	}
	props := c.Props.size()
	return 2 + varintSize(props) + props
}

// Fit leaves out the Reason String and then the User Properties as far as the packet
// is over limit bytes, the client's Maximum Packet Size, and reports whether it fits.
//
// [MQTT-3.2.2-19] [MQTT-3.2.2-20]
func (c *Connack) Fit(v Version, limit int) bool {
	return fit(limit, func() int { return c.Size(v) }, &c.Props.Reason, &c.Props.User)
}

// Append appends the whole packet to dst. Session Present is written only with Success
// [MQTT-3.2.2-6] [MQTT311-3.2.2-4]. For MQTT 3.x a code without a return code that says
// the same appends nothing: then the connection is closed without an answer
// [MQTT311-3.2.2-6].
func (c *Connack) Append(dst []byte, v Version) []byte {
	code, ok := byte(c.Code), true
	if v != V5 {
		code, ok = V3Connack(c.Code)
	}
	if !ok {
		return dst
	}
	dst = appendHeader(dst, byte(TypeConnack)<<4, c.remaining(v))
	var flags byte
	if c.SessionPresent && c.Code == Success && v != V31 {
		flags = 1 // [MQTT-3.2.2-3] [MQTT311-3.2.2-2]
	}
	dst = append(dst, flags, code)
	if v == V5 {
		dst = c.Props.append(dst)
	}
	return dst
}

func (p *ConnackProps) size() int {
	n := when(p.HasSessionExpiry, uint32Property) +
		when(p.ReceiveMaximum != 0, uint16Property) +
		when(p.HasMaximumQoS, byteProperty) +
		when(p.RetainUnavailable, byteProperty) +
		when(p.MaximumPacketSize != 0, uint32Property) +
		when(p.TopicAliasMaximum != 0, uint16Property) +
		when(p.WildcardsUnavailable, byteProperty) +
		when(p.SubscriptionIDsUnavailable, byteProperty) +
		when(p.SharedUnavailable, byteProperty) +
		when(p.HasServerKeepAlive, uint16Property) +
		when(p.AuthData != nil, binaryProperty(p.AuthData)) + len(p.User)
	for _, text := range p.texts() {
		n += when(text.value != nil, textProperty(text.value))
	}
	return n
}

// textField is a string property and its identifier.
type textField struct {
	id    byte
	value []byte
}

func (p *ConnackProps) texts() [5]textField {
	return [5]textField{
		{propAssignedClientID, p.AssignedClientID},
		{propReasonString, p.Reason},
		{propResponseInfo, p.ResponseInfo},
		{propServerReference, p.ServerReference},
		{propAuthMethod, p.AuthMethod},
	}
}

func (p *ConnackProps) append(dst []byte) []byte {
	dst = appendVarint(dst, p.size())
	if p.HasSessionExpiry {
		dst = appendUint32Property(dst, propSessionExpiry, p.SessionExpiry)
	}
	if p.ReceiveMaximum != 0 {
		dst = appendUint16Property(dst, propReceiveMaximum, p.ReceiveMaximum)
	}
	if p.HasMaximumQoS {
		dst = appendFlagProperty(dst, propMaximumQoS, p.MaximumQoS != QoS0)
	}
	if p.RetainUnavailable {
		dst = appendFlagProperty(dst, propRetainAvailable, false)
	}
	if p.MaximumPacketSize != 0 {
		dst = appendUint32Property(dst, propMaximumPacketSize, p.MaximumPacketSize)
	}
	if p.TopicAliasMaximum != 0 {
		dst = appendUint16Property(dst, propTopicAliasMaximum, p.TopicAliasMaximum)
	}
	if p.WildcardsUnavailable {
		dst = appendFlagProperty(dst, propWildcardAvailable, false)
	}
	if p.SubscriptionIDsUnavailable {
		dst = appendFlagProperty(dst, propSubscriptionIDsAvail, false)
	}
	if p.SharedUnavailable {
		dst = appendFlagProperty(dst, propSharedAvailable, false)
	}
	if p.HasServerKeepAlive {
		dst = appendUint16Property(dst, propServerKeepAlive, p.ServerKeepAlive)
	}
	for _, text := range p.texts() {
		if text.value != nil {
			dst = appendTextProperty(dst, text.id, text.value)
		}
	}
	if p.AuthData != nil {
		dst = appendBinaryProperty(dst, propAuthData, p.AuthData)
	}
	return append(dst, p.User...)
}
