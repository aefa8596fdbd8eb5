// Package auth answers one question: may this token do X on topic T?
//
// It hides how accounts, tokens and their rights are kept, looked up, compared and
// lapsed. Its nouns: an Account owns a namespace and stands in a tree at most
// MaxDepth deep; a Token belongs to one account and is presented as a key; a Grant
// is what a token in force gives (immutable, shared by all connections of the
// token); Rights are a grant's access list with the client identifier filled in; a
// Limit is an object by which an account bounds those right below it.
// The Directory holds them all.
//
// # Access lists
//
// An access list is a set of entries; what no entry grants is denied [EXT-TOK-4].
// The topic of an entry is
//
//	topic       = level *( "/" level )
//	level       = "+" / "#" / "{client_id}" / words
//	words       = word *( "," word )          ; two or more words are a selector
//	word        = 1*( any character but "/" "+" "#" "," )
//
// with "#" in the last place only. A selector matches each of its words and the
// level spelled exactly like it [EXT-SEL-1]. {client_id} matches the level that is,
// byte for byte, the connection's Client Identifier: it is compared, never pasted
// into a pattern, so that "+", "#", "," or "/" in a Client Identifier cannot widen a
// right [EXT-TOK-5]. Unlike in subscriptions, the wildcards of an entry also match
// topics that begin with "$" or with the reserved prefix: an entry says what may be
// done, and "#" says everything.
//
// # Ownership
//
// Every change goes: validate, write through the Store (durable when it returns),
// put in force in memory, tell the Observer; changes are one at a time under
// Directory.write. Readers never wait for a change: each account and token is an
// immutable record behind an atomic pointer, found through sharded tables. The only
// mutable parts of a token are the time of its last use and the count of its live
// sessions, both atomic. The package starts no goroutine and reads no clock: callers
// give the time, and call Sweep when it asks to be called.
package auth
