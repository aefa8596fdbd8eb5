package api

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"alcove/internal/expr"
)

// TestExpressions tries expressions with a token that may nothing else [EXT-REST-6].
func TestExpressions(t *testing.T) {
	b := newBench(t)
	_, key := b.token(b.operator, `{"ttl":60,"access":{"type":2,"acl":[]}}`)
	for _, c := range []struct {
		expression, input string
		want              string
	}{
		{`speed > 80`, `{"speed":81}`, `{"defined":true,"passes":true,"value":true}`},
		{`speed + 1`, `{"speed":81}`, `{"defined":true,"passes":true,"value":82}`},
		{`speed > 80`, `{}`, `{"defined":false,"passes":false,"value":null}`},
		{`1 / 0`, `{}`, `{"defined":false,"passes":false,"value":null}`},
		{`$speed`, `{}`, `{"defined":true,"passes":false,"value":null}`},
		{`a.b`, `{"a":{"b":{"c":[ 1, "<&>" ]}}}`, `{"defined":true,"passes":false,"value":{"c":[1,"<&>"]}}`},
		{`'a' + "\u0041"`, `[]`, `{"defined":true,"passes":true,"value":"aA"}`},
		{`now() > 1700000000`, `null`, `{"defined":true,"passes":true,"value":true}`},
		{`2`, ``, `{"defined":true,"passes":true,"value":2}`},
	} {
		body := `{"expression":` + strconv.Quote(c.expression)
		if c.input != "" {
			body += `,"input":` + c.input
		}
		a := b.ok(key, "POST", "/storage/expressions/test", body+"}")
		got, err := json.Marshal(a.Result[0])
		if err != nil || len(a.Result) != 1 || !sameJSON(string(got), c.want) {
			t.Errorf("%s over %s: %s, want %s", c.expression, c.input, got, c.want)
		}
	}
}

func TestExpressionErrors(t *testing.T) { // [EXT-REST-6]
	b := newBench(t)
	for _, c := range []struct {
		body   string
		reason string
		column int
	}{
		{`{"expression":"speed > > 80","input":{}}`, `expression: a value is wanted, not ">" at column 9`, 9},
		{`{"expression":"größe = 1"}`, "at column 9", 9},
		{`{"expression":""}`, "at column 1", 1},
		{`{"expression":"` + strings.Repeat("(", 10_000) + `"}`, "longer than 4096 bytes", expr.MaxSource + 1},
		{`{"expression":"` + strings.Repeat("(", 1000) + `"}`, "nested deeper than 64", expr.MaxDepth + 1},
		{`{"input":{}}`, "expression", 0},
		{`{"expression":1}`, "expression: ", 0},
		{`{"expression":"1","inputs":{}}`, "inputs", 0},
		{`{"expression":"1","input":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`, "nested deeper", 0},
	} {
		a := b.do(b.operator, "POST", "/storage/expressions/test", c.body)
		if a.status != http.StatusBadRequest || !strings.Contains(a.Errors[0].Reason, c.reason) || a.Errors[0].Column != c.column {
			t.Errorf("%.60s: %d %.200s, want %q at %d", c.body, a.status, a.body, c.reason, c.column)
		}
	}
	for _, path := range []string{"/storage/expressions/test", "/storage/expressions/functions"} {
		method := map[bool]string{true: "POST", false: "GET"}[strings.HasSuffix(path, "test")]
		if a := b.do("", method, path, `{"expression":"1"}`); a.status != http.StatusUnauthorized {
			t.Errorf("%s without a token: %d", path, a.status)
		}
	}
}

func TestExpressionFunctions(t *testing.T) { // [EXT-REST-6]
	b := newBench(t)
	a := b.ok(b.operator, "GET", "/storage/expressions/functions", "")
	if len(a.Result) != len(expr.Functions()) {
		t.Errorf("%d functions, want %d", len(a.Result), len(expr.Functions()))
	}
	for i, f := range expr.Functions() {
		if a.text(i, "name") != f.Name || a.text(i, "signature") != f.Signature || a.text(i, "doc") != f.Doc {
			t.Errorf("%v, want %v", a.Result[i], f)
		}
	}
}
