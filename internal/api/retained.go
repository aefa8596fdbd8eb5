package api

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"alcove/internal/auth"
	"alcove/internal/broker"
	"alcove/internal/event"
	"alcove/internal/topic"
)

const messagesPath = "/mqtt/messages"

// retainedMessage is a retained message as it is shown [EXT-REST-4]. The broker's
// three values are fields of their own and not among the user properties [EXT-UP-8].
type retainedMessage struct {
	Topic                 string         `json:"topic"`
	Payload               *string        `json:"payload,omitempty" doc:"Where it is UTF-8 text"`
	PayloadBase64         *string        `json:"payload_base64,omitempty" doc:"Where it is not"`
	Timestamp             seconds        `json:"timestamp"`
	Account               auth.AccountID `json:"cid" doc:"The account in which it was published"`
	Token                 auth.TokenID   `json:"token_id" doc:"The token that published it"`
	QoS                   int            `json:"qos"`
	ExpiryInterval        *uint32        `json:"expiry_interval,omitempty" doc:"Seconds that it has left"`
	ContentType           *string        `json:"content_type,omitempty"`
	ResponseTopic         *string        `json:"response_topic,omitempty"`
	CorrelationData       *string        `json:"correlation_data,omitempty" doc:"Where it is UTF-8 text"`
	CorrelationDataBase64 *string        `json:"correlation_data_base64,omitempty" doc:"Where it is not"`
	UserProperties        userProperties `json:"user_properties,omitempty"`
}

// showMessage copies what is shown of a message.
func showMessage(m *broker.Message, now time.Time) (retainedMessage, error) {
	r := retainedMessage{
		Topic: string(m.Topic), Timestamp: seconds(m.Stamp), Account: m.Account, Token: m.Token, QoS: int(m.QoS),
	}
	r.Payload, r.PayloadBase64 = textOrBase64(m.Payload)
	if left, ok := m.Remaining(now); ok {
		r.ExpiryInterval = &left
	}
	p, err := m.Properties()
	if err != nil {
		return r, err
	}
	if p.HasContentType {
		r.ContentType = new(string(p.ContentType))
	}
	if p.HasResponseTopic {
		r.ResponseTopic = new(string(p.ResponseTopic))
	}
	if p.HasCorrelationData {
		r.CorrelationData, r.CorrelationDataBase64 = textOrBase64(p.CorrelationData)
	}
	r.UserProperties = shownProperties(p.User)
	return r, nil
}

func textOrBase64(b []byte) (text, encoded *string) {
	if utf8.Valid(b) {
		return new(string(b)), nil
	}
	return nil, new(base64.StdEncoding.EncodeToString(b))
}

// seconds is a time in microseconds, written as UNIX seconds with six decimals.
type seconds int64

// MarshalJSON writes the number without passing through a float.
func (s seconds) MarshalJSON() ([]byte, error) {
	digits := strconv.AppendInt(nil, 1e6+int64(s)%1e6, 10)
	out := strconv.AppendInt(nil, int64(s)/1e6, 10)
	return append(append(out, '.'), digits[1:]...), nil
}

// Schema is that of a number.
func (seconds) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeNumber, Format: "double", Description: "UNIX seconds, with six decimals"}
}

// TopicPath is a path whose end is a Topic Filter.
type TopicPath struct {
	ActingIn
	Filter string `path:"filter" doc:"A Topic Filter, with selectors, or $filter/<items>/<filter>. Slashes may be written as they are or as %2F; # and ? must be encoded" example:"doors%2F%23"`
}

type messagePick struct {
	TopicPath
	Fields string `query:"fields" doc:"Comma list of the fields to show" example:"topic,payload"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" doc:"Messages on this page; all of them when not given"`
	Offset int    `query:"offset" minimum:"0" maximum:"1000000000" doc:"Messages to pass over"`
	Data   string `query:"data" doc:"JSON: see the schema QueryFields"`
}

