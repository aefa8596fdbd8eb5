package admin

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"alcove/cmd/alcove/internal/remote"
	"alcove/cmd/alcove/internal/screen"
)

// shownPayload is how many columns of a payload a table has; JSON has all of it.
const shownPayload = 80

func newRetained() *cobra.Command {
	t := &tool{}
	return group(t, "retained", "List, read and delete retained messages",
		"Manages the retained messages of one's own account, or that of --cid, as far as the token's\nrights go.",
		newRetainedList(t), newRetainedGet(t), newRetainedDelete(t))
}

var retainedColumns = []column{
	shown("TOPIC", "topic"), {"PAYLOAD", func(i item) string { return screen.Cut(screen.Cell(payloadText(i)), shownPayload) }},
	shown("TIME", "timestamp"), shown("ACCOUNT", "cid"), shown("TOKEN", "token_id"), shown("QOS", "qos"),
}

// payloadText is a payload for people.
func payloadText(i item) string {
	if encoded := i.text("payload_base64"); encoded != "" {
		return fmt.Sprintf("(%d bytes)", base64.StdEncoding.DecodedLen(len(encoded))-strings.Count(encoded, "="))
	}
	return i.text("payload")
}

// messages is the request for the retained messages of a filter.
func messages(filter string, data map[string]any, fields string) (remote.Request, error) {
	q := remote.Request{Method: "GET", Path: "/mqtt/messages/" + url.PathEscape(filter), Query: url.Values{}}
	if fields != "" {
		q.Query.Set("fields", fields)
	}
	raw, err := json.Marshal(data)
	if len(data) > 0 {
		q.Query.Set("data", string(raw))
	}
	return q, err
}

func newRetainedList(t *tool) *cobra.Command {
	var since string
	var own bool
	var p paging
	cmd := &cobra.Command{
		Use:   "list [filter…]",
		Short: "List retained messages",
		Long: "Lists the retained messages that Topic Filters match, of one's own account and those below;\n" +
			"all of them without a filter. Selectors and $filter are possible.",
		Example: "  alcove retained list\n  alcove retained list 'doors/+/state' 'windows/#'\n" +
			"  alcove retained list '$filter/payload=t>30/rooms/#' --since 1h --json-lines",
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, filters []string) error {
			if err := p.check(); err != nil {
				return err
			}
			if len(filters) == 0 {
				filters = []string{"#"}
			}
			data := map[string]any{}
			if own {
				data["recursive"] = false
			}
			if since != "" {
				at, err := parsePast(since, time.Now())
				if err != nil {
					return wrong("--since: %w", err)
				}
				data["modified_since"] = at
			}
			s := t.sink(cmd.OutOrStdout(), retainedColumns)
			err := eachSelector(selection{selectors: filters}, func(filter string) (int, error) {
				q, err := messages(filter, data, t.fields)
				if err != nil {
					return 0, err
				}
				if p.limit > 0 || p.offset > 0 {
					before := s.items
					err := t.List(cmd.Context(), q, p.limit, p.offset, s.add)
					return s.items - before, err
				}
				page, err := t.Do(cmd.Context(), q, s.add) // one stream, however many
				return page.Items, err
			})
			return s.finish(err)
		},
	}
	cmd.Flags().StringVar(&since, "since", "", "only messages newer than this: a date, a time, UNIX seconds, or so long ago, such as 1h")
	cmd.Flags().BoolVar(&own, "own", false, "not those of the accounts below")
	p.addFlags(cmd)
	t.addFields(cmd)
	return cmd
}

