package api

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"alcove/internal/auth"
	"alcove/internal/broker"
)

// TestLimitCollection: limit objects are created, listed, changed, assigned and deleted;
// each wrong item is named and stops none of the others [EXT-REST-5] [EXT-LIM-1].
func TestLimitCollection(t *testing.T) {
	b := newBench(t)
	a := b.do(b.operator, "POST", "/platform/limits", `[{"name":"small","mqtt_sessions":2,"api_calls":0},{"mqtt_sessions":-2},{}]`)
	if a.status != 200 || len(a.Result) != 2 || len(a.Errors) != 1 || !strings.HasPrefix(a.Errors[0].Reason, "[1]: mqtt_sessions: must be between -1 and ") {
		t.Fatalf("created: %d %s", a.status, a.body)
	}
	small, empty := a.text(0, "id"), a.text(1, "id")
	if a.text(0, "mqtt_sessions") != "2" || a.text(0, "api_calls") != "0" || a.text(0, "cid") != "1" || a.text(0, "name") != "small" {
		t.Errorf("created: %s", a.body)
	}
	for _, name := range auth.LimitNames {
		if a.text(1, name) != "-1" {
			t.Errorf("%s: %s", name, a.text(1, name))
		}
	}
	if a := b.ok(b.operator, "GET", "/platform/limits", ""); len(a.Result) != 2 {
		t.Errorf("list: %s", a.body)
	}
	if a := b.ok(b.operator, "GET", "/platform/limits/name=sm*?fields=id,mqtt_sessions", ""); a.text(0, "id") != small || len(a.Result[0]) != 2 {
		t.Errorf("selected: %s", a.body)
	}
	if a := b.ok(b.operator, "PUT", "/platform/limits/"+small, `{"mqtt_sessions":0,"name":"","api_calls":-1}`); a.text(0, "mqtt_sessions") != "0" || a.text(0, "name") != "" {
		t.Errorf("zero is a value [EXT-REST-11]: %s", a.body)
	}
	for _, c := range []struct{ method, path, body, reason string }{
		{"POST", "/platform/limits", `[]`, "expected array"},
		{"POST", "/platform/limits", `{}`, "expected array"},
		{"POST", "/platform/limits", `[{"mqtt_session":1}]`, "unexpected property"},
		{"POST", "/platform/limits", `[{"id":1}]`, "unexpected property"},
		{"PUT", "/platform/limits/all", `{"mqtt_messages":"1"}`, "mqtt_messages"},
		{"PUT", "/platform/limits/all", `{"mqtt_messages":1.5}`, "mqtt_messages"},
		{"PUT", "/platform/limits/all", `{"mqtt_session_storage":1073741825}`, "mqtt_session_storage: must be between -1 and 1073741824"},
		{"PUT", "/platform/limits/x", `{}`, "selector"},
	} {
		if a := b.do(b.operator, c.method, c.path, c.body); a.status != 400 || !strings.Contains(a.body, c.reason) {
			t.Errorf("%s %s %s: %d %s", c.method, c.path, c.body, a.status, a.body)
		}
	}
	sub := b.ok(b.operator, "POST", "/platform/subaccounts", `[{"limit_id":`+small+`}]`)
	if sub.text(0, "limit_id") != small {
		t.Errorf("assigned: %s", sub.body)
	}
	a = b.do(b.operator, "DELETE", "/platform/limits/all", "")
	if a.status != 200 || len(a.Result) != 1 || a.text(0, "id") != empty || len(a.Errors) != 1 ||
		!strings.Contains(a.Errors[0].Reason, "in use by account "+sub.text(0, "id")) {
		t.Errorf("deleted: %d %s", a.status, a.body)
	}
	// Another account's limit objects answer like missing ones [EXT-ACC-1].
	_, key := b.token(b.operator, `{"ttl":60,"access":{"type":1}}`, "x-flespi-cid", sub.text(0, "id"))
	for _, id := range []string{small, "424242"} {
		for _, method := range []string{"GET", "DELETE", "PUT"} {
			body := ""
			if method == "PUT" {
				body = "{}"
			}
			if a := b.do(key, method, "/platform/limits/"+id, body); a.status != 404 || a.Errors[0].Reason != "not found" {
				t.Errorf("%s of limit %s: %d %s", method, id, a.status, a.body)
			}
		}
		if a := b.do(key, "POST", "/platform/subaccounts", `[{"limit_id":`+id+`}]`); a.status != 400 || a.Errors[0].Reason != "[0]: limit_id: no such limit" {
			t.Errorf("limit_id %s: %d %s", id, a.status, a.body)
		}
	}
	if a := b.ok(key, "GET", "/platform/limits/all", ""); len(a.Result) != 0 {
		t.Errorf("listed: %s", a.body)
	}
	b.ok(b.operator, "PUT", "/platform/subaccounts/all", `{"limit_id":-1}`)
	b.ok(b.operator, "DELETE", "/platform/limits/all", "")
}