// queryFields are the data parameter. What a parameter of its own says too must not
// stand in both.
type queryFields struct {
	Recursive     *bool      `json:"recursive,omitempty" doc:"Messages of the accounts below too" default:"true"`
	ModifiedSince *sinceText `json:"modified_since,omitempty"`
	Fields        *string    `json:"fields,omitempty" doc:"As the parameter fields"`
	Limit         *int       `json:"limit,omitempty" minimum:"1" maximum:"1000" doc:"As the parameter limit"`
	Offset        *int       `json:"offset,omitempty" minimum:"0" maximum:"1000000000" doc:"As the parameter offset"`
}

// sinceText is a time in microseconds, read from seconds as a number or as text.
type sinceText int64

// UnmarshalJSON reads the decimal digits themselves, without a float between.
func (s *sinceText) UnmarshalJSON(b []byte) error {
	micros, ok := topic.ModifiedSince(strings.Trim(string(b), `"`))
	if !ok {
		return fieldFault("data.modified_since", "must be UNIX seconds")
	}
	*s = sinceText(micros)
	return nil
}

// Schema is that of a number or its text.
func (sinceText) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		Description: "Only messages newer than this, UNIX seconds",
		OneOf:       []*huma.Schema{{Type: huma.TypeNumber}, {Type: huma.TypeString}},
	}
}

// messageAnswer documents what messageStream writes.
type messageAnswer struct {
	Result     []retainedMessage  `json:"result"`
	Errors     []Error            `json:"errors,omitempty" doc:"Why the result breaks off, where it does"`
	Pagination *messagePagination `json:"pagination,omitempty"`
}

// messagePagination is a Pagination whose count may be cut short.
type messagePagination struct {
	Pagination
	More bool `json:"more,omitempty" doc:"There may be more than count: counting ended early"`
}

// messagesDeleted is what the log keeps of a bulk deletion.
type messagesDeleted struct {
	Filter string `json:"filter"`
	Count  int    `json:"deleted_count"`
}

type deletedCount struct {
	Count int `json:"deleted_count"`
}

func (s *server) registerRetained() {
	schemas := s.api.OpenAPI().Components.Schemas
	s.query = schemas.Schema(reflect.TypeFor[queryFields](), true, "")
	op := operation{"get-messages", http.MethodGet, messagesPath + "/{filter}", "Get retained messages", tokenRight}
	o := op.declare()
	o.Responses = map[string]*huma.Response{"200": {
		Description: "The messages, by account and topic, as they are read from the store",
		Content: map[string]*huma.MediaType{"application/json": {
			Schema: schemas.Schema(reflect.TypeFor[messageAnswer](), true, ""),
		}},
	}}
	huma.Register(s.api, o, s.getMessages)
	add(s, operation{"delete-messages", http.MethodDelete, messagesPath + "/{filter}", "Delete the account's retained messages", tokenRight},
		func(ctx context.Context, in *TopicPath) (*output[deletedCount], error) {
			c := callerOf(ctx)
			f, err := c.filter(auth.DELETE, in.Filter, s.broker.Limits().MaximumLevels)
			if err != nil {
				return nil, err
			}
			if f.Inner != f.Text {
				return nil, fieldFault("filter", "deletion takes no $filter")
			}
			n, err := s.broker.DeleteRetained(ctx, c.account, f.Text, c.may(auth.DELETE))
			if err != nil {
				return nil, &Failure{Errors: []Error{describeMessage(err)}}
			}
			if n > 0 {
				s.audit(ctx, event.Deleted, event.Message, 0, messagesDeleted{f.Text, n})
			}
			return answer([]deletedCount{{n}}, nil)
		})
}

// may returns the rights of the caller's token to a method, topic by topic
// [EXT-TOK-5] [EXT-TOK-7].
func (c *caller) may(method auth.Method) func(name []byte) bool {
	rights := c.grant.Rights("")
	return func(name []byte) bool { return rights.RESTTopic(method, name) }
}

