package topic

import "math/bits"

// The first chunks of a slab double from slabFirst entries up to slabChunk, so
// that a tenant with three filters pays for four; later ones all hold slabChunk.
const (
	slabFirst   = 4
	slabChunk   = 4096
	slabDoubles = 11                                     // chunks of 4, 8, … 4,096
	slabDoubled = slabFirst*(1<<slabDoubles) - slabFirst // entries in them
)

// slab holds values at fixed places under small integers, which take half a
// pointer's room and nothing of the collector's time. 0 is no value. Entries
// never move, growing copies nothing, and freed places are used again; when
// the last entry goes the memory is given back.
type slab[T any] struct {
	chunks [][]T
	used   uint32   // places ever given out; ids are 1..used
	free   []uint32 // places given back
}

// len gives the number of live entries.
func (s *slab[T]) len() int { return int(s.used) - len(s.free) }

// place gives the chunk and the index in it of an id.
func place(id uint32) (chunk, index uint32) {
	i := id - 1
	if i < slabDoubled {
		k := uint32(bits.Len32((i+slabFirst)/slabFirst)) - 1
		return k, i + slabFirst - slabFirst<<k
	}
	i -= slabDoubled
	return slabDoubles + i/slabChunk, i % slabChunk
}

// at gives the entry of a live id. The pointer stays good until release.
func (s *slab[T]) at(id uint32) *T {
	chunk, index := place(id)
	return &s.chunks[chunk][index]
}

// alloc gives the id of a new zero entry.
func (s *slab[T]) alloc() uint32 {
	if n := len(s.free); n > 0 {
		id := s.free[n-1]
		s.free = s.free[:n-1]
		return id
	}
	s.used++
	if chunk, _ := place(s.used); int(chunk) == len(s.chunks) {
		s.chunks = append(s.chunks, make([]T, min(slabFirst<<min(chunk, slabDoubles), slabChunk)))
	}
	return s.used
}

// release zeroes an entry and gives its place back.
func (s *slab[T]) release(id uint32) {
	if s.len() == 1 {
		*s = slab[T]{}
		return
	}
	var zero T
	*s.at(id) = zero
	s.free = append(s.free, id)
}
