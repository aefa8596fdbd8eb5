package api

import (
	"encoding/json"
	"strings"
	"time"

	"alcove/internal/expr"
)

// collection is what a selector is applied to: the items of one account.
type collection[T any] struct {
	get  func(id int64) (T, bool) // false for a missing and for a foreign id alike
	list func() []T
}

// pick returns the items that the selector picks, and an error for each id that is
// not there. With ids alone, none of which exist, the answer is a 404.
func pick[T any](s selector, from collection[T]) ([]T, []Error, error) {
	if s.ids != nil {
		var items []T
		var missing []Error
		for _, id := range s.ids {
			if item, ok := from.get(id); ok {
				items = append(items, item)
			} else {
				missing = append(missing, describeItem(errNotFound, id))
			}
		}
		if items == nil {
			return nil, nil, &Failure{Errors: missing}
		}
		return items, missing, nil
	}
	items := from.list()
	if s.all {
		return items, nil, nil
	}
	t := s.begin()
	picked := items[:0]
	for _, item := range items {
		if t.holds(item) {
			picked = append(picked, item)
		}
	}
	return picked, nil, nil
}

// trial asks a selector about one item after another.
type trial struct {
	selector
	input expr.Input
	now   float64 // UNIX s, for the expression
}

// begin starts a trial, for one goroutine.
func (s selector) begin() *trial {
	return &trial{selector: s, now: float64(time.Now().UnixMicro()) / 1e6}
}

// holds reports whether the expression passes, or every condition holds, for an item.
// Both read what the API shows, so a selector finds exactly what its caller can see.
// Ids are not looked at.
func (t *trial) holds(item any) bool {
	if t.all {
		return true
	}
	doc, err := json.Marshal(item)
	if err != nil {
		return false
	}
	if t.program != nil {
		return t.input.SetJSON(doc, t.now) && t.program.Match(&t.input)
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(doc, &fields) != nil {
		return false
	}
	for _, c := range t.conditions {
		value, ok := lookup(fields, c.path)
		if !ok || !c.mask.match(value) {
			return false
		}
	}
	return true
}

// lookup returns a field as text: strings without quotes, everything else as JSON.
func lookup(fields map[string]json.RawMessage, path []string) (string, bool) {
	raw, ok := fields[path[0]]
	if !ok {
		return "", false
	}
	if len(path) > 1 {
		// A metadata key may have dots itself.
		var inner map[string]json.RawMessage
		if json.Unmarshal(raw, &inner) != nil || inner == nil {
			return "", false
		}
		if _, ok := inner[strings.Join(path[1:], ".")]; ok {
			return lookup(inner, []string{strings.Join(path[1:], ".")})
		}
		return lookup(inner, path[1:])
	}
	var text string
	if raw[0] == '"' && json.Unmarshal(raw, &text) == nil {
		return text, true
	}
	return string(raw), true
}
