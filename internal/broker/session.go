package broker

import (
	"sync"
	"sync/atomic"

	"alcove/internal/auth"
	"alcove/internal/event"
	"alcove/internal/mqtt"
)

// Session is the state of one client that outlives its connections: its
// subscriptions, its queue with what is in flight, the QoS 2 identifiers it
// has received, its Will [MQTT-4.1.0-1] [MQTT311-4.1.0-1].
type Session struct {
	ns       *Namespace
	id       OwnerID
	clientID string

	// link is the attachment of the living connection, or nil.
	link atomic.Pointer[attachment]
	// gen counts the ends of subscriptions. A delivery that was decided
	// before one is refused inside the output's lock, so that nothing follows
	// an UNSUBACK.
	gen atomic.Uint32
	// load is the number of entries in the queue, for the choice of a share
	// group's member; the client's whole window while one of them has to wait.
	load atomic.Int32
	// rights decide what a partly allowed subscription delivers; nil (only
	// after a restart whose token is gone) lets the queue take everything:
	// what the next token may not see is dropped when it attaches.
	rights atomic.Pointer[auth.Rights]
	// lasting says that the session outlives its connection.
	lasting atomic.Bool
	// wanted says that a share group had a message for the session and no room
	// in it: the groups are told when there is some again.
	wanted atomic.Bool

	// contest is who is about to have the session; guarded by Namespace.mu, nil
	// mostly.
	contest *contest

	// due and place are the janitor's, guarded by janitor.mu: when it looks at the
	// session (UNIX nanoseconds), and where in its heap that stands, from 1; 0 is
	// nowhere.
	due   int64
	place int32

	// From here on by mu; the order leaves no gaps.
	ended    bool
	recorded bool // a SessionRecord is in the log
	// overflowed says that the queue's bound ended the session [EXT-SES-3].
	overflowed bool
	mu         sync.Mutex
	expiry     uint32
	epoch      uint32
	token      auth.TokenID
	created    int64
	detached   int64 // UNIX nanoseconds, 0 while attached
	subs       subscriptions
	queue      *queue            // emptyQueue until it is used
	received   map[uint16]*later // QoS 2 identifiers not yet released; what one's answer waits for, or nil
	will       *will
	replaying  *[]*replay // nil mostly: see replays
}

// replays are the replays of retained messages that wait for room. Under s.mu.
func (s *Session) replays() []*replay {
	if s.replaying == nil {
		return nil
	}
	return *s.replaying
}

// setReplays replaces them. Under s.mu.
func (s *Session) setReplays(all []*replay) {
	if s.replaying = nil; len(all) > 0 {
		s.replaying = &all
	}
}

// attachment is the state of one living connection of a session.
//
// s to since never change; grant and rights belong to the owning loop; the rest is
// guarded by Session.mu, where nothing else is said. The order leaves no gaps.
type attachment struct {
	s           *Session
	out         Outlet
	version     mqtt.Version
	problemInfo bool
	choked      bool   // the output was full: Drained comes (Session.mu)
	posted      bool   // a replay's next page is posted (Session.mu)
	reading     bool   // of REST: its rights are those of GET [EXT-REST-8]
	keepAlive   uint16 // seconds
	receiving   uint16 // QoS 1 and 2 PUBLISH packets accepted and not yet answered for good (Session.mu)
	window      uint16 // its Receive Maximum, at most InflightMaximum
	maxPacket   uint32
	since       int64 // UNIX nanoseconds
	figures     figures

	grant  *auth.Grant
	rights *auth.Rights
	// Guarded by users.mu: the place in the list of the token's connections.
	listed               auth.TokenID
	preceding, following *attachment

	acks *acks // nil while nothing has waited
}

// record appends a record of the session's own to the pending batch. Under s.mu.
func (s *Session) record(t *Turn, sync bool, r Record) uint64 {
	r.Top, r.Account, r.Owner = s.ns.top, s.ns.account, s.id
	t.kick = true
	return t.b.commit.append(sync, false, r)
}

// snapshotFor is the session's own data as the log holds it; a is its
// attachment, nil without one. Under s.mu.
func (s *Session) snapshotFor(a *attachment) *SessionRecord {
	r := &SessionRecord{
		ClientID: s.clientID, Created: s.created, Expiry: s.expiry,
		Detached: s.detached, Epoch: s.epoch, Token: s.token,
	}
	if a != nil {
		r.Version = a.version
	}
	if w := s.will; w != nil {
		r.Will, r.WillDelay, r.WillDue = w.message, w.delay, w.due
	}
	return r
}

