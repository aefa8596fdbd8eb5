package admin

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"alcove/cmd/alcove/internal/remote"
)

const (
	completionTime = 300 * time.Millisecond // that a broker may take; nobody waits longer for a tab
	completions    = 100                    // at most so many are shown
)

// A shell may evaluate what it is given, so only names that mean nothing to one are
// offered, and descriptions lose everything else.
var (
	plainWord = regexp.MustCompile(`^[\pL\pN_][\pL\pN_.:@/+-]{0,127}$`)
	notPlain  = regexp.MustCompile(`[^\pL\pN_.:@/+ -]+`)
)

// completer is what cobra asks for arguments.
type completer = func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective)

// completeItems offers the ids and the names of items, where the broker tells them in
// time.
func (t *tool) completeItems(r *resource) completer {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if strings.ContainsAny(begun, "={*?") {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx := cmd.Context()
		if ctx == nil {
			ctx = context.Background()
		}
		ctx, cancel := context.WithTimeout(ctx, completionTime)
		defer cancel()
		return t.offers(ctx, r, args, begun), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeFirst offers items for the first argument only.
func (t *tool) completeFirst(r *resource) completer {
	items := t.completeItems(r)
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return items(cmd, args, begun)
	}
}

// offers asks the broker for items whose id or name begins so.
func (t *tool) offers(ctx context.Context, r *resource, args []string, begun string) (offers []string) {
	path, err := r.path(ctx)
	if err != nil {
		return nil
	}
	selector, limit := "all", completions
	if begun != "" {
		selector = r.named + "=" + literal.Replace(begun) + "*"
	}
	if isID(begun) {
		selector, limit = "all", remote.PageSize // ids are not found by their beginning
	}
	t.fields = "id," + r.named
	_ = t.List(ctx, remote.Request{Path: under(path, selector), Query: t.query()}, limit, 0, func(raw json.RawMessage) error {
		var i item
		if json.Unmarshal(raw, &i) != nil || len(offers) >= completions {
			return nil
		}
		id, name := i.text("id"), i.text(r.named)
		offer, about := id, name
		if begun != "" && !strings.HasPrefix(id, begun) {
			offer, about = name, id
		}
		if isID(id) && plainWord.MatchString(offer) && strings.HasPrefix(offer, begun) && !slices.Contains(args, offer) {
			offers = append(offers, offer+"\t"+notPlain.ReplaceAllString(about, "?"))
		}
		return nil
	})
	return offers
}

// fixedValues are the values of settings that are one of a few words.
var fixedValues = map[string][]string{
	"overflow":   {"drop_oldest", "drop_newest", "delete_session"},
	"durability": {"sync", "async", "memory"},
}

// completeFields offers the names of fields, and behind the = the values of those that
// have few.
func completeFields(fields []field) completer {
	return func(_ *cobra.Command, _ []string, begun string) (offers []string, _ cobra.ShellCompDirective) {
		const plain = cobra.ShellCompDirectiveNoFileComp
		name, _, valued := strings.Cut(begun, "=")
		for _, f := range fields {
			switch {
			case !valued && strings.HasPrefix(f.name, name) && !strings.HasSuffix(f.name, "KEY"):
				offers = append(offers, f.name+"=\t"+notPlain.ReplaceAllString(f.help, " "))
			case valued && f.name == name:
				values := fixedValues[name[strings.LastIndexByte(name, '.')+1:]]
				if f.kind == truth {
					values = []string{"true", "false"}
				}
				for _, v := range values {
					offers = append(offers, name+"="+v)
				}
			}
		}
		if valued {
			return offers, plain
		}
		return offers, plain | cobra.ShellCompDirectiveNoSpace
	}
}
