package topic

import "strings"

// trie holds the filters with wildcards or selectors by levels. A node stands
// for the levels that lead to it. Its children are: at most one for '+', linked
// directly, and any number for words, found in one table for the whole trie
// under (node, word); so a node costs 28 bytes and its place in the table, and
// a node with a million children is searched like one with two. A selector is a
// child for the word that is spelled like it, to which links lead from each
// word of its list: see links.
//
// Rejected: a map in each node (hundreds of bytes for the many nodes that have
// one child), and a compressed radix tree ('+' must stop at each slash, and a
// change would copy text).
//
// Each distinct word is stored once and stands for itself by number, so that a
// match hashes each level of the topic once however many branches it follows.
// All references are integers: a trie of a million nodes holds no pointers for
// the collector to follow but those of the words.
type trie struct {
	nodes slab[node]
	edges table // of nodes, by (parent, word)
	texts slab[word]
	words table // of words, by text
	links slab[link]
	fans  table  // of links, by (parent, word) and (child, 0): see links
	root  uint32 // 0 while the trie is empty
}

// node is a place in the trie. It lives while a filter ends in or below it.
type node struct {
	parent uint32
	word   uint32 // the last level that leads here; 0 for '+' and for the root
	plus   uint32 // child for '+', or 0
	kids   uint32 // number of children by word, selectors included
	lists  uint32 // number of children which are selectors
	here   uint32 // the set of the filter that ends here, or 0
	below  uint32 // the set of the filter that ends with "/#" after this level, or 0
}

// word is a level's text and the number of nodes and links that use it.
type word struct {
	text string
	uses uint32
	hash uint32
}

// pinned is the length of a filter of which a word may be a part. Why: a word
// holds the whole of it in memory, maybe longer than the filter is in the tree.
const pinned = 64

// endsBelow reports whether a filter's last level is '#'.
func endsBelow(filter string) bool { return filter[len(filter)-1] == '#' }

// insert makes the path of a filter and gives the node where it ends: its last
// level, or the one before a '#'.
func (t *trie) insert(filter string) uint32 {
	if t.root == 0 {
		t.root = t.nodes.alloc()
	}
	cur, keep := t.root, len(filter) <= pinned
	for rest, more := filter, true; more; {
		var level string
		level, rest, more = strings.Cut(rest, "/")
		switch {
		case level == "#" && !more:
			return cur
		case level == "+":
			cur = t.plusOf(cur)
		default:
			cur = t.kidOf(cur, level, keep)
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

// kidOf gives the child of a node by a word, made if need be; keep tells that
// the level's memory may be kept.
func (t *trie) kidOf(parent uint32, level string, keep bool) uint32 {
	w := t.wordOf(level, keep)
	if child := t.kid(parent, w); child != 0 {
		return child
	}
	t.texts.at(w).uses++
	child := t.nodes.alloc()
	n := t.nodes.at(child)
	n.parent, n.word = parent, w
	t.nodes.at(parent).kids++
	t.edges.insert(hashEdge(parent, w), child, t.hashOfNode)
	if isList(level) {
		t.nodes.at(parent).lists++
		t.link(child, level, keep)
	}
	return child
}

// kid gives the child of a node by a word, or 0.
func (t *trie) kid(parent, word uint32) uint32 {
	for p := t.edges.probe(hashEdge(parent, word)); ; {
		id := p.next()
		if id == 0 {
			return 0
		}
		if n := t.nodes.at(id); n.parent == parent && n.word == word {
			return id
		}
	}
}

// findWord gives the word with a text, or 0.
func (t *trie) findWord(hash uint32, text []byte) uint32 {
	for p := t.words.probe(hash); ; {
		id := p.next()
		if id == 0 {
			return 0
		}
		if w := t.texts.at(id); w.hash == hash && w.text == string(text) {
			return id
		}
	}
}

// wordOf gives the word with a text, made if need be; whoever asks uses it.
func (t *trie) wordOf(text string, keep bool) uint32 {
	hash := hashText(text)
	for p := t.words.probe(hash); ; {
		id := p.next()
		if id == 0 {
			break
		}
		if w := t.texts.at(id); w.hash == hash && w.text == text {
			return id
		}
	}
	if !keep {
		text = strings.Clone(text)
	}
	id := t.texts.alloc()
	*t.texts.at(id) = word{text: text, hash: hash}
	t.words.insert(hash, id, t.hashOfWord)
	return id
}

func (t *trie) hashOfWord(id uint32) uint32 { return t.texts.at(id).hash }

func (t *trie) hashOfNode(id uint32) uint32 {
	n := t.nodes.at(id)
	return hashEdge(n.parent, n.word)
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
			p := t.nodes.at(parent)
			p.kids--
			if isList(t.texts.at(n.word).text) {
				p.lists--
				t.unlink(id)
			}
			t.edges.remove(hashEdge(parent, n.word), id, t.hashOfNode)
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
		t.words.remove(w.hash, id, t.hashOfWord)
		t.texts.release(id)
	}
}
