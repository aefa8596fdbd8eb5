package api

import (
	"context"
	"net/http"

	"alcove/internal/auth"
	"alcove/internal/broker"
)

// Sessions is what the REST of sessions needs of the broker [EXT-REST-4].
type Sessions interface {
	// EachSession gives the account's sessions to yield, oldest first, until that
	// returns false; named, where it is not nil, is asked first.
	EachSession(account auth.AccountID, named func(clientID string) bool, yield func(broker.SessionInfo) bool) error
	// Session returns one of the account's sessions; false where it has none such.
	Session(account auth.AccountID, id int64) (broker.SessionInfo, bool)
	// CreateSession makes a lasting session.
	CreateSession(ctx context.Context, by broker.Submitter, spec broker.SessionSpec) (broker.SessionInfo, error)
	// DropSessions ends sessions and their connections: an error for each.
	DropSessions(ctx context.Context, by broker.Submitter, ids []int64) []error
	// Disconnect ends a session's connection.
	Disconnect(ctx context.Context, by broker.Submitter, id int64) error
	// Subscriptions returns a session's subscriptions, ordered by their texts.
	Subscriptions(account auth.AccountID, id int64) ([]broker.SubscriptionInfo, error)
	// Subscribe adds subscriptions to a session: an error for each.
	Subscribe(ctx context.Context, by broker.Submitter, id int64, list []broker.SubscriptionSpec) ([]error, error)
	// Unsubscribe removes those with the given filters, all for nil; it returns the
	// filters of those that were there.
	Unsubscribe(ctx context.Context, by broker.Submitter, id int64, filters []string) ([]string, error)
}

const sessionsPath = "/mqtt/sessions"

// sessionFields are a session as POST takes it.
type sessionFields struct {
	ClientID string  `json:"client_id" minLength:"1" maxLength:"1024" doc:"Client Identifier, unique in the account" example:"meter-17"`
	Expires  *uint32 `json:"expires,omitempty" minimum:"1" maximum:"4294967295" doc:"Seconds that the session lives without a connection, cut to the account's session_expiry_max; the account's session_expiry_v3 when not given"`
}

type sessionList struct {
	ActingIn
	Page
}

// SessionPath is a path that picks sessions.
type SessionPath struct {
	ActingIn
	Selector string `path:"selector" doc:"all, ids, or field=value, as client_id=dev*"`
}

type sessionPick struct {
	SessionPath
	Page
}

type sessionCreate struct {
	ActingIn
	Body array[sessionFields]
}

func (s *server) registerSessions() {
	const one = sessionsPath + "/{selector}"
	add(s, operation{"list-sessions", http.MethodGet, sessionsPath, "List sessions", tokenRight},
		func(ctx context.Context, in *sessionList) (*output[broker.SessionInfo], error) {
			return s.getSessions(ctx, "all", in.Page)
		})
	add(s, operation{"get-sessions", http.MethodGet, one, "Get sessions", tokenRight},
		func(ctx context.Context, in *sessionPick) (*output[broker.SessionInfo], error) {
			return s.getSessions(ctx, in.Selector, in.Page)
		})
	addArray[sessionFields](s, operation{"create-sessions", http.MethodPost, sessionsPath, "Create persistent sessions before their clients connect", tokenRight}, s.createSessions)
	add(s, operation{"delete-sessions", http.MethodDelete, one, "End sessions and their connections", tokenRight}, s.deleteSessions)
	add(s, operation{"disconnect-sessions", http.MethodPost, one + "/disconnect", "End the connections of sessions; the sessions stay", tokenRight}, s.disconnectSessions)
	s.registerSubscriptions()
}

// manages refuses a caller who may not use a method on sessions: that needs an entry for
// "#" [EXT-TOK-5].
func (c *caller) manages(method auth.Method) error {
	if !c.grant.MayManage(method) {
		return fail(http.StatusForbidden, "the token has no access to sessions: it needs an entry for # with the method")
	}
	return nil
}

// submitter is in whose name the broker is asked.
func (c *caller) submitter() broker.Submitter {
	return broker.Submitter{Grant: c.grant, Account: c.account, Source: c.source, Transport: c.transport}
}

