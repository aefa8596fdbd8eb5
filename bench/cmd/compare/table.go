package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// sample is what `alcove bench --json` says about one run. What was not measured is 0.
type sample struct {
	Scenario      string  `json:"scenario"`
	InPerS        float64 `json:"in_per_s"`
	OutPerS       float64 `json:"out_per_s"`
	CPUPerMsg     float64 `json:"cpu_us_per_msg"`
	CPUPerPublish float64 `json:"cpu_us_per_publish"`
	CPUPerConnect float64 `json:"cpu_us_per_connect"`
	P50           float64 `json:"p50_us"`
	P99           float64 `json:"p99_us"`
	P999          float64 `json:"p999_us"`
	RSS           float64 `json:"rss_bytes"`
	RSSPerConn    float64 `json:"rss_per_conn_bytes"`
	RSSPerSub     float64 `json:"rss_per_subscription_bytes"`
	Count         int     `json:"count"`
	PayloadBytes  int     `json:"payload_bytes"`
	Sent          uint64  `json:"sent"`
	Lost          uint64  `json:"lost"`
	Duplicated    uint64  `json:"duplicated"`
	OutOfOrder    uint64  `json:"out_of_order"`
	Errors        uint64  `json:"errors"`
	FirstError    string  `json:"first_error"`
	OwnProperties int     `json:"own_properties"`
	SeriesOf      string  `json:"series_of"`
	Series        []point `json:"series"`
	stored
	tenancy
	saturation
	stalls
	Pauses   int     `json:"pauses"`
	PauseP99 float64 `json:"pause_p99_us"`
	PauseMax float64 `json:"pause_max_us"`
}

// saturation is what was found before a sample went on at half of it, and how long
// publishers waited for acknowledgements, flat out and at half.
type saturation struct {
	SaturationPerS float64 `json:"saturation_per_s"`
	AckP50         float64 `json:"ack_p50_us"`
	AckP99         float64 `json:"ack_p99_us"`
	AckP999        float64 `json:"ack_p999_us"`
	HalfAckP50     float64 `json:"half_ack_p50_us"`
	HalfAckP99     float64 `json:"half_ack_p99_us"`
	HalfAckP999    float64 `json:"half_ack_p999_us"`
}

// stalls are latencies beside a subscriber that never reads, and beside one that reads
// 1 KB a second.
type stalls struct {
	UnreadP50  float64 `json:"unread_p50_us"`
	UnreadP99  float64 `json:"unread_p99_us"`
	UnreadP999 float64 `json:"unread_p999_us"`
	SlowP50    float64 `json:"slow_p50_us"`
	SlowP99    float64 `json:"slow_p99_us"`
	SlowP999   float64 `json:"slow_p999_us"`
}

// point is what a message cost at one size of a scenario that has several.
type point struct {
	N         int     `json:"n"`
	CPUPerMsg float64 `json:"cpu_us_per_msg"`
}

// tenancy are a sample's figures of accounts.
type tenancy struct {
	AccountsPerS  float64 `json:"accounts_per_s"`
	CPUPerAccount float64 `json:"cpu_us_per_account"`
	TokensPerS    float64 `json:"tokens_per_s"`
	CPUPerToken   float64 `json:"cpu_us_per_token"`
	RSSPerAccount float64 `json:"rss_per_account_bytes"`
	QuietP99      float64 `json:"alone_p99_us"`
	LimitedP99    float64 `json:"beside_limited_p99_us"`
	LimitedPerS   float64 `json:"limited_taken_per_s"`
	FloodedP99    float64 `json:"beside_unlimited_p99_us"`
	FloodedPerS   float64 `json:"unlimited_taken_per_s"`
}

// stored are a sample's figures of retained messages as a database.
type stored struct {
	StoredPerS     float64 `json:"stored_per_s"`
	UpdatesPerS    float64 `json:"updates_per_s"`
	CPUPerUpdate   float64 `json:"cpu_us_per_update"`
	SelectP50      float64 `json:"select_p50_us"`
	SelectP99      float64 `json:"select_p99_us"`
	CPUPerSelect   float64 `json:"cpu_us_per_select"`
	SinceP50       float64 `json:"since_p50_us"`
	SinceP99       float64 `json:"since_p99_us"`
	CPUPerSince    float64 `json:"cpu_us_per_since"`
	DeletedPerS    float64 `json:"deleted_per_s"`
	RSSPerRetained float64 `json:"rss_per_retained_bytes"`
}

