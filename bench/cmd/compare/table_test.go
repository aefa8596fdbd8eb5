package main

import (
	"errors"
	"math"
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
