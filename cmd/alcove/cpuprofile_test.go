package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestProfiled(t *testing.T) {
	broken := errors.New("broken")
	file := filepath.Join(t.TempDir(), "cpu.pprof")
	if err := profiled(file, func() error { return broken }); !errors.Is(err, broken) {
		t.Errorf("the command's error is lost: %v", err)
	}
	text, err := os.ReadFile(file)
	if err != nil || !bytes.HasPrefix(text, []byte{0x1f, 0x8b}) { // pprof's format is gzipped
		t.Errorf("no profile: %d bytes, %v", len(text), err)
	}
	ran := false
	if err := profiled("", func() error { ran = true; return nil }); err != nil || !ran {
		t.Errorf("without a name: ran %t, %v", ran, err)
	}
	err = profiled(filepath.Join(file, "below"), func() error { t.Error("it ran without its profile"); return nil })
	if err == nil {
		t.Error("a profile below a file")
	}
	if f := newServe().Flags().Lookup("cpuprofile"); f == nil || !f.Hidden {
		t.Error("serve has no hidden flag")
	}
}
