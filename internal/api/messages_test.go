package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"alcove/internal/broker"
	"alcove/internal/mqtt"
)

const messages = "/mqtt/messages"

// counts renders what became of each message.
func counts(a reply) string {
	var all []string
	for i := range a.Result {
		one := a.text(i, "topic") + ":" + a.text(i, "subscribers_count")
		if a.Result[i]["deleted_count"] != nil {
			one += ",deleted " + a.text(i, "deleted_count")
		}
		all = append(all, one)
	}
	for _, e := range a.Errors {
		all = append(all, fmt.Sprintf("%d %s", e.Code, e.Reason))
	}
	return strings.Join(all, " | ")
}

// TestPublishFields: every field reaches the subscriber [EXT-REST-4] [EXT-REST-11],
// with the broker's own values of who sent it [EXT-UP-2].
func TestPublishFields(t *testing.T) {
	r := newRealBench(t, broker.Limits{})
	id, key := r.token(r.operator, `{"ttl":60}`)
	sub := r.device(r.operator, "all", mqtt.QoS2, "#")
	stamps := " token_id=" + id + " cid=1"
	for _, c := range []struct{ body, want string }{
		{`{"topic":"a"}`, `a "" q0`},
		{`{"topic":"a","payload":"text"}`, `a "text" q0`},
		{`[{"topic":"a","payload":"é\u0000\ud83d\ude00"}]`, `a "é\x00😀" q0`},
		{` [ {"topic":"a","payload_base64":"AP8="} ] `, `a "\x00\xff" q0`},
		{`{"topic":"a","payload":"","qos":1}`, `a "" q1`},
		{`{"topic":"a","payload":"x","qos":2,"expiry_interval":90}`, `a "x" q2 expiry=90`},
		{`{"topic":"a","content_type":"text/plain","response_topic":"b/c","correlation_data":"42"}`, `a "" q0 type=text/plain answer=b/c correlation=3432`},
		{`{"topic":"a","correlation_data_base64":"AAE="}`, `a "" q0 correlation=0001`},
		{`{"topic":"a","content_type":"","correlation_data":""}`, `a "" q0 type= correlation=`},
		{`{"topic":"a","user_properties":{"b":"1","a":"2"}}`, `a "" q0 b=1 a=2`},
		{`{"topic":"a","user_properties":[["b","1"],["a","2"],["b","3"]]}`, `a "" q0 b=1 a=2 b=3`},
		{`{"topic":"a","user_properties":{"cid":"7","token_id":"8","x":"y"}}`, `a "" q0 x=y`},
		{`{"topic":"a,b/c","retain":false}`, `a,b/c "" q0`},
		{`{"topic":"$own/x","payload":"x"}`, ``},
	} {
		a := r.ok(key, "POST", messages, c.body)
		if len(a.Result) != 1 {
			t.Fatalf("%s: %s", c.body, a.body)
		}
		if c.want == "" {
			if got := counts(a); got != "$own/x:0" {
				t.Errorf("%s: %s", c.body, got)
			}
			continue
		}
		if got := sub.next(); got != c.want+stamps {
			t.Errorf("%s\n got %s\nwant %s", c.body, got, c.want+stamps)
		}
	}
}

// TestPublishRetained: both names of the flag, and clearing [EXT-REST-11].
func TestPublishRetained(t *testing.T) {
	r := newRealBench(t, broker.Limits{})
	r.ok(r.operator, "POST", messages, `[{"topic":"a","payload":"1","retain":true},{"topic":"b","payload":"2","retained":true},
		{"topic":"c","payload":"3","retained":false},{"topic":"d","payload":"4"}]`)
	if got := r.topics(r.operator, "%23", ""); got != "a b" {
		t.Errorf("retained: %s", got)
	}
	r.ok(r.operator, "POST", messages, `{"topic":"a","payload":"","retained":true}`)
	r.ok(r.operator, "POST", messages, `{"topic":"b","retain":true}`)
	if got := r.topics(r.operator, "%23", ""); got != "" {
		t.Errorf("after clearing: %s", got)
	}
}

