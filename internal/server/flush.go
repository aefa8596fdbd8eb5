package server

import (
	"errors"
	"sync"
)

// errAgain is what a socket says that takes or has nothing now.
var errAgain = errors.New("the socket would block")

// vector is the scratch of one write: what is handed to the socket.
type vector struct {
	bufs  [writeChunks][]byte
	n     int
	total int
	limit int // of total; writeSize unless said
	sys   sysVector
	plain []byte // TLS: gathered plain text
}

var vectors = sync.Pool{New: func() any { return &vector{limit: writeSize} }}

func (v *vector) add(b []byte) {
	if len(b) > 0 {
		v.bufs[v.n] = b
		v.n++
		v.total += len(b)
	}
}

// room tells whether a further chunk may be added.
func (v *vector) room() bool { return v.n < writeChunks && v.total < v.limit }

// collect adds what a queue holds, limit bytes at most.
func (v *vector) collect(q *chunks, limit int) {
	v.limit = limit
	for ch := q.first; ch != nil && v.room(); ch = ch.next {
		b := ch.mem[ch.r:ch.w]
		v.add(b[:min(len(b), v.limit-v.total)])
	}
}

func (v *vector) reset() {
	clear(v.bufs[:v.n])
	v.n, v.total, v.limit = 0, 0, writeSize
}

// Flush writes what the socket takes. See broker.Outlet. Whoever finds the write
// turn taken leaves: the writer looks again before it gives it back.
//
// A large output is left to its owner, who writes a share of it whenever the system
// says that there is room, and serves others between: a large message to thousands
// of receivers would else stop this loop, and all its connections, for seconds.
func (c *Conn) Flush() { c.flush(flushSize, flushSize) }

// flush is Flush for an output of at most so many bytes. It writes about share.
func (c *Conn) flush(most, share int) {
	o := &c.out
	o.mu.Lock()
	o.state &^= outTouched
	switch {
	case o.state&(outWriting|outBlocked|outClosed|outShut) != 0 || !c.waiting():
	case o.size > most:
		o.state |= outBlocked
		o.later |= opArm
	default:
		o.state |= outWriting
		c.write(share)
		o.state &^= outWriting
		if o.state&outClosed != 0 {
			o.later |= opGone
		}
		if o.state&outEnding != 0 && !c.waiting() {
			o.later |= opEnd
		}
	}
	later := o.later
	o.later = 0
	o.mu.Unlock()
	if later != 0 {
		c.post(later)
	}
	if later&opRelieve != 0 {
		c.loop.srv.relieve()
	}
}

// waiting tells whether anything is to be written. The caller holds out.mu.
func (c *Conn) waiting() bool {
	return c.out.size > 0 || c.wrap != nil && c.wrap.waiting()
}

// write writes until nothing waits, the socket is full, or share bytes have gone. The
// caller holds out.mu and the write turn; the lock is let go while the system works.
func (c *Conn) write(share int) {
	o := &c.out
	v := vectors.Get().(*vector)
	all := 0
	for range writeRounds {
		if o.state&outClosed != 0 || !c.waiting() || all >= share {
			break
		}
		taken, blocked, err := c.writeOnce(v, min(share-all, writeSize))
		all += taken
		if taken > 0 {
			c.settle(taken)
		}
		if err != nil {
			c.failOutput(err)
			// Nothing more can leave: no one need try again.
			o.state |= outBlocked
			break
		}
		if blocked {
			o.state |= outBlocked
			o.later |= opArm
			break
		}
	}
	vectors.Put(v)
	if o.state&(outBlocked|outClosed) == 0 && c.waiting() {
		// More than a fair share: the owner goes on when the system says so.
		o.state |= outBlocked
		o.later |= opArm
	}
}

// writeOnce collects what waits and writes it. It returns how many bytes of the
// output have been taken, and whether the socket is full. The caller holds out.mu,
// which is let go meanwhile: others only append, behind what was collected, and
// only the writer takes out.
func (c *Conn) writeOnce(v *vector, most int) (taken int, blocked bool, err error) {
	o := &c.out
	if c.wrap != nil {
		return c.wrap.writeOnce(c, v, most)
	}
	v.collect(&o.queue, most)
	o.mu.Unlock()
	n, err := c.sock.write(v)
	blocked = err == errAgain || err == nil && n < v.total
	if err == errAgain {
		err = nil
	}
	v.reset()
	c.loop.stats.bytesOut.Add(uint64(n))
	o.mu.Lock()
	return n, blocked, err
}
