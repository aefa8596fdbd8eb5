package conform

import (
	"bufio"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"alcove/test/conform/wire"
)

// managedCases are about sessions as REST manages them, streams, and REST by PUBLISH.
var managedCases = []Case{
	{V5: "EXT-REST-4", Title: "a session is listed with what is known of it", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		id := k.Name()
		c := k.Connect(a.As(), kept(id), withKeepAlive(77))
		c.Grant("a", 1)
		c.Grant("b/#", 1)
		c.Say("c", "x", 1)
		s := k.Made(a.Key, "GET", "/mqtt/sessions/client_id="+id, "")
		for name, want := range map[string]string{"client_id": id, "cid": a.ID, "connected": "true", "clean": "false", "expires": "60", "keep_alive": "77", "subscriptions_count": "2", "token_id": a.Token, "inflight": "0"} {
			if fmt.Sprint(s[name]) != want {
				k.Errorf("%s is %v, want %s", name, s[name], want)
			}
		}
		for _, name := range []string{"id", "size", "ip", "version", "created", "connected_at", "messages_in", "messages_out", "transport"} {
			if s[name] == nil {
				k.Errorf("no %s in %v", name, s)
			}
		}
		c.Bye()
		pub := k.Connect(a.As())
		pub.Say("a", strings.Repeat("x", 5000), 1)
		s = k.Made(a.Key, "GET", "/mqtt/sessions/"+fmt.Sprint(s["id"]), "")
		var size int
		if fmt.Sscan(fmt.Sprint(s["size"]), &size); s["connected"] != false || size < 5000 {
			k.Errorf("offline: %v", s)
		}
		if all := k.Ask(a.Key, "GET", "/mqtt/sessions/all", ""); len(all.Result) != 2 {
			k.Errorf("%s", all.Text)
		}
	}},
	{V5: "EXT-REST-4", V311: "EXT-REST-4", Title: "a session is made before its first connect, with subscriptions and a queue", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		id := k.Name()
		made := k.Made(a.Key, "POST", "/mqtt/sessions", fmt.Sprintf(`[{"client_id":%q,"expires":3600}]`, id))
		path := fmt.Sprintf("/mqtt/sessions/%v/subscriptions", made["id"])
		k.Made(a.Key, "POST", path, `[{"topic":"early/#","qos":1}]`)
		if r := k.Ask(a.Key, "GET", path, ""); len(r.Result) != 1 || r.Result[0]["topic"] != "early/#" || fmt.Sprint(r.Result[0]["qos"]) != "1" {
			k.Errorf("%s", r.Text)
		}
		k.Connect(a.As()).Say("early/x", "waits", 1)
		c := k.Connect(a.As(), kept(id))
		if !c.Connack.SessionPresent {
			k.Errorf("no session present")
		}
		c.Want("waits")
		k.logged(a, 510, func(r map[string]any) bool { return r["topic"] == "early/#" })
		again := k.Ask(a.Key, "POST", "/mqtt/sessions", fmt.Sprintf(`[{"client_id":%q,"expires":3600}]`, id))
		if len(again.Result) > 0 && fmt.Sprint(again.Result[0]["id"]) != fmt.Sprint(made["id"]) {
			k.Errorf("a second session of one client id: %s", again.Text)
		}
	}},
	{V5: "EXT-REST-4", V311: "EXT-REST-4", Title: "REST acts on a live session within a second", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		id := k.Name()
		c, pub := k.Connect(a.As(), kept(id)), k.Connect(a.As())
		pub.Publish(wire.Publish{Topic: "r/1", Payload: "retained", QoS: 1, Retain: true})
		path := "/mqtt/sessions/client_id=" + id + "/subscriptions"
		k.Made(a.Key, "POST", path, `[{"topic":"r/#","qos":1}]`)
		c.Want("retained")
		pub.Say("r/2", "live", 1)
		c.Want("live")
		k.Made(a.Key, "DELETE", path+"/"+url.PathEscape("topic=r/#"), "")
		pub.Say("r/2", "no", 1)
		c.Silent()
		bad := k.Ask(a.Key, "POST", path, `[{"topic":"a/#/b"}]`)
		if bad.Status == 200 && len(bad.Errors) == 0 {
			k.Errorf("%s", bad.Text)
		}
		k.Made(a.Key, "POST", path, `[{"topic":"$filter/payload=v%3E1/f","qos":0}]`)
		pub.Say("f", `{"v":1}`, 1)
		pub.Say("f", `{"v":2}`, 1)
		c.Want(`{"v":2}`)
		k.Made(a.Key, "DELETE", "/mqtt/sessions/client_id="+id, "")
		c.Closed(0x98)
		if r := k.Ask(a.Key, "GET", "/mqtt/sessions/client_id="+id, ""); len(r.Result) != 0 {
			k.Errorf("%s", r.Text)
		}
		if back := k.Connect(a.As(), kept(id)); back.Connack.SessionPresent {
			k.Errorf("the session is back")
		}
	}},
	{V5: "EXT-REST-4 EXT-TOK-7", Title: "what REST subscribes brings only what the session's token may see", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		narrow := k.Rule(a, may("open/#", "subscribe"))
		id := k.Name()
		c, pub := k.Connect(narrow.As(), kept(id)), k.Connect(a.As())
		k.Ask(a.Key, "POST", "/mqtt/sessions/client_id="+id+"/subscriptions", `[{"topic":"#","qos":1},{"topic":"secret/x","qos":1}]`)
		pub.Say("secret/x", "no", 1)
		pub.Say("open/x", "yes", 1)
		c.Want("yes")
		c.Silent()
		if r := k.Ask(narrow.Key, "POST", "/mqtt/sessions/client_id="+id+"/subscriptions", `[{"topic":"open/x"}]`); r.Status != 403 {
			k.Errorf("a token without methods: %d %s", r.Status, r.Text)
		}
	}},
	{V5: "EXT-REST-4 EXT-UP-4", Title: "messages by REST: each form, and the count of subscribers", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		c := k.Connect(a.As())
		c.Grant("#", 2)
		r := k.Made(a.Key, "POST", "/mqtt/messages", `{"topic":"a","payload":"x","qos":2,"content_type":"text/plain","response_topic":"b","correlation_data":"Y2Q=","user_properties":{"k":"v"},"expiry_interval":100}`)
		if fmt.Sprint(r["subscribers_count"]) != "1" {
			k.Errorf("%v", r)
		}
		p := c.Want("x")
		if p.QoS != 2 || p.Props.Text(wire.ContentType) != "text/plain" || p.Props.Text(wire.ResponseTopic) != "b" || k.value(p, "k") != "v" || p.Props.Num(wire.MessageExpiry, 0) == 0 {
			k.Errorf("%v %v", p, p.Props)
		}
		k.Made(a.Key, "POST", "/mqtt/messages", `[{"topic":"a","payload_base64":"AAEC"}]`)
		c.Want("\x00\x01\x02")
		k.refused(k.Ask(a.Key, "POST", "/mqtt/messages", `{"topic":"a","payload":"x","payload_base64":"AA=="}`), 400, "payload")
		k.refused(k.Ask(a.Key, "POST", "/mqtt/messages", `{"topic":"a","payload":"x","qos":3}`), 400, "qos")
		c.Silent()
	}},
	{V5: "EXT-REST-8", Title: "a stream of live messages with the token's rights", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		made := k.Made(a.Key, "POST", "/platform/tokens", `[{"ttl":100,"access":{"type":2,"acl":[{"uri":"mqtt","topic":"open/#","actions":["subscribe"],"methods":["GET"]}]}}]`)
		lines := k.stream(fmt.Sprint(made["key"]), "#")
		pub := k.Connect(a.As())
		k.Until("the stream brings a message", func() bool {
			pub.Say("secret/x", "hidden", 1)
			pub.Say("open/x", "shown", 1)
			select {
			case line := <-lines:
				if strings.Contains(line, "hidden") {
					k.Fatalf("%s", line)
				}
				return strings.Contains(line, "shown")
			case <-time.After(100 * time.Millisecond):
				return false
			}
		})
		k.Made(a.Key, "DELETE", "/platform/tokens/"+fmt.Sprint(made["id"]), "")
		for end := time.After(patience); ; {
			select {
			case line, more := <-lines:
				if strings.Contains(line, "hidden") {
					k.Fatalf("%s", line)
				}
				if !more {
					return
				}
			case <-end:
				k.Fatalf("the stream of a deleted token goes on")
			}
		}
	}},
	{V5: "EXT-REST-9", Title: "REST by PUBLISH", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		c := k.Connect(a.As())
		c.Grant("answers", 1)
		ask := func(c *Client, topic, body string) *wire.Packet {
			if r := c.Publish(wire.Publish{Topic: topic, Payload: body, QoS: 1, Props: wire.Props{wire.Text(wire.ResponseTopic, "answers"), wire.Text(wire.CorrelationData, "17")}}); r >= 0x80 {
				k.Fatalf("%s: %#02x", topic, r)
			}
			p := c.Take()
			if p.Props.Text(wire.CorrelationData) != "17" {
				k.Errorf("%v", p.Props)
			}
			return p
		}
		if p := ask(c, "flespi/rest/get/platform/customer", ""); k.value(p, "status") != "200" || !strings.Contains(p.Payload, a.ID) {
			k.Errorf("%v %v", p, p.Props)
		}
		if p := ask(c, "flespi/rest/post/platform/tokens", `[{"ttl":100,"info":"by mqtt"}]`); k.value(p, "status") != "200" || !strings.Contains(p.Payload, `"key"`) {
			k.Errorf("%v", p)
		}
		if p := ask(c, "flespi/rest/get/platform/tokens/info=by*", ""); !strings.Contains(p.Payload, "by mqtt") {
			k.Errorf("%v", p)
		}
		if p := ask(c, "flespi/rest/get/nowhere", ""); k.value(p, "status") != "404" {
			k.Errorf("%v", p.Props)
		}
		narrow := k.Rule(a, may("answers", "publish,subscribe"))
		n := k.Connect(narrow.As())
		n.Grant("answers", 1)
		n.Publish(wire.Publish{Topic: "flespi/rest/get/platform/tokens/all", QoS: 1, Props: wire.Props{wire.Text(wire.ResponseTopic, "answers")}})
		time.Sleep(300 * time.Millisecond)
		for _, p := range n.Drain() {
			if k.value(p, "status") == "200" {
				k.Errorf("an ACL token reads %v", p)
			}
		}
	}},
}

// stream opens a stream of messages and gives its lines; the channel is closed with it.
func (k *Kit) stream(key, filter string) chan string {
	req, _ := http.NewRequest("GET", k.HTTP+"/mqtt/stream/"+url.PathEscape(filter), nil)
	req.Header.Set("Authorization", "FlespiToken "+key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		k.Fatalf("GET /mqtt/stream: %v %v", resp, err)
	}
	k.Cleanup(func() { resp.Body.Close() })
	lines := make(chan string, 1000)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(resp.Body); s.Scan(); {
			if strings.HasPrefix(s.Text(), "data:") {
				lines <- s.Text()
			}
		}
	}()
	return lines
}
