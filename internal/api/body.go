package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// decodeJSON is json.Unmarshal for request bodies: one value, no deeper than
// maxDepth, and no key twice in an object, since readers disagree on which one counts.
func decodeJSON(data []byte, v any) error {
	// A body is decoded twice, into any to be validated and into its type: the
	// first time does for the strictness.
	if _, first := v.(*any); first {
		if err := checkJSON(data); err != nil {
			return err
		}
	}
	return json.Unmarshal(data, v)
}

// checkJSON walks the tokens once, with one frame per open object or array.
func checkJSON(data []byte) error {
	type frame struct {
		keys  map[string]bool // nil for an array
		value bool            // in an object: a value comes next
	}
	var stack []frame
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	for {
		token, err := dec.Token()
		if err == io.EOF && len(stack) == 0 {
			return nil
		}
		if err != nil {
			return errors.New("is not valid JSON")
		}
		if n := len(stack); n > 0 && stack[n-1].keys != nil {
			top := &stack[n-1]
			if key, ok := token.(string); ok && !top.value {
				if top.keys[key] {
					return fmt.Errorf("key %.64q is given twice", key)
				}
				top.keys[key], top.value = true, true
				continue
			}
			top.value = false
		}
		switch token {
		case json.Delim('{'):
			stack = append(stack, frame{keys: map[string]bool{}})
		case json.Delim('['):
			stack = append(stack, frame{})
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:len(stack)-1]
		}
		if len(stack) > maxDepth {
			return fmt.Errorf("is nested deeper than %d levels", maxDepth)
		}
	}
}
