package main

import (
	"cmp"
	"math"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// report is what the document and the charts are made of: the medians of a run.
type report struct {
	origins   []origin // the first is that of most; the others are of rows measured again
	brokers   []string // in the order of the columns, Alcove first
	scenarios []string // in the order of the rows
	results   table    // one sample in each series, or an error
}

// own is the name of the broker that all others are compared with.
const own = "alcove"

// peers are the other brokers.
func (r *report) peers() []string {
	return slices.DeleteFunc(slices.Clone(r.brokers), func(name string) bool { return name == own })
}

// origin says how and where samples were taken. It holds nothing that names the machine.
type origin struct {
	Date     string            `json:"date"`
	Command  string            `json:"command"`
	Rounds   int               `json:"rounds"`
	Duration string            `json:"duration"`
	Pinned   bool              `json:"pinned"`
	Cores    int               `json:"cores"`
	Go       string            `json:"go"`
	Kernel   string            `json:"kernel"`
	Versions map[string]string `json:"versions"` // of the brokers
}

// version is what a broker was when it was measured last.
func (r *report) version(broker string) string {
	for _, about := range slices.Backward(r.origins) {
		if v, ok := about.Versions[broker]; ok {
			return v
		}
	}
	return "unknown"
}

// newReport sums up a run that took place on that day.
func newReport(o options, makers []*maker, results table, day time.Time) *report {
	about := origin{
		Date: day.UTC().Format(time.DateOnly), Command: command(o), Rounds: o.rounds, Duration: o.duration.String(),
		Pinned: o.pin, Cores: runtime.NumCPU(), Go: runtime.Version(), Kernel: kernel(), Versions: map[string]string{},
	}
	r := &report{origins: []origin{about}, scenarios: slices.Clone(o.scenarios), results: results.summary()}
	for _, m := range makers {
		r.brokers = append(r.brokers, m.name)
		about.Versions[m.name] = m.version
	}
	r.sort()
	return r
}

var release = regexp.MustCompile(`^[0-9]+(\.[0-9]+)*`)

// kernel is the number of the running kernel's release, without what its builder adds.
func kernel() string {
	var u syscall.Utsname
	if syscall.Uname(&u) != nil {
		return "unknown"
	}
	var text []byte
	for _, c := range u.Release {
		if c == 0 {
			break
		}
		text = append(text, byte(c))
	}
	return cmp.Or(string(release.Find(text)), "unknown")
}

// summary has one sample for each series: the medians of its figures and the sums of
// its faults.
func (t table) summary() table {
	out := table{}
	for scenario, row := range t {
		for broker, s := range row {
			one := out.series(scenario, broker)
			one.err = s.err
			if len(s.samples) > 0 {
				one.samples = []*sample{s.summary()}
			}
		}
	}
	return out
}

func (s *series) summary() *sample {
	var out sample
	summarize(reflect.ValueOf(&out).Elem(), func(index []int) []reflect.Value {
		all := make([]reflect.Value, len(s.samples))
		for i, one := range s.samples {
			all[i] = reflect.ValueOf(one).Elem().FieldByIndex(index)
		}
		return all
	}, nil)
	out.Series = slices.Clone(out.Series) // it is the first sample's
	for i := range out.Series {
		out.Series[i].CPUPerMsg = rounded(s.median(func(one *sample) float64 {
			if i < len(one.Series) {
				return one.Series[i].CPUPerMsg
			}
			return 0
		}))
	}
	return &out
}

// summarize fills the fields of out from the fields at the same place of all samples.
// A figure that is added to a sample needs no word here.
func summarize(out reflect.Value, all func(index []int) []reflect.Value, at []int) {
	for i := range out.NumField() {
		index := append(slices.Clone(at), i)
		field, values := out.Field(i), all(index)
		switch field.Kind() {
		case reflect.Struct:
			summarize(field, all, index)
		case reflect.Float64:
			field.SetFloat(middle(values))
		case reflect.Uint64: // a count of messages or of faults
			for _, v := range values {
				field.SetUint(field.Uint() + v.Uint())
			}
		default: // a size, a name, a first error: of the first sample that has it
			for _, v := range values {
				if !v.IsZero() {
					field.Set(v)
					break
				}
			}
		}
	}
}

// middle is the median of the figures that were measured, or 0.
func middle(values []reflect.Value) float64 {
	var s series
	for _, v := range values {
		s.samples = append(s.samples, &sample{P50: v.Float()})
	}
	return rounded(s.median(func(one *sample) float64 { return one.P50 }))
}

// rounded gives six digits, or 0 for what was not measured: no more are true, and the
// kept results are shorter.
func rounded(v float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	short, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 6, 64), 64)
	if err != nil { // beyond the largest number there is
		return v
	}
	return short
}
