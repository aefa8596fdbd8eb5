package conform

import (
	"fmt"
	"strings"
	"time"

	"alcove/test/conform/wire"
)

func needsREST(t Target) string { return unless(t.Dialect && t.HTTP != "", "no REST address") }

var dialectCases = []Case{
	{V5: "EXT-LIM-1 EXT-SES-2", Title: "the limits are announced", Needs: needsDialect, Run: func(k *Kit) {
		c := k.Connect(kept(k.Name()))
		for id, want := range map[byte]uint32{wire.MaximumPacketSize: 16 << 20, wire.ReceiveMaximum: 1000, wire.TopicAliasMaximum: 100} {
			if got := c.Connack.Props.Num(id, 0); got != want {
				k.Errorf("property %d is %d, want %d", id, got, want)
			}
		}
		for _, id := range []byte{wire.RetainAvailable, wire.WildcardAvailable, wire.SubscriptionIDsOffer, wire.SharedSubscriptionsOK} {
			if c.Connack.Props.Num(id, 1) != 1 {
				k.Errorf("property %d is 0", id)
			}
		}
	}},
	{V5: "EXT-LIM-1", V311: "EXT-LIM-1", Title: "a topic has at most 64 levels", Needs: needsDialect, Run: func(k *Kit) {
		c := k.Connect()
		deep := k.Topic(strings.Repeat("x/", 61)[:121]) // 63 levels with the two of the case
		c.Grant(deep, 1)
		c.Say(deep, "x", 1)
		c.Want("x")
		if r := c.Publish(wire.Publish{Topic: deep + "/y/z", QoS: 1}); k.V >= wire.V5 && r != 0x90 {
			k.Errorf("PUBLISH with 65 levels: reason %#02x", r)
		}
		if r := c.Subscribe(deep+"/y/z", 1); r < 0x80 {
			k.Errorf("SUBSCRIBE with 65 levels: reason %#02x", r)
		}
	}},
	{V5: "EXT-LIM-1", V311: "EXT-LIM-1", Title: "a SUBSCRIBE has at most 1,000 filters", Needs: needsDialect, Run: func(k *Kit) {
		subs := make([]wire.Sub, 1001)
		for i := range subs {
			subs[i].Filter = k.Topic(fmt.Sprint(i))
		}
		c := k.Connect()
		c.SubscribeAll(nil, subs[:1000]...)
		// What is over it is refused, filter by filter, or the connection ends.
		c.Send(wire.Subscribe(k.V, 9, nil, subs...))
		if p := c.Next(); p != nil && p.Type == wire.SUBACK {
			if last := p.Reasons[1000]; last != 0x97 && last != 0x80 {
				k.Errorf("the 1,001st filter: %#02x", last)
			}
			return
		} else if p != nil {
			c.pending = append(c.pending, p)
		}
		c.Closed(0x97, 0x95, 0x83, 0x81, 0x82, 0x96)
	}},
	{V5: "EXT-LIM-1", V311: "EXT-LIM-1", Title: "a CONNECT above 128 KiB is closed", Needs: needsDialect, Run: func(k *Kit) {
		p := k.Packet(withWill(wire.Will{Topic: "a", Payload: strings.Repeat("x", 65535)}))
		p.Trailing = make([]byte, 70000)
		if got := k.Raw(p.Bytes()); len(got) > 3 && (got[0] != 0x20 || got[3] == 0) {
			k.Errorf("answered by %x", got)
		}
	}},
	{V5: "EXT-LIM-1", V311: "EXT-LIM-1", Title: "publishing to $ topics is allowed but for $share and $filter", Needs: needsDialect, Run: func(k *Kit) {
		pub, sub := k.Pair("$mine"+k.name+"/a", 1)
		pub.Say("$mine"+k.name+"/a", "x", 1)
		sub.Want("x")
		for _, t := range []string{"$share/g/" + k.Topic("a"), "$filter/x/" + k.Topic("a")} {
			for qos := byte(1); qos <= 2; qos++ {
				if r := pub.Publish(wire.Publish{Topic: t, QoS: qos, Payload: "x"}); k.V >= wire.V5 && r != 0x90 {
					k.Errorf("%s: reason %#02x", t, r)
				}
			}
			pub.Publish(wire.Publish{Topic: t, Payload: "x"})
		}
	}},
	{V5: "EXT-TOP-1 EXT-UP-7", V311: "EXT-TOP-1", Title: "topics under flespi/ are refused in the ack", Needs: needsDialect, Run: func(k *Kit) {
		pub, sub := k.Pair("flespi/conform/#", 1)
		for qos := range byte(3) {
			r := pub.Publish(wire.Publish{Topic: "flespi/conform/" + k.name, Payload: "x", QoS: qos})
			if k.V >= wire.V5 && qos > 0 && r != 0x90 {
				k.Errorf("QoS %d: reason %#02x", qos, r)
			}
		}
		pub.Ping()
		for _, p := range sub.Drain() {
			if strings.HasSuffix(p.Topic, k.name) {
				k.Errorf("delivered %v", p)
			}
		}
	}},
	{V5: "EXT-RET-2 EXT-UP-7", Title: "a message to a wildcard topic is refused by its QoS", Needs: needsDialect, Run: func(k *Kit) {
		c := k.Connect()
		for qos := byte(1); qos <= 2; qos++ {
			if r := c.Publish(wire.Publish{Topic: k.Topic("+"), Payload: "x", QoS: qos}); r != 0x90 {
				k.Errorf("QoS %d: reason %#02x", qos, r)
			}
		}
		c.Ping()
		c.Send(wire.Publish{Topic: k.Topic("#"), Payload: "x"}.Bytes(k.V))
		c.Closed(0x81)
	}},
	{V5: "EXT-RET-2", V311: "EXT-RET-2", Title: "a will to a wildcard or reserved topic is refused", Needs: needsDialect, Run: func(k *Kit) {
		for _, t := range []string{"a/+", "#", "flespi/x", "flespi"} {
			c, ack := k.Open(withWill(wire.Will{Topic: t}))
			if k.V >= wire.V5 && (ack == nil || ack.Reason != 0x90) || k.V < wire.V5 && ack != nil {
				k.Errorf("will to %q answered by %v", t, ack)
			}
			c.Closed()
		}
	}},
	badPacket("EXT-RET-2", "EXT-RET-2", "a control character in a topic closes", publishTo("a\x01b", 1), 0x81, 0x90),
	badPacket("EXT-RET-2", "EXT-RET-2", "U+FFFF in a topic closes", publishTo("a\uffffb", 1), 0x81, 0x90),
	badPacket("EXT-RET-2", "EXT-RET-2", "U+0085 in a topic closes", publishTo("a\u0085b", 1), 0x81, 0x90),
	{V5: "EXT-UP-6", Title: "Request Problem Information 0 leaves CONNACK whole", Needs: needsDialect, Run: func(k *Kit) {
		c := k.Connect(withID(""), withProps(wire.Num(wire.RequestProblem, 0)))
		if !c.Connack.Props.Has(wire.AssignedClientID) {
			k.Errorf("no Assigned Client Identifier")
		}
	}},
	{V5: "EXT-TOK-2", V311: "EXT-TOK-2", Title: "each form of login is accepted, and a wrong key is not", Needs: needsREST, Run: func(k *Kit) {
		t := k.Token(`"access":{"type":0}`)
		user := "someone"
		for _, pair := range [][2]string{{t.Key, ""}, {"FlespiToken " + t.Key, ""}, {"Bearer " + t.Key, "x"}, {user, t.Key}, {user, "FlespiToken " + t.Key}, {t.ID, t.Key[:16]}} {
			k.Connect(withUser(&pair[0], &pair[1])).Bye()
		}
		for _, pair := range [][2]string{{t.Key[:63] + "!", ""}, {strings.Repeat("a", 64), ""}, {t.ID, t.Key[:15]}, {t.ID, strings.Repeat("a", 16)}, {user, ""}, {"", ""}} {
			_, ack := k.Open(withUser(&pair[0], &pair[1]))
			want := byte(0x86)
			if k.V < wire.V5 {
				want = 4
			}
			if ack == nil || ack.Reason != want {
				k.Errorf("%.8q, %.8q answered by %v", pair[0], pair[1], ack)
			}
		}
	}},
	{V5: "EXT-TOK-1 EXT-TOK-3", Title: "a key is shown once", Needs: needsREST, Run: func(k *Kit) {
		t := k.Token(`"access":{"type":0}`)
		if len(t.Key) != 64 || strings.Trim(t.Key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") != "" {
			k.Errorf("key of %d characters", len(t.Key))
		}
		status, result := k.REST(k.User, "GET", "/platform/tokens/"+t.ID, "")
		if status != 200 || len(result) != 1 || text(result[0]["key"]) != "" || text(result[0]["info"]) != "conform" || text(result[0]["ttl"]) != "3600" {
			k.Errorf("status %d, %v", status, result)
		}
	}},
	{V5: "EXT-TOK-4", Title: "only a master token may use /platform", Needs: needsREST, Run: func(k *Kit) {
		for fields, want := range map[string]int{`"access":{"type":0}`: 403, `"access":{"type":1}`: 200, `"access":{"type":2,"acl":[{"uri":"mqtt","topic":"#","actions":["publish","subscribe"]}]}`: 403} {
			t := k.Token(fields)
			if status, _ := k.REST(t.Key, "GET", "/platform/tokens/"+t.ID, ""); status != want {
				k.Errorf("%s: status %d, want %d", fields, status, want)
			}
			k.Connect(t.As()).Bye()
		}
	}},
	{V5: "EXT-TOK-5 EXT-TOK-6 EXT-UP-7", V311: "EXT-TOK-5 EXT-TOK-6 MQTT311-3.3.5-2", Title: "publishing outside the rules is refused in the ack and not delivered", Needs: needsREST, Run: func(k *Kit) {
		t := k.Token(fmt.Sprintf(`"access":{"type":2,"acl":[{"uri":"mqtt","topic":"%s","actions":["publish"]}]}`, k.Topic("yes/+")))
		sub := k.Connect()
		sub.Grant(k.Topic("#"), 2)
		pub := k.Connect(t.As())
		for qos := range byte(3) {
			for _, topic := range []string{"no", "yes", "yes/a/b"} {
				r := pub.Publish(wire.Publish{Topic: k.Topic(topic), Payload: "denied", QoS: qos})
				if k.V >= wire.V5 && qos > 0 && r != 0x87 {
					k.Errorf("%s QoS %d: reason %#02x", topic, qos, r)
				}
			}
			pub.Say(k.Topic("yes/a"), "granted", qos)
			sub.Want("granted")
		}
		sub.Silent()
		if r := pub.Subscribe(k.Topic("yes/a"), 1); r != 0x87 && r != 0x80 {
			k.Errorf("SUBSCRIBE without a rule: %#02x", r)
		}
	}},
	{V5: "EXT-TOK-7", V311: "EXT-TOK-7", Title: "a wide filter brings only what the token may see, on every path", Needs: needsREST, Run: func(k *Kit) {
		t := k.Token(fmt.Sprintf(`"access":{"type":2,"acl":[{"uri":"mqtt","topic":"%s","actions":["subscribe"]}]}`, k.Topic("yes/#")))
		pub := k.Connect()
		for _, topic := range []string{"yes/r", "no/r"} {
			k.Retain(pub, wire.Publish{Topic: k.Topic(topic), Payload: topic, QoS: 1})
		}
		id := k.Name()
		sub := k.Connect(kept(id), t.As())
		if r := sub.Subscribe(k.Topic("no/x"), 1); r != 0x87 && r != 0x80 {
			k.Errorf("a filter outside the rules: %#02x", r)
		}
		sub.Grant(k.Topic("#"), 1)
		sub.Want("yes/r")
		shared := k.Connect(t.As())
		shared.Grant("$share/"+k.Name()+"/"+k.Topic("#"), 1)
		say := func() {
			pub.Say(k.Topic("no/l"), "no", 1)
			pub.Say(k.Topic("yes/l"), "yes", 1)
		}
		say()
		sub.Want("yes")
		shared.Want("yes")
		sub.Silent()
		shared.Silent()
		k.Connect(withWill(wire.Will{Topic: k.Topic("no/w"), Payload: "no", QoS: 1})).Drop()
		k.Connect(withWill(wire.Will{Topic: k.Topic("yes/w"), Payload: "will", QoS: 1})).Drop()
		sub.Want("will")
		sub.Bye()
		say()
		sub = k.Connect(kept(id), t.As())
		sub.Want("yes")
		sub.Silent()
	}},
	{V5: "EXT-TOK-5", V311: "EXT-TOK-5", Title: "{client_id} in a rule is the client's own name, literally", Needs: needsREST, Run: func(k *Kit) {
		t := k.Token(fmt.Sprintf(`"access":{"type":2,"acl":[{"uri":"mqtt","topic":"%s","actions":["publish","subscribe"]}]}`, k.Topic("{client_id}/#")))
		id := k.Name()
		c := k.Connect(withID(id), t.As())
		c.Grant(k.Topic(id+"/#"), 1)
		c.Say(k.Topic(id+"/x"), "x", 1)
		c.Want("x")
		if r := c.Subscribe(k.Topic("other/x"), 1); r < 0x80 {
			k.Errorf("another's level granted")
		}
		wild := "+" // the two variants run side by side and must not take each other over
		if k.V < wire.V5 {
			wild = "#"
		}
		for _, id := range []string{wild, "+" + k.Name()} {
			c := k.Connect(withID(id), t.As())
			if r := c.Subscribe(k.Topic("other/x"), 1); r < 0x80 {
				k.Errorf("client id %q sees everything", id)
			}
			c.Bye()
		}
	}},
	{V5: "EXT-TOK-8", V311: "EXT-TOK-8", Title: "deleting or disabling a token ends its connections", Needs: needsREST, Run: func(k *Kit) {
		for _, kill := range [][2]string{{"DELETE", ""}, {"PUT", `{"enabled":false}`}} {
			t := k.Token(`"access":{"type":0}`)
			c := k.Connect(t.As())
			start := time.Now()
			if status, _ := k.REST(k.User, kill[0], "/platform/tokens/"+t.ID, kill[1]); status != 200 {
				k.Fatalf("%s: status %d", kill[0], status)
			}
			c.Closed(0x87)
			if d := time.Since(start); d > 5*time.Second {
				k.Errorf("closed after %v", d)
			}
			if _, ack := k.Open(t.As()); ack == nil || ack.Reason == 0 {
				k.Errorf("%s: CONNECT answered by %v", kill[0], ack)
			}
		}
	}},
	{V5: "EXT-TOK-8 EXT-TOK-7", Title: "a changed rule acts on a live subscription", Needs: needsREST, Run: func(k *Kit) {
		acl := func(levels string) string {
			return fmt.Sprintf(`"access":{"type":2,"acl":[{"uri":"mqtt","topic":"%s","actions":["subscribe"]}]}`, k.Topic(levels))
		}
		t := k.Token(acl("#"))
		c := k.Connect(t.As())
		c.Grant(k.Topic("#"), 1)
		pub := k.Connect()
		pub.Say(k.Topic("a"), "before", 1)
		c.Want("before")
		if status, _ := k.REST(k.User, "PUT", "/platform/tokens/"+t.ID, "{"+acl("b/#")+"}"); status != 200 {
			k.Fatalf("PUT: status %d", status)
		}
		k.Until("the narrower rule acts", func() bool {
			pub.Say(k.Topic("a"), "denied", 1)
			return len(c.Drain()) == 0
		})
		pub.Say(k.Topic("b/x"), "granted", 1)
		c.Want("granted")
	}},
	{V5: "EXT-SES-1", Title: "a takeover by a narrower token loses what it may not see", Needs: needsREST, Run: func(k *Kit) {
		t := k.Token(fmt.Sprintf(`"access":{"type":2,"acl":[{"uri":"mqtt","topic":"%s","actions":["subscribe"]}]}`, k.Topic("yes/#")))
		id := k.Name()
		c := k.Connect(kept(id))
		c.Grant(k.Topic("#"), 1)
		c.Grant(k.Topic("no/#"), 1)
		c.Bye()
		pub := k.Connect()
		pub.Say(k.Topic("no/a"), "denied", 1)
		pub.Say(k.Topic("yes/a"), "granted", 1)
		c = k.Connect(kept(id), t.As())
		c.Want("granted")
		pub.Say(k.Topic("no/a"), "denied", 1)
		c.Silent()
	}},
	{V5: "EXT-ACC-1", V311: "EXT-ACC-1", Title: "accounts do not meet", Needs: needsREST, Run: func(k *Kit) {
		key := k.Account()
		id := k.Name()
		foreign := Token{Key: key}
		theirs := k.Connect(kept(id), foreign.As())
		theirs.Grant("#", 1)
		theirs.Grant(k.Topic("a"), 1)
		ours := k.Connect(kept(id)) // the same client id takes nothing over
		ours.Grant(k.Topic("a"), 1)
		theirs.Ping()
		k.Retain(ours, wire.Publish{Topic: k.Topic("a"), Payload: "ours", QoS: 1})
		ours.Want("ours")
		theirs.Silent()
		theirs.Grant(k.Topic("+"), 1)
		theirs.Silent()
		theirs.Say(k.Topic("a"), "theirs", 1)
		theirs.Want("theirs")
		ours.Silent()
	}},
}

