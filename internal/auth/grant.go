package auth

import "alcove/internal/topic"

// Grant is what a token in force gives: an immutable snapshot, shared by all
// connections of the token. After a change the token has another Grant; Revalidate
// returns it.
type Grant struct {
	Account   AccountID
	Top       AccountID   // the top-level ancestor
	Ancestors []AccountID // Account first, Top last; not to be written to
	Token     TokenID
	Type      AccessType
	Master    bool // everything of the account and of those below

	book   *book   // nil unless Type is Listed
	shared *Rights // for every connection, or for those without a Client Identifier
}

// Rights returns what a connection with this Client Identifier may do. It allocates
// only for an access list that names {client_id}.
func (g *Grant) Rights(clientID string) *Rights {
	if g.book == nil || !g.book.personal {
		return g.shared
	}
	return &Rights{book: g.book, clientID: clientID}
}

// Reading returns the rights of a connection that only reads by REST: it receives what
// the token may GET, and publishes nothing [EXT-TOK-5] [EXT-REST-8].
func (g *Grant) Reading() *Rights {
	if g.book == nil {
		return g.shared
	}
	b := g.book
	return &Rights{book: &book{receive: b.get, logs: b.get, get: b.get, reserved: b.reserved}}
}

// MayPlatform reports whether the token may use /platform: only a master may
// [EXT-TOK-4].
func (g *Grant) MayPlatform() bool { return g.Master }

// MayREST says how a filter of a /mqtt REST path lies to what the token may do there
// by this method. Entries with {client_id} grant nothing: REST has no Client
// Identifier. Each topic of a Partial answer must be asked of RESTTopic of
// Rights("").
func (g *Grant) MayREST(method Method, filter topic.Filter) Scope {
	return g.shared.REST(method, filter)
}

// MayManage reports whether the token may use the REST of sessions and logs, which
// needs the method on "#" [EXT-TOK-5].
func (g *Grant) MayManage(method Method) bool {
	return g.MayREST(method, topic.Filter{Text: "#", Inner: "#"}) == Whole
}
