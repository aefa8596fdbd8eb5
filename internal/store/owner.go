package store

import (
	"encoding/binary"
	"math"
	"slices"

	"alcove/internal/auth"
	"alcove/internal/broker"
)

const (
	// maxGaps is how many positions of one queue may be waited for: positions
	// below one that has come, whose own record is still on its way. Two
	// publishers meet at a queue in one order and at the log in the other, so
	// there are as many as publishers at once. An older gap counts as settled.
	maxGaps = 256

	// maxStep is how far a position may lie beyond the end of a queue that has
	// unsettled entries, maxLag how far below the floor a gap may still be filled:
	// how many entries may pass while one publisher stands still between the queue
	// and the log. They bound the work of one record.
	maxStep = 1 << 16
	maxLag  = 1 << 20
)

// owner is a session's or a share group's queue, as far as the log knows it. All
// positions below floor are settled: they were acknowledged, or never came.
type owner struct {
	top, account auth.AccountID
	id           broker.OwnerID
	next         uint64 // greater than every position seen
	sent         uint64
	floor        uint64
	pages        map[uint64]*page // those that say more than floor does; nil often
	gaps         []uint64         // positions that may still come, growing; settled until then
	received     []uint16         // growing
	held         int              // entries that wait, each with a reference to its message
	epoch        uint32           // of the session stored
	group        bool
	dirty        bool // in state.dirty
}

// page returns the page of seq, made where make is set, else perhaps nil.
func (o *owner) page(seq uint64, make bool) *page {
	p := o.pages[seq/pageSize]
	if p == nil && make {
		p = &page{}
		if o.pages == nil {
			o.pages = map[uint64]*page{}
		}
		o.pages[seq/pageSize] = p
	}
	return p
}

// isSettled tells whether nothing waits at seq any more.
func (o *owner) isSettled(seq uint64) bool {
	if seq < o.floor {
		return true
	}
	p := o.page(seq, false)
	return p != nil && p.isSettled(seq)
}

// waits tells whether the entry at seq is one of those that Load calls queued:
// neither settled nor released.
func (o *owner) waits(seq uint64) bool {
	if seq < o.floor || seq >= o.next {
		return false
	}
	p := o.page(seq, false)
	if p == nil {
		return true
	}
	_, released := findSent(p.released, seq)
	return !released && !p.isSettled(seq)
}

// nextWaiting returns the first waiting position from seq on, or next.
func (o *owner) nextWaiting(seq uint64) uint64 {
	for seq = max(seq, o.floor); seq < o.next && !o.waits(seq); seq++ {
		if p := o.page(seq, false); p != nil {
			seq += max(p.run(seq), 1) - 1
		}
	}
	return seq
}

// advance moves the floor over what is settled. Bits below the floor are zero.
func (o *owner) advance() {
	for o.floor < o.next {
		p := o.page(o.floor, false)
		if p == nil {
			return
		}
		n := p.run(o.floor)
		if n == 0 {
			return
		}
		p.clear(o.floor, n)
		number := o.floor / pageSize
		o.floor += n
		o.trim(number)
	}
}

// trim lets a page go that says nothing and has no key of its own.
func (o *owner) trim(number uint64) {
	if p := o.pages[number]; p != nil && !p.stored && p.empty() {
		delete(o.pages, number)
	}
}

// markSettled settles positions from up to below to.
func (o *owner) markSettled(from, to uint64) {
	if from <= o.floor {
		o.floor = max(o.floor, to)
	} else {
		for seq := from; seq < to; seq++ {
			o.page(seq, true).setSettled(seq, true)
		}
	}
	o.advance()
}

// reach makes seq the last position seen. The positions that it leaps over count
// as settled until they come; it is false where seq is too far out.
func (o *owner) reach(seq uint64) bool {
	if seq-o.next > maxStep && o.floor < o.next || seq == math.MaxUint64 {
		return false
	}
	first := o.next
	if seq-first > maxGaps {
		first = seq - maxGaps
	}
	for gap := first; gap < seq; gap++ {
		o.gaps = append(o.gaps, gap)
	}
	if n := len(o.gaps) - maxGaps; n > 0 {
		o.gaps = slices.Delete(o.gaps, 0, n)
	}
	from := o.next
	o.next = seq + 1
	o.markSettled(from, seq)
	return true
}

