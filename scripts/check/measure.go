package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"alcove/scripts/internal/gobench"
)

// process is a test binary to run: its path and arguments, where, and where its output
// goes.
type process struct {
	args []string
	dir  string
	env  []string
	out  *os.File
}

// environment keeps from the benchmarks what is not theirs: other processors, the
// collector, preemption; and what another machine may not have, which is the processor's
// optional instructions: so the figures of one machine hold on another.
var environment = []string{"GOMAXPROCS=1", "GOGC=off", "GODEBUG=asyncpreemptoff=1,cpu.all=off"}

// measure builds the tests of the suite into dir and runs its benchmarks. Where
// instructions cannot be counted, uncounted says why, and they are notCounted.
func measure(ctx context.Context, dir string) (got []figure, uncounted, err error) {
	build := []string{"test", "-c", "-o", dir + string(filepath.Separator)}
	for _, g := range suite {
		build = append(build, "./internal/"+g.pkg)
	}
	if out, err := exec.CommandContext(ctx, "go", build...).CombinedOutput(); err != nil {
		return nil, nil, fmt.Errorf("building the tests: %w\n%s", err, out)
	}
	for _, g := range suite {
		text, counts, err := g.run(ctx, dir, uncounted == nil)
		if errors.Is(err, errNotCounted) && uncounted == nil {
			uncounted = err
			text, _, err = g.run(ctx, dir, false)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("internal/%s: %w\n%s", g.pkg, err, text)
		}
		figures, err := g.figures(text, counts)
		if err != nil {
			return nil, nil, fmt.Errorf("internal/%s: %w\n%s", g.pkg, err, text)
		}
		got = append(got, figures...)
	}
	return got, uncounted, nil
}

// run runs a group's benchmarks and returns what they printed and, if counting, the
// instructions of each.
func (g group) run(ctx context.Context, dir string, counting bool) (text []byte, counts []int64, err error) {
	binary := filepath.Join(dir, g.pkg+".test")
	out, err := os.Create(binary + ".out")
	if err != nil {
		return nil, nil, err
	}
	defer out.Close()
	p := process{
		args: []string{binary, "-test.run=^$", "-test.benchmem", fmt.Sprintf("-test.benchtime=%dx", warmUp+counted),
			"-test.bench=^Benchmark(" + strings.Join(g.names, "|") + ")$"},
		dir: filepath.Join("internal", g.pkg), env: append(os.Environ(), environment...), out: out,
	}
	if counting {
		counts, err = count(ctx, p)
	} else {
		cmd := exec.CommandContext(ctx, p.args[0], p.args[1:]...)
		cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = p.dir, p.env, p.out, p.out
		err = cmd.Run()
	}
	text, readErr := os.ReadFile(out.Name())
	return text, counts, errors.Join(err, readErr)
}

// figures puts together what was printed and what was counted (nil for nothing).
func (g group) figures(text []byte, counts []int64) ([]figure, error) {
	results, err := gobench.Parse(text)
	if err != nil {
		return nil, err
	}
	if counts != nil && len(counts) != len(results) {
		return nil, fmt.Errorf("%d benchmarks were counted and %d printed: each uses b.Loop, once", len(counts), len(results))
	}
	for _, name := range g.names {
		if !hasPart(results, name) {
			return nil, fmt.Errorf("there is no Benchmark%s", name)
		}
	}
	var all []figure
	for i, r := range results {
		f := figure{
			name: g.pkg + " " + r.Name, allocs: int64(r.Median("allocs/op")), bytes: int64(r.Median("B/op")), instructions: notCounted,
		}
		if counts != nil {
			f.instructions = int64(math.Round(float64(counts[i]) / counted))
		}
		all = append(all, f)
	}
	return all, nil
}

func hasPart(results []*gobench.Result, name string) bool {
	for _, r := range results {
		if r.Of(name) {
			return true
		}
	}
	return false
}
