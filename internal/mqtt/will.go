package mqtt

// Will is the message that a client leaves with the server for the case that its
// connection ends without a goodbye.
type Will struct {
	QoS           QoS
	Retain        bool
	Topic         []byte
	Payload       []byte
	DelayInterval uint32       // seconds; MQTT 5
	Props         PublishProps // without Topic Alias and Subscription Identifiers; MQTT 5
}

// decode reads properties (MQTT 5), topic and payload.
func (w *Will) decode(r *reader, v Version) {
	if v == V5 {
		in := r.properties(propsWill)
		for id := in.next(); id != 0; id = in.next() {
			if id == propWillDelay {
				w.DelayInterval = in.uint32()
			} else {
				w.Props.decodeOne(&in, id)
			}
		}
		in.leave(r)
	}
	w.Topic = r.topic(errWillTopicText) // [MQTT-3.1.3-11] [MQTT311-3.1.3-10]
	if len(w.Topic) == 0 {
		r.fail(errWillTopic) // [MQTT-4.7.3-1] [MQTT311-4.7.3-1]
	}
	w.Payload = r.binary()
}

func (w *Will) propsSize() int {
	return when(w.DelayInterval != 0, uint32Property) +
		when(w.Props.HasMessageExpiry, uint32Property) + w.Props.ForwardSize()
}

func (w *Will) size(v Version) int {
	n := textSize(w.Topic) + binarySize(w.Payload)
	if v == V5 {
		props := w.propsSize()
		n += varintSize(props) + props
	}
	return n
}

func (w *Will) append(dst []byte, v Version) []byte {
	if v == V5 {
		dst = appendVarint(dst, w.propsSize())
		if w.DelayInterval != 0 {
			dst = appendUint32Property(dst, propWillDelay, w.DelayInterval)
		}
		if w.Props.HasMessageExpiry {
			dst = appendUint32Property(dst, propMessageExpiry, w.Props.MessageExpiry)
		}
		dst = w.Props.AppendForward(dst)
	}
	dst = appendText(dst, w.Topic)
	return appendBinary(dst, w.Payload)
}
