package store

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"alcove/internal/auth"
	"alcove/internal/broker"
	"alcove/internal/mqtt"
)

// model is the meaning of the records, written as plainly as possible: it keeps
// everything and frees nothing.
type model struct {
	ticket   uint64
	highest  broker.OwnerID
	owners   map[broker.OwnerID]*modelOwner
	messages map[broker.MessageID]*modelMessage
	retained map[string]retainedContent
}

type modelMessage struct {
	m    plain
	size int
	dead bool
}

type modelOwner struct {
	content     ownerContent
	next, sent  uint64
	entries     map[uint64]*modelEntry // that came
	missing     map[uint64]bool        // that were leapt over and may come
	identifiers map[uint64]uint16
	received    map[uint16]bool
}

type modelEntry struct {
	e        broker.QueuedEntry
	released bool
	acked    bool
	packetID uint16 // of a released one
}

func (e *modelEntry) waits() bool { return e != nil && !e.released && !e.acked }

func newModel() *model {
	return &model{
		owners:   map[broker.OwnerID]*modelOwner{},
		messages: map[broker.MessageID]*modelMessage{},
		retained: map[string]retainedContent{},
	}
}

// live tells whether an entry waits for the message.
func (m *model) live(id broker.MessageID) bool {
	for _, o := range m.owners {
		for _, e := range o.entries {
			if e.waits() && e.e.ID == id {
				return true
			}
		}
	}
	return false
}

// reopened forgets what lives in memory only.
func (m *model) reopened() {
	for _, o := range m.owners {
		clear(o.missing)
	}
}

func (m *model) batch(b *broker.Batch) {
	m.ticket = b.Ticket
	for i := range b.Records {
		m.record(&b.Records[i])
	}
	for id, msg := range m.messages {
		msg.dead = msg.dead || !m.live(id)
	}
}

func (m *model) record(r *broker.Record) {
	m.highest = max(m.highest, r.Owner)
	o := m.owners[r.Owner]
	switch r.Kind {
	case broker.KindSession, broker.KindGroup:
		m.put(r)
	case broker.KindSessionEnd, broker.KindGroupEnd:
		delete(m.owners, r.Owner)
	case broker.KindPublish:
		m.messages[r.ID] = &modelMessage{m: plainOf(r.Message), size: r.Message.Size()}
		m.enter(r)
	case broker.KindTarget:
		m.enter(r)
	case broker.KindRetain:
		m.retained[fmt.Sprint(r.Top, r.Account, string(r.Message.Topic))] = retainedContent{r.Top, r.Account, plainOf(r.Message)}
	case broker.KindRetainDelete:
		delete(m.retained, fmt.Sprint(r.Top, r.Account, r.Topic))
	case broker.KindAccountEnd:
		maps.DeleteFunc(m.owners, func(_ broker.OwnerID, o *modelOwner) bool { return o.content.Account == r.Account })
		maps.DeleteFunc(m.retained, func(_ string, c retainedContent) bool { return c.Account == r.Account })
	default:
		if o != nil {
			o.progress(r)
		}
	}
}

func (m *model) put(r *broker.Record) {
	o := m.owners[r.Owner]
	if o == nil {
		o = &modelOwner{
			entries: map[uint64]*modelEntry{}, missing: map[uint64]bool{},
			identifiers: map[uint64]uint16{}, received: map[uint16]bool{},
		}
		o.content = ownerContent{Top: r.Top, Account: r.Account, Filters: map[string]broker.SubscriptionRecord{}}
		m.owners[r.Owner] = o
	}
	if r.Kind == broker.KindGroup {
		g := *r.Group
		o.content.Group = &g
		return
	}
	if o.content.Session != nil && r.Session.Epoch < o.content.Session.Epoch {
		return
	}
	rec := *r.Session
	o.content.Will = nil
	if rec.Will != nil {
		w := plainOf(rec.Will)
		o.content.Will, rec.Will = &w, nil
	}
	o.content.Session = &rec
}

