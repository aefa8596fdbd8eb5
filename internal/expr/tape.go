package expr

import (
	"bytes"
	"hash/crc32"
	"strings"
)

// A tape is what one validating pass leaves of a JSON document: an entry for each
// member of an object that can be reached from the top without passing an array,
// with the hash of the dotted path that leads to it. The member "b" in "a" and the
// flat member "a.b" have the same path, hence the same hash: CRC-32C goes on from
// the parent's hash, over a dot and the key. So a name of a program is found by its
// hash, whichever way the document spells it, and the keys are compared afterwards.
//
// The index over the hashes is made when the first name is asked for. What it cannot
// serve (too many members, keys made to collide) is found by walking: see walk.go,
// which has the same rules.

// span is a part of the document.
type span struct{ start, end uint32 }

func (s span) of(b string) string { return b[s.start:s.end] }

// member is an entry of the tape.
type member struct {
	hash   uint32 // of the dotted path
	next   int32  // the member before it in its bucket of the index, or -1
	parent int32  // the member whose value holds it, or -1: at the top
	key    span   // without its quotes
	value  span
	coded  bool // the key has escapes
	dead   bool // a later member of the same object has the same key
}

type tape struct {
	members []member
	heads   []int32 // the index: the last member of each bucket, or -1
	indexed bool
	walks   bool // names are found by walking
	opaque  int  // how many arrays the reader is inside of
	root    span
	plain   []byte // scratch: a key without its escapes
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var dot = []byte{'.'}

func (t *tape) reset() {
	t.members, t.heads = t.members[:0], t.heads[:0]
	if cap(t.members) > keptMembers {
		t.members, t.heads = nil, nil
	}
	if cap(t.plain) > keptScratch {
		t.plain = nil
	}
	t.indexed, t.walks, t.opaque, t.root = false, false, 0, span{}
}

// read validates a document and fills an empty tape.
func (t *tape) read(b string) bool {
	start := skipBlank(b, 0)
	end := t.readValue(b, start, place{parent: -1})
	if end < 0 || skipBlank(b, end) != len(b) {
		return false
	}
	t.root = span{uint32(start), uint32(end)}
	return true
}

// place is where a value stands.
type place struct {
	parent int32  // the member that it is the value of
	prefix uint32 // the hash of its members' paths before their keys
	depth  int
}

// readValue validates the value at i and returns the position after it, or -1.
func (t *tape) readValue(b string, i int, at place) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"':
		end, _ := checkString(b, i)
		return end
	case '{':
		return t.readObject(b, i, at)
	case '[':
		return t.readArray(b, i, at)
	case 't', 'f', 'n':
		return checkWord(b, i)
	}
	return checkNumber(b, i)
}

func (t *tape) readArray(b string, i int, at place) int {
	if at.depth++; at.depth > MaxJSONDepth {
		return -1
	}
	i = skipBlank(b, i+1)
	if i < len(b) && b[i] == ']' {
		return i + 1
	}
	t.opaque++
	defer func() { t.opaque-- }()
	for {
		if i = t.readValue(b, i, at); i < 0 {
			return -1
		}
		i = skipBlank(b, i)
		if i >= len(b) {
			return -1
		}
		switch b[i] {
		case ',':
			i = skipBlank(b, i+1)
		case ']':
			return i + 1
		default:
			return -1
		}
	}
}

func (t *tape) readObject(b string, i int, at place) int {
	if at.depth++; at.depth > MaxJSONDepth {
		return -1
	}
	i = skipBlank(b, i+1)
	if i < len(b) && b[i] == '}' {
		return i + 1
	}
	for {
		if i >= len(b) || b[i] != '"' {
			return -1
		}
		key := i + 1
		end, coded := checkString(b, i)
		if end < 0 {
			return -1
		}
		if i = skipBlank(b, end); i >= len(b) || b[i] != ':' {
			return -1
		}
		i = skipBlank(b, i+1)
		if i = t.readMember(b, i, member{parent: at.parent, key: span{uint32(key), uint32(end - 1)}, coded: coded}, at); i < 0 {
			return -1
		}
		if i = skipBlank(b, i); i >= len(b) {
			return -1
		}
		switch b[i] {
		case ',':
			i = skipBlank(b, i+1)
		case '}':
			return i + 1
		default:
			return -1
		}
	}
}

