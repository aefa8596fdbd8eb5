package auth

import (
	"encoding/json"
	"fmt"
)

// Store keeps the directory's documents. The consumer declares it; the store
// implements it.
type Store interface {
	// LoadDocuments calls visit for every document of the kind, in any order; doc is
	// borrowed for the call.
	LoadDocuments(kind string, visit func(id int64, doc []byte) error) error
	// PutDocuments writes or deletes documents of the kind, all or none, and returns
	// when they are on disk, synced.
	PutDocuments(kind string, docs []Document) error
}

// Document is one stored document; nil Bytes delete it.
type Document struct {
	ID    int64
	Bytes []byte
}

// The kinds of documents. Document 0 of each kind holds its counter.
const (
	kindAccount = "account"
	kindToken   = "token"
	kindLimit   = "limit"
	counterID   = 0
)

// documentVersion is the form of the documents written by this version. A reader
// refuses newer ones, and must go on reading older ones.
const documentVersion = 1

// counterDoc is document 0 of a kind: how many ids of the kind were given out. It is
// written in one batch with what took the id, so that no id comes twice.
type counterDoc struct {
	Version int    `json:"v"`
	Next    uint64 `json:"next"`
	Secret  []byte `json:"secret,omitempty"` // of kindAccount: scatters ids, salts SCRAM of unknown users
}

type accountDoc struct {
	Version int `json:"v"`
	Account
}

type tokenDoc struct {
	Version   int     `json:"v"`
	Permanent bool    `json:"permanent,omitempty"`
	Secret    secrets `json:"secret"`
	Token
}

type limitDoc struct {
	Version int `json:"v"`
	Limit
}

func limitDocument(l Limit) Document {
	return Document{ID: int64(l.ID), Bytes: encode(limitDoc{documentVersion, l})}
}

func accountDocument(a Account) Document {
	return Document{ID: int64(a.ID), Bytes: encode(accountDoc{documentVersion, a})}
}

// tokenDocument is r as stored, with this time of its last use.
func tokenDocument(r *record, accessed int64) Document {
	t := r.Token
	t.Accessed = accessed
	return Document{ID: int64(t.ID), Bytes: encode(tokenDoc{documentVersion, r.permanent, r.secret, t})}
}

func counterDocument(next uint64, secret []byte) Document {
	return Document{ID: counterID, Bytes: encode(counterDoc{documentVersion, next, secret})}
}

// encode cannot fail: the documents hold only strings, numbers and JSON text that was
// parsed before.
func encode(doc any) []byte {
	b, err := json.Marshal(doc)
	if err != nil {
		panic("auth: encoding a document: " + err.Error())
	}
	return b
}

func decode[T any](kind string, id int64, doc []byte, version func(*T) int) (T, error) {
	var v T
	if err := json.Unmarshal(doc, &v); err != nil {
		return v, fmt.Errorf("auth: %s %d: damaged document: %w", kind, id, err)
	}
	if n := version(&v); n < 1 || n > documentVersion {
		return v, fmt.Errorf("auth: %s %d: document version %d is not known", kind, id, n)
	}
	return v, nil
}
