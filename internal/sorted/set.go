package sorted

import "iter"

// Set is a set of items in ascending order. The zero Set is empty. Where a method
// takes at, that function tells where an item lies to what is looked for: below 0
// before it, 0 is it, above 0 behind it; it must agree with the order in which the
// items were put in.
type Set[T any] struct {
	root node[T]
	len  int
}

// node is a leaf or a branch; both nil in an empty set.
type node[T any] struct {
	leaf   *leaf[T]
	branch *branch[T]
}

// Len returns the number of items.
func (s *Set[T]) Len() int { return s.len }

// Clear removes all items.
func (s *Set[T]) Clear() { *s = Set[T]{} }

// Get returns the item for which at is 0.
func (s *Set[T]) Get(at func(T) int) (item T, ok bool) {
	n := s.root
	for n.branch != nil {
		b := n.branch
		n = b.kids[b.find(at)]
	}
	if n.leaf == nil {
		return item, false
	}
	i, ok := n.leaf.find(at)
	if ok {
		item = n.leaf.items[i]
	}
	return item, ok
}

// Put puts item, for which at is 0, into the set, and returns the one whose place it
// takes, where there is one.
func (s *Set[T]) Put(item T, at func(T) int) (old T, replaced bool) {
	if s.root.leaf == nil && s.root.branch == nil {
		s.root.leaf = &leaf[T]{}
	}
	old, replaced, right := s.root.put(item, at, true)
	if right.leaf != nil || right.branch != nil {
		top := &branch[T]{}
		top.insert(0, s.root)
		top.insert(1, right)
		s.root = node[T]{branch: top}
	}
	if !replaced {
		s.len++
	}
	return old, replaced
}

// Delete removes the item for which at is 0, and returns it.
func (s *Set[T]) Delete(at func(T) int) (old T, ok bool) {
	if s.len == 0 {
		return old, false
	}
	old, ok = s.root.remove(at)
	if ok {
		s.len--
	}
	for s.root.branch != nil && s.root.branch.n == 1 {
		s.root = s.root.branch.kids[0]
	}
	if s.len == 0 {
		s.Clear()
	}
	return old, ok
}

// Rank returns the number of items that lie before what is looked for.
func (s *Set[T]) Rank(at func(T) int) (rank int) {
	n := s.root
	for n.branch != nil {
		b := n.branch
		i := b.find(at)
		for _, size := range b.sizes[:i] {
			rank += int(size)
		}
		n = b.kids[i]
	}
	if n.leaf != nil {
		i, _ := n.leaf.find(at)
		rank += i
	}
	return rank
}

// From gives the items in order, beginning with the first that does not lie before
// what is looked for. The set must not be changed meanwhile.
func (s *Set[T]) From(at func(T) int) iter.Seq[T] {
	return func(yield func(T) bool) { s.root.from(at, yield) }
}

// All gives all items in order. The set must not be changed meanwhile.
func (s *Set[T]) All() iter.Seq[T] {
	return func(yield func(T) bool) { s.root.from(nil, yield) }
}

// from visits the items that at does not put before what is looked for, all where it
// is nil, and tells whether to go on.
func (n node[T]) from(at func(T) int, yield func(T) bool) bool {
	i := 0
	if b := n.branch; b != nil {
		if at != nil {
			i = b.find(at)
			if !b.kids[i].from(at, yield) {
				return false
			}
			i++
		}
		for ; i < int(b.n); i++ {
			if !b.kids[i].from(nil, yield) {
				return false
			}
		}
		return true
	}
	if n.leaf == nil {
		return true
	}
	if at != nil {
		i, _ = n.leaf.find(at)
	}
	for ; i < int(n.leaf.n); i++ {
		if !yield(n.leaf.items[i]) {
			return false
		}
	}
	return true
}

// put puts item below n. Where n had to be split, right is its right part. last tells
// that n is the last node of its height.
func (n node[T]) put(item T, at func(T) int, last bool) (old T, replaced bool, right node[T]) {
	if n.leaf != nil {
		return n.leaf.put(item, at, last)
	}
	b := n.branch
	i := b.find(at)
	old, replaced, more := b.kids[i].put(item, at, last && i == int(b.n)-1)
	if more.leaf == nil && more.branch == nil {
		b.least[i] = b.kids[i].first()
		if !replaced {
			b.sizes[i]++
		}
		return old, replaced, right
	}
	b.note(i)
	if b.n < branchRoom {
		b.insert(i+1, more)
		return old, replaced, right
	}
	r := b.split(last && i == int(b.n)-1)
	if i < int(b.n) {
		b.insert(i+1, more)
	} else {
		r.insert(i+1-int(b.n), more)
	}
	return old, replaced, node[T]{branch: r}
}

// remove removes the item for which at is 0 from below n.
func (n node[T]) remove(at func(T) int) (old T, ok bool) {
	if n.leaf != nil {
		return n.leaf.remove(at)
	}
	b := n.branch
	i := b.find(at)
	old, ok = b.kids[i].remove(at)
	if !ok {
		return old, false
	}
	kid := b.kids[i]
	switch {
	case kid.count() == 0:
		b.drop(i)
	case kid.sparse() && b.n > 1:
		b.note(i)
		if left := max(i, 1) - 1; b.kids[left].join(b.kids[left+1]) {
			b.note(left)
			b.drop(left + 1)
		}
	default:
		b.least[i] = kid.first()
		b.sizes[i]--
	}
	return old, true
}

// count is the number of n's own items or subtrees.
func (n node[T]) count() int {
	if n.leaf != nil {
		return int(n.leaf.n)
	}
	return int(n.branch.n)
}

// sparse tells that n is less than a quarter full.
func (n node[T]) sparse() bool {
	if n.leaf != nil {
		return n.leaf.n < leafRoom/4
	}
	return n.branch.n < branchRoom/4
}

// join moves all that right, n's neighbour, has into n, if there is room.
func (n node[T]) join(right node[T]) bool {
	if n.leaf != nil {
		return n.leaf.join(right.leaf)
	}
	return n.branch.join(right.branch)
}

// first is the least item below n, which is not empty.
func (n node[T]) first() T {
	if n.leaf != nil {
		return n.leaf.items[0]
	}
	return n.branch.least[0]
}

// size is the number of items below n.
func (n node[T]) size() (size int) {
	if n.leaf != nil {
		return int(n.leaf.n)
	}
	for _, s := range n.branch.sizes[:n.branch.n] {
		size += int(s)
	}
	return size
}
