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
	// first time does for the strictness. One whose items are
	// looked into one by one is decoded once.
	switch v.(type) {
	case *any:
		if string(bytes.TrimSpace(data)) == "null" {
			return errors.New("is null") // which would be an empty array
		}
		if err := checkJSON(data, nullRefused); err != nil {
			return err
		}
	case itemwise:
		if err := checkJSON(data, nullPlain); err != nil {
			return err
		}
	}
	return json.Unmarshal(data, v)
}

// frame is an open object or array of checkJSON.
type frame struct {
	keys  map[string]bool // nil for an array
	value bool            // in an object: a value comes next
	key   string          // whose value that is
	nulls nulls           // what null means in it
}

// nulls says what null means as the value of a key.
type nulls uint8

const (
	nullRefused nulls = iota // no value: the framework would take the key as not given
	nullUnsets               // here, that a setting is the parent's again
	nullPlain                // a value, here and below
)

// below says what null means in the value of the frame's key.
func (f *frame) below() nulls {
	switch {
	case f.nulls == nullPlain || f.key == "input": // of an expression's test
		return nullPlain
	case f.key == "settings": // [EXT-ACC-5]
		return nullUnsets
	}
	return nullRefused
}

// checkJSON walks the tokens once, with one frame per open object or array. null means
// in all of it what the second argument says, where no key changes that.
func checkJSON(data []byte, null nulls) error {
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
				top.keys[key], top.value, top.key = true, true, key
				continue
			}
			if top.value && token == nil && top.nulls == nullRefused && top.below() != nullPlain {
				return fmt.Errorf("key %.64q is null, which is no value for it", top.key)
			}
			top.value = false
		}
		next := frame{nulls: null}
		if n := len(stack); n > 0 {
			if next.nulls = stack[n-1].below(); stack[n-1].keys == nil {
				next.nulls = stack[n-1].nulls // of an array's item
			}
		}
		switch token {
		case json.Delim('{'):
			next.keys = map[string]bool{}
			stack = append(stack, next)
		case json.Delim('['):
			stack = append(stack, next)
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
