package api

import (
	"cmp"
	"context"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"alcove/internal/auth"
	"alcove/internal/event"
)

// LogRecord documents a record [EXT-LOG-1]. What is not known, or nothing, is not there.
type LogRecord struct {
	Timestamp  float64        `json:"timestamp" doc:"UNIX seconds"`
	Code       int            `json:"event_code" doc:"What happened; /const/values?names=toolbox/codes has them all"`
	OriginType string         `json:"origin_type" doc:"The kind of item, as the path of its collection"`
	OriginID   int64          `json:"origin_id,omitempty"`
	Account    int64          `json:"cid"`
	Token      int64          `json:"token_id,omitempty" doc:"Who did it, or whose connection it was"`
	ClientID   string         `json:"client_id,omitempty"`
	Topic      string         `json:"topic,omitempty"`
	Source     string         `json:"source,omitempty" doc:"The address of who did it"`
	Transport  string         `json:"transport,omitempty" doc:"tcp, tls, ws, wss, unix, http, mqtt or sse"`
	Duration   float64        `json:"duration,omitempty" doc:"Seconds"`
	Published  int64          `json:"published,omitempty" doc:"Messages that the connection has brought"`
	Received   int64          `json:"received,omitempty" doc:"Messages that it was sent"`
	Rejected   int64          `json:"rejected,omitempty"`
	Close      int            `json:"close_code,omitempty" doc:"Reason Code of an end or refusal; HTTP status of a request"`
	Reason     string         `json:"reason,omitempty"`
	Item       map[string]any `json:"item,omitempty" doc:"What was changed; never a key"`
	Count      int64          `json:"count,omitempty" doc:"How many happenings of the kind it stands for, where it is more than one"`
}

type logList struct {
	ActingIn
	RecordPage
}

type tokenLogList struct {
	ActingIn
	RecordPage
	Selector string `path:"selector" doc:"all, ids, field=value (masks with * and ?, joined by commas: all must hold), or {expression}" example:"all"`
}

// countFields are what is to be counted of the log.
type countFields struct {
	From   *float64 `json:"from,omitempty" minimum:"0" maximum:"9000000000000" doc:"UNIX seconds; where it is given, the first period begins there"`
	To     *float64 `json:"to,omitempty" minimum:"0" maximum:"9000000000000" doc:"UNIX seconds"`
	Period *int64   `json:"period,omitempty" minimum:"1" maximum:"315360000" doc:"Seconds; all in one when not given"`
	Filter string   `json:"filter,omitempty" doc:"An expression over the fields of a record"`
}

type logCount struct {
	ActingIn
	Body countFields
}

// counted is how often something happened in a period.
type counted struct {
	Timestamp float64 `json:"timestamp" doc:"The begin of the period, UNIX seconds"`
	Code      int     `json:"event_code"`
	Count     int64   `json:"count"`
}

// registerLogs adds the paths of logs [EXT-REST-4] [EXT-REST-5].
func (s *server) registerLogs() {
	s.records = s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[recordFields](), true, "")
	addRecords[logList, LogRecord](s, operation{"get-logs", http.MethodGet, "/mqtt/logs", "Read the log of sessions and messages", tokenRight}, s.getLogs)
	add(s, operation{"calculate-logs", http.MethodPost, "/mqtt/logs/calculate", "Count records by event code and period", tokenRight}, s.countLogs)
	addRecords[logList, LogRecord](s, operation{"get-customer-logs", http.MethodGet, "/platform/customer/logs", "Read the log of the account, its tokens, limits and subaccounts", platformRight},
		func(ctx context.Context, in *logList) (*huma.StreamResponse, error) {
			q, err := s.recordsOf(ctx, &in.RecordPage)
			if err != nil {
				return nil, err
			}
			return q.list(s.journal.Records, func(r *event.Stored) bool { return !r.Origin.OfMQTT() }), nil
		})
	addRecords[tokenLogList, LogRecord](s, operation{"get-token-logs", http.MethodGet, "/platform/tokens/{selector}/logs", "Read what happened to tokens, and what was done with them", platformRight}, s.getTokenLogs)
	addRecords[logList, minuteView](s, operation{"get-statistics", http.MethodGet, "/platform/customer/statistics", "Get the account's figures, minute by minute", platformRight},
		func(ctx context.Context, in *logList) (*huma.StreamResponse, error) {
			q, err := s.recordsOf(ctx, &in.RecordPage)
			if err != nil {
				return nil, err
			}
			return q.list(s.journal.Statistics, nil), nil
		})
}

