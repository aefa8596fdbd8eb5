package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// goal is what one figure of Alcove's is to be: at most, or at least, a limit.
type goal struct {
	scenario string
	measure
	limit float64
	// base makes the limit a multiple of Alcove's figure in another scenario, or of the
	// best peer's in the same.
	base string
}

// bestPeer is the base of a goal that is about the peers.
const bestPeer = "the best peer"

var goals = []goal{
	{"r13", messageCost, 0.17, ""}, {"r13", messagesIn, 1_450_000, ""}, {"r13", messagesOut, 4_350_000, ""},
	{"pair", messageCost, 0.24, ""}, {"pair-1", messageCost, 2.7, ""}, {"pair-1k", messageCost, 0.8, ""},
	{"fan500", messageCost, 0.5, ""}, {"fanin", messageCost, 0.2, ""},
	{"qos1-100", messageCost, 0.6, ""}, {"qos1-20", messageCost, 1, ""},
	{"latency", messageCost, 18.8, ""}, {"latency", latencyTail, 1500, ""},
	{"durable", messagesIn, 100_000, ""}, {"durable", ackTail, 15_000, ""},
	{"v5-r13", messageCost, 1.3, "r13"}, {"v5-pair", messageCost, 1.3, "pair"},
	{"tls-r13", messageCost, 1, bestPeer}, {"tls-pair", messageCost, 1, bestPeer},
	{"two-loops", messageCost, 1.11, "one-loop"},
	{"idle", connMemory, 1000, ""}, {"idle-tls", connMemory, 12_000, ""}, {"connect", connectCost, 80, ""},
	{"subs-exact", subsMemory, 200, ""}, {"subs-exact", publishCost, 4, ""}, {"subs-wild", publishCost, 1.5, ""},
	{"pauses", pauseMost, 1000, ""},
	{"drain", messagesOut, 500_000, ""}, {"retained", messagesIn, 100_000, ""}, {"retained-memory", messagesIn, 400_000, ""},
}

// bound is the limit of a goal as a figure, and how it is told; NaN where its base was
// not measured.
func (g goal) bound(r *report) (limit float64, text string) {
	word := "at most "
	if g.more {
		word = "at least "
	}
	switch g.base {
	case "":
		return g.limit, word + g.show(g.limit)
	case bestPeer:
		_, limit = r.best(g.scenario, g.measure, r.peers())
		return limit, "below every peer"
	}
	base := r.figure(g.base, own, g.measure)
	return g.limit * base, fmt.Sprintf("%s%v × %s", word, g.limit, g.base)
}

// best finds the broker with the best figure; none without a figure.
func (r *report) best(scenario string, m measure, brokers []string) (broker string, value float64) {
	value = math.NaN()
	for _, name := range brokers {
		v := r.figure(scenario, name, m)
		if !math.IsNaN(v) && (broker == "" || m.better(v, value) > 1) {
			broker, value = name, v
		}
	}
	return broker, value
}

// met tells whether a figure keeps to its limit.
func (g goal) met(value, limit float64) bool {
	if g.more {
		return value >= limit
	}
	return value <= limit
}

// verdict tells whether a goal is met, and how far the figure is from it.
func (g goal) verdict(value, limit float64) string {
	if math.IsNaN(value) || math.IsNaN(limit) {
		return "not measured"
	}
	word := "met"
	if !g.met(value, limit) {
		word = "**missed**"
	}
	return word + ", " + distance(value/limit)
}

// distance tells how far a figure is from its limit, by the ratio of the two.
func distance(ratio float64) string {
	share, side := 100*(ratio-1), "above"
	if share < 0 {
		share, side = -share, "below"
	}
	switch {
	case ratio >= 2:
		return number(ratio) + " × as much"
	case share >= 10:
		return fmt.Sprintf("%.0f %% %s", share, side)
	}
	return fmt.Sprintf("%.1f %% %s", share, side)
}

// ahead names the broker in front and by how many times its figure is better than
// Alcove's, or than the next one's where that is Alcove itself.
func (r *report) ahead(scenario string, m measure) string {
	first, value := r.best(scenario, m, r.brokers)
	others := slices.DeleteFunc(slices.Clone(r.brokers), func(name string) bool { return name == first })
	if first != own {
		others = []string{own}
	}
	second, next := r.best(scenario, m, others)
	switch {
	case first == "":
		return "–"
	case second == "":
		return first + " alone"
	case m.better(value, next) < 1.005:
		return first + " and " + second + " even"
	case first == own:
		return fmt.Sprintf("%s, %s × %s", first, number(m.better(value, next)), second)
	}
	return fmt.Sprintf("**%s**, %s × %s", first, number(m.better(value, next)), second)
}

// goals writes the table of goals; nothing where none was measured.
func (r *report) goals() string {
	if !slices.Contains(r.brokers, own) {
		return ""
	}
	var b strings.Builder
	var missed, absent []string
	measured := 0
	for _, g := range goals {
		value := r.figure(g.scenario, own, g.measure)
		limit, asked := g.bound(r)
		if !slices.Contains(r.scenarios, g.scenario) {
			absent = append(absent, g.scenario)
			continue
		}
		if !math.IsNaN(value) && !math.IsNaN(limit) {
			measured++
			if !g.met(value, limit) {
				missed = append(missed, g.scenario+" ("+g.name+")")
			}
		}
		peer, best := r.best(g.scenario, g.measure, r.peers())
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", g.scenario, g.name, asked, g.show(value), g.verdict(value, limit),
			strings.TrimPrefix(peer+" "+g.show(best), " "), r.ahead(g.scenario, g.measure))
	}
	if b.Len() == 0 {
		return ""
	}
	text := fmt.Sprintf("\n## Goals\n\n%d of %d measured goals are met, with the broker on one core, two-loops apart.", measured-len(missed), measured)
	if len(missed) > 0 {
		text += " Missed: " + strings.Join(missed, "; ") + "."
	}
	if absent = slices.Compact(absent); len(absent) > 0 {
		text += " Not part of this run: " + strings.Join(absent, ", ") + "."
	}
	return text + " Ahead is who has the best figure, by how many times it is better than the next one's, or than Alcove's where Alcove is behind.\n\n" +
		"| scenario | figure | goal | alcove | goal met? | best peer | ahead |\n|---|---|---|---:|---|---:|---|\n" + b.String()
}

// leaders writes who is ahead by latency; nothing where that was not measured.
func (r *report) leaders() string {
	load := measure{"load", func(s *sample) float64 { return s.SaturationPerS / 2 }, count, true}
	var b strings.Builder
	for _, scenario := range latencyScenarios {
		for _, m := range latencies {
			if text := r.row(scenario+", "+m.name, scenario, m); text != "" {
				b.WriteString(strings.TrimSuffix(text, "\n") + " " + r.ahead(scenario, m) + " |\n")
			}
		}
	}
	if b.Len() == 0 {
		return ""
	}
	head, rule, _ := strings.Cut(strings.TrimSuffix(r.heading(""), "\n"), "\n")
	text := "\n## Who is ahead by latency\n\nµs from the moment when a message was due to its arrival; one message a write."
	if row := r.row("", "half", load); row != "" {
		text += " `half` is at half of what each broker takes flat out, so each has another load:"
		var parts []string
		for _, broker := range r.brokers {
			if v := r.figure("half", broker, load); !math.IsNaN(v) {
				parts = append(parts, broker+" "+load.show(v))
			}
		}
		text += " " + strings.Join(parts, ", ") + " messages in per second."
	}
	return text + "\n\n" + head + " ahead |\n" + rule + "---|\n" + b.String()
}
