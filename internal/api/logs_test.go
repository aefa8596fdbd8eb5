package api

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"alcove/internal/auth"
	"alcove/internal/broker"
	"alcove/internal/journal"
	"alcove/internal/mqtt"
	"alcove/internal/store"
)

// newLogBench is a bench with the real broker and the real journal.
func newLogBench(t *testing.T) *realBench {
	t.Helper()
	st := store.NewMemory()
	d, err := auth.Open(auth.Config{}, st, nil)
	if err != nil {
		t.Fatal(err)
	}
	meter := NewMeter()
	j, err := journal.Open(journal.Config{Store: st, Directory: d, Calls: meter.Usage})
	if err != nil {
		t.Fatal(err)
	}
	r := &realBench{log: &failing{Store: st}}
	r.real, err = broker.New(broker.Config{Log: r.log, Directory: d, Observer: j})
	if err != nil {
		t.Fatal(err)
	}
	j.Begin(r.real)
	t.Cleanup(func() {
		j.Hush()
		_ = r.real.Close()
		_ = j.Close()
		_ = st.Close()
	})
	r.bench = &bench{t: t, directory: d, operator: d.FirstOperatorKey()}
	r.handler = New(Config{Directory: d, Broker: r.real, Sessions: r.real, Version: "test", Journal: j, Meter: meter})
	return r
}

// codes are the event codes of an answer, in order.
func codes(a reply) string {
	var all []string
	for i := range a.Result {
		all = append(all, a.text(i, "event_code"))
	}
	return strings.Join(all, " ")
}

func with(doc string) string { return "?data=" + url.QueryEscape(doc) }

// TestLogs: what a session lives through is in the log of /mqtt [EXT-LOG-1]
// [EXT-REST-4], narrowed by each part of data [EXT-REST-2].
func TestLogs(t *testing.T) {
	r := newLogBench(t)
	id, key := r.token(r.operator, `{"ttl":600}`)
	d := r.device(key, "dev", mqtt.QoS1, "a/b")
	d.leave()
	if got := codes(r.ok(key, "GET", "/mqtt/logs", "")); got != "1 500 520 503" {
		t.Errorf("all: %s", got)
	}
	for _, c := range []struct{ data, want string }{
		{`{"reverse":true}`, "503 520 500 1"},
		{`{"count":2}`, "1 500"},
		{`{"count":1,"reverse":true}`, "503"},
		{`{"filter":"event_code>=500 && event_code<=510"}`, "500 503"},
		{`{"filter":"topic=='a/b'"}`, "520"},
		{`{"filter":"client_id=='other'"}`, ""},
		{`{"from":4000000000}`, ""},
		{`{"to":1000000000}`, ""},
		{`{"from":1000000000,"to":4000000000.5}`, "1 500 520 503"},
		{`{"fields":"event_code"}`, "1 500 520 503"},
	} {
		if got := codes(r.ok(key, "GET", "/mqtt/logs"+with(c.data), "")); got != c.want {
			t.Errorf("%s: %s, want %s", c.data, got, c.want)
		}
	}
	a := r.ok(key, "GET", "/mqtt/logs"+with(`{"fields":"client_id,event_code,none","filter":"event_code==500"}`), "")
	if !strings.Contains(a.body, `[{"client_id":"dev","event_code":500}]`) {
		t.Errorf("fields: %s", a.body)
	}
	made := r.ok(key, "GET", "/mqtt/logs"+with(`{"filter":"event_code==1"}`), "").Result[0]
	item, _ := made["item"].(map[string]any)["new"].(map[string]any)
	if item["client_id"] != "dev" || item["expires"] != 3600.0 || made["origin_type"] != "mqtt/sessions" || fmt.Sprint(made["token_id"]) == "" {
		t.Errorf("the session as it was created: %v", made)
	}
	sel := r.ok(key, "GET", "/mqtt/sessions", "").text(0, "id")
	if strconv.FormatInt(int64(made["origin_id"].(float64)), 10) != sel {
		t.Errorf("the session is %s, its record says %v", sel, made["origin_id"])
	}
	r.ok(key, "DELETE", "/mqtt/sessions/"+sel, "")
	last := r.ok(key, "GET", "/mqtt/logs"+with(`{"count":1,"reverse":true}`), "").Result[0]
	if old, ok := last["item"].(map[string]any)["old"].(map[string]any); last["event_code"] != 3.0 || !ok || old["client_id"] != "dev" ||
		strconv.FormatInt(int64(last["token_id"].(float64)), 10) != id || last["transport"] != "http" {
		t.Errorf("the session's end: %v", last)
	}
}

