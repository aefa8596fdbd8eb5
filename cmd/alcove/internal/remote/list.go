package remote

import (
	"context"
	"encoding/json"
	"maps"
	"net/url"
	"strconv"
)

// PageSize is how many items of a list are asked for at a time [EXT-REST-2].
const PageSize = 1000

// List gives the items of a list, page after page, from offset on, at most limit of
// them; a limit of 0 or less gives all. Items that come and go meanwhile may be missed.
func (r *Remote) List(ctx context.Context, q Request, limit, offset int, each func(json.RawMessage) error) error {
	for given := 0; limit <= 0 || given < limit; {
		size := PageSize
		if limit > 0 {
			size = min(size, limit-given)
		}
		part := q
		part.Method = "GET"
		part.Query = maps.Clone(q.Query)
		if part.Query == nil {
			part.Query = url.Values{}
		}
		part.Query.Set("limit", strconv.Itoa(size))
		if offset+given > 0 {
			part.Query.Set("offset", strconv.Itoa(offset+given))
		}
		page, err := r.Do(ctx, part, each)
		given += page.Items
		if err != nil {
			return err
		}
		if page.Items < size || !page.More && page.Count != 0 && offset+given >= page.Count {
			return nil
		}
	}
	return nil
}

// Count returns how many items a list has; more: there may be more than that.
func (r *Remote) Count(ctx context.Context, q Request) (n int, more bool, err error) {
	part := q
	part.Method = "GET"
	part.Query = maps.Clone(q.Query)
	if part.Query == nil {
		part.Query = url.Values{}
	}
	part.Query.Set("limit", "1")
	page, err := r.Do(ctx, part, func(json.RawMessage) error { return nil })
	return max(page.Count, page.Items), page.More, err
}
