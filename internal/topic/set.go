package topic

// indexFrom is the size from which a set keeps an index by value; below it a
// search through the slice is as fast and needs no map.
const indexFrom = 16

// set is a filter and its values. One value, by far the most frequent case,
// needs no memory of its own.
type set[V comparable] struct {
	text string   // the filter
	one  V        // the only value while more is nil
	more *many[V] // two values or more
	node uint32   // where the filter ends in the trie; 0 for an exact filter
	hash uint32   // of text
}

// many holds two values or more in no order.
type many[V comparable] struct {
	vals  []V
	index map[V]uint32 // value → place in vals; nil while the set is small
}

// add puts v into a set that already has a value, and reports whether it was new.
func (s *set[V]) add(v V) bool {
	m := s.more
	if m == nil {
		if s.one == v {
			return false
		}
		var zero V
		s.more = &many[V]{vals: []V{s.one, v}}
		s.one = zero
		return true
	}
	if m.find(v) >= 0 {
		return false
	}
	m.vals = append(m.vals, v)
	switch {
	case m.index != nil:
		m.index[v] = uint32(len(m.vals) - 1)
	case len(m.vals) >= indexFrom:
		m.index = make(map[V]uint32, 2*indexFrom)
		for i, w := range m.vals {
			m.index[w] = uint32(i)
		}
	}
	return true
}

// remove takes v out; empty tells that it was the last value.
func (s *set[V]) remove(v V) (removed, empty bool) {
	m := s.more
	if m == nil {
		return s.one == v, s.one == v
	}
	i := m.find(v)
	if i < 0 {
		return false, false
	}
	m.take(i)
	if len(m.vals) == 1 {
		s.one, s.more = m.vals[0], nil
	}
	return true, false
}

// find gives the place of v, or -1.
func (m *many[V]) find(v V) int {
	if m.index != nil {
		if i, ok := m.index[v]; ok {
			return int(i)
		}
		return -1
	}
	for i := range m.vals {
		if m.vals[i] == v {
			return i
		}
	}
	return -1
}

// take removes the value at place i: the last one moves there, so the cost
// does not depend on the size. Memory is given back as the set shrinks.
func (m *many[V]) take(i int) {
	last := len(m.vals) - 1
	if m.index != nil {
		delete(m.index, m.vals[i])
		if i != last {
			m.index[m.vals[last]] = uint32(i)
		}
	}
	m.vals[i] = m.vals[last]
	var zero V
	m.vals[last] = zero
	m.vals = m.vals[:last]
	if last < indexFrom/2 {
		m.index = nil
	}
	if cap(m.vals) >= 4*indexFrom && last <= cap(m.vals)/4 {
		m.vals = append(make([]V, 0, cap(m.vals)/2), m.vals...)
	}
}

// appendTo appends the set's values to dst.
func (s *set[V]) appendTo(dst []V) []V {
	if s.more == nil {
		return append(dst, s.one)
	}
	return append(dst, s.more.vals...)
}

// len gives the number of values.
func (s *set[V]) len() int {
	if s.more == nil {
		return 1
	}
	return len(s.more.vals)
}
