package mqtt

// Header is a fixed header: what stands before the body of every packet.
type Header struct {
	Type      PacketType
	Flags     byte // the lower four bits of the first byte
	Remaining int  // Remaining Length: bytes of the body, at most MaxRemaining
}

// The flags of PUBLISH.
const (
	flagRetain = 0x01
	flagQoS    = 0x06
	flagDup    = 0x08
)

// flagsReserved is the nibble which PUBREL, SUBSCRIBE and UNSUBSCRIBE carry.
const flagsReserved = 0x02

// DecodeHeader reads the fixed header at the start of b and returns the number of
// bytes it takes (2 to 5). While b is too short to tell, n is 0 and err is nil.
//
// It refuses reserved packet types, flags that no version allows, a Remaining Length
// over four bytes or not in its shortest form, and a ping with a body: all as
// MalformedPacket. MQTT 3.1 lets PUBREL, SUBSCRIBE and UNSUBSCRIBE be repeated with
// DUP set; these packets' Decode refuses that for the later versions.
func DecodeHeader(b []byte) (h Header, n int, err error) {
	if len(b) == 0 {
		return Header{}, 0, nil
	}
	h.Type, h.Flags = PacketType(b[0]>>4), b[0]&0x0f
	if e := h.checkFlags(); e != nil {
		return Header{}, 0, e
	}
	length, used, e := decodeVarint(b[1:])
	if e != nil {
		return Header{}, 0, e
	}
	if used == 0 {
		return Header{}, 0, nil
	}
	if length > 0 && (h.Type == TypePingreq || h.Type == TypePingresp) {
		return Header{}, 0, errPingBody
	}
	h.Remaining = length
	return h, 1 + used, nil
}

// checkFlags enforces the table of flag bits.
//
// [MQTT-2.1.3-1] [MQTT311-2.2.2-1] [MQTT311-2.2.2-2]
func (h Header) checkFlags() *Error {
	switch h.Type {
	case 0:
		return errType
	case TypePublish:
		switch {
		case h.Flags&flagQoS == flagQoS:
			return errQoS // [MQTT-3.3.1-4] [MQTT311-3.3.1-4]
		case h.Flags&(flagQoS|flagDup) == flagDup:
			return errDup // [MQTT-3.3.1-2] [MQTT311-3.3.1-2]
		}
	case TypePubrel, TypeSubscribe, TypeUnsubscribe:
		// [MQTT-3.6.1-1] [MQTT-3.8.1-1] [MQTT-3.10.1-1]
		// [MQTT311-3.6.1-1] [MQTT311-3.8.1-1] [MQTT311-3.10.1-1]
		if h.Flags&^flagDup != flagsReserved {
			return errFlags
		}
	default:
		// [MQTT-3.14.1-1] [MQTT-3.15.1-1] [MQTT311-3.14.1-1]
		if h.Flags != 0 {
			return errFlags
		}
	}
	return nil
}

// repeatFlags refuses DUP on PUBREL, SUBSCRIBE and UNSUBSCRIBE where the version has
// no such flag: only MQTT 3.1 does.
func (h Header) repeatFlags(v Version) *Error {
	if v != V31 && h.Flags&flagDup != 0 {
		return errFlags // [MQTT-2.1.3-1] [MQTT311-2.2.2-2]
	}
	return nil
}

// Append appends the header's bytes to dst.
func (h Header) Append(dst []byte) []byte {
	return appendHeader(dst, byte(h.Type)<<4|h.Flags&0x0f, h.Remaining)
}

// PacketSize returns the size in bytes of a packet with the given Remaining Length.
func PacketSize(remaining int) int { return 1 + varintSize(remaining) + remaining }

func appendHeader(dst []byte, first byte, remaining int) []byte {
	return appendVarint(append(dst, first), remaining)
}

// AppendPingreq appends a PINGREQ to dst.
func AppendPingreq(dst []byte) []byte { return append(dst, byte(TypePingreq)<<4, 0) }

// AppendPingresp appends a PINGRESP to dst, the answer to a PINGREQ [MQTT-3.12.4-1].
func AppendPingresp(dst []byte) []byte { return append(dst, byte(TypePingresp)<<4, 0) }
