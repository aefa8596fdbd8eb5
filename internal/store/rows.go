package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"alcove/internal/event"
)

// rows are the changes of one WriteRows.
type rows struct {
	put  []event.Row
	gone []event.Span
	sync bool
}

func (r *rows) write(w writes) {
	var key, bound []byte
	for i := range r.gone {
		g := &r.gone[i]
		key = appendRowKey(key[:0], g.Shelf, g.Account, g.From)
		bound = append(appendRowKey(bound[:0], g.Shelf, g.Account, g.To), 0)
		w.delRange(key, bound)
	}
	for i := range r.put {
		p := &r.put[i]
		key = appendRowKey(key[:0], p.Shelf, p.Account, p.Time)
		w.set(key, p.Value)
	}
}

// rowLen is the length of a row's key.
const rowLen = prefixLen + 1 + 8 + 8

// appendRowKey appends the key of a row.
func appendRowKey(dst []byte, shelf event.Shelf, account, time int64) []byte {
	dst = append(appendPrefix(dst, 0, 0, spaceRow), byte(shelf))
	dst = binary.BigEndian.AppendUint64(dst, uint64(account))
	return binary.BigEndian.AppendUint64(dst, uint64(time))
}

// WriteRows deletes spans, then writes rows, all or none. With sync it returns when
// that is on the disk, else when it is with the operating system. It may be called
// before Load. The slices are borrowed for the call.
func (s *Store) WriteRows(put []event.Row, gone []event.Span, sync bool) error {
	size := recordSize * (1 + len(gone))
	for i := range put {
		size += rowLen + len(put[i].Value)
	}
	c := make(chan error, 1)
	ok := s.queue.push(
		item{rows: &rows{put, gone, sync}, bytes: size},
		waiter{done: func(_ uint64, err error) { c <- err }},
	)
	if !ok {
		return ErrClosed
	}
	return <-c
}

// errEnough ends a scan.
var errEnough = errors.New("enough")

// ReadRows gives the rows of a span to visit, by time, until that returns false. value
// is borrowed for the call.
func (s *Store) ReadRows(span event.Span, visit func(time int64, value []byte) bool) error {
	low := appendRowKey(nil, span.Shelf, span.Account, span.From)
	high := append(appendRowKey(nil, span.Shelf, span.Account, span.To), 0)
	return s.scanRows(low, high, func(_, time int64, value []byte) (next []byte, more bool) {
		return nil, visit(time, value)
	})
}

// EachRow gives all rows of a shelf to visit, account by account, each by time. Where
// visit returns false, the account's other rows are passed over.
func (s *Store) EachRow(shelf event.Shelf, visit func(account, time int64, value []byte) (more bool)) error {
	low := append(appendPrefix(nil, 0, 0, spaceRow), byte(shelf))
	high := append(appendPrefix(nil, 0, 0, spaceRow), byte(shelf)+1)
	return s.scanRows(low, high, func(account, time int64, value []byte) ([]byte, bool) {
		if visit(account, time, value) {
			return nil, true
		}
		return append(appendRowKey(nil, shelf, account, math.MaxInt64), 0), true
	})
}

func (s *Store) scanRows(low, high []byte, visit func(account, time int64, value []byte) (next []byte, more bool)) error {
	one := func(key []byte, value func() ([]byte, error)) ([]byte, error) {
		if len(key) != rowLen {
			return nil, fmt.Errorf("store: key %x is no row's", key)
		}
		v, err := value()
		if err != nil {
			return nil, fmt.Errorf("store: reading a row: %w", err)
		}
		rest := key[prefixLen+1:]
		next, more := visit(int64(binary.BigEndian.Uint64(rest)), int64(binary.BigEndian.Uint64(rest[8:])), v)
		if !more {
			return nil, errEnough
		}
		return next, nil
	}
	err := s.read(func() error { return s.engine.scan(low, high, one) })
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}
