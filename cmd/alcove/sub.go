package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"alcove/cmd/alcove/internal/screen"
	"alcove/internal/client"
	"alcove/internal/mqtt"
	"alcove/internal/topic"
)

// subscriber holds the options of `alcove sub`.
type subscriber struct {
	connection
	topics     []string
	unsub      []string
	filterOut  []string
	qos        int
	count      int
	timeout    float64
	options    subscribeFlags
	printing   printing
	random     float64
	once       bool // -E
	onlyStale  bool // --retained-only
	clearStale bool // --remove-retained

	endpoint client.Endpoint
	opts     client.Options
	client   *client.Client
	out      *bufio.Writer
	seen     int
	printer  printer
}

type subscribeFlags struct {
	noLocal, asPublished bool
	handling             string
	noStale              bool // -R
}

type printing struct {
	format                string
	verbose, bare, pretty bool
}

// exitTimeout is mosquitto's exit code for -W.
const exitTimeout = 27

func newSub() *cobra.Command {
	var s subscriber
	cmd := &cobra.Command{
		Use:                "sub -t topic…",
		Short:              "Subscribe and print messages",
		Long:               "Subscribes and prints messages, with the options of mosquitto_sub.",
		Example:            "  alcove sub -t 'greeting/#' -v\n  alcove sub -t state/+ -F '%I %t %p' -C 10 -W 30",
		ValidArgsFunction:  completeFlags,
		DisableFlagParsing: true,
		RunE:               func(cmd *cobra.Command, args []string) error { return s.run(cmd, args) },
	}
	f := cmd.Flags()
	f.Bool("help", false, "show this help")
	s.addFlags(f)
	f.StringArrayVarP(&s.topics, "topic", "t", nil, "topic filter; may be repeated")
	f.StringArrayVarP(&s.unsub, "unsubscribe", "U", nil, "unsubscribe from this filter; may be repeated")
	f.StringArrayVarP(&s.filterOut, "filter-out", "T", nil, "do not print messages of topics that match; may be repeated")
	f.IntVarP(&s.qos, "qos", "q", 0, "QoS 0, 1 or 2")
	f.IntVarP(&s.count, "count", "C", 0, "exit after so many messages")
	f.Float64VarP(&s.timeout, "timeout", "W", 0, "exit after so many seconds")
	f.StringVarP(&s.printing.format, "format", "F", "", "format of the output, such as '%t %p'")
	f.BoolVarP(&s.printing.verbose, "verbose", "v", false, "print the topic before the payload")
	f.BoolVarP(&s.printing.bare, "no-eol", "N", false, "no line end after a message")
	f.BoolVar(&s.printing.pretty, "pretty", false, "indent JSON")
	f.BoolVarP(&s.options.noStale, "no-retained", "R", false, "do not print retained messages from before the subscription")
	f.BoolVar(&s.onlyStale, "retained-only", false, "print only retained messages; exit at the first other one")
	f.BoolVar(&s.clearStale, "remove-retained", false, "clear the retained messages that are received")
	f.BoolVar(&s.options.asPublished, "retain-as-published", false, "keep the retain flag as published (MQTT 5)")
	f.BoolVar(&s.options.noLocal, "no-local", false, "no messages published by this client (MQTT 5)")
	f.StringVar(&s.options.handling, "retain-handling", "always", "send retained messages: always, new or never (MQTT 5)")
	f.Float64Var(&s.random, "random-filter", 100, "print this percentage of the messages")
	f.BoolVarP(&s.once, "exit-after-subscribe", "E", false, "exit once the subscriptions are acknowledged")
	f.SortFlags = false
	return cmd
}

func (s *subscriber) run(cmd *cobra.Command, args []string) error {
	ok, err := s.parse(cmd, args)
	if !ok || err != nil {
		return err
	}
	f := cmd.Flags()
	if s.endpoint, err = s.connection.endpoint(f); err != nil {
		return err
	}
	if s.opts, err = s.connection.options(f); err != nil {
		return err
	}
	s.opts.Session, s.opts.ManualAck = client.NewSession(), true
	if err := s.prepare(cmd.OutOrStdout()); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if s.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(s.timeout*float64(time.Second)))
		defer cancel()
	}
	err = s.serve(ctx)
	if s.client != nil {
		// The goodbye has its own time: ctx may be over.
		bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = s.client.Disconnect(bye, &s.props.disconnect)
	}
	if ferr := s.out.Flush(); err == nil {
		err = ferr
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil:
		s.report("Timed out")
		return &exitError{code: exitTimeout}
	case errors.Is(err, context.Canceled):
		return nil // by a signal
	case errors.Is(err, syscall.EPIPE):
		return nil // nobody reads the output any more
	}
	return s.exit(err)
}

