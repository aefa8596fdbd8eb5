package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"alcove/internal/auth"
	"alcove/internal/broker"
)

// memory is a Store that can be told to fail.
type memory struct {
	mu   sync.Mutex
	docs map[string]map[int64][]byte
	fail error
}

func (m *memory) LoadDocuments(kind string, visit func(int64, []byte) error) error {
	m.mu.Lock()
	docs := maps.Clone(m.docs[kind])
	m.mu.Unlock()
	for id, doc := range docs {
		if err := visit(id, doc); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) PutDocuments(kind string, docs []auth.Document) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	if m.docs[kind] == nil {
		m.docs[kind] = map[int64][]byte{}
	}
	for _, d := range docs {
		if d.Bytes == nil {
			delete(m.docs[kind], d.ID)
		} else {
			m.docs[kind][d.ID] = d.Bytes
		}
	}
	return nil
}

// dropper is a Broker that remembers what it was told to drop.
type dropper struct {
	Broker  // what is not asked of it here
	dropped []auth.AccountID
}

func (d *dropper) Usage(auth.AccountID) broker.Usage { return broker.Usage{} }

func (d *dropper) Limits() broker.Limits { return broker.Limits{} }

func (d *dropper) DropAccounts(ids []auth.AccountID) (broker.Dropped, error) {
	d.dropped = append(d.dropped, ids...)
	return broker.Dropped{Sessions: 2, Retained: 3}, nil
}

// bench is an API under test, with the operator's key.
type bench struct {
	t         testing.TB
	directory *auth.Directory
	handler   http.Handler
	store     *memory
	broker    *dropper
	operator  string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, store: &memory{docs: map[string]map[int64][]byte{}}, broker: &dropper{}}
	d, err := auth.Open(auth.Config{}, b.store, nil)
	if err != nil {
		t.Fatal(err)
	}
	b.directory, b.operator = d, d.FirstOperatorKey()
	b.handler = New(Config{Directory: d, Broker: b.broker, Version: "test"})
	return b
}

// reply is an answer, decoded.
type reply struct {
	status     int
	header     http.Header
	body       string
	Result     []map[string]any
	Errors     []Error
	Pagination *Pagination
}

// do sends a request; headers are pairs.
func (b *bench) do(key, method, path, body string, headers ...string) reply {
	b.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if key != "" {
		r.Header.Set("Authorization", "FlespiToken "+key)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	answer := reply{status: w.Code, header: w.Header(), body: w.Body.String()}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		b.t.Fatalf("%s %s: %d, not JSON: %q", method, path, w.Code, w.Body)
	}
	if !strings.HasPrefix(w.Header().Get("Content-Type"), "application/") || !strings.Contains(w.Header().Get("Content-Type"), "json") {
		b.t.Errorf("%s %s: Content-Type %q", method, path, w.Header().Get("Content-Type"))
	}
	if answer.status >= 400 && (len(answer.Errors) == 0 || answer.Errors[0].Code != answer.status || answer.Errors[0].Reason == "") {
		b.t.Errorf("%s %s: %d without its error: %s", method, path, answer.status, answer.body)
	}
	return answer
}

// ok is do, which must succeed without errors.
func (b *bench) ok(key, method, path, body string, headers ...string) reply {
	b.t.Helper()
	a := b.do(key, method, path, body, headers...)
	if a.status != http.StatusOK || len(a.Errors) > 0 {
		b.t.Fatalf("%s %s: %d %s", method, path, a.status, a.body)
	}
	return a
}

func (r reply) text(i int, field string) string {
	switch v := r.Result[i][field].(type) {
	case string:
		return v
	case float64:
		return strconv.FormatInt(int64(v), 10)
	default:
		return fmt.Sprint(v)
	}
}

// token creates a token and returns its id and key.
func (b *bench) token(key, body string, headers ...string) (id, newKey string) {
	b.t.Helper()
	a := b.ok(key, "POST", "/platform/tokens", "["+body+"]", headers...)
	return a.text(0, "id"), a.text(0, "key")
}

