package store

import (
	"container/heap"
	"errors"
	"fmt"
	"slices"

	"alcove/internal/auth"
	"alcove/internal/broker"
)

// Load implements broker.Log. It reads in three passes: the owners of all accounts,
// then the queue entries of each tree (no message body among them), then the
// retained messages. An error says which key holds the damage.
func (s *Store) Load(v broker.Loader) (ticket uint64, owner broker.OwnerID, err error) {
	if err := s.loading(); err != nil {
		return 0, 0, err
	}
	l := loader{engine: s.engine, state: s.state, v: v}
	for _, pass := range []func() error{l.head, l.owners, l.entries, l.retained} {
		if err := s.read(pass); err != nil {
			return 0, 0, fmt.Errorf("store: loading from %s: %w", s.where, err)
		}
	}
	ticket, owner = s.state.ticket, s.state.highest
	s.queue.mu.Lock()
	s.queue.mu.ticket = ticket
	s.queue.mu.loaded = true
	s.queue.mu.Unlock()
	// From here on the state is the applier's.
	s.queue.push(item{sweep: true}, waiter{})
	return ticket, owner, nil
}

// loading makes sure that Load is called once.
func (s *Store) loading() error {
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	if s.queue.mu.loading {
		return errors.New("store: loaded twice")
	}
	s.queue.mu.loading = true
	return nil
}

// loader reads the engine's content into a state, and shows it to v.
type loader struct {
	engine engine
	state  *state
	v      broker.Loader
	tops   []auth.AccountID // trees that have messages, by growing id
	owner  *loadedOwner     // whose keys are being read
}

// loadedOwner is an owner whose keys come one by one.
type loadedOwner struct {
	owner
	session *broker.SessionRecord
	shared  *broker.GroupRecord
	shown   bool
}

func (l *loader) head() error {
	return l.engine.get(appendPrefix(nil, 0, 0, spaceHead), func(value []byte) (err error) {
		l.state.ticket, l.state.highest, err = decodeHead(value)
		return named(err, "the head")
	})
}

// named says what the damaged value is.
func named(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}

// owners reads space o of every account, leaping over the other spaces.
func (l *loader) owners() error {
	var next []byte
	err := l.engine.scan(firstTree(), lastKey, func(b []byte, value func() ([]byte, error)) ([]byte, error) {
		k, err := parseKey(b)
		if err != nil {
			return nil, err
		}
		switch k.space {
		case spaceOwner:
			v, err := value()
			if err != nil {
				return nil, err
			}
			return nil, l.ownerKey(k, v)
		case spaceMessage, spaceTarget:
			if n := len(l.tops); n == 0 || l.tops[n-1] != k.top {
				l.tops = append(l.tops, k.top)
			}
			next = appendAccount(next[:0], k.top, 1)
		case spaceRetained:
			next = appendPrefix(next[:0], k.top, k.account, spaceRetained+1)
		default:
			return nil, fmt.Errorf("key %x is of no known kind", b)
		}
		return next, nil
	})
	if err != nil {
		return err
	}
	return l.showOwner()
}

// lastKey is above every key.
var lastKey = slices.Repeat([]byte{0xFF}, prefixLen)

