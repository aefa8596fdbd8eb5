package broker

import (
	"sync"

	"alcove/internal/auth"
)

// users lists the living connections by token, so that a token's change costs
// what it concerns. A leaf lock.
type users struct {
	mu    sync.Mutex
	first map[auth.TokenID]*attachment
}

// enter lists a under its token.
func (u *users) enter(a *attachment, id auth.TokenID) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.first == nil {
		u.first = make(map[auth.TokenID]*attachment)
	}
	a.listed = id
	if a.following = u.first[id]; a.following != nil {
		a.following.preceding = a
	}
	u.first[id] = a
}

// leave takes a off the list.
func (u *users) leave(a *attachment) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case a.preceding != nil:
		a.preceding.following = a.following
	case a.following != nil:
		u.first[a.listed] = a.following
	default:
		delete(u.first, a.listed)
	}
	if a.following != nil {
		a.following.preceding = a.preceding
	}
	a.preceding, a.following = nil, nil
}

// of returns the connections of a token.
func (u *users) of(id auth.TokenID) (found []*attachment) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for a := u.first[id]; a != nil; a = a.following {
		found = append(found, a)
	}
	return found
}
