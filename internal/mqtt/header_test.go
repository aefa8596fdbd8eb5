package mqtt

import "testing"

func TestHeaderFlags(t *testing.T) {
	// [MQTT-2.1.3-1] [MQTT311-2.2.2-1] [MQTT311-2.2.2-2] [MQTT-3.6.1-1] [MQTT311-3.6.1-1]
	// [MQTT-3.8.1-1] [MQTT311-3.8.1-1] [MQTT-3.10.1-1] [MQTT311-3.10.1-1]
	// [MQTT-3.14.1-1] [MQTT311-3.14.1-1] [MQTT-3.15.1-1]
	for first := 0; first < 256; first++ {
		typ, flags := PacketType(first>>4), first&15
		want := flags == 0
		switch typ {
		case 0:
			want = false
		case TypePublish:
			// [MQTT-3.3.1-4] [MQTT311-3.3.1-4] [MQTT-3.3.1-2] [MQTT311-3.3.1-2]
			want = flags&6 != 6 && (flags&8 == 0 || flags&6 != 0)
		case TypePubrel, TypeSubscribe, TypeUnsubscribe:
			want = flags == 2 || flags == 10 // 10 is for MQTT 3.1 alone, see below
		}
		h, n, err := DecodeHeader([]byte{byte(first), 0})
		if !want {
			wantCode(t, err, MalformedPacket)
			continue
		}
		if err != nil || n != 2 || h.Type != typ || int(h.Flags) != flags || h.Remaining != 0 {
			t.Errorf("%#x: %+v, %d, %v", first, h, n, err)
		}
		if out := h.Append(nil); string(out) != string([]byte{byte(first), 0}) {
			t.Errorf("%#x: appended %x", first, out)
		}
	}
}

func TestHeaderRepeatFlag(t *testing.T) {
	bodies := map[PacketType][2][]byte{ // for 3.x and for 5.0
		TypePubrel:      {raw(0, 1), raw(0, 1)},
		TypeSubscribe:   {raw(0, 1, "a", 0), raw(0, 1, 0, "a", 0)},
		TypeUnsubscribe: {raw(0, 1, "a"), raw(0, 1, 0, "a")},
	}
	for typ, body := range bodies {
		b := [...][]byte{V31: body[0], V311: body[0], V5: body[1]}
		for _, v := range []Version{V31, V311, V5} {
			_, err := decodeWhole(v, false, whole(int(typ)<<4|10, b[v]))
			if v == V31 {
				if err != nil { // MQTT 3.1 repeats these packets with DUP
					t.Errorf("%v %v: %v", v, typ, err)
				}
				continue
			}
			wantCode(t, err, MalformedPacket) // [MQTT-2.1.3-1] [MQTT311-2.2.2-2]
		}
	}
}

func TestHeaderRemainingLength(t *testing.T) {
	// [MQTT-1.5.5-1]
	good := map[int][]byte{
		0: {0}, 1: {1}, 127: {0x7f}, 128: {0x80, 1}, 16383: {0xff, 0x7f}, 16384: {0x80, 0x80, 1},
		2097151: {0xff, 0xff, 0x7f}, 2097152: {0x80, 0x80, 0x80, 1}, MaxRemaining: {0xff, 0xff, 0xff, 0x7f},
	}
	for length, encoded := range good {
		b := append([]byte{0x30}, encoded...)
		for cut := range b { // byte by byte: not yet
			if h, n, err := DecodeHeader(b[:cut]); n != 0 || err != nil {
				t.Errorf("%x: %+v, %d, %v", b[:cut], h, n, err)
			}
		}
		for _, tail := range [][]byte{nil, {0xff}, {0, 0}} {
			h, n, err := DecodeHeader(append(append([]byte{}, b...), tail...))
			if err != nil || n != len(b) || h.Remaining != length {
				t.Errorf("%x: %+v, %d, %v", b, h, n, err)
			}
		}
		if out := (Header{Type: TypePublish, Remaining: length}).Append(nil); string(out) != string(b) {
			t.Errorf("%d: appended %x", length, out)
		}
		if got := PacketSize(length); got != len(b)+length {
			t.Errorf("PacketSize(%d) = %d", length, got)
		}
	}
	bad := [][]byte{
		{0x80, 0}, {0xff, 0}, {0x80, 0x80, 0}, {0x80, 0x80, 0x80, 0}, // not the shortest
		{0x80, 0x80, 0x80, 0x80}, {0xff, 0xff, 0xff, 0xff, 0x7f}, // five bytes
	}
	for _, encoded := range bad {
		_, _, err := DecodeHeader(append([]byte{0x30}, encoded...))
		wantCode(t, err, MalformedPacket)
	}
}

