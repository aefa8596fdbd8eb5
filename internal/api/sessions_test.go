package api

import (
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"alcove/internal/broker"
	"alcove/internal/mqtt"
)

const sessions = "/mqtt/sessions"

// by is the selector of a session by its Client Identifier.
func by(clientID string) string { return sessions + "/client_id=" + url.PathEscape(clientID) }

// names lists a field of the result.
func (r reply) names(field string) string {
	var all []string
	for i := range r.Result {
		all = append(all, r.text(i, field))
	}
	return strings.Join(all, " ")
}

// TestSessionFields: what is shown of a session, offline and online [EXT-REST-4].
func TestSessionFields(t *testing.T) {
	r := newRealBench(t, broker.Limits{})
	before := time.Now().Unix()
	made := r.ok(r.operator, "POST", sessions, `[{"client_id":"dev-1","expires":600},{"client_id":"dev-2"}]`)
	id := made.text(0, "id")
	a := r.ok(r.operator, "GET", by("dev-1"), "")
	if a.body != r.ok(r.operator, "GET", sessions+"/"+id, "").body {
		t.Error("by id it is another one")
	}
	x := a.Result[0]
	if created := int64(x["created"].(float64)); created < before || created > time.Now().Unix() {
		t.Errorf("created %v", created)
	}
	token := fmt.Sprint(x["token_id"])
	for field, want := range map[string]any{
		"client_id": "dev-1", "cid": 1.0, "connected": false, "clean": false, "expires": 600.0, "size": 0.0, "ip": "",
		"version": 0.0, "keep_alive": 0.0, "subscriptions_count": 0.0, "inflight": 0.0, "connected_at": 0.0,
		"messages_in": 0.0, "messages_out": 0.0, "transport": "",
	} {
		if x[field] != want {
			t.Errorf("%s: %v, want %v", field, x[field], want)
		}
	}
	if len(x) != 18 {
		t.Errorf("%d fields", len(x))
	}
	if e := r.ok(r.operator, "GET", by("dev-2")+"?fields=expires", ""); e.text(0, "expires") != "2592000" { // [EXT-SES-2]
		t.Error(e.body)
	}
	d := r.device(r.operator, "dev-1", 1, "a/#", "b")
	a = r.ok(r.operator, "GET", sessions+"/"+id, "")
	x = a.Result[0]
	for field, want := range map[string]any{
		"client_id": "dev-1", "connected": true, "clean": false, "expires": 3600.0, "version": 5.0, "subscriptions_count": 2.0,
		"transport": "tcp",
	} {
		if x[field] != want {
			t.Errorf("%s: %v, want %v", field, x[field], want)
		}
	}
	if fmt.Sprint(x["token_id"]) != token || x["connected_at"] == 0.0 {
		t.Error(a.body)
	}
	d.leave()
	r.ok(r.operator, "POST", "/mqtt/messages", `{"topic":"b","payload":"12345","qos":1}`)
	if a := r.ok(r.operator, "GET", by("dev-1"), ""); a.text(0, "size") == "0" || a.Result[0]["connected"] != false {
		t.Error(a.body)
	}
}

