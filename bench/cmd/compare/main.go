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
// Usage: compare [flags], in the folder of this module. The results are kept beside the
// document as JSON. `compare --from ../docs/performance.json` makes document and charts
// of them again; `compare --scenarios a,b --merge` measures two rows again, and the
// document says which those were.
package main

import (
	"context"
	"errors"
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

// defaultBrokers are all that the command knows, in the order of the columns.
const defaultBrokers = "alcove,mosquitto,mochi,nats"

// options are the command's flags.
type options struct {
	rounds    int
	duration  time.Duration
	scenarios []string
	brokers   []string
	retained  int
	pin       bool
	out       string
	from      string // the file of a report that is told again, without measuring
	merge     bool   // the results replace the same ones of the report that is kept
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
	o := flags()
	switch {
	case o.rounds < 1:
		return fmt.Errorf("--rounds %d: at least 1", o.rounds)
	case o.merge && (o.out == "" || o.from != ""):
		return errors.New("--merge: needs --out, and --from measures nothing")
	case o.from != "":
		r, err := readReport(o.from)
		if err != nil {
			return err
		}
		return publish(o, r)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var before *report
	if o.merge { // before the run: one that cannot be merged would be in vain
		var err error
		if before, err = readReport(o.beside(".json")); err != nil {
			return err
		}
	}
	r, err := measureAll(ctx, o)
	if err != nil {
		return err
	}
	if before != nil {
		before.merge(r)
		r = before
	}
	return publish(o, r)
}

// flags reads the command line.
func flags() (o options) {
	var scenarios, brokers string
	flag.IntVar(&o.rounds, "rounds", 3, "samples of each broker in each scenario")
	flag.DurationVar(&o.duration, "duration", 5*time.Second, "time that a sample measures")
	flag.StringVar(&scenarios, "scenarios", defaultScenarios(), "scenarios of `alcove bench`, comma list")
	flag.StringVar(&brokers, "brokers", defaultBrokers, "brokers, comma list")
	flag.IntVar(&o.retained, "retained", usualRetained, "messages of the retained-db scenarios")
	flag.BoolVar(&o.pin, "pin", true, "broker on core 0 with GOMAXPROCS=1, driver on core 1")
	flag.StringVar(&o.out, "out", "../docs/performance.md", "file for the document; charts and results are kept beside it; empty: print only")
	flag.StringVar(&o.from, "from", "", "results that were kept: makes document and charts of them, measures nothing")
	flag.BoolVar(&o.merge, "merge", false, "put the results into those that are kept beside the document, in the place of the same rows")
	flag.Parse()
	o.scenarios, o.brokers = strings.Split(scenarios, ","), strings.Split(brokers, ",")
	return o
}

// beside is the name of a file beside the document, which differs by its ending.
func (o options) beside(ending string) string {
	return strings.TrimSuffix(o.out, filepath.Ext(o.out)) + ending
}

// measureAll builds the brokers, takes all samples and sums them up.
func measureAll(ctx context.Context, o options) (*report, error) {
	if err := raiseFileLimit(); err != nil {
		return nil, err
	}
	var err error
	if o.root, err = filepath.Abs(".."); err != nil {
		return nil, err
	}
	if o.dir, err = os.MkdirTemp("", "alcove-bench-"); err != nil {
		return nil, err
	}
	defer os.RemoveAll(o.dir)
	if err := os.Chmod(o.dir, 0o755); err != nil { // mosquitto gives up root before it reads
		return nil, err
	}
	if o.pin && (runtime.NumCPU() < 2 || !found("taskset")) {
		fmt.Println("skipped: pinning needs two cores and taskset")
		o.pin = false
	}
	makers, err := prepare(ctx, o)
	if err != nil {
		return nil, err
	}
	results, err := takeAll(ctx, o, makers)
	if err != nil {
		return nil, err
	}
	return newReport(o, makers, results, time.Now()), nil
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

// publish prints the document and writes it to the file, with its charts and, for a
// later time, the results beside it.
func publish(o options, r *report) error {
	if o.out == "" {
		fmt.Print("\n", r.markdown(charts{}))
		return nil
	}
	c := r.charts(filepath.Base(o.beside("")))
	text := r.markdown(c)
	fmt.Print("\n", text)
	results, err := r.encode()
	if err != nil {
		return err
	}
	dir := filepath.Dir(o.out)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	// The results first: all else can be made of them.
	if err := os.WriteFile(o.beside(".json"), results, 0o644); err != nil {
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
