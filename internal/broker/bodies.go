package broker

import (
	"runtime"
	"sync"
	"weak"
)

// bodies finds messages that were read from the log, or are about to be
// forgotten by a queue, while anything still holds them: so a payload is in
// memory once, however many queues wait for it and whenever they read it back.
// It keeps nothing alive. A leaf lock.
type bodies struct {
	mu   sync.Mutex
	held map[MessageID]weak.Pointer[Message]
}

// share returns the message that stands for id: one that is already held, or
// else m, which then does.
func (b *bodies) share(id MessageID, m *Message) *Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	if other := b.held[id].Value(); other != nil {
		return other
	}
	if b.held == nil {
		b.held = make(map[MessageID]weak.Pointer[Message])
	}
	p := weak.Make(m)
	b.held[id] = p
	runtime.AddCleanup(m, func(id MessageID) {
		b.mu.Lock()
		defer b.mu.Unlock()
		// Another reading may have taken the place meanwhile.
		if b.held[id] == p {
			delete(b.held, id)
		}
	}, id)
	return m
}

// find returns the message that stands for id, or nil.
func (b *bodies) find(id MessageID) *Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.held[id].Value()
}
