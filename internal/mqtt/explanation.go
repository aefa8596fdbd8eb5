package mqtt

// explanation is what most acknowledgements may add in MQTT 5: a Reason String and
// User Properties. Packets have the two fields of their own; this is how they read,
// measure and write them.
type explanation struct {
	reason []byte // nil when absent
	user   UserProperties
}

func (e *explanation) decodeOne(in *properties, id byte) {
	switch id {
	case propReasonString:
		e.reason = in.text(errReasonText)
	case propUser:
		e.user = in.user(e.user)
	}
}

func (e *explanation) decode(r *reader) {
	in := r.properties(propsReason)
	for id := in.next(); id != 0; id = in.next() {
		e.decodeOne(&in, id)
	}
	in.leave(r)
}

func (e *explanation) size() int {
	return when(e.reason != nil, textProperty(e.reason)) + len(e.user)
}

func (e *explanation) append(dst []byte) []byte {
	if e.reason != nil {
		dst = appendTextProperty(dst, propReasonString, e.reason)
	}
	return append(dst, e.user...)
}

// fit leaves out the Reason String, and if that is not enough the User Properties,
// until size() is at most limit bytes, and reports whether it is.
func fit(limit int, size func() int, reason *[]byte, user *UserProperties) bool {
	if size() <= limit {
		return true
	}
	if *reason != nil {
		*reason = nil
		if size() <= limit {
			return true
		}
	}
	*user = nil
	return size() <= limit
}