// own returns the session's queue, made where there was none. Under s.mu.
func (s *Session) own() *queue {
	if s.queue == emptyQueue {
		s.queue = (&queue{}).holds(&s.ns.usage.queued)
	}
	return s.queue
}

// pump sends what waits, in order, as far as the client's Receive Maximum and
// our own bounds allow [MQTT-3.3.4-9] [MQTT-4.9.0-1] [MQTT-4.9.0-2]; nothing else
// waits for the window [MQTT-3.3.4-10] [MQTT-4.9.0-3]. What was taken stays in
// flight until its PUBACK, PUBREC, PUBCOMP [MQTT-4.3.2-3] [MQTT-4.3.3-3]
// [MQTT-4.3.3-5] [MQTT311-4.3.2-1]. Under s.mu.
func (s *Session) pump(t *Turn, a *attachment) {
	q := s.queue
	for q.next < len(q.items) {
		e := &q.items[q.next]
		if e.is(entryDone) {
			q.skip()
			continue
		}
		if e.is(entryOpen) || q.inflight >= int(a.window) {
			break
		}
		if q.inflight > 0 && q.inflightBytes+int64(e.size) > sendBytes {
			break
		}
		if e.is(entryReleased) {
			q.take()
			s.answer(t, a, answer{typ: mqtt.TypePubrel, pid: e.packetID(), seq: e.seq})
			continue
		}
		if e.msg == nil {
			s.pageIn(t)
			break
		}
		if reason := s.unfit(t, a, e); reason != "" {
			s.drop(t, e, reason)
			continue
		}
		s.handOn(t, a, e)
	}
	s.load.Store(q.load(int32(a.window)))
	if s.wanted.Load() && s.load.Load() < int32(a.window) && s.wanted.CompareAndSwap(true, false) {
		for _, g := range s.groups() {
			t.shared = append(t.shared, sharedDone{g: g, s: s})
		}
	}
	if len(s.replays()) > 0 && q.next == len(q.items) && !a.choked {
		s.replay(t, a)
	}
}

// unfit tells why a queued message may not go out, "" where it may. A message
// whose delivery has begun does not expire any more [MQTT-3.3.2-5]
// [MQTT-4.3.3-7]; what the token may not see never goes out [EXT-TOK-7].
func (s *Session) unfit(t *Turn, a *attachment, e *entry) string {
	if !e.is(entryAttempted) && e.msg.Expired(t.Now) {
		t.b.stats.Expired.Add(1)
		return "the message has expired"
	}
	if !a.rights.MayReceive(e.msg.Topic) {
		t.b.stats.DroppedRights.Add(1)
		return "the token may not receive this topic"
	}
	return ""
}

// handOn takes the entry at next, gives it its Packet Identifier, and sends it
// now or, a QoS 2 message of a durable session, once that identifier is
// durable [EXT-SES-4].
func (s *Session) handOn(t *Turn, a *attachment, e *entry) {
	q := s.queue
	pid := e.pid
	q.choosePacketID(e)
	q.take()
	if !e.is(entryDurable) {
		s.transmit(t, a, e)
		return
	}
	if e.seq > q.sentSeq || pid != e.pid {
		_, sync := s.durable()
		q.sentSeq = max(q.sentSeq, e.seq)
		t.kick = true
		q.sentTicket = t.b.commit.sent(&q.sentMark, sync && e.qos == mqtt.QoS2, Record{
			Kind: KindSent, Top: s.ns.top, Account: s.ns.account, Owner: s.id, Seq: e.seq, PacketID: e.pid,
		})
	}
	if e.qos == mqtt.QoS2 && (!a.acks.empty() || !t.b.commit.ripe(q.sentTicket)) {
		// Also behind one that waits while this one's ticket has become ripe.
		e.flags |= entryHeld
		s.answer(t, a, answer{ticket: q.sentTicket, typ: mqtt.TypePublish, seq: e.seq})
		return
	}
	s.transmit(t, a, e)
}

