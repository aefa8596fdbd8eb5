// Package bench loads a broker and measures it: messages in and out per second,
// latency, the broker's CPU time per message and its memory, and whether any message
// was lost, duplicated or came out of order. It hides the raw connections, the packet
// building and the clockwork; `alcove bench` prints its Result.
//
// # Nouns
//
// A Scenario names a load. A cell is a topic with its publishers and subscribers:
// cells share nothing, so each is driven by one thread. A link is one connection to
// the broker in raw form: packets are encoded once as templates, and received bytes
// are parsed where they lie. A flow is what one subscriber has seen of one publisher.
// A form is how a payload carries the driver's numbers: in binary, or as an object of
// JSON that conditions can read. A judge tells whether what a subscriber sees is meant
// for it, where not every subscriber gets every message: filters, selectors, share
// groups. A database is retained messages by the million; an asker asks for some.
//
// # How it measures
//
// Throughput runs are a closed loop: a publisher is at most a window ahead of its
// slowest subscriber, so a broker is measured at the pace it can sustain. Latency
// runs are an open loop: message k is due at start + k/rate whether or not the broker
// keeps up, and its latency counts from the moment it was due. A stall therefore
// shows in every message that it delayed (no coordinated omission). Batches of QoS 0 are
// due as one. What was due in the measured time counts, however late it comes.
//
// Each payload begins with its publisher's number, a sequence number and the time at
// which it was due; every subscriber checks every message. What conditions, selectors
// and groups let through is known exactly, by the rule that made the messages: one too
// many is an error, one too few is lost.
//
// A series is one load at several sizes: connections, subscriptions, accounts. Its loads
// have the same messages in a write and the same receivers at each size, so that what a
// message costs more comes from the size alone. The pauses of a broker in Go are read
// from the trace of its collector.
//
// # Ownership
//
// cell.mu guards a cell, its links and flows. On Linux one thread owns the cells
// dealt to it and waits in epoll; TLS and WebSocket links (and other systems) have a
// goroutine each. Only the meter's atomic counters are read from elsewhere.
package bench
