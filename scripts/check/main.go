// Command check holds the hot path against the figures that the project stands by:
// allocations, bytes and instructions of each operation. `make bench-check` calls it,
// and so do the tests.
//
// It hides how the benchmarks are run and how instructions are counted without a
// processor's help (see count). Its nouns: a group (what is checked of a package), a
// figure (what one operation takes), the table (the figures that hold). Invariants:
// whatever was not measured is a fault; nothing depends on how fast the machine is; where
// instructions cannot be counted, or were counted with another Go or on another
// architecture, the output says so and the rest is compared all the same.
//
// Usage: check [-update | -where benchmark], from the root of the project. It ends with
// status 1 where something has become worse. -update writes the table instead; -where tells
// in which functions a benchmark spends its instructions, which no sampling finds in an
// operation of 100 ns.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"text/tabwriter"
	"time"
)

const (
	// tableFile holds the figures.
	tableFile = "docs/hotpath.tsv"
	// repeats is how often an update measures, to learn what lies between two repeats.
	repeats = 5
	// longest is when a check that hangs is ended.
	longest = 10 * time.Minute
)

func main() {
	var o order
	flag.BoolVar(&o.update, "update", false, "write the figures in place of comparing them")
	flag.StringVar(&o.where, "where", "", "tell where a benchmark spends its instructions: \"topic MatchSmall/exact\"")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ok, err := check(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "check:", err)
	}
	if err != nil || !ok {
		stop()
		os.Exit(1)
	}
}

// order is what is asked for beside the comparison.
type order struct {
	update bool
	where  string
}

// check measures, and does what is asked for. It returns false for faults, which it has
// printed.
func check(ctx context.Context, o order) (ok bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	dir, err := os.MkdirTemp("", "check")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	m := measurer{dir: dir}
	if o.where != "" {
		all, err := m.where(ctx, o.where)
		printSpots(os.Stdout, all)
		return true, err
	}
	if err := m.build(ctx, suite); err != nil {
		return false, err
	}
	is := table{made: fmt.Sprintf("%s on %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH)}
	if o.update {
		return true, m.update(ctx, is)
	}
	if is.figures, err = m.all(ctx); err != nil {
		return false, err
	}
	return m.compare(os.Stdout, is)
}

// compare holds what was measured against the table and prints both.
func (m *measurer) compare(w io.Writer, is table) (ok bool, err error) {
	text, err := os.ReadFile(tableFile)
	if err != nil {
		return false, err
	}
	was, err := decode(text)
	if err != nil {
		return false, err
	}
	if m.uncounted == nil && was.made != is.made {
		m.uncounted = fmt.Errorf("the figures are of %s, this is %s", was.made, is.made)
	}
	if err := list(w, was, is); err != nil {
		return false, err
	}
	v := compare(was, is)
	v.print(w)
	if m.uncounted != nil {
		fmt.Fprintln(w, "skipped: comparing instructions:", m.uncounted)
	}
	return len(v.faults) == 0, nil
}

// update writes the figures of t, which it measures.
func (m *measurer) update(ctx context.Context, t table) error {
	var all [][]figure
	for range repeats {
		one, err := m.all(ctx)
		if err = errors.Join(err, m.uncounted); err != nil {
			return err
		}
		all = append(all, one)
	}
	t.figures = together(all)
	return os.WriteFile(tableFile, t.encode(), 0o644)
}

// print says what has become worse and what better.
func (v verdict) print(w io.Writer) {
	for _, line := range v.lowered {
		fmt.Fprintln(w, "better:", line)
	}
	if len(v.lowered) > 0 {
		fmt.Fprintln(w, "`make bench-check UPDATE=1` lowers the figures")
	}
	for _, line := range v.faults {
		fmt.Fprintln(w, "FAIL", line)
	}
}

// list prints all that was measured beside the instructions that the table has.
func list(out io.Writer, was, is table) error {
	before := make(map[string]int64)
	for _, f := range was.figures {
		before[f.name] = f.instructions
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "allocations\tbytes\tinstructions\twere\t  of one operation")
	for _, f := range is.figures {
		fmt.Fprintf(w, "%d\t%d\t%s\t%s\t  %s\n", f.allocs, f.bytes, show(f.instructions), show(before[f.name]), f.name)
	}
	return w.Flush()
}

// show is a number of instructions, or a dash.
func show(n int64) string {
	if n <= 0 {
		return "–"
	}
	return fmt.Sprint(n)
}
