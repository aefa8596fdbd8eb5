package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"alcove/cmd/alcove/internal/remote"
)

// resource is a collection of the REST interface whose items are selected.
type resource struct {
	noun    string // account
	named   string // the field by which a word that is no id selects
	columns []column
	fields  []field // those that are written

	// path is the collection's; it may ask who the token is.
	path func(ctx context.Context) (string, error)
	// drops says what goes with a deleted item; it is asked about even when ids are
	// given.
	drops string
}

// fixed is a path that is always the same.
func fixed(path string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return path, nil }
}

// paging is the part of a list that is asked for.
type paging struct{ limit, offset int }

func (p *paging) addFlags(cmd *cobra.Command) {
	cmd.Flags().IntVar(&p.limit, "limit", 0, "at most so many (default: all)")
	cmd.Flags().IntVar(&p.offset, "offset", 0, "pass over so many")
}

func (p *paging) check() error {
	if p.limit < 0 || p.offset < 0 {
		return wrong("--limit and --offset are not negative")
	}
	return nil
}

func (t *tool) addFields(cmd *cobra.Command) {
	cmd.Flags().StringVar(&t.fields, "fields", "", "comma `list` of the fields to show, in this order")
}

// query returns the parameters that --fields makes.
func (t *tool) query() url.Values {
	if t.fields == "" {
		return nil
	}
	return url.Values{"fields": {t.fields}}
}

// listCommand makes `list`.
func (r *resource) listCommand(t *tool, example string) *cobra.Command {
	var p paging
	cmd := &cobra.Command{
		Use:               "list [selector…]",
		Short:             "List " + r.noun + "s",
		Long:              "Lists " + r.noun + "s, page by page, however many there are.\n\n" + selectorHelp,
		Example:           example,
		ValidArgsFunction: t.completeItems(r),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := p.check(); err != nil {
				return err
			}
			if len(args) == 0 {
				args = []string{"all"}
			}
			s := t.sink(cmd.OutOrStdout(), r.columns)
			return s.finish(r.each(cmd, t, args, p, s.add))
		},
	}
	p.addFlags(cmd)
	t.addFields(cmd)
	return cmd
}

// each gives the items that the arguments select.
func (r *resource) each(cmd *cobra.Command, t *tool, args []string, p paging, take func(json.RawMessage) error) error {
	sel, err := choose(args, r.named, cmd.InOrStdin())
	if err != nil {
		return err
	}
	path, err := r.path(cmd.Context())
	if err != nil {
		return err
	}
	return eachSelector(sel, func(selector string) (int, error) {
		n := 0
		err := t.List(cmd.Context(), remote.Request{Path: under(path, selector), Query: t.query()}, p.limit, p.offset,
			func(raw json.RawMessage) error { n++; return take(raw) })
		return n, err
	})
}

// eachSelector asks one question after the other. Where some fail and others do not,
// the errors are told together.
func eachSelector(sel selection, ask func(selector string) (items int, err error)) error {
	var all remote.Faults
	for _, selector := range sel.selectors {
		n, err := ask(selector)
		all.Items += n
		faults, ok := err.(*remote.Faults)
		switch {
		case ok:
			all.List = append(all.List, faults.List...)
		case err != nil:
			return err
		}
	}
	if len(all.List) > 0 {
		return &all
	}
	return nil
}

// getCommand makes `get`.
func (r *resource) getCommand(t *tool, example string) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "get selector…",
		Short:             "Show all fields of " + r.noun + "s",
		Long:              "Shows all fields of " + r.noun + "s. Exit code 4: there is none.\n\n" + selectorHelp,
		Example:           example,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: t.completeItems(r),
		RunE: func(cmd *cobra.Command, args []string) error {
			s := t.cards(cmd.OutOrStdout())
			err := s.finish(r.each(cmd, t, args, paging{}, s.add))
			if err != nil || s.items > 0 {
				return err
			}
			return &Error{NotFound, fmt.Errorf("no %s is selected", r.noun)}
		},
	}
	t.addFields(cmd)
	return cmd
}
