package lint

import (
	"go/ast"
	"slices"
	"strings"
	"testing"
)

const (
	askLines      = 400
	mostLines     = 800
	mostTestLines = 1200
	askFunction   = 70
	mostFunction  = 120
	mostFields    = 20
	mostParams    = 5
)

func TestFileSizes(t *testing.T) {
	var ask []string
	for _, f := range load(t).Files {
		most := mostLines
		if f.Test {
			most = mostTestLines
		}
		switch {
		case f.Lines > most:
			t.Errorf("%s has %d lines, at most %d", f.Path, f.Lines, most)
		case f.Lines > askLines && !f.Test:
			ask = append(ask, f.Path)
		}
	}
	if len(ask) > 0 {
		t.Logf("over %d lines, worth a question: %s", askLines, strings.Join(ask, " "))
	}
}

func TestFunctionLengths(t *testing.T) {
	tr := load(t)
	asked := 0
	for _, f := range tr.Files {
		for _, d := range f.AST.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			switch n := tr.Span(fn); {
			case n > mostFunction:
				t.Errorf("%s: %s has %d lines, at most %d", f.Path, fn.Name.Name, n, mostFunction)
			case n > askFunction:
				asked++
				t.Logf("%s: %s has %d lines, worth a question", f.Path, fn.Name.Name, n)
			}
			if n := fn.Type.Params.NumFields(); n > mostParams && !f.Test {
				t.Logf("%s: %s has %d parameters, worth a question", f.Path, fn.Name.Name, n)
			}
		}
	}
	t.Logf("%d functions over %d lines", asked, askFunction)
}

func TestStructSizes(t *testing.T) {
	for _, f := range load(t).Files {
		ast.Inspect(f.AST, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if s, ok := spec.Type.(*ast.StructType); ok && s.Fields.NumFields() > mostFields && !f.Test {
				t.Logf("%s: %s has %d fields, worth a question", f.Path, spec.Name.Name, s.Fields.NumFields())
			}
			return true
		})
	}
}

// TestPackagesExplainThemselves: each package has a package doc of some length
// and a name that says what it is about.
func TestPackagesExplainThemselves(t *testing.T) {
	docs := map[string]string{}
	for _, f := range load(t).Files {
		if f.Test {
			continue
		}
		docs[f.Package()] += "" // a package without any doc is listed too
		if f.AST.Doc != nil {
			docs[f.Package()] += f.AST.Doc.Text()
		}
		if slices.Contains([]string{"util", "utils", "common", "types", "models", "manager", "config", "helpers", "misc"}, f.AST.Name.Name) {
			t.Errorf("%s: package %s says nothing by its name", f.Path, f.AST.Name.Name)
		}
	}
	for pkg, doc := range docs {
		if len(doc) < 120 {
			t.Errorf("package %s: its doc has %d characters; say what it hides, its nouns, its invariants", pkg, len(doc))
		}
	}
}

// TestUnitTestsDoNotSleep: time in unit tests is testing/synctest's.
func TestUnitTestsDoNotSleep(t *testing.T) {
	files := load(t).Files
	bubbles := map[string]bool{} // packages whose harness runs in a bubble
	for _, f := range files {
		if f.Test && slices.Contains(f.Imports(), "testing/synctest") {
			bubbles[f.Package()] = true
		}
	}
	for _, f := range files {
		if !f.Test || !strings.HasPrefix(f.Path, "internal/") || f.Package() == "internal/lint" {
			continue
		}
		bubbled := bubbles[f.Package()]
		ast.Inspect(f.AST, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if ok && sel.Sel.Name == "Sleep" && !bubbled {
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" {
					t.Errorf("%s: time.Sleep outside of testing/synctest", f.Path)
				}
			}
			return true
		})
	}
}

// TestExportedAreDocumented: what is public says what it promises.
func TestExportedAreDocumented(t *testing.T) {
	for _, f := range load(t).Files {
		if f.Test || !strings.HasPrefix(f.Path, "internal/") {
			continue
		}
		for _, d := range f.AST.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && d.Doc == nil && (d.Recv == nil || exportedReceiver(d)) && !wellKnown(d.Name.Name) {
					t.Errorf("%s: %s has no docstring", f.Path, d.Name.Name)
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					if spec, ok := s.(*ast.TypeSpec); ok && spec.Name.IsExported() && d.Doc == nil && spec.Doc == nil && spec.Comment == nil {
						t.Errorf("%s: type %s has no docstring", f.Path, spec.Name.Name)
					}
				}
			}
		}
	}
}

// wellKnown methods are promised by the interface which they fulfil.
func wellKnown(name string) bool {
	return slices.Contains([]string{"Error", "Unwrap", "String", "Read", "Write", "Close", "Len", "Less", "Swap", "Push", "Pop", "ServeHTTP",
		"MarshalJSON", "UnmarshalJSON", "MarshalText", "UnmarshalText", "LocalAddr", "RemoteAddr", "SetDeadline", "SetReadDeadline",
		"SetWriteDeadline", "Fatalf", "Infof", "Errorf", "Schema", "Is", "As"}, name)
}

func exportedReceiver(d *ast.FuncDecl) bool {
	typ := d.Recv.List[0].Type
	for {
		switch x := typ.(type) {
		case *ast.StarExpr:
			typ = x.X
		case *ast.IndexExpr:
			typ = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return false
		}
	}
}
