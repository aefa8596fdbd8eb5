package topic

import "strings"

// trie holds the wildcard filters by levels. A node stands for the levels that
// lead to it. Its children are: at most one for '+', linked directly, and any
// number for words, found in one table for the whole trie under (node, word);
// so a node with one child costs 24 bytes and a table entry, and a node with a
// million children is searched like one with two.
//
// Rejected: a map in each node (hundreds of bytes for the many nodes that have
// one child), and a compressed radix tree ('+' must stop at each slash, and a
// change would copy text).
//
// Each distinct word is stored once and stands for itself by number, so that a
// match hashes each level of the topic once however many branches it follows.
// All links are integers: a trie of a million nodes holds no pointers for the
// collector to follow but those of the words.
type trie struct {
	nodes slab[node]
	edges map[edge]uint32   // (parent, word) → child
	words map[string]uint32 // text of a level → word
	texts slab[word]
	root  uint32 // 0 while the trie is empty
}

// node is a place in the trie. It lives while a filter ends in or below it.
type node struct {
	parent uint32
	word   uint32 // the last level that leads here; 0 for '+' and for the root
	plus   uint32 // child for '+', or 0
	kids   uint32 // number of children by word
	here   uint32 // the set of the filter that ends here, or 0
	below  uint32 // the set of the filter that ends with "/#" after this level, or 0
}

// word is a level's text and the number of edges that use it.
type word struct {
	text string
	uses uint32
}

// edge is a parent node in the upper half and a word in the lower.
type edge uint64

func edgeOf(parent, word uint32) edge { return edge(parent)<<32 | edge(word) }

// endsBelow reports whether a wildcard filter's last level is '#'.
func endsBelow(filter string) bool { return filter[len(filter)-1] == '#' }

// insert makes the path of a wildcard filter and gives the node where it ends:
// its last level, or the one before a '#'.
func (t *trie) insert(filter string) uint32 {
	if t.root == 0 {
		t.root = t.nodes.alloc()
		t.edges = make(map[edge]uint32)
		t.words = make(map[string]uint32)
	}
	cur := t.root
	for rest, more := filter, true; more; {
		var level string
		level, rest, more = strings.Cut(rest, "/")
		switch {
		case level == "#" && !more:
			return cur
		case level == "+":
			cur = t.plusOf(cur)
		default:
			cur = t.kidOf(cur, level)
		}
	}
	return cur
}

// plusOf gives the '+' child of a node, made if need be.
func (t *trie) plusOf(parent uint32) uint32 {
	if child := t.nodes.at(parent).plus; child != 0 {
		return child
	}
	child := t.nodes.alloc()
	t.nodes.at(child).parent = parent
	t.nodes.at(parent).plus = child
	return child
}

// kidOf gives the child of a node by a word, made if need be.
func (t *trie) kidOf(parent uint32, level string) uint32 {
	w := t.words[level]
	if w == 0 {
		w = t.texts.alloc()
		// Why: a part of the filter would hold the whole of it in memory.
		level = strings.Clone(level)
		t.texts.at(w).text = level
		t.words[level] = w
	} else if child := t.edges[edgeOf(parent, w)]; child != 0 {
		return child
	}
	t.texts.at(w).uses++
	child := t.nodes.alloc()
	n := t.nodes.at(child)
	n.parent, n.word = parent, w
	t.nodes.at(parent).kids++
	t.edges[edgeOf(parent, w)] = child
	return child
}

// prune removes a node and its ancestors as long as nothing ends in or below them.
func (t *trie) prune(id uint32) {
	for {
		n := t.nodes.at(id)
		if n.here|n.below|n.plus|n.kids != 0 {
			return
		}
		if id == t.root {
			*t = trie{} // the tables' memory goes with the last filter
			return
		}
		parent := n.parent
		if n.word == 0 {
			t.nodes.at(parent).plus = 0
		} else {
			delete(t.edges, edgeOf(parent, n.word))
			t.nodes.at(parent).kids--
			t.dropWord(n.word)
		}
		t.nodes.release(id)
		id = parent
	}
}

// dropWord takes back one use of a word.
func (t *trie) dropWord(id uint32) {
	w := t.texts.at(id)
	if w.uses--; w.uses == 0 {
		delete(t.words, w.text)
		t.texts.release(id)
	}
}