// TestAuthorization is the table of EXT-REST-1 and EXT-TOK-4: who gets in where.
func TestAuthorization(t *testing.T) {
	b := newBench(t)
	_, standard := b.token(b.operator, `{"ttl":60}`)
	_, acl := b.token(b.operator, `{"ttl":60,"access":{"type":2,"acl":[{"uri":"mqtt","topic":"#","methods":["GET","POST","DELETE"]}]}}`)
	_, master := b.token(b.operator, `{"ttl":60,"access":{"type":1}}`)
	_, disabled := b.token(b.operator, `{"ttl":60,"access":{"type":1},"enabled":false}`)
	_, elsewhere := b.token(b.operator, `{"ttl":60,"access":{"type":1},"ips":"203.0.113.9"}`)
	for _, c := range []struct {
		name, header string
		want         int
	}{
		{"none", "", 401},
		{"FlespiToken", "FlespiToken " + master, 200},
		{"Bearer", "Bearer " + master, 200},
		{"scheme without case", "bearer " + master, 200},
		{"no scheme", master, 401},
		{"Basic", "Basic " + master, 401},
		{"unknown key", "Bearer " + strings.Repeat("x", 64), 401},
		{"short key", "Bearer x", 401},
		{"standard", "Bearer " + standard, 403},
		{"access list", "Bearer " + acl, 403},
		{"disabled", "Bearer " + disabled, 403},
		{"other address", "Bearer " + elsewhere, 403},
	} {
		for _, path := range []string{"/platform/tokens/all", "/platform/subaccounts/all", "/platform/customer", "/platform/customers"} {
			a := b.do("", "GET", path, "", "Authorization", c.header)
			if a.status != c.want {
				t.Errorf("%s at %s: %d, want %d", c.name, path, a.status, c.want)
			}
			if a.status == 401 && a.header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s: 401 without WWW-Authenticate", c.name)
			}
		}
	}
	// The key in the URL is not read (attacks row 49), and a body is not read before
	// the caller is known.
	if a := b.do("", "GET", "/platform/tokens/all?token="+master, ""); a.status != 401 {
		t.Errorf("key in the URL: %d", a.status)
	}
	unread := &counter{}
	r := httptest.NewRequest("POST", "/platform/tokens", unread)
	b.handler.ServeHTTP(httptest.NewRecorder(), r)
	if unread.n != 0 {
		t.Error("the body of a stranger was read")
	}
}

type counter struct{ n int }

func (c *counter) Read(b []byte) (int, error) { c.n += len(b); return 0, io.EOF }

// TestAuthInfo: who am I [EXT-REST-11].
func TestAuthInfo(t *testing.T) {
	b := newBench(t)
	id, key := b.token(b.operator, `{"ttl":60,"enabled":false,"access":{"type":1}}`)
	a := b.ok(key, "GET", "/auth/info", "")
	if a.text(0, "id") != id || a.Result[0]["enabled"] != false || a.Result[0]["key"] != nil || a.text(0, "cid") != "1" {
		t.Errorf("%s", a.body)
	}
	for _, header := range []string{"", "Bearer " + strings.Repeat("y", 64), "nonsense"} {
		if a := b.do("", "GET", "/auth/info", "", "Authorization", header); a.status != 401 {
			t.Errorf("%q: %d", header, a.status)
		}
	}
}

