package store

import (
	"slices"

	"alcove/internal/broker"
)

// freeing says when the space of dead messages is freed.
type freeing struct {
	// messages and bytes are what a segment holds before the next one begins.
	messages int
	bytes    int64
	// idle is how many bytes an unfinished segment without a live message may hold
	// before it is freed all the same.
	idle int64
	// sweep is the least that the dead of a segment hold, in bytes, before it is
	// swept for their size alone.
	sweep int64
	// allowance is how many bytes of dead messages may lie about in all segments
	// together, beyond as many as are alive.
	allowance int64
}

var defaultFreeing = freeing{messages: 4096, bytes: 8 << 20, idle: 256 << 10, sweep: 1 << 20, allowance: 64 << 20}

// keyCost is what the keys of one message take beside its values, in bytes.
const keyCost = 2*targetLen + 8

// segment is a run of messages of one tree, by growing id, and how often each is
// referred to. No other segment has ids between its first and its last.
type segment struct {
	ids   []broker.MessageID
	refs  []uint32 // 0 means dead, and still on the disk
	sizes []uint32 // bytes on the disk, about
	full  bool     // takes no more, but ids that come late
	extra bool     // a message has more than one key in space q
	gone  bool     // freed, or joined to the one before

	live             int // messages with references
	bytes, liveBytes int64
}

func (s *segment) first() broker.MessageID { return s.ids[0] }
func (s *segment) last() broker.MessageID  { return s.ids[len(s.ids)-1] }

// add puts a message with refs references into the segment; false where it is
// there already.
func (s *segment) add(id broker.MessageID, refs, size uint32, f *freeing) bool {
	i := len(s.ids)
	if i > 0 && id <= s.last() {
		var was bool
		if i, was = slices.BinarySearch(s.ids, id); was {
			return false
		}
	}
	s.ids = slices.Insert(s.ids, i, id)
	s.refs = slices.Insert(s.refs, i, refs)
	s.sizes = slices.Insert(s.sizes, i, size)
	s.bytes += int64(size)
	if refs > 0 {
		s.live++
		s.liveBytes += int64(size)
	}
	s.full = s.full || len(s.ids) >= f.messages || s.bytes >= f.bytes
	return true
}

// ref adds a reference to the message at i, which may have none.
func (s *segment) ref(i int) {
	if s.refs[i] == 0 {
		s.live++
		s.liveBytes += int64(s.sizes[i])
	}
	s.refs[i]++
}

// unref removes one; true where it was the last.
func (s *segment) unref(i int) bool {
	if s.refs[i] == 0 {
		return false
	}
	s.refs[i]--
	if s.refs[i] > 0 {
		return false
	}
	s.live--
	s.liveBytes -= int64(s.sizes[i])
	return true
}

func (s *segment) dead() int        { return len(s.ids) - s.live }
func (s *segment) deadBytes() int64 { return s.bytes - s.liveBytes }

// ripe tells whether the dead of the segment are to be deleted now. Each deletion
// removes at least half of what is there, so its cost is paid by what was added.
func (s *segment) ripe(f *freeing) bool {
	switch {
	case s.live == 0:
		return s.full || s.bytes >= f.idle
	case s.full:
		return s.dead() > s.live || s.deadBytes() > max(s.liveBytes, f.sweep)
	}
	return s.deadBytes() > max(s.liveBytes, f.sweep)
}

// sweep calls free for each run of dead messages, and forgets them.
func (s *segment) sweep(free func(ids []broker.MessageID)) {
	kept := 0
	for i := 0; i < len(s.ids); {
		if s.refs[i] > 0 {
			s.ids[kept], s.refs[kept], s.sizes[kept] = s.ids[i], s.refs[i], s.sizes[i]
			kept++
			i++
			continue
		}
		// The ids up to i are copied only to places before i.
		end := i
		for end < len(s.ids) && s.refs[end] == 0 {
			end++
		}
		free(s.ids[i:end])
		i = end
	}
	s.ids = shrink(s.ids, kept)
	s.refs = shrink(s.refs, kept)
	s.sizes = shrink(s.sizes, kept)
	s.bytes = s.liveBytes
}

// shrink cuts list to n, in a new array where the old one would be mostly unused.
func shrink[T any](list []T, n int) []T {
	if cap(list) >= 64 && n <= cap(list)/2 {
		return slices.Clone(list[:n:n])
	}
	return list[:n]
}

// join appends the messages of next, which follow those of s.
func (s *segment) join(next *segment) {
	s.ids = append(s.ids, next.ids...)
	s.refs = append(s.refs, next.refs...)
	s.sizes = append(s.sizes, next.sizes...)
	s.extra = s.extra || next.extra
	s.live += next.live
	s.bytes += next.bytes
	s.liveBytes += next.liveBytes
}
