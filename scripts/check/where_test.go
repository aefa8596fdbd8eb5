package main

import (
	"debug/elf"
	"slices"
	"testing"
)

func TestExactly(t *testing.T) {
	for name, want := range map[string]string{
		"AckDecode":               "^BenchmarkAckDecode$",
		"Next/$alarm == 1":        `^BenchmarkNext$/^\$alarm_==_1$`,
		"Message/3.1.1 QoS 0, x1": `^BenchmarkMessage$/^3\.1\.1_QoS_0,_x1$`,
	} {
		if got := exactly(name); got != want {
			t.Errorf("%s is run as %s, want %s", name, got, want)
		}
	}
}

// TestSum: an instruction belongs to the function whose bytes it is among, if to any.
func TestSum(t *testing.T) {
	function := func(name string, at, size uint64) elf.Symbol {
		return elf.Symbol{Name: name, Info: byte(elf.STT_FUNC), Value: at, Size: size}
	}
	symbols := []elf.Symbol{function("b", 200, 50), {Name: "data", Value: 120, Size: 8}, function("a", 100, 50)}
	got := sum(symbols, map[uint64]int64{100: counted, 149: counted, 150: counted, 249: 8 * counted, 99: counted, 250: counted})
	want := []spot{{"b", 8}, {"the system's own", 3}, {"a", 2}}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