// TestTokens goes through a token's life.
func TestTokens(t *testing.T) {
	b := newBench(t)
	const access = `{"type":2,"acl":[{"uri":"mqtt","topic":"a/{client_id}/#","actions":["publish"]}]}`
	a := b.ok(b.operator, "POST", "/platform/tokens", `[{"info":"one","ttl":3600,"metadata":{"room":"5","a.b":"x"},"access":`+access+`},{"info":"two","expire":4000000000,"scram":true}]`)
	if len(a.Result) != 2 || len(a.text(0, "key")) != 64 || a.Result[1]["scram"] != true || a.Result[1]["enabled"] != true {
		t.Fatalf("%s", a.body)
	}
	one, two, key := a.text(0, "id"), a.text(1, "id"), a.text(0, "key")
	a = b.ok(b.operator, "GET", "/platform/tokens/"+one, "")
	if a.Result[0]["key"] != nil || strings.Contains(a.body, key[:16]) {
		t.Error("the key is shown again") // [EXT-TOK-1]
	}
	if got, _ := json.Marshal(a.Result[0]["access"]); !sameJSON(string(got), access) {
		t.Errorf("access reads back as %s", got) // [EXT-REST-11]
	}
	for _, c := range []struct{ selector, want string }{
		{"all", "one operator two"},
		{one + "," + two, "one two"},
		{two + "," + one + "," + two, "two one"},
		{"info=*o*", "one operator two"},
		{"info=t%3Fo", "two"},
		{"info=o*,enabled=true", "one operator"},
		{"metadata.room=5", "one"},
		{"metadata.a.b=x", "one"},
		{"access.type=2", "one"},
		{"id=" + one, "one"},
		{"info=", ""},
		{"nothing=1", ""},
		{"metadata.x.y=1", ""},
		{"info.x=1", ""},
		{"%7Binfo==%22one%22%7D", "one"},
		{"{info~'t%3Fo'||metadata.room==5}", "one"},
		{"{info~'t%3Fo'||$metadata.room==5}", "one two"},
		{"{created%3E0%26%26len(info)==3}", "one two"},
		{"{access.type==2}", "one"},
		{"{created%3Cnow()%2B1,}", "!"},
		{"{created%3Cnow()%2B1}", "one operator two"},
	} {
		if c.want == "!" {
			if a := b.do(b.operator, "GET", "/platform/tokens/"+c.selector, ""); a.status != 400 || a.Errors[0].Column != 16 {
				t.Errorf("%s: %s", c.selector, a.body)
			}
			continue
		}
		a := b.ok(b.operator, "GET", "/platform/tokens/"+c.selector, "")
		var infos []string
		for i := range a.Result {
			infos = append(infos, a.text(i, "info"))
		}
		if c.selector == "all" || strings.Contains(c.selector, "=") || c.selector[0] == '{' {
			slices.Sort(infos)
		}
		if got := strings.Join(infos, " "); got != c.want {
			t.Errorf("%s picks %q, want %q", c.selector, got, c.want)
		}
	}
	a = b.ok(b.operator, "PUT", "/platform/tokens/"+one+","+two, `{"enabled":false,"info":""}`)
	if len(a.Result) != 2 || a.Result[0]["enabled"] != false || a.text(0, "info") != "" || a.text(0, "ttl") != "3600" {
		t.Errorf("PUT: %s", a.body) // zero values are values [EXT-REST-11]
	}
	// Some fail: both together, with 200 [EXT-REST-1].
	a = b.do(b.operator, "PUT", "/platform/tokens/"+one+","+two, `{"ttl":0}`)
	if a.status != 200 || len(a.Result) != 1 || len(a.Errors) != 1 || a.Errors[0].Code != 400 ||
		strconv.FormatInt(a.Errors[0].ID, 10) != one || !strings.HasPrefix(a.Errors[0].Reason, "ttl: ") {
		t.Errorf("partial PUT: %d %s", a.status, a.body)
	}
	a = b.do(b.operator, "GET", "/platform/tokens/"+one+",77", "")
	if a.status != 200 || len(a.Result) != 1 || len(a.Errors) != 1 || a.Errors[0] != (Error{Code: 404, Reason: "not found", ID: 77}) {
		t.Errorf("partial GET: %d %s", a.status, a.body)
	}
	a = b.do(b.operator, "POST", "/platform/tokens", `[{"ttl":5},{"info":"neither"}]`)
	if a.status != 200 || len(a.Result) != 1 || len(a.Errors) != 1 || !strings.HasPrefix(a.Errors[0].Reason, "[1]: ttl: ") {
		t.Errorf("partial POST: %d %s", a.status, a.body)
	}
	b.ok(b.operator, "DELETE", "/platform/tokens/"+one, "")
	if a := b.do(b.operator, "DELETE", "/platform/tokens/"+one, ""); a.status != 404 {
		t.Errorf("deleted twice: %d", a.status)
	}
	if a := b.do(key, "GET", "/auth/info", ""); a.status != 401 {
		t.Errorf("deleted token: %d", a.status)
	}
}

func sameJSON(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && fmt.Sprint(x) == fmt.Sprint(y)
}