// TestDeletedAccount: the answer says how much went [EXT-ACC-3].
func TestDeletedAccount(t *testing.T) {
	b := newBench(t)
	made := b.ok(b.operator, "POST", "/platform/customers", `[{"name":"acme"}]`)
	top := made.text(0, "id")
	key := made.Result[0]["token"].(map[string]any)["key"].(string)
	b.ok(key, "POST", "/platform/subaccounts", `[{},{}]`)
	b.token(key, `{"ttl":60}`)
	b.ok(key, "POST", "/platform/limits", `[{}]`)
	a := b.ok(b.operator, "DELETE", "/platform/customers/"+top, "")
	want := map[string]any{"id": a.Result[0]["id"], "accounts": 3.0, "tokens": 2.0, "limits": 1.0, "sessions": 2.0, "retained": 3.0}
	if a.text(0, "id") != top || fmt.Sprint(a.Result[0]) != fmt.Sprint(want) {
		t.Errorf("deleted: %s", a.body)
	}
	if len(b.broker.dropped) != 3 {
		t.Errorf("dropped %v", b.broker.dropped)
	}
}

// limited makes a customer with these limits and returns its key and the limit's id.
func (b *bench) limited(limits string) (key, id string) {
	b.t.Helper()
	id = b.ok(b.operator, "POST", "/platform/limits", "["+limits+"]").text(0, "id")
	made := b.ok(b.operator, "POST", "/platform/customers", `[{"limit_id":`+id+`}]`)
	return made.Result[0]["token"].(map[string]any)["key"].(string), id
}

// TestAPICalls: a second's worth at once, refilled continuously; over it 429 with the
// limit's name and when to come again, before the body is read. Other accounts feel
// nothing; a change of the limits acts at once [EXT-LIM-1].
func TestAPICalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		key, id := b.limited(`{"api_calls":180}`)
		get := func(key string) reply { return b.do(key, "GET", "/platform/customer", "") }
		states := func(n int) (s string) {
			for range n {
				s += fmt.Sprint(get(key).status, " ")
			}
			return s
		}
		if got := states(5); got != "200 200 200 429 429 " {
			t.Errorf("a burst: %s", got)
		}
		a := get(key)
		if a.Errors[0].Reason != "limit api_calls is reached" || a.header.Get("Retry-After") != "1" {
			t.Errorf("%s, Retry-After %q", a.body, a.header.Get("Retry-After"))
		}
		unread := &counter{}
		r := httptest.NewRequest("POST", "/platform/tokens", unread)
		r.Header.Set("Authorization", "FlespiToken "+key)
		w := httptest.NewRecorder()
		if b.handler.ServeHTTP(w, r); w.Code != 429 || unread.n != 0 {
			t.Errorf("%d, %d bytes of the body were read", w.Code, unread.n)
		}
		if get(b.operator).status != 200 {
			t.Error("the operator is refused")
		}
		time.Sleep(334 * time.Millisecond)
		if got := states(2); got != "200 429 " {
			t.Errorf("a third of a second later: %s", got)
		}
		b.ok(b.operator, "PUT", "/platform/limits/"+id, `{"blocking_duration":10}`)
		if got := states(4); got != "200 200 200 429 " {
			t.Errorf("with new limits: %s", got)
		}
		time.Sleep(9 * time.Second)
		if a := get(key); a.status != 429 || a.header.Get("Retry-After") != "1" {
			t.Errorf("blocked: %d, Retry-After %q", a.status, a.header.Get("Retry-After"))
		}
		time.Sleep(time.Second)
		if got := states(4); got != "200 200 200 429 " {
			t.Errorf("after the blocking: %s", got)
		}
		b.ok(b.operator, "PUT", "/platform/limits/"+id, `{"api_calls":0,"blocking_duration":-1}`)
		if a := get(key); a.status != 429 || a.header.Get("Retry-After") != "60" {
			t.Errorf("none: %d %q", a.status, a.header.Get("Retry-After"))
		}
		if a := b.do(key, "GET", "/auth/info", ""); a.status != 429 || a.header.Get("Retry-After") != "60" {
			t.Errorf("who am I: %d %q", a.status, a.header.Get("Retry-After"))
		}
		b.ok(b.operator, "PUT", "/platform/limits/"+id, `{"api_calls":-1}`)
		if got := states(3); got != "200 200 200 " {
			t.Errorf("unlimited: %s", got)
		}
	})
}

