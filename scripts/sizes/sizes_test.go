package main

import (
	"go/types"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"alcove/internal/auth"
	"alcove/internal/broker"
	"alcove/internal/server"
)

const root = "../.."

// TestDocument: docs/sizes.md is what the code says.
func TestDocument(t *testing.T) {
	want, err := report(root)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(root, document))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) == string(want) {
		return
	}
	was, is := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(was), len(is)) {
		if was[i] != is[i] {
			t.Fatalf("%s line %d is %q, by the code %q: `make sizes`", document, i+1, was[i], is[i])
		}
	}
	t.Fatalf("%s has %d lines, by the code %d: `make sizes`", document, len(was), len(is))
}

// TestLayoutIsTheCompilers compares the layout with that of the running program.
func TestLayoutIsTheCompilers(t *testing.T) {
	if runtime.GOARCH != targetArch {
		t.Skipf("skipped: the layout is that of %s", targetArch)
	}
	h, err := open(root, module+"internal/server")
	if err != nil {
		t.Fatal(err)
	}
	for _, real := range []reflect.Type{
		reflect.TypeFor[server.Conn](), reflect.TypeFor[broker.Session](), reflect.TypeFor[broker.Subscription](),
		reflect.TypeFor[broker.Message](), reflect.TypeFor[broker.Namespace](), reflect.TypeFor[auth.Grant](),
	} {
		n, err := h.lookup(filepath.Base(real.PkgPath()), real.Name())
		if err != nil {
			t.Fatal(err)
		}
		if got := h.sizes.Sizeof(n); got != int64(real.Size()) {
			t.Errorf("%v has %d bytes, not %d", real, real.Size(), got)
		}
		rows := slices.DeleteFunc(h.layout(n), func(r row) bool { return r.field == "" })
		if want := fields(real, "", 0); !slices.EqualFunc(rows, want, func(a, b row) bool {
			return a.field == b.field && a.offset == b.offset && a.size == b.size
		}) {
			t.Errorf("%v is laid out as %v, not %v", real, want, rows)
		}
	}
}

// fields gives the fields of a structure as the program has them.
func fields(s reflect.Type, path string, base int64) (rows []row) {
	for i := range s.NumField() {
		f := s.Field(i)
		at := base + int64(f.Offset)
		if inside := f.Type.PkgPath(); f.Type.Kind() == reflect.Struct && (inside == "" || strings.HasPrefix(inside, module)) {
			rows = append(rows, fields(f.Type, path+f.Name+".", at)...)
			continue
		}
		rows = append(rows, row{offset: at, size: int64(f.Type.Size()), field: path + f.Name})
	}
	return rows
}

// TestLayout has every kind of gap.
func TestLayout(t *testing.T) {
	h := &house{sizes: types.SizesFor("gc", targetArch)}
	pkg := types.NewPackage(module+"x", "x")
	field := func(name string, kind types.Type) *types.Var { return types.NewField(0, pkg, name, kind, false) }
	named := func(name string, fs ...*types.Var) *types.Named {
		return types.NewNamed(types.NewTypeName(0, pkg, name, nil), types.NewStruct(fs, nil), nil)
	}
	inner := named("inner", field("c", types.Typ[types.Int64]), field("d", types.Typ[types.Bool]))
	outer := named("outer", field("a", types.Typ[types.Bool]), field("b", types.Typ[types.Uint16]),
		field("in", inner), field("p", types.NewPointer(inner)), field("e", types.Typ[types.Uint32]))
	rows := h.layout(outer)
	if want := []row{
		{0, 1, "a", "bool"}, {1, 1, "", ""}, {2, 2, "b", "uint16"}, {4, 4, "", ""}, {8, 8, "in.c", "int64"}, {16, 1, "in.d", "bool"},
		{17, 7, "", ""}, {24, 8, "p", "*inner"}, {32, 4, "e", "uint32"}, {36, 4, "", ""},
	}; !slices.Equal(rows, want) {
		t.Errorf("%v, want %v", rows, want)
	}
	if n := padding(rows); n != 16 {
		t.Errorf("%d bytes of padding, want 16", n)
	}
}

// TestClass: what is rounded up is what the allocator rounds up.
func TestClass(t *testing.T) {
	for size, want := range map[int64]int64{1: 8, 48: 48, 49: 64, 112: 112, 113: 128, 248: 256, 512: 512, 513: 576} {
		if got := class(size); got != want {
			t.Errorf("%d bytes take %d, want %d", size, got, want)
		}
	}
}
