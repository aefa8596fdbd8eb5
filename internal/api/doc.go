// Package api is the REST door: it turns HTTP requests into calls on the directory
// and the broker, and their answers into JSON.
//
// It hides HTTP: authentication, selectors, paging, strict JSON, the form of errors.
// Its nouns: a caller is a token that was let in, with the account it acts in; a
// selector picks items of a collection; an answer has a result, errors, or both
// [EXT-REST-1].
//
// Invariants. Every operation but the public ones has a caller before its body is
// read. An operation changes only items of the account the caller acts in, and reads
// only those and the messages of the accounts below it, so that what is foreign
// answers like what does not exist [EXT-ACC-1]. Whatever a request can make grow is
// bounded in limits.go; an answer without a bound is streamed (stream.go). What is
// answered is durable [EXT-SES-4]. The OpenAPI document is made from the same
// declarations that serve the requests [EXT-REST-7].
//
// A collection is one file with its paths, inputs and outputs; server.go registers
// them. The package keeps no state of its own but the streams of events that are open:
// each is a connection of the broker's, with a loop of its own (stream_outlet.go).
package api
