package broker

// bodies finds messages that were read from the log, or are about to be
// forgotten by a queue, while anything still holds them: so a payload is in
// memory once, however many queues wait for it and whenever they read it back.
type bodies = weakly[MessageID, Message]
