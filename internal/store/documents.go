package store

import (
	"encoding/binary"
	"fmt"
	"strings"

	"alcove/internal/auth"
)

// documents are the changes of one PutDocuments.
type documents struct {
	kind string
	docs []auth.Document
}

func (d *documents) write(w writes) {
	kind := appendDocumentKey(nil, d.kind)
	for _, doc := range d.docs {
		key := appendDocumentID(kind[:len(kind):len(kind)], doc.ID)
		if doc.Bytes == nil {
			w.del(key)
		} else {
			w.set(key, doc.Bytes)
		}
	}
}

// checkKind refuses what would make two kinds' keys mingle.
func checkKind(kind string) error {
	if kind == "" || strings.IndexByte(kind, 0) >= 0 {
		return fmt.Errorf("store: %q is no kind of document", kind)
	}
	return nil
}

// PutDocuments implements auth.Store: it writes or deletes (nil Bytes) documents, all
// or none, and returns when they are synced to the disk. It may be called before
// Load.
func (s *Store) PutDocuments(kind string, docs []auth.Document) error {
	if err := checkKind(kind); err != nil {
		return err
	}
	if len(docs) == 0 {
		return nil
	}
	size := 0
	for i := range docs {
		size += recordSize + len(docs[i].Bytes)
	}
	c := make(chan error, 1)
	ok := s.queue.push(
		item{docs: &documents{kind, docs}, bytes: size},
		waiter{done: func(_ uint64, err error) { c <- err }},
	)
	if !ok {
		return ErrClosed
	}
	return <-c
}

// LoadDocuments implements auth.Store: it visits the documents of a kind by growing
// id. doc is borrowed for the call.
func (s *Store) LoadDocuments(kind string, visit func(id int64, doc []byte) error) error {
	if err := checkKind(kind); err != nil {
		return err
	}
	low := appendDocumentKey(nil, kind)
	high := append(append([]byte(nil), low[:len(low)-1]...), 1)
	one := func(key []byte, value func() ([]byte, error)) ([]byte, error) {
		if len(key) != len(low)+8 {
			return nil, fmt.Errorf("store: key %x is no document's", key)
		}
		doc, err := value()
		if err != nil {
			return nil, fmt.Errorf("store: reading a %s document: %w", kind, err)
		}
		return nil, visit(int64(binary.BigEndian.Uint64(key[len(low):])^1<<63), doc)
	}
	return s.read(func() error { return s.engine.scan(low, high, one) })
}