// TestBadRequests: each names what is wrong [EXT-REST-1], strictly (attacks row 48).
func TestBadRequests(t *testing.T) {
	b := newBench(t)
	deep := strings.Repeat(`[`, 100_000) + strings.Repeat(`]`, 100_000)
	for _, c := range []struct {
		method, path, body string
		status             int
		names              string
	}{
		{"POST", "/platform/tokens", ``, 400, "body"},
		{"POST", "/platform/tokens", `{`, 400, "body"},
		{"POST", "/platform/tokens", `{}`, 400, "body"},
		{"POST", "/platform/tokens", `[]`, 400, "body"},
		{"POST", "/platform/tokens", ` null `, 400, "array"},
		{"PUT", "/platform/customer", `null`, 400, "null"},
		{"PUT", "/platform/customer", `[]`, 400, "object"},
		{"POST", "/platform/tokens", `[null]`, 400, "[0]"},
		{"POST", "/platform/tokens", `[{"ttl":1,"info":null}]`, 400, "info"},
		{"POST", "/platform/tokens", `[{"ttl":1,"metadata":null}]`, 400, "metadata"},
		{"POST", "/platform/tokens", `[{"ttl":1,"access":null}]`, 400, "access"},
		{"POST", "/platform/tokens", `[{"ttl":1,"access":{"type":2,"acl":null}}]`, 400, "acl"},
		{"POST", "/platform/tokens", `[{"ttl":1}] x`, 400, "body"},
		{"POST", "/platform/tokens", `[{"ttl":1,"tll":1}]`, 400, "tll"},
		{"POST", "/platform/tokens", `[{"ttl":1,"ttl":2}]`, 400, `"ttl"`},
		{"POST", "/platform/tokens", `[{"ttl":"1"}]`, 400, "ttl"},
		{"POST", "/platform/tokens", `[{"ttl":1.5}]`, 400, "ttl"},
		{"POST", "/platform/tokens", `[{"ttl":1e400}]`, 400, "[0]: number 1e400"},
		{"POST", "/platform/tokens", `[{"ttl":NaN}]`, 400, "body"},
		{"POST", "/platform/tokens", `[{"ttl":1,"id":7}]`, 400, "id"},
		{"POST", "/platform/tokens", `[{"ttl":1,"cid":7}]`, 400, "cid"},
		{"POST", "/platform/tokens", `[{"ttl":1,"key":"x"}]`, 400, "key"},
		{"POST", "/platform/tokens", `[{"ttl":1,"access":{"type":9}}]`, 400, "access.type"},
		{"POST", "/platform/tokens", `[{"ttl":1,"access":{"type":2,"acl":[{"uri":"mqtt","topic":"a#"}]}}]`, 400, "access.acl[0].topic"},
		{"POST", "/platform/tokens", `[{"ttl":1,"access":{"type":2,"acl":[{"uri":"mqtt","topic":"a","x":1}]}}]`, 400, "access.acl[0].x"},
		{"POST", "/platform/tokens", `[{"ttl":1,"ips":"x"}]`, 400, "ips"},
		{"POST", "/platform/tokens", `[{"ttl":1,"info":"a\u0000b"}]`, 400, "info"},
		{"POST", "/platform/tokens", deep, 400, "deeper"},
		{"POST", "/platform/tokens", `[` + strings.Repeat(`{"ttl":1},`, maxItems) + `{"ttl":1}]`, 400, "body"},
		{"POST", "/platform/tokens", `[{"info":"` + strings.Repeat("x", maxBody) + `"}]`, 413, "large"},
		{"PUT", "/platform/tokens/1", `{"scram":true}`, 400, "scram"},
		{"PUT", "/platform/tokens/x", `{}`, 400, "selector"},
		{"GET", "/platform/tokens/1,", ``, 400, "selector"},
		{"GET", "/platform/tokens/%7Ba", ``, 400, "selector"},
		{"GET", "/platform/tokens/%7B%7D", ``, 400, "selector: expression"},
		{"GET", "/platform/tokens/%7Bid%20==%7D", ``, 400, "column"},
		{"GET", "/platform/tokens/info=a%5C", ``, 400, "info"},
		{"GET", "/platform/tokens/+1", ``, 400, "selector"},
		{"GET", "/platform/tokens/a=1,b", ``, 400, "selector"},
		{"GET", "/platform/tokens/=1", ``, 400, "selector"},
		{"GET", "/platform/tokens/" + strings.Repeat("1,", maxIDs) + "1", ``, 400, "selector"},
		{"GET", "/platform/tokens/" + strings.Repeat("a=1,", maxConditions) + "a=1", ``, 400, "selector"},
		{"GET", "/platform/tokens/99999999999999999999", ``, 400, "selector"},
		{"GET", "/platform/tokens/-1", ``, 404, "not found"},
		{"GET", "/platform/tokens?limit=0", ``, 400, "limit"},
		{"GET", "/platform/tokens?limit=1001", ``, 400, "limit"},
		{"GET", "/platform/tokens?limit=x", ``, 400, "limit"},
		{"GET", "/platform/tokens?offset=-1", ``, 400, "offset"},
		{"GET", "/platform/tokens?offset=9223372036854775808", ``, 400, "offset"},
		{"GET", "/platform/tokens?fields=" + strings.Repeat("a,", maxFields) + "a", ``, 400, "fields"},
		{"PUT", "/platform/customer", `{"blocked":1}`, 400, "blocked"},
		{"PUT", "/platform/customer", `{"limit_id":1}`, 400, "limit_id"},
		{"PUT", "/platform/customer", `{"settings":{"stamp":true}}`, 400, "settings.stamp"},
		{"PUT", "/platform/customer", `{"settings":{"overflow":"x"}}`, 400, "settings.overflow"},
		{"PUT", "/platform/customer", `{"settings":{"log_days":"7"}}`, 400, "settings.log_days"},
		{"POST", "/platform/subaccounts", `[{"cid":2}]`, 400, "cid"},
		{"POST", "/platform/customers", `[{"token":{"access":{}}}]`, 400, "token.access"},
		{"POST", "/platform/customers", `[{"token":{"ttl":-1}}]`, 400, "ttl"},
		{"DELETE", "/platform/subaccounts/1", ``, 404, "not found"},
		{"GET", "/platform/nothing", ``, 404, "path"},
		{"GET", "/", ``, 404, "path"},
		{"PATCH", "/platform/tokens", ``, 405, "method"},
	} {
		a := b.do(b.operator, c.method, c.path, c.body)
		if a.status != c.status || len(a.Errors) > 0 && !strings.Contains(a.Errors[0].Reason, c.names) {
			t.Errorf("%s %.60s %.60s: %d %.200s, want %d naming %q", c.method, c.path, c.body, a.status, a.body, c.status, c.names)
		}
		if len(a.body) > 4096 {
			t.Errorf("%s %.60s: the error repeats the request: %d bytes", c.method, c.path, len(a.body))
		}
	}
	if n := len(b.directory.Tokens(auth.Operator)); n != 1 {
		t.Errorf("%d tokens after bad requests", n)
	}
	if a := b.do(b.operator, "PATCH", "/platform/tokens", ""); !strings.Contains(a.header.Get("Allow"), "POST") {
		t.Errorf("405 allows %q", a.header.Get("Allow"))
	}
}

