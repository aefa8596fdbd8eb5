// Command gate runs Alcove's tests as one sequence and tells at the end, in one
// line, how many passed and failed. `make test` calls it.
//
// It hides how the tests of three Go modules, the fuzz targets and the suites
// that drive a real broker are started, counted and cleaned up after. Its nouns:
// a stage (one kind of check, run in order), a tally (what was counted), a run
// (one child command). Invariants: a run's whole process group is gone when the
// run ends; whatever does not pass is counted as failed, a package that does not
// compile included; whatever was skipped is named in the output.
//
// Usage: gate [stage …], from the root of the project. Without arguments every
// stage runs.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// stage is one kind of check.
type stage struct {
	name string
	run  func(context.Context, *tally)
}

// stages are in the order in which they run: cheap ones first.
var stages = []stage{
	{"format", checkFormat},
	{"vet", checkVet},
	{"unit", testUnits},
	{"check", checkHotPath},
	{"suites", testSuites},
	{"fuzz", fuzzAll},
	{"interop", testInterop},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(gate(ctx, os.Args[1:]))
}

// gate runs the named stages (none: all of them) and returns the exit code.
func gate(ctx context.Context, names []string) int {
	for _, name := range names {
		if !slices.ContainsFunc(stages, func(s stage) bool { return s.name == name }) {
			fmt.Fprintf(os.Stderr, "gate: no stage %q\n", name)
			return 2
		}
	}
	var t tally
	for _, s := range stages {
		if len(names) > 0 && !slices.Contains(names, s.name) {
			continue
		}
		if ctx.Err() != nil {
			t.fail("gate", s.name+" did not run: interrupted")
			continue
		}
		start := time.Now()
		fmt.Printf("== %s\n", s.name)
		s.run(ctx, &t)
		fmt.Printf("== %s took %s\n\n", s.name, time.Since(start).Round(time.Second))
	}
	t.report(os.Stdout)
	if t.failed > 0 {
		return 1
	}
	return 0
}

// checkFormat counts one failure per file that gofmt would change.
func checkFormat(ctx context.Context, t *tally) {
	files, err := goFiles(".")
	if err != nil {
		t.fail("gofmt", err.Error())
		return
	}
	out, err := output(ctx, ".", nil, "gofmt", append([]string{"-l"}, files...)...)
	if err != nil {
		t.fail("gofmt", err.Error())
		return
	}
	unformatted := strings.Fields(out)
	for _, file := range unformatted {
		t.fail("gofmt", file+" is not formatted")
	}
	if len(unformatted) == 0 {
		t.passed++
	}
}

// checkVet vets every module.
func checkVet(ctx context.Context, t *tally) {
	for _, dir := range []string{".", "bench", "test/interop"} {
		if out, err := output(ctx, dir, nil, "go", "vet", "./..."); err != nil {
			fmt.Print(out)
			t.fail("go vet in "+dir, err.Error())
			continue
		}
		t.passed++
	}
}
