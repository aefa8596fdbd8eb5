package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"alcove/cmd/alcove/internal/bench"
	"alcove/cmd/alcove/internal/remote"
	"alcove/internal/client"
	"alcove/internal/mqtt"
)

// benchOptions are the flags of `alcove bench`.
type benchOptions struct {
	bench.Config
	url      string
	versions []string
	json     bool
	quiet    bool
	memory   bool
	rest     string
	tls      client.TLSFiles
}

func newBench() *cobra.Command {
	var o benchOptions
	var about strings.Builder
	for _, s := range bench.Scenarios() {
		fmt.Fprintf(&about, "  %-18s %s\n", s.Name, s.About)
	}
	cmd := &cobra.Command{
		Use:   "bench <scenario>…",
		Short: "Load a broker and measure it",
		Long: "Loads a broker and prints messages per second, latency, the broker's CPU time per\n" +
			"message and its memory (given its --pid), and what was lost, duplicated or out of order.\n\n" +
			"Scenarios (or `all`):\n" + about.String(),
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	f := cmd.Flags()
	f.StringVar(&o.url, "url", "mqtt://127.0.0.1:1883", "broker: mqtt, mqtts, ws, wss or unix")
	f.StringVar(&o.Token, "token", "", "token, sent as user name; empty: no credentials")
	f.IntVar(&o.PID, "pid", 0, "the broker's process id, for CPU and memory")
	f.DurationVar(&o.Duration, "duration", 5*time.Second, "time that is measured")
	f.DurationVar(&o.Warmup, "warmup", time.Second, "time before that")
	f.StringSliceVar(&o.versions, "versions", []string{"4"}, "protocol versions, one run each: 3, 4, 5")
	f.IntVar(&o.Payload, "payload", 0, "payload in bytes, at least 20 (default 64; 300 of JSON for filters)")
	f.IntVar(&o.QoS, "qos", -1, "QoS 0, 1 or 2 (default the scenario's)")
	f.IntVar(&o.Connections, "connections", 0, "connections in all (default the scenario's)")
	f.IntVar(&o.Count, "count", 0, "subscriptions or messages, for scenarios that have a number of them")
	f.IntVar(&o.Window, "window", 0, "messages a publisher may be ahead of its slowest subscriber")
	f.IntVar(&o.Batch, "batch", 0, "messages in one write (default 32; 1 at a rate)")
	f.Float64Var(&o.Rate, "rate", 0, "messages a second in all: an open loop that measures latency")
	f.IntVar(&o.Threads, "threads", 0, "threads of the driver (default half the processors)")
	f.BoolVar(&o.memory, "memory", false, "in an account of its own that keeps nothing on disk: needs --rest and the operator's token")
	f.StringVar(&o.rest, "rest", "http://127.0.0.1:8080", "the broker's REST interface, to make that account")
	f.StringVar(&o.GCTrace, "gctrace", "", "file with the standard error of a broker in Go with GODEBUG=gctrace=1, for its pauses")
	f.BoolVar(&o.json, "json", false, "print one JSON object per run")
	f.BoolVar(&o.quiet, "quiet", false, "no progress lines")
	f.StringVar(&o.tls.CAFile, "cafile", "", "certificates to trust, PEM")
	f.BoolVar(&o.tls.Insecure, "insecure", false, "do not verify the broker's certificate")
	return cmd
}

func (o *benchOptions) run(cmd *cobra.Command, names []string) error {
	u, err := client.ParseURL(o.url)
	if err != nil {
		return err
	}
	o.Endpoint = u.Endpoint
	if o.Endpoint.TLS, err = o.tls.Config(); err != nil {
		return err
	}
	raiseFileLimit()
	runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0))) // the progress line must not wait for a loop
	if !o.quiet {
		o.Progress = cmd.ErrOrStderr()
	}
	if slices.Contains(names, "all") {
		names = bench.Names()
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	table := newBenchTable(cmd.OutOrStdout())
	for _, name := range names {
		results, err := o.measure(ctx, name)
		if err != nil {
			return err
		}
		for _, res := range results {
			if !o.json {
				table.add(res)
				continue
			}
			if err := json.NewEncoder(cmd.OutOrStdout()).Encode(res); err != nil {
				return err
			}
		}
	}
	return table.Flush()
}

// measure runs one scenario by each protocol version, or by the one it is about.
func (o *benchOptions) measure(ctx context.Context, name string) (results []*bench.Result, err error) {
	s, known := bench.Find(name)
	versions := o.versions
	if s.Version() != 0 {
		versions = versions[:min(1, len(versions))]
	}
	cfg := o.Config
	cfg.Scenario = name
	if known && s.Tenants() {
		rest := o.operator()
		cfg.REST = func(ctx context.Context, method, path string, body, result any) error {
			return rest.Call(ctx, remote.Request{Method: method, Path: path, Body: body}, result)
		}
	}
	if known && (o.memory || s.Memory()) {
		token, remove, err := o.memoryAccount(ctx)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, remove()) }()
		cfg.Token = token
	}
	for _, v := range versions {
		if cfg.Version, err = parseVersion(v); err != nil {
			return nil, err
		}
		res, err := bench.Run(ctx, cfg)
		if err != nil {
			return nil, err
		}
		results = append(results, res)
	}
	return results, nil
}

// operator asks the broker's REST interface with the run's own token.
func (o *benchOptions) operator() *remote.Remote {
	return &remote.Remote{URL: o.rest, Token: o.Token, TLS: o.tls}
}

// memoryAccount makes an account that keeps nothing on disk and returns its token and
// what removes it [EXT-ACC-5].
func (o *benchOptions) memoryAccount(ctx context.Context) (token string, remove func() error, err error) {
	rest := o.operator()
	var made []struct {
		ID    int64 `json:"id"`
		Token struct {
			Key string `json:"key"`
		} `json:"token"`
	}
	body := []any{map[string]any{"name": "bench", "settings": map[string]any{"durability": "memory"}}}
	if err := rest.Call(ctx, remote.Request{Method: "POST", Path: "/platform/customers", Body: body}, &made); err != nil {
		return "", nil, fmt.Errorf("an account in memory: %w", err)
	}
	if len(made) != 1 || made[0].Token.Key == "" {
		return "", nil, errors.New("an account in memory: the broker answered without its token")
	}
	path := "/platform/customers/" + strconv.FormatInt(made[0].ID, 10)
	return made[0].Token.Key, func() error {
		return rest.Call(context.WithoutCancel(ctx), remote.Request{Method: "DELETE", Path: path}, nil)
	}, nil
}

// parseVersion reads a protocol version as people write it: the level, the number, or
// mosquitto's name.
func parseVersion(s string) (mqtt.Version, error) {
	switch strings.TrimPrefix(strings.ToLower(s), "mqtt") {
	case "3", "31", "3.1", "v31":
		return mqtt.V31, nil
	case "4", "311", "3.1.1", "v311":
		return mqtt.V311, nil
	case "5", "5.0", "v5", "v50", "50":
		return mqtt.V5, nil
	}
	return 0, fmt.Errorf("protocol version %q is not 31, 311 or 5", s)
}
