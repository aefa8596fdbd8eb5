package broker

import (
	"alcove/internal/auth"
	"alcove/internal/mqtt"
)

// OwnerID names the owner of a durable queue: a Session or a share group. It
// is unique in the installation and never used again.
type OwnerID uint64

// MessageID is the place of a message in the log: the number of its batch
// shifted left by OrdinalBits, plus twice its ordinal in the batch, plus 1 where it
// went into one queue only. Ids grow in log order and are never used again.
type MessageID uint64

func newMessageID(ticket, ordinal uint64, alone bool) MessageID {
	id := MessageID(ticket<<OrdinalBits | ordinal<<1)
	if alone {
		id |= 1
	}
	return id
}

// ticket returns the number of the batch that brought the message.
func (id MessageID) ticket() uint64 { return uint64(id) >> OrdinalBits }

// alone tells that the message went into one queue only, so that no second reading of
// it is worth looking for (bodies). Nothing but memory depends on it.
func (id MessageID) alone() bool { return id&1 != 0 }

// OrdinalBits is how many low bits of a MessageID do not tell its batch; a batch
// holds fewer than 1<<(OrdinalBits-1) messages, for more weigh over commitBytes.
const OrdinalBits = 20

// Kind tells what a Record says.
type Kind uint8

// The kinds of records. Each says which fields of Record it uses beside Top
// and Account, which are always set.
const (
	// KindSession puts a session's own data: Owner, Session.
	KindSession Kind = iota + 1
	// KindSessionEnd removes a session with its subscriptions, its queue
	// state and its references to messages: Owner, IDs (one entry for each
	// reference that the session still held).
	KindSessionEnd
	// KindSubscribe puts a subscription: Owner (the session), Subscription.
	KindSubscribe
	// KindUnsubscribe removes one: Owner, Topic (the Topic Filter's text).
	KindUnsubscribe
	// KindGroup puts a share group: Owner, Group.
	KindGroup
	// KindGroupEnd removes a share group, like KindSessionEnd: Owner, IDs.
	KindGroupEnd
	// KindPublish stores a message once and a queue entry for each target:
	// ID, Message, Targets.
	KindPublish
	// KindTarget adds queue entries to a message stored before (a shared
	// message that moves to a member for good): ID, Targets.
	KindTarget
	// KindSent says that every entry of Owner up to Seq has been sent at
	// least once. Where PacketID is not zero, the entry Seq was sent with
	// that Packet Identifier and not with the one that PacketID(seq) gives.
	KindSent
	// KindAcked removes the entry Seq of Owner, and one reference to ID.
	KindAcked
	// KindReleased says that PUBREC has come for the entry Seq of Owner: from
	// now on its PUBREL is what is sent again. The body is not needed any
	// more: it also drops one reference to ID [MQTT-4.3.3-6].
	KindReleased
	// KindReceived adds PacketID to the QoS 2 identifiers received from the
	// client of session Owner and not yet released.
	KindReceived
	// KindCompleted removes PacketID from them (the client's PUBREL came).
	KindCompleted
	// KindRetain stores Message as the retained message of its topic.
	KindRetain
	// KindRetainDelete removes the retained message of Topic.
	KindRetainDelete
	// KindAccountEnd removes everything of Account.
	KindAccountEnd
)

// Record is one typed, logical change of durable state. Applying it is
// deterministic: no clock, no randomness, no state but the store's.
type Record struct {
	Kind     Kind
	PacketID uint16
	Top      auth.AccountID // top-level account of Account
	Account  auth.AccountID
	Owner    OwnerID
	Seq      uint64
	ID       MessageID
	Topic    string
	Message  *Message
	Targets  []Target
	IDs      []MessageID
	Session  *SessionRecord
	// Subscription and Group are set by their kinds only.
	Subscription *SubscriptionRecord
	Group        *GroupRecord
}

// Target is one queue entry of a message: its place in one owner's queue.
type Target struct {
	Owner   OwnerID
	Account auth.AccountID // of the owner
	// Seq is the entry's position in the owner's queue; positions of one
	// owner grow and are never used again.
	Seq uint64
	QoS mqtt.QoS // of the delivery, 1 or 2
	// Retain is the RETAIN flag of the delivery.
	Retain bool
	// SubscriptionIDs of the matching subscriptions, for MQTT 5 receivers.
	SubscriptionIDs []uint32
}

// SessionRecord is what survives of a session beside its queue.
type SessionRecord struct {
	ClientID string
	Version  mqtt.Version
	Created  int64 // UNIX nanoseconds
	// Expiry is the Session Expiry Interval in seconds; 0xFFFFFFFF never.
	Expiry uint32
	// Detached is when the connection ended, UNIX nanoseconds; 0 while it
	// lives (after a crash the restart counts as the end).
	Detached int64
	// Epoch numbers the attachments; a record with an older one is stale.
	Epoch uint32
	// Will, or nil; WillDue is when a delayed one fires, UNIX nanoseconds,
	// 0 while the connection lives.
	Will      *Message
	WillDelay uint32 // seconds
	WillDue   int64
	// WillClient is not stored apart: the Will's rights are those of Token.
	Token auth.TokenID
}

// SubscriptionRecord is one stored subscription.
type SubscriptionRecord struct {
	// Filter is the identity in the session: the whole text, with $share/<group>/
	// and $filter/<items>/ where given; behind U+0000 the account that came as a
	// property.
	Filter  string
	Options mqtt.SubscribeOptions
	ID      uint32 // Subscription Identifier, 0 none
}

// GroupRecord is one stored share group.
type GroupRecord struct {
	Share string // the group's text
	Inner string // the text inside, "$filter" included
}

// Batch is what one group commit writes: records in order, all or nothing.
type Batch struct {
	// Ticket numbers the batches from 1, without gaps, across restarts.
	Ticket  uint64
	Records []Record
	// Sync demands that the batch is on disk, fsync included, before it is
	// done. Without it the batch must reach the operating system (so that it
	// survives the process, not the machine) [EXT-SES-4].
	Sync bool

	targets []Target // the room of the records' own
}

// QueueState is what an owner's entries have gone through, as recovered.
type QueueState struct {
	// Next is greater than every Seq this owner has ever had in the log.
	Next uint64
	// Sent is the highest Seq that has been sent at least once.
	Sent uint64
	// Released are the entries whose PUBREC has come, with the Packet
	// Identifier of each where it is not PacketID(seq), else 0.
	Released []SentEntry
	// Identifiers are the entries sent with another identifier than
	// PacketID(seq) and not yet acknowledged.
	Identifiers []SentEntry
	// Received are the QoS 2 identifiers received from the client.
	Received []uint16
}

// SentEntry is a queue entry and the Packet Identifier it was sent with.
type SentEntry struct {
	Seq      uint64
	PacketID uint16
}

// QueuedEntry is one recovered queue entry which waits for acknowledgement or
// has not been sent. Its message stays in the store until Log.Read.
type QueuedEntry struct {
	Target
	ID MessageID
	// Size is the stored size of the message in bytes, Expires its expiry in
	// UNIX nanoseconds (0 none), Topic its Topic Name.
	Size    int
	Expires int64
	Topic   string
}

// PacketID is the Packet Identifier with which the entry seq of a queue is
// sent unless that one is still in use: 1 to 65,535, so that it needs no
// storage of its own. Positions begin with 1.
func PacketID(seq uint64) uint16 { return uint16((seq-1)%65535) + 1 }
