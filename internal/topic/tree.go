package topic

import (
	"bytes"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"
)

// buckets is how many groups of first levels have a generation of their own.
const buckets = 16

// Tree is a set of (filter, value) pairs which finds the values of all filters
// that match a topic. Filters are plain (a Filter's Inner) and legal; a level
// with a comma is a selector [EXT-SEL-1]. It may be used by many goroutines:
// Match, Values and Len share one lock, Add and Remove take it alone, and none
// holds it for longer than its own work. The zero value is not ready, use
// NewTree.
//
// A filter without wildcards and selectors is found by one hash of the topic.
// The others lie in a trie; a match walks each path that fits the topic, one
// step per node. From each node a topic's level leads at most to the child of
// that word, to '+', and to the selectors which hold the word, found without
// looking at others and whatever the length of their lists. Without selectors
// that is at most 2ⁿ⁺¹ steps for n levels, and never more than there are nodes,
// in practice a few; MatchCost tells how many, for a budget. The stack does not
// grow with them. Add and Remove cost O(levels and words of lists), whatever
// the tree and the filter's own values number; no call pays for the growth of
// the whole.
//
// Memory with 8-byte values, beside the filter's text: about 40 bytes for a
// filter with one value, wherever its wildcards are, as long as no other goes
// the same way by its first word that is rare; where two part later, 70 more for
// each level that they share with no third. A word in a selector is 32. Records do
// not shrink before the last filter goes, so the tree's size is bounded by the
// most filters it ever held.
type Tree[V comparable] struct {
	mu      sync.RWMutex
	dialect Dialect
	sets    slab[set[V]]
	more    slab[many[V]] // of the sets with two values or more
	exact   table         // of the sets of filters without wildcards and selectors, by text
	trie    trie          // of the others
	values  int

	wild atomic.Uint64          // changes of filters that begin with a wildcard
	gens [buckets]atomic.Uint64 // changes of the others, by first level
}

// NewTree gives an empty tree. Topics that begin with '$' [MQTT-4.7.2-1] and
// those whose first level is reservedFirstLevel [EXT-TOP-1] ("" for none) are
// not matched by a wildcard in the first level.
func NewTree[V comparable](reservedFirstLevel string) *Tree[V] {
	return &Tree[V]{dialect: Dialect{HideDollar: true, HideFirst: reservedFirstLevel, Selectors: true}}
}

// Add puts a pair into the tree and reports whether it is new. Of all strings
// with the same filter the tree keeps the one that came last, as long as that
// pair is there, so it may be a part of the value, and should not be a part of
// something much larger. A filter that is empty, or longer than MaxBytes, is not
// added.
func (t *Tree[V]) Add(filter string, v V) bool {
	if filter == "" || len(filter) > MaxBytes {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if id := t.find(filter); id != 0 {
		s := t.sets.at(id)
		if !t.addValue(s, v) {
			return false
		}
		s.setText(filter)
	} else {
		t.addFilter(filter, v)
	}
	t.values++
	t.changed(filter)
	return true
}

// branches reports whether a filter belongs into the trie.
func branches(filter string) bool { return HasWildcard(filter) || isList(filter) }

// find gives the set of a filter, or 0.
func (t *Tree[V]) find(filter string) uint32 {
	if branches(filter) {
		return t.seek(filter)
	}
	return t.findExact(filter)
}

// findExact gives the set of an exact filter, or 0.
func (t *Tree[V]) findExact(filter string) uint32 {
	hash := hashText(filter)
	for id, p := t.exact.probe(hash).next(); id != 0; id, p = p.next() {
		if s := t.sets.at(id); s.hash == hash && s.text() == filter {
			return id
		}
	}
	return 0
}

func (t *Tree[V]) hashOfSet(id uint32) uint32 { return t.sets.at(id).hash }

// addFilter makes the set of a new filter, with its first value.
func (t *Tree[V]) addFilter(filter string, v V) {
	id := t.sets.alloc()
	s := t.sets.at(id)
	s.setText(filter)
	s.one = v
	if branches(filter) {
		t.plant(id)
		return
	}
	s.hash = hashText(filter)
	t.exact.insert(s.hash, id, t.hashOfSet)
}

// Remove takes a pair out and reports whether it was there. The string must be
// the one that the pair came with where it is a part of the value.
func (t *Tree[V]) Remove(filter string, v V) bool {
	if filter == "" {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	id := t.find(filter)
	if id == 0 {
		return false
	}
	removed, empty := t.removeValue(t.sets.at(id), v)
	if !removed {
		return false
	}
	switch s := t.sets.at(id); {
	case empty:
		t.removeFilter(id)
	case s.head == unsafe.StringData(filter): // others have the filter, and not this string
		s.setText(strings.Clone(filter))
	}
	t.values--
	t.changed(filter)
	return true
}

// removeFilter removes a filter whose last value has gone.
func (t *Tree[V]) removeFilter(id uint32) {
	if s := t.sets.at(id); s.node != 0 {
		t.uproot(id)
	} else {
		t.exact.remove(s.hash, id, t.hashOfSet)
	}
	if t.sets.release(id); t.sets.len() == 0 {
		t.exact = table{}
	}
}

// Len gives the number of distinct filters and of pairs.
func (t *Tree[V]) Len() (filters, values int) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.sets.len(), t.values
}

// Values appends to dst the values of exactly this filter text, in no order.
func (t *Tree[V]) Values(filter string, dst []V) []V {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if filter == "" {
		return dst
	}
	if id := t.find(filter); id != 0 {
		dst = t.appendTo(dst, t.sets.at(id))
	}
	return dst
}

// Generation gives a number that is higher after each change which could alter
// what Match gives for topic (and after some which could not). A caller that
// keeps a result reads the number first, then matches; the result is good
// while the number stays. It takes no lock.
func (t *Tree[V]) Generation(topic []byte) uint64 {
	first, _, _ := bytes.Cut(topic, slashBytes)
	return t.wild.Load() + t.gens[bucket(first)].Load()
}

// slashBytes separates levels.
var slashBytes = []byte{'/'}

// changed counts a change of filter. It is called with the lock held, after
// the change: who reads the new number and then matches sees the change.
func (t *Tree[V]) changed(filter string) {
	if filter[0] == '+' || filter[0] == '#' {
		t.wild.Add(1)
		return
	}
	first, _, _ := strings.Cut(filter, "/")
	t.gens[bucket(first)].Add(1)
	if !isList(first) {
		return
	}
	var counted uint32                               // one bit for each bucket
	for word := range strings.SplitSeq(first, ",") { // [EXT-SEL-1]
		if b := bucket(word); counted>>b&1 == 0 {
			counted |= 1 << b
			t.gens[b].Add(1)
		}
	}
}

// bucket gives the group of a first level. Why no seed: a tenant who makes its
// own first levels collide only has its own results matched again.
func bucket[T text](first T) uint32 {
	h := uint32(2166136261) // FNV-1a
	for i := 0; i < len(first); i++ {
		h = (h ^ uint32(first[i])) * 16777619
	}
	return (h ^ h>>16) % buckets
}
