package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"alcove/cmd/alcove/internal/screen"
	"alcove/internal/client"
	"alcove/internal/mqtt"
)

// publication holds the options of `alcove pub`.
type publication struct {
	connection
	topicFlag string
	source    payloadSource
	qos       int
	retain    bool
	repeat    int
	delay     float64
	inflight  int
	answer    bool

	out      io.Writer
	client   *client.Client
	endpoint client.Endpoint
	opts     client.Options
	pending  []outstanding
	refused  int
}

// payloadSource says where payloads come from: exactly one of them.
type payloadSource struct {
	message, file      string
	lines, stdin, null bool
}

// outstanding is a message that is not acknowledged yet.
type outstanding struct {
	message  *client.Message
	delivery *client.Delivery
}

// maxLine is the longest line that -l takes, in bytes.
const maxLine = 256 << 20

func newPub() *cobra.Command {
	var p publication
	cmd := &cobra.Command{
		Use:                "pub {-m message | -f file | -l | -s | -n} -t topic",
		Short:              "Publish messages",
		Long:               "Publishes messages, with the options of mosquitto_pub.",
		Example:            "  alcove pub -t greeting -m hello\n  alcove pub -u $TOKEN -q 1 -r -t state/door -m open\n  alcove pub -t x -m y -D publish user-property key value",
		ValidArgsFunction:  completeFlags,
		DisableFlagParsing: true,
		RunE:               func(cmd *cobra.Command, args []string) error { return p.run(cmd, args) },
	}
	f := cmd.Flags()
	f.Bool("help", false, "show this help")
	p.addFlags(f)
	f.StringVarP(&p.topicFlag, "topic", "t", "", "topic")
	f.StringVarP(&p.source.message, "message", "m", "", "payload")
	f.StringVarP(&p.source.file, "file", "f", "", "payload: this file")
	f.BoolVarP(&p.source.lines, "stdin-line", "l", false, "a message for each line of the input")
	f.BoolVarP(&p.source.stdin, "stdin-file", "s", false, "payload: the whole input")
	f.BoolVarP(&p.source.null, "null-message", "n", false, "payload: empty")
	f.IntVarP(&p.qos, "qos", "q", 0, "QoS 0, 1 or 2")
	f.BoolVarP(&p.retain, "retain", "r", false, "retain the message")
	f.IntVar(&p.repeat, "repeat", 1, "send the message so many times")
	f.Float64Var(&p.delay, "repeat-delay", 0, "seconds between repetitions")
	f.IntVarP(&p.inflight, "max-inflight", "M", 20, "messages sent before the first is acknowledged")
	f.BoolVar(&p.answer, "answer", false, "print the user properties of acknowledgements, key=value (MQTT 5, QoS 1 or 2)")
	f.SortFlags = false
	return cmd
}

func (p *publication) run(cmd *cobra.Command, args []string) error {
	ok, err := p.parse(cmd, args)
	if !ok || err != nil {
		return err
	}
	f := cmd.Flags()
	if p.endpoint, err = p.connection.endpoint(f); err != nil {
		return err
	}
	if p.opts, err = p.options(f); err != nil {
		return err
	}
	if p.topicFlag == "" {
		p.topicFlag = p.topic
	}
	modes := 0
	for _, set := range []bool{f.Changed("message"), p.source.file != "", p.source.lines, p.source.stdin, p.source.null} {
		if set {
			modes++
		}
	}
	switch {
	case p.topicFlag == "":
		return errors.New("a topic (-t) is needed")
	case modes != 1:
		return errors.New("exactly one of -m, -f, -l, -s and -n is needed")
	case p.qos < 0 || p.qos > 2:
		return fmt.Errorf("QoS %d does not exist", p.qos)
	case p.inflight < 1 || p.repeat < 1:
		return errors.New("-M and --repeat must be at least 1")
	case p.answer && (p.qos == 0 || p.opts.Version != mqtt.V5):
		return errors.New("--answer needs -q 1 or -q 2, and -V mqttv5")
	}
	p.out = cmd.OutOrStdout()
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// Messages may come for a session that is kept. They are not for us: without an
	// acknowledgement they stay in the session.
	p.opts.ManualAck, p.opts.Session = true, client.NewSession()
	if p.client, err = p.open(ctx, p.endpoint, p.opts); err != nil {
		return p.exit(err)
	}
	go ignore(p.client)
	if err := p.publish(ctx, cmd.InOrStdin()); err != nil {
		p.client.Close()
		return p.exit(err)
	}
	if err := p.client.Disconnect(ctx, &p.props.disconnect); err != nil {
		return p.exit(err)
	}
	if p.refused > 0 {
		return &exitError{code: 1}
	}
	return nil
}

