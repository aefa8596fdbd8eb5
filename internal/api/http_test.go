package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"alcove/internal/event"
)

// TestCORS: every answer can be read by pages of the allowed origins, errors and
// preflights included; there are no credentials [EXT-REST-10] (attacks row 49).
func TestCORS(t *testing.T) {
	b := newBench(t)
	paths := []struct{ method, path, key string }{
		{"GET", "/platform/tokens", b.operator}, {"GET", "/platform/tokens", ""}, {"GET", "/platform/tokens/x", b.operator},
		{"GET", "/nothing/here", ""}, {"PATCH", "/platform/tokens", b.operator}, {"GET", "/a//b", ""}, {"GET", "/mqtt/%2e%2e", ""},
		{"GET", "/auth/regions", ""}, {"GET", "/const/values", ""}, {"GET", "/openapi.json", ""}, {"GET", "/docs", ""},
		{"OPTIONS", "/platform/tokens", ""}, {"OPTIONS", "/nothing/here", ""}, {"OPTIONS", "/mqtt/messages/a%2F%23", ""},
	}
	for _, c := range []struct {
		configured  []string
		origin      string
		allow, vary string
	}{
		{nil, "", "*", ""},
		{nil, "https://board.example", "*", ""},
		{nil, "null", "*", ""},
		{[]string{"https://a.example", "https://b.example:8443"}, "https://b.example:8443", "https://b.example:8443", "Origin"},
		{[]string{"https://a.example"}, "https://a.example.evil", "", "Origin"},
		{[]string{"https://a.example"}, "", "", "Origin"},
	} {
		handler := New(Config{Directory: b.directory, Broker: b.broker, Version: "test", Origins: c.configured})
		for _, p := range paths {
			r := httptest.NewRequest(p.method, p.path, nil)
			if p.key != "" {
				r.Header.Set("Authorization", "FlespiToken "+p.key)
			}
			if c.origin != "" {
				r.Header.Set("Origin", c.origin)
			}
			r.Header.Set("Access-Control-Request-Method", "PUT")
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			h := w.Header()
			if h.Get("Access-Control-Allow-Origin") != c.allow || h.Get("Vary") != c.vary || h.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%v, origin %q, %s %s: %v", c.configured, c.origin, p.method, p.path, h)
			}
			if p.method != "OPTIONS" {
				continue
			}
			methods, headers := "GET, POST, PUT, PATCH, DELETE", "Authorization, Content-Type, x-flespi-app, x-flespi-cid, x-flespi-trace"
			if c.allow == "" {
				methods, headers = "", ""
			}
			if w.Code != 204 || h.Get("Access-Control-Allow-Methods") != methods || h.Get("Access-Control-Allow-Headers") != headers ||
				(h.Get("Access-Control-Max-Age") == "") != (c.allow == "") {
				t.Errorf("preflight of %s by %q: %d %v", p.path, c.origin, w.Code, h)
			}
		}
	}
}

