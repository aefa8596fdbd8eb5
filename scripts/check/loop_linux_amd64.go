package main

import (
	"debug/dwarf"
	"debug/elf"
	"fmt"
)

// loopMark is a function that testing's b.Loop calls before the first operation and
// after the last one, and never in between: what runs in between is what a benchmark
// measures.
const loopMark = "testing.(*B).loopSlowPath"

// loop tells where a test binary keeps the state of b.Loop.
type loop struct {
	mark uintptr // of loopMark
	n, i uintptr // offsets in testing.B: operations to do, operations begun
}

// findLoop reads it from the symbols and the debug information of a binary. Whatever is
// missing there is errNotCounted: another Go may have another b.Loop.
func findLoop(binary string) (l loop, err error) {
	f, err := elf.Open(binary)
	if err != nil {
		return l, err
	}
	defer f.Close()
	if f.Type != elf.ET_EXEC {
		return l, fmt.Errorf("%w: addresses in the test binary are not fixed", errNotCounted)
	}
	symbols, err := f.Symbols()
	if err != nil { // `go test` without -c builds without
		return l, fmt.Errorf("%w: %w", errNotCounted, err)
	}
	for _, s := range symbols {
		if s.Name == loopMark {
			l.mark = uintptr(s.Value)
		}
	}
	info, err := f.DWARF()
	if err != nil {
		return l, err
	}
	b, err := structure(info, "testing.B")
	if err != nil {
		return l, err
	}
	at, inner := member(b, "loop")
	state, _ := inner.(*dwarf.StructType)
	n, _ := member(state, "n")
	i, _ := member(state, "i")
	if l.mark == 0 || at < 0 || n < 0 || i < 0 {
		return l, fmt.Errorf("%w: this Go has another b.Loop", errNotCounted)
	}
	l.n, l.i = uintptr(at+n), uintptr(at+i)
	return l, nil
}

// structure finds a type by its name; nil without an error where there is none.
func structure(info *dwarf.Data, name string) (*dwarf.StructType, error) {
	for r := info.Reader(); ; {
		e, err := r.Next()
		if err != nil || e == nil {
			return nil, err
		}
		if e.Tag == dwarf.TagSubprogram {
			r.SkipChildren()
		}
		if e.Tag == dwarf.TagStructType && e.Val(dwarf.AttrName) == name {
			t, err := info.Type(e.Offset)
			s, _ := t.(*dwarf.StructType)
			return s, err
		}
	}
}

// member finds a field of a structure; its offset is -1 where there is none.
func member(s *dwarf.StructType, name string) (offset int64, t dwarf.Type) {
	if s != nil {
		for _, f := range s.Field {
			if f.Name == name {
				return f.ByteOffset, f.Type
			}
		}
	}
	return -1, nil
}
