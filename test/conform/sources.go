package conform

import (
	"fmt"

	"alcove/test/conform/wire"
)

// from is the SUBSCRIBE property that asks for one account's messages.
func from(a account) wire.Prop { return wire.User("cid", a.ID) }

// sayFrom publishes to a topic of the case from each account of a tree, with
// the account's role as payload; what goes to "r" is retained.
func (k *Kit) sayFrom(t tree, levels string) {
	for role, a := range map[string]account{"parent": t.parent, "child": t.child, "grandchild": t.grandchild, "sibling": t.sibling} {
		k.Connect(a.As()).Publish(wire.Publish{Topic: k.Topic(levels), Payload: role, QoS: 1, Retain: levels == "r"})
	}
}

// wantOnly drains a client; each message must have the payload, n in all.
func (k *Kit) wantOnly(what string, c *Client, payload string, n int) {
	got := c.Drain()
	if len(got) != n {
		k.Errorf("%s: %d messages, want %d: %s", what, len(got), n, payloads(got))
	}
	for _, p := range got {
		if p.Payload != payload {
			k.Errorf("%s: %v", what, p)
		}
	}
}

var sourceCases = []Case{
	{V5: "EXT-UP-3 EXT-RET-2", Title: "cid brings only what that very account publishes, live, retained and queued", Needs: needsREST, Run: func(k *Kit) {
		t := k.Tree()
		k.sayFrom(t, "r")
		for role, a := range map[string]account{"parent": t.parent, "child": t.child, "grandchild": t.grandchild, "sibling": t.sibling} {
			id := k.Name()
			c := k.Connect(t.parent.As(), kept(id))
			c.Grant(k.Topic("+"), 1, from(a))
			k.wantOnly(role+" retained", c, role, 1)
			k.sayFrom(t, "l")
			k.wantOnly(role+" live", c, role, 1)
			c.Bye()
			k.sayFrom(t, "l")
			c = k.Connect(t.parent.As(), kept(id))
			c.Want(role)
			c.Silent()
			c.Bye()
		}
		all := k.Connect(t.parent.As())
		all.Grant(k.Topic("r"), 1)
		seen := map[string]string{}
		for _, p := range all.Drain() { // one topic in four accounts is four messages
			seen[p.Payload] = k.value(p, "cid")
		}
		if want := fmt.Sprint(map[string]string{"parent": t.parent.ID, "child": t.child.ID, "grandchild": t.grandchild.ID, "sibling": t.sibling.ID}); fmt.Sprint(seen) != want {
			k.Errorf("retained of four accounts: %v, want %v", seen, want)
		}
	}},
	{V5: "EXT-UP-3 EXT-FIL-1", V311: "EXT-UP-3 EXT-FIL-1", Title: "cid inside $filter does the same", Needs: needsREST, Run: func(k *Kit) {
		t := k.Tree()
		k.sayFrom(t, "r")
		c := k.Connect(t.parent.As())
		c.Grant("$filter/cid="+t.child.ID+"/"+k.Topic("+"), 1)
		k.wantOnly("retained", c, "child", 1)
		k.sayFrom(t, "l")
		k.wantOnly("live", c, "child", 1)
		member := k.Connect(t.parent.As())
		member.Grant("$share/g/$filter/cid="+t.sibling.ID+"/"+k.Topic("+"), 1)
		k.sayFrom(t, "s")
		k.wantOnly("shared", member, "sibling", 1)
	}},
	{V5: "EXT-UP-3 EXT-ACC-1", Title: "a foreign account is refused by 0x87", Needs: needsREST, Run: func(k *Kit) {
		t := k.Tree()
		c := k.Connect(t.child.As())
		stranger := k.Own()
		for what, id := range map[string]string{"the parent": t.parent.ID, "a sibling": t.sibling.ID, "a stranger": stranger.ID, "nobody": "999999999", "the operator": "1"} {
			if r := c.Subscribe(k.Topic("a"), 1, wire.User("cid", id)); r != 0x87 {
				k.Errorf("%s: %#02x", what, r)
			}
			if r := c.Subscribe("$filter/cid="+id+"/"+k.Topic("a"), 1); r != 0x87 {
				k.Errorf("%s in $filter: %#02x", what, r)
			}
		}
		for _, a := range []account{t.child, t.grandchild} {
			c.Grant(k.Topic("b"), 1, from(a))
		}
		k.sayFrom(t, "a")
		c.Silent()
		if r := k.Connect(t.parent.As()).Subscribe(k.Topic("a"), 1, from(stranger)); r != 0x87 {
			k.Errorf("a stranger: %#02x", r)
		}
	}},
	{V5: "EXT-UP-3", Title: "cid stands for every filter of its SUBSCRIBE and is part of what UNSUBSCRIBE names", Needs: needsREST, Run: func(k *Kit) {
		t := k.Tree()
		c := k.Connect(t.parent.As())
		c.SubscribeAll(wire.Props{from(t.child)}, wire.Sub{Filter: k.Topic("a"), Options: 1}, wire.Sub{Filter: k.Topic("b"), Options: 1})
		for _, l := range []string{"a", "b"} {
			k.sayFrom(t, l)
			k.wantOnly(l, c, "child", 1)
		}
		if r := c.UnsubscribeWith(wire.Props{from(t.sibling)}, k.Topic("a")); r[0] != 0x11 {
			k.Errorf("UNSUBSCRIBE of another account's: %#02x", r[0])
		}
		k.sayFrom(t, "a")
		k.wantOnly("after another's UNSUBSCRIBE", c, "child", 1)
		if r := c.UnsubscribeWith(wire.Props{from(t.child)}, k.Topic("a")); r[0] != 0 {
			k.Errorf("UNSUBSCRIBE: %#02x", r[0])
		}
		k.sayFrom(t, "a")
		c.Silent()
		k.sayFrom(t, "b")
		k.wantOnly("the other filter", c, "child", 1)
	}},
	{V5: "EXT-UP-3 EXT-SHR-5", Title: "a share of one account's messages", Needs: needsREST, Run: func(k *Kit) {
		t := k.Tree()
		for _, suffix := range []string{"", ":2:1"} {
			c := k.Connect(t.parent.As())
			c.Grant("$share/g"+suffix+"/"+k.Topic("a"), 1, from(t.grandchild))
			k.sayFrom(t, "a")
			k.wantOnly("group g"+suffix, c, "grandchild", 1)
			c.Bye()
		}
	}},
	{V5: "EXT-UP-3 EXT-SES-1", Title: "an account's subscription is still one after a new connection", Needs: needsREST, Run: func(k *Kit) {
		t := k.Tree()
		id := k.Name()
		c := k.Connect(t.parent.As(), kept(id))
		c.Grant(k.Topic("a"), 1, from(t.child))
		for range 2 { // resumed, and taken over
			c = k.Connect(t.parent.As(), kept(id))
			k.sayFrom(t, "a")
			k.wantOnly("resumed", c, "child", 1)
		}
	}},
	{V5: "EXT-UP-3", Title: "one filter for two accounts is two subscriptions", Needs: needsREST, Run: func(k *Kit) {
		t := k.Tree()
		c := k.Connect(t.parent.As())
		c.Grant(k.Topic("a"), 1, from(t.child))
		c.Grant(k.Topic("a"), 1, from(t.sibling))
		k.sayFrom(t, "a")
		if got := c.Drain(); len(got) != 2 {
			k.Errorf("%d messages: %s", len(got), payloads(got))
		}
		c.UnsubscribeWith(wire.Props{from(t.child)}, k.Topic("a"))
		k.sayFrom(t, "a")
		k.wantOnly("the one left", c, "sibling", 1)
	}},
}
