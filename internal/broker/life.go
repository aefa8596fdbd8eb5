package broker

import "alcove/internal/event"

// The life of a session is told by records whose item is the session as REST shows it:
// under new for one that was made or changed, under old for one that has ended
// [EXT-LOG-2].

// itemBytes is room for a session with names of usual length.
const itemBytes = 384

// tellLife notes that the session was created, updated or deleted, as the record says.
func (s *Session) tellLife(t *Turn, r event.Record, i *SessionInfo) {
	if t.b.observer == nil {
		return
	}
	name := `{"new":`
	if r.Code == event.Deleted {
		name = `{"old":`
	}
	r.Item = append(i.appendJSON(append(make([]byte, 0, itemBytes), name...)), '}')
	t.note(r)
}

// tellLife tells what the connect has made of its session.
func (c *connecting) tellLife(t *Turn) {
	if t.b.observer == nil || c.present && !c.altered {
		return
	}
	code := event.Created
	if c.present {
		code = event.Updated
	}
	if info, there := c.s.info(); there {
		c.s.tellLife(t, c.s.event(code, c.a.grant.Token, c.a), &info)
	}
}

// lastSeen is the session as it is told when it has ended; false where nobody listens or
// it has never been there for its account.
func (s *Session) lastSeen(t *Turn) (SessionInfo, bool) {
	if t.b.observer == nil {
		return SessionInfo{}, false
	}
	return s.info()
}
