// Package event is the vocabulary of what happens in an account: its codes, and the
// record in which a code is told [EXT-LOG-1].
//
// It hides the JSON form of a record, which logs, live topics and REST share. Its
// nouns: a Code says what happened; an Origin is the kind of item to which it
// happened; a Record is one happening, of one account. A Record is a value: whoever
// takes it may keep it, its texts are never written to. The package knows no clock and
// keeps nothing.
package event