// reach notes the positions that are leapt over.
func (o *modelOwner) reach(seq uint64) {
	for ; o.next < seq; o.next++ {
		o.missing[o.next] = true
	}
	o.next = seq + 1
}

func (m *model) enter(r *broker.Record) {
	msg := m.messages[r.ID]
	for _, t := range r.Targets {
		m.highest = max(m.highest, t.Owner)
		o := m.owners[t.Owner]
		if o == nil {
			continue
		}
		if t.Seq >= o.next {
			o.reach(t.Seq)
		} else if !o.missing[t.Seq] {
			continue // used before
		}
		delete(o.missing, t.Seq)
		if msg == nil || msg.dead {
			continue
		}
		t.Account = o.content.Account
		o.entries[t.Seq] = &modelEntry{e: broker.QueuedEntry{Target: t, ID: r.ID, Size: msg.size, Expires: msg.m.Expires, Topic: msg.m.Topic}}
	}
}

func (o *modelOwner) progress(r *broker.Record) {
	e := o.entries[r.Seq]
	switch r.Kind {
	case broker.KindSubscribe:
		o.content.Filters[r.Subscription.Filter] = *r.Subscription
	case broker.KindUnsubscribe:
		delete(o.content.Filters, r.Topic)
	case broker.KindSent:
		o.sent = max(o.sent, r.Seq)
		if e.waits() && r.PacketID != 0 {
			o.identifiers[r.Seq] = r.PacketID
			if r.PacketID == broker.PacketID(r.Seq) {
				delete(o.identifiers, r.Seq)
			}
		}
	case broker.KindReleased:
		if e.waits() {
			e.released, e.packetID = true, o.identifiers[r.Seq]
			if r.PacketID != 0 {
				e.packetID = r.PacketID
			}
			if e.packetID == broker.PacketID(r.Seq) {
				e.packetID = 0
			}
			delete(o.identifiers, r.Seq)
			o.sent = max(o.sent, r.Seq)
		}
	case broker.KindAcked:
		if r.Seq >= o.next {
			o.reach(r.Seq)
		}
		delete(o.missing, r.Seq)
		delete(o.identifiers, r.Seq)
		if e != nil {
			e.acked = true
		}
	case broker.KindReceived:
		o.received[r.PacketID] = true
	case broker.KindCompleted:
		delete(o.received, r.PacketID)
	}
}

// content is what Load must show.
func (m *model) content() content {
	c := content{Ticket: m.ticket, Highest: m.highest, Owners: map[broker.OwnerID]*ownerContent{}}
	for id, o := range m.owners {
		oc := o.content
		oc.State = broker.QueueState{Next: o.next, Sent: o.sent}
		for _, seq := range slices.Sorted(maps.Keys(o.entries)) {
			e := o.entries[seq]
			switch {
			case e.waits():
				oc.Queue = append(oc.Queue, e.e)
			case !e.acked:
				oc.State.Released = append(oc.State.Released, broker.SentEntry{Seq: seq, PacketID: e.packetID})
			}
		}
		for _, seq := range slices.Sorted(maps.Keys(o.identifiers)) {
			oc.State.Identifiers = append(oc.State.Identifiers, broker.SentEntry{Seq: seq, PacketID: o.identifiers[seq]})
		}
		oc.State.Received = slices.Sorted(maps.Keys(o.received))
		oc.State = normal(oc.State)
		c.Owners[id] = &oc
	}
	c.Retained = slices.SortedFunc(maps.Values(m.retained), compareRetained)
	return c
}

// author draws records such as a broker makes, and some that it should not.
type author struct {
	m      *model
	seqs   map[broker.OwnerID]uint64
	late   map[broker.OwnerID][]uint64
	owners []broker.OwnerID
	last   broker.OwnerID
}

// The trees: account 1 above 2 and 3; account 4 alone.
var accounts = map[auth.AccountID]auth.AccountID{1: 1, 2: 1, 3: 1, 4: 4}

func (a *author) account(t *rapid.T) auth.AccountID {
	return rapid.SampledFrom([]auth.AccountID{1, 2, 3, 4}).Draw(t, "account")
}