// accountCases are about trees of accounts and what their parents may do.
var accountCases = []Case{
	{V5: "EXT-ACC-2", V311: "EXT-ACC-2", Title: "an account hears its descendants, and nobody else does", Needs: needsREST, Run: func(k *Kit) {
		parent := k.Account()
		childID, child := k.Subaccount(parent, "")
		_, grandchild := k.Subaccount(parent, childID)
		_, sibling := k.Subaccount(parent, "")
		keys := []string{k.User, parent, child, sibling, grandchild}
		var subs []*Client
		for _, key := range keys {
			c := k.Connect(Token{Key: key}.As())
			c.Grant(k.Topic("#"), 1)
			subs = append(subs, c)
		}
		hears := map[int][]int{0: {0}, 1: {1}, 2: {1, 2}, 3: {1, 3}, 4: {1, 2, 4}}
		for from, to := range hears {
			k.Connect(Token{Key: keys[from]}.As()).Say(k.Topic("a"), fmt.Sprint(from), 1)
			for _, i := range to {
				subs[i].Want(fmt.Sprint(from))
			}
			for i, c := range subs {
				if got := c.Drain(); len(got) > 0 {
					k.Errorf("account %d hears account %d: %v", i, from, got[0])
				}
			}
		}
	}},
	{V5: "EXT-ACC-2", Title: "trees are four levels deep", Needs: needsREST, Run: func(k *Kit) {
		parent := k.Account()
		in := ""
		for range 3 {
			in, _ = k.Subaccount(parent, in)
		}
		if status, result := k.RESTIn(in, parent, "POST", "/platform/subaccounts", `[{"name":"too deep"}]`); status == 200 {
			k.Errorf("a fifth level is made: %v", result)
		}
	}},
	{V5: "EXT-ACC-4", V311: "EXT-ACC-4", Title: "a blocked account and those below it are refused and disconnected", Needs: needsREST, Run: func(k *Kit) {
		parent := k.Account()
		childID, child := k.Subaccount(parent, "")
		_, grandchild := k.Subaccount(parent, childID)
		var live []*Client
		for _, key := range []string{child, grandchild} {
			live = append(live, k.Connect(Token{Key: key}.As()))
		}
		set := func(reason int) {
			if status, _ := k.REST(parent, "PUT", "/platform/subaccounts/"+childID, fmt.Sprintf(`{"blocked":%d}`, reason)); status != 200 {
				k.Fatalf("PUT blocked: status %d", status)
			}
		}
		set(1)
		for i, key := range []string{child, grandchild} {
			live[i].Closed()
			_, ack := k.Open(Token{Key: key}.As())
			if ack == nil || ack.Reason == 0 || k.V >= wire.V5 && ack.Reason != 0x8a {
				k.Errorf("CONNECT answered by %v", ack)
			}
			if status, _ := k.REST(key, "GET", "/platform/customer", ""); status != 403 {
				k.Errorf("REST: status %d", status)
			}
		}
		k.Connect(Token{Key: parent}.As()).Ping()
		set(0)
		k.Connect(Token{Key: grandchild}.As()).Ping()
	}},
	{V5: "EXT-ACC-5 EXT-SES-2", Title: "the account's limit of Session Expiry acts and is told in CONNACK", Needs: needsREST, Run: func(k *Kit) {
		parent := k.Account()
		_, child := k.Subaccount(parent, "")
		if status, _ := k.REST(parent, "PUT", "/platform/customer", `{"settings":{"session_expiry_max":100}}`); status != 200 {
			k.Fatalf("PUT settings: status %d", status)
		}
		for _, key := range []string{parent, child} { // what is not set is the parent's
			k.Until("the setting acts", func() bool {
				c, ack := k.Open(Token{Key: key}.As(), withProps(wire.Num(wire.SessionExpiry, 5000)))
				defer c.Bye()
				return ack != nil && ack.Reason == 0 && ack.Props.Num(wire.SessionExpiry, 0) == 100
			})
			if c := k.Connect(Token{Key: key}.As(), withProps(wire.Num(wire.SessionExpiry, 50))); c.Connack.Props.Num(wire.SessionExpiry, 50) != 50 {
				k.Errorf("50 seconds are changed: %v", c.Connack.Props)
			}
		}
	}},
	{V5: "EXT-ACC-3 EXT-ACC-1", Title: "the operator manages a top-level account and hears nothing of it", Needs: needsREST, Run: func(k *Kit) {
		theirs := k.Account()
		c := k.Connect()
		c.Grant(k.Topic("#"), 1)
		k.Connect(Token{Key: theirs}.As()).Say(k.Topic("a"), "private", 1)
		c.Silent()
		if status, _ := k.REST(theirs, "POST", "/platform/customers", `[{"name":"no"}]`); status != 403 {
			k.Errorf("another account makes top-level accounts: status %d", status)
		}
	}},
}

