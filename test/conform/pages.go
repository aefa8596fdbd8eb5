package conform

import (
	"fmt"
	"strings"

	"alcove/test/conform/wire"
)

// fill stores n retained messages of a size below "p/" in an account of the case.
func (k *Kit) fill(a account, n, size int) {
	c := k.Connect(a.As(), withVersion(wire.V5))
	for i := range n {
		c.Send(wire.Publish{Topic: k.Topic(fmt.Sprint("p/", i)), Payload: strings.Repeat("x", size), Retain: true}.Bytes(c.V))
	}
	c.Ping()
	c.Bye()
}

// ahead subscribes and returns the topics of the messages that come before the
// SUBACK, answered, and the client.
func (k *Kit) ahead(filter string, qos byte, opts ...option) ([]*wire.Packet, *Client) {
	c := k.Connect(opts...)
	c.Send(wire.Subscribe(c.V, c.ID(), nil, wire.Sub{Filter: filter, Options: qos}))
	var got []*wire.Packet
	for {
		p := c.Next()
		switch {
		case p == nil:
			k.Fatalf("no SUBACK after %d messages", len(got))
		case p.Type == wire.SUBACK:
			if p.Reasons[0] != qos {
				k.Fatalf("%v", p)
			}
			for _, p := range got {
				c.Answer(p)
			}
			return got, c
		case p.Type == wire.PUBLISH:
			got = append(got, p)
		}
	}
}

// rest takes messages until there are n in all, each topic once.
func (k *Kit) rest(c *Client, got []*wire.Packet, n int) {
	seen := topicsOf(got)
	for len(seen) < n {
		seen[c.Take().Topic]++
	}
	c.Silent()
	for t, times := range seen {
		if times != 1 {
			k.Errorf("%s comes %d times", t, times)
		}
	}
}

var pageCases = []Case{
	{V5: "EXT-RET-4", V311: "EXT-RET-4", V31: "EXT-RET-4", Title: "the first page of retained messages comes before the SUBACK, the rest after it", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		k.fill(a, 350, 10)
		for qos := range byte(3) {
			got, c := k.ahead(k.Topic("p/1,2,3,4,5"), qos, a.As())
			if len(got) != 5 {
				k.Errorf("QoS %d: %d of 5 before the SUBACK", qos, len(got))
			}
			k.rest(c, got, 5)
			if got, c = k.ahead(k.Topic("p/+"), qos, a.As()); len(got) != 100 {
				k.Errorf("QoS %d: %d of 350 before the SUBACK", qos, len(got))
			}
			k.rest(c, got, 350)
		}
	}},
	{V5: "EXT-RET-4", Title: "a page is 64 KiB at most", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		k.fill(a, 40, 5000)
		got, c := k.ahead(k.Topic("p/+"), 0, a.As())
		if len(got) < 10 || len(got) > 15 {
			k.Errorf("%d messages of 5,000 bytes before the SUBACK", len(got))
		}
		k.rest(c, got, 40)
	}},
	{V5: "EXT-RET-4 MQTT-3.3.4-7", Title: "a page keeps to the Receive Maximum", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		k.fill(a, 150, 10)
		c := k.Connect(a.As())
		for i := range 30 {
			c.Publish(wire.Publish{Topic: k.Topic(fmt.Sprint("q/", i)), Payload: "q", QoS: 1, Retain: true})
		}
		got, c := k.ahead(k.Topic("q/+"), 1, a.As(), withProps(wire.Num(wire.ReceiveMaximum, 7)))
		if len(got) == 0 || len(got) > 7 {
			k.Errorf("%d before the SUBACK", len(got))
		}
		k.rest(c, got, 30)
	}},
	{V5: "EXT-RET-4", V311: "EXT-RET-4", Title: "with retained_first off the SUBACK comes first", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		k.fill(a, 120, 10)
		k.Set(a, `"retained_first":false`)
		for qos := range byte(3) {
			got, c := k.ahead(k.Topic("p/+"), qos, a.As())
			if len(got) != 0 {
				k.Errorf("QoS %d: %d before the SUBACK", qos, len(got))
			}
			k.rest(c, nil, 120)
		}
	}},
	{V5: "EXT-RET-4", Title: "tens of thousands of retained messages come once each, beside live ones", Needs: needsREST, Run: func(k *Kit) {
		const n = 20000
		a := k.Own()
		k.fill(a, n, 10)
		c := k.Connect(a.As())
		c.Grant(k.Topic("+/+"), 0)
		pub := k.Connect(a.As())
		seen, live := map[string]int{}, 0
		pub.Say(k.Topic("live/a"), "live", 0)
		for len(seen) < n || live == 0 {
			p := c.Take()
			if p.Payload == "live" {
				live++
				continue
			}
			if seen[p.Topic]++; seen[p.Topic] > 1 || !p.Retain {
				k.Fatalf("%v, %d times", p, seen[p.Topic])
			}
		}
		c.Silent()
	}},
}
