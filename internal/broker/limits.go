package broker

import (
	"time"

	"alcove/internal/mqtt"
)

// Bounds that no setting moves.
const (
	// messageOverhead is charged for each queued message beside its bytes.
	messageOverhead = 128
	// residentBytes is how much of one queue's unsent messages stays in
	// memory; what lies behind it is read back from the log when its turn
	// comes.
	residentBytes = 1 << 20
	// pageEntries and pageBytes bound one such reading.
	pageEntries = 1024
	pageBytes   = 1 << 20
	// sendBytes bounds the bytes of a session's inflight messages; one
	// message may always be in flight.
	sendBytes = 16 << 20
	// retainedPage and retainedPageBytes bound a page of retained messages
	// [EXT-RET-4].
	retainedPage      = 100
	retainedPageBytes = 64 << 10
	// retainedScan bounds how many stored messages one step may look at; a
	// search counts as retainedSeek of them, a message that the subscription or the
	// rights turn down as retainedRefused.
	// retainedTurn bounds those of the first pages of one SUBACK, and of all that one
	// turn begins with: who subscribes a thousand times delays nobody else.
	retainedScan    = 4000
	retainedTurn    = 4 * retainedScan
	retainedSeek    = 8
	retainedRefused = 16
	// retainedRanges bounds the ranges of topics in which a filter's matches are
	// counted.
	retainedRanges = 64
	// retainedShared is the payload from which on queues refer to the retained
	// copy, rather than have their own.
	retainedShared = 1024
	// bulkPage is how many messages one step of a bulk deletion takes
	// [EXT-RET-2].
	bulkPage = 256
	// bulkEach bounds the bulk deletions that are under way in one account, bulkTurns
	// those of all that work at the same moment.
	bulkEach  = 64
	bulkTurns = 2
	// replaysPerSession bounds the retained replays that wait in a session.
	replaysPerSession = 1000
	// answersWaiting is how many answers may wait before the client's next request is
	// read.
	answersWaiting = 10_000
	// commitBytes is how much may wait for the disk before publishers pause.
	commitBytes = 64 << 20
	// commitDelay is how long records wait for company that nobody waits for.
	commitDelay = 5 * time.Millisecond
	// routeCacheSize bounds the cached routes of one Turn.
	routeCacheSize = 1 << 14
	// routeCacheTargets bounds the targets that they hold, of some 40 bytes.
	routeCacheTargets = 1 << 20
	// takeoverBurst takeovers within takeoverWindow are free; each later one
	// waits takeoverDelay [EXT-SES-1].
	takeoverBurst  = 5
	takeoverWindow = 10 * time.Second
	takeoverDelay  = time.Second
	// groupChoices is how many busy members of a share group are compared for
	// one message.
	groupChoices = 64
	// clockStripes is how many topics of a tree of accounts can be stamped at a time.
	clockStripes = 32
	// stampAhead is how far in the future a publisher's timestamp may lie, in
	// microseconds [EXT-UP-1].
	stampAhead = 60_000_000
	// filterBytesPerPacket bounds the text of the filters in one SUBSCRIBE, whose words
	// and expressions are read in one go: 1,000 filters of 1 KiB,
	// or 16 of the greatest length.
	filterBytesPerPacket = 1 << 20
	// expressionBytes bounds the memory of an account's distinct expressions, which take
	// some expressionFactor times the bytes of their sources.
	expressionBytes    = 64 << 20
	expressionFactor   = 64
	expressionOverhead = 512
	// filterBytes bounds the memory of an account's subscriptions: of each its record
	// and its text, and for each word of a selector a place in the tree.
	filterBytes      = 2 << 30
	filterOverhead   = 160
	filterWordMemory = 120
	// messageSteps bounds the steps that an account's conditions may spend on one
	// message, about 10 ms; what is asked beyond does not match [EXT-EXP-2].
	messageSteps = 200_000
	// workStep is how many deliveries, of some 0.1 µs, make a turn busy.
	workStep = 2000
	// routeSweep is how often the cached routes that no longer hold are let go.
	routeSweep = time.Second
	// clientIDBytes bounds a Client Identifier.
	clientIDBytes = 1024
	// never is a Session Expiry Interval that does not end.
	never = 0xFFFFFFFF
)

// Limits are the bounds that the broker announces and enforces; a zero field
// takes its default [EXT-LIM-1].
type Limits struct {
	MaximumPacketSize  uint32 // bytes; 16 MiB
	ReceiveMaximum     uint16 // 1,000
	TopicAliasMaximum  uint16 // 100
	MaximumLevels      int    // of a Topic Name or Topic Filter; 64
	FiltersPerPacket   int    // 1,000
	InflightMaximum    int    // unacknowledged PUBLISH packets to one client, at most its Receive Maximum; 1,000
	QueueBytes         int64  // of one session or share group; 256 MiB, at most 1 GiB [EXT-SES-3]
	SubscriptionsEach  int    // of one session; 100,000
	SessionsPerAccount int    // 1,000,000
	RetainedBytes      int64  // of one account; 16 GiB
}

const (
	defaultPacketSize     = 16 << 20
	defaultReceiveMaximum = 1000
	defaultAliases        = 100
	defaultLevels         = 64
	defaultFilters        = 1000
	defaultInflight       = 1000
	defaultQueueBytes     = 256 << 20
	maximumQueueBytes     = 1 << 30
	defaultSubscriptions  = 100_000
	defaultSessions       = 1_000_000
	defaultRetainedBytes  = 16 << 30
)

// withDefaults fills in the zero fields and clamps the bounded ones.
func (l Limits) withDefaults() Limits {
	orDefault(&l.MaximumPacketSize, defaultPacketSize)
	orDefault(&l.ReceiveMaximum, defaultReceiveMaximum)
	orDefault(&l.TopicAliasMaximum, defaultAliases)
	orDefault(&l.MaximumLevels, defaultLevels)
	orDefault(&l.FiltersPerPacket, defaultFilters)
	orDefault(&l.InflightMaximum, defaultInflight)
	orDefault(&l.QueueBytes, defaultQueueBytes)
	orDefault(&l.SubscriptionsEach, defaultSubscriptions)
	orDefault(&l.SessionsPerAccount, defaultSessions)
	orDefault(&l.RetainedBytes, defaultRetainedBytes)
	l.QueueBytes = min(l.QueueBytes, maximumQueueBytes)
	l.InflightMaximum = min(l.InflightMaximum, 65535)
	return l
}

func orDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Features says what the broker offers; the zero value offers everything.
type Features struct {
	// QoSLimit, where it is not nil, is the Maximum QoS.
	QoSLimit          *mqtt.QoS
	NoRetain          bool
	NoWildcards       bool
	NoShared          bool
	NoSubscriptionIDs bool
	// NoTopicAliases takes none from clients, whatever Limits say.
	NoTopicAliases bool
	// ServerKeepAlive, where it is not 0, replaces every client's Keep Alive,
	// in seconds [MQTT-3.1.2-21].
	ServerKeepAlive uint16
	// PayloadFormatCheck refuses payloads that are said to be UTF-8 and are
	// not, with 0x99.
	PayloadFormatCheck bool
	// ReservedLevel is the first level reserved for the broker, "flespi"
	// where empty [EXT-TOP-1].
	ReservedLevel string
}

func (f Features) maximumQoS() mqtt.QoS {
	if f.QoSLimit == nil {
		return mqtt.QoS2
	}
	return *f.QoSLimit
}
