package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"alcove/internal/auth"
	"alcove/internal/broker"
)

// Read implements broker.Log. Growing ids, which is how a queue asks for what it
// sends next, are read in one pass over the disk's blocks. A message whose last
// reference is gone may still be visited until its segment is freed.
func (s *Store) Read(top auth.AccountID, ids []broker.MessageID, visit func(broker.MessageID, *broker.Message)) error {
	return s.read(func() error {
		if len(ids) > 1 && slices.IsSorted(ids) {
			return s.readSorted(top, ids, visit)
		}
		return s.readEach(top, ids, visit)
	})
}

// readEach is Read for ids in any order.
func (s *Store) readEach(top auth.AccountID, ids []broker.MessageID, visit func(broker.MessageID, *broker.Message)) error {
	var key []byte
	for _, id := range ids {
		var m *broker.Message
		key = appendMessageKey(key[:0], top, spaceMessage, id)
		err := s.engine.get(key, func(value []byte) (err error) {
			m, err = decodeMessage(bytes.Clone(value), top)
			return err
		})
		if err != nil {
			return unreadable(top, id, err)
		}
		visit(id, m)
	}
	return nil
}

func unreadable(top auth.AccountID, id broker.MessageID, err error) error {
	return fmt.Errorf("store: reading message %d of tree %d: %w", id, top, err)
}

// readSorted is Read for growing ids, which may repeat.
func (s *Store) readSorted(top auth.AccountID, ids []broker.MessageID, visit func(broker.MessageID, *broker.Message)) error {
	low := appendMessageKey(nil, top, spaceMessage, ids[0])
	high := append(appendMessageKey(nil, top, spaceMessage, ids[len(ids)-1]), 0)
	var next []byte
	err := s.engine.scan(low, high, func(key []byte, value func() ([]byte, error)) ([]byte, error) {
		here := broker.MessageID(binary.BigEndian.Uint64(key[prefixLen:]))
		for len(ids) > 0 && ids[0] < here {
			visit(ids[0], nil)
			ids = ids[1:]
		}
		if len(ids) > 0 && ids[0] == here {
			v, err := value()
			if err != nil {
				return nil, unreadable(top, here, err)
			}
			m, err := decodeMessage(bytes.Clone(v), top)
			if err != nil {
				return nil, unreadable(top, here, err)
			}
			for len(ids) > 0 && ids[0] == here {
				visit(here, m)
				ids = ids[1:]
			}
		}
		if len(ids) == 0 || ids[0] == here+1 {
			return nil, nil
		}
		next = appendMessageKey(next[:0], top, spaceMessage, ids[0])
		return next, nil
	})
	if err != nil {
		return err
	}
	for _, id := range ids {
		visit(id, nil)
	}
	return nil
}
