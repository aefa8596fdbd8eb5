package api

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"alcove/internal/event"
	"alcove/internal/expr"
)

// recordFields are what the data parameter says of lists of records [EXT-REST-2].
type recordFields struct {
	From    *float64 `json:"from,omitempty" minimum:"0" maximum:"9000000000000" doc:"Records from then on: UNIX seconds"`
	To      *float64 `json:"to,omitempty" minimum:"0" maximum:"9000000000000" doc:"Records up to then: UNIX seconds"`
	Count   *int     `json:"count,omitempty" minimum:"1" maximum:"10000" doc:"At most so many; 1,000 when not given"`
	Reverse bool     `json:"reverse,omitempty" doc:"The newest first"`
	Filter  string   `json:"filter,omitempty" doc:"An expression over the fields of a record" example:"event_code==503"`
	Fields  string   `json:"fields,omitempty" doc:"Comma list of the fields to show"`
}

// RecordPage documents the parameter that narrows a list of records.
type RecordPage struct {
	Data   string `query:"data" doc:"JSON, URL-encoded: {\"from\",\"to\",\"count\",\"reverse\",\"filter\",\"fields\"}" example:"{\"count\":10,\"reverse\":true}"`
	Fields string `query:"fields" doc:"Comma list of the fields to show" example:"timestamp,event_code"`
}

// recordQuery is a list of records as it was asked for.
type recordQuery struct {
	event.Query
	count  int
	filter *expr.Program // nil: all
	fields []string      // nil: all
}

// micros turns UNIX seconds into microseconds; at least 1, as 0 is no bound.
func micros(s *float64) int64 {
	if s == nil {
		return 0
	}
	return max(1, int64(*s*1e6+0.5))
}

// recordsOf reads what a list of records of the caller's account is to be narrowed to.
func (s *server) recordsOf(ctx context.Context, in *RecordPage) (*recordQuery, error) {
	var f recordFields
	if in.Data != "" {
		raw := []byte(in.Data)
		if err := checkJSON(raw, nullRefused); err != nil {
			return nil, fieldFault("data", err.Error())
		}
		if err := s.decodeInto(s.records, "data", raw, &f); err != nil {
			return nil, err
		}
	}
	if f.Fields != "" && in.Fields != "" {
		return nil, fieldFault("data.fields", "is given as a parameter too")
	}
	q := &recordQuery{count: defaultRecords}
	q.Account = int64(callerOf(ctx).account)
	q.From, q.To, q.Reverse = micros(f.From), micros(f.To), f.Reverse
	if q.To != 0 && q.To < q.From {
		return nil, fieldFault("data.to", "is before data.from")
	}
	if f.Count != nil {
		q.count = *f.Count
	}
	if names := f.Fields + in.Fields; names != "" {
		if q.fields = strings.Split(names, ","); len(q.fields) > maxFields {
			return nil, fieldFault("fields", "too many names")
		}
	}
	var err error
	q.filter, err = compileFilter("data.filter", f.Filter)
	return q, err
}

// compileFilter compiles an expression, nil for none.
func compileFilter(field, source string) (*expr.Program, error) {
	if source == "" {
		return nil, nil
	}
	p, err := expr.Compile(source)
	if err != nil {
		e := describe(err)
		e.Reason = field + ": " + strings.TrimPrefix(e.Reason, "expression: ")
		return nil, &Failure{Errors: []Error{e}}
	}
	return p, nil
}

// recordSource gives the records of a query, such as Journal.Records.
type recordSource func(ctx context.Context, q event.Query, visit func(*event.Stored) bool) error

// sifter asks of one record after another whether it is wanted.
type sifter struct {
	want    func(*event.Stored) bool // nil: all
	filter  *expr.Program
	input   expr.Input
	now     float64
	scanned int
}

func newSifter(want func(*event.Stored) bool, filter *expr.Program) *sifter {
	return &sifter{want: want, filter: filter, now: float64(time.Now().UnixMicro()) / 1e6}
}

// takes tells whether the record is wanted.
func (s *sifter) takes(r *event.Stored) bool {
	s.scanned++
	if s.want != nil && !s.want(r) {
		return false
	}
	return s.filter == nil || s.input.SetJSON(r.JSON, s.now) && s.filter.Match(&s.input)
}

