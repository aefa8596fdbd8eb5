package conform

import (
	"fmt"
	"regexp"
	"strings"

	"alcove/test/conform/wire"
)

// numbered is a payload with one number.
func numbered(v int) string { return fmt.Sprintf(`{"v":%d}`, v) }

// wrongFilters are subscriptions whose $filter part or what follows is none; %s
// stands for a topic of the case.
var wrongFilters = []string{
	"$filter/", "$filter//%s", "$filter/payload=v", "$filter/payload=v/", "$filter/%s", "$filter/payload/%s", "$filter/payload=/%s", "$filter/message=/%s",
	"$filter/colour=1/%s", "$filter/=1/%s", "$filter/&payload=v/%s", "$filter/payload=v&/%s", "$filter/payload=v&&message=qos/%s",
	"$filter/payload=v&payload=w/%s", "$filter/cid=1&cid=1/%s", "$filter/cid=/%s", "$filter/cid=abc/%s", "$filter/cid=-1/%s", "$filter/cid=1.5/%s", "$filter/cid>1/%s",
	"$filter/payload=(v/%s", "$filter/payload=v)/%s", "$filter/payload=v+/%s", "$filter/payload=1 2/%s", "$filter/payload=\"v/%s", "$filter/payload=nosuch(v)/%s",
	"$filter/payload=v/$share/g/%s", "$filter/payload=v/$filter/payload=v/%s", "$share/g/$filter/payload=v/$filter/payload=v/%s", "$share/g/$filter/payload=v/$share/h/%s",
	"$share/g/$filter/%s", "$share/g/$filter/payload=(/%s", "$filter/payload=v/a#", "$filter/payload=v/a,", "$filter/payload=v/#/%s",
}

