package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// tokenView is a token as REST shows it.
type tokenView struct {
	ID       int64             `json:"id"`
	Key      string            `json:"key,omitempty"`
	Account  int64             `json:"cid"`
	Info     string            `json:"info"`
	Enabled  bool              `json:"enabled"`
	Created  int64             `json:"created"`
	Accessed int64             `json:"accessed"`
	Expire   int64             `json:"expire"`
	TTL      int64             `json:"ttl"`
	IPs      string            `json:"ips"`
	Metadata map[string]string `json:"metadata,omitempty"`
	Access   accessView        `json:"access"`
	Scram    bool              `json:"scram"`
}

type accessView struct {
	Type int             `json:"type"`
	ACL  json.RawMessage `json:"acl,omitempty"`
}

// The access types of a token [EXT-TOK-4].
const (
	accessStandard = 0
	accessMaster   = 1
	accessACL      = 2
)

var accessNames = []string{"standard", "master", "acl"}

// defaultLife is how long a new token lives since its last use, if nothing is said.
const defaultLife = 365 * 24 * time.Hour

func newToken() *cobra.Command {
	var o restOptions
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Create, list and revoke tokens of a running broker",
	}
	o.addFlags(cmd)
	cmd.AddCommand(newTokenCreate(&o), newTokenList(&o), newTokenRevoke(&o))
	return cmd
}

// tokenWish holds the flags of `alcove token create`.
type tokenWish struct {
	info, expire, ips, access, acl string
	ttl                            time.Duration
	publish, subscribe             []string
	scram, keyOnly                 bool
}

func newTokenCreate(o *restOptions) *cobra.Command {
	var w tokenWish
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Create a token and print its key, which is shown this once",
		Example: "  alcove token create --info 'door sensors' --publish 'doors/#'\n" +
			"  alcove token create --access master --expire 2030-01-01",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			body, err := w.body()
			if err != nil {
				return err
			}
			var made []tokenView
			if err := o.call(cmd.Context(), "POST", "/platform/tokens", []any{body}, &made); err != nil {
				return err
			}
			if len(made) != 1 {
				return errors.New("the broker answered without a token")
			}
			out := cmd.OutOrStdout()
			switch {
			case w.keyOnly:
				fmt.Fprintln(out, made[0].Key)
				return nil
			case o.json:
				return printJSON(out, made[0])
			}
			fmt.Fprintf(out, "token %d of account %d\nkey: %s\n", made[0].ID, made[0].Account, made[0].Key)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&w.info, "info", "", "what the token is for")
	f.StringVar(&w.expire, "expire", "", "when it ends: a date, a time, UNIX seconds, or a duration from now such as 720h")
	f.DurationVar(&w.ttl, "ttl", 0, "it ends when it was not used for so long (default one year, if --expire is not given)")
	f.StringVar(&w.ips, "ips", "", "addresses that may use it: masks with * and ?, or CIDR, separated by commas")
	f.StringVar(&w.access, "access", "", "standard, master or acl (default standard; acl with --publish, --subscribe or --acl)")
	f.StringArrayVar(&w.publish, "publish", nil, "topics that it may publish to; may be repeated")
	f.StringArrayVar(&w.subscribe, "subscribe", nil, "topics that it may receive; may be repeated")
	f.StringVar(&w.acl, "acl", "", "access list as JSON")
	f.BoolVar(&w.scram, "scram", false, "make it usable with SCRAM-SHA-256")
	f.BoolVar(&w.keyOnly, "key-only", false, "print the key and nothing else")
	return cmd
}

// body returns what is posted.
func (w *tokenWish) body() (map[string]any, error) {
	body := map[string]any{"info": w.info}
	if w.ips != "" {
		body["ips"] = w.ips
	}
	if w.scram {
		body["scram"] = true
	}
	if w.expire != "" {
		at, err := parseMoment(w.expire, time.Now())
		if err != nil {
			return nil, err
		}
		body["expire"] = at.Unix()
	}
	switch {
	case w.ttl < 0:
		return nil, errors.New("--ttl is negative")
	case w.ttl > 0:
		body["ttl"] = int64(w.ttl / time.Second)
	case w.expire == "":
		body["ttl"] = int64(defaultLife / time.Second)
	}
	access, err := w.accessBody()
	body["access"] = access
	return body, err
}

