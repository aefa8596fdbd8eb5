package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"alcove/internal/client"
	"alcove/internal/mqtt"
)

// rest sends a request and returns the status and the body.
func (b *live) rest(key, method, path, body string) (int, string) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(within(b.t), method, "http://"+b.ports["http"]+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Authorization", "FlespiToken "+key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// token makes a token.
func (b *live) token(fields string) (id int64, key string) {
	b.t.Helper()
	status, body := b.rest(operatorKey, "POST", "/platform/tokens", "["+fields+"]")
	var answer struct {
		Result []struct {
			ID  int64  `json:"id"`
			Key string `json:"key"`
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != 200 || len(answer.Result) != 1 {
		b.t.Fatalf("%d %s", status, body)
	}
	return answer.Result[0].ID, answer.Result[0].Key
}

// events reads a stream: each event is its name, "message" without one, and its data.
func (b *live) events(key, filter string) (<-chan string, int) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), "GET", "http://"+b.ports["http"]+"/mqtt/stream/"+filter, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { resp.Body.Close() })
	list := make(chan string, 100)
	go func() {
		defer close(list)
		name := "message"
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			switch line := lines.Text(); {
			case strings.HasPrefix(line, "event: "):
				name = line[len("event: "):]
			case strings.HasPrefix(line, "data: "):
				list <- name + " " + line[len("data: "):]
				name = "message"
			}
		}
	}()
	return list, resp.StatusCode
}

