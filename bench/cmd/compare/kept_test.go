package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestKept: what is read again makes the same document and the same charts.
func TestKept(t *testing.T) {
	r := drawn()
	text, err := r.encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := decode(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	c := r.charts("performance")
	if again.charts("performance") != c {
		t.Error("the charts differ")
	}
	if a, b := r.markdown(c), again.markdown(c); a != b {
		t.Errorf("the documents differ:\n%s\n%s", a, b)
	}
	if twice, err := again.encode(); err != nil || !bytes.Equal(twice, text) {
		t.Errorf("encoded again: %v\n%s\n%s", err, twice, text)
	}
	if !strings.Contains(string(text), `{"scenario":"r13","broker":"alcove","origin":0,"figures":{"cpu_us_per_msg":0.1}}`) {
		t.Errorf("not compact:\n%s", text)
	}
	for _, bad := range []string{"", "{}", `{"origins":[{}],"results":[{"scenario":"r13","broker":"alcove","origin":1}]}`,
		`{"origins":[{}],"results":[{"scenario":"r13","origin":0}]}`, `{"origins":[{}],"results":[{"scenario":"a","broker":"b","figures":7}]}`} {
		if _, err := decode([]byte(bad)); err == nil {
			t.Errorf("accepted: %s", bad)
		}
	}
}

// TestSummary: figures are medians, faults are sums, a series is summed up point by
// point.
func TestSummary(t *testing.T) {
	results := table{}
	for i, cost := range []float64{3, 1, 2.0000004} {
		results.add("x", own, &sample{CPUPerMsg: cost, Lost: uint64(i), Count: 7, stored: stored{StoredPerS: 10 * cost}, SeriesOf: "of",
			Series: []point{{10, cost}, {20, 2 * cost}}})
	}
	s := results.summary()[("x")][own].samples[0]
	if s.CPUPerMsg != 2 || s.Lost != 3 || s.Count != 7 || s.StoredPerS != 20 || len(s.Series) != 2 || s.Series[0].CPUPerMsg != 2 || s.Series[1] != (point{20, 4}) {
		t.Errorf("%+v", s)
	}
	if first := results["x"][own].samples[0].Series[0].CPUPerMsg; first != 3 {
		t.Errorf("a sample has changed: %v", first)
	}
}

func TestMerge(t *testing.T) {
	o := options{rounds: 3, duration: 5 * time.Second, pin: true, scenarios: []string{"r13", "pair", "idle"}}
	makers := []*maker{{name: "alcove", version: "a"}, {name: "mosquitto", version: "1"}}
	fill := func(cost float64, scenarios ...string) table {
		results := table{}
		for _, scenario := range scenarios {
			for _, m := range makers {
				results.add(scenario, m.name, &sample{CPUPerMsg: cost, RSSPerConn: cost})
			}
		}
		return results
	}
	first := newReport(o, makers, fill(1, "r13", "pair", "idle"), aDay)
	again := o
	again.scenarios, again.merge = []string{"fan500", "pair"}, true
	makers[1].version = "2"
	first.merge(newReport(again, makers, fill(2, "pair", "fan500"), aDay.AddDate(0, 0, 1)))
	again.scenarios = []string{"idle"}
	makers = makers[:1]
	first.merge(newReport(again, makers, fill(3, "idle"), aDay.AddDate(0, 0, 2)))
	want(t, first.markdown(charts{}), []string{
		"| r13 | 1.00 | 1.00 | 1.00 |\n| pair | 2.00 | 2.00 | 1.00 |\n| fan500 | 2.00 |",
		"| mosquitto | 2 |", "| idle | 3 | 1 | 3.00 |", "on 2026-03-01,",
		"- pair, fan500: by `make bench BENCH=\"--scenarios fan500,pair --merge\"` on 2026-03-02;",
		"- idle (alcove alone): by `make bench BENCH=\"--scenarios idle --merge\"` on 2026-03-03;",
	}, nil)

	// What replaces all of a run forgets the run.
	again.scenarios = []string{"r13", "pair", "fan500", "idle"}
	makers = []*maker{{name: "alcove"}, {name: "mosquitto"}}
	first.merge(newReport(again, makers, fill(4, again.scenarios...), aDay))
	if len(first.origins) != 1 || strings.Contains(first.markdown(charts{}), "Measured apart") {
		t.Errorf("%d origins are left", len(first.origins))
	}
}

func TestPublish(t *testing.T) {
	dir := t.TempDir()
	o := options{out: filepath.Join(dir, "p.md")}
	r := drawn()
	if err := publish(o, r); err != nil {
		t.Fatal(err)
	}
	var names []string
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		names = append(names, f.Name())
	}
	if got := strings.Join(names, " "); got != "p-flatness.svg p-latency.svg p.json p.md p.svg" {
		t.Errorf("files: %s", got)
	}
	again, err := readReport(o.beside(".json"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(o.out)
	if err != nil {
		t.Fatal(err)
	}
	if again.markdown(again.charts("p")) != string(text) {
		t.Error("the document is another one")
	}
	if _, err := readReport(filepath.Join(dir, "none.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}
