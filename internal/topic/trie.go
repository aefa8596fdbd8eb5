package topic

import "strings"

// trie holds the filters with wildcards or selectors by levels. A node stands
// for the levels that lead to it, and lives while two filters part in or below
// it, or did. Its children are: at most one for '+', linked directly, and any
// number for words, found in one table for the whole trie under (node, word);
// so a node with a million children is searched like one with two. A selector
// is a child for the word that is spelled like it, to which links lead from each
// word of its list: see links.
//
// Where only one filter goes on, the child is no node but that filter's set: a
// leaf, whose other levels are compared with the topic's where they stand, in
// the filter's text. So a filter with a word of its own costs no more than an
// exact one, and a match that comes to it touches a line of the table, the set
// and the text. Only when a second filter goes the same way the leaf moves down,
// a level and a node at a time.
//
// Rejected: a map in each node (hundreds of bytes for the many nodes that have
// one child); a compressed radix tree inside ('+' must stop at each slash, and a
// change would copy text); each distinct word stored once under a number, which
// nodes are found by: without leaves that were 142 bytes for a filter a/…/+
// instead of 40, and twice as many cache lines for a match.
//
// All references are integers: a trie of a million filters holds no pointers for
// the collector to follow but those of the nodes' words.
type trie struct {
	nodes slab[node]
	edges table // of nodes and leaves, by (parent, word)
	links slab[link]
	fans  table  // of links, by (parent, word): see links
	root  uint32 // 0 while the trie is empty
}

// node is a place in the trie. It lives while a filter ends in or below it.
type node struct {
	text   string // the last level that leads here; "" for the root
	hash   uint32 // of text, unless it is "+"
	parent uint32
	plus   uint32 // the child for '+', a node or a leaf, or 0
	kids   uint32 // number of children by word, selectors and leaves included
	lists  uint32 // number of children which are selectors
	links  uint32 // of a selector: the first link that leads here
	here   uint32 // the set of the filter that ends here, or 0
	below  uint32 // the set of the filter that ends with "/#" after this level, or 0
}

// leaf marks a child that is a set, by its id, and not a node.
const leaf = 1 << 31

// leafBytes bounds what is compared where a match comes to a leaf: no more than
// so many bytes of a filter, from the leaf's level on, are a leaf's. Those before
// have nodes, so that no two levels of a topic are compared twice.
const leafBytes = 128

// leafFrom gives the place in a filter's text from which it can be a leaf's:
// what follows is short, and has no selector, whose words one look must find.
func leafFrom(filter string) int {
	return max(len(filter)-leafBytes, strings.LastIndexByte(filter, ',')+1)
}

// levelAt gives the level of a filter or a name that begins at a place.
func levelAt(text string, at int) string {
	level, _, _ := strings.Cut(text[at:], "/")
	return level
}

// fits reports whether a name's last levels match a filter's, which hold no
// selector.
func fits(filter, name string) bool {
	at := 0
	for i := range len(filter) {
		switch c := filter[i]; {
		case c == '+':
			for at < len(name) && name[at] != '/' {
				at++
			}
		case c == '#':
			return true
		case at == len(name):
			return filter[i:] == "/#" // "a/#" matches its parent "a"
		case name[at] != c:
			return false
		default:
			at++
		}
	}
	return at == len(name)
}

// child gives what a node leads to by a level of a filter, or 0.
func (t *Tree[V]) child(parent uint32, level string) uint32 {
	if level == "+" {
		return t.trie.nodes.at(parent).plus
	}
	hash := hashText(level)
	for id, p := t.trie.edges.probe(hashEdge(parent, hash)).next(); id != 0; id, p = p.next() {
		if id&leaf == 0 {
			if n := t.trie.nodes.at(id); n.parent == parent && n.hash == hash && n.text == level {
				return id
			}
		} else {
			s := t.sets.at(id &^ leaf)
			if s.node == parent && s.hash == hash && levelAt(s.tail(), 0) == level {
				return id
			}
		}
	}
	return 0
}

func (t *Tree[V]) hashOfEdge(id uint32) uint32 {
	if id&leaf != 0 {
		s := t.sets.at(id &^ leaf)
		return hashEdge(s.node, s.hash)
	}
	n := t.trie.nodes.at(id)
	return hashEdge(n.parent, n.hash)
}

