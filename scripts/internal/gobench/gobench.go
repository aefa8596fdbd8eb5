// Package gobench reads what Go's benchmarks print.
//
// It hides the form of the lines. Its noun: a result (one benchmark with all figures
// of all its runs). Invariant: results keep the order in which benchmarks ran first.
package gobench

import (
	"bufio"
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Result is one benchmark. Values holds the figures by their units, one of each run.
type Result struct {
	Name   string // without "Benchmark" and the number of processors, spaces for underscores
	Values map[string][]float64
	Units  []string // in the order in which they were printed
}

// Parse reads the output of `go test -bench`; runs of one benchmark are put together.
// Lines that tell of no benchmark are passed over; one that begins as if it did and has
// no numbers is an error.
func Parse(out []byte) ([]*Result, error) {
	var results []*Result
	known := make(map[string]*Result)
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := plainName(fields[0])
		r := known[name]
		if r == nil {
			r = &Result{Name: name, Values: make(map[string][]float64)}
			known[name] = r
			results = append(results, r)
		}
		for i := 2; i+1 < len(fields); i += 2 {
			v, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return nil, fmt.Errorf("a benchmark's line has another form: %q", lines.Text())
			}
			unit := fields[i+1]
			if r.Values[unit] == nil {
				r.Units = append(r.Units, unit)
			}
			r.Values[unit] = append(r.Values[unit], v)
		}
	}
	return results, lines.Err()
}

// plainName takes the prefix and the number of processors off a benchmark's name, and
// writes as spaces what Go writes as underscores.
func plainName(name string) string {
	name = strings.TrimPrefix(name, "Benchmark")
	if i := strings.LastIndexByte(name, '-'); i > 0 {
		if _, err := strconv.Atoi(name[i+1:]); err == nil {
			name = name[:i]
		}
	}
	return strings.ReplaceAll(name, "_", " ")
}

// Of tells whether r is the benchmark of this name or a part of it.
func (r *Result) Of(name string) bool {
	return r.Name == name || strings.HasPrefix(r.Name, name+"/")
}

// Median is the middle of a figure over the runs; 0 for none.
func (r *Result) Median(unit string) float64 {
	all := slices.Sorted(slices.Values(r.Values[unit]))
	if len(all) == 0 {
		return 0
	}
	mid := len(all) / 2
	if len(all)%2 == 1 {
		return all[mid]
	}
	return (all[mid-1] + all[mid]) / 2
}
