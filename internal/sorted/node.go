package sorted

import "slices"

// Room in the nodes: a leaf of pointers takes 512 bytes, one of two words 1 KiB.
const (
	leafRoom   = 63
	branchRoom = 64
)

// leaf holds items.
type leaf[T any] struct {
	items [leafRoom]T
	n     int32
}

// find returns the place of the item for which at is 0, or else of the first behind
// it.
func (l *leaf[T]) find(at func(T) int) (place int, found bool) {
	low, high := 0, int(l.n)
	for low < high {
		mid := int(uint(low+high) >> 1)
		switch c := at(l.items[mid]); {
		case c == 0:
			return mid, true
		case c < 0:
			low = mid + 1
		default:
			high = mid
		}
	}
	return low, false
}

// put puts item into the leaf. Where the leaf is full, right takes the half of it; but
// at the end of the set only item, so that items put in in order leave full leaves.
func (l *leaf[T]) put(item T, at func(T) int, last bool) (old T, replaced bool, right node[T]) {
	i, found := l.find(at)
	if found {
		old, l.items[i] = l.items[i], item
		return old, true, right
	}
	if l.n < leafRoom {
		l.insert(i, item)
		return old, false, right
	}
	r := &leaf[T]{}
	right.leaf = r
	half := leafRoom / 2
	if last && i == leafRoom {
		half = leafRoom
	}
	r.n = int32(copy(r.items[:], l.items[half:]))
	clear(l.items[half:])
	l.n = int32(half)
	if i <= half && half < leafRoom {
		l.insert(i, item)
	} else {
		r.insert(i-half, item)
	}
	return old, false, right
}

func (l *leaf[T]) insert(i int, item T) {
	copy(l.items[i+1:l.n+1], l.items[i:l.n])
	l.items[i] = item
	l.n++
}

func (l *leaf[T]) remove(at func(T) int) (old T, ok bool) {
	i, ok := l.find(at)
	if !ok {
		return old, false
	}
	old = l.items[i]
	_ = slices.Delete(l.items[:l.n], i, i+1) // which clears the last place
	l.n--
	return old, true
}

func (l *leaf[T]) join(right *leaf[T]) bool {
	if l.n+right.n > leafRoom {
		return false
	}
	copy(l.items[l.n:], right.items[:right.n])
	l.n += right.n
	return true
}

// branch holds subtrees, with the least item and the number of items of each.
type branch[T any] struct {
	least [branchRoom]T
	kids  [branchRoom]node[T]
	sizes [branchRoom]int32
	n     int32
}

// find returns the subtree in which what is looked for is, or would be.
func (b *branch[T]) find(at func(T) int) int {
	low, high := 1, int(b.n)
	for low < high {
		mid := int(uint(low+high) >> 1)
		if at(b.least[mid]) <= 0 {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low - 1
}

// note brings what is noted of a subtree up to date.
func (b *branch[T]) note(i int) {
	b.least[i] = b.kids[i].first()
	b.sizes[i] = int32(b.kids[i].size())
}

func (b *branch[T]) insert(i int, kid node[T]) {
	n := b.n
	copy(b.least[i+1:n+1], b.least[i:n])
	copy(b.kids[i+1:n+1], b.kids[i:n])
	copy(b.sizes[i+1:n+1], b.sizes[i:n])
	b.kids[i] = kid
	b.n++
	b.note(i)
}

func (b *branch[T]) drop(i int) {
	_ = slices.Delete(b.least[:b.n], i, i+1)
	_ = slices.Delete(b.kids[:b.n], i, i+1)
	_ = slices.Delete(b.sizes[:b.n], i, i+1)
	b.n--
}

// split returns a branch with the right half of b's subtrees; with one at the end of
// the set.
func (b *branch[T]) split(last bool) *branch[T] {
	half := int32(branchRoom / 2)
	if last {
		half = branchRoom - 1
	}
	r := &branch[T]{n: b.n - half}
	copy(r.least[:], b.least[half:b.n])
	copy(r.kids[:], b.kids[half:b.n])
	copy(r.sizes[:], b.sizes[half:b.n])
	clear(b.least[half:])
	clear(b.kids[half:])
	clear(b.sizes[half:])
	b.n = half
	return r
}

func (b *branch[T]) join(right *branch[T]) bool {
	if b.n+right.n > branchRoom {
		return false
	}
	copy(b.least[b.n:], right.least[:right.n])
	copy(b.kids[b.n:], right.kids[:right.n])
	copy(b.sizes[b.n:], right.sizes[:right.n])
	b.n += right.n
	return true
}