// TestPublishCounts: subscribers_count is of the account's own sessions, online or
// lasting, a share group counted once [EXT-UP-4].
func TestPublishCounts(t *testing.T) {
	r := newRealBench(t, broker.Limits{})
	r.device(r.operator, "above", mqtt.QoS1, "#") // sees the child's messages, not counted there
	child := r.ok(r.operator, "POST", "/platform/subaccounts", `[{}]`).text(0, "id")
	_, key := r.token(r.operator, `{"ttl":600}`, "x-flespi-cid", child)
	r.device(key, "one", mqtt.QoS1, "a/+", "a/#", "other")
	two := r.device(key, "two", mqtt.QoS1, "a/1")
	r.device(key, "m1", mqtt.QoS1, "$share/g/a/1")
	r.device(key, "m2", mqtt.QoS1, "$share/g/a/1")
	two.leave()
	a := r.ok(key, "POST", messages, `[{"topic":"a/1","qos":1},{"topic":"a/2","qos":1},{"topic":"b"}]`)
	if got := counts(a); got != "a/1:3 | a/2:1 | b:0" {
		t.Error(got)
	}
	// What was queued waits for the one who was away: a 2xx promises it [EXT-SES-4].
	if got := r.device(key, "two", mqtt.QoS1).next(); !strings.HasPrefix(got, `a/1 "" q1`) {
		t.Error(got)
	}
}

// TestPublishRefused: each item is refused by itself, and says why [EXT-REST-1].
func TestPublishRefused(t *testing.T) {
	r := newRealBench(t, broker.Limits{MaximumPacketSize: 2000, MaximumLevels: 4, RetainedBytes: 3000})
	_, acl := r.token(r.operator, `{"ttl":60,"access":{"type":2,"acl":[
		{"uri":"mqtt","topic":"in/#","methods":["POST"]},{"uri":"mqtt","topic":"+/{client_id}","methods":["POST"]},
		{"uri":"mqtt","topic":"look/#","methods":["GET","DELETE"],"actions":["publish"]}]}}`)
	sub := r.device(r.operator, "all", mqtt.QoS0, "#")
	a := r.do(acl, "POST", messages, `[{"topic":"in/1","payload":"first"},{"topic":"out"},{"topic":"look/1"},{"topic":"in/2"},{"topic":"x/"}]`)
	if got := counts(a); a.status != 200 || got != "in/1:1 | in/2:1 | 403 [1]: topic: the token may not publish to this topic | "+
		"403 [2]: topic: the token may not publish to this topic | 403 [4]: topic: the token may not publish to this topic" {
		t.Errorf("%d %s", a.status, got)
	}
	for _, want := range []string{"in/1", "in/2"} {
		if got := sub.next(); !strings.HasPrefix(got, want+" ") {
			t.Errorf("delivered %s", got)
		}
	}
	long := strings.Repeat("x", 1900)
	for _, c := range []struct {
		body   string
		status int
		names  string
	}{
		{`{"topic":""}`, 400, "topic: "},
		{`{"topic":"a/+","payload":"x"}`, 400, "topic: "},
		{`{"topic":"a\u0001b"}`, 400, "topic: "},
		{`{"topic":"a\u0000b"}`, 400, "topic: "},
		{`{"topic":"a/b/c/d/e"}`, 400, "topic: "},
		{`{"topic":"` + strings.Repeat("x", 65536) + `"}`, 400, "topic: longer"},
		{`{"topic":"flespi/state/x"}`, 400, "topic: topics under flespi/"},
		{`{"topic":"flespi/#","payload":""}`, 400, "topic: topics under flespi/"},
		{`{"topic":"$share/g/a"}`, 400, "topic: topics under $share/"},
		{`{"topic":"$share/g/#","payload":""}`, 400, "topic: topics under $share/"},
		{`{"topic":"$filter/cid=1/#","payload":""}`, 400, "topic: topics under $share/ and $filter/"},
		{`{"topic":"a#","payload":""}`, 400, "topic: "},
		{`{"topic":"a,,b/+","payload":""}`, 400, "topic: "},
		{`{"topic":"a/#"}`, 400, "payload: "},
		{`{"topic":"a","payload":"` + long + `"}`, 200, ""},
		{`{"topic":"a","payload":"` + long + strings.Repeat("x", 100) + `"}`, 413, "Maximum Packet Size"},
		{`{"topic":"a","payload":"x","retain":true,"user_properties":{"` + long + `":"` + long + `"}}`, 413, "Maximum Packet Size"},
	} {
		a := r.do(r.operator, "POST", messages, c.body)
		if a.status != c.status || c.names != "" && !strings.Contains(a.Errors[0].Reason, c.names) {
			t.Errorf("%.80s: %d %.200s", c.body, a.status, a.body)
		}
	}
	// Over the account's room a message is delivered and not stored: the limit's name.
	a = r.do(r.operator, "POST", messages, `[{"topic":"r/1","payload":"`+long+`","retain":true},{"topic":"r/2","payload":"`+long+`","retain":true}]`)
	if got := counts(a); got != "r/1:1 | 403 [1]: limit mqtt_retained_storage is reached" {
		t.Errorf("%d %s", a.status, got)
	}
	if got := r.topics(r.operator, "r%2F%23", ""); got != "r/1" {
		t.Errorf("retained %s", got)
	}
}

