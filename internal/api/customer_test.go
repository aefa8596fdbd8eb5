package api

import (
	"fmt"
	"strings"
	"testing"

	"alcove/internal/auth"
	"alcove/internal/broker"
	"alcove/internal/mqtt"
)

// TestCustomer: the account with the settings in force and its figures [EXT-REST-5]
// [EXT-ACC-4] [EXT-ACC-5].
func TestCustomer(t *testing.T) {
	r := newRealBench(t, broker.Limits{})
	a := r.ok(r.operator, "POST", "/platform/customers", `[{"name":"acme","settings":{"log_days":7}}]`)
	key := a.Result[0]["token"].(map[string]any)["key"].(string)
	sub := r.ok(key, "POST", "/platform/subaccounts", `[{"settings":{"durability":"memory"}}]`).text(0, "id")
	r.device(key, "d", mqtt.QoS1, "a/#", "b")
	r.ok(key, "POST", "/mqtt/messages", `[{"topic":"a/b","payload":"four","retain":true,"qos":1},{"topic":"c","payload":"x"}]`)
	c := r.ok(key, "GET", "/platform/customer", "").Result[0]
	counters := c["counters"].(map[string]any)
	for name, want := range map[string]float64{
		"mqtt_sessions": 1, "mqtt_sessions_online": 1, "mqtt_subscriptions": 2, "mqtt_messages": 2, "mqtt_messages_bytes": 9,
		"mqtt_retained_messages": 1, "tokens_count": 1, "subaccounts_count": 1, "mqtt_rejected": 0,
		"limits_count": 0, "api_calls": 3,
	} {
		if counters[name] != want {
			t.Errorf("%s: %v, want %v", name, counters[name], want)
		}
	}
	if n, _ := counters["mqtt_retained_storage"].(float64); n < 7 {
		t.Errorf("retained storage: %v", n)
	}
	if limits := c["limits"].(map[string]any); limits["mqtt_sessions"] != -1.0 || limits["api_calls"] != -1.0 || len(limits) != len(auth.LimitNames) {
		t.Errorf("limits: %v", limits)
	}
	for _, name := range auth.LimitNames {
		if _, ok := counters[name]; !ok && name != "blocking_duration" {
			t.Errorf("no counter of what %s limits", name)
		}
	}
	all := c["effective_settings"].(map[string]any)
	if all["log_days"] != 7.0 || all["stamps"] != true || all["durability"] != "sync" || all["overflow"] != "drop_oldest" || len(all) != 8 ||
		all["session_expiry_max"] != 4294967295.0 {
		t.Errorf("in force: %v", all)
	}
	if own := c["settings"].(map[string]any); len(own) != 1 {
		t.Errorf("as written: %v", own)
	}
	below := r.ok(key, "GET", "/platform/customer?fields=effective_settings,counters", "", "x-flespi-cid", sub).Result[0]
	if all := below["effective_settings"].(map[string]any); all["log_days"] != 7.0 || all["durability"] != "memory" || len(below) != 2 {
		t.Errorf("below: %v", below)
	}
	// The operator looks into an account right below nobody, for /platform alone, and
	// not below that [EXT-ACC-3].
	acme := a.text(0, "id")
	r.ok(r.operator, "GET", "/platform/customer", "", "x-flespi-cid", acme)
	missing := r.do(r.operator, "GET", "/platform/customer", "", "x-flespi-cid", "123456789")
	for _, path := range []struct{ method, path, body, cid string }{
		{"GET", "/platform/customer", "", sub}, {"GET", "/platform/tokens", "", sub}, {"POST", "/mqtt/messages", `{"topic":"a"}`, acme},
		{"GET", "/mqtt/messages/%23", "", acme}, {"DELETE", "/mqtt/messages/%23", "", acme}, {"GET", "/mqtt/messages/%23", "", sub},
	} {
		if a := r.do(r.operator, path.method, path.path, path.body, "x-flespi-cid", path.cid); a.status != 404 || a.body != missing.body {
			t.Errorf("the operator at %s %s in %s: %d %s", path.method, path.path, path.cid, a.status, a.body)
		}
	}
	// An account gets no figures of another, nor changes what is its parent's to say.
	if got := r.ok(r.operator, "GET", "/platform/customer?fields=counters", "").body; strings.Contains(got, `"mqtt_sessions":1`) {
		t.Errorf("the operator's: %s", got)
	}
	for _, body := range []string{`{"counters":{}}`, `{"effective_settings":{}}`, `{"id":1}`, `{"created":1}`, `{"cid":1}`, `{"blocked":0}`, `{"limit_id":-1}`} {
		if a := r.do(key, "PUT", "/platform/customer", body); a.status != 400 {
			t.Errorf("PUT %s: %d", body, a.status)
		}
	}
}

// TestTokenUse: a token tells how many connections use it now, and when it was used
// last [EXT-TOK-3].
func TestTokenUse(t *testing.T) {
	r := newRealBench(t, broker.Limits{})
	id, key := r.token(r.operator, `{"ttl":60}`)
	idle, _ := r.token(r.operator, `{"ttl":60}`)
	r.device(key, "a", mqtt.QoS0)
	r.device(key, "b", mqtt.QoS0)
	a := r.ok(r.operator, "GET", "/platform/tokens/"+id+","+idle+"?fields=id,sessions,accessed", "")
	if got := fmt.Sprint(a.text(0, "sessions"), a.text(1, "sessions")); got != "20" && got != "2 0" || a.text(0, "accessed") == "0" {
		t.Errorf("%s", a.body)
	}
	if a := r.ok(r.operator, "GET", "/platform/tokens/{sessions%3E0}", ""); len(a.Result) != 1 || a.text(0, "id") != id {
		t.Errorf("by use: %s", a.body)
	}
	a = r.ok(r.operator, "GET", "/platform/tokens/"+id+","+idle+"?fields=id,clients", "")
	who, _ := a.Result[0]["clients"].([]any)
	if len(who) != 2 || at(who[0], "client_id") != "a" || at(who[1], "client_id") != "b" || at(who[0], "id") == 0.0 || at(who[0], "connected_at") == 0.0 {
		t.Errorf("clients: %s", a.body)
	}
	if none, ok := a.Result[1]["clients"].([]any); !ok || len(none) != 0 {
		t.Errorf("clients of an idle token: %s", a.body)
	}
	if a := r.do(r.operator, "PUT", "/platform/tokens/"+id, `{"sessions":0}`); a.status != 400 {
		t.Errorf("written: %d", a.status)
	}
}
