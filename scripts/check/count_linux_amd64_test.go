package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// sink keeps BenchmarkSample's work.
var sink uint64

// BenchmarkSample is counted by TestCount.
func BenchmarkSample(b *testing.B) {
	for _, n := range []int{10, 110} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				for i := range n {
					sink += uint64(i)
				}
			}
		})
	}
}

// buildSelf builds these tests with the symbols that a test's own binary lacks.
func buildSelf(t *testing.T) string {
	t.Helper()
	self := filepath.Join(t.TempDir(), "self.test")
	if out, err := exec.Command("go", "test", "-c", "-o", self, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return self
}

// TestCount: operations of which one does a hundred rounds more of a loop differ by the
// instructions of these rounds, and counting twice gives the same.
func TestCount(t *testing.T) {
	var before []int64
	self := buildSelf(t)
	for range 2 {
		out, err := os.Create(filepath.Join(t.TempDir(), "out"))
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		got, err := count(context.Background(), process{
			args: []string{self, "-test.run=^$", "-test.bench=^BenchmarkSample$", fmt.Sprintf("-test.benchtime=%dx", warmUp+counted)},
			env:  append(os.Environ(), environment...), out: out,
		})
		if errors.Is(err, errNotCounted) {
			t.Skip("skipped:", err)
		}
		if err != nil || len(got) != 2 {
			text, _ := os.ReadFile(out.Name())
			t.Fatalf("counted %v, %v\n%s", got, err, text)
		}
		rounds := (got[1] - got[0]) / (100 * counted)
		if got[0] < 10*counted || rounds < 2 || rounds > 100 {
			t.Errorf("%v instructions, %d for each round of the loop", got, rounds)
		}
		if before != nil && (got[0] != before[0] || got[1] != before[1]) {
			t.Errorf("%v instructions, %v before", got, before)
		}
		before = got
	}
}

// TestCountEndsWithItsProcess: a process that fails, or is not to go on, is an error.
func TestCountEndsWithItsProcess(t *testing.T) {
	self := buildSelf(t)
	p := process{args: []string{self, "-test.nonsense"}, env: os.Environ()}
	if _, err := count(context.Background(), p); errors.Is(err, errNotCounted) {
		t.Skip("skipped:", err)
	} else if err == nil {
		t.Error("a process that fails is a success")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	p.args = []string{self, "-test.run=^$"}
	if _, err := count(ctx, p); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled count gives %v", err)
	}
}
