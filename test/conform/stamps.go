package conform

import (
	"fmt"
	"regexp"
	"strconv"
	"sync"
	"time"

	"alcove/test/conform/wire"
)

// brokerStamp is how the broker writes a timestamp.
var brokerStamp = regexp.MustCompile(`^[1-9][0-9]{9}\.[0-9]{6}$`)

// stamped fails the case unless a message carries the broker's three values,
// once each: its own timestamp, near now, and who published it.
func (k *Kit) stamped(what string, p *wire.Packet, from account) {
	stamp := k.value(p, "timestamp")
	seconds, err := strconv.ParseFloat(stamp, 64)
	if err != nil || !brokerStamp.MatchString(stamp) {
		k.Errorf("%s: timestamp %q", what, stamp)
	} else if d := time.Since(time.UnixMicro(int64(seconds * 1e6))); d < -time.Minute || d > time.Minute {
		k.Errorf("%s: timestamp %q is %v old", what, stamp, d)
	}
	if got := k.value(p, "token_id"); got != from.Token {
		k.Errorf("%s: token_id %q, want %q", what, got, from.Token)
	}
	if got := k.value(p, "cid"); got != from.ID {
		k.Errorf("%s: cid %q, want %q", what, got, from.ID)
	}
}

// publishersOwn are the user properties of a message without the broker's.
func publishersOwn(p *wire.Packet) (out []string) {
	for _, u := range p.Props.All(wire.UserProperty) {
		if u.Text != "timestamp" && u.Text != "token_id" && u.Text != "cid" {
			out = append(out, u.Text+"="+u.Value)
		}
	}
	return out
}

// in is the time some seconds from now as a publisher would write it.
func in(seconds int64) string { return fmt.Sprintf("%d.000000", time.Now().Unix()+seconds) }

// sideBySide lets publishers of two accounts write one topic at the same time;
// each subscriber must see its timestamps grow.
func (k *Kit) sideBySide(qos byte) {
	const publishers, each = 4, 200
	t := k.Tree()
	var subs []*Client
	for _, a := range []account{t.parent, t.parent, t.child} {
		c := k.Connect(a.As())
		c.Grant(k.Topic("a"), 2)
		subs = append(subs, c)
	}
	id := k.Name()
	offline := k.Connect(t.parent.As(), kept(id))
	offline.Grant(k.Topic("a"), 2)
	offline.Bye()
	var wg sync.WaitGroup
	for i := range publishers {
		c := k.Connect([]account{t.child, t.parent}[i%2].As())
		wg.Go(func() {
			for j := range each {
				c.Send(wire.Publish{Topic: k.Topic("a"), Payload: "x", QoS: qos, ID: uint16(j + 1)}.Bytes(k.V))
			}
			if qos == 2 {
				for j := range each {
					c.Send(wire.Ack(k.V, wire.PUBREL, uint16(j+1), 0, nil))
				}
			}
		})
	}
	wg.Wait()
	if qos > 0 {
		subs = append(subs, k.Connect(t.parent.As(), kept(id)))
	}
	for i, c := range subs {
		n, last := publishers*each, 0.0
		if i == 2 {
			n /= 2
		}
		for j := range n {
			stamp := k.seconds(c.Take())
			if stamp <= last {
				k.Fatalf("QoS %d, subscriber %d, message %d: timestamp %.6f after %.6f", qos, i, j, stamp, last)
			}
			last = stamp
		}
	}
}

