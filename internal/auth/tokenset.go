package auth

// tokenSet is the tokens of an account. Most accounts have one, which needs no map.
// The zero value is empty.
type tokenSet struct {
	one  TokenID              // of one token
	many map[TokenID]struct{} // of more
}

func (s *tokenSet) len() int {
	switch {
	case s.many != nil:
		return len(s.many)
	case s.one != 0:
		return 1
	}
	return 0
}

func (s *tokenSet) add(id TokenID) {
	switch {
	case s.many != nil:
		s.many[id] = struct{}{}
	case s.one == 0 || s.one == id:
		s.one = id
	default:
		s.many = map[TokenID]struct{}{s.one: {}, id: {}}
		s.one = 0
	}
}

func (s *tokenSet) remove(id TokenID) {
	if s.one == id {
		s.one = 0
	}
	delete(s.many, id)
	if len(s.many) == 1 {
		for s.one = range s.many {
		}
	}
	if len(s.many) <= 1 {
		s.many = nil
	}
}

func (s *tokenSet) appendTo(ids []TokenID) []TokenID {
	if s.one != 0 {
		ids = append(ids, s.one)
	}
	for id := range s.many {
		ids = append(ids, id)
	}
	return ids
}
