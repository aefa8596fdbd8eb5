package auth

import (
	"encoding/json"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"alcove/internal/mqtt"
)

var (
	start = time.Unix(1_700_000_000, 0)
	home  = netip.MustParseAddr("192.0.2.7")
)

const operatorKey = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ01"

// memory is a Store that can be told to fail.
type memory struct {
	mu   sync.Mutex
	docs map[string]map[int64][]byte
	fail error
	puts int
}

func newMemory() *memory { return &memory{docs: map[string]map[int64][]byte{}} }

func (m *memory) LoadDocuments(kind string, visit func(int64, []byte) error) error {
	m.mu.Lock()
	docs := maps.Clone(m.docs[kind])
	m.mu.Unlock()
	for id, doc := range docs {
		if err := visit(id, slices.Clone(doc)); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) PutDocuments(kind string, docs []Document) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	m.puts++
	if m.docs[kind] == nil {
		m.docs[kind] = map[int64][]byte{}
	}
	for _, d := range docs {
		if d.Bytes == nil {
			delete(m.docs[kind], d.ID)
			continue
		}
		if !json.Valid(d.Bytes) {
			return errors.New("not JSON")
		}
		m.docs[kind][d.ID] = slices.Clone(d.Bytes)
	}
	return nil
}

// watcher records what the Observer is told.
type watcher struct {
	mu     sync.Mutex
	events []string
}

func (w *watcher) note(what string, id int64) {
	w.mu.Lock()
	w.events = append(w.events, what+" "+strconv.FormatInt(id, 10))
	w.mu.Unlock()
}
func (w *watcher) TokenChanged(id TokenID)     { w.note("changed", int64(id)) }
func (w *watcher) TokenLapsed(t Token)         { w.note("lapsed", int64(t.ID)) }
func (w *watcher) TokenGone(id TokenID)        { w.note("gone", int64(id)) }
func (w *watcher) AccountChanged(id AccountID) { w.note("account", int64(id)) }

func (w *watcher) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	events := w.events
	w.events = nil
	slices.Sort(events)
	return events
}

// open opens a directory whose operator has operatorKey.
func open(t testing.TB, st Store) *Directory {
	t.Helper()
	d, err := Open(Config{OperatorToken: operatorKey, Start: start, FailedLogins: -1}, st, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func ptr[T any](v T) *T { return &v }

// token creates a token of the operator's account with a ttl of an hour.
func (d *Directory) testToken(t testing.TB, spec TokenSpec) (Token, string) {
	t.Helper()
	if spec.Expire == nil && spec.TTL == nil {
		spec.TTL = ptr[int64](3600)
	}
	token, key, err := d.CreateToken(Operator, spec, start)
	if err != nil {
		t.Fatal(err)
	}
	return token, key
}

// code returns the reason code of a refusal, 0 for nil.
func code(t testing.TB, err error) mqtt.ReasonCode {
	t.Helper()
	if err == nil {
		return 0
	}
	e, ok := errors.AsType[*mqtt.Error](err)
	if !ok {
		t.Fatalf("%v is no *mqtt.Error", err)
	}
	return e.Code
}

func field(err error) string {
	if e, ok := errors.AsType[*FieldError](err); ok {
		return e.Field
	}
	return ""
}

func user(name string) Credentials {
	return Credentials{HasUsername: true, Username: []byte(name), Addr: home}
}

func userPassword(name, password string) Credentials {
	c := user(name)
	c.HasPassword, c.Password = true, []byte(password)
	return c
}
