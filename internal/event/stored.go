package event

// Query asks for a stretch of one account's log.
type Query struct {
	Account  int64
	From, To int64 // UNIX microseconds, both included; 0 is no bound
	Reverse  bool  // the newest first
}

// Stored is a record as a log gives it back: what most questions are about, and the
// whole as JSON, which is borrowed.
type Stored struct {
	Time     int64 // UNIX microseconds
	Code     Code
	Origin   Origin
	OriginID int64
	Token    int64
	Count    int64 // how many happenings it stands for, at least 1
	JSON     []byte
}
