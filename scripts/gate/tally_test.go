package main

import (
	"slices"
	"strings"
	"testing"
)

// The events of a run with every way a test or a package can end.
const recorded = `{"Action":"start","Package":"a"}
{"Action":"run","Package":"a","Test":"TestGood"}
{"Action":"output","Package":"a","Test":"TestGood","Output":"=== RUN   TestGood\n"}
{"Action":"pass","Package":"a","Test":"TestGood","Elapsed":0}
{"Action":"run","Package":"a","Test":"TestBad"}
{"Action":"output","Package":"a","Test":"TestBad","Output":"    a_test.go:9: broken here\n"}
{"Action":"fail","Package":"a","Test":"TestBad","Elapsed":0}
{"Action":"run","Package":"a","Test":"TestOff"}
{"Action":"output","Package":"a","Test":"TestOff","Output":"    a_test.go:12: skipped: no mosquitto\n"}
{"Action":"skip","Package":"a","Test":"TestOff","Elapsed":0}
{"Action":"fail","Package":"a","Elapsed":0.1}
{"ImportPath":"b [b.test]","Action":"build-output","Output":"b_test.go:3: undefined: x\n"}
{"ImportPath":"b [b.test]","Action":"build-fail"}
{"Action":"start","Package":"b"}
{"Action":"fail","Package":"b","Elapsed":0,"FailedBuild":"b [b.test]"}
{"Action":"run","Package":"c","Test":"TestHangs"}
{"Action":"output","Package":"c","Test":"TestHangs","Output":"panic: test timed out\n"}
{"Action":"fail","Package":"c","Elapsed":600}
{"Action":"pass","Package":"d","Elapsed":0.2}
not an event
`

func TestReaderCountsEveryEnd(t *testing.T) {
	var tl tally
	var out strings.Builder
	if err := newReader(&tl, &out).read(strings.NewReader(recorded)); err != nil {
		t.Fatal(err)
	}
	if tl.passed != 1 || tl.failed != 3 {
		t.Errorf("passed %d, failed %d; want 1 and 3", tl.passed, tl.failed)
	}
	if want := []string{"a TestBad", "b", "c"}; !slices.Equal(tl.failures, want) {
		t.Errorf("failures %q, want %q", tl.failures, want)
	}
	if want := []skipped{{"a", "TestOff", "no mosquitto"}}; !slices.Equal(tl.skips, want) {
		t.Errorf("skips %q, want %q", tl.skips, want)
	}
	for _, want := range []string{"broken here", "undefined: x", "did not end: c TestHangs", "test timed out", "ok   d", "not an event"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output lacks %q:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "TestGood") {
		t.Error("the output of a passing test is shown")
	}
}

func TestReportEndsInTheSummary(t *testing.T) {
	tl := tally{passed: 7, failed: 1, failures: []string{"a TestBad"}, skips: []skipped{
		{"", "race detector", "no C compiler"}, {"a", "TestPeer/one", "no peer"}, {"a", "TestPeer/two", "no peer"},
	}}
	var out strings.Builder
	tl.report(&out)
	want := "skipped: a TestPeer: no peer (2 subtests)\nskipped: race detector: no C compiler\nfailed: a TestBad\n7 passed, 1 failed\n"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