func (w *tokenWish) accessBody() (map[string]any, error) {
	type rule struct {
		URI     string   `json:"uri"`
		Topic   string   `json:"topic"`
		Actions []string `json:"actions"`
	}
	var list any
	var rules []rule
	for _, t := range w.publish {
		rules = append(rules, rule{"mqtt", t, []string{"publish"}})
	}
	for _, t := range w.subscribe {
		rules = append(rules, rule{"mqtt", t, []string{"subscribe"}})
	}
	switch {
	case w.acl != "" && len(rules) > 0:
		return nil, errors.New("--acl replaces --publish and --subscribe")
	case w.acl != "":
		if !json.Valid([]byte(w.acl)) {
			return nil, errors.New("--acl is not JSON")
		}
		list = json.RawMessage(w.acl)
	case len(rules) > 0:
		list = rules
	}
	kind := w.access
	if kind == "" {
		if kind = "standard"; list != nil {
			kind = "acl"
		}
	}
	if list != nil && kind != "acl" {
		return nil, fmt.Errorf("an access list does not go with --access %s", kind)
	}
	switch kind {
	case "standard":
		return map[string]any{"type": accessStandard}, nil
	case "master":
		return map[string]any{"type": accessMaster}, nil
	case "acl":
		if list == nil {
			list = []rule{}
		}
		return map[string]any{"type": accessACL, "acl": list}, nil
	}
	return nil, fmt.Errorf("access %q is not standard, master or acl", kind)
}

// parseMoment reads a date, a time, UNIX seconds, or a duration from now.
func parseMoment(s string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n > 0 {
		return time.Unix(n, 0), nil
	}
	if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return now.Add(d), nil
	}
	return time.Time{}, fmt.Errorf("%q is not a date, a time, UNIX seconds or a duration", s)
}

func newTokenList(o *restOptions) *cobra.Command {
	return &cobra.Command{
		Use:   "list [selector]",
		Short: "List tokens: all, ids, or field=value",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var tokens []tokenView
			if err := o.call(cmd.Context(), "GET", selectPath("/platform/tokens/", args), nil, &tokens); err != nil {
				return err
			}
			if o.json {
				return printJSON(cmd.OutOrStdout(), tokens)
			}
			rows := make([][]string, len(tokens))
			for i, t := range tokens {
				access := "?"
				if t.Access.Type >= 0 && t.Access.Type < len(accessNames) {
					access = accessNames[t.Access.Type]
				}
				life := ""
				if t.TTL > 0 {
					life = (time.Duration(t.TTL) * time.Second).String()
				}
				rows[i] = []string{strconv.FormatInt(t.ID, 10), access, strconv.FormatBool(t.Enabled),
					moment(t.Created), moment(t.Accessed), moment(t.Expire), life, t.IPs, t.Info}
			}
			return printTable(cmd.OutOrStdout(), "ID\tACCESS\tENABLED\tCREATED\tLAST USE\tEXPIRES\tTTL\tADDRESSES\tINFO", rows)
		},
	}
}

// selectPath returns the path for a selector, `all` where none is given. limit is the
// most that one page may have.
func selectPath(prefix string, args []string) string {
	selector := "all"
	if len(args) > 0 {
		selector = strings.Join(args, ",")
	}
	return prefix + url.PathEscape(selector) + "?limit=1000"
}

func newTokenRevoke(o *restOptions) *cobra.Command {
	return &cobra.Command{
		Use:     "revoke id…",
		Aliases: []string{"delete"},
		Short:   "Delete tokens; their connections end",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, id := range args {
				if _, err := strconv.ParseInt(id, 10, 64); err != nil {
					return fmt.Errorf("%q is not a token's id", id)
				}
			}
			var gone []struct {
				ID int64 `json:"id"`
			}
			path := "/platform/tokens/" + strings.Join(args, ",")
			if err := o.call(cmd.Context(), "DELETE", path, nil, &gone); err != nil {
				return err
			}
			if o.json {
				return printJSON(cmd.OutOrStdout(), gone)
			}
			for _, t := range gone {
				fmt.Fprintf(cmd.OutOrStdout(), "token %d revoked\n", t.ID)
			}
			return nil
		},
	}
}
