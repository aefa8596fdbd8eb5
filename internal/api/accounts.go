package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"alcove/internal/auth"
	"alcove/internal/broker"
	"alcove/internal/event"
)

// AccountFields are the fields of an account that its parent may write [EXT-ACC-4].
type AccountFields struct {
	Name     *string           `json:"name,omitempty"`
	LimitID  *int64            `json:"limit_id,omitempty" doc:"A limit object of the parent; 0 or -1 = none of its own"`
	Metadata map[string]string `json:"metadata,omitempty"`
	Blocked  *int              `json:"blocked,omitempty" doc:"Reason code; 0 = not blocked"`
	Settings *settingsFields   `json:"settings,omitempty"`
}

// settingsFields changes single settings; null makes one the parent's again
// [EXT-ACC-5].
type settingsFields struct {
	set   auth.Settings
	unset []string
}

// UnmarshalJSON takes the names of the settings that are null apart from the values.
func (f *settingsFields) UnmarshalJSON(b []byte) error {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(b, &keys); err != nil {
		return err
	}
	for _, name := range auth.SettingNames {
		if string(keys[name]) == "null" {
			f.unset = append(f.unset, name)
		}
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	return dec.Decode(&f.set)
}

// MarshalJSON writes back what was given.
func (f settingsFields) MarshalJSON() ([]byte, error) {
	given := map[string]json.RawMessage{}
	set, err := json.Marshal(f.set)
	if err == nil {
		err = json.Unmarshal(set, &given)
	}
	for _, name := range f.unset {
		given[name] = json.RawMessage("null")
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(given)
}

// Schema is that of the settings, each of which may be null.
func (settingsFields) Schema(r huma.Registry) *huma.Schema {
	s := *huma.SchemaFromType(r, reflect.TypeFor[auth.Settings]())
	for _, property := range s.Properties {
		property.Nullable = true
	}
	return &s
}

func (f *AccountFields) spec() auth.AccountSpec {
	s := auth.AccountSpec{Name: f.Name, LimitID: f.LimitID, Metadata: f.Metadata, Blocked: f.Blocked}
	if f.Settings != nil {
		s.Settings, s.Unset = &f.Settings.set, f.Settings.unset
	}
	return s
}

// customerFields are the fields of a new top-level account and of its first token.
type customerFields struct {
	AccountFields
	Token *firstToken `json:"token,omitempty" doc:"The account's first master token; a ttl of one year when neither expire nor ttl is given"`
}

// firstToken is a token whose access is master in any case [EXT-ACC-3].
type firstToken struct {
	Info     *string           `json:"info,omitempty"`
	Expire   *int64            `json:"expire,omitempty"`
	TTL      *int64            `json:"ttl,omitempty"`
	IPs      *string           `json:"ips,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
	Scram    *bool             `json:"scram,omitempty"`
}

const firstTokenTTL = 365 * 86400 // s

func (f *customerFields) tokenSpec() auth.TokenSpec {
	s := auth.TokenSpec{}
	if t := f.Token; t != nil {
		s = auth.TokenSpec{Info: t.Info, Expire: t.Expire, TTL: t.TTL, IPs: t.IPs, Metadata: t.Metadata, Scram: t.Scram}
	}
	if s.Expire == nil && s.TTL == nil {
		ttl := int64(firstTokenTTL)
		s.TTL = &ttl
	}
	return s
}

// createdCustomer is a new top-level account and its first token, with the key.
type createdCustomer struct {
	auth.Account
	Token createdToken `json:"token"`
}

type accountList struct {
	ActingIn
	Page
}

type accountPick struct {
	ActingIn
	Page
	Selector string `path:"selector" doc:"all, ids, field=value (masks with * and ?, joined by commas: all must hold), or {expression}" example:"all"`
}

type accountChange struct {
	ActingIn
	Selector string `path:"selector" doc:"all, ids, field=value (masks with * and ?, joined by commas: all must hold), or {expression}" example:"all"`
	Body     AccountFields
}

type accountDelete struct {
	ActingIn
	Selector string `path:"selector" doc:"all, ids, field=value (masks with * and ?, joined by commas: all must hold), or {expression}" example:"all"`
}

type subaccountCreate struct {
	ActingIn
	Body array[AccountFields]
}

type customerCreate struct {
	ActingIn
	Body array[customerFields]
}

// family is a path of accounts that have one parent: a caller's subaccounts, or the
// operator's customers.
type family struct {
	path, noun string
	origin     event.Origin
	parent     func(*caller) (auth.AccountID, error)
}

var subaccounts = family{"/platform/subaccounts", "subaccounts", event.Subaccount,
	func(c *caller) (auth.AccountID, error) { return c.account, nil }}

var customers = family{"/platform/customers", "customers", event.Customer, func(c *caller) (auth.AccountID, error) {
	if c.account != auth.Operator {
		return 0, fail(http.StatusForbidden, "only the operator's account has customers")
	}
	return 0, nil // top-level [EXT-ACC-3]
}}

func (s *server) registerAccounts() {
	addArray[AccountFields](s, operation{"create-subaccounts", http.MethodPost, subaccounts.path, "Create accounts below this one", platformRight}, s.createSubaccounts)
	addArray[customerFields](s, operation{"create-customers", http.MethodPost, customers.path, "Create top-level accounts, each with a master token", platformRight}, s.createCustomers)
	for _, f := range []family{subaccounts, customers} {
		add(s, operation{"list-" + f.noun, http.MethodGet, f.path, "List " + f.noun, platformRight},
			func(ctx context.Context, in *accountList) (*output[auth.Account], error) {
				return s.getAccounts(ctx, f, "all", in.Page)
			})
		add(s, operation{"get-" + f.noun, http.MethodGet, f.path + "/{selector}", "Get " + f.noun, platformRight},
			func(ctx context.Context, in *accountPick) (*output[auth.Account], error) {
				return s.getAccounts(ctx, f, in.Selector, in.Page)
			})
		add(s, operation{"update-" + f.noun, http.MethodPut, f.path + "/{selector}", "Change given fields of " + f.noun, platformRight},
			func(ctx context.Context, in *accountChange) (*output[auth.Account], error) {
				return s.updateAccounts(ctx, f, in)
			})
		add(s, operation{"delete-" + f.noun, http.MethodDelete, f.path + "/{selector}", "Delete " + f.noun + " with everything of theirs and below them", platformRight},
			func(ctx context.Context, in *accountDelete) (*output[deletedAccount], error) {
				return s.deleteAccounts(ctx, f, in.Selector)
			})
	}
}

func (s *server) pickAccounts(ctx context.Context, f family, text string) ([]auth.Account, []Error, selector, error) {
	parent, err := f.parent(callerOf(ctx))
	if err != nil {
		return nil, nil, selector{}, err
	}
	sel, err := parseSelector(text)
	if err != nil {
		return nil, nil, sel, err
	}
	items, missing, err := pick(sel, collection[auth.Account]{
		get: func(id int64) (auth.Account, bool) {
			a, ok := s.directory.Account(auth.AccountID(id))
			return a, ok && a.Parent == parent // [EXT-ACC-1]
		},
		list: func() []auth.Account { return s.directory.Accounts(parent) },
	})
	return items, missing, sel, err
}

func (s *server) getAccounts(ctx context.Context, f family, text string, p Page) (*output[auth.Account], error) {
	items, missing, sel, err := s.pickAccounts(ctx, f, text)
	if err != nil {
		return nil, err
	}
	return show(items, missing, p, sel.ids != nil)
}

func (s *server) createSubaccounts(ctx context.Context, in *subaccountCreate) (*output[auth.Account], error) {
	errs := in.Body.read(s)
	list := in.Body.items
	var items []auth.Account
	specs := make([]auth.AccountSpec, len(list))
	for i := range list {
		specs[i] = list[i].spec()
	}
	made, err := s.directory.CreateAccounts(callerOf(ctx).account, specs, time.Now())
	if err != nil {
		return nil, failure(err)
	}
	for i, m := range made {
		if m.Err != nil {
			errs = append(errs, itemField(describe(m.Err), in.Body.places[i]))
			continue
		}
		items = append(items, m.Account)
		s.audit(ctx, event.Created, event.Subaccount, int64(m.Account.ID), list[i])
	}
	return answer(items, errs)
}

func (s *server) createCustomers(ctx context.Context, in *customerCreate) (*output[createdCustomer], error) {
	if _, err := customers.parent(callerOf(ctx)); err != nil {
		return nil, err
	}
	errs := in.Body.read(s)
	list := in.Body.items
	var items []createdCustomer
	specs := make([]auth.CustomerSpec, len(list))
	for i := range list {
		specs[i] = auth.CustomerSpec{Account: list[i].spec(), Token: list[i].tokenSpec()}
	}
	for i, m := range s.directory.CreateCustomers(specs, time.Now()) {
		if m.Err != nil {
			errs = append(errs, itemField(describe(m.Err), in.Body.places[i]))
			continue
		}
		items = append(items, createdCustomer{m.Account, createdToken{m.Token, m.Key}})
		s.audit(ctx, event.Created, event.Customer, int64(m.Account.ID), list[i])
	}
	return answer(items, errs)
}

func (s *server) updateAccounts(ctx context.Context, f family, in *accountChange) (*output[auth.Account], error) {
	items, errs, _, err := s.pickAccounts(ctx, f, in.Selector)
	if err != nil {
		return nil, err
	}
	changed := items[:0]
	for _, old := range items {
		a, err := s.directory.UpdateAccount(old.ID, in.Body.spec())
		if err != nil {
			errs = append(errs, describeItem(err, int64(old.ID)))
			continue
		}
		changed = append(changed, a)
		s.auditAccount(ctx, f.origin, old, a, in.Body)
	}
	return answer(changed, errs)
}

// deletedAccount says how much went with an account.
type deletedAccount struct {
	ID       auth.AccountID `json:"id"`
	Accounts int            `json:"accounts" doc:"This one and those below it"`
	Tokens   int            `json:"tokens"`
	Limits   int            `json:"limits" doc:"Limit objects"`
	Sessions int            `json:"sessions"`
	Retained int            `json:"retained" doc:"Retained messages"`
}

func (s *server) deleteAccounts(ctx context.Context, f family, text string) (*output[deletedAccount], error) {
	items, errs, _, err := s.pickAccounts(ctx, f, text)
	if err != nil {
		return nil, err
	}
	var done []deletedAccount
	for _, a := range items {
		gone, err := s.directory.DeleteAccount(a.ID)
		var dropped broker.Dropped
		s.meter.forget(gone.IDs)
		if s.journal != nil {
			s.journal.Forget(gone.IDs)
		}
		if len(gone.IDs) > 0 && s.broker != nil {
			var failed error
			if dropped, failed = s.broker.DropAccounts(gone.IDs); err == nil {
				err = failed
			}
		}
		if err != nil {
			errs = append(errs, describeItem(err, int64(a.ID)))
			continue
		}
		done = append(done, deletedAccount{a.ID, len(gone.IDs), gone.Tokens, gone.Limits, dropped.Sessions, dropped.Retained})
		s.audit(ctx, event.Deleted, f.origin, int64(a.ID), nil)
	}
	return answer(done, errs)
}
