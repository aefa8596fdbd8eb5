package conform

import (
	"fmt"
	"strings"
	"time"

	"alcove/test/conform/wire"
)

// limited makes an account below a parent of its own, under a limit object with the
// given fields.
func (k *Kit) limited(limits string) account {
	parent := k.Own()
	limit := k.Made(parent.Key, "POST", "/platform/limits", `[{"name":"ceiling",`+limits+`}]`)
	made := k.Made(parent.Key, "POST", "/platform/subaccounts", fmt.Sprintf(`[{"name":"limited","limit_id":%v}]`, limit["id"]))
	a := account{ID: fmt.Sprint(made["id"])}
	a.Token, a.Key = k.master(a.ID, parent.Key)
	return a
}

// ceilingCases are about the limits of accounts: section 8.
var ceilingCases = []Case{
	{V5: "EXT-LIM-1 EXT-REST-5", V311: "EXT-LIM-1", Title: "mqtt_sessions", Needs: needsREST, Run: func(k *Kit) {
		a := k.limited(`"mqtt_sessions":2`)
		one, _ := k.Connect(a.As()), k.Connect(a.As())
		c, ack := k.Open(a.As())
		want := byte(0x97)
		if k.V < wire.V5 {
			want = 3
		}
		if ack == nil || ack.Reason != want {
			k.Errorf("the third: %v", ack)
		}
		c.Drop()
		if r := k.Ask(a.Key, "POST", "/mqtt/sessions", `[{"client_id":"made","expires":100}]`); r.Status == 200 && len(r.Result) > 0 || !strings.Contains(r.Text, "mqtt_sessions") {
			k.Errorf("POST /mqtt/sessions: %d %s", r.Status, r.Text)
		}
		one.Bye()
		k.Until("there is room again", func() bool {
			c, ack := k.Open(a.As())
			defer c.Drop()
			return ack != nil && ack.Reason == 0
		})
	}},
	{V5: "EXT-LIM-1", V311: "EXT-LIM-1", Title: "mqtt_subscriptions", Needs: needsREST, Run: func(k *Kit) {
		a := k.limited(`"mqtt_subscriptions":3`)
		one, two := k.Connect(a.As()), k.Connect(a.As())
		one.Grant("a", 1)
		one.Grant("b", 1)
		two.Grant("$share/g/a", 1)
		for _, c := range []*Client{one, two} {
			if r := c.Subscribe("more", 1); r != k.refusal(0x97) {
				k.Errorf("%#02x", r)
			}
		}
		one.Grant("a", 2) // not a new one
		one.Unsubscribe("b")
		two.Grant("more", 1)
	}},
	{V5: "EXT-LIM-1", Title: "mqtt_retained_storage: delivered and not stored", Needs: needsREST, Run: func(k *Kit) {
		a := k.limited(`"mqtt_retained_storage":2000`)
		c, live := k.Connect(a.As()), k.Connect(a.As())
		live.Grant("#", 1)
		big := strings.Repeat("x", 1000)
		if r := c.Publish(wire.Publish{Topic: "a", Payload: big, QoS: 1, Retain: true}); r != 0 {
			k.Errorf("the first: %#02x", r)
		}
		if r := c.Publish(wire.Publish{Topic: "b", Payload: big + big, QoS: 1, Retain: true}); r != 0x97 {
			k.Errorf("the second: %#02x", r)
		}
		live.Want(big)
		live.Want(big + big)
		if got := k.Ask(a.Key, "GET", "/mqtt/messages/%23?fields=topic", ""); len(got.Result) != 1 {
			k.Errorf("%s", got.Text)
		}
		old := k.Connect(a.As(), withVersion(wire.V311))
		old.Publish(wire.Publish{Topic: "b", Payload: big + big, QoS: 1, Retain: true})
		live.Want(big + big)
		k.logged(a, 530, func(r map[string]any) bool { return r["topic"] == "b" })
		c.Publish(wire.Publish{Topic: "a", QoS: 1, Retain: true})
		if r := c.Publish(wire.Publish{Topic: "c", Payload: big, QoS: 1, Retain: true}); r != 0 {
			k.Errorf("after clearing: %#02x", r)
		}
	}},
	{V5: "EXT-LIM-1 EXT-REST-1", Title: "what REST may make is limited, and the answer names the limit", Needs: needsREST, Run: func(k *Kit) {
		a := k.limited(`"tokens_count":3,"subaccounts_count":1,"limits_count":1`)
		for name, x := range map[string]struct{ path, body string }{
			"tokens_count": {"/platform/tokens", `{"ttl":100}`}, "subaccounts_count": {"/platform/subaccounts", `{"name":"x"}`}, "limits_count": {"/platform/limits", `{"name":"x"}`},
		} {
			var last reply
			made := 0
			for range 5 {
				last = k.Ask(a.Key, "POST", x.path, "["+x.body+"]")
				made += len(last.Result)
			}
			if want := map[string]int{"tokens_count": 2, "subaccounts_count": 1, "limits_count": 1}[name]; made != want {
				k.Errorf("%s: %d made, want %d", name, made, want)
			}
			if last.Status != 403 && last.Status != 429 || len(last.Errors) == 0 || !strings.Contains(last.Errors[0].Reason, name) {
				k.Errorf("%s: %d %s", name, last.Status, last.Text)
			}
		}
	}},
	{V5: "EXT-LIM-1 EXT-REST-1", Title: "api_calls", Needs: needsREST, Run: func(k *Kit) {
		a := k.limited(`"api_calls":120`) // two a second
		var last reply
		for range 30 {
			if last = k.Ask(a.Key, "GET", "/platform/customer", ""); last.Status != 200 {
				break
			}
		}
		if last.Status != 429 || !strings.Contains(last.Text, "api_calls") || last.Header.Get("Retry-After") == "" {
			k.Errorf("%d %v %s", last.Status, last.Header, last.Text)
		}
		k.Until("the bucket fills again", func() bool { return k.Ask(a.Key, "GET", "/platform/customer", "").Status == 200 })
	}},
	{V5: "EXT-LIM-1", V311: "EXT-LIM-1", Title: "mqtt_messages: who is over the rate is slowed, and loses nothing", Needs: needsREST, Run: func(k *Kit) {
		a := k.limited(`"mqtt_messages":1200`) // twenty a second, and a burst of one second
		c, sub := k.Connect(a.As(), withKeepAlive(2)), k.Connect(a.As())
		sub.Grant("#", 0)
		begun := time.Now()
		for i := range 70 {
			c.Send(wire.Publish{Topic: "a", Payload: fmt.Sprint(i), QoS: 1, ID: uint16(i + 1)}.Bytes(k.V))
		}
		for range 70 {
			if p := c.Await(wire.PUBACK); p.Reason >= 0x80 {
				k.Fatalf("%v", p)
			}
		}
		if took := time.Since(begun); took < time.Second {
			k.Errorf("70 messages at 20 a second take %v", took)
		}
		for i := range 70 {
			sub.Want(fmt.Sprint(i))
		}
		c.Ping()
	}},
	{V5: "EXT-SES-3", Title: "a full queue drops the oldest, the newest, or ends, as the account says", Needs: needsREST, Run: func(k *Kit) {
		for _, overflow := range []string{"drop_oldest", "drop_newest", "delete_session"} {
			a := k.limited(`"mqtt_session_storage":20000`)
			k.Set(a, fmt.Sprintf(`"overflow":%q`, overflow))
			id := k.Name()
			c := k.Connect(a.As(), kept(id))
			c.Grant("a", 1)
			c.Bye()
			pub := k.Connect(a.As())
			for i := range 60 {
				pub.Say("a", fmt.Sprintf("%03d%s", i, strings.Repeat("x", 997)), 1)
			}
			back := k.Connect(a.As(), kept(id))
			got := back.Drain()
			for more := back.Drain(); len(more) > 0; more = back.Drain() {
				got = append(got, more...)
			}
			if overflow == "delete_session" {
				if back.Connack.SessionPresent || len(got) > 0 {
					k.Errorf("the session is still there, %d messages", len(got))
				}
				k.logged(a, 504, func(r map[string]any) bool { return r["client_id"] == id })
				continue
			}
			if len(got) == 0 || len(got) > 20 {
				k.Fatalf("%s: %d messages in 20,000 bytes", overflow, len(got))
			}
			first, last := got[0].Payload[:3], got[len(got)-1].Payload[:3]
			if overflow == "drop_oldest" && last != "059" || overflow == "drop_newest" && first != "000" {
				k.Errorf("%s: %s to %s", overflow, first, last)
			}
			k.logged(a, 531, func(r map[string]any) bool { return r["client_id"] == id })
		}
	}},
	{V5: "EXT-LIM-1 EXT-REST-2", Title: "a limit object's fields, −1 the parent's", Needs: needsREST, Run: func(k *Kit) {
		a := k.limited(`"mqtt_sessions":7`)
		below := k.Below(a)
		own := k.Made(a.Key, "POST", "/platform/limits", `[{"name":"more","mqtt_sessions":100,"mqtt_subscriptions":5}]`)
		for _, name := range []string{"mqtt_messages", "mqtt_session_storage", "mqtt_retained_storage", "tokens_count", "subaccounts_count", "limits_count", "api_calls", "api_traffic"} {
			if fmt.Sprint(own[name]) != "-1" {
				k.Errorf("%s is %v", name, own[name])
			}
		}
		k.Made(a.Key, "PUT", "/platform/subaccounts/"+below.ID, fmt.Sprintf(`{"limit_id":%v}`, own["id"]))
		for range 7 {
			k.Connect(below.As())
		}
		if _, ack := k.Open(below.As()); ack == nil || ack.Reason != 0x97 {
			k.Errorf("a child has more than its parent: %v", ack)
		}
		for _, bad := range []string{`[{"name":"x","mqtt_sessions":-2}]`, `[{"name":"x","mqtt_sessions":"1"}]`, `[{"name":"x","mqtt_sessions":1.5}]`, `[{"name":"x","sessions":1}]`} {
			if r := k.Ask(a.Key, "POST", "/platform/limits", bad); r.Status != 400 {
				k.Errorf("%s: %d %s", bad, r.Status, r.Text)
			}
		}
	}},
}
