package mqtt

// Ack is a PUBACK, PUBREC, PUBREL or PUBCOMP.
type Ack struct {
	Type     PacketType
	PacketID uint16 // that of the PUBLISH [MQTT-2.2.1-5] [MQTT311-2.3.1-6]
	Code     ReasonCode
	Reason   []byte // Reason String, nil when absent
	User     UserProperties
}

var (
	// [MQTT-3.4.2-1] [MQTT-3.5.2-1]
	publishAckCodes = newCodeSet(Success, NoMatchingSubscribers, UnspecifiedError,
		ImplementationSpecificError, NotAuthorized, TopicNameInvalid, PacketIdentifierInUse,
		QuotaExceeded, PayloadFormatInvalid)
	// [MQTT-3.6.2-1] [MQTT-3.7.2-1]
	releaseCodes = newCodeSet(Success, PacketIdentifierNotFound)
)

// Decode reads the acknowledgement that h announces; a.Type tells which it is.
func (a *Ack) Decode(v Version, h Header, body []byte) error {
	*a = Ack{Type: h.Type}
	if h.Type == TypePubrel {
		if e := h.repeatFlags(v); e != nil {
			return e
		}
	}
	r := reader{b: body}
	a.PacketID = r.packetID()
	if v == V5 && len(r.b) > 0 {
		a.decodeV5(&r)
	}
	return r.end()
}

// decodeV5 reads what may follow the identifier: a reason code, and then properties.
func (a *Ack) decodeV5(r *reader) {
	a.Code = ReasonCode(r.uint8())
	codes := &publishAckCodes
	if a.Type == TypePubrel || a.Type == TypePubcomp {
		codes = &releaseCodes
	}
	if !codes.has(a.Code) {
		r.fail(errCode)
	}
	if len(r.b) > 0 {
		var e explanation
		e.decode(r)
		a.Reason, a.User = e.reason, e.user
	}
}

// Size returns the size of the whole packet in bytes.
func (a *Ack) Size(v Version) int { return PacketSize(a.remaining(v)) }

// bare reports whether the short form without code and properties says it all.
func (a *Ack) bare(v Version) bool {
	return v != V5 || a.Code == Success && a.Reason == nil && len(a.User) == 0
}

func (a *Ack) remaining(v Version) int {
	if a.bare(v) {
		return 2
	}
	e := explanation{a.Reason, a.User}
	props := e.size()
	if props == 0 {
		return 3
	}
	return 3 + varintSize(props) + props
}

// Fit leaves out the Reason String and then the User Properties as far as the packet
// is over limit bytes, the receiver's Maximum Packet Size, and reports whether it fits.
//
// [MQTT-3.4.2-2] [MQTT-3.4.2-3] [MQTT-3.5.2-2] [MQTT-3.5.2-3]
// [MQTT-3.6.2-2] [MQTT-3.6.2-3] [MQTT-3.7.2-2] [MQTT-3.7.2-3]
func (a *Ack) Fit(v Version, limit int) bool {
	return fit(limit, func() int { return a.Size(v) }, &a.Reason, &a.User)
}

// Append appends the whole packet to dst, in the shortest form. For MQTT 3.x the code
// is left out: these versions can only acknowledge.
func (a *Ack) Append(dst []byte, v Version) []byte {
	first := byte(a.Type) << 4
	if a.Type == TypePubrel {
		first |= flagsReserved // [MQTT-3.6.1-1] [MQTT311-3.6.1-1]
	}
	if a.bare(v) {
		return append(dst, first, 2, byte(a.PacketID>>8), byte(a.PacketID))
	}
	e := explanation{a.Reason, a.User}
	props := e.size()
	if props == 0 {
		return append(dst, first, 3, byte(a.PacketID>>8), byte(a.PacketID), byte(a.Code))
	}
	dst = appendHeader(dst, first, 3+varintSize(props)+props)
	dst = append(appendUint16(dst, a.PacketID), byte(a.Code))
	return e.append(appendVarint(dst, props))
}
