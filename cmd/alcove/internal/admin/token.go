package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"alcove/cmd/alcove/internal/screen"
)

// The access types of a token [EXT-TOK-4], by their numbers.
var accessNames = []string{"standard", "master", "acl"}

const (
	accessStandard = 0
	accessMaster   = 1
	accessACL      = 2
)

// defaultLife is how long a new token lives since its last use, if nothing is said.
const defaultLife = 365 * 24 * time.Hour

// tokenFields are those of a token that are written [EXT-TOK-3].
var tokenFields = []field{
	{"info", words, "what the token is for"},
	{"enabled", truth, "false refuses it"},
	{"expire", instant, "when it ends: a date, a time, UNIX seconds, 720h from now; 0: unused"},
	{"ttl", period, "it ends when it was not used for so long, such as 30d; 0: unused"},
	{"ips", words, "addresses that may use it: masks with * and ?, or CIDR, separated by commas"},
	{"metadata", raw, "texts by names, as a JSON object"},
	{"metadata.KEY", words, "one of these texts"},
	{"access", raw, `as JSON: {"type":2,"acl":[…]}`},
}

func newToken() *cobra.Command {
	t := &tool{}
	r := &resource{
		noun: "token", named: "info", fields: tokenFields, path: fixed("/platform/tokens"),
		columns: []column{shown("ID", "id"), {"ACCESS", accessOf}, shown("ENABLED", "enabled"), shown("CREATED", "created"),
			shown("LAST USE", "accessed"), shown("EXPIRES", "expire"), shown("TTL", "ttl"), shown("ADDRESSES", "ips"), shown("INFO", "info")},
	}
	revoke := r.deleteCommand(t, "revoke", "revoked", "  alcove token revoke 12\n  alcove token revoke 'info=door*' --yes\n"+
		"  alcove token list --json | jq '.[] | select(.enabled|not) | .id' | alcove token revoke -")
	revoke.Aliases = []string{"delete"}
	revoke.Short = "Delete tokens; their connections end"
	return group(t, "token", "Create, list, change and revoke tokens",
		"Manages the tokens of one's own account, or that of --cid. A token's key is shown once, when\nit is created: only hashes are stored.",
		newTokenCreate(t, r),
		r.listCommand(t, "  alcove token list\n  alcove token list enabled=false\n  alcove token list '{access.type == 1}' --fields id,info"),
		r.getCommand(t, "  alcove token get 12\n  alcove token get 'door sensor' --json"),
		newTokenUpdate(t, r),
		revoke,
		t.showCommand("info", "Show the token that is used, and its account", "/auth/info", "  alcove token info"))
}

func accessOf(i item) string {
	var access struct {
		Type int `json:"type"`
	}
	if json.Unmarshal(i["access"], &access) != nil || access.Type < 0 || access.Type >= len(accessNames) {
		return "?"
	}
	return accessNames[access.Type]
}

// tokenWish holds the options by which tokens are described.
type tokenWish struct {
	info, expire, ttl, ips, access, acl string
	publish, subscribe                  []string
	scram, keyOnly                      bool
}

func (w *tokenWish) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&w.info, "info", "", "what the token is for")
	f.StringVar(&w.expire, "expire", "", "when it ends: a date, a time, UNIX seconds, or a duration from now such as 720h")
	f.StringVar(&w.ttl, "ttl", "", "it ends when it was not used for so long, such as 30d")
	f.StringVar(&w.ips, "ips", "", "addresses that may use it: masks with * and ?, or CIDR, separated by commas")
	f.StringVar(&w.access, "access", "", "standard, master or acl")
	f.StringArrayVar(&w.publish, "publish", nil, "topics that it may publish to; may be repeated")
	f.StringArrayVar(&w.subscribe, "subscribe", nil, "topics that it may receive; may be repeated")
	f.StringVar(&w.acl, "acl", "", "access list as JSON")
	_ = cmd.RegisterFlagCompletionFunc("access", cobra.FixedCompletions(accessNames, cobra.ShellCompDirectiveNoFileComp))
}

// write puts what the options say into a body.
func (w *tokenWish) write(cmd *cobra.Command, body map[string]any) error {
	for name, text := range map[string]string{"info": w.info, "ips": w.ips, "expire": w.expire, "ttl": w.ttl} {
		if !cmd.Flags().Changed(name) {
			continue
		}
		value, err := parseValue(kindOf(tokenFields, name), text)
		if err != nil {
			return wrong("--%s: %w", name, err)
		}
		body[name] = value
	}
	if ttl, ok := body["ttl"].(int64); ok && ttl < 0 {
		return wrong("--ttl is negative")
	}
	access, err := w.accessBody()
	if access != nil {
		body["access"] = access
	}
	return err
}

