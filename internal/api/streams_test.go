package api

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"alcove/internal/broker"
)

// reader is a client of a stream that reads only when it is told to.
type reader struct {
	t     testing.TB
	conn  net.Conn
	lines *bufio.Scanner
}

// stream opens a stream on a server of its own and reads the head of the answer.
func (r *realBench) stream(key, filter string, headers ...string) *reader {
	r.t.Helper()
	server := httptest.NewServer(r.handler)
	r.t.Cleanup(server.Close)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	fmt.Fprintf(conn, "GET /mqtt/stream/%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n", filter, key)
	for i := 0; i < len(headers); i += 2 {
		fmt.Fprintf(conn, "%s: %s\r\n", headers[i], headers[i+1])
	}
	fmt.Fprint(conn, "\r\n")
	x := &reader{t: r.t, conn: conn, lines: bufio.NewScanner(conn)}
	x.lines.Buffer(nil, 4<<20)
	for x.lines.Scan() && x.lines.Text() != "" {
	}
	return x
}

// until reads to the next line that begins with one of the texts.
func (x *reader) until(begins ...string) string {
	x.t.Helper()
	for x.lines.Scan() {
		for _, b := range begins {
			if strings.HasPrefix(x.lines.Text(), b) {
				return x.lines.Text()
			}
		}
	}
	x.t.Fatalf("the stream ended without %q: %v", begins, x.lines.Err())
	return ""
}

// sessionsOf waits until the account has n sessions.
func (r *realBench) sessions(n int) {
	r.t.Helper()
	for end := time.Now().Add(10 * time.Second); ; {
		a := r.ok(r.operator, "GET", sessions, "")
		if len(a.Result) == n {
			return
		}
		if time.Now().After(end) {
			r.t.Fatalf("%d sessions, want %d: %s", len(a.Result), n, a.body)
		}
	}
}

// TestStreamHead: what a stream begins with, and how its session looks.
func TestStreamHead(t *testing.T) {
	r := newRealBench(t, broker.Limits{})
	r.retain(r.operator, "a/1 a/2 b/1")
	x := r.stream(r.operator, "a/+")
	if got := x.until("retry:"); got != "retry: 3000" {
		t.Error(got)
	}
	for _, want := range []string{"a/1", "a/2"} {
		id := strings.TrimPrefix(x.until("id: "), "id: ")
		if got := x.until("data: "); !strings.HasPrefix(got, `data: {"topic":"`+want+`",`) || !strings.HasSuffix(got, `"retain":true}`) || !strings.Contains(got, `"timestamp":`+id) {
			t.Error(got)
		}
	}
	r.ok(r.operator, "POST", "/mqtt/messages", `[{"topic":"b/1","payload":"x"},{"topic":"a/3","payload":"line\nfeed","qos":2}]`)
	if got := x.until("data: "); !strings.HasPrefix(got, `data: {"topic":"a/3","payload":"line\nfeed",`) || !strings.HasSuffix(got, `"qos":2,"retain":false}`) {
		t.Error(got)
	}
	a := r.ok(r.operator, "GET", sessions+"/transport=sse", "")
	s := a.Result[0]
	if s["clean"] != true || s["connected"] != true || s["ip"] != "127.0.0.1" || s["messages_out"] != 3.0 || !strings.HasPrefix(a.text(0, "client_id"), "sse-") {
		t.Error(a.body)
	}
	// Another subscription by REST works as for any session, without acknowledgements.
	r.ok(r.operator, "POST", sessions+"/transport=sse/subscriptions", `[{"topic":"c","qos":2}]`)
	for range 3 {
		r.ok(r.operator, "POST", "/mqtt/messages", `{"topic":"c","payload":"x","qos":2}`)
		x.until(`data: {"topic":"c"`)
	}
	x.conn.Close()
	r.sessions(0)
}

