// Package lint holds the rules of the house as tests: which package may import
// which, how large files and functions grow, that packages explain themselves,
// that unit tests do not sleep, and that every statement of the standards which
// binds a server is cited in code and in a test.
//
// It hides how the tree is read. Load parses every Go file of the module once;
// the tests ask the result. Nothing here is part of the program.
package lint

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// File is one Go file of the module.
type File struct {
	Path  string // slash-separated, from the module's root
	Test  bool   // a _test.go file
	Lines int
	Text  string
	AST   *ast.File
}

// Package is the package's directory, from the module's root.
func (f *File) Package() string { return path.Dir(f.Path) }

// Tree is the module as parsed by Load.
type Tree struct {
	Root  string
	Fset  *token.FileSet
	Files []*File
}

// Load parses every Go file below root, except in modules of their own, in
// testdata and in what other tools bring along.
func Load(root string) (*Tree, error) {
	t := &Tree{Root: root, Fset: token.NewFileSet()}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return t.enter(name, d)
		case !strings.HasSuffix(name, ".go"):
			return nil
		}
		return t.add(name)
	})
	return t, err
}

// enter says whether a directory is walked.
func (t *Tree) enter(name string, d fs.DirEntry) error {
	base := d.Name()
	if name == t.Root {
		return nil
	}
	if base == "testdata" || base == "node_modules" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return filepath.SkipDir
	}
	if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil {
		return filepath.SkipDir
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (t *Tree) add(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	rel, err := filepath.Rel(t.Root, name)
	if err != nil {
		return err
	}
	parsed, err := parser.ParseFile(t.Fset, name, text, parser.ParseComments)
	if err != nil {
		return fmt.Errorf("%s: %w", rel, err)
	}
	t.Files = append(t.Files, &File{Path: filepath.ToSlash(rel), Test: strings.HasSuffix(name, "_test.go"),
		Lines: strings.Count(string(text), "\n"), Text: string(text), AST: parsed})
	return nil
}

// Imports are the import paths of a file.
func (f *File) Imports() []string {
	var out []string
	for _, spec := range f.AST.Imports {
		out = append(out, strings.Trim(spec.Path.Value, `"`))
	}
	return out
}

// Span is how many lines a node takes.
func (t *Tree) Span(n ast.Node) int {
	return t.Fset.Position(n.End()).Line - t.Fset.Position(n.Pos()).Line + 1
}
