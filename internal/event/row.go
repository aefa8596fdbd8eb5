package event

// Shelf is what kind of rows of an account a Row is among.
type Shelf byte

// The shelves.
const (
	Records    Shelf = 'r' // of the log, by the time of each
	Sizes      Shelf = 's' // of stretches of the log, by the time of their first record
	Statistics Shelf = 't' // figures, by the begin of the minute
)

// Row is what a store keeps for logs: a value under an account and a time.
type Row struct {
	Shelf   Shelf
	Account int64
	Time    int64 // UNIX microseconds, not negative
	Value   []byte
}

// Span is the rows of an account from one time to another, both included.
type Span struct {
	Shelf    Shelf
	Account  int64
	From, To int64
}
