package conform

import (
	"fmt"
	"strings"
	"time"

	"alcove/test/conform/wire"
)

// crossingCases are about features that meet each other.
var crossingCases = []Case{
	{V5: "EXT-SEL-1 EXT-TOK-5", V311: "EXT-SEL-1 EXT-TOK-5", Title: "a comma in a client id makes no selector of {client_id}", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		narrow := k.Rule(a, may(k.Topic("{client_id}/#"), "publish,subscribe"))
		id := k.Name() + ",victim"
		c, all := k.Connect(narrow.As(), withID(id)), k.Connect(a.As())
		all.Grant(k.Topic("#"), 1)
		c.Publish(wire.Publish{Topic: k.Topic("victim/x"), Payload: "no", QoS: 1})
		c.Publish(wire.Publish{Topic: k.Topic(strings.TrimSuffix(id, ",victim") + "/x"), Payload: "no", QoS: 1})
		all.Silent()
		for _, filter := range []string{"victim/x", "victim/#", "a,b/x"} {
			if r := c.Subscribe(k.Topic(filter), 1); r != k.refusal(0x87) {
				k.Errorf("SUBSCRIBE %s: %#02x", filter, r)
			}
		}
		c.Subscribe(k.Topic(id+"/#"), 1) // as a selector it also asks for what it may not see
		for _, t := range []string{"victim/x", strings.TrimSuffix(id, ",victim") + "/x"} {
			all.Say(k.Topic(t), "no", 1)
			all.Want("no")
		}
		c.Silent()
		c.Publish(wire.Publish{Topic: k.Topic(id + "/x"), Payload: "own", QoS: 1})
		all.Want("own")
		c.Want("own")
	}},
	{V5: "EXT-SHR-4 EXT-TOK-7", Title: "a member gets nothing that its token may not see, and words stick to those who may", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		narrow := k.Rule(a, may(k.Topic("yes/#"), "subscribe"))
		for _, suffix := range []string{"", ":3:1"} {
			filter := "$share/g" + suffix + "/" + k.Topic("+/+")
			wide, wider, short, pub := k.Connect(a.As()), k.Connect(a.As()), k.Connect(narrow.As()), k.Connect(a.As())
			all := []*Client{wide, wider, short}
			for _, c := range all {
				c.Grant(filter, 1)
			}
			home := map[string]int{}
			for round := range 3 {
				for i := range 30 {
					for _, branch := range []string{"yes", "no"} {
						pub.Say(k.Topic(fmt.Sprintf("%s/%d", branch, i)), fmt.Sprint(round), 1)
					}
				}
				total := 0
				k.Until("60 messages come", func() bool {
					for i, c := range all {
						for _, p := range c.Drain() {
							total++
							if at, ok := home[p.Topic]; suffix != "" && ok && at != i {
								k.Errorf("%s comes to %d and %d", p.Topic, at, i)
							}
							home[p.Topic] = i
							if c == short && !strings.HasPrefix(p.Topic, k.Topic("yes/")) {
								k.Errorf("the narrow member gets %v", p)
							}
						}
					}
					return total == 60
				})
			}
			for _, c := range all {
				c.Bye()
			}
		}
	}},
	{V5: "EXT-SHR-4 EXT-SHR-5", Title: "one session is one member, however it writes the group", Needs: needsDialect, Run: func(k *Kit) {
		group := "$share/" + k.Name()
		c, pub := k.Connect(), k.Connect()
		c.Grant(group+":0:3/"+k.Topic("a"), 1)
		c.Grant(group+":3/"+k.Topic("a"), 1)
		pub.Say(k.Topic("a"), "x", 1)
		c.Want("x")
		c.Silent()
		if r := c.Unsubscribe(group + ":3/" + k.Topic("a")); r[0] != 0 {
			k.Errorf("UNSUBSCRIBE: %#02x", r[0])
		}
		c.Unsubscribe(group + ":0:3/" + k.Topic("a"))
		pub.Say(k.Topic("a"), "x", 1)
		c.Silent()
	}},
	{V5: "EXT-LIM-1 EXT-FIL-1", V311: "EXT-LIM-1 EXT-FIL-1", Title: "the levels of $share and $filter are not the topic's", Needs: needsDialect, Run: func(k *Kit) {
		c := k.Connect()
		deep := k.Topic(strings.TrimSuffix(strings.Repeat("x/", 62), "/")) // 64 levels
		for _, prefix := range []string{"", "$share/g/", "$share/g:3:2/", "$filter/payload=v/", "$share/g/$filter/payload=v/"} {
			c.Grant(prefix+deep, 1)
			if r := c.Subscribe(prefix+deep+"/y", 1); r < 0x80 {
				k.Errorf("%s65 levels: %#02x", prefix, r)
			}
		}
	}},
	{V5: "EXT-RET-4", V311: "EXT-RET-4", Title: "the retained messages of every filter in a SUBSCRIBE come before its SUBACK", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		k.fill(a, 60, 10)
		c := k.Connect(a.As())
		c.Send(wire.Subscribe(c.V, 1, nil, wire.Sub{Filter: k.Topic("p/1,2,3")}, wire.Sub{Filter: "a,,b"}, wire.Sub{Filter: k.Topic("p/4,5"), Options: 1}, wire.Sub{Filter: k.Topic("p/6")}))
		n := 0
		for p := c.Next(); p == nil || p.Type != wire.SUBACK; p = c.Next() {
			if p == nil {
				k.Fatalf("no SUBACK")
			}
			n++
		}
		if n != 6 {
			k.Errorf("%d of 6 before the SUBACK", n)
		}
	}},
	{V5: "EXT-RET-1 MQTT-3.3.2-5", Title: "an expired message does not hold its place", Needs: needsDialect, Run: func(k *Kit) {
		pub := k.Connect()
		k.Clear(k.Topic("a"))
		pub.Publish(wire.Publish{Topic: k.Topic("a"), Payload: "short", QoS: 1, Retain: true, Props: wire.Props{wire.User("timestamp", "1700000000"), wire.Num(wire.MessageExpiry, 1)}})
		wantRetained(k, "short")
		time.Sleep(2100 * time.Millisecond)
		wantRetained(k, "")
		k.put(pub, "a", "older", "1600000000", 1)
		wantRetained(k, "older")
		pub.Publish(wire.Publish{Topic: k.Topic("b"), Payload: "short", QoS: 1, Retain: true, Props: wire.Props{wire.Num(wire.MessageExpiry, 1)}})
		time.Sleep(2100 * time.Millisecond)
		k.deleted("a and the expired b", pub.PublishAck(wire.Publish{Topic: k.Topic("+"), QoS: 1}), 1)
	}},
	{V5: "EXT-UP-5", Title: "a token above 65,535 bytes is cut", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		var rules []string
		for i := range 60 {
			rules = append(rules, may(fmt.Sprintf("%s/%d", strings.Repeat("long,", 239)+"word", i), "subscribe"))
		}
		big := k.Rule(a, rules...)
		c := k.Connect(big.As())
		if v := k.value(c.Connack, "token"); len(v) > 65535 || k.cut(c, 0, big) != "everything" && k.cut(c, 0, big) != "short token" {
			k.Errorf("token of %d bytes", len(v))
		}
		var t struct{ Access map[string]any }
		if k.parsed(c, "token", &t); t.Access["acl"] != nil {
			k.Errorf("rules of more than 65,535 bytes are told")
		}
	}},
	{V5: "EXT-UP-3 EXT-RET-3", Title: "properties of a SUBSCRIBE that mean nothing here change nothing", Needs: needsDialect, Run: func(k *Kit) {
		c := k.Connect()
		c.Grant(k.Topic("a"), 1, wire.User("x", "y"), wire.User("x", "z"), wire.User("timestamp", "1"), wire.User("CID", "7"), wire.User("", ""))
		c.Say(k.Topic("a"), "x", 1)
		c.Want("x")
		if r := c.UnsubscribeWith(wire.Props{wire.User("x", "other")}, k.Topic("a")); r[0] != 0 {
			k.Errorf("UNSUBSCRIBE: %#02x", r[0])
		}
	}},
	{V5: "EXT-SES-1 EXT-UP-3 EXT-FIL-1 EXT-SHR-3", Title: "a takeover by a narrower token loses filtered, shared and queued messages too", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		narrow := k.Rule(a, may(k.Topic("yes/#"), "subscribe"))
		id := k.Name()
		c := k.Connect(a.As(), kept(id))
		c.Grant("$filter/payload=v>0/"+k.Topic("#"), 1)
		c.Grant("$filter/payload=v>0/"+k.Topic("no/x"), 1)
		c.Grant("$share/g/"+k.Topic("+/s"), 1)
		c.Grant("$share/h:2:1/"+k.Topic("no/s"), 1)
		c.Bye()
		pub := k.Connect(a.As())
		for _, t := range []string{"no/x", "yes/x", "no/s", "yes/s"} {
			pub.Say(k.Topic(t), `{"v":1}`, 1)
		}
		c = k.Connect(narrow.As(), kept(id))
		for _, p := range append([]*wire.Packet{c.Take(), c.Take()}, c.Drain()...) {
			if !strings.HasPrefix(p.Topic, k.Topic("yes/")) {
				k.Errorf("%v", p)
			}
		}
		pub.Say(k.Topic("no/x"), `{"v":1}`, 1)
		pub.Say(k.Topic("no/s"), `{"v":1}`, 1)
		c.Silent()
	}},
}