// filter reads the filter of a path, which must meet what the token may do.
func (c *caller) filter(method auth.Method, text string, levels int) (topic.Filter, error) {
	f, err := topic.Parse(strings.TrimPrefix(text, foldMark), levels)
	switch {
	case err != nil:
		return f, fieldFault("filter", strings.TrimPrefix(err.Error(), "topic: "))
	case f.Shared():
		return f, fieldFault("filter", "a shared subscription has no retained messages")
	case c.grant.MayREST(method, f) == auth.None:
		return f, fail(http.StatusForbidden, "filter: the token has no access to these topics")
	}
	return f, nil
}

// foldMark begins the segment that foldTopic makes: "..", "." and "/" alone would mean
// something to the mux.
const foldMark = "="

// foldTopic makes the Topic Filter at the end of a path one segment, so that no slash
// and no dot in it means anything to the mux.
func foldTopic(r *http.Request) *http.Request {
	path := r.URL.EscapedPath()
	for _, before := range []string{messagesPath + "/", streamPath + "/"} {
		if filter, ok := strings.CutPrefix(path, before); ok {
			return folded(r, before, filter)
		}
	}
	// /mqtt/sessions/{selector}/subscriptions/{filter}
	if rest, ok := strings.CutPrefix(path, sessionsPath+"/"); ok {
		if head, filter, ok := strings.Cut(rest, "/subscriptions/"); ok && !strings.Contains(head, "/") {
			return folded(r, sessionsPath+"/"+head+"/subscriptions/", filter)
		}
	}
	return r
}

// folded is the request with what stands behind the escaped text before, if anything
// does, in one segment.
func folded(r *http.Request, before, filter string) *http.Request {
	plain, err := url.PathUnescape(before)
	if filter == "" || err != nil {
		return r
	}
	fold, u := *r, *r.URL
	u.Path = plain + foldMark + strings.TrimPrefix(u.Path, plain)
	u.RawPath = before + foldMark + strings.ReplaceAll(filter, "/", "%2F")
	fold.URL = &u
	return &fold
}

// getMessages answers with a stream, once the request itself is found good.
func (s *server) getMessages(ctx context.Context, in *messagePick) (*huma.StreamResponse, error) {
	c := callerOf(ctx)
	f, err := c.filter(auth.GET, in.Filter, s.broker.Limits().MaximumLevels)
	if err != nil {
		return nil, err
	}
	data, err := s.readQuery(in)
	if err != nil {
		return nil, err
	}
	stream := &messageStream{server: s, caller: c, limit: in.Limit, offset: in.Offset}
	if in.Fields != "" {
		names := strings.Split(in.Fields, ",")
		if len(names) > maxFields {
			return nil, fieldFault("fields", "too many names")
		}
		stream.fields = pickFields(names)
	}
	q := broker.RetainedQuery{
		Account: c.account, Filter: f.Text, Recursive: data.Recursive == nil || *data.Recursive, May: stream.may,
	}
	if data.ModifiedSince != nil {
		q.Since = int64(*data.ModifiedSince)
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) { stream.run(hc, q) }}, nil
}

// readQuery reads the data parameter and puts what it says of the page into in.
func (s *server) readQuery(in *messagePick) (data queryFields, err error) {
	if in.Data == "" {
		return data, nil
	}
	raw := []byte(in.Data)
	if err := checkJSON(raw, nullPlain); err != nil {
		return data, fieldFault("data", err.Error())
	}
	if err := s.decodeInto(s.query, "data", raw, &data); err != nil {
		return data, err
	}
	for name, twice := range map[string]bool{
		"fields": data.Fields != nil && in.Fields != "",
		"limit":  data.Limit != nil && in.Limit != 0,
		"offset": data.Offset != nil && in.Offset != 0,
	} {
		if twice {
			return data, fieldFault("data."+name, "is given as a parameter too")
		}
	}
	if data.Fields != nil {
		in.Fields = *data.Fields
	}
	if data.Limit != nil {
		in.Limit = *data.Limit
	}
	if data.Offset != nil {
		in.Offset = *data.Offset
	}
	return data, nil
}
