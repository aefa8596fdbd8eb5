// Package broker is the domain of Alcove: accounts' namespaces, sessions,
// subscriptions, routing, share groups, retained messages, queues and Wills.
// It knows no socket, no HTTP and no disk: bytes come in through Link (one per
// connection) and leave through Outlet; what must survive goes to a Log.
//
// # Nouns
//
// A Broker holds one Namespace per account. A Namespace holds Sessions by
// Client Identifier, the tree of Subscriptions, share Groups and retained
// messages. A Session has at most one attachment (the living connection's
// state); Link is the connection's hold on it. A Turn is the context of one
// caller: a loop, or a worker. A message that enters, from a client, a Will or
// elsewhere, takes one way: Turn.publish. Retained messages are blobs; a selection
// goes through those that match a filter, for a replay, a query or a deletion.
//
// # Who owns what
//
// Inbound packets of a session are handled on the loop that owns its
// connection; a takeover first lets the old loop detach, so that two loops
// never act for one session. Any loop may deliver to any session.
//
// Lock order: Broker.mu, Namespace.mu, Group.mu, Session.mu, then the leaves:
// retained.mu, commit.mu, janitor.mu and the Outlet's own. Never two sessions
// at once: what moves between them goes through their Group. No system call,
// no wait and no observer runs under a lock.
//
// # Order and durability
//
// Every entry of a durable queue has a position (seq) in its owner's queue,
// given under the owner's lock, and every record of what happens to it goes to
// the pending batch of the log. A batch has a number, its ticket. What a peer
// is told waits for the ticket of what it promises; answers leave in the order
// of their packets. See commit.go and acks.go.
package broker
