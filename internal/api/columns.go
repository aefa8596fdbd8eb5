package api

import (
	"reflect"
	"strconv"
	"strings"
)

// columnTest returns a test of a selector's conditions that reads the fields of a flat
// item themselves, as JSON would show them, since items are many; nil where the selector
// asks for something else.
func columnTest[T any](s selector) func(item *T) bool {
	if s.conditions == nil {
		return nil
	}
	type column struct {
		index int
		mask  mask
	}
	var columns []column
	t := reflect.TypeFor[T]()
	for _, c := range s.conditions {
		if len(c.path) != 1 {
			return nil
		}
		found := -1
		for i := range t.NumField() {
			if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name == c.path[0] {
				found = i
			}
		}
		if found < 0 { // no item has it
			return func(*T) bool { return false }
		}
		columns = append(columns, column{found, c.mask})
	}
	return func(item *T) bool {
		v := reflect.ValueOf(item).Elem()
		for _, c := range columns {
			if !c.mask.match(plainText(v.Field(c.index))) {
				return false
			}
		}
		return true
	}
}

// plainText is a text, a truth value or an integer as a condition sees it.
func plainText(v reflect.Value) string {
	switch {
	case v.Kind() == reflect.String:
		return v.String()
	case v.Kind() == reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case v.CanInt():
		return strconv.FormatInt(v.Int(), 10)
	default:
		return strconv.FormatUint(v.Uint(), 10)
	}
}
