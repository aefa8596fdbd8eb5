package server

import "sync"

// The sizes of pooled chunks. A fresh output begins with the smallest, so that
// many receivers of few bytes cost little; one that keeps growing gets larger ones.
var chunkSizes = [...]int{512, 4 << 10, 32 << 10}

const (
	chunkShared = uint8(len(chunkSizes)) + iota // refers to bytes that others own
	chunkOdd                                    // made to measure, not pooled
)

// chunk is a run of bytes that wait for a socket: those of mem[r:w].
type chunk struct {
	next    *chunk
	mem     []byte
	r, w    int
	control int // how many of the bytes came through Send
	class   uint8
}

var (
	chunkPools [len(chunkSizes)]sync.Pool
	sharePool  sync.Pool
)

// newChunk returns an empty chunk with room for n bytes, at least of class least.
func newChunk(n int, least uint8) *chunk {
	for class := int(least); class < len(chunkSizes); class++ {
		if n > chunkSizes[class] {
			continue
		}
		if c, _ := chunkPools[class].Get().(*chunk); c != nil {
			return c
		}
		return &chunk{mem: make([]byte, chunkSizes[class]), class: uint8(class)}
	}
	return &chunk{mem: make([]byte, n), class: chunkOdd}
}

// shareChunk returns a chunk which refers to b.
func shareChunk(b []byte) *chunk {
	c, _ := sharePool.Get().(*chunk)
	if c == nil {
		c = &chunk{class: chunkShared}
	}
	c.mem, c.w = b, len(b)
	return c
}

// free gives c back to its pool.
func (c *chunk) free() {
	c.next, c.r, c.w, c.control = nil, 0, 0, 0
	switch c.class {
	case chunkShared:
		c.mem = nil
		sharePool.Put(c)
	case chunkOdd:
	default:
		chunkPools[c.class].Put(c)
	}
}

// room returns how many bytes can be appended to c.
func (c *chunk) room() int {
	if c.class == chunkShared {
		return 0
	}
	return len(c.mem) - c.w
}

// chunks is a queue of chunks. The zero value is empty.
type chunks struct{ first, last *chunk }

// reserve returns the last chunk if it has room for n bytes, else a new one.
func (q *chunks) reserve(n int) *chunk {
	c := q.last
	if c == nil {
		c = newChunk(n, 0)
		q.first, q.last = c, c
		return c
	}
	if c.room() < n {
		least := uint8(1)
		switch c.class {
		case chunkShared:
			least = 0 // a few bytes before the next shared body
		case 0:
		default:
			least = uint8(len(chunkSizes) - 1)
		}
		next := newChunk(n, least)
		c.next, q.last = next, next
		c = next
	}
	return c
}

// share appends a reference to b.
func (q *chunks) share(b []byte) {
	c := shareChunk(b)
	if q.last == nil {
		q.first = c
	} else {
		q.last.next = c
	}
	q.last = c
}

// drop takes the first n bytes out, and returns how many of the control bytes
// went with the chunks that are now empty.
func (q *chunks) drop(n int) (control int) {
	for n > 0 {
		c := q.first
		have := c.w - c.r
		if n < have {
			c.r += n
			return control
		}
		n -= have
		control += c.control
		if q.first = c.next; q.first == nil {
			q.last = nil
		}
		c.free()
	}
	return control
}

// clear takes everything out.
func (q *chunks) clear() {
	for c := q.first; c != nil; {
		next := c.next
		c.free()
		c = next
	}
	*q = chunks{}
}
