package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"alcove/internal/auth"
	"alcove/internal/broker"
	"alcove/internal/mqtt"
)

// topics lists the retained topics that a GET shows.
func (r *realBench) topics(key, filter, query string, headers ...string) string {
	r.t.Helper()
	a := r.ok(key, "GET", messages+"/"+filter+query, "", headers...)
	var all []string
	for i := range a.Result {
		all = append(all, a.text(i, "topic"))
	}
	return strings.Join(all, " ")
}

// retain stores messages by topic, with the payload "x".
func (r *realBench) retain(key string, topics string, headers ...string) {
	r.t.Helper()
	var list []string
	for name := range strings.FieldsSeq(topics) {
		list = append(list, `{"topic":"`+name+`","payload":"x","retain":true}`)
	}
	r.ok(key, "POST", messages, "["+strings.Join(list, ",")+"]", headers...)
}

func data(json string) string { return "?data=" + url.QueryEscape(json) }

// TestRetainedFields: each field is shown as it was published [EXT-REST-4], the
// broker's own apart from the user properties [EXT-UP-8].
func TestRetainedFields(t *testing.T) {
	r := newRealBench(t, broker.Limits{})
	id, key := r.token(r.operator, `{"ttl":60}`)
	before := time.Now().UnixMicro()
	r.ok(key, "POST", messages, `[{"topic":"a","payload":"<é>","retain":true},
		{"topic":"b","payload_base64":"AP8=","qos":2,"retain":true,"expiry_interval":90,"content_type":"x/y","response_topic":"r",
		 "correlation_data_base64":"gA==","user_properties":[["k","1"],["cid","7"],["k","2"]]},
		{"topic":"c","payload":"x","retain":true,"correlation_data":"id","user_properties":{"z":"1","a":"<2>"}},
		{"topic":"d","payload":"x","retain":true,"user_properties":{"timestamp":"1600000000.25"}}]`)
	a := r.ok(key, "GET", messages+"/%23", "")
	for i, want := range []string{
		`{"topic":"a","payload":"<é>","timestamp":T,"cid":1,"token_id":I,"qos":0}`,
		`{"topic":"b","payload_base64":"AP8=","timestamp":T,"cid":1,"token_id":I,"qos":2,"expiry_interval":90,"content_type":"x/y",` +
			`"response_topic":"r","correlation_data_base64":"gA==","user_properties":[["k","1"],["k","2"]]}`,
		`{"topic":"c","payload":"x","timestamp":T,"cid":1,"token_id":I,"qos":0,"correlation_data":"id","user_properties":{"z":"1","a":"<2>"}}`,
		`{"topic":"d","payload":"x","timestamp":1600000000.250000,"cid":1,"token_id":I,"qos":0}`,
	} {
		line := strings.Split(a.body, "\n")[i]
		line = strings.ReplaceAll(line, `\u003c2\u003e`, "<2>")
		_, stamp, _ := strings.Cut(line, `"timestamp":`)
		stamp, _, _ = strings.Cut(stamp, ",")
		got := strings.TrimPrefix(strings.TrimPrefix(line, `{"result":[`), ",")
		want = strings.ReplaceAll(want, "I", id)
		if !strings.Contains(want, stamp) {
			if len(stamp) != 17 || stamp[10] != '.' {
				t.Errorf("timestamp %s", stamp)
			}
			micros, _ := strconv.ParseInt(strings.Replace(stamp, ".", "", 1), 10, 64)
			if now := time.Now().UnixMicro(); micros < before || micros > now+1000 {
				t.Errorf("timestamp %s is not between %d and %d", stamp, before, now)
			}
			want = strings.Replace(want, "T", stamp, 1)
		}
		if got != want {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
	}
	if a.Pagination != nil {
		t.Errorf("pagination %+v", a.Pagination)
	}
	// fields, in the order of the asking [EXT-REST-2].
	for _, query := range []string{"?fields=payload,topic,none", "?fields=payload,topic,payload", data(`{"fields":"payload,topic,none"}`)} {
		a := r.ok(key, "GET", messages+"/c"+query, "")
		if got := strings.ReplaceAll(a.body, "\n", ""); got != `{"result":[{"payload":"x","topic":"c"}]}` {
			t.Errorf("%s: %s", query, got)
		}
	}
}

// TestRetainedNothing: fields that no message has leave empty objects.
func TestRetainedNothing(t *testing.T) {
	r := newRealBench(t, broker.Limits{})
	r.retain(r.operator, "a b")
	for query, want := range map[string]string{
		"?fields=none": `{"result":[{},{}]}`, "?fields=content_type": `{"result":[{},{}]}`, "?limit=1&fields=,": `{"result":[{}],"pagination":{"limit":1,"offset":0,"count":2}}`,
	} {
		if got := strings.ReplaceAll(r.ok(r.operator, "GET", messages+"/%23"+query, "").body, "\n", ""); got != want {
			t.Errorf("%s: %s", query, got)
		}
	}
}

// TestRetainedFilters: the filter is the rest of the path, whatever it holds
// [EXT-SEL-1] [EXT-FIL-1].
func TestRetainedFilters(t *testing.T) {
	r := newRealBench(t, broker.Limits{MaximumLevels: 6})
	r.retain(r.operator, `a a/b a//b /a a/ .. ../a . a/../b é/ü $own/x a,b/c a?b a%b`)
	r.ok(r.operator, "POST", messages, `[{"topic":"n/1","payload":"{\"v\":1}","retain":true},{"topic":"n/2","payload":"{\"v\":2}","retain":true},
		{"topic":"n/3","payload":"v","retain":true,"qos":1},{"topic":"old","payload":"x","retain":true,"user_properties":{"timestamp":"1000.5"}}]`)
	for _, c := range []struct{ path, want string }{
		{"a", "a"}, {"a/b", "a/b"}, {"a%2Fb", "a/b"}, {"a//b", "a//b"}, {"a%2F%2Fb", "a//b"}, {"a%2F/b", "a//b"},
		{"/a", "/a"}, {"%2Fa", "/a"}, {"a/", "a/"}, {"..", ".."}, {"%2E%2E", ".."}, {"../a", "../a"}, {".", "."}, {"%3D", ""}, {"/", ""},
		{"a/../b", "a/../b"}, {"a/%2E%2E/b", "a/../b"}, {"%C3%A9/%C3%BC", "é/ü"}, {"$own/%23", "$own/x"}, {"%24own/%2B", "$own/x"},
		{"a%3Fb", "a?b"}, {"a%25b", "a%b"}, {"+/b", "a/b"}, {"%2B/b", "a/b"},
		{"a,n/1,2,b", "a/b n/1 n/2"}, {"a%2Cb/c", "a,b/c"}, {"n/%23", "n/1 n/2 n/3"}, {"none", ""}, {"none/%23", ""},
		{"$filter/payload=v>1/n/+", "n/2"},
		{"$filter%2Fpayload%3Dv%3E1%2Fn%2F%23", "n/2"},
		{"$filter/payload%253Dv%253D%253D1/n/+", "n/1"},
		{"$filter/message=qos==1&modified_since=1/%23", "n/3"},
		{"$filter/modified_since%3D1000.5/old", ""},
		{"$filter/modified_since%3E1000.4/old", "old"},
		{"$filter/cid=1/old", "old"},
	} {
		if got := r.topics(r.operator, c.path, ""); got != c.want {
			t.Errorf("%s: %s, want %s", c.path, got, c.want)
		}
	}
	for _, c := range []struct {
		method, path, query string
		status              int
		names               string
	}{
		{"GET", "a%23", "", 400, "filter: "},
		{"GET", "a/%23/b", "", 400, "filter: "},
		{"GET", "a,,b", "", 400, "filter: "},
		{"GET", "a%00", "", 400, "filter: "},
		{"GET", strings.Repeat("x", 65536), "", 400, "filter: longer"},
		{"GET", "a/b/c/d/e/f/g", "", 400, "filter: "},
		{"GET", "$share/g/a", "", 400, "filter: "},
		{"GET", "$share/g/", "", 400, "filter: "},
		{"GET", "$filter/nothing=1/a", "", 400, "filter: unknown item"},
		{"GET", "$filter/payload=((/a", "", 400, "filter: payload: "},
		{"GET", "$filter/cid=x/a", "", 400, "filter: "},
		{"GET", "$filter/cid=123456789/a", "", 404, "not found"},
		{"DELETE", "$filter/cid=1/a", "", 400, "filter: deletion takes no $filter"},
		{"DELETE", "$share/g/a", "", 400, "filter: "},
		{"DELETE", "a%23", "", 400, "filter: "},
		{"DELETE", "a/b/c/d/e/f/g", "", 400, "filter: "},
		{"GET", "a", "?limit=0", 400, "limit: "},
		{"GET", "a", "?limit=1001", 400, "limit: "},
		{"GET", "a", "?offset=-1", 400, "offset: "},
		{"GET", "a", "?fields=" + strings.Repeat("a,", maxFields) + "a", 400, "fields: "},
		{"GET", "a", data(`{`), 400, "data: "},
		{"GET", "a", data(`7`), 400, "data: "},
		{"GET", "a", data(`{} {}`), 400, "data: is not valid JSON"},
		{"GET", "a", data(`{"limit":1e999}`), 400, "data: number 1e999 is out of range"},
		{"GET", "a", data(`{"from":1}`), 400, "data.from: "},
		{"GET", "a", data(`{"recursive":1}`), 400, "data.recursive: "},
		{"GET", "a", data(`{"recursive":true,"recursive":false}`), 400, "data: "},
		{"GET", "a", data(`{"modified_since":"x"}`), 400, "data.modified_since: "},
		{"GET", "a", data(`{"modified_since":true}`), 400, "data.modified_since: "},
		{"GET", "a", data(`{"limit":0}`), 400, "data.limit: "},
		{"GET", "a", data(`{"limit":1001}`), 400, "data.limit: "},
		{"GET", "a", data(`{"limit":5}`) + "&limit=5", 400, "data.limit: "},
		{"GET", "a", data(`{"offset":-1}`), 400, "data.offset: "},
		{"PUT", "a", "", 405, "method"},
		{"GET", "", "", 404, "path"},
	} {
		a := r.do(r.operator, c.method, messages+"/"+c.path+c.query, "")
		if a.status != c.status || !strings.Contains(a.Errors[0].Reason, c.names) {
			t.Errorf("%s %.60s%s: %d %.200s, want %d naming %q", c.method, c.path, c.query, a.status, a.body, c.status, c.names)
		}
	}
}

// TestRetainedRights: each concrete topic is asked of the entries with GET, or with
// DELETE [EXT-TOK-5] [EXT-TOK-7]; {client_id} grants nothing.
func TestRetainedRights(t *testing.T) {
	r := newRealBench(t, broker.Limits{})
	_, acl := r.token(r.operator, `{"ttl":60,"access":{"type":2,"acl":[
		{"uri":"mqtt","topic":"see/#","methods":["GET"]},{"uri":"mqtt","topic":"del/#","methods":["DELETE","GET"]},
		{"uri":"mqtt","topic":"{client_id}/#","methods":["GET","DELETE"]},{"uri":"mqtt","topic":"+/both","methods":["GET","DELETE","POST"]},
		{"uri":"mqtt","topic":"hear/#","actions":["subscribe","publish"]}]}}`)
	_, standard := r.token(r.operator, `{"ttl":60}`)
	_, personal := r.token(r.operator, `{"ttl":60,"access":{"type":2,"acl":[{"uri":"mqtt","topic":"{client_id}","methods":["GET","POST","DELETE"]}]}}`)
	all := "del/1 del/2 hear/1 hear/both see/1 see/2 x/1"
	r.retain(r.operator, all)
	if got := r.topics(standard, "%23", ""); got != all {
		t.Errorf("standard: %s", got)
	}
	if got := r.topics(acl, "%23", ""); got != "del/1 del/2 hear/both see/1 see/2" {
		t.Errorf("list: %s", got)
	}
	if got := r.topics(acl, "hear,see/1,both", ""); got != "hear/both see/1" {
		t.Errorf("selectors: %s", got)
	}
	for _, c := range []struct {
		key, method, path string
		status            int
	}{
		{acl, "GET", "x/1", 403}, {acl, "GET", "hear/1", 403}, {acl, "DELETE", "see/1", 403},
		{personal, "GET", "%23", 403}, {personal, "DELETE", "%23", 403}, {personal, "GET", "a", 403},
	} {
		if a := r.do(c.key, c.method, messages+"/"+c.path, ""); a.status != c.status {
			t.Errorf("%s %s: %d", c.method, c.path, a.status)
		}
	}
	if got := counts(r.do(acl, "POST", messages, `[{"topic":"+/#","payload":""},{"topic":"x/1/#","payload":""}]`)); got !=
		"+/#:0,deleted 1 | 403 [1]: topic: the token may not publish to this topic" {
		t.Errorf("by POST: %s", got)
	}
	if got := r.ok(acl, "DELETE", messages+"/%23", "").text(0, "deleted_count"); got != "2" {
		t.Errorf("deleted %s", got)
	}
	if got := r.topics(r.operator, "%23", ""); got != "hear/1 see/1 see/2 x/1" {
		t.Errorf("left: %s", got)
	}
}

// TestRetainedAccounts: descendants' messages are shown, or not, and never deleted but
// by x-flespi-cid [EXT-RET-2] [EXT-REST-3].
func TestRetainedAccounts(t *testing.T) {
	r := newRealBench(t, broker.Limits{})
	child := r.ok(r.operator, "POST", "/platform/subaccounts", `[{}]`).text(0, "id")
	other := r.ok(r.operator, "POST", "/platform/subaccounts", `[{}]`).text(0, "id")
	_, key := r.token(r.operator, `{"ttl":60}`, "x-flespi-cid", child)
	r.retain(r.operator, "a own")
	r.retain(key, "a child")
	cids := func(key, filter, query string, headers ...string) string {
		a := r.ok(key, "GET", messages+"/"+filter+query, "", headers...)
		var all []string
		for i := range a.Result {
			all = append(all, a.text(i, "topic")+"@"+a.text(i, "cid"))
		}
		return strings.ReplaceAll(strings.Join(all, " "), "@"+child, "@child")
	}
	for _, c := range []struct{ key, filter, query, cid, want string }{
		{r.operator, "%23", "", "", "a@1 own@1 a@child child@child"},
		{r.operator, "%23", data(`{"recursive":true}`), "", "a@1 own@1 a@child child@child"},
		{r.operator, "%23", data(`{"recursive":false}`), "", "a@1 own@1"},
		{r.operator, "$filter/cid=" + child + "/%23", "", "", "a@child child@child"},
		{r.operator, "$filter/cid=" + child + "/%23", data(`{"recursive":false}`), "", ""},
		{r.operator, "$filter/cid=" + other + "/%23", "", "", ""},
		{r.operator, "%23", "", child, "a@child child@child"},
		{key, "%23", "", "", "a@child child@child"},
	} {
		var headers []string
		if c.cid != "" {
			headers = []string{"x-flespi-cid", c.cid}
		}
		if got := cids(c.key, c.filter, c.query, headers...); got != c.want {
			t.Errorf("%s%s in %s: %s, want %s", c.filter, c.query, c.cid, got, c.want)
		}
	}
	// Whose account it is does not matter: it is not below this one [EXT-ACC-1].
	foreign := r.do(key, "GET", messages+"/$filter/cid="+other+"/a", "")
	parent := r.do(key, "GET", messages+"/$filter/cid=1/a", "")
	missing := r.do(key, "GET", messages+"/$filter/cid=123456789/a", "")
	if foreign.status != 404 || foreign.body != missing.body || parent.body != missing.body {
		t.Errorf("%s %s %s", foreign.body, parent.body, missing.body)
	}
	if got := r.ok(r.operator, "DELETE", messages+"/%23", "").text(0, "deleted_count"); got != "2" {
		t.Errorf("deleted %s", got)
	}
	if got := cids(r.operator, "%23", ""); got != "a@child child@child" {
		t.Errorf("after the parent's deletion: %s", got)
	}
	if got := counts(r.ok(r.operator, "POST", messages, `[{"topic":"a","retain":true},{"topic":"+","payload":""}]`)); got != "a:0 | +:0,deleted 0" {
		t.Errorf("%s", got)
	}
	if got := r.ok(r.operator, "DELETE", messages+"/a", "", "x-flespi-cid", child).text(0, "deleted_count"); got != "1" {
		t.Errorf("deleted %s", got)
	}
	if got := cids(r.operator, "%23", ""); got != "child@child" {
		t.Errorf("left: %s", got)
	}
}

// TestRetainedDeletion: by POST and DELETE, with wildcards and without [EXT-RET-2]; in
// an array each acts in its turn.
func TestRetainedDeletion(t *testing.T) {
	r := newRealBench(t, broker.Limits{})
	sub := r.device(r.operator, "all", mqtt.QoS0, "a/#")
	r.retain(r.operator, "a/1 a/2 b/1 b/2 c $x/1")
	sub.next()
	sub.next()
	a := r.ok(r.operator, "POST", messages, `[{"topic":"a/+","payload":""},{"topic":"a/3","payload":"x","retain":true},{"topic":"b,c/#","payload":"","retained":true},
		{"topic":"+/9","payload_base64":"","qos":2}]`)
	if got := counts(a); got != "a/+:0,deleted 2 | a/3:1 | b,c/#:0,deleted 3 | +/9:0,deleted 0" {
		t.Error(got)
	}
	if got := sub.next(); !strings.HasPrefix(got, "a/3 ") {
		t.Errorf("the deletion was forwarded: %s", got)
	}
	if got := r.topics(r.operator, "%23", "") + " " + r.topics(r.operator, "$x/%23", ""); got != "a/3 $x/1" {
		t.Errorf("left: %s", got)
	}
	for _, c := range []struct{ path, want string }{{"a/3", "1"}, {"a/3", "0"}, {"$x/+", "1"}, {"flespi/%23", "0"}} {
		a := r.ok(r.operator, "DELETE", messages+"/"+c.path, "")
		if got := a.text(0, "deleted_count"); got != c.want || len(a.Result) != 1 {
			t.Errorf("DELETE %s: %s", c.path, a.body)
		}
	}
}

// TestRetainedSince: data.modified_since, strictly newer [EXT-RET-3].
func TestRetainedSince(t *testing.T) {
	r := newRealBench(t, broker.Limits{})
	var list []string
	for i := range 5 {
		list = append(list, fmt.Sprintf(`{"topic":"t/%d","payload":"x","retain":true,"user_properties":{"timestamp":"%d.5"}}`, i, 1000+i))
	}
	r.ok(r.operator, "POST", messages, "["+strings.Join(list, ",")+"]")
	for _, c := range []struct{ filter, data, want string }{
		{"%23", `{"modified_since":1002.5}`, "t/3 t/4"},
		{"%23", `{"modified_since":"1002.5"}`, "t/3 t/4"},
		{"%23", `{"modified_since":1002.499999}`, "t/2 t/3 t/4"},
		{"%23", `{"modified_since":-1}`, "t/0 t/1 t/2 t/3 t/4"},
		{"$filter/modified_since=1003.5/%23", `{"modified_since":1}`, "t/4"},
		{"$filter/modified_since=1/%23", `{"modified_since":1003.5}`, "t/4"},
		{"t/4", `{"modified_since":99999999999}`, ""},
	} {
		if got := r.topics(r.operator, c.filter, data(c.data)); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.filter, c.data, got, c.want)
		}
	}
}

