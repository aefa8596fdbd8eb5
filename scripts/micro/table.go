package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"alcove/scripts/internal/gobench"
)

// missing names the benchmarks of a part that have no result.
func (p part) missing(results []*gobench.Result) (names []string) {
	for _, name := range p.names {
		if !slices.ContainsFunc(results, func(r *gobench.Result) bool { return r.Of(name) }) {
			names = append(names, name)
		}
	}
	return names
}

// print writes the table of a part: time, allocations, and what else was reported.
func (p part) print(w io.Writer, results []*gobench.Result) error {
	fmt.Fprintln(w, p.title)
	if p.goal != "" {
		fmt.Fprintln(w, "goal:", p.goal)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight|tabwriter.DiscardEmptyColumns)
	fmt.Fprintln(t, "ns\tB\tallocs\t")
	for _, r := range results {
		var others []string
		for _, unit := range r.Units {
			switch unit {
			case "ns/op", "B/op", "allocs/op":
			default:
				others = append(others, figure(r.Median(unit))+" "+unit)
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t  %s\n", show(r, "ns/op"), show(r, "B/op"), show(r, "allocs/op"),
			strings.Join(append([]string{r.Name}, others...), "; "))
	}
	return t.Flush()
}

// show prints a figure, or a dash for one that was not measured. A benchmark that
// reports something else in the place of a time says 0.
func show(r *gobench.Result, unit string) string {
	v := r.Median(unit)
	if len(r.Values[unit]) == 0 || unit == "ns/op" && v == 0 {
		return "–"
	}
	return figure(v)
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