// TestRegions: without a token, with the host that the caller used and the ports of the
// listeners [EXT-REST-10].
func TestRegions(t *testing.T) {
	b := newBench(t)
	ports := Ports{MQTT: 1883, MQTTS: 8883, HTTP: 8080, HTTPS: 8443}
	for _, c := range []struct {
		name, url  string
		region     Region
		ports      Ports
		rest, mqtt string
		ws, cdn    string
	}{
		{"a name", "http://broker.example/", Region{}, ports, "http://broker.example:8080", "broker.example:1883", "broker.example:8080", "http://broker.example:8080"},
		{"another port", "http://broker.example:99/", Region{}, ports, "http://broker.example:8080", "broker.example:1883", "broker.example:8080", "http://broker.example:8080"},
		{"by TLS", "https://broker.example/", Region{}, ports, "https://broker.example:8443", "broker.example:1883", "broker.example:8443", "https://broker.example:8443"},
		{"IPv6", "http://[::1]:8080/", Region{}, ports, "http://[::1]:8080", "[::1]:1883", "[::1]:8080", "http://[::1]:8080"},
		{"only TLS", "https://h/", Region{}, Ports{MQTTS: 8883, HTTPS: 8443}, "https://h:8443", "h:8883", "h:8443", "https://h:8443"},
		{"a host by setting", "http://inside/", Region{Host: "outside.example"}, ports, "http://outside.example:8080", "outside.example:1883", "outside.example:8080", "http://outside.example:8080"},
		{"all by setting", "http://inside/", Region{Name: "eu", REST: "https://r", CDN: "https://c", MQTT: "m:1", WS: "w:2"}, ports, "https://r", "m:1", "w:2", "https://c"},
	} {
		handler := New(Config{Directory: b.directory, Broker: b.broker, Region: c.region, Ports: func() Ports { return c.ports }})
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", c.url+"auth/regions", nil))
		var a reply
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != 200 || len(a.Result) != 1 {
			t.Fatalf("%s: %d %s", c.name, w.Code, w.Body)
		}
		name := "alcove"
		if c.region.Name != "" {
			name = c.region.Name
		}
		if a.Result[0]["default"] != true || a.text(0, "name") != name || a.text(0, "rest") != c.rest || a.text(0, "mqtt") != c.mqtt ||
			a.text(0, "mqtt-ws") != c.ws || a.text(0, "cdn") != c.cdn {
			t.Errorf("%s: %s", c.name, w.Body)
		}
	}
	for host, good := range map[string]bool{
		"a": true, "a.b-c.d_e": true, "127.0.0.1:80": true, "[::1]": true, "[fe80::1%25eth0]:1": false, "": false, "a b": false,
		"a/b": false, `a"b`: false, "<x>": false, "a..b": false, strings.Repeat("a.", 200) + "a": false, strings.Repeat("a", 64): false, ":80": false,
	} {
		if _, ok := hostOf(host); ok != good {
			t.Errorf("host %q: %v", host, ok)
		}
	}
}

// TestConstants: the dictionaries, public, each under its name; every code is there
// [EXT-REST-12].
func TestConstants(t *testing.T) {
	b := newBench(t)
	a := b.ok("", "GET", "/const/values?names=toolbox%2Fcodes", "")
	codes := a.Result[0]["toolbox/codes"].(map[string]any)["codes"].(map[string]any)
	if len(a.Result) != 1 || len(a.Result[0]) != 1 || len(codes) != len(event.Dictionary()) {
		t.Errorf("%s", a.body)
	}
	for _, code := range []int{1, 2, 3, 20, 21, 500, 501, 502, 503, 504, 510, 511, 512, 520, 521, 530, 531, 540, 600, 1000} {
		e, _ := codes[strconv.Itoa(code)].(map[string]any)
		if e["code"] != float64(code) || e["description"] == "" || e["severity"] == "" {
			t.Errorf("code %d: %v", code, e)
		}
	}
	a = b.ok("", "GET", "/const/values?names=toolbox/topics,toolbox/codes", "")
	topics := a.Result[0]["toolbox/topics"].(map[string]any)["topics"].(map[string]any)
	if len(a.Result) != 1 || len(a.Result[0]) != 2 {
		t.Errorf("both: %s", a.body)
	}
	for _, shape := range []string{"flespi/log/mqtt/sessions/{id}/created", "flespi/log/mqtt/sessions/{id}/accepted",
		"flespi/state/platform/customer/counters/{name}", "flespi/state/platform/subaccounts/{id}/name"} {
		if d, _ := topics[shape].(map[string]any); d["description"] == nil {
			t.Errorf("no %s: %s", shape, a.body)
		}
	}
	for _, names := range []string{"", "?names=", "?names=toolbox/nothing", "?names=toolbox/codes,x", "?names=" + strings.Repeat("x", 3000)} {
		if a := b.do("", "GET", "/const/values"+names, ""); a.status != 400 || !strings.Contains(a.Errors[0].Reason, "names") || len(a.body) > 500 {
			t.Errorf("%.40q: %d %s", names, a.status, a.body)
		}
	}
	handler := New(Config{Directory: b.directory, Broker: b.broker, Reserved: "house"})
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("GET", "/const/values?names=toolbox/topics", nil))
	if !strings.Contains(w.Body.String(), `"house/log/`) || strings.Contains(w.Body.String(), "flespi/") {
		t.Error("the reserved prefix of the settings is not the topics'")
	}
}

