// Package kill proves Alcove's main promise: what was acknowledged survives kill -9
// [EXT-SES-4].
//
// Fifty publishers send at QoS 1 and 2 into fifty persistent sessions, some online,
// some coming and going, some offline until the end, while the broker is killed at
// random moments and started again on the same data. Smaller tests do the same to
// share groups, ordinary and sticky, and to bulk deletions. It holds tests only. Its nouns:
// the door (where the living broker is, shut while it is dead), a wire (one
// synchronous connection), a sender (a publisher with its unacknowledged packets), a
// taker (a subscriber with its received QoS 2 ids). Invariants: a client's state
// outlives its connections and is used as MQTT asks, so that whatever is missing,
// doubled or out of order is the broker's fault; the moments and the traffic come
// from one seed, which is printed and can be given as ALCOVE_KILL_SEED.
package kill
