// Package client is a small, complete MQTT client: 3.1, 3.1.1 and 5.0 over TCP, TLS,
// WebSocket, secure WebSocket and Unix sockets. The command line, the load driver and
// the tests use it. It hides the sockets, the WebSocket framing, the acknowledgement
// flows of QoS 1 and 2, and the SCRAM-SHA-256 exchange.
//
// # Nouns
//
// An Endpoint says where a broker is and how to reach it; Dial opens a net.Conn that
// carries MQTT bytes, whatever the transport. A Client is one Network Connection with
// its CONNECT accepted. A Session is what outlives it: the packet identifiers in use,
// the messages not yet acknowledged, the QoS 2 identifiers received. A caller that
// wants to resume passes the same Session to the next Connect. A Message goes in
// either direction. An Authenticator is the client's side of an enhanced
// authentication.
//
// Reconnecting is the caller's matter: a Client that has ended stays ended, and Err
// says why.
//
// # Ownership
//
// One goroutine reads and answers (PUBACK, PUBREC, PUBREL, PUBCOMP); one keeps the
// connection alive. Both end with the connection. All methods of Client may be called
// from any goroutine. Session.mu guards the session; Client.out guards the writing
// side, and is taken after Session.mu where both are needed, so that the order of
// packet identifiers is the order on the wire.
//
// # Invariants
//
//   - At most the server's Receive Maximum of QoS 1 and 2 messages are unacknowledged;
//     Publish waits for a place [MQTT-3.3.4-7].
//   - What the server has not announced is refused before it is sent: a higher QoS,
//     retained messages, topic aliases, packets over its Maximum Packet Size.
//   - Nothing that the server sends grows without a bound: packets by
//     Options.MaximumPacketSize, messages waiting for Receive by Options.Inbox.
package client
