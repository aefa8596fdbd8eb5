package store

import (
	"sync"

	"github.com/tidwall/btree"
)

// memoryEngine is the engine in memory: a sorted map, which nothing survives.
type memoryEngine struct {
	mu sync.RWMutex
	m  btree.Map[string, []byte]
}

// write is one change: the deletion of the keys from key up to below high where
// high is set, of key alone where value is nil, else a new value.
type write struct {
	key, high string
	value     []byte
}

type memoryWrites struct {
	list  []write
	bytes int
}

func (e *memoryEngine) begin() writes { return &memoryWrites{} }

func (w *memoryWrites) set(key, value []byte) {
	w.bytes += len(key) + len(value)
	w.list = append(w.list, write{key: string(key), value: append(make([]byte, 0, len(value)), value...)})
}

func (w *memoryWrites) del(key []byte) {
	w.bytes += len(key)
	w.list = append(w.list, write{key: string(key)})
}

func (w *memoryWrites) delRange(low, high []byte) {
	w.bytes += len(low) + len(high)
	w.list = append(w.list, write{key: string(low), high: string(high)})
}

func (w *memoryWrites) size() int { return w.bytes }

func (e *memoryEngine) commit(w writes, _ bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range w.(*memoryWrites).list {
		switch {
		case c.high != "":
			var keys []string
			e.m.Ascend(c.key, func(k string, _ []byte) bool {
				if k < c.high {
					keys = append(keys, k)
				}
				return k < c.high
			})
			for _, k := range keys {
				e.m.Delete(k)
			}
		case c.value == nil:
			e.m.Delete(c.key)
		default:
			e.m.Set(c.key, c.value)
		}
	}
	return nil
}

func (e *memoryEngine) get(key []byte, visit func(value []byte) error) error {
	e.mu.RLock()
	value, ok := e.m.Get(string(key))
	e.mu.RUnlock()
	if !ok {
		return nil
	}
	return visit(value) // values are never written again
}

// scan takes the lock for one step at a time, so that a visitor may take long and
// may write.
func (e *memoryEngine) scan(low, high []byte, visit func([]byte, func() ([]byte, error)) ([]byte, error)) error {
	from, end := string(low), string(high)
	for {
		key, v, ok := e.ceiling(from)
		if !ok || key >= end {
			return nil
		}
		next, err := visit([]byte(key), func() ([]byte, error) { return v, nil })
		if err != nil {
			return err
		}
		if next != nil {
			from = string(next)
		} else {
			from = key + "\x00"
		}
	}
}

// ceiling returns the first key that is not below from.
func (e *memoryEngine) ceiling(from string) (key string, value []byte, ok bool) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	e.m.Ascend(from, func(k string, v []byte) bool {
		key, value, ok = k, v, true
		return false
	})
	return key, value, ok
}

func (e *memoryEngine) close() error { return nil }