// TestLogRefusals: a wrong data parameter is a 400 that names the field [EXT-REST-2];
// the log needs the right to read # [EXT-TOK-5].
func TestLogRefusals(t *testing.T) {
	r := newLogBench(t)
	for _, path := range []string{"/mqtt/logs", "/platform/customer/logs", "/platform/customer/statistics", "/platform/tokens/all/logs"} {
		for _, c := range []struct{ data, field string }{
			{`{`, "data"}, {`[]`, "data"}, {`{"from":"x"}`, "data.from"}, {`{"from":-1}`, "data.from"}, {`{"count":0}`, "data.count"},
			{`{"count":10001}`, "data.count"}, {`{"count":1.5}`, "data.count"}, {`{"reverse":1}`, "data.reverse"}, {`{"filter":"a=="}`, "data.filter"},
			{`{"other":1}`, "data.other"}, {`{"from":2,"to":1}`, "data.to"}, {`{"from":1,"from":2}`, "data"}, {`{"fields":7}`, "data.fields"},
		} {
			a := r.do(r.operator, "GET", path+with(c.data), "")
			if a.status != 400 || !strings.HasPrefix(a.Errors[0].Reason, c.field) {
				t.Errorf("%s %s: %d %s", path, c.data, a.status, a.body)
			}
		}
	}
	_, all := r.token(r.operator, `{"ttl":60,"access":{"type":2,"acl":[{"uri":"mqtt","topic":"#","methods":["GET"]}]}}`)
	_, some := r.token(r.operator, `{"ttl":60,"access":{"type":2,"acl":[{"uri":"mqtt","topic":"a/#","methods":["GET"]}]}}`)
	_, standard := r.token(r.operator, `{"ttl":60}`)
	for _, c := range []struct {
		key, method, path string
		want              int
	}{
		{all, "GET", "/mqtt/logs", 200}, {some, "GET", "/mqtt/logs", 403}, {standard, "GET", "/mqtt/logs", 200},
		{all, "POST", "/mqtt/logs/calculate", 200}, {some, "POST", "/mqtt/logs/calculate", 403},
		{standard, "GET", "/platform/customer/logs", 403}, {all, "GET", "/platform/customer/statistics", 403},
		{all, "GET", "/platform/tokens/all/logs", 403},
	} {
		body := ""
		if c.method == "POST" {
			body = "{}"
		}
		if a := r.do(c.key, c.method, c.path, body); a.status != c.want {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, a.status, c.want)
		}
	}
}

