package store

import (
	"cmp"
	"log/slog"
	"slices"

	"alcove/internal/auth"
	"alcove/internal/broker"
)

// buffers are where keys and values are built before they are copied.
type buffers struct{ key, bound, value []byte }

// state is what the applier remembers of the engine's content, so that applying a
// record reads nothing. It has no lock: Load fills it, then the applier owns it.
type state struct {
	owners map[broker.OwnerID]*owner
	trees  map[auth.AccountID]*tree
	dirty  []*owner // whose value is old

	ticket  uint64         // of the last batch applied
	highest broker.OwnerID // ever seen

	// liveBytes and deadBytes are what the messages on the disk take that are,
	// and are not, referred to.
	liveBytes, deadBytes int64

	freeing *freeing
	corpses []corpse // of the batch being applied
	ended   []ended  // in the batch being applied
	buf     buffers
	targets []broker.Target // scratch

	// The messages of the open group, and about how many bytes they would take.
	staged      []staged
	stagedBytes int
	unsorted    bool // they do not come by growing tree and id

	log *slog.Logger
}

func newState(f *freeing, log *slog.Logger) *state {
	return &state{
		owners:  map[broker.OwnerID]*owner{},
		trees:   map[auth.AccountID]*tree{},
		freeing: f,
		log:     log,
	}
}

// touch makes o's value be written by the next flush.
func (s *state) touch(o *owner) {
	if !o.dirty {
		o.dirty = true
		s.dirty = append(s.dirty, o)
	}
}

func compareOwners(a, b *owner) int {
	return cmp.Or(cmp.Compare(a.top, b.top), cmp.Compare(a.account, b.account), cmp.Compare(a.id, b.id))
}

// saw keeps the highest owner.
func (s *state) saw(id broker.OwnerID) { s.highest = max(s.highest, id) }

// tree returns the tree of top, made where there is none.
func (s *state) tree(top auth.AccountID) *tree {
	t := s.trees[top]
	if t == nil {
		t = &tree{top: top, freeing: s.freeing}
		s.trees[top] = t
	}
	return t
}

// corpse is a message which lost its last reference in the batch being applied.
type corpse struct {
	tree *tree
	seg  *segment
	id   broker.MessageID
}

// unref removes one reference to a message. What died is freed by bury, so that a
// later record of the same batch can still refer to it.
func (s *state) unref(top auth.AccountID, id broker.MessageID) {
	t := s.trees[top]
	if t == nil {
		return
	}
	g, i, ok := t.at(id)
	if !ok || !g.unref(i) {
		return
	}
	size := int64(g.sizes[i])
	s.liveBytes -= size
	s.deadBytes += size
	s.corpses = append(s.corpses, corpse{t, g, id})
}

// revive tells whether the message at i of g, which has no references, died in the
// batch being applied; then it may have new ones. (Whether an older one is still
// on the disk must not matter: it depends on when segments were freed.)
func (s *state) revive(g *segment, i int) bool {
	for _, c := range s.corpses {
		if c.seg == g && c.id == g.ids[i] {
			s.liveBytes += int64(g.sizes[i])
			s.deadBytes -= int64(g.sizes[i])
			return true
		}
	}
	return false
}

// bury frees what is ripe, at the end of a batch.
func (s *state) bury(w writes) {
	for i, c := range s.corpses {
		if !c.seg.gone && c.seg.ripe(s.freeing) {
			s.free(w, c.tree, c.seg)
		}
		s.corpses[i] = corpse{}
	}
	s.corpses = s.corpses[:0]
	if s.deadBytes > s.freeing.allowance+s.liveBytes {
		s.sweep(w)
	}
}

// free deletes the dead of one segment.
func (s *state) free(w writes, t *tree, g *segment) {
	s.deadBytes -= t.free(g, w, &s.buf)
	if len(t.segments) == 0 {
		delete(s.trees, t.top)
	}
}

// sweep frees the dead of every segment that has more than half as many as live
// ones. After it no more than half of liveBytes is dead, so that the next sweep is
// at least deadAllowance away.
func (s *state) sweep(w writes) {
	for _, t := range s.trees {
		for i := len(t.segments) - 1; i >= 0; i-- {
			// Freeing a segment may join its neighbours: the list gets shorter,
			// and never at places before i-1.
			if i >= len(t.segments) {
				continue
			}
			if g := t.segments[i]; g.deadBytes() > g.liveBytes/2 {
				s.free(w, t, g)
			}
		}
	}
}

// tidy frees every segment that is ripe: after a load.
func (s *state) tidy(w writes) {
	for _, t := range s.trees {
		for i := len(t.segments) - 1; i >= 0; i-- {
			if i < len(t.segments) && t.segments[i].ripe(s.freeing) {
				s.free(w, t, t.segments[i])
			}
		}
	}
}

// flush writes what was put off to the end of the group: the messages, the values of
// the owners touched, and the head.
func (s *state) flush(w writes) {
	s.seal(w)
	slices.SortFunc(s.dirty, compareOwners) // by growing key, like the messages
	for i, o := range s.dirty {
		s.dirty[i] = nil
		o.dirty = false
		if s.owners[o.id] == o { // not ended meanwhile
			s.buf.key, s.buf.value = o.write(w, s.buf.key, s.buf.value)
		}
	}
	s.dirty = s.dirty[:0]
	s.buf.value = appendHead(s.buf.value[:0], s.ticket, s.highest)
	s.buf.key = appendPrefix(s.buf.key[:0], 0, 0, spaceHead)
	w.set(s.buf.key, s.buf.value)
}