// fill takes seq out of the gaps, where it is one.
func (o *owner) fill(seq uint64) bool {
	i, was := slices.BinarySearch(o.gaps, seq)
	if was {
		o.gaps = slices.Delete(o.gaps, i, i+1)
	}
	return was
}

// enter takes a new entry at seq. It is false where that position has been used
// before or lies too far from the others.
func (o *owner) enter(seq uint64) bool {
	ok := o.place(seq)
	if ok {
		o.held++
	}
	return ok
}

// place makes seq a position that is not settled, where it may be one.
func (o *owner) place(seq uint64) bool {
	if seq >= o.next {
		return o.reach(seq)
	}
	if !o.fill(seq) {
		return false
	}
	if seq >= o.floor {
		o.page(seq, true).setSettled(seq, false)
		o.trim(seq / pageSize)
		return true
	}
	if o.floor-seq > maxLag {
		return false
	}
	for above := seq + 1; above < o.floor; above++ {
		o.page(above, true).setSettled(above, true)
	}
	o.floor = seq // whose own bit is zero, as all bits below the floor were
	return true
}

// setSent notes that everything up to seq was sent, and seq with packetID where
// that is not zero.
func (o *owner) setSent(seq uint64, packetID uint16) {
	o.sent = max(o.sent, seq)
	if packetID == 0 || !o.waits(seq) {
		return
	}
	p := o.page(seq, true)
	if packetID == broker.PacketID(seq) {
		p.identifiers, _, _ = takeSent(p.identifiers, seq)
	} else {
		p.identifiers = putSent(p.identifiers, broker.SentEntry{Seq: seq, PacketID: packetID})
	}
	p.dirty = true
	o.trim(seq / pageSize)
}

// release notes the PUBREC for seq. It tells whether the entry held its message
// until now.
func (o *owner) release(seq uint64, packetID uint16) bool {
	if !o.waits(seq) {
		return false
	}
	p := o.page(seq, true)
	var id uint16
	p.identifiers, id, _ = takeSent(p.identifiers, seq)
	if packetID != 0 {
		id = packetID
	}
	if id == broker.PacketID(seq) {
		id = 0
	}
	p.released = putSent(p.released, broker.SentEntry{Seq: seq, PacketID: id})
	p.dirty = true
	o.held--
	o.sent = max(o.sent, seq)
	return true
}

// settle ends the entry at seq. It tells whether the entry held its message until
// now.
func (o *owner) settle(seq uint64) bool {
	if seq >= o.next {
		// The acknowledgement overtook its entry, which then is not to come.
		if o.reach(seq) {
			o.markSettled(seq, seq+1)
		}
		return false
	}
	if o.isSettled(seq) {
		o.fill(seq)
		return false
	}
	held := o.waits(seq)
	if held {
		o.held--
	}
	if p := o.page(seq, false); p != nil {
		p.released, _, _ = takeSent(p.released, seq)
		p.identifiers, _, _ = takeSent(p.identifiers, seq)
		p.dirty = true
	}
	if seq == o.floor {
		o.floor++
	} else {
		o.page(seq, true).setSettled(seq, true)
	}
	o.trim(seq / pageSize)
	o.advance()
	return held
}

// receive adds a QoS 2 identifier, complete removes it.
func (o *owner) receive(id uint16) {
	if i, was := slices.BinarySearch(o.received, id); !was {
		o.received = slices.Insert(o.received, i, id)
	}
}

func (o *owner) complete(id uint16) {
	if i, was := slices.BinarySearch(o.received, id); was {
		o.received = slices.Delete(o.received, i, i+1)
	}
}