// TestItemByItem: what is wrong with one item of an array stops none of the others, and
// each error has its place [EXT-REST-1].
func TestItemByItem(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct{ path, good, bad, names string }{
		{"/platform/tokens", `{"ttl":60}`, `{"ttl":"x"}`, "ttl: "},
		{"/platform/tokens", `{"ttl":60}`, `{"ttl":60,"tll":1}`, "tll: "},
		{"/platform/tokens", `{"ttl":60}`, `{"ttl":60,"info":null}`, "info"},
		{"/platform/tokens", `{"ttl":60}`, `{"info":"neither"}`, "ttl: "},
		{"/platform/tokens", `{"ttl":60}`, `{"ttl":9223372036854775808}`, "ttl: "},
		{"/platform/tokens", `{"ttl":60}`, `{"ttl":60,"access":{"type":7}}`, "access.type: "},
		{"/platform/tokens", `{"ttl":60}`, `{"ttl":60,"access":{"type":2,"acl":[{"uri":"mqtt","topic":"#/a"}]}}`, "access.acl[0].topic: "},
		{"/platform/tokens", `{"ttl":60}`, `7`, "expected object"},
		{"/platform/subaccounts", `{"name":"a"}`, `{"settings":{"stamps":1}}`, "settings.stamps: "},
		{"/platform/subaccounts", `{"settings":{"stamps":null}}`, `{"name":1}`, "name: "},
		{"/platform/customers", `{}`, `{"token":{"key":"x"}}`, "token.key: "},
		{"/platform/limits", `{"name":"l"}`, `{"mqtt_sessions":-2}`, "mqtt_sessions: "},
	} {
		a := b.do(b.operator, "POST", c.path, "["+c.bad+","+c.good+","+c.bad+","+c.good+"]")
		if a.status != 200 || len(a.Result) != 2 || len(a.Errors) != 2 {
			t.Errorf("%s %s: %d %s", c.path, c.bad, a.status, a.body)
			continue
		}
		for i, e := range a.Errors {
			if e.Code != 400 || !strings.HasPrefix(e.Reason, fmt.Sprintf("[%d]: ", 2*i)) || !strings.Contains(e.Reason, c.names) {
				t.Errorf("%s %s: %+v", c.path, c.bad, e)
			}
		}
		if a := b.do(b.operator, "POST", c.path, "["+c.bad+"]"); a.status != 400 {
			t.Errorf("%s: all bad: %d %s", c.path, a.status, a.body)
		}
	}
}

// TestPaging: limit, offset, fields, pagination [EXT-REST-2].
func TestPaging(t *testing.T) {
	b := newBench(t)
	var made []string
	for range 3 {
		a := b.ok(b.operator, "POST", "/platform/tokens", "["+strings.TrimSuffix(strings.Repeat(`{"ttl":60,"info":"x"},`, 50), ",")+"]")
		for i := range a.Result {
			made = append(made, a.text(i, "id"))
		}
	}
	a := b.ok(b.operator, "GET", "/platform/tokens", "")
	if len(a.Result) != defaultLimit || a.Pagination == nil || *a.Pagination != (Pagination{100, 0, 151}) {
		t.Errorf("first page: %d items, %+v", len(a.Result), a.Pagination)
	}
	seen := map[string]bool{}
	for offset := 0; offset < 151; offset += 40 {
		a := b.ok(b.operator, "GET", "/platform/tokens/all?limit=40&offset="+strconv.Itoa(offset)+"&fields=id,ttl,none", "")
		for i := range a.Result {
			seen[a.text(i, "id")] = true
			if len(a.Result[i]) != 2 {
				t.Fatalf("fields: %v", a.Result[i])
			}
		}
	}
	if len(seen) != 151 {
		t.Errorf("%d tokens on all pages", len(seen))
	}
	if a := b.ok(b.operator, "GET", "/platform/tokens/"+strings.Join(made, ","), ""); len(a.Result) != 150 || a.Pagination != nil {
		t.Errorf("by id: %d items", len(a.Result))
	}
	if a := b.ok(b.operator, "GET", "/platform/tokens?offset=1000000000", ""); len(a.Result) != 0 || !strings.Contains(a.body, `"result":[]`) {
		t.Errorf("beyond the end: %s", a.body)
	}
}

