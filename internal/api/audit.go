package api

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"alcove/internal/auth"
	"alcove/internal/event"
)

// Journal is where accounts' logs are kept [EXT-LOG-1].
type Journal interface {
	// Event takes a record that may be summed up with others of its kind. It does not
	// wait for anything.
	Event(r event.Record)
	// Audit takes records of changes, each of which is kept by itself. It returns when
	// they are on the disk.
	Audit(records []event.Record) error
	// Forget lets go of everything of accounts that are gone.
	Forget(ids []auth.AccountID)
	// Records gives the records that were taken before the call to visit, by time, until
	// that returns false.
	Records(ctx context.Context, q event.Query, visit func(*event.Stored) bool) error
	// Statistics gives the account's figures of each minute in which it did something.
	Statistics(ctx context.Context, q event.Query, visit func(*event.Stored) bool) error
}

// trail follows one request: who makes it, what it changes, how it ends. It is the
// request's ResponseWriter, so that what was changed is on record before a byte of the
// answer goes out.
type trail struct {
	http.ResponseWriter
	server  *server
	request *http.Request
	begun   time.Time

	mu      sync.Mutex
	caller  *caller // nil until it is known
	source  string
	changes []event.Record
	status  int
}

type trailKey struct{}

// follow begins the trail of a request.
func (s *server) follow(w http.ResponseWriter, r *http.Request) *trail {
	t := &trail{ResponseWriter: w, server: s, begun: time.Now(), source: r.RemoteAddr}
	t.request = r.WithContext(context.WithValue(r.Context(), trailKey{}, t))
	return t
}

// trailOf returns the trail of a request, nil where there is no journal.
func trailOf(ctx context.Context) *trail {
	t, _ := ctx.Value(trailKey{}).(*trail)
	return t
}

// known notes who makes the request.
func (t *trail) known(c *caller) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.source = cmp.Or(c.source, t.source)
	if t.caller = c; c.account == 0 { // it was refused another account
		own := *c
		own.account = c.grant.Account
		t.caller = &own
	}
}

// WriteHeader puts the changes on record, then sends the status. A change stands even
// if its record cannot be stored: then the store has failed, which the operator is told.
func (t *trail) WriteHeader(status int) {
	t.settle()
	if t.status == 0 {
		t.status = status
	}
	t.ResponseWriter.WriteHeader(status)
}

// Write sends a part of the answer.
func (t *trail) Write(b []byte) (int, error) {
	if t.status == 0 {
		t.WriteHeader(http.StatusOK)
	}
	return t.ResponseWriter.Write(b)
}

// Flush is for streams.
func (t *trail) Flush() { _ = http.NewResponseController(t.ResponseWriter).Flush() }

// Unwrap lets http.ResponseController find what is below.
func (t *trail) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// settle stores the changes noted so far.
func (t *trail) settle() {
	t.mu.Lock()
	changes := t.changes
	t.changes = nil
	t.mu.Unlock()
	if len(changes) > 0 {
		_ = t.server.journal.Audit(changes)
	}
}

// end puts the request itself on record, in the log of its token's account
// [EXT-LOG-1]. Of the query only the names that hold no secret are kept.
func (t *trail) end() {
	t.settle()
	if t.caller == nil {
		return // nobody's
	}
	g := t.caller.grant
	r := event.Record{
		Code: event.Request, Account: int64(g.Account), Origin: event.Token, OriginID: int64(g.Token), Token: int64(g.Token),
		Topic:  t.request.Method + " " + t.request.URL.EscapedPath() + plainQuery(t.request.URL.RawQuery),
		Source: t.source, Transport: t.caller.transport, Duration: time.Since(t.begun), Close: max(t.status, http.StatusOK),
	}
	if t.caller.account != g.Account {
		r.Reason = "in account " + strconv.FormatInt(int64(t.caller.account), 10)
	}
	t.server.journal.Event(r)
}

// plainQuery keeps those parameters of a query which the API knows: a key that somebody
// put there by mistake stays out of the log.
func plainQuery(raw string) string {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return ""
	}
	for name := range values {
		switch name {
		case "fields", "limit", "offset", "data", "names":
		default:
			values.Del(name)
		}
	}
	if len(values) == 0 {
		return ""
	}
	return "?" + values.Encode()
}

// maxItem bounds what a record keeps of the fields that a change gave, in bytes.
const maxItem = 8 << 10

// audit puts a change on record in the log of the account in which the caller acts: the
// item's origin and id, and the given fields, which never hold a key. The record is on
// the disk before the answer goes out. A caller from an account above is not named
// there [EXT-ACC-2]; its own account's log gets the record with the name.
func (s *server) audit(ctx context.Context, code event.Code, origin event.Origin, id int64, item any) {
	t := trailOf(ctx)
	if t == nil {
		return
	}
	c := callerOf(ctx)
	r := t.record(code, origin, id, item)
	r.Account = int64(c.account)
	if c.account == c.grant.Account {
		t.change(r)
		return
	}
	own := r
	own.Account, own.Reason = int64(c.grant.Account), "in account "+strconv.FormatInt(int64(c.account), 10)
	r.Token, r.Source = 0, ""
	t.change(r)
	t.change(own)
}

// auditBelow puts on record, in an account's own log, what was done to it from above.
func (s *server) auditBelow(ctx context.Context, account auth.AccountID, code event.Code, item any) {
	t := trailOf(ctx)
	if t == nil {
		return
	}
	r := t.record(code, event.Account, int64(account), item)
	r.Account, r.Token, r.Source = int64(account), 0, ""
	t.change(r)
}

// record begins the record of a change.
func (t *trail) record(code event.Code, origin event.Origin, id int64, item any) event.Record {
	g := t.caller.grant
	r := event.Record{
		Code: code, Origin: origin, OriginID: id, Token: int64(g.Token), Source: t.source, Transport: t.caller.transport,
	}
	if item == nil {
		return r
	}
	doc, err := json.Marshal(item)
	switch {
	case err != nil:
	case len(doc) > maxItem:
		r.Item = json.RawMessage(`{"omitted_bytes":` + strconv.Itoa(len(doc)) + `}`)
	default:
		r.Item = doc
	}
	return r
}

func (t *trail) change(r event.Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.changes = append(t.changes, r)
}

// auditAccount puts the change of an account on record: in the log of whoever made it,
// and in its own. A new reason to block it, or the end of one, has a code of its own.
func (s *server) auditAccount(ctx context.Context, origin event.Origin, was, is auth.Account, item any) {
	codes := []event.Code{event.Updated}
	switch {
	case was.Blocked == 0 && is.Blocked != 0:
		codes = append(codes, event.Blocked)
	case was.Blocked != 0 && is.Blocked == 0:
		codes = append(codes, event.Unblocked)
	}
	for _, code := range codes {
		s.audit(ctx, code, origin, int64(is.ID), item)
		if origin != event.Account {
			s.auditBelow(ctx, is.ID, code, item)
		}
	}
}

// published puts messages that were published by REST on record. They may be many, and
// were durable before: their records are summed up and nobody waits for them.
func (s *server) published(ctx context.Context, topic string, count int) {
	t := trailOf(ctx)
	if t == nil || count == 0 {
		return
	}
	c := callerOf(ctx)
	r := t.record(event.Created, event.Message, 0, nil)
	r.Account, r.Topic, r.Count = int64(c.account), topic, count
	if c.account != c.grant.Account {
		r.Token, r.Source = 0, ""
	}
	s.journal.Event(r)
}
