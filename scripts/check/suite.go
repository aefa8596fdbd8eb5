package main

// group is what is checked of one package: benchmarks with all their parts.
type group struct {
	pkg   string   // below internal
	names []string // without "Benchmark"
}

// suite is the way of a message, from its packet to its receivers' outputs, and what
// else is done for each of them or each connection. The benchmarks use b.Loop.
var suite = []group{
	{"mqtt", []string{"PublishDecode", "PublishHeadAppend", "AckDecode", "AckAppend", "ValidTopicText"}},
	{"topic", []string{"CheckName", "MatchSmall", "MatchWildcard100k", "MatchSubsWild", "MatchSelectors1000"}},
	{"expr", []string{"SetJSON", "First", "Next", "Message"}},
	{"auth", []string{"MayPublish", "Login", "LoginUnknown", "LoginGuarded"}},
	{"broker", []string{"StickyPick", "Dressing"}},
	{"server", []string{"Deliver"}},
	{"journal", []string{"Event"}},
}
