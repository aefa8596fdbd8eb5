package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"alcove/scripts/internal/gobench"
)

// process is a test binary to run: its path and arguments, where, and where its output
// goes.
type process struct {
	args []string
	dir  string
	env  []string
	out  *os.File
	// where, if it is not nil, takes the instructions of all counted operations by the
	// addresses at which they stand.
	where map[uint64]int64
}

// environment keeps from the benchmarks what is not theirs: other processors, the
// collector, preemption; and what another machine may not have, which is the processor's
// optional instructions: so the figures of one machine hold on another.
var environment = []string{"GOMAXPROCS=1", "GOGC=off", "GODEBUG=asyncpreemptoff=1,cpu.all=off"}

// measurer runs the suite from binaries in a directory.
type measurer struct {
	dir       string
	uncounted error // why instructions cannot be counted, nil where they can
}

// build builds the tests of groups.
func (m *measurer) build(ctx context.Context, groups []group) error {
	args := []string{"test", "-c", "-o", m.dir + string(filepath.Separator)}
	for _, g := range groups {
		args = append(args, "./internal/"+g.pkg)
	}
	if out, err := exec.CommandContext(ctx, "go", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("building the tests: %w\n%s", err, out)
	}
	return nil
}

// all runs the benchmarks of the suite.
func (m *measurer) all(ctx context.Context) (got []figure, err error) {
	for _, g := range suite {
		figures, err := m.group(ctx, g)
		if err != nil {
			return nil, fmt.Errorf("internal/%s: %w", g.pkg, err)
		}
		got = append(got, figures...)
	}
	return got, nil
}

// group runs the benchmarks of one package as often as its rounds say; once where
// instructions cannot be counted.
func (m *measurer) group(ctx context.Context, g group) ([]figure, error) {
	var rounds [][]figure
	for len(rounds) < g.rounds {
		one, err := m.round(ctx, g)
		switch {
		case errors.Is(err, errNotCounted) && m.uncounted == nil:
			m.uncounted = err
		case err != nil:
			return nil, err
		case m.uncounted != nil:
			return one, nil
		default:
			rounds = append(rounds, one)
		}
	}
	return together(rounds), nil
}

// round runs the benchmarks of one package once.
func (m *measurer) round(ctx context.Context, g group) ([]figure, error) {
	text, counts, err := m.run(ctx, g, nil)
	if err == nil {
		var got []figure
		if got, err = g.read(text, counts); err == nil {
			return got, nil
		}
	}
	return nil, fmt.Errorf("%w\n%s", err, text)
}

// run starts a process and returns what it printed and, where that works, the
// instructions that each benchmark took. For where see process.
func (m *measurer) run(ctx context.Context, g group, where map[uint64]int64) (text []byte, counts []int64, err error) {
	binary := filepath.Join(m.dir, g.pkg+".test")
	out, err := os.Create(binary + ".out")
	if err != nil {
		return nil, nil, err
	}
	defer out.Close()
	p := process{
		args: []string{binary, "-test.skip=" + g.skip, "-test.run=^$", "-test.benchmem", fmt.Sprintf("-test.benchtime=%dx", warmUp+counted),
			"-test.bench=" + g.pattern()},
		dir: filepath.Join("internal", g.pkg), env: append(os.Environ(), environment...), out: out, where: where,
	}
	if m.uncounted == nil {
		counts, err = count(ctx, p)
	} else {
		cmd := exec.CommandContext(ctx, p.args[0], p.args[1:]...)
		cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = p.dir, p.env, p.out, p.out
		err = cmd.Run()
	}
	text, readErr := os.ReadFile(out.Name())
	return text, counts, errors.Join(err, readErr)
}

// read puts together what was printed and what was counted (nil for nothing), by name.
func (g group) read(text []byte, counts []int64) ([]figure, error) {
	results, err := gobench.Parse(text)
	if err != nil {
		return nil, err
	}
	if counts != nil && len(counts) != len(results) {
		return nil, fmt.Errorf("%d benchmarks were counted and %d printed: each uses b.Loop, once", len(counts), len(results))
	}
	for _, name := range g.names {
		if !slices.ContainsFunc(results, func(r *gobench.Result) bool { return r.Of(name) }) {
			return nil, fmt.Errorf("there is no Benchmark%s", name)
		}
	}
	var all []figure
	for i, r := range results {
		f := figure{
			name: g.pkg + " " + r.Name, allocs: int64(r.Median("allocs/op")), bytes: int64(r.Median("B/op")), instructions: notCounted,
		}
		if counts != nil {
			f.instructions = counts[i] / counted
		}
		all = append(all, f)
	}
	// Benchmarks that range over a map run in any order.
	slices.SortFunc(all, func(a, b figure) int { return cmp.Compare(a.name, b.name) })
	return all, nil
}
