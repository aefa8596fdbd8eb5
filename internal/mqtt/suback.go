package mqtt

// Suback answers a SUBSCRIBE [MQTT-3.8.4-1].
type Suback struct {
	PacketID uint16       // that of the SUBSCRIBE [MQTT-3.8.4-2] [MQTT311-3.8.4-2]
	Codes    []ReasonCode // one per filter, in their order; decoding reuses the slice
	Reason   []byte       // Reason String, nil when absent
	User     UserProperties
}

// Unsuback answers an UNSUBSCRIBE [MQTT-3.10.4-4].
type Unsuback struct {
	PacketID uint16       // that of the UNSUBSCRIBE [MQTT-3.10.4-5] [MQTT311-3.10.4-4]
	Codes    []ReasonCode // as in Suback; none in MQTT 3.x
	Reason   []byte       // Reason String, nil when absent
	User     UserProperties
}

var (
	// [MQTT-3.9.3-2]
	subackCodes = newCodeSet(GrantedQoS0, GrantedQoS1, GrantedQoS2, UnspecifiedError,
		ImplementationSpecificError, NotAuthorized, TopicFilterInvalid, PacketIdentifierInUse,
		QuotaExceeded, SharedSubscriptionsNotSupported, SubscriptionIdentifiersNotSupported,
		WildcardSubscriptionsNotSupported)
	// [MQTT311-3.9.3-2]
	subackCodesV3 = newCodeSet(GrantedQoS0, GrantedQoS1, GrantedQoS2, UnspecifiedError)
	// [MQTT-3.11.3-2]
	unsubackCodes = newCodeSet(Success, NoSubscriptionExisted, UnspecifiedError,
		ImplementationSpecificError, NotAuthorized, TopicFilterInvalid, PacketIdentifierInUse)
)

// Decode reads a SUBACK.
func (s *Suback) Decode(v Version, _ Header, body []byte) error {
	*s = Suback{Codes: s.Codes[:0]}
	r := reader{b: body}
	s.PacketID = r.packetID()
	codes := &subackCodesV3
	if v == V5 {
		codes = &subackCodes
		var e explanation
		e.decode(&r)
		s.Reason, s.User = e.reason, e.user
	}
	s.Codes = r.codes(s.Codes, codes)
	return r.result()
}

// Decode reads an UNSUBACK.
func (u *Unsuback) Decode(v Version, _ Header, body []byte) error {
	*u = Unsuback{Codes: u.Codes[:0]}
	r := reader{b: body}
	u.PacketID = r.packetID()
	if v != V5 {
		return r.end()
	}
	var e explanation
	e.decode(&r)
	u.Reason, u.User = e.reason, e.user
	u.Codes = r.codes(u.Codes, &unsubackCodes)
	return r.result()
}

// codes reads reason codes to the end of the body: at least one.
func (r *reader) codes(dst []ReasonCode, allowed *codeSet) []ReasonCode {
	if len(r.b) == 0 {
		r.fail(errNoCodes)
	}
	for _, c := range r.b {
		if !allowed.has(ReasonCode(c)) {
			r.fail(errCode)
			break
		}
		dst = append(dst, ReasonCode(c))
	}
	return dst
}

// Size returns the size of the whole packet in bytes.
func (s *Suback) Size(v Version) int {
	e := explanation{s.Reason, s.User}
	return PacketSize(e.codesRemaining(v, len(s.Codes)))
}

// Size returns the size of the whole packet in bytes.
func (u *Unsuback) Size(v Version) int {
	e := explanation{u.Reason, u.User}
	return PacketSize(e.codesRemaining(v, when(v == V5, len(u.Codes))))
}

// Fit leaves out the Reason String and then the User Properties as far as the packet
// is over limit bytes, the client's Maximum Packet Size, and reports whether it fits.
//
// [MQTT-3.9.2-1] [MQTT-3.9.2-2]
func (s *Suback) Fit(v Version, limit int) bool {
	return fit(limit, func() int { return s.Size(v) }, &s.Reason, &s.User)
}

// Fit does for UNSUBACK what it does for SUBACK.
//
// [MQTT-3.11.2-1] [MQTT-3.11.2-2]
func (u *Unsuback) Fit(v Version, limit int) bool {
	return fit(limit, func() int { return u.Size(v) }, &u.Reason, &u.User)
}

// Append appends the whole packet to dst, codes in the order of the filters
// [MQTT-3.9.3-1] [MQTT311-3.9.3-1]. For MQTT 3.x every failure is 0x80.
func (s *Suback) Append(dst []byte, v Version) []byte {
	e := explanation{s.Reason, s.User}
	dst = appendHeader(dst, byte(TypeSuback)<<4, e.codesRemaining(v, len(s.Codes)))
	dst = appendUint16(dst, s.PacketID)
	if v == V5 {
		dst = e.append(appendVarint(dst, e.size()))
	}
	for _, c := range s.Codes {
		if v != V5 && c.Failed() {
			c = UnspecifiedError // [MQTT311-3.9.3-2]
		}
		dst = append(dst, byte(c))
	}
	return dst
}

// Append appends the whole packet to dst, codes in the order of the filters
// [MQTT-3.11.3-1]; MQTT 3.x has no codes here.
func (u *Unsuback) Append(dst []byte, v Version) []byte {
	e := explanation{u.Reason, u.User}
	dst = appendHeader(dst, byte(TypeUnsuback)<<4, e.codesRemaining(v, when(v == V5, len(u.Codes))))
	dst = appendUint16(dst, u.PacketID)
	if v != V5 {
		return dst
	}
	dst = e.append(appendVarint(dst, e.size()))
	for _, c := range u.Codes {
		dst = append(dst, byte(c))
	}
	return dst
}

// codesRemaining is the Remaining Length of a packet identifier, e and count codes.
func (e *explanation) codesRemaining(v Version, count int) int {
	if v != V5 {
		return 2 + count
	}
	props := e.size()
	return 2 + varintSize(props) + props + count
}
