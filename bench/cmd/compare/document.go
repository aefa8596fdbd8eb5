package main

import (
	"fmt"
	"math"
	"runtime"
	"strings"
)

// figure is one table of the document: it shows one figure of every scenario that has
// it.
type figure struct {
	title, about string
	of           func(*sample) float64
	show         func(float64) string
	in           func(scenario string) bool // the scenarios that this figure is about
}

// traffic accepts the scenarios that are about messages under way.
func traffic(scenario string) bool {
	return !begins("subs", "connect", "idle", "retained-db")(scenario)
}

// pinnedGoals is what the goals in microseconds hold for.
const pinnedGoals = "with the broker on one core"

var figures = []figure{
	{"Broker CPU per message", "µs of the broker's own CPU time, messages in and out counted; less is better. Goals " + pinnedGoals +
		": r13 0.17, pair 0.24, fan500 0.50, fanin 0.20, qos1-100 0.6, qos1-20 1.0, latency 18.8 at most; " +
		"by MQTT 5 with three user properties on each delivery 1.3 times as much.",
		func(s *sample) float64 { return s.CPUPerMsg }, number, traffic},
	{"Messages in", "per second; more is better. Goal: r13 1.45 million " + pinnedGoals + ".",
		func(s *sample) float64 { return s.InPerS }, count, traffic},
	{"Messages out", "per second; more is better. Goal: r13 4.35 million " + pinnedGoals + ".",
		func(s *sample) float64 { return s.OutPerS }, count, traffic},
	{"Broker CPU per publish", "µs, deliveries included; less is better. Goals: subs-exact 4, subs-wild 1.5 at most; " +
		"selector (1,000 words at each of two levels, four deliveries) grows with the levels of the topic, not with the words.",
		func(s *sample) float64 { return s.CPUPerPublish }, number, begins("subs", "selector", "filter", "shared", "sticky")},
	{"Broker CPU per connection opened", "µs; less is better. Goal: connect 80 at most.",
		func(s *sample) float64 { return s.CPUPerConnect }, number, begins("connect", "idle")},
	{"Latency, median", "µs; less is better.", func(s *sample) float64 { return s.P50 }, number, begins("latency")},
	{"Latency, p99", "µs; less is better. Goal: 1,500 at most.", func(s *sample) float64 { return s.P99 }, number, begins("latency")},
	{"Latency, p99.9", "µs; less is better.", func(s *sample) float64 { return s.P999 }, number, begins("latency")},
	{"Memory per idle connection", "bytes of resident memory, each connection with one subscription; less is better. " +
		"Goals: 1,000 at most, over TLS 12,000.",
		func(s *sample) float64 { return s.RSSPerConn }, count, begins("idle")},
	{"Memory per subscription", "bytes of resident memory; less is better. Goal: 200 at most.",
		func(s *sample) float64 { return s.RSSPerSub }, count, begins("subs")},
}

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

// markdown writes the whole document.
func (t table) markdown(o options, makers []*maker) string {
	var b strings.Builder
	b.WriteString("# Alcove beside its peers\n\n")
	fmt.Fprintf(&b, "Made by `%s` on a machine of %d shared cores", command(o), runtime.NumCPU())
	if o.pin {
		b.WriteString(", broker pinned to one (Go brokers with GOMAXPROCS=1), driver to another")
	} else {
		b.WriteString(", nothing pinned")
	}
	fmt.Fprintf(&b, ". Medians of %d interleaved runs of %s each; every run has a fresh broker.\n", o.rounds, o.duration)
	b.WriteString("Absolute figures move with the machine; the ratios of one run hold better. ")
	b.WriteString("A ratio is Alcove's figure divided by the peer's. A dash: the broker has no such feature, or did not complete.\n")
	b.WriteString("`alcove bench --help` says what each scenario does. `make bench-micro` measures single parts: " +
		"matching, expressions, sticky picks, retained messages, stamps, deliveries.\n\n| broker | version |\n|---|---|\n")
	for _, m := range makers {
		fmt.Fprintf(&b, "| %s | %s |\n", m.name, m.version)
	}
	for _, f := range figures {
		about := o
		about.scenarios = nil
		for _, scenario := range o.scenarios {
			if f.in(scenario) {
				about.scenarios = append(about.scenarios, scenario)
			}
		}
		rows := t.rows(about, makers, f.of, f.show)
		if rows == "" {
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n%s%s", f.title, f.about, heading(makers), rows)
	}
	b.WriteString(t.dialect())
	b.WriteString(t.database())
	b.WriteString(t.tenants())
	b.WriteString("\n## Correctness\n\nEvery message carries a sequence number. A message that a filter, a selector or a group " +
		"should have kept from a subscriber counts as an error, as does a fingerprint that changes its member. ")
	b.WriteString("Sum over all runs of what was lost, duplicated, out of order or failed:\n\n")
	b.WriteString(t.faults(o, makers))
	return b.String()
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
