package conform

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"alcove/test/conform/wire"
)

// tokenCases are about tokens as REST makes them and MQTT uses them.
var tokenCases = []Case{
	{V5: "EXT-TOK-1 EXT-TOK-3", Title: "a key has 64 letters and digits, and is in no other answer", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		seen := map[string]bool{}
		made := k.Ask(a.Key, "POST", "/platform/tokens", `[{"ttl":100},{"ttl":100},{"ttl":100,"info":"x","metadata":{"a":"b"}}]`)
		if len(made.Result) != 3 {
			k.Fatalf("%d %s", made.Status, made.Text)
		}
		for _, t := range made.Result {
			key := fmt.Sprint(t["key"])
			if !regexp.MustCompile(`^[A-Za-z0-9]{64}$`).MatchString(key) || seen[key] {
				k.Errorf("key %q", key)
			}
			seen[key] = true
			for _, path := range []string{"/platform/tokens/all", "/platform/tokens/" + fmt.Sprint(t["id"]), "/platform/customer/logs", "/mqtt/logs"} {
				if r := k.Ask(a.Key, "GET", path, ""); strings.Contains(r.Text, key[:16]) {
					k.Errorf("%s shows a key", path)
				}
			}
			r := k.Ask(a.Key, "PUT", "/platform/tokens/"+fmt.Sprint(t["id"]), `{"info":"changed"}`)
			if r.Status != 200 || strings.Contains(r.Text, key[:16]) {
				k.Errorf("PUT: %d %s", r.Status, r.Text)
			}
		}
		if r := k.Ask(a.Key, "PUT", "/platform/tokens/"+fmt.Sprint(made.Result[0]["id"]), `{"key":"`+strings.Repeat("x", 64)+`"}`); r.Status == 200 {
			k.Errorf("a key can be set: %s", r.Text)
		}
	}},
	{V5: "EXT-TOK-2 EXT-TOK-3", V311: "EXT-TOK-2 EXT-TOK-3", Title: "a wrong key, and a right one that may not be used now", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		for fields, want := range map[string]byte{`"enabled":false`: 0x87, `"ips":"10.9.8.7"`: 0x87, `"ips":"10.0.0.0/8,192.168.*.*"`: 0x87, `"ips":"127.*.*.*,::1"`: 0, `"ips":"127.0.0.0/8"`: 0, `"ips":""`: 0} {
			made := k.Made(a.Key, "POST", "/platform/tokens", `[{"ttl":100,`+fields+`}]`)
			_, ack := k.Open(Token{Key: fmt.Sprint(made["key"])}.As())
			if k.V < wire.V5 && want != 0 {
				want = 5
			}
			if ack == nil || ack.Reason != want {
				k.Errorf("%s: %v, want %#02x", fields, ack, want)
			}
		}
		none := byte(0x86)
		if k.V < wire.V5 {
			none = 4
		}
		if _, ack := k.Open(Token{Key: strings.Repeat("x", 64)}.As()); ack == nil || ack.Reason != none {
			k.Errorf("an unknown key: %v", ack)
		}
	}},
	{V5: "EXT-TOK-3", Title: "a token needs expire or ttl and is deleted when neither holds", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		if r := k.Ask(a.Key, "POST", "/platform/tokens", `[{"info":"for ever"}]`); r.Status == 200 && len(r.Result) > 0 {
			k.Errorf("a token without an end: %s", r.Text)
		}
		soon := time.Now().Unix() + 2
		short := k.Made(a.Key, "POST", "/platform/tokens", fmt.Sprintf(`[{"expire":%d}]`, soon))
		both := k.Made(a.Key, "POST", "/platform/tokens", fmt.Sprintf(`[{"expire":%d,"ttl":3600}]`, soon))
		idle := k.Made(a.Key, "POST", "/platform/tokens", `[{"ttl":2}]`)
		live := k.Connect(Token{Key: fmt.Sprint(short["key"])}.As())
		live.Closed(0x87)
		k.Until("both are deleted", func() bool {
			return k.Ask(a.Key, "GET", fmt.Sprintf("/platform/tokens/%v", short["id"]), "").Status == 404 && k.Ask(a.Key, "GET", fmt.Sprintf("/platform/tokens/%v", idle["id"]), "").Status == 404
		})
		k.Connect(Token{Key: fmt.Sprint(both["key"])}.As()).Ping() // one still holds
		k.Until("it is on record", func() bool {
			return strings.Contains(k.Ask(a.Key, "GET", "/platform/customer/logs", "").Text, `"event_code":600`)
		})
	}},
	{V5: "EXT-TOK-3 EXT-REST-11", Title: "a token reads back as it was written", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		access := `{"type":2,"acl":[{"uri":"mqtt","topic":"a/+/{client_id}/b,c/#","actions":["publish"],"methods":["GET"]},{"uri":"mqtt","topic":"b","actions":["subscribe"]}]}`
		made := k.Made(a.Key, "POST", "/platform/tokens", `[{"info":"i","ttl":77,"ips":"127.*.*.*","metadata":{"x":"y"},"access":`+access+`}]`)
		got := k.Ask(a.Key, "GET", "/platform/tokens/"+fmt.Sprint(made["id"])+"?fields=access", "")
		if want := `"access":` + access; !strings.Contains(got.Text, want) {
			k.Errorf("%s, want %s", got.Text, want)
		}
		all := k.Made(a.Key, "GET", "/platform/tokens/"+fmt.Sprint(made["id"]), "")
		for name, want := range map[string]string{"info": "i", "ttl": "77", "expire": "0", "ips": "127.*.*.*", "metadata": "map[x:y]", "enabled": "true", "cid": a.ID} {
			if fmt.Sprint(all[name]) != want {
				k.Errorf("%s is %v, want %s", name, all[name], want)
			}
		}
		if all["created"] == nil || all["accessed"] == nil {
			k.Errorf("%v", all)
		}
	}},
	{V5: "EXT-TOK-4 EXT-TOK-5", Title: "what each kind of token may do by REST", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		standard := fmt.Sprint(k.Made(a.Key, "POST", "/platform/tokens", `[{"ttl":100,"access":{"type":0}}]`)["key"])
		narrow := k.Rule(a, overREST(k.Topic("a/#"), "GET,POST")).Key
		whole := k.Rule(a, overREST("#", "GET")).Key
		for _, x := range []struct {
			key, verb, path, body string
			want                  int
		}{
			{standard, "GET", "/platform/tokens/all", "", 403}, {standard, "GET", "/mqtt/sessions/all", "", 200}, {standard, "GET", "/mqtt/logs", "", 200},
			{narrow, "GET", "/platform/customer", "", 403}, {narrow, "GET", "/mqtt/sessions/all", "", 403}, {narrow, "GET", "/mqtt/logs", "", 403},
			{narrow, "POST", "/mqtt/messages", `{"topic":"` + k.Topic("a/b") + `","payload":"x","retain":true}`, 200}, {narrow, "POST", "/mqtt/messages", `{"topic":"` + k.Topic("b") + `","payload":"x"}`, 403},
			{whole, "GET", "/mqtt/sessions/all", "", 200}, {whole, "GET", "/mqtt/logs", "", 200}, {whole, "DELETE", "/mqtt/sessions/all", "", 403}, {whole, "GET", "/platform/tokens/all", "", 403},
			{a.Key, "GET", "/platform/tokens/all", "", 200}, {a.Key, "GET", "/mqtt/sessions/all", "", 200}, {standard, "GET", "/auth/info", "", 200}, {narrow, "GET", "/auth/info", "", 200},
		} {
			if r := k.Ask(x.key, x.verb, x.path, x.body); r.Status != x.want {
				k.Errorf("%s %s: %d %.200s, want %d", x.verb, x.path, r.Status, r.Text, x.want)
			}
		}
	}},
	{V5: "EXT-TOK-6 EXT-LOG-1", Title: "a refused PUBLISH is logged and counted", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		narrow := k.Rule(a, may(k.Topic("a"), "publish"))
		c := k.Connect(narrow.As())
		if r := c.Publish(wire.Publish{Topic: k.Topic("b"), Payload: "x", QoS: 1}); r != 0x87 {
			k.Errorf("%#02x", r)
		}
		k.logged(a, 530, func(r map[string]any) bool {
			return r["topic"] == k.Topic("b") && fmt.Sprint(r["token_id"]) == narrow.Token
		})
		c.Bye()
		k.logged(a, 503, func(r map[string]any) bool { return fmt.Sprint(r["rejected"]) == "1" })
	}},
	{V5: "EXT-TOK-8", Title: "an address that is no longer allowed ends a live connection", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		made := k.Made(a.Key, "POST", "/platform/tokens", `[{"ttl":100}]`)
		c := k.Connect(Token{Key: fmt.Sprint(made["key"])}.As())
		k.Made(a.Key, "PUT", "/platform/tokens/"+fmt.Sprint(made["id"]), `{"ips":"10.9.8.7"}`)
		c.Closed(0x87)
	}},
	{V5: "EXT-TOK-9", Title: "sessions and retained messages outlive their token", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		made := k.Made(a.Key, "POST", "/platform/tokens", `[{"ttl":100}]`)
		id := k.Name()
		c := k.Connect(Token{Key: fmt.Sprint(made["key"])}.As(), kept(id))
		c.Grant(k.Topic("a"), 1)
		c.Publish(wire.Publish{Topic: k.Topic("r"), Payload: "kept", QoS: 1, Retain: true})
		k.Made(a.Key, "DELETE", "/platform/tokens/"+fmt.Sprint(made["id"]), "")
		c.Closed(0x87)
		k.Connect(a.As()).Say(k.Topic("a"), "queued", 1)
		back := k.Connect(a.As(), kept(id))
		if !back.Connack.SessionPresent {
			k.Errorf("the session is gone")
		}
		back.Want("queued")
		back.Grant(k.Topic("r"), 1)
		back.Want("kept")
	}},
	{V5: "EXT-TOK-9 EXT-LOG-1", Title: "a Will whose token is gone is dropped and logged", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		made := k.Made(a.Key, "POST", "/platform/tokens", `[{"ttl":100}]`)
		sub := k.Connect(a.As())
		sub.Grant(k.Topic("#"), 1)
		c := k.Connect(Token{Key: fmt.Sprint(made["key"])}.As(), withWill(wire.Will{Topic: k.Topic("will"), Payload: "no", QoS: 1}))
		k.Made(a.Key, "DELETE", "/platform/tokens/"+fmt.Sprint(made["id"]), "")
		c.Closed(0x87)
		k.logged(a, 530, func(r map[string]any) bool { return r["topic"] == k.Topic("will") })
		sub.Silent()
	}},
}

// logged waits for a record of an account's log.
func (k *Kit) logged(a account, code int, is func(map[string]any) bool) map[string]any {
	var found map[string]any
	k.Until(fmt.Sprintf("a record %d", code), func() bool {
		for _, path := range []string{"/mqtt/logs?data=%7B%22reverse%22%3Atrue%2C%22count%22%3A1000%7D", "/platform/customer/logs?data=%7B%22reverse%22%3Atrue%2C%22count%22%3A1000%7D"} {
			r := k.Ask(a.Key, "GET", path, "")
			if r.Status != 200 {
				k.Fatalf("GET %s: %d %s", path, r.Status, r.Text)
			}
			for _, x := range r.Result {
				if fmt.Sprint(x["event_code"]) == fmt.Sprint(code) && is(x) {
					found = x
					return true
				}
			}
		}
		return false
	})
	return found
}