// TestPlatformLogs: changes, requests and tokens have their logs, each account its own
// [EXT-REST-5] [EXT-ACC-1].
func TestPlatformLogs(t *testing.T) {
	r := newLogBench(t)
	customer := r.ok(r.operator, "POST", "/platform/customers", `[{"name":"c"}]`)
	master := customer.Result[0]["token"].(map[string]any)["key"].(string)
	id, key := r.token(master, `{"ttl":600}`)
	r.ok(master, "PUT", "/platform/tokens/"+id, `{"info":"i"}`)
	r.device(key, "dev", mqtt.QoS0)
	a := r.ok(master, "GET", "/platform/tokens/"+id+"/logs"+with(`{"filter":"event_code!=1000"}`), "")
	if got := codes(a); got != "1 2 1 500" {
		t.Errorf("the token's: %s", got)
	}
	if got := codes(r.ok(master, "GET", "/platform/customer/logs"+with(`{"filter":"event_code<1000"}`), "")); got != "1 2" {
		t.Errorf("the customer's: %s", got)
	}
	if a := r.ok(r.operator, "GET", "/platform/tokens/"+id+"/logs", ""); len(a.Result) != 0 {
		t.Errorf("a foreign token's: %s", a.body)
	}
	if a := r.ok(r.operator, "GET", "/mqtt/logs", ""); len(a.Result) != 0 {
		t.Errorf("the operator sees: %s", a.body)
	}
	requests := r.ok(master, "GET", "/platform/customer/logs"+with(`{"filter":"event_code==1000 && topic=='PUT /platform/tokens/*'"}`), "")
	if len(requests.Result) != 1 || requests.Result[0]["close_code"] != 200.0 || requests.Result[0]["source"] == nil {
		t.Errorf("requests: %s", requests.body)
	}
	for _, path := range []string{"/mqtt/logs", "/platform/customer/logs", "/platform/tokens/all/logs"} {
		if a := r.ok(master, "GET", path, ""); strings.Contains(a.body, key) || strings.Contains(a.body, master) {
			t.Errorf("%s shows a key", path)
		}
	}
}

// TestCountLogs: counts by code and period [EXT-REST-4].
func TestCountLogs(t *testing.T) {
	r := newLogBench(t)
	r.device(r.operator, "dev", mqtt.QoS0, "a", "b").leave()
	const path = "/mqtt/logs/calculate"
	all := func(a reply) string {
		var s []string
		for i := range a.Result {
			s = append(s, a.text(i, "event_code")+":"+a.text(i, "count"))
		}
		return strings.Join(s, " ")
	}
	for _, c := range []struct{ body, want string }{
		{`{}`, "1:1 500:1 503:1 520:2"},
		{`{"filter":"event_code==520"}`, "520:2"},
		{`{"from":4000000000}`, ""},
		{`{"from":0,"to":4000000000,"period":315360000}`, "1:1 500:1 503:1 520:2"},
	} {
		if got := all(r.ok(r.operator, "POST", path, c.body)); got != c.want {
			t.Errorf("%s: %s, want %s", c.body, got, c.want)
		}
	}
	a := r.ok(r.operator, "POST", path, `{"period":3600}`)
	if at := a.Result[0]["timestamp"].(float64); int64(at)%3600 != 0 || time.Since(time.Unix(int64(at), 0)) > time.Hour {
		t.Errorf("period: %s", a.body)
	}
	for _, c := range []struct{ body, field string }{
		{`{"period":0}`, "period"}, {`{"from":"1"}`, "from"}, {`{"from":2,"to":1}`, "to"}, {`{"filter":"("}`, "filter"}, {`{"x":1}`, "x"},
	} {
		if a := r.do(r.operator, "POST", path, c.body); a.status != http.StatusBadRequest || !strings.HasPrefix(a.Errors[0].Reason, c.field) {
			t.Errorf("%s: %d %s", c.body, a.status, a.body)
		}
	}
}

// TestStatistics: the running minute is there at once [EXT-REST-5].
func TestStatistics(t *testing.T) {
	r := newLogBench(t)
	customer := r.ok(r.operator, "POST", "/platform/customers", `[{}]`)
	master := customer.Result[0]["token"].(map[string]any)["key"].(string)
	r.device(master, "dev", mqtt.QoS0, "a")
	r.ok(master, "POST", "/mqtt/messages", `[{"topic":"a","payload":"xyz"},{"topic":"b"}]`)
	a := r.ok(master, "GET", "/platform/customer/statistics", "")
	if len(a.Result) == 0 {
		t.Fatal("nothing")
	}
	sum := map[string]float64{}
	for _, m := range a.Result {
		for name, v := range m {
			sum[name] += v.(float64)
		}
	}
	if sum["mqtt_messages"] != 2 || sum["mqtt_messages_bytes"] != 5 || sum["api_calls"] < 1 || sum["mqtt_sessions"] < 1 {
		t.Errorf("%s", a.body)
	}
	if a := r.ok(master, "GET", "/platform/customer/statistics"+with(`{"to":1000000000}`), ""); len(a.Result) != 0 {
		t.Errorf("long ago: %s", a.body)
	}
	if a := r.ok(r.operator, "GET", "/platform/customer/statistics", "?"); strings.Contains(a.body, `"mqtt_messages":2`) {
		t.Errorf("the operator's: %s", a.body)
	}
}