func (a *author) owner(t *rapid.T) broker.OwnerID {
	if len(a.owners) == 0 || rapid.IntRange(0, 19).Draw(t, "stranger") == 0 {
		return broker.OwnerID(rapid.IntRange(1, 40).Draw(t, "owner"))
	}
	return rapid.SampledFrom(a.owners).Draw(t, "owner")
}

// seq draws a position for a new entry: the next, sometimes leaving gaps, sometimes
// filling one.
func (a *author) seq(t *rapid.T, id broker.OwnerID) uint64 {
	if late := a.late[id]; len(late) > 0 && rapid.Bool().Draw(t, "late") {
		seq := late[0]
		a.late[id] = late[1:]
		return seq
	}
	if rapid.IntRange(0, 9).Draw(t, "again") == 0 {
		return rapid.Uint64Range(0, a.seqs[id]).Draw(t, "used")
	}
	for range rapid.SampledFrom([]int{0, 0, 0, 0, 1, 2}).Draw(t, "gap") {
		a.late[id] = append(a.late[id], a.seqs[id])
		a.seqs[id]++
	}
	a.seqs[id]++
	return a.seqs[id] - 1
}

func (a *author) message(t *rapid.T, account auth.AccountID) *broker.Message {
	return &broker.Message{
		Topic:   []byte(rapid.SampledFrom([]string{"a", "a/b", "b/c", "é/ü", "/"}).Draw(t, "topic")),
		Payload: rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "payload"),
		Forward: rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(t, "forward"),
		QoS:     mqtt.QoS(rapid.IntRange(0, 2).Draw(t, "qos")),
		Retain:  rapid.Bool().Draw(t, "retain"),
		Expires: rapid.Int64().Draw(t, "expires"),
		Stamp:   rapid.Int64Range(0, 1e17).Draw(t, "stamp"),
		Account: account, Top: accounts[account],
		Token: auth.TokenID(rapid.Int64Range(0, 1<<40).Draw(t, "token")),
	}
}

// target draws a queue entry for an owner in the tree top.
func (a *author) target(t *rapid.T, top auth.AccountID) []broker.Target {
	id := a.owner(t)
	if o := a.m.owners[id]; o != nil && o.content.Top != top {
		return nil
	}
	x := broker.Target{Owner: id, Seq: a.seq(t, id), QoS: mqtt.QoS(rapid.IntRange(1, 2).Draw(t, "qos")), Retain: rapid.Bool().Draw(t, "retain")}
	for range rapid.IntRange(0, 2).Draw(t, "ids") {
		x.SubscriptionIDs = append(x.SubscriptionIDs, rapid.Uint32Range(1, mqtt.MaxSubscriptionID).Draw(t, "id"))
	}
	return []broker.Target{x}
}

// entry draws a position of an owner, of an entry that came where there is one, and
// its message.
func (a *author) entry(t *rapid.T, id broker.OwnerID) (uint64, broker.MessageID) {
	o := a.m.owners[id]
	if o == nil || len(o.entries) == 0 || rapid.IntRange(0, 9).Draw(t, "odd") == 0 {
		seq := rapid.Uint64Range(0, a.seqs[id]+1).Draw(t, "seq")
		if o != nil && o.entries[seq] != nil {
			return seq, o.entries[seq].e.ID
		}
		return seq, 77
	}
	seqs := slices.Sorted(maps.Keys(o.entries))
	// Mostly from the front, as acknowledgements come.
	i := min(rapid.IntRange(0, len(seqs)-1).Draw(t, "i"), rapid.IntRange(0, len(seqs)-1).Draw(t, "j"))
	return seqs[i], o.entries[seqs[i]].e.ID
}

// refs are the references that an owner holds.
func (m *model) refs(id broker.OwnerID) (ids []broker.MessageID) {
	if o := m.owners[id]; o != nil {
		for _, seq := range slices.Sorted(maps.Keys(o.entries)) {
			if e := o.entries[seq]; e.waits() {
				ids = append(ids, e.e.ID)
			}
		}
	}
	return ids
}

