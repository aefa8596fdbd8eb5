package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// chart is one picture of the document, an SVG file beside it.
type chart struct {
	file, title, text string
}

// link is the picture in the document; nothing for a chart without figures.
func (c chart) link() string {
	if c.text == "" {
		return ""
	}
	return fmt.Sprintf("\n![%s](%s)\n", c.title, c.file)
}

// charts are the pictures of a report. One that has nothing to show is empty.
type charts struct {
	cost, latency, curves chart
}

// charts draws all pictures; their files begin with the name of the document's.
func (r *report) charts(name string) charts {
	return charts{
		cost:    r.costChart(name + ".svg"),
		latency: r.latencyChart(name + "-latency.svg"),
		curves:  r.curveChart(name + "-flatness.svg"),
	}
}

// Measures of all charts, in pixels.
const (
	chartWidth  = 900
	chartMargin = 20
	chartTop    = 76 // where the marks begin, below title and axis
	plotLeft    = 222
	plotRight   = 690 // what is right of it are figures as text
)

// style gives the colours of both themes. A broker is told by its name beside the mark;
// colour only helps. No font is fetched.
const style = `<style>
text{font:12px system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif;fill:#1f2328}
.t{font-size:16px;font-weight:600}.s{font-weight:600}.m{fill:#59636e;font-size:11px}.bad{fill:#b3261e;font-size:11px}
.page{fill:#fff;stroke:#d1d9e0}.grid{stroke:#e4e8ec}.goal{stroke:#1f2328;stroke-width:2}
.alcove{fill:#1f6feb}.mosquitto{fill:#8b6a3e}.mochi{fill:#3f8f5f}.nats{fill:#9a6bb0}.other{fill:#7a828b}
path.alcove,line.alcove{stroke:#1f6feb}path.mosquitto,line.mosquitto{stroke:#8b6a3e}path.mochi,line.mochi{stroke:#3f8f5f}path.nats,line.nats{stroke:#9a6bb0}path.other,line.other{stroke:#7a828b}
path{fill:none!important;stroke-width:2}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.m{fill:#9ba6b2}.bad{fill:#ff8a80}
.page{fill:#0d1117;stroke:#30363d}.grid{stroke:#262c36}.goal{stroke:#e6edf3}
.alcove{fill:#58a6ff}.mosquitto{fill:#c79f6a}.mochi{fill:#6cbf8b}.nats{fill:#c39bd6}
path.alcove,line.alcove{stroke:#58a6ff}path.mosquitto,line.mosquitto{stroke:#c79f6a}path.mochi,line.mochi{stroke:#6cbf8b}path.nats,line.nats{stroke:#c39bd6}}
</style>
`

// picture collects the marks of a chart.
type picture struct{ b strings.Builder }

// class is a broker's class in the style.
func class(broker string) string {
	switch broker {
	case "alcove", "mosquitto", "mochi", "nats":
		return broker
	}
	return "other"
}

// text writes at a base line; anchor is start, middle or end.
func (p *picture) text(x, y float64, class, anchor, text string) {
	fmt.Fprintf(&p.b, "<text x=\"%.1f\" y=\"%.1f\"", x, y)
	if class != "" {
		fmt.Fprintf(&p.b, " class=%q", class)
	}
	if anchor != "start" {
		fmt.Fprintf(&p.b, " text-anchor=%q", anchor)
	}
	fmt.Fprintf(&p.b, ">%s</text>\n", html.EscapeString(text))
}

// box draws a filled bar.
func (p *picture) box(x, y, width, height float64, class string) {
	fmt.Fprintf(&p.b, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" class=%q/>\n", x, y, width, height, class)
}

// line draws a straight line between two points.
func (p *picture) line(x1, y1, x2, y2 float64, class string) {
	fmt.Fprintf(&p.b, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=%q/>\n", x1, y1, x2, y2, class)
}

// dot draws a round mark.
func (p *picture) dot(x, y, radius float64, class string) {
	fmt.Fprintf(&p.b, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" class=%q/>\n", x, y, radius, class)
}

// done wraps the marks into a picture of that height, with a title and, for who cannot
// see it, a description.
func (p *picture) done(height float64, title, about, description string) string {
	return fmt.Sprintf("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %.0f\" width=\"%d\" height=\"%.0f\" role=\"img\" aria-labelledby=\"t d\">\n"+
		"<title id=\"t\">%s</title>\n<desc id=\"d\">%s</desc>\n%s"+
		"<rect x=\"0.5\" y=\"0.5\" width=\"%d\" height=\"%.0f\" rx=\"6\" class=\"page\"/>\n"+
		"<text x=\"%d\" y=\"30\" class=\"t\">%s</text>\n<text x=\"%d\" y=\"48\" class=\"m\">%s</text>\n%s</svg>\n",
		chartWidth, height, chartWidth, height, html.EscapeString(title), html.EscapeString(description), style,
		chartWidth-1, height-1, chartMargin, html.EscapeString(title), chartMargin, html.EscapeString(about), p.b.String())
}

// scale puts positive figures on a logarithmic axis between two powers of ten.
type scale struct {
	low, high   float64 // exponents
	start, stop float64 // pixels
}

// newScale spans all the figures that are there.
func newScale(start, stop float64, figures []float64) scale {
	least, most := math.Inf(1), math.Inf(-1)
	for _, v := range figures {
		if v > 0 && !math.IsInf(v, 0) {
			least, most = min(least, v), max(most, v)
		}
	}
	s := scale{start: start, stop: stop, high: 1}
	if least <= most {
		s.low, s.high = math.Floor(math.Log10(least)), math.Ceil(math.Log10(most))
		if s.low == s.high {
			s.low--
		}
	}
	return s
}

// at is the place of a figure.
func (s scale) at(v float64) float64 {
	return s.start + (math.Log10(v)-s.low)/(s.high-s.low)*(s.stop-s.start)
}

// powers are the powers of ten on the axis.
func (s scale) powers() (all []float64) {
	for e := s.low; e <= s.high; e++ {
		all = append(all, math.Pow(10, e))
	}
	return all
}

// power prints a power of ten.
func power(v float64) string {
	if v < 1 {
		return fmt.Sprintf("%.*f", int(math.Round(-math.Log10(v))), v)
	}
	return count(v)
}

// ruler draws the axis from top to bottom, its figures above and below.
func (p *picture) ruler(s scale, top, bottom float64) {
	for _, v := range s.powers() {
		x := s.at(v)
		p.line(x, top, x, bottom, "grid")
		p.text(x, top-6, "m", "middle", power(v))
		p.text(x, bottom+14, "m", "middle", power(v))
	}
}
