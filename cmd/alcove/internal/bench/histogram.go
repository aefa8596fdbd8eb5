package bench

import "math/bits"

// Buckets of the histogram: 32 linear steps for each power of two, so that a value is
// known to 3 %. The last power covers more than an hour in nanoseconds.
const (
	stepBits = 5
	steps    = 1 << stepBits
	powers   = 42 - stepBits
)

// Histogram counts durations in nanoseconds. The zero value is empty. It is not safe
// for concurrent use.
type Histogram struct {
	counts [steps * (powers + 1)]uint64
	total  uint64
	max    int64
}

// bucket returns the index for v: the values below 32 have one each.
func bucket(v int64) int {
	if v < steps {
		return int(max(v, 0))
	}
	power := bits.Len64(uint64(v)) - 1 - stepBits
	if power >= powers {
		return steps*(powers+1) - 1
	}
	return power*steps + int(v>>power)
}

// upper returns the highest value of a bucket.
func upper(i int) int64 {
	if i < steps {
		return int64(i)
	}
	power := i/steps - 1
	return int64(i-power*steps+1)<<power - 1
}

// Record counts one duration of v nanoseconds; a negative one counts as 0.
func (h *Histogram) Record(v int64) {
	h.counts[bucket(v)]++
	h.total++
	h.max = max(h.max, v)
}

// Merge adds the counts of other.
func (h *Histogram) Merge(other *Histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
	h.max = max(h.max, other.max)
}

// Count returns the number of durations recorded.
func (h *Histogram) Count() uint64 { return h.total }

// Quantile returns the duration in nanoseconds which the share q (0 to 1) of the
// recorded ones does not exceed, to within 3 %; 0 when nothing was recorded.
func (h *Histogram) Quantile(q float64) int64 {
	if h.total == 0 {
		return 0
	}
	want := uint64(q * float64(h.total))
	if want >= h.total {
		return h.max
	}
	var seen uint64
	for i, n := range h.counts {
		if seen += n; seen > want {
			return min(upper(i), h.max)
		}
	}
	return h.max
}

// quantiles returns the median, the 99th percentile and the 99.9th, in microseconds.
func (h *Histogram) quantiles() (p50, p99, p999 float64) {
	return float64(h.Quantile(0.50)) / 1e3, float64(h.Quantile(0.99)) / 1e3, float64(h.Quantile(0.999)) / 1e3
}
