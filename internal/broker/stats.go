package broker

import "sync/atomic"

// Stats counts what the broker did since its start. Every field may be read at
// any time.
type Stats struct {
	Received      atomic.Uint64 // PUBLISH packets from clients
	Rejected      atomic.Uint64 // refused by a right, a name or a limit
	DroppedQoS0   atomic.Uint64 // QoS 0 to a receiver that was full
	DroppedQueue  atomic.Uint64 // over a queue's bound [EXT-SES-3]
	DroppedRights atomic.Uint64 // queued for one who may not see it any more
	DroppedLarge  atomic.Uint64 // over a receiver's Maximum Packet Size
	Expired       atomic.Uint64 // Message Expiry Interval passed while queued
	Unasked       atomic.Uint64 // conditions not asked: a message had spent its steps
	EventsLost    atomic.Uint64 // events beyond eventsPerTurn
	Sessions      atomic.Int64  // that exist
	Attached      atomic.Int64  // with a living connection
	Subscriptions atomic.Int64
	Retained      atomic.Int64
}
