package main

import (
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