// ignore takes what comes, so that the acknowledgements behind it are read.
func ignore(c *client.Client) {
	for range c.Messages() {
	}
}

func (p *publication) publish(ctx context.Context, in io.Reader) error {
	if p.source.lines {
		if err := p.publishLines(ctx, in); err != nil {
			return err
		}
		return p.settle(ctx, 0)
	}
	payload, err := p.source.read(in)
	if err != nil {
		return err
	}
	for i := range p.repeat {
		if i > 0 && p.delay > 0 {
			t := time.NewTimer(time.Duration(p.delay * float64(time.Second)))
			select {
			case <-ctx.Done():
				t.Stop()
				return ctx.Err()
			case <-t.C:
			}
		}
		if err := p.sendOne(ctx, payload); err != nil {
			return err
		}
	}
	return p.settle(ctx, 0)
}

func (s *payloadSource) read(in io.Reader) ([]byte, error) {
	switch {
	case s.file != "":
		return os.ReadFile(s.file)
	case s.stdin:
		return io.ReadAll(in)
	case s.null:
		return nil, nil
	}
	return []byte(s.message), nil
}

func (p *publication) publishLines(ctx context.Context, in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	for lines.Scan() {
		if err := p.sendOne(ctx, bytes.Clone(bytes.TrimSuffix(lines.Bytes(), []byte("\r")))); err != nil {
			return err
		}
	}
	return lines.Err()
}

// sendOne sends a message once fewer than -M are unacknowledged.
func (p *publication) sendOne(ctx context.Context, payload []byte) error {
	if err := p.settle(ctx, p.inflight-1); err != nil {
		return err
	}
	m := &client.Message{Topic: p.topicFlag, Payload: payload, QoS: mqtt.QoS(p.qos), Retain: p.retain, Props: p.props.publish}
	p.pending = append(p.pending, outstanding{message: m})
	return p.persist(ctx)
}

// persist starts what has not been started; with -l it connects again when the
// connection is lost.
func (p *publication) persist(ctx context.Context) error {
	for {
		err := p.startAll(ctx)
		if err == nil || !p.lost(ctx, err) {
			return err
		}
		if err := p.again(ctx); err != nil {
			return err
		}
	}
}

func (p *publication) startAll(ctx context.Context) error {
	for i := range p.pending {
		o := &p.pending[i]
		if o.delivery != nil {
			continue
		}
		d, err := p.client.Start(ctx, o.message)
		if err != nil {
			return err
		}
		o.delivery = d
	}
	return nil
}

// lost reports whether err is a loss of the connection after which -l goes on.
func (p *publication) lost(ctx context.Context, err error) bool {
	return p.source.lines && ctx.Err() == nil && p.client.Err() != nil && lasting(err)
}

// again connects again and forgets the deliveries of the old connection. Each Client
// has a session of its own: what was not acknowledged is published anew.
func (p *publication) again(ctx context.Context) error {
	p.report("Connection lost: %v", p.client.Err())
	p.client.Close()
	p.opts.Session = client.NewSession()
	c, err := p.reopen(ctx, p.endpoint, p.opts)
	if err != nil {
		return err
	}
	p.client = c
	go ignore(c)
	for i := range p.pending {
		p.pending[i].delivery = nil
	}
	return nil
}

// settle waits until at most so many messages are unacknowledged.
func (p *publication) settle(ctx context.Context, most int) error {
	for len(p.pending) > most {
		r, err := p.pending[0].delivery.Wait(ctx)
		if err != nil {
			if !p.lost(ctx, err) {
				return err
			}
			if err := p.again(ctx); err != nil {
				return err
			}
			if err := p.persist(ctx); err != nil {
				return err
			}
			continue
		}
		if r.Code.Failed() {
			p.refused++
			text := r.Code.String()
			if r.Reason != "" {
				text += ": " + r.Reason
			}
			p.report("Publish refused: %s", text)
		}
		if err := p.tell(r.User); err != nil {
			return err
		}
		p.pending = p.pending[1:]
	}
	return nil
}

// tell prints the user properties of an acknowledgement where they are asked for:
// there the broker tells subscribers_count [EXT-UP-4] and deleted_count [EXT-RET-2].
func (p *publication) tell(user mqtt.UserProperties) error {
	for k, v := range user.All() {
		key, value := screen.Escape(string(k)), screen.Escape(string(v))
		if p.debug {
			fmt.Fprintf(p.errOut, "Acknowledged with %s=%s\n", key, value)
		}
		if !p.answer {
			continue
		}
		if _, err := fmt.Fprintf(p.out, "%s=%s\n", key, value); err != nil {
			return err
		}
	}
	return nil
}
