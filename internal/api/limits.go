package api

import "time"

// bodyTimeout is how long a caller may take to send a body: 408 after it.
const bodyTimeout = 30 * time.Second

// streamTimeout is how long a caller may take no byte of a streamed answer.
const streamTimeout = 30 * time.Second

// maxDebt bounds how long an account pays for traffic above its rate.
const maxDebt = time.Hour

const (
	maxBody       = 8 << 20 // bytes of a request body: 413 over it
	maxDepth      = 32      // nesting of a JSON body
	maxItems      = 1000    // items in the array of one POST
	maxIDs        = 1000    // ids in a selector
	maxConditions = 16      // field=value conditions in a selector
	maxFields     = 64      // names in the fields parameter
	maxLimit      = 1000    // items of one page [EXT-REST-2]
	defaultLimit  = 100

	maxFaults = 20   // faults of one body that an answer tells of
	maxUsers  = 1000 // connections that a list of tokens names
	maxHost   = 253  // bytes of a host's name

	streamBuffer   = 32 << 10  // bytes of a streamed answer that gather before they are sent
	defaultRecords = 1000      // records of a log in one answer; recordFields has the most
	maxScanned     = 1_000_000 // records that one request looks at
	maxCounts      = 10_000    // periods and codes in one answer

	maxCounted = 10_000 // messages that are counted behind a page
)

// maxSubscribed is how many subscriptions one request may add, over all its sessions.
const maxSubscribed = 100_000

// maxStreams is how many streams of events an account may have open.
const maxStreams = 1000

const (
	streamQueue   = 1 << 20          // bytes of events that wait for a slow reader; then messages are dropped
	streamIdle    = 15 * time.Second // how long a stream says nothing before a comment shows that it lives
	streamGoodbye = time.Second      // for the last event, once the broker has ended the stream
	streamRetry   = 3 * time.Second  // after which a client whose stream broke off comes back
)

// maxPublished is how many bytes the answer to a published request may have.
const maxPublished = 4 << 20
