package conform

import (
	"fmt"
	"strconv"
	"strings"

	"alcove/test/conform/wire"
)

// put publishes a retained message with a timestamp of the publisher's own, or
// with none. The acknowledgement must say success whether it is stored or not.
func (k *Kit) put(c *Client, levels, payload, stamp string, qos byte) {
	p := wire.Publish{Topic: k.Topic(levels), Payload: payload, QoS: qos, Retain: true}
	if stamp != "" {
		p.Props = wire.Props{wire.User("timestamp", stamp)}
	}
	if r := c.Publish(p); r >= 0x80 {
		k.Fatalf("%s with timestamp %q refused by %#02x", payload, stamp, r)
	}
}

// seconds reads the timestamp of a message.
func (k *Kit) seconds(p *wire.Packet) float64 {
	f, err := strconv.ParseFloat(k.value(p, "timestamp"), 64)
	if err != nil {
		k.Fatalf("%v: timestamp %v", p, err)
	}
	return f
}

// since subscribes a fresh client with modified_since and returns the retained messages.
func (k *Kit) since(filter, stamp string) []*wire.Packet {
	c := k.Connect()
	var props wire.Props
	if stamp != "" {
		props = wire.Props{wire.User("modified_since", stamp)}
	}
	c.SubscribeAll(props, wire.Sub{Filter: filter, Options: 1})
	got := c.Drain()
	c.Bye()
	return got
}

// ranking publishes to one retained topic with timestamps of all kinds and
// looks after each which message is kept.
func (k *Kit) ranking(qos byte) {
	pub, sub := k.Pair(k.Topic("a"), 2)
	for _, step := range []struct{ payload, stamp, kept string }{
		{"first", "1700000100", "first"},
		{"older", "1700000099.999999", "first"},
		{"equal", "1700000100.000000", "equal"},
		{"equal again", "1700000100", "equal again"},
		{"newer", "1700000100.000001", "newer"},
		{"much older", "1", "newer"},
		{"unstamped", "", "unstamped"},
		{"older than the broker's", "1700000200", "unstamped"},
		{"ahead", in(45), "ahead"},
		{"stamped now", in(-1), "ahead"},
		{"unstamped again", "", "unstamped again"},
	} {
		k.put(pub, "a", step.payload, step.stamp, qos)
		sub.Want(step.payload)
		wantRetained(k, step.kept)
	}
	k.put(pub, "a", "", "1700000000", qos) // an older clearing loses too
	sub.Want("")
	wantRetained(k, "unstamped again")
	k.put(pub, "a", "", "", qos)
	sub.Want("")
	wantRetained(k, "")
}

