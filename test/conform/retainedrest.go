package conform

import (
	"fmt"
	"net/url"
	"strings"
)

// stored asks REST for retained messages and returns them by topic and account.
func (k *Kit) stored(key, filter, query string) map[string]map[string]any {
	status, result := k.REST(key, "GET", "/mqtt/messages/"+url.PathEscape(filter)+query, "")
	if status != 200 {
		k.Fatalf("GET %s: status %d", filter, status)
	}
	got := map[string]map[string]any{}
	for _, r := range result {
		got[strings.TrimPrefix(text(r["topic"]), k.Topic(""))+" "+text(r["cid"])] = r
	}
	return got
}

// wantKeys compares the topics and accounts of stored messages.
func (k *Kit) wantKeys(what string, got map[string]map[string]any, keys ...string) {
	for _, key := range keys {
		if got[key] == nil {
			k.Errorf("%s: no %s", what, key)
		}
	}
	if len(got) != len(keys) {
		k.Errorf("%s: %d messages, want %q", what, len(got), keys)
	}
}

var retainedRESTCases = []Case{
	{V5: "EXT-RET-1 EXT-UP-1 EXT-UP-2 EXT-REST-4", Title: "REST reads what was published with its timestamp, token and account", Needs: needsREST, Run: func(k *Kit) {
		t := k.Tree()
		k.put(k.Connect(t.parent.As()), "a", "text", "1700000000.25", 1)
		k.put(k.Connect(t.child.As()), "a", "\xff\x00", "", 2)
		k.put(k.Connect(t.sibling.As()), "b/c", `{"v":7}`, "1700000005", 0)
		got := k.stored(t.parent.Key, k.Topic("#"), "")
		k.wantKeys("#", got, "a "+t.parent.ID, "a "+t.child.ID, "b/c "+t.sibling.ID)
		m := got["a "+t.parent.ID]
		if text(m["payload"]) != "text" || !strings.HasPrefix(text(m["timestamp"]), "1700000000.25") || text(m["token_id"]) != t.parent.Token || text(m["qos"]) != "1" {
			k.Errorf("%v", m)
		}
		if m := got["a "+t.child.ID]; text(m["payload_base64"]) != "/wA=" || text(m["token_id"]) != t.child.Token || text(m["qos"]) != "2" {
			k.Errorf("%v", m)
		}
		k.wantKeys("not recursive", k.stored(t.parent.Key, k.Topic("#"), "?data="+url.QueryEscape(`{"recursive":false}`)), "a "+t.parent.ID)
		for filter, want := range map[string][]string{
			"a": {"a " + t.parent.ID, "a " + t.child.ID}, "$filter/cid=" + t.sibling.ID + "/#": {"b/c " + t.sibling.ID}, "$filter/payload=v==7/#": {"b/c " + t.sibling.ID}, "$filter/payload=v==8/#": nil,
			"$filter/modified_since>1700000000.25/#": {"a " + t.child.ID, "b/c " + t.sibling.ID}, "$filter/modified_since=1700000005&message=qos<2/#": nil, "a,b/c": {"b/c " + t.sibling.ID}, "+": {"a " + t.parent.ID, "a " + t.child.ID},
		} {
			at := strings.LastIndex(filter, "/#")
			if strings.HasPrefix(filter, "$filter/") {
				filter = filter[:at+1] + k.Topic("#")
			} else {
				filter = k.Topic(filter)
			}
			k.wantKeys(filter, k.stored(t.parent.Key, filter, ""), want...)
		}
	}},
	{V5: "EXT-UP-1 EXT-UP-2 EXT-UP-4 EXT-REST-4", Title: "REST publishes with the same stamps, counts and rules", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		sub := k.Connect(a.As())
		sub.Grant(k.Topic("+"), 1)
		k.Connect(a.As()).Grant("$share/g/"+k.Topic("a"), 1)
		post := func(body string) map[string]any {
			status, result := k.REST(a.Key, "POST", "/mqtt/messages", body)
			if status != 200 || len(result) != 1 {
				k.Fatalf("POST %s: status %d, %v", body, status, result)
			}
			return result[0]
		}
		m := post(fmt.Sprintf(`{"topic":%q,"payload":"x","qos":1,"retain":true,"user_properties":{"unit":"C","cid":"7","token_id":"9"}}`, k.Topic("a")))
		if text(m["subscribers_count"]) != "2" {
			k.Errorf("subscribers_count %v", m)
		}
		p := sub.Want("x")
		k.stamped("by REST", p, a)
		if got := fmt.Sprint(publishersOwn(p)); got != "[unit=C]" {
			k.Errorf("user properties %s", got)
		}
		post(fmt.Sprintf(`{"topic":%q,"payload":"older","qos":1,"retain":true,"user_properties":{"timestamp":"1600000000"}}`, k.Topic("a")))
		sub.Want("older")
		if m := k.stored(a.Key, k.Topic("a"), "")["a "+a.ID]; text(m["payload"]) != "x" {
			k.Errorf("an older timestamp replaces: %v", m)
		}
		for _, topic := range []string{"flespi/x", "$share/g/x", "$filter/payload=v/x"} {
			if status, result := k.REST(a.Key, "POST", "/mqtt/messages", fmt.Sprintf(`{"topic":%q,"payload":"x"}`, topic)); status == 200 && len(result) > 0 {
				k.Errorf("POST to %s: status %d, %v", topic, status, result)
			}
		}
		if status, _ := k.REST(a.Key, "POST", "/mqtt/messages", fmt.Sprintf(`{"topic":%q,"payload":"x"}`, k.Topic("+"))); status == 200 {
			k.Errorf("POST with a payload to a wildcard topic: status %d", status)
		}
		sub.Silent()
	}},
}
