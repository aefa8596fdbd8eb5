package mqtt

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// packet is what all packet structs have in common.
type packet interface {
	Append(dst []byte, v Version) []byte
	Size(v Version) int
}

// raw joins bytes: an int or a character is one byte, a string a length-prefixed field, a []byte
// stands as it is.
func raw(parts ...any) []byte {
	var b []byte
	for _, part := range parts {
		switch part := part.(type) {
		case int:
			b = append(b, byte(part))
		case rune:
			b = append(b, byte(part))
		case string:
			b = appendText(b, part)
		case []byte:
			b = append(b, part...)
		default:
			panic(fmt.Sprintf("raw: %T", part))
		}
	}
	return b
}

// props is raw behind its length.
func props(parts ...any) []byte {
	b := raw(parts...)
	return append(appendVarint(nil, len(b)), b...)
}

// whole is a packet: the first byte, the Remaining Length and the body.
func whole(first int, parts ...any) []byte {
	b := raw(parts...)
	return append(appendHeader(nil, byte(first), len(b)), b...)
}

// decodeWhole decodes one whole packet, as a server or a client does.
func decodeWhole(v Version, fromServer bool, b []byte) (packet, error) {
	h, n, err := DecodeHeader(b)
	if err != nil {
		return nil, err
	}
	if n == 0 || len(b) != n+h.Remaining {
		return nil, errors.New("not one whole packet")
	}
	return decodeBody(v, fromServer, h, b[n:])
}

func decodeBody(v Version, fromServer bool, h Header, body []byte) (packet, error) {
	switch h.Type {
	case TypeConnect:
		p := new(Connect)
		return p, p.Decode(h, body)
	case TypeConnack:
		p := new(Connack)
		return p, p.Decode(v, h, body)
	case TypePublish:
		p := new(Publish)
		if fromServer {
			return p, p.DecodeFromServer(v, h, body)
		}
		return p, p.Decode(v, h, body)
	case TypePuback, TypePubrec, TypePubrel, TypePubcomp:
		p := new(Ack)
		return p, p.Decode(v, h, body)
	case TypeSubscribe:
		p := new(Subscribe)
		return p, p.Decode(v, h, body)
	case TypeSuback:
		p := new(Suback)
		return p, p.Decode(v, h, body)
	case TypeUnsubscribe:
		p := new(Unsubscribe)
		return p, p.Decode(v, h, body)
	case TypeUnsuback:
		p := new(Unsuback)
		return p, p.Decode(v, h, body)
	case TypeDisconnect:
		p := new(Disconnect)
		if fromServer {
			return p, p.DecodeFromServer(v, h, body)
		}
		return p, p.Decode(v, h, body)
	case TypeAuth:
		p := new(Auth)
		return p, p.Decode(v, h, body)
	}
	return nil, errors.New("no decoder for " + h.Type.String())
}

// wireCase is a packet that decodes, or that is refused with a code.
type wireCase struct {
	name       string // with the clauses that it proves
	v          Version
	fromServer bool
	b          []byte
	want       ReasonCode // Success, or the code of the *Error
	loose      bool       // encodes to other bytes than it came in
}

// runWireCases decodes each case, checks the code, and for a good packet that it
// encodes to the same bytes, and that each of its truncations is handled.
func runWireCases(t *testing.T, cases []wireCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p, err := decodeWhole(c.v, c.fromServer, c.b)
			if c.want != Success {
				wantCode(t, err, c.want)
				return
			}
			if err != nil {
				t.Fatalf("refused: %v", err)
			}
			checkEncoding(t, p, c)
			checkTruncations(t, c)
		})
	}
}

func wantCode(t *testing.T, err error, want ReasonCode) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got error %v, want code %v", err, want)
	}
	if e.Code != want {
		t.Fatalf("got %v, want code %v", e, want)
	}
	if e.Reason == "" || !strings.Contains(e.Error(), e.Reason) {
		t.Fatalf("error without a reason: %v", e)
	}
}

func checkEncoding(t *testing.T, p packet, c wireCase) {
	t.Helper()
	out := p.Append(nil, c.v)
	if !c.loose && string(out) != string(c.b) {
		t.Fatalf("encoded to\n%x, came as\n%x", out, c.b)
	}
	if p.Size(c.v) != len(out) {
		t.Fatalf("Size is %d, encoded %d bytes", p.Size(c.v), len(out))
	}
	again, err := decodeWhole(c.v, c.fromServer, out)
	if err != nil || !reflect.DeepEqual(p, again) {
		t.Fatalf("decoded again: %v\n%+v\nwas\n%+v", err, again, p)
	}
}

// checkTruncations decodes every prefix of the body: it is an *Error or, for packets
// with a short form, another packet; what is behind the prefix is never looked at.
func checkTruncations(t *testing.T, c wireCase) {
	t.Helper()
	h, n, _ := DecodeHeader(c.b)
	body := c.b[n:]
	for cut := range body {
		h.Remaining = cut
		inPlace, err1 := decodeBody(c.v, c.fromServer, h, body[:cut])
		alone, err2 := decodeBody(c.v, c.fromServer, h, append([]byte{}, body[:cut]...))
		if err1 != err2 {
			t.Fatalf("cut at %d: %v in place, %v alone", cut, err1, err2)
		}
		var e *Error
		if err1 != nil && !errors.As(err1, &e) {
			t.Fatalf("cut at %d: %v is no *Error", cut, err1)
		}
		if err1 == nil && !reflect.DeepEqual(inPlace, alone) {
			t.Fatalf("cut at %d: read past the end", cut)
		}
	}
}
