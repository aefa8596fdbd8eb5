package broker

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"alcove/internal/auth"
	"alcove/internal/topic"
)

var errStore = errors.New("broker: the store has failed")

// recovery brings a new Broker to what the log holds. Nothing else runs yet, so
// it takes no lock that others could want.
type recovery struct {
	b        *Broker
	now      time.Time
	sessions map[OwnerID]*Session
	groups   map[OwnerID]*Group
	shared   []sharedSub
	// identifiers are the entries sent with another identifier than
	// PacketID(seq).
	identifiers map[OwnerID][]SentEntry
	lost        int // accounts that are not in the directory
}

type sharedSub struct {
	sub *Subscription
	f   topic.Filter
}

func (b *Broker) recover(log Log) error {
	r := &recovery{b: b, now: time.Now(), sessions: make(map[OwnerID]*Session), groups: make(map[OwnerID]*Group), identifiers: make(map[OwnerID][]SentEntry)}
	ticket, owner, err := log.Load(r)
	if err != nil {
		return fmt.Errorf("broker: loading the log: %w", err)
	}
	b.owners.Store(uint64(owner))
	b.commit = newCommit(log, ticket, b.drained, func(err error) {
		b.logger.Error("the store has failed: nothing durable is acknowledged from now on", "error", err)
	})
	if r.lost > 0 {
		b.logger.Warn("the log holds data of accounts that do not exist", "records", r.lost)
	}
	b.do(func(t *Turn) { r.finish(t) })
	return nil
}

// Session implements Loader.
func (r *recovery) Session(top, account auth.AccountID, id OwnerID, rec SessionRecord, q QueueState) error {
	ns, ok := r.b.namespace(account)
	if !ok {
		r.lost++
		return nil
	}
	s := &Session{
		ns: ns, id: id, clientID: rec.ClientID, created: rec.Created, recorded: true,
		expiry: rec.Expiry, epoch: rec.Epoch, token: rec.Token, detached: rec.Detached, queue: (&queue{}).holds(&ns.usage.queued),
	}
	s.lasting.Store(rec.Expiry > 0)
	if s.detached == 0 { // it was attached when the broker ended
		s.detached = r.now.UnixNano()
	}
	if rec.Will != nil {
		s.will = &will{message: rec.Will.MarkKept(), delay: rec.WillDelay, due: rec.WillDue}
		if s.will.due == 0 {
			s.will.due = s.detached + int64(rec.WillDelay)*1e9
		}
	}
	if g, err := r.b.directory.Standing(rec.Token, r.now); err == nil && g.Account == account {
		s.rights.Store(g.Rights(rec.ClientID))
	}
	r.takeOver(id, s.queue, q)
	for _, pid := range q.Received {
		if s.received == nil {
			s.received = make(map[uint16]*later)
		}
		s.received[pid] = nil
	}
	ns.sessions[rec.ClientID] = s
	ns.ordered.Put(s, s.id.place)
	r.sessions[id] = s
	r.b.stats.Sessions.Add(1)
	return nil
}

// takeOver gives a queue what was known of its positions. Entries whose PUBREC
// had come have no message any more, so they are not Queued: they stand here.
func (r *recovery) takeOver(id OwnerID, q *queue, st QueueState) {
	q.nextSeq, q.sentSeq = max(st.Next, 1), st.Sent
	for _, e := range st.Released {
		if e.PacketID != 0 {
			q.odd++
		}
		q.restore(entry{seq: e.Seq, pid: e.PacketID, qos: 2, flags: entryReleased | entryAttempted | entryDurable})
	}
	if len(st.Identifiers) > 0 {
		r.identifiers[id] = st.Identifiers
	}
}

// Group implements Loader.
func (r *recovery) Group(top, account auth.AccountID, id OwnerID, rec GroupRecord, q QueueState) error {
	ns, ok := r.b.namespace(account)
	if !ok {
		r.lost++
		return nil
	}
	f, err := topic.Parse("$share/"+rec.Share+"/"+rec.Inner, r.b.limits.MaximumLevels)
	if err == nil {
		_, err = r.b.conditions.compile(&f)
	}
	if err != nil {
		// The limits were narrowed since: its members' subscriptions go too.
		r.b.logger.Warn("a stored share group is no longer valid", "account", account, "error", err)
		return nil
	}
	g := ns.newGroup(id, groupKey{f.Group, f.Rest}, f)
	g.recorded = true
	r.takeOver(id, &g.queue, QueueState{Next: q.Next})
	ns.groups[g.key] = g
	ns.tree.Add(f.Inner, g.entry)
	r.groups[id] = g
	return nil
}