// ownerKey takes one key of an owner; the parts come in the order of their numbers.
func (l *loader) ownerKey(k key, value []byte) error {
	id, part, rest, err := k.owner()
	if err != nil {
		return err
	}
	if o := l.owner; o == nil || o.id != id {
		if err := l.showOwner(); err != nil {
			return err
		}
		l.owner = &loadedOwner{owner: owner{top: k.top, account: k.account, id: id}}
	}
	o := l.owner
	switch part {
	case partSession:
		r, err := decodeSession(value, k.top)
		o.session = &r
		o.epoch = r.Epoch
		return named(err, "the session of owner %d in account %d", id, k.account)
	case partGroup:
		r, err := decodeGroup(value)
		o.shared, o.group = &r, true
		return named(err, "the share group of owner %d in account %d", id, k.account)
	case partState:
		return named(o.readState(value), "the queue state of owner %d in account %d", id, k.account)
	case partPage:
		if len(rest) != 8 {
			return fmt.Errorf("key %x of owner %d names no page", rest, id)
		}
		number := pageNumber(rest)
		return named(o.readPage(number, value), "page %d of the queue state of owner %d in account %d", number, id, k.account)
	case partSubscription:
		r, err := decodeSubscription(value, string(rest))
		if err != nil {
			return named(err, "a subscription of owner %d in account %d", id, k.account)
		}
		if err := l.announceOwner(); err != nil || !l.owner.shown {
			return err
		}
		return l.v.Subscription(id, r)
	}
	return fmt.Errorf("owner %d in account %d has a part %d, which is not known", id, k.account, part)
}

// announceOwner shows the owner itself, once. One without a record of its own is not
// there: then its other parts are not either.
func (l *loader) announceOwner() error {
	o := l.owner
	if o.shown || o.session == nil && o.shared == nil {
		return nil
	}
	o.shown = true
	kept := o.owner
	l.state.owners[o.id] = &kept
	l.state.saw(o.id)
	if o.session != nil {
		return l.v.Session(o.top, o.account, o.id, *o.session, kept.queueState())
	}
	return l.v.Group(o.top, o.account, o.id, *o.shared, kept.queueState())
}

// showOwner finishes the owner whose keys were read last.
func (l *loader) showOwner() error {
	if l.owner == nil {
		return nil
	}
	err := l.announceOwner()
	l.owner = nil
	return err
}

// entries reads space q of every tree: it counts the references, and shows the
// entries that wait.
func (l *loader) entries() error {
	for _, top := range l.tops {
		t := treeLoader{loader: l, top: top, next: map[broker.OwnerID]uint64{}, held: map[broker.OwnerID]*entryHeap{}}
		low, high := appendPrefix(nil, top, 0, spaceTarget), appendPrefix(nil, top, 0, spaceTarget+1)
		err := l.engine.scan(low, high, func(b []byte, value func() ([]byte, error)) ([]byte, error) {
			v, err := value()
			if err != nil {
				return nil, err
			}
			return nil, t.key(b, v)
		})
		if err != nil {
			return err
		}
		if err := t.finish(); err != nil {
			return err
		}
	}
	return nil
}

// retained reads space r of every account.
func (l *loader) retained() error {
	var next []byte
	var m broker.Message // borrowed by l.v, one at a time: there may be millions
	return l.engine.scan(firstTree(), lastKey, func(b []byte, value func() ([]byte, error)) ([]byte, error) {
		k, err := parseKey(b)
		if err != nil {
			return nil, err
		}
		switch {
		case k.space > spaceRetained || k.account == 0:
			next = appendAccount(next[:0], k.top, k.account+1)
			return next, nil
		case k.space < spaceRetained:
			next = appendPrefix(next[:0], k.top, k.account, spaceRetained)
			return next, nil
		}
		v, err := value()
		if err != nil {
			return nil, err
		}
		if err := readMessage(&m, v, k.top); err != nil {
			return nil, named(err, "the retained message of topic %q in account %d", k.rest, k.account)
		}
		return nil, l.v.Retained(k.top, k.account, &m)
	})
}

// treeLoader reads the queue entries of one tree.
//
// They come in the order of the messages, while a queue wants them in the order of
// its positions. The two differ where an entry was added to an older message, and by
// a little where publishers raced. Which position is the next that waits is known
// from the queue's state, so an entry that comes early is held until its turn.
type treeLoader struct {
	*loader
	top  auth.AccountID
	next map[broker.OwnerID]uint64 // the position to show next, of the queues met
	held map[broker.OwnerID]*entryHeap

	id    broker.MessageID // the message whose entries are being read
	seen  bool             // id is valid
	first entries          // its first value
	later entries          // scratch for others
	topic string           // first.topic
}

