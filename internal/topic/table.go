package topic

import (
	"hash/maphash"
	"math/bits"
	"slices"
)

// seed and the keys make hashes that nobody can foresee: a tenant who chooses
// filters cannot make them collide.
var (
	seed     = maphash.MakeSeed()
	edgeKey  = maphash.String(seed, "edge")
	edgeMult = maphash.String(seed, "multiplier") | 1
)

// hashText gives the hash of a text or of a topic's bytes.
func hashText(s string) uint32  { return uint32(maphash.String(seed, s)) }
func hashBytes(b []byte) uint32 { return uint32(maphash.Bytes(seed, b)) }

// hashEdge gives the hash of a pair of numbers.
func hashEdge(parent, word uint32) uint32 {
	high, low := bits.Mul64((uint64(parent)<<32|uint64(word))^edgeKey, edgeMult)
	return uint32(high ^ low)
}

// The bounds of a segment. A slot costs five bytes, and four to five of six
// slots are taken.
const (
	segmentFirst = 4    // slots of a new table
	segmentMost  = 1280 // a segment of so many slots is split when it is full
	segmentDepth = 20   // most bits of the hash that choose a segment
)

// table finds records by hash. It holds their numbers only: a key is in its
// record, where the caller compares it. 0 is no number.
//
// It is an extendible hash table: the first bits of the hash choose a segment,
// and a segment that is full is split alone, so that growing never costs more
// than the thousand records of one segment, however many there are. Why not a
// Go map: it would hold each key once more, and twice the room for it.
//
// A record's hash must not change, and hashOf must tell it as long as the
// record is in the table.
type table struct {
	dir   []*segment // 1<<depth; neighbours may share a segment
	depth uint8
}

// segment is searched from a hash's home slot to the next empty one.
type segment struct {
	tags  []uint8 // 0: empty; else a part of the hash, to look up few records in vain
	ids   []uint32
	used  int
	depth uint8 // how many first bits of the hash all its records share
}

func newSegment(slots int, depth uint8) *segment {
	return &segment{tags: make([]uint8, slots), ids: make([]uint32, slots), depth: depth}
}

// tagOf gives a hash's tag, which is not 0.
func tagOf(hash uint32) uint8 { return max(uint8(hash), 1) }

// home gives the slot where the search for a hash begins.
func (s *segment) home(hash uint32) int {
	return int(uint64(hash<<s.depth) * uint64(len(s.ids)) >> 32)
}

// probe is a search for the records of one hash.
type probe struct {
	seg *segment
	at  int
	tag uint8
}

// probe begins a search.
func (t *table) probe(hash uint32) probe {
	if len(t.dir) == 0 {
		return probe{}
	}
	s := t.dir[hash>>(32-t.depth)]
	return probe{s, s.home(hash), tagOf(hash)}
}

// next gives the next record which may have the hash, or 0 after the last.
func (p *probe) next() uint32 {
	if p.seg == nil {
		return 0
	}
	tags := p.seg.tags
	for {
		i := p.at
		if p.at++; p.at == len(tags) {
			p.at = 0
		}
		switch tags[i] {
		case 0:
			return 0
		case p.tag:
			return p.seg.ids[i]
		}
	}
}

// insert puts in a record that is not there.
func (t *table) insert(hash, id uint32, hashOf func(uint32) uint32) {
	if len(t.dir) == 0 {
		t.dir = []*segment{newSegment(segmentFirst, 0)}
	}
	for {
		s := t.dir[hash>>(32-t.depth)]
		if (s.used+1)*5 <= len(s.ids)*4 {
			s.put(hash, id)
			return
		}
		if len(s.ids) >= segmentMost && s.depth < segmentDepth {
			t.split(s, hash, hashOf)
		} else {
			s.resize(len(s.ids)+max(len(s.ids)/4, segmentFirst), hashOf)
		}
	}
}

// put takes the first empty slot; there is one.
func (s *segment) put(hash, id uint32) {
	i := s.home(hash)
	for s.tags[i] != 0 {
		if i++; i == len(s.tags) {
			i = 0
		}
	}
	s.tags[i], s.ids[i] = tagOf(hash), id
	s.used++
}

// resize gives a segment another number of slots.
func (s *segment) resize(slots int, hashOf func(uint32) uint32) {
	bigger := newSegment(slots, s.depth)
	for i, id := range s.ids {
		if s.tags[i] != 0 {
			bigger.put(hashOf(id), id)
		}
	}
	*s = *bigger
}

// split puts two segments in the place of s, which has the given hash.
func (t *table) split(s *segment, hash uint32, hashOf func(uint32) uint32) {
	if s.depth == t.depth {
		wide := make([]*segment, 2*len(t.dir))
		for i := range wide {
			wide[i] = t.dir[i/2]
		}
		t.dir, t.depth = wide, t.depth+1
	}
	halves := [2]*segment{}
	for i := range halves {
		halves[i] = newSegment(segmentMost*5/8, s.depth+1)
	}
	for i, id := range s.ids {
		if s.tags[i] == 0 {
			continue
		}
		h := hashOf(id)
		half := halves[h>>(31-s.depth)&1]
		if (half.used+1)*5 > len(half.ids)*4 {
			half.resize(len(half.ids)*5/4, hashOf)
		}
		half.put(h, id)
	}
	span := 1 << (t.depth - s.depth) // how many neighbours share s
	from := int(hash>>(32-t.depth)) &^ (span - 1)
	for i := range span {
		t.dir[from+i] = halves[i*2/span]
	}
}

// find gives the slot of a record that is there.
func (t *table) find(hash, id uint32) (s *segment, slot int) {
	s = t.dir[hash>>(32-t.depth)]
	slot = s.home(hash)
	for s.ids[slot] != id { // an empty slot has 0
		if slot++; slot == len(s.ids) {
			slot = 0
		}
	}
	return s, slot
}

// replace puts another record with the same hash in the place of one.
func (t *table) replace(hash, old, id uint32) {
	s, slot := t.find(hash, old)
	s.ids[slot] = id
}

// remove takes out a record that is there. Its memory is given back as a
// segment shrinks.
func (t *table) remove(hash, id uint32, hashOf func(uint32) uint32) {
	s, hole := t.find(hash, id)
	n := len(s.ids)
	// What stands behind the hole and could not be found past it moves there.
	for i := (hole + 1) % n; s.tags[i] != 0; i = (i + 1) % n {
		home := s.home(hashOf(s.ids[i]))
		if (i-home+n)%n >= (i-hole+n)%n {
			s.tags[hole], s.ids[hole] = s.tags[i], s.ids[i]
			hole = i
		}
	}
	s.tags[hole], s.ids[hole] = 0, 0
	if s.used--; n > 4*segmentFirst && s.used*4 < n {
		s.resize(n/2, hashOf)
	}
}

// all gives the records, in no order.
func (t *table) all() (ids []uint32) {
	var last *segment
	for _, s := range t.dir {
		if s == last {
			continue
		}
		last = s
		for i, id := range s.ids {
			if s.tags[i] != 0 {
				ids = append(ids, id)
			}
		}
	}
	return slices.Clip(ids)
}
