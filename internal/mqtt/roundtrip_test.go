package mqtt

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// Generators of the fields and packets of one version. What a version does not have
// stays at the value with which its packets decode.

var versions = []Version{V31, V311, V5}

func genBytes(t *rapid.T, label string) []byte {
	b := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, label)
	return append([]byte{}, b...) // not nil
}

func genText(t *rapid.T, label string) []byte {
	pieces := rapid.SampledFrom([]string{"a", "/", "é", "\ufeff", "\U0001F980", "word", "~", "\ufffe"})
	b := []byte{}
	for _, piece := range rapid.SliceOfN(pieces, 0, 20).Draw(t, label) {
		b = append(b, piece...)
	}
	return b
}

func genTopic(t *rapid.T, label string) []byte { return append(genText(t, label), 't') }

// maybe is fill's result or nil.
func maybe(t *rapid.T, label string, fill func(*rapid.T, string) []byte) []byte {
	if !rapid.Bool().Draw(t, "has "+label) {
		return nil
	}
	return fill(t, label)
}

func genUser(t *rapid.T) (u UserProperties) {
	for range rapid.IntRange(0, 4).Draw(t, "users") {
		u = AppendUser(u, string(genText(t, "key")), string(genText(t, "value")))
	}
	return u
}

func genID(t *rapid.T) uint16 { return rapid.Uint16Min(1).Draw(t, "id") }

func genQoS(t *rapid.T) QoS { return QoS(rapid.IntRange(0, 2).Draw(t, "QoS")) }

// genCode draws a code from the set.
func genCode(t *rapid.T, s *codeSet) ReasonCode {
	var all []ReasonCode
	for c := range 256 {
		if s.has(ReasonCode(c)) {
			all = append(all, ReasonCode(c))
		}
	}
	return rapid.SampledFrom(all).Draw(t, "code")
}

func genPublishProps(t *rapid.T) (p PublishProps) {
	if p.HasPayloadFormat = rapid.Bool().Draw(t, "has format"); p.HasPayloadFormat {
		p.PayloadFormat = rapid.ByteMax(1).Draw(t, "format")
	}
	if p.HasMessageExpiry = rapid.Bool().Draw(t, "has expiry"); p.HasMessageExpiry {
		p.MessageExpiry = rapid.Uint32().Draw(t, "expiry")
	}
	p.ResponseTopic = maybe(t, "response topic", genTopic)
	p.CorrelationData = maybe(t, "correlation", genBytes)
	p.ContentType = maybe(t, "content type", genText)
	p.HasResponseTopic = p.ResponseTopic != nil
	p.HasCorrelationData = p.CorrelationData != nil
	p.HasContentType = p.ContentType != nil
	p.User = genUser(t)
	return p
}

func genConnect(t *rapid.T, v Version) packet {
	c := &Connect{Version: v, CleanStart: rapid.Bool().Draw(t, "clean"), KeepAlive: rapid.Uint16().Draw(t, "keep alive"),
		ClientID: genText(t, "client id"), Username: maybe(t, "user", genText), Password: maybe(t, "password", genBytes),
		Props: NewConnectProps()}
	if v != V5 && c.Username == nil {
		c.Password = nil
	}
	c.HasUsername, c.HasPassword = c.Username != nil, c.Password != nil
	if c.HasWill = rapid.Bool().Draw(t, "has will"); c.HasWill {
		c.Will = Will{QoS: genQoS(t), Retain: rapid.Bool().Draw(t, "retain"), Topic: genTopic(t, "topic"), Payload: genBytes(t, "payload")}
		if v == V5 {
			c.Will.DelayInterval = rapid.Uint32().Draw(t, "delay")
			c.Will.Props = genPublishProps(t)
		}
	}
	if v == V5 {
		p := &c.Props
		if p.HasSessionExpiry = rapid.Bool().Draw(t, "has expiry"); p.HasSessionExpiry {
			p.SessionExpiry = rapid.Uint32().Draw(t, "expiry")
		}
		p.ReceiveMaximum = rapid.Uint16().Draw(t, "receive maximum")
		p.MaximumPacketSize = rapid.Uint32().Draw(t, "packet size")
		p.TopicAliasMaximum = rapid.Uint16().Draw(t, "alias maximum")
		p.RequestResponseInfo = rapid.Bool().Draw(t, "response info")
		p.RequestProblemInfo = rapid.Bool().Draw(t, "problem info")
		p.User = genUser(t)
		if p.AuthMethod = maybe(t, "method", genText); p.AuthMethod != nil {
			p.AuthData = maybe(t, "data", genBytes)
		}
		p.HasAuthMethod, p.HasAuthData = p.AuthMethod != nil, p.AuthData != nil
	}
	return c
}

