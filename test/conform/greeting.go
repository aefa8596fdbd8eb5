package conform

import (
	"encoding/json"
	"fmt"
	"strings"

	"alcove/test/conform/wire"
)

// parsed is a user property of CONNACK as the JSON value that it must be.
func (k *Kit) parsed(c *Client, name string, into any) {
	s := k.value(c.Connack, name)
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	if err := d.Decode(into); err != nil || d.More() {
		k.Fatalf("CONNACK: %s=%.200q: %v", name, s, err)
	}
}

// listed is one subscription in CONNACK.
type listed struct {
	Topic          string
	QoS            int
	NoLocal        any `json:"no_local"`
	RAP            any `json:"rap"`
	RetainHandling int `json:"retain_handling"`
	SubscriptionID int `json:"subscription_id"`
}

// yes reads a flag, written as a boolean or as 0 and 1.
func yes(v any) bool { return v == true || fmt.Sprint(v) == "1" }

var greetingCases = []Case{
	{V5: "EXT-UP-5", Title: "CONNACK tells the token without its key", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		narrow := k.Rule(a, may(k.Topic("#"), "publish,subscribe"), may("other/+", "publish"))
		for what, who := range map[string]account{"master": a, "rules": narrow} {
			c := k.Connect(who.As())
			var token struct {
				ID, CID json.Number
				Access  struct {
					Type int
					ACL  []struct {
						URI, Topic string
						Actions    []string
					}
				}
			}
			k.parsed(c, "token", &token)
			if token.ID.String() != who.Token || token.CID.String() != who.ID {
				k.Errorf("%s: token %v, want id %s and cid %s", what, token, who.Token, who.ID)
			}
			if want := map[string]int{"master": 1, "rules": 2}[what]; token.Access.Type != want {
				k.Errorf("%s: access.type %d", what, token.Access.Type)
			}
			if what == "rules" && (len(token.Access.ACL) != 2 || token.Access.ACL[1].Topic != "other/+" || len(token.Access.ACL[0].Actions) != 2) {
				k.Errorf("access %v", token.Access)
			}
			for _, u := range c.Connack.Props.All(wire.UserProperty) {
				if strings.Contains(u.Value, who.Key) || strings.Contains(u.Value, who.Key[:16]) {
					k.Errorf("%s shows the key", u.Text)
				}
			}
		}
	}},
	{V5: "EXT-UP-5", Title: "CONNACK lists the session's subscriptions with their options", Needs: needsDialect, Run: func(k *Kit) {
		id := k.Name()
		c := k.Connect(kept(id))
		var list []listed
		if k.parsed(c, "subscriptions", &list); len(list) != 0 || k.value(c.Connack, "subscriptions") != "[]" {
			k.Errorf("a new session: %v", list)
		}
		shared, filtered := "$share/g:1/"+k.Topic("a,b"), "$filter/payload=x%3E1/"+k.Topic("c")
		c.Grant(k.Topic("a"), 1|noLocal|retainAsPublished|retainNever, wire.Num(wire.SubscriptionID, 300))
		c.Grant(k.Topic("b"), 0)
		c.Grant(shared, 2|retainIfNew)
		c.Grant(filtered, 1)
		c.Bye()
		c = k.Connect(kept(id))
		k.parsed(c, "subscriptions", &list)
		got := map[string]listed{}
		for _, l := range list {
			got[l.Topic] = l
		}
		for topic, want := range map[string]string{
			k.Topic("a"): "1 true true 2 300", k.Topic("b"): "0 false false 0 0", shared: "2 false false 1 0", filtered: "1 false false 0 0",
		} {
			l := got[topic]
			if s := fmt.Sprint(l.QoS, yes(l.NoLocal), yes(l.RAP), l.RetainHandling, l.SubscriptionID); s != want {
				k.Errorf("%s: %s, want %s", topic, s, want)
			}
		}
		if len(list) != 4 {
			k.Errorf("%d subscriptions: %v", len(list), list)
		}
		c.Bye()
		old := k.Connect(kept(id), withVersion(wire.V311)) // no properties; the reader checks
		old.Ping()
	}},
	{V5: "EXT-UP-5 EXT-UP-3", Title: "a subscription of one account's messages is listed", Needs: needsREST, Run: func(k *Kit) {
		t := k.Tree()
		id := k.Name()
		c := k.Connect(t.parent.As(), kept(id))
		c.Grant(k.Topic("a"), 1, from(t.child))
		c.Bye()
		c = k.Connect(t.parent.As(), kept(id))
		var list []listed
		if k.parsed(c, "subscriptions", &list); len(list) != 1 || !strings.HasSuffix(list[0].Topic, k.Topic("a")) {
			k.Errorf("%v", list)
		}
	}},
	{V5: "EXT-UP-5 EXT-UP-6", Title: "Request Problem Information 0 leaves both in CONNACK", Needs: needsDialect, Run: func(k *Kit) {
		c := k.Connect(withProps(wire.Num(wire.RequestProblem, 0)))
		for _, name := range []string{"token", "subscriptions"} {
			k.value(c.Connack, name)
		}
	}},
	{V5: "EXT-UP-5 MQTT-3.1.2-24", Title: "CONNACK is cut to the client's Maximum Packet Size", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		var rules []string
		for i := range 40 {
			rules = append(rules, may(fmt.Sprintf("some/long/topic/of/a/rule/%d/#", i), "subscribe"))
		}
		narrow := k.Rule(a, append(rules, may("#", "subscribe"))...)
		id := k.Name()
		c := k.Connect(narrow.As(), kept(id))
		for i := range 100 {
			c.Grant(k.Topic(fmt.Sprint("some/long/topic/", i)), 0)
		}
		c.Bye()
		c = k.Connect(narrow.As(), kept(id))
		c.Bye()
		whole, kinds := c.Connack.Size, map[string]int{}
		sizes := []int{whole - 1, whole}
		for size := 40; size <= whole+10; size += 1 + size/8 {
			sizes = append(sizes, size)
		}
		for _, size := range sizes {
			c := k.Connect(narrow.As(), kept(id), withProps(wire.Num(wire.MaximumPacketSize, uint32(size))))
			if c.Connack.Size > size {
				k.Fatalf("CONNACK of %d bytes, at most %d asked", c.Connack.Size, size)
			}
			if !c.Connack.SessionPresent {
				k.Fatalf("no session")
			}
			kinds[k.cut(c, size, narrow)]++
			c.Bye()
		}
		for _, kind := range []string{"nothing", "short token", "whole token", "everything"} {
			if kinds[kind] == 0 {
				k.Errorf("never %s: %v", kind, kinds)
			}
		}
	}},
	{V5: "EXT-UP-5", Title: "a list of subscriptions above 65,535 bytes is left out", Needs: needsDialect, Run: func(k *Kit) {
		id := k.Name()
		c := k.Connect(kept(id))
		subs := make([]wire.Sub, 900)
		for i := range subs {
			subs[i].Filter = k.Topic(fmt.Sprint(strings.Repeat("long/", 15), i))
		}
		c.SubscribeAll(nil, subs...)
		c.Bye()
		c = k.Connect(kept(id))
		if v := values(c.Connack, "subscriptions"); len(v) > 0 {
			k.Errorf("subscriptions of %d bytes", len(v[0]))
		}
		k.value(c.Connack, "token")
	}},
}

// cut tells which form of the two properties a CONNACK has.
func (k *Kit) cut(c *Client, size int, who account) string {
	token, subs := values(c.Connack, "token"), values(c.Connack, "subscriptions")
	switch {
	case len(token) == 0 && len(subs) == 0:
		return "nothing"
	case len(token) == 0:
		k.Errorf("size %d: subscriptions without token", size)
		return ""
	}
	var t struct {
		ID, CID json.Number
		Access  map[string]any
	}
	k.parsed(c, "token", &t)
	if t.ID.String() != who.Token || t.CID.String() != who.ID || fmt.Sprint(t.Access["type"]) != "2" {
		k.Errorf("size %d: token %s", size, token[0])
	}
	switch {
	case len(subs) > 0:
		return "everything"
	case t.Access["acl"] != nil:
		return "whole token"
	}
	return "short token"
}
