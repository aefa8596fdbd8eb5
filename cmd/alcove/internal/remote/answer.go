package remote

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Page says which part of a longer list an answer holds [EXT-REST-2].
type Page struct {
	Limit  int  `json:"limit"`
	Offset int  `json:"offset"`
	Count  int  `json:"count"`          // items in all
	More   bool `json:"more,omitempty"` // there may be more than Count
	Items  int  `json:"-"`              // of this answer
}

// Fault is an entry of an answer's errors.
type Fault struct {
	Code   int    `json:"code"` // as HTTP's
	Reason string `json:"reason"`
	ID     int64  `json:"id"` // the item; 0: none
}

func (f Fault) String() string {
	if f.ID != 0 {
		return fmt.Sprintf("%s (id %d, code %d)", f.Reason, f.ID, f.Code)
	}
	return fmt.Sprintf("%s (code %d)", f.Reason, f.Code)
}

// Faults are the errors of an answer.
type Faults struct {
	List  []Fault // at least one
	Items int     // how many items were answered beside them
}

// Error gives the reasons, a line for each.
func (f *Faults) Error() string {
	lines := make([]string, len(f.List))
	for i := range f.List {
		lines[i] = f.List[i].String()
	}
	return strings.Join(lines, "\n")
}

// readAnswer reads {"result":[…],"errors":[…],"pagination":{…}}.
func readAnswer(body io.Reader, resp *http.Response, each func(json.RawMessage) error) (page Page, err error) {
	dec := json.NewDecoder(body)
	foreign := fmt.Errorf("HTTP %s: the answer is not the broker's", resp.Status)
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return page, foreign
	}
	var faults []Fault
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return page, broken(err)
		}
		switch key {
		case "result":
			err = readResult(dec, &page.Items, each)
		case "errors":
			err = dec.Decode(&faults)
		case "pagination":
			err = dec.Decode(&page)
		default:
			err = dec.Decode(new(json.RawMessage))
		}
		if err != nil {
			return page, broken(err)
		}
	}
	if _, err := dec.Token(); err != nil {
		return page, broken(err)
	}
	switch {
	case len(faults) > 0:
		return page, &Faults{faults, page.Items}
	case resp.StatusCode >= 300:
		return page, &Faults{[]Fault{{Code: resp.StatusCode, Reason: http.StatusText(resp.StatusCode)}}, page.Items}
	}
	return page, nil
}

// readResult gives the items of an array, or the one that stands in its place.
func readResult(dec *json.Decoder, n *int, each func(json.RawMessage) error) error {
	t, err := dec.Token()
	if err != nil {
		return err
	}
	if t != json.Delim('[') {
		return errors.New("the result is no list")
	}
	for dec.More() {
		var item json.RawMessage
		if err := dec.Decode(&item); err != nil {
			return err
		}
		*n++
		if err := each(item); err != nil {
			return &ownError{err}
		}
	}
	_, err = dec.Token()
	return err
}

// ownError is an error of who takes the items, not of the answer.
type ownError struct{ error }

func broken(err error) error {
	if own, ok := errors.AsType[*ownError](err); ok {
		return own.error
	}
	return fmt.Errorf("the answer broke off: %w", err)
}
