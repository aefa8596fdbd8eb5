package store

// Restart returns a new store over what a closed in-memory store held, as a
// new process finds the database of the one before. It is for tests: a store
// over Pebble is opened again with Open.
func (s *Store) Restart() *Store {
	if _, ok := s.engine.(*memoryEngine); !ok {
		panic("store: Restart of a store that is not in memory")
	}
	return start(s.engine, newFault(s.log), &defaultFreeing, s.log)
}