// TestSubaccounts: creating, changing, and deleting what is below [EXT-ACC-2].
func TestSubaccounts(t *testing.T) {
	b := newBench(t)
	a := b.ok(b.operator, "POST", "/platform/subaccounts", `[{"name":"shop","metadata":{"a":"b"},"settings":{"durability":"async"}}]`)
	shop := a.text(0, "id")
	if a.text(0, "name") != "shop" || a.text(0, "cid") != "1" || a.text(0, "blocked") != "0" {
		t.Errorf("%s", a.body)
	}
	id, _ := strconv.ParseInt(shop, 10, 64)
	// A master of the parent acts inside the child [EXT-REST-3].
	_, key := b.token(b.operator, `{"ttl":60,"access":{"type":1}}`, "x-flespi-cid", shop)
	if a := b.ok(key, "GET", "/platform/customer", ""); a.text(0, "id") != shop {
		t.Errorf("the child's token is of %s", a.text(0, "id"))
	}
	a = b.ok(b.operator, "POST", "/platform/subaccounts", `[{"name":"till"}]`, "x-flespi-cid", shop)
	till := a.text(0, "id")
	if a := b.ok(b.operator, "GET", "/platform/subaccounts/all", ""); len(a.Result) != 1 {
		t.Errorf("grandchildren in the list: %s", a.body)
	}
	// Settings merge; null makes one the parent's again [EXT-ACC-5].
	b.ok(b.operator, "PUT", "/platform/subaccounts/"+shop, `{"settings":{"stamps":false,"session_expiry_max":60}}`)
	if e := b.directory.EffectiveSettings(auth.AccountID(id)); e.Stamps || e.SessionExpiryMax != time.Minute || e.Durability != auth.DurabilityAsync {
		t.Errorf("settings %+v", e)
	}
	a = b.ok(key, "PUT", "/platform/customer", `{"name":"my shop","settings":{"stamps":null}}`)
	if settings, _ := json.Marshal(a.Result[0]["settings"]); a.text(0, "name") != "my shop" ||
		!sameJSON(string(settings), `{"durability":"async","session_expiry_max":60}`) {
		t.Errorf("%s", a.body)
	}
	// A blocked account is 403; its parent still manages it [EXT-ACC-4].
	b.ok(b.operator, "PUT", "/platform/subaccounts/"+shop, `{"blocked":3}`)
	if a := b.do(key, "GET", "/platform/customer", ""); a.status != 403 {
		t.Errorf("blocked: %d", a.status)
	}
	b.ok(b.operator, "GET", "/platform/tokens", "", "x-flespi-cid", shop)
	b.ok(b.operator, "PUT", "/platform/subaccounts/"+shop, `{"blocked":0}`)
	b.ok(key, "GET", "/platform/customer", "")

	b.ok(b.operator, "DELETE", "/platform/subaccounts/"+shop, "")
	if got := fmt.Sprint(b.broker.dropped); got != "["+shop+" "+till+"]" {
		t.Errorf("dropped %s", got)
	}
	if a := b.do(key, "GET", "/platform/customer", ""); a.status != 401 {
		t.Errorf("token of a deleted account: %d", a.status)
	}
}

// TestCustomers: top-level accounts are the operator's to manage [EXT-ACC-3].
func TestCustomers(t *testing.T) {
	b := newBench(t)
	a := b.ok(b.operator, "POST", "/platform/customers", `[{"name":"acme","limit_id":-1,"token":{"info":"first","ttl":600}},{"name":"umbra"}]`)
	acme, umbra := a.text(0, "id"), a.text(1, "id")
	first := a.Result[0]["token"].(map[string]any)
	key := first["key"].(string)
	if a.text(0, "cid") != "0" || first["info"] != "first" || first["access"].(map[string]any)["type"] != 1.0 || len(key) != 64 {
		t.Errorf("%s", a.body)
	}
	if strings.Contains(b.ok(b.operator, "GET", "/platform/customers/"+acme, "").body, "key") {
		t.Error("the key is shown again")
	}
	if a := b.ok(key, "GET", "/platform/customer", ""); a.text(0, "id") != acme {
		t.Errorf("%s", a.body)
	}
	// The operator acts in a top-level account for /platform.
	b.ok(b.operator, "GET", "/platform/tokens", "", "x-flespi-cid", acme)
	b.ok(b.operator, "PUT", "/platform/customers/"+acme, `{"settings":{"log_days":3},"name":""}`)
	sub := b.ok(key, "POST", "/platform/subaccounts", `[{}]`).text(0, "id")
	if a := b.do(b.operator, "GET", "/platform/tokens", "", "x-flespi-cid", sub); a.status != 404 {
		t.Errorf("the operator below a top-level account: %d", a.status)
	}
	for _, c := range []struct{ method, path, body string }{
		{"GET", "/platform/customers/all", ""}, {"POST", "/platform/customers", "[{}]"},
		{"PUT", "/platform/customers/" + umbra, "{}"}, {"DELETE", "/platform/customers/" + umbra, ""},
	} {
		if a := b.do(key, c.method, c.path, c.body); a.status != 403 {
			t.Errorf("%s %s by a customer: %d", c.method, c.path, a.status)
		}
	}
	b.ok(b.operator, "DELETE", "/platform/customers/"+acme, "")
	if a := b.do(b.operator, "DELETE", "/platform/customers/1", ""); a.status != 400 {
		t.Errorf("deleting the operator: %d", a.status)
	}
}

