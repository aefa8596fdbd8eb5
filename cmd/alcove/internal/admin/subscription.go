package admin

import (
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"alcove/cmd/alcove/internal/remote"
	"alcove/cmd/alcove/internal/screen"
)

const subscriptionsOf = "/subscriptions"

// subscriptionFields are what a SUBSCRIBE says of one filter.
var subscriptionFields = []field{
	{"topic", words, "the Topic Filter"},
	{"qos", whole, "0, 1 or 2"},
	{"no_local", truth, "not what the session's own client publishes"},
	{"rap", truth, "messages keep the publisher's retain flag"},
	{"retain_handling", whole, "retained messages: 0 send, 1 only for a new subscription, 2 never"},
	{"subscription_id", whole, "comes with each message; 0: none"},
	{"cid", whole, "only messages of this account, one's own or below"},
}

func newSubscription(t *tool, sessions *resource) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "subscription",
		Aliases: []string{"subscriptions", "sub"},
		Short:   "List, add and remove subscriptions of sessions, online or not",
		Long:    "Manages the subscriptions of sessions, whether their clients are connected or away.",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newSubscriptionList(t, sessions), newSubscriptionAdd(t, sessions), newSubscriptionRemove(t, sessions))
	return cmd
}

// subscriptionPath is the path of one filter's subscription, or of all for "".
func subscriptionPath(filter string) string {
	if filter == "" {
		return subscriptionsOf + "/all"
	}
	return subscriptionsOf + "/" + url.PathEscape("topic="+filter)
}

func newSubscriptionList(t *tool, sessions *resource) *cobra.Command {
	var filter string
	var p paging
	cmd := &cobra.Command{
		Use:               "list session…",
		Short:             "List subscriptions",
		Long:              "Lists the subscriptions of the selected sessions.\n\n" + selectorHelp,
		Example:           "  alcove session subscription list dev-17\n  alcove session subscription list all --topic 'doors/#'",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: t.completeItems(sessions),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := p.check(); err != nil {
				return err
			}
			sel, err := choose(args, sessions.named, cmd.InOrStdin())
			if err != nil {
				return err
			}
			s := t.sink(cmd.OutOrStdout(), []column{shown("SESSION", "session_id"), shown("TOPIC", "topic"), shown("QOS", "qos"),
				shown("NO LOCAL", "no_local"), shown("RAP", "rap"), shown("RETAIN", "retain_handling"), shown("ID", "subscription_id")})
			err = eachSelector(sel, func(selector string) (int, error) {
				before := s.items
				err := t.List(cmd.Context(), remote.Request{
					Path:  under("/mqtt/sessions", selector) + subscriptionPath(filter),
					Query: t.query(),
				}, p.limit, p.offset, s.add)
				return s.items - before, err
			})
			return s.finish(err)
		},
	}
	cmd.Flags().StringVar(&filter, "topic", "", "only of this Topic Filter, character by character")
	p.addFlags(cmd)
	t.addFields(cmd)
	return cmd
}

func newSubscriptionAdd(t *tool, sessions *resource) *cobra.Command {
	var w writing
	var qos int
	var yes bool
	cmd := &cobra.Command{
		Use:   "add session filter…",
		Short: "Subscribe sessions, online or not",
		Long: "Subscribes the selected sessions to Topic Filters, with selectors, $share and $filter as in\n" +
			"SUBSCRIBE. A connected client is sent the retained messages as if it had subscribed itself.",
		Example: "  alcove session subscription add dev-17 'doors/+/set' --qos 1\n" +
			"  alcove session subscription add 'client_id=worker*' '$share/work/jobs/#' -q 1 --yes\n" +
			"  alcove session subscription add dev-17 --body '[{\"topic\":\"a/#\",\"qos\":1},{\"topic\":\"b\"}]'",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: t.completeFirst(sessions),
		RunE: func(cmd *cobra.Command, args []string) error {
			r := &resource{noun: "subscription", named: "topic", fields: subscriptionFields}
			if len(args) == 1 && w.body == "" {
				return wrong("a Topic Filter is needed, or a body")
			}
			bodies, err := r.bodies(cmd, &w, args[1:])
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("qos") {
				for _, b := range bodies {
					b["qos"] = qos
				}
			}
			return t.changeSubscriptions(cmd, sessions, args[:1], subscriptionChange{
				verb: "Subscribe", done: "subscribed to", method: "POST", suffixes: []string{subscriptionsOf}, body: bodies, yes: yes})
		},
	}
	cmd.Flags().IntVarP(&qos, "qos", "q", 0, "QoS 0, 1 or 2")
	w.addFlags(cmd, subscriptionFields)
	addYes(cmd, &yes)
	return cmd
}

func newSubscriptionRemove(t *tool, sessions *resource) *cobra.Command {
	var all, yes bool
	cmd := &cobra.Command{
		Use:               "remove session filter…",
		Short:             "Unsubscribe sessions, online or not",
		Long:              "Removes subscriptions of the selected sessions by their Topic Filters, character by character.",
		Example:           "  alcove session subscription remove dev-17 'doors/+/set'\n  alcove session subscription remove dev-17 --all",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: t.completeFirst(sessions),
		RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) > 1) {
				return wrong("give the Topic Filters, or --all")
			}
			var suffixes []string
			for _, filter := range args[1:] {
				suffixes = append(suffixes, subscriptionPath(filter))
			}
			if all {
				suffixes = []string{subscriptionPath("")}
			}
			return t.changeSubscriptions(cmd, sessions, args[:1], subscriptionChange{
				verb: "Unsubscribe", done: "unsubscribed from", method: "DELETE", suffixes: suffixes, yes: yes})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "all subscriptions")
	addYes(cmd, &yes)
	return cmd
}

// subscriptionChange is what is done to the subscriptions of sessions: one request for
// each suffix.
type subscriptionChange struct {
	verb, done, method string
	suffixes           []string
	body               []map[string]any
	yes                bool
}

func (t *tool) changeSubscriptions(cmd *cobra.Command, sessions *resource, args []string, c subscriptionChange) error {
	sel, err := choose(args, sessions.named, cmd.InOrStdin())
	if err != nil {
		return err
	}
	if !c.yes && !sessions.sure(sel, action{verb: c.verb}) {
		if err := sessions.ask(cmd, t, "/mqtt/sessions", sel, action{verb: c.verb}); err != nil {
			return err
		}
	}
	s := t.sink(cmd.OutOrStdout(), nil)
	take := func(raw json.RawMessage) error {
		if t.quiet() {
			return s.add(raw)
		}
		var i item
		if err := json.Unmarshal(raw, &i); err != nil {
			return fmt.Errorf("the broker's answer: %w", err)
		}
		_, err := fmt.Fprintln(cmd.OutOrStdout(), screen.Cell("session "+i.text("session_id")+" "+c.done+" "+i.text("topic")))
		return err
	}
	err = eachSelector(selection{selectors: c.paths(sel)}, func(path string) (int, error) {
		q := remote.Request{Method: c.method, Path: path}
		if c.body != nil {
			q.Body = c.body
		}
		page, err := t.Do(cmd.Context(), q, take)
		return page.Items, err
	})
	if t.quiet() {
		return s.finish(err)
	}
	return err
}

// paths are the paths of the requests.
func (c *subscriptionChange) paths(sel selection) (paths []string) {
	for _, selector := range sel.selectors {
		for _, suffix := range c.suffixes {
			paths = append(paths, under("/mqtt/sessions", selector)+suffix)
		}
	}
	return paths
}
