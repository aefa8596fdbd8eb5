package auth

import "sync"

const shards = 64

// table is a map that many read while one writes: sharded, so that readers on many
// cores do not meet on one lock word.
type table[K comparable, V any] struct {
	shard  func(K) uint
	shards [shards]struct {
		sync.RWMutex
		m map[K]V
	}
}

func newTable[K comparable, V any](shard func(K) uint) *table[K, V] {
	t := &table[K, V]{shard: shard}
	for i := range t.shards {
		t.shards[i].m = map[K]V{}
	}
	return t
}

// get returns the zero value for an unknown key.
func (t *table[K, V]) get(k K) V {
	s := &t.shards[t.shard(k)%shards]
	s.RLock()
	v := s.m[k]
	s.RUnlock()
	return v
}

func (t *table[K, V]) put(k K, v V) {
	s := &t.shards[t.shard(k)%shards]
	s.Lock()
	s.m[k] = v
	s.Unlock()
}

func (t *table[K, V]) remove(k K) {
	s := &t.shards[t.shard(k)%shards]
	s.Lock()
	delete(s.m, k)
	s.Unlock()
}
