package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"alcove/scripts/internal/gobench"
)

const output = `goos: linux
pkg: alcove/internal/topic
BenchmarkMatchSmall/exact-2         	 9	  30.00 ns/op	       0 B/op	       0 allocs/op
BenchmarkMatchSmall/exact-2         	 9	  10.00 ns/op	       0 B/op	       0 allocs/op
BenchmarkMatchSmall/exact-2         	 9	  20.00 ns/op	       0 B/op	       0 allocs/op
BenchmarkRetained/memory            	 1	   0 ns/op	 123.4 B/message	  1234 B/op	   12345678 allocs/op
PASS
`

func TestParseAndPrint(t *testing.T) {
	results, err := gobench.Parse([]byte(output))
	if err != nil || len(results) != 2 {
		t.Fatalf("%d results, %v", len(results), err)
	}
	p := part{title: "title", goal: "fast", names: []string{"MatchSmall", "Retained", "Match"}}
	if missing := p.missing(results); len(missing) != 1 || missing[0] != "Match" {
		t.Errorf("missing %q", missing)
	}
	var b strings.Builder
	if err := p.print(&b, results); err != nil {
		t.Fatal(err)
	}
	want := "title\ngoal: fast\n" +
		"    ns      B      allocs\n" +
		"  20.0      0           0  MatchSmall/exact\n" +
		"     –  1,234  12,345,678  Retained/memory; 123 B/message\n"
	if got := b.String(); strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(want), " ") {
		t.Errorf("printed\n%s", got)
	}
}

func TestChoose(t *testing.T) {
	if len(choose(nil)) != len(parts) || len(choose([]string{"sticky", "packets"})) != 2 || choose([]string{"nothing"}) != nil {
		t.Error("the wrong parts are chosen")
	}
}

// TestPartsExist compares the parts with the benchmarks that the packages have.
func TestPartsExist(t *testing.T) {
	for _, p := range parts {
		files, err := filepath.Glob(filepath.Join("../..", p.pkg, "*_test.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", p.pkg, len(files), err)
		}
		var all []byte
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, text...)
		}
		for _, name := range p.names {
			if !bytes.Contains(all, []byte("\nfunc Benchmark"+name+"(b *testing.B)")) {
				t.Errorf("%s has no Benchmark%s", p.pkg, name)
			}
		}
	}
}

func TestFigure(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 1.234: "1.23", 12.34: "12.3", 123.4: "123", 1234: "1,234", 1234567: "1,234,567", -5: "-5.00"} {
		if got := figure(v); got != want {
			t.Errorf("%v is %q, want %q", v, got, want)
		}
	}
}
