package conform

import (
	"fmt"
	"net/url"

	"alcove/test/conform/wire"
)

// bulkTopics are retained before each bulk deletion.
var bulkTopics = []string{"d", "d/a", "d/a/1", "d/a/2", "d/b/1", "d/b/2", "d/c/1/x", "d/a,b/1", "e/1", "e/2"}

// stock retains the topics in an account of the case.
func (k *Kit) stock(a account) {
	c := k.Connect(a.As(), withVersion(wire.V5))
	for _, t := range bulkTopics {
		c.Publish(wire.Publish{Topic: k.Topic(t), Payload: t, QoS: 1, Retain: true})
	}
	c.Bye()
}

// left compares what is retained in an account of the case.
func (k *Kit) left(what string, a account, levels ...string) {
	c := k.Connect(a.As(), withVersion(wire.V5))
	c.Grant(k.Topic("#"), 0, wire.User("cid", a.ID))
	k.wantTopics(what, c.Drain(), levels...)
	c.Bye()
}

// without is bulkTopics without some.
func without(gone ...string) (out []string) {
	skip := map[string]bool{}
	for _, g := range gone {
		skip[g] = true
	}
	for _, t := range bulkTopics {
		if !skip[t] {
			out = append(out, t)
		}
	}
	return out
}

// bulkForms are topics with wildcards and what each deletes.
var bulkForms = []struct {
	levels string
	gone   []string
}{
	{"d/#", []string{"d", "d/a", "d/a/1", "d/a/2", "d/b/1", "d/b/2", "d/c/1/x", "d/a,b/1"}},
	{"d/+", []string{"d/a"}},
	{"d/+/1", []string{"d/a/1", "d/b/1", "d/a,b/1"}},
	{"+/1", []string{"e/1"}},
	{"+/+/2", []string{"d/a/2", "d/b/2"}},
	{"#", bulkTopics},
	{"none/#", nil},
}

// deleted is the count that the acknowledgement of a bulk deletion must carry.
func (k *Kit) deleted(what string, ack *wire.Packet, want int) {
	if ack.Reason >= 0x80 {
		k.Errorf("%s: %v", what, ack)
	} else if got := k.value(ack, "deleted_count"); got != fmt.Sprint(want) {
		k.Errorf("%s: deleted_count %s, want %d", what, got, want)
	}
}