// line tells a sample in the progress.
func (s *sample) line(broker string) string {
	text := fmt.Sprintf("%-10s %-9s in %s/s out %s/s, %s µs/msg, p99 %s µs", s.Scenario, broker,
		count(s.InPerS), count(s.OutPerS), number(s.CPUPerMsg), number(s.P99))
	if s.RSSPerConn > 0 {
		text += fmt.Sprintf(", %s B/conn", number(s.RSSPerConn))
	}
	if s.StoredPerS > 0 {
		text += fmt.Sprintf(", stored %s/s, updated %s/s, %s B each, p50 of a question %s and %s µs",
			count(s.StoredPerS), count(s.UpdatesPerS), number(s.RSSPerRetained), number(s.SelectP50), number(s.SinceP50))
	}
	if s.SaturationPerS > 0 {
		text += fmt.Sprintf(", flat out %s/s", count(s.SaturationPerS))
	}
	if s.AckP99 > 0 {
		text += fmt.Sprintf(", p99 of an ack %s µs, at half %s µs", number(s.AckP99), number(s.HalfAckP99))
	}
	if s.UnreadP99 > 0 {
		text += fmt.Sprintf(", beside one that never reads %s µs, a little %s µs", number(s.UnreadP99), number(s.SlowP99))
	}
	if s.Pauses > 0 {
		text += fmt.Sprintf(", %d pauses, p99 %s µs, longest %s µs", s.Pauses, number(s.PauseP99), number(s.PauseMax))
	}
	for _, p := range s.Series {
		text += fmt.Sprintf(", %s: %s µs", count(float64(p.N)), number(p.CPUPerMsg))
	}
	if faults := s.faults(); faults != "" {
		text += ", " + faults
	}
	return text
}

// faults tells what was wrong in a run, or nothing.
func (s *sample) faults() string {
	var parts []string
	for _, f := range []struct {
		n    uint64
		what string
	}{{s.Lost, "lost"}, {s.Duplicated, "duplicated"}, {s.OutOfOrder, "out of order"}, {s.Errors, "errors"}} {
		if f.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", f.n, f.what))
		}
	}
	return strings.Join(parts, ", ")
}

// series are the samples of one broker in one scenario.
type series struct {
	samples []*sample
	err     error // the last failure
	origin  int   // in a report, the index of the run that it comes from
}

// median gives the middle of one figure over the samples; NaN when it was not
// measured.
func (s *series) median(figure func(*sample) float64) float64 {
	var all []float64
	if s != nil {
		for _, one := range s.samples {
			if v := figure(one); v > 0 {
				all = append(all, v)
			}
		}
	}
	if len(all) == 0 {
		return math.NaN()
	}
	slices.Sort(all)
	mid := len(all) / 2
	if len(all)%2 == 1 {
		return all[mid]
	}
	return (all[mid-1] + all[mid]) / 2
}

// table is every series by scenario and broker.
type table map[string]map[string]*series

func (t table) series(scenario, broker string) *series {
	row := t[scenario]
	if row == nil {
		row = map[string]*series{}
		t[scenario] = row
	}
	if row[broker] == nil {
		row[broker] = &series{}
	}
	return row[broker]
}

func (t table) add(scenario, broker string, s *sample) {
	one := t.series(scenario, broker)
	one.samples = append(one.samples, s)
}

func (t table) fail(scenario, broker string, err error) { t.series(scenario, broker).err = err }

// begins accepts the scenarios with one of these prefixes.
func begins(prefixes ...string) func(string) bool {
	return func(scenario string) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(scenario, p) })
	}
}

