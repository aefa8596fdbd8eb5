package admin

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"alcove/cmd/alcove/internal/remote"
)

// action is one thing that is done to each of the selected items.
type action struct {
	verb   string // Delete
	done   string // deleted
	method string
	suffix string // behind the selector in the path
	body   any
	yes    bool // it is confirmed beforehand
}

// updateCommand makes `update`.
func (r *resource) updateCommand(t *tool, example string) *cobra.Command {
	var w writing
	var yes bool
	cmd := &cobra.Command{
		Use:               "update selector…",
		Short:             "Change fields of " + r.noun + "s",
		Long:              "Changes the given fields of " + r.noun + "s; the others stay as they are.\n\n" + selectorHelp,
		Example:           example,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: t.completeItems(r),
		RunE: func(cmd *cobra.Command, args []string) error {
			body, err := w.one(r.fields, cmd.InOrStdin())
			if err != nil {
				return err
			}
			return r.update(cmd, t, args, body, yes)
		},
	}
	w.addFlags(cmd, r.fields)
	addYes(cmd, &yes)
	return cmd
}

// update writes a body over what is selected.
func (r *resource) update(cmd *cobra.Command, t *tool, args []string, body map[string]any, yes bool) error {
	if len(body) == 0 {
		return wrong("nothing to change: give -f field=value or --body")
	}
	return r.act(cmd, t, args, action{verb: "Change", done: "updated", method: "PUT", body: body, yes: yes})
}

// deleteCommand makes `delete`, or what use calls it; what is gone is reported with
// the word done.
func (r *resource) deleteCommand(t *tool, use, done, example string) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   use + " selector…",
		Short: "Delete " + r.noun + "s" + r.drops,
		Long: "Deletes " + r.noun + "s" + r.drops + ". What may select several is counted and\n" +
			"asked about before.\n\n" + selectorHelp,
		Example:           example,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: t.completeItems(r),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.act(cmd, t, args, action{verb: strings.ToUpper(use[:1]) + use[1:], done: done, method: "DELETE", yes: yes})
		},
	}
	addYes(cmd, &yes)
	return cmd
}

// act does something to each selected item, once it is confirmed, and reports it.
func (r *resource) act(cmd *cobra.Command, t *tool, args []string, a action) error {
	sel, err := choose(args, r.named, cmd.InOrStdin())
	if err != nil {
		return err
	}
	path, err := r.path(cmd.Context())
	if err != nil {
		return err
	}
	if !a.yes && !r.sure(sel, a) {
		if err := r.ask(cmd, t, path, sel, a); err != nil {
			return err
		}
	}
	return t.report(cmd, a.done, r, func(take func(json.RawMessage) error) error {
		n := 0
		err := eachSelector(sel, func(selector string) (int, error) {
			q := remote.Request{Method: a.method, Path: under(path, selector) + a.suffix, Body: a.body}
			page, err := t.Do(cmd.Context(), q, take)
			n += page.Items
			return page.Items, err
		})
		switch {
		case err != nil || n > 0:
			return err
		case sel.named: // what was named is not there; all of nothing is nothing
			return &Error{NotFound, fmt.Errorf("no %s is selected", r.noun)}
		case !t.quiet():
			fmt.Fprintf(cmd.ErrOrStderr(), "no %s is selected\n", r.noun)
		}
		return nil
	})
}

// sure reports whether it is plain what an action is done to, and that it takes nothing
// else with it.
func (r *resource) sure(sel selection, a action) bool {
	if a.method == "DELETE" && r.drops != "" {
		return false
	}
	return sel.sure
}

// ask counts what is selected and lets it be confirmed.
func (r *resource) ask(cmd *cobra.Command, t *tool, path string, sel selection, a action) error {
	total, several, drops := 0, false, ""
	if a.method == "DELETE" {
		drops = r.drops
	}
	err := eachSelector(sel, func(selector string) (int, error) {
		n, _, err := t.Count(cmd.Context(), remote.Request{Path: under(path, selector)})
		total += n
		several = several || n > 1 && strings.HasPrefix(selector, r.named+"=") // not of ids
		return n, err
	})
	certain := sel.named && !several && drops == ""
	if total == 0 || certain {
		return err // errors of single items come again with the action
	}
	return confirm(cmd, a.verb+" "+plural(total, r.noun)+drops+"?")
}
