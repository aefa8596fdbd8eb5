// Package store keeps what must survive: it is the broker's log (broker.Log) and
// the directory's documents (auth.Store) in one Pebble database, with the rows of the
// accounts' logs beside. It hides the
// layout of keys and values, group commit, the freeing of messages that nobody
// waits for any more, and what happens when the disk fails.
//
// # Nouns
//
// A Store takes batches of logical records. Its engine is an ordered map of keys
// to values: Pebble on a disk (Open), or a sorted map in memory (NewMemory). All
// else is shared, so that tests of the one prove the other. The state is what the
// applier remembers of the engine's content: for each owner of a queue how far it
// is (owner, page), for each tree of accounts which messages are still referred to
// (tree, segment). It is rebuilt by Load.
//
// # Goroutines, and what each owns
//
//   - The applier takes waiting batches, turns their records into writes, and puts
//     those into the open group, messages (staged) last, when it hands that over. It alone touches the state after Load.
//   - The committer takes the open group as soon as it has written the one before:
//     the group commit. It alone writes to the engine.
//   - The announcer alone calls the done functions, in the order of the tickets.
//   - The watcher looks at the free space once a second.
//
// For each tree in which queues ended whose references the broker could not name (a
// deleted account's), a collector finds them on the disk.
//
// # Layout
//
// Integers in keys are big-endian, so that byte order is number order. Every key
// begins with the top-level account and the account, eight bytes each, then one
// letter:
//
//	top  0        m id                 a message: topic, properties, payload
//	top  0        q id                 its queue entries, with size, expiry and topic
//	top  0        q id owner seq       more of them, of a message stored before
//	top  account  o owner 1            a session
//	top  account  o owner 2            a share group
//	top  account  o owner 3            an owner's queue state
//	top  account  o owner 4 page       an outlying page of it
//	top  account  o owner 5 filter     a session's subscription
//	top  account  r topic              a retained message
//	0    0        d kind 0 id          a document of the directory
//	0    0        f                    the layout's number
//	0    0        h                    the highest ticket and owner, in each commit
//	0    0        l shelf account time a row of an account's log or statistics
//
// In m and q the account is 0: a message belongs to its whole tree, because the
// sessions of ancestors wait for it too. Loading reads q and never m, so a start
// costs no payload. Values begin with the number of their encoding; Pebble keeps a
// checksum of each block. Strings are not escaped: where one ends a key it takes
// the rest.
//
// # A queue's state
//
// Acknowledgements leave no tombstones. An owner's state is one small value which a
// commit rewrites once, however many of its entries moved: the next position, the
// highest one sent, the floor (all below it are settled), the QoS 2 identifiers
// received, and the pages (1,024 positions each) next to the floor, in which single
// positions are settled, released, or sent with an identifier of their own. Pages
// farther out have their own keys, so the value stays small however ragged the
// queue is.
//
// Positions of one queue may reach the log in another order than their own, since
// publishers race. One that is leapt over counts as settled and is remembered, in
// memory only, until it comes.
//
// # Freeing
//
// A message that its receivers have acknowledged before its group is handed over to
// the committer is never written (staged).
//
// A message lives while an entry that is neither settled nor released names it.
// References are counted in memory, by segments of up to 4,096 messages of one
// tree. A full segment without a live message is freed with one range deletion; one
// that is more than half dead is swept: the dead runs are deleted, and small
// segments join. So what the disk holds is bounded by about twice what lives plus a
// constant, whoever stays away for how long.
//
// # Failure
//
// Pebble ends the process when its write-ahead log cannot be written. Here no such
// error reaches it: the file system below (walFS) parks the goroutine which met it
// and fails the store: from then on no done call is without error, and Failed is
// true until the process starts again. What was answered before is on disk. An
// operator is warned in time: under the free-space watermark LowSpace is true, and
// the broker refuses durable writes.
//
// # Durability
//
// A commit with Sync waits for fdatasync. One without it waits until the bytes are
// with the operating system, which is what Pebble's own NoSync does not do; so it
// is a Sync whose fdatasync walFS leaves out. See walFS for what that demands of the
// log's format [EXT-SES-4].
package store
