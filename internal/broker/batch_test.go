package broker

import (
	"slices"
	"testing"
)

// TestBatchAdd looks at what a batch holds: copies, which the caller's next records do
// not change, and after a reset nothing.
func TestBatchAdd(t *testing.T) {
	b := &Batch{Ticket: 3, Sync: true}
	targets := []Target{{Owner: 1, Seq: 1}, {Owner: 2, Seq: 1, SubscriptionIDs: []uint32{7}}}
	record := Record{Kind: KindPublish, ID: 1, Message: &Message{}, Targets: targets}
	for n := range 100 {
		if place := b.add([]Record{{Kind: KindAcked}, record}); place != 2*n {
			t.Fatalf("record %d is at %d", 2*n, place)
		}
		targets[0].Seq++
		record.ID++
	}
	for n := range 100 {
		r := &b.Records[2*n+1]
		if r.ID != MessageID(n+1) || len(r.Targets) != 2 || r.Targets[0].Seq != uint64(n+1) || cap(r.Targets) != 2 {
			t.Fatalf("record %d became %+v", 2*n+1, r)
		}
	}
	if !b.reset() || len(b.Records) != 0 || b.Ticket != 0 || b.Sync {
		t.Fatalf("after a reset %+v", b)
	}
	for _, r := range b.Records[:cap(b.Records)] {
		if r.Message != nil || r.Targets != nil {
			t.Fatal("a batch that waits for use holds a message")
		}
	}
	for _, x := range b.targets[:cap(b.targets)] {
		if x.SubscriptionIDs != nil {
			t.Fatal("a batch that waits for use holds Subscription Identifiers")
		}
	}
}

// TestBatchRoom keeps no batch that has grown beyond the bounds.
func TestBatchRoom(t *testing.T) {
	if (&Batch{Records: make([]Record, 1, batchRecordsKept+1)}).reset() || (&Batch{targets: make([]Target, 1, batchTargetsKept+1)}).reset() {
		t.Error("a batch larger than the bound is kept")
	}
	c := &commit{}
	for range batchesKept + 3 {
		c.spent(&Batch{})
	}
	if len(c.free) != batchesKept {
		t.Errorf("%d batches are kept", len(c.free))
	}
	b := c.next(9)
	if b.Ticket != 9 || len(c.free) != batchesKept-1 {
		t.Errorf("batch %d, %d left", b.Ticket, len(c.free))
	}
}

// TestSentOnce counts the records that say what has been sent: one for a queue and
// batch, and one for each entry with an identifier of its own.
func TestSentOnce(t *testing.T) {
	c := &commit{batch: &Batch{Ticket: 5}}
	var one, two mark
	sent := func(at *mark, sync bool, owner OwnerID, seq uint64, pid uint16) {
		t.Helper()
		if ticket := c.sent(at, sync, Record{Kind: KindSent, Owner: owner, Seq: seq, PacketID: pid}); ticket != c.batch.Ticket {
			t.Errorf("ticket %d of owner %d", ticket, owner)
		}
	}
	sent(&one, false, 1, 1, 0)
	sent(&two, false, 2, 1, 0)
	sent(&one, false, 1, 2, 0)
	sent(&one, false, 1, 3, 77)
	sent(&one, false, 1, 4, 0)
	if c.batch.Sync {
		t.Error("nobody has asked for fsync")
	}
	sent(&two, true, 2, 2, 0)
	if !c.batch.Sync {
		t.Error("the batch is not synced")
	}
	check := func(want ...Record) {
		t.Helper()
		if !slices.EqualFunc(c.batch.Records, want, func(a, b Record) bool {
			return a.Owner == b.Owner && a.Seq == b.Seq && a.PacketID == b.PacketID
		}) {
			t.Errorf("batch %d: %+v", c.batch.Ticket, c.batch.Records)
		}
	}
	check(Record{Owner: 1, Seq: 4}, Record{Owner: 2, Seq: 2}, Record{Owner: 1, Seq: 3, PacketID: 77})
	c.batch = c.next(6)
	sent(&one, false, 1, 5, 0)
	check(Record{Owner: 1, Seq: 5})
}

// TestMessageID gives messages of one batch ids that grow, and tells those of a single
// queue.
func TestMessageID(t *testing.T) {
	c := &commit{batch: &Batch{Ticket: 5}}
	last := MessageID(0)
	for n := range 4 {
		r := []Record{{Kind: KindPublish, Targets: make([]Target, n)}}
		c.append(false, false, r...)
		if id := r[0].ID; id <= last || id.ticket() != 5 || id.alone() != (n == 1) {
			t.Errorf("%d queues: id %d after %d, of batch %d, alone %v", n, id, last, id.ticket(), id.alone())
		}
		last = r[0].ID
	}
	if newMessageID(6, 0, false) <= newMessageID(5, 1<<(OrdinalBits-1)-1, true) {
		t.Error("ids of a batch reach into the next one's")
	}
}
