package expr

import "strconv"

// Error says why a source is refused. It holds no part of the source.
type Error struct {
	Column int    // the first offending byte, counted from 1; one beyond the last where the end came too soon
	Reason string // plain English
}

// Error gives the reason and the column.
func (e *Error) Error() string {
	return e.Reason + " at column " + strconv.Itoa(e.Column)
}
