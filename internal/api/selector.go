package api

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"alcove/internal/auth"
)

// selector picks items of a collection [EXT-REST-2]:
//
//	selector  = "all" / id *( "," id ) / condition *( "," condition )
//	condition = field "=" mask           ; all conditions must hold
//
// A field of a field is written with a dot: metadata.room, access.type.
type selector struct {
	all        bool
	ids        []int64
	conditions []condition
}

type condition struct {
	path []string
	mask string
}

// parseSelector reads a selector; the empty text is "all".
func parseSelector(text string) (selector, error) {
	if text == "" || text == "all" {
		return selector{all: true}, nil
	}
	parts := strings.Split(text, ",")
	if strings.Contains(text, "=") {
		if len(parts) > maxConditions {
			return selector{}, fail(http.StatusBadRequest, "selector: more than "+strconv.Itoa(maxConditions)+" conditions")
		}
		var s selector
		for _, part := range parts {
			field, mask, ok := strings.Cut(part, "=")
			if !ok || field == "" {
				return selector{}, fail(http.StatusBadRequest, "selector: a condition must be field=value")
			}
			s.conditions = append(s.conditions, condition{strings.Split(field, "."), mask})
		}
		return s, nil
	}
	if len(parts) > maxIDs {
		return selector{}, fail(http.StatusBadRequest, "selector: more than "+strconv.Itoa(maxIDs)+" ids")
	}
	var s selector
	seen := map[int64]bool{}
	for _, part := range parts {
		id, err := strconv.ParseInt(part, 10, 64)
		if err != nil {
			return selector{}, fail(http.StatusBadRequest, "selector: must be all, ids or field=value")
		}
		if !seen[id] {
			seen[id] = true
			s.ids = append(s.ids, id)
		}
	}
	return s, nil
}

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
	picked := items[:0]
	for _, item := range items {
		if s.holds(item) {
			picked = append(picked, item)
		}
	}
	return picked, nil, nil
}

// holds reports whether every condition holds for an item. Conditions read what the
// API shows, so a selector finds exactly what its caller can see.
func (s *selector) holds(item any) bool {
	doc, err := json.Marshal(item)
	if err != nil {
		return false
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(doc, &fields) != nil {
		return false
	}
	for _, c := range s.conditions {
		value, ok := lookup(fields, c.path)
		if !ok || !auth.MatchMask(c.mask, value) {
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
	if json.Unmarshal(raw, &text) == nil {
		return text, true
	}
	return string(raw), true
}