var storedCases = []Case{
	{V5: "EXT-RET-1", Title: "only a publisher's own older timestamp loses, and is delivered live all the same", Needs: needsREST, Run: func(k *Kit) {
		for qos := range byte(3) {
			k.Alone(func() { k.ranking(qos) })
		}
	}},
	{V5: "EXT-RET-1", Title: "a message without a timestamp is stamped above the stored one", Needs: needsREST, Run: func(k *Kit) {
		k.Alone(func() {
			pub := k.Connect()
			old := k.Connect(withVersion(wire.V311))
			ahead := in(45)
			k.put(pub, "a", "ahead", ahead, 1)
			k.put(pub, "a", "next", "", 1)
			got := k.Retained(k.Topic("a"))
			if len(got) != 1 || got[0].Payload != "next" || k.value(got[0], "timestamp") != strings.TrimSuffix(ahead, "0")+"1" {
				k.Fatalf("after %s: %v with %q", ahead, got, values(got[0], "timestamp"))
			}
			last := k.seconds(got[0])
			k.put(old, "a", "of 3.1.1", "", 1)
			if got := k.Retained(k.Topic("a")); len(got) != 1 || got[0].Payload != "of 3.1.1" || k.seconds(got[0]) <= last {
				k.Errorf("%v", got)
			}
			k.put(old, "a", "", "", 1)
			wantRetained(k, "")
		})
	}},
	{V5: "EXT-RET-1 EXT-UP-1", Title: "a Will's own older timestamp loses too", Needs: needsDialect, Run: func(k *Kit) {
		pub, sub := k.Pair(k.Topic("a"), 1)
		k.Clear(k.Topic("a"))
		k.put(pub, "a", "kept", "1700000000", 1)
		sub.Want("kept")
		const stamp = "1600000000"
		k.Connect(withWill(wire.Will{Topic: k.Topic("a"), Payload: "older", QoS: 1, Retain: true, Props: wire.Props{wire.User("timestamp", stamp)}})).Drop()
		if p := sub.Want("older"); k.value(p, "timestamp") != stamp {
			k.Errorf("%v", p.Props)
		}
		wantRetained(k, "kept")
		k.Connect(withWill(wire.Will{Topic: k.Topic("a"), Payload: "unstamped", QoS: 1, Retain: true})).Drop()
		sub.Want("unstamped")
		wantRetained(k, "unstamped")
	}},
	{V5: "EXT-RET-1", Title: "a retained message keeps the timestamp of its publish", Needs: needsDialect, Run: func(k *Kit) {
		pub, sub := k.Pair(k.Topic("a"), 1)
		k.Clear(k.Topic("a"))
		k.put(pub, "a", "x", "", 1)
		live := k.value(sub.Want("x"), "timestamp")
		for range 2 {
			if got := k.Retained(k.Topic("a")); len(got) != 1 || k.value(got[0], "timestamp") != live {
				k.Errorf("live %s, retained %v", live, got)
			}
		}
	}},
	{V5: "EXT-RET-3", Title: "modified_since brings only what is strictly newer", Needs: needsDialect, Run: func(k *Kit) {
		pub := k.Connect()
		for i := range 5 {
			l := fmt.Sprint("m/", i)
			k.Clear(k.Topic(l))
			k.put(pub, l, "x", fmt.Sprintf("17000000%d0.5", i), 1)
		}
		for stamp, want := range map[string][]string{
			"1700000020.5":        {"m/3", "m/4"},
			"1700000020.500000":   {"m/3", "m/4"},
			"1700000020.499999":   {"m/2", "m/3", "m/4"},
			"1700000020":          {"m/2", "m/3", "m/4"},
			"1700000040.5":        nil,
			"0":                   {"m/0", "m/1", "m/2", "m/3", "m/4"},
			in(1000):              nil,
			"not a number":        {"m/0", "m/1", "m/2", "m/3", "m/4"},
			"":                    {"m/0", "m/1", "m/2", "m/3", "m/4"},
			"1700000020.5seconds": {"m/0", "m/1", "m/2", "m/3", "m/4"},
		} {
			k.wantTopics("modified_since "+stamp, k.since(k.Topic("m/+"), stamp), want...)
		}
		k.wantTopics("with a selector", k.since(k.Topic("m/1,3"), "1700000020.5"), "m/3")
	}},
	{V5: "EXT-RET-3 EXT-FIL-1", V311: "EXT-RET-3 EXT-FIL-1", V31: "EXT-RET-3 EXT-FIL-1", Title: "modified_since inside $filter, with = or >, and live messages pass", Needs: needsDialect, Run: func(k *Kit) {
		pub := k.Connect(withVersion(wire.V5))
		for i := range 3 {
			l := fmt.Sprint("m/", i)
			k.Clear(k.Topic(l))
			k.put(pub, l, "x", fmt.Sprintf("17000000%d0", i), 1)
		}
		for item, want := range map[string][]string{
			"modified_since=1700000010": {"m/2"}, "modified_since>1700000010": {"m/2"}, "modified_since%3E1700000010": {"m/2"}, "modified_since=1700000009.9": {"m/1", "m/2"}, "modified_since=1800000000": nil,
		} {
			c := k.Connect()
			c.Grant("$filter/"+item+"/"+k.Topic("m/+"), 1)
			k.wantTopics(item, c.Drain(), want...)
			k.put(pub, "m/live", "live", "1600000000", 0) // older, but not retained for this subscriber
			if p := c.Want("live"); p.Retain {
				k.Errorf("%s: %v", item, p)
			}
			k.put(pub, "m/live", "", "", 1)
			c.Bye()
		}
		c := k.Connect()
		for _, item := range []string{"modified_since=soon", "modified_since=", "modified_since>", "modified_since", "modified_since<5", "modified_since=1x"} {
			if r := c.Subscribe("$filter/"+item+"/"+k.Topic("m/+"), 1); r != k.refusal(0x8f) {
				k.Errorf("%s: %#02x", item, r)
			}
		}
	}},
	{V5: "EXT-RET-3 EXT-UP-3", Title: "modified_since over a tree of accounts", Needs: needsREST, Run: func(k *Kit) {
		t := k.Tree()
		for i, a := range []account{t.parent, t.child, t.sibling} {
			k.put(k.Connect(a.As()), "a", fmt.Sprint(i), fmt.Sprintf("17000000%d0", i), 1)
		}
		c := k.Connect(t.parent.As())
		c.Grant(k.Topic("a"), 1, wire.User("modified_since", "1700000000"))
		if got := c.Drain(); len(got) != 2 {
			k.Errorf("%s", payloads(got))
		}
		c.Grant(k.Topic("+"), 1, wire.User("modified_since", "1700000000"), from(t.child))
		c.Want("1")
		c.Silent()
	}},
}
