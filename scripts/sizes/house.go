package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// module begins the import paths of the project's packages.
const module = "alcove/"

// The layout is that of the machines which the broker is made for.
const (
	targetOS   = "linux"
	targetArch = "amd64"
)

// house is the project's packages.
type house struct {
	root    string
	fset    *token.FileSet
	sources map[string]*build.Package // by import path
	checked map[string]*types.Package
	outside types.Importer // for what is not the project's
	sizes   types.Sizes
}

// open finds the packages that pkgs, import paths, need, pkgs included. Nothing is
// checked before it is asked for.
func open(root string, pkgs ...string) (*house, error) {
	h := &house{
		root: root, fset: token.NewFileSet(), sources: map[string]*build.Package{}, checked: map[string]*types.Package{},
		sizes: types.SizesFor("gc", targetArch),
	}
	foreign := map[string]bool{}
	for _, p := range pkgs {
		if err := h.find(p, foreign); err != nil {
			return nil, err
		}
	}
	exports, err := exported(root, slices.Sorted(maps.Keys(foreign)))
	if err != nil {
		return nil, err
	}
	h.outside = importer.ForCompiler(h.fset, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})
	return h, nil
}

// find looks for a package of the project and for those which it imports; the others
// are put into foreign.
func (h *house) find(path string, foreign map[string]bool) error {
	if h.sources[path] != nil {
		return nil
	}
	ctx := build.Default
	ctx.GOOS, ctx.GOARCH = targetOS, targetArch
	p, err := ctx.ImportDir(filepath.Join(h.root, strings.TrimPrefix(path, module)), 0)
	if err != nil {
		return err
	}
	h.sources[path] = p
	for _, imported := range p.Imports {
		if !strings.HasPrefix(imported, module) {
			foreign[imported] = imported != "unsafe"
		} else if err := h.find(imported, foreign); err != nil {
			return err
		}
	}
	return nil
}

// exported returns the files with the export data of packages and of all they need.
func exported(root string, pkgs []string) (map[string]string, error) {
	args := []string{"list", "-export", "-deps", "-f", "{{if .Export}}{{.ImportPath}}\t{{.Export}}{{end}}", "--"}
	cmd := exec.Command("go", append(args, slices.DeleteFunc(pkgs, func(p string) bool { return p == "unsafe" })...)...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS="+targetOS, "GOARCH="+targetArch)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, errs.Bytes())
	}
	files := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if path, file, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
			files[path] = file
		}
	}
	return files, nil
}

// Import implements types.Importer.
func (h *house) Import(path string) (*types.Package, error) {
	switch {
	case path == "unsafe":
		return types.Unsafe, nil
	case !strings.HasPrefix(path, module):
		return h.outside.Import(path)
	case h.checked[path] != nil:
		return h.checked[path], nil
	}
	source := h.sources[path]
	if source == nil {
		return nil, fmt.Errorf("nobody asked for %s", path)
	}
	var files []*ast.File
	for _, name := range source.GoFiles {
		f, err := parser.ParseFile(h.fset, filepath.Join(source.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	cfg := types.Config{Importer: h, Sizes: h.sizes, IgnoreFuncBodies: true, FakeImportC: true}
	p, err := cfg.Check(path, h.fset, files, nil)
	h.checked[path] = p
	return p, err
}

// lookup finds a type by the name of its package below internal and its own.
func (h *house) lookup(pkg, name string) (*types.Named, error) {
	p, err := h.Import(module + "internal/" + pkg)
	if err != nil {
		return nil, err
	}
	if o, ok := p.Scope().Lookup(name).(*types.TypeName); ok {
		if n, ok := o.Type().(*types.Named); ok {
			return n, nil
		}
	}
	return nil, fmt.Errorf("package %s has no type %s", pkg, name)
}
