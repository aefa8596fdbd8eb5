package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"alcove/cmd/alcove/internal/remote"
	"alcove/cmd/alcove/internal/screen"
)

// post creates items, a thousand at a time, and gives what the broker answers.
func (t *tool) post(ctx context.Context, path string, bodies []map[string]any, take func(json.RawMessage) error) error {
	var all remote.Faults
	for len(bodies) > 0 {
		n := min(len(bodies), remote.PageSize)
		page, err := t.Do(ctx, remote.Request{Method: "POST", Path: path, Body: bodies[:n]}, take)
		all.Items += page.Items
		faults, ok := err.(*remote.Faults)
		switch {
		case ok:
			all.List = append(all.List, faults.List...)
		case err != nil:
			return err
		}
		bodies = bodies[n:]
	}
	if len(all.List) > 0 {
		return &all
	}
	return nil
}

// bodies are what `create` posts: one for each name, or those of the body, with the
// assignments over them.
func (r *resource) bodies(cmd *cobra.Command, w *writing, names []string) ([]map[string]any, error) {
	if len(names) == 1 && names[0] == "-" {
		names, w.body = nil, "-"
	}
	var bodies []map[string]any
	var err error
	switch {
	case len(names) > 0 && w.body != "":
		return nil, wrong("names and a body exclude each other")
	case w.body != "":
		bodies, err = w.many(cmd.InOrStdin(), r.named)
	case len(names) > 0:
		for _, name := range names {
			bodies = append(bodies, map[string]any{r.named: name})
		}
	default:
		bodies = []map[string]any{{}}
	}
	if err != nil {
		return nil, err
	}
	for _, body := range bodies {
		if err := w.assign(body, r.fields); err != nil {
			return nil, err
		}
	}
	return bodies, nil
}

// createCommand makes `create`, for items that have a name.
func (r *resource) createCommand(t *tool, args string, example string) *cobra.Command {
	var w writing
	cmd := &cobra.Command{
		Use:   "create " + args + "…",
		Short: "Create " + r.noun + "s",
		Long: "Creates " + r.noun + "s: one for each argument; or what --body has, JSON objects and arrays of\n" +
			"them, or a name on each line. The argument - is --body -.",
		Example:           example,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, names []string) error {
			if len(names) == 0 && w.body == "" {
				return wrong("a name is needed, or a body")
			}
			bodies, err := r.bodies(cmd, &w, names)
			if err != nil {
				return err
			}
			path, err := r.path(cmd.Context())
			if err != nil {
				return err
			}
			return t.report(cmd, "created", r, func(take func(json.RawMessage) error) error {
				return t.post(cmd.Context(), path, bodies, take)
			})
		},
	}
	w.addFlags(cmd, r.fields)
	return cmd
}

// report tells what was done to each item: as JSON, or a line of text.
func (t *tool) report(cmd *cobra.Command, done string, r *resource, act func(func(json.RawMessage) error) error) error {
	out := cmd.OutOrStdout()
	s := t.sink(out, nil)
	err := act(func(raw json.RawMessage) error {
		if t.quiet() {
			return s.add(raw)
		}
		var i item
		if err := json.Unmarshal(raw, &i); err != nil {
			return fmt.Errorf("the broker's answer: %w", err)
		}
		line := r.noun + " " + i.text("id")
		if name := i.text(r.named); name != "" {
			line += " " + quoted(name)
		}
		_, err := fmt.Fprintln(out, screen.Cell(line+" "+done+figures(raw, i, r.named)))
		return err
	})
	if t.quiet() {
		return s.finish(err)
	}
	return err
}

// figures are the counts that the answer to a deletion has.
func figures(raw json.RawMessage, i item, named string) string {
	if i["created"] != nil || len(i) > 12 {
		return "" // the item itself
	}
	names, err := fieldsOf(raw)
	if err != nil {
		return ""
	}
	var parts []string
	for _, name := range names {
		if n := i.number(name); n > 0 && name != "id" && name != "cid" && name != named && !strings.HasSuffix(name, "_id") {
			parts = append(parts, strings.ReplaceAll(name, "_", " ")+" "+textOf(i[name]))
		}
	}
	if parts == nil {
		return ""
	}
	return ": " + strings.Join(parts, ", ")
}

// quoted writes a name in quotes.
func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `\"`) + `"` }
