package conform

import (
	"strings"

	"alcove/test/conform/wire"
)

var reservedCases = []Case{
	{V5: "EXT-TOP-1", V311: "EXT-TOP-1", V31: "EXT-TOP-1", Title: "wildcards at the first level match neither the reserved prefix nor $", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		pub := k.Connect(a.As())
		for _, t := range []string{"$mine/x", "$mine", "plain/x"} {
			pub.Publish(wire.Publish{Topic: t, Payload: t, QoS: 1, Retain: true})
		}
		for _, f := range []string{"#", "+/#", "+/x", "$share/g/#", "$share/h/+/x", "$filter/message=qos%3E0/#", "$filter/message=qos%3E0/+/x"} {
			c := k.Connect(a.As())
			c.Grant(f, 1)
			for _, p := range c.Drain() { // retained
				if p.Topic != "plain/x" {
					k.Errorf("%s brings retained %v", f, p)
				}
			}
			for _, t := range []string{"$mine/x", "plain/x"} {
				pub.Publish(wire.Publish{Topic: t, Payload: t, QoS: 1})
			}
			for _, p := range c.Drain() {
				if p.Topic != "plain/x" {
					k.Errorf("%s brings %v", f, p)
				}
			}
			c.Bye()
		}
		c := k.Connect(a.As())
		c.Grant("$mine/+", 1)
		c.Want("$mine/x")
	}},
	{V5: "EXT-TOP-1 EXT-UP-7", V311: "EXT-TOP-1", V31: "EXT-TOP-1", Title: "nothing under the reserved prefix is stored, counted or delivered, and the connection stays", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		c, sub := k.Connect(a.As()), k.Connect(a.As())
		sub.Grant("flespi/conform/#", 1)
		for qos := byte(0); qos <= 2; qos++ {
			for _, payload := range []string{"x", ""} {
				for _, t := range []string{"flespi/conform/x", "flespi/conform", "flespi/restx/y"} {
					r := c.Publish(wire.Publish{Topic: t, Payload: payload, QoS: qos, Retain: true, Props: counting})
					if want := byte(0x90); k.V >= wire.V5 && qos > 0 && r != want {
						k.Errorf("%s QoS %d: %#02x", t, qos, r)
					}
				}
			}
		}
		c.Ping()
		sub.Silent()
		late := k.Connect(a.As())
		late.Grant("flespi/conform/#", 1)
		late.Silent()
	}},
	{V5: "EXT-TOP-1", V311: "EXT-TOP-1", Title: "only the first level, spelled exactly so, is reserved", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		c := k.Connect(a.As())
		c.Grant("#", 1)
		for _, t := range []string{"flespi2/x", "Flespi/x", "FLESPI/x", "/flespi/x", "my/flespi/x", "flesp/x"} {
			c.Say(t, t, 1)
			c.Want(t)
		}
	}},
	{V5: "EXT-TOP-1 EXT-TOK-5", Title: "no token may publish there", Needs: needsREST, Run: func(k *Kit) {
		a := k.Own()
		for _, who := range []account{a, k.Rule(a, may("flespi/#", "publish,subscribe"), may("#", "publish,subscribe"))} {
			c := k.Connect(who.As())
			if r := c.Publish(wire.Publish{Topic: "flespi/state/x", Payload: "x", QoS: 1}); r != 0x90 && r != 0x87 {
				k.Errorf("%#02x", r)
			}
			if r := c.Subscribe("flespi/state/#", 1); r >= 0x80 {
				k.Errorf("SUBSCRIBE: %#02x", r)
			}
			for _, p := range c.Drain() {
				if strings.HasSuffix(p.Topic, "/x") {
					k.Errorf("%v", p)
				}
			}
		}
	}},
}
