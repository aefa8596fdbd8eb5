package main

import (
	"fmt"
	"math"
	"strings"
)

// cost is a figure of Alcove's dialect that is worked out from several scenarios.
type cost struct {
	what, goal string
	of         func(t table) float64
}

// publishCost is Alcove's CPU time per publish in one scenario, in microseconds.
func (t table) publishCost(scenario string) float64 {
	return t.alcove(scenario, func(s *sample) float64 { return s.CPUPerPublish })
}

func (t table) messageCost(scenario string) float64 {
	return t.alcove(scenario, func(s *sample) float64 { return s.CPUPerMsg })
}

func (t table) alcove(scenario string, of func(*sample) float64) float64 {
	return t[scenario]["alcove"].median(of)
}

var costs = []cost{
	{"an expression on a subscription: filter-1 less filter-plain, µs a message", "at most 1", func(t table) float64 {
		return t.publishCost("filter-1") - t.publishCost("filter-plain")
	}},
	{"each further expression: filter-1000 less filter-1, ns a message", "at most 50", func(t table) float64 {
		others := t.alcove("filter-1000", func(s *sample) float64 { return float64(s.Count - 1) })
		return (t.publishCost("filter-1000") - t.publishCost("filter-1")) / others * 1e3
	}},
	{"a sticky group: sticky less shared, µs a message", "at most 0.1", func(t table) float64 {
		return t.publishCost("sticky") - t.publishCost("shared")
	}},
	{"the same by QoS 1", "at most 0.1", func(t table) float64 {
		return t.publishCost("sticky-qos1") - t.publishCost("shared-qos1")
	}},
	{"three user properties by MQTT 5: v5-r13 by r13", "at most 1.3", func(t table) float64 {
		return t.messageCost("v5-r13") / t.messageCost("r13")
	}},
	{"the same: v5-pair by pair", "at most 1.3", func(t table) float64 {
		return t.messageCost("v5-pair") / t.messageCost("pair")
	}},
}

// databaseFigures are the rows of the section about retained messages.
var databaseFigures = []struct {
	what, goal string
	of         func(*sample) float64
	show       func(float64) string
}{
	{"stored, per second", "", func(s *sample) float64 { return s.StoredPerS }, count},
	{"memory each beside the payload, bytes", "at most 200", func(s *sample) float64 { return s.RSSPerRetained }, count},
	{"updated at random, all present, per second", "50,000 durable, 100,000 in memory", func(s *sample) float64 { return s.UpdatesPerS }, count},
	{"CPU per update, µs", "", func(s *sample) float64 { return s.CPUPerUpdate }, number},
	{"10 of all by selectors, median, µs", "what it returns, not what is stored", func(s *sample) float64 { return s.SelectP50 }, number},
	{"the same, p99, µs", "", func(s *sample) float64 { return s.SelectP99 }, number},
	{"the same, CPU, µs", "", func(s *sample) float64 { return s.CPUPerSelect }, number},
	{"10 of all by `modified_since`, median, µs", "what it returns, not what is stored", func(s *sample) float64 { return s.SinceP50 }, number},
	{"the same, p99, µs", "", func(s *sample) float64 { return s.SinceP99 }, number},
	{"the same, CPU, µs", "", func(s *sample) float64 { return s.CPUPerSince }, number},
	{"all fetched, per second", "", func(s *sample) float64 { return s.OutPerS }, count},
	{"all deleted by one message, per second", "", func(s *sample) float64 { return s.DeletedPerS }, count},
}

// tenancyFigures are the rows of the section about accounts.
var tenancyFigures = []struct {
	scenario, what, goal string
	of                   func(*sample) float64
	show                 func(float64) string
}{
	{"tenants", "accounts with a token created by REST, in arrays of 1,000, per second", "", func(s *sample) float64 { return s.AccountsPerS }, count},
	{"tenants", "the same, CPU each, µs", "", func(s *sample) float64 { return s.CPUPerAccount }, number},
	{"tenants", "tokens created by REST, in arrays of 1,000, per second", "10,000", func(s *sample) float64 { return s.TokensPerS }, count},
	{"tenants", "the same, CPU each, µs", "", func(s *sample) float64 { return s.CPUPerToken }, number},
	{"tenants", "memory of an idle account with its token, bytes", "at most 1,024", func(s *sample) float64 { return s.RSSPerAccount }, count},
	{"neighbour", "p99 of an account's 1,000 messages a second, alone, µs", "", func(s *sample) float64 { return s.QuietP99 }, number},
	{"neighbour", "beside an account that floods at ten times its limit, µs", "at most twice as much", func(s *sample) float64 { return s.LimitedP99 }, number},
	{"neighbour", "messages a second taken from that one, whose limit is 1,000", "", func(s *sample) float64 { return s.LimitedPerS }, count},
	{"neighbour", "beside an account without a limit that publishes much, µs", "", func(s *sample) float64 { return s.FloodedP99 }, number},
	{"neighbour", "messages a second taken from that one", "", func(s *sample) float64 { return s.FloodedPerS }, count},
}