func TestHeaderRefusesEarly(t *testing.T) {
	// One byte is enough to see that this is no MQTT: HTTP, TLS, SSH.
	for _, first := range []byte{'G', 0x16, 'S', 0x00, 0xC1, 0x41} {
		_, _, err := DecodeHeader([]byte{first})
		wantCode(t, err, MalformedPacket)
	}
}

func TestPing(t *testing.T) {
	// [MQTT-3.12.4-1] [MQTT311-3.12.4-1]: C0 00 is answered by D0 00.
	if got := AppendPingresp(AppendPingreq(nil)); string(got) != "\xc0\x00\xd0\x00" {
		t.Fatalf("%x", got)
	}
	for _, first := range []byte{0xc0, 0xd0} {
		if _, n, err := DecodeHeader([]byte{first, 0}); n != 2 || err != nil {
			t.Errorf("%x: %d, %v", first, n, err)
		}
		_, _, err := DecodeHeader([]byte{first, 1, 0})
		wantCode(t, err, MalformedPacket)
	}
}

func TestNames(t *testing.T) {
	for got, want := range map[string]string{
		V31.String(): "3.1", V311.String(): "3.1.1", V5.String(): "5.0", Version(9).String(): "unknown version 9",
		TypeConnect.String(): "CONNECT", TypeAuth.String(): "AUTH", PacketType(99).String(): "packet type 99",
		Success.String(): "Success", WildcardSubscriptionsNotSupported.String(): "Wildcard Subscriptions not supported",
		ReasonCode(0x42).String(): "reason code 0x42", ReasonCode(0xff).String(): "reason code 0xff",
		(&Error{Code: Banned}).Error(): "Banned", errQoS.Error(): "Malformed Packet: QoS 3",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestV3Connack(t *testing.T) {
	// [MQTT311-3.2.2-6]: only the return codes 0 to 5, and none where none fits.
	want := map[ReasonCode]byte{
		Success: 0, UnsupportedProtocolVersion: 1, ClientIdentifierNotValid: 2, ServerUnavailable: 3,
		ServerBusy: 3, QuotaExceeded: 3, UnspecifiedError: 3, ImplementationSpecificError: 3,
		UseAnotherServer: 3, ServerMoved: 3, ConnectionRateExceeded: 3, BadUserNameOrPassword: 4,
		NotAuthorized: 5, Banned: 5,
	}
	for c := 0; c < 256; c++ {
		code, ok := V3Connack(ReasonCode(c))
		expected, fits := want[ReasonCode(c)]
		if ok != fits || code != expected {
			t.Errorf("%v: %d, %v", ReasonCode(c), code, ok)
		}
		if got := ReasonCode(c).Failed(); got != (c >= 0x80) {
			t.Errorf("%v: Failed is %v", ReasonCode(c), got)
		}
		out := (&Connack{Code: ReasonCode(c)}).Append(nil, V311)
		if ok && string(out) != string([]byte{0x20, 2, 0, code}) || !ok && out != nil {
			t.Errorf("%v: CONNACK %x", ReasonCode(c), out)
		}
		if got := (&Connack{Code: ReasonCode(c)}).Size(V311); got != len(out) {
			t.Errorf("%v: Size %d of %d", ReasonCode(c), got, len(out))
		}
	}
}
