package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"alcove/cmd/alcove/internal/screen"
	"alcove/internal/api"
	"alcove/internal/auth"
	"alcove/internal/broker"
	"alcove/internal/journal"
	"alcove/internal/server"
	"alcove/internal/store"
)

// tokenFile is the operator's key within the data directory.
const tokenFile = "operator.token"

func newServe() *cobra.Command {
	var profile *string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the broker",
		Long: "Runs the broker. Each listener takes an address (port 0: a free one) or `off`.\n" +
			"Settings come from flags, the environment (ALCOVE_…) and a YAML file; `alcove config`\n" +
			"shows them. SIGTERM or SIGINT ends it in order, a second one at once.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := load(cmd.Flags(), os.Environ())
			if err != nil {
				return err
			}
			return profiled(*profile, func() error {
				return serve(cmd.Context(), c, cmd.OutOrStdout(), cmd.ErrOrStderr())
			})
		},
	}
	addServeFlags(cmd.Flags())
	profile = addProfileFlag(cmd.Flags())
	return cmd
}

// house is the parts of a running broker, from the ground up.
type house struct {
	c         *configuration
	log       *slog.Logger
	store     *store.Store
	directory *auth.Directory
	meter     *api.Meter
	journal   *journal.Journal
	broker    *broker.Broker
	server    *server.Server
	rest      http.Handler
}

// serve runs a broker until a signal ends it or ctx does.
func serve(ctx context.Context, c *configuration, out, errOut io.Writer) error {
	raiseFileLimit()
	spareProcessor(&c.server)
	debug.SetGCPercent(c.memory.gc)
	if c.memory.limit > 0 {
		debug.SetMemoryLimit(c.memory.limit)
	}
	// Signals are caught from here on: one that comes while the parts are built is
	// obeyed once they stand.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	h := &house{c: c, log: newLogger(c.log, errOut)}
	if err := h.build(); err != nil {
		return errors.Join(err, h.close())
	}
	if err := h.announceToken(out); err != nil {
		return errors.Join(err, h.close())
	}
	if err := h.open(out); err != nil {
		return errors.Join(err, h.close())
	}
	quiet, loud := context.WithCancel(ctx)
	defer loud()
	go tidy(quiet)
	select {
	case s := <-signals:
		h.log.Info("ending", "signal", s.String())
	case <-ctx.Done():
	}
	go func() {
		<-signals
		h.log.Warn("ending at once: second signal")
		os.Exit(1)
	}()
	return h.close()
}

func newLogger(l logSettings, w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: l.level}
	if l.format == "json" {
		// The text format quotes what a terminal would obey; JSON leaves some of it.
		options.ReplaceAttr = func(_ []string, a slog.Attr) slog.Attr {
			if a.Value.Kind() == slog.KindString && strings.ContainsFunc(a.Value.String(), obeyed) {
				a.Value = slog.StringValue(screen.Escape(a.Value.String()))
			}
			return a
		}
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// obeyed tells what a terminal does not show but do, and JSON does not escape.
func obeyed(r rune) bool {
	return r == 0x7f || screen.Acts(r)
}

// build makes the parts; nothing listens yet.
func (h *house) build() (err error) {
	c := h.c
	if err := os.MkdirAll(c.data, 0o700); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	if c.data, err = filepath.Abs(c.data); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	c.store.Dir, c.store.Logger = filepath.Join(c.data, "store"), h.log
	if h.store, err = store.Open(c.store); err != nil {
		if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) {
			return fmt.Errorf("data directory %s is in use by another process, or not ours to write: %w", c.data, err)
		}
		return err
	}
	if h.directory, err = auth.Open(c.auth, h.store, nil); err != nil {
		return err
	}
	h.meter = api.NewMeter()
	h.journal, err = journal.Open(journal.Config{
		Store: h.store, Directory: h.directory, Logger: h.log, LowSpace: h.store.LowSpace,
		Calls: h.meter.Usage, Reserved: c.features.ReservedLevel,
	})
	if err != nil {
		return err
	}
	h.broker, err = broker.New(broker.Config{
		Log: h.store, Directory: h.directory, Logger: h.log, LowSpace: h.store.LowSpace,
		Observer: both{&eventLog{log: h.log}, h.journal},
		Limits:   c.limits, Features: c.features,
	})
	if err != nil {
		return err
	}
	h.journal.Begin(h.broker)
	c.server.Log = h.log
	if c.server.TLS.Dir == "" {
		c.server.TLS.Dir = filepath.Join(c.data, "tls")
	}
	h.rest = api.New(api.Config{
		Directory: h.directory, Broker: h.broker, Sessions: h.broker, Streams: h.broker,
		Journal: h.journal, Meter: h.meter,
		Version: version(), Reserved: c.features.ReservedLevel,
		Origins: c.rest.origins, Region: c.rest.region, Ports: h.ports,
	})
	h.broker.ServeRequests(api.Requests(h.rest)) // [EXT-REST-9]
	h.server, err = server.New(c.server, h.broker, h.directory, h.rest)
	return err
}

