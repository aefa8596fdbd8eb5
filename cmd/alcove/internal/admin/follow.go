package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"alcove/cmd/alcove/internal/screen"
	"alcove/internal/client"
	"alcove/internal/event"
	"alcove/internal/mqtt"
)

// Times between attempts to connect again.
const (
	againFirst = time.Second
	againMost  = 30 * time.Second
)

// following is one run of `alcove log follow`.
type following struct {
	tool     *tool
	part     string // mqtt, platform; "" for both
	filter   string
	last     int // records of the past that are shown first
	count    int // live records; 0: without end
	timeout  time.Duration
	sink     *sink
	errOut   io.Writer
	past     map[string]bool // records of the past, which may come live too
	received int
}

func newLogFollow(t *tool) *cobra.Command {
	f := following{tool: t}
	cmd := &cobra.Command{
		Use:   "follow [mqtt | platform]",
		Short: "Show records as they come",
		Long: "Shows the latest records and then each as it comes, until it is interrupted, by MQTT over\n" +
			"WebSocket on the same URL. A lost connection is made again. With --json it prints a line for\n" +
			"each record, as with --json-lines.",
		Example: "  alcove log follow\n  alcove log follow platform --last 0\n" +
			"  alcove log follow mqtt --filter 'event_code == 530' --json-lines | jq .reason",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completePart,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				if f.part = args[0]; parts[f.part] == "" {
					return wrong("the log has the parts mqtt and platform, not %q", f.part)
				}
			}
			return f.run(cmd)
		},
	}
	cmd.Flags().StringVar(&f.filter, "filter", "", "only records for which this `expression` is true")
	cmd.Flags().IntVar(&f.last, "last", 10, "records of the past that are shown first, at most 1000")
	cmd.Flags().IntVarP(&f.count, "count", "n", 0, "end after so many records that come")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 0, "end after this time, such as 30s")
	return cmd
}

func (f *following) run(cmd *cobra.Command) error {
	if f.last < 0 || f.last > 1000 || f.count < 0 || f.timeout < 0 {
		return wrong("--last is 0 to 1000, --count and --timeout are not negative")
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if f.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.timeout)
		defer cancel()
	}
	f.tool.lines, f.tool.json = f.tool.quiet(), false
	f.errOut = cmd.ErrOrStderr()
	f.sink = f.tool.sink(cmd.OutOrStdout(), logColumns)
	f.sink.widths = []int{24, 16, 28, 16, 20, 16}
	err := f.follow(ctx)
	if ctx.Err() != nil {
		return nil // by a signal, or the timeout
	}
	return err
}

// follow connects, and again when the connection is lost, until a reason to end.
func (f *following) follow(ctx context.Context) error {
	key, err := f.tool.Key()
	if err != nil {
		return err
	}
	e, err := f.endpoint()
	if err != nil {
		return err
	}
	wait := againFirst
	for {
		done, err := f.connected(ctx, e, key, &wait)
		if done || ctx.Err() != nil {
			return err
		}
		if f.past == nil {
			return err // it never worked
		}
		fmt.Fprintf(f.errOut, "alcove: connection lost: %s; records may be missing from here\n", screen.Cell(err.Error()))
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
		wait = min(2*wait, againMost)
	}
}

// endpoint is the broker's port for WebSocket: that of its REST interface.
func (f *following) endpoint() (e client.Endpoint, err error) {
	base, err := f.tool.Base()
	if err != nil {
		return e, err
	}
	port := base.Port()
	e.Transport = client.WS
	if base.Scheme == "https" {
		e.Transport = client.WSS
	}
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[base.Scheme]
	}
	e.Address = net.JoinHostPort(base.Hostname(), port)
	e.Path = base.Path + "/mqtt"
	e.TLS, err = f.tool.TLS.Config()
	return e, err
}

// inItem escapes what means something in $filter and nothing in a path [EXT-FIL-1].
var inItem = strings.NewReplacer("&", "%26", "+", "%2B")

// topics is the Topic Filter of the records that are wanted.
func (f *following) topics() string {
	filter := "flespi/log/#"
	if f.part != "" {
		filter = "flespi/log/" + f.part + "/#"
	}
	var items []string
	if f.tool.Account != 0 {
		items = append(items, "cid="+strconv.FormatInt(f.tool.Account, 10))
	}
	if f.filter != "" {
		items = append(items, "payload="+inItem.Replace(url.PathEscape(f.filter)))
	}
	if items == nil {
		return filter
	}
	return "$filter/" + strings.Join(items, "&") + "/" + filter
}

// connected shows records for as long as one connection lasts. It reports whether
// that was all.
func (f *following) connected(ctx context.Context, e client.Endpoint, key string, wait *time.Duration) (done bool, err error) {
	c, err := client.Open(ctx, e, client.Options{Username: []byte(key), CleanStart: true, KeepAlive: 30 * time.Second})
	if err != nil {
		return refusedForGood(err), followError(err)
	}
	defer f.leave(ctx, c)
	want := client.Filter{Filter: f.topics()}
	ack, err := c.Subscribe(ctx, client.Subscription{Filters: []client.Filter{want}})
	if err != nil {
		return false, err
	}
	if code := ack.Codes[0]; code.Failed() {
		exit := Refused
		if code == mqtt.NotAuthorized {
			exit = Forbidden
		}
		return true, &Error{exit, fmt.Errorf("the records are refused: %v %s", code, screen.Cell(string(ack.Reason)))}
	}
	if f.past == nil {
		f.past = map[string]bool{}
		if err := f.showPast(ctx); err != nil {
			return true, err
		}
	}
	*wait = againFirst
	for f.count == 0 || f.received < f.count {
		m, err := c.Receive(ctx)
		if err != nil {
			return refusedForGood(err), followError(err)
		}
		if err := f.show(m); err != nil {
			return true, err
		}
	}
	return true, nil
}

