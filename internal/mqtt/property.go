package mqtt

// The property identifiers of MQTT 5. All are below 64, so that a set of them is one
// word.
const (
	propPayloadFormat        = 0x01
	propMessageExpiry        = 0x02
	propContentType          = 0x03
	propResponseTopic        = 0x08
	propCorrelationData      = 0x09
	propSubscriptionID       = 0x0B
	propSessionExpiry        = 0x11
	propAssignedClientID     = 0x12
	propServerKeepAlive      = 0x13
	propAuthMethod           = 0x15
	propAuthData             = 0x16
	propRequestProblemInfo   = 0x17
	propWillDelay            = 0x18
	propRequestResponseInfo  = 0x19
	propResponseInfo         = 0x1A
	propServerReference      = 0x1C
	propReasonString         = 0x1F
	propReceiveMaximum       = 0x21
	propTopicAliasMaximum    = 0x22
	propTopicAlias           = 0x23
	propMaximumQoS           = 0x24
	propRetainAvailable      = 0x25
	propUser                 = 0x26
	propMaximumPacketSize    = 0x27
	propWildcardAvailable    = 0x28
	propSubscriptionIDsAvail = 0x29
	propSharedAvailable      = 0x2A
)

// propertySet is a set of property identifiers: bit i for identifier i.
type propertySet uint64

func propertiesOf(ids ...byte) (s propertySet) {
	for _, id := range ids {
		s |= 1 << id
	}
	return s
}

// Which properties each packet may carry.
var (
	propsReason   = propertiesOf(propReasonString, propUser)
	propsUserOnly = propertiesOf(propUser)
	propsForward  = propertiesOf(propPayloadFormat, propContentType, propResponseTopic,
		propCorrelationData, propUser)
	propsWill      = propsForward | propertiesOf(propMessageExpiry, propWillDelay)
	propsPublish   = propsForward | propertiesOf(propMessageExpiry, propTopicAlias, propSubscriptionID)
	propsSubscribe = propertiesOf(propSubscriptionID, propUser)
	propsConnect   = propertiesOf(propSessionExpiry, propReceiveMaximum, propMaximumPacketSize,
		propTopicAliasMaximum, propRequestResponseInfo, propRequestProblemInfo, propUser,
		propAuthMethod, propAuthData)
	propsConnack = propertiesOf(propSessionExpiry, propReceiveMaximum, propMaximumQoS,
		propRetainAvailable, propMaximumPacketSize, propAssignedClientID, propTopicAliasMaximum,
		propReasonString, propUser, propWildcardAvailable, propSubscriptionIDsAvail,
		propSharedAvailable, propServerKeepAlive, propResponseInfo, propServerReference,
		propAuthMethod, propAuthData)
	propsDisconnect = propertiesOf(propSessionExpiry, propReasonString, propUser, propServerReference)
	propsAuth       = propertiesOf(propAuthMethod, propAuthData, propReasonString, propUser)
	propsKnown      = propsConnect | propsConnack | propsPublish | propsWill
)

// properties reads the properties of one packet.
type properties struct {
	reader
	at      []byte      // the input from the last identifier on
	allowed propertySet // what this packet may carry
	repeat  propertySet // what it may carry more than once
	seen    propertySet
	users   int // User Properties so far
}

// properties begins to read a Property Length and the properties that follow. Call
// next until it returns 0, then leave.
func (r *reader) properties(allowed propertySet) properties {
	p := properties{allowed: allowed, repeat: 1 << propUser}
	n := r.varint()
	if n > len(r.b) {
		r.fail(errPropertyLength)
		n = 0
	}
	if r.err != nil {
		return p
	}
	p.b = r.b[:n:n]
	r.b = r.b[n:]
	return p
}

// next returns the next property's identifier, or 0 at the end and after a failure.
func (p *properties) next() byte {
	if len(p.b) == 0 {
		return 0
	}
	id := p.b[0]
	bit := propertySet(1) << (id & 63)
	switch {
	case id > 63 || propsKnown&bit == 0:
		p.fail(errPropertyUnknown)
		return 0
	case p.allowed&bit == 0:
		p.fail(errPropertyNotAllowed)
		return 0
	case p.seen&bit&^p.repeat != 0:
		p.fail(errPropertyDuplicate)
		return 0
	}
	p.seen |= bit
	p.at = p.b
	p.b = p.b[1:]
	return id
}

// leave hands a failure among the properties to the packet's reader.
func (p *properties) leave(r *reader) {
	if p.err != nil {
		r.fail(p.err)
	}
}

// flag reads a property that is 0 or 1.
func (p *properties) flag() bool {
	c := p.uint8()
	if c > 1 {
		p.fail(errPropertyFlag)
	}
	return c == 1
}

// positive16 reads a property that must not be 0.
func (p *properties) positive16() uint16 {
	x := p.uint16()
	if x == 0 {
		p.fail(errPropertyZero)
	}
	return x
}

// positive32 reads a property that must not be 0.
func (p *properties) positive32() uint32 {
	x := p.uint32()
	if x == 0 {
		p.fail(errPropertyZero)
	}
	return x
}

// subscriptionID reads a Subscription Identifier, 1 to MaxSubscriptionID.
func (p *properties) subscriptionID() uint32 {
	x := p.varint()
	if x == 0 {
		p.fail(errPropertyZero)
	}
	return uint32(x)
}

// user reads a run of User Properties, of which next has taken the first identifier,
// and returns dst with them at its end. The first run is borrowed; a later one, which
// stands behind another property, makes a copy.
func (p *properties) user(dst UserProperties) UserProperties {
	start := p.at
	for {
		p.text(errUserText) // [MQTT-1.5.7-1]
		p.text(errUserText)
		if p.users++; p.users > MaxUserProperties {
			p.fail(errUserCount)
		}
		if p.err != nil {
			return nil
		}
		if len(p.b) == 0 || p.b[0] != propUser {
			break
		}
		p.b = p.b[1:]
	}
	run := start[:len(start)-len(p.b)]
	if dst == nil {
		return UserProperties(run[:len(run):len(run)])
	}
	return append(dst, run...)
}

// Writers of one property each, and the sizes of what they write.

func appendByteProperty(dst []byte, id, value byte) []byte { return append(dst, id, value) }

func appendFlagProperty(dst []byte, id byte, value bool) []byte {
	if value {
		return append(dst, id, 1)
	}
	return append(dst, id, 0)
}

func appendUint16Property(dst []byte, id byte, value uint16) []byte {
	return append(dst, id, byte(value>>8), byte(value))
}

func appendUint32Property(dst []byte, id byte, value uint32) []byte {
	return appendUint32(append(dst, id), value)
}

func appendTextProperty(dst []byte, id byte, value []byte) []byte {
	return appendText(append(dst, id), value)
}

func appendBinaryProperty(dst []byte, id byte, value []byte) []byte {
	return appendBinary(append(dst, id), value)
}

const (
	byteProperty   = 2
	uint16Property = 3
	uint32Property = 5
)

func textProperty(value []byte) int   { return 1 + textSize(value) }
func binaryProperty(value []byte) int { return 1 + binarySize(value) }

// when returns n if present, else 0.
func when(present bool, n int) int {
	if present {
		return n
	}
	return 0
}
