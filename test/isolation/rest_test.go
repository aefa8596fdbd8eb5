package isolation

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

var web = &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 16}}

// answer is one answer of REST as it came.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (w *world) call(key, in, method, path, body string) answer {
	req, err := http.NewRequest(method, "http://"+w.b.HTTP+path, strings.NewReader(body))
	if err != nil {
		w.failf("%s %s: %v", method, path, err)
		return answer{}
	}
	req.Header.Set("Authorization", "FlespiToken "+key)
	if in != "" {
		req.Header.Set("x-flespi-cid", in)
	}
	resp, err := web.Do(req)
	if err != nil {
		w.failf("%s %s: %v", method, path, err)
		return answer{}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.failf("%s %s: %v", method, path, err)
	}
	return answer{resp.StatusCode, resp.Header, text}
}

// must is a call that makes or changes something, and its first result.
func (w *world) must(key, in, method, path, body string) map[string]any {
	a := w.call(key, in, method, path, body)
	var parsed struct{ Result []map[string]any }
	d := json.NewDecoder(bytes.NewReader(a.body))
	d.UseNumber()
	if err := d.Decode(&parsed); err != nil || a.status != 200 || len(parsed.Result) == 0 {
		w.failf("%s %s %s: %d %.300s", method, path, body, a.status, a.body)
		return nil
	}
	return parsed.Result[0]
}

// seen checks an answer about account a: it has canaries of a, those of messages and
// names below a where they belong, and no key.
func (w *world) seen(a *account, what string, got answer) {
	var header bytes.Buffer
	got.header.Write(&header)
	check := func(owner *account, class byte) {
		// Messages of the accounts below may be seen, and so may their logs where those
		// come as messages [EXT-ACC-2] [EXT-LOG-2].
		below := class == ofMessage || class == ofName || class == ofGiven || class == '?' || strings.HasPrefix(what, "stream ")
		if owner != a && (!owner.within(a) || !below) {
			w.failf("%s about %v shows the canary %q of %v: …%s…", what, a, class, owner, around(append(header.Bytes(), got.body...), owner))
		}
	}
	look(header.Bytes(), check)
	lookREST(got.body, check)
	numbers(a, got.body, func(o owned, at int) {
		w.failf("%s about %v shows a number (%c) of %v: …%s…", what, a, o.class, o.owner, got.body[max(0, at-80):min(len(got.body), at+80)])
	})
	if strings.HasPrefix(what, "GET ") {
		w.items(a, what, got.body)
	}
	if m := aKey.FindSubmatch(got.body); m != nil {
		w.failf("%s shows what looks like a key: %s", what, m[1])
	}
}

// lists are what an account reads of itself.
func lists(a *account) []string {
	return []string{
		"/mqtt/sessions/all", "/mqtt/sessions/client_id=hunter*", "/mqtt/sessions/all?fields=client_id,token_id", "/mqtt/sessions/all/subscriptions/all",
		"/mqtt/messages/%23", "/mqtt/messages/h%2Fa,b%2F%23", "/mqtt/messages/" + url.PathEscape("$filter/payload=v>1/#"), "/mqtt/messages/%23?data=" + url.QueryEscape(`{"recursive":false}`),
		"/platform/tokens/all", "/platform/tokens/" + url.PathEscape("{info~\"*\"}"), "/platform/tokens/all?fields=id,info,accessed", "/platform/tokens/info=*",
		"/platform/subaccounts/all", "/platform/subaccounts/name=*", "/platform/limits/all", "/platform/customer", "/platform/customers/all",
		"/mqtt/logs", "/mqtt/logs?data=" + url.QueryEscape(`{"count":1000,"reverse":true}`), "/platform/customer/logs", "/platform/customer/statistics", "/platform/tokens/all/logs",
		"/mqtt/sessions/" + url.PathEscape("{subscriptions_count>0}"), "/mqtt/sessions/connected=true?limit=2&offset=1", "/platform/subaccounts/" + url.PathEscape("{blocked==0}"),
		"/mqtt/messages/" + url.PathEscape("$filter/message=qos<2&cid="+a.id+"/#"), "/mqtt/messages/flespi%2F%23", "/const/values?names=toolbox/topics", "/auth/regions",
		"/storage/expressions/functions", "/mqtt/logs?data=" + url.QueryEscape(`{"filter":"event_code>0","fields":"client_id,topic,token_id"}`),
		"/auth/info", "/mqtt/messages/" + a.canary(ofMessage), "/platform/tokens/" + a.canary(ofGiven), "/nowhere/" + a.canary(ofGiven),
	}
}

// read reads one list, as the account itself or as one above it.
func (w *world) read(random *rand.Rand, a *account) {
	key, in := pick(random, a.keys[:]...), ""
	if a.parent != nil && random.IntN(4) == 0 {
		key, in = w.top(a).keys[0], a.id
	}
	path := pick(random, lists(a)...)
	if in != "" && strings.Contains(path, mark) {
		return // the request itself would bring a's canary into the log of who asks
	}
	w.tell("%v reads %s with x-flespi-cid %q", a, path, in)
	got := w.call(key, in, "GET", path, "")
	if strings.HasPrefix(path, "/auth/info") && in != "" {
		return // about who asks
	}
	w.seen(a, "GET "+path, got)
}