// TestPublishBadRequests: a malformed item names its place and field (attacks row 48).
func TestPublishBadRequests(t *testing.T) {
	r := newRealBench(t, broker.Limits{})
	for _, c := range []struct{ item, names string }{
		{`{"payload":"x"}`, "topic"},
		{`{"topic":7}`, "topic: "},
		{`{"topic":null}`, "topic: "},
		{`{"topic":"a","payload":7}`, "payload: "},
		{`{"topic":"a","payload":{"a":1}}`, "payload: "},
		{`{"topic":"a","payload":"x","payload_base64":"eA=="}`, "payload_base64: "},
		{`{"topic":"a","payload_base64":"?"}`, "payload_base64: "},
		{`{"topic":"a","payload_base64":"eA"}`, "payload_base64: "},
		{`{"topic":"a","qos":3}`, "qos: "},
		{`{"topic":"a","qos":-1}`, "qos: "},
		{`{"topic":"a","qos":"1"}`, "qos: "},
		{`{"topic":"a","qos":1.5}`, "qos: "},
		{`{"topic":"a","qos":1e999}`, "out of range"},
		{`{"topic":"a","retain":1}`, "retain: "},
		{`{"topic":"a","retain":true,"retained":true}`, "retained: "},
		{`{"topic":"a","expiry_interval":-1}`, "expiry_interval: "},
		{`{"topic":"a","expiry_interval":4294967296}`, "expiry_interval: "},
		{`{"topic":"a","expiry_interval":1.5}`, "expiry_interval: "},
		{`{"topic":"a","content_type":7}`, "content_type: "},
		{`{"topic":"a","content_type":"a\u0000"}`, "content_type: "},
		{`{"topic":"a","content_type":"` + strings.Repeat("é", 32768) + `"}`, "content_type: "},
		{`{"topic":"a","response_topic":""}`, "response_topic: "},
		{`{"topic":"a","response_topic":"a/+"}`, "response_topic: "},
		{`{"topic":"a","correlation_data":"x","correlation_data_base64":"eA=="}`, "correlation_data_base64: "},
		{`{"topic":"a","correlation_data_base64":"x"}`, "correlation_data_base64: "},
		{`{"topic":"a","correlation_data":"` + strings.Repeat("x", 65536) + `"}`, "correlation_data: "},
		{`{"topic":"a","user_properties":"x"}`, "user_properties: "},
		{`{"topic":"a","user_properties":{"a":1}}`, "user_properties: "},
		{`{"topic":"a","user_properties":{"a":{}}}`, "user_properties: "},
		{`{"topic":"a","user_properties":[["a"]]}`, "user_properties: "},
		{`{"topic":"a","user_properties":[["a","b","c"]]}`, "user_properties: "},
		{`{"topic":"a","user_properties":["a","b"]}`, "user_properties: "},
		{`{"topic":"a","user_properties":{"a\u0000":"b"}}`, "user_properties: "},
		{`{"topic":"a","user_properties":{"a":"` + strings.Repeat("x", 65536) + `"}}`, "user_properties: "},
		{`{"topic":"a","cid":7}`, "cid: "},
		{`{"topic":"a","Payload":"x"}`, "Payload: "},
		{`7`, "object"},
		{`null`, "object"},
		{`[]`, "object"},
	} {
		a := r.do(r.operator, "POST", messages, c.item)
		if c.item != `[]` && (a.status != 400 || !strings.Contains(a.Errors[0].Reason, c.names) || strings.HasPrefix(a.Errors[0].Reason, "[")) {
			t.Errorf("%.80s: %d %.200s, want %s", c.item, a.status, a.body, c.names)
		}
		// In an array it has a place, and hurts no other.
		a = r.do(r.operator, "POST", messages, `[{"topic":"good"},`+c.item+`]`)
		if a.status != 200 || len(a.Result) != 1 || len(a.Errors) != 1 || a.Errors[0].Code != 400 ||
			!strings.HasPrefix(a.Errors[0].Reason, "[1]: ") || !strings.Contains(a.Errors[0].Reason, c.names) {
			t.Errorf("in an array, %.80s: %d %.200s", c.item, a.status, a.body)
		}
		if len(a.body) > 4096 {
			t.Errorf("%.80s: the error repeats the request", c.item)
		}
	}
	for _, c := range []struct {
		body   string
		status int
		names  string
	}{
		{``, 400, "body"}, {`{`, 400, "body"}, {`[]`, 400, "1 to 1000"}, {`"x"`, 400, "object or array"},
		{`[` + strings.Repeat(`{},`, maxItems) + `{}]`, 400, "1 to 1000"},
		{`{"topic":"a","topic":"b"}`, 400, "twice"},
		{`{"topic":"a","user_properties":{"x":"1","x":"2"}}`, 400, "twice"},
		{`[{"topic":"a","payload":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}]`, 400, "deeper"},
		{"{\"topic\":\"a\",\"payload\":\"caf\xe9\"}", 400, "UTF-8"},
		{`{"topic":"a","payload":"\ud800"}`, 400, "surrogate"},
		{`{"topic":"a","payload":"\ud800\\udc00"}`, 400, "surrogate"},
		{`{"topic":"a","payload":"\udc00\ud800"}`, 400, "surrogate"},
		{`{"topic":"a","payload":"\\ud800 \n é"}`, 200, ""},
		{`{"topic":"a","payload":"` + strings.Repeat("x", maxBody) + `"}`, 413, "large"},
	} {
		a := r.do(r.operator, "POST", messages, c.body)
		if a.status != c.status || c.names != "" && !strings.Contains(a.Errors[0].Reason, c.names) {
			t.Errorf("%.80s: %d %.200s", c.body, a.status, a.body)
		}
	}
}

