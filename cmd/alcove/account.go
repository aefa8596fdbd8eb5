package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
)

// accountView is an account as REST shows it.
type accountView struct {
	ID       int64             `json:"id"`
	Name     string            `json:"name"`
	Parent   int64             `json:"cid"`
	LimitID  int64             `json:"limit_id"`
	Metadata map[string]string `json:"metadata,omitempty"`
	Blocked  int               `json:"blocked"`
	Created  int64             `json:"created"`
	Token    *tokenView        `json:"token,omitempty"`
}

// operatorAccount is the account that may create top-level ones [EXT-ACC-3].
const operatorAccount = 1

func newAccount() *cobra.Command {
	var o restOptions
	cmd := &cobra.Command{
		Use:   "account",
		Short: "Create and list accounts of a running broker",
	}
	o.addFlags(cmd)
	cmd.AddCommand(newAccountCreate(&o), newAccountList(&o))
	return cmd
}

// collection returns the path of the accounts that the caller manages: the operator's
// own token manages top-level accounts, everybody else the accounts below theirs.
func (o *restOptions) collection(cmd *cobra.Command, child bool) (string, error) {
	if child || o.account != 0 {
		return "/platform/subaccounts", nil
	}
	var me []struct {
		Account int64 `json:"cid"`
	}
	if err := o.call(cmd.Context(), "GET", "/auth/info", nil, &me); err != nil {
		return "", err
	}
	if len(me) == 1 && me[0].Account == operatorAccount {
		return "/platform/customers", nil
	}
	return "/platform/subaccounts", nil
}

func newAccountCreate(o *restOptions) *cobra.Command {
	var child, keyOnly bool
	cmd := &cobra.Command{
		Use:   "create name",
		Short: "Create an account",
		Long: "Creates an account. With the operator's token it is a top-level account with a\n" +
			"namespace of its own, and its first master token is printed, this once. With another\n" +
			"master token, or with --child or --cid, it is an account below.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := o.collection(cmd, child)
			if err != nil {
				return err
			}
			var made []accountView
			if err := o.call(cmd.Context(), "POST", path, []any{map[string]any{"name": args[0]}}, &made); err != nil {
				return err
			}
			if len(made) != 1 {
				return errors.New("the broker answered without an account")
			}
			out, a := cmd.OutOrStdout(), made[0]
			switch {
			case keyOnly && a.Token == nil:
				return errors.New("an account below another has no token of its own: create one with --cid")
			case keyOnly:
				fmt.Fprintln(out, a.Token.Key)
				return nil
			case o.json:
				return printJSON(out, a)
			}
			fmt.Fprintf(out, "account %d %q\n", a.ID, a.Name)
			if a.Token != nil {
				fmt.Fprintf(out, "token %d\nkey: %s\n", a.Token.ID, a.Token.Key)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&child, "child", false, "below one's own account, also with the operator's token")
	cmd.Flags().BoolVar(&keyOnly, "key-only", false, "print the key of the account's token and nothing else")
	return cmd
}

func newAccountList(o *restOptions) *cobra.Command {
	var child bool
	cmd := &cobra.Command{
		Use:   "list [selector]",
		Short: "List accounts: all, ids, or field=value",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := o.collection(cmd, child)
			if err != nil {
				return err
			}
			var accounts []accountView
			if err := o.call(cmd.Context(), "GET", selectPath(path+"/", args), nil, &accounts); err != nil {
				return err
			}
			if o.json {
				return printJSON(cmd.OutOrStdout(), accounts)
			}
			rows := make([][]string, len(accounts))
			for i, a := range accounts {
				blocked := ""
				if a.Blocked != 0 {
					blocked = strconv.Itoa(a.Blocked)
				}
				rows[i] = []string{strconv.FormatInt(a.ID, 10), a.Name, strconv.FormatInt(a.Parent, 10), blocked, moment(a.Created)}
			}
			return printTable(cmd.OutOrStdout(), "ID\tNAME\tPARENT\tBLOCKED\tCREATED", rows)
		},
	}
	cmd.Flags().BoolVar(&child, "child", false, "those below one's own account, also with the operator's token")
	return cmd
}
