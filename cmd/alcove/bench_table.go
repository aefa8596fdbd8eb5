package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"alcove/cmd/alcove/internal/bench"
)

// benchTable prints results as rows, and below them, in tables of their own, what only
// some scenarios measure.
type benchTable struct {
	*tabwriter.Writer
	results []*bench.Result
}

func newBenchTable(w io.Writer) *benchTable {
	return &benchTable{Writer: tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)}
}

func (t *benchTable) add(r *bench.Result) { t.results = append(t.results, r) }

// benchSection is a table of what some scenarios measure.
type benchSection struct {
	head string
	has  func(*bench.Result) bool
	row  func(*bench.Result) string
}

var benchSections = []benchSection{
	{"scenario\tMQTT\tQoS\tin/s\tout/s\tCPU µs/msg\tp50 µs\tp99 µs\tp99.9 µs\tRSS MB\tB/conn\tB/sub\tlost\tdup\torder\terrors\t",
		func(*bench.Result) bool { return true },
		func(r *bench.Result) string {
			return fmt.Sprintf("%s\t%s\t%d\t%.0f\t%.0f\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t",
				r.Scenario, r.Version, r.QoS, r.InPerS, r.OutPerS, figure(r.CPUPerMsg, 3), figure(r.P50, 0), figure(r.P99, 0),
				figure(r.P999, 0), figure(float64(r.RSS)/1e6, 1), figure(r.RSSPerConn, 0), figure(r.RSSPerSub, 0),
				r.Lost, r.Duplicated, r.OutOfOrder, r.Errors)
		}},
	{"scenario\tmessages\tstored/s\tupdates/s\tB each\tselectors p50 µs\tp99 µs\tCPU µs\tsince p50 µs\tp99 µs\tCPU µs\tdeleted/s\t",
		func(r *bench.Result) bool { return r.StoredPerS > 0 },
		func(r *bench.Result) string {
			return fmt.Sprintf("%s\t%d\t%.0f\t%.0f\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%.0f\t",
				r.Scenario, r.Count, r.StoredPerS, r.UpdatesPerS, figure(r.RSSPerRetained, 0), figure(r.SelectP50, 0), figure(r.SelectP99, 0),
				figure(r.CPUPerSelect, 0), figure(r.SinceP50, 0), figure(r.SinceP99, 0), figure(r.CPUPerSince, 0), r.DeletedPerS)
		}},
	{"scenario\taccounts/s\tCPU µs\ttokens/s\tCPU µs\tB/account\tp99 alone µs\tbeside 10 × its limit\tmsg/s taken\tbeside no limit\tmsg/s taken\t",
		func(r *bench.Result) bool { return r.Tenancy != (bench.Tenancy{}) },
		func(r *bench.Result) string {
			return fmt.Sprintf("%s\t%.0f\t%s\t%.0f\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t",
				r.Scenario, r.AccountsPerS, figure(r.CPUPerAccount, 1), r.TokensPerS, figure(r.CPUPerToken, 1), figure(r.RSSPerAccount, 0),
				figure(r.QuietP99, 0), figure(r.LimitedP99, 0), figure(r.LimitedPerS, 0), figure(r.FloodedP99, 0), figure(r.FloodedPerS, 0))
		}},
	{"scenario\tflat out in/s\tack p50 µs\tp99 µs\tp99.9 µs\tack at half p50 µs\tp99 µs\tp99.9 µs\t",
		func(r *bench.Result) bool { return r.SaturationPerS > 0 },
		func(r *bench.Result) string {
			return fmt.Sprintf("%s\t%.0f\t%s\t%s\t%s\t%s\t%s\t%s\t", r.Scenario, r.SaturationPerS, figure(r.AckP50, 0), figure(r.AckP99, 0),
				figure(r.AckP999, 0), figure(r.HalfAckP50, 0), figure(r.HalfAckP99, 0), figure(r.HalfAckP999, 0))
		}},
	{"scenario\tbeside an idle reader p50 µs\tp99 µs\tp99.9 µs\tbeside a slow one p50 µs\tp99 µs\tp99.9 µs\t",
		func(r *bench.Result) bool { return r.Stalls != (bench.Stalls{}) },
		func(r *bench.Result) string {
			return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s\t", r.Scenario, figure(r.UnreadP50, 0), figure(r.UnreadP99, 0),
				figure(r.UnreadP999, 0), figure(r.SlowP50, 0), figure(r.SlowP99, 0), figure(r.SlowP999, 0))
		}},
	{"scenario\tpauses\tp99 µs\tlongest µs\t",
		func(r *bench.Result) bool { return r.Pauses.Pauses > 0 },
		func(r *bench.Result) string {
			return fmt.Sprintf("%s\t%d\t%s\t%s\t", r.Scenario, r.Pauses.Pauses, figure(r.PauseP99, 0), figure(r.PauseMax, 0))
		}},
}

// Flush writes the tables.
func (t *benchTable) Flush() error {
	for i, s := range benchSections {
		head := s.head
		if i > 0 {
			head = "\n" + head
		}
		for _, r := range t.results {
			if !s.has(r) {
				continue
			}
			if head != "" {
				fmt.Fprintln(t, head)
			}
			head = ""
			fmt.Fprintln(t, s.row(r))
		}
	}
	for _, r := range t.results {
		for i, p := range r.Points {
			if i == 0 {
				fmt.Fprintf(t, "\n%s\tCPU µs/msg\t\n", r.SeriesOf)
			}
			fmt.Fprintf(t, "%d\t%s\t\n", p.N, figure(p.CPUPerMsg, 3))
		}
	}
	return t.Writer.Flush()
}

// figure prints a number, or a dash for what was not measured.
func figure(v float64, decimals int) string {
	if v == 0 {
		return "–"
	}
	return fmt.Sprintf("%.*f", decimals, v)
}
