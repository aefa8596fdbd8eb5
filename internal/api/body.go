package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// decodeJSON is json.Unmarshal for request bodies: one value, no deeper than
// maxDepth, and no key twice in an object, since readers disagree on which one counts.
func decodeJSON(data []byte, v any) error {
	// A body is decoded twice, into any to be validated and into its type: the
	// first time does for the strictness. A messageList is decoded once.
	switch v.(type) {
	case *any, *messageList:
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

// checkText refuses what the decoder would silently replace by U+FFFD: bytes that are
// not UTF-8, and halves of surrogate pairs. The data must be valid JSON.
func checkText(data []byte) error {
	if !utf8.Valid(data) {
		return errors.New("is not UTF-8")
	}
	for {
		i := bytes.IndexByte(data, '\\')
		if i < 0 {
			return nil
		}
		unit := codeUnit(data[i:])
		switch {
		case unit < 0:
			data = data[i+2:]
		case !utf16.IsSurrogate(unit):
			data = data[i+6:]
		case utf16.DecodeRune(unit, codeUnit(data[i+6:])) == utf8.RuneError:
			return errors.New("holds half of a surrogate pair")
		default:
			data = data[i+12:]
		}
	}
}

// codeUnit returns the value of the \uXXXX that data begins with, or -1.
func codeUnit(data []byte) rune {
	if len(data) < 6 || data[0] != '\\' || data[1] != 'u' {
		return -1
	}
	n, err := strconv.ParseUint(string(data[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(n)
}
