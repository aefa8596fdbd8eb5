package api

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"alcove/internal/auth"
	"alcove/internal/broker"
	"alcove/internal/event"
)

// tokenFields are the writable fields of a token [EXT-TOK-3]. What is not given stays
// as it is; zero values are values [EXT-REST-11].
type tokenFields struct {
	Info     *string           `json:"info,omitempty" doc:"Free text"`
	Enabled  *bool             `json:"enabled,omitempty"`
	Expire   *int64            `json:"expire,omitempty" doc:"UNIX seconds; 0 = unused. One of expire and ttl must be set"`
	TTL      *int64            `json:"ttl,omitempty" doc:"Seconds since the last use; 0 = unused"`
	IPs      *string           `json:"ips,omitempty" doc:"Comma list of addresses, masks with * and ?, or CIDR prefixes"`
	Metadata map[string]string `json:"metadata,omitempty"`
	Access   *accessFields     `json:"access,omitempty"`
	Scram    *bool             `json:"scram,omitempty" doc:"Make a SCRAM-SHA-256 verifier; at creation only"`
}

// accessFields is a token's access as written [EXT-TOK-4].
type accessFields struct {
	Type int     `json:"type" enum:"0,1,2" doc:"0 standard, 1 master, 2 access list"`
	ACL  rawRule `json:"acl,omitempty"`
}

// rawRule is an access list as JSON text: it is kept as it was written, and the
// schema is that of its entries.
type rawRule json.RawMessage

func (r *rawRule) UnmarshalJSON(b []byte) error { *r = append((*r)[:0], b...); return nil }

// MarshalJSON writes it back.
func (r rawRule) MarshalJSON() ([]byte, error) { return json.RawMessage(r).MarshalJSON() }

// Schema is that of an array of entries [EXT-TOK-5].
func (rawRule) Schema(r huma.Registry) *huma.Schema {
	return r.Schema(reflect.TypeFor[[]aclEntry](), true, "ACL")
}

type aclEntry struct {
	URI     string   `json:"uri" enum:"mqtt"`
	Topic   string   `json:"topic" doc:"May hold +, #, comma selectors and the level {client_id}"`
	Actions []string `json:"actions,omitempty" doc:"publish, subscribe"`
	Methods []string `json:"methods,omitempty" doc:"GET, POST, DELETE on the /mqtt paths"`
}

func (f *tokenFields) spec() auth.TokenSpec {
	s := auth.TokenSpec{Info: f.Info, Enabled: f.Enabled, Expire: f.Expire, TTL: f.TTL, IPs: f.IPs, Metadata: f.Metadata, Scram: f.Scram}
	if f.Access != nil {
		s.Access = &auth.Access{Type: auth.AccessType(f.Access.Type), ACL: json.RawMessage(f.Access.ACL)}
	}
	return s
}

// createdToken is a token with its key, which is shown this once [EXT-TOK-1].
type createdToken struct {
	auth.Token
	Key string `json:"key" doc:"Shown once: only hashes are stored"`
}

// tokenView is a token as lists show it: as it was written, and how it is used.
type tokenView struct {
	auth.Token
	Sessions int64       `json:"sessions" doc:"Connections that use it now"`
	Clients  []userOfKey `json:"clients,omitzero" doc:"Who they are, where fields asks for it; at most 1000 of the page's tokens together"`
}

// userOfKey is a connection that uses a token now.
type userOfKey struct {
	ID          int64  `json:"id" doc:"Of the session"`
	ClientID    string `json:"client_id"`
	IP          string `json:"ip,omitempty"`
	ConnectedAt int64  `json:"connected_at" doc:"UNIX seconds"`
}

func (s *server) showToken(t auth.Token) tokenView {
	return tokenView{Token: t, Sessions: s.directory.Live(t.ID)}
}

type tokenList struct {
	ActingIn
	Page
}

type tokenPick struct {
	ActingIn
	Page
	Selector string `path:"selector" doc:"all, ids, field=value (masks with * and ?, joined by commas: all must hold), or {expression}" example:"all"`
}

type tokenCreate struct {
	ActingIn
	Body array[tokenFields]
}

type tokenChange struct {
	ActingIn
	Selector string `path:"selector" doc:"all, ids, field=value (masks with * and ?, joined by commas: all must hold), or {expression}" example:"all"`
	Body     tokenFields
}

type tokenDelete struct {
	ActingIn
	Selector string `path:"selector" doc:"all, ids, field=value (masks with * and ?, joined by commas: all must hold), or {expression}" example:"all"`
}

func (s *server) registerTokens() {
	add(s, operation{"list-tokens", http.MethodGet, "/platform/tokens", "List the account's tokens", platformRight},
		func(ctx context.Context, in *tokenList) (*output[tokenView], error) {
			return s.getTokens(ctx, "all", in.Page)
		})
	add(s, operation{"get-tokens", http.MethodGet, "/platform/tokens/{selector}", "Get tokens", platformRight},
		func(ctx context.Context, in *tokenPick) (*output[tokenView], error) {
			return s.getTokens(ctx, in.Selector, in.Page)
		})
	addArray[tokenFields](s, operation{"create-tokens", http.MethodPost, "/platform/tokens", "Create tokens", platformRight}, s.createTokens)
	add(s, operation{"update-tokens", http.MethodPut, "/platform/tokens/{selector}", "Change given fields of tokens", platformRight}, s.updateTokens)
	add(s, operation{"delete-tokens", http.MethodDelete, "/platform/tokens/{selector}", "Delete tokens", platformRight}, s.deleteTokens)
}