// TestStreamOnBroker: retained messages, then live ones, under the token's rights, until
// the token goes [EXT-REST-8].
func TestStreamOnBroker(t *testing.T) {
	b := startLive(t)
	id, key := b.token(`{"ttl":600,"access":{"type":2,"acl":[{"uri":"mqtt","topic":"a/#","methods":["GET"]}]}}`)
	b.rest(operatorKey, "POST", "/mqtt/messages", `[{"topic":"a/1","payload":"kept","retain":true},{"topic":"b/1","payload":"hidden","retain":true}]`)
	if _, status := b.events(key, "b/%23"); status != 403 {
		t.Errorf("%d for a topic that the token may not see", status)
	}
	if _, status := b.events(key, "a/%23/b"); status != 400 {
		t.Errorf("%d for a bad filter", status)
	}
	list, status := b.events(key, "%23")
	if status != 200 {
		t.Fatal(status)
	}
	next := func(list <-chan string, want string) {
		t.Helper()
		select {
		case got := <-list:
			if !strings.Contains(got, want) {
				t.Fatalf("got %s, want %s", got, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("no %s", want)
		}
	}
	next(list, `message {"topic":"a/1","payload":"kept","timestamp":1`)
	filtered, _ := b.events(operatorKey, "$filter/payload=v>1/a,b/+")
	_, body := b.rest(operatorKey, "GET", "/mqtt/sessions/transport=sse", "")
	if strings.Count(body, `"transport":"sse"`) != 2 {
		t.Error(body)
	}
	b.rest(operatorKey, "POST", "/mqtt/messages", `[{"topic":"b/2","payload":"{\"v\":2}"},{"topic":"a/2","payload":"{\"v\":1}","user_properties":{"k":"v"}}]`)
	next(list, `"user_properties":{"k":"v"},"retain":false`)
	next(filtered, `{"topic":"b/2"`)
	b.rest(operatorKey, "DELETE", "/platform/tokens/"+strconv.FormatInt(id, 10), "")
	next(list, "end {")
	if _, open := <-list; open {
		t.Error("something came after the end")
	}
	if _, status := b.events(key, "%23"); status != 401 {
		t.Errorf("%d for a token that is gone", status)
	}
	b.rest(operatorKey, "DELETE", "/mqtt/sessions/transport=sse", "")
	next(filtered, "end {")
}

// ask publishes a REST request and returns its answer.
func ask(t *testing.T, c *client.Client, method, uri, body string) (status, answer string) {
	t.Helper()
	m := &client.Message{Topic: "flespi/rest/" + method + "/" + uri, Payload: []byte(body), QoS: 1}
	m.Props.ResponseTopic, m.Props.HasResponseTopic = []byte("answers/"+c.ClientID()), true
	m.Props.CorrelationData, m.Props.HasCorrelationData = []byte(uri), true
	if r, err := c.Publish(within(t), m); err != nil || r.Code.Failed() {
		t.Fatalf("%s %s: %+v, %v", method, uri, r, err)
	}
	got, err := c.Receive(within(t))
	if err != nil {
		t.Fatal(err)
	}
	value, _ := got.Props.User.Get("status")
	if got.Topic != "answers/"+c.ClientID() || string(got.Props.CorrelationData) != uri || got.QoS != 1 {
		t.Errorf("%+v", got)
	}
	return string(value), string(got.Payload)
}

// TestRequestsOnBroker: REST by PUBLISH, with the connection's token [EXT-REST-9].
func TestRequestsOnBroker(t *testing.T) {
	b := startLive(t)
	_, narrow := b.token(`{"ttl":600,"access":{"type":2,"acl":[{"uri":"mqtt","topic":"answers/#","actions":["publish","subscribe"],"methods":["GET"]}]}}`)
	open := func(key, id string) *client.Client {
		c, err := client.Open(within(t), b.endpoints()[0], client.Options{ClientID: id, CleanStart: true, Username: []byte(key)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if _, err := c.Subscribe(within(t), client.Subscription{Filters: []client.Filter{{Filter: "answers/" + id, SubscribeOptions: mqtt.SubscribeOptions{QoS: 1}}}}); err != nil {
			t.Fatal(err)
		}
		return c
	}
	master, acl := open(operatorKey, "m"), open(narrow, "n")
	for _, c := range []struct {
		by                        *client.Client
		method, uri, body, status string
		holds                     string
	}{
		{master, "get", "platform/tokens/all?fields=id", "", "200", `{"result":[{"id":`},
		{master, "POST", "mqtt/messages", `{"topic":"x","payload":"kept","retain":true}`, "200", `"subscribers_count":0`},
		{master, "Get", "mqtt/messages/%23", "", "200", `"payload":"kept"`},
		{master, "put", "platform/customer", `{"name":"renamed"}`, "200", `"name":"renamed"`},
		{master, "delete", "mqtt/messages/x", "", "200", `{"deleted_count":1}`},
		{master, "get", "mqtt/sessions/client_id=m", "", "200", `"client_id":"m"`},
		{master, "get", "nowhere", "", "404", `"code":404`},
		{master, "post", "mqtt/messages", `{`, "400", `"code":400`},
		{master, "get", "mqtt/stream/x", "", "400", `subscribe`},
		{acl, "get", "platform/tokens/all", "", "403", `"code":403`},
		{acl, "get", "mqtt/messages/answers%2F1", "", "200", `{"result":[]}`},
		{acl, "get", "mqtt/messages/x", "", "403", `"code":403`},
	} {
		status, body := ask(t, c.by, c.method, c.uri, c.body)
		if status != c.status || !strings.Contains(body, c.holds) {
			t.Errorf("%s %s: %s %s, want %s %s", c.method, c.uri, status, body, c.status, c.holds)
		}
	}
	for _, x := range []struct {
		name, answer string
		code         mqtt.ReasonCode
	}{
		{"flespi/rest/get", "answers/1", mqtt.TopicNameInvalid},
		{"flespi/rest/fly/auth/info", "answers/1", mqtt.TopicNameInvalid},
		{"flespi/rest/get/auth/info", "flespi/x", mqtt.TopicNameInvalid},
		{"flespi/rest/get/auth/info", "elsewhere", mqtt.NotAuthorized},
		{"flespi/other", "", mqtt.TopicNameInvalid},
		{"flespi/rest/get/auth/info", "", mqtt.Success},
	} {
		m := &client.Message{Topic: x.name, QoS: 1}
		m.Props.ResponseTopic, m.Props.HasResponseTopic = []byte(x.answer), x.answer != ""
		r, err := acl.Publish(within(t), m)
		if err != nil || r.Code != x.code {
			t.Errorf("%s to %s: %+v, %v", x.name, x.answer, r, err)
		}
	}
	if status, _ := ask(t, master, "get", "auth/info", ""); status != "200" {
		t.Error(status)
	}
}

// TestShutdownWithStream: an open stream is told, and does not hold up the end.
func TestShutdownWithStream(t *testing.T) {
	b := startLive(t)
	list, _ := b.events(operatorKey, "%23")
	b.rest(operatorKey, "POST", "/mqtt/messages", `{"topic":"a","payload":"x"}`)
	<-list
	began := time.Now()
	if err := b.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got := <-list; !strings.HasPrefix(got, "end {") {
		t.Error(got)
	}
	b.out.line("\x00")
	if err := b.cmd.Wait(); err != nil {
		t.Errorf("the broker ended with %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}