// TestIsolation: what is foreign answers byte for byte like what does not exist, on
// every path [EXT-ACC-1] (attacks row 48).
func TestIsolation(t *testing.T) {
	b := newBench(t)
	a := b.ok(b.operator, "POST", "/platform/customers", `[{"name":"acme"},{"name":"umbra"}]`)
	ours := a.Result[0]["token"].(map[string]any)["key"].(string)
	theirs := a.Result[1]["token"].(map[string]any)
	theirKey := theirs["key"].(string)
	theirToken, theirs1 := strconv.FormatInt(int64(theirs["id"].(float64)), 10), a.text(1, "id")
	theirSub := b.ok(theirKey, "POST", "/platform/subaccounts", `[{"name":"below"}]`).text(0, "id")
	for _, c := range []struct{ method, path, body, id, cid string }{
		{"GET", "/platform/tokens/", "", theirToken, ""},
		{"GET", "/platform/tokens/", "", "1", ""},
		{"PUT", "/platform/tokens/", `{"enabled":false}`, theirToken, ""},
		{"DELETE", "/platform/tokens/", "", theirToken, ""},
		{"GET", "/platform/subaccounts/", "", theirSub, ""},
		{"PUT", "/platform/subaccounts/", `{"blocked":1}`, theirSub, ""},
		{"DELETE", "/platform/subaccounts/", "", theirSub, ""},
		{"DELETE", "/platform/subaccounts/", "", theirs1, ""},
		{"GET", "/platform/tokens", "", "", theirs1},
		{"GET", "/platform/tokens", "", "", theirSub},
		{"GET", "/platform/customer", "", "", "1"},
		{"POST", "/platform/tokens", `[{"ttl":1}]`, "", theirs1},
		{"POST", "/platform/subaccounts", `[{}]`, "", theirs1},
	} {
		foreign := b.do(ours, c.method, c.path+c.id, c.body, "x-flespi-cid", c.cid)
		missing := strings.NewReplacer(theirToken, "123456789", theirSub, "123456789", theirs1, "123456789")
		gone := c.id
		if gone == "1" {
			gone = "123456789"
		}
		cid := missing.Replace(c.cid)
		if cid == "1" {
			cid = "123456789"
		}
		absent := b.do(ours, c.method, c.path+missing.Replace(gone), c.body, "x-flespi-cid", cid)
		normal := strings.ReplaceAll(foreign.body, `"id":`+c.id+"}", `"id":123456789}`)
		if foreign.status != 404 || absent.status != 404 || normal != absent.body {
			t.Errorf("%s %s%s in %q: %d %s, when missing %d %s", c.method, c.path, c.id, c.cid, foreign.status, foreign.body, absent.status, absent.body)
		}
	}
	_, standard := b.token(ours, `{"ttl":60}`)
	if a := b.do(standard, "GET", "/platform/tokens", "", "x-flespi-cid", theirs1); a.status != 403 {
		t.Errorf("a standard token in another account: %d", a.status)
	}
	if a := b.do(ours, "GET", "/platform/tokens", "", "x-flespi-cid", "x"); a.status != 400 {
		t.Errorf("x-flespi-cid: x: %d", a.status)
	}
	for _, path := range []string{"/platform/tokens/all", "/platform/subaccounts/all", "/platform/customer", "/platform/tokens/info=*"} {
		if a := b.do(ours, "GET", path, ""); strings.Contains(a.body, "umbra") || strings.Contains(a.body, "below") || strings.Contains(a.body, theirToken) {
			t.Errorf("%s shows another tenant: %s", path, a.body)
		}
	}
	if a := b.ok(theirKey, "GET", "/platform/subaccounts/all", ""); len(a.Result) != 1 || a.text(0, "blocked") != "0" {
		t.Errorf("theirs changed: %s", a.body)
	}
}

