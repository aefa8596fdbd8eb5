package mqtt

// Auth is one step of an enhanced authentication (MQTT 5).
type Auth struct {
	Code   ReasonCode // Success, ContinueAuthentication or ReAuthenticate
	Method []byte     // nil when absent, which only the empty form of Success may be
	Data   []byte     // nil when absent
	Reason []byte     // Reason String, nil when absent
	User   UserProperties
}

// [MQTT-3.15.2-1]
var authCodes = newCodeSet(Success, ContinueAuthentication, ReAuthenticate)

// Decode reads an AUTH. Other versions have no such packet: MalformedPacket.
func (a *Auth) Decode(v Version, _ Header, body []byte) error {
	*a = Auth{}
	r := reader{b: body}
	if v != V5 {
		return errVersion
	}
	if len(body) == 0 {
		return nil
	}
	a.Code = ReasonCode(r.uint8())
	if !authCodes.has(a.Code) {
		r.fail(errCode)
	}
	a.decodeProps(&r)
	return r.end()
}

func (a *Auth) decodeProps(r *reader) {
	in := r.properties(propsAuth)
	for id := in.next(); id != 0; id = in.next() {
		switch id {
		case propAuthMethod:
			a.Method = in.text(errAuthMethodText)
		case propAuthData:
			a.Data = in.binary()
		case propReasonString:
			a.Reason = in.text(errReasonText)
		case propUser:
			a.User = in.user(a.User)
		}
	}
	if a.Method == nil {
		in.fail(errAuthMethodMissing)
	}
	in.leave(r)
}

func (a *Auth) propsSize() int {
	return when(a.Method != nil, textProperty(a.Method)) +
		when(a.Data != nil, binaryProperty(a.Data)) +
		when(a.Reason != nil, textProperty(a.Reason)) + len(a.User)
}

func (a *Auth) remaining(props int) int {
	if a.Code == Success && props == 0 {
		return 0
	}
	return 1 + varintSize(props) + props
}

// Size returns the size of the whole packet in bytes. Only MQTT 5 has it: here and in
// Fit and Append the version is for the likeness of all packets.
func (a *Auth) Size(Version) int { return PacketSize(a.remaining(a.propsSize())) }

// Fit leaves out the Reason String and then the User Properties as far as the packet
// is over limit bytes, the peer's Maximum Packet Size, and reports whether it fits.
//
// [MQTT-3.15.2-2] [MQTT-3.15.2-3]
func (a *Auth) Fit(v Version, limit int) bool {
	return fit(limit, func() int { return a.Size(v) }, &a.Reason, &a.User)
}

// Append appends the whole packet to dst.
func (a *Auth) Append(dst []byte, _ Version) []byte {
	props := a.propsSize()
	remaining := a.remaining(props)
	dst = appendHeader(dst, byte(TypeAuth)<<4, remaining)
	if remaining == 0 {
		return dst
	}
	dst = appendVarint(append(dst, byte(a.Code)), props)
	if a.Method != nil {
		dst = appendTextProperty(dst, propAuthMethod, a.Method)
	}
	if a.Data != nil {
		dst = appendBinaryProperty(dst, propAuthData, a.Data)
	}
	if a.Reason != nil {
		dst = appendTextProperty(dst, propReasonString, a.Reason)
	}
	return append(dst, a.User...)
}