// TestRetainedPages: limit, offset and the count of all [EXT-REST-2].
func TestRetainedPages(t *testing.T) {
	r := newRealBench(t, broker.Limits{})
	const n = 250
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("p/%03d", i))
	}
	r.retain(r.operator, strings.Join(names, " "))
	for _, c := range []struct {
		query    string
		from, to int
		want     messagePagination
	}{
		{"?limit=100", 0, 100, messagePagination{Pagination: Pagination{100, 0, n}}},
		{"?limit=100&offset=200", 200, 250, messagePagination{Pagination: Pagination{100, 200, n}}},
		{data(`{"limit":10,"offset":5}`), 5, 15, messagePagination{Pagination: Pagination{10, 5, n}}},
		{"?offset=249", 249, 250, messagePagination{Pagination: Pagination{0, 249, n}}},
		{"?limit=7&offset=1000", 0, 0, messagePagination{Pagination: Pagination{7, 1000, n}}},
	} {
		if got := r.topics(r.operator, "%23", c.query); got != strings.Join(names[c.from:c.to], " ") {
			t.Errorf("%s: %s", c.query, got)
		}
		var page struct{ Pagination messagePagination }
		a := r.ok(r.operator, "GET", messages+"/%23"+c.query, "")
		if err := json.Unmarshal([]byte(a.body), &page); err != nil || page.Pagination != c.want {
			t.Errorf("%s: %+v", c.query, page.Pagination)
		}
	}
	if got := r.topics(r.operator, "%23", ""); got != strings.Join(names, " ") {
		t.Errorf("without a limit: %d bytes", len(got))
	}
}

