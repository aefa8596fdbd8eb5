package main

import (
	"fmt"
	"math"
	"strings"
)

// latencyScenarios are those whose latencies are compared.
var latencyScenarios = []string{"latency", "latency-50k", "half"}

// latencyPitch is the height of a row, in pixels.
const latencyPitch = 20

// latencyChart draws a line from the median to p99.9 for each broker, with marks at the
// three figures.
func (r *report) latencyChart(file string) chart {
	type line struct {
		scenario, broker string
		values           []float64
	}
	var lines []line
	var all []float64
	var told []string
	groups, last := 0, ""
	for _, scenario := range latencyScenarios {
		for _, broker := range r.brokers {
			one := line{scenario, broker, nil}
			for _, m := range latencies {
				if v := r.figure(scenario, broker, m); !math.IsNaN(v) {
					one.values = append(one.values, v)
				}
			}
			if len(one.values) != len(latencies) {
				continue
			}
			if scenario != last {
				groups, last = groups+1, scenario
			}
			lines, all = append(lines, one), append(all, one.values...)
			told = append(told, fmt.Sprintf("%s, %s: %s", scenario, broker, joined(one.values)))
		}
	}
	if len(lines) == 0 {
		return chart{}
	}
	axis := newScale(plotLeft, plotRight, all)
	bottom := float64(chartTop + len(lines)*latencyPitch + (groups-1)*groupGap)
	var p picture
	p.ruler(axis, chartTop-4, bottom+2)
	y := float64(chartTop) + latencyPitch/2
	for i, one := range lines {
		if i == 0 || lines[i-1].scenario != one.scenario {
			if i > 0 {
				y += groupGap
			}
			p.text(chartMargin, y+4, "s", "start", one.scenario)
		}
		p.text(plotLeft-8, y+4, "m", "end", one.broker)
		p.box(axis.at(one.values[0]), y-1, axis.at(one.values[2])-axis.at(one.values[0]), 2, class(one.broker))
		for k, v := range one.values { // a dot, an upright, a square: told apart without colour
			switch x := axis.at(v); k {
			case 0:
				p.dot(x, y, 5, class(one.broker))
			case 1:
				p.box(x-1.5, y-7, 3, 14, class(one.broker))
			default:
				p.box(x-4, y-4, 8, 8, class(one.broker))
			}
		}
		p.text(plotRight+14, y+4, "m", "start", joined(one.values)+" µs")
		y += latencyPitch
	}
	const title = "Latency: p50, p99 and p99.9"
	about := "µs from when a message was due to its arrival; logarithmic; further left is better. Dot: p50. Upright: p99. Square: p99.9."
	return chart{file, title, p.done(bottom+26, title, about, "The latency of each broker in µs, p50, p99 and p99.9. "+strings.Join(told, "; ")+".")}
}

// joined prints figures with strokes between them.
func joined(values []float64) string {
	var parts []string
	for _, v := range values {
		parts = append(parts, number(v))
	}
	return strings.Join(parts, " / ")
}
