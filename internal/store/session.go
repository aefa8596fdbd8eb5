package store

import (
	"encoding/binary"
	"math"

	"alcove/internal/auth"
	"alcove/internal/broker"
	"alcove/internal/mqtt"
)

// appendSession appends the value of a session.
func appendSession(dst []byte, s *broker.SessionRecord) []byte {
	dst = append(dst, encoding, byte(s.Version))
	dst = appendBytes(dst, s.ClientID)
	dst = appendTime(dst, s.Created)
	dst = appendTime(dst, s.Detached)
	dst = appendTime(dst, s.WillDue)
	dst = binary.AppendUvarint(dst, uint64(s.Expiry))
	dst = binary.AppendUvarint(dst, uint64(s.Epoch))
	dst = binary.AppendUvarint(dst, uint64(s.WillDelay))
	dst = binary.AppendUvarint(dst, uint64(s.Token))
	if s.Will == nil {
		return append(dst, 0)
	}
	return appendMessage(append(dst, 1), s.Will)
}

// decodeSession reads what appendSession wrote. It borrows nothing but the Will,
// for which it copies.
func decodeSession(value []byte, top auth.AccountID) (broker.SessionRecord, error) {
	d := newDecoder(value)
	var s broker.SessionRecord
	s.Version = mqtt.Version(d.byte("version"))
	s.ClientID = string(d.bytes("client id"))
	s.Created = d.time("created")
	s.Detached = d.time("detached")
	s.WillDue = d.time("will due")
	s.Expiry = uint32(d.uint("expiry", math.MaxUint32))
	s.Epoch = uint32(d.uint("epoch", math.MaxUint32))
	s.WillDelay = uint32(d.uint("will delay", math.MaxUint32))
	s.Token = auth.TokenID(d.uint("token", math.MaxUint64))
	switch has := d.byte("will"); {
	case d.err != nil || has == 0:
		return s, d.end()
	case has > 1:
		d.fault("will", "neither there nor not")
		return s, d.err
	}
	var err error
	s.Will, err = decodeMessage(append([]byte(nil), d.rest...), top)
	return s, err
}

// appendGroup appends the value of a share group.
func appendGroup(dst []byte, g *broker.GroupRecord) []byte {
	dst = append(dst, encoding)
	dst = appendBytes(dst, g.Share)
	return appendBytes(dst, g.Inner)
}

func decodeGroup(value []byte) (broker.GroupRecord, error) {
	d := newDecoder(value)
	g := broker.GroupRecord{Share: string(d.bytes("share")), Inner: string(d.bytes("filter"))}
	return g, d.end()
}

// The bits of stored Subscription Options, as they stand in SUBSCRIBE.
const (
	optionNoLocal           = 0x04
	optionRetainAsPublished = 0x08
	optionHandlingShift     = 4
)

// appendSubscription appends the value of a subscription, whose filter is in its
// key.
func appendSubscription(dst []byte, s *broker.SubscriptionRecord) []byte {
	o := byte(s.Options.QoS) | s.Options.RetainHandling<<optionHandlingShift
	if s.Options.NoLocal {
		o |= optionNoLocal
	}
	if s.Options.RetainAsPublished {
		o |= optionRetainAsPublished
	}
	dst = append(dst, encoding, o)
	return binary.AppendUvarint(dst, uint64(s.ID))
}

func decodeSubscription(value []byte, filter string) (broker.SubscriptionRecord, error) {
	d := newDecoder(value)
	o := d.byte("options")
	s := broker.SubscriptionRecord{
		Filter: filter,
		Options: mqtt.SubscribeOptions{
			QoS:               mqtt.QoS(o & flagQoS),
			NoLocal:           o&optionNoLocal != 0,
			RetainAsPublished: o&optionRetainAsPublished != 0,
			RetainHandling:    o >> optionHandlingShift,
		},
		ID: uint32(d.uint("identifier", mqtt.MaxSubscriptionID)),
	}
	if s.Options.QoS > mqtt.QoS2 || s.Options.RetainHandling > 2 {
		d.fault("options", "no such options")
	}
	return s, d.end()
}

// appendHead appends the value of space h.
func appendHead(dst []byte, ticket uint64, highest broker.OwnerID) []byte {
	dst = append(dst, encoding)
	dst = binary.AppendUvarint(dst, ticket)
	return binary.AppendUvarint(dst, uint64(highest))
}

func decodeHead(value []byte) (ticket uint64, highest broker.OwnerID, err error) {
	d := newDecoder(value)
	ticket = d.uint("ticket", math.MaxUint64)
	highest = broker.OwnerID(d.uint("owner", math.MaxUint64))
	return ticket, highest, d.end()
}
