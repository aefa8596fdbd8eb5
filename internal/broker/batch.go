package broker

// Batches are used again once the log is done with them, with the room of their records
// and queue entries, instead of growing anew. Together with one KindSent record for each
// queue and batch (sent) that took about 10 % off a durable message's CPU time.

const (
	// batchesKept is how many empty batches wait for use: as many as can be at the log.
	batchesKept = flights
	// batchRecordsKept and batchTargetsKept bound the room that one of them keeps.
	batchRecordsKept = 1 << 14
	batchTargetsKept = 1 << 14
)

// add appends records, which are copied with their queue entries, and returns where the
// first of them is.
func (b *Batch) add(records []Record) (first int) {
	first = len(b.Records)
	b.Records = append(b.Records, records...)
	for i := first; i < len(b.Records); i++ {
		r := &b.Records[i]
		if n := len(r.Targets); n > 0 {
			b.targets = append(b.targets, r.Targets...)
			end := len(b.targets)
			r.Targets = b.targets[end-n : end : end]
		}
	}
	return first
}

// reset makes b empty. It tells whether b is worth keeping.
func (b *Batch) reset() bool {
	if cap(b.Records) > batchRecordsKept || cap(b.targets) > batchTargetsKept {
		return false
	}
	clear(b.Records)
	clear(b.targets)
	*b = Batch{Records: b.Records[:0], targets: b.targets[:0]}
	return true
}

// next returns the batch for a ticket, empty. Under c.mu.
func (c *commit) next(ticket uint64) *Batch {
	b := &Batch{}
	if n := len(c.free); n > 0 {
		b, c.free = c.free[n-1], c.free[:n-1]
	}
	b.Ticket = ticket
	return b
}

// spent takes back a batch that the log is done with.
func (c *commit) spent(b *Batch) {
	if !b.reset() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.free) < batchesKept {
		c.free = append(c.free, b)
	}
}

// mark is where a queue's last KindSent record without a Packet Identifier stands.
type mark struct {
	ticket uint64
	place  int // in that batch's records
}

// sent records that everything up to r.Seq of a queue has been sent, and returns the
// ticket of that. Where the last such record of the queue is still in the pending batch
// it is brought up to date: one record for each batch, not for each message. (It then
// stands before the entry that it speaks of, which is the same: a batch is applied as a
// whole.)
func (c *commit) sent(at *mark, sync bool, r Record) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.PacketID == 0 && at.ticket == c.batch.Ticket {
		c.batch.Records[at.place].Seq = r.Seq
		c.batch.Sync = c.batch.Sync || sync
		return at.ticket
	}
	place := c.put(sync, false, []Record{r})
	if r.PacketID == 0 {
		*at = mark{ticket: c.batch.Ticket, place: place}
	}
	return c.batch.Ticket
}