func genConnack(t *rapid.T, v Version) packet {
	c := &Connack{Code: genCode(t, &connackCodes)}
	if v != V5 {
		c.Code = rapid.SampledFrom(v3ConnackCodes[:]).Draw(t, "code")
	}
	c.SessionPresent = v != V31 && c.Code == Success && rapid.Bool().Draw(t, "present")
	if v != V5 {
		return c
	}
	p := &c.Props
	if p.HasSessionExpiry = rapid.Bool().Draw(t, "has expiry"); p.HasSessionExpiry {
		p.SessionExpiry = rapid.Uint32().Draw(t, "expiry")
	}
	if p.HasMaximumQoS = rapid.Bool().Draw(t, "has QoS"); p.HasMaximumQoS {
		p.MaximumQoS = QoS(rapid.IntRange(0, 1).Draw(t, "QoS"))
	}
	if p.HasServerKeepAlive = rapid.Bool().Draw(t, "has keep alive"); p.HasServerKeepAlive {
		p.ServerKeepAlive = rapid.Uint16().Draw(t, "keep alive")
	}
	p.ReceiveMaximum = rapid.Uint16().Draw(t, "receive maximum")
	p.MaximumPacketSize = rapid.Uint32().Draw(t, "packet size")
	p.TopicAliasMaximum = rapid.Uint16().Draw(t, "alias maximum")
	p.RetainUnavailable = rapid.Bool().Draw(t, "retain")
	p.WildcardsUnavailable = rapid.Bool().Draw(t, "wildcards")
	p.SubscriptionIDsUnavailable = rapid.Bool().Draw(t, "ids")
	p.SharedUnavailable = rapid.Bool().Draw(t, "shared")
	p.AssignedClientID = maybe(t, "client id", genText)
	p.Reason = maybe(t, "reason", genText)
	p.ResponseInfo = maybe(t, "info", genText)
	p.ServerReference = maybe(t, "reference", genText)
	if p.AuthMethod = maybe(t, "method", genText); p.AuthMethod != nil {
		p.AuthData = maybe(t, "data", genBytes)
	}
	p.User = genUser(t)
	return c
}

func genPublish(t *rapid.T, v Version) packet {
	p := &Publish{QoS: genQoS(t), Retain: rapid.Bool().Draw(t, "retain"), Topic: genTopic(t, "topic"), Payload: genBytes(t, "payload")}
	if p.QoS > QoS0 {
		p.PacketID, p.Dup = genID(t), rapid.Bool().Draw(t, "dup")
	}
	if v == V5 {
		p.Props = genPublishProps(t)
		if p.Props.HasTopicAlias = rapid.Bool().Draw(t, "has alias"); p.Props.HasTopicAlias {
			p.Props.TopicAlias = genID(t)
			if rapid.Bool().Draw(t, "omit topic") {
				p.Topic = []byte{}
			}
		}
		for range rapid.IntRange(0, 3).Draw(t, "ids") {
			p.Props.SubscriptionIDs = append(p.Props.SubscriptionIDs, rapid.Uint32Range(1, MaxSubscriptionID).Draw(t, "sub id"))
		}
	}
	return p
}

func genAck(t *rapid.T, v Version) packet {
	a := &Ack{Type: PacketType(rapid.IntRange(4, 7).Draw(t, "type")), PacketID: genID(t)}
	if v == V5 {
		codes := &publishAckCodes
		if a.Type >= TypePubrel {
			codes = &releaseCodes
		}
		a.Code, a.Reason, a.User = genCode(t, codes), maybe(t, "reason", genText), genUser(t)
	}
	return a
}

func genSubscribe(t *rapid.T, v Version) packet {
	s := &Subscribe{PacketID: genID(t)}
	if v == V5 {
		s.SubscriptionID, s.User = rapid.Uint32Max(MaxSubscriptionID).Draw(t, "sub id"), genUser(t)
	}
	for range rapid.IntRange(1, 4).Draw(t, "count") {
		o := SubscribeOptions{QoS: genQoS(t)}
		if v == V5 {
			o.NoLocal, o.RetainAsPublished = rapid.Bool().Draw(t, "nl"), rapid.Bool().Draw(t, "rap")
			o.RetainHandling = rapid.ByteMax(2).Draw(t, "rh")
		}
		s.Add(string(genText(t, "filter")), o)
	}
	return s
}

func genUnsubscribe(t *rapid.T, v Version) packet {
	u := &Unsubscribe{PacketID: genID(t)}
	if v == V5 {
		u.User = genUser(t)
	}
	for range rapid.IntRange(1, 4).Draw(t, "count") {
		u.Add(string(genText(t, "filter")))
	}
	return u
}

