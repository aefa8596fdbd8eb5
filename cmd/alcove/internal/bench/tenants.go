package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Caller asks the broker's REST interface as the operator and decodes the result, a
// list, into result.
type Caller func(ctx context.Context, method, path string, body, result any) error

// Tenancy is what accounts cost and what they feel of each other. Figures that were
// not measured are 0.
type Tenancy struct {
	// AccountsPerS and TokensPerS were created by REST in arrays of 1,000, with what
	// one of them cost the broker in microseconds of CPU time.
	AccountsPerS  float64 `json:"accounts_per_s,omitempty"`
	CPUPerAccount float64 `json:"cpu_us_per_account,omitempty"`
	TokensPerS    float64 `json:"tokens_per_s,omitempty"`
	CPUPerToken   float64 `json:"cpu_us_per_token,omitempty"`
	// RSSPerAccount is what an idle account with its token takes, in bytes.
	RSSPerAccount float64 `json:"rss_per_account_bytes,omitempty"`
	// The 99th percentile of one account's latency, in microseconds: alone, beside
	// one that floods at ten times its limit, and beside one that floods without a
	// limit; and how many messages a second were taken from those.
	QuietP99    float64 `json:"alone_p99_us,omitempty"`
	LimitedP99  float64 `json:"beside_limited_p99_us,omitempty"`
	LimitedPerS float64 `json:"limited_taken_per_s,omitempty"`
	FloodedP99  float64 `json:"beside_unlimited_p99_us,omitempty"`
	FloodedPerS float64 `json:"unlimited_taken_per_s,omitempty"`
}

// array is how many items one request creates.
const array = 1000

var errNoREST = errors.New("the scenario needs the broker's REST interface and the operator's token")

// tenant is an account as REST returns it.
type tenant struct {
	ID    int64 `json:"id"`
	Token struct {
		Key string `json:"key"`
	} `json:"token"`
}

// customer makes a top-level account; body are its fields.
func (r *run) customer(ctx context.Context, body map[string]any) (t tenant, err error) {
	var made []tenant
	if r.cfg.REST == nil {
		return t, errNoREST
	}
	body["name"] = "bench " + r.name
	if err := r.cfg.REST(ctx, http.MethodPost, "/platform/customers", []any{body}, &made); err != nil {
		return t, fmt.Errorf("an account: %w", err)
	}
	if len(made) != 1 || made[0].Token.Key == "" {
		return t, errors.New("an account: the broker answered without its token")
	}
	return made[0], nil
}

// remove deletes an item; also when the run was ended early.
func (r *run) remove(ctx context.Context, path string, id int64) error {
	return r.cfg.REST(context.WithoutCancel(ctx), http.MethodDelete, path+"/"+strconv.FormatInt(id, 10), nil, nil)
}

// measureTenants creates accounts with a token each, as a customer would be: idle.
// Then tokens of one account.
func measureTenants(ctx context.Context, r *run, res *Result) (err error) {
	if r.cfg.REST == nil {
		return errNoREST
	}
	var ids []int64
	defer func() { err = errors.Join(err, r.dismiss(context.WithoutCancel(ctx), ids)) }()
	// The store's write buffers grow up to their bound with whatever is written: others
	// come before the accounts that are measured.
	for range 3 {
		if ids, err = r.tenants(ctx, ids); err != nil {
			return err
		}
	}
	before, err := r.calm(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	if ids, err = r.tenants(ctx, ids); err != nil {
		return err
	}
	took := time.Since(began)
	b, err := r.sample()
	if err != nil {
		return err
	}
	n := float64(r.cfg.Count)
	res.AccountsPerS = n / took.Seconds()
	res.CPUPerAccount = float64((b.usage.CPU - before.usage.CPU).Microseconds()) / n
	after, err := r.calm(ctx)
	if err != nil {
		return err
	}
	if r.cfg.PID != 0 {
		res.RSSPerAccount = float64(after.usage.RSS-before.usage.RSS) / n
	}
	return r.measureTokens(ctx, res)
}

// tenants makes the configured number of accounts more.
func (r *run) tenants(ctx context.Context, ids []int64) ([]int64, error) {
	err := r.customers(ctx, r.cfg.Count, func(t tenant) { ids = append(ids, t.ID) })
	return ids, err
}

// customers makes n top-level accounts and calls each with every one of them.
func (r *run) customers(ctx context.Context, n int, each func(tenant)) error {
	for done := 0; done < n; {
		batch := make([]any, min(array, n-done))
		for i := range batch {
			batch[i] = map[string]any{"name": fmt.Sprintf("bench %s %d", r.name, r.ids.Add(1))}
		}
		var made []tenant
		if err := r.cfg.REST(ctx, http.MethodPost, "/platform/customers", batch, &made); err != nil {
			return err
		}
		if len(made) != len(batch) {
			return fmt.Errorf("%d accounts were made instead of %d", len(made), len(batch))
		}
		for _, t := range made {
			each(t)
		}
		done += len(batch)
	}
	return nil
}

// dismiss deletes accounts.
func (r *run) dismiss(ctx context.Context, ids []int64) (err error) {
	for some := range slices.Chunk(ids, array) {
		path := []byte("/platform/customers/")
		for i, id := range some {
			if i > 0 {
				path = append(path, ',')
			}
			path = strconv.AppendInt(path, id, 10)
		}
		err = errors.Join(err, r.cfg.REST(ctx, http.MethodDelete, string(path), nil, nil))
	}
	return err
}

// tokensMeasured is how many tokens are created to see how fast that goes.
const tokensMeasured = 20_000

func (r *run) measureTokens(ctx context.Context, res *Result) (err error) {
	body := make([]any, array)
	for i := range body {
		body[i] = map[string]any{
			"info": "bench " + r.name, "ttl": 3600,
			"access": map[string]any{"type": 2, "acl": []any{map[string]any{
				"uri": "mqtt", "topic": "devices/{client_id}/#", "actions": []string{"publish", "subscribe"},
			}}},
		}
	}
	a, err := r.sample()
	if err != nil {
		return err
	}
	began := time.Now()
	for n := 0; n < tokensMeasured; n += array {
		if err := r.cfg.REST(ctx, http.MethodPost, "/platform/tokens", body, nil); err != nil {
			return err
		}
	}
	took := time.Since(began)
	b, err := r.sample()
	if err != nil {
		return err
	}
	res.TokensPerS = tokensMeasured / took.Seconds()
	res.CPUPerToken = float64((b.usage.CPU - a.usage.CPU).Microseconds()) / tokensMeasured
	for n := 0; n < tokensMeasured; n += array {
		// By its text, as often as one request may take only a part of them.
		if err := r.cfg.REST(ctx, http.MethodDelete, "/platform/tokens/info=bench "+r.name, nil, nil); err != nil {
			break
		}
	}
	return nil
}
