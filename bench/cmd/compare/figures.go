package main

import "strings"

// measure is one figure of a sample: how it is told and which way is better.
type measure struct {
	name string
	of   func(*sample) float64
	show func(float64) string
	more bool // more is better
}

// better gives by how many times a is better than b.
func (m measure) better(a, b float64) float64 {
	if m.more {
		return a / b
	}
	return b / a
}

var (
	messageCost = measure{"CPU per message, µs", func(s *sample) float64 { return s.CPUPerMsg }, number, false}
	publishCost = measure{"CPU per publish, µs", func(s *sample) float64 { return s.CPUPerPublish }, number, false}
	connectCost = measure{"CPU per connection, µs", func(s *sample) float64 { return s.CPUPerConnect }, number, false}
	messagesIn  = measure{"messages in per second", func(s *sample) float64 { return s.InPerS }, count, true}
	messagesOut = measure{"messages out per second", func(s *sample) float64 { return s.OutPerS }, count, true}
	connMemory  = measure{"memory per connection, bytes", func(s *sample) float64 { return s.RSSPerConn }, count, false}
	subsMemory  = measure{"memory per subscription, bytes", func(s *sample) float64 { return s.RSSPerSub }, count, false}
	ackTail     = measure{"acknowledgement, p99, µs", func(s *sample) float64 { return s.AckP99 }, number, false}
	pauseMost   = measure{"longest pause, µs", func(s *sample) float64 { return s.PauseMax }, number, false}
	latencyTail = measure{"p99, µs", func(s *sample) float64 { return s.P99 }, number, false}
)

// latencies are the three figures of a latency.
var latencies = []measure{
	{"p50", func(s *sample) float64 { return s.P50 }, number, false},
	{"p99", func(s *sample) float64 { return s.P99 }, number, false},
	{"p99.9", func(s *sample) float64 { return s.P999 }, number, false},
}

// figure is one table of the document: it shows one figure of every scenario that has
// it.
type figure struct {
	title, about string
	measure
	in func(scenario string) bool // the scenarios that this figure is about
}

// traffic accepts the scenarios that are about messages under way.
func traffic(scenario string) bool {
	return !begins("subs", "connect", "idle", "retained-db", "scale", "pauses")(scenario)
}

var figures = []figure{
	{"Broker CPU per message", "µs of the broker's own CPU time, messages in and out counted; less is better.", messageCost, traffic},
	{"Messages in", "per second; more is better.", messagesIn, traffic},
	{"Messages out", "per second; more is better.", messagesOut, traffic},
	{"Broker CPU per publish", "µs, deliveries included; less is better. " +
		"selector (1,000 words at each of two levels, four deliveries) grows with the levels of the topic, not with the words.",
		publishCost, begins("subs", "selector", "filter", "shared", "sticky")},
	{"Broker CPU per connection opened", "µs; less is better.", connectCost, begins("connect", "idle")},
	{"Memory per idle connection", "bytes of resident memory, each connection with one subscription; less is better.", connMemory, begins("idle")},
	{"Memory per subscription", "bytes of resident memory; less is better.", subsMemory, begins("subs")},
}

// list is a table of the document about one scenario, with a row for each figure.
type list struct {
	title, about, scenario string
	measures               []measure
}

var lists = []list{
	{"Acknowledgements", "durable: µs from a PUBLISH by QoS 1 to its PUBACK, flat out and at half of that; less is better. " +
		"Alcove acknowledges after the disk has the message, the peers before.", "durable", []measure{
		{"flat out, p50", func(s *sample) float64 { return s.AckP50 }, number, false},
		{"flat out, p99", func(s *sample) float64 { return s.AckP99 }, number, false},
		{"flat out, p99.9", func(s *sample) float64 { return s.AckP999 }, number, false},
		{"at half, p50", func(s *sample) float64 { return s.HalfAckP50 }, number, false},
		{"at half, p99", func(s *sample) float64 { return s.HalfAckP99 }, number, false},
		{"at half, p99.9", func(s *sample) float64 { return s.HalfAckP999 }, number, false},
	}},
	{"Pauses of the collector", "pauses: µs for which all of Alcove stood still, while subscriptions and retained messages came in and were updated.", "pauses", []measure{
		{"how many", func(s *sample) float64 { return float64(s.Pauses) }, count, false},
		{"p99", func(s *sample) float64 { return s.PauseP99 }, number, false},
		{"longest", func(s *sample) float64 { return s.PauseMax }, number, false},
	}},
	{"What a slow subscriber costs the others", "stalled: latency of others in µs; less is better.", "stalled", []measure{
		{"p50 alone", func(s *sample) float64 { return s.P50 }, number, false},
		{"p50 beside one that never reads", func(s *sample) float64 { return s.UnreadP50 }, number, false},
		{"p50 beside one that reads 1 KB a second", func(s *sample) float64 { return s.SlowP50 }, number, false},
		{"p99 alone", func(s *sample) float64 { return s.P99 }, number, false},
		{"p99 beside one that never reads", func(s *sample) float64 { return s.UnreadP99 }, number, false},
		{"p99 beside one that reads 1 KB a second", func(s *sample) float64 { return s.SlowP99 }, number, false},
		{"p99.9 alone", func(s *sample) float64 { return s.P999 }, number, false},
		{"p99.9 beside one that never reads", func(s *sample) float64 { return s.UnreadP999 }, number, false},
		{"p99.9 beside one that reads 1 KB a second", func(s *sample) float64 { return s.SlowP999 }, number, false},
	}},
}

// figures writes the tables of single figures.
func (r *report) figures() string {
	var b strings.Builder
	section := func(title, about, first, rows string) {
		if rows != "" {
			b.WriteString("\n## " + title + "\n\n" + about + "\n\n" + r.heading(first) + rows)
		}
	}
	for _, f := range figures {
		section(f.title, f.about, "scenario", r.rows(f))
	}
	for _, l := range lists {
		rows := ""
		for _, m := range l.measures {
			rows += r.row(m.name, l.scenario, m)
		}
		section(l.title, l.about, "", rows)
	}
	return b.String()
}
