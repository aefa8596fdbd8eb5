package store

import (
	"errors"
	"maps"
	"sync"

	"alcove/internal/auth"
	"alcove/internal/broker"
)

// collectStep is how many references are given back at once.
const collectStep = 4096

var errStep = errors.New("enough for one step")

// collects are the queues whose references are to be found. One collector at a time
// reads a tree, so that many queues that end cost no more passes than the disk takes.
type collects struct {
	sync.Mutex
	// waiting has an entry for each tree that is being read: what ended since that
	// pass began, or nil.
	waiting map[auth.AccountID]*ended
}

// collectSoon has the references of e found and given back: those of a deleted
// account, which stand only in the entries on the disk, and those of a session that
// held more than the broker knew.
func (s *Store) collectSoon(e ended) {
	c := &s.collects
	c.Lock()
	defer c.Unlock()
	if c.waiting == nil {
		c.waiting = map[auth.AccountID]*ended{}
	}
	switch next, running := c.waiting[e.top]; {
	case !running:
		c.waiting[e.top] = nil
		s.background.Add(1)
		go s.collectAll(e)
	case next == nil:
		c.waiting[e.top] = &e
	default:
		maps.Copy(next.owners, e.owners)
	}
}

// collectAll is a collector: it goes on while more queues of its tree end.
func (s *Store) collectAll(e ended) {
	defer s.background.Done()
	for more := true; more; {
		if err := s.collect(e); err != nil {
			if !errors.Is(err, ErrClosed) && !errors.Is(err, ErrFailed) {
				s.log.Error("the messages of ended queues cannot be freed before the next start", "error", err)
			}
			s.collects.Lock()
			delete(s.collects.waiting, e.top)
			s.collects.Unlock()
			return
		}
		e, more = s.collects.next(e.top)
	}
}

// next takes what ended in a tree since its pass began.
func (c *collects) next(top auth.AccountID) (ended, bool) {
	c.Lock()
	defer c.Unlock()
	e := c.waiting[top]
	if e == nil {
		delete(c.waiting, top)
		return ended{}, false
	}
	c.waiting[top] = nil
	return *e, true
}

// collect reads the entries of e's tree once. It runs beside everything else: no
// record changes what an ended queue holds, and the messages stay as long as the
// references are not given back. If the process ends meanwhile, Load counts anew.
func (s *Store) collect(e ended) error {
	low := appendPrefix(nil, e.top, 0, spaceTarget)
	high := appendPrefix(nil, e.top, 0, spaceTarget+1)
	var es entries
	for {
		ids := make([]broker.MessageID, 0, collectStep)
		err := s.engine.scan(low, high, func(k []byte, value func() ([]byte, error)) ([]byte, error) {
			select {
			case <-s.stop:
				return nil, ErrClosed
			case <-s.fault.c:
				return nil, ErrFailed
			default:
			}
			if len(ids) >= collectStep {
				low = append([]byte(nil), k...)
				return nil, errStep
			}
			return nil, e.find(k, value, &es, &ids)
		})
		if err != nil && !errors.Is(err, errStep) {
			return err
		}
		if len(ids) > 0 && !s.queue.push(item{drop: &dropped{e.top, ids}}, waiter{}) {
			return ErrClosed
		}
		if err == nil {
			return nil
		}
	}
}

// find appends the message of one value of entries to ids, once for each entry that
// waits in an ended queue.
func (e *ended) find(k []byte, value func() ([]byte, error), es *entries, ids *[]broker.MessageID) error {
	parsed, err := parseKey(k)
	if err != nil {
		return err
	}
	id, extra, err := parsed.message()
	if err != nil {
		return err
	}
	v, err := value()
	if err != nil {
		return err
	}
	if err := es.decode(v, extra); err != nil {
		return named(err, "queue entries of message %d in tree %d", id, e.top)
	}
	for i := range es.targets {
		if o := e.owners[es.targets[i].Owner]; o != nil && o.waits(es.targets[i].Seq) {
			*ids = append(*ids, id)
		}
	}
	return nil
}
