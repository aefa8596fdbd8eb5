package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"alcove/cmd/alcove/internal/remote"
	"alcove/cmd/alcove/internal/screen"
	"alcove/internal/event"
)

func newLog() *cobra.Command {
	t := &tool{}
	return group(t, "log", "Show, follow and count what happened in an account",
		"Reads the log of one's own account, or that of --cid: connections, subscriptions, refused\n"+
			"and dropped messages, and every change by REST. What happened to sessions and messages is\n"+
			"its part mqtt, what happened to accounts, tokens and limits its part platform.",
		newLogShow(t), newLogFollow(t), newLogCalculate(t))
}

// logColumns are those of a record [EXT-LOG-1].
var logColumns = []column{
	shown("TIME", "timestamp"), {"EVENT", eventOf}, {"ORIGIN", originOf}, shown("CLIENT", "client_id"),
	shown("TOPIC", "topic"), shown("SOURCE", "source"), {"DETAIL", detailOf},
}

// eventOf is the name of a record's event, or its number where there is none.
func eventOf(i item) string {
	code := int(i.number("event_code"))
	if name := event.Code(code).Name(); name != "" {
		return name
	}
	return i.text("event_code")
}

func originOf(i item) string {
	origin := i.text("origin_type")
	if id := i.text("origin_id"); id != "" {
		origin += "/" + id
	}
	return origin
}

// shownItem is how many columns of what was changed a table has; JSON has all of it.
const shownItem = 100

// detailOf gathers what else a record tells.
func detailOf(i item) string {
	var parts []string
	if reason := i.text("reason"); reason != "" {
		parts = append(parts, reason)
	}
	if code := i.number("close_code"); code > 0 {
		if event.Code(i.number("event_code")) == event.Request {
			parts = append(parts, "HTTP "+i.text("close_code"))
		} else {
			parts = append(parts, "code 0x"+strconv.FormatInt(int64(code), 16))
		}
	}
	for _, field := range []string{"duration", "published", "received", "rejected", "count"} {
		if i.number(field) > 0 {
			parts = append(parts, field+" "+i.text(field))
		}
	}
	if text := i.text("item"); text != "" {
		parts = append(parts, screen.Cut(screen.Cell(text), shownItem))
	}
	return strings.Join(parts, ", ")
}

// timeRange holds the options that limit records in time.
type timeRange struct{ from, to string }

func (r *timeRange) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&r.from, "from", "", "begin: a date, a time, UNIX seconds, or so long ago, such as 1h")
	cmd.Flags().StringVar(&r.to, "to", "", "end, likewise")
}

// put writes the range into the parameters of a request.
func (r *timeRange) put(data map[string]any, now time.Time) error {
	for name, text := range map[string]string{"from": r.from, "to": r.to} {
		if text == "" {
			continue
		}
		at, err := parsePast(text, now)
		if err != nil {
			return wrong("--%s: %w", name, err)
		}
		data[name] = at
	}
	return nil
}

// parsePast reads a date, a time, or UNIX seconds with decimals, as UNIX seconds; a
// duration is so long before now.
func parsePast(s string, now time.Time) (json.Number, error) {
	if n, err := strconv.ParseFloat(s, 64); err == nil && n >= 0 && n < 1e12 && !strings.ContainsAny(s, "eExX_+") {
		return json.Number(s), nil
	}
	at := now
	if d, err := parseDuration(s); err == nil && d >= 0 {
		at = now.Add(-d)
	} else if at, err = parseMoment(s, now); err != nil {
		return "", err
	}
	return json.Number(strconv.FormatFloat(float64(at.UnixMicro())/1e6, 'f', 6, 64)), nil
}

// records holds the options that pick records.
type records struct {
	timeRange
	count   int
	reverse bool
	filter  string
}