// endless is a broker that gives as many messages as are taken, up to most.
type endless struct {
	Broker
	most, given int
	err         error
	each        func(n int)
}

var endlessPayload = bytes.Repeat([]byte("x"), 300)

func (e *endless) Limits() broker.Limits { return broker.Limits{} }

func (e *endless) FindRetained(_ context.Context, q broker.RetainedQuery, yield func(*broker.Message) bool) error {
	for e.given = 0; e.given < e.most; {
		e.given++
		if e.each != nil {
			e.each(e.given)
		}
		m := &broker.Message{Topic: fmt.Appendf(nil, "t/%d", e.given), Payload: endlessPayload, Account: 1}
		if q.May(m.Topic) && !yield(m) {
			return nil
		}
	}
	return e.err
}

// sink is a response that keeps nothing but its size.
type sink struct {
	header http.Header
	status int
	bytes  int
	writes int
	tail   []byte
	err    error
}

func (s *sink) Header() http.Header    { return s.header }
func (s *sink) WriteHeader(status int) { s.status = status }
func (s *sink) Write(b []byte) (int, error) {
	s.bytes += len(b)
	s.writes++
	s.tail = append(s.tail[:0], b[max(0, len(b)-200):]...)
	return len(b), s.err
}

func (b *bench) stream(path string, out http.ResponseWriter) {
	q := httptest.NewRequest("GET", path, nil)
	q.Header.Set("Authorization", "Bearer "+b.operator)
	b.handler.ServeHTTP(out, q)
}

