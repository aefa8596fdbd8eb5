package store

import (
	"errors"
	"fmt"

	"alcove/internal/broker"
)

// collectStep is how many references are given back at once.
const collectStep = 4096

var errStep = errors.New("enough for one step")

// collect finds the references to messages which the queues of an ended account
// held, and gives them back. They stand only in the entries on the disk. It runs
// beside everything else: no record changes what an ended queue holds, and the
// messages stay as long as the references are not given back. If the process ends
// meanwhile, Load counts anew.
func (s *Store) collect(e ended) {
	defer s.collectors.Done()
	low := appendPrefix(nil, e.top, 0, spaceTarget)
	high := appendPrefix(nil, e.top, 0, spaceTarget+1)
	var es entries
	for {
		ids := make([]broker.MessageID, 0, collectStep)
		err := s.engine.scan(low, high, func(k []byte, value func() ([]byte, error)) ([]byte, error) {
			if len(ids) >= collectStep {
				low = append(low[:0], k...)
				return nil, errStep
			}
			select {
			case <-s.stop:
				return nil, ErrClosed
			default:
				return nil, e.held(k, value, &es, &ids)
			}
		})
		if errors.Is(err, ErrClosed) {
			return
		}
		if err != nil && !errors.Is(err, errStep) {
			s.log.Error("the messages of a deleted account cannot be freed before the next start", "error", err)
			return
		}
		if len(ids) > 0 && !s.queue.push(item{drop: &dropped{e.top, ids}}, waiter{}) || s.Failed() {
			return // closed
		}
		if err == nil {
			return
		}
	}
}

// held appends the message of one value of entries to ids, once for each entry that
// waits in an ended queue.
func (e *ended) held(k []byte, value func() ([]byte, error), es *entries, ids *[]broker.MessageID) error {
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
		return fmt.Errorf("entries of message %d: %w", id, err)
	}
	for i := range es.targets {
		if o := e.owners[es.targets[i].Owner]; o != nil && o.waits(es.targets[i].Seq) {
			*ids = append(*ids, id)
		}
	}
	return nil
}
