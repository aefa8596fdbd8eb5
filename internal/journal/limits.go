package journal

import "time"

const (
	// intakes is over how many places records are spread, by account.
	intakes = 16
	// intakeRecords bounds the records that wait in one intake for the writer, which
	// comes every flushEvery; what is over it is summed up by class.
	intakeRecords = 4096
	flushEvery    = 100 * time.Millisecond
	// recordsKept is the size up to which the room for records is kept after a burst.
	recordsKept = 256
	// kindsPerClass is how many kinds of one account and code are told apart in a
	// second, kindsPerIntake how many of all; classesPerIntake bounds the classes, and
	// what is over that is only counted.
	kindsPerClass    = 200
	kindsPerIntake   = 4096
	classesPerIntake = 4096
	// audits bounds the callers whose records of changes are on their way.
	audits = 64

	// syncEvery is how much of the log the loss of power may cost.
	syncEvery = time.Second
	// writeBytes is about how much one write takes.
	writeBytes = 1 << 20
	// stretchBytes and stretchLeast bound a stretch: the unit in which the oldest
	// records go. It is a sixteenth of the account's log bytes between the two.
	stretchBytes = 256 << 10
	stretchLeast = 4 << 10
	// rowBytes is what a row costs beside its value.
	rowBytes = 40
	// sweepEvery is how often logs that nobody writes to or reads are looked at.
	sweepEvery = time.Minute

	// tellBatches bounds the batches of records that wait to be told live.
	tellBatches = 64
	// countEvery is how often counters are told, at most [EXT-LOG-3].
	countEvery = time.Second

	// statisticsDays is how long statistics are kept, reaped every reapEvery.
	statisticsDays = 30
	reapEvery      = time.Hour
)
