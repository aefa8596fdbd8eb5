package expr

import "hash/crc32"

// name is a reference to a part of the object: a dotted text, and what follows it.
type name struct {
	text  string // what is looked up from the top; not there where steps[0] is a key
	keyed bool   // there is no text
	hash  uint32 // of text, as the tape has it
	field field  // of a message
	steps []access
}

// access is one step further: [3], ["key"], or .name after one of these.
type access struct {
	kind  accessKind
	index int
	text  string
}

type accessKind uint8

const (
	byIndex accessKind = iota
	byKey              // exactly this key
	byName             // a dotted text, by the rules of names
)

// field is what a dotted text means with `message=`.
type field uint8

const (
	noField field = iota
	topicField
	cidField
	timestampField
	payloadField
	qosField
	retainField
	userField  // user_properties as a whole
	aUserField // user_properties.key
)

const userPrefix = "user_properties."

var fields = map[string]field{
	"topic": topicField, "cid": cidField, "timestamp": timestampField, "payload": payloadField,
	"qos": qosField, "retain": retainField, "user_properties": userField,
}

func newName(text string) name {
	n := name{text: text, field: fields[text]}
	n.hash = crc32.Update(0, castagnoli, bare(n.text))
	if len(text) > len(userPrefix) && text[:len(userPrefix)] == userPrefix {
		n.field = aUserField
	}
	return n
}

// outcome is how a look-up ends.
type outcome uint8

const (
	missing outcome = iota
	found
	spoilt // out of steps, or a number too large: the whole expression is undefined
)

// look returns the value that a name means.
func (in *Input) look(n *name) (Value, outcome) {
	if in.mode == holdsMessage {
		return in.lookMessage(n)
	}
	s, o := in.locate(n)
	if o != found {
		return Value{}, o
	}
	return in.decode(s.of(in.document))
}

// has tells whether a name means something, without reading what.
func (in *Input) has(n *name) outcome {
	if in.mode == holdsMessage {
		_, o := in.lookMessage(n)
		return o
	}
	_, o := in.locate(n)
	return o
}

// locate finds the part of the document that a name means.
func (in *Input) locate(n *name) (span, outcome) {
	s, b := in.tape.root, in.document
	if !n.keyed {
		if !in.pay(len(n.text)) {
			return s, spoilt
		}
		if !in.tape.indexed {
			in.tape.index(b)
		}
		if in.tape.walks {
			var o outcome
			if s, o = in.walkName(s, n.text); o != found {
				return s, o
			}
		} else if i := in.tape.find(b, n.text, n.hash); i >= 0 {
			s = in.tape.members[i].value
		} else {
			return s, missing
		}
	}
	for i := range n.steps {
		var o outcome
		if s, o = in.walk(s, &n.steps[i]); o != found {
			return s, o
		}
	}
	return s, found
}

// decode reads a value of checked JSON.
func (in *Input) decode(b string) (Value, outcome) {
	switch b[0] {
	case '"':
		text, ok := in.plain(b[1 : len(b)-1])
		if !ok {
			return Value{}, spoilt
		}
		return textual(text), found
	case '{', '[':
		return document(b), found
	case 't':
		return boolean(true), found
	case 'f':
		return boolean(false), found
	case 'n':
		return Value{}, found
	}
	if !in.pay(len(b)) {
		return Value{}, spoilt
	}
	f, ok := parseDecimal(b)
	if !ok {
		return Value{}, spoilt
	}
	return number(f), found
}

// lookMessage returns the value that a name means with `message=` [EXT-FIL-2].
func (in *Input) lookMessage(n *name) (Value, outcome) {
	m := in.message
	if n.keyed || len(n.steps) > 0 && n.field != userField {
		return Value{}, missing
	}
	switch n.field {
	case topicField:
		return textual(view(m.Topic)), found
	case cidField:
		return number(float64(m.CID)), found
	case timestampField:
		return finite(m.Timestamp)
	case payloadField:
		return textual(view(m.Payload)), found
	case qosField:
		return number(float64(m.QoS)), found
	case retainField:
		return boolean(m.Retain), found
	case aUserField:
		return in.userProperty(n.text[len(userPrefix):])
	case userField:
		switch {
		case len(n.steps) == 0:
			return in.userProperties()
		case len(n.steps) == 1 && n.steps[0].kind != byIndex:
			return in.userProperty(n.steps[0].text)
		}
	}
	return Value{}, missing
}

// userProperty returns the first user property of a key.
func (in *Input) userProperty(key string) (Value, outcome) {
	for i := range in.message.User {
		p := &in.message.User[i]
		if !in.pay(1 + len(p[0])) {
			return Value{}, spoilt
		}
		if string(p[0]) == key {
			return textual(view(p[1])), found
		}
	}
	return Value{}, missing
}

// userProperties makes an object of the user properties.
func (in *Input) userProperties() (Value, outcome) {
	start := len(in.scratch)
	in.scratch = append(in.scratch, '{')
	for i := range in.message.User {
		p := &in.message.User[i]
		if !in.pay(2 * (len(p[0]) + len(p[1]))) {
			return Value{}, spoilt
		}
		again := false
		for j := 0; j < i && !again; j++ {
			before := in.message.User[j][0]
			if !in.pay(8 + len(before)) {
				return Value{}, spoilt
			}
			again = string(before) == string(p[0])
		}
		if again {
			continue
		}
		if len(in.scratch) > start+1 {
			in.scratch = append(in.scratch, ',')
		}
		in.scratch = appendQuoted(in.scratch, view(p[0]))
		in.scratch = append(in.scratch, ':')
		in.scratch = appendQuoted(in.scratch, view(p[1]))
	}
	in.scratch = append(in.scratch, '}')
	return document(in.made(start)), found
}
