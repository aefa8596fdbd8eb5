package conform

import (
	"fmt"
	"strings"

	"alcove/test/conform/wire"
)

// tenantCases are about accounts as REST sees them.
var tenantCases = []Case{
	{V5: "EXT-ACC-1 EXT-REST-1", Title: "foreign ids answer like missing ones, everywhere", Needs: needsREST, Run: func(k *Kit) {
		t, stranger := k.Tree(), k.Own()
		k.Made(stranger.Key, "POST", "/mqtt/sessions", `[{"client_id":"theirs","expires":100}]`)
		limit := fmt.Sprint(k.Made(stranger.Key, "POST", "/platform/limits", `[{"name":"theirs"}]`)["id"])
		session := fmt.Sprint(k.Made(stranger.Key, "GET", "/mqtt/sessions/client_id=theirs", "")["id"])
		const nobody = "123456789012"
		for kind, ids := range map[string][]string{
			"/platform/tokens/%s": {stranger.Token, t.parent.Token}, "/platform/subaccounts/%s": {stranger.ID, t.parent.ID, t.sibling.ID, "1"},
			"/platform/limits/%s": {limit}, "/mqtt/sessions/%s": {session}, "/mqtt/sessions/%s/subscriptions/all": {session}, "/platform/tokens/%s/logs": {stranger.Token},
		} {
			for _, id := range ids {
				for _, verb := range []string{"GET", "DELETE"} {
					if verb == "DELETE" && strings.HasSuffix(kind, "logs") {
						continue
					}
					theirs, none := k.Ask(t.child.Key, verb, fmt.Sprintf(kind, id), ""), k.Ask(t.child.Key, verb, fmt.Sprintf(kind, nobody), "")
					gone := theirs.Status == 404 || len(theirs.Result) == 0 && len(theirs.Errors) == 0 // a token's log outlives it
					if !gone || theirs.Status != none.Status || strings.ReplaceAll(theirs.Text, id, "ID") != strings.ReplaceAll(none.Text, nobody, "ID") {
						k.Errorf("%s %s: %d %s, of nobody: %d %s", verb, kind, theirs.Status, theirs.Text, none.Status, none.Text)
					}
				}
			}
		}
		if r := k.Ask(stranger.Key, "GET", "/mqtt/sessions/"+session, ""); r.Status != 200 {
			k.Errorf("the session is gone: %d", r.Status)
		}
	}},
	{V5: "EXT-ACC-3 EXT-REST-3", Title: "the operator's master acts in a top-level account for /platform only", Needs: needsREST, Run: func(k *Kit) {
		theirs := k.Own()
		below := k.Below(theirs)
		if status, r := k.RESTIn(theirs.ID, k.User, "GET", "/platform/tokens/all", ""); status != 200 || len(r) == 0 {
			k.Errorf("/platform: %d %v", status, r)
		}
		for _, path := range []string{"/mqtt/sessions/all", "/mqtt/messages/%23", "/mqtt/logs"} {
			if r := k.Ask(k.User, "GET", path, "", "x-flespi-cid", theirs.ID); r.Status == 200 {
				k.Errorf("%s: %d %s", path, r.Status, r.Text)
			}
		}
		if r := k.Ask(k.User, "POST", "/mqtt/messages", `{"topic":"a","payload":"x"}`, "x-flespi-cid", theirs.ID); r.Status == 200 {
			k.Errorf("POST /mqtt/messages: %s", r.Text)
		}
		_ = below
	}},
	{V5: "EXT-ACC-3", Title: "a new customer comes with a master token's key, once", Needs: needsREST, Run: func(k *Kit) {
		made := k.Made(k.User, "POST", "/platform/customers", `[{"name":"once","metadata":{"a":"b"}}]`)
		id := fmt.Sprint(made["id"])
		k.Cleanup(func() { k.REST(k.User, "DELETE", "/platform/customers/"+id, "") })
		key, _ := made["key"].(string)
		if token, ok := made["token"].(map[string]any); ok {
			key, _ = token["key"].(string)
		}
		if len(key) != 64 {
			k.Fatalf("no key in %v", made)
		}
		if r := k.Ask(key, "GET", "/auth/info", ""); r.Status != 200 || !strings.Contains(r.Text, id) {
			k.Errorf("/auth/info: %d %s", r.Status, r.Text)
		}
		for _, path := range []string{"/platform/customers/" + id, "/platform/customers/all"} {
			if r := k.Ask(k.User, "GET", path, ""); strings.Contains(r.Text, key) || !strings.Contains(r.Text, id) {
				k.Errorf("GET %s: %.300s", path, r.Text)
			}
		}
	}},
	{V5: "EXT-ACC-4", Title: "an account has its fields", Needs: needsREST, Run: func(k *Kit) {
		t := k.Tree()
		made := k.Made(t.parent.Key, "POST", "/platform/subaccounts", `[{"name":"fields","metadata":{"k":"v"}}]`)
		got := k.Made(t.parent.Key, "GET", "/platform/subaccounts/"+fmt.Sprint(made["id"]), "")
		if fmt.Sprint(got["cid"]) != t.parent.ID || got["name"] != "fields" || fmt.Sprint(got["metadata"]) != "map[k:v]" || fmt.Sprint(got["blocked"]) != "0" || got["created"] == nil {
			k.Errorf("%v", got)
		}
		if _, ok := got["limit_id"]; !ok {
			k.Errorf("no limit_id in %v", got)
		}
		if top := k.Made(t.parent.Key, "GET", "/platform/customer", ""); fmt.Sprint(top["cid"]) != "0" {
			k.Errorf("cid of a top-level account: %v", top["cid"])
		}
		k.Made(t.parent.Key, "PUT", "/platform/subaccounts/"+fmt.Sprint(made["id"]), `{"name":"other","metadata":{}}`)
		if got := k.Made(t.parent.Key, "GET", "/platform/subaccounts/name=other", ""); fmt.Sprint(got["metadata"]) != "map[]" {
			k.Errorf("after PUT: %v", got)
		}
	}},
	{V5: "EXT-ACC-4 EXT-ACC-1", Title: "what a deleted account had is gone", Needs: needsREST, Run: func(k *Kit) {
		t := k.Tree()
		live := k.Connect(t.grandchild.As())
		k.Connect(t.child.As(), kept(k.Name())).Say(k.Topic("a"), "x", 1)
		k.Connect(t.child.As()).Publish(wire.Publish{Topic: k.Topic("r"), Payload: "x", QoS: 1, Retain: true})
		k.Made(t.parent.Key, "DELETE", "/platform/subaccounts/"+t.child.ID, "")
		live.Closed()
		for _, a := range []account{t.child, t.grandchild} {
			if r := k.Ask(a.Key, "GET", "/auth/info", ""); r.Status != 401 {
				k.Errorf("its token: %d", r.Status)
			}
			c, ack := k.Open(a.As())
			if ack == nil || ack.Reason != 0x86 {
				k.Errorf("CONNECT: %v", ack)
			}
			c.Drop()
		}
		if r := k.Ask(t.parent.Key, "GET", "/platform/subaccounts/all", ""); strings.Contains(r.Text, t.child.ID) || !strings.Contains(r.Text, t.sibling.ID) {
			k.Errorf("%s", r.Text)
		}
		c := k.Connect(t.parent.As())
		c.Grant(k.Topic("#"), 1)
		c.Silent()
	}},
	{V5: "EXT-ACC-5", Title: "settings by each of their paths, unset ones the parent's", Needs: needsREST, Run: func(k *Kit) {
		t := k.Tree()
		k.Made(t.parent.Key, "PUT", "/platform/customer", `{"settings":{"stamps":false}}`)
		k.Made(t.parent.Key, "PUT", "/platform/subaccounts/"+t.sibling.ID, `{"settings":{"stamps":true,"retained_first":false}}`)
		k.Made(k.User, "PUT", "/platform/customers/"+t.parent.ID, `{"settings":{"session_expiry_max":77}}`)
		for name, x := range map[string]struct {
			a       account
			stamped bool
		}{"parent": {t.parent, false}, "child": {t.child, false}, "grandchild": {t.grandchild, false}, "sibling": {t.sibling, true}} {
			k.Until(name+" has its stamps", func() bool {
				c := k.Connect(x.a.As())
				defer c.Bye()
				c.Grant(k.Topic("a"), 1)
				c.Say(k.Topic("a"), "x", 1)
				return len(values(c.Want("x"), "timestamp")) > 0 == x.stamped
			})
		}
		for _, bad := range []string{`{"settings":{"stamp":true}}`, `{"settings":{"stamps":"yes"}}`, `{"settings":{"durability":"later"}}`, `{"settings":{"overflow":"x"}}`, `{"settings":{"log_days":-5}}`} {
			if r := k.Ask(t.parent.Key, "PUT", "/platform/customer", bad); r.Status != 400 {
				k.Errorf("PUT %s: %d %s", bad, r.Status, r.Text)
			}
		}
	}},
}
