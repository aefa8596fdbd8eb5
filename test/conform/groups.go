package conform

import (
	"fmt"
	"time"

	"alcove/test/conform/wire"
)

// spread drains members until n messages have come, and returns how many each got.
func (k *Kit) spread(all []*Client, n int) []int {
	counts, total := make([]int, len(all)), 0
	k.Until(fmt.Sprintf("%d messages come", n), func() bool {
		for i, c := range all {
			got := len(c.Drain())
			counts[i] += got
			total += got
		}
		return total >= n
	})
	if total != n {
		k.Errorf("%d deliveries of %d messages: %v", total, n, counts)
	}
	return counts
}

// numbers publishes n payloads "0", "1", … to the topic "a" of the case.
func (k *Kit) numbers(pub *Client, from, n int, qos byte) {
	for i := range n {
		pub.Say(k.Topic("a"), fmt.Sprint(from+i), qos)
	}
}

// inOrder takes n messages whose payloads are numbers: odd ones come at QoS 2,
// the others at QoS 1, each kind in its order and as first deliveries.
func (k *Kit) inOrder(c *Client, n int) {
	next := [3]int{1: 0, 2: 1}
	for range n {
		p := c.Take()
		if p.Dup || p.QoS == 0 || p.Payload != fmt.Sprint(next[p.QoS]) {
			k.Fatalf("%v, want %v", p, next)
		}
		next[p.QoS] += 2
	}
	c.Silent()
}