// minuteView documents the figures of a minute. Minutes in which nothing happened are
// not there.
type minuteView struct {
	Timestamp        int64 `json:"timestamp" doc:"The begin of the minute, UNIX seconds"`
	Messages         int64 `json:"mqtt_messages" doc:"Messages published"`
	MessagesBytes    int64 `json:"mqtt_messages_bytes"`
	MessagesOut      int64 `json:"mqtt_messages_out" doc:"Messages sent to clients"`
	MessagesOutBytes int64 `json:"mqtt_messages_out_bytes"`
	Rejected         int64 `json:"mqtt_rejected"`
	Dropped          int64 `json:"mqtt_dropped"`
	Sessions         int64 `json:"mqtt_sessions" doc:"At the end of the minute, like all that follow but for REST"`
	Online           int64 `json:"mqtt_sessions_online"`
	Subscriptions    int64 `json:"mqtt_subscriptions"`
	SessionStorage   int64 `json:"mqtt_session_storage" doc:"Bytes"`
	Retained         int64 `json:"mqtt_retained_messages"`
	RetainedStorage  int64 `json:"mqtt_retained_storage" doc:"Bytes"`
	Calls            int64 `json:"api_calls" doc:"REST requests"`
	Traffic          int64 `json:"api_traffic" doc:"Bytes of REST"`
}

// mayReadLog refuses a caller who may not read the log: that needs an entry for "#" with
// GET [EXT-TOK-5].
func (c *caller) mayReadLog() error {
	if !c.grant.MayManage(auth.GET) {
		return fail(http.StatusForbidden, "the token has no access to logs: it needs an entry for # with GET")
	}
	return nil
}

func ofMQTT(r *event.Stored) bool { return r.Origin.OfMQTT() }

func (s *server) getLogs(ctx context.Context, in *logList) (*huma.StreamResponse, error) {
	if err := callerOf(ctx).mayReadLog(); err != nil {
		return nil, err
	}
	q, err := s.recordsOf(ctx, &in.RecordPage)
	if err != nil {
		return nil, err
	}
	return q.list(s.journal.Records, ofMQTT), nil
}

// getTokenLogs reads what is about the selected tokens, or was done with them. Ids of
// tokens that are gone select what is left of their log.
func (s *server) getTokenLogs(ctx context.Context, in *tokenLogList) (*huma.StreamResponse, error) {
	sel, err := parseSelector(in.Selector)
	if err != nil {
		return nil, err
	}
	q, err := s.recordsOf(ctx, &in.RecordPage)
	if err != nil {
		return nil, err
	}
	ids := map[int64]bool{}
	if sel.ids != nil {
		// Records of foreign tokens are not in this log [EXT-ACC-1].
		for _, id := range sel.ids {
			ids[id] = true
		}
	} else {
		items, _, err := pick(sel, s.tokensOf(callerOf(ctx).account))
		if err != nil {
			return nil, err
		}
		for i := range items {
			ids[int64(items[i].ID)] = true
		}
	}
	return q.list(s.journal.Records, func(r *event.Stored) bool {
		return ids[r.Token] || r.Origin == event.Token && ids[r.OriginID]
	}), nil
}

// countLogs counts what happened, by event code and period [EXT-REST-4].
func (s *server) countLogs(ctx context.Context, in *logCount) (*output[counted], error) {
	if err := callerOf(ctx).mayReadLog(); err != nil {
		return nil, err
	}
	f := &in.Body
	q := event.Query{Account: int64(callerOf(ctx).account), From: micros(f.From), To: micros(f.To)}
	if q.To != 0 && q.To < q.From {
		return nil, fieldFault("to", "is before from")
	}
	filter, err := compileFilter("filter", f.Filter)
	if err != nil {
		return nil, err
	}
	type place struct {
		begin int64
		code  event.Code
	}
	found := map[place]int64{}
	many := false
	sifter := newSifter(ofMQTT, filter)
	err = s.journal.Records(ctx, q, func(r *event.Stored) bool {
		if sifter.takes(r) {
			at := place{q.From, r.Code}
			if f.Period != nil {
				period := *f.Period * int64(time.Second/time.Microsecond)
				at.begin = r.Time - (r.Time-q.From)%period
			}
			found[at] += r.Count
			many = len(found) > maxCounts
		}
		return !many && !sifter.spent()
	})
	switch {
	case err != nil:
		return nil, &Failure{Errors: []Error{describeRead(err)}}
	case many:
		return nil, fieldFault("period", "is too short for so long a time: there are too many periods")
	}
	items := make([]counted, 0, len(found))
	for at, n := range found {
		items = append(items, counted{float64(at.begin) / 1e6, int(at.code), n})
	}
	slices.SortFunc(items, func(a, b counted) int {
		return cmp.Or(cmp.Compare(a.Timestamp, b.Timestamp), cmp.Compare(a.Code, b.Code))
	})
	var errs []Error
	if sifter.spent() {
		errs = errScanned.Errors
	}
	return answer(items, errs)
}