// prepare checks the options.
func (s *subscriber) prepare(out io.Writer) error {
	if len(s.topics) == 0 && s.topic != "" {
		s.topics = []string{s.topic}
	}
	switch {
	case len(s.topics) == 0 && len(s.unsub) == 0:
		return errors.New("a topic filter (-t) is needed")
	case s.qos < 0 || s.qos > 2:
		return fmt.Errorf("QoS %d does not exist", s.qos)
	case s.printing.format != "" && s.printing.verbose:
		return errors.New("-F and -v exclude each other")
	}
	if _, ok := retainHandlings[s.options.handling]; !ok {
		return fmt.Errorf("retain handling %q is not always, new or never", s.options.handling)
	}
	for _, text := range s.filterOut {
		if _, err := topic.Parse(text, 0); err != nil {
			return fmt.Errorf("-T %s: %w", text, err)
		}
	}
	format := s.printing.format
	switch {
	case format == "" && s.printing.verbose:
		format = "%t %p"
	case format == "":
		format = "%p"
	}
	if !s.printing.bare {
		format += "\\n"
	}
	var err error
	if s.printer, err = newPrinter(format); err != nil {
		return err
	}
	s.printer.pretty = s.printing.pretty
	s.printer.safe = screen.IsTerminal(out)
	s.out = bufio.NewWriterSize(out, 64<<10)
	return nil
}

var retainHandlings = map[string]byte{"always": 0, "new": 1, "never": 2}

// serve connects, subscribes and prints until a reason to end, connecting again when
// the connection is lost.
func (s *subscriber) serve(ctx context.Context) error {
	var err error
	if s.client, err = s.open(ctx, s.endpoint, s.opts); err != nil {
		return err
	}
	for {
		err := s.connected(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if s.client.Err() == nil || !lasting(err) {
			return err
		}
		s.report("Connection lost: %v", err)
		s.client.Close()
		s.client = nil
		if s.client, err = s.reopen(ctx, s.endpoint, s.opts); err != nil {
			return err
		}
	}
}

func (s *subscriber) connected(ctx context.Context) error {
	if err := s.subscribe(ctx); err != nil {
		return err
	}
	if s.once {
		return nil
	}
	for {
		m, err := s.next(ctx)
		if err != nil {
			return err
		}
		done, err := s.take(ctx, m)
		if err != nil || done {
			return err
		}
	}
}

// next returns the next message; before it waits, what was printed goes out.
func (s *subscriber) next(ctx context.Context) (*client.Message, error) {
	select {
	case m, ok := <-s.client.Messages():
		if ok {
			return m, nil
		}
	default:
	}
	if err := s.out.Flush(); err != nil {
		return nil, err
	}
	return s.client.Receive(ctx)
}

func (s *subscriber) subscribe(ctx context.Context) error {
	if len(s.topics) > 0 {
		want := client.Subscription{ID: s.props.subscribe.id, User: s.props.subscribe.user}
		for _, t := range s.topics {
			f := client.Filter{Filter: t}
			f.QoS = mqtt.QoS(s.qos)
			if s.opts.Version == mqtt.V5 {
				f.NoLocal, f.RetainAsPublished = s.options.noLocal, s.options.asPublished
				f.RetainHandling = retainHandlings[s.options.handling]
			}
			want.Filters = append(want.Filters, f)
		}
		ack, err := s.client.Subscribe(ctx, want)
		if err != nil {
			return err
		}
		if err := s.granted(ack); err != nil {
			return err
		}
	}
	if len(s.unsub) > 0 {
		if _, err := s.client.Unsubscribe(ctx, s.unsub, s.props.unsub); err != nil {
			return err
		}
	}
	return nil
}

// granted reports refused filters; when none is granted, that is the end.
func (s *subscriber) granted(ack *mqtt.Suback) error {
	refused := 0
	for i, code := range ack.Codes {
		if !code.Failed() {
			continue
		}
		refused++
		text := code.String()
		if len(ack.Reason) > 0 {
			text += ": " + string(ack.Reason)
		}
		s.report("Subscription to %s refused: %s", s.topics[i], text)
	}
	if refused == len(ack.Codes) {
		return errors.New("all subscriptions were refused")
	}
	return nil
}

// take prints one message, if it is to be printed, and acknowledges it. It reports
// whether that was the last.
func (s *subscriber) take(ctx context.Context, m *client.Message) (done bool, err error) {
	if s.onlyStale && !m.Retain {
		return true, nil
	}
	if s.clearStale && m.Retain && !s.isExcluded(m.Topic) {
		if _, err := s.client.Start(ctx, &client.Message{Topic: m.Topic, Retain: true}); err != nil {
			return false, err
		}
	}
	if s.wanted(m) {
		if err := s.printer.print(s.out, m, time.Now()); err != nil {
			var bad *payloadError
			if !errors.As(err, &bad) {
				return false, err
			}
			s.report("%v", bad)
		}
		s.seen++
		if s.printer.safe {
			if err := s.out.Flush(); err != nil {
				return false, err
			}
		}
	}
	if err := m.Ack(); err != nil {
		return false, err
	}
	return s.count > 0 && s.seen >= s.count, nil
}

func (s *subscriber) wanted(m *client.Message) bool {
	if s.options.noStale && m.Retain || s.isExcluded(m.Topic) {
		return false
	}
	return s.random >= 100 || rand.Float64()*100 < s.random
}

func (s *subscriber) isExcluded(name string) bool {
	for _, f := range s.filterOut {
		if topic.MatchSelector(f, name) {
			return true
		}
	}
	return false
}