// TestLiveLogs: records and counters are told in the account as they come, and to nobody
// else [EXT-LOG-2] [EXT-LOG-3].
func TestLiveLogs(t *testing.T) {
	r := newLogBench(t)
	customer := r.ok(r.operator, "POST", "/platform/customers", `[{}]`)
	master := customer.Result[0]["token"].(map[string]any)["key"].(string)
	sub := r.ok(master, "POST", "/platform/subaccounts", `[{"name":"below"}]`).text(0, "id")
	other := r.device(r.operator, "other", mqtt.QoS0, "flespi/log/#")
	d := r.device(master, "d", mqtt.QoS0, "flespi/log/mqtt/sessions/+/created", "flespi/log/platform/tokens/#", "flespi/state/platform/#")
	wait := func(parts ...string) string {
		t.Helper()
		for {
			line := d.next()
			ok := true
			for _, p := range parts {
				ok = ok && strings.Contains(line, p)
			}
			if ok {
				return line
			}
		}
	}
	wait("flespi/state/platform/subaccounts/"+sub+"/name", `"below"`)
	r.device(master, "e", mqtt.QoS0)
	wait("flespi/log/mqtt/sessions/", "/created", `{\"new\":{`, `\"client_id\":\"e\"`)
	id, _ := r.token(master, `{"ttl":60}`)
	wait("flespi/log/platform/tokens/"+id+"/created", `\"event_code\":1`)
	wait("flespi/state/platform/customer/counters/mqtt_sessions_online", `"2"`)
	wait("flespi/state/platform/customer/counters/tokens_count", `"2"`)
	r.ok(master, "DELETE", "/platform/subaccounts/"+sub, "")
	wait("flespi/state/platform/subaccounts/"+sub+"/deleted", `"true"`)
	late := r.device(master, "late", mqtt.QoS0, "flespi/state/platform/customer/counters/tokens_count", "flespi/state/platform/subaccounts/#")
	if line := late.next(); !strings.Contains(line, `tokens_count "2"`) || !strings.Contains(line, "retain") {
		t.Errorf("retained: %s", line)
	}
	if line := late.next(); !strings.Contains(line, "/deleted") {
		t.Errorf("what is retained of subaccounts: %s", line)
	}
	for {
		select {
		case line := <-other.got:
			if !strings.Contains(line, "cid=1") {
				t.Errorf("the operator is told %s", line)
			}
			continue
		default:
		}
		break
	}
}

// TestOwnMessagesStay: what the broker tells as retained is nobody's to delete, and
// costs the account nothing [EXT-TOP-1] [EXT-LOG-3].
func TestOwnMessagesStay(t *testing.T) {
	r := newLogBench(t)
	const at = "flespi/state/platform/customer/counters/tokens_count"
	first := r.device(r.operator, "first", mqtt.QoS0, at)
	first.next()
	for _, filter := range []string{"%23", "flespi/%23", "flespi,x/%23", "+/%23"} {
		r.do(r.operator, "DELETE", "/mqtt/messages/"+filter, "")
	}
	if line := r.device(r.operator, "second", mqtt.QoS0, at).next(); !strings.Contains(line, "retain") {
		t.Errorf("after the deletions: %s", line)
	}
	a := r.ok(r.operator, "GET", "/platform/customer", "")
	counters := a.Result[0]["counters"].(map[string]any)
	if counters["mqtt_retained_messages"] != 0.0 || counters["mqtt_retained_storage"] != 0.0 {
		t.Errorf("they cost %v", counters)
	}
}
