package auth

import (
	"bytes"

	"alcove/internal/topic"
)

// Scope says how a filter lies to the rights that are asked.
type Scope uint8

// The scopes of a filter.
const (
	None    Scope = iota // no rule meets it: refused
	Partial              // some topics are allowed: ask MayReceive for each message
	Whole                // wholly inside one rule: no check per message
)

// String names the scope.
func (s Scope) String() string { return [...]string{"none", "partial", "whole"}[s] }

// Rights are what one connection may do: an access list with the Client Identifier
// filled in. Immutable, and shared between connections where the list does not name
// {client_id}. A nil *Rights allows nothing.
type Rights struct {
	book     *book // nil: everything is allowed
	clientID string
}

var unrestricted = &Rights{}

// Unrestricted reports whether every topic may be published to and received.
func (r *Rights) Unrestricted() bool { return r != nil && r.book == nil }

// MayPublish reports whether a message may be published to a concrete topic
// [EXT-TOK-6]. It allocates nothing.
func (r *Rights) MayPublish(topic []byte) bool {
	if r == nil {
		return false
	}
	return r.book == nil || r.book.publish.match(topic, r.clientID)
}

// MayReceive reports whether a message with this concrete topic may be delivered, on
// whatever path [EXT-TOK-7]. It allocates nothing.
func (r *Rights) MayReceive(topic []byte) bool {
	switch {
	case r == nil:
		return false
	case r.book == nil:
		return true
	case r.book.isLog(topic):
		return r.book.logs.match(topic, r.clientID)
	}
	return r.book.receive.match(topic, r.clientID)
}

// Subscribe says how a subscription's filter lies to the subscribe rules: None is
// SUBACK 0x87, Partial needs MayReceive for each message, Whole does not [EXT-TOK-7].
func (r *Rights) Subscribe(filter topic.Filter) Scope {
	if r == nil {
		return None
	}
	if r.book == nil {
		return Whole
	}
	var room [16]level
	levels := splitFilter(filter.Inner, room[:0])
	scope := r.book.receive.scope(levels, r.clientID, r.book.reserved)
	if !r.book.meetsLogs(levels) {
		return scope
	}
	// Under flespi/log/ an entry needs GET as well [EXT-TOK-5].
	logs := r.book.logs.scope(levels, r.clientID, r.book.reserved)
	if r.book.insideLogs(levels) {
		return logs
	}
	if scope == Whole && logs != Whole {
		return Partial
	}
	return scope
}

// RESTTopic reports whether a /mqtt REST method may be used on a concrete topic.
func (r *Rights) RESTTopic(method Method, topic []byte) bool {
	if r == nil {
		return false
	}
	return r.book == nil || r.book.method(method).match(topic, r.clientID)
}

// REST says how a filter of a /mqtt REST path lies to the entries that grant the
// method. Sessions and logs ask with the filter "#" and need Whole [EXT-TOK-5].
func (r *Rights) REST(method Method, filter topic.Filter) Scope {
	if r == nil {
		return None
	}
	if r.book == nil {
		return Whole
	}
	return r.book.method(method).scope(splitFilter(filter.Inner, nil), r.clientID, r.book.reserved)
}

// Method is a method of the /mqtt REST paths, as access lists name them.
type Method uint8

// The methods of access lists [EXT-TOK-5].
const (
	GET Method = iota
	POST
	DELETE
)

// book is a compiled access list: for each thing that can be granted, the rules that
// grant it. Immutable.
type book struct {
	publish, receive, logs ruleset // logs: of receive, those with GET
	get, post, delete      ruleset
	reserved               string // first level of the broker's own topics
	personal               bool   // a rule has a {client_id} level
}

func (b *book) sets() []*ruleset {
	return []*ruleset{&b.publish, &b.receive, &b.logs, &b.get, &b.post, &b.delete}
}

func (b *book) method(m Method) *ruleset {
	switch m {
	case GET:
		return &b.get
	case POST:
		return &b.post
	default:
		return &b.delete
	}
}

// isLog reports whether a concrete topic is under <reserved>/log.
func (b *book) isLog(topic []byte) bool {
	n := len(b.reserved)
	if n == 0 || len(topic) < n+4 || string(topic[:n]) != b.reserved || string(topic[n:n+4]) != "/log" {
		return false
	}
	return len(topic) == n+4 || topic[n+4] == '/'
}

// meetsLogs reports whether a filter takes some topic under <reserved>/log: a
// wildcard in its first level does not.
func (b *book) meetsLogs(filter []level) bool {
	if b.reserved == "" || len(filter) < 2 || !filter[0].hasText(b.reserved) {
		return false
	}
	return filter[1].kind == levelHash || filter[1].kind == levelPlus || filter[1].hasText("log")
}

// insideLogs reports whether a filter takes no topic outside <reserved>/log.
func (b *book) insideLogs(filter []level) bool {
	return len(filter) > 1 && filter[0].kind == levelText && filter[0].text == b.reserved &&
		filter[1].kind == levelText && filter[1].text == "log"
}

// indexFrom is the number of rules above which they are found by their first level.
const indexFrom = 8

// ruleset is the rules that grant one thing.
type ruleset struct {
	rules []*rule
	all   bool               // one of them is "#"
	first map[string][]*rule // by first level, when there are many
	wild  []*rule            // those whose first level is no text
}

// index is called once, when the set is complete.
func (s *ruleset) index() {
	for _, r := range s.rules {
		s.all = s.all || r.levels[0].kind == levelHash
	}
	if len(s.rules) <= indexFrom {
		return
	}
	s.first = map[string][]*rule{}
	for _, r := range s.rules {
		switch l := &r.levels[0]; l.kind {
		case levelText:
			s.first[l.text] = append(s.first[l.text], r)
		case levelWords:
			for _, w := range l.words {
				s.first[w] = append(s.first[w], r)
			}
		default:
			s.wild = append(s.wild, r)
		}
	}
}

func (s *ruleset) match(topic []byte, clientID string) bool {
	if s.all {
		return true
	}
	if s.first == nil {
		return matchAny(s.rules, topic, clientID)
	}
	first := topic
	if cut := bytes.IndexByte(topic, '/'); cut >= 0 {
		first = topic[:cut]
	}
	return matchAny(s.first[string(first)], topic, clientID) || matchAny(s.wild, topic, clientID)
}

func matchAny(rules []*rule, topic []byte, clientID string) bool {
	for _, r := range rules {
		if r.match(topic, clientID) {
			return true
		}
	}
	return false
}

func (s *ruleset) scope(filter []level, clientID, reserved string) Scope {
	scope := None
	for _, r := range s.rules {
		if scope == None && r.intersects(filter, clientID, reserved) {
			scope = Partial
		}
		if r.covers(filter, clientID) {
			return Whole
		}
	}
	return scope
}