// picked gives the sessions that a selector picks to yield until that returns false, and
// returns an error for each id that is not there. With ids alone, none of which
// exist, the answer is a 404.
func (s *server) picked(ctx context.Context, text string, yield func(broker.SessionInfo) bool) (missing []Error, err error) {
	sel, err := parseSelector(text)
	if err != nil {
		return nil, err
	}
	account := callerOf(ctx).account
	if sel.ids != nil {
		found := false
		for _, id := range sel.ids {
			i, ok := s.sessions.Session(account, id)
			if !ok {
				missing = append(missing, describeItem(errNotFound, id))
				continue
			}
			if found = true; !yield(i) {
				return missing, nil
			}
		}
		if !found {
			return nil, &Failure{Errors: missing}
		}
		return missing, nil
	}
	holds := columnTest[broker.SessionInfo](sel)
	if holds == nil {
		trial := sel.begin()
		holds = func(i *broker.SessionInfo) bool { return trial.holds(i) }
	}
	err = s.sessions.EachSession(account, sel.names(), func(i broker.SessionInfo) bool {
		if ctx.Err() != nil {
			return false
		}
		return !holds(&i) || yield(i)
	})
	if err == nil {
		err = ctx.Err()
	}
	return nil, err
}

// names is the test of a selector's conditions on client_id alone, nil without one: it
// spares looking at all else of a million sessions.
func (s selector) names() func(clientID string) bool {
	var masks []mask
	for _, c := range s.conditions {
		if len(c.path) == 1 && c.path[0] == "client_id" {
			masks = append(masks, c.mask)
		}
	}
	if masks == nil {
		return nil
	}
	return func(clientID string) bool {
		for _, mask := range masks {
			if !mask.match(clientID) {
				return false
			}
		}
		return true
	}
}

// getSessions answers with a page: no more than it is kept in memory, however many
// sessions there are.
func (s *server) getSessions(ctx context.Context, text string, p Page) (*output[broker.SessionInfo], error) {
	if err := callerOf(ctx).manages(auth.GET); err != nil {
		return nil, err
	}
	w := newWindow[broker.SessionInfo](p, text)
	if text == "all" { // only those of the page are looked at
		err := s.sessions.EachSession(callerOf(ctx).account, func(string) bool { return w.wanted() || w.pass(1) }, func(i broker.SessionInfo) bool {
			w.put(i)
			return true
		})
		if err != nil {
			return nil, err
		}
		return w.answer(nil)
	}
	missing, err := s.picked(ctx, text, func(i broker.SessionInfo) bool {
		w.put(i)
		return true
	})
	if err != nil {
		return nil, err
	}
	return w.answer(missing)
}

func (s *server) createSessions(ctx context.Context, in *sessionCreate) (*output[broker.SessionInfo], error) {
	c := callerOf(ctx)
	if err := c.manages(auth.POST); err != nil {
		return nil, err
	}
	errs := in.Body.read(s)
	list := in.Body.items
	var items []broker.SessionInfo
	for i, f := range list {
		made, err := s.createSession(ctx, c, &f)
		if err != nil {
			errs = append(errs, itemField(describe(err), in.Body.places[i]))
			continue
		}
		items = append(items, made)
	}
	return answer(items, errs)
}

func (s *server) createSession(ctx context.Context, c *caller, f *sessionFields) (broker.SessionInfo, error) {
	if err := checkField("client_id", []byte(f.ClientID)); err != nil {
		return broker.SessionInfo{}, err
	}
	spec := broker.SessionSpec{ClientID: f.ClientID}
	if f.Expires != nil {
		spec.Expiry = *f.Expires
	}
	return s.sessions.CreateSession(ctx, c.submitter(), spec)
}

// dropTogether is how many sessions are ended before their end is waited for.
const dropTogether = 1000

func (s *server) deleteSessions(ctx context.Context, in *SessionPath) (*output[deleted], error) {
	c := callerOf(ctx)
	if err := c.manages(auth.DELETE); err != nil {
		return nil, err
	}
	var ids []int64
	errs, err := s.picked(ctx, in.Selector, func(i broker.SessionInfo) bool {
		ids = append(ids, i.ID)
		return true
	})
	if err != nil {
		return nil, err
	}
	var gone []deleted
	for len(ids) > 0 && ctx.Err() == nil {
		some := ids[:min(len(ids), dropTogether)]
		ids = ids[len(some):]
		for i, err := range s.sessions.DropSessions(ctx, c.submitter(), some) {
			if err != nil {
				errs = append(errs, describeItem(err, some[i]))
				continue
			}
			gone = append(gone, deleted{some[i]})
		}
	}
	return answer(gone, errs)
}

func (s *server) disconnectSessions(ctx context.Context, in *SessionPath) (*output[deleted], error) {
	c := callerOf(ctx)
	if err := c.manages(auth.POST); err != nil {
		return nil, err
	}
	var ids []int64
	errs, err := s.picked(ctx, in.Selector, func(i broker.SessionInfo) bool {
		if i.Connected {
			ids = append(ids, i.ID)
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	var ended []deleted
	for _, id := range ids {
		if err := s.sessions.Disconnect(ctx, c.submitter(), id); err != nil {
			errs = append(errs, describeItem(err, id))
			continue
		}
		ended = append(ended, deleted{id})
	}
	return answer(ended, errs)
}
