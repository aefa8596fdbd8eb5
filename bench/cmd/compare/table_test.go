package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	cpu := func(s *sample) float64 { return s.CPUPerMsg }
	for _, c := range []struct {
		values []float64
		want   float64
	}{{[]float64{3, 1, 2}, 2}, {[]float64{4, 1, 2, 3}, 2.5}, {[]float64{0, 5, 0}, 5}, {nil, math.NaN()}} {
		var s series
		for _, v := range c.values {
			s.samples = append(s.samples, &sample{CPUPerMsg: v})
		}
		if got := s.median(cpu); got != c.want && !(math.IsNaN(got) && math.IsNaN(c.want)) {
			t.Errorf("median of %v is %v, want %v", c.values, got, c.want)
		}
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
	text := results.markdown(o, makers)
	for _, want := range []string{
		"make bench BENCH=\"--rounds 1 --duration 2s --scenarios r13,idle\"",
		"| scenario | alcove | mosquitto | / mosquitto |",
		"| r13 | 0.250 | 5.00 | 0.050 |",
		"| r13 | 4,000,000 | 200,000 | 20.0 |",
		"| idle | 1,000 | – | – |",
		"- alcove: none",
		"- mosquitto, r13: 3 lost of 10 sent",
		"- mosquitto, idle: did not complete: exit status 1",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the document lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "Latency") {
		t.Error("a figure that nobody measured has a table")
	}
}

// TestRowsAreScenarios compares the rows with the driver's source: the driver is in
// another module and cannot be asked.
func TestRowsAreScenarios(t *testing.T) {
	source, err := os.ReadFile("../../../cmd/alcove/internal/bench/scenario.go")
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for _, r := range rows {
		if !strings.Contains(string(source), fmt.Sprintf("{Name: %q,", r.name)) {
			t.Errorf("the driver has no scenario %s", r.name)
		}
		if seen[r.name] {
			t.Errorf("%s is there twice", r.name)
		}
		seen[r.name] = true
	}
}

func TestRowsFit(t *testing.T) {
	makers := []*maker{{name: "alcove"}, {name: "mosquitto", noWebSocket: true}, {name: "mochi"}, {name: "nats"}}
	for scenario, want := range map[string]string{
		"r13": "alcove mosquitto mochi nats", "drain": "alcove mosquitto mochi nats",
		"idle-ws": "alcove mochi nats", "v5-pair": "alcove mosquitto mochi", "shared": "alcove mosquitto mochi",
		"sticky": "alcove", "filter-1": "alcove", "filter-plain": "alcove mosquitto mochi nats",
		"retained-db": "alcove", "selector": "alcove", "tls-pair": "alcove mosquitto mochi nats",
		"scale-connections": "alcove mosquitto", "pauses": "alcove", "two-loops": "alcove",
	} {
		var names []string
		for _, m := range able(scenario, makers) {
			names = append(names, m.name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: %s, want %s", scenario, got, want)
		}
	}
	if len(makers) != 4 || makers[3].name != "nats" {
		t.Error("the list of brokers has changed")
	}
}

func TestDriverArgs(t *testing.T) {
	o := options{duration: time.Second, retained: 77}
	for scenario, want := range map[string]string{
		"r13":                "bench r13 --url mqtt://h:1 --pid 5 --duration 1s --insecure --json --quiet --token k",
		"idle-tls":           "bench idle-tls --url mqtts://h:1 --pid 5 --duration 1s --insecure --json --quiet --token k",
		"idle-ws":            "bench idle-ws --url ws://h:1/mqtt --pid 5 --duration 1s --insecure --json --quiet --token k",
		"retained-db":        "bench retained-db --url mqtt://h:1 --pid 5 --duration 1s --insecure --json --quiet --token k --count 77",
		"retained-db-memory": "bench retained-db-memory --url mqtt://h:1 --pid 5 --duration 1s --insecure --json --quiet --token k --rest http://h:2 --count 77",
		"pauses":             "bench pauses --url mqtt://h:1 --pid 5 --duration 1s --insecure --json --quiet --token k --gctrace trace.log --count 77",
	} {
		r := findRow(scenario)
		at := site{address: "h:1", transport: r.transport}
		if r.rest {
			at.rest = "h:2"
		}
		if got := strings.Join(r.driverArgs(o, at, "k", 5), " "); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", scenario, got, want)
		}
	}
}

