package admin

import "github.com/spf13/cobra"

var sessionFields = []field{
	{"client_id", words, "the Client Identifier"},
	{"expires", period, "how long it lives without a connection, such as 30d; never"},
}

func newSession() *cobra.Command {
	t := &tool{}
	r := &resource{
		noun: "session", named: "client_id", fields: sessionFields, path: fixed("/mqtt/sessions"),
		columns: []column{shown("ID", "id"), shown("CLIENT ID", "client_id"), shown("CONNECTED", "connected"), shown("ADDRESS", "ip"),
			{"PROTOCOL", protocolOf}, shown("SUBS", "subscriptions_count"), shown("QUEUED", "size"), shown("INFLIGHT", "inflight"),
			shown("IN", "messages_in"), shown("OUT", "messages_out"), shown("EXPIRES", "expires"), shown("CREATED", "created")},
	}
	return group(t, "session", "See, make, disconnect and end MQTT sessions, and their subscriptions",
		"Manages the sessions of one's own account, or that of --cid: of clients that are connected,\n"+
			"and of clients that are away. A client identifier that is a number is named by\nclient_id=<number>.",
		r.listCommand(t, "  alcove session list\n  alcove session list connected=false 'client_id=dev*'\n"+
			"  alcove session list '{size > 1000000}' --fields id,client_id,size"),
		r.getCommand(t, "  alcove session get dev-17\n  alcove session get client_id=17"),
		r.newSessionCreate(t),
		r.newDisconnect(t),
		r.deleteCommand(t, "delete", "deleted", "  alcove session delete dev-17\n  alcove session delete connected=false --yes"),
		newSubscription(t, r))
}

// protocolOf is the version of MQTT and the transport of a connection.
func protocolOf(i item) string {
	name := map[string]string{"3": "3.1", "4": "3.1.1", "5": "5.0"}[i.text("version")]
	if name == "" {
		return i.text("transport")
	}
	return name + " " + i.text("transport")
}

func (r *resource) newSessionCreate(t *tool) *cobra.Command {
	cmd := r.createCommand(t, "client-id", "  alcove session create dev-17 --expires 30d\n"+
		"  cut -d, -f1 devices.csv | alcove session create --expires never -")
	cmd.Short = "Make sessions before their clients connect"
	cmd.Long += "\n\nThe session waits for its client: it can be subscribed, and keeps messages, until a client\nwith its identifier connects without a clean start."
	expires := cmd.Flags().String("expires", "", "how long it lives without a connection, such as 30d; never")
	plain := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if cmd.Flags().Changed("expires") {
			if err := cmd.Flags().Set("field", "expires="+*expires); err != nil {
				return err
			}
		}
		return plain(cmd, args)
	}
	return cmd
}

func (r *resource) newDisconnect(t *tool) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "disconnect selector…",
		Short: "End the connections of sessions; the sessions stay as after any disconnect",
		Long: "Ends the connections of sessions. The sessions stay as after any end of a connection: a\n" +
			"session that is not kept ends. What may select several is counted and asked about before.\n\n" + selectorHelp,
		Example:           "  alcove session disconnect dev-17\n  alcove session disconnect token_id=12 --yes",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: t.completeItems(r),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.act(cmd, t, args, action{verb: "Disconnect", done: "disconnected", method: "POST", suffix: "/disconnect", yes: yes})
		},
	}
	addYes(cmd, &yes)
	return cmd
}