var groupCases = []Case{
	{V5: "EXT-SHR-1", V311: "EXT-SHR-1", V31: "EXT-SHR-1", Title: "messages of every QoS spread evenly", Needs: needsDialect, Run: func(k *Kit) {
		_, _, all := members(k, 3, 2)
		pub := k.Connect()
		for qos := range byte(3) {
			k.numbers(pub, 0, 90, qos)
			for i, n := range k.spread(all, 90) {
				if n < 25 || n > 35 {
					k.Errorf("QoS %d: member %d gets %d of 90", qos, i, n)
				}
			}
		}
	}},
	{V5: "EXT-SHR-1", V311: "EXT-SHR-1", Title: "who has least in flight comes first", Needs: needsDialect, Run: func(k *Kit) {
		_, _, all := members(k, 2, 1)
		pub := k.Connect()
		k.numbers(pub, 0, 10, 1) // five each, unanswered
		all[1].Ping()
		if n := len(all[1].Drain()); n != 5 {
			k.Errorf("%d of 10 messages at the second member", n)
		}
		all[1].Ping()      // its answers have been taken
		for i := range 5 { // the first has five in flight, the second none
			k.numbers(pub, 10+i, 1, 1)
			all[1].Want(fmt.Sprint(10 + i))
		}
		all[0].Ping()
		if n := len(all[0].Drain()); n != 5 {
			k.Errorf("%d messages at the first member, want its five", n)
		}
		all[1].Silent()
	}},
	{V5: "EXT-SHR-1 MQTT-3.3.4-9", Title: "a member whose Receive Maximum is full is passed over", Needs: needsDialect, Run: func(k *Kit) {
		filter := "$share/" + k.Name() + "/" + k.Topic("a")
		narrow := k.Connect(withProps(wire.Num(wire.ReceiveMaximum, 2)))
		wide := k.Connect()
		narrow.Grant(filter, 1)
		wide.Grant(filter, 1)
		k.numbers(k.Connect(), 0, 40, 1)
		narrow.Ping()
		if n := len(narrow.pending); n > 2 {
			k.Errorf("%d messages in flight, at most 2 asked", n)
		}
		for range 38 { // nothing waits for the narrow one, which answers nothing
			wide.Take()
		}
		narrow.Ping()
		got := len(narrow.Drain()) + len(wide.Drain())
		if got != 2 {
			k.Errorf("%d more messages, want 2", got)
		}
	}},
	{V5: "EXT-SHR-1", V311: "EXT-SHR-1", Title: "3.1, 3.1.1 and 5.0 members share a group", Needs: needsDialect, Run: func(k *Kit) {
		filter := "$share/" + k.Name() + "/" + k.Topic("a")
		var all []*Client
		for _, v := range everyVersion {
			c := k.Connect(withVersion(v))
			c.Grant(filter, 1)
			all = append(all, c)
		}
		k.numbers(k.Connect(), 0, 30, 1)
		for i, n := range k.spread(all, 30) {
			if n < 7 || n > 13 {
				k.Errorf("the member of level %d gets %d of 30", everyVersion[i], n)
			}
		}
	}},
	{V5: "EXT-SHR-2 MQTT-4.6.0-5", V311: "EXT-SHR-2", Title: "what a leaving member has not acknowledged goes on in order, as a first delivery", Needs: needsDialect, Run: func(k *Kit) {
		for _, leave := range []string{"drop", "bye", "unsubscribe"} {
			filter, _, all := members(k, 1, 1)
			k.numbers(k.Connect(), 0, 10, 1)
			for i := range 10 {
				if p := all[0].Receive(); p.Payload != fmt.Sprint(i) {
					k.Fatalf("%v, want %d", p, i)
				} else if i < 3 {
					all[0].Answer(p)
				}
			}
			all[0].Ping()
			other := k.Connect()
			other.Grant(filter, 1)
			other.Silent()
			switch leave {
			case "drop":
				all[0].Drop()
			case "bye":
				all[0].Bye()
			default:
				all[0].Unsubscribe(filter)
			}
			for i := 3; i < 10; i++ {
				if p := other.Want(fmt.Sprint(i)); p.Dup {
					k.Errorf("%s: %v", leave, p)
				}
			}
			other.Silent()
			other.Bye()
			k.Connect(withID(k.Name())).Bye()
		}
	}},
	{V5: "EXT-SHR-2", Title: "what was not sent yet moves, QoS 2 too; what was sent stays", Needs: needsDialect, Run: func(k *Kit) {
		filter, ids, all := members(k, 1, 2, withProps(wire.Num(wire.ReceiveMaximum, 1)))
		k.numbers(k.Connect(), 0, 5, 2)
		if p := all[0].Receive(); p.Payload != "0" {
			k.Fatalf("%v", p)
		}
		all[0].Ping()
		other := k.Connect()
		other.Grant(filter, 2)
		all[0].Drop()
		for i := 1; i < 5; i++ {
			other.Want(fmt.Sprint(i))
		}
		other.Silent()
		back := k.Connect(kept(ids[0]))
		back.Want("0")
		back.Silent()
	}},
	{V5: "EXT-SHR-2 MQTT-4.8.2-5", Title: "a sent QoS 2 message ends with its session", Needs: needsDialect, Run: func(k *Kit) {
		filter, ids, all := members(k, 1, 2)
		k.numbers(k.Connect(), 0, 1, 2)
		all[0].Receive()
		other := k.Connect()
		other.Grant(filter, 2)
		all[0].Drop()
		k.Connect(withID(ids[0])).Bye() // Clean Start
		other.Silent()
	}},
	{V5: "EXT-SHR-3", V311: "EXT-SHR-3", Title: "with no member online messages wait for whoever returns first", Needs: needsDialect, Run: func(k *Kit) {
		_, ids, all := members(k, 3, 2)
		for _, c := range all {
			c.Bye()
		}
		pub := k.Connect()
		k.numbers(pub, 0, 1, 0) // would be delivered at QoS 0
		for i := range 30 {
			pub.Say(k.Topic("a"), fmt.Sprint(i), byte(1+i%2))
		}
		first := k.Connect(kept(ids[1]))
		k.inOrder(first, 30)
		for _, i := range []int{0, 2} {
			k.Connect(kept(ids[i])).Silent()
		}
	}},
	{V5: "EXT-SHR-3 MQTT-3.3.2-5 MQTT-3.3.2-6", Title: "messages expire while they wait for a group", Needs: needsDialect, Run: func(k *Kit) {
		_, ids, all := members(k, 2, 1)
		all[0].Bye()
		all[1].Bye()
		pub := k.Connect()
		for i, seconds := range []uint32{1, 60, 1, 600} {
			pub.Say(k.Topic("a"), fmt.Sprint(i), 1, wire.Num(wire.MessageExpiry, seconds))
		}
		pub.Say(k.Topic("a"), "4", 1)
		time.Sleep(2100 * time.Millisecond)
		back := k.Connect(kept(ids[1]))
		for i, most := range []uint32{58, 598} {
			if p := back.Want(fmt.Sprint(1 + 2*i)); p.Props.Num(wire.MessageExpiry, 0) > most || p.Props.Num(wire.MessageExpiry, 0) == 0 {
				k.Errorf("%v has %d seconds left", p, p.Props.Num(wire.MessageExpiry, 0))
			}
		}
		if p := back.Want("4"); p.Props.Has(wire.MessageExpiry) {
			k.Errorf("%v", p.Props)
		}
		back.Silent()
	}},
	{V5: "EXT-SHR-3", V311: "EXT-SHR-3", Title: "messages whose delivery would be QoS 0 do not wait", Needs: needsDialect, Run: func(k *Kit) {
		_, ids, all := members(k, 2, 0)
		all[0].Bye()
		all[1].Bye()
		k.numbers(k.Connect(), 0, 5, 2)
		k.Connect(kept(ids[0])).Silent()
		k.Connect(kept(ids[1])).Silent()
	}},
	{V5: "EXT-SHR-3", V311: "EXT-SHR-3", Title: "with the last member the queue goes, not before", Needs: needsDialect, Run: func(k *Kit) {
		filter, ids, all := members(k, 2, 1)
		all[0].Bye()
		all[1].Bye()
		pub := k.Connect()
		k.numbers(pub, 0, 3, 1)
		k.Connect(withID(ids[0])).Bye() // ends one member's session
		k.numbers(pub, 3, 1, 1)
		newcomer := k.Connect()
		newcomer.Grant(filter, 1) // a member joins: it takes over what waits
		for i := range 4 {
			newcomer.Want(fmt.Sprint(i))
		}
		newcomer.Bye()
		k.numbers(pub, 4, 3, 1)
		k.Connect(withID(ids[1])).Bye()
		last := k.Connect()
		last.Grant(filter, 1)
		last.Silent()
		k.numbers(pub, 7, 1, 1)
		last.Want("7")
	}},
	{V5: "EXT-SHR-5", V311: "EXT-SHR-5", Title: "a group is its account, its text and its filter", Needs: needsREST, Run: func(k *Kit) {
		t := k.Tree()
		var all []*Client
		join := func(a account, filter string) {
			c := k.Connect(a.As())
			c.Grant(filter, 1)
			all = append(all, c)
		}
		a := k.Topic("a")
		for _, filter := range []string{"$share/g/" + a, "$share/h/" + a, "$share/g/" + k.Topic("+"), "$share/g:2/" + a, "$share/g:3/" + a, "$share/g/$filter/payload=v>1/" + a, "$share/g/$filter/payload=v>0/" + a, "$share/G/" + a} {
			join(t.child, filter)
		}
		join(t.parent, "$share/g/"+a)
		k.Connect(t.child.As()).Say(a, numbered(5), 1)
		for i, c := range all {
			if got := c.Drain(); len(got) != 1 {
				k.Errorf("group %d gets %d messages", i, len(got))
			}
		}
	}},
	{V5: "EXT-SHR-5 MQTT-3.8.3-4", Title: "No Local in a share ends the connection", Needs: needsDialect, Run: func(k *Kit) {
		for _, f := range []string{"$share/g/", "$share/g:1/", "$share/g/$filter/payload=v/"} {
			c := k.Connect()
			c.Send(wire.Subscribe(k.V, 1, nil, wire.Sub{Filter: f + k.Topic("a"), Options: noLocal}))
			c.Closed(0x82)
		}
	}},
}