func (a *author) record(t *rapid.T, id broker.MessageID) broker.Record {
	kind := rapid.SampledFrom([]broker.Kind{
		broker.KindSession, broker.KindSession, broker.KindSessionEnd, broker.KindSubscribe, broker.KindUnsubscribe,
		broker.KindGroup, broker.KindPublish, broker.KindPublish, broker.KindPublish, broker.KindPublish, broker.KindTarget,
		broker.KindSent, broker.KindAcked, broker.KindAcked, broker.KindAcked, broker.KindReleased, broker.KindReceived,
		broker.KindCompleted, broker.KindRetain, broker.KindRetainDelete, broker.KindAccountEnd,
	}).Draw(t, "kind")
	account := a.account(t)
	r := broker.Record{Kind: kind, Account: account, Top: accounts[account]}
	switch kind {
	case broker.KindSession, broker.KindGroup:
		a.put(t, &r)
	case broker.KindPublish:
		r.ID, r.Message = id, a.message(t, account)
		for range rapid.IntRange(0, 3).Draw(t, "targets") {
			r.Targets = append(r.Targets, a.target(t, r.Top)...)
		}
	case broker.KindTarget:
		_, r.ID = a.entry(t, a.owner(t))
		if msg := a.m.messages[r.ID]; msg != nil {
			r.Top, r.Account = msg.m.Top, msg.m.Account
		}
		r.Targets = a.target(t, r.Top)
	case broker.KindRetain:
		r.Message = a.message(t, account)
	case broker.KindRetainDelete:
		r.Topic = rapid.SampledFrom([]string{"a", "a/b", "none"}).Draw(t, "topic")
	case broker.KindAccountEnd:
		if rapid.IntRange(0, 4).Draw(t, "sure") > 0 {
			r.Kind = broker.KindRetainDelete
		}
	default:
		a.ofOwner(t, &r)
	}
	return r
}

// put makes a session or a group, a new one or one more time.
func (a *author) put(t *rapid.T, r *broker.Record) {
	if len(a.owners) > 0 && rapid.Bool().Draw(t, "old") {
		r.Owner = rapid.SampledFrom(a.owners).Draw(t, "owner")
		o := a.m.owners[r.Owner]
		if o == nil {
			r.Owner = 0
		} else {
			r.Account, r.Top = o.content.Account, o.content.Top
			r.Kind = broker.KindSession
			if o.content.Group != nil {
				r.Kind = broker.KindGroup
			}
		}
	}
	if r.Owner == 0 {
		a.last += broker.OwnerID(rapid.IntRange(1, 3).Draw(t, "step"))
		r.Owner = a.last
		a.owners = append(a.owners, r.Owner)
	}
	if r.Kind == broker.KindGroup {
		r.Group = &broker.GroupRecord{Share: "g:1", Inner: rapid.SampledFrom([]string{"#", "a/+"}).Draw(t, "inner")}
		return
	}
	r.Session = &broker.SessionRecord{
		ClientID: rapid.StringN(0, 8, 32).Draw(t, "client"), Version: mqtt.V311, Created: rapid.Int64().Draw(t, "created"),
		Expiry: rapid.Uint32().Draw(t, "expiry"), Detached: rapid.Int64().Draw(t, "detached"),
		Epoch: rapid.Uint32Range(0, 3).Draw(t, "epoch"), Token: 3,
	}
	if rapid.Bool().Draw(t, "will") {
		r.Session.Will = a.message(t, r.Account)
		r.Session.WillDelay, r.Session.WillDue = rapid.Uint32().Draw(t, "delay"), rapid.Int64().Draw(t, "due")
	}
}

