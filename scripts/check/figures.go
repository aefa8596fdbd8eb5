package main

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// notCounted stands for instructions where they could not be counted.
const notCounted = -1

// figure is what one operation of a benchmark takes.
type figure struct {
	name          string // package and benchmark
	allocs, bytes int64
	instructions  int64 // or notCounted
	spread        int64 // of instructions, between the repeats that the figure was made of
}

// together makes one figure of each benchmark out of repeats of all: the most memory, the
// mean of the instructions.
func together(repeats [][]figure) []figure {
	all := slices.Clone(repeats[0])
	for i := range all {
		f := &all[i]
		least, most, sum := f.instructions, f.instructions, int64(0)
		for _, r := range repeats {
			f.allocs, f.bytes = max(f.allocs, r[i].allocs), max(f.bytes, r[i].bytes)
			least, most, sum = min(least, r[i].instructions), max(most, r[i].instructions), sum+r[i].instructions
		}
		f.instructions, f.spread = sum/int64(len(repeats)), most-least
	}
	return all
}

// table is the figures that the project stands by.
type table struct {
	made    string // the Go and the architecture that instructions were counted with
	figures []figure
}

const (
	madeBy = "# What one operation of the hot path takes. `make bench-check UPDATE=1` writes this.\n# Instructions are those of "
	heads  = "benchmark\tallocations\tbytes\tinstructions\tspread\n"
)

// encode writes a table as text, sorted by name.
func (t table) encode() []byte {
	var b bytes.Buffer
	b.WriteString(madeBy + t.made + ".\n" + heads)
	slices.SortFunc(t.figures, func(a, b figure) int { return cmp.Compare(a.name, b.name) })
	for _, f := range t.figures {
		fmt.Fprintf(&b, "%s\t%d\t%d\t%d\t%d\n", f.name, f.allocs, f.bytes, f.instructions, f.spread)
	}
	return b.Bytes()
}

// decode reads what encode wrote.
func decode(text []byte) (t table, err error) {
	rest, ok := strings.CutPrefix(string(text), madeBy)
	made, body, found := strings.Cut(rest, ".\n"+heads)
	if !ok || !found {
		return t, fmt.Errorf("the table of figures has another head")
	}
	t.made = made
	for line := range strings.Lines(body) {
		cells := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(cells) != 5 {
			return t, fmt.Errorf("the table of figures has a line of another form: %q", line)
		}
		f := figure{name: cells[0]}
		for i, at := range []*int64{&f.allocs, &f.bytes, &f.instructions, &f.spread} {
			if *at, err = strconv.ParseInt(cells[i+1], 10, 64); err != nil {
				return t, fmt.Errorf("the table of figures, at %s: %w", f.name, err)
			}
		}
		t.figures = append(t.figures, f)
	}
	return t, nil
}

// verdict is what a comparison finds.
type verdict struct {
	faults  []string // why the check fails
	lowered []string // figures that are better than the table says
}

// compare holds what was measured against the table. One more allocation is a fault. So
// are 32 bytes and 5 % more of them; a benchmark that has gone, or is not in the table;
// and, where they were counted with the same Go, 5 % more instructions, or three times
// what lies between two repeats if that is more.
func compare(was, is table) (v verdict) {
	known := make(map[string]figure)
	for _, f := range was.figures {
		known[f.name] = f
	}
	for _, now := range is.figures {
		before, ok := known[now.name]
		if !ok {
			v.faults = append(v.faults, now.name+" is not in the table of figures")
			continue
		}
		delete(known, now.name)
		v.figure(before, now, was.made == is.made && before.instructions != notCounted && now.instructions != notCounted)
	}
	for _, f := range was.figures {
		if _, ok := known[f.name]; ok {
			v.faults = append(v.faults, f.name+" is in the table of figures, but was not measured")
		}
	}
	return v
}

// figure compares one benchmark with its figure.
func (v *verdict) figure(was, is figure, counted bool) {
	v.unit(is.name, "allocations", [2]int64{was.allocs, is.allocs}, 0)
	v.unit(is.name, "bytes", [2]int64{was.bytes, is.bytes}, was.bytes/20+32)
	if counted {
		// Why 4: the shortest operations take 50 instructions.
		v.unit(is.name, "instructions", [2]int64{was.instructions, is.instructions}, max(was.instructions/20, 3*was.spread, 4))
	}
}

// unit compares one figure of a benchmark, before and now; spare is what may be between.
func (v *verdict) unit(name, unit string, n [2]int64, spare int64) {
	line := fmt.Sprintf("%s: %d %s, was %d", name, n[1], unit, n[0])
	switch {
	case n[1] > n[0]+spare:
		v.faults = append(v.faults, line)
	case n[1] < n[0]-spare:
		v.lowered = append(v.lowered, line)
	}
}