// spent tells that enough was looked at for one request.
func (s *sifter) spent() bool { return s.scanned >= maxScanned }

var errScanned = fail(http.StatusServiceUnavailable, "the answer breaks off: too many records were looked at; narrow data.from and data.to")

// recordStream writes an answer while the journal is read: in memory are one stretch of
// the log and streamBuffer bytes.
type recordStream struct {
	query  *recordQuery
	source recordSource
	sifter *sifter

	outflow
	written int
}

// list answers with the records of a query that are wanted.
func (q *recordQuery) list(source recordSource, want func(*event.Stored) bool) *huma.StreamResponse {
	st := &recordStream{query: q, source: source, sifter: newSifter(want, q.filter)}
	return &huma.StreamResponse{Body: st.run}
}

func (st *recordStream) run(hc huma.Context) {
	st.out = hc.BodyWriter().(http.ResponseWriter) // the adapter's is the response itself
	st.control = http.NewResponseController(st.out)
	st.buf.WriteString(`{"result":[`)
	err := st.source(hc.Context(), st.query.Query, st.take)
	if err == nil {
		err = st.err
	}
	if err == nil && st.sifter.spent() && st.written < st.query.count {
		err = errScanned
	}
	if err != nil && !st.started && st.written == 0 {
		e := describeRead(err)
		hc.SetHeader("Content-Type", "application/json")
		hc.SetStatus(e.Code)
		_ = json.NewEncoder(st.out).Encode(&Failure{Errors: []Error{e}})
		return
	}
	st.buf.WriteByte(']')
	if err != nil {
		doc, _ := json.Marshal([]Error{describeRead(err)})
		st.buf.WriteString(`,"errors":`)
		st.buf.Write(doc)
	}
	st.buf.WriteByte('}')
	st.send()
	_ = st.control.SetWriteDeadline(time.Time{}) // the connection goes on
}

// describeRead is describe for what only reads.
func describeRead(err error) Error {
	if f, ok := err.(*Failure); ok {
		return f.Errors[0]
	}
	return Error{Code: http.StatusServiceUnavailable, Reason: "the log could not be read"}
}

// take writes a record, where it is wanted.
func (st *recordStream) take(r *event.Stored) bool {
	if st.sifter.takes(r) {
		if st.written > 0 {
			st.buf.WriteByte(',')
		}
		st.written++
		if st.query.fields == nil {
			st.buf.Write(r.JSON)
		} else {
			st.buf.Write(someFields(r.JSON, st.query.fields))
		}
		if st.buf.Len() >= streamBuffer {
			st.send()
		}
	}
	return st.err == nil && st.written < st.query.count && !st.sifter.spent()
}

// someFields returns a JSON object with the asked fields alone, in the order of the
// asking.
func someFields(doc []byte, names []string) []byte {
	var all map[string]json.RawMessage
	if json.Unmarshal(doc, &all) != nil {
		return []byte("{}")
	}
	some := []byte{'{'}
	for _, name := range names {
		value, ok := all[name]
		if !ok {
			continue
		}
		delete(all, name) // each once
		if len(some) > 1 {
			some = append(some, ',')
		}
		quoted, _ := json.Marshal(name)
		some = append(append(append(some, quoted...), ':'), value...)
	}
	return append(some, '}')
}

// addRecords registers a GET of a list of records, each of which is documented as T.
func addRecords[I, T any](s *server, op operation, handler func(context.Context, *I) (*huma.StreamResponse, error)) {
	o := op.declare()
	o.Responses = map[string]*huma.Response{"200": {
		Description: "The records, by time, as they are read from the store",
		Content: map[string]*huma.MediaType{"application/json": {
			Schema: s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[recordAnswer[T]](), true, ""),
		}},
	}}
	huma.Register(s.api, o, handler)
}

// recordAnswer documents what recordStream writes.
type recordAnswer[T any] struct {
	Result []T     `json:"result"`
	Errors []Error `json:"errors,omitempty" doc:"Why the result breaks off, where it does"`
}