// TestStoreFailure: 503, and not a word about the store.
func TestStoreFailure(t *testing.T) {
	b := newBench(t)
	b.store.fail = errors.New("open /secret/path: no space left")
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/platform/tokens", `[{"ttl":1}]`}, {"PUT", "/platform/customer", `{"name":"x"}`}, {"DELETE", "/platform/tokens/1", ""},
		{"POST", "/platform/subaccounts", `[{}]`}, {"POST", "/platform/customers", `[{}]`},
	} {
		if a := b.do(b.operator, c.method, c.path, c.body); a.status != 503 || strings.Contains(a.body, "secret") {
			t.Errorf("%s %s: %d %s", c.method, c.path, a.status, a.body)
		}
	}
}

// TestLevels: a fifth level is refused with the limit's name.
func TestLevels(t *testing.T) {
	b := newBench(t)
	cid := "1"
	for range auth.MaxDepth - 1 {
		cid = b.ok(b.operator, "POST", "/platform/subaccounts", `[{}]`, "x-flespi-cid", cid).text(0, "id")
	}
	if a := b.do(b.operator, "POST", "/platform/subaccounts", `[{}]`, "x-flespi-cid", cid); a.status != 403 || !strings.Contains(a.body, "levels") {
		t.Errorf("a fifth level: %d %s", a.status, a.body)
	}
}

// TestOpenAPI: the document names every path that is served, and is public
// [EXT-REST-7].
func TestOpenAPI(t *testing.T) {
	b := newBench(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { b.do("", "GET", "/openapi.json", "") })
	}
	wg.Wait()
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]any

		Components struct{ Schemas map[string]any }
	}
	if err := json.Unmarshal([]byte(b.do("", "GET", "/openapi.json", "").body), &doc); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.1") {
		t.Errorf("version %s", doc.OpenAPI)
	}
	for _, name := range []string{"MessageFields", "MessageAnswer", "RetainedMessage", "QueryFields", "Submitted", "DeletedCount"} {
		if doc.Components.Schemas[name] == nil {
			t.Errorf("no schema %s", name)
		}
	}
	for path, methods := range map[string]string{
		"/auth/info": "get", "/platform/customer": "get put",
		"/platform/tokens": "get post", "/platform/tokens/{selector}": "delete get put",
		"/platform/subaccounts": "get post", "/platform/subaccounts/{selector}": "delete get put",
		"/storage/expressions/functions": "get", "/storage/expressions/test": "post",
		"/mqtt/messages": "post", "/mqtt/messages/{filter}": "delete get",
		"/platform/customers": "get post", "/platform/customers/{selector}": "delete get put",
	} {
		if got := strings.Join(slices.Sorted(maps.Keys(doc.Paths[path])), " "); got != methods {
			t.Errorf("%s: %q, want %q", path, got, methods)
		}
	}
}

// TestFormContentType: a plain command-line client's request is JSON all the same.
func TestFormContentType(t *testing.T) {
	b := newBench(t)
	b.ok(b.operator, "POST", "/platform/tokens", `[{"ttl":1}]`, "Content-Type", "application/x-www-form-urlencoded")
	b.ok(b.operator, "GET", "/platform/tokens", "", "Accept", "text/html")
}

// FuzzJSON: decodeJSON takes exactly the valid JSON that is not too deep and repeats no
// key.
func FuzzJSON(f *testing.F) {
	f.Add(`{"a":1,"b":{"a":2}}`)
	f.Add(`{"a":1,"a":2}`)
	f.Add(`[[{}],"a","a"]`)
	f.Add(`{"a":"a","b":["a",{"a":null}]}`)
	f.Add(`1 2`)
	f.Add(`{"a":null}`)
	f.Add(`[{"settings":{"a":null},"input":{"b":[{"c":null}]}}]`)
	f.Add(`]`)
	f.Add(strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth))
	f.Add(strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1))
	f.Fuzz(func(t *testing.T, text string) {
		var v any
		err := decodeJSON([]byte(text), &v)
		switch valid := json.Valid([]byte(text)); {
		case err == nil && (!valid || depth(v) > maxDepth):
			t.Fatalf("%q passes", text)
		case err != nil && valid && !strings.Contains(err.Error(), "twice") && !strings.Contains(err.Error(), "deeper") && !strings.Contains(err.Error(), "is null") &&
			!strings.Contains(err.Error(), "cannot unmarshal number"): // out of float64's range
			t.Fatalf("%q: %v", text, err)
		}
	})
}

func depth(v any) int {
	deepest := 0
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			deepest = max(deepest, depth(e))
		}
	case map[string]any:
		for _, e := range v {
			deepest = max(deepest, depth(e))
		}
	default:
		return 0
	}
	return deepest + 1
}