// ofOwner fills the records which one owner's connection makes.
func (a *author) ofOwner(t *rapid.T, r *broker.Record) {
	r.Owner = a.owner(t)
	if o := a.m.owners[r.Owner]; o != nil {
		r.Account, r.Top = o.content.Account, o.content.Top
	}
	r.PacketID = uint16(rapid.IntRange(1, 5).Draw(t, "packet id"))
	filter := rapid.SampledFrom([]string{"#", "a/+", "$share/g/a"}).Draw(t, "filter")
	switch r.Kind {
	case broker.KindSubscribe:
		r.Subscription = &broker.SubscriptionRecord{Filter: filter, ID: rapid.Uint32Range(0, 9).Draw(t, "id"), Options: mqtt.SubscribeOptions{
			QoS: mqtt.QoS(rapid.IntRange(0, 2).Draw(t, "qos")), NoLocal: rapid.Bool().Draw(t, "no local"),
			RetainAsPublished: rapid.Bool().Draw(t, "as published"), RetainHandling: byte(rapid.IntRange(0, 2).Draw(t, "handling")),
		}}
	case broker.KindUnsubscribe:
		r.Topic = filter
	case broker.KindSessionEnd:
		r.IDs = a.m.refs(r.Owner)
	case broker.KindSent, broker.KindReleased:
		r.Seq, r.ID = a.entry(t, r.Owner)
		if rapid.Bool().Draw(t, "plain id") {
			r.PacketID = 0
		}
	case broker.KindAcked:
		r.Seq, r.ID = a.entry(t, r.Owner)
	}
}

// step is one step of a history: a batch, or a restart where it is nil.
type step = *broker.Batch

func replay(steps []step) *model {
	m := newModel()
	for _, b := range steps {
		if b == nil {
			m.reopened()
		} else {
			m.batch(b)
		}
	}
	return m
}

// eager frees all the time, so that short histories meet it.
var eager = freeing{messages: 5, bytes: 600, idle: 150, sweep: 100, allowance: 200}

func reopenEager(t fataler, fs vfs.FS) *Store {
	t.Helper()
	s, err := Open(Config{Dir: "db", fs: fs, FreeSpaceWatermark: -1, CacheSize: 1 << 20, freeing: &eager})
	if err != nil {
		t.Fatalf("%v", err)
	}
	return s
}

// TestModel applies random histories to a store on Pebble, to one in memory and to
// the model, with restarts and power cuts at random points: all three say the same.
// It proves EXT-SES-4 for the store: what was synced is there, and what was not is
// there up to some point of the log.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fs := vfs.NewCrashableMem()
		mem := &memoryEngine{}
		disk, twin := reopenEager(t, fs), start(mem, newFault(discard), &eager, discard)
		load(t, disk)
		load(t, twin)
		a := &author{m: newModel(), seqs: map[broker.OwnerID]uint64{}, late: map[broker.OwnerID][]uint64{}}
		var steps []step
		synced := uint64(0)
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"batch", "batch", "batch", "batch", "restart", "cut"}).Draw(t, "step") {
			case "batch":
				b := &broker.Batch{Ticket: a.m.ticket + 1, Sync: rapid.Bool().Draw(t, "sync")}
				for i := range rapid.IntRange(1, 12).Draw(t, "records") {
					r := a.record(t, broker.MessageID(b.Ticket<<broker.OrdinalBits|uint64(i)))
					b.Records = append(b.Records, r)
					a.m.record(&r)
				}
				a.m = replay(append(steps, b))
				steps = append(steps, b)
				(&writer{s: disk, ticket: b.Ticket - 1}).must(t, b.Sync, b.Records...)
				(&writer{s: twin, ticket: b.Ticket - 1}).must(t, b.Sync, b.Records...)
				if b.Sync {
					synced = b.Ticket
				}
			case "restart":
				closeStore(t, disk)
				closeStore(t, twin)
				steps = append(steps, nil)
				a.restarted(replay(steps))
				disk, twin = reopenEager(t, fs), start(mem, newFault(discard), &eager, discard)
				checkAll(t, disk, a.m, "after a restart")
				checkAll(t, twin, a.m, "in memory, after a restart")
			case "cut":
				crashed := fs.CrashClone(vfs.CrashCloneCfg{
					UnsyncedDataPercent: rapid.SampledFrom([]int{0, 50, 90}).Draw(t, "of the unsynced data stay"),
					RNG:                 rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)),
				})
				closeStore(t, disk)
				closeStore(t, twin)
				fs, disk = crashed, reopenEager(t, crashed)
				steps = cut(t, disk, steps, synced)
				a.restarted(replay(steps))
				// The twin has no power to be cut: it begins anew with what is left.
				mem = &memoryEngine{}
				twin = start(mem, newFault(discard), &eager, discard)
				load(t, twin)
				again(t, &twin, mem, steps)
			}
		}
		closeStore(t, disk)
		closeStore(t, twin)
		a.m.reopened()
		disk, twin = reopenEager(t, fs), start(mem, newFault(discard), &eager, discard)
		checkAll(t, disk, a.m, "at the end")
		checkAll(t, twin, a.m, "in memory, at the end")
		closeStore(t, disk)
		closeStore(t, twin)
	})
}

