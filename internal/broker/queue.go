package broker

import (
	"cmp"
	"slices"
	"sort"
	"sync/atomic"

	"alcove/internal/mqtt"
)

// A queue is what one owner (a Session or a Group) has still to send or to see
// acknowledged, in one list by position:
//
//	items:  [ sent, some done | not sent yet … ]
//	        head              next
//
// Invariant: everything before next has been handed on (sent to the client, or
// assigned to a member), everything from next on has not; entries keep growing
// seq. A message that is acknowledged out of order stays as a hole until the
// head reaches it or holes outnumber the rest.
//
// Why one list: order, Packet Identifiers and resumption all follow from the
// position. An entry's identifier is PacketID(seq), which costs no memory, no
// map and no record in the log; the rare clash gets another one in pid.
//
// Guarded by the owner's mutex.
type queue struct {
	items []entry
	head  int
	next  int

	nextSeq    uint64 // position of the next entry
	sentSeq    uint64 // highest position recorded as sent
	sentTicket uint64 // ticket of that record
	sentMark   mark   // its place, while it can be brought up to date

	holes         int
	inflight      int   // entries before next that are not done
	inflightBytes int64 // of them
	bytes         int64 // of all that is not done
	resident      int64 // of those not sent whose message is in memory
	odd           int   // entries with an identifier of their own
	paging        bool  // a reading of messages is under way

	account *atomic.Int64 // where its bytes are counted; nil nowhere
	told    int64         // of them, what is counted there
	// dropped is how many messages its bound has cost since that began, 0 where
	// there is room [EXT-SES-3].
	dropped int
}

type entryFlags uint8

const (
	entryDone      entryFlags = 1 << iota
	entryOpen                 // its record is not in a batch yet: nothing may go past
	entryAttempted            // was sent at least once: the next time is a repetition
	entryReleased             // PUBREC has come: PUBREL is what is sent
	entryHeld                 // sending waits for a ticket
	entryRetain               // RETAIN flag of the delivery
	entryDurable              // its records go to the log
	entryTaken                // handed on: sent, or assigned to a member
)

// entry is one message in one queue.
type entry struct {
	seq   uint64
	id    MessageID
	msg   *Message // nil: in the log only, or released
	more  *entryMore
	size  uint32
	pid   uint16 // 0: PacketID(seq)
	qos   mqtt.QoS
	flags entryFlags
}

// entryMore is what few entries have.
type entryMore struct {
	ids    []uint32 // Subscription Identifiers
	group  *Group   // the share group whose entry share this is, or was
	share  uint64
	logged uint64 // the position in the log, where that is another one than seq
}

func (e *entry) is(f entryFlags) bool { return e.flags&f != 0 }

// vacate makes e hold nothing but its Packet Identifier and its place in flight,
// until it is acknowledged or the connection ends.
func (e *entry) vacate() { e.msg, e.more, e.id = nil, nil, 0 }

// vacant tells whether only the place is left.
func (e *entry) vacant() bool {
	return e.msg == nil && e.id == 0 && e.is(entryTaken) && !e.is(entryDone|entryReleased)
}

// position is what the log calls the entry by.
func (e *entry) position() uint64 {
	if e.more != nil && e.more.logged != 0 {
		return e.more.logged
	}
	return e.seq
}

func (e *entry) packetID() uint16 {
	if e.pid != 0 {
		return e.pid
	}
	return PacketID(e.seq)
}

func (e *entry) subscriptionIDs() []uint32 {
	if e.more == nil {
		return nil
	}
	return e.more.ids
}

// settleOrder ends a recovery: released entries came before the others.
func (q *queue) settleOrder() {
	slices.SortFunc(q.items, func(a, b entry) int { return cmp.Compare(a.seq, b.seq) })
}

// emptyQueue stands for the queue of every session that never had an entry; it
// is never written to.
var emptyQueue = &queue{}

// push appends an entry at the next position and returns it; the pointer is
// good until the next push.
func (q *queue) push(e entry) *entry {
	if q.nextSeq == 0 {
		q.nextSeq = 1
	}
	e.seq = q.nextSeq
	q.nextSeq++
	return q.restore(e)
}

