package mqtt

// Error is a violation of the protocol: what the peer is told before the connection
// is closed [MQTT-4.13.1-1]. Code is the code of the DISCONNECT or CONNACK; Reason is
// a text for the Reason String and the logs, which never holds bytes of the peer.
type Error struct {
	Code   ReasonCode
	Reason string
}

// Error returns the code's name and the reason.
func (e *Error) Error() string {
	if e.Reason == "" {
		return e.Code.String()
	}
	return e.Code.String() + ": " + e.Reason
}

func malformed(reason string) *Error { return &Error{MalformedPacket, reason} }
func protocol(reason string) *Error  { return &Error{ProtocolError, reason} }

// The errors are made once: refusing a packet allocates nothing.
var (
	errType      = malformed("reserved packet type")
	errFlags     = malformed("wrong flags in the fixed header")
	errQoS       = malformed("QoS 3")
	errDup       = malformed("DUP set on a QoS 0 message")
	errVarint    = malformed("variable byte integer is too long")
	errMinimal   = malformed("variable byte integer is not in its shortest form")
	errTruncated = malformed("packet is shorter than its fields")
	errTrailing  = malformed("bytes after the end of the packet")
	errPingBody  = malformed("PINGREQ or PINGRESP with a body")
	errVersion   = malformed("packet type or form that this protocol version does not have")
	errPacketID  = protocol("Packet Identifier 0")
	errCode      = protocol("reason code that this packet may not carry")

	errPropertyLength     = malformed("Property Length exceeds the packet")
	errPropertyUnknown    = malformed("unknown property")
	errPropertyNotAllowed = malformed("property that this packet may not carry")
	errPropertyDuplicate  = protocol("property given more than once")
	errPropertyFlag       = protocol("property must be 0 or 1")
	errPropertyZero       = protocol("property must not be 0")
	errUserText           = malformed("User Property is not valid UTF-8")
	errUserCount          = &Error{PacketTooLarge, "too many User Properties"}
	errReasonText         = malformed("Reason String is not valid UTF-8")
	errAuthMethodText     = malformed("Authentication Method is not valid UTF-8")
	errAuthMethodMissing  = protocol("Authentication Method is missing")
	errResponseInfoText   = malformed("Response Information is not valid UTF-8")
	errServerRefText      = malformed("Server Reference is not valid UTF-8")
	errContentTypeText    = malformed("Content Type is not valid UTF-8")
	errResponseTopicText  = malformed("Response Topic is not a valid topic name")
	errResponseTopic      = protocol("Response Topic is empty or has wildcards")
	errAliasZero          = &Error{TopicAliasInvalid, "Topic Alias 0"}
	errSubIDClient        = protocol("Subscription Identifier in a PUBLISH from a client")
	errSubIDCount         = &Error{PacketTooLarge, "too many Subscription Identifiers"}

	errProtocolName  = &Error{UnsupportedProtocolVersion, "unknown protocol name"}
	errProtocolLevel = &Error{UnsupportedProtocolVersion, "unknown protocol level"}
	errConnectFlags  = malformed("reserved connect flag is set")
	errWillFlags     = malformed("Will QoS or Will Retain without a Will")
	errWillQoS       = malformed("Will QoS 3")
	errPasswordAlone = malformed("password without a user name")
	errClientIDText  = malformed("Client Identifier is not valid UTF-8")
	errUsernameText  = malformed("user name is not valid UTF-8")
	errWillTopicText = malformed("Will Topic is not a valid topic name")
	errWillTopic     = protocol("Will Topic is empty")

	errConnackFlags   = malformed("reserved CONNACK flag is set")
	errConnackPresent = protocol("Session Present in a refusing CONNACK")
	errTopicText      = malformed("topic name has invalid characters")
	errTopicEmpty     = protocol("topic name is empty")
	errFilterText     = malformed("topic filter has invalid characters")
	errNoFilters      = protocol("no topic filter")
	errOptionBits     = malformed("reserved subscription option is set")
	errOptionQoS      = protocol("requested QoS 3")
	errOptionRetain   = protocol("Retain Handling 3")
	errShareNoLocal   = protocol("No Local on a shared subscription")
	errNoCodes        = protocol("no reason code")
	errExpiryServer   = protocol("Session Expiry Interval in a DISCONNECT from a server")
	errRefClient      = protocol("Server Reference in a DISCONNECT from a client")
)
