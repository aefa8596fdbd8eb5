package api

import (
	"context"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"alcove/internal/auth"
	"alcove/internal/broker"
	"alcove/internal/event"
)

// ownFields are those that an account may write of itself: who limits and blocks it
// is above it.
type ownFields struct {
	Name     *string           `json:"name,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
	Settings *settingsFields   `json:"settings,omitempty"`
}

// customerView is the account itself as its owner sees it [EXT-REST-5].
type customerView struct {
	auth.Account
	Effective auth.Settings    `json:"effective_settings" doc:"The settings in force: its own, and the parent's where none is set"`
	Limits    auth.LimitValues `json:"limits" doc:"The limits in force; -1 is none"`
	Counters  counters         `json:"counters" doc:"What the account has and has done"`
}

// counters are figures by name, in the order of the list.
type counters []broker.Counter

// MarshalJSON writes an object of numbers.
func (c counters) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	for i, n := range c {
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendInt(append(strconv.AppendQuote(out, n.Name), ':'), n.Value, 10)
	}
	return append(out, '}'), nil
}

// Schema is that of an object of numbers with the names of the counters.
func (counters) Schema(huma.Registry) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeObject, Properties: map[string]*huma.Schema{}}
	for _, c := range accountCounters(&broker.Usage{}, auth.Counts{}, 0, 0) {
		s.Properties[c.Name] = &huma.Schema{Type: huma.TypeInteger, Format: "int64"}
	}
	return s
}

// accountCounters are all counters of an account. Those of messages, and of the calls
// and bytes of REST, begin at the broker's start.
func accountCounters(u *broker.Usage, n auth.Counts, calls, traffic uint64) counters {
	return append(u.Counters(),
		broker.Counter{Name: "tokens_count", Value: int64(n.Tokens)},
		broker.Counter{Name: "subaccounts_count", Value: int64(n.Subaccounts)},
		broker.Counter{Name: "limits_count", Value: int64(n.Limits)},
		broker.Counter{Name: "api_calls", Value: int64(calls)},
		broker.Counter{Name: "api_traffic", Value: int64(traffic)},
	)
}

func (s *server) showCustomer(a auth.Account) customerView {
	var u broker.Usage
	if s.broker != nil {
		u = s.broker.Usage(a.ID)
	}
	calls, traffic := s.meter.Usage(a.ID)
	return customerView{
		Account: a, Effective: s.directory.EffectiveSettings(a.ID).Settings(),
		Limits:   auth.LimitValues(*s.directory.EffectiveLimits(a.ID)),
		Counters: accountCounters(&u, s.directory.Counts(a.ID), calls, traffic),
	}
}

type customerPick struct {
	ActingIn
	Fields string `query:"fields" doc:"Comma list of the fields to show" example:"id,name,counters"`
}

type customerChange struct {
	ActingIn
	Body ownFields
}

func (s *server) registerCustomer() {
	add(s, operation{"get-customer", http.MethodGet, "/platform/customer", "Get the account itself", platformRight},
		func(ctx context.Context, in *customerPick) (*output[customerView], error) {
			a, ok := s.directory.Account(callerOf(ctx).account)
			if !ok {
				return nil, errNotFound
			}
			return show([]customerView{s.showCustomer(a)}, nil, Page{Fields: in.Fields}, true)
		})
	add(s, operation{"update-customer", http.MethodPut, "/platform/customer", "Change given fields of the account itself", platformRight},
		func(ctx context.Context, in *customerChange) (*output[customerView], error) {
			fields := AccountFields{Name: in.Body.Name, Metadata: in.Body.Metadata, Settings: in.Body.Settings}
			a, err := s.directory.UpdateAccount(callerOf(ctx).account, fields.spec())
			if err != nil {
				return nil, failure(err)
			}
			s.audit(ctx, event.Updated, event.Account, int64(a.ID), in.Body)
			return answer([]customerView{s.showCustomer(a)}, nil)
		})
}
