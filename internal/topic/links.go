package topic

import "strings"

// link leads from a node, by one word of a selector, to the selector's node
// [EXT-SEL-1]. So a level of a thousand words is one node, whatever comes below
// is there once, and a match finds it by one look into a table.
//
// The links by which one node leads on one word are a chain, to whose first
// link the table fans points under (parent, word). All links to one selector's
// node are a second list, which begins with a link without a word that the
// table has under (selector's node, 0); thus a selector is taken out without a
// search through the chains, which other selectors may have made long.
type link struct {
	child uint32 // the selector's node
	word  uint32 // 0: the beginning of the child's list
	next  uint32 // in the chain
	prev  uint32 // in the chain; 0: the table points here
	own   uint32 // the next link to the same child
}

// isList reports whether a level of a subscription's filter is a selector.
func isList(level string) bool { return strings.IndexByte(level, ',') >= 0 }

// fan gives the first link of a chain, or 0.
func (t *trie) fan(parent, word uint32) uint32 {
	for p := t.fans.probe(hashEdge(parent, word)); ; {
		id := p.next()
		if id == 0 {
			return 0
		}
		if l := t.links.at(id); l.word == word && t.fromOf(l) == parent {
			return id
		}
	}
}

// fromOf gives the node under which a link is in the table.
func (t *trie) fromOf(l *link) uint32 {
	if l.word == 0 {
		return l.child
	}
	return t.nodes.at(l.child).parent
}

func (t *trie) hashOfLink(id uint32) uint32 {
	l := t.links.at(id)
	return hashEdge(t.fromOf(l), l.word)
}

// link makes the links to a selector's new node.
func (t *trie) link(child uint32, list string, keep bool) {
	first := t.links.alloc()
	t.links.at(first).child = child
	t.fans.insert(hashEdge(child, 0), first, t.hashOfLink)
	parent := t.nodes.at(child).parent
	for text := range strings.SplitSeq(list, ",") {
		w := t.wordOf(text, keep)
		head := t.fan(parent, w)
		if head != 0 && t.links.at(head).child == child {
			continue // a word that stands twice in the list
		}
		t.texts.at(w).uses++
		id := t.links.alloc()
		*t.links.at(id) = link{child: child, word: w, next: head, own: t.links.at(first).own}
		t.links.at(first).own = id
		if hash := hashEdge(parent, w); head != 0 {
			t.links.at(head).prev = id
			t.fans.replace(hash, head, id)
		} else {
			t.fans.insert(hash, id, t.hashOfLink)
		}
	}
}

// unlink removes the links to a selector's node, which still has its parent.
func (t *trie) unlink(child uint32) {
	parent, first := t.nodes.at(child).parent, t.fan(child, 0)
	for id := t.links.at(first).own; id != 0; {
		l := *t.links.at(id)
		hash := hashEdge(parent, l.word)
		if l.next != 0 {
			t.links.at(l.next).prev = l.prev
		}
		switch {
		case l.prev != 0:
			t.links.at(l.prev).next = l.next
		case l.next != 0:
			t.fans.replace(hash, id, l.next)
		default:
			t.fans.remove(hash, id, t.hashOfLink)
		}
		t.dropWord(l.word)
		t.links.release(id)
		id = l.own
	}
	t.fans.remove(hashEdge(child, 0), first, t.hashOfLink)
	t.links.release(first)
}
