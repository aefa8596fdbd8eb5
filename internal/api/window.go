package api

import (
	"net/http"
	"strings"
)

// window keeps the asked page of a list that goes by, and counts the rest: of a million
// items no more than a page is in memory [EXT-REST-2].
type window[T any] struct {
	page  Page
	limit int
	items []T
	count int
}

// newWindow begins a page of what a selector picks. Items asked for by id are never cut
// off.
func newWindow[T any](p Page, selector string) *window[T] {
	w := &window[T]{page: p, limit: min(p.Limit, maxLimit)}
	if w.limit == 0 {
		w.limit = defaultLimit
		if sel, err := parseSelector(selector); err == nil && sel.ids != nil {
			w.limit = maxIDs
		}
	}
	return w
}

// put counts an item, and keeps it where it is on the page.
func (w *window[T]) put(item T) {
	if w.wanted() {
		w.items = append(w.items, item)
	}
	w.count++
}

// wanted tells whether the next item is on the page.
func (w *window[T]) wanted() bool {
	return w.count >= w.page.Offset && len(w.items) < w.limit
}

// pass counts n items, none of which is on the page: it returns false.
func (w *window[T]) pass(n int) bool {
	w.count += n
	return false
}

// answer is the page, with its place in the list where it is not all of it.
func (w *window[T]) answer(errs []Error) (*output[T], error) {
	var fields []string
	if w.page.Fields != "" {
		if fields = strings.Split(w.page.Fields, ","); len(fields) > maxFields {
			return nil, fail(http.StatusBadRequest, "fields: too many names")
		}
	}
	if w.count == 0 && len(errs) > 0 {
		return nil, &Failure{Errors: errs}
	}
	out := &output[T]{Body: Answer[T]{Result: make([]Shown[T], len(w.items)), Errors: errs}}
	for i := range w.items {
		out.Body.Result[i] = Shown[T]{w.items[i], fields}
	}
	if len(w.items) < w.count || w.page.Limit != 0 || w.page.Offset != 0 {
		out.Body.Pagination = &Pagination{Limit: w.limit, Offset: w.page.Offset, Count: w.count}
	}
	return out, nil
}
