package bench

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestSizes(t *testing.T) {
	for _, c := range []struct {
		largest     int
		steps, want []int
	}{
		{100, []int{1, 10}, []int{1, 10, 100}},
		{10, []int{1, 10, 100}, []int{1, 10}},
		{1, []int{1, 10}, []int{1}},
		{50, nil, []int{50}},
	} {
		if got := sizes(c.largest, c.steps...); !slices.Equal(got, c.want) {
			t.Errorf("%v to %d: %v, want %v", c.steps, c.largest, got, c.want)
		}
	}
}

// numbers are the sizes of a series.
func (s Series) numbers() (n []int) {
	for _, p := range s.Points {
		n = append(n, p.N)
	}
	return n
}

func TestScales(t *testing.T) {
	addr := startFake(t, nil)
	for scenario, want := range map[string][]int{
		"scale-connections":   {10, 40},
		"scale-subscriptions": {10, 25},
		"scale-topics":        {10, 25},
	} {
		res := load(t, addr, func(c *Config) { c.Scenario, c.Connections, c.Count = scenario, 40, 25 })
		if !slices.Equal(res.numbers(), want) || res.SeriesOf != strings.TrimPrefix(scenario, "scale-") {
			t.Errorf("%s: %+v, want %v", scenario, res.Series, want)
		}
		if res.Sent == 0 || res.Received != res.Sent || res.Lost+res.Duplicated+res.OutOfOrder+res.Errors != 0 {
			t.Errorf("%s: %+v", scenario, res)
		}
	}
}

// customers is a REST interface that counts the accounts it has.
type customers struct{ made, gone int }

func (c *customers) call(_ context.Context, method, path string, body, result any) error {
	if method == http.MethodDelete {
		c.gone += strings.Count(path, ",") + 1
		return nil
	}
	for range body.([]any) {
		c.made++
		made := tenant{ID: int64(c.made)}
		made.Token.Key = "key"
		*result.(*[]tenant) = append(*result.(*[]tenant), made)
	}
	return nil
}

// TestScaleAccounts: accounts are made step by step, each once, and all are removed.
func TestScaleAccounts(t *testing.T) {
	var rest customers
	res := load(t, startFake(t, nil), func(c *Config) {
		c.Scenario, c.Connections, c.Count, c.REST = "scale-accounts", 16, 12, rest.call
	})
	if want := []int{1, 10, 12}; !slices.Equal(res.numbers(), want) || rest.made != 12 || rest.gone != 12 {
		t.Errorf("%+v, want %v; %d accounts made, %d removed", res.Series, want, rest.made, rest.gone)
	}
	if res.Sent == 0 || res.Received != res.Sent || res.Lost+res.Duplicated+res.OutOfOrder+res.Errors != 0 {
		t.Errorf("%+v", res)
	}
}
