package main

import (
	"os"
	"strings"
	"testing"

	"alcove/internal/expr"
)

// TestDialectExpressions evaluates every row of the table of expressions in the
// reference of the dialect [EXT-EXP-1], and looks for every function in it.
func TestDialectExpressions(t *testing.T) {
	raw, err := os.ReadFile("../../docs/dialect.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	_, table, ok := strings.Cut(text, "\n| expression | payload | value |\n|---|---|---|\n")
	table, _, ended := strings.Cut(table, "\n\n")
	if !ok || !ended {
		t.Fatal("the reference has no table of expressions")
	}
	for row := range strings.Lines(table) {
		cells := strings.Split(strings.ReplaceAll(strings.TrimSpace(row), `\|`, "\x00"), "|")
		if len(cells) != 5 {
			t.Fatalf("%s: %d cells", row, len(cells))
		}
		for i, c := range cells {
			cells[i] = strings.Trim(strings.ReplaceAll(strings.TrimSpace(c), "\x00", "|"), "`")
		}
		source, payload, want := cells[1], cells[2], cells[3]
		program, err := expr.Compile(source)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		var in expr.Input
		if !in.SetJSON([]byte(payload), 0) {
			t.Errorf("%s: %s is not JSON", source, payload)
			continue
		}
		got := "undefined"
		if value, defined := program.Eval(&in); defined {
			got = string(value.JSON())
		}
		if got != want {
			t.Errorf("%s over %s is %s, the reference says %s", source, payload, got, want)
		}
	}
	for _, f := range expr.Functions() {
		if !strings.Contains(text, "`"+f.Name+"(") {
			t.Errorf("the reference does not have the function %s", f.Name)
		}
	}
}
