package attack

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"alcove/test/alcovetest"
	"alcove/test/conform/wire"
)

// ask sends a request as somebody and returns the answer whole. Headers are pairs.
func ask(t testing.TB, b *alcovetest.Broker, key, method, path, body string, headers ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, "http://"+b.HTTP+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("Authorization", "FlespiToken "+key)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// served are the operations of the broker's own document, with a body for those that
// take one.
func served(t testing.TB, b *alcovetest.Broker) map[string]string {
	t.Helper()
	_, text := ask(t, b, "", "GET", "/openapi.json", "")
	var doc struct {
		Paths map[string]map[string]struct {
			RequestBody *struct {
				Content map[string]struct{ Example json.RawMessage }
			}
		}
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			body := ""
			if op.RequestBody != nil {
				if body = string(op.RequestBody.Content["application/json"].Example); body == "" {
					body = "[{}]"
				}
			}
			all[strings.ToUpper(method)+" "+path] = body
		}
	}
	return all
}

// Whatever the broker serves by the id of an item answers for another tenant's item,
// byte for byte, as for one that does not exist; so does every path in another
// tenant's account.
func TestRow48_foreign(t *testing.T) {
	t.Parallel()
	b := alcovetest.Start(t, alcovetest.Config{})
	ours := rest(t, b, "POST", "/platform/customers", `[{"name":"ours"}]`)[0]
	theirs := rest(t, b, "POST", "/platform/customers", `[{"name":"theirs"}]`)[0]
	key := ours["token"].(map[string]any)["key"].(string)
	their := theirs["token"].(map[string]any)
	theirKey := their["key"].(string)
	ids := []string{fmt.Sprint(theirs["id"]), fmt.Sprint(their["id"]), "1"}
	for _, c := range []struct{ path, body string }{{"/platform/subaccounts", `[{"name":"below"}]`}, {"/platform/limits", `[{"name":"l"}]`},
		{"/platform/tokens", `[{"ttl":600}]`}, {"/mqtt/sessions", `[{"client_id":"them","expires":600}]`}} {
		status, text := ask(t, b, theirKey, "POST", c.path, c.body)
		var answer struct{ Result []struct{ ID json.Number } }
		if status == 404 { // not served
			continue
		}
		if err := json.Unmarshal([]byte(text), &answer); err != nil || len(answer.Result) != 1 {
			t.Fatalf("%s: %d %s", c.path, status, text)
		}
		ids = append(ids, answer.Result[0].ID.String())
	}
	const absent = "123456789012345"
	tried := 0
	for op, body := range served(t, b) {
		method, path, _ := strings.Cut(op, " ")
		if strings.HasPrefix(path, "/mqtt/messages") || strings.HasPrefix(path, "/mqtt/stream") {
			path = strings.ReplaceAll(path, "{filter}", "a")
		}
		if strings.Contains(path, "{selector}") {
			for _, id := range ids {
				// What hangs below an item is asked for as a whole.
				at := func(id string) string {
					first := strings.Replace(path, "{selector}", id, 1)
					if i := strings.IndexByte(first, '{'); i >= 0 {
						first = first[:i] + "all"
					}
					return first
				}
				foreign, foreignText := ask(t, b, key, method, at(id), strings.Trim(body, "[]"))
				missing, missingText := ask(t, b, key, method, at(absent), strings.Trim(body, "[]"))
				if foreign == 400 && strings.Contains(body, "[") { // a path below an item that takes an array
					foreign, foreignText = ask(t, b, key, method, at(id), body)
					missing, missingText = ask(t, b, key, method, at(absent), body)
				}
				if foreign != missing || strings.ReplaceAll(foreignText, `"id":`+id+"}", `"id":`+absent+"}") != missingText ||
					foreign == 200 && !strings.Contains(foreignText, `"result":[]`) { // the log of a token may outlive it
					t.Errorf("%s %s: %d %s, when missing %d %s", method, at(id), foreign, foreignText, missing, missingText)
				}
				tried++
			}
			continue
		}
		if strings.HasPrefix(path, "/auth") || strings.HasPrefix(path, "/const") {
			continue
		}
		path = strings.NewReplacer("{client_id}", "x").Replace(path)
		for _, id := range append([]string{fmt.Sprint(theirs["id"]), "1"}, ids[3:4]...) {
			foreign, foreignText := ask(t, b, key, method, path, body, "x-flespi-cid", id)
			missing, missingText := ask(t, b, key, method, path, body, "x-flespi-cid", absent)
			if strings.HasPrefix(path, "/storage") { // of no account
				continue
			}
			if foreign != 404 || missing != 404 || foreignText != missingText {
				t.Errorf("%s %s in %s: %d %s, when missing %d %s", method, path, id, foreign, foreignText, missing, missingText)
			}
			tried++
		}
	}
	if tried < 60 {
		t.Errorf("only %d requests tried", tried)
	}
	for _, path := range []string{"/platform/customer", "/platform/tokens", "/platform/subaccounts"} {
		if status, text := ask(t, b, theirKey, "GET", path, ""); status != 200 || strings.Contains(text, `"blocked":1`) || strings.Contains(text, `"enabled":false`) {
			t.Errorf("theirs was changed: %s %d %s", path, status, text)
		}
	}
}

