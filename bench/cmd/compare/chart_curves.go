package main

import (
	"fmt"
	"slices"
	"strings"
)

const (
	panelHeight = 200
	panelGap    = 30
	panelLeft   = 46 // the figures of the upright axis
	figureRoom  = 24 // for figures below the lowest points
)

// panel is a small chart of one scenario: a message's cost among more and more of
// something.
type panel struct {
	of     string
	curves []curve
}

type curve struct {
	broker string
	points []point
}

// panels collects the scenarios that have a series.
func (r *report) panels() (panels []panel) {
	for _, scenario := range r.scenarios {
		var one panel
		for _, broker := range r.brokers {
			of, points := r.curve(scenario, broker)
			if len(points) > 1 {
				one.of = of
				one.curves = append(one.curves, curve{broker, points})
			}
		}
		if len(one.curves) > 0 {
			panels = append(panels, one)
		}
	}
	return panels
}

// curveChart draws the panels side by side over one upright axis, so that their costs
// compare.
func (r *report) curveChart(file string) chart {
	panels := r.panels()
	if len(panels) == 0 {
		return chart{}
	}
	var costs []float64
	var told []string
	for _, one := range panels {
		for _, c := range one.curves {
			for _, p := range c.points {
				costs = append(costs, p.CPUPerMsg)
			}
			first, last := c.points[0], c.points[len(c.points)-1]
			told = append(told, fmt.Sprintf("%s: from %s with %s %s to %s with %s", c.broker, number(first.CPUPerMsg),
				count(float64(first.N)), one.of, number(last.CPUPerMsg), count(float64(last.N))))
		}
	}
	bottom := float64(chartTop + panelHeight)
	upright := newScale(bottom-figureRoom, chartTop, costs)
	var p picture
	left := float64(chartMargin + panelLeft)
	width := (chartWidth - left - chartMargin - float64(len(panels)-1)*panelGap) / float64(len(panels))
	for i, one := range panels {
		p.panel(one, upright, left, left+width)
		for _, v := range upright.powers() {
			if i == 0 {
				p.text(left-8, upright.at(v)+4, "m", "end", power(v))
			}
		}
		left += width + panelGap
	}
	const title = "Broker CPU per message among more and more"
	about := "µs, both axes logarithmic: a level line costs the same at any size. The figures are Alcove's."
	return chart{file, title, p.done(bottom+46, title, about, "µs of CPU time per message. "+strings.Join(told, "; ")+".")}
}

// panel draws one scenario between two places.
func (p *picture) panel(one panel, upright scale, left, right float64) {
	var sizes []float64
	for _, c := range one.curves {
		for _, at := range c.points {
			sizes = append(sizes, float64(at.N))
		}
	}
	for _, v := range upright.powers() {
		p.line(left, upright.at(v), right, upright.at(v), "grid")
	}
	across := newScale(left+16, right-16, sizes)
	slices.Sort(sizes)
	for _, v := range slices.Compact(sizes) {
		p.text(across.at(v), upright.start+figureRoom+16, "m", "middle", short(v))
	}
	p.text((left+right)/2, upright.start+figureRoom+34, "s", "middle", one.of)
	for _, c := range one.curves {
		path := "M"
		for i, at := range c.points {
			x, y := across.at(float64(at.N)), upright.at(at.CPUPerMsg)
			if i > 0 {
				path += " L"
			}
			path += fmt.Sprintf("%.1f %.1f", x, y)
			p.dot(x, y, 3.5, class(c.broker))
			if c.broker == own {
				p.text(x, y+18, "m", "middle", number(at.CPUPerMsg))
			}
		}
		fmt.Fprintf(&p.b, "<path d=%q class=%q/>\n", path, class(c.broker))
		first := c.points[0]
		p.text(across.at(float64(first.N))-6, upright.at(first.CPUPerMsg)-9, "m", "start", c.broker)
	}
}

// short prints a size in few characters.
func short(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%gM", v/1e6)
	case v >= 1e3:
		return fmt.Sprintf("%gk", v/1e3)
	}
	return fmt.Sprintf("%g", v)
}
