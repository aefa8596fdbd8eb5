package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

// drawn is a report with all that the charts can show.
func drawn() *report {
	o := options{rounds: 1, scenarios: []string{"r13", "v5-r13", "idle", "latency", "scale-connections"}}
	makers := []*maker{{name: "alcove"}, {name: "mosquitto"}, {name: "a<b&c"}}
	results := table{}
	results.add("r13", "alcove", &sample{CPUPerMsg: 0.1})
	results.add("r13", "mosquitto", &sample{CPUPerMsg: 10})
	results.fail("r13", "a<b&c", errors.New("it ended"))
	results.add("v5-r13", "alcove", &sample{CPUPerMsg: 0.2})
	results.add("idle", "alcove", &sample{CPUPerMsg: 77})
	results.add("latency", "alcove", &sample{P50: 100, P99: 1000, P999: 10_000})
	results.add("latency", "mosquitto", &sample{P50: 100})
	for _, broker := range []string{"alcove", "a<b&c"} {
		results.add("scale-connections", broker, &sample{SeriesOf: "connections", Series: []point{{10, 0.1}, {19_000, 0.3}}})
	}
	return newReport(o, makers, results, aDay)
}

func TestCharts(t *testing.T) {
	c := drawn().charts("performance")
	for _, one := range []chart{c.cost, c.latency, c.curves} {
		d := xml.NewDecoder(strings.NewReader(one.text))
		for {
			_, err := d.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v\n%s", one.file, err, one.text)
			}
		}
		want(t, one.text, []string{`role="img"`, "<title ", "<desc ", "prefers-color-scheme:dark"}, []string{"NaN", "Inf", "href", "url("})
	}
	// From 0.1 to 10 there are two powers of ten on the axis.
	want(t, c.cost.text, []string{
		">0.100, goal 0.170<", ">0.200, misses the goal 0.130<", ">did not complete<", ">a&lt;b&amp;c<",
		`<rect x="222.0" y="90.0" width="468.0" height="10.0" class="mosquitto"/>`,
		"in 2 scenarios. Alcove&#39;s is the shortest in 1 of the 1",
	}, []string{">idle<", ">77.0<"})
	want(t, c.latency.text, []string{">100 / 1,000 / 10,000 µs<"}, []string{">mosquitto<"})
	want(t, c.curves.text, []string{">19k<", ">0.300<", ">connections<", `class="other"`}, nil)
	if again := drawn().charts("performance"); again != c {
		t.Error("equal results make other pictures")
	}
	if none := (&report{brokers: []string{own}}).charts("performance"); none != (charts{}) {
		t.Error("pictures of nothing")
	}
}

func TestScale(t *testing.T) {
	for _, c := range []struct {
		figures []float64
		v, at   float64
	}{{[]float64{0.02, 40}, 1, 50}, {[]float64{1}, 1, 100}, {nil, 1, 0}, {[]float64{0, 5}, 10, 100}} {
		if got := newScale(0, 100, c.figures).at(c.v); got != c.at {
			t.Errorf("%v: %v is at %v, want %v", c.figures, c.v, got, c.at)
		}
	}
}