// What a body must not say is refused, and nothing of it happens.
func TestRow48_bodies(t *testing.T) {
	t.Parallel()
	b := alcovetest.Start(t, alcovetest.Config{})
	deep := func(open, shut string) string { return strings.Repeat(open, 100_000) + strings.Repeat(shut, 100_000) }
	creations := []string{"/platform/tokens", "/platform/subaccounts", "/platform/customers", "/platform/limits", "/mqtt/sessions"}
	_, before := ask(t, b, b.Token, "GET", "/platform/customer?fields=counters", "")
	for _, path := range creations {
		for _, body := range []string{
			"", "null", "1", `"x"`, "{", "[", "[{}", "[[]]", "[null]", "[1]", "{}", "[]", "[{}]x", "\xff", "[{\"\xff\":1}]", "[NaN]", `[{"ttl":NaN}]`,
			`[{"ttl":1e999}]`, `[{"ttl":-1e999}]`, `[{"ttl":9223372036854775808}]`, `[{"id":7}]`, `[{"cid":7}]`, `[{"key":"x"}]`, `[{"created":1}]`,
			`[{"accessed":1}]`, `[{"__proto__":{}}]`, `[{"$schema":"x"}]`, `[{"name":"a","name":"b"}]`, `[{"Name":"a"}]`, `[{"name":["a"]}]`,
			`[{"metadata":{"a":1}}]`, `[{"metadata":{"a":"b","a":"c"}}]`, deep("[", "]"), deep(`{"a":`, "}"), `[` + deep(`{"metadata":`, "}") + `]`,
			"[" + strings.Repeat("{},", 1000) + "{}]", `[{"info":"` + strings.Repeat("x", 100_000) + `"}]`, `[{"name":"` + strings.Repeat("x", 100_000) + `"}]`,
		} {
			status, text := ask(t, b, b.Token, "POST", path, body)
			if status != 400 && status != 404 || len(text) > 4096 || !strings.Contains(text, `"reason":"`) {
				t.Errorf("%s %.60q: %d %.300s", path, body, status, text)
			}
		}
	}
	if _, after := ask(t, b, b.Token, "GET", "/platform/customer?fields=counters", ""); figures(before) != figures(after) {
		t.Errorf("something has happened: %s, before %s", after, before)
	}
	// A gigabyte is refused before it comes.
	req, _ := http.NewRequest("POST", "http://"+b.HTTP+"/platform/tokens", io.LimitReader(zeros{}, 1<<30))
	req.ContentLength = 1 << 30
	req.Header.Set("Authorization", "FlespiToken "+b.Token)
	began := time.Now()
	if resp, err := http.DefaultClient.Do(req); err == nil {
		resp.Body.Close()
		if resp.StatusCode != 413 {
			t.Errorf("a gigabyte: %d", resp.StatusCode)
		}
	}
	if d := time.Since(began); d > 20*time.Second {
		t.Errorf("a gigabyte is read for %v", d)
	}
	others(t, b)
}