// Subscription implements Loader.
func (r *recovery) Subscription(owner OwnerID, rec SubscriptionRecord) error {
	s := r.sessions[owner]
	if s == nil {
		r.lost++
		return nil
	}
	filter, account := cutKey(rec.Filter)
	f, err := topic.Parse(filter, r.b.limits.MaximumLevels)
	var sub *Subscription
	if err == nil {
		sub, err = s.newSubscription(f, narrowing{account: account})
	}
	if err != nil {
		// The limits were narrowed since: the subscription goes.
		r.b.logger.Warn("a stored subscription is no longer valid", "account", s.ns.account, "error", err)
		return nil
	}
	sub.id = rec.ID
	sub.setOptions(rec.Options)
	if rights := s.rights.Load(); rights != nil {
		sub.mark(markPartial, rights.Subscribe(f) != auth.Whole)
	}
	if s.install(sub, f) {
		s.ns.usage.subscriptions.Add(1)
	}
	if f.Share != "" {
		// The group's own record may come later.
		r.shared = append(r.shared, sharedSub{sub, f})
	}
	return nil
}

// Queued implements Loader.
func (r *recovery) Queued(e QueuedEntry) error {
	q := r.queueOf(e.Owner)
	if q == nil {
		r.lost++
		return nil
	}
	x := entry{seq: e.Seq, id: e.ID, size: uint32(e.Size), qos: e.QoS, flags: entryDurable}
	if e.Retain {
		x.flags |= entryRetain
	}
	if e.Seq <= q.sentSeq {
		x.flags |= entryAttempted
	}
	for _, i := range r.identifiers[e.Owner] {
		if i.Seq == e.Seq {
			x.pid = i.PacketID
			q.odd++
		}
	}
	if len(e.SubscriptionIDs) > 0 {
		x.more = &entryMore{ids: e.SubscriptionIDs}
	}
	q.restore(x)
	if g := r.groups[e.Owner]; g != nil && g.sticky != nil { // [EXT-SHR-4]
		st := g.sticky
		st.idle.items = append(st.idle.items, waitsAt(e.Seq, st.slot([]byte(e.Topic))))
	}
	return nil
}

func (r *recovery) queueOf(id OwnerID) *queue {
	if s := r.sessions[id]; s != nil {
		return s.queue
	}
	if g := r.groups[id]; g != nil {
		return &g.queue
	}
	return nil
}

// Retained implements Loader.
func (r *recovery) Retained(top, account auth.AccountID, m *Message) error {
	ns, ok := r.b.namespace(account)
	if !ok {
		r.lost++
		return nil
	}
	x := &ns.retained
	x.order++
	x.put(r.b, newBlob(m, x.order), false)
	x.logged = true
	return nil
}

// finish sorts what came in other than by position, ends the sessions that do
// not outlive their connection, and lets the rest wait for their time. Groups
// without a member were only waiting for their record's removal.
func (r *recovery) finish(t *Turn) {
	for _, ns := range r.b.namespaces {
		// The clock may have run ahead of the time before, and have given stamps that
		// are not stored.
		if latest := ns.retained.index(); latest >= r.now.UnixMicro() {
			ns.outrun(min(latest+1e6, r.now.UnixMicro()+stampAhead))
		}
	}
	for _, x := range r.shared {
		x.sub.more.group = x.sub.s.ns.group(x.f)
		x.sub.more.group.join(t, x.sub)
	}
	for _, s := range r.sessions {
		s.queue.settleOrder()
		s.clamp(t, seconds(s.ns.settings.Load().SessionExpiryMax))
		if s.expiry == 0 {
			s.end(t, "the broker was restarted")
			continue
		}
		r.b.janitor.watch(s, s.deadline())
	}
	for _, g := range r.groups {
		g.queue.settleOrder()
		if g.sticky != nil {
			slices.Sort(g.sticky.idle.items)
		}
		if len(g.members) == 0 {
			g.ns.mu.Lock()
			g.mu.Lock()
			g.end(t)
			g.mu.Unlock()
			g.ns.mu.Unlock()
		}
	}
}
