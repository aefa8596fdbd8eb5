package conform

import (
	"fmt"

	"alcove/test/conform/wire"
)

var sharingCases = []Case{
	{V5: "EXT-FIL-1", V311: "EXT-FIL-1", Title: "expressions over one filter are subscriptions of their own, and a message comes once", Needs: needsDialect, Run: func(k *Kit) {
		c := k.Connect()
		low, high := "$filter/payload=v>1/"+k.Topic("a"), "$filter/payload=v>3/"+k.Topic("a")
		c.Grant(low, 0)
		c.Grant(high, 1)
		c.Say(k.Topic("a"), numbered(5), 1)
		if p := c.Want(numbered(5)); p.QoS != 1 {
			k.Errorf("%v", p)
		}
		c.Silent()
		c.Say(k.Topic("a"), numbered(2), 1)
		if p := c.Want(numbered(2)); p.QoS != 0 {
			k.Errorf("%v", p)
		}
		c.Grant(k.Topic("a"), 0) // a plain one beside them passes everything
		c.Say(k.Topic("a"), numbered(0), 1)
		c.Want(numbered(0))
		c.Silent()
		c.Unsubscribe(low, k.Topic("a"))
		c.Say(k.Topic("a"), numbered(2), 1)
		c.Silent()
		c.Say(k.Topic("a"), numbered(4), 1)
		c.Want(numbered(4))
	}},
	{V5: "EXT-FIL-1", Title: "only the subscriptions that pass give their identifiers", Needs: needsDialect, Run: func(k *Kit) {
		c := k.Connect()
		c.Grant("$filter/payload=v>1/"+k.Topic("a"), 1, wire.Num(wire.SubscriptionID, 1))
		c.Grant("$filter/payload=v>3/"+k.Topic("a"), 1, wire.Num(wire.SubscriptionID, 3))
		for v, want := range map[int]int{2: 1, 5: 2} {
			c.Say(k.Topic("a"), numbered(v), 1)
			if ids := c.Want(numbered(v)).Props.All(wire.SubscriptionID); len(ids) != want || ids[0].Num != 1 && ids[len(ids)-1].Num != 1 {
				k.Errorf("v=%d: identifiers %v", v, ids)
			}
		}
		c.Silent()
	}},
	{V5: "EXT-FIL-3", V311: "EXT-FIL-3", Title: "ten thousand subscriptions with one expression", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		c, pub := k.Connect(a.As()), k.Connect(a.As())
		const packets, each = 10, 1000
		for i := range packets {
			subs := make([]wire.Sub, each)
			for j := range subs {
				subs[j] = wire.Sub{Filter: fmt.Sprintf("$filter/payload=v>1/%s", k.Topic(fmt.Sprintf("%d/+/x", i*each+j))), Options: 1}
				if j%2 == 1 { // half of them meet every message
					subs[j].Filter = fmt.Sprintf("$filter/payload=v>1&modified_since=%d/%s", i*each+j, k.Topic("+/a/x"))
				}
			}
			for j, r := range c.SubscribeAll(nil, subs...) {
				if r != 1 {
					k.Fatalf("%s: %#02x", subs[j].Filter, r)
				}
			}
		}
		for v := range 4 {
			pub.Say(k.Topic("7000/a/x"), numbered(v), 1)
		}
		c.Want(numbered(2))
		c.Want(numbered(3))
		c.Silent()
	}},
	{V5: "EXT-FIL-3", Title: "what does not pass is not queued for anybody", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		ids := make([]string, 20)
		for i := range ids {
			ids[i] = k.Name()
			c := k.Connect(a.As(), kept(ids[i]))
			c.Grant("$filter/payload="+percent("v%10==0")+"/"+k.Topic("a"), 1)
			c.Bye()
		}
		pub := k.Connect(a.As())
		for v := range 100 {
			pub.Say(k.Topic("a"), numbered(v), 1)
		}
		for _, id := range ids {
			c := k.Connect(a.As(), kept(id))
			for v := range 10 {
				c.Want(numbered(v * 10))
			}
			c.Silent()
			c.Bye()
		}
	}},
}