// restore appends an entry that already has its position.
func (q *queue) restore(e entry) *entry {
	if q.head > 64 && q.head*2 > len(q.items) {
		q.compact()
	}
	q.items = append(q.items, e)
	q.bytes += int64(e.size)
	q.count()
	if e.msg != nil {
		q.resident += int64(e.size)
	}
	if q.nextSeq <= e.seq {
		q.nextSeq = e.seq + 1
	}
	return &q.items[len(q.items)-1]
}

// compact drops the done entries.
func (q *queue) compact() {
	w, next := 0, 0
	for i := q.head; i < len(q.items); i++ {
		if i == q.next {
			next = w
		}
		if !q.items[i].is(entryDone) {
			q.items[w] = q.items[i]
			w++
		}
	}
	if q.next >= len(q.items) {
		next = w
	}
	clear(q.items[w:])
	q.items, q.head, q.next, q.holes = q.items[:w], 0, next, 0
	if c := cap(q.items); c > 1024 && c > 8*w { // a backlog's room goes with it
		q.items = append(make([]entry, 0, 2*w), q.items...)
	}
}

// skip moves next past entries that are done, which stay holes, or taken.
func (q *queue) skip() {
	for q.next < len(q.items) && q.items[q.next].is(entryDone|entryTaken) {
		q.next++
	}
}

// take marks the entry at next as handed on.
func (q *queue) take() *entry {
	e := &q.items[q.next]
	q.next++
	q.takeOut(e)
	return e
}

// takeOut marks an entry as handed on, wherever it stands: what a share group's
// members wait for is handed on in their order, not in the queue's.
func (q *queue) takeOut(e *entry) {
	if e.is(entryTaken) {
		return
	}
	e.flags |= entryTaken
	q.inflight++
	q.inflightBytes += int64(e.size)
	if e.msg != nil {
		q.resident -= int64(e.size)
	}
}

// rewind makes everything that is not done wait again, in order, as after a
// connection's end.
func (q *queue) rewind() {
	if len(q.items) == 0 {
		return
	}
	var vacant []uint64
	for i := q.head; i < q.next; i++ {
		if q.items[i].vacant() {
			vacant = append(vacant, q.items[i].seq)
		}
	}
	for _, seq := range vacant {
		q.done(q.find(seq))
	}
	for i := q.head; i < q.next; i++ {
		e := &q.items[i]
		if e.is(entryDone) {
			continue
		}
		e.flags &^= entryHeld | entryTaken
		if e.msg != nil {
			q.resident += int64(e.size)
		}
	}
	q.next, q.inflight, q.inflightBytes = q.head, 0, 0
}

// untake lets one taken entry wait again, in its old place.
func (q *queue) untake(e *entry) {
	if !e.is(entryTaken) {
		return
	}
	e.flags &^= entryTaken
	q.inflight--
	q.inflightBytes -= int64(e.size)
	if e.msg != nil {
		q.resident += int64(e.size)
	}
	q.next = min(q.next, q.index(e.seq))
}

// reinsert puts entries that were done back into their old places, to wait. They
// grow in seq. It costs the length of the queue.
func (q *queue) reinsert(back []entry) {
	merged := make([]entry, 0, q.left()+len(back))
	for i := q.head; i < len(q.items); i++ {
		e := &q.items[i]
		if e.is(entryDone) {
			continue
		}
		for len(back) > 0 && back[0].seq < e.seq {
			merged = append(merged, q.counted(back[0]))
			back = back[1:]
		}
		merged = append(merged, *e)
	}
	for _, e := range back {
		merged = append(merged, q.counted(e))
	}
	q.items, q.head, q.next, q.holes = merged, 0, 0, 0
}

// counted adds an entry that waits to the queue's sums.
func (q *queue) counted(e entry) entry {
	q.bytes += int64(e.size)
	q.count()
	if e.msg != nil {
		q.resident += int64(e.size)
	}
	return e
}

// unused gives a position that no entry has, for the log only.
func (q *queue) unused() uint64 {
	q.nextSeq++
	return q.nextSeq - 1
}

// references returns the messages in the log that the queue still holds.
func (q *queue) references() []MessageID {
	var ids []MessageID
	for i := q.head; i < len(q.items); i++ {
		if e := &q.items[i]; !e.is(entryDone) && !e.is(entryReleased) && e.id != 0 {
			ids = append(ids, e.id)
		}
	}
	return ids
}

