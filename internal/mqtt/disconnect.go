package mqtt

// Disconnect is the last packet on a connection. In MQTT 3.x it has no fields and only
// clients send it.
type Disconnect struct {
	Code             ReasonCode
	SessionExpiry    uint32 // seconds; only from a client
	HasSessionExpiry bool
	Reason           []byte // Reason String, nil when absent
	ServerReference  []byte // nil when absent; only from a server
	User             UserProperties
}

// The codes of both directions [MQTT-3.14.2-1].
var (
	disconnectClientCodes = newCodeSet(NormalDisconnection, DisconnectWithWill, UnspecifiedError,
		MalformedPacket, ProtocolError, ImplementationSpecificError, TopicNameInvalid,
		ReceiveMaximumExceeded, TopicAliasInvalid, PacketTooLarge, MessageRateTooHigh,
		QuotaExceeded, AdministrativeAction, PayloadFormatInvalid)
	disconnectServerCodes = newCodeSet(NormalDisconnection, UnspecifiedError, MalformedPacket,
		ProtocolError, ImplementationSpecificError, NotAuthorized, ServerBusy,
		ServerShuttingDown, BadAuthenticationMethod, KeepAliveTimeout, SessionTakenOver,
		TopicFilterInvalid, TopicNameInvalid, ReceiveMaximumExceeded, TopicAliasInvalid,
		PacketTooLarge, MessageRateTooHigh, QuotaExceeded, AdministrativeAction,
		PayloadFormatInvalid, RetainNotSupported, QoSNotSupported, UseAnotherServer,
		ServerMoved, SharedSubscriptionsNotSupported, ConnectionRateExceeded,
		MaximumConnectTime, SubscriptionIdentifiersNotSupported,
		WildcardSubscriptionsNotSupported)
)

// Decode reads a DISCONNECT which a client has sent.
func (d *Disconnect) Decode(v Version, _ Header, body []byte) error {
	return d.decode(v, body, false)
}

// DecodeFromServer reads a DISCONNECT which a server has sent.
func (d *Disconnect) DecodeFromServer(v Version, _ Header, body []byte) error {
	return d.decode(v, body, true)
}

func (d *Disconnect) decode(v Version, body []byte, fromServer bool) error {
	*d = Disconnect{}
	r := reader{b: body}
	if v != V5 || len(body) == 0 {
		return r.end()
	}
	codes := &disconnectClientCodes
	if fromServer {
		codes = &disconnectServerCodes
	}
	d.Code = ReasonCode(r.uint8())
	if !codes.has(d.Code) {
		r.fail(errCode)
	}
	if len(r.b) > 0 {
		d.decodeProps(&r, fromServer)
	}
	return r.end()
}

func (d *Disconnect) decodeProps(r *reader, fromServer bool) {
	in := r.properties(propsDisconnect)
	for id := in.next(); id != 0; id = in.next() {
		switch id {
		case propSessionExpiry:
			if fromServer {
				in.fail(errExpiryServer) // [MQTT-3.14.2-2]
			}
			d.SessionExpiry, d.HasSessionExpiry = in.uint32(), true
		case propServerReference:
			if !fromServer {
				in.fail(errRefClient)
			}
			d.ServerReference = in.text(errServerRefText)
		case propReasonString:
			d.Reason = in.text(errReasonText)
		case propUser:
			d.User = in.user(d.User)
		}
	}
	in.leave(r)
}

func (d *Disconnect) propsSize() int {
	return when(d.HasSessionExpiry, uint32Property) +
		when(d.Reason != nil, textProperty(d.Reason)) +
		when(d.ServerReference != nil, textProperty(d.ServerReference)) + len(d.User)
}

// remaining is the Remaining Length of the shortest form.
func (d *Disconnect) remaining(v Version, props int) int {
	switch {
	case v != V5 || d.Code == NormalDisconnection && props == 0:
		return 0
	case props == 0:
		return 1
	}
	return 1 + varintSize(props) + props
}

// Size returns the size of the whole packet in bytes.
func (d *Disconnect) Size(v Version) int {
	return PacketSize(d.remaining(v, d.propsSize()))
}

// Fit leaves out the Reason String and then the User Properties as far as the packet
// is over limit bytes, the peer's Maximum Packet Size, and reports whether it fits.
//
// [MQTT-3.14.2-3] [MQTT-3.14.2-4]
func (d *Disconnect) Fit(v Version, limit int) bool {
	return fit(limit, func() int { return d.Size(v) }, &d.Reason, &d.User)
}

// Append appends the whole packet to dst, in the shortest form.
func (d *Disconnect) Append(dst []byte, v Version) []byte {
	props := d.propsSize()
	remaining := d.remaining(v, props)
	dst = appendHeader(dst, byte(TypeDisconnect)<<4, remaining)
	if remaining == 0 {
		return dst
	}
	dst = append(dst, byte(d.Code))
	if props == 0 {
		return dst
	}
	dst = appendVarint(dst, props)
	if d.HasSessionExpiry {
		dst = appendUint32Property(dst, propSessionExpiry, d.SessionExpiry)
	}
	if d.Reason != nil {
		dst = appendTextProperty(dst, propReasonString, d.Reason)
	}
	if d.ServerReference != nil {
		dst = appendTextProperty(dst, propServerReference, d.ServerReference)
	}
	return append(dst, d.User...)
}
