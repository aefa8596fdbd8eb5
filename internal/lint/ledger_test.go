package lint

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// statement is one line of a ledger in docs/spec.
type statement struct {
	id, binds, demand, issue, excuse string
}

// ledgers are the files and what their statements are called in the report.
var ledgers = []struct{ file, name string }{{"mqtt5.tsv", "MQTT 5.0"}, {"mqtt311.tsv", "MQTT 3.1.1"}, {"alcove.tsv", "Alcove"}}

// issuesDone are the values of the issue column whose rules must be kept now.
var issuesDone = []string{"", "2", "3", "4"}

func readLedger(t *testing.T, file string) []statement {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "spec", file))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	head := strings.Split(lines[0], "\t")
	var out []statement
	for i, line := range lines[1:] {
		f := strings.Split(line, "\t")
		if len(f) != len(head) {
			t.Fatalf("%s line %d: %d columns, want %d", file, i+2, len(f), len(head))
		}
		s := statement{}
		for j, name := range head {
			switch name {
			case "id":
				s.id = f[j]
			case "binds":
				s.binds = f[j]
			case "demand":
				s.demand = f[j]
			case "issue":
				s.issue = f[j]
			case "excuse":
				s.excuse = f[j]
			}
		}
		if !slices.Contains([]string{"server", "client", "both"}, s.binds) || s.demand == "" {
			t.Errorf("%s line %d: %q", file, i+2, line)
		}
		out = append(out, s)
	}
	return out
}

var (
	cited = regexp.MustCompile(`\[((?:MQTT311|MQTT)-\d+\.\d+\.\d+-\d+|EXT-[A-Z]+-\d+)\]`)
	named = regexp.MustCompile(`\b((?:MQTT311|MQTT)-\d+\.\d+\.\d+-\d+|EXT-[A-Z]+-\d+)\b`)
)

// citations collects which ids stand in the program's code, in brackets, and
// which in tests: Go tests, the suites under test, and scenarios in testdata.
func citations(t *testing.T) (code, tests map[string]string) {
	t.Helper()
	code, tests = map[string]string{}, map[string]string{}
	for _, f := range load(t).Files {
		if f.Package() == "internal/lint" {
			continue
		}
		into, pattern := code, cited
		if f.Test || strings.HasPrefix(f.Path, "test/") {
			into, pattern = tests, named
		}
		for _, m := range pattern.FindAllStringSubmatch(f.Text, -1) {
			into[m[1]] = f.Path
		}
	}
	root := filepath.Join("..", "..", "internal")
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".txt" || !strings.Contains(filepath.ToSlash(name), "/testdata/") {
			return err
		}
		text, err := os.ReadFile(name)
		for _, m := range named.FindAllStringSubmatch(string(text), -1) {
			tests[m[1]] = name
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return code, tests
}

// TestLedger: every statement that binds a server is cited in code, where it is
// enforced, and in a test, which proves it; or the ledger says why not.
func TestLedger(t *testing.T) {
	code, tests := citations(t)
	known := map[string]bool{}
	for _, l := range ledgers {
		total, inCode, inTests, excused := 0, 0, 0, 0
		for _, s := range readLedger(t, l.file) {
			if known[s.id] {
				t.Errorf("%s: %s stands twice", l.file, s.id)
			}
			known[s.id] = true
			if s.binds == "client" || !slices.Contains(issuesDone, s.issue) {
				continue
			}
			total++
			_, c := code[s.id]
			_, p := tests[s.id]
			if c {
				inCode++
			}
			if p {
				inTests++
			}
			switch {
			case s.excuse != "":
				excused++
			case !c && !p:
				t.Errorf("%s is cited in no code and no test: %s", s.id, s.demand)
			case !c:
				t.Errorf("%s is cited in no code: %s", s.id, s.demand)
			case !p:
				t.Errorf("%s is cited in no test: %s", s.id, s.demand)
			}
		}
		t.Logf("%s: server statements: %d, cited in code: %d, in tests: %d, excused: %d", l.name, total, inCode, inTests, excused)
	}
	for _, where := range []map[string]string{code, tests} {
		for id, file := range where {
			if !known[id] {
				t.Errorf("%s cites %s, which is in no ledger", file, id)
			}
		}
	}
}