// leave says goodbye, which has its own time: ctx may be over.
func (f *following) leave(ctx context.Context, c *client.Client) {
	bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	_ = c.Disconnect(bye, &mqtt.Disconnect{}) // it may be gone already
	c.Close()
}

// refusedForGood reports whether another attempt would be refused too.
func refusedForGood(err error) bool {
	code := mqtt.Success
	if refused, ok := errors.AsType[*client.RefusedError](err); ok {
		code = refused.Code
	}
	if gone, ok := errors.AsType[*client.DisconnectedError](err); ok {
		code = gone.Code
	}
	return slices.Contains([]mqtt.ReasonCode{mqtt.BadUserNameOrPassword, mqtt.NotAuthorized, mqtt.Banned}, code)
}

func followError(err error) error {
	if refusedForGood(err) {
		return &Error{Forbidden, err}
	}
	return err
}

// showPast shows the latest records of the parts that are followed. A part that the
// token may not read by REST is left out where both are followed.
func (f *following) showPast(ctx context.Context) error {
	var found []json.RawMessage
	for _, part := range []string{"mqtt", "platform"} {
		if f.last == 0 || f.part != "" && f.part != part {
			continue
		}
		data := map[string]any{}
		if f.filter != "" {
			data["filter"] = f.filter
		}
		err := f.tool.eachRecord(ctx, parts[part], data, true, f.last, func(raw json.RawMessage) error {
			found = append(found, raw)
			return nil
		})
		if err := classify(err); err != nil && (f.part != "" || err.(*Error).Code != Forbidden) {
			return err
		}
	}
	at := func(raw json.RawMessage) float64 {
		var i item
		_ = json.Unmarshal(raw, &i) // 0, then
		return i.number("timestamp")
	}
	slices.SortStableFunc(found, func(a, b json.RawMessage) int {
		switch d := at(a) - at(b); {
		case d < 0:
			return -1
		case d > 0:
			return 1
		}
		return 0
	})
	for _, raw := range found[max(0, len(found)-f.last):] {
		f.past[string(compact(raw))] = true
		var i item
		if json.Unmarshal(raw, &i) == nil && life(i) != "" {
			f.past[life(i)] = true
		}
		if err := f.sink.add(raw); err != nil {
			return err
		}
	}
	return f.sink.flush()
}

// show shows a record that came. What tells of a session's life, {"new":…} and
// {"old":…}, is made a record as the log has it.
func (f *following) show(m *client.Message) error {
	raw := json.RawMessage(m.Payload)
	if !json.Valid(raw) {
		return nil
	}
	raw = compact(raw)
	var i item
	if err := json.Unmarshal(raw, &i); err != nil {
		return nil // not an object: no record
	}
	key := string(raw)
	if i["event_code"] == nil {
		raw = lifeCycle(m, raw, i)
		if err := json.Unmarshal(raw, &i); err != nil {
			return nil
		}
		key = life(i)
	}
	if f.past[key] {
		delete(f.past, key)
		return nil
	}
	f.received++
	if err := f.sink.add(raw); err != nil {
		return err
	}
	return f.sink.flush()
}

// life names the begin or the end of a session, of which there is one each; "" for
// everything else.
func life(i item) string {
	code := event.Code(i.number("event_code"))
	if i.text("origin_type") != event.Session.String() || code != event.Created && code != event.Deleted {
		return ""
	}
	return code.Name() + " " + i.text("origin_id")
}

// lifeCycle makes a record of what is told under
// flespi/log/mqtt/sessions/{id}/{event} [EXT-LOG-2].
func lifeCycle(m *client.Message, raw json.RawMessage, i item) json.RawMessage {
	record := map[string]any{"item": raw}
	levels := strings.Split(m.Topic, "/")
	if n := len(levels); n >= 6 {
		record["origin_type"] = strings.Join(levels[2:n-2], "/")
		record["origin_id"], _ = strconv.ParseInt(levels[n-2], 10, 64)
	}
	for _, e := range event.Dictionary() {
		if e.Name == levels[len(levels)-1] {
			record["event_code"] = e.Code
		}
	}
	for name, value := range m.Props.User.All() {
		if s := string(name); (s == "timestamp" || s == "cid") && json.Valid(value) {
			record[s] = json.RawMessage(value)
		}
	}
	for _, side := range []string{"new", "old"} {
		var session item
		if json.Unmarshal(i[side], &session) == nil && session["client_id"] != nil {
			record["client_id"] = session["client_id"]
		}
	}
	made, err := json.Marshal(record)
	if err != nil {
		return json.RawMessage("{}")
	}
	return made
}
