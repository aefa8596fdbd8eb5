package topic

import "unsafe"

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
// the nodes and leaves visited, at least 1. The values appended come on top.
func (t *Tree[V]) MatchCost(topic []byte, dst []V) ([]V, int) {
	if len(topic) == 0 {
		return dst, 1
	}
	name := unsafe.String(unsafe.SliceData(topic), len(topic)) // nothing keeps it
	t.mu.RLock()
	defer t.mu.RUnlock()
	if len(t.exact.dir) > 0 {
		if id := t.findExact(name); id != 0 {
			dst = t.appendTo(dst, t.sets.at(id))
		}
	}
	if t.trie.root == 0 {
		return dst, 1
	}
	return t.matchTrie(name, dst)
}

// branch is a node still to be visited and how many levels lead to it, or a
// link, followed later by those behind it in its chain.
type branch struct{ id, depth uint32 }

// linked marks a branch's depth when id is a link's; depths have 17 bits.
const linked = 1 << 31

// part is a level of the topic: where it begins and ends, and its hash.
type part struct{ from, to, hash uint32 }

// candidate is a leaf that the walk has come to, at a level of the topic, but has
// not looked at.
type candidate struct {
	set  uint32
	node uint32 // where it was found by the level's hash; 0: by '+'
	hash uint32
	from uint32 // where in the topic the level begins
}

// leavesTogether is how many leaves a walk gathers before it looks at them.
const leavesTogether = 8

// matchTrie walks the trie depth first. Of each node at most the '+' child and
// a chain of links wait on the stack while another child is followed, so the
// stack holds no more than two entries for each level of the deepest filter.
func (t *Tree[V]) matchTrie(topic string, dst []V) ([]V, int) {
	var (
		partRoom   [onStack]part
		branchRoom [onStack]branch
		parts      = partRoom[:0] // the topic's levels read so far
		waiting    = branchRoom[:0]
		unread     = 0 // where the next level begins
		hidden     = hidesTopic(&t.dialect, topic)
		cur        = branch{id: t.trie.root}
		leafRoom   [2 * leavesTogether]candidate
		leaves     = leafRoom[:0]
	)
	for steps := 1; ; steps++ {
		n := t.trie.nodes.at(cur.id)
		// Below the root, a hidden topic came here by its own first level.
		wild := cur.depth > 0 || !hidden // [MQTT-4.7.2-1] [EXT-TOP-1]
		if n.below != 0 && wild {
			dst = t.appendTo(dst, t.sets.at(n.below))
		}
		if int(cur.depth) == len(parts) && unread <= len(topic) {
			level := levelAt(topic, unread)
			parts = append(parts, part{uint32(unread), uint32(unread + len(level)), hashText(level)})
			unread += len(level) + 1
		}
		depth, kid := cur.depth+1, uint32(0)
		if int(cur.depth) < len(parts) {
			p := &parts[cur.depth]
			if wild && n.plus&leaf != 0 {
				steps++
				leaves = append(leaves, candidate{set: n.plus &^ leaf, from: p.from})
			} else if wild && n.plus != 0 {
				waiting = append(waiting, branch{n.plus, depth})
			}
			if n.lists != 0 { // [EXT-SEL-1]
				if first := t.trie.fan(cur.id, p.hash, topic[p.from:p.to]); first != 0 {
					waiting = append(waiting, branch{first, depth | linked})
				}
			}
			if n.kids != 0 {
				kid, leaves = t.follow(cur.id, topic, p, leaves)
			}
		} else if n.here != 0 {
			dst = t.appendTo(dst, t.sets.at(n.here))
		}
		if len(leaves) >= leavesTogether {
			dst, leaves = t.compare(leaves, topic, dst), leaves[:0]
		}
		if kid != 0 {
			cur = branch{kid, depth}
			continue
		}
		if len(waiting) == 0 {
			return t.compare(leaves, topic, dst), steps
		}
		cur, waiting = t.trie.take(waiting)
	}
}

// follow gives the node to which another leads by a topic's level, or 0, and
// appends the leaves to which it may lead.
func (t *Tree[V]) follow(parent uint32, topic string, p *part, leaves []candidate) (uint32, []candidate) {
	for id, next := t.trie.edges.probe(hashEdge(parent, p.hash)).next(); id != 0; id, next = next.next() {
		if id&leaf != 0 {
			leaves = append(leaves, candidate{id &^ leaf, parent, p.hash, p.from})
		} else if n := t.trie.nodes.at(id); n.parent == parent && n.hash == p.hash && n.text == topic[p.from:p.to] {
			return id, leaves
		}
	}
	return 0, leaves
}

// compare appends the values of those leaves that the topic fits.
//
// A leaf's set, and then its text, are seldom in the processor's cache, and each
// costs as much as all the rest of a match. Hence two rounds, each through all
// leaves: what one reads depends on nothing that another reads, so the processor
// fetches it for all of them at once. With two leaves a match among 10⁶ filters
// that made a match a fifth shorter, and among 10⁵ a PUBLISH with its two
// deliveries, in the whole broker, 9 %; a small tree's match is 10 ns longer.
func (t *Tree[V]) compare(leaves []candidate, topic string, dst []V) []V {
	n := 0
	for i := range leaves {
		c := &leaves[i]
		if s := t.sets.at(c.set); c.node != 0 && (s.node != c.node || s.hash != c.hash) {
			continue
		}
		if n != i {
			leaves[n] = *c
		}
		n++
	}
	for i := range n {
		c := &leaves[i]
		if s := t.sets.at(c.set); fits(s.tail(), topic[c.from:]) {
			dst = t.appendTo(dst, s)
		}
	}
	return dst
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