// accessBody returns the access that the options say; nil for none.
func (w *tokenWish) accessBody() (map[string]any, error) {
	type rule struct {
		URI     string   `json:"uri"`
		Topic   string   `json:"topic"`
		Actions []string `json:"actions"`
	}
	rules := []rule{}
	for _, t := range w.publish {
		rules = append(rules, rule{"mqtt", t, []string{"publish"}})
	}
	for _, t := range w.subscribe {
		rules = append(rules, rule{"mqtt", t, []string{"subscribe"}})
	}
	listed := w.acl != "" || len(rules) > 0
	switch {
	case w.acl != "" && len(rules) > 0:
		return nil, wrong("--acl replaces --publish and --subscribe")
	case w.acl != "" && !json.Valid([]byte(w.acl)):
		return nil, wrong("--acl is not JSON")
	case listed && w.access != "" && w.access != "acl":
		return nil, wrong("an access list does not go with --access %s", w.access)
	}
	switch {
	case listed && w.acl != "":
		return map[string]any{"type": accessACL, "acl": json.RawMessage(w.acl)}, nil
	case listed || w.access == "acl":
		return map[string]any{"type": accessACL, "acl": rules}, nil
	case w.access == "master":
		return map[string]any{"type": accessMaster}, nil
	case w.access == "standard":
		return map[string]any{"type": accessStandard}, nil
	case w.access == "":
		return nil, nil
	}
	return nil, wrong("access %q is not standard, master or acl", w.access)
}

func newTokenCreate(t *tool, r *resource) *cobra.Command {
	var w tokenWish
	var body writing
	cmd := &cobra.Command{
		Use:   "create [-]",
		Short: "Create a token and print its key, which is shown this once",
		Long: "Creates a token, or those that --body has, and prints their keys, which are shown this\n" +
			"once. Without --access it is a standard one, or with --publish, --subscribe or --acl one with\n" +
			"just these rights. Without --expire and --ttl it lives a year from its last use.",
		Example: "  alcove token create --info 'door sensor' --publish 'doors/#'\n" +
			"  alcove token create --access master --expire 2030-01-01\n" +
			"  KEY=$(alcove token create --cid 7 --access master --key-only)\n" +
			"  alcove token create --json - < tokens.json",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && args[0] != "-" {
				return wrong("unexpected argument %q: what the token is for is --info", args[0])
			}
			if len(args) == 1 {
				body.body = "-"
			}
			bodies, err := w.bodies(cmd, r, &body)
			if err != nil {
				return err
			}
			return t.createTokens(cmd, bodies, w.keyOnly)
		},
	}
	w.addFlags(cmd)
	cmd.Flags().BoolVar(&w.scram, "scram", false, "make it usable with SCRAM-SHA-256")
	cmd.Flags().BoolVar(&w.keyOnly, "key-only", false, "print the key and nothing else")
	body.addFlags(cmd, append(tokenFields[:len(tokenFields):len(tokenFields)], field{"scram", truth, "make it usable with SCRAM-SHA-256"}))
	return cmd
}

// bodies returns what is posted.
func (w *tokenWish) bodies(cmd *cobra.Command, r *resource, body *writing) ([]map[string]any, error) {
	unnamed := *r
	unnamed.named = ""
	bodies, err := unnamed.bodies(cmd, body, nil)
	if err != nil {
		return nil, err
	}
	for _, b := range bodies {
		if err := w.write(cmd, b); err != nil {
			return nil, err
		}
		if w.scram {
			b["scram"] = true
		}
		if b["expire"] == nil && b["ttl"] == nil {
			b["ttl"] = int64(defaultLife / time.Second)
		}
		if b["access"] == nil {
			b["access"] = map[string]any{"type": accessStandard}
		}
	}
	return bodies, nil
}

func (t *tool) createTokens(cmd *cobra.Command, bodies []map[string]any, keyOnly bool) error {
	out := cmd.OutOrStdout()
	s := t.sink(out, nil)
	err := t.post(cmd.Context(), "/platform/tokens", bodies, func(raw json.RawMessage) error {
		var made tokenKey
		switch err := json.Unmarshal(raw, &made); {
		case err != nil:
			return fmt.Errorf("the broker's answer: %w", err)
		case made.Key == "":
			return errors.New("the broker answered without the token's key")
		case keyOnly:
			_, err := fmt.Fprintln(out, screen.Cell(made.Key))
			return err
		case t.quiet():
			return s.add(raw)
		}
		_, err := fmt.Fprintf(out, "token %d of account %d\nkey: %s\n", made.ID, made.Account, screen.Cell(made.Key))
		return err
	})
	if t.quiet() && !keyOnly {
		return s.finish(err)
	}
	return err
}

func newTokenUpdate(t *tool, r *resource) *cobra.Command {
	cmd := r.updateCommand(t, "  alcove token update 12 -f enabled=false\n"+
		"  alcove token update 'door sensor' --publish 'doors/#' --subscribe 'doors/+/set'\n"+
		"  alcove token update 12,13 --ttl 30d --ips 10.0.0.0/8")
	var w tokenWish
	w.addFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		flags, err := writingOf(cmd)
		if err != nil {
			return err
		}
		body, err := flags.one(r.fields, cmd.InOrStdin())
		if err != nil {
			return err
		}
		if err := w.write(cmd, body); err != nil {
			return err
		}
		yes, err := cmd.Flags().GetBool("yes")
		if err != nil {
			return err
		}
		return r.update(cmd, t, args, body, yes)
	}
	return cmd
}