func (r *records) addFlags(cmd *cobra.Command) {
	r.timeRange.addFlags(cmd)
	cmd.Flags().IntVarP(&r.count, "count", "n", 100, "at most so many")
	cmd.Flags().BoolVarP(&r.reverse, "reverse", "r", false, "newest first")
	cmd.Flags().StringVar(&r.filter, "filter", "", "only those for which this `expression` is true")
}

// parts are the parts of the log, by the paths of their records.
var parts = map[string]string{"mqtt": "/mqtt/logs", "platform": "/platform/customer/logs"}

// logPath is the path of the records that arguments name.
func logPath(args []string) (string, error) {
	switch {
	case len(args) == 0:
		return parts["mqtt"], nil
	case len(args) == 1 && parts[args[0]] != "":
		return parts[args[0]], nil
	case len(args) == 2 && args[0] == "token" && isID(args[1]):
		return "/platform/tokens/" + args[1] + "/logs", nil
	}
	return "", wrong("the log has the parts mqtt, platform and token <id>, not %q", strings.Join(args, " "))
}

func completePart(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return []string{"mqtt\tsessions and messages", "platform\taccounts, tokens and limits", "token\tone token"}, cobra.ShellCompDirectiveNoFileComp
}

func newLogShow(t *tool) *cobra.Command {
	var r records
	cmd := &cobra.Command{
		Use:   "show [mqtt | platform | token id]",
		Short: "Show records",
		Long: "Shows the latest records, the oldest of them first; with --from those from then on.\n" +
			"--reverse shows the newest first.",
		Example: "  alcove log show\n  alcove log show platform --from 1h\n" +
			"  alcove log show --filter 'event_code == 502 || event_code == 530' -n 1000\n" +
			"  alcove log show token 12 --reverse --json\n  alcove log show --fields timestamp,client_id,reason",
		Args:              cobra.MaximumNArgs(2),
		ValidArgsFunction: completePart,
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := logPath(args)
			if err != nil {
				return err
			}
			return t.showRecords(cmd, path, &r, logColumns)
		},
	}
	r.addFlags(cmd)
	t.addFields(cmd)
	return cmd
}

// minuteColumns are those of a minute's figures.
var minuteColumns = []column{
	shown("TIME", "timestamp"), shown("IN", "mqtt_messages"), shown("OUT", "mqtt_messages_out"), shown("REJECTED", "mqtt_rejected"),
	shown("DROPPED", "mqtt_dropped"), shown("SESSIONS", "mqtt_sessions"), shown("ONLINE", "mqtt_sessions_online"),
	shown("SUBS", "mqtt_subscriptions"), shown("QUEUED", "mqtt_session_storage"), shown("RETAINED", "mqtt_retained_messages"),
	shown("CALLS", "api_calls"), shown("TRAFFIC", "api_traffic"),
}

func newStatistics(t *tool) *cobra.Command {
	var r records
	cmd := &cobra.Command{
		Use:   "statistics",
		Short: "Show what one's own account, or that of --cid, did, by the minute",
		Long: "Shows the latest minutes, the oldest of them first; with --from those from then on.\n" +
			"Minutes in which nothing happened are left out.",
		Example: "  alcove account statistics --from 1h\n  alcove account statistics --cid 7 -n 1440 --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.showRecords(cmd, "/platform/customer/statistics", &r, minuteColumns)
		},
	}
	r.addFlags(cmd)
	t.addFields(cmd)
	return cmd
}