var filterCases = []Case{
	{V5: "EXT-FIL-1 EXT-FIL-2", V311: "EXT-FIL-1 EXT-FIL-2", V31: "EXT-FIL-1 EXT-FIL-2", Title: "a filter passes what its expression says, at every QoS, live, retained, queued and of Wills", Needs: needsDialect, Run: func(k *Kit) {
		filter := "$filter/payload=v>1/" + k.Topic("+")
		pub := k.Connect()
		for v := range 4 {
			k.Retain(pub, wire.Publish{Topic: k.Topic(fmt.Sprint("r", v)), Payload: numbered(v), QoS: 1})
		}
		k.wantTopics("retained", k.Retained(filter), "r2", "r3")
		id := k.Name()
		sub := k.Connect(kept(id))
		sub.Grant(filter, 2)
		sub.Drain()
		for qos := range byte(3) {
			pub.Say(k.Topic("no"), numbered(1), qos)
			pub.Say(k.Topic("yes"), numbered(2), qos)
			if p := sub.Want(numbered(2)); p.QoS != qos || p.Topic != k.Topic("yes") {
				k.Errorf("%v", p)
			}
		}
		for v := range 3 {
			k.Connect(withWill(wire.Will{Topic: k.Topic("w"), Payload: numbered(v), QoS: 1})).Drop()
		}
		sub.Want(numbered(2))
		sub.Silent()
		sub.Bye()
		for v := range 4 {
			pub.Say(k.Topic("q"), numbered(v), 1)
		}
		sub = k.Connect(kept(id))
		sub.Want(numbered(2))
		sub.Want(numbered(3))
		sub.Silent()
		if r := sub.Unsubscribe(filter); len(r) > 0 && r[0] != 0 {
			k.Errorf("UNSUBSCRIBE: %#02x", r[0])
		}
		pub.Say(k.Topic("yes"), numbered(2), 1)
		sub.Silent()
	}},
	{V5: "EXT-FIL-1", V311: "EXT-FIL-1", Title: "items in any order, encoded or bare", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		pub := k.Connect(a.As())
		for _, items := range []string{
			"payload=v>1", "payload=v%3E1", "payload=%76%3e%31", "payload=v > 1", "payload=1<v", "payload=v==2", "payload=v>=2", "payload=v%2F2==1", "payload=v>0%26%26v<9",
			"payload=v==2|v==3", "payload=v*2-1>2", "payload=v>1?true:false", "payload=!(v<2)", "payload=v%25 2==0",
			"cid=" + a.ID, "message=qos==1", "payload=v>1&cid=" + a.ID, "cid=" + a.ID + "&payload=v>1", "modified_since=1&cid=" + a.ID + "&message=qos>0&payload=v>1",
			"message=topic~" + percent(`"*/a"`) + "&modified_since>5&payload=v", "payload=exists(v)", "message=" + percent(`topic=="`+k.Topic("a")+`"`), "payload=" + percent(`'a/b'!="c"`),
		} {
			c := k.Connect(a.As())
			if r := c.Subscribe("$filter/"+items+"/"+k.Topic("a"), 1); r != 1 {
				k.Errorf("%s: %#02x", items, r)
			} else {
				pub.Say(k.Topic("a"), numbered(2), 1)
				k.wantOnly(items, c, numbered(2), 1)
			}
			c.Bye()
		}
	}},
	{V5: "EXT-FIL-1", V311: "EXT-FIL-1", V31: "EXT-FIL-1", Title: "wrong forms fail alone, and the reason says where", Needs: needsDialect, Run: func(k *Kit) {
		c := k.Connect()
		subs := []wire.Sub{{Filter: "$filter/payload=v/" + k.Topic("a"), Options: 1}}
		for _, f := range wrongFilters {
			subs = append(subs, wire.Sub{Filter: strings.ReplaceAll(f, "%s", k.Topic("a")), Options: 1})
		}
		for i, r := range c.SubscribeAll(nil, subs...) {
			if want := k.refusal(0x8f); i == 0 && r != 1 || i > 0 && r != want {
				k.Errorf("%q: %#02x", subs[i].Filter, r)
			}
		}
		c.Say(k.Topic("a"), numbered(1), 1)
		k.wantOnly("the good one", c, numbered(1), 1)
		if k.V < wire.V5 {
			return
		}
		column := regexp.MustCompile(`[0-9]`)
		for _, s := range subs[1:] {
			if reason := c.SubscribeAck(nil, s).Props.Text(wire.ReasonString); !column.MatchString(reason) {
				k.Errorf("%q: Reason String %q names no column", s.Filter, reason)
			}
		}
		quiet := k.Connect(withProps(wire.Num(wire.RequestProblem, 0)))
		if ack := quiet.SubscribeAck(nil, subs[1]); ack.Reasons[0] != 0x8f || len(ack.Props) > 0 {
			k.Errorf("Request Problem Information 0: %v %v", ack, ack.Props)
		}
	}},
	{V5: "EXT-FIL-1", Title: "the column is that of the mistake", Needs: needsDialect, Run: func(k *Kit) {
		c := k.Connect()
		seen := map[string]bool{}
		for _, expr := range []string{"v>", "v>1>(", "speed>1%26%26)", "1+2+3+4+5+]"} {
			ack := c.SubscribeAck(nil, wire.Sub{Filter: "$filter/payload=" + expr + "/" + k.Topic("a")})
			reason := ack.Props.Text(wire.ReasonString)
			if ack.Reasons[0] != 0x8f || !strings.Contains(reason, "column") {
				k.Errorf("%s: %v", expr, ack)
			}
			seen[regexp.MustCompile(`column [0-9]+`).FindString(reason)] = true
		}
		if len(seen) != 4 {
			k.Errorf("columns %v", seen)
		}
	}},
	{V5: "EXT-FIL-1 EXT-TOK-7", V311: "EXT-FIL-1 EXT-TOK-7", Title: "rights are asked for the inner filter and each topic", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		narrow := k.Connect(k.Rule(a, may(k.Topic("yes/+"), "subscribe")).As())
		for _, prefix := range []string{"", "$share/g/"} {
			if r := narrow.Subscribe(prefix+"$filter/payload=v/"+k.Topic("no/x"), 1); r != k.refusal(0x87) {
				k.Errorf("%s: %#02x", prefix, r)
			}
		}
		narrow.Grant("$filter/payload=v>1/"+k.Topic("#"), 1)
		pub := k.Connect(a.As())
		for _, t := range []string{"no/x", "yes/x", "yes/x/y"} {
			pub.Say(k.Topic(t), numbered(2), 1)
		}
		k.wantTopics("narrow", narrow.Drain(), "yes/x")
	}},
	{V5: "EXT-FIL-1 EXT-SHR-5", V311: "EXT-FIL-1", Title: "inside a share each message that passes goes to one member", Needs: needsDialect, Run: func(k *Kit) {
		filter := "$share/" + k.Name() + "/$filter/payload=v>1/" + k.Topic("a")
		one, two, pub := k.Connect(), k.Connect(), k.Connect()
		one.Grant(filter, 1)
		two.Grant(filter, 1)
		for v := range 10 {
			pub.Say(k.Topic("a"), numbered(v), 1)
		}
		first, second := one.Drain(), two.Drain()
		if len(first)+len(second) != 8 || len(first) < 3 || len(second) < 3 {
			k.Errorf("%s and %s", payloads(first), payloads(second))
		}
	}},
	{V5: "EXT-FIL-2", V311: "EXT-FIL-2", Title: "payload= sees JSON, and nothing else matches", Needs: needsDialect, Run: func(k *Kit) {
		c := k.Connect()
		c.Grant("$filter/payload="+percent(`exists(v) || !$v`)+"/"+k.Topic("a"), 1)
		for payload, passes := range map[string]bool{`{"v":1}`: true, `{}`: true, ` {"v" : 1 } `: true, ``: false, `v`: false, `{"v":1`: false, `{"v":1}}`: false, "\xff\xfe": false, `{'v':1}`: false, `{"v":1,}`: false, `{"v":01}`: false, "{\"v\":\"\x01\"}": false} {
			c.Say(k.Topic("a"), payload, 1)
			if got := c.Drain(); (len(got) == 1) != passes {
				k.Errorf("%q comes %d times", payload, len(got))
			}
		}
	}},
	{V5: "EXT-FIL-2", Title: "message= sees topic, cid, timestamp, user_properties, payload, qos and retain", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		pub := k.Connect(a.As())
		message := wire.Publish{Topic: k.Topic("x/a"), Payload: "on fire", QoS: 1, Retain: true, Props: wire.Props{wire.User("unit", "C"), wire.User("max", "17"), wire.User("timestamp", "1700000000.5")}}
		for expr, passes := range map[string]bool{
			`topic=="` + k.Topic("x/a") + `"`: true, `topic=="x"`: false, `topic~"*/x/?"`: true, `word(topic,3)=="a"`: true, `word(topic,2)=="x"`: true, `word(topic,9)=="x"`: false,
			"cid==" + a.ID: true, "cid==" + a.ID + "1": false, "timestamp==1700000000.5": true, "timestamp>1700000000.5": false,
			`user_properties.unit=="C"`: true, `user_properties.unit=="F"`: false, "user_properties.max>16": true, "user_properties.none==1": false, "exists(user_properties.none)": false, "exists(user_properties.unit)": true,
			`payload=="on fire"`: true, `payload~"*fire"`: true, "len(payload)==7": true, "qos==1": true, "qos==0": false, "retain": true, "retain==false": false, "nosuch": false, "isnull($nosuch)": true,
		} {
			c := k.Connect(a.As())
			c.Grant("$filter/message="+percent(expr)+"/"+k.Topic("x/#"), 2)
			pub.Publish(message)
			if got := c.Drain(); (len(got) == 1) != passes {
				k.Errorf("live, %s: comes %d times", expr, len(got))
			}
			late := k.Connect(a.As())
			late.Grant("$filter/message="+percent(expr)+"/"+k.Topic("x/#"), 2)
			if got := late.Drain(); (len(got) == 1) != passes {
				k.Errorf("retained, %s: comes %d times", expr, len(got))
			}
			pub.Publish(wire.Publish{Topic: message.Topic, QoS: 1, Retain: true})
			c.Bye()
			late.Bye()
		}
	}},
	{V5: "EXT-FIL-2", V311: "EXT-FIL-2", Title: "payload= and message= both must hold", Needs: needsDialect, Run: func(k *Kit) {
		c := k.Connect()
		c.Grant("$filter/message=qos==1&payload=v==1/"+k.Topic("a"), 2)
		for qos := range byte(3) {
			for v := range 3 {
				c.Say(k.Topic("a"), numbered(v), qos)
			}
		}
		if p := c.Want(numbered(1)); p.QoS != 1 {
			k.Errorf("%v", p)
		}
		c.Silent()
	}},
}
