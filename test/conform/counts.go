package conform

import (
	"fmt"
	"time"

	"alcove/test/conform/wire"
)

// counting asks for the number of matching sessions.
var counting = wire.Props{wire.User("count_subscribers", "1")}

var countCases = []Case{
	{V5: "EXT-UP-4", Title: "matching sessions are counted, online or not, and a share group once", Needs: needsREST, Run: func(k *Kit) {
		t := k.Tree()
		pub := k.Connect(t.child.As())
		count := func(want int) {
			for qos := byte(1); qos <= 2; qos++ {
				ack := pub.PublishAck(wire.Publish{Topic: k.Topic("a"), Payload: "x", QoS: qos, Props: counting})
				if ack.Reason >= 0x80 {
					k.Fatalf("%v", ack)
				}
				if got := k.value(ack, "subscribers_count"); got != fmt.Sprint(want) {
					k.Errorf("QoS %d: %s subscribers, want %d", qos, got, want)
				}
			}
		}
		count(0)
		for _, a := range []account{t.parent, t.grandchild, t.sibling} { // not of this account
			k.Connect(a.As()).Grant(k.Topic("#"), 1)
		}
		count(0)
		one := k.Connect(t.child.As())
		one.Grant(k.Topic("a"), 0)
		count(1)
		one.Grant(k.Topic("+"), 1) // the same session
		count(1)
		old := k.Connect(t.child.As(), withVersion(wire.V311))
		old.Grant(k.Topic("#"), 2)
		count(2)
		offline := k.Connect(t.child.As(), kept(k.Name()))
		offline.Grant(k.Topic("a"), 1)
		offline.Bye()
		count(3)
		for range 3 {
			k.Connect(t.child.As()).Grant("$share/g/"+k.Topic("a"), 1)
		}
		count(4)
		k.Connect(t.child.As()).Grant("$share/h/"+k.Topic("+"), 1)
		count(5)
		k.Connect(t.child.As()).Grant("$filter/payload="+percent("v==1")+"/"+k.Topic("a"), 1) // does not match
		k.Connect(t.child.As()).Grant(k.Topic("b"), 1)
		count(5)
		one.Bye()
		count(4)
	}},
	{V5: "EXT-UP-4", Title: "only who asks gets a count", Needs: needsDialect, Run: func(k *Kit) {
		c := k.Connect()
		c.Grant(k.Topic("a"), 0)
		for _, props := range []wire.Props{nil, {wire.User("count_subscribers", "0")}, {wire.User("count_subscribers", "")}, {wire.User("other", "1")}} {
			for qos := byte(1); qos <= 2; qos++ {
				if ack := c.PublishAck(wire.Publish{Topic: k.Topic("a"), QoS: qos, Props: props}); len(values(ack, "subscribers_count")) > 0 {
					k.Errorf("%v is answered with %v", props, ack.Props)
				}
			}
		}
		c.Publish(wire.Publish{Topic: k.Topic("a"), Props: counting}) // QoS 0 has no answer
	}},
	{V5: "EXT-UP-4 EXT-UP-6", Title: "Request Problem Information 0 takes the count from acks", Needs: needsDialect, Run: func(k *Kit) {
		c := k.Connect(withProps(wire.Num(wire.RequestProblem, 0)))
		for qos := byte(1); qos <= 2; qos++ {
			if ack := c.PublishAck(wire.Publish{Topic: k.Topic("a"), Payload: "x", QoS: qos, Props: counting}); ack.Props.Has(wire.UserProperty) {
				k.Errorf("%v", ack.Props)
			}
		}
	}},
	{V5: "EXT-UP-4", Title: "a retained message is counted and kept like any other", Needs: needsDialect, Run: func(k *Kit) {
		pub := k.Connect()
		k.Clear(k.Topic("a"))
		ack := pub.PublishAck(wire.Publish{Topic: k.Topic("a"), Payload: "x", QoS: 1, Retain: true, Props: counting})
		if got := k.value(ack, "subscribers_count"); got != "0" {
			k.Errorf("%s subscribers", got)
		}
		wantRetained(k, "x")
	}},
	{V5: "EXT-UP-4 EXT-RET-4", Title: "the count is right at once after a SUBACK", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		pub := k.Connect(a.As())
		end := time.Now().Add(patience)
		for i := 1; i <= 50 && time.Now().Before(end); i++ {
			k.Connect(a.As()).Grant(k.Topic("a"), byte(i%3))
			ack := pub.PublishAck(wire.Publish{Topic: k.Topic("a"), Payload: "x", QoS: 1, Props: counting})
			if got := k.value(ack, "subscribers_count"); got != fmt.Sprint(i) {
				k.Fatalf("%s subscribers, want %d", got, i)
			}
		}
	}},
}