// key takes one value of entries.
func (t *treeLoader) key(b, value []byte) error {
	k, err := parseKey(b)
	if err != nil {
		return err
	}
	id, extra, err := k.message()
	if err != nil {
		return err
	}
	if !extra {
		if err := t.first.decode(value, false); err != nil {
			return named(err, "the queue entries of message %d in tree %d", id, t.top)
		}
		t.id, t.seen, t.topic = id, true, string(t.first.topic)
		size := keyCost + len(value) + t.first.raw
		t.state.tree(t.top).add(id, 0, uint32(size))
		t.state.deadBytes += int64(size) // until a reference is found
		return t.show(t.first.targets)
	}
	if !t.seen || t.id != id {
		return nil // of a message that was freed
	}
	if err := t.later.decode(value, true); err != nil {
		return named(err, "later queue entries of message %d in tree %d", id, t.top)
	}
	if g, _, ok := t.state.tree(t.top).at(id); ok {
		g.extra = true
	}
	return t.show(t.later.targets)
}

// show counts and shows those of targets that wait.
func (t *treeLoader) show(targets []broker.Target) error {
	for i := range targets {
		target := targets[i]
		t.state.saw(target.Owner)
		o := t.state.owners[target.Owner]
		if o == nil || !o.waits(target.Seq) {
			continue
		}
		t.ref()
		o.held++
		target.Account = o.account
		e := broker.QueuedEntry{Target: target, ID: t.id, Size: t.first.raw + overhead, Expires: t.first.expires, Topic: t.topic}
		if err := t.queued(o, e); err != nil {
			return err
		}
	}
	return nil
}

// ref counts a reference to the message being read.
func (t *treeLoader) ref() {
	g, i, ok := t.state.tree(t.top).at(t.id)
	if !ok {
		return
	}
	if g.refs[i] == 0 {
		t.state.liveBytes += int64(g.sizes[i])
		t.state.deadBytes -= int64(g.sizes[i])
	}
	g.ref(i)
}

// queued shows e, and those held entries whose turn comes with it; or holds it.
func (t *treeLoader) queued(o *owner, e broker.QueuedEntry) error {
	next, met := t.next[o.id]
	if !met {
		next = o.nextWaiting(0)
	}
	if e.Seq != next {
		t.next[o.id] = next
		if t.held[o.id] == nil {
			t.held[o.id] = &entryHeap{}
		}
		heap.Push(t.held[o.id], e)
		return nil
	}
	if err := t.v.Queued(e); err != nil {
		return err
	}
	next = o.nextWaiting(next + 1)
	held := t.held[o.id]
	for held != nil && held.Len() > 0 && (*held)[0].Seq == next {
		if err := t.v.Queued(heap.Pop(held).(broker.QueuedEntry)); err != nil {
			return err
		}
		next = o.nextWaiting(next + 1)
	}
	t.next[o.id] = next
	return nil
}

// entryHeap is a heap of queue entries, the lowest position on top.
type entryHeap []broker.QueuedEntry

func (h entryHeap) Len() int           { return len(h) }
func (h entryHeap) Less(i, j int) bool { return h[i].Seq < h[j].Seq }
func (h entryHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *entryHeap) Push(e any)        { *h = append(*h, e.(broker.QueuedEntry)) }

func (h *entryHeap) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = broker.QueuedEntry{}
	*h = (*h)[:last]
	return e
}

// finish shows what is still held. There is none, unless entries are missing that
// the queues' states call waiting: then what is there is shown in order, and the
// loss is reported.
func (t *treeLoader) finish() error {
	for id, held := range t.held {
		if held.Len() > 0 {
			t.state.log.Error("store: queue entries are missing", "owner", id, "before", (*held)[0].Seq)
		}
		for held.Len() > 0 {
			if err := t.v.Queued(heap.Pop(held).(broker.QueuedEntry)); err != nil {
				return err
			}
		}
	}
	return nil
}