// transmit puts an entry's PUBLISH on the output [MQTT-4.3.2-2] [MQTT-4.3.3-2];
// DUP is set exactly when it was sent before [MQTT-3.3.1-1] [MQTT-3.3.1-3]
// [MQTT311-3.3.1-1] [MQTT311-3.3.1-3].
func (s *Session) transmit(t *Turn, a *attachment, e *entry) {
	d := &t.scratch.delivery
	d.reset(e.msg)
	d.QoS, d.Dup, d.Retain = e.qos, e.is(entryAttempted), e.is(entryRetain)
	d.PacketID, d.SubscriptionIDs = e.packetID(), e.subscriptionIDs()
	d.Own = e.msg.Account == s.ns.account
	d.Expiry, d.HasExpiry = e.msg.Remaining(t.Now)
	t.dress(d, a, s.stamped(e.msg, a))
	e.flags |= entryAttempted
	switch a.out.Deliver(t, d) {
	case Sent:
		t.tally(s.ns).sent(e.msg)
	case TooLarge:
		// Treated as if it had been delivered [MQTT-3.1.2-25].
		t.b.stats.DroppedLarge.Add(1)
		s.settle(t, e)
	}
}

// drop gives up an entry that was not sent, counted and told [EXT-SES-4].
func (s *Session) drop(t *Turn, e *entry, reason string) {
	name := ""
	if e.msg != nil {
		name = string(e.msg.Topic)
	}
	t.noteDrop(s.event(event.MessageDropped, s.token, s.link.Load()), name, reason)
	s.settle(t, e)
}

// settle ends an entry for good: out of the queue, and out of the log. Its
// share group, if it has one, hears of it at the end of the turn's section.
func (s *Session) settle(t *Turn, e *entry) {
	if e.is(entryDurable) || s.recorded && s.expiry > 0 {
		// A share group's entry has no record of the session's own; the log
		// is told all the same, so that its positions have no gaps.
		s.record(t, false, Record{Kind: KindAcked, Seq: e.seq, ID: e.id})
	}
	if e.more != nil && e.more.group != nil {
		t.shared = append(t.shared, sharedDone{e.more.group, s, e.more.share})
	}
	s.queue.done(e)
	if n := s.queue.relieved(s.ns.queueBound()); n > 0 {
		r := s.event(event.MessageDropped, s.token, s.link.Load())
		r.Count = n
		t.noteDrop(r, "", "the session's queue has room again")
	}
}

// enqueue appends m to the queue [MQTT-4.5.0-1] [MQTT311-3.1.2-5]. Where the
// session is durable the entry stays open until Turn.publish has put its record
// into a batch. Under s.mu; m must be kept. It returns false where the queue's
// bound refuses it [EXT-SES-3].
func (s *Session) enqueue(t *Turn, m *Message, e entry) bool {
	if s.overflowed { // it is about to end
		return false
	}
	q := s.own()
	e.msg, e.size = m, uint32(min(m.Size(), 1<<31))
	if q.bytes+int64(e.size) > s.ns.queueBound() && !s.makeRoom(t, int64(e.size)) {
		return false
	}
	p := q.push(e)
	if p.is(entryDurable) {
		p.flags |= entryOpen
		t.targets = append(t.targets, Target{
			Owner: s.id, Account: s.ns.account, Seq: p.seq, QoS: p.qos,
			Retain: p.is(entryRetain), SubscriptionIDs: p.subscriptionIDs(),
		})
		t.opened = append(t.opened, opened{s: s, seq: p.seq})
	}
	return true
}

// makeRoom applies the account's overflow rule.
func (s *Session) makeRoom(t *Turn, size int64) bool {
	q := s.queue
	t.b.stats.DroppedQueue.Add(1)
	t.tally(s.ns).dropped++
	if q.dropped++; q.dropped == 1 {
		t.noteDrop(s.event(event.MessageDropped, s.token, s.link.Load()), "", "the session's queue is full: messages are dropped until there is room")
	}
	switch s.ns.settings.Load().Overflow {
	case auth.DropNewest:
		return false
	case auth.DeleteSession:
		s.overflowed = true
		t.b.overflow(t, s)
		return false
	}
	var few [8]uint64
	victims := few[:0]
	for i, need := q.next, q.bytes+size-s.ns.queueBound(); need > 0; i++ {
		if i == len(q.items) || q.items[i].is(entryOpen) {
			return false // all of it would not make the room
		}
		// An exchange that has begun is completed.
		if e := &q.items[i]; !e.is(entryDone | entryTaken | entryAttempted) {
			victims, need = append(victims, e.seq), need-int64(e.size)
		}
	}
	for _, seq := range victims {
		s.settle(t, q.find(seq))
	}
	return true
}

func (s *Session) groups() []*Group {
	var groups []*Group
	for _, sub := range s.subs.all() {
		if sub.group() != nil {
			groups = append(groups, sub.group())
		}
	}
	return groups
}
