package mqtt

import (
	"errors"
	"reflect"
	"testing"
)

// allCases are the wire cases of every packet: the seeds of the fuzz targets, good and
// bad ones.
func allCases() (cases []wireCase) {
	for _, some := range [][]wireCase{connectCases(), connackCases(), publishCases(), ackCases(), subscribeCases(),
		subackCases(), unsubscribeCases(), unsubackCases(), disconnectCases(), authCases()} {
		cases = append(cases, some...)
	}
	return cases
}

// fuzzPacket feeds bodies to the decoders of some packet types, as both sides and in
// each version. No panic; the error is an *Error; the body is neither changed nor read
// past its end; what decodes encodes to something that decodes to the same.
func fuzzPacket(f *testing.F, types ...PacketType) {
	wanted := map[PacketType]bool{}
	for _, typ := range types {
		wanted[typ] = true
	}
	for _, c := range allCases() {
		if len(c.b) > 1 && wanted[PacketType(c.b[0]>>4)] {
			f.Add(byte(c.v), c.fromServer, c.b[0], c.b[2:]) // all seeds have a length of one byte
		}
	}
	f.Fuzz(func(t *testing.T, version byte, fromServer bool, first byte, body []byte) {
		v := versions[int(version)%len(versions)]
		h := Header{Type: types[int(first>>4)%len(types)], Flags: first & 15, Remaining: len(body)}
		if PacketType(first>>4) == h.Type && h.checkFlags() != nil {
			h.Flags = 0
		}
		before := string(body)
		padded := append(append(make([]byte, 0, len(body)+8), body...), "\x00\x01a\x26\xff\xff\xff\xff"...)
		p, err := decodeBody(v, fromServer, h, padded[:len(body)])
		alone, err2 := decodeBody(v, fromServer, h, body[:len(body):len(body)])
		if !reflect.DeepEqual(err, err2) || err == nil && !reflect.DeepEqual(p, alone) {
			t.Fatalf("read past the end: %v, %v", err, err2)
		}
		if string(body) != before {
			t.Fatal("the body has changed")
		}
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || !e.Code.Failed() || e.Reason == "" {
				t.Fatalf("error %#v", err)
			}
			return
		}
		if c, ok := p.(*Connect); ok {
			v = c.Version
		}
		b := p.Append(nil, v)
		if len(b) != p.Size(v) {
			t.Fatalf("Size %d, written %d", p.Size(v), len(b))
		}
		again, err := decodeWhole(v, fromServer, b)
		if err != nil {
			t.Fatalf("%x: %v", b, err)
		}
		if !reflect.DeepEqual(p, again) {
			t.Fatalf("%+v\nthen\n%+v", p, again)
		}
		walk(p)
	})
}

// walk goes through a packet's iterators.
func walk(p packet) {
	switch p := p.(type) {
	case *Publish:
		for range p.Props.User.All() {
		}
	case *Subscribe:
		n := 0
		for range p.Filters() {
			n++
		}
		if n != p.Count {
			panic("Count is not what Filters yields")
		}
	case *Unsubscribe:
		n := 0
		for range p.Filters() {
			n++
		}
		if n != p.Count {
			panic("Count is not what Filters yields")
		}
	}
}

func FuzzHeader(f *testing.F) {
	for _, c := range allCases() {
		f.Add(c.b)
	}
	f.Add([]byte{0x30, 0xff, 0xff, 0xff, 0x7f})
	f.Add([]byte("GET / HTTP/1.1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n, err := DecodeHeader(b)
		// Byte by byte it says "more" until it says the same.
		for cut := range b {
			h2, n2, err2 := DecodeHeader(b[:cut])
			if n2 == 0 && err2 == nil {
				continue
			}
			if h2 != h || n2 != n || err2 != err {
				t.Fatalf("%x: %v %d %v, whole %v %d %v", b[:cut], h2, n2, err2, h, n, err)
			}
			break
		}
		if err == nil && n > 0 && string(h.Append(nil)) != string(b[:n]) {
			t.Fatalf("%x, appended %x", b[:n], h.Append(nil))
		}
		if err != nil && (n != 0 || h != Header{}) {
			t.Fatalf("%v with %v, %d", err, h, n)
		}
	})
}

func FuzzConnect(f *testing.F)     { fuzzPacket(f, TypeConnect) }
func FuzzConnack(f *testing.F)     { fuzzPacket(f, TypeConnack) }
func FuzzPublish(f *testing.F)     { fuzzPacket(f, TypePublish) }
func FuzzAck(f *testing.F)         { fuzzPacket(f, TypePuback, TypePubrec, TypePubrel, TypePubcomp) }
func FuzzSubscribe(f *testing.F)   { fuzzPacket(f, TypeSubscribe) }
func FuzzSuback(f *testing.F)      { fuzzPacket(f, TypeSuback) }
func FuzzUnsubscribe(f *testing.F) { fuzzPacket(f, TypeUnsubscribe) }
func FuzzUnsuback(f *testing.F)    { fuzzPacket(f, TypeUnsuback) }
func FuzzDisconnect(f *testing.F)  { fuzzPacket(f, TypeDisconnect) }
func FuzzAuth(f *testing.F)        { fuzzPacket(f, TypeAuth) }

func FuzzForward(f *testing.F) {
	f.Add(raw(0x01, 1, 0x03, "text", 0x08, "re", 0x09, "\x00", 0x26, "k", "v"))
	f.Add(raw(0x26, "k", "v", 0x01, 0, 0x26, "k", "w"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var p, again PublishProps
		if p.DecodeForward(b) != nil {
			return
		}
		out := p.AppendForward(nil)
		if len(out) != p.ForwardSize() {
			t.Fatalf("ForwardSize %d, written %d", p.ForwardSize(), len(out))
		}
		if err := again.DecodeForward(out); err != nil || !reflect.DeepEqual(p, again) {
			t.Fatalf("%v\n%+v\n%+v", err, p, again)
		}
	})
}

func FuzzUserProperties(f *testing.F) {
	f.Add([]byte(AppendUser(UserProperties(nil), "key", "value")), "key")
	f.Add([]byte("\x26\x00\x01k\x00\x02v"), "k")
	f.Fuzz(func(t *testing.T, b []byte, key string) {
		u, n, found := UserProperties(b), 0, false
		for k := range u.All() {
			n++
			found = found || string(k) == key
		}
		if _, ok := u.Get(key); ok != found || u.Len() != n {
			t.Fatalf("Len %d, counted %d; Get %v, found %v", u.Len(), n, ok, found)
		}
	})
}
