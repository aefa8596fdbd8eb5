// Command compare measures Alcove beside its peers, mosquitto, mochi and nats-server, in
// one interleaved run, and writes the document with its charts. `make bench` calls it.
//
// It hides how the brokers are built, started and pinned. Its nouns: a row (a scenario
// and which brokers can run it), a site (where a broker listens in one run), a maker
// (how one broker is started), a sample (what `alcove bench` measured in one
// run), a series (the samples of one broker in one scenario, of which the median
// counts), a report (the medians of a run, which the document, its table of goals and
// its charts are made of). Invariants: every sample has a fresh broker; the brokers take turns within
// each round, so that a slow moment of the machine meets all of them; nothing is left
// running.
//
// Usage: compare [flags], in the folder of this module.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// usualRetained is the number of messages of the retained-db scenarios.
const usualRetained = 1_000_000

// options are the command's flags.
type options struct {
	rounds    int
	duration  time.Duration
	scenarios []string
	brokers   []string
	retained  int
	pin       bool
	out       string
	root      string // the project
	dir       string // temporary files
}

// trace is the file with the standard error of a broker whose pauses are read.
func (o options) trace() string { return filepath.Join(o.dir, "trace.log") }

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func run() error {
	var o options
	var scenarios, brokers string
	flag.IntVar(&o.rounds, "rounds", 3, "samples of each broker in each scenario")
	flag.DurationVar(&o.duration, "duration", 5*time.Second, "time that a sample measures")
	flag.StringVar(&scenarios, "scenarios", defaultScenarios(), "scenarios of `alcove bench`, comma list")
	flag.StringVar(&brokers, "brokers", "alcove,mosquitto,mochi,nats", "brokers, comma list")
	flag.IntVar(&o.retained, "retained", usualRetained, "messages of the retained-db scenarios")
	flag.BoolVar(&o.pin, "pin", true, "broker on core 0 with GOMAXPROCS=1, driver on core 1")
	flag.StringVar(&o.out, "out", "../docs/performance.md", "file for the table; empty: print only")
	flag.Parse()
	o.scenarios, o.brokers = strings.Split(scenarios, ","), strings.Split(brokers, ",")
	if o.rounds < 1 {
		return fmt.Errorf("--rounds %d: at least 1", o.rounds)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := raiseFileLimit(); err != nil {
		return err
	}
	var err error
	if o.root, err = filepath.Abs(".."); err != nil {
		return err
	}
	if o.dir, err = os.MkdirTemp("", "alcove-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(o.dir)
	if err := os.Chmod(o.dir, 0o755); err != nil { // mosquitto gives up root before it reads
		return err
	}
	if o.pin && (runtime.NumCPU() < 2 || !found("taskset")) {
		fmt.Println("skipped: pinning needs two cores and taskset")
		o.pin = false
	}
	makers, err := prepare(ctx, o)
	if err != nil {
		return err
	}
	results, err := takeAll(ctx, o, makers)
	if err != nil {
		return err
	}
	return publish(o, newReport(o, makers, results, time.Now()))
}

// takeAll takes all samples: per scenario the rounds, per round the brokers by turns.
func takeAll(ctx context.Context, o options, makers []*maker) (table, error) {
	results := table{}
	total := 0
	for _, scenario := range o.scenarios {
		total += findRow(scenario).roundsOf(o) * len(able(scenario, makers))
	}
	n := 0
	for _, scenario := range o.scenarios {
		for round := range findRow(scenario).roundsOf(o) {
			order := able(scenario, makers)
			if round%2 == 1 {
				slices.Reverse(order)
			}
			for _, m := range order {
				n++
				if results.series(scenario, m.name).err != nil {
					continue // it failed before, perhaps by the whole time limit
				}
				s, err := m.sample(ctx, o, scenario)
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				if err != nil {
					// A peer that cannot do a scenario is a result, not an end.
					fmt.Printf("[%d/%d] %s %s: %v\n", n, total, scenario, m.name, err)
					results.fail(scenario, m.name, err)
					continue
				}
				fmt.Printf("[%d/%d] %s\n", n, total, s.line(m.name))
				results.add(scenario, m.name, s)
			}
		}
	}
	return results, nil
}

// able returns the brokers that can run a scenario.
func able(scenario string, makers []*maker) []*maker {
	return slices.DeleteFunc(slices.Clone(makers), func(m *maker) bool { return !findRow(scenario).fits(m) })
}

// publish prints the document and writes it to the file, with its charts beside it.
func publish(o options, r *report) error {
	var c charts
	if o.out != "" {
		c = r.charts(strings.TrimSuffix(filepath.Base(o.out), filepath.Ext(o.out)))
	}
	text := r.markdown(c)
	fmt.Print("\n", text)
	if o.out == "" {
		return nil
	}
	dir := filepath.Dir(o.out)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, one := range []chart{c.cost, c.latency, c.curves} {
		if one.text == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, one.file), []byte(one.text), 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(o.out, []byte(text), 0o644)
}

// raiseFileLimit lets the brokers open as many connections as the machine allows.
func raiseFileLimit() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	// Set by hand it is inherited; what Go raises by itself is not.
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}
