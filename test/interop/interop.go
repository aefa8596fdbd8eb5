// Package interop proves that MQTT clients made by others work against Alcove:
// Eclipse Paho for Go (3.1 and 3.1.1), paho.golang and its autopaho (5.0), mqtt.js
// (3.1.1 and 5.0), and Debian's mosquitto_pub and mosquitto_sub (3.1, 3.1.1, 5.0),
// over TCP, TLS, WebSocket and secure WebSocket as far as each can.
//
// It is a module of its own, so that the licences of these clients stay away from
// the broker. It holds tests only. Its nouns: a kind (one client library in one
// protocol version), a peer (one connected client of a kind), a line (the TCP
// relay between a peer and the broker, which a test can cut), a scenario (what
// every kind must be able to do). Invariants: every scenario runs for every kind on
// every transport the kind has; topics and client ids are new for each test, so the
// suite may run against a broker in use; a kind that is not installed is skipped by
// name.
//
// The broker is ALCOVE_URL (with ALCOVE_MQTTS_URL, ALCOVE_WS_URL, ALCOVE_WSS_URL and
// ALCOVE_TOKEN) when set; else ALCOVE_BIN is started, or a binary built from the
// root of the project.
package interop
