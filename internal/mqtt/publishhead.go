package mqtt

// PublishHead is the receiver's own part of an outgoing PUBLISH: everything before the
// part that all receivers share, which is the forwarded properties (MQTT 5) and the
// payload. A broker encodes the shared part once and writes a head before it for each
// receiver.
type PublishHead struct {
	Version         Version
	Dup             bool // this packet is sent again [MQTT-3.3.1-1] [MQTT-3.3.1-3]
	QoS             QoS
	Retain          bool
	Topic           string
	Alias           uint16 // Topic Alias, 0 for none; MQTT 5
	OmitTopic       bool   // the alias stands for the topic, which is left empty; MQTT 5
	PacketID        uint16 // written for QoS 1 and 2 only [MQTT-2.2.1-2]
	SubscriptionIDs []uint32
	Expiry          uint32 // seconds that the message has left; MQTT 5
	HasExpiry       bool
	ForwardLen      int // bytes of AppendForward that the caller appends; MQTT 5
	PayloadLen      int // bytes of payload that the caller appends
}

// Size returns the size of the whole packet in bytes, shared part included. Look at it
// before an alias or a packet identifier is spent [MQTT-3.1.2-24]: the head must not
// be appended when it is over MaxPacketSize or the receiver's Maximum Packet Size.
func (h *PublishHead) Size() int {
	_, remaining := h.lengths(len(h.topic()))
	return PacketSize(remaining)
}

// Append appends the fixed header up to and including the receiver's own properties.
// The caller appends ForwardLen bytes of properties (MQTT 5) and PayloadLen bytes of
// payload.
func (h *PublishHead) Append(dst []byte) []byte {
	topic := h.topic()
	props, remaining := h.lengths(len(topic))
	dst = h.appendFixed(dst, remaining)
	dst = append(dst, byte(len(topic)>>8), byte(len(topic)))
	dst = append(dst, topic...)
	return h.appendOwn(dst, props)
}

func (h *PublishHead) topic() string {
	if h.OmitTopic && h.Version == V5 {
		return ""
	}
	return cutText(h.Topic)
}

// lengths returns the Property Length and the Remaining Length.
func (h *PublishHead) lengths(topicLen int) (props, remaining int) {
	remaining = 2 + topicLen + h.PayloadLen
	if h.QoS > QoS0 {
		remaining += 2
	}
	if h.Version != V5 {
		return 0, remaining
	}
	props = h.ForwardLen
	if h.Alias != 0 {
		props += uint16Property
	}
	if h.HasExpiry {
		props += uint32Property
	}
	for _, id := range h.SubscriptionIDs {
		props += 1 + varintSize(int(id))
	}
	return props, remaining + varintSize(props) + props
}

func (h *PublishHead) appendFixed(dst []byte, remaining int) []byte {
	return appendHeader(dst, publishFlags(h.Dup, h.QoS, h.Retain), remaining)
}

// appendOwn appends what stands between the topic and the forwarded properties.
func (h *PublishHead) appendOwn(dst []byte, props int) []byte {
	if h.QoS > QoS0 {
		dst = appendUint16(dst, h.PacketID)
	}
	if h.Version != V5 {
		return dst
	}
	dst = appendVarint(dst, props) // a zero when there are none [MQTT-2.2.2-1]
	if h.Alias != 0 {
		dst = appendUint16Property(dst, propTopicAlias, h.Alias)
	}
	if h.HasExpiry {
		dst = appendUint32Property(dst, propMessageExpiry, h.Expiry) // [MQTT-3.3.2-6]
	}
	for _, id := range h.SubscriptionIDs {
		dst = appendVarint(append(dst, propSubscriptionID), int(id)) // [MQTT-3.3.4-4]
	}
	return dst
}