// TestPaths: a path means what it says or nothing; nothing is redirected (attacks row 47).
func TestPaths(t *testing.T) {
	b := newBench(t)
	for _, path := range []string{
		"//platform/tokens", "/platform//tokens", "/platform/tokens/", "/platform/./tokens", "/auth/../platform/tokens",
		"/auth/%2e%2e/platform/tokens", "/platform/%2E/tokens", "/platform%2Ftokens", "/%70latform/tokens", "/platform/token%73",
		"/platform/tokens/..", "/platform/tokens/%2e%2e", "/platform/tokens/all/..", "/mqtt/messages", "/mqtt/messages/", "/mqtt/%6dessages/a",
		"/", "/platform", "/..", "/PLATFORM/tokens", "/platform/tokens;x=1", "/platform\\tokens",
	} {
		a := b.do(b.operator, "GET", path, "")
		if a.status != 404 && !(a.status == 405 && path == "/mqtt/messages") || a.header.Get("Location") != "" {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	// Methods are what they are, whatever a header or a parameter says.
	for _, header := range []string{"X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"} {
		a := b.ok(b.operator, "GET", "/platform/tokens/all?_method=DELETE", "", header, "DELETE")
		if len(a.Result) != 1 || len(b.directory.Tokens(1)) != 1 {
			t.Errorf("%s: %s", header, a.body)
		}
	}
	// What stands twice would be read differently by two readers.
	for _, query := range []string{"limit=1&limit=2", "fields=id&limit=1&fields=info", "limit=1;limit=2", "limit=%zz"} {
		if a := b.do(b.operator, "GET", "/platform/tokens?"+query, ""); a.status != 400 {
			t.Errorf("%s: %d %s", query, a.status, a.body)
		}
	}
	// What a proxy would say of the path or the caller is not asked either.
	a := b.do("", "GET", "/auth/regions", "", "X-Original-URL", "/platform/tokens", "X-Rewrite-URL", "/platform/tokens", "X-Forwarded-Host", "evil.example")
	if a.status != 200 || strings.Contains(a.body, "evil") || strings.Contains(a.body, "operator") {
		t.Errorf("%s", a.body)
	}
}

// TestTokenPlace: a key counts in the header alone, so that it never stands in a URL
// (attacks row 49).
func TestTokenPlace(t *testing.T) {
	b := newBench(t)
	for _, query := range []string{"?token=", "?Authorization=", "?authorization=FlespiToken%20", "?access_token=", "?key="} {
		if a := b.do("", "GET", "/platform/tokens"+query+b.operator, ""); a.status != 401 || strings.Contains(a.body, b.operator) {
			t.Errorf("%s: %d %s", query, a.status, a.body)
		}
	}
	r := httptest.NewRequest("GET", "/platform/tokens", nil)
	r.AddCookie(&http.Cookie{Name: "Authorization", Value: "FlespiToken " + b.operator})
	r.AddCookie(&http.Cookie{Name: "token", Value: b.operator})
	w := httptest.NewRecorder()
	if b.handler.ServeHTTP(w, r); w.Code != 401 || w.Header().Get("Set-Cookie") != "" {
		t.Errorf("a cookie: %d", w.Code)
	}
	// Two headers might be read differently by two readers.
	_, other := b.token(b.operator, `{"ttl":60}`)
	r = httptest.NewRequest("GET", "/platform/tokens", nil)
	r.Header["Authorization"] = []string{"FlespiToken " + other, "FlespiToken " + b.operator}
	w = httptest.NewRecorder()
	if b.handler.ServeHTTP(w, r); w.Code != 400 {
		t.Errorf("two Authorization headers: %d %s", w.Code, w.Body)
	}
}