// TestSessionList: selectors, fields and pages [EXT-REST-2].
func TestSessionList(t *testing.T) {
	r := newRealBench(t, broker.Limits{})
	if a := r.ok(r.operator, "GET", sessions, ""); a.body != `{"result":[]}`+"\n" {
		t.Errorf("%q", a.body)
	}
	var list []string
	for i := range 300 {
		list = append(list, fmt.Sprintf(`{"client_id":"c%03d","expires":%d}`, i, 60+i%2))
	}
	r.ok(r.operator, "POST", sessions, "["+strings.Join(list, ",")+"]")
	a := r.ok(r.operator, "GET", sessions+"/all?fields=client_id", "")
	if len(a.Result) != 100 || *a.Pagination != (Pagination{100, 0, 300}) || a.text(0, "client_id") != "c000" {
		t.Errorf("%d %+v", len(a.Result), a.Pagination)
	}
	for query, want := range map[string]string{
		"/all?limit=2&offset=298":                       "c298 c299",
		"/all?offset=299":                               "c299",
		"/all?offset=300":                               "",
		"/client_id=c01*?limit=3":                       "c010 c011 c012",
		"/client_id=c0%3F7,expires=61?limit=3&offset=1": "c017 c027 c037",
		"/client_id=none":                               "",
	} {
		if got := r.ok(r.operator, "GET", sessions+query, "").names("client_id"); got != want {
			t.Errorf("%s: %s", query, got)
		}
	}
	ids := strings.Split(r.ok(r.operator, "GET", sessions+"/client_id=c00%3F", "").names("id"), " ")
	if got := r.ok(r.operator, "GET", sessions+"/"+ids[3]+","+ids[1], "").names("client_id"); got != "c003 c001" {
		t.Error(got)
	}
	b := r.do(r.operator, "GET", sessions+"/"+ids[3]+",77", "")
	if b.status != 200 || b.names("client_id") != "c003" || b.Errors[0].ID != 77 || b.Errors[0].Code != 404 {
		t.Error(b.body)
	}
	for _, path := range []string{"/77", "/-5", "/9223372036854775807", "/0"} {
		if a := r.do(r.operator, "GET", sessions+path, ""); a.status != 404 {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	if a := r.ok(r.operator, "DELETE", sessions+"/client_id=c1*", ""); len(a.Result) != 100 {
		t.Errorf("%d", len(a.Result))
	}
	if a := r.ok(r.operator, "GET", sessions+"/all?limit=1", ""); a.Pagination.Count != 200 {
		t.Errorf("%+v", a.Pagination)
	}
	if a := r.ok(r.operator, "DELETE", sessions+"/all", ""); len(a.Result) != 200 {
		t.Errorf("%d", len(a.Result))
	}
}

// TestSessionCreate: what is refused names the field; nothing of it is made.
func TestSessionCreate(t *testing.T) {
	r := newRealBench(t, broker.Limits{SessionsPerAccount: 2})
	r.ok(r.operator, "POST", sessions, `[{"client_id":"a/ü+#"}]`)
	for _, c := range []struct {
		body, names string
		status      int
	}{
		{`[{"client_id":"a/ü+#"}]`, "[0]: client_id: ", 400},
		{`[{"client_id":""}]`, "client_id", 400},
		{`[{}]`, "client_id", 400},
		{`[{"client_id":7}]`, "client_id", 400},
		{`[{"client_id":"x\u0000"}]`, "client_id", 400},
		{`[{"client_id":"` + strings.Repeat("ü", 600) + `"}]`, "client_id: must have 1 to 1,024 bytes", 400},
		{`[{"client_id":"x","expires":0}]`, "expires", 400},
		{`[{"client_id":"x","expires":4294967296}]`, "expires", 400},
		{`[{"client_id":"x","expire":1}]`, "expire", 400},
		{`[]`, "", 400},
		{`{"client_id":"x"}`, "", 400},
	} {
		if a := r.do(r.operator, "POST", sessions, c.body); a.status != c.status || !strings.Contains(a.Errors[0].Reason, c.names) {
			t.Errorf("%.60s: %d %.200s", c.body, a.status, a.body)
		}
	}
	a := r.do(r.operator, "POST", sessions, `[{"client_id":"x"},{"client_id":"y"},{"client_id":"x"}]`)
	if a.status != 200 || a.names("client_id") != "x" || len(a.Errors) != 2 || !strings.Contains(a.Errors[0].Reason, "[1]: limit mqtt_sessions") {
		t.Error(a.body)
	}
	if got := r.ok(r.operator, "GET", sessions, "").names("client_id"); got != "a/ü+# x" {
		t.Error(got)
	}
	if a := r.ok(r.operator, "GET", by("a/ü+#"), ""); len(a.Result) != 1 {
		t.Error(a.body)
	}
}

// TestSessionSubscriptions: what is subscribed offline waits for the client, what is
// subscribed online comes at once, with retained messages [EXT-REST-4].
func TestSessionSubscriptions(t *testing.T) {
	r := newRealBench(t, broker.Limits{})
	r.ok(r.operator, "POST", "/mqtt/messages", `[{"topic":"on/r","payload":"kept","retain":true},{"topic":"off/r","payload":"kept","retain":true,"qos":1}]`)
	r.ok(r.operator, "POST", sessions, `[{"client_id":"dev"}]`)
	subs := by("dev") + "/subscriptions"
	a := r.ok(r.operator, "POST", subs, `[{"topic":"off/#","qos":1,"subscription_id":7},{"topic":"$share/g/s,t/#","qos":2},
		{"topic":"$filter/payload=v>1/f/+","rap":true,"retain_handling":2,"no_local":true}]`)
	if len(a.Result) != 3 {
		t.Fatal(a.body)
	}
	r.ok(r.operator, "POST", "/mqtt/messages", `{"topic":"off/1","payload":"x","qos":1}`)
	id := r.ok(r.operator, "GET", by("dev"), "").text(0, "id")
	want := `{"result":[{"session_id":ID,"topic":"$filter/payload=v>1/f/+","qos":0,"no_local":true,"rap":true,"retain_handling":2,"subscription_id":0},` +
		`{"session_id":ID,"topic":"$share/g/s,t/#","qos":2,"no_local":false,"rap":false,"retain_handling":0,"subscription_id":0},` +
		`{"session_id":ID,"topic":"off/#","qos":1,"no_local":false,"rap":false,"retain_handling":0,"subscription_id":7}]}` + "\n"
	if got := r.ok(r.operator, "GET", subs, "").body; strings.ReplaceAll(got, `\u003e`, ">") != strings.ReplaceAll(want, "ID", id) {
		t.Errorf("\n%s\n%s", got, want)
	}
	d := r.device(r.operator, "dev", 0)
	for _, want := range []string{`off/1 "x" q1`, `off/r "kept" q1 retain`} {
		if got := d.next(); !strings.HasPrefix(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	r.ok(r.operator, "POST", subs, `[{"topic":"on/#"}]`)
	if got := d.next(); !strings.HasPrefix(got, `on/r "kept" q0 retain`) {
		t.Error(got)
	}
	r.ok(r.operator, "POST", "/mqtt/messages", `[{"topic":"on/1","payload":"y"},{"topic":"f/1","payload":"{\"v\":1}"},{"topic":"f/1","payload":"{\"v\":2}"},{"topic":"t/1","payload":"z","qos":1}]`)
	for _, want := range []string{`on/1 "y"`, `f/1 "{\"v\":2}"`, `t/1 "z" q1`} {
		if got := d.next(); !strings.HasPrefix(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	for _, path := range []string{"/topic=on/%23", "/topic=$share/g/s,t/%23", "/topic=%24filter%2Fpayload%3Dv%3E1%2Ff%2F+"} {
		if a := r.ok(r.operator, "GET", subs+path, ""); len(a.Result) != 1 {
			t.Errorf("%s: %s", path, a.body)
		}
		if a := r.ok(r.operator, "DELETE", subs+path, ""); len(a.Result) != 1 || a.text(0, "session_id") != id {
			t.Errorf("%s: %s", path, a.body)
		}
		if a := r.do(r.operator, "DELETE", subs+path, ""); a.status != 404 {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	r.ok(r.operator, "POST", "/mqtt/messages", `[{"topic":"on/1","payload":"y"},{"topic":"t/1","payload":"z","qos":1},{"topic":"off/2","payload":"last","qos":1}]`)
	if got := d.next(); !strings.HasPrefix(got, `off/2 "last" q1`) {
		t.Error(got)
	}
	if a := r.ok(r.operator, "DELETE", subs+"/all", ""); a.names("topic") != "off/#" {
		t.Error(a.body)
	}
	if a := r.ok(r.operator, "DELETE", subs+"/all", ""); len(a.Result) != 0 {
		t.Error(a.body)
	}
	if a := r.ok(r.operator, "GET", by("dev"), ""); a.text(0, "subscriptions_count") != "0" {
		t.Error(a.body)
	}
}

// TestSubscriptionErrors: each item fails alone, and says what is wrong.
func TestSubscriptionErrors(t *testing.T) {
	r := newRealBench(t, broker.Limits{SubscriptionsEach: 2})
	_, narrow := r.token(r.operator, `{"ttl":60,"access":{"type":2,"acl":[{"uri":"mqtt","topic":"a/#","actions":["subscribe"]}]}}`)
	r.device(narrow, "dev", 0)
	subs := by("dev") + "/subscriptions"
	for _, c := range []struct {
		body, names string
		status      int
	}{
		{`[{"topic":"a/#/b"}]`, "[0]: topic: ", 400},
		{`[{"topic":"a,,b"}]`, "[0]: topic: ", 400},
		{`[{"topic":""}]`, "topic", 400},
		{`[{"topic":"a\u0000"}]`, "topic", 400},
		{`[{"topic":"a/b","qos":3}]`, "qos", 400},
		{`[{"topic":"a/b","retain_handling":3}]`, "retain_handling", 400},
		{`[{"topic":"a/b","subscription_id":268435456}]`, "subscription_id", 400},
		{`[{"topic":"a/b","subscription_id":-1}]`, "subscription_id", 400},
		{`[{"topic":"$share/g/a","no_local":true}]`, "[0]: no_local: ", 400},
		{`[{"topic":"$filter/payload=((/a"}]`, "[0]: topic: payload", 400},
		{`[{"topic":"a/b","x":1}]`, "x", 400},
		{`[{"topic":"b/c"}]`, "[0]: topic: ", 403}, // by the session's rights, not the caller's
		{`[{"topic":"a/b","cid":999}]`, "cid", 403},
	} {
		if a := r.do(r.operator, "POST", subs, c.body); a.status != c.status || !strings.Contains(a.Errors[0].Reason, c.names) {
			t.Errorf("%.60s: %d %.200s", c.body, a.status, a.body)
		}
	}
	a := r.do(r.operator, "POST", subs, `[{"topic":"a/1"},{"topic":"no"},{"topic":"a/2"},{"topic":"a/3"},{"topic":"a/1","qos":1}]`)
	if a.names("topic") != "a/1 a/2 a/1" || len(a.Errors) != 2 || a.Errors[0].Code != 403 || a.Errors[1].Code != 429 || a.Errors[1].ID == 0 {
		t.Error(a.body)
	}
	for _, path := range []string{"/topic=", "/x=1", "/17"} {
		if a := r.do(r.operator, "GET", subs+path, ""); a.status != 400 {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	if a := r.do(r.operator, "POST", sessions+"/77/subscriptions", `[{"topic":"a"}]`); a.status != 404 {
		t.Error(a.body)
	}
}

// TestSessionEnd: DELETE ends the connection with 0x98 and the session; disconnect keeps
// the session.
func TestSessionEnd(t *testing.T) {
	r := newRealBench(t, broker.Limits{})
	d := r.device(r.operator, "dev", 1, "a")
	if a := r.ok(r.operator, "POST", by("dev")+"/disconnect", ""); len(a.Result) != 1 {
		t.Error(a.body)
	}
	if code := <-d.ended; code != mqtt.AdministrativeAction {
		t.Errorf("%v", code)
	}
	a := r.ok(r.operator, "GET", by("dev"), "")
	if a.Result[0]["connected"] != false || a.text(0, "subscriptions_count") != "1" {
		t.Error(a.body)
	}
	d = r.device(r.operator, "dev", 1)
	if b := r.ok(r.operator, "GET", by("dev"), ""); b.text(0, "id") != a.text(0, "id") || b.text(0, "subscriptions_count") != "1" {
		t.Error(b.body)
	}
	r.ok(r.operator, "DELETE", by("dev"), "")
	if code := <-d.ended; code != mqtt.AdministrativeAction {
		t.Errorf("%v", code)
	}
	if a := r.ok(r.operator, "GET", sessions, ""); len(a.Result) != 0 {
		t.Error(a.body)
	}
	r.device(r.operator, "dev", 1)
	if b := r.ok(r.operator, "GET", by("dev"), ""); b.text(0, "id") == a.text(0, "id") || b.text(0, "subscriptions_count") != "0" {
		t.Error(b.body)
	}
}

// TestSessionRights: an entry for # with the method, no less; other accounts' sessions
// are not there [EXT-TOK-5] [EXT-ACC-1] [EXT-REST-3].
func TestSessionRights(t *testing.T) {
	r := newRealBench(t, broker.Limits{})
	acl := func(rule string) string {
		_, key := r.token(r.operator, `{"ttl":60,"access":{"type":2,"acl":[`+rule+`]}}`)
		return key
	}
	reader := acl(`{"uri":"mqtt","topic":"#","methods":["GET"]}`)
	writer := acl(`{"uri":"mqtt","topic":"#","methods":["POST","DELETE"]}`)
	narrow := acl(`{"uri":"mqtt","topic":"a/#","methods":["GET","POST","DELETE"]}`)
	_, standard := r.token(r.operator, `{"ttl":60}`)
	r.ok(r.operator, "POST", sessions, `[{"client_id":"x"}]`)
	id := r.ok(r.operator, "GET", sessions, "").text(0, "id")
	for _, c := range []struct {
		key, method, path, body string
		status                  int
	}{
		{reader, "GET", "", "", 200}, {reader, "GET", "/all/subscriptions", "", 200},
		{reader, "POST", "", `[{"client_id":"y"}]`, 403}, {reader, "DELETE", "/all", "", 403}, {reader, "POST", "/all/disconnect", "", 403},
		{reader, "POST", "/all/subscriptions", `[{"topic":"a"}]`, 403}, {reader, "DELETE", "/all/subscriptions/all", "", 403},
		{writer, "GET", "", "", 403}, {writer, "GET", "/" + id, "", 403}, {writer, "GET", "/all/subscriptions", "", 403},
		{narrow, "GET", "", "", 403}, {narrow, "POST", "", `[{"client_id":"y"}]`, 403}, {narrow, "DELETE", "/all", "", 403},
		{standard, "GET", "", "", 200}, {standard, "POST", "/all/subscriptions", `[{"topic":"a"}]`, 200},
		{"", "GET", "", "", 401},
	} {
		if a := r.do(c.key, c.method, sessions+c.path, c.body); a.status != c.status {
			t.Errorf("%s %s: %d %s", c.method, c.path, a.status, a.body)
		}
	}
	sub := r.ok(r.operator, "POST", "/platform/subaccounts", `[{"name":"sub"}]`).text(0, "id")
	_, below := r.token(r.operator, `{"ttl":60,"access":{"type":1}}`, "x-flespi-cid", sub)
	if a := r.ok(below, "GET", sessions, ""); len(a.Result) != 0 {
		t.Error(a.body)
	}
	for _, path := range []string{"/" + id, "/" + id + "/subscriptions"} {
		if a, b := r.do(below, "GET", sessions+path, ""), r.do(below, "GET", sessions+strings.Replace(path, id, "77", 1), ""); a.status != 404 || strings.ReplaceAll(a.body, id, "77") != b.body {
			t.Errorf("%s %s", a.body, b.body)
		}
	}
	// An account above acts inside; nothing shows which it is.
	a := r.ok(r.operator, "POST", sessions, `[{"client_id":"x"}]`, "x-flespi-cid", sub)
	if a.text(0, "cid") != sub || a.text(0, "token_id") != "0" {
		t.Error(a.body)
	}
	r.ok(r.operator, "POST", sessions+"/all/subscriptions", `[{"topic":"q","qos":1}]`, "x-flespi-cid", sub)
	r.ok(below, "POST", "/mqtt/messages", `{"topic":"q","payload":"waits","qos":1}`)
	if got := r.device(below, "x", 0).next(); !strings.HasPrefix(got, `q "waits" q1`) {
		t.Error(got)
	}
}

// TestSessionsMeetConnects: managing sessions while their clients come, take over and go
// neither hangs nor leaves anything behind.
func TestSessionsMeetConnects(t *testing.T) {
	r := newRealBench(t, broker.Limits{})
	var all sync.WaitGroup
	for worker := range 3 {
		all.Go(func() {
			for i := range 40 {
				id := fmt.Sprintf("c%d", (worker+i)%30)
				d, err := r.attach(r.operator, id)
				if err != nil { // a newer one was quicker
					continue
				}
				d.subscribe("a/#", 1)
				d.subscribe("$share/g/b", 1)
			}
		})
	}
	for worker := range 3 {
		all.Go(func() {
			for i := range 40 {
				path := by(fmt.Sprintf("c%d", (worker*2+i)%30))
				switch i % 5 {
				case 0:
					r.do(r.operator, "DELETE", path, "")
				case 1, 2:
					r.do(r.operator, "POST", path+"/subscriptions", `[{"topic":"m/#","qos":1},{"topic":"$share/g/m","qos":1}]`)
				case 3:
					r.do(r.operator, "DELETE", path+"/subscriptions/all", "")
				case 4:
					r.do(r.operator, "POST", path+"/disconnect", "")
					r.do(r.operator, "POST", sessions, `[{"client_id":"c1"}]`)
				}
				r.ok(r.operator, "POST", "/mqtt/messages", `[{"topic":"m/1","payload":"x","qos":1},{"topic":"a/1","payload":"x"}]`)
			}
		})
	}
	all.Wait()
	for range 3 {
		r.ok(r.operator, "DELETE", sessions+"/all", "")
	}
	if a := r.ok(r.operator, "GET", sessions+"/all", ""); len(a.Result) != 0 {
		t.Error(a.body)
	}
	if n := r.real.Usage(1); n.Sessions != 0 || n.Subscriptions != 0 || n.Online != 0 {
		t.Errorf("%+v", n)
	}
}