func (a *author) restarted(m *model) {
	a.m = m
	clear(a.late)
	for id, o := range m.owners {
		a.seqs[id] = o.next
	}
}

func closeStore(t fataler, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
}

// checkAll compares what s loads, and the messages that it then reads, with m.
func checkAll(t fataler, s *Store, m *model, what string) {
	t.Helper()
	same(t, what, load(t, s), m.content())
	checkBodies(t, s, m, what)
	checkDisk(t, s, m, what)
}

// checkDisk looks at what a store that was just loaded keeps of messages: not much
// more than what lives.
func checkDisk(t fataler, s *Store, m *model, what string) {
	t.Helper()
	if err := s.PutDocuments("barrier", []auth.Document{{ID: 1}}); err != nil { // after the sweep
		t.Fatalf("%v", err)
	}
	live, bytes, entries, bodies := int64(0), int64(0), 0, 0
	for id, msg := range m.messages {
		if m.live(id) {
			live += int64(msg.size + 2*keyCost)
		}
	}
	err := s.engine.scan(firstTree(), lastKey, func(key []byte, value func() ([]byte, error)) ([]byte, error) {
		k, err := parseKey(key)
		if err != nil {
			return nil, err
		}
		v, err := value()
		if err != nil {
			return nil, err
		}
		switch {
		case k.space == spaceMessage:
			bodies++
		case k.space == spaceTarget && len(k.rest) == 8:
			entries++
		}
		if k.space == spaceMessage || k.space == spaceTarget {
			bytes += int64(len(key) + len(v))
		}
		return nil, nil
	})
	if err != nil || bodies != entries || bytes > 3*live+2*eager.allowance+2*eager.idle {
		t.Fatalf("%s: %d bytes in %d messages with %d entries, while %d bytes live (%v)", what, bytes, bodies, entries, live, err)
	}
}

func checkBodies(t fataler, s *Store, m *model, what string) {
	t.Helper()
	for id, msg := range m.messages {
		if !m.live(id) {
			continue
		}
		err := s.Read(msg.m.Top, []broker.MessageID{id}, func(_ broker.MessageID, got *broker.Message) {
			if stored(got) != msg.m {
				t.Fatalf("%s: message %d:\n got %+v\nwant %+v", what, id, stored(got), msg.m)
			}
		})
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// cut checks what a power cut left, and returns the history that leads there.
func cut(t *rapid.T, s *Store, steps []step, synced uint64) []step {
	got := load(t, s)
	if got.Ticket < synced {
		t.Fatalf("a power cut lost batch %d: the last one there is %d", synced, got.Ticket)
	}
	end := 0
	for i, b := range steps {
		if b != nil && b.Ticket <= got.Ticket {
			end = i + 1
		}
	}
	kept := append(slices.Clone(steps[:end]), nil)
	m := replay(kept)
	same(t, "after a power cut", got, m.content())
	checkBodies(t, s, m, "after a power cut")
	return kept
}

// again applies a history with its restarts to a twin.
func again(t *rapid.T, twin **Store, mem *memoryEngine, steps []step) {
	for _, b := range steps {
		if b == nil {
			closeStore(t, *twin)
			*twin = start(mem, newFault(discard), &eager, discard)
			load(t, *twin)
			continue
		}
		(&writer{s: *twin, ticket: b.Ticket - 1}).must(t, b.Sync, b.Records...)
	}
}
