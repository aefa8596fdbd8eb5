package mqtt

// Publish is a PUBLISH packet as one peer sends it to another.
type Publish struct {
	Dup      bool
	QoS      QoS
	Retain   bool
	Topic    []byte // may be empty if a Topic Alias stands for it (MQTT 5)
	PacketID uint16 // 0 for QoS 0
	Props    PublishProps
	Payload  []byte
	// Packet is the whole packet that was decoded, where who decoded it has set it.
	Packet []byte
}

// Decode reads a PUBLISH which a client has sent. A topic with wildcards is not
// refused here: the dialect gives it a meaning [EXT-RET-2], and without one the caller
// has to refuse it. Nor is a Topic Alias above the announced maximum.
func (p *Publish) Decode(v Version, h Header, body []byte) error {
	return p.decode(v, h, body, false)
}

// DecodeFromServer reads a PUBLISH which a server has sent: here Subscription
// Identifiers are legal.
func (p *Publish) DecodeFromServer(v Version, h Header, body []byte) error {
	return p.decode(v, h, body, true)
}

func (p *Publish) decode(v Version, h Header, body []byte, fromServer bool) error {
	*p = Publish{
		Dup:    h.Flags&flagDup != 0,
		QoS:    QoS(h.Flags & flagQoS >> 1),
		Retain: h.Flags&flagRetain != 0,
		Props:  PublishProps{SubscriptionIDs: p.Props.SubscriptionIDs[:0]},
	}
	if e := h.checkFlags(); e != nil {
		return e
	}
	r := reader{b: body}
	p.Topic = r.topic(errTopicText) // [MQTT-3.3.2-1] [MQTT311-3.3.2-1]
	if p.QoS > QoS0 {
		p.PacketID = r.packetID() // [MQTT-2.2.1-2] [MQTT311-2.3.1-5]
	}
	if v == V5 {
		p.decodeProps(&r, fromServer)
	}
	if len(p.Topic) == 0 && !p.Props.HasTopicAlias {
		r.fail(errTopicEmpty) // [MQTT-4.7.3-1] [MQTT311-4.7.3-1]
	}
	if r.err != nil {
		return r.err
	}
	p.Payload = r.b[:len(r.b):len(r.b)]
	return nil
}

func (p *Publish) decodeProps(r *reader, fromServer bool) {
	if len(r.b) > 0 && r.b[0] == 0 { // none: the common case
		r.b = r.b[1:]
		return
	}
	in := r.properties(propsPublish)
	if fromServer {
		in.repeat |= 1 << propSubscriptionID
	}
	for id := in.next(); id != 0; id = in.next() {
		if id == propSubscriptionID && !fromServer {
			in.fail(errSubIDClient) // [MQTT-3.3.4-6]
			break
		}
		p.Props.decodeOne(&in, id)
	}
	in.leave(r)
}

// head returns what stands before the forwarded properties, the topic left out.
func (p *Publish) head(v Version) PublishHead {
	h := PublishHead{
		Version: v, Dup: p.Dup, QoS: p.QoS, Retain: p.Retain, PacketID: p.PacketID,
		PayloadLen: len(p.Payload),
	}
	if v == V5 {
		h.Alias, h.SubscriptionIDs = p.Props.TopicAlias, p.Props.SubscriptionIDs
		h.Expiry, h.HasExpiry = p.Props.MessageExpiry, p.Props.HasMessageExpiry
		h.ForwardLen = p.Props.ForwardSize()
	}
	return h
}

// Size returns the size of the whole packet in bytes.
func (p *Publish) Size(v Version) int {
	h := p.head(v)
	_, remaining := h.lengths(len(cutText(p.Topic)))
	return PacketSize(remaining)
}

// Append appends the whole packet to dst. PacketID is written for QoS 1 and 2 only, a
// Topic Alias of 0 not at all.
func (p *Publish) Append(dst []byte, v Version) []byte {
	h := p.head(v)
	topic := cutText(p.Topic)
	props, remaining := h.lengths(len(topic))
	dst = h.appendFixed(dst, remaining)
	dst = appendUint16(dst, uint16(len(topic)))
	dst = append(dst, topic...)
	dst = h.appendOwn(dst, props)
	if v == V5 {
		dst = p.Props.AppendForward(dst)
	}
	return append(dst, p.Payload...)
}

func publishFlags(dup bool, qos QoS, retain bool) byte {
	flags := byte(TypePublish)<<4 | byte(qos&3)<<1
	if dup {
		flags |= flagDup
	}
	if retain {
		flags |= flagRetain
	}
	return flags
}
