package gobench

import "testing"

func TestParse(t *testing.T) {
	results, err := Parse([]byte("goos: linux\nBenchmarkNext/din_==_3-2 \t 9\t 30 ns/op\t 8 B/op\t 1 allocs/op\n" +
		"BenchmarkNext/din_==_3-2 9 10 ns/op 6 B/op\nBenchmarkNext/din_==_3-2 9 12 ns/op\nBenchmarkOther-8 1 2 ns/op\nPASS\n"))
	if err != nil || len(results) != 2 {
		t.Fatalf("%d results, %v", len(results), err)
	}
	r := results[0]
	if r.Name != "Next/din == 3" || results[1].Name != "Other" {
		t.Errorf("names %q and %q", r.Name, results[1].Name)
	}
	for unit, want := range map[string]float64{"ns/op": 12, "B/op": 7, "allocs/op": 1, "MB/s": 0} {
		if got := r.Median(unit); got != want {
			t.Errorf("%v %s, want %v", got, unit, want)
		}
	}
	if !r.Of("Next") || !results[1].Of("Other") || r.Of("Ne") || results[1].Of("Next") {
		t.Error("a result is taken for another's")
	}
	if _, err := Parse([]byte("BenchmarkX 1 fast ns/op")); err == nil {
		t.Error("a line that is none is read")
	}
}