// foreign asks for something of a stranger and for the same with an id that nobody
// has: both answers must be the same [EXT-REST-1].
func (w *world) foreign(random *rand.Rand, a, other *account) {
	id := other.id
	kind := pick(random, "/platform/subaccounts/%s", "/platform/tokens/%s", "/mqtt/sessions/%s", "/platform/limits/%s", "x-flespi-cid", "/mqtt/sessions/%s/subscriptions/all", "/platform/tokens/%s/logs", "/platform/customers/%s", "/mqtt/messages/$filter%%2Fcid=%s%%2F%%23")
	if strings.Contains(kind, "tokens") || strings.Contains(kind, "sessions") {
		list := "/platform/tokens/all?fields=id"
		if strings.Contains(kind, "sessions") {
			list = "/mqtt/sessions/all?fields=id"
		}
		var parsed struct{ Result []struct{ ID json.Number } }
		json.Unmarshal(w.call(other.keys[0], "", "GET", list, "").body, &parsed)
		if len(parsed.Result) == 0 {
			return
		}
		id = parsed.Result[0].ID.String()
	}
	asks(a, id)
	missing := absent(random, id)
	method, body := pick(random, "GET", "GET", "DELETE", "PUT"), ""
	if method == "PUT" || method == "POST" {
		body = `{"metadata":{"x":"y"}}`
	}
	ask := func(id string) answer {
		if kind == "x-flespi-cid" {
			return w.call(a.keys[0], id, method, "/platform/tokens/info=none", body)
		}
		return w.call(a.keys[0], "", method, fmt.Sprintf(kind, id), body)
	}
	w.tell("%v asks %s %s of %v: %s, missing %s", a, method, kind, other, id, missing)
	theirs, nobodys := ask(id), ask(missing)
	w.seen(a, method+" "+kind, theirs)
	empty := string(bytes.TrimSpace(theirs.body)) == `{"result":[]}` // the log of a token that is gone or was never there
	if theirs.status/100 == 2 && !strings.Contains(kind, "messages") && !empty {
		w.failf("%v: %s %s of %v is answered with %d %s", a, method, kind, other, theirs.status, theirs.body)
	}
	for _, h := range []string{"Date", "Content-Length", "X-Request-Id"} {
		theirs.header.Del(h)
		nobodys.header.Del(h)
	}
	plain := func(body []byte, id string) string { return strings.ReplaceAll(string(body), id, "ID") }
	if theirs.status != nobodys.status || plain(theirs.body, id) != plain(nobodys.body, missing) || !maps.EqualFunc(theirs.header, nobodys.header, slices.Equal) {
		w.failf("%v can tell %s %s of %v from one of nobody:\n%d %v %s\n%d %v %s", a, method, kind, other, theirs.status, theirs.header, theirs.body, nobodys.status, nobodys.header, nobodys.body)
	}
}

// absent is an id with as many digits that nobody has.
func absent(random *rand.Rand, id string) string {
	b := []byte(id)
	for i := 1; i < len(b); i++ {
		b[i] = byte('0' + random.IntN(10))
	}
	if string(b) == id {
		return absent(random, id+"7")
	}
	return string(b)
}

// write changes something of the account by REST.
func (w *world) write(random *rand.Rand, a *account) {
	m := func(s string) string { return fmt.Sprintf("%q", s) }
	topic := pick(random, topicsOf(a)...)
	type request struct{ method, path, body string }
	r := pick(random,
		request{"POST", "/mqtt/messages", fmt.Sprintf(`[{"topic":%q,"payload":%q,"qos":1,"retain":true,"user_properties":{%q:%q}},{"topic":%q,"payload":"x"}]`, topic, w.payload(random, a), a.canary(ofMessage), a.canary(ofMessage), topic)},
		request{"POST", "/mqtt/messages", fmt.Sprintf(`{"topic":%q,"payload_base64":"%s","content_type":%q}`, topic, "AAEC", a.canary(ofMessage))},
		request{"DELETE", "/mqtt/messages/" + url.PathEscape(pick(random, "#", "h/#", "h/+", "h/a,b/#")), ""},
		request{"PUT", "/platform/customer", `{"name":` + m("renamed "+a.canary(ofName)) + `}`},
		request{"POST", "/platform/tokens", `[{"info":` + m("spare "+a.canary(ofToken)) + `,"ttl":1000,"access":{"type":0}},{"info":"no ` + a.canary(ofToken) + `","wrong":1}]`},
		request{"PUT", "/platform/tokens/info=spare*", `{"metadata":{"k":` + m(a.canary(ofToken)) + `}}`},
		request{"DELETE", "/platform/tokens/info=spare*", ""},
		request{"POST", "/platform/limits", `[{"name":` + m(a.canary(ofToken)) + `,"mqtt_sessions":1000}]`},
		request{"DELETE", "/platform/limits/all", ""},
		request{"POST", "/storage/expressions/test", `{"expression":"` + a.canary(ofToken) + `>(","input":{}}`},
		request{"POST", "/mqtt/messages", `{"topic":"flespi/` + a.canary(ofMessage) + `","payload":"x"}`},
		request{"POST", "/mqtt/messages", `{"topik":"` + a.canary(ofMessage) + `"}`},
	)
	w.tell("%v: %s %s %s", a, r.method, r.path, r.body)
	got := w.call(a.keys[0], "", r.method, r.path, r.body)
	if r.path == "/platform/tokens" && r.method == "POST" {
		got.body = aKey.ReplaceAll(got.body, nil) // shown once, here
	}
	w.seen(a, r.method+" "+r.path, got)
}
