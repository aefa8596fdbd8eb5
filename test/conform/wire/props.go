package wire

import "encoding/binary"

// Property identifiers of MQTT 5.
const (
	PayloadFormat         byte = 1
	MessageExpiry         byte = 2
	ContentType           byte = 3
	ResponseTopic         byte = 8
	CorrelationData       byte = 9
	SubscriptionID        byte = 11
	SessionExpiry         byte = 17
	AssignedClientID      byte = 18
	ServerKeepAlive       byte = 19
	AuthMethod            byte = 21
	AuthData              byte = 22
	RequestProblem        byte = 23
	WillDelay             byte = 24
	RequestResponse       byte = 25
	ResponseInfo          byte = 26
	ServerReference       byte = 28
	ReasonString          byte = 31
	ReceiveMaximum        byte = 33
	TopicAliasMaximum     byte = 34
	TopicAlias            byte = 35
	MaximumQoS            byte = 36
	RetainAvailable       byte = 37
	UserProperty          byte = 38
	MaximumPacketSize     byte = 39
	WildcardAvailable     byte = 40
	SubscriptionIDsOffer  byte = 41
	SharedSubscriptionsOK byte = 42
)

// The ways in which a property's value is written.
const (
	kindByte = iota + 1
	kindU16
	kindU32
	kindVar
	kindText
	kindBinary
	kindPair
)

var kinds = map[byte]int{
	PayloadFormat: kindByte, MessageExpiry: kindU32, ContentType: kindText, ResponseTopic: kindText,
	CorrelationData: kindBinary, SubscriptionID: kindVar, SessionExpiry: kindU32, AssignedClientID: kindText,
	ServerKeepAlive: kindU16, AuthMethod: kindText, AuthData: kindBinary, RequestProblem: kindByte,
	WillDelay: kindU32, RequestResponse: kindByte, ResponseInfo: kindText, ServerReference: kindText,
	ReasonString: kindText, ReceiveMaximum: kindU16, TopicAliasMaximum: kindU16, TopicAlias: kindU16,
	MaximumQoS: kindByte, RetainAvailable: kindByte, UserProperty: kindPair, MaximumPacketSize: kindU32,
	WildcardAvailable: kindByte, SubscriptionIDsOffer: kindByte, SharedSubscriptionsOK: kindByte,
}

// fromServer lists the properties that a server may put in each packet type.
var fromServer = map[byte]string{
	CONNACK: string([]byte{SessionExpiry, ReceiveMaximum, MaximumQoS, RetainAvailable, MaximumPacketSize, AssignedClientID,
		TopicAliasMaximum, ReasonString, UserProperty, WildcardAvailable, SubscriptionIDsOffer, SharedSubscriptionsOK,
		ServerKeepAlive, ResponseInfo, ServerReference, AuthMethod, AuthData}),
	PUBLISH: string([]byte{PayloadFormat, MessageExpiry, TopicAlias, ResponseTopic, CorrelationData, UserProperty,
		SubscriptionID, ContentType}),
	PUBACK:     string([]byte{ReasonString, UserProperty}),
	PUBREC:     string([]byte{ReasonString, UserProperty}),
	PUBREL:     string([]byte{ReasonString, UserProperty}),
	PUBCOMP:    string([]byte{ReasonString, UserProperty}),
	SUBACK:     string([]byte{ReasonString, UserProperty}),
	UNSUBACK:   string([]byte{ReasonString, UserProperty}),
	DISCONNECT: string([]byte{ReasonString, UserProperty, ServerReference}),
	AUTH:       string([]byte{AuthMethod, AuthData, ReasonString, UserProperty}),
}

// Prop is one property: Num holds numbers, Text strings, binary data and the
// name of a user property, Value its value.
type Prop struct {
	ID    byte
	Num   uint32
	Text  string
	Value string
}

// Num is a property with a number.
func Num(id byte, n uint32) Prop { return Prop{ID: id, Num: n} }

// Text is a property with a string or binary data.
func Text(id byte, s string) Prop { return Prop{ID: id, Text: s} }

// User is a user property.
func User(name, value string) Prop { return Prop{ID: UserProperty, Text: name, Value: value} }

// Props are the properties of one packet in their order.
type Props []Prop

// Bytes is the property length and the properties.
func (ps Props) Bytes() []byte {
	var b []byte
	for _, p := range ps {
		b = append(b, p.ID)
		switch kinds[p.ID] {
		case kindByte:
			b = append(b, byte(p.Num))
		case kindU16:
			b = append(b, U16(uint16(p.Num))...)
		case kindU32:
			b = binary.BigEndian.AppendUint32(b, p.Num)
		case kindVar:
			b = append(b, Var(int(p.Num))...)
		case kindPair:
			b = append(append(b, Str(p.Text)...), Str(p.Value)...)
		default:
			b = append(b, Str(p.Text)...)
		}
	}
	return append(Var(len(b)), b...)
}

// Has tells whether a property is there.
func (ps Props) Has(id byte) bool { _, ok := ps.find(id); return ok }

// Num is the number of a property, or def where it is absent.
func (ps Props) Num(id byte, def uint32) uint32 {
	if p, ok := ps.find(id); ok {
		return p.Num
	}
	return def
}

// Text is the string of a property, or nothing.
func (ps Props) Text(id byte) string { p, _ := ps.find(id); return p.Text }

// All are the properties with one identifier, in order.
func (ps Props) All(id byte) Props {
	var out Props
	for _, p := range ps {
		if p.ID == id {
			out = append(out, p)
		}
	}
	return out
}

func (ps Props) find(id byte) (Prop, bool) {
	for _, p := range ps {
		if p.ID == id {
			return p, true
		}
	}
	return Prop{}, false
}
