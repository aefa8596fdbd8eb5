package main

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const (
	// testTimeout ends a test binary that hangs.
	testTimeout = "-timeout=10m"
	// fuzzTime is spent on each fuzz target.
	fuzzTime = "10s"
	// suitePrefix begins the import paths of the suites that drive a real broker.
	suitePrefix = "alcove/test/"
)

// raceFlag is "-race" where the machine can build it: the race detector needs a
// C compiler.
func raceFlag(t *tally) []string {
	if found("gcc") || found("clang") {
		return []string{"-race"}
	}
	t.skip(skipped{test: "race detector", reason: "no C compiler"})
	return nil
}

// testUnits runs the tests of every package that needs no running broker.
func testUnits(ctx context.Context, t *tally) {
	pkgs, err := packages(ctx, ".", func(pkg string) bool { return !strings.HasPrefix(pkg, suitePrefix) })
	if err != nil {
		t.fail("unit", err.Error())
		return
	}
	args := append(raceFlag(t), "-shuffle=on", "-p=2", testTimeout)
	goTest(ctx, t, ".", nil, append(args, pkgs...)...)
	testWithoutRace(ctx, t)
	goTest(ctx, t, "bench", nil, "-p=2", testTimeout, "./...")
}

// testWithoutRace runs those tests again, without the race detector, which said that
// they cannot run under it: allocations and memory are counted without it only.
func testWithoutRace(ctx context.Context, t *tally) {
	again := map[string][]string{}
	t.skips = slices.DeleteFunc(t.skips, func(s skipped) bool {
		if s.pkg == "" || !strings.Contains(s.reason, "race detector") {
			return false
		}
		top, _, _ := strings.Cut(s.test, "/")
		if !slices.Contains(again[s.pkg], top) {
			again[s.pkg] = append(again[s.pkg], top)
		}
		return true
	})
	for _, pkg := range slices.Sorted(maps.Keys(again)) {
		goTest(ctx, t, ".", nil, "-count=1", testTimeout, "-run=^("+strings.Join(again[pkg], "|")+")$", pkg)
	}
}

// checkHotPath holds the hot path against its figures; each fault is a failure.
func checkHotPath(ctx context.Context, t *tally) {
	out, err := output(ctx, ".", nil, "go", "run", "./scripts/check")
	fmt.Print(out)
	before := t.failed
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if why, ok := strings.CutPrefix(line, "FAIL "); ok {
			t.failed++
			t.failures = append(t.failures, "hot path: "+why)
		}
		if why, ok := strings.CutPrefix(line, "skipped: "); ok {
			t.skip(skipped{test: "hot path", reason: why})
		}
	}
	switch {
	case err == nil:
		t.passed++
	case t.failed == before:
		t.fail("hot path", err.Error())
	}
}

// suiteBinaries builds the broker twice, plain and with the race detector, and
// returns both paths. Without a C compiler both are the plain one.
func suiteBinaries(ctx context.Context, t *tally) (plain, raced string, err error) {
	plain, err = filepath.Abs("bin/alcove")
	if err != nil {
		return "", "", err
	}
	if out, err := output(ctx, ".", nil, "go", "build", "-o", plain, "./cmd/alcove"); err != nil {
		return "", "", fmt.Errorf("building the broker: %w\n%s", err, out)
	}
	race := raceFlag(t)
	if race == nil {
		return plain, plain, nil
	}
	raced = plain + "-race"
	if out, err := output(ctx, ".", nil, "go", "build", "-race", "-o", raced, "./cmd/alcove"); err != nil {
		return "", "", fmt.Errorf("building the broker with the race detector: %w\n%s", err, out)
	}
	return plain, raced, nil
}

// testSuites runs the suites one after another, since each wants the machine's
// two cores for the broker and itself. The conformance suite drives a broker
// built with the race detector.
func testSuites(ctx context.Context, t *tally) {
	plain, raced, err := suiteBinaries(ctx, t)
	if err != nil {
		t.fail("suites", err.Error())
		return
	}
	pkgs, err := packages(ctx, ".", func(pkg string) bool { return strings.HasPrefix(pkg, suitePrefix) })
	if err != nil {
		t.fail("suites", err.Error())
		return
	}
	for _, pkg := range pkgs {
		bin := plain
		if pkg == suitePrefix+"conform" {
			bin = raced
		}
		goTest(ctx, t, ".", []string{"ALCOVE_BIN=" + bin}, "-count=1", testTimeout, pkg)
	}
}

// testInterop runs the third-party clients against the broker.
func testInterop(ctx context.Context, t *tally) {
	plain, _, err := suiteBinaries(ctx, t)
	if err != nil {
		t.fail("interop", err.Error())
		return
	}
	goTest(ctx, t, "test/interop", []string{"ALCOVE_BIN=" + plain}, "-count=1", "-p=1", testTimeout, "./...")
}

// fuzzFunc finds the fuzz targets in the output of `go test -list`.
var fuzzFunc = regexp.MustCompile(`^Fuzz\w+$`)

// fuzzAll fuzzes every target of the root module for fuzzTime, one by one.
func fuzzAll(ctx context.Context, t *tally) {
	pkgs, err := packages(ctx, ".", func(pkg string) bool { return !strings.HasPrefix(pkg, suitePrefix) })
	if err != nil {
		t.fail("fuzz", err.Error())
		return
	}
	for _, pkg := range pkgs {
		out, err := output(ctx, ".", nil, "go", "test", "-list", "^Fuzz", pkg)
		if err != nil {
			fmt.Print(out)
			t.fail("fuzz "+pkg, "its tests do not compile")
			continue
		}
		for line := range strings.Lines(out) {
			if name := strings.TrimSpace(line); fuzzFunc.MatchString(name) && ctx.Err() == nil {
				fuzz(ctx, t, pkg, name)
			}
		}
	}
}

// fuzz runs one target. A crasher stays in the package's testdata/fuzz, where
// every later run of the tests finds it.
func fuzz(ctx context.Context, t *tally, pkg, name string) {
	args := []string{"test", "-run=^$", "-fuzz=^" + name + "$", "-fuzztime=" + fuzzTime, "-parallel=2", pkg}
	out, err := output(ctx, ".", nil, "go", args...)
	if err != nil && strings.Contains(out, "context deadline exceeded") && !strings.Contains(out, "Failing input") {
		// Why: a worker that is still busy when the fuzzing time ends makes go
		// test report the deadline as a failure, though no input failed.
		out, err = output(ctx, ".", nil, "go", args...)
	}
	if err != nil {
		fmt.Print(out)
		t.fail(pkg+" "+name, err.Error())
		return
	}
	fmt.Printf("ok   %s %s %s\n", pkg, name, fuzzTime)
	t.passed++
}