// TestPublishStoreFailure: 503 where a promise cannot be kept [EXT-SES-4].
func TestPublishStoreFailure(t *testing.T) {
	r := newRealBench(t, broker.Limits{})
	r.low = true
	a := r.do(r.operator, "POST", messages, `[{"topic":"a","qos":1},{"topic":"b","payload":"x","retain":true},{"topic":"c"}]`)
	if got := counts(a); got != "c:0 | 503 [0]: the broker's storage takes nothing more | 503 [1]: the broker's storage takes nothing more" {
		t.Error(got)
	}
	r.low = false
	r.log.fail(errors.New("open /secret/path: I/O error"))
	a = r.do(r.operator, "POST", messages, `[{"topic":"a"},{"topic":"b","payload":"x","retain":true}]`)
	if got := counts(a); got != "a:0 | 503 [1]: the change could not be stored" {
		t.Error(got)
	}
	if a := r.do(r.operator, "DELETE", messages+"/b", ""); a.status != 503 || strings.Contains(a.body, "secret") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestPublishInto: x-flespi-cid publishes in a descendant, which is not shown whose
// token that was [EXT-REST-3] [EXT-ACC-2]; the operator never in a top-level account
// [EXT-ACC-3].
func TestPublishInto(t *testing.T) {
	r := newRealBench(t, broker.Limits{})
	child := r.ok(r.operator, "POST", "/platform/subaccounts", `[{}]`).text(0, "id")
	_, master := r.token(r.operator, `{"ttl":60,"access":{"type":1}}`)
	_, standard := r.token(r.operator, `{"ttl":60}`)
	top := r.ok(r.operator, "POST", "/platform/customers", `[{}]`).text(0, "id")
	_, below := r.token(r.operator, `{"ttl":60}`, "x-flespi-cid", child)
	sub := r.device(below, "inside", mqtt.QoS0, "#")
	above := r.device(r.operator, "above", mqtt.QoS0, "#")
	if got := counts(r.ok(master, "POST", messages, `{"topic":"a","payload":"x","retain":true}`, "x-flespi-cid", child)); got != "a:1" {
		t.Error(got)
	}
	want := `a "x" q0 token_id=0 cid=` + child
	if got := sub.next(); got != want {
		t.Error(got)
	}
	if got := above.next(); got != want {
		t.Error(got)
	}
	for _, c := range []struct {
		key, cid string
		status   int
	}{
		{standard, child, 403}, {r.operator, top, 404}, {r.operator, "123456789", 404}, {below, "1", 403}, {r.operator, "x", 400},
	} {
		for _, method := range []string{"POST " + messages, "GET " + messages + "/a", "DELETE " + messages + "/a"} {
			verb, path, _ := strings.Cut(method, " ")
			if a := r.do(c.key, verb, path, `{"topic":"a"}`, "x-flespi-cid", c.cid); a.status != c.status {
				t.Errorf("%s in %s: %d %s", method, c.cid, a.status, a.body)
			}
		}
	}
	// The answers of a top-level account and of a missing one are the same [EXT-ACC-1].
	if a, b := r.do(r.operator, "GET", messages+"/a", "", "x-flespi-cid", top), r.do(r.operator, "GET", messages+"/a", "", "x-flespi-cid", "123456789"); a.body != b.body {
		t.Errorf("%s %s", a.body, b.body)
	}
	if got := r.topics(r.operator, "%23", ""); got != "a" {
		t.Errorf("the parent sees %q", got)
	}
}

// TestPublishMany: an array is published in order, in more than one turn.
func TestPublishMany(t *testing.T) {
	r := newRealBench(t, broker.Limits{})
	sub := r.device(r.operator, "all", mqtt.QoS1, "n/#")
	var list []string
	for i := range maxItems {
		list = append(list, `{"topic":"n/`+strconv.Itoa(i)+`","qos":1,"payload":"`+strings.Repeat("x", 1000)+`"}`)
	}
	sent := make(chan reply)
	go func() { sent <- r.ok(r.operator, "POST", messages, "["+strings.Join(list, ",")+"]") }()
	for i := range 900 { // the session's window
		if got := sub.next(); !strings.HasPrefix(got, "n/"+strconv.Itoa(i)+" ") {
			t.Fatalf("%d: %.40s", i, got)
		}
	}
	if a := <-sent; len(a.Result) != maxItems {
		t.Errorf("%d results", len(a.Result))
	}
}

// FuzzMessage: whatever is posted is answered with well-formed JSON, and what passes
// for a message can stand on the wire as it is.
func FuzzMessage(f *testing.F) {
	f.Add(`{"topic":"a","payload":"x"}`)
	f.Add(`[{"topic":"a","payload_base64":"AP8=","qos":2,"retain":true}]`)
	f.Add(`{"topic":"a","user_properties":[["a","b"],["a","\ud83d\ude00"]],"correlation_data":"\u0000"}`)
	f.Add(`{"topic":"+/#","payload":"","retained":true}`)
	f.Add(`{"topic":"a","content_type":"x","response_topic":"b","expiry_interval":4294967295,"user_properties":{"k":"v"}}`)
	s := New(Config{Broker: &dropper{}}).(*server)
	f.Fuzz(func(t *testing.T, text string) {
		var l messageList
		if decodeJSON([]byte(text), &l) != nil {
			return
		}
		if !json.Valid([]byte(text)) {
			t.Fatalf("%q passes", text)
		}
		list, places, errs := s.readMessages(&l)
		if len(list) != len(places) || len(list)+len(errs) != len(l.items) {
			t.Fatalf("%d messages at %d places, %d errors, of %d", len(list), len(places), len(errs), len(l.items))
		}
		for _, m := range list {
			var back mqtt.PublishProps
			forward := m.Props.AppendForward(nil)
			if err := back.DecodeForward(forward); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			if string(back.AppendForward(nil)) != string(forward) {
				t.Fatalf("%q: properties change on the wire", text)
			}
		}
	})
}

// BenchmarkPublishMessages posts 1,000 messages a request.
func BenchmarkPublishMessages(b *testing.B) {
	s := New(Config{Broker: &dropper{}}).(*server)
	var list []string
	for i := range maxItems {
		list = append(list, `{"topic":"devices/`+strconv.Itoa(i)+`/state","payload":"`+strings.Repeat("x", 300)+`","retain":true}`)
	}
	body := []byte("[" + strings.Join(list, ",") + "]")
	b.ReportAllocs()
	for b.Loop() {
		var l messageList
		if err := decodeJSON(body, &l); err != nil {
			b.Fatal(err)
		}
		if list, _, _ := s.readMessages(&l); len(list) != maxItems {
			b.Fatal(len(list))
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*maxItems), "ns/message")
}