func newRetainedGet(t *tool) *cobra.Command {
	return &cobra.Command{
		Use:   "get topic",
		Short: "Print the payload of a retained message",
		Long: "Prints the payload of the retained message of one topic as it is; on a terminal with control\n" +
			"characters escaped. Exit code 4: there is none.",
		Example:           "  alcove retained get doors/1/state\n  alcove retained get pictures/1 > picture.jpg\n  alcove retained get doors/1/state --json",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.ContainsAny(args[0], "+#") || strings.HasPrefix(args[0], "$filter/") {
				return wrong("%q is a filter: use alcove retained list", args[0])
			}
			q, err := messages(args[0], map[string]any{"recursive": false}, "")
			if err != nil {
				return err
			}
			var found []json.RawMessage
			_, err = t.Do(cmd.Context(), q, func(raw json.RawMessage) error {
				var i item
				if err := json.Unmarshal(raw, &i); err != nil {
					return err
				}
				if i.text("topic") == args[0] { // not what the commas in it select
					found = append(found, raw)
				}
				return nil
			})
			switch {
			case err != nil:
				return err
			case len(found) == 0:
				return &Error{NotFound, errors.New("there is no such retained message")}
			case t.quiet():
				s := t.sink(cmd.OutOrStdout(), nil)
				err := s.add(found[0])
				return s.finish(err)
			}
			return printPayload(cmd.OutOrStdout(), found[0])
		},
	}
}

func printPayload(out io.Writer, raw json.RawMessage) error {
	var m struct {
		Text  string `json:"payload"`
		Bytes []byte `json:"payload_base64"`
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return fmt.Errorf("the broker's answer: %w", err)
	}
	text := m.Text + string(m.Bytes)
	if screen.IsTerminal(out) {
		text = strings.TrimSuffix(screen.Escape(text), "\n") + "\n"
	}
	_, err := io.WriteString(out, text)
	return err
}

func newRetainedDelete(t *tool) *cobra.Command {
	var yes, dry bool
	cmd := &cobra.Command{
		Use:   "delete filter…",
		Short: "Delete retained messages",
		Long: "Deletes the account's own retained messages that Topic Filters match. They are counted and\n" +
			"asked about before; --yes answers beforehand.",
		Example: "  alcove retained delete doors/1/state --yes\n  alcove retained delete 'doors/#'\n" +
			"  alcove retained delete '#' --dry-run",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, filters []string) error {
			if !yes || dry {
				counted, err := t.countMessages(cmd, filters)
				if err != nil || dry {
					if err == nil && counted.text != "" {
						fmt.Fprintln(cmd.OutOrStdout(), counted.text)
					}
					return err
				}
				if counted.n > 0 {
					if err := confirm(cmd, "Delete "+counted.text+"?"); err != nil {
						return err
					}
				}
			}
			return t.deleteMessages(cmd, filters)
		},
	}
	addYes(cmd, &yes)
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only count them")
	return cmd
}

// counted is how many messages there are, with its text.
type counted struct {
	n    int
	text string
}

func (t *tool) countMessages(cmd *cobra.Command, filters []string) (counted, error) {
	var c counted
	several := false
	err := eachSelector(selection{selectors: filters}, func(filter string) (int, error) {
		q, err := messages(filter, map[string]any{"recursive": false}, "topic")
		if err != nil {
			return 0, err
		}
		n, more, err := t.Count(cmd.Context(), q)
		c.n += n
		several = several || more
		return n, err
	})
	c.text = plural(c.n, "retained message")
	if several {
		c.text = "at least " + c.text
	}
	return c, err
}

func (t *tool) deleteMessages(cmd *cobra.Command, filters []string) error {
	s := t.sink(cmd.OutOrStdout(), nil)
	total := 0
	err := eachSelector(selection{selectors: filters}, func(filter string) (int, error) {
		q := remote.Request{Method: http.MethodDelete, Path: "/mqtt/messages/" + url.PathEscape(filter)}
		page, err := t.Do(cmd.Context(), q, func(raw json.RawMessage) error {
			var i item
			if err := json.Unmarshal(raw, &i); err != nil {
				return err
			}
			total += int(i.number("deleted_count"))
			if t.quiet() {
				return s.add(raw)
			}
			return nil
		})
		return page.Items, err
	})
	if t.quiet() {
		return s.finish(err)
	}
	if err == nil || total > 0 {
		fmt.Fprintln(cmd.OutOrStdout(), plural(total, "retained message")+" deleted")
	}
	return err
}
