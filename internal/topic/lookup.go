package topic

import "bytes"

// onStack is how many levels of a topic a match follows without allocating.
// Deeper ones are legal when the operator raised the depth cap, and then spill
// to the heap.
const onStack = 64

// Match appends to dst the values of every filter that matches topic, in no
// order; a value added under several such filters is appended once for each.
// It allocates nothing while dst has room and no filter is deeper than 64
// levels. The topic must be a legal name.
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
	if id := t.filters[string(topic)]; id != 0 { // no copy: a lookup only
		if s := t.sets.at(id); s.node == 0 {
			dst = s.appendTo(dst)
		}
	}
	if t.trie.root == 0 {
		return dst, 1
	}
	return t.matchTrie(topic, dst)
}

// branch is a node still to be visited and how many levels lead to it.
type branch struct{ node, depth uint32 }

// matchTrie walks the trie depth first. Of each node at most the '+' child
// waits on the stack while the other is followed, so the stack holds no more
// entries than the deepest filter has levels.
func (t *Tree[V]) matchTrie(topic []byte, dst []V) ([]V, int) {
	var (
		wordRoom   [onStack]uint32
		branchRoom [onStack]branch
		words      = wordRoom[:0] // the topic's levels read so far; 0: in no filter
		waiting    = branchRoom[:0]
		rest, more = topic, true // levels not yet read
		hidden     = hidesTopic(&t.dialect, topic)
		cur        = branch{node: t.trie.root}
	)
	for steps := 1; ; steps++ {
		n := t.trie.nodes.at(cur.node)
		// Below the root, a hidden topic came here by its own first level.
		wild := cur.depth > 0 || !hidden // [MQTT-4.7.2-1] [EXT-TOP-1]
		if n.below != 0 && wild {
			dst = t.sets.at(n.below).appendTo(dst)
		}
		if int(cur.depth) == len(words) && more {
			var level []byte
			level, rest, more = bytes.Cut(rest, slashBytes)
			words = append(words, t.trie.words[string(level)])
		}
		var kid, plus uint32
		if int(cur.depth) < len(words) {
			if w := words[cur.depth]; w != 0 && n.kids != 0 {
				kid = t.trie.edges[edgeOf(cur.node, w)]
			}
			if wild {
				plus = n.plus
			}
		} else if n.here != 0 {
			dst = t.sets.at(n.here).appendTo(dst)
		}
		switch depth := cur.depth + 1; {
		case kid != 0:
			if plus != 0 {
				waiting = append(waiting, branch{plus, depth})
			}
			cur = branch{kid, depth}
		case plus != 0:
			cur = branch{plus, depth}
		case len(waiting) > 0:
			cur = waiting[len(waiting)-1]
			waiting = waiting[:len(waiting)-1]
		default:
			return dst, steps
		}
	}
}
