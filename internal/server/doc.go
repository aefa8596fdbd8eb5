// Package server is the network side of Alcove: listeners, sockets, TLS,
// WebSocket, the PROXY protocol, and the state of one MQTT connection below its
// session. It hides how bytes come and go; what they mean is internal/broker's.
//
// # Nouns
//
// A Server holds listeners and loops. A loop is a goroutine which owns
// connections: it waits for their sockets, reads, decodes and calls the broker,
// all in turns of about a millisecond. A Conn is one MQTT connection; it is the
// broker's Outlet. An output is the bytes that wait for one socket, in chunks. A
// hold is a reason for which a connection is not read for the moment.
//
// # Who owns what
//
// A connection belongs to one loop for life. Its decoder, Topic Aliases, timers,
// link and state are touched by that loop only. Its output is shared, guarded by
// output.mu, a leaf among the locks: other loops append to it and, at the end of
// their own turn, write it to the socket themselves. One writer at a time has the
// write turn (outWriting); who finds it taken leaves the bytes, and the writer
// looks again before it gives the turn back. What the socket does not take waits
// for the owner, who asks the system to be told when there is room.
//
// # Invariants
//
//   - Only the owner closes a descriptor, and only when nobody has the write turn:
//     a number that the system gives to the next client never gets another's bytes.
//   - Events carry a slot and its generation, never a descriptor: an event of a
//     connection that has gone finds nobody.
//   - Only the owner registers its sockets with the system; others post to its
//     mailbox, and ring once per sleep.
//   - An idle connection has no buffer, timer object, goroutine, closure or map.
//   - Whatever a peer can make grow has a bound, in limits.go or in Limits.
//   - Nothing blocks on a loop. A system call made there never waits.
package server
