package main

import (
	"fmt"
	"math"
)

const (
	barHeight = 10
	barPitch  = 14
	groupGap  = 9
)

// bar is one broker's figure in the chart of costs.
type bar struct {
	broker string
	value  float64 // NaN: it did not complete
	goal   float64 // NaN: none
}

// costBars are the bars of one scenario, Alcove's first; none where nobody has a figure.
func (r *report) costBars(scenario string) (bars []bar) {
	measured := false
	for _, broker := range r.brokers {
		v := r.figure(scenario, broker, messageCost)
		s := r.results[scenario][broker]
		if math.IsNaN(v) && (s == nil || s.err == nil) {
			continue // it cannot run the scenario
		}
		one := bar{broker, v, math.NaN()}
		if broker == own {
			one.goal = r.costGoal(scenario)
		}
		measured = measured || !math.IsNaN(v)
		bars = append(bars, one)
	}
	if !measured {
		return nil
	}
	return bars
}

// costGoal is the goal for a message's cost in a scenario; NaN for none.
func (r *report) costGoal(scenario string) float64 {
	for _, g := range goals {
		if g.scenario == scenario && g.name == messageCost.name {
			limit, _ := g.bound(r)
			return limit
		}
	}
	return math.NaN()
}

// costChart draws what a message costs each broker in every scenario of traffic. The
// figures span five powers of ten, hence the logarithmic axis.
func (r *report) costChart(file string) chart {
	type group struct {
		scenario string
		bars     []bar
	}
	var groups []group
	var all []float64
	bars, led, compared := 0, 0, 0
	for _, scenario := range r.scenarios {
		if !traffic(scenario) || begins("neighbour", "tenants")(scenario) {
			continue
		}
		g := group{scenario, r.costBars(scenario)}
		if len(g.bars) == 0 {
			continue
		}
		groups = append(groups, g)
		bars += len(g.bars)
		for _, one := range g.bars {
			all = append(all, one.value, one.goal)
		}
		if peer, _ := r.best(scenario, messageCost, r.peers()); peer != "" {
			compared++
			if first, _ := r.best(scenario, messageCost, r.brokers); first == own {
				led++
			}
		}
	}
	if len(groups) == 0 {
		return chart{}
	}
	axis := newScale(plotLeft, plotRight, all)
	bottom := float64(chartTop + bars*barPitch + (len(groups)-1)*groupGap)
	var p picture
	p.ruler(axis, chartTop-4, bottom+2)
	y := float64(chartTop)
	for _, g := range groups {
		p.text(chartMargin, y+barHeight-1, "s", "start", g.scenario)
		for _, one := range g.bars {
			p.bar(axis, one, y)
			y += barPitch
		}
		y += groupGap
	}
	const title = "Broker CPU per message"
	about := "µs, messages in and out counted; logarithmic; shorter is better. The upright mark is the goal."
	description := fmt.Sprintf("Bars of the CPU time that a message costs each broker in %d scenarios. Alcove's is the shortest in %d of the %d in which a peer was measured.", len(groups), led, compared)
	return chart{file, title, p.done(bottom+26, title, about, description)}
}

// bar draws one broker's bar with its figure as text.
func (p *picture) bar(axis scale, one bar, y float64) {
	base := y + barHeight - 1
	p.text(plotLeft-8, base, "m", "end", one.broker)
	if math.IsNaN(one.value) {
		p.text(plotLeft+4, base, "m", "start", "did not complete")
		return
	}
	end := axis.at(one.value)
	p.box(plotLeft, y, end-plotLeft, barHeight, class(one.broker))
	if math.IsNaN(one.goal) {
		p.text(end+6, base, "m", "start", number(one.value))
		return
	}
	mark := axis.at(one.goal)
	p.line(mark, y-2, mark, y+barHeight+2, "goal")
	look, word := "m", "goal"
	if one.value > one.goal {
		look, word = "bad", "misses the goal"
	}
	p.text(max(end, mark)+6, base, look, "start", fmt.Sprintf("%s, %s %s", number(one.value), word, number(one.goal)))
}
