package bench

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// endless is a connection that always has something to read, until its last read.
type endless struct {
	net.Conn
	reads, ends, read int
}

func (e *endless) Read(b []byte) (int, error) {
	if e.reads++; e.reads >= e.ends {
		return 0, net.ErrClosed
	}
	e.read += len(b)
	return len(b), nil
}

func TestStops(t *testing.T) {
	for line, want := range map[string][]int64{
		"gc 5 @0.200s 1%: 0.018+1.2+0.003 ms clock, 0.1+0/1/2+0.1 ms cpu, 4->5->1 MB, 5 MB goal": {18_000, 3_000},
		"gc 17 @3.1s 12%: 1.5+20+0.25 ms clock, 1+2+3 ms cpu":                                    {1_500_000, 250_000},
		"time=2026 level=INFO msg=\"gc 5 @0.2s 1%: 1+2+3 ms clock,\"":                            nil,
		"gc 5 @0.200s 1%: 0.018+x+y ms clock,":                                                   nil,
		"gc 5 @0.200s 1%: 0.018 ms clock,":                                                       nil,
		"gc and nothing":                                                                         nil,
		"":                                                                                       nil,
	} {
		if got := stops([]byte(line)); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", line, got, want)
		}
	}
}

// TestPauses: what stands in the log from one place to another counts, and no more.
func TestPauses(t *testing.T) {
	before := "gc 1 @0.2s 1%: 9.0+1+9.0 ms clock, x\n"
	during := "gc 2 @0.3s 1%: 0.1+1+0.2 ms clock, x\nan error of the broker's\n"
	file := filepath.Join(t.TempDir(), "trace")
	if err := os.WriteFile(file, []byte(before+during+before), 0o600); err != nil {
		t.Fatal(err)
	}
	var p Pauses
	if err := p.read(file, int64(len(before)), int64(len(before+during))); err != nil {
		t.Fatal(err)
	}
	if p.Pauses != 2 || p.PauseMax != 200 || p.PauseP99 != 200 {
		t.Errorf("%+v", p)
	}
	if err := p.read(file+"none", 0, 1); err == nil {
		t.Error("a file that is not there was read")
	}
}

func TestPausesWantsATrace(t *testing.T) {
	cfg := Config{Scenario: "pauses", QoS: -1}
	if res, err := Run(t.Context(), cfg); err == nil {
		t.Errorf("%+v", res)
	}
}
