package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// tally counts results over all stages and keeps what must be named at the end.
type tally struct {
	passed, failed int
	failures       []string // "package: test", in the order they came
	skips          []skipped
}

// skipped is something that did not run.
type skipped struct {
	pkg    string // empty for what is no test
	test   string
	reason string
}

// name is what was skipped, without the subtest.
func (s skipped) name() string {
	top, _, _ := strings.Cut(s.test, "/")
	return strings.TrimSpace(s.pkg + " " + top)
}

// fail counts one failure of what and prints why at once.
func (t *tally) fail(what, why string) {
	t.failed++
	t.failures = append(t.failures, what)
	fmt.Printf("FAIL %s: %s\n", what, why)
}

// skip names something that did not run, once.
func (t *tally) skip(s skipped) {
	if !slices.Contains(t.skips, s) {
		t.skips = append(t.skips, s)
	}
}

// report prints what was skipped, subtests with the same reason in one line, and every
// failure by name, then the one-line summary.
func (t *tally) report(w io.Writer) {
	groups := map[string]int{}
	for _, s := range t.skips {
		groups[s.name()+": "+s.reason]++
	}
	for _, line := range slices.Sorted(maps.Keys(groups)) {
		if n := groups[line]; n > 1 {
			line += fmt.Sprintf(" (%d subtests)", n)
		}
		fmt.Fprintf(w, "skipped: %s\n", line)
	}
	for _, f := range t.failures {
		fmt.Fprintf(w, "failed: %s\n", f)
	}
	fmt.Fprintf(w, "%d passed, %d failed\n", t.passed, t.failed)
}

// event is one line of `go test -json` (see `go doc test2json`).
type event struct {
	Action     string
	Package    string
	ImportPath string // of build-output
	Test       string
	Elapsed    float64
	Output     string
}

// reader turns the events of one `go test -json` into counts and readable lines:
// nothing for tests that pass, all the output of those that fail.
type reader struct {
	t   *tally
	out io.Writer
	// pending is the output of each test that has not ended yet, and of each
	// package outside its tests, by "package\x00test".
	pending map[string]*strings.Builder
	// lost counts failed tests by package: a package that fails without one
	// (it does not compile, it panics, it times out) is a failure of its own.
	lost map[string]int
	// slow are the tests whose package has no end yet, to name what hung.
	running map[string]bool
}

func newReader(t *tally, out io.Writer) *reader {
	return &reader{
		t: t, out: out,
		pending: map[string]*strings.Builder{},
		lost:    map[string]int{},
		running: map[string]bool{},
	}
}

// read consumes all events until r ends. Lines which are no events (a broken
// build prints some) pass through.
func (r *reader) read(in io.Reader) error {
	lines := bufio.NewReaderSize(in, 1<<16)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			r.line(line)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the events of go test: %w", err)
		}
	}
}

func (r *reader) line(line string) {
	var e event
	if !strings.HasPrefix(line, "{") || json.Unmarshal([]byte(line), &e) != nil {
		fmt.Fprint(r.out, line)
		return
	}
	key := e.Package + "\x00" + e.Test
	switch e.Action {
	case "build-output":
		fmt.Fprint(r.out, e.Output)
	case "output":
		r.keep(key, e.Output)
	case "run":
		r.running[key] = true
	case "pass", "fail", "skip":
		delete(r.running, key)
		if e.Test == "" {
			r.packageEnd(e)
		} else {
			r.testEnd(key, e)
		}
		delete(r.pending, key)
	}
}

func (r *reader) keep(key, text string) {
	b := r.pending[key]
	if b == nil {
		b = &strings.Builder{}
		r.pending[key] = b
	}
	b.WriteString(text)
}

// text returns what was printed under key.
func (r *reader) text(key string) string {
	if b := r.pending[key]; b != nil {
		return b.String()
	}
	return ""
}

func (r *reader) testEnd(key string, e event) {
	name := e.Package + " " + e.Test
	switch e.Action {
	case "pass":
		r.t.passed++
	case "fail":
		r.t.failed++
		r.t.failures = append(r.t.failures, name)
		r.lost[e.Package]++
		fmt.Fprint(r.out, r.text(key))
	case "skip":
		r.t.skip(skipped{e.Package, e.Test, reason(r.text(key))})
	}
	// What a test says about itself in a log line that begins with "skipped:"
	// is told even when the test passes.
	for line := range strings.Lines(r.text(key)) {
		if _, what, ok := strings.Cut(line, "skipped: "); ok && e.Action == "pass" {
			r.t.skip(skipped{e.Package, e.Test, strings.TrimSpace(what)})
		}
	}
}

func (r *reader) packageEnd(e event) {
	switch e.Action {
	case "fail":
		if r.lost[e.Package] == 0 {
			r.t.failed++
			r.t.failures = append(r.t.failures, e.Package)
		}
		r.unfinished(e.Package)
		fmt.Fprint(r.out, r.text(e.Package+"\x00"))
	case "pass":
		fmt.Fprintf(r.out, "ok   %s %.1fs\n", e.Package, e.Elapsed)
	case "skip":
		fmt.Fprintf(r.out, "none %s has no tests\n", e.Package)
	}
}

// unfinished prints the output of tests that began in pkg and never ended: after
// a panic or a time-out that is where the cause stands.
func (r *reader) unfinished(pkg string) {
	for key := range r.running {
		if name, ok := strings.CutPrefix(key, pkg+"\x00"); ok {
			fmt.Fprintf(r.out, "did not end: %s %s\n%s", pkg, name, r.text(key))
			delete(r.running, key)
			delete(r.pending, key)
		}
	}
}

// reason finds the sentence with which a test was skipped.
func reason(text string) string {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "===") || strings.HasPrefix(line, "---") {
			continue
		}
		// "file_test.go:12: why"
		if _, why, ok := strings.Cut(line, ": "); ok && strings.Contains(line, ".go:") {
			return strings.TrimPrefix(why, "skipped: ")
		}
		return line
	}
	return "no reason given"
}