var stampCases = []Case{
	{V5: "EXT-UP-1 EXT-UP-2", V311: "EXT-UP-1 EXT-UP-2", V31: "EXT-UP-1 EXT-UP-2", Title: "messages of every version and QoS carry the broker's values, live, retained, queued and of Wills", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		v5, id := withVersion(wire.V5), k.Name()
		offline := k.Connect(a.As(), v5, kept(id))
		offline.Grant(k.Topic("#"), 2)
		offline.Bye()
		live, shared := k.Connect(a.As(), v5), k.Connect(a.As(), v5)
		live.Grant(k.Topic("#"), 2)
		shared.Grant("$share/g/"+k.Topic("#"), 2)
		for qos := range byte(3) {
			pub := k.Connect(a.As(), withWill(wire.Will{Topic: k.Topic(fmt.Sprint("will", qos)), Payload: "will", QoS: qos}))
			pub.Publish(wire.Publish{Topic: k.Topic(fmt.Sprint("r", qos)), Payload: "r", QoS: qos, Retain: true})
			k.stamped("live", live.Want("r"), a)
			k.stamped("shared", shared.Want("r"), a)
			pub.Drop()
			k.stamped("will", live.Want("will"), a)
			shared.Want("will")
			k.Clear(k.Topic(fmt.Sprint("r", qos)))
		}
		late := k.Connect(a.As(), v5)
		late.Grant(k.Topic("+"), 2)
		got := late.Drain()
		if len(got) != 3 {
			k.Fatalf("%d retained messages", len(got))
		}
		for _, p := range got {
			k.stamped("retained", p, a)
		}
		offline = k.Connect(a.As(), v5, kept(id))
		for range 4 { // those of QoS 1 and 2, with their Wills
			k.stamped("queued", offline.Take(), a)
		}
	}},
	{V5: "EXT-UP-1", Title: "stamps of one topic grow strictly, with publishers side by side, for everybody who sees them", Needs: needsREST, Run: func(k *Kit) {
		for qos := range byte(3) {
			k.sideBySide(qos)
		}
	}},
	{V5: "EXT-UP-1", Title: "a timestamp given by the publisher is kept", Needs: needsREST, Run: func(k *Kit) {
		k.Alone(func() {
			pub, sub := k.Pair(k.Topic("a"), 1)
			for _, given := range []string{"1700000000", "1700000000.5", "1700000000.123456", "1", "0.5", in(-5), in(30)} {
				pub.Say(k.Topic("a"), given, 1, wire.User("timestamp", given))
				got := k.value(sub.Want(given), "timestamp")
				if got != given {
					k.Errorf("given %q, got %q", given, got)
				}
				k.Retain(pub, wire.Publish{Topic: k.Topic("r" + given), Payload: given, QoS: 1, Props: wire.Props{wire.User("timestamp", given)}})
				if r := k.Retained(k.Topic("r" + given)); len(r) != 1 || k.value(r[0], "timestamp") != given {
					k.Errorf("given %q, retained %v with %q", given, r, k.value(r[0], "timestamp"))
				}
			}
		})
	}},
	{V5: "EXT-UP-1", Title: "a timestamp that is no number or too far ahead is the broker's instead", Needs: needsREST, Run: func(k *Kit) {
		k.Alone(func() {
			pub, sub := k.Pair(k.Topic("a"), 1)
			for _, given := range []string{in(70), in(86400), "99999999999999999999", "1700000000000", "soon", "", " ", "12abc", "1,5", "NaN", "Inf", "-Inf", "+Infinity", "0x10", "1700000000 "} {
				pub.Say(k.Topic("a"), given, 1, wire.User("timestamp", given))
				p := sub.Want(given)
				if got := k.value(p, "timestamp"); !brokerStamp.MatchString(got) || got > in(30) {
					k.Errorf("given %q, got %q", given, got)
				}
			}
			pub.Say(k.Topic("a"), "twice", 1, wire.User("timestamp", "1700000000"), wire.User("timestamp", "1700000001"))
			k.value(sub.Want("twice"), "timestamp")
		})
	}},
	{V5: "EXT-UP-2", Title: "token_id and cid are the broker's whatever the publisher says", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		forged := wire.Props{wire.User("cid", "1"), wire.User("token_id", "2"), wire.User("x", "y"), wire.User("cid", "3"), wire.User("token_id", "")}
		sub := k.Connect(a.As())
		sub.Grant(k.Topic("#"), 1)
		pub := k.Connect(a.As(), withWill(wire.Will{Topic: k.Topic("w"), Payload: "will", QoS: 1, Props: forged}))
		pub.Publish(wire.Publish{Topic: k.Topic("r"), Payload: "x", QoS: 1, Retain: true, Props: forged})
		k.stamped("live", sub.Want("x"), a)
		pub.Drop()
		k.stamped("will", sub.Want("will"), a)
		late := k.Connect(a.As())
		late.Grant(k.Topic("r"), 1)
		p := late.Want("x")
		k.stamped("retained", p, a)
		if got := fmt.Sprint(publishersOwn(p)); got != "[x=y]" {
			k.Errorf("the publisher's own: %s", got)
		}
	}},
	{V5: "EXT-UP-2", Title: "across accounts they name who published", Needs: needsREST, Run: func(k *Kit) {
		t := k.Tree()
		sub := k.Connect(t.parent.As())
		sub.Grant(k.Topic("#"), 1)
		for _, from := range []account{t.child, t.grandchild, t.sibling, t.parent, k.Rule(t.child, may("#", "publish"))} {
			for _, v := range everyVersion {
				c := k.Connect(from.As(), withVersion(v))
				c.Say(k.Topic("a"), "x", 1)
				k.stamped("across accounts", sub.Want("x"), from)
			}
		}
	}},
	{V5: "EXT-UP-1 EXT-UP-2 MQTT-3.3.2-18", Title: "other user properties pass unchanged and in order", Needs: needsDialect, Run: func(k *Kit) {
		given := wire.Props{wire.User("b", "1"), wire.User("timestamp", "1700000000"), wire.User("a", ""), wire.User("b", "1"), wire.User("", "z"), wire.User("CID", "9"), wire.User("b", "0"), wire.User("Timestamp", "é")}
		const want = "[b=1 a= b=1 =z CID=9 b=0 Timestamp=é]"
		id := k.Name()
		offline := k.Connect(kept(id))
		offline.Grant(k.Topic("#"), 1)
		offline.Bye()
		live := k.Connect()
		live.Grant(k.Topic("#"), 1)
		pub := k.Connect(withWill(wire.Will{Topic: k.Topic("w"), Payload: "w", QoS: 1, Props: given}))
		k.Retain(pub, wire.Publish{Topic: k.Topic("a"), Payload: "x", QoS: 1, Props: given})
		pub.Drop()
		check := func(what string, p *wire.Packet) {
			if got := fmt.Sprint(publishersOwn(p)); got != want {
				k.Errorf("%s: %s, want %s", what, got, want)
			}
		}
		check("live", live.Want("x"))
		check("will", live.Want("w"))
		check("retained", k.Retained(k.Topic("a"))[0])
		offline = k.Connect(kept(id))
		check("queued", offline.Want("x"))
	}},
	{V5: "EXT-UP-8", Title: "with stamps off messages arrive as they were published", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		k.Set(a, `"stamps":false`)
		sub := k.Connect(a.As())
		for _, name := range []string{"token", "subscriptions"} {
			if v := values(sub.Connack, name); len(v) > 0 {
				k.Errorf("CONNACK has %s=%q", name, v)
			}
		}
		sub.Grant(k.Topic("#"), 1)
		pub := k.Connect(a.As())
		pub.Say(k.Topic("a"), "plain", 1)
		if p := sub.Want("plain"); p.Props.Has(wire.UserProperty) || p.Props.Has(wire.MessageExpiry) {
			k.Errorf("properties %v", p.Props)
		}
		pub.Publish(wire.Publish{Topic: k.Topic("r"), Payload: "given", QoS: 1, Retain: true, Props: wire.Props{wire.User("cid", "7"), wire.User("a", "b"), wire.User("timestamp", "1700000000")}})
		sub.Want("given")
		pub.Publish(wire.Publish{Topic: k.Topic("r"), Payload: "older", QoS: 1, Retain: true, Props: wire.Props{wire.User("timestamp", "1600000000"), wire.User("cid", "7")}})
		sub.Want("older")
		late := k.Connect(a.As())
		late.Grant(k.Topic("r"), 1)
		p := late.Want("older") // retained order is by arrival
		if got := fmt.Sprint(p.Props.All(wire.UserProperty)); got != fmt.Sprint(wire.Props{wire.User("timestamp", "1600000000"), wire.User("cid", "7")}) {
			k.Errorf("properties %s", got)
		}
		filtered := k.Connect(a.As())
		filtered.Grant("$filter/message="+percent("cid=="+a.ID+" && timestamp>1")+"/"+k.Topic("f"), 1)
		pub.Say(k.Topic("f"), "seen", 1)
		filtered.Want("seen")
		k.Set(a, `"stamps":true`)
		pub.Say(k.Topic("a"), "stamped", 1)
		sub.Want("seen")
		k.value(sub.Want("stamped"), "timestamp")
	}},
	{V5: "EXT-UP-8", Title: "a message that crosses accounts is always stamped, and the receiving account decides of its own", Needs: needsREST, Run: func(k *Kit) {
		t := k.Tree()
		k.Set(t.parent, `"stamps":false`)
		k.Set(t.child, `"stamps":true`)
		up, down := k.Connect(t.parent.As()), k.Connect(t.child.As())
		up.Grant(k.Topic("a"), 1)
		down.Grant(k.Topic("a"), 1)
		k.Connect(t.child.As()).Say(k.Topic("a"), "child", 1)
		k.stamped("child's in parent", up.Want("child"), t.child)
		k.stamped("child's own", down.Want("child"), t.child)
		k.Connect(t.parent.As()).Say(k.Topic("a"), "parent", 1)
		if p := up.Want("parent"); p.Props.Has(wire.UserProperty) {
			k.Errorf("the parent's own: %v", p.Props)
		}
		k.Connect(t.child.As(), withVersion(wire.V311)).Publish(wire.Publish{Topic: k.Topic("r"), Payload: "kept", QoS: 1, Retain: true})
		late := k.Connect(t.parent.As())
		late.Grant(k.Topic("r"), 1)
		if p := late.Want("kept"); k.value(p, "cid") != t.child.ID {
			k.Errorf("child's retained in parent: %v", p.Props)
		}
	}},
	{V5: "EXT-UP-8 MQTT-3.3.2-6", V311: "EXT-UP-8", Title: "a Message Expiry is never added", Needs: needsDialect, Run: func(k *Kit) {
		k.Retain(k.Connect(), wire.Publish{Topic: k.Topic("a"), Payload: "x", QoS: 1})
		late := k.Connect(withVersion(wire.V5))
		late.Grant(k.Topic("a"), 1)
		if p := late.Want("x"); p.Props.Has(wire.MessageExpiry) {
			k.Errorf("%v", p.Props)
		}
	}},
}
