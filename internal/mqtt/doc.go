// Package mqtt is the wire codec of MQTT 3.1, 3.1.1 and 5.0: it turns bytes into
// packets and packets into bytes, and hides every rule about their layout.
//
// # Nouns
//
// A Header is the fixed header. Each control packet is a struct named after it
// (Connect, Connack, Publish, Ack, Subscribe, Suback, Unsubscribe, Unsuback,
// Disconnect, Auth); PUBACK, PUBREC, PUBREL and PUBCOMP share Ack. PINGREQ and
// PINGRESP have no fields and are a pair of append functions. PublishHead writes
// the part of an outgoing PUBLISH that differs from one receiver to the next, and
// AppendForward the part that is the same for all of them.
//
// The package is symmetric: what it decodes it can encode, so that the broker, our
// client and the tests speak through the same code. Where the standard has a rule
// for one direction only, the plain Decode is the server's view (the packet came
// from a client) and DecodeFromServer the client's.
//
// # Invariants
//
//   - Decode works in place: every byte slice of a decoded packet borrows the body it
//     was decoded from and is valid as long as that buffer is not written to. The
//     capacity of each is cut to its length, so that appending to it copies.
//   - Decode resets its receiver first: one struct can be used for any number of
//     packets without allocation. After an error the content is unspecified, except
//     for Connect.Version.
//   - A decoding error is always an *Error whose code is the one that the standard
//     names; its text never holds bytes sent by the peer.
//   - What Decode accepts is checked whole: iterators over its parts cannot fail.
//   - Append never fails. Strings over MaxString bytes are cut, so that the framing
//     of the stream holds whatever the caller passes; a caller to whom that matters
//     checks before. A packet must not exceed MaxPacketSize: callers ask Size first.
//
// The package has no policy (limits that an operator may set, rights, session state),
// no goroutine, no clock and no I/O. Nothing in it is shared, so nothing is locked.
//
// Clause ids in comments are those of the OASIS standards: [MQTT-…] of version 5.0,
// [MQTT311-…] of version 3.1.1, [EXT-…] of the Alcove dialect.
package mqtt
