package store

import (
	"slices"

	"alcove/internal/auth"
	"alcove/internal/broker"
)

// shortRun is how many messages are deleted one by one rather than as a range.
const shortRun = 4

// tree is the messages of one top-level account and of all the accounts below it.
type tree struct {
	top      auth.AccountID
	freeing  *freeing
	segments []*segment // by growing id; the last one may take more
}

// find returns the segment whose range holds id, or that before it, or -1.
func (t *tree) find(id broker.MessageID) int {
	n := len(t.segments)
	if n > 0 && t.segments[n-1].first() <= id {
		return n - 1
	}
	i, was := slices.BinarySearchFunc(t.segments, id, func(s *segment, id broker.MessageID) int {
		switch {
		case s.first() < id:
			return -1
		case s.first() > id:
			return 1
		}
		return 0
	})
	if was {
		return i
	}
	return i - 1
}

// add puts a new message into the tree; false where it is there already.
func (t *tree) add(id broker.MessageID, refs, size uint32) bool {
	i := t.find(id)
	if i < 0 {
		// Before everything that is there: a record that came late.
		if len(t.segments) > 0 && !t.segments[0].full {
			return t.segments[0].add(id, refs, size, t.freeing)
		}
		t.segments = slices.Insert(t.segments, 0, &segment{full: len(t.segments) > 0})
		return t.segments[0].add(id, refs, size, t.freeing)
	}
	s := t.segments[i]
	if i == len(t.segments)-1 && s.full && id > s.last() {
		s = &segment{}
		t.segments = append(t.segments, s)
	}
	return s.add(id, refs, size, t.freeing)
}

// at returns where the message id is.
func (t *tree) at(id broker.MessageID) (s *segment, i int, ok bool) {
	n := t.find(id)
	if n < 0 {
		return nil, 0, false
	}
	s = t.segments[n]
	i, ok = slices.BinarySearch(s.ids, id)
	return s, i, ok
}

// free deletes the dead of s. It tells how many bytes that were.
func (t *tree) free(s *segment, w writes, buf *buffers) int64 {
	was := s.bytes
	at := slices.Index(t.segments, s)
	if s.live == 0 {
		t.delRun(w, buf, s.ids, s.extra)
		s.gone = true
		t.segments = slices.Delete(t.segments, at, at+1)
		return was
	}
	s.sweep(func(ids []broker.MessageID) { t.delRun(w, buf, ids, s.extra) })
	freed := was - s.bytes
	t.join(at) // with its follower
	t.join(at - 1)
	return freed
}

// join makes the segments at i and i+1 one, where both together are half a segment
// at most.
func (t *tree) join(i int) {
	if i < 0 || i+1 >= len(t.segments) {
		return
	}
	s, next := t.segments[i], t.segments[i+1]
	if !s.full || len(s.ids)+len(next.ids) > t.freeing.messages/2 || s.bytes+next.bytes > t.freeing.bytes/2 {
		return
	}
	s.join(next)
	s.full = next.full
	next.gone = true
	t.segments = slices.Delete(t.segments, i+1, i+2)
}

// delRun deletes messages between which there is no other one of the tree.
func (t *tree) delRun(w writes, buf *buffers, ids []broker.MessageID, extra bool) {
	first, last := ids[0], ids[len(ids)-1]
	short := len(ids) < shortRun
	if short {
		for _, id := range ids {
			buf.key = appendMessageKey(buf.key[:0], t.top, spaceMessage, id)
			w.del(buf.key)
			if !extra {
				buf.key = appendMessageKey(buf.key[:0], t.top, spaceTarget, id)
				w.del(buf.key)
			}
		}
	} else {
		t.delRange(w, buf, spaceMessage, first, last)
	}
	if extra || !short {
		t.delRange(w, buf, spaceTarget, first, last)
	}
}

func (t *tree) delRange(w writes, buf *buffers, space byte, first, last broker.MessageID) {
	buf.key = appendMessageKey(buf.key[:0], t.top, space, first)
	buf.bound = appendMessageKey(buf.bound[:0], t.top, space, last+1)
	w.delRange(buf.key, buf.bound)
}
