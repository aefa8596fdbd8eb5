// Package admin is the part of the command line that runs a broker's accounts: account,
// token, limit, session, retained and log. Each command is a question to the REST
// interface, so that whoever may do it there may do it here, and nobody else.
//
// It hides how arguments become selectors and JSON bodies, how answers become tables,
// and how a shell completes the arguments. Its nouns: a tool is one run of the program
// with the broker that it asks; a resource is a collection of the REST interface with
// what is known of its fields; a sink shows items as a table, as one JSON array, or as
// JSON lines.
//
// Its invariants: what comes from the broker reaches a terminal escaped; JSON for
// programs is what the broker answered, item by item, and nothing else is on the
// standard output then; nothing is deleted by a selector that picks many before the
// number is shown and confirmed; a list of any length takes memory for one page.
//
// The exit codes are those of Exit.
package admin
