package main

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

const thisGo = "go9 on linux/amd64"

func tableOf(made string, figures ...figure) table { return table{made: made, figures: figures} }

func TestCompare(t *testing.T) {
	was := tableOf(thisGo, figure{"a X", 1, 100, 1000, 10}, figure{"b Y", 0, 0, 50, 0})
	y := was.figures[1]
	for _, c := range []struct {
		name            string
		is              table
		faults, lowered []string
	}{
		{"equal", was, nil, nil},
		{"in another order", tableOf(thisGo, y, was.figures[0]), nil, nil},
		{"an allocation more", tableOf(thisGo, figure{"a X", 2, 100, 1000, 0}, y), []string{"a X: 2 allocations, was 1"}, nil},
		{"one less", tableOf(thisGo, figure{"a X", 0, 100, 1000, 0}, y), nil, []string{"a X: 0 allocations, was 1"}},
		{"few bytes more", tableOf(thisGo, figure{"a X", 1, 137, 1000, 0}, y), nil, nil},
		{"too many bytes", tableOf(thisGo, figure{"a X", 1, 138, 1000, 0}, y), []string{"a X: 138 bytes, was 100"}, nil},
		{"instructions within 5 %", tableOf(thisGo, figure{"a X", 1, 100, 1050, 0}, y), nil, nil},
		{"too many", tableOf(thisGo, figure{"a X", 1, 100, 1051, 0}, y), []string{"a X: 1051 instructions, was 1000"}, nil},
		{"too many of few", tableOf(thisGo, was.figures[0], figure{"b Y", 0, 0, 55, 0}), []string{"b Y: 55 instructions, was 50"}, nil},
		{"few more of few", tableOf(thisGo, was.figures[0], figure{"b Y", 0, 0, 54, 0}), nil, nil},
		{"fewer instructions", tableOf(thisGo, figure{"a X", 1, 100, 900, 0}, y), nil, []string{"a X: 900 instructions, was 1000"}},
		{"too many by another Go", tableOf("go10 on linux/amd64", figure{"a X", 1, 100, 2000, 0}, y), nil, nil},
		{"allocations by another Go", tableOf("go10 on linux/amd64", figure{"a X", 3, 100, 2000, 0}, y), []string{"a X: 3 allocations, was 1"}, nil},
		{"not counted", tableOf(thisGo, figure{"a X", 1, 100, notCounted, 0}, y), nil, nil},
		{"a benchmark that has gone", tableOf(thisGo, y), []string{"a X is in the table of figures, but was not measured"}, nil},
		{"a benchmark more", tableOf(thisGo, was.figures[0], y, figure{name: "c Z"}), []string{"c Z is not in the table of figures"}, nil},
		{"all at once", tableOf(thisGo, figure{"a X", 2, 200, 2000, 0}), []string{"a X: 2 allocations, was 1", "a X: 200 bytes, was 100",
			"a X: 2000 instructions, was 1000", "b Y is in the table of figures, but was not measured"}, nil},
	} {
		if v := compare(was, c.is); !slices.Equal(v.faults, c.faults) || !slices.Equal(v.lowered, c.lowered) {
			t.Errorf("%s: faults %q, lowered %q", c.name, v.faults, v.lowered)
		}
	}
}

// TestCompareWithSpread: a figure that differs from run to run allows for that.
func TestCompareWithSpread(t *testing.T) {
	was := tableOf(thisGo, figure{"a X", 0, 0, 1000, 100})
	if v := compare(was, tableOf(thisGo, figure{"a X", 0, 0, 1300, 0})); len(v.faults) > 0 {
		t.Errorf("%q", v.faults)
	}
	if v := compare(was, tableOf(thisGo, figure{"a X", 0, 0, 1301, 0})); len(v.faults) != 1 {
		t.Errorf("%q", v.faults)
	}
}

func TestTableReadsBack(t *testing.T) {
	want := tableOf(thisGo, figure{"a Next/din == 3", 1, 20, 300, 4}, figure{"b Y", 0, 0, notCounted, 0})
	got, err := decode(tableOf(thisGo, want.figures[1], want.figures[0]).encode())
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	whole := string(want.encode())
	for _, broken := range []string{"", "x" + whole, strings.Replace(whole, "\t20", "", 1), strings.Replace(whole, "300", "many", 1)} {
		if _, err := decode([]byte(broken)); err == nil {
			t.Errorf("%q is read", broken)
		}
	}
}

func TestTogether(t *testing.T) {
	got := together([][]figure{{{"a", 0, 5, 100, 0}, {"b", 1, 0, 7, 0}}, {{"a", 1, 4, 130, 0}, {"b", 1, 0, 7, 0}}})
	if want := []figure{{"a", 1, 5, 115, 30}, {"b", 1, 0, 7, 0}}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestRead: what ran and what was counted are put together by their order.
func TestRead(t *testing.T) {
	text := []byte("BenchmarkNext/b-1 9 10 ns/op 64 B/op 2 allocs/op\nBenchmarkNext/a 9 10 ns/op 0 B/op 0 allocs/op\n")
	g := group{pkg: "expr", names: []string{"Next"}, rounds: 1}
	got, err := g.read(text, []int64{counted * 70, counted*50 + 1})
	if want := []figure{{"expr Next/a", 0, 0, 50, 0}, {"expr Next/b", 2, 64, 70, 0}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err = g.read(text, nil); err != nil || got[0].instructions != notCounted {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := g.read(text, []int64{1}); err == nil {
		t.Error("a benchmark without a count is accepted")
	}
	g.names = append(g.names, "First")
	if _, err := g.read(text, nil); err == nil {
		t.Error("a benchmark that did not run is not missed")
	}
}

// TestSuite compares the suite with the benchmarks that the packages have, and with the
// table.
func TestSuite(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", tableFile))
	if err != nil {
		t.Fatal(err)
	}
	figures, err := decode(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range suite {
		files, err := filepath.Glob(filepath.Join("..", "..", "internal", g.pkg, "*_test.go"))
		if err != nil || len(files) == 0 || g.rounds < 1 {
			t.Fatalf("%s: %d files, %d rounds, %v", g.pkg, len(files), g.rounds, err)
		}
		var all []byte
		for _, file := range files {
			one, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, one...)
		}
		for _, name := range g.names {
			if !bytes.Contains(all, []byte("\nfunc Benchmark"+name+"(b *testing.B)")) {
				t.Errorf("%s has no Benchmark%s", g.pkg, name)
			}
			whole := g.pkg + " " + name
			if !slices.ContainsFunc(figures.figures, func(f figure) bool { return f.name == whole || strings.HasPrefix(f.name, whole+"/") }) {
				t.Errorf("%s has no figure in %s", whole, tableFile)
			}
		}
	}
}