// TestCallsOfChildren: who acts in an account below pays with his own rate.
func TestCallsOfChildren(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		key, _ := b.limited(`{"api_calls":180}`)
		child := b.ok(key, "POST", "/platform/subaccounts", `[{}]`).text(0, "id")
		var got []int
		for range 3 {
			got = append(got, b.do(key, "GET", "/platform/customer", "", "x-flespi-cid", child).status)
		}
		if !slices.Equal(got, []int{200, 200, 429}) {
			t.Errorf("%v", got)
		}
	})
}

// TestAPITraffic: bytes of requests and answers, also of a long one, are paid for
// before the next request [EXT-LIM-1].
func TestAPITraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		key, _ := b.limited(`{"api_traffic":60000}`)
		long := `[{"ttl":60,"info":"` + strings.Repeat("x", 1000) + `"}]`
		b.ok(key, "POST", "/platform/tokens", long) // some 2,300 bytes of 1,000 a second
		a := b.do(key, "GET", "/platform/customer", "")
		if a.status != 429 || a.Errors[0].Reason != "limit api_traffic is reached" {
			t.Fatalf("%d %s", a.status, a.body)
		}
		time.Sleep(time.Second)
		if a := b.do(key, "GET", "/platform/customer", ""); a.status != 429 {
			t.Errorf("a second later: %d", a.status)
		}
		time.Sleep(time.Second)
		b.ok(key, "GET", "/platform/customer", "")
	})
}

// TestMeter: what is counted, and for whom; with an account its counts go.
func TestMeter(t *testing.T) {
	b := newBench(t)
	m := NewMeter()
	b.handler = New(Config{Directory: b.directory, Broker: b.broker, Meter: m})
	made := b.ok(b.operator, "POST", "/platform/customers", `[{}]`)
	key := made.Result[0]["token"].(map[string]any)["key"].(string)
	account := auth.AccountID(made.Result[0]["id"].(float64))
	if calls, bytes := m.Usage(account); calls != 0 || bytes != 0 {
		t.Errorf("before: %d, %d", calls, bytes)
	}
	target, body := "/platform/tokens", `[{"ttl":60}]`
	a := b.ok(key, "POST", target, body)
	if calls, bytes := m.Usage(account); calls != 1 || bytes != uint64(len(target)+len(body)+len(a.body)) {
		t.Errorf("one request: %d, %d bytes; the answer has %d", calls, bytes, len(a.body))
	}
	b.do(strings.Repeat("x", 64), "GET", target, "")
	if calls, _ := m.Usage(auth.Operator); calls != 1 {
		t.Errorf("the operator's: %d", calls)
	}
	b.ok(b.operator, "DELETE", fmt.Sprint("/platform/customers/", account), "")
	if calls, _ := m.Usage(account); calls != 0 || len(m.each) != 1 {
		t.Errorf("after its end: %d, %d accounts", calls, len(m.each))
	}
}

// TestMessageRate: what REST publishes over the rate is refused item by item
// [EXT-LIM-1].
func TestMessageRate(t *testing.T) {
	r := newRealBench(t, broker.Limits{})
	key, _ := r.limited(`{"mqtt_messages":120}`)
	a := r.do(key, "POST", messages, `[{"topic":"a"},{"topic":"b"},{"topic":"c"}]`)
	if a.status != http.StatusOK || len(a.Result) != 2 || len(a.Errors) != 1 || a.Errors[0].Code != 429 || a.Errors[0].Reason != "[2]: limit mqtt_messages is reached" {
		t.Errorf("%d %s", a.status, a.body)
	}
}
