package api

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Answer is the body of every success: a result, and errors beside it where some of
// the selected items failed [EXT-REST-1].
type Answer[T any] struct {
	Result     []Shown[T]  `json:"result"`
	Errors     []Error     `json:"errors,omitempty"`
	Pagination *Pagination `json:"pagination,omitempty"`
}

// Pagination says which part of a longer list the result is [EXT-REST-2].
type Pagination struct {
	Limit  int `json:"limit"`
	Offset int `json:"offset"`
	Count  int `json:"count" doc:"Items that the selector picks in all"`
}

// output is what handlers return to the REST framework.
type output[T any] struct {
	Body Answer[T]
}

// Shown is an item of which only some fields may have been asked for.
type Shown[T any] struct {
	value  T
	fields []string // nil: all
}

// MarshalJSON writes the asked fields, in the order of the asking.
func (s Shown[T]) MarshalJSON() ([]byte, error) {
	whole, err := json.Marshal(s.value)
	if err != nil || s.fields == nil {
		return whole, err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(whole, &all); err != nil {
		return nil, err
	}
	some := []byte{'{'}
	for _, f := range s.fields {
		value, ok := all[f]
		if !ok {
			continue
		}
		if len(some) > 1 {
			some = append(some, ',')
		}
		name, _ := json.Marshal(f)
		some = append(append(append(some, name...), ':'), value...)
	}
	return append(some, '}'), nil
}

// Schema is that of the item.
func (s Shown[T]) Schema(r huma.Registry) *huma.Schema {
	return r.Schema(reflect.TypeFor[T](), true, "")
}

// answer wraps items whole. When every item failed, the answer is the failure.
func answer[T any](items []T, errs []Error) (*output[T], error) {
	if len(items) == 0 && len(errs) > 0 {
		return nil, &Failure{Errors: errs}
	}
	out := &output[T]{Body: Answer[T]{Result: make([]Shown[T], len(items)), Errors: errs}}
	for i := range items {
		out.Body.Result[i].value = items[i]
	}
	return out, nil
}

// Page is the part of a list that a GET asks for.
type Page struct {
	Fields string `query:"fields" doc:"Comma list of the fields to show" example:"id,name"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" doc:"Items on this page; 100 when not given"`
	Offset int    `query:"offset" minimum:"0" maximum:"1000000000" doc:"Items to pass over"`
}

// show wraps the asked part of the items. Items asked for by id are never cut off.
func show[T any](items []T, errs []Error, p Page, byID bool) (*output[T], error) {
	var fields []string
	if p.Fields != "" {
		if fields = strings.Split(p.Fields, ","); len(fields) > maxFields {
			return nil, fail(http.StatusBadRequest, "fields: too many names")
		}
	}
	limit := min(p.Limit, maxLimit)
	if limit == 0 {
		limit = defaultLimit
		if byID {
			limit = maxIDs
		}
	}
	count := len(items)
	from := min(p.Offset, count)
	items = items[from:min(from+limit, count)]
	if len(items) == 0 && len(errs) > 0 && count == 0 {
		return nil, &Failure{Errors: errs}
	}
	out := &output[T]{Body: Answer[T]{Result: make([]Shown[T], len(items)), Errors: errs}}
	for i := range items {
		out.Body.Result[i] = Shown[T]{items[i], fields}
	}
	if len(items) < count || p.Limit != 0 || p.Offset != 0 {
		out.Body.Pagination = &Pagination{Limit: limit, Offset: p.Offset, Count: count}
	}
	return out, nil
}
