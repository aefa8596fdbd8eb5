package topic

import (
	"encoding/binary"
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

// The bounds of a segment, in lines. Four of five slots are taken at most, so a
// record takes six to eight bytes.
const (
	segmentFirst = 1   // of a new table
	segmentMost  = 106 // a segment of so many lines is split when it is full
	segmentDepth = 20  // most bits of the hash that choose a segment
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

// segment is searched from a hash's home line to the next line that is not full.
type segment struct {
	lines []line
	used  int
	depth uint8 // how many first bits of the hash all its records share
}

// lineSlots is how many records fit into a cache line.
const lineSlots = 12

// line is a cache line, so that a search comes to one, rarely two, and to the end
// of those with its tag in one step. The first slots are taken. With tags and
// numbers in two slices a search ended as fast where it found its record, but took
// 30 ns more where it had to see all candidates, as a match does (Tree.compare).
type line struct {
	tags [lineSlots]uint8 // a part of the hash, not 0, to look up few records in vain; 0: empty
	used uint32
	ids  [lineSlots]uint32
}

// newSegment makes a segment of so many lines at least: what the allocator gives
// beyond them is used too.
func newSegment(lines int, depth uint8) *segment {
	room := slices.Grow([]line(nil), lines)
	return &segment{lines: room[:cap(room)], depth: depth}
}

// tagOf gives a hash's tag, which is not 0.
func tagOf(hash uint32) uint8 { return max(uint8(hash), 1) }

// home gives the line where the search for a hash begins.
func (s *segment) home(hash uint32) int {
	return int(uint64(hash<<s.depth) * uint64(len(s.lines)) >> 32)
}

// next gives the line after one.
func (s *segment) next(i int) int {
	if i++; i == len(s.lines) {
		return 0
	}
	return i
}

// full reports whether one more record would be too many.
func (s *segment) full() bool { return (s.used+1)*5 > len(s.lines)*lineSlots*4 }

// put takes a slot; there is an empty one.
func (l *line) put(tag uint8, id uint32) {
	l.tags[l.used], l.ids[l.used] = tag, id
	l.used++
}

// take empties a slot: the last record moves there.
func (l *line) take(slot int) {
	l.used--
	last := l.used
	l.tags[slot], l.ids[slot] = l.tags[last], l.ids[last]
	l.tags[last], l.ids[last] = 0, 0
}

// probe is a search for the records of one hash:
//
//	for id, p := t.probe(hash).next(); id != 0; id, p = p.next()
//
// It has no more than four words, and is handed on by value, since the compiler
// keeps such a one in registers. In memory it cost a look-up 30 ns.
type probe struct {
	seg   *segment
	at    int    // the line
	tags  uint64 // eight times the tag
	slots uint64 // those of the line with the tag that are still to be seen: see match
}

const (
	everyByte = 0x0101010101010101
	topBits   = 0x80 * everyByte
)

// zeros gives the highest bit of each byte that is 0.
func zeros(x uint64) uint64 { return ^((x&^topBits + ^uint64(topBits)) | x) & topBits }

// match gives a set bit for each slot with a tag, all looked at together: in byte
// i the lowest bit for slot i, and the fifth for slot 8 + i.
func (l *line) match(tags uint64) uint64 {
	first := zeros(binary.LittleEndian.Uint64(l.tags[:8]) ^ tags)
	last := zeros(uint64(binary.LittleEndian.Uint32(l.tags[8:])) ^ tags) // beyond its four bytes is the tag itself, not 0
	return first>>7 | last>>3
}

// probe begins a search.
func (t *table) probe(hash uint32) probe {
	if len(t.dir) == 0 {
		return probe{}
	}
	s := t.dir[hash>>(32-t.depth)]
	at, tags := s.home(hash), everyByte*uint64(tagOf(hash))
	return probe{s, at, tags, s.lines[at].match(tags)}
}

// next gives the next record which may have the hash, or 0 after the last, and
// the search for those behind it.
func (p probe) next() (uint32, probe) {
	if p.seg == nil {
		return 0, p
	}
	for p.slots == 0 {
		if p.seg.lines[p.at].used < lineSlots {
			return 0, p
		}
		p.at = p.seg.next(p.at)
		p.slots = p.seg.lines[p.at].match(p.tags)
	}
	bit := bits.TrailingZeros64(p.slots)
	p.slots &= p.slots - 1
	return p.seg.lines[p.at].ids[bit>>3+bit&4<<1], p
}

// insert puts in a record that is not there.
func (t *table) insert(hash, id uint32, hashOf func(uint32) uint32) {
	if len(t.dir) == 0 {
		t.dir = []*segment{newSegment(segmentFirst, 0)}
	}
	for {
		s := t.dir[hash>>(32-t.depth)]
		switch {
		case !s.full():
			s.put(hash, id)
			return
		case len(s.lines) >= segmentMost && s.depth < segmentDepth:
			t.split(s, hash, hashOf)
		default:
			s.resize(len(s.lines)+max(len(s.lines)/4, 1), hashOf)
		}
	}
}

// put takes the first empty slot; there is one.
func (s *segment) put(hash, id uint32) {
	i := s.home(hash)
	for s.lines[i].used == lineSlots {
		i = s.next(i)
	}
	s.lines[i].put(tagOf(hash), id)
	s.used++
}

// records yields the numbers, in no order.
func (s *segment) records(yield func(uint32) bool) {
	for i := range s.lines {
		for _, id := range s.lines[i].ids[:s.lines[i].used] {
			if !yield(id) {
				return
			}
		}
	}
}

// resize gives a segment another number of lines.
func (s *segment) resize(lines int, hashOf func(uint32) uint32) {
	other := newSegment(lines, s.depth)
	for id := range s.records {
		other.put(hashOf(id), id)
	}
	*s = *other
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
	for id := range s.records {
		h := hashOf(id)
		half := halves[h>>(31-s.depth)&1]
		if half.full() {
			half.resize(len(half.lines)*5/4, hashOf)
		}
		half.put(h, id)
	}
	span := 1 << (t.depth - s.depth) // how many neighbours share s
	from := int(hash>>(32-t.depth)) &^ (span - 1)
	for i := range span {
		t.dir[from+i] = halves[i*2/span]
	}
}

// find gives the place of a record that is there.
func (t *table) find(hash, id uint32) (s *segment, at, slot int) {
	s = t.dir[hash>>(32-t.depth)]
	for at = s.home(hash); ; at = s.next(at) {
		l := &s.lines[at]
		if slot = slices.Index(l.ids[:l.used], id); slot >= 0 {
			return s, at, slot
		}
	}
}

// replace puts another record with the same hash in the place of one.
func (t *table) replace(hash, old, id uint32) {
	s, at, slot := t.find(hash, old)
	s.lines[at].ids[slot] = id
}

// remove takes out a record that is there. Its memory is given back as a
// segment shrinks.
func (t *table) remove(hash, id uint32, hashOf func(uint32) uint32) {
	s, at, slot := t.find(hash, id)
	s.lines[at].take(slot)
	if s.lines[at].used == lineSlots-1 {
		s.fill(at, hashOf)
	}
	if s.used--; len(s.lines) > 1 && s.used*4 < len(s.lines)*lineSlots {
		s.resize(len(s.lines)/2, hashOf)
	}
}

// fill moves records into a line that was full: those behind it which had passed
// over it could not be found any more.
func (s *segment) fill(hole int, hashOf func(uint32) uint32) {
	n := len(s.lines)
	for i := s.next(hole); i != hole; i = s.next(i) {
		l := &s.lines[i]
		passed := slices.IndexFunc(l.ids[:l.used], func(id uint32) bool {
			return (i-s.home(hashOf(id))+n)%n >= (i-hole+n)%n
		})
		full := l.used == lineSlots
		if passed >= 0 {
			s.lines[hole].put(l.tags[passed], l.ids[passed])
			l.take(passed)
			hole = i
		}
		if !full {
			return
		}
	}
}

// all gives the records, in no order.
func (t *table) all() (ids []uint32) {
	var last *segment
	for _, s := range t.dir {
		if s != last {
			ids = slices.AppendSeq(ids, s.records)
		}
		last = s
	}
	return slices.Clip(ids)
}
