package main

import (
	"bytes"
	"fmt"
	"go/types"
	"runtime"
)

// structure is a type of which the broker has many.
type structure struct {
	pkg, name string
	each      string // of what there is one
}

// structures are those that a broker with many clients consists of. Those of a topic
// tree are found by the slabs in which it keeps them.
var structures = []structure{
	{"server", "Conn", "connection"},
	{"broker", "Session", "session"},
	{"broker", "attachment", "connected session"},
	{"broker", "Subscription", "subscription"},
	{"broker", "subscriptionMore", "subscription that is shared, filtered or narrowed"},
	{"broker", "queue", "session that has had something to wait"},
	{"broker", "entry", "message in a queue"},
	{"broker", "Message", "message that is kept"},
	{"auth", "entry", "token"},
	{"auth", "record", "token"},
	{"auth", "Grant", "token"},
	{"auth", "book", "token with an access list"},
	{"auth", "account", "account"},
}

// notAlone are the structures which are parts of arrays: the allocator does not round
// them up one by one.
var notAlone = map[string]bool{"broker.entry": true}

const introduction = `# Bytes by field

Written by ` + "`make sizes`" + ` from the code, for 64-bit x86; a test compares it with the code. These are the
structures of which a broker has as many as it has connections, sessions, subscriptions, messages, tokens or accounts.
What they point to is not counted. The allocator rounds up to its size classes: that is the third column. Without a
figure there, a structure is a place in an array.

`

// sized is a structure with its layout.
type sized struct {
	title string
	each  string
	alone bool
	size  int64
	rows  []row
}

// report makes the document, for the project at root.
func report(root string) ([]byte, error) {
	h, err := open(root, module+"internal/server")
	if err != nil {
		return nil, err
	}
	var all []sized
	for _, s := range structures {
		t, err := h.lookup(s.pkg, s.name)
		if err != nil {
			return nil, err
		}
		title := s.pkg + "." + s.name
		all = append(all, h.size(t, title, s.each, !notAlone[title]))
	}
	places, err := h.treePlaces()
	if err != nil {
		return nil, err
	}
	return render(append(all, places...)), nil
}

func (h *house) size(t *types.Named, title, each string, alone bool) sized {
	return sized{title, each, alone, h.sizes.Sizeof(t), h.layout(t)}
}

// treePlaces are the structures that an account's topic tree keeps in slabs.
func (h *house) treePlaces() (all []sized, err error) {
	namespace, err := h.lookup("broker", "Namespace")
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	var visit func(t types.Type)
	visit = func(t types.Type) {
		if p, ok := t.(*types.Pointer); ok {
			t = p.Elem()
		}
		n, ok := t.(*types.Named)
		if !ok || n.Obj().Pkg() == nil || n.Obj().Pkg().Name() != "topic" {
			return
		}
		if n.Obj().Name() == "slab" {
			place := n.TypeArgs().At(0).(*types.Named)
			if title := "topic." + place.Obj().Name(); !known[title] {
				known[title] = true
				all = append(all, h.size(place, title, "place in a topic tree", false))
			}
			return
		}
		if s, ok := n.Underlying().(*types.Struct); ok {
			for f := range s.Fields() {
				visit(f.Type())
			}
		}
	}
	for f := range namespace.Underlying().(*types.Struct).Fields() {
		visit(f.Type())
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("an account's topic tree has no slabs")
	}
	return all, nil
}

// render writes the document: all structures in one table, then each by its fields.
func render(all []sized) []byte {
	var b bytes.Buffer
	b.WriteString(introduction)
	b.WriteString("| structure | bytes | allocated | of which unused | one for each |\n|---|---:|---:|---:|---|\n")
	for _, s := range all {
		allocated := ""
		if s.alone {
			allocated = fmt.Sprint(class(s.size))
		}
		fmt.Fprintf(&b, "| %s | %d | %s | %d | %s |\n", s.title, s.size, allocated, padding(s.rows), s.each)
	}
	for _, s := range all {
		fmt.Fprintf(&b, "\n## %s\n\n%d bytes\n\n| offset | bytes | field | type |\n|---:|---:|---|---|\n", s.title, s.size)
		for _, r := range s.rows {
			if r.field == "" {
				fmt.Fprintf(&b, "| %d | %d | *unused* | |\n", r.offset, r.size)
				continue
			}
			fmt.Fprintf(&b, "| %d | %d | %s | `%s` |\n", r.offset, r.size, r.field, r.kind)
		}
	}
	return b.Bytes()
}

// headed is the size above which the allocator puts eight bytes before what holds
// pointers, as all structures here do.
const headed = 512

// class gives the bytes that the allocator takes for a structure: its size classes are
// asked of the runtime.
func class(size int64) int64 {
	if size > headed {
		size += 8
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	for _, c := range m.BySize {
		if int64(c.Size) >= size {
			return int64(c.Size)
		}
	}
	return size
}
