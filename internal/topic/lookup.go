package topic

import "bytes"

// onStack is how many levels of a topic a match follows without allocating.
// Deeper ones are legal when the operator raised the depth cap, and then spill
// to the heap.
const onStack = 64

// Match appends to dst the values of every filter that matches topic, in no
// order; a value added under several such filters is appended once for each.
// It allocates nothing while dst has room, no filter is deeper than 64 levels,
// and no more than 64 branches wait: one for each level where '+' fits beside
// another, one more where a selector does. The topic must be a legal name.
func (t *Tree[V]) Match(topic []byte, dst []V) []V {
	dst, _ = t.MatchCost(topic, dst)
	return dst
}

// MatchCost is Match which also gives the work done, in steps of some 20 ns:
// the nodes visited, at least 1. The values appended come on top.
func (t *Tree[V]) MatchCost(topic []byte, dst []V) ([]V, int) {
	if len(topic) == 0 {
		return dst, 1
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	hash := hashBytes(topic)
	for p := t.filters.probe(hash); ; {
		id := p.next()
		if id == 0 {
			break
		}
		if s := t.sets.at(id); s.hash == hash && s.text == string(topic) { // compared in place
			if s.node == 0 {
				dst = s.appendTo(dst)
			}
			break
		}
	}
	if t.trie.root == 0 {
		return dst, 1
	}
	return t.matchTrie(topic, dst)
}

// branch is a node still to be visited and how many levels lead to it, or a
// link, followed later by those behind it in its chain.
type branch struct{ id, depth uint32 }

// linked marks a branch's depth when id is a link's; depths have 17 bits.
const linked = 1 << 31

// matchTrie walks the trie depth first. Of each node at most the '+' child and
// a chain of links wait on the stack while another child is followed, so the
// stack holds no more than two entries for each level of the deepest filter.
func (t *Tree[V]) matchTrie(topic []byte, dst []V) ([]V, int) {
	var (
		wordRoom   [onStack]uint32
		branchRoom [onStack]branch
		words      = wordRoom[:0] // the topic's levels read so far; 0: in no filter
		waiting    = branchRoom[:0]
		rest, more = topic, true // levels not yet read
		hidden     = hidesTopic(&t.dialect, topic)
		cur        = branch{id: t.trie.root}
	)
	for steps := 1; ; steps++ {
		n := t.trie.nodes.at(cur.id)
		// Below the root, a hidden topic came here by its own first level.
		wild := cur.depth > 0 || !hidden // [MQTT-4.7.2-1] [EXT-TOP-1]
		if n.below != 0 && wild {
			dst = t.sets.at(n.below).appendTo(dst)
		}
		if int(cur.depth) == len(words) && more {
			var level []byte
			level, rest, more = bytes.Cut(rest, slashBytes)
			words = append(words, t.trie.findWord(hashBytes(level), level))
		}
		depth, kid := cur.depth+1, uint32(0)
		if int(cur.depth) < len(words) {
			if wild && n.plus != 0 {
				waiting = append(waiting, branch{n.plus, depth})
			}
			if w := words[cur.depth]; w != 0 {
				if n.lists != 0 { // [EXT-SEL-1]
					if first := t.trie.fan(cur.id, w); first != 0 {
						waiting = append(waiting, branch{first, depth | linked})
					}
				}
				if n.kids != 0 {
					kid = t.trie.kid(cur.id, w)
				}
			}
		} else if n.here != 0 {
			dst = t.sets.at(n.here).appendTo(dst)
		}
		if kid != 0 {
			cur = branch{kid, depth}
			continue
		}
		if len(waiting) == 0 {
			return dst, steps
		}
		cur, waiting = t.trie.take(waiting)
	}
}

// take gives the next branch to follow, of at least one that waits.
func (t *trie) take(waiting []branch) (branch, []branch) {
	last := &waiting[len(waiting)-1]
	if last.depth&linked == 0 {
		return *last, waiting[:len(waiting)-1]
	}
	l, depth := t.links.at(last.id), last.depth&^linked
	if last.id = l.next; l.next == 0 {
		waiting = waiting[:len(waiting)-1]
	}
	return branch{l.child, depth}, waiting
}
