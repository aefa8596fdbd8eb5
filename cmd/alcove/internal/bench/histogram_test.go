package bench

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestHistogramBuckets(t *testing.T) {
	for _, v := range []int64{0, 1, 31, 32, 33, 63, 64, 1000, 1 << 20, 1<<41 - 1} {
		i := bucket(v)
		if up := upper(i); up < v || float64(up) > float64(v)*1.04+1 {
			t.Errorf("%d is in the bucket up to %d", v, up)
		}
		if i > 0 && upper(i-1) >= v {
			t.Errorf("%d belongs to the bucket before %d", v, i)
		}
	}
	if bucket(-5) != 0 || bucket(1<<62) != len(Histogram{}.counts)-1 {
		t.Error("values out of range have no bucket")
	}
}

// TestHistogramQuantiles compares with the sorted list of values.
func TestHistogramQuantiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Int64Range(0, 1<<36), 1, 300).Draw(t, "values")
		var whole, part Histogram
		for i, v := range values {
			if i%2 == 0 {
				whole.Record(v)
			} else {
				part.Record(v)
			}
		}
		whole.Merge(&part)
		slices.Sort(values)
		for _, q := range []float64{0, 0.5, 0.99, 0.999, 1} {
			at := min(int(q*float64(len(values))), len(values)-1)
			want, got := values[at], whole.Quantile(q)
			if got < want || float64(got) > float64(want)*1.04+1 {
				t.Fatalf("quantile %v is %d, want %d", q, got, want)
			}
		}
		if whole.Count() != uint64(len(values)) {
			t.Fatalf("count %d, want %d", whole.Count(), len(values))
		}
	})
}
