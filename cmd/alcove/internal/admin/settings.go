package admin

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"alcove/cmd/alcove/internal/remote"
	"alcove/cmd/alcove/internal/screen"
)

// settingFields are the settings of an account [EXT-ACC-5].
var settingFields = []field{
	{"stamps", truth, "timestamp, cid and token_id on delivered messages"},
	{"retained_first", truth, "retained messages before the SUBACK"},
	{"overflow", words, "of a full queue: drop_oldest, drop_newest or delete_session"},
	{"durability", words, "sync, async or memory"},
	{"session_expiry_max", period, "longest life of a session without a connection, such as 30d; never"},
	{"session_expiry_v3", period, "life of a kept session of MQTT 3.x"},
	{"log_bytes", amount, "size of the log, such as 64MiB"},
	{"log_days", whole, "days that the log is kept"},
}

func newSettings(t *tool) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "settings [setting=value…]",
		Short: "Show or change the settings of one's own account, or that of --cid",
		Long: "Shows the settings of one's own account, or that of --cid, or changes those that are\n" +
			"given; setting=null takes the parent's value again. They act within a second.\n\nSettings:\n",
		Example: "  alcove account settings\n  alcove account settings overflow=drop_newest log_days=7\n" +
			"  alcove account settings --cid 7 stamps=off durability=null",
		ValidArgsFunction: completeFields(settingFields),
		RunE: func(cmd *cobra.Command, args []string) error {
			q := remote.Request{Method: "GET", Path: "/platform/customer"}
			if len(args) > 0 {
				settings := map[string]any{}
				for _, arg := range args {
					if err := assign(settings, settingFields, arg); err != nil {
						return err
					}
				}
				q.Method, q.Body = "PUT", map[string]any{"settings": settings}
			}
			return t.showSettings(cmd, q)
		},
	}
	for _, f := range settingFields {
		cmd.Long += fmt.Sprintf("  %-20s%s\n", f.name, f.help)
	}
	return cmd
}

// showSettings asks and shows the settings in force, and which of them are the
// account's own; in JSON both as the broker has them.
func (t *tool) showSettings(cmd *cobra.Command, q remote.Request) error {
	var own []struct {
		Settings  json.RawMessage `json:"settings"`
		Effective json.RawMessage `json:"effective_settings,omitempty"`
	}
	if err := t.Call(cmd.Context(), q, &own); err != nil {
		return err
	}
	if len(own) != 1 || own[0].Settings == nil {
		return errors.New("the broker answered without settings")
	}
	if t.quiet() {
		raw, err := json.Marshal(own[0])
		if err != nil {
			return err
		}
		s := t.sink(cmd.OutOrStdout(), nil)
		err = s.add(raw)
		return s.finish(err)
	}
	var set, force item
	if err := json.Unmarshal(own[0].Settings, &set); err != nil {
		return err
	}
	if own[0].Effective != nil {
		if err := json.Unmarshal(own[0].Effective, &force); err != nil {
			return err
		}
	}
	table := screen.NewTable(cmd.OutOrStdout(), "SETTING", "VALUE", "FROM")
	if t.noHeader {
		table.NoHeader()
	}
	for _, f := range settingFields {
		value, from := force[f.name], "parent"
		if set[f.name] != nil {
			value, from = set[f.name], "own"
		}
		table.Row(f.name, readable(f.name, value), from)
	}
	return table.Flush()
}
