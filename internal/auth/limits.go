package auth

import "time"

// Everything that a peer can make grow has its bound here.
const (
	MaxDepth         = 4         // levels of an account tree [EXT-ACC-2]
	MaxTopicLevels   = 64        // levels of an access list's topic [EXT-LIM-1]
	MaxRules         = 512       // entries of an access list
	MaxACLBytes      = 128 << 10 // an access list as JSON text
	MaxTopicBytes    = 8 << 10   // one topic of an access list
	MaxNameBytes     = 256       // name of an account
	MaxInfoBytes     = 1024      // info of a token
	MaxIPsBytes      = 4096      // text of a token's ips
	MaxIPs           = 64        // masks in a token's ips
	MaxMetadata      = 64        // entries of a metadata map
	MaxMetadataKey   = 128       // bytes
	MaxMetadataValue = 4096      // bytes
	MaxMetadataBytes = 64 << 10  // keys and values of one map together
	MaxAccounts      = 1_000_000 // accounts of an installation
	MaxTokens        = 4_000_000 // tokens of an installation
	MaxAccountTokens = 1_000_000 // tokens of one account, until its limit object says less
	MaxAccountLimits = 10_000    // limit objects of one account, until its own limits say less
	MaxScramMessage  = 1024      // bytes of one SCRAM message from a client

	MaxLimitValue     = 1<<53 - 1  // of a limit: exact in a JSON number
	MaxSessionStorage = 1 << 30    // of mqtt_session_storage, bytes [EXT-SES-3]
	MaxBlocking       = 30 * 86400 // of blocking_duration, s
)

// KeyLength is the length of a token's key [EXT-TOK-1].
const KeyLength = 64

// ShortLength is how much of the key a device with a short password field sends
// [EXT-TOK-2].
const ShortLength = 16

const (
	sweepInterval  = time.Second      // Sweep is due at least this often [EXT-TOK-8]
	accessedWindow = 60               // s between two writes of one token's accessed [EXT-TOK-3]
	flushBatch     = 1000             // documents in one write of accessed times
	maxUnixSeconds = 253_402_300_799  // end of the year 9999
	maxSeconds     = 10 * 365 * 86400 // a ttl: ten years
)