// TestStreamSlow: a reader that takes nothing costs bounded memory, delays nobody, and is
// told what it lost; it goes as soon as its token does.
func TestStreamSlow(t *testing.T) {
	r := newRealBench(t, broker.Limits{})
	id, key := r.token(r.operator, `{"ttl":60,"access":{"type":0}}`)
	x := r.stream(key, "%23")
	x.until("retry:")
	grant, err := r.directory.LoginKey(r.operator, netip.Addr{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	list := []broker.Submission{{Topic: []byte("t"), Payload: bytes.Repeat([]byte("x"), 1<<20)}}
	send := func() {
		r.real.Submit(t.Context(), broker.Submitter{Grant: grant, Account: grant.Account}, list)
	}
	for range 24 { // 24 MB: more than any socket's buffer
		send()
	}
	if got := x.until("event: dropped"); got == "" {
		t.Error("nothing was dropped")
	}
	if got := x.until("data: "); !strings.HasPrefix(got, `data: {"count":`) {
		t.Errorf("%.100s", got)
	}
	for range 16 {
		send()
	}
	began := time.Now()
	r.ok(r.operator, "DELETE", "/platform/tokens/"+id, "")
	r.sessions(0)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

// TestStreamRights: only what the token may GET, live and retained; a narrower list acts
// at once [EXT-TOK-5] [EXT-TOK-8].
func TestStreamRights(t *testing.T) {
	r := newRealBench(t, broker.Limits{})
	r.retain(r.operator, "a/1 b/1 c/1")
	acl := func(topics ...string) string {
		var list []string
		for _, x := range topics {
			list = append(list, `{"uri":"mqtt","topic":"`+x+`","methods":["GET"]}`)
		}
		return `{"type":2,"acl":[` + strings.Join(append(list, `{"uri":"mqtt","topic":"c/#","actions":["subscribe"]}`), ",") + `]}`
	}
	id, key := r.token(r.operator, `{"ttl":60,"access":`+acl("a/#", "b/#")+`}`)
	if a := r.do(key, "GET", "/mqtt/stream/c/%23", ""); a.status != 403 {
		t.Error(a.body)
	}
	x := r.stream(key, "%23")
	for _, want := range []string{"a/1", "b/1"} {
		if got := x.until("data: "); !strings.Contains(got, want) {
			t.Error(got)
		}
	}
	send := func() {
		r.ok(r.operator, "POST", "/mqtt/messages", `[{"topic":"c/1"},{"topic":"a/2"},{"topic":"b/2"}]`)
	}
	send()
	for _, want := range []string{"a/2", "b/2"} {
		if got := x.until("data: "); !strings.Contains(got, want) {
			t.Error(got)
		}
	}
	r.ok(r.operator, "PUT", "/platform/tokens/"+id, `{"access":`+acl("b/#")+`}`)
	r.ok(r.operator, "GET", sessions+"/transport=sse/subscriptions", "")
	r.ok(r.operator, "POST", sessions+"/transport=sse/subscriptions", `[{"topic":"b/3"}]`) // behind the change, on the same loop
	send()
	if got := x.until("data: "); !strings.Contains(got, "b/2") {
		t.Error(got)
	}
	r.ok(r.operator, "PUT", "/platform/tokens/"+id, `{"enabled":false}`)
	if got := x.until("event: "); got != "event: end" {
		t.Error(got)
	}
	if got := x.until("data: "); !strings.HasPrefix(got, `data: {"code":403,"reason":"`) {
		t.Error(got)
	}
}

// TestStreamErrors: what is refused, before a stream begins.
func TestStreamErrors(t *testing.T) {
	r := newRealBench(t, broker.Limits{SessionsPerAccount: 1})
	sub := r.ok(r.operator, "POST", "/platform/subaccounts", `[{"name":"sub"}]`).text(0, "id")
	for path, want := range map[string]int{
		"/a%23": 400, "/a,,b": 400, "/$filter/payload=((/a": 400, "/$filter/cid=99/a": 403, "/": 404, "": 404, "/$share/g": 400,
	} {
		if a := r.do(r.operator, "GET", streamPath+path, ""); a.status != want {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	x := r.stream(r.operator, "$share/g/a", "x-flespi-cid", sub)
	x.until("retry:")
	if a := r.do(r.operator, "GET", streamPath+"/a", ""); a.status != 429 || !strings.Contains(a.body, "mqtt_sessions") {
		t.Error(a.body)
	}
	// With x-flespi-cid only messages of that account come.
	r.ok(r.operator, "POST", "/mqtt/messages", `{"topic":"a","payload":"own"}`)
	r.ok(r.operator, "POST", "/mqtt/messages", `{"topic":"a","payload":"below"}`, "x-flespi-cid", sub)
	if got := x.until("data: "); !strings.Contains(got, `"below"`) {
		t.Error(got)
	}
}
