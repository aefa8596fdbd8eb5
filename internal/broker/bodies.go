package broker

// bodies finds messages that were read from the log, or are about to be
// forgotten by a queue, while anything still holds them: so a payload is in
// memory once, however many queues wait for it and whenever they read it back. One that
// went into a single queue is not entered: weak pointers and their cleanups were a
// third of the time in which a queue was drained.
type bodies = weakly[MessageID, Message]
