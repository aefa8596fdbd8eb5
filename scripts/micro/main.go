// Command micro measures single parts of the broker with Go's benchmarks and prints
// one table: what a part does, what it takes, and the goal where there is one.
// `make bench-micro` calls it.
//
// It hides how the benchmarks are chosen, run and read. Its noun: a part (a
// benchmark and what it means). Invariants: the packages run one after the other, so that
// they do not disturb each other; a part whose benchmark prints nothing is an error, not
// a gap in the table.
//
// Usage: micro [-time 300ms] [-count 3] [-full] [part …], from the root of the
// project; a part is named by a word of its title. -full stores ten million retained
// messages in place of a hundred thousand.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"alcove/scripts/internal/gobench"
)

// part is a group of benchmarks of one package.
type part struct {
	title string
	goal  string
	pkg   string
	names []string // of the benchmarks, without "Benchmark"
}

var parts = []part{
	{"match: a topic against the filters of a tree", "100,000 wildcards: under 1,000 ns; 1,000 words a level: by the levels",
		"./internal/topic", []string{"MatchSmall", "MatchExact1M", "MatchWildcard100k", "MatchSubsWild", "MatchSelectors1000", "MatchSelector"}},
	{"subscriptions: memory of a million", "200 B each", "./internal/broker", []string{"SubscriptionMemory"}},
	{"expression: a payload of 300 bytes read, then one expression or one more", "first 1,000 ns; each further one 50 ns",
		"./internal/expr", []string{"SetJSON", "First", "Next", "Message", "Compile"}},
	{"sticky: a member picked, a member joining", "a pick under 100 ns", "./internal/broker", []string{"StickyPick", "StickyJoin"}},
	{"retained: stored, updated, asked for, deleted", "200 B each beside the payload; a question by what it returns",
		"./internal/broker", []string{"Retained"}},
	{"stamps: the broker's user properties of a message", "tens of ns", "./internal/broker", []string{"Dressing"}},
	{"delivery: a message into a connection's output, by MQTT 3.1.1, 5.0, and 5.0 with the stamps", "with the stamps 1.3 times as much as by 3.1.1, sockets included", "./internal/server", []string{"Deliver"}},
	{"login: a token that is known, unknown, slowed down", "under 5,000 ns", "./internal/auth", []string{"Login", "LoginUnknown", "LoginGuarded", "LoginHeld"}},
	{"accounts: memory of an idle one with its token", "1,024 B each", "./internal/auth", []string{"IdleAccounts"}},
	{"log: a record taken where messages are published", "under 1,000 ns", "./internal/journal", []string{"Event"}},
	{"packets: decoded and encoded", "", "./internal/mqtt", []string{"PublishDecode", "PublishHeadAppend", "AckDecode", "AckAppend"}},
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "micro:", err)
		os.Exit(1)
	}
}

func run() error {
	duration := flag.String("time", "300ms", "time of each benchmark, or a number of rounds such as 1000x")
	count := flag.Int("count", 3, "runs of each benchmark, of which the median counts")
	full := flag.Bool("full", false, "ten million retained messages in place of a hundred thousand")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	chosen := choose(flag.Args())
	if len(chosen) == 0 {
		return fmt.Errorf("no part is called %s", strings.Join(flag.Args(), " "))
	}
	for i, p := range chosen {
		out, err := p.run(ctx, *duration, *count, *full)
		if err != nil {
			return err
		}
		results, err := gobench.Parse(out)
		if err != nil {
			return err
		}
		if missing := p.missing(results); len(missing) > 0 {
			return fmt.Errorf("%s has no benchmark %s", p.pkg, strings.Join(missing, ", "))
		}
		if i > 0 {
			fmt.Println()
		}
		if err := p.print(os.Stdout, results); err != nil {
			return err
		}
	}
	return nil
}

// choose returns the parts with one of these words in their title; all for none.
func choose(words []string) []part {
	if len(words) == 0 {
		return parts
	}
	var chosen []part
	for _, p := range parts {
		if slices.ContainsFunc(words, func(w string) bool { return strings.Contains(p.title, w) }) {
			chosen = append(chosen, p)
		}
	}
	return chosen
}

// run starts the benchmarks of a part and returns what they print. Those that measure
// memory, and those of retained messages, take as long as they need once.
func (p part) run(ctx context.Context, duration string, count int, full bool) ([]byte, error) {
	args := []string{"test", "-run", "^$", "-benchmem", "-bench", "^Benchmark(" + strings.Join(p.names, "|") + ")$",
		"-timeout", "30m", "-benchtime", duration, "-count", fmt.Sprint(count)}
	if !full {
		args = append(args, "-short")
	}
	cmd := exec.CommandContext(ctx, "go", append(args, p.pkg)...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s%s", p.pkg, err, out, errs.Bytes())
	}
	return out, nil
}
