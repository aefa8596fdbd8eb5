package topic

import "strings"

// link leads from a node, by one word of a selector, to the selector's node
// [EXT-SEL-1]. So a level of a thousand words is one node, whatever comes below
// is there once, and a match finds it by one look into a table.
//
// The links by which one node leads on one word are a chain, to whose first
// link the table fans points under (parent, word). All links to one selector's
// node are a second list, which begins in the node; thus a selector is taken
// out without a search through the chains, which other selectors may have made
// long. The words are parts of the selector's text, which the node has.
type link struct {
	child    uint32 // the selector's node
	hash     uint32 // of the word
	next     uint32 // in the chain
	prev     uint32 // in the chain; 0: the table points here
	own      uint32 // the next link to the same child
	from, to uint16 // where the word is in the child's text
}

// isList reports whether a level of a subscription's filter is a selector.
func isList(level string) bool { return strings.IndexByte(level, ',') >= 0 }

// fan gives the first link of a chain, or 0.
func (t *trie) fan(parent, hash uint32, word string) uint32 {
	for id, p := t.fans.probe(hashEdge(parent, hash)).next(); id != 0; id, p = p.next() {
		if l := t.links.at(id); l.hash == hash {
			if n := t.nodes.at(l.child); n.parent == parent && n.text[l.from:l.to] == word {
				return id
			}
		}
	}
	return 0
}

func (t *trie) hashOfLink(id uint32) uint32 {
	l := t.links.at(id)
	return hashEdge(t.nodes.at(l.child).parent, l.hash)
}

// link makes the links to a selector's new node.
func (t *trie) link(child uint32) {
	n := t.nodes.at(child)
	at := 0
	for word := range strings.SplitSeq(n.text, ",") {
		from := at
		at += len(word) + 1
		hash := hashText(word)
		head := t.fan(n.parent, hash, word)
		if head != 0 && t.links.at(head).child == child {
			continue // a word that stands twice in the list
		}
		id := t.links.alloc()
		*t.links.at(id) = link{
			child: child, hash: hash, next: head, own: n.links,
			from: uint16(from), to: uint16(from + len(word)),
		}
		n.links = id
		if edge := hashEdge(n.parent, hash); head != 0 {
			t.links.at(head).prev = id
			t.fans.replace(edge, head, id)
		} else {
			t.fans.insert(edge, id, t.hashOfLink)
		}
	}
}

// unlink removes the links to a selector's node, which still has its parent and
// its text.
func (t *trie) unlink(child uint32) {
	n := t.nodes.at(child)
	for id := n.links; id != 0; {
		l := *t.links.at(id)
		edge := hashEdge(n.parent, l.hash)
		if l.next != 0 {
			t.links.at(l.next).prev = l.prev
		}
		switch {
		case l.prev != 0:
			t.links.at(l.prev).next = l.next
		case l.next != 0:
			t.fans.replace(edge, id, l.next)
		default:
			t.fans.remove(edge, id, t.hashOfLink)
		}
		t.links.release(id)
		id = l.own
	}
	n.links = 0
}
