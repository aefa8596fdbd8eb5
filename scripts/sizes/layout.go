package main

import (
	"go/types"
	"strings"
)

// row is a field of a structure, or the room before the next one.
type row struct {
	offset, size int64
	field        string // by its path; "" for room that nothing uses
	kind         string // its type
}

// layout gives the rows of a structure in the order of their offsets. A field that is
// itself a structure of the project is given by its fields.
func (h *house) layout(t *types.Named) []row {
	l := layouter{sizes: h.sizes, home: t.Obj().Pkg()}
	l.fields("", t.Underlying().(*types.Struct), 0, h.sizes.Sizeof(t))
	return l.rows
}

// layouter collects rows.
type layouter struct {
	sizes types.Sizes
	home  *types.Package
	rows  []row
}

// fields adds the fields of s, which lies at base and takes size bytes.
func (l *layouter) fields(path string, s *types.Struct, base, size int64) {
	var vars []*types.Var
	for f := range s.Fields() {
		vars = append(vars, f)
	}
	end := base
	for i, offset := range l.sizes.Offsetsof(vars) {
		f := vars[i]
		at, n := base+offset, l.sizes.Sizeof(f.Type())
		l.gap(end, at)
		if inner, ok := f.Type().Underlying().(*types.Struct); ok && ours(f.Type()) {
			l.fields(path+f.Name()+".", inner, at, n)
		} else {
			l.rows = append(l.rows, row{at, n, path + f.Name(), types.TypeString(f.Type(), l.qualify)})
		}
		end = at + n
	}
	l.gap(end, base+size)
}

// gap adds the room between two offsets, if there is any.
func (l *layouter) gap(from, to int64) {
	if to > from {
		l.rows = append(l.rows, row{offset: from, size: to - from})
	}
}

// qualify names packages in types as the code of the structure's package does.
func (l *layouter) qualify(p *types.Package) string {
	if p == l.home {
		return ""
	}
	return p.Name()
}

// ours tells whether a type is declared in the project, or has no name.
func ours(t types.Type) bool {
	n, ok := types.Unalias(t).(*types.Named)
	return !ok || n.Obj().Pkg() != nil && strings.HasPrefix(n.Obj().Pkg().Path(), module)
}

// padding adds up the room that nothing uses.
func padding(rows []row) (n int64) {
	for _, r := range rows {
		if r.field == "" {
			n += r.size
		}
	}
	return n
}