var bulkCases = []Case{
	{V5: "EXT-RET-2", V311: "EXT-RET-2", V31: "EXT-RET-2", Title: "an empty message to a wildcard topic deletes what it matches and is not forwarded", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		pub, sub := k.Connect(a.As()), k.Connect(a.As())
		for _, form := range bulkForms {
			for qos := byte(0); qos <= 2; qos++ {
				for _, retain := range []bool{false, true} {
					k.stock(a)
					sub.Grant("#", 1|retainNever*min(k.V/wire.V5, 1))
					sub.Drain()
					what := fmt.Sprintf("%s, QoS %d, retain %v", form.levels, qos, retain)
					ack := pub.PublishAck(wire.Publish{Topic: k.Topic(form.levels), QoS: qos, Retain: retain})
					if k.V >= wire.V5 && qos > 0 {
						k.deleted(what, ack, len(form.gone))
					}
					sub.Silent()
					k.left(what, a, without(form.gone...)...)
				}
			}
		}
	}},
	{V5: "EXT-RET-2", Title: "it counts only what was there", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		k.stock(a)
		c := k.Connect(a.As())
		c.Publish(wire.Publish{Topic: k.Topic("e/1"), QoS: 1, Retain: true}) // plain clearing has no count
		for _, want := range []int{9, 0} {
			k.deleted("#", c.PublishAck(wire.Publish{Topic: "#", QoS: 2}), want)
		}
		quiet := k.Connect(a.As(), withProps(wire.Num(wire.RequestProblem, 0)))
		if ack := quiet.PublishAck(wire.Publish{Topic: "#", QoS: 1}); ack.Reason >= 0x80 || ack.Props.Has(wire.UserProperty) {
			k.Errorf("Request Problem Information 0: %v %v", ack, ack.Props)
		}
	}},
	{V5: "EXT-RET-2", Title: "thousands of messages go, what is published afterwards stays", Needs: needsREST, Run: func(k *Kit) {
		const n = 5000
		a := k.Own()
		k.fill(a, n, 10)
		c := k.Connect(a.As())
		c.Send(wire.Publish{Topic: k.Topic("p/+"), QoS: 1, ID: 1}.Bytes(k.V),
			wire.Publish{Topic: k.Topic("p/7"), Payload: "new", QoS: 1, ID: 2, Retain: true}.Bytes(k.V),
			wire.Publish{Topic: k.Topic("p/new"), Payload: "new", QoS: 1, ID: 3, Retain: true}.Bytes(k.V))
		ack := c.Await(wire.PUBACK)
		if ack.ID != 1 {
			k.Fatalf("MQTT-4.6.0-2: %v is first", ack)
		}
		if got := k.value(ack, "deleted_count"); got != fmt.Sprint(n) && got != fmt.Sprint(n-1) { // the new one may replace its own before it is reached
			k.Errorf("deleted_count %s", got)
		}
		c.Await(wire.PUBACK)
		c.Await(wire.PUBACK)
		k.left("afterwards", a, "p/7", "p/new")
	}},
	{V5: "EXT-RET-2 EXT-TOK-7", V311: "EXT-RET-2", Title: "a token deletes only what it may publish to", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		k.stock(a)
		c := k.Connect(k.Rule(a, may(k.Topic("d/a,b/+"), "publish"), may(k.Topic("#"), "subscribe")).As())
		ack := c.PublishAck(wire.Publish{Topic: "#", QoS: 1})
		if k.V >= wire.V5 {
			k.deleted("#", ack, 5)
		}
		k.left("partial rights", a, without("d/a/1", "d/a/2", "d/b/1", "d/b/2", "d/a,b/1")...)
		c.Publish(wire.Publish{Topic: k.Topic("e/+"), QoS: 1}) // refused or without effect
		k.left("no rights", a, without("d/a/1", "d/a/2", "d/b/1", "d/b/2", "d/a,b/1")...)
	}},
	{V5: "EXT-RET-2 EXT-ACC-1", V311: "EXT-RET-2", Title: "it touches the acting account alone", Needs: needsREST, Run: func(k *Kit) {
		t := k.Tree()
		stranger := k.Own()
		all := []account{t.parent, t.child, t.grandchild, t.sibling, stranger}
		for _, a := range all {
			k.stock(a)
		}
		c := k.Connect(t.child.As())
		ack := c.PublishAck(wire.Publish{Topic: "#", QoS: 1})
		if k.V >= wire.V5 {
			k.deleted("#", ack, len(bulkTopics))
		}
		k.left("child", t.child)
		for i, a := range all {
			if a != t.child {
				k.left(fmt.Sprint("account ", i), a, bulkTopics...)
			}
		}
		ack = k.Connect(t.parent.As()).PublishAck(wire.Publish{Topic: k.Topic("d/#"), QoS: 1})
		if k.V >= wire.V5 {
			k.deleted("parent's", ack, 8)
		}
		k.left("grandchild", t.grandchild, bulkTopics...)
		k.left("parent", t.parent, "e/1", "e/2")
	}},
	{V5: "EXT-RET-2 EXT-TOP-1", V311: "EXT-RET-2", Title: "wildcards at the first level pass over $ topics", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		c := k.Connect(a.As())
		for _, t := range []string{"$mine/x", "plain/x"} {
			c.Publish(wire.Publish{Topic: t, Payload: "x", QoS: 1, Retain: true})
		}
		c.Publish(wire.Publish{Topic: "#", QoS: 1})
		c.Publish(wire.Publish{Topic: "+/x", QoS: 1})
		c.Grant("plain/#", 1)
		c.Silent()
		c.Grant("$mine/#", 1)
		c.Want("x")
		c.Publish(wire.Publish{Topic: "$mine/#", QoS: 1})
		late := k.Connect(a.As())
		late.Grant("$mine/#", 1)
		late.Silent()
	}},
	{V5: "EXT-RET-2 EXT-SEL-1", Title: "a selector beside a wildcard selects", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		k.stock(a)
		ack := k.Connect(a.As()).PublishAck(wire.Publish{Topic: k.Topic("d/a,b/+"), QoS: 1})
		k.deleted("d/a,b/+", ack, 5)
		k.left("selected", a, without("d/a/1", "d/a/2", "d/b/1", "d/b/2", "d/a,b/1")...)
	}},
	{V5: "EXT-RET-2 EXT-REST-4", Title: "REST deletes the same way, in a descendant too", Needs: needsREST, Run: func(k *Kit) {
		t := k.Tree()
		k.stock(t.parent)
		k.stock(t.child)
		sub := k.Connect(t.parent.As())
		sub.Grant("#", 1|retainNever)
		status, result := k.RESTIn(t.child.ID, t.parent.Key, "DELETE", "/mqtt/messages/"+url.PathEscape(k.Topic("d/#")), "")
		if status != 200 || len(result) != 1 || text(result[0]["deleted_count"]) != "8" {
			k.Errorf("DELETE in the child: status %d, %v", status, result)
		}
		status, result = k.REST(t.parent.Key, "POST", "/mqtt/messages", fmt.Sprintf(`{"topic":%q,"payload":"","retain":true}`, k.Topic("+/1")))
		if status != 200 || len(result) != 1 || text(result[0]["deleted_count"]) != "1" {
			k.Errorf("POST of an empty payload: status %d, %v", status, result)
		}
		narrow := k.Rule(t.parent, overREST(k.Topic("d/a/#"), "GET,DELETE"), overREST(k.Topic("e/#"), "GET"))
		status, result = k.REST(narrow.Key, "DELETE", "/mqtt/messages/"+url.PathEscape("#"), "")
		if status != 200 || len(result) != 1 || text(result[0]["deleted_count"]) != "3" {
			k.Errorf("DELETE with partial rights: status %d, %v", status, result)
		}
		sub.Silent()
		k.left("child", t.child, "e/1", "e/2")
		k.left("parent", t.parent, without("e/1", "d/a", "d/a/1", "d/a/2")...)
	}},
	{V5: "EXT-RET-2 MQTT-4.3.3-10", V311: "EXT-RET-2", Title: "a deletion at QoS 2 that is sent again deletes once", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		k.stock(a)
		c := k.Connect(a.As())
		again := wire.Publish{Topic: k.Topic("#"), QoS: 2, ID: 7}
		c.Send(again.Bytes(k.V))
		c.Await(wire.PUBREC)
		k.left("first", a)
		k.stock(a)
		again.Dup = true
		c.Send(again.Bytes(k.V))
		if rec := c.Await(wire.PUBREC); rec.ID != 7 || rec.Reason >= 0x80 {
			k.Errorf("%v", rec)
		}
		k.left("again", a, bulkTopics...)
		c.Send(wire.Ack(k.V, wire.PUBREL, 7, 0, nil))
		c.Await(wire.PUBCOMP)
		k.left("released", a, bulkTopics...)
	}},
	{V311: "EXT-RET-2", V31: "EXT-RET-2", Title: "a message to a wildcard topic closes a 3.x connection", Needs: needsDialect, Run: func(k *Kit) {
		for qos := byte(0); qos <= 2; qos++ {
			for _, levels := range []string{"+", "a/#"} {
				c := k.Connect()
				c.Send(wire.Publish{Topic: k.Topic(levels), Payload: "x", QoS: qos, ID: 1}.Bytes(k.V))
				c.Closed()
			}
		}
	}},
	{V5: "EXT-RET-2 EXT-UP-7", Title: "an empty message to a topic that is no filter is refused", Needs: needsDialect, Run: func(k *Kit) {
		c := k.Connect()
		for _, levels := range []string{"a#", "a/+b", "#/a", "a/##"} {
			if r := c.Publish(wire.Publish{Topic: k.Topic(levels), QoS: 1}); r != 0x90 {
				k.Errorf("%s: %#02x", levels, r)
			}
		}
		for _, t := range []string{"$share/g/" + k.Topic("#"), "$filter/payload=x/" + k.Topic("#")} {
			if r := c.Publish(wire.Publish{Topic: t, QoS: 1}); r != 0x90 {
				k.Errorf("%s: %#02x", t, r)
			}
		}
	}},
}