func genSuback(t *rapid.T, v Version) packet {
	s, codes := &Suback{PacketID: genID(t)}, &subackCodesV3
	if v == V5 {
		codes = &subackCodes
		s.Reason, s.User = maybe(t, "reason", genText), genUser(t)
	}
	for range rapid.IntRange(1, 5).Draw(t, "count") {
		s.Codes = append(s.Codes, genCode(t, codes))
	}
	return s
}

func genUnsuback(t *rapid.T, v Version) packet {
	u := &Unsuback{PacketID: genID(t)}
	if v != V5 {
		return u
	}
	u.Reason, u.User = maybe(t, "reason", genText), genUser(t)
	for range rapid.IntRange(1, 5).Draw(t, "count") {
		u.Codes = append(u.Codes, genCode(t, &unsubackCodes))
	}
	return u
}

func genDisconnect(t *rapid.T, v Version) packet {
	d := &Disconnect{}
	if v != V5 {
		return d
	}
	d.Reason, d.User = maybe(t, "reason", genText), genUser(t)
	if rapid.Bool().Draw(t, "from server") {
		d.Code, d.ServerReference = genCode(t, &disconnectServerCodes), genText(t, "reference")
		return d
	}
	d.Code = genCode(t, &disconnectClientCodes)
	if d.HasSessionExpiry = rapid.Bool().Draw(t, "has expiry"); d.HasSessionExpiry {
		d.SessionExpiry = rapid.Uint32().Draw(t, "expiry")
	}
	return d
}

func genAuth(t *rapid.T, _ Version) packet {
	return &Auth{Code: genCode(t, &authCodes), Method: genText(t, "method"), Data: maybe(t, "data", genBytes),
		Reason: maybe(t, "reason", genText), User: genUser(t)}
}

func TestRoundTrip(t *testing.T) {
	kinds := []struct {
		name string
		gen  func(*rapid.T, Version) packet
	}{
		{"Connect", genConnect}, {"Connack", genConnack}, {"Publish", genPublish}, {"Ack", genAck},
		{"Subscribe", genSubscribe}, {"Suback", genSuback}, {"Unsubscribe", genUnsubscribe},
		{"Unsuback", genUnsuback}, {"Disconnect", genDisconnect}, {"Auth", genAuth},
	}
	for _, kind := range kinds {
		for _, v := range versions {
			if kind.name == "Auth" && v != V5 {
				continue
			}
			t.Run(kind.name+" "+v.String(), func(t *testing.T) {
				rapid.Check(t, func(t *rapid.T) {
					p := kind.gen(t, v)
					roundTrip(t, p, v, fromServer(p))
				})
			})
		}
	}
}

// fromServer says which way a packet goes that only one side may send.
func fromServer(p packet) bool {
	switch p := p.(type) {
	case *Publish:
		return len(p.Props.SubscriptionIDs) > 0
	case *Disconnect:
		return p.ServerReference != nil
	}
	return false
}

func roundTrip(t *rapid.T, p packet, v Version, fromServer bool) {
	prefix := []byte("before")
	b := p.Append(prefix, v)[len(prefix):]
	if len(b) != p.Size(v) {
		t.Fatalf("Size %d, written %d", p.Size(v), len(b))
	}
	got, err := decodeWhole(v, fromServer, b)
	if err != nil {
		t.Fatalf("%x: %v", b, err)
	}
	if !reflect.DeepEqual(got, p) {
		t.Fatalf("%x:\n%+v\nwant\n%+v", b, got, p)
	}
}

// TestHeadIsPublish: a head, the forwarded properties and the payload are together what
// Publish.Append writes.
func TestHeadIsPublish(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.SampledFrom(versions).Draw(t, "version")
		p := genPublish(t, v).(*Publish)
		h := PublishHead{Version: v, Dup: p.Dup, QoS: p.QoS, Retain: p.Retain, Topic: string(p.Topic), Alias: p.Props.TopicAlias,
			PacketID: p.PacketID, SubscriptionIDs: p.Props.SubscriptionIDs, Expiry: p.Props.MessageExpiry,
			HasExpiry: p.Props.HasMessageExpiry, ForwardLen: p.Props.ForwardSize(), PayloadLen: len(p.Payload)}
		if len(p.Topic) == 0 {
			h.Topic, h.OmitTopic = "some/topic", true
		}
		b := h.Append(nil)
		if v == V5 {
			b = p.Props.AppendForward(b)
		}
		b = append(b, p.Payload...)
		if want := p.Append(nil, v); string(b) != string(want) || h.Size() != len(want) {
			t.Fatalf("%x (Size %d), want %x", b, h.Size(), want)
		}
	})
}
