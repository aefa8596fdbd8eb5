package main

import (
	"cmp"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// spot is a function and the instructions that one operation takes in it.
type spot struct {
	name         string
	instructions float64
}

// where tells in which functions one operation of a benchmark spends its instructions, the
// most first. The benchmark is called as in the table, "mqtt AckDecode"; it need not be
// part of the suite.
func (m *measurer) where(ctx context.Context, name string) ([]spot, error) {
	pkg, benchmark, ok := strings.Cut(name, " ")
	if !ok {
		return nil, fmt.Errorf("%q is no package and benchmark", name)
	}
	g := group{pkg: pkg, only: exactly(benchmark)}
	if err := m.build(ctx, []group{g}); err != nil {
		return nil, err
	}
	at := map[uint64]int64{}
	text, counts, err := m.run(ctx, g, at)
	if err == nil && len(counts) != 1 {
		err = fmt.Errorf("%d benchmarks are called that", len(counts))
	}
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, text)
	}
	return spots(filepath.Join(m.dir, pkg+".test"), at)
}

// exactly is the pattern for one benchmark, level by level of its name.
func exactly(benchmark string) string {
	levels := strings.Split("Benchmark"+strings.ReplaceAll(benchmark, " ", "_"), "/")
	for i, l := range levels {
		levels[i] = "^" + regexp.QuoteMeta(l) + "$"
	}
	return strings.Join(levels, "/")
}

// spots adds up instructions by the functions of a binary in which they stand.
func spots(binary string, at map[uint64]int64) ([]spot, error) {
	f, err := elf.Open(binary)
	if err != nil {
		return nil, err
	}
	symbols, err := f.Symbols()
	return sum(symbols, at), errors.Join(err, f.Close())
}

// sum is spots for the symbols of a binary.
func sum(symbols []elf.Symbol, at map[uint64]int64) (all []spot) {
	symbols = slices.DeleteFunc(symbols, func(s elf.Symbol) bool { return elf.ST_TYPE(s.Info) != elf.STT_FUNC })
	slices.SortFunc(symbols, func(a, b elf.Symbol) int { return cmp.Compare(a.Value, b.Value) })
	by := map[string]int64{}
	for pc, n := range at {
		i, found := slices.BinarySearchFunc(symbols, pc, func(s elf.Symbol, pc uint64) int { return cmp.Compare(s.Value, pc) })
		if !found {
			i--
		}
		name := "the system's own" // clocks are read there
		if i >= 0 && pc < symbols[i].Value+symbols[i].Size {
			name = symbols[i].Name
		}
		by[name] += n
	}
	for _, name := range slices.Sorted(maps.Keys(by)) {
		all = append(all, spot{name, float64(by[name]) / counted})
	}
	slices.SortStableFunc(all, func(a, b spot) int { return cmp.Compare(b.instructions, a.instructions) })
	return all
}

// printSpots writes one line for each function.
func printSpots(w io.Writer, all []spot) {
	for _, s := range all {
		fmt.Fprintf(w, "%9.1f  %s\n", s.instructions, s.name)
	}
}