// done removes an entry; e must be of this queue and not done.
func (q *queue) done(e *entry) {
	if e.is(entryTaken) {
		q.inflight--
		q.inflightBytes -= int64(e.size)
	} else if e.msg != nil {
		q.resident -= int64(e.size)
	}
	q.bytes -= int64(e.size)
	q.count()
	if e.pid != 0 {
		q.odd--
	}
	e.flags |= entryDone
	e.msg, e.more = nil, nil
	q.holes++
	for q.head < len(q.items) && q.items[q.head].is(entryDone) {
		q.items[q.head] = entry{flags: entryDone}
		q.head++
		q.holes--
	}
	// Where entries go as they come, beside older ones that wait, there is no hole.
	for n := len(q.items); n > q.head && q.items[n-1].is(entryDone); n-- {
		q.items[n-1] = entry{}
		q.items = q.items[:n-1]
		q.holes--
	}
	q.next = min(max(q.next, q.head), len(q.items))
	switch {
	case q.head == len(q.items):
		q.items, q.head, q.next = q.items[:0], 0, 0
		if cap(q.items) > 64 {
			q.items = nil
		}
	case q.holes > 64 && q.holes*2 > len(q.items)-q.head, q.head > 256 && q.head*4 > len(q.items)*3:
		q.compact()
	}
}

// index returns where the entry seq is or would be.
func (q *queue) index(seq uint64) int {
	live := q.items[q.head:]
	// Without holes the position tells the place.
	if n := len(live); n > 0 && seq >= live[0].seq {
		if d := seq - live[0].seq; d < uint64(n) && live[d].seq == seq {
			return q.head + int(d)
		}
	}
	return q.head + sort.Search(len(live), func(i int) bool { return live[i].seq >= seq })
}

// find returns the entry seq that is not done, or nil.
func (q *queue) find(seq uint64) *entry {
	i := q.index(seq)
	if i < len(q.items) && q.items[i].seq == seq && !q.items[i].is(entryDone) {
		return &q.items[i]
	}
	return nil
}

// findPacket returns the inflight entry with Packet Identifier pid, or nil.
func (q *queue) findPacket(pid uint16) *entry {
	if q.head == q.next {
		return nil
	}
	if q.odd > 0 {
		for i := q.head; i < q.next; i++ {
			if e := &q.items[i]; e.pid == pid && !e.is(entryDone) {
				return e
			}
		}
	}
	first, last := q.items[q.head].seq, q.items[q.next-1].seq
	seq := first - (first-1)%65535 + uint64(pid) - 1
	if seq < first {
		seq += 65535
	}
	for ; seq <= last; seq += 65535 {
		if e := q.find(seq); e != nil && e.pid == 0 {
			return e
		}
	}
	return nil
}

// choosePacketID gives the entry at next an identifier that no inflight entry
// has [MQTT-2.2.1-4] [MQTT-4.3.2-1] [MQTT-4.3.3-1] [MQTT311-2.3.1-4].
func (q *queue) choosePacketID(e *entry) {
	if e.pid != 0 || q.findPacket(PacketID(e.seq)) == nil {
		return
	}
	for pid := PacketID(e.seq) + 1; ; pid++ {
		if pid != 0 && q.findPacket(pid) == nil {
			e.pid = pid
			q.odd++
			return
		}
	}
}

// left returns how many entries are not done.
func (q *queue) left() int { return len(q.items) - q.head - q.holes }

// load is what Session.load says of the queue, once everything that may be sent to
// a client with this Receive Maximum has been sent.
func (q *queue) load(window int32) int32 {
	n := int32(min(q.left(), 1<<30))
	if q.next < len(q.items) {
		n = max(n, window)
	}
	return n
}

// fill gives an entry its message after it was read from the log.
func (q *queue) fill(e *entry, m *Message) {
	e.msg = m
	if !e.is(entryTaken) {
		q.resident += int64(e.size)
	}
}

// shed forgets the message of an entry that waits far back; it is read from
// the log again when its turn comes.
func (q *queue) shed(b *bodies, e *entry) {
	if q.resident > residentBytes && e.id != 0 && e.msg != nil && !e.is(entryTaken) {
		q.resident -= int64(e.size)
		if !e.id.alone() {
			b.share(e.id, e.msg)
		}
		e.msg = nil
	}
}
