package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// kept is a report in a file, from which the document and the charts are made again
// without measuring.
type kept struct {
	Origins []origin `json:"origins"`
	Results []record `json:"results"`
}

// record is what one broker has done in one scenario.
type record struct {
	Scenario string `json:"scenario"`
	Broker   string `json:"broker"`
	Origin   int    `json:"origin"` // index into the origins
	Failed   string `json:"failed,omitempty"`
	// Figures are those of a sample that are not 0; absent without a sample.
	Figures json.RawMessage `json:"figures,omitempty"`
}

// encode writes a report with a record in each line, so that what a later run changes
// is to be seen. Equal reports have equal bytes.
func (r *report) encode() ([]byte, error) {
	var lines [][]byte
	for _, scenario := range r.scenarios {
		for _, broker := range r.brokers {
			s := r.results[scenario][broker]
			if s == nil || len(s.samples) == 0 && s.err == nil {
				continue
			}
			one := record{Scenario: scenario, Broker: broker, Origin: s.origin}
			if s.err != nil {
				one.Failed = s.err.Error()
			}
			var err error
			if len(s.samples) > 0 {
				if one.Figures, err = s.samples[0].compact(); err != nil {
					return nil, err
				}
			}
			line, err := json.Marshal(one)
			if err != nil {
				return nil, err
			}
			lines = append(lines, line)
		}
	}
	origins, err := json.Marshal(r.origins)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "{\"origins\":%s,\n\"results\":[\n%s\n]}\n", origins, bytes.Join(lines, []byte(",\n"))), nil
}

// compact is a sample without the figures that are 0, in alphabetical order.
func (s *sample) compact() ([]byte, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	var figures map[string]json.RawMessage
	if err := json.Unmarshal(text, &figures); err != nil {
		return nil, err
	}
	for name, value := range figures {
		if slices.Contains([]string{"0", `""`, "null"}, string(value)) {
			delete(figures, name)
		}
	}
	delete(figures, "scenario") // the record has it
	return json.Marshal(figures)
}

// decode reads what encode has written.
func decode(text []byte) (*report, error) {
	var k kept
	if err := json.Unmarshal(text, &k); err != nil {
		return nil, err
	}
	if len(k.Origins) == 0 {
		return nil, errors.New("no origins")
	}
	r := &report{origins: k.Origins, results: table{}}
	for i, one := range k.Results {
		if one.Origin < 0 || one.Origin >= len(k.Origins) || one.Scenario == "" || one.Broker == "" {
			return nil, fmt.Errorf("result %d: scenario %q of broker %q from origin %d of %d", i, one.Scenario, one.Broker, one.Origin, len(k.Origins))
		}
		s := r.results.series(one.Scenario, one.Broker)
		s.origin = one.Origin
		if one.Failed != "" {
			s.err = errors.New(one.Failed)
		}
		if one.Figures != nil {
			found := &sample{Scenario: one.Scenario}
			if err := json.Unmarshal(one.Figures, found); err != nil {
				return nil, fmt.Errorf("result %d: %w", i, err)
			}
			s.samples = []*sample{found}
		}
		r.know(one.Scenario, one.Broker)
	}
	r.sort()
	return r, nil
}

// know adds a row and a column where they are new.
func (r *report) know(scenario, broker string) {
	if !slices.Contains(r.scenarios, scenario) {
		r.scenarios = append(r.scenarios, scenario)
	}
	if !slices.Contains(r.brokers, broker) {
		r.brokers = append(r.brokers, broker)
	}
}

// sort brings rows and columns into their usual order; what is not usual comes last.
func (r *report) sort() {
	byPlace := func(usual []string) func(a, b string) int {
		place := func(name string) int {
			if i := slices.Index(usual, name); i >= 0 {
				return i
			}
			return len(usual)
		}
		return func(a, b string) int { return place(a) - place(b) }
	}
	slices.SortStableFunc(r.scenarios, byPlace(strings.Split(defaultScenarios(), ",")))
	slices.SortStableFunc(r.brokers, byPlace(strings.Split(defaultBrokers, ",")))
}

// merge puts the results of a later report in the place of the same of this one.
// Origins that have nothing left are forgotten.
func (r *report) merge(later *report) {
	shift := len(r.origins)
	r.origins = append(r.origins, later.origins...)
	for _, scenario := range later.scenarios {
		for broker, s := range later.results[scenario] {
			moved := *s
			moved.origin += shift
			*r.results.series(scenario, broker) = moved
		}
		for _, broker := range later.brokers {
			r.know(scenario, broker)
		}
	}
	r.sort()
	used := make([]bool, len(r.origins))
	r.each(func(s *series) { used[s.origin] = true })
	var origins []origin
	places := make([]int, len(used))
	for i, is := range used {
		places[i] = len(origins)
		if is {
			origins = append(origins, r.origins[i])
		}
	}
	r.origins = origins
	r.each(func(s *series) { s.origin = places[s.origin] })
}

// each visits all series.
func (r *report) each(visit func(*series)) {
	for _, row := range r.results {
		for _, s := range row {
			visit(s)
		}
	}
}

// apart tells which rows were measured at another time than the others; nothing where
// none was.
func (r *report) apart() string {
	var b strings.Builder
	for i, about := range r.origins[1:] {
		var rows []string
		for _, scenario := range r.scenarios {
			var theirs []string
			all := 0
			for _, broker := range r.brokers {
				if s := r.results[scenario][broker]; s != nil {
					all++
					if s.origin == i+1 {
						theirs = append(theirs, broker)
					}
				}
			}
			switch {
			case len(theirs) == 0:
			case len(theirs) == all:
				rows = append(rows, scenario)
			default:
				rows = append(rows, fmt.Sprintf("%s (%s alone)", scenario, strings.Join(theirs, ", ")))
			}
		}
		fmt.Fprintf(&b, "- %s: by `%s` on %s; interleaved runs: %d of %s; Linux %s, %s\n", strings.Join(rows, ", "), about.Command, about.Date,
			about.Rounds, about.Duration, about.Kernel, about.Go)
	}
	if b.Len() == 0 {
		return ""
	}
	return "\nMeasured apart from the others:\n\n" + b.String()
}

// readReport reads a report from a file.
func readReport(file string) (*report, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r, err := decode(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return r, nil
}