// TestPlaces: a row is measured on one core, or by so many processors on both; and as
// often as asked, or as its own bound says.
func TestPlaces(t *testing.T) {
	for _, c := range []struct {
		scenario, broker, driver   string
		processors, asked, samples int
	}{{"r13", "0", "1", 1, 3, 3}, {"one-loop", "0,1", "0,1", 1, 3, 3}, {"two-loops", "0,1", "0,1", 2, 2, 2},
		{"scale-accounts", "0", "1", 1, 3, 1}} {
		r := findRow(c.scenario)
		broker, driver, processors := r.place()
		if broker != c.broker || driver != c.driver || processors != c.processors {
			t.Errorf("%s: broker on %s, driver on %s, %d processors", c.scenario, broker, driver, processors)
		}
		if got := r.roundsOf(options{rounds: c.asked}); got != c.samples {
			t.Errorf("%s: %d samples of %d", c.scenario, got, c.asked)
		}
	}
}

// TestSites: each broker listens where the driver will go.
func TestSites(t *testing.T) {
	o := options{dir: t.TempDir()}
	alcove, err := makeAlcove(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		at   site
		want string
	}{
		{site{"h:1", overTCP, ""}, "--mqtt h:1 --mqtts off --http off --https off"},
		{site{"h:1", overTLS, ""}, "--mqtt off --mqtts h:1 --http off --https off"},
		{site{"h:1", overWS, ""}, "--mqtt off --mqtts off --http h:1 --https off"},
		{site{"h:1", overTCP, "h:2"}, "--mqtt h:1 --mqtts off --http h:2 --https off"},
	} {
		args, err := alcove.command(o, c.at)
		if err != nil || !strings.Contains(strings.Join(args, " "), c.want) {
			t.Errorf("%+v: %q, %v", c.at, args, err)
		}
	}
	for transport, want := range map[transport]string{overTLS: "certfile", overWS: "protocol websockets"} {
		with, without := string(mosquittoConfig(o, site{"h:1", transport, ""})), string(mosquittoConfig(o, site{"h:1", overTCP, ""}))
		if !strings.Contains(with, want) || strings.Contains(without, want) {
			t.Errorf("mosquitto over %s:\n%s", transport, with)
		}
	}
}

func TestCheckWantsUserProperties(t *testing.T) {
	for _, c := range []struct {
		scenario, broker string
		have             int
		errors           uint64
	}{{"v5-r13", "alcove", 3, 0}, {"v5-r13", "alcove", 2, 1}, {"v5-r13", "mochi", 0, 0}, {"r13", "alcove", 0, 0}} {
		s := sample{OwnProperties: c.have}
		findRow(c.scenario).check(&maker{name: c.broker}, &s)
		if s.Errors != c.errors {
			t.Errorf("%+v: %d errors", c, s.Errors)
		}
	}
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
	text := results.markdown(o, makers)
	for _, want := range []string{
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
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the document lacks %q:\n%s", want, text)
		}
	}
	for _, never := range []string{"v5-r13 by r13", "QoS 1 |", "## Messages in", "NaN", "tokens created by REST"} {
		if strings.Contains(text, never) {
			t.Errorf("the document has %q, which nobody measured:\n%s", never, text)
		}
	}
	if text := (table{}).markdown(o, makers); strings.Contains(text, "What the dialect costs") || strings.Contains(text, "as a database") || strings.Contains(text, "## Accounts") {
		t.Errorf("sections without figures:\n%s", text)
	}
}