// announceToken shows the operator's key once, when the first start has made it, and
// keeps it in a file that only the owner reads.
func (h *house) announceToken(out io.Writer) error {
	key := h.directory.FirstOperatorKey()
	if key == "" {
		return nil
	}
	path := filepath.Join(h.c.data, tokenFile)
	if err := writePrivate(path, key+"\n"); err != nil {
		return fmt.Errorf("operator token: %w", err)
	}
	_, err := fmt.Fprintln(out, "operator token:", key)
	return err
}

// writePrivate writes a file of mode 0600 so that it is whole or not there.
func writePrivate(path, text string) error {
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// open opens the listeners, begins to serve, and says where.
func (h *house) open(out io.Writer) error {
	if err := h.server.Listen(); err != nil {
		return err
	}
	if err := h.server.Start(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out, startLine(h.server.Addrs(), h.c.data))
	return err
}

// ports are those of the open listeners. Requests that ask for them come in by one.
func (h *house) ports() api.Ports {
	a := h.server.Addrs()
	port := func(addr net.Addr) int {
		if tcp, ok := addr.(*net.TCPAddr); ok {
			return tcp.Port
		}
		return 0
	}
	return api.Ports{MQTT: port(a.MQTT), MQTTS: port(a.MQTTS), HTTP: port(a.HTTP), HTTPS: port(a.HTTPS)}
}

// startLine says where everything is.
func startLine(a server.Addrs, data string) string {
	parts := []string{}
	add := func(name string, addr net.Addr) {
		if addr != nil {
			parts = append(parts, name+" "+addressText(addr))
		}
	}
	add("mqtt", a.MQTT)
	add("mqtts", a.MQTTS)
	add("http", a.HTTP)
	add("https", a.HTTPS)
	add("unix", a.Unix)
	parts = append(parts, "data "+data)
	return "alcove: " + strings.Join(parts, "  ")
}

// addressText writes a wildcard address out, as 0.0.0.0 or [::].
func addressText(a net.Addr) string {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return a.String()
	}
	if tcp.IP == nil {
		return fmt.Sprintf("[::]:%d", tcp.Port)
	}
	return tcp.String()
}

// close takes the house down from the roof: clients are told, Wills go out, everything
// is written, and the store is closed.
func (h *house) close() error {
	var faults []error
	if streams, ok := h.rest.(io.Closer); ok {
		_ = streams.Close() // or their requests would hold up the end
	}
	if h.server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), max(h.c.shutdown, time.Second))
		if err := h.server.Shutdown(ctx); err != nil {
			h.log.Warn("some clients did not take their goodbye in time", "error", err)
		}
		cancel()
	}
	if h.journal != nil {
		h.journal.Hush()
	}
	if h.broker != nil {
		if err := h.broker.Close(); err != nil {
			faults = append(faults, err)
		}
	}
	if h.journal != nil { // what the broker's end has brought is in it
		if err := h.journal.Close(); err != nil {
			faults = append(faults, err)
		}
	}
	if h.store != nil {
		if err := h.store.Close(); err != nil {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}
