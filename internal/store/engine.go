package store

// engine is an ordered map of keys to values which survives, or not. It is all
// that differs between a store on a disk and one in memory.
type engine interface {
	// begin returns an empty set of writes.
	begin() writes
	// commit applies w, all or nothing, after what was committed before: on
	// return it has reached the disk where sync is set, else the operating
	// system. It is called by one goroutine at a time and consumes w.
	commit(w writes, sync bool) error
	// get visits the value of key, where there is one, and borrows it for the
	// call. Safe from any goroutine, like scan.
	get(key []byte, visit func(value []byte) error) error
	// scan visits the keys from low up to below high in order, borrowing both
	// slices for the call, until visit returns an error. Where visit returns a
	// key, the scan goes on at that one, which must lie ahead. value is read from
	// the disk only when it is called.
	scan(low, high []byte, visit func(key []byte, value func() ([]byte, error)) (next []byte, err error)) error
	// close finishes and lets everything go.
	close() error
}

// writes is a set of changes in the making. Later ones win over earlier ones. The
// slices are copied.
type writes interface {
	set(key, value []byte)
	del(key []byte)
	// delRange deletes the keys from low up to below high.
	delRange(low, high []byte)
	// size is about how many bytes the writes take.
	size() int
}
