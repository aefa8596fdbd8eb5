package main

// group is what is checked of one package: benchmarks with all their parts.
type group struct {
	pkg   string   // below internal
	names []string // without "Benchmark"
	// rounds is how many processes run the benchmarks; the mean counts. Where tables
	// hash by a seed of the process, each process has other collisions.
	rounds int
}

// suite is the way of a message, from its packet to its receivers' outputs, and what
// else is done for each of them or each connection. The benchmarks use b.Loop.
var suite = []group{
	{"mqtt", []string{"PublishDecode", "PublishHeadAppend", "AckDecode", "AckAppend", "ValidTopicText"}, 1},
	{"topic", []string{"CheckName", "MatchSmall", "MatchWildcard100k", "MatchSubsWild", "MatchSelectors1000"}, 8},
	{"expr", []string{"SetJSON", "First", "Next", "Message"}, 1},
	{"auth", []string{"MayPublish", "Login", "LoginUnknown", "LoginGuarded"}, 1},
	{"broker", []string{"StickyPick", "Dressing"}, 1},
	{"server", []string{"Deliver", "Message"}, 1},
	{"journal", []string{"Event"}, 1},
}