// command is what made the document.
func command(o options) string {
	var flags []string
	if o.rounds != 3 {
		flags = append(flags, fmt.Sprintf("--rounds %d", o.rounds))
	}
	if o.duration.Seconds() != 5 {
		flags = append(flags, "--duration "+o.duration.String())
	}
	if o.retained != usualRetained && slices.ContainsFunc(o.scenarios, func(s string) bool { return findRow(s).stored }) {
		flags = append(flags, fmt.Sprintf("--retained %d", o.retained))
	}
	if strings.Join(o.scenarios, ",") != defaultScenarios() {
		flags = append(flags, "--scenarios "+strings.Join(o.scenarios, ","))
	}
	if o.merge {
		flags = append(flags, "--merge")
	}
	target := "make bench"
	if !o.pin {
		target = "make bench-unpinned"
	}
	if len(flags) == 0 {
		return target
	}
	return fmt.Sprintf("%s BENCH=%q", target, strings.Join(flags, " "))
}

// heading begins a table with a column of the given name and one for each broker, then
// the ratios.
func (r *report) heading(first string) string {
	head, rule := "| "+first+" |", "|---|"
	for _, broker := range r.brokers {
		head += " " + broker + " |"
		rule += "---:|"
	}
	for _, broker := range r.brokers[1:] {
		head += " / " + broker + " |"
		rule += "---:|"
	}
	return head + "\n" + rule + "\n"
}

// rows writes the rows of one figure, without those scenarios that do not have it.
func (r *report) rows(f figure) string {
	var b strings.Builder
	for _, scenario := range r.scenarios {
		if f.in(scenario) {
			b.WriteString(r.row(scenario, scenario, f.measure))
		}
	}
	return b.String()
}

// row writes one row: a scenario's figure of each broker and the ratios; nothing where
// nobody has the figure.
func (r *report) row(name, scenario string, m measure) string {
	values := make([]float64, len(r.brokers))
	measured := false
	text := "| " + name + " |"
	for i, broker := range r.brokers {
		values[i] = r.figure(scenario, broker, m)
		measured = measured || !math.IsNaN(values[i])
		text += " " + m.show(values[i]) + " |"
	}
	if !measured {
		return ""
	}
	for _, v := range values[1:] {
		text += " " + number(values[0]/v) + " |"
	}
	return text + "\n"
}

// figure is what was measured; NaN for nothing.
func (r *report) figure(scenario, broker string, m measure) float64 {
	return r.results[scenario][broker].median(m.of)
}

// faults lists what went wrong, by broker and scenario.
func (r *report) faults() string {
	var b strings.Builder
	for _, broker := range r.brokers {
		clean := true
		for _, scenario := range r.scenarios {
			if text := r.results[scenario][broker].faults(); text != "" {
				clean = false
				fmt.Fprintf(&b, "- %s, %s: %s\n", broker, scenario, text)
			}
		}
		if clean {
			fmt.Fprintf(&b, "- %s: none\n", broker)
		}
	}
	return b.String()
}

// faults tells what was wrong in the runs of a series, or nothing.
func (s *series) faults() string {
	if s == nil {
		return ""
	}
	var sum sample
	for _, one := range s.samples {
		sum.Sent += one.Sent
		sum.Lost += one.Lost
		sum.Duplicated += one.Duplicated
		sum.OutOfOrder += one.OutOfOrder
		sum.Errors += one.Errors
		sum.FirstError = cmp.Or(sum.FirstError, one.FirstError)
	}
	text := sum.faults()
	if text != "" && sum.Sent > 0 {
		text += fmt.Sprintf(" of %d sent", sum.Sent)
	}
	if sum.FirstError != "" {
		text += " (" + sum.FirstError + ")"
	}
	if s.err != nil {
		text = strings.TrimPrefix(text+"; did not complete: "+s.err.Error(), "; ")
	}
	return text
}

// number prints three significant digits, or a dash for what was not measured.
func number(v float64) string {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0) || v == 0:
		return "–"
	case v >= 100:
		return count(v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

// count prints a large number with separators.
func count(v float64) string {
	if math.IsNaN(v) || v == 0 {
		return "–"
	}
	digits := fmt.Sprintf("%.0f", v)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