// seek gives the set of a filter with wildcards or selectors, or 0.
func (t *Tree[V]) seek(filter string) uint32 {
	cur := t.trie.root
	if cur == 0 {
		return 0
	}
	for at := 0; at <= len(filter); {
		level := levelAt(filter, at)
		if level == "#" {
			return t.trie.nodes.at(cur).below
		}
		if cur = t.child(cur, level); cur == 0 {
			return 0
		}
		if cur&leaf != 0 {
			if id := cur &^ leaf; t.sets.at(id).text() == filter {
				return id
			}
			return 0
		}
		at += len(level) + 1
	}
	return t.trie.nodes.at(cur).here
}

// plant puts the set of a filter with wildcards or selectors, which is not
// there, into the trie.
func (t *Tree[V]) plant(id uint32) {
	if t.trie.root == 0 {
		t.trie.root = t.trie.nodes.alloc()
	}
	filter := t.sets.at(id).text()
	cur, from := t.trie.root, leafFrom(filter)
	for at := 0; at <= len(filter) && filter[at:] != "#"; {
		level := levelAt(filter, at)
		child := t.child(cur, level)
		if child == 0 && at >= from {
			t.hang(id, cur, at)
			return
		}
		if child == 0 || child&leaf != 0 {
			child = t.grow(cur, child, level)
		}
		cur = child
		at += len(level) + 1
	}
	t.end(id, cur)
}

// end has a filter's set hang on the node of its last level, or of that before
// its '#'.
func (t *Tree[V]) end(id, at uint32) {
	s, n := t.sets.at(id), t.trie.nodes.at(at)
	s.node, s.at, s.hash = at, 0, 0
	if filter := s.text(); filter[len(filter)-1] == '#' {
		n.below = id
	} else {
		n.here = id
	}
}

// hang makes a set the leaf of a node by the filter's level that begins at a
// place; the node has no child by it.
func (t *Tree[V]) hang(id, parent uint32, at int) {
	s, n := t.sets.at(id), t.trie.nodes.at(parent)
	s.node, s.at, s.hash = parent, uint16(at), 0
	level := levelAt(s.tail(), 0)
	if level == "+" {
		n.plus = id | leaf
		return
	}
	s.hash = hashText(level)
	n.kids++
	t.trie.edges.insert(hashEdge(parent, s.hash), id|leaf, t.hashOfEdge)
}

// grow makes the node to which another leads by a level, and moves the leaf that
// was in its place, unless it is 0, down to it.
func (t *Tree[V]) grow(parent, old uint32, level string) uint32 {
	id := t.trie.nodes.alloc()
	n, p := t.trie.nodes.at(id), t.trie.nodes.at(parent)
	n.parent = parent
	if level == "+" {
		n.text, p.plus = "+", id
	} else {
		n.text, n.hash = strings.Clone(level), hashText(level) // else it would keep the whole filter
		if edge := hashEdge(parent, n.hash); old != 0 {
			t.trie.edges.replace(edge, old, id)
		} else {
			p.kids++
			t.trie.edges.insert(edge, id, t.hashOfEdge)
		}
		if isList(level) {
			p.lists++
			t.trie.link(id)
		}
	}
	if old == 0 {
		return id
	}
	old &^= leaf
	s := t.sets.at(old)
	if at := int(s.at) + len(level) + 1; at > int(s.size) || s.text()[at:] == "#" {
		t.end(old, id)
	} else {
		t.hang(old, id, at)
	}
	return id
}

// uproot takes a set out of the trie, and the nodes that only it needed.
func (t *Tree[V]) uproot(id uint32) {
	s := t.sets.at(id)
	switch n := t.trie.nodes.at(s.node); {
	case n.here == id:
		n.here = 0
	case n.below == id:
		n.below = 0
	case n.plus == id|leaf:
		n.plus = 0
	default:
		n.kids--
		t.trie.edges.remove(hashEdge(s.node, s.hash), id|leaf, t.hashOfEdge)
	}
	t.prune(s.node)
}

// prune removes a node and its ancestors as long as nothing ends in or below them.
func (t *Tree[V]) prune(id uint32) {
	for {
		n := t.trie.nodes.at(id)
		if n.here|n.below|n.plus|n.kids != 0 {
			return
		}
		if id == t.trie.root {
			t.trie = trie{} // the tables' memory goes with the last filter
			return
		}
		parent := n.parent
		p := t.trie.nodes.at(parent)
		if n.text == "+" {
			p.plus = 0
		} else {
			p.kids--
			if n.links != 0 {
				p.lists--
				t.trie.unlink(id)
			}
			t.trie.edges.remove(hashEdge(parent, n.hash), id, t.hashOfEdge)
		}
		t.trie.nodes.release(id)
		id = parent
	}
}
