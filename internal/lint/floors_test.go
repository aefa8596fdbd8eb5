package lint

import (
	"go/ast"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
)

var tree = sync.OnceValues(func() (*Tree, error) { return Load("../..") })

func load(t *testing.T) *Tree {
	t.Helper()
	got, err := tree()
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Files) < 50 {
		t.Fatalf("only %d files found below %s", len(got.Files), got.Root)
	}
	return got
}

const module = "alcove/"

// floors is the plan of the house: a package imports only lower floors.
var floors = map[string]int{
	"internal/mqtt": 1, "internal/topic": 1, "internal/expr": 1, "internal/metrics": 1, "internal/sorted": 1, "internal/event": 1,
	"internal/auth":   2,
	"internal/broker": 3,
	"internal/server": 4, "internal/api": 4, "internal/store": 4, "internal/client": 4, "internal/journal": 4, "internal/cluster": 4,
}

// floor is a package's floor; everything under cmd is the top.
func floor(pkg string) (int, bool) {
	if pkg == "cmd" || strings.HasPrefix(pkg, "cmd/") {
		return 5, true
	}
	for p := pkg; p != "."; p = path.Dir(p) {
		if n, ok := floors[p]; ok {
			return n, true
		}
	}
	return 0, false
}

func TestImportsLookDown(t *testing.T) {
	for _, f := range load(t).Files {
		if f.Test || strings.HasPrefix(f.Path, "test/") || strings.HasPrefix(f.Path, "scripts/") || f.Package() == "internal/lint" {
			continue
		}
		own, ok := floor(f.Package())
		if !ok {
			t.Errorf("%s: package %s has no floor in the plan", f.Path, f.Package())
			continue
		}
		for _, imp := range f.Imports() {
			target, inside := strings.CutPrefix(imp, module)
			switch n, known := floor(target); {
			case !inside:
				if own == 1 && strings.Contains(imp, ".") {
					t.Errorf("%s: floor 1 imports %s, which is not the standard library", f.Path, imp)
				}
			case !known:
				t.Errorf("%s imports %s, which has no floor", f.Path, imp)
			case n > own || n == own && !within(target, f.Package()):
				t.Errorf("%s (floor %d) imports %s (floor %d)", f.Path, own, imp, n)
			}
		}
	}
}

// within tells packages of one family, such as cmd/alcove and its internals.
func within(a, b string) bool {
	first := func(s string) string { return strings.Join(strings.SplitN(s, "/", 3)[:2], "/") }
	return strings.Contains(a, "/") && strings.Contains(b, "/") && first(a) == first(b)
}

// TestFloorOneIsPure: the vocabulary has no goroutine, no clock and no I/O.
func TestFloorOneIsPure(t *testing.T) {
	for _, f := range load(t).Files {
		if n, _ := floor(f.Package()); n != 1 || f.Test {
			continue
		}
		for _, imp := range f.Imports() {
			if slices.Contains([]string{"os", "net", "net/http", "syscall", "log", "log/slog", "bufio", "os/exec"}, imp) {
				t.Errorf("%s imports %s", f.Path, imp)
			}
		}
		ast.Inspect(f.AST, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s: a goroutine", f.Path)
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains([]string{"Now", "Since", "Until", "Sleep", "After", "NewTimer", "Tick"}, n.Sel.Name) {
					t.Errorf("%s: time.%s", f.Path, n.Sel.Name)
				}
			}
			return true
		})
	}
}

// TestConformanceSharesNoCode: the suites see the broker from outside only.
func TestConformanceSharesNoCode(t *testing.T) {
	for _, f := range load(t).Files {
		for _, suite := range []string{"test/conform", "test/attack", "test/alcovetest"} {
			if f.Package() != suite && !strings.HasPrefix(f.Package(), suite+"/") {
				continue
			}
			for _, imp := range f.Imports() {
				if strings.HasPrefix(imp, module+"internal/") {
					t.Errorf("%s imports %s", f.Path, imp)
				}
			}
		}
	}
}
