package broker

import (
	"runtime"
	"sync"
	"weak"
)

// weakly finds objects by a key while anything else holds them; it keeps none alive,
// and forgets those that nobody holds. A leaf lock.
type weakly[K comparable, V any] struct {
	mu   sync.Mutex
	held map[K]weak.Pointer[V]
}

// find returns the object that stands for key, or nil.
func (w *weakly[K, V]) find(key K) *V {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.held[key].Value()
}

// share returns the object that stands for key: one that is already held, or else v,
// which then does. The key must hold no reference to v.
func (w *weakly[K, V]) share(key K, v *V) *V {
	w.mu.Lock()
	defer w.mu.Unlock()
	if other := w.held[key].Value(); other != nil {
		return other
	}
	if w.held == nil {
		w.held = make(map[K]weak.Pointer[V])
	}
	p := weak.Make(v)
	w.held[key] = p
	runtime.AddCleanup(v, func(key K) {
		w.mu.Lock()
		defer w.mu.Unlock()
		// Another one may have taken the place meanwhile.
		if w.held[key] == p {
			delete(w.held, key)
		}
	}, key)
	return v
}
