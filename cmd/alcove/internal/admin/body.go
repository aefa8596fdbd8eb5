package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// writing holds the options of commands that write items.
type writing struct {
	assignments []string // -f
	body        string   // --body
}

func (w *writing) addFlags(cmd *cobra.Command, fields []field) {
	f := cmd.Flags()
	f.StringArrayVarP(&w.assignments, "field", "f", nil, "`field=value`; may be repeated")
	f.StringVar(&w.body, "body", "", "the fields as JSON; @file, or - for the standard input")
	_ = cmd.RegisterFlagCompletionFunc("field", completeFields(fields))
	if len(fields) == 0 {
		return
	}
	cmd.Long += "\n\nFields for -f:\n"
	most := 0
	for _, field := range fields {
		most = max(most, len(field.name))
	}
	for _, field := range fields {
		cmd.Long += "  " + field.name + strings.Repeat(" ", most+2-len(field.name)) + field.help + "\n"
	}
	cmd.Long = strings.TrimSuffix(cmd.Long, "\n")
}

// source opens what --body says, or the argument "-".
func source(text string, in io.Reader) (io.ReadCloser, error) {
	if text == "-" {
		return io.NopCloser(io.LimitReader(in, maxInput)), nil
	}
	if name, ok := strings.CutPrefix(text, "@"); ok {
		f, err := os.Open(name)
		if err != nil {
			return nil, &Error{Usage, err}
		}
		return f, nil
	}
	return io.NopCloser(strings.NewReader(text)), nil
}

// one returns the body of an update: one object, with the assignments over it.
func (w *writing) one(fields []field, in io.Reader) (map[string]any, error) {
	body := map[string]any{}
	if w.body != "" {
		bodies, err := w.many(in, "")
		if err != nil {
			return nil, err
		}
		if len(bodies) != 1 {
			return nil, wrong("the body must be one object, not %d", len(bodies))
		}
		body = bodies[0]
	}
	return body, w.assign(body, fields)
}

func (w *writing) assign(body map[string]any, fields []field) error {
	for _, a := range w.assignments {
		if err := assign(body, fields, a); err != nil {
			return err
		}
	}
	return nil
}

// many reads the objects of --body: any number of objects and arrays of objects, one
// after the other. An input that is no JSON is a name on each line, where items have
// one.
func (w *writing) many(in io.Reader, named string) ([]map[string]any, error) {
	r, err := source(w.body, in)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	text = bytes.TrimSpace(text)
	lines := w.body == "-" || strings.HasPrefix(w.body, "@")
	if lines && named != "" && len(text) > 0 && text[0] != '{' && text[0] != '[' {
		return namesOf(text, named)
	}
	var bodies []map[string]any
	dec := json.NewDecoder(bytes.NewReader(text))
	for {
		var value json.RawMessage
		err := dec.Decode(&value)
		if errors.Is(err, io.EOF) {
			return bodies, nil
		}
		if err != nil {
			return nil, wrong("the body is not JSON: %w", err)
		}
		objects := []json.RawMessage{value}
		if value[0] == '[' {
			objects = nil
			if err := json.Unmarshal(value, &objects); err != nil {
				return nil, wrong("the body: %w", err)
			}
		}
		for _, raw := range objects {
			var fields map[string]json.RawMessage
			if json.Unmarshal(raw, &fields) != nil || fields == nil {
				return nil, wrong("item %d of the body is not an object", len(bodies))
			}
			body := make(map[string]any, len(fields))
			for name, value := range maps.All(fields) {
				body[name] = value
			}
			bodies = append(bodies, body)
		}
	}
}

func namesOf(text []byte, named string) (bodies []map[string]any, err error) {
	lines, err := readLines(bytes.NewReader(text))
	for _, line := range lines {
		bodies = append(bodies, map[string]any{named: line})
	}
	return bodies, err
}
