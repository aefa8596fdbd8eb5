package broker

import "alcove/internal/auth"

// Log is the durable order of everything that must survive: one node's store
// today, a replicated log tomorrow. internal/store implements it, with Pebble
// and in memory.
type Log interface {
	// Append applies b atomically after all batches appended before it and
	// then calls done(b.Ticket, nil), on a goroutine of the log's own, in the
	// order of the tickets. Where err is not nil, nothing of b nor of any
	// later batch is durable, and none ever will be: the store has failed.
	// Append does not block on the disk, it may block while too much is in
	// flight. The caller does not touch b until done.
	Append(shard int, b *Batch, done func(ticket uint64, err error))

	// Load streams the recovered state to v: called once, before Append.
	// It returns the highest Ticket applied and the highest OwnerID ever
	// seen, both of which must not be used again.
	Load(v Loader) (ticket uint64, owner OwnerID, err error)

	// Read visits the stored messages of the given ids, in the given order;
	// one that is not there (deleted, or not yet applied) is visited with
	// nil. It reads the disk: never call it on a loop or under a lock.
	Read(top auth.AccountID, ids []MessageID, visit func(MessageID, *Message)) error

	// Close finishes what was appended, and lets everything go.
	Close() error
}

// Loader receives the recovered state. For one owner the calls come in this
// order: Session or Group, its Subscriptions, its Queued entries by growing
// Seq. Retained messages come last, by account and topic; m and its bytes are
// borrowed for the call.
type Loader interface {
	Session(top, account auth.AccountID, id OwnerID, s SessionRecord, q QueueState) error
	Group(top, account auth.AccountID, id OwnerID, g GroupRecord, q QueueState) error
	Subscription(owner OwnerID, s SubscriptionRecord) error
	Queued(e QueuedEntry) error
	Retained(top, account auth.AccountID, m *Message) error
}