// Subaccount makes an account below the one that key belongs to, or below its
// descendant in, and returns its id and the key of a master token of its own.
func (k *Kit) Subaccount(key, in string) (id, master string) {
	status, result := k.RESTIn(in, key, "POST", "/platform/subaccounts", `[{"name":"conform"}]`)
	if status != 200 || len(result) != 1 {
		k.Fatalf("POST /platform/subaccounts: status %d, %v", status, result)
	}
	id = text(result[0]["id"])
	status, result = k.RESTIn(id, key, "POST", "/platform/tokens", `[{"info":"conform","ttl":3600,"access":{"type":1}}]`)
	if status != 200 || len(result) != 1 {
		k.Fatalf("POST /platform/tokens in account %s: status %d, %v", id, status, result)
	}
	return id, text(result[0]["key"])
}

// Account makes a top-level account and returns its master token's key; the
// target's token must be the operator's.
func (k *Kit) Account() string {
	status, result := k.REST(k.User, "POST", "/platform/customers", fmt.Sprintf(`[{"name":"conform %s"}]`, k.name))
	if status == 403 || status == 404 {
		k.Skipf("the token is not the operator's")
	}
	if status != 200 || len(result) != 1 {
		k.Fatalf("POST /platform/customers: status %d, %v", status, result)
	}
	k.Cleanup(func() { k.REST(k.User, "DELETE", "/platform/customers/"+text(result[0]["id"]), "") })
	for _, field := range []string{"key", "token"} {
		switch v := result[0][field].(type) {
		case string:
			return v
		case map[string]any:
			return text(v["key"])
		}
	}
	k.Fatalf("POST /platform/customers answers %v", result[0])
	return ""
}