// tokensOf is the collection of an account's tokens.
func (s *server) tokensOf(account auth.AccountID) collection[tokenView] {
	return collection[tokenView]{
		get: func(id int64) (tokenView, bool) {
			t, ok := s.directory.Token(auth.TokenID(id))
			return s.showToken(t), ok && t.Account == account // [EXT-ACC-1]
		},
		list: func() []tokenView {
			tokens := s.directory.Tokens(account)
			views := make([]tokenView, len(tokens))
			for i, t := range tokens {
				views[i] = s.showToken(t)
			}
			return views
		},
	}
}

func (s *server) pickTokens(ctx context.Context, text string) ([]tokenView, []Error, selector, error) {
	sel, err := parseSelector(text)
	if err != nil {
		return nil, nil, sel, err
	}
	items, missing, err := pick(sel, s.tokensOf(callerOf(ctx).account))
	return items, missing, sel, err
}

func (s *server) getTokens(ctx context.Context, text string, p Page) (*output[tokenView], error) {
	items, missing, sel, err := s.pickTokens(ctx, text)
	if err != nil {
		return nil, err
	}
	out, err := show(items, missing, p, sel.ids != nil)
	if err == nil && slices.Contains(strings.Split(p.Fields, ","), "clients") {
		err = s.addClients(callerOf(ctx).account, out.Body.Result)
	}
	return out, err
}

// addClients adds who uses the tokens of a page now: one walk over the account's
// sessions.
func (s *server) addClients(account auth.AccountID, page []Shown[tokenView]) error {
	wanted := map[auth.TokenID]*tokenView{}
	for i := range page {
		v := &page[i].value
		if v.Clients = []userOfKey{}; v.Sessions > 0 {
			wanted[v.ID] = v
		}
	}
	if s.sessions == nil || len(wanted) == 0 {
		return nil
	}
	left := maxUsers
	return s.sessions.EachSession(account, nil, func(i broker.SessionInfo) bool {
		if v := wanted[i.Token]; v != nil && i.Connected {
			v.Clients = append(v.Clients, userOfKey{i.ID, i.ClientID, i.IP, i.ConnectedAt})
			left--
		}
		return left > 0
	})
}

func (s *server) createTokens(ctx context.Context, in *tokenCreate) (*output[createdToken], error) {
	errs := in.Body.read(s)
	list := in.Body.items
	specs := make([]auth.TokenSpec, len(list))
	for i := range list {
		specs[i] = list[i].spec()
	}
	made, err := s.directory.CreateTokens(callerOf(ctx).account, specs, time.Now())
	if err != nil {
		return nil, failure(err)
	}
	var items []createdToken
	for i, m := range made {
		if m.Err != nil {
			errs = append(errs, itemField(describe(m.Err), in.Body.places[i]))
			continue
		}
		items = append(items, createdToken{m.Token, m.Key})
		s.audit(ctx, event.Created, event.Token, int64(m.Token.ID), list[i])
	}
	return answer(items, errs)
}

func (s *server) updateTokens(ctx context.Context, in *tokenChange) (*output[tokenView], error) {
	items, errs, _, err := s.pickTokens(ctx, in.Selector)
	if err != nil {
		return nil, err
	}
	changed := items[:0]
	for i, c := range s.directory.UpdateTokens(idsOf(items), in.Body.spec()) {
		if c.Err != nil {
			errs = append(errs, describeItem(c.Err, int64(items[i].ID)))
			continue
		}
		changed = append(changed, s.showToken(c.Token)) // never beyond i
		s.audit(ctx, event.Updated, event.Token, int64(c.Token.ID), in.Body)
	}
	return answer(changed, errs)
}

func (s *server) deleteTokens(ctx context.Context, in *tokenDelete) (*output[deleted], error) {
	items, errs, _, err := s.pickTokens(ctx, in.Selector)
	if err != nil {
		return nil, err
	}
	var gone []deleted
	for i, c := range s.directory.DeleteTokens(idsOf(items)) {
		if c.Err != nil {
			errs = append(errs, describeItem(c.Err, int64(items[i].ID)))
			continue
		}
		gone = append(gone, deleted{int64(items[i].ID)})
		s.audit(ctx, event.Deleted, event.Token, int64(items[i].ID), nil)
	}
	return answer(gone, errs)
}

func idsOf(tokens []tokenView) []auth.TokenID {
	ids := make([]auth.TokenID, len(tokens))
	for i := range tokens {
		ids[i] = tokens[i].ID
	}
	return ids
}

// deleted says what is gone.
type deleted struct {
	ID int64 `json:"id"`
}

// failure is the answer to a request that failed as a whole.
func failure(err error) error { return &Failure{Errors: []Error{describe(err)}} }
