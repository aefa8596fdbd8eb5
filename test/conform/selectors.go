package conform

import (
	"fmt"
	"net/url"
	"strings"

	"alcove/test/conform/wire"
)

// selectorTopics are published, live or retained; the filter "s/a,b/x/e,f/field"
// selects the first five.
var selectorTopics = []string{
	"s/a/x/e/field", "s/a/x/f/field", "s/b/x/e/field", "s/a,b/x/f/field", "s/b/x/e,f/field",
	"s/c/x/e/field", "s/b,a/x/e/field", "s/a,/x/e/field", "s/a/x/g/field", "s/a/x/e/other", "s/a/x/e", "s/a/x/e/field/more", "s/A/x/e/field", "s//x/e/field",
}

const selected = 5

// badSelectors are levels that are neither plain nor a selector.
var badSelectors = []string{"a,", ",a", ",", "a,,b", "a,+", "+,a", "a,#", "a,b+", "a,b#c", "a,b,"}

var selectorCases = []Case{
	{V5: "EXT-SEL-1", V311: "EXT-SEL-1", V31: "EXT-SEL-1", Title: "a comma list selects its words, live", Needs: needsDialect, Run: func(k *Kit) {
		pub, sub := k.Pair(k.Topic("s/a,b/x/e,f/field"), 2)
		for qos := range byte(3) {
			for _, t := range selectorTopics {
				pub.Say(k.Topic(t), "x", qos)
			}
			k.wantTopics(fmt.Sprint("QoS ", qos), sub.Drain(), selectorTopics[:selected]...)
		}
	}},
	{V5: "EXT-SEL-1", V311: "EXT-SEL-1", V31: "EXT-SEL-1", Title: "a comma list selects its words, retained", Needs: needsDialect, Run: func(k *Kit) {
		pub := k.Connect()
		for _, t := range selectorTopics {
			k.Retain(pub, wire.Publish{Topic: k.Topic(t), Payload: "x", QoS: 1})
		}
		k.wantTopics("retained", k.Retained(k.Topic("s/a,b/x/e,f/field")), selectorTopics[:selected]...)
		k.wantTopics("below a selector", k.Retained(k.Topic("s/c,none/#")), "s/c/x/e/field")
		k.wantTopics("beside a wildcard", k.Retained(k.Topic("s/+/x/g,h/field")), "s/a/x/g/field")
		k.wantTopics("no such word", k.Retained(k.Topic("s/d,e/x/e/field")))
	}},
	{V5: "EXT-SEL-1", V311: "EXT-SEL-1", Title: "a comma list selects its words, queued", Needs: needsDialect, Run: func(k *Kit) {
		id := k.Name()
		sub := k.Connect(kept(id))
		sub.Grant(k.Topic("s/a,b/x/e,f/field"), 1)
		sub.Bye()
		pub := k.Connect()
		for _, t := range selectorTopics {
			pub.Say(k.Topic(t), "x", 1)
		}
		sub = k.Connect(kept(id))
		var got []*wire.Packet
		for range selected {
			got = append(got, sub.Take())
		}
		k.wantTopics("queued", append(got, sub.Drain()...), selectorTopics[:selected]...)
	}},
	{V5: "EXT-SEL-1", V311: "EXT-SEL-1", Title: "a level with commas, spelled exactly alike, is matched", Needs: needsDialect, Run: func(k *Kit) {
		c := k.Connect()
		c.Grant(k.Topic("lon,lat/12,5"), 1)
		c.Say(k.Topic("lon,lat/12,5"), "plain", 1)
		c.Want("plain")
		for _, t := range []string{"lon,lat/5,12", "lat,lon/12,5", "lon,lat,alt/12,5", "lon,la/12,5"} {
			c.Say(k.Topic(t), "no", 1)
		}
		c.Silent()
		if r := c.Unsubscribe(k.Topic("lat,lon/12,5")); len(r) > 0 && r[0] != 0x11 {
			k.Errorf("UNSUBSCRIBE of another text: %#02x", r[0])
		}
		c.Say(k.Topic("lon/12"), "word", 1)
		c.Want("word")
		if r := c.Unsubscribe(k.Topic("lon,lat/12,5")); len(r) > 0 && r[0] != 0 {
			k.Errorf("UNSUBSCRIBE: %#02x", r[0])
		}
		c.Say(k.Topic("lon,lat/12,5"), "no", 1)
		c.Silent()
	}},
	{V5: "EXT-SEL-1", V311: "EXT-SEL-1", V31: "EXT-SEL-1", Title: "empty words and words mixed with wildcards fail alone", Needs: needsDialect, Run: func(k *Kit) {
		c := k.Connect()
		subs := []wire.Sub{{Filter: k.Topic("a,b/x"), Options: 1}}
		for _, bad := range badSelectors {
			subs = append(subs, wire.Sub{Filter: k.Topic(bad + "/x"), Options: 1}, wire.Sub{Filter: k.Topic("x/" + bad)}, wire.Sub{Filter: bad})
		}
		subs = append(subs, wire.Sub{Filter: k.Topic("c,d"), Options: 2})
		for i, r := range c.SubscribeAll(nil, subs...) {
			want := k.refusal(0x8f)
			if i == 0 || i == len(subs)-1 {
				want = subs[i].Options
			}
			if r != want {
				k.Errorf("%q: %#02x, want %#02x", subs[i].Filter, r, want)
			}
		}
		c.Say(k.Topic("b/x"), "x", 1)
		c.Want("x")
		c.Say(k.Topic("d"), "y", 2)
		c.Want("y")
	}},
	{V5: "EXT-SEL-1", V311: "EXT-SEL-1", Title: "a selector before # matches its own level too, and words may be any text", Needs: needsDialect, Run: func(k *Kit) {
		c := k.Connect()
		c.Grant(k.Topic("x/a,b/#"), 1)
		c.Grant(k.Topic("y/é ü,🚢,$z/v"), 1)
		topics := []string{"x/a", "x/b/c/d", "x/a,b", "x/a,b/c", "y/é ü/v", "y/🚢/v", "y/$z/v"}
		for _, t := range append(topics, "x", "x/c", "x/ab", "y/é/v", "y/ü/v", "y//v") {
			c.Say(k.Topic(t), "x", 1)
		}
		k.wantTopics("matched", c.Drain(), topics...)
	}},
	{V5: "EXT-SEL-1", V311: "EXT-SEL-1", Title: "the first level may be a selector", Needs: needsDialect, Run: func(k *Kit) {
		pub := k.Connect()
		one, two := k.Name(), k.Name()
		sub := k.Connect()
		sub.Grant(one+","+two+"/+", 1)
		for _, t := range []string{one, two} {
			pub.Say(t+"/x", t, 1)
			sub.Want(t)
		}
		pub.Say(k.Name()+"/x", "no", 1)
		pub.Say(one, "no", 1)
		sub.Silent()
	}},
	{V5: "EXT-SEL-1", V311: "EXT-SEL-1", Title: "a message comes once, whatever words and filters it meets", Needs: needsDialect, Run: func(k *Kit) {
		pub, sub := k.Connect(), k.Connect()
		sub.Grant(k.Topic("a,b/x"), 0)
		sub.Grant(k.Topic("a/x,y"), 2)
		sub.Grant(k.Topic("a/x,z"), 1)
		pub.Say(k.Topic("a/x"), "x", 2)
		if p := sub.Want("x"); p.QoS != 2 {
			k.Errorf("%v", p)
		}
		sub.Silent()
	}},
	{V5: "EXT-SEL-1", Title: "options and identifiers of a selector are a filter's", Needs: needsDialect, Run: func(k *Kit) {
		c := k.Connect()
		c.Grant(k.Topic("a,b/x"), 1, wire.Num(wire.SubscriptionID, 7))
		c.Say(k.Topic("b/x"), "x", 1)
		if p := c.Want("x"); p.Props.Num(wire.SubscriptionID, 0) != 7 {
			k.Errorf("%v", p.Props)
		}
		c.Grant(k.Topic("a,b/x"), 1|noLocal|retainNever, wire.Num(wire.SubscriptionID, 8)) // replaces
		c.Say(k.Topic("b/x"), "x", 1)
		c.Silent()
		k.Connect().Say(k.Topic("a/x"), "y", 1)
		if p := c.Want("y"); p.Props.Num(wire.SubscriptionID, 0) != 8 {
			k.Errorf("%v", p.Props)
		}
	}},
	{V5: "EXT-SEL-1", V311: "EXT-SEL-1", Title: "a thousand words in each of two levels", Needs: needsDialect, Run: func(k *Kit) {
		words := func(prefix string) string {
			var w []string
			for i := range 1000 {
				w = append(w, fmt.Sprint(prefix, i))
			}
			return strings.Join(w, ",")
		}
		pub, sub := k.Pair(k.Topic(words("a")+"/"+words("b")+"/x"), 1)
		for _, t := range []string{"a0/b0/x", "a999/b999/x", "a17/b503/x"} {
			pub.Say(k.Topic(t), t, 1)
			sub.Want(t)
		}
		for _, t := range []string{"a1000/b0/x", "a0/b1000/x", "b0/a0/x", "a0/b0"} {
			pub.Say(k.Topic(t), "no", 1)
		}
		sub.Silent()
	}},
	{V5: "EXT-SEL-1 EXT-SHR-5", V311: "EXT-SEL-1", Title: "a selector inside $share", Needs: needsDialect, Run: func(k *Kit) {
		filter := "$share/" + k.Name() + "/" + k.Topic("a,b/x")
		one, two, pub := k.Connect(), k.Connect(), k.Connect()
		one.Grant(filter, 1)
		two.Grant(filter, 1)
		for _, t := range []string{"a/x", "b/x", "a,b/x", "c/x", "a/y"} {
			pub.Say(k.Topic(t), "x", 1)
		}
		k.wantTopics("shared", append(one.Drain(), two.Drain()...), "a/x", "b/x", "a,b/x")
		if r := one.Subscribe("$share/g/"+k.Topic("a,/x"), 1); r != k.refusal(0x8f) {
			k.Errorf("an empty word: %#02x", r)
		}
	}},
	{V5: "EXT-SEL-1 EXT-FIL-1", V311: "EXT-SEL-1 EXT-FIL-1", Title: "a selector inside $filter", Needs: needsDialect, Run: func(k *Kit) {
		pub, sub := k.Pair("$filter/payload="+percent("v>1")+"/"+k.Topic("a,b/x"), 1)
		for _, t := range []string{"a/x", "b/x", "c/x"} {
			for v := range 3 {
				pub.Say(k.Topic(t), fmt.Sprintf(`{"v":%d}`, v), 1)
			}
		}
		k.wantTopics("filtered", sub.Drain(), "a/x", "b/x")
		if r := sub.Subscribe("$filter/payload=v/"+k.Topic("a,/x"), 1); r != k.refusal(0x8f) {
			k.Errorf("an empty word: %#02x", r)
		}
	}},
	{V5: "EXT-SEL-1 EXT-TOK-5", V311: "EXT-SEL-1 EXT-TOK-5", Title: "a selector in an access list", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		narrow := k.Rule(a, may(k.Topic("a,b/x"), "publish,subscribe"))
		all := k.Connect(a.As())
		all.Grant(k.Topic("#"), 1)
		c := k.Connect(narrow.As())
		for filter, granted := range map[string]bool{"a/x": true, "b/x": true, "a,b/x": true, "a,c/x": true, "+/x": true, "c/x": false, "c,d/x": false, "a/y": false, "#": true} {
			if r := c.Subscribe(k.Topic(filter), 1); r < 0x80 != granted || r >= 0x80 && r != k.refusal(0x87) {
				k.Errorf("SUBSCRIBE %s: %#02x", filter, r)
			}
		}
		owner := k.Connect(a.As())
		for topic, granted := range map[string]bool{"a/x": true, "b/x": true, "a,b/x": true, "c/x": false, "a,c/x": false, "a/y": false} {
			if r := c.Publish(wire.Publish{Topic: k.Topic(topic), Payload: "x", QoS: 1}); k.V >= wire.V5 && r < 0x80 != granted {
				k.Errorf("PUBLISH %s: %#02x", topic, r)
			}
			if got := all.Drain(); (len(got) == 1) != granted {
				k.Errorf("PUBLISH %s is delivered %d times", topic, len(got))
			}
			c.Drain()
			owner.Say(k.Topic(topic), "x", 1)
			if got := c.Drain(); (len(got) == 1) != granted {
				k.Errorf("%s comes %d times to who may see it: %v", topic, len(got), granted)
			}
			all.Drain()
		}
	}},
	{V5: "EXT-SEL-1 EXT-REST-4", Title: "a selector in a REST topic path", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		pub := k.Connect(a.As())
		for _, t := range selectorTopics {
			pub.Publish(wire.Publish{Topic: k.Topic(t), Payload: t, QoS: 1, Retain: true})
		}
		path := "/mqtt/messages/" + url.PathEscape(k.Topic("s/a,b/x/e,f/field"))
		status, result := k.REST(a.Key, "GET", path, "")
		got := map[string]bool{}
		for _, r := range result {
			got[text(r["topic"])] = true
		}
		if status != 200 || len(result) != selected {
			k.Errorf("GET: status %d, %d messages: %v", status, len(result), got)
		}
		for _, t := range selectorTopics[:selected] {
			if !got[k.Topic(t)] {
				k.Errorf("GET: no %s", t)
			}
		}
		status, result = k.REST(a.Key, "DELETE", path, "")
		if status != 200 || len(result) != 1 || text(result[0]["deleted_count"]) != fmt.Sprint(selected) {
			k.Errorf("DELETE: status %d, %v", status, result)
		}
		left := k.Connect(a.As())
		left.Grant(k.Topic("#"), 1)
		k.wantTopics("left", left.Drain(), selectorTopics[selected:]...)
	}},
}
