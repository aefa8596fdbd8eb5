package topic

import "strings"

// failer is a test of either kind.
type failer interface{ Fatalf(string, ...any) }

// check looks at everything in the tree that the public functions do not show:
// the links, the counts, and that nothing is left of what was removed.
func (t *Tree[V]) check(f failer) {
	t.exact.check(f, t.hashOfSet)
	c := counts[V]{tree: t, f: f, children: map[uint32][]uint32{}}
	for _, id := range t.exact.all() {
		if s := t.sets.at(id); s.node != 0 || branches(s.text()) {
			f.Fatalf("filter %q, an exact one, hangs on node %d", s.text(), s.node)
		}
		c.set(id)
	}
	t.trie.fans.check(f, t.trie.hashOfLink)
	t.trie.edges.check(f, t.hashOfEdge)
	for _, id := range t.trie.edges.all() {
		parent := uint32(0)
		if id&leaf != 0 {
			parent = t.sets.at(id &^ leaf).node
		} else {
			parent = t.trie.nodes.at(id).parent
		}
		c.children[parent] = append(c.children[parent], id)
	}
	if t.trie.root != 0 {
		c.node(t.trie.root, 0)
	}
	if live := (census{t.sets.len(), t.more.len(), t.values, t.trie.nodes.len(), t.trie.links.len()}); c.census != live {
		f.Fatalf("found %+v, the tree holds %+v", c.census, live)
	}
}

// counts is a walk through a tree and what it has met.
type counts[V comparable] struct {
	tree     *Tree[V]
	f        failer
	children map[uint32][]uint32 // by word, of each node
	census
}

type census struct{ sets, more, values, nodes, links int }

// set looks at one filter.
func (c *counts[V]) set(id uint32) {
	c.sets++
	s := c.tree.sets.at(id)
	if c.tree.find(s.text()) != id {
		c.f.Fatalf("filter %q, set %d, is not found", s.text(), id)
	}
	if s.more == 0 {
		c.values++
		return
	}
	m := c.tree.more.at(s.more)
	c.more++
	c.values += len(m.vals)
	if len(m.vals) < 2 || m.index != nil && len(m.index) != len(m.vals) {
		c.f.Fatalf("filter %q: %d values, %d indexed", s.text(), len(m.vals), len(m.index))
	}
	for v, i := range m.index {
		if m.vals[i] != v {
			c.f.Fatalf("filter %q: value %v is not at %d", s.text(), v, i)
		}
	}
}

// node looks at a node and what is below it.
func (c *counts[V]) node(id, parent uint32) {
	n := c.tree.trie.nodes.at(id)
	c.nodes++
	if n.parent != parent || n.here|n.below|n.plus|n.kids == 0 {
		c.f.Fatalf("node %d: %+v, want parent %d and a use", id, *n, parent)
	}
	for _, s := range []uint32{n.here, n.below} {
		if s == 0 {
			continue
		}
		if at := c.tree.sets.at(s).node; at != id {
			c.f.Fatalf("node %d links set %d, which links node %d", id, s, at)
		}
		c.set(s)
	}
	if n.plus != 0 {
		c.child(n.plus, id, "+")
	}
	lists := 0
	for _, child := range c.children[id] {
		if child&leaf == 0 && isList(c.tree.trie.nodes.at(child).text) {
			lists++
			c.list(child)
		}
		c.child(child, id, "")
	}
	if kids := len(c.children[id]); kids != int(n.kids) || lists != int(n.lists) {
		c.f.Fatalf("node %d has %d children by word, %d lists, counts %d, %d", id, kids, lists, n.kids, n.lists)
	}
}

// child looks at what a node leads to, by '+' or by a word.
func (c *counts[V]) child(id, parent uint32, level string) {
	if id&leaf == 0 {
		if text := c.tree.trie.nodes.at(id).text; (text == "+") != (level == "+") {
			c.f.Fatalf("node %d has the level %q", id, text)
		}
		c.node(id, parent)
		return
	}
	s := c.tree.sets.at(id &^ leaf)
	if s.node != parent || (levelAt(s.tail(), 0) == "+") != (level == "+") || int(s.at) < leafFrom(s.text()) {
		c.f.Fatalf("filter %q is a leaf of node %d from %d on, found at %d", s.text(), s.node, s.at, parent)
	}
	c.set(id &^ leaf)
}

// list looks at the links to a selector's node.
func (c *counts[V]) list(child uint32) {
	t := &c.tree.trie
	n := t.nodes.at(child)
	missing := map[string]bool{}
	for text := range strings.SplitSeq(n.text, ",") {
		missing[text] = true
	}
	c.links += len(missing)
	for id := n.links; id != 0; {
		l := t.links.at(id)
		text := n.text[l.from:l.to]
		if !missing[text] || l.child != child || l.hash != hashText(text) {
			c.f.Fatalf("selector %q: link %+v by %q", n.text, *l, text)
		}
		delete(missing, text)
		chain := t.fan(n.parent, l.hash, text)
		for ; chain != 0 && chain != id; chain = t.links.at(chain).next {
			if next := t.links.at(chain).next; next != 0 && t.links.at(next).prev != chain {
				c.f.Fatalf("link %d does not lead back to %d", next, chain)
			}
		}
		if chain == 0 {
			c.f.Fatalf("selector %q: %q is not in its chain", n.text, text)
		}
		id = l.own
	}
	if len(missing) > 0 {
		c.f.Fatalf("selector %q has no links by %v", n.text, missing)
	}
}

// check looks at the lines of a table.
func (t *table) check(f failer, hashOf func(uint32) uint32) {
	for i, s := range t.dir {
		used := 0
		for at := range s.lines {
			l := &s.lines[at]
			used += int(l.used)
			for slot, id := range l.ids {
				if taken := slot < int(l.used); (id != 0) != taken || (l.tags[slot] != 0) != taken {
					f.Fatalf("line %d, %d used, slot %d: record %d, tag %d", at, l.used, slot, id, l.tags[slot])
				}
			}
		}
		for id := range s.records {
			hash := hashOf(id)
			if int(hash>>(32-t.depth))>>(t.depth-s.depth) != i>>(t.depth-s.depth) {
				f.Fatalf("record %d with hash %x is in segment %d of %d", id, hash, i, len(t.dir))
			}
			found := false
			for got, p := t.probe(hash).next(); got != 0 && !found; got, p = p.next() {
				found = got == id
			}
			if !found {
				f.Fatalf("record %d is not found by its hash", id)
			}
		}
		if used != s.used || used == len(s.lines)*lineSlots {
			f.Fatalf("%d of %d slots used, counts %d", used, len(s.lines)*lineSlots, s.used)
		}
	}
}