// figures takes out what every request changes.
func figures(text string) string {
	var answer struct {
		Result []struct{ Counters map[string]float64 }
	}
	_ = json.Unmarshal([]byte(text), &answer)
	if len(answer.Result) != 1 {
		return text
	}
	c := answer.Result[0].Counters
	delete(c, "api_calls")
	delete(c, "api_traffic")
	return fmt.Sprint(c)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// Parameters beyond their ranges, and selectors made to cost much, are refused or cheap.
func TestRow48_parameters(t *testing.T) {
	t.Parallel()
	b := alcovetest.Start(t, alcovetest.Config{})
	rest(t, b, "POST", "/platform/tokens", "["+strings.TrimSuffix(strings.Repeat(`{"ttl":3600,"info":"`+strings.Repeat("a", 60)+`"},`, 1000), ",")+"]")
	for _, list := range []string{"/platform/tokens", "/platform/subaccounts", "/platform/customers", "/platform/limits", "/mqtt/sessions", "/mqtt/messages/a"} {
		for _, query := range []string{
			"offset=9223372036854775808", "offset=18446744073709551616", "offset=-1", "offset=1e3", "offset=0x10", "offset=+1", "offset=", "offset=1000000001",
			"limit=0", "limit=-1", "limit=1001", "limit=9223372036854775807", "limit=99999999999999999999", "limit=1.5", "limit=", "limit=all",
			"limit=1&limit=2", "fields=" + strings.Repeat("a,", 5000),
		} {
			status, text := ask(t, b, b.Token, "GET", list+"?"+query, "")
			name, _, _ := strings.Cut(query, "=")
			if (query == "limit=" || query == "offset=") && status == 200 {
				continue // nothing is said
			}
			if status == 404 && strings.Contains(text, "no such path") {
				continue
			}
			if status != 400 || !strings.Contains(text, name) || len(text) > 2048 {
				t.Errorf("%s?%.60s: %d %.300s", list, query, status, text)
			}
		}
	}
	for _, selector := range []string{
		"info=" + strings.Repeat("*a", 2000) + "b", strings.TrimSuffix(strings.Repeat("info="+strings.Repeat("*?", 200)+"b,", 16), ","),
		"{info~'" + strings.Repeat("*a", 1000) + "b'}", "{" + strings.Repeat("(", 60) + "1" + strings.Repeat(")", 60) + "}",
		"{" + strings.Repeat("info+", 700) + "info}", "{" + strings.Repeat("!", 5000) + "1}", "{" + strings.Repeat("(", 5000) + "}", "{info}}}",
	} {
		began := time.Now()
		status, text := ask(t, b, b.Token, "GET", "/platform/tokens/"+url.PathEscape(selector), "")
		if status != 200 && status != 400 || len(text) > 200_000 {
			t.Errorf("%.60s: %d %.300s", selector, status, text)
		}
		if d := time.Since(began); d > 5*time.Second {
			t.Errorf("%.60s takes %v", selector, d)
		}
	}
	others(t, b)
}

// A key is taken from the header alone, and stands nowhere in what the broker writes:
// neither its own log nor that of an account, whatever a client did with it.
func TestRow49_redaction(t *testing.T) {
	t.Parallel()
	b := alcovetest.Start(t, alcovetest.Config{Env: []string{"ALCOVE_LOG_LEVEL=debug"}})
	_, key := token(t, b, `"access":{"type":1}`)
	unknown := strings.Repeat("Zq", 32)
	for _, secret := range []string{key, unknown, b.Token} {
		escaped := url.QueryEscape("FlespiToken " + secret)
		for _, path := range []string{
			"/platform/tokens?token=" + secret, "/platform/tokens?Authorization=" + escaped, "/platform/customer?access_token=" + secret,
			"/" + secret, "/platform/tokens/" + secret, "/platform/tokens/info=" + secret, "/mqtt/messages/" + secret, "/mqtt/stream/" + secret,
		} {
			status, _ := ask(t, b, "", "GET", path, "", "Referer", "http://h/?token="+secret, "Cookie", "token="+secret+"; Authorization="+escaped)
			if status != 401 && status != 404 {
				t.Errorf("%.40s: %d: a key outside the header is taken", path, status)
			}
		}
		for _, header := range []string{secret, "Basic " + secret, "FlespiToken" + secret, "FlespiToken  " + secret + " x", "Token " + secret} {
			ask(t, b, "", "GET", "/platform/tokens", "", "Authorization", header)
		}
		ask(t, b, secret, "GET", "/platform/tokens/x=y", "")
		ask(t, b, secret, "POST", "/platform/tokens", `[{"`+secret+`":1}]`)
		ask(t, b, secret, "PUT", "/platform/customer", `{"name":1}`)
		// WebSocket requests, good and bad, with the key in their URL.
		for _, version := range []string{"13", "12"} {
			nc, err := net.Dial("tcp", b.HTTP)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(nc, "GET /?token=%s HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: %s\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", secret, version)
			nc.SetReadDeadline(time.Now().Add(time.Second))
			nc.Read(make([]byte, 1024))
			nc.Close()
		}
		// A bad request line is not quoted either.
		exchange(t, b, "", "GET /?token="+secret+" HTTP/1.1 x\r\n\r\n")
		// MQTT, as user name, password and in the wrong field.
		pass := secret
		for _, change := range []func(*wire.Connect){
			func(p *wire.Connect) { p.User = &pass },
			func(p *wire.Connect) { p.User, p.Password = nil, &pass },
			func(p *wire.Connect) { u := "x" + pass; p.User, p.Password = &u, &pass },
			func(p *wire.Connect) { u := "FlespiToken " + pass + "x"; p.User = &u },
		} {
			c := dial(t, b)
			c.send(hello(b, change).Bytes())
			c.next()
			c.Close()
		}
	}
	others(t, b)
	for _, path := range []string{"/mqtt/logs", "/platform/customer/logs", "/platform/tokens", "/platform/tokens/all/logs", "/mqtt/sessions"} {
		status, text := ask(t, b, b.Token, "GET", path, "")
		for _, secret := range []string{key, unknown, b.Token} {
			if strings.Contains(text, secret[:16]) {
				t.Errorf("%s (%d) shows a key", path, status)
			}
		}
	}
	b.Stop()
	for _, secret := range []string{key, unknown, b.Token} {
		if at := strings.Index(b.Output(), secret[:16]); at >= 0 {
			t.Errorf("the log shows a key: %.300s", b.Output()[max(0, at-200):])
		}
	}
}

// What a client says cannot make lines of the operator's log, nor move a terminal.
func TestRow51_logInjection(t *testing.T) {
	t.Parallel()
	const forged = "time=2000-01-01T00:00:00Z level=ERROR msg=FORGED"
	for _, format := range []string{"text", "json"} {
		b := alcovetest.Start(t, alcovetest.Config{Env: []string{"ALCOVE_LOG_LEVEL=debug", "ALCOVE_LOG_FORMAT=" + format}})
		nasty := "x\r\n" + forged + "\x1b[2J\x1b]0;owned\x07\u202e\u0085"
		for _, id := range []string{nasty, strings.Repeat("a", 65535), "\u2028" + forged} {
			c := dial(t, b)
			c.send(hello(b, func(p *wire.Connect) { p.ClientID = id }).Bytes())
			c.next()
			c.Close()
		}
		c := connect(t, b)
		c.send(wire.Publish{Topic: "a", Payload: nasty, QoS: 1, ID: 1}.Bytes(v5), wire.Publish{Topic: "flespi/" + strings.Repeat("b", 60_000), QoS: 1, ID: 2}.Bytes(v5),
			wire.Subscribe(v5, 3, nil, wire.Sub{Filter: "$filter/" + forged + "/a"}))
		c.count()
		c.send(wire.Disconnect(v5, 0x04, wire.Props{wire.Text(wire.ReasonString, strings.ReplaceAll(nasty, "\x00", ""))}))
		for _, text := range []string{
			"GET /" + url.PathEscape(nasty) + " HTTP/1.1\r\nHost: h\r\nUser-Agent: \x1b[2J" + forged + "\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: h\r\nX: \r\n " + forged + "\r\nx-flespi-app: " + forged + "\r\nx-flespi-trace: " + strings.Repeat("t", 20_000) + "\r\n\r\n",
			"\x1b[2J" + forged + "\r\n\r\n", "PATCH\x1b /platform/tokens HTTP/1.1\r\nHost: \x1b[2J\r\n\r\n",
		} {
			exchange(t, b, "", text)
		}
		ask(t, b, b.Token, "POST", "/platform/subaccounts", `[{"name":"\r\n`+forged+`\u001b[2J"},{"metadata":{"a":"\r\n`+forged+`\u001b[2J"}}]`)
		b.Stop()
		for line := range strings.Lines(b.Output()) {
			line = strings.TrimSuffix(line, "\n")
			if strings.ContainsFunc(line, func(r rune) bool { return r < 0x20 && r != '\t' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x202e }) || len(line) > 4096 {
				t.Errorf("%s: a line of %d bytes: %.200q", format, len(line), line)
			}
			if strings.HasPrefix(line, forged[:20]) {
				t.Errorf("%s: a forged line: %.200q", format, line)
			}
		}
	}
}