// readMember validates the value at i and enters it as m.
func (t *tape) readMember(b string, i int, m member, at place) int {
	if t.opaque > 0 || t.walks {
		return t.readValue(b, i, at)
	}
	if len(t.members) == maxMembers {
		t.walks = true
		return t.readValue(b, i, at)
	}
	self := len(t.members)
	key := m.key.of(b)
	if m.coded {
		t.plain = appendUnescaped(t.plain[:0], key)
		key = view(t.plain)
	}
	m.hash = crc32.Update(at.prefix, castagnoli, bare(key))
	m.value.start = uint32(i)
	t.members = append(t.members, m)
	if i < len(b) && b[i] == '{' {
		at.parent, at.prefix = int32(self), crc32.Update(m.hash, castagnoli, dot)
		i = t.readObject(b, i, at)
	} else {
		i = t.readValue(b, i, at)
	}
	t.members[self].value.end = uint32(i)
	return i
}

// index chains the members by their hashes, later ones first, and marks those that
// are replaced by a later one of the same key.
func (t *tape) index(b string) {
	t.indexed = true
	size := 8
	for size < len(t.members) {
		size *= 2
	}
	if cap(t.heads) < size {
		t.heads = make([]int32, size)
	}
	t.heads = t.heads[:size]
	for i := range t.heads {
		t.heads[i] = -1
	}
	for i := range t.members {
		m := &t.members[i]
		head := &t.heads[m.hash&uint32(size-1)]
		if !t.replace(b, head, m) {
			t.walks = true
			return
		}
		m.next, *head = *head, int32(i)
	}
}

// replace takes the member that m replaces out of its chain. It returns false where
// the chain is too long to be an accident.
func (t *tape) replace(b string, link *int32, m *member) bool {
	for hops := 0; *link >= 0; hops++ {
		other := &t.members[*link]
		if other.hash == m.hash && other.parent == m.parent && t.sameKey(b, other, m) {
			other.dead, *link = true, other.next
			return true
		}
		if hops == maxHops {
			return false
		}
		link = &other.next
	}
	return true
}

// sameKey compares two keys as they read without escapes.
func (t *tape) sameKey(b string, m, n *member) bool {
	if !m.coded && !n.coded {
		return m.key.of(b) == n.key.of(b)
	}
	t.plain = appendUnescaped(t.plain[:0], m.key.of(b))
	cut := len(t.plain)
	t.plain = appendUnescaped(t.plain, n.key.of(b))
	return bytes.Equal(t.plain[:cut], t.plain[cut:])
}

// keyOf returns the key as it reads, good until the next call.
func (t *tape) keyOf(b string, m *member) string {
	if !m.coded {
		return m.key.of(b)
	}
	t.plain = appendUnescaped(t.plain[:0], m.key.of(b))
	return view(t.plain)
}

// find returns the member that a dotted name of the given hash means.
func (t *tape) find(b, text string, hash uint32) (found int32) {
	found = -1
	if len(t.members) == 0 {
		return found
	}
	for i := t.heads[hash&uint32(len(t.heads)-1)]; i >= 0; i = t.members[i].next {
		m := &t.members[i]
		if m.hash != hash {
			continue
		}
		if m.parent < 0 && !m.coded && m.key.of(b) == text {
			return i // a flat key comes before all others; dead ones are not in the chain
		}
		if t.spells(b, i, text) && (found < 0 || t.before(b, i, found)) {
			found = i
		}
	}
	return found
}

// spells tells whether the path of a member reads as text, and none of its members is
// dead.
func (t *tape) spells(b string, i int32, text string) bool {
	for {
		m := &t.members[i]
		key := t.keyOf(b, m)
		if m.dead || !strings.HasSuffix(text, key) {
			return false
		}
		text = text[:len(text)-len(key)]
		if i = m.parent; i < 0 {
			return len(text) == 0
		}
		if len(text) == 0 || text[len(text)-1] != '.' {
			return false
		}
		text = text[:len(text)-1]
	}
}

// before tells which of two members with the same path a name means: the one whose
// first key is the longer, and where the first keys are the same, the one whose second
// key is, and so on [EXT-EXP-1].
func (t *tape) before(b string, i, j int32) bool {
	var one, two [MaxJSONDepth]int32
	m, n := t.path(i, &one), t.path(j, &two)
	for m > 0 && n > 0 && one[m-1] == two[n-1] {
		m, n = m-1, n-1
	}
	if m == 0 || n == 0 {
		return false
	}
	// Different members of one object, alive, whose keys begin the same text: so the
	// keys differ in length.
	length := len(t.keyOf(b, &t.members[one[m-1]]))
	return length > len(t.keyOf(b, &t.members[two[n-1]]))
}

// path lists a member and those around it, outermost last.
func (t *tape) path(i int32, into *[MaxJSONDepth]int32) int {
	n := 0
	for ; i >= 0; i = t.members[i].parent {
		into[n] = i
		n++
	}
	return n
}
