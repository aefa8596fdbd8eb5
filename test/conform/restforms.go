package conform

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// restFormCases are about the form of REST itself.
var restFormCases = []Case{
	{V5: "EXT-REST-1", Title: "who asks: schemes, missing and wrong keys", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		for _, scheme := range []string{"FlespiToken ", "Bearer ", "bearer "} {
			if r := k.Ask("", "GET", "/auth/info", "", "Authorization", scheme+a.Key); r.Status != 200 {
				k.Errorf("%s: %d", scheme, r.Status)
			}
		}
		for _, header := range []string{"", "Basic " + a.Key, "FlespiToken x", "FlespiToken", a.Key[:63]} {
			k.refused(k.Ask("", "GET", "/platform/tokens/all", "", "Authorization", header), 401, "")
		}
		for _, path := range []string{"/platform/tokens/all?token=" + a.Key, "/platform/tokens/all?Authorization=" + a.Key} {
			if r := k.Ask("", "GET", path, ""); r.Status != 401 {
				k.Errorf("a key in the address: %d", r.Status)
			}
		}
		k.refused(k.Ask(a.Key, "GET", "/nowhere", ""), 404, "")
		k.refused(k.Ask(a.Key, "GET", "/platform/tokens/123456789", ""), 404, "")
	}},
	{V5: "EXT-REST-1", Title: "items of an array fail alone", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		r := k.Ask(a.Key, "POST", "/mqtt/messages", `[{"topic":"`+k.Topic("a")+`","payload":"x"},{"topic":"flespi/no","payload":"x"},{"topic":"`+k.Topic("b")+`","payload":"x"}]`)
		if r.Status != 200 || len(r.Result) != 2 || len(r.Errors) != 1 {
			k.Errorf("%d %s", r.Status, r.Text)
		}
		r = k.Ask(a.Key, "GET", "/platform/tokens/"+a.Token+",123456789", "")
		if r.Status != 200 || len(r.Result) != 1 || len(r.Errors) != 1 || r.Errors[0].ID != "123456789" {
			k.Errorf("%d %s", r.Status, r.Text)
		}
	}},
	{V5: "EXT-REST-1", Title: "bad input is refused with the field's name, and nothing is half-applied", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		for body, field := range map[string]string{
			`[{"ttl":"x"}]`: "ttl", `[{"ttl":-1}]`: "ttl", `[{"ttl":100,"color":1}]`: "color", `[{"ttl":100,"access":{"type":9}}]`: "type", `[{"ttl":100,"ips":5}]`: "ips",
			`[{"ttl":100,"access":{"type":2,"acl":[{"uri":"mqtt","topic":"a","actions":["fly"]}]}}]`: "actions", `{`: "", `[{"ttl":1,"ttl":2}]`: "ttl", `[{"ttl":1e400}]`: "", `[{"ttl":NaN}]`: "",
		} {
			k.refused(k.Ask(a.Key, "POST", "/platform/tokens", body), 400, field)
		}
		if r := k.Ask(a.Key, "GET", "/platform/tokens/all", ""); len(r.Result) != 2 {
			k.Errorf("%d tokens: %s", len(r.Result), r.Text)
		}
		k.refused(k.Ask(a.Key, "POST", "/platform/tokens", strings.Repeat(" ", 8<<20)+"[{}]"), 413, "")
	}},
	{V5: "EXT-REST-2", Title: "selectors, fields, limit and offset", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		var ids []string
		for i := range 12 {
			made := k.Made(a.Key, "POST", "/platform/tokens", fmt.Sprintf(`[{"info":"dev-%d","ttl":%d,"metadata":{"n":"%d"}}]`, i, 100+i, i%2))
			ids = append(ids, fmt.Sprint(made["id"]))
		}
		for selector, want := range map[string]int{
			"all": 14, ids[0]: 1, ids[0] + "," + ids[1] + "," + ids[2]: 3, "info=dev-*": 12, "info=dev-1?": 2, "info=dev-*,ttl=105": 1, "info=DEV*": 0, `{info~"dev-*"&&ttl>=110}`: 2, "{ttl<102}": 2, `{metadata.n=="1"}`: 6,
		} {
			if r := k.Ask(a.Key, "GET", "/platform/tokens/"+url.PathEscape(selector), ""); len(r.Result) != want || r.Status != 200 && want > 0 {
				k.Errorf("%s: %d items, want %d: %d %.300s", selector, len(r.Result), want, r.Status, r.Text)
			}
		}
		r := k.Ask(a.Key, "GET", "/platform/tokens/info=dev-*?fields=id,info&limit=5&offset=10", "")
		if len(r.Result) != 2 || len(r.Result[0]) != 2 || r.Result[0]["info"] == nil || fmt.Sprint(r.Pagination["limit"]) != "5" || fmt.Sprint(r.Pagination["offset"]) != "10" || fmt.Sprint(r.Pagination["count"]) != "12" {
			k.Errorf("%s", r.Text)
		}
		for _, bad := range []string{"?limit=0", "?limit=1001", "?limit=x", "?offset=-1", "?offset=9223372036854775808", "?fields=", "?fields=id,nothing"} {
			if r := k.Ask(a.Key, "GET", "/platform/tokens/all"+bad, ""); r.Status != 400 && !strings.HasPrefix(bad, "?fields") {
				k.Errorf("%s: %d %.200s", bad, r.Status, r.Text)
			}
		}
		k.refused(k.Ask(a.Key, "GET", "/platform/tokens/"+url.PathEscape("{ttl>(}"), ""), 400, "")
	}},
	{V5: "EXT-REST-3", Title: "x-flespi-cid acts inside a descendant only", Needs: needsREST, Run: func(k *Kit) {
		t, stranger := k.Tree(), k.Own()
		k.Ask(t.parent.Key, "POST", "/mqtt/messages", `{"topic":"`+k.Topic("a")+`","payload":"x","retain":true}`, "x-flespi-cid", t.grandchild.ID)
		if r := k.Ask(t.grandchild.Key, "GET", "/mqtt/messages/%23", ""); len(r.Result) != 1 || fmt.Sprint(r.Result[0]["cid"]) != t.grandchild.ID {
			k.Errorf("%s", r.Text)
		}
		want := k.Ask(t.child.Key, "GET", "/platform/tokens/all", "", "x-flespi-cid", "123456789012")
		for _, id := range []string{t.parent.ID, t.sibling.ID, stranger.ID, "1"} {
			if r := k.Ask(t.child.Key, "GET", "/platform/tokens/all", "", "x-flespi-cid", id); r.Status != want.Status || r.Text != want.Text || r.Status < 400 {
				k.Errorf("%d %s, of nobody %d %s", r.Status, r.Text, want.Status, want.Text)
			}
		}
		for _, bad := range []string{"x", "1.5", "99999999999999999999"} {
			k.refused(k.Ask(t.child.Key, "GET", "/platform/tokens/all", "", "x-flespi-cid", bad), 400, "x-flespi-cid")
		}
	}},
	{V5: "EXT-REST-5", Title: "who am I, own account, operator's customers", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		if r := k.Made(a.Key, "GET", "/auth/info", ""); !strings.Contains(fmt.Sprint(r), a.Token) || !strings.Contains(fmt.Sprint(r), a.ID) {
			k.Errorf("%v", r)
		}
		c := k.Made(a.Key, "GET", "/platform/customer", "")
		if counters, ok := c["counters"].(map[string]any); fmt.Sprint(c["id"]) != a.ID || !ok || fmt.Sprint(counters["tokens_count"]) != "2" {
			k.Errorf("%v", c)
		}
		k.Connect(a.As()).Say("a", "x", 1)
		if r := k.Ask(a.Key, "GET", "/platform/customer/statistics", ""); r.Status != 200 {
			k.Errorf("statistics: %d %s", r.Status, r.Text)
		}
		k.refused(k.Ask(a.Key, "GET", "/platform/customers/all", ""), 403, "")
		for _, path := range []string{"/platform/customer/logs", "/platform/tokens/" + a.Token + "/logs"} {
			if r := k.Ask(a.Key, "GET", path, ""); r.Status != 200 {
				k.Errorf("%s: %d %s", path, r.Status, r.Text)
			}
		}
	}},
	{V5: "EXT-REST-7", Title: "the document and the page that shows it", Needs: needsREST, Run: func(k *Kit) {
		r := k.Ask("", "GET", "/openapi.json", "")
		var doc struct {
			OpenAPI string
			Paths   map[string]any
		}
		if err := json.Unmarshal([]byte(r.Text), &doc); err != nil || !strings.HasPrefix(doc.OpenAPI, "3.1") || len(doc.Paths) < 20 {
			k.Errorf("%v, %q, %d paths", err, doc.OpenAPI, len(doc.Paths))
		}
		page := k.Ask("", "GET", "/docs", "")
		if page.Status != 200 || !strings.Contains(page.Header.Get("Content-Type"), "text/html") || strings.Contains(page.Text, `src="http`) || strings.Contains(page.Text, `href="http`) {
			k.Errorf("%d %v %.300s", page.Status, page.Header, page.Text)
		}
	}},
	{V5: "EXT-REST-10", Title: "CORS on every path, and the regions", Needs: needsREST, Run: func(k *Kit) {
		for _, path := range []string{"/platform/tokens/all", "/mqtt/messages/%23", "/nowhere", "/auth/info", "/docs", "/const/values", "/"} {
			for _, verb := range []string{"GET", "OPTIONS", "POST"} {
				r := k.Ask("", verb, path, "", "Origin", "https://app.example", "Access-Control-Request-Method", "PUT", "Access-Control-Request-Headers", "authorization,x-flespi-cid")
				if origin := r.Header.Get("Access-Control-Allow-Origin"); origin != "*" && origin != "https://app.example" || r.Header.Get("Access-Control-Allow-Credentials") != "" {
					k.Errorf("%s %s: %d %v", verb, path, r.Status, r.Header)
				}
				if verb != "OPTIONS" {
					continue
				}
				methods, headers := r.Header.Get("Access-Control-Allow-Methods"), strings.ToLower(r.Header.Get("Access-Control-Allow-Headers"))
				for _, m := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
					if !strings.Contains(methods, m) {
						k.Errorf("%s: methods %s", path, methods)
					}
				}
				for _, h := range []string{"authorization", "content-type", "x-flespi-app", "x-flespi-cid", "x-flespi-trace"} {
					if !strings.Contains(headers, h) {
						k.Errorf("%s: headers %s", path, headers)
					}
				}
			}
		}
		r := k.Ask("", "GET", "/auth/regions", "")
		if r.Status != 200 || len(r.Result) != 1 || r.Result[0]["default"] != true {
			k.Fatalf("%d %s", r.Status, r.Text)
		}
		u, _ := url.Parse(k.URL)
		if mqtt := fmt.Sprint(r.Result[0]["mqtt"]); !strings.HasSuffix(mqtt, ":"+u.Port()) || r.Result[0]["rest"] == nil || r.Result[0]["mqtt-ws"] == nil || r.Result[0]["cdn"] == nil || r.Result[0]["name"] == nil {
			k.Errorf("%v", r.Result[0])
		}
	}},
	{V5: "EXT-REST-11", Title: "the older form of a message, zero values, tokens that are off", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		k.Made(a.Key, "POST", "/mqtt/messages", `{"topic":"`+k.Topic("old")+`","payload":"x","retained":true}`)
		if r := k.Ask(a.Key, "GET", "/mqtt/messages/"+url.PathEscape(k.Topic("old")), ""); len(r.Result) != 1 || r.Result[0]["payload"] != "x" {
			k.Errorf("%s", r.Text)
		}
		made := k.Made(a.Key, "POST", "/platform/tokens", `[{"ttl":100,"info":"i","ips":"127.*.*.*"}]`)
		id := fmt.Sprint(made["id"])
		got := k.Made(a.Key, "PUT", "/platform/tokens/"+id, `{"info":"","ips":"","enabled":false}`)
		if got["info"] != "" && got["info"] != nil || got["enabled"] != false {
			k.Errorf("%v", got)
		}
		if r := k.Ask(fmt.Sprint(made["key"]), "GET", "/auth/info", ""); r.Status != 200 || !strings.Contains(r.Text, `"enabled":false`) {
			k.Errorf("a disabled token: %d %s", r.Status, r.Text)
		}
		if r := k.Ask(fmt.Sprint(made["key"]), "GET", "/platform/tokens/all", ""); r.Status == 200 {
			k.Errorf("a disabled token reads: %s", r.Text)
		}
		k.refused(k.Ask(strings.Repeat("z", 64), "GET", "/auth/info", ""), 401, "")
	}},
	{V5: "EXT-REST-12", Title: "the public dictionaries", Needs: needsREST, Run: func(k *Kit) {
		r := k.Ask("", "GET", "/const/values?names=toolbox/topics", "")
		if r.Status != 200 || len(r.Result) != 1 || !strings.Contains(r.Text, `"toolbox/topics":{"topics":{"flespi/`) {
			k.Errorf("%d %.300s", r.Status, r.Text)
		}
		r = k.Ask("", "GET", "/const/values?names=toolbox/codes", "")
		var codes struct {
			Result []map[string]struct {
				Codes map[string]struct {
					Code                  int
					Description, Severity any
				}
			}
		}
		if err := json.Unmarshal([]byte(r.Text), &codes); err != nil || len(codes.Result) != 1 {
			k.Fatalf("%v %.300s", err, r.Text)
		}
		for _, code := range []int{1, 2, 3, 20, 21, 500, 501, 502, 503, 504, 510, 511, 512, 520, 521, 530, 531, 540, 600, 1000} {
			x := codes.Result[0]["toolbox/codes"].Codes[fmt.Sprint(code)]
			if x.Code != code || x.Description == nil || x.Severity == nil {
				k.Errorf("code %d: %v", code, x)
			}
		}
	}},
	{V5: "EXT-REST-6", Title: "an expression is tried, with the column of an error", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		if r := k.Ask(a.Key, "POST", "/storage/expressions/test", `{"expression":"a+1","input":{"a":2}}`); r.Status != 200 || !strings.Contains(r.Text, "3") {
			k.Errorf("%d %s", r.Status, r.Text)
		}
		if r := k.Ask(a.Key, "POST", "/storage/expressions/test", `{"expression":"a+(","input":{}}`); r.Status != 400 || !strings.Contains(r.Text, `"column":`) {
			k.Errorf("%d %s", r.Status, r.Text)
		}
		if r := k.Ask(a.Key, "GET", "/storage/expressions/functions", ""); r.Status != 200 || !strings.Contains(r.Text, "startswith") {
			k.Errorf("%d %.300s", r.Status, r.Text)
		}
	}},
}
