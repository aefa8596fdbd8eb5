package api

import (
	"context"
	"net/http"
	"time"

	"alcove/internal/auth"
	"alcove/internal/event"
)

// limitFields are the writable fields of a limit object [EXT-LIM-1]. What is not given
// stays as it is; a new one leaves it to the parent.
type limitFields struct {
	Name            *string `json:"name,omitempty"`
	Description     *string `json:"description,omitempty"`
	MQTTSessions    *int64  `json:"mqtt_sessions,omitempty" doc:"Sessions, online or not. Of every limit: -1 = the parent's, 0 = none allowed"`
	MQTTMessages    *int64  `json:"mqtt_messages,omitempty" doc:"Messages published, a minute"`
	SessionStorage  *int64  `json:"mqtt_session_storage,omitempty" doc:"Bytes queued for one session or share group, at most 1 GiB"`
	RetainedStorage *int64  `json:"mqtt_retained_storage,omitempty" doc:"Bytes of retained messages"`
	Subscriptions   *int64  `json:"mqtt_subscriptions,omitempty" doc:"Subscriptions of all sessions together"`
	Tokens          *int64  `json:"tokens_count,omitempty" doc:"Tokens"`
	Subaccounts     *int64  `json:"subaccounts_count,omitempty" doc:"Accounts below, however deep"`
	Limits          *int64  `json:"limits_count,omitempty" doc:"Limit objects"`
	APICalls        *int64  `json:"api_calls,omitempty" doc:"REST requests, a minute"`
	APITraffic      *int64  `json:"api_traffic,omitempty" doc:"Bytes of REST requests and answers, a minute"`
	Blocking        *int64  `json:"blocking_duration,omitempty" doc:"Seconds that REST is refused after api_calls or api_traffic was reached; 0 = until it has recovered"`
}

type limitList struct {
	ActingIn
	Page
}

type limitPick struct {
	ActingIn
	Page
	Selector string `path:"selector" doc:"all, ids, or field=value"`
}

type limitCreate struct {
	ActingIn
	Body array[limitFields]
}

type limitChange struct {
	ActingIn
	Selector string `path:"selector" doc:"all, ids, or field=value"`
	Body     limitFields
}

type limitDelete struct {
	ActingIn
	Selector string `path:"selector" doc:"all, ids, or field=value"`
}

// registerLimits adds /platform/limits: the limit objects that an account has made for
// the accounts right below it [EXT-REST-5].
func (s *server) registerLimits() {
	add(s, operation{"list-limits", http.MethodGet, "/platform/limits", "List the account's limit objects", platformRight},
		func(ctx context.Context, in *limitList) (*output[auth.Limit], error) {
			return s.getLimits(ctx, "all", in.Page)
		})
	add(s, operation{"get-limits", http.MethodGet, "/platform/limits/{selector}", "Get limit objects", platformRight},
		func(ctx context.Context, in *limitPick) (*output[auth.Limit], error) {
			return s.getLimits(ctx, in.Selector, in.Page)
		})
	addArray[limitFields](s, operation{"create-limits", http.MethodPost, "/platform/limits", "Create limit objects", platformRight}, s.createLimits)
	add(s, operation{"update-limits", http.MethodPut, "/platform/limits/{selector}", "Change given fields of limit objects", platformRight}, s.updateLimits)
	add(s, operation{"delete-limits", http.MethodDelete, "/platform/limits/{selector}", "Delete limit objects that limit no account", platformRight}, s.deleteLimits)
}

// pickLimits applies a selector to the limit objects of the caller's account.
func (s *server) pickLimits(ctx context.Context, text string) ([]auth.Limit, []Error, selector, error) {
	sel, err := parseSelector(text)
	if err != nil {
		return nil, nil, sel, err
	}
	account := callerOf(ctx).account
	items, missing, err := pick(sel, collection[auth.Limit]{
		get: func(id int64) (auth.Limit, bool) {
			l, ok := s.directory.LimitByID(auth.LimitID(id))
			return l, ok && l.Account == account // [EXT-ACC-1]
		},
		list: func() []auth.Limit { return s.directory.Limits(account) },
	})
	return items, missing, sel, err
}

func (s *server) getLimits(ctx context.Context, text string, p Page) (*output[auth.Limit], error) {
	items, missing, sel, err := s.pickLimits(ctx, text)
	if err != nil {
		return nil, err
	}
	return show(items, missing, p, sel.ids != nil)
}

func (s *server) createLimits(ctx context.Context, in *limitCreate) (*output[auth.Limit], error) {
	errs := in.Body.read(s)
	list := in.Body.items
	specs := make([]auth.LimitSpec, len(list))
	for i := range list {
		specs[i] = auth.LimitSpec(list[i])
	}
	made, err := s.directory.CreateLimits(callerOf(ctx).account, specs, time.Now())
	if err != nil {
		return nil, failure(err)
	}
	var items []auth.Limit
	for i, m := range made {
		if m.Err != nil {
			errs = append(errs, itemField(describe(m.Err), in.Body.places[i]))
			continue
		}
		items = append(items, m.Limit)
		s.audit(ctx, event.Created, event.Limit, int64(m.Limit.ID), list[i])
	}
	return answer(items, errs)
}

func (s *server) updateLimits(ctx context.Context, in *limitChange) (*output[auth.Limit], error) {
	items, errs, _, err := s.pickLimits(ctx, in.Selector)
	if err != nil {
		return nil, err
	}
	changed := items[:0]
	for i, c := range s.directory.UpdateLimits(idsOfLimits(items), auth.LimitSpec(in.Body)) {
		if c.Err != nil {
			errs = append(errs, describeItem(c.Err, int64(items[i].ID)))
			continue
		}
		changed = append(changed, c.Limit) // never beyond i
		s.audit(ctx, event.Updated, event.Limit, int64(c.Limit.ID), in.Body)
	}
	return answer(changed, errs)
}

func (s *server) deleteLimits(ctx context.Context, in *limitDelete) (*output[deleted], error) {
	items, errs, _, err := s.pickLimits(ctx, in.Selector)
	if err != nil {
		return nil, err
	}
	var gone []deleted
	for i, c := range s.directory.DeleteLimits(idsOfLimits(items)) {
		if c.Err != nil {
			errs = append(errs, describeItem(c.Err, int64(items[i].ID)))
			continue
		}
		gone = append(gone, deleted{int64(items[i].ID)})
		s.audit(ctx, event.Deleted, event.Limit, int64(items[i].ID), nil)
	}
	return answer(gone, errs)
}

func idsOfLimits(limits []auth.Limit) []auth.LimitID {
	ids := make([]auth.LimitID, len(limits))
	for i := range limits {
		ids[i] = limits[i].ID
	}
	return ids
}