// TestRetainedStream: an answer of 100,000 messages is written as they come; what is
// in memory does not grow with it.
func TestRetainedStream(t *testing.T) {
	b := newBench(t)
	const n = 100_000
	var low, high uint64
	source := &endless{most: n, each: func(i int) {
		if i%20_000 != 0 {
			return
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		if low == 0 {
			low = m.HeapAlloc
		}
		high = max(high, m.HeapAlloc)
	}}
	b.handler = New(Config{Directory: b.directory, Broker: source})
	out := &sink{header: http.Header{}}
	b.stream(messages+"/%23", out)
	if out.status != 200 || source.given != n || out.bytes < n*len(endlessPayload) {
		t.Errorf("%d, %d messages, %d bytes", out.status, source.given, out.bytes)
	}
	if out.writes < out.bytes/(4*streamBuffer) {
		t.Errorf("%d bytes in %d writes", out.bytes, out.writes)
	}
	if high > low+4<<20 {
		t.Errorf("the heap went from %d to %d", low, high)
	}
	if !strings.HasSuffix(string(out.tail), "]}") {
		t.Errorf("ends with %q", out.tail)
	}
}

// TestRetainedStreamEnds: a page stops counting at its bound, and reading ends with
// the reader.
func TestRetainedStreamEnds(t *testing.T) {
	b := newBench(t)
	source := &endless{most: 1 << 30}
	b.handler = New(Config{Directory: b.directory, Broker: source})
	out := httptest.NewRecorder()
	b.stream(messages+"/%23?limit=10&offset=5&fields=topic", out)
	if source.given != 5+10+maxCounted {
		t.Errorf("%d messages were read for a page", source.given)
	}
	if !strings.HasSuffix(out.Body.String(), `"pagination":{"limit":10,"offset":5,"count":10015,"more":true}`+"\n}") {
		t.Errorf("%s", out.Body)
	}
	broken := &sink{header: http.Header{}, err: net.ErrClosed}
	b.stream(messages+"/%23", broken)
	if source.given > 200 {
		t.Errorf("%d messages were read for one who had gone", source.given)
	}
}

// TestRetainedStreamFails: an error is the answer while nothing is sent, and stands
// behind the result later [EXT-REST-1].
func TestRetainedStreamFails(t *testing.T) {
	b := newBench(t)
	source := &endless{err: errors.New("the secret disk")}
	b.handler = New(Config{Directory: b.directory, Broker: source})
	for _, n := range []int{0, 3} {
		source.most = n
		if a := b.do(b.operator, "GET", messages+"/%23", ""); a.status != 503 || strings.Contains(a.body, "secret") {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	source.most = 100
	a := b.do(b.operator, "GET", messages+"/%23", "")
	if a.status != 200 || len(a.Result) != 100 || len(a.Errors) != 1 || a.Errors[0].Code != 503 {
		t.Errorf("%d, %d messages, %+v", a.status, len(a.Result), a.Errors)
	}
	// A token that is revoked meanwhile sees no more [EXT-TOK-8].
	id, key := b.token(b.operator, `{"ttl":60}`)
	source.most, source.err = 1<<30, nil
	source.each = func(n int) {
		if n == 500 {
			number, _ := strconv.ParseInt(id, 10, 64)
			if err := b.directory.DeleteToken(auth.TokenID(number)); err != nil {
				t.Error(err)
			}
		}
	}
	a = b.do(key, "GET", messages+"/%23", "")
	if source.given > 600 || len(a.Errors) != 1 || a.Errors[0].Code != 403 {
		t.Errorf("%d messages after the revocation: %+v", source.given-500, a.Errors)
	}
}

// TestRetainedStreamRights: rights that are taken away count from the next piece on.
func TestRetainedStreamRights(t *testing.T) {
	b := newBench(t)
	_, key := b.token(b.operator, `{"ttl":60,"access":{"type":2,"acl":[{"uri":"mqtt","topic":"#","methods":["GET"]}]}}`)
	number := b.directory.Tokens(1)
	source := &endless{most: 1000}
	source.each = func(n int) {
		if n != 500 {
			return
		}
		access := auth.Access{Type: auth.Listed, ACL: []byte(`[{"uri":"mqtt","topic":"t/1","methods":["GET"]}]`)}
		for _, token := range number {
			if token.ID != 1 && token.Access.Type == auth.Listed {
				if _, err := b.directory.UpdateToken(token.ID, auth.TokenSpec{Access: &access}); err != nil {
					t.Error(err)
				}
			}
		}
	}
	b.handler = New(Config{Directory: b.directory, Broker: source})
	a := b.do(key, "GET", messages+"/%23", "")
	if len(a.Result) < 500 || len(a.Result) > 600 || len(a.Errors) > 0 {
		t.Errorf("%d messages, %+v", len(a.Result), a.Errors)
	}
}

// TestRetainedSlow: over a real connection, whose reader stops, the reading of the
// store waits; it holds nobody up, and ends with the connection.
func TestRetainedSlow(t *testing.T) {
	r := newRealBench(t, broker.Limits{})
	var list []string
	for i := range 200 {
		list = append(list, fmt.Sprintf(`{"topic":"s/%d","payload":"%s","retain":true}`, i, strings.Repeat("x", 30_000)))
	}
	for range 3 {
		for i := 0; i < len(list); i += 100 {
			r.ok(r.operator, "POST", messages, "["+strings.Join(list[i:i+100], ",")+"]")
		}
	}
	host := httptest.NewServer(r.handler)
	defer host.Close()
	ctx, cancel := context.WithCancel(t.Context())
	q, _ := http.NewRequestWithContext(ctx, "GET", host.URL+messages+"/%23", nil)
	q.Header.Set("Authorization", "Bearer "+r.operator)
	answer, err := host.Client().Do(q)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(answer.Body, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	// The answer stands still; others go on.
	r.ok(r.operator, "POST", messages, `{"topic":"s/1","payload":"new","retain":true}`)
	if got := r.ok(r.operator, "DELETE", messages+"/s/%23", "").text(0, "deleted_count"); got != "200" {
		t.Errorf("deleted %s", got)
	}
	cancel()
	_ = answer.Body.Close()
}

// FuzzTopicPath: whatever a filter holds, the handler gets it as it was, its slashes
// written either way.
func FuzzTopicPath(f *testing.F) {
	for _, filter := range []string{"a", "a//b", "/", "..", "../..", "./a", "a/.", "%2F", "a b", "$filter/payload=a>%3C/x", "é/\u0001", "a;b?c#d", "{x}", "=a"} {
		f.Add(filter)
	}
	got := ""
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+messagesPath+"/{filter}", func(_ http.ResponseWriter, r *http.Request) {
		got = strings.TrimPrefix(r.PathValue("filter"), foldMark)
	})
	f.Fuzz(func(t *testing.T, filter string) {
		if filter == "" {
			return
		}
		plain := (&url.URL{Path: messagesPath + "/" + filter}).EscapedPath()
		for _, path := range []string{plain, messagesPath + "/" + url.PathEscape(filter)} {
			r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")))
			if err != nil {
				t.Fatalf("%q: %v", path, err)
			}
			got = ""
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, foldTopic(r))
			if got != filter {
				t.Fatalf("%q by %q: %d %q", filter, path, w.Code, got)
			}
		}
	})
}

// BenchmarkRetainedStream writes 10,000 messages an answer.
func BenchmarkRetainedStream(b *testing.B) {
	d, err := auth.Open(auth.Config{}, &memory{docs: map[string]map[int64][]byte{}}, nil)
	if err != nil {
		b.Fatal(err)
	}
	bench := &bench{directory: d, operator: d.FirstOperatorKey()}
	for _, query := range []string{"", "?fields=topic,timestamp"} {
		b.Run("fields"+strconv.Itoa(len(query)), func(b *testing.B) {
			bench.handler = New(Config{Directory: d, Broker: &endless{most: 10_000}})
			b.ReportAllocs()
			for b.Loop() {
				bench.stream(messages+"/%23"+query, &sink{header: http.Header{}})
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*10_000), "ns/message")
		})
	}
}
