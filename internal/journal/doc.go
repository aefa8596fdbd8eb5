// Package journal keeps what happens in accounts: their logs, read by REST and told
// live, their counters as retained topics, and their statistics [EXT-LOG-1]
// [EXT-LOG-2] [EXT-LOG-3].
//
// It hides how a flood of records is summed up, when records reach the disk, how long
// they stay, and in which topics they are told.
//
// # Nouns
//
// A Journal takes event.Records and gives them back as event.Stored. An intake is one
// of the places where records come in; an account's records always come in at the same
// one, so they keep their order. Records of one kind are happenings to one item; a
// class is all kinds of one account and code. A shelf is what memory knows of an
// account's log: its stretches, with the bytes and the times of each. A Store keeps the
// rows; a Stage (the broker) carries what is told live.
//
// # Goroutines, and what each owns
//
//   - Callers of Event put a record into an intake and go on: no system call, no wait.
//   - The writer empties the intakes ten times a second, and at once when somebody waits
//     for what is in them; it alone writes to the Store, and syncs once a second.
//   - The teller publishes what was written, and the counters once a second. Where it is
//     behind, records stay untold; the log has them all the same.
//
// # Floods
//
// The first record of a kind in a second is kept at once; the others become one record
// with their count when the second is over. Of one class only so many kinds are told
// apart in a second; the rest becomes one record for the class. So an account costs
// what its bound in limits.go allows, whatever its clients do, and no record is left
// out of the counts. Records of changes made by REST are never summed up: their rate is
// that of the requests, which wait for them.
//
// # Retention
//
// Bytes and days are those of the account's settings in force, whichever is less. What
// is over them goes by whole stretches, the oldest first. Sizes of stretches are rows
// too, so a start reads no record. An account that is gone leaves nothing.
package journal
