package admin

import "github.com/spf13/cobra"

// limitFields are those of a limit object, by which an account bounds one below it: -1 is the
// parent's, 0 allows none.
var limitFields = []field{
	{"name", words, "what it is called"},
	{"description", words, "what it is for"},
	{"mqtt_sessions", whole, "sessions, online or not"},
	{"mqtt_messages", whole, "messages a minute that are published"},
	{"mqtt_session_storage", amount, "bytes in the queue of one session, such as 64MiB"},
	{"mqtt_retained_storage", amount, "bytes of retained messages"},
	{"mqtt_subscriptions", whole, "subscriptions"},
	{"tokens_count", whole, "tokens"},
	{"subaccounts_count", whole, "accounts below"},
	{"limits_count", whole, "limit objects"},
	{"api_calls", whole, "REST requests a minute"},
	{"api_traffic", amount, "bytes a minute of REST requests and answers"},
	{"blocking_duration", period, "how long REST is refused once its limit is reached, such as 60s"},
}

func newLimit() *cobra.Command {
	t := &tool{}
	r := &resource{
		noun: "limit", named: "name", fields: limitFields, path: fixed("/platform/limits"),
		columns: []column{shown("ID", "id"), shown("NAME", "name"), limited("SESSIONS", "mqtt_sessions"),
			limited("MESSAGES/MIN", "mqtt_messages"), limited("QUEUE", "mqtt_session_storage"),
			limited("RETAINED", "mqtt_retained_storage"), limited("SUBSCRIPTIONS", "mqtt_subscriptions"),
			limited("TOKENS", "tokens_count"), limited("ACCOUNTS", "subaccounts_count"), limited("CALLS/MIN", "api_calls")},
	}
	return group(t, "limit", "Manage limit objects, which bound accounts",
		"Manages the limit objects of one's own account, or that of --cid. A limit object bounds an\n"+
			"account below when that account's limit_id names it: alcove account update acme -f limit_id=12.\n"+
			"In a limit object -1, shown as -, is the parent's limit; 0 allows nothing.",
		r.listCommand(t, "  alcove limit list\n  alcove limit list 'name=small*' --json"),
		r.getCommand(t, "  alcove limit get small"),
		r.createCommand(t, "name", "  alcove limit create small -f mqtt_sessions=100 -f mqtt_session_storage=16MiB -f mqtt_messages=6000\n"+
			"  alcove limit create - < limits.json"),
		r.updateCommand(t, "  alcove limit update small -f mqtt_sessions=200 --yes\n  alcove limit update 12 -f api_calls=-1"),
		r.deleteCommand(t, "delete", "deleted", "  alcove limit delete 12"))
}

// limited is the column of a limit: nothing for the parent's.
func limited(heading, field string) column {
	return column{heading, func(i item) string {
		if i.number(field) < 0 {
			return ""
		}
		return i.text(field)
	}}
}
