package mqtt

import "encoding/binary"

// PublishProps are the properties of an Application Message (PUBLISH or Will).
type PublishProps struct {
	PayloadFormat      byte // 0 bytes, 1 UTF-8 text
	HasPayloadFormat   bool
	MessageExpiry      uint32 // seconds
	HasMessageExpiry   bool
	TopicAlias         uint16 // of this packet's connection; never forwarded
	HasTopicAlias      bool
	ResponseTopic      []byte
	HasResponseTopic   bool
	CorrelationData    []byte
	HasCorrelationData bool
	ContentType        []byte
	HasContentType     bool
	User               UserProperties

	// SubscriptionIDs come only from a server. Decoding reuses the slice.
	SubscriptionIDs []uint32
}

// decodeOne reads the value of the property id.
func (p *PublishProps) decodeOne(in *properties, id byte) {
	switch id {
	case propPayloadFormat:
		p.HasPayloadFormat = true
		if in.flag() {
			p.PayloadFormat = 1
		}
	case propMessageExpiry:
		p.MessageExpiry, p.HasMessageExpiry = in.uint32(), true
	case propTopicAlias:
		p.TopicAlias, p.HasTopicAlias = in.uint16(), true
		if p.TopicAlias == 0 {
			in.fail(errAliasZero) // [MQTT-3.3.2-8]
		}
	case propResponseTopic:
		p.ResponseTopic, p.HasResponseTopic = in.topic(errResponseTopicText), true // [MQTT-3.3.2-13]
		if len(p.ResponseTopic) == 0 || hasWildcard(p.ResponseTopic) {
			in.fail(errResponseTopic) // [MQTT-3.3.2-14] [MQTT-4.7.3-1]
		}
	case propCorrelationData:
		p.CorrelationData, p.HasCorrelationData = in.binary(), true
	case propContentType:
		p.ContentType, p.HasContentType = in.text(errContentTypeText), true // [MQTT-3.3.2-19]
	case propUser:
		p.User = in.user(p.User)
	case propSubscriptionID:
		p.SubscriptionIDs = append(p.SubscriptionIDs, in.subscriptionID())
		if len(p.SubscriptionIDs) > MaxSubscriptionIDs {
			in.fail(errSubIDCount)
		}
	}
}

// ForwardSize returns the number of bytes that AppendForward writes.
func (p *PublishProps) ForwardSize() int {
	return when(p.HasPayloadFormat, byteProperty) +
		when(p.HasContentType, textProperty(p.ContentType)) +
		when(p.HasResponseTopic, textProperty(p.ResponseTopic)) +
		when(p.HasCorrelationData, binaryProperty(p.CorrelationData)) +
		len(p.User)
}

// AppendForward appends the properties that travel unchanged from publisher to
// subscriber, encoded for the wire: Payload Format Indicator, Content Type, Response
// Topic, Correlation Data and the User Properties in their order, which stand last.
// Message Expiry, Topic Alias and Subscription Identifiers are not among them: each
// receiver has its own.
//
// [MQTT-3.3.2-4] [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-17] [MQTT-3.3.2-18]
// [MQTT-3.3.2-20] [MQTT-3.1.3-10]
func (p *PublishProps) AppendForward(dst []byte) []byte {
	if p.HasPayloadFormat {
		dst = appendByteProperty(dst, propPayloadFormat, p.PayloadFormat&1)
	}
	if p.HasContentType {
		dst = appendTextProperty(dst, propContentType, p.ContentType)
	}
	if p.HasResponseTopic {
		dst = appendTextProperty(dst, propResponseTopic, p.ResponseTopic)
	}
	if p.HasCorrelationData {
		dst = appendBinaryProperty(dst, propCorrelationData, p.CorrelationData)
	}
	return append(dst, p.User...)
}

// ForwardUser returns the User Properties in what AppendForward wrote, without decoding
// the rest. It borrows b.
func ForwardUser(b []byte) UserProperties {
	for len(b) > 0 {
		size := 0
		switch b[0] {
		case propUser:
			return UserProperties(b)
		case propPayloadFormat:
			size = 2
		case propContentType, propResponseTopic, propCorrelationData:
			if len(b) > 2 {
				size = 3 + int(binary.BigEndian.Uint16(b[1:]))
			}
		}
		if size == 0 || size > len(b) {
			return nil
		}
		b = b[size:]
	}
	return nil
}

// DecodeForward is the inverse of AppendForward: it resets p and reads the properties
// in b, in any order. The result borrows b. Any other property is an *Error.
func (p *PublishProps) DecodeForward(b []byte) error {
	*p = PublishProps{SubscriptionIDs: p.SubscriptionIDs[:0]}
	in := properties{reader: reader{b: b}, allowed: propsForward, repeat: 1 << propUser}
	for id := in.next(); id != 0; id = in.next() {
		p.decodeOne(&in, id)
	}
	return in.result()
}