// markdown writes the whole document, with links to charts that are beside it.
func (r *report) markdown(c charts) string {
	var b strings.Builder
	b.WriteString("# Alcove beside its peers\n\n" + r.origins[0].about())
	b.WriteString("Absolute figures move with the machine; the ratios of one run hold better. ")
	b.WriteString("A ratio is Alcove's figure divided by the peer's. A dash: the broker has no such feature, or did not complete.\n")
	b.WriteString("`alcove bench --help` says what each scenario does. `make bench-micro` measures single parts: " +
		"matching, expressions, sticky picks, retained messages, stamps, deliveries.\n\n| broker | version |\n|---|---|\n")
	for _, broker := range r.brokers {
		fmt.Fprintf(&b, "| %s | %s |\n", broker, r.version(broker))
	}
	b.WriteString(r.apart())
	b.WriteString(r.goals())
	b.WriteString(c.cost.link())
	b.WriteString(r.leaders())
	b.WriteString(c.latency.link())
	b.WriteString(r.figures())
	b.WriteString(r.flatness())
	b.WriteString(c.curves.link())
	b.WriteString(r.results.dialect())
	b.WriteString(r.results.database())
	b.WriteString(r.results.tenants())
	b.WriteString("\n## Correctness\n\nEvery message carries a sequence number. A message that a filter, a selector or a group " +
		"should have kept from a subscriber counts as an error, as does a fingerprint that changes its member. ")
	b.WriteString("Sum over all runs of what was lost, duplicated, out of order or failed:\n\n")
	b.WriteString(r.faults())
	return b.String()
}

// about says how and where a run took place.
func (about origin) about() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Made by `%s` on %s, on a machine of %d shared cores with Linux %s and %s", about.Command, about.Date, about.Cores, about.Kernel, about.Go)
	if about.Pinned {
		b.WriteString("; broker pinned to one core (Go brokers with GOMAXPROCS=1), driver to another")
	} else {
		b.WriteString("; nothing pinned")
	}
	fmt.Fprintf(&b, ". Medians of %d interleaved runs of %s each; every run has a fresh broker.\n", about.Rounds, about.Duration)
	return b.String()
}

// flatness tells what a message costs among more and more of something; nothing where
// that was not measured.
func (r *report) flatness() string {
	var b strings.Builder
	for _, scenario := range r.scenarios {
		for _, broker := range r.brokers {
			of, points := r.curve(scenario, broker)
			if len(points) < 2 {
				continue
			}
			fmt.Fprintf(&b, "| %s | %s | ", of, broker)
			least, most := points[0].CPUPerMsg, points[0].CPUPerMsg
			for i, p := range points {
				if i > 0 {
					b.WriteString(", ")
				}
				fmt.Fprintf(&b, "%s: %s", count(float64(p.N)), number(p.CPUPerMsg))
				least, most = min(least, p.CPUPerMsg), max(most, p.CPUPerMsg)
			}
			fmt.Fprintf(&b, " | %s | %s |\n", number(points[len(points)-1].CPUPerMsg/points[0].CPUPerMsg), number(most/least))
		}
	}
	if b.Len() == 0 {
		return ""
	}
	return "\n## Broker CPU per message among more and more\n\nµs. What a message costs at the most by what it costs at the fewest, and at the dearest size by the cheapest: 1 is flat.\n\n" +
		"| of | broker | µs a message | most / fewest | dearest / cheapest |\n|---|---|---|---:|---:|\n" + b.String()
}

// curve is a broker's series of points in a scenario, and what there are N of.
func (r *report) curve(scenario, broker string) (of string, points []point) {
	s := r.results[scenario][broker]
	if s == nil || len(s.samples) == 0 {
		return "", nil
	}
	return s.samples[0].SeriesOf, s.samples[0].Series
}

// dialect tells what Alcove's own features cost; nothing where none was measured.
func (t table) dialect() string {
	var b strings.Builder
	for _, c := range costs {
		if v := c.of(t); !math.IsNaN(v) {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", c.what, signed(v), c.goal)
		}
	}
	if b.Len() == 0 {
		return ""
	}
	return "\n## What the dialect costs\n\nDifferences and ratios of Alcove's own figures above: what a feature adds to the broker's CPU time. " +
		"A difference near 0, or below, is the noise of the run.\n\n| feature | alcove | goal |\n|---|---:|---|\n" + b.String()
}

// database tells about retained messages as a database; nothing where it was not
// measured.
func (t table) database() string {
	durable, memory := t["retained-db"]["alcove"], t["retained-db-memory"]["alcove"]
	one := durable
	if one == nil || len(one.samples) == 0 {
		one = memory
	}
	if one == nil || len(one.samples) == 0 {
		return ""
	}
	var b strings.Builder
	s := one.samples[0]
	fmt.Fprintf(&b, "\n## Retained messages as a database\n\n%s retained messages of %d bytes in one account, in one that answers "+
		"after the disk and in one that keeps nothing on disk. A question is a SUBSCRIBE, timed until its last message; "+
		"its CPU time includes an UNSUBSCRIBE. What is durable has the store's write buffers in its memory, 128 MB at most: "+
		"with ten million messages they are a tenth of what they are with one.\n\n| | durable | memory | goal |\n|---|---:|---:|---|\n", count(float64(s.Count)), s.PayloadBytes)
	for _, f := range databaseFigures {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", f.what, f.show(durable.median(f.of)), f.show(memory.median(f.of)), f.goal)
	}
	return b.String()
}

// tenants tells what accounts cost and what they feel of each other; nothing where that
// was not measured.
func (t table) tenants() string {
	var b strings.Builder
	for _, f := range tenancyFigures {
		if v := t.alcove(f.scenario, f.of); !math.IsNaN(v) {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", f.what, f.show(v), f.goal)
		}
	}
	if b.Len() == 0 {
		return ""
	}
	return "\n## Accounts\n\nMemory is the growth of the whole process while the last quarter of the accounts is made, when the store's write buffers have reached their bound. " +
		"`make bench-micro` measures a login and a record of the log.\n\n| | alcove | goal |\n|---|---:|---|\n" + b.String()
}

// signed is number for a figure that may be negative.
func signed(v float64) string {
	if v < 0 {
		return "−" + number(-v)
	}
	return number(v)
}