// showRecords shows the records of a path.
func (t *tool) showRecords(cmd *cobra.Command, path string, r *records, columns []column) error {
	if r.count <= 0 {
		return wrong("--count must be over 0")
	}
	data := map[string]any{}
	if err := r.put(data, time.Now()); err != nil {
		return err
	}
	if r.filter != "" {
		data["filter"] = r.filter
	}
	s := t.sink(cmd.OutOrStdout(), columns)
	show := func(raw json.RawMessage) error {
		if t.quiet() && t.fields != "" {
			raw = pick(raw, strings.Split(t.fields, ","))
		}
		return s.add(raw)
	}
	// Without a begin the latest are asked for from behind, and turned.
	latest := r.from == "" && !r.reverse
	var turned []json.RawMessage
	take := show
	if latest {
		take = func(raw json.RawMessage) error { turned = append(turned, raw); return nil }
	}
	err := t.eachRecord(cmd.Context(), path, data, latest || r.reverse, r.count, take)
	for _, raw := range slices.Backward(turned) {
		if err := show(raw); err != nil {
			return err
		}
	}
	return s.finish(err)
}

// eachRecord gives up to count records, page after page. A page begins at the time at
// which the one before has ended; what was given of that time is not given again.
func (t *tool) eachRecord(ctx context.Context, path string, data map[string]any, reverse bool, count int, take func(json.RawMessage) error) error {
	given := map[string]bool{} // of the time that was given last
	last, left := "", count
	for left > 0 {
		size := min(left+len(given), remote.PageSize)
		data["count"] = size
		if reverse {
			data["reverse"] = true
		}
		raw, err := json.Marshal(data)
		if err != nil {
			return err
		}
		before := left
		q := remote.Request{Method: "GET", Path: path, Query: url.Values{"data": {string(raw)}}}
		page, err := t.Do(ctx, q, func(raw json.RawMessage) error {
			var i item
			if err := json.Unmarshal(raw, &i); err != nil {
				return err
			}
			at := string(i["timestamp"])
			if at != last {
				clear(given)
				last = at
			}
			if given[string(raw)] || left == 0 {
				return nil
			}
			given[string(raw)] = true
			left--
			return take(raw)
		})
		if err != nil || page.Items < size || left == before || last == "" {
			return err
		}
		edge := "from"
		if reverse {
			edge = "to"
		}
		data[edge] = json.Number(last)
	}
	return nil
}

// pick returns an object with only some fields, in the order of the asking.
func pick(raw json.RawMessage, fields []string) json.RawMessage {
	var i item
	if json.Unmarshal(raw, &i) != nil {
		return raw
	}
	out := bytes.NewBufferString("{")
	for _, f := range fields {
		if i[f] == nil {
			continue
		}
		if out.Len() > 1 {
			out.WriteByte(',')
		}
		name, _ := json.Marshal(f) // a string
		out.Write(name)
		out.WriteByte(':')
		out.Write(i[f])
	}
	out.WriteByte('}')
	return out.Bytes()
}

func newLogCalculate(t *tool) *cobra.Command {
	var r timeRange
	var every, filter string
	cmd := &cobra.Command{
		Use:     "calculate",
		Short:   "Count records of the part mqtt, by event and period",
		Long:    "Counts the records of the part mqtt, by event and period.",
		Example: "  alcove log calculate --from 24h --period 1h\n  alcove log calculate --from 7d --period 1d --filter 'event_code == 530' --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			body := map[string]any{}
			if err := r.put(body, time.Now()); err != nil {
				return err
			}
			if every != "" {
				seconds, err := parsePeriod(every)
				if err != nil {
					return wrong("--period: %w", err)
				}
				body["period"] = seconds
			}
			if filter != "" {
				body["filter"] = filter
			}
			s := t.sink(cmd.OutOrStdout(), []column{shown("BEGIN", "timestamp"), shown("CODE", "event_code"), {"EVENT", eventOf}, shown("COUNT", "count")})
			q := remote.Request{Method: "POST", Path: "/mqtt/logs/calculate", Body: body}
			_, err := t.Do(cmd.Context(), q, s.add)
			return s.finish(err)
		},
	}
	r.addFlags(cmd)
	cmd.Flags().StringVar(&every, "period", "", "length of a period, such as 1h (default: all in one)")
	cmd.Flags().StringVar(&filter, "filter", "", "only records for which this `expression` is true")
	return cmd
}
