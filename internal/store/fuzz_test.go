package store

import (
	"bytes"
	"testing"

	"alcove/internal/broker"
)

// decoders are those of all values, each with an encoder for what it decoded.
var decoders = map[string]func(value []byte) (again []byte, err error){
	"message": func(v []byte) ([]byte, error) {
		m, err := decodeMessage(v, 1)
		if err != nil {
			return nil, err
		}
		return appendMessage(nil, m), nil
	},
	"entries": func(v []byte) ([]byte, error) {
		var e entries
		if err := e.decode(v, false); err != nil {
			return nil, err
		}
		m := &broker.Message{Topic: e.topic, Expires: e.expires, Payload: make([]byte, max(0, e.raw-len(e.topic)))}
		if e.raw < len(e.topic) || e.raw > 1<<20 {
			return nil, nil // no message has this size
		}
		return appendEntries(nil, m, e.targets), nil
	},
	"later entries": func(v []byte) ([]byte, error) {
		var e entries
		if err := e.decode(v, true); err != nil {
			return nil, err
		}
		return appendEntries(nil, nil, e.targets), nil
	},
	"session": func(v []byte) ([]byte, error) {
		s, err := decodeSession(v, 1)
		if err != nil {
			return nil, err
		}
		return appendSession(nil, &s), nil
	},
	"group": func(v []byte) ([]byte, error) {
		g, err := decodeGroup(v)
		if err != nil {
			return nil, err
		}
		return appendGroup(nil, &g), nil
	},
	"subscription": func(v []byte) ([]byte, error) {
		s, err := decodeSubscription(v, "f")
		if err != nil {
			return nil, err
		}
		return appendSubscription(nil, &s), nil
	},
	"head": func(v []byte) ([]byte, error) {
		ticket, owner, err := decodeHead(v)
		if err != nil {
			return nil, err
		}
		return appendHead(nil, ticket, owner), nil
	},
	"state": func(v []byte) ([]byte, error) {
		o := &owner{}
		if err := o.readState(v); err != nil {
			return nil, err
		}
		_, again := o.write((&memoryEngine{}).begin(), nil, nil)
		return again, nil
	},
	"page": func(v []byte) ([]byte, error) {
		o := &owner{}
		if err := o.readPage(7, v); err != nil {
			return nil, err
		}
		return o.pages[7].append([]byte{encoding}, 7), nil
	},
}

// seeds are values of every kind.
func seeds() [][]byte {
	m := message("a/b", "payload")
	m.Forward = []byte{1, 2, 3}
	s := session(7).Session
	s.Will = message("will", "gone")
	o := &owner{}
	for seq := uint64(1); seq < 3000; seq++ {
		o.enter(seq)
	}
	o.settle(2)
	o.settle(1500)
	o.settle(1501)
	o.setSent(9, 77)
	o.release(1600, 5)
	o.release(2900, 0)
	o.receive(4)
	o.receive(65535)
	w := &memoryWrites{}
	o.write(w, nil, nil)
	list := [][]byte{
		appendMessage(nil, m),
		appendEntries(nil, m, []broker.Target{{Owner: 3, Seq: 9, QoS: 2, Retain: true, SubscriptionIDs: []uint32{1, 268435455}}}),
		appendEntries(nil, nil, []broker.Target{to(1, 2), to(2, 900)}),
		appendSession(nil, s),
		appendSession(nil, session(1).Session),
		appendGroup(nil, &broker.GroupRecord{Share: "g:1:2", Inner: "a/#"}),
		appendSubscription(nil, &broker.SubscriptionRecord{ID: 5}),
		appendHead(nil, 1<<40, 1<<33),
	}
	for _, c := range w.list {
		list = append(list, c.value)
	}
	return list
}

// FuzzRecordDecode gives damaged values to every decoder: none panics, none reads on
// or allocates beyond the value, and what one accepts it can write again so that it
// reads the same.
func FuzzRecordDecode(f *testing.F) {
	for _, s := range seeds() {
		f.Add(s)
		f.Add(s[:len(s)/2])
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		for name, decode := range decoders {
			again, err := decode(bytes.Clone(value))
			if err != nil {
				if err.Error() == "" {
					t.Fatalf("%s: an error that says nothing", name)
				}
				continue
			}
			if again == nil {
				continue
			}
			third, err := decode(bytes.Clone(again))
			if err != nil || !bytes.Equal(again, third) {
				t.Fatalf("%s: %x became %x, then %x (%v)", name, value, again, third, err)
			}
		}
	})
}

// TestDecodeShort cuts values of every kind at each byte: that is always an error,
// which names the field.
func TestDecodeShort(t *testing.T) {
	for _, s := range seeds() {
		whole := 0
		for name, decode := range decoders {
			again, err := decode(bytes.Clone(s))
			if err != nil || !bytes.Equal(again, s) {
				continue
			}
			whole++
			for n := range s {
				if _, err := decode(bytes.Clone(s[:n])); err == nil {
					t.Errorf("%s: %x cut at %d is accepted", name, s, n)
				} else if n > 0 && !bytes.Contains([]byte(err.Error()), []byte("field ")) {
					t.Errorf("%s: %x cut at %d: %v", name, s, n, err)
				}
			}
			if _, err := decode(append(bytes.Clone(s), 0)); err == nil {
				t.Errorf("%s: %x with one more byte is accepted", name, s)
			}
		}
		if whole == 0 {
			t.Errorf("no decoder reads %x", s)
		}
	}
}

// FuzzKey takes keys apart that nobody wrote.
func FuzzKey(f *testing.F) {
	o := &owner{top: 1, account: 2, id: 3}
	f.Add(appendPageKey(nil, o, 4))
	f.Add(appendExtraKey(nil, 1, 5, to(6, 7)))
	f.Add(appendDocumentID(appendDocumentKey(nil, "token"), -1))
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := parseKey(b)
		if err != nil {
			return
		}
		if !bytes.Equal(append(appendPrefix(nil, k.top, k.account, k.space), k.rest...), b) {
			t.Fatalf("%x is not %+v", b, k)
		}
		if id, part, rest, err := k.owner(); err == nil {
			again := append(appendOwnerKey(nil, k.top, k.account, id), part)
			if k.space == spaceOwner && !bytes.Equal(append(again, rest...), b) {
				t.Fatalf("%x is not owner %d, part %d, %x", b, id, part, rest)
			}
		}
		_, _, _ = k.message()
	})
}
