package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"alcove/internal/expr"
)

// anyJSON is a JSON value of any kind, as text.
type anyJSON json.RawMessage

func (a *anyJSON) UnmarshalJSON(b []byte) error { *a = append((*a)[:0], b...); return nil }
func (a anyJSON) MarshalJSON() ([]byte, error)  { return a, nil }

// Schema leaves the kind open.
func (anyJSON) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Description: "Any JSON value"}
}

// functionView is a function of the expression language.
type functionView struct {
	Name      string `json:"name"`
	Signature string `json:"signature" doc:"With the names of its arguments"`
	Doc       string `json:"doc"`
}

type expressionTest struct {
	Body struct {
		Expression string  `json:"expression" doc:"As in $filter/payload=, without the percent-encoding" example:"speed > 80"`
		Input      anyJSON `json:"input,omitempty" doc:"What it is evaluated over, an object as a rule; {} when not given"`
	}
}

// expressionResult is what an expression comes to.
type expressionResult struct {
	Value   anyJSON `json:"value" doc:"null where it is undefined"`
	Defined bool    `json:"defined"`
	Passes  bool    `json:"passes" doc:"Whether a subscription with this filter takes such a message"`
}

// registerExpressions adds the trial of expressions [EXT-REST-6].
func (s *server) registerExpressions() {
	add(s, operation{"list-functions", http.MethodGet, "/storage/expressions/functions", "List the functions of the expression language", tokenRight},
		func(context.Context, *struct{}) (*output[functionView], error) {
			var items []functionView
			for _, f := range expr.Functions() {
				items = append(items, functionView(f))
			}
			return answer(items, nil)
		})
	add(s, operation{"test-expression", http.MethodPost, "/storage/expressions/test", "Evaluate an expression over an input", tokenRight}, testExpression)
}

func testExpression(_ context.Context, in *expressionTest) (*output[expressionResult], error) {
	p, err := expr.Compile(in.Body.Expression)
	if err != nil {
		return nil, failure(err)
	}
	payload := []byte(in.Body.Input)
	if len(payload) == 0 {
		payload = []byte("{}")
	}
	var input expr.Input
	if !input.SetJSON(payload, float64(time.Now().UnixMicro())/1e6) {
		return nil, fail(http.StatusBadRequest, "input: is nested too deep") // the body itself was JSON
	}
	v, ok := p.Eval(&input)
	return answer([]expressionResult{{Value: v.JSON(), Defined: ok, Passes: ok && v.Passes()}}, nil)
}
