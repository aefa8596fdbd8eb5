package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// result is one benchmark with the medians of its figures by their units.
type result struct {
	name   string // without "Benchmark" and the number of processors
	values map[string][]float64
	units  []string // in the order in which they were printed
}

// parse reads the output of `go test -bench`; runs of one benchmark are put together.
func parse(out []byte) ([]*result, error) {
	var results []*result
	known := make(map[string]*result)
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := plainName(fields[0])
		r := known[name]
		if r == nil {
			r = &result{name: name, values: make(map[string][]float64)}
			known[name] = r
			results = append(results, r)
		}
		for i := 2; i+1 < len(fields); i += 2 {
			v, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return nil, fmt.Errorf("a benchmark's line has another form: %q", lines.Text())
			}
			unit := fields[i+1]
			if r.values[unit] == nil {
				r.units = append(r.units, unit)
			}
			r.values[unit] = append(r.values[unit], v)
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

// missing names the benchmarks of a part that have no result.
func (p part) missing(results []*result) (names []string) {
	for _, name := range p.names {
		if !slices.ContainsFunc(results, func(r *result) bool { return r.name == name || strings.HasPrefix(r.name, name+"/") }) {
			names = append(names, name)
		}
	}
	return names
}

// print writes the table of a part: time, allocations, and what else was reported.
func (p part) print(w io.Writer, results []*result) error {
	fmt.Fprintln(w, p.title)
	if p.goal != "" {
		fmt.Fprintln(w, "goal:", p.goal)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight|tabwriter.DiscardEmptyColumns)
	fmt.Fprintln(t, "ns\tB\tallocs\t")
	for _, r := range results {
		var others []string
		for _, unit := range r.units {
			switch unit {
			case "ns/op", "B/op", "allocs/op":
			default:
				others = append(others, figure(r.median(unit))+" "+unit)
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t  %s\n", r.show("ns/op"), r.show("B/op"), r.show("allocs/op"),
			strings.Join(append([]string{r.name}, others...), "; "))
	}
	return t.Flush()
}

// show prints a figure, or a dash for one that was not measured. A benchmark that
// reports something else in the place of a time says 0.
func (r *result) show(unit string) string {
	v := r.median(unit)
	if len(r.values[unit]) == 0 || unit == "ns/op" && v == 0 {
		return "–"
	}
	return figure(v)
}

// median is the middle of a figure over the runs; 0 for none.
func (r *result) median(unit string) float64 {
	all := slices.Sorted(slices.Values(r.values[unit]))
	if len(all) == 0 {
		return 0
	}
	mid := len(all) / 2
	if len(all)%2 == 1 {
		return all[mid]
	}
	return (all[mid-1] + all[mid]) / 2
}

// figure prints three digits at least, large numbers with separators.
func figure(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v < 0:
		return "-" + figure(-v)
	case v < 10:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case v < 100:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	text := strconv.FormatFloat(v, 'f', 0, 64)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
