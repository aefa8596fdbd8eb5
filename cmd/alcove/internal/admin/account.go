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

// operatorAccount is the account whose children are the top-level ones [EXT-ACC-3].
const operatorAccount = 1

// accountFields are those that the parent of an account writes [EXT-ACC-4].
func accountFields() []field {
	fields := []field{
		{"name", words, "what it is called"},
		{"limit_id", whole, "the limit object that bounds it; 0 for none"},
		{"metadata", raw, "texts by names, as a JSON object"},
		{"metadata.KEY", words, "one of these texts"},
		{"blocked", whole, "reason code; 0 unblocks"},
	}
	for _, s := range settingFields {
		fields = append(fields, field{"settings." + s.name, s.kind, s.help})
	}
	return fields
}

// accounts are the resource, and child makes it the accounts below one's own also for
// the operator.
type accounts struct {
	resource
	tool  *tool
	child bool
}

// collection returns the path of the accounts that the caller manages: the operator's
// own token manages top-level accounts, everybody else the accounts below theirs.
func (a *accounts) collection(ctx context.Context) (string, error) {
	const below = "/platform/subaccounts"
	if a.child || a.tool.Account != 0 {
		return below, nil
	}
	var me []struct {
		Account int64 `json:"cid"`
	}
	if err := a.tool.Call(ctx, remote.Request{Method: "GET", Path: "/auth/info"}, &me); err != nil {
		return "", err
	}
	if len(me) == 1 && me[0].Account == operatorAccount {
		return "/platform/customers", nil
	}
	return below, nil
}

func newAccount() *cobra.Command {
	t := &tool{}
	a := &accounts{tool: t}
	a.resource = resource{
		noun: "account", named: "name", fields: accountFields(), path: a.collection,
		drops: ", all data and subaccounts included",
		columns: []column{shown("ID", "id"), shown("NAME", "name"), shown("PARENT", "cid"),
			{"BLOCKED", nonZero("blocked")}, shown("CREATED", "created"), {"LIMIT", nonZero("limit_id")}},
	}
	cmd := group(t, "account", "Manage accounts, their settings, and see what they use",
		"Manages the accounts below one's own: for the operator's token the customers, which are\n"+
			"the top-level accounts; with --child or --cid, and for every other master token, the\n"+
			"subaccounts. settings, info and statistics are about one's own account, or that of --cid.",
		a.listCommand(t, "  alcove account list\n  alcove account list 'name=acme*' blocked=0\n  alcove account list --cid 7 --json"),
		a.getCommand(t, "  alcove account get acme\n  alcove account get 7 --fields id,settings --json"),
		a.newCreate(t),
		a.updateCommand(t, "  alcove account update acme -f limit_id=12\n  alcove account update 7 -f blocked=1\n"+
			"  alcove account update 7,8 -f settings.log_days=7 -f settings.stamps=null"),
		a.deleteCommand(t, "delete", "deleted", "  alcove account delete 7\n  alcove account delete acme --yes"),
		newSettings(t), newAccountInfo(t), newStatistics(t))
	cmd.PersistentFlags().BoolVar(&a.child, "child", false, "accounts below one's own, also with the operator's token")
	return cmd
}

// nonZero shows a number that is not 0.
func nonZero(field string) func(item) string {
	return func(i item) string {
		if i.number(field) == 0 {
			return ""
		}
		return i.text(field)
	}
}

func (a *accounts) newCreate(t *tool) *cobra.Command {
	cmd := a.createCommand(t, "name", "  alcove account create acme\n"+
		"  alcove account create north south --child -f limit_id=12\n"+
		"  KEY=$(alcove account create acme --key-only)\n"+
		"  alcove account create - < names.txt")
	cmd.Long += "\n\nA customer, which only the operator's token creates, comes with its first master token,\nwhose key is shown this once. Other accounts have no token: create one with --cid."
	var keyOnly bool
	cmd.Flags().BoolVar(&keyOnly, "key-only", false, "print the key of the account's token and nothing else")
	plain := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		if t.quiet() {
			return plain(cmd, names)
		}
		w, err := writingOf(cmd)
		if err != nil {
			return err
		}
		return a.createShown(cmd, w, names, keyOnly)
	}
	return cmd
}

// writingOf reads the options of a command that writes.
func writingOf(cmd *cobra.Command) (*writing, error) {
	assignments, err := cmd.Flags().GetStringArray("field")
	if err != nil {
		return nil, err
	}
	body, err := cmd.Flags().GetString("body")
	return &writing{assignments, body}, err
}

// createShown creates accounts and shows their keys.
func (a *accounts) createShown(cmd *cobra.Command, w *writing, names []string, keyOnly bool) error {
	if len(names) == 0 && w.body == "" {
		return wrong("a name is needed, or a body")
	}
	bodies, err := a.bodies(cmd, w, names)
	if err != nil {
		return err
	}
	path, err := a.path(cmd.Context())
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	keyless := false
	err = a.tool.post(cmd.Context(), path, bodies, func(raw json.RawMessage) error {
		var made struct {
			ID    int64     `json:"id"`
			Name  string    `json:"name"`
			Token *tokenKey `json:"token"`
		}
		if err := json.Unmarshal(raw, &made); err != nil {
			return fmt.Errorf("the broker's answer: %w", err)
		}
		switch {
		case keyOnly && made.Token == nil:
			keyless = true
		case keyOnly:
			fmt.Fprintln(out, screen.Cell(made.Token.Key))
		default:
			fmt.Fprintf(out, "account %d %s\n", made.ID, screen.Cell(quoted(made.Name)))
			if made.Token != nil {
				fmt.Fprintf(out, "token %d\nkey: %s\n", made.Token.ID, screen.Cell(made.Token.Key))
			}
		}
		return nil
	})
	if err == nil && keyless {
		return wrong("the account is made; below another it has no token of its own: create one with --cid")
	}
	return err
}

// tokenKey is what is shown of a token that was just created.
type tokenKey struct {
	ID      int64  `json:"id"`
	Account int64  `json:"cid"`
	Key     string `json:"key"`
}

func newAccountInfo(t *tool) *cobra.Command {
	return t.showCommand("info", "Show one's own account, or that of --cid, with its counters", "/platform/customer",
		"  alcove account info\n  alcove account info --cid 7 --json")
}

// showCommand makes a command that shows the items of one path.
func (t *tool) showCommand(use, short, path, example string) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Example: example, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s := t.cards(cmd.OutOrStdout())
			_, err := t.Do(cmd.Context(), remote.Request{Method: "GET", Path: path}, func(raw json.RawMessage) error {
				if t.quiet() && t.fields != "" {
					raw = pick(raw, strings.Split(t.fields, ","))
				}
				return s.add(raw)
			})
			return s.finish(err)
		},
	}
	t.addFields(cmd)
	return cmd
}