// queueState returns what Load tells of the owner.
func (o *owner) queueState() broker.QueueState {
	q := broker.QueueState{Next: o.next, Sent: o.sent, Received: slices.Clone(o.received)}
	numbers := make([]uint64, 0, len(o.pages))
	for n := range o.pages {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	for _, n := range numbers {
		q.Released = append(q.Released, o.pages[n].released...)
		q.Identifiers = append(q.Identifiers, o.pages[n].identifiers...)
	}
	return q
}

// inline tells whether the page of that number stands in the owner's own value:
// the one that the floor is in, and the next.
func (o *owner) inline(number uint64) bool {
	first := o.floor / pageSize
	return number == first || number == first+1
}

// write writes the owner's state: its value, and those outlying pages that changed.
func (o *owner) write(w writes, keyBuf, valueBuf []byte) (key, value []byte) {
	value = append(valueBuf[:0], encoding)
	value = binary.AppendUvarint(value, o.next)
	value = binary.AppendUvarint(value, o.sent)
	value = binary.AppendUvarint(value, o.floor)
	value = binary.AppendUvarint(value, uint64(len(o.received)))
	last := uint16(0)
	for _, id := range o.received {
		value = binary.AppendUvarint(value, uint64(id-last))
		last = id
	}
	first := o.floor / pageSize
	for number := first; number <= first+1; number++ {
		p := o.pages[number]
		if p == nil || p.empty() {
			value = append(value, 0)
			continue
		}
		value = p.append(append(value, 1), number)
	}
	key = append(appendOwnerKey(keyBuf[:0], o.top, o.account, o.id), partState)
	w.set(key, value)
	for number, p := range o.pages {
		key, value = o.writePage(w, number, p, key, value)
	}
	return key, value
}

// writePage brings the key of one page up to date, and lets the page go where it
// says nothing.
func (o *owner) writePage(w writes, number uint64, p *page, keyBuf, valueBuf []byte) (key, value []byte) {
	own := number > o.floor/pageSize && !o.inline(number) && !p.empty()
	switch {
	case own && (p.dirty || !p.stored):
		keyBuf = appendPageKey(keyBuf[:0], o, number)
		valueBuf = p.append(append(valueBuf[:0], encoding), number)
		w.set(keyBuf, valueBuf)
		p.stored = true
	case !own && p.stored:
		keyBuf = appendPageKey(keyBuf[:0], o, number)
		w.del(keyBuf)
		p.stored = false
	}
	p.dirty = false
	if number < o.floor/pageSize || p.empty() {
		delete(o.pages, number)
	}
	return keyBuf, valueBuf
}

// readState reads the value that write wrote.
func (o *owner) readState(value []byte) error {
	d := newDecoder(value)
	o.next = d.uint("next", math.MaxUint64)
	o.sent = d.uint("sent", math.MaxUint64)
	o.floor = d.uint("floor", o.next)
	n := d.count("received")
	id := uint64(0)
	for i := range n {
		step := d.uint("received", math.MaxUint16)
		id += step
		if id > math.MaxUint16 || (i > 0 && step == 0) {
			d.fault("received", "no such identifier or given twice")
		}
		if d.err != nil {
			return d.err
		}
		o.received = append(o.received, uint16(id))
	}
	first := o.floor / pageSize
	for number := first; number <= first+1; number++ {
		if has := d.byte("page"); has == 1 {
			p := d.page(number)
			if d.err == nil {
				o.putPage(number, p)
			}
		} else if has > 1 {
			d.fault("page", "neither there nor not")
		}
	}
	return d.end()
}

// readPage reads an outlying page.
func (o *owner) readPage(number uint64, value []byte) error {
	d := newDecoder(value)
	p := d.page(number)
	if err := d.end(); err != nil {
		return err
	}
	p.stored = true
	o.putPage(number, p)
	return nil
}

func (o *owner) putPage(number uint64, p *page) {
	if o.pages == nil {
		o.pages = map[uint64]*page{}
	}
	o.pages[number] = p
}
