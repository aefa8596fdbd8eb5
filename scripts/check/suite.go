package main

import "strings"

// group is what is checked of one package: benchmarks with all their parts.
type group struct {
	pkg   string   // below internal
	names []string // without "Benchmark"
	// skip names parts of them that would add time and say nothing more, as
	// `go test -skip` takes it.
	skip string
	// rounds is how many processes run the benchmarks; the mean counts. Where tables
	// hash by a seed of the process, each process has other collisions.
	rounds int
	only   string // the pattern of a single benchmark in place of names
}

// pattern is what `go test -bench` takes to run the group.
func (g group) pattern() string {
	if g.only != "" {
		return g.only
	}
	return "^Benchmark(" + strings.Join(g.names, "|") + ")$"
}

// suite is the way of a message, from its packet to its receivers' outputs, and what
// else is done for each of them or each connection. The benchmarks use b.Loop.
var suite = []group{
	{pkg: "mqtt", names: []string{"PublishDecode", "PublishHeadAppend", "AckDecode", "AckAppend", "ValidTopicText"}, rounds: 1},
	{pkg: "topic", names: []string{"CheckName", "MatchSmall", "MatchWildcard100k", "MatchSubsWild", "MatchSelectors1000"},
		skip: "SubsWild/^(1000|1000000)$", rounds: 8},
	{pkg: "expr", names: []string{"SetJSON", "First", "Next", "Message"}, rounds: 1},
	{pkg: "auth", names: []string{"MayPublish", "Login", "LoginUnknown", "LoginGuarded"}, skip: "MayPublish/most", rounds: 1},
	{pkg: "broker", names: []string{"StickyPick", "Dressing"}, skip: "StickyPick/^(16|1000)$", rounds: 1},
	{pkg: "server", names: []string{"Deliver", "Message"}, rounds: 1},
	{pkg: "journal", names: []string{"Event"}, rounds: 1},
}
