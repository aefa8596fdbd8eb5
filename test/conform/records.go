package conform

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"alcove/test/conform/wire"
)

// records are the records of one of an account's logs, narrowed by data.
func (k *Kit) records(a account, path, data string) []map[string]any {
	r := k.Ask(a.Key, "GET", path+"?data="+url.QueryEscape(data), "")
	if r.Status != 200 {
		k.Fatalf("GET %s %s: %d %s", path, data, r.Status, r.Text)
	}
	return r.Result
}

// recordCases are about logs, live topics and counters.
var recordCases = []Case{
	{V5: "EXT-LOG-1", V311: "EXT-LOG-1", Title: "the life of a connection is on record", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		id := k.Name()
		mine := func(r map[string]any) bool { return r["client_id"] == id }
		c := k.Connect(a.As(), kept(id))
		r := k.logged(a, 500, mine)
		if fmt.Sprint(r["token_id"]) != a.Token || fmt.Sprint(r["cid"]) != a.ID || r["source"] == nil || r["transport"] != "tcp" || r["timestamp"] == nil || r["origin_type"] == nil {
			k.Errorf("%v", r)
		}
		c.Grant("a/b", 1)
		if r := k.logged(a, 520, mine); r["topic"] != "a/b" {
			k.Errorf("%v", r)
		}
		c.Say("x", "x", 1)
		c.Say("x", "x", 1)
		c.Unsubscribe("a/b")
		k.logged(a, 521, mine)
		k.Connect(a.As(), kept(id))
		closed := k.logged(a, 503, mine)
		if fmt.Sprint(closed["published"]) != "2" || fmt.Sprint(closed["close_code"]) != "142" {
			k.Errorf("%v", closed)
		}
	}},
	{V5: "EXT-LOG-1 EXT-SES-1", Title: "a fight for a client id is on record", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		id := k.Name()
		for range 8 {
			k.Connect(a.As(), withID(id))
		}
		k.logged(a, 540, func(r map[string]any) bool { return r["client_id"] == id })
	}},
	{V5: "EXT-LOG-1", Title: "who may not connect is on record", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		made := k.Made(a.Key, "POST", "/platform/tokens", `[{"ttl":100,"enabled":false}]`)
		id := k.Name()
		k.Open(Token{Key: fmt.Sprint(made["key"])}.As(), withID(id))
		if r := k.logged(a, 502, func(r map[string]any) bool { return r["client_id"] == id }); fmt.Sprint(r["close_code"]) != "135" || fmt.Sprint(r["token_id"]) != fmt.Sprint(made["id"]) {
			k.Errorf("%v", r)
		}
		below := k.Below(a)
		k.Made(a.Key, "PUT", "/platform/subaccounts/"+below.ID, `{"blocked":3}`)
		k.Open(below.As(), withID(id))
		k.logged(a, 20, func(r map[string]any) bool { return strings.Contains(fmt.Sprint(r), below.ID) })
		k.Made(a.Key, "PUT", "/platform/subaccounts/"+below.ID, `{"blocked":0}`)
		k.logged(a, 21, func(r map[string]any) bool { return strings.Contains(fmt.Sprint(r), below.ID) })
		k.logged(below, 501, func(r map[string]any) bool { return r["client_id"] == id })
	}},
	{V5: "EXT-LOG-1", Title: "every change by REST is on record, with who and what, never a key", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		for path, body := range map[string]string{"/platform/tokens": `{"ttl":100,"info":"audited"}`, "/platform/subaccounts": `{"name":"audited"}`, "/platform/limits": `{"name":"audited"}`} {
			made := k.Made(a.Key, "POST", path, "["+body+"]")
			id := fmt.Sprint(made["id"])
			k.Ask(a.Key, "PUT", path+"/"+id, `{"`+map[bool]string{true: "info", false: "name"}[path == "/platform/tokens"]+`":"changed"}`)
			k.Made(a.Key, "DELETE", path+"/"+id, "")
			for _, code := range []int{1, 2, 3} {
				r := k.logged(a, code, func(r map[string]any) bool {
					return fmt.Sprint(r["origin_id"]) == id || strings.Contains(fmt.Sprint(r["item"]), id)
				})
				if fmt.Sprint(r["token_id"]) != a.Token || r["source"] == nil {
					k.Errorf("%s: %v", path, r)
				}
			}
			if key, ok := made["key"].(string); ok && strings.Contains(fmt.Sprint(k.records(a, "/platform/customer/logs", `{"count":1000}`)), key[:16]) {
				k.Errorf("the log shows a key")
			}
		}
		k.logged(a, 1000, func(r map[string]any) bool { return strings.Contains(fmt.Sprint(r), "/platform/limits") })
	}},
	{V5: "EXT-LOG-1 EXT-REST-2", Title: "records are narrowed by data", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		for i := range 6 {
			c := k.Connect(a.As(), withID(fmt.Sprintf("dev%d", i)))
			c.Bye()
			k.logged(a, 503, func(r map[string]any) bool { return r["client_id"] == fmt.Sprintf("dev%d", i) || r["count"] != nil })
		}
		all := k.records(a, "/mqtt/logs", `{}`)
		back := k.records(a, "/mqtt/logs", `{"reverse":true}`)
		if len(all) < 4 || len(all) != len(back) || fmt.Sprint(all[0]) != fmt.Sprint(back[len(back)-1]) {
			k.Fatalf("%d records, backwards %d", len(all), len(back))
		}
		stamp := func(r map[string]any) float64 {
			f, _ := r["timestamp"].(json.Number).Float64()
			return f
		}
		for i := 1; i < len(all); i++ {
			if stamp(all[i]) < stamp(all[i-1]) {
				k.Errorf("not by time: %v, %v", all[i-1], all[i])
			}
		}
		if got := k.records(a, "/mqtt/logs", `{"count":2}`); len(got) != 2 {
			k.Errorf("count: %d", len(got))
		}
		for _, r := range k.records(a, "/mqtt/logs", `{"filter":"event_code==503","fields":"event_code,client_id"}`) {
			if fmt.Sprint(r["event_code"]) != "503" || len(r) > 2 {
				k.Errorf("%v", r)
			}
		}
		mid := fmt.Sprintf("%.6f", stamp(all[2]))
		if got := k.records(a, "/mqtt/logs", `{"from":`+mid+`}`); len(got) == 0 || len(got) >= len(all) {
			k.Errorf("from: %d of %d", len(got), len(all))
		}
		if got := k.records(a, "/mqtt/logs", `{"to":`+mid+`}`); len(got) == 0 || len(got) >= len(all) {
			k.Errorf("to: %d of %d", len(got), len(all))
		}
		for _, bad := range []string{`{"count":0}`, `{"count":"x"}`, `{"from":"x"}`, `{"form":1}`, `{"filter":"("}`, `[`} {
			if r := k.Ask(a.Key, "GET", "/mqtt/logs?data="+url.QueryEscape(bad), ""); r.Status != 400 {
				k.Errorf("%s: %d %s", bad, r.Status, r.Text)
			}
		}
		r := k.Ask(a.Key, "POST", "/mqtt/logs/calculate", `{"period":3600}`)
		total := 0
		for _, x := range r.Result {
			n := 0
			fmt.Sscan(fmt.Sprint(x["count"]), &n)
			total += n
		}
		if r.Status != 200 || total < 12 {
			k.Errorf("calculate: %d %s", r.Status, r.Text)
		}
	}},
	{V5: "EXT-LOG-2", Title: "the log is live under flespi/log, sessions are told with what they are", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		watch := k.Connect(a.As())
		watch.Grant("flespi/log/#", 1)
		id := k.Name()
		c := k.Connect(a.As(), kept(id))
		session := fmt.Sprint(k.Made(a.Key, "GET", "/mqtt/sessions/client_id="+id, "")["id"])
		k.Made(a.Key, "POST", "/platform/tokens", `[{"ttl":100,"info":"live"}]`)
		k.Made(a.Key, "DELETE", "/mqtt/sessions/"+session, "")
		c.Closed(0x98)
		want := map[string]string{"flespi/log/mqtt/sessions/" + session + "/created": `{"new":{`, "flespi/log/mqtt/sessions/" + session + "/deleted": `{"old":{`}
		platform := false
		k.Until("all are told", func() bool {
			for _, p := range watch.Drain() {
				if part, ok := want[p.Topic]; ok {
					if !strings.Contains(p.Payload, part) || !strings.Contains(p.Payload, id) || !json.Valid([]byte(p.Payload)) {
						k.Errorf("%v", p)
					}
					delete(want, p.Topic)
				}
				platform = platform || strings.HasPrefix(p.Topic, "flespi/log/platform/")
			}
			return len(want) == 0 && platform
		})
		narrow := k.Rule(a, may("#", "publish,subscribe"))
		if n := k.Connect(narrow.As()); n.Subscribe("flespi/log/#", 1) < 0x80 { // needs GET [EXT-TOK-5]
			k.Connect(a.As()).Bye()
			time.Sleep(1500 * time.Millisecond)
			if got := n.Drain(); len(got) > 0 {
				k.Errorf("a token without GET hears %v", got[0])
			}
		}
		if r := k.Connect(k.Rule(a, `{"uri":"mqtt","topic":"flespi/log/#","actions":["subscribe"],"methods":["GET"]}`).As()).Subscribe("flespi/log/#", 1); r >= 0x80 {
			k.Errorf("with GET: %#02x", r)
		}
	}},
	{V5: "EXT-LOG-2", Title: "a flood is summed up and slows nobody", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		narrow := k.Rule(a, may("a", "publish"))
		c := k.Connect(narrow.As())
		for i := range 3000 {
			c.Send(wire.Publish{Topic: "denied", Payload: "x", ID: uint16(i%1000 + 1)}.Bytes(c.V))
		}
		c.Ping()
		sum := 0
		k.Until("all are counted", func() bool {
			got := k.records(a, "/mqtt/logs", `{"filter":"event_code==530","count":1000}`)
			sum = 0
			for _, r := range got {
				n := 1
				if r["count"] != nil {
					fmt.Sscan(fmt.Sprint(r["count"]), &n)
				}
				sum += n
			}

			if len(got) > 30 {
				k.Fatalf("%d records of one flood", len(got))
			}
			return sum >= 3000
		})
	}},
	{V5: "EXT-LOG-3", Title: "counters and subaccounts are retained under flespi/state", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		below := k.Below(a)
		c := k.Connect(a.As())
		c.Grant("flespi/state/#", 1)
		state := map[string]string{}
		gather := func() {
			for _, p := range c.Drain() {
				state[p.Topic] = p.Payload
			}
		}
		counter := func(name string) string { return state["flespi/state/platform/customer/counters/"+name] }
		sub := "flespi/state/platform/subaccounts/" + below.ID
		k.Until("they are there", func() bool {
			gather()
			return counter("mqtt_sessions") == "1" && counter("tokens_count") == "2" && counter("subaccounts_count") == "1" && strings.Contains(state[sub+"/name"], "conform") && strings.Contains(state[sub+"/id"], below.ID)
		})
		k.Connect(a.As())
		k.Until("a second session counts", func() bool { gather(); return counter("mqtt_sessions") == "2" })
		k.Made(a.Key, "PUT", "/platform/subaccounts/"+below.ID, `{"name":"renamed"}`)
		k.Until("the name changes", func() bool { gather(); return strings.Contains(state[sub+"/name"], "renamed") })
		k.Made(a.Key, "DELETE", "/platform/subaccounts/"+below.ID, "")
		k.Until("it is deleted", func() bool { gather(); return state[sub+"/deleted"] != "" })
		late := k.Connect(a.As())
		late.Grant("flespi/state/platform/customer/counters/+", 1)
		if got := late.Drain(); len(got) < 5 || !got[0].Retain {
			k.Errorf("%d counters to who comes later", len(got))
		}
		stranger := k.Connect(k.Own().As())
		stranger.Grant("flespi/state/platform/subaccounts/#", 1)
		stranger.Silent()
	}},
	{V5: "EXT-REST-5", Title: "statistics by minute", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		k.Connect(a.As()).Say("a", "x", 1)
		r := k.Ask(a.Key, "GET", "/platform/customer/statistics?data="+url.QueryEscape(`{"reverse":true,"count":5}`), "")
		if r.Status != 200 {
			k.Errorf("%d %s", r.Status, r.Text)
		}
		k.refused(k.Ask(a.Key, "GET", "/platform/customer/statistics?data="+url.QueryEscape(`{"count":-1}`), ""), 400, "count")
	}},
}
