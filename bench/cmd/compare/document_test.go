package main

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// aDay is when the runs of the tests took place.
var aDay = time.Date(2026, 3, 1, 23, 0, 0, 0, time.UTC)

// want checks what a text has and what it never has.
func want(t *testing.T, text string, has, never []string) {
	t.Helper()
	for _, one := range has {
		if !strings.Contains(text, one) {
			t.Errorf("it lacks %q", one)
		}
	}
	for _, one := range never {
		if strings.Contains(text, one) {
			t.Errorf("it has %q", one)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

func TestMarkdown(t *testing.T) {
	o := options{rounds: 1, duration: 2 * time.Second, scenarios: []string{"r13", "idle"}, pin: true}
	makers := []*maker{{name: "alcove", version: "this tree"}, {name: "mosquitto", version: "2.0.11"}}
	results := table{}
	results.add("r13", "alcove", &sample{CPUPerMsg: 0.25, OutPerS: 4_000_000})
	results.add("r13", "mosquitto", &sample{CPUPerMsg: 5, OutPerS: 200_000, Sent: 10, Lost: 3})
	results.add("idle", "alcove", &sample{RSSPerConn: 1000})
	results.fail("idle", "mosquitto", errors.New("exit status 1"))
	r := newReport(o, makers, results, aDay)
	want(t, r.markdown(r.charts("performance")), []string{
		"make bench BENCH=\"--rounds 1 --duration 2s --scenarios r13,idle\"` on 2026-03-01",
		"| mosquitto | 2.0.11 |",
		"| scenario | alcove | mosquitto | / mosquitto |",
		"| r13 | 0.250 | 5.00 | 0.050 |",
		"| r13 | 4,000,000 | 200,000 | 20.0 |",
		"| idle | 1,000 | – | – |",
		"- alcove: none",
		"- mosquitto, r13: 3 lost of 10 sent",
		"- mosquitto, idle: did not complete: exit status 1",
		"![Broker CPU per message](performance.svg)",
	}, []string{"atency:", "performance-latency.svg", "performance-flatness.svg", "## Who is ahead", "NaN"})
}

// TestDialect: differences and ratios come from the medians, and what was not
// measured is left out.
func TestDialect(t *testing.T) {
	o := options{rounds: 3, duration: 5 * time.Second, retained: 10_000_000, pin: true,
		scenarios: []string{"filter-plain", "filter-1", "filter-1000", "retained-db", "retained-db-memory"}}
	makers := []*maker{{name: "alcove"}, {name: "mochi"}}
	results := table{}
	results.add("filter-plain", "alcove", &sample{CPUPerPublish: 0.4})
	results.add("filter-plain", "mochi", &sample{CPUPerPublish: 4})
	results.add("filter-1", "alcove", &sample{CPUPerPublish: 1.2})
	results.add("filter-1000", "alcove", &sample{CPUPerPublish: 41.16, Count: 1000})
	results.add("sticky", "alcove", &sample{CPUPerPublish: 0.3})
	results.add("shared", "alcove", &sample{CPUPerPublish: 0.35})
	results.add("retained-db", "alcove", &sample{Count: 10_000_000, PayloadBytes: 64, InPerS: 1, stored: stored{StoredPerS: 200_000, SelectP50: 81.2}})
	results.add("retained-db-memory", "alcove", &sample{Count: 10_000_000, PayloadBytes: 64, stored: stored{StoredPerS: 700_000, RSSPerRetained: 123}})
	results.add("neighbour", "alcove", &sample{tenancy: tenancy{QuietP99: 400, LimitedP99: 500}})
	want(t, newReport(o, makers, results, aDay).markdown(charts{}), []string{
		"| beside an account that floods at ten times its limit, µs | 500 | at most twice as much |",
		"--retained 10000000",
		"| filter-1 | 1.20 | – | – |",
		"µs a message | 0.800 | at most 1 |",
		"ns a message | 40.0 | at most 50 |",
		"sticky less shared, µs a message | −0.050 | at most 0.1 |",
		"10,000,000 retained messages of 64 bytes",
		"| stored, per second | 200,000 | 700,000 |  |",
		"| memory each beside the payload, bytes | – | 123 | at most 200 |",
		"| 10 of all by selectors, median, µs | 81.2 | – |",
	}, []string{"v5-r13 by r13", "QoS 1 |", "## Messages in", "NaN", "tokens created by REST"})
	want(t, newReport(o, makers, table{}, aDay).markdown(charts{}), nil,
		[]string{"What the dialect costs", "as a database", "## Accounts", "## Goals", "## Who", "more and more", "!["})
}

func TestDistance(t *testing.T) {
	for ratio, want := range map[float64]string{1: "0.0 % above", 1.02: "2.0 % above", 1.5: "50 % above", 0.25: "75 % below", 0.995: "0.5 % below", 3: "3.00 × as much"} {
		if got := distance(ratio); got != want {
			t.Errorf("%v: %s, want %s", ratio, got, want)
		}
	}
}

// TestGoals: a goal is met or missed by the medians, what it is a multiple of counts,
// and a goal that is missed is told as such.
func TestGoals(t *testing.T) {
	o := options{rounds: 1, scenarios: []string{"r13", "v5-r13", "tls-r13", "idle", "drain", "half", "scale-connections"}}
	makers := []*maker{{name: "alcove"}, {name: "mosquitto"}, {name: "nats"}}
	results := table{}
	for broker, cost := range map[string]float64{"alcove": 0.1, "mosquitto": 3, "nats": 0.4} {
		results.add("r13", broker, &sample{CPUPerMsg: cost, InPerS: 1e5 / cost})
		results.add("tls-r13", broker, &sample{CPUPerMsg: 5 * cost})
	}
	results.add("v5-r13", "alcove", &sample{CPUPerMsg: 0.156})
	results.add("idle", "alcove", &sample{RSSPerConn: 1170})
	results.add("idle", "mosquitto", &sample{RSSPerConn: 1000})
	results.add("idle", "nats", &sample{RSSPerConn: 30_000})
	results.add("half", "alcove", &sample{P50: 50, P99: 100, P999: 300, saturation: saturation{SaturationPerS: 2_000_000}})
	results.add("half", "nats", &sample{P50: 100, P99: 100, P999: 200, saturation: saturation{SaturationPerS: 300_000}})
	results.add("scale-connections", "alcove", &sample{SeriesOf: "connections", Series: []point{{10, 0.1}, {100, 0.2}, {19_000, 0.15}}})
	text := newReport(o, makers, results, aDay).markdown(charts{})
	want(t, text, []string{
		"2 of 5 measured goals are met", "Missed: r13 (messages in per second); v5-r13 (CPU per message, µs); idle (memory per connection, bytes).", "Not part of this run: pair, pair-1,",
		"| r13 | CPU per message, µs | at most 0.170 | 0.100 | met, 41 % below | nats 0.400 | alcove, 4.00 × nats |",
		"| r13 | messages in per second | at least 1,450,000 | 1,000,000 | **missed**, 31 % below | nats 250,000 | alcove, 4.00 × nats |",
		"| r13 | messages out per second | at least 4,350,000 | – | not measured | – | – |",
		"| v5-r13 | CPU per message, µs | at most 1.3 × r13 | 0.156 | **missed**, 20 % above | – | alcove alone |",
		"| tls-r13 | CPU per message, µs | below every peer | 0.500 | met, 75 % below | nats 2.00 |",
		"| idle | memory per connection, bytes | at most 1,000 | 1,170 | **missed**, 17 % above | mosquitto 1,000 | **mosquitto**, 1.17 × alcove |",
		"| drain | messages out per second | at least 500,000 | – | not measured |",
		"| half, p50 | 50.0 | – | 100 | – | 0.500 | alcove, 2.00 × nats |",
		"| half, p99 | 100 | – | 100 | – | 1.00 | alcove and nats even |",
		"| half, p99.9 | 300 | – | 200 | – | 1.50 | **nats**, 1.50 × alcove |",
		"another load: alcove 1,000,000, nats 150,000 messages in per second.",
		"| connections | alcove | 10: 0.100, 100: 0.200, 19,000: 0.150 | 1.50 | 2.00 |",
	}, nil)
}
