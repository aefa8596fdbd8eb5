package topic

import "unsafe"

// indexFrom is the size from which a set keeps an index by value; below it a
// search through the slice is as fast and needs no map.
const indexFrom = 16

// set is a filter and its values. One value, by far the most frequent case,
// needs no memory of its own. With 8-byte values it takes 32 bytes, so that two
// share a cache line and none lies on two.
type set[V comparable] struct {
	head *byte  // of the filter's text
	one  V      // the only value while more is 0
	more uint32 // two values or more: in Tree.more
	node uint32 // the node it hangs on; 0 for an exact filter
	hash uint32 // of an exact filter's text; of the level by which a leaf hangs
	size uint16 // of the text
	at   uint16 // where in the text a leaf's level begins
}

// setText gives a set its filter, of 1 to MaxBytes bytes. Why not a string: its
// second half, of eight bytes for a length that fits in two, would make the set
// 40 bytes long.
func (s *set[V]) setText(filter string) {
	s.head, s.size = unsafe.StringData(filter), uint16(len(filter))
}

// text gives the filter.
func (s *set[V]) text() string { return unsafe.String(s.head, s.size) }

// tail gives the part of a leaf's filter that is not in the trie: from its own
// level on.
func (s *set[V]) tail() string { return s.text()[s.at:] }

// many holds two values or more in no order.
type many[V comparable] struct {
	vals  []V
	index map[V]uint32 // value → place in vals; nil while the set is small
}

// addValue puts v into a set that already has a value, and reports whether it
// was new.
func (t *Tree[V]) addValue(s *set[V], v V) bool {
	if s.more == 0 {
		if s.one == v {
			return false
		}
		var zero V
		s.more = t.more.alloc()
		t.more.at(s.more).vals = []V{s.one, v}
		s.one = zero
		return true
	}
	return t.more.at(s.more).add(v)
}

// removeValue takes v out; empty tells that it was the last value.
func (t *Tree[V]) removeValue(s *set[V], v V) (removed, empty bool) {
	if s.more == 0 {
		return s.one == v, s.one == v
	}
	m := t.more.at(s.more)
	i := m.find(v)
	if i < 0 {
		return false, false
	}
	if m.take(i); len(m.vals) == 1 {
		s.one = m.vals[0]
		t.more.release(s.more)
		s.more = 0
	}
	return true, false
}

// appendTo appends the values of a set to dst.
func (t *Tree[V]) appendTo(dst []V, s *set[V]) []V {
	if s.more == 0 {
		return append(dst, s.one)
	}
	return append(dst, t.more.at(s.more).vals...)
}

// add puts v in and reports whether it was new.
func (m *many[V]) add(v V) bool {
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
