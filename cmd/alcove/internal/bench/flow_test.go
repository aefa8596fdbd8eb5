package bench

import (
	"testing"

	"pgregory.net/rapid"
)

func TestFlow(t *testing.T) {
	for _, test := range []struct {
		name                        string
		seen                        []uint64
		sent, lost, twice, disorder uint64
	}{
		{"all", []uint64{0, 1, 2}, 3, 0, 0, 0},
		{"a gap", []uint64{0, 3}, 4, 2, 0, 0},
		{"the end missing", []uint64{0, 1}, 5, 3, 0, 0},
		{"none", nil, 2, 2, 0, 0},
		{"twice", []uint64{0, 1, 1, 0}, 2, 0, 2, 0},
		{"exchanged", []uint64{1, 0, 2}, 3, 0, 0, 1},
		{"late, then again", []uint64{2, 0, 0}, 3, 1, 1, 1},
	} {
		var f flow
		for _, seq := range test.seen {
			f.see(seq)
		}
		if got := f.absent(test.sent); got != test.lost || f.duplicated != test.twice || f.disordered != test.disorder {
			t.Errorf("%s: lost %d, duplicated %d, disordered %d", test.name, got, f.duplicated, f.disordered)
		}
	}
}

// TestFlowAgainstSets compares with sets of what was seen.
func TestFlowAgainstSets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seen := rapid.SliceOfN(rapid.Uint64Range(0, 40), 0, 60).Draw(t, "seen")
		var f, once flow
		distinct := make(map[uint64]bool)
		for _, seq := range seen {
			f.see(seq)
			once.seeOnce(seq)
			distinct[seq] = true
		}
		if got, want := f.absent(41), uint64(41-len(distinct)); got != want {
			t.Fatalf("lost %d, want %d", got, want)
		}
		if want := uint64(len(seen) - len(distinct)); f.duplicated != want || once.duplicated != want {
			t.Fatalf("duplicated %d and %d, want %d", f.duplicated, once.duplicated, want)
		}
	})
}

func TestFlowForgetsBeyondItsBound(t *testing.T) {
	var f flow
	f.see(3 * maxMissing)
	if len(f.missing) > maxMissing || f.absent(3*maxMissing+1) != 3*maxMissing {
		t.Errorf("%d remembered, %d lost", len(f.missing), f.absent(3*maxMissing+1))
	}
}
