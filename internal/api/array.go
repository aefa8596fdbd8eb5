package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
)

// array is the body of a POST: items that stand or fall each by itself. Until read
// they are not looked into.
type array[T any] struct {
	raw    []json.RawMessage
	items  []T   // the well-formed ones
	places []int // of items in the array
}

// itemwise is a body whose items are looked into one by one.
type itemwise interface{ itemwise() }

func (*array[T]) itemwise()    {}
func (*messageList) itemwise() {}

// UnmarshalJSON takes the items apart.
func (a *array[T]) UnmarshalJSON(b []byte) error {
	if b = bytes.TrimLeft(b, " \t\r\n"); b[0] != '[' {
		return errors.New("expected array")
	}
	if err := json.Unmarshal(b, &a.raw); err != nil {
		return err
	}
	if n := len(a.raw); n == 0 || n > maxItems {
		return errors.New("expected array of 1 to " + strconv.Itoa(maxItems) + " items")
	}
	return nil
}

// Schema is that of an array of T.
func (array[T]) Schema(r huma.Registry) *huma.Schema {
	one, most := 1, maxItems
	return &huma.Schema{Type: huma.TypeArray, Items: r.Schema(reflect.TypeFor[T](), true, ""), MinItems: &one, MaxItems: &most}
}

// read decodes the items and returns why some are not well-formed, each error with the
// item's place in the array.
func (a *array[T]) read(s *server) (errs []Error) {
	a.items, a.places = make([]T, 0, len(a.raw)), make([]int, 0, len(a.raw))
	schema := s.items[reflect.TypeFor[T]()]
	for i, raw := range a.raw {
		var item T
		err := checkJSON(raw, nullRefused)
		if err == nil {
			err = s.decodeInto(schema, "", raw, &item)
		}
		if err != nil {
			if _, ok := errors.AsType[*Failure](err); !ok {
				err = fail(http.StatusBadRequest, err.Error()) // of the decoding
			}
			errs = append(errs, itemField(describe(err), i))
			continue
		}
		a.items, a.places = append(a.items, item), append(a.places, i)
	}
	a.raw = nil
	return errs
}

// addArray registers an operation whose body is an array of T.
func addArray[T, I, O any](s *server, op operation, handler func(context.Context, *I) (*O, error)) {
	o := op.declare()
	o.SkipValidateBody = true
	t := reflect.TypeFor[T]()
	s.items[t] = s.api.OpenAPI().Components.Schemas.Schema(t, true, "")
	huma.Register(s.api, o, handler)
}
