package conform

import (
	"fmt"
)

// stickyFormCases are about how a sticky group is written.
var stickyFormCases = []Case{
	{V5: "EXT-SHR-4 EXT-SHR-5", V311: "EXT-SHR-4 EXT-SHR-5", Title: "g:0:n is g:n", Needs: needsDialect, Run: func(k *Kit) {
		group := k.Name()
		var all []*Client
		for _, suffix := range []string{":0:3", ":3"} {
			c := k.Connect()
			c.Grant("$share/"+group+suffix+"/"+k.Topic("+"), 1)
			all = append(all, c)
		}
		pub := k.Connect()
		for i := range 40 {
			pub.Say(k.Topic(fmt.Sprint(i)), fmt.Sprint(i), 1)
		}
		if counts := k.spread(all, 40); counts[0] == 0 || counts[1] == 0 {
			k.Errorf("%v", counts)
		}
	}},
	{V5: "EXT-SHR-4", V311: "EXT-SHR-4", V31: "EXT-SHR-4", Title: "wrong numbers are refused, other suffixes are names", Needs: needsDialect, Run: func(k *Kit) {
		c := k.Connect()
		for suffix, granted := range map[string]bool{
			":0": false, ":0:0": false, ":5:0": false, ":65536": false, ":0:65536": false, ":65536:1": false, ":99999999999999999999": false, ":1:99999999999999999999": false, ":18446744073709551617": false, ":4294967297": false,
			":1": true, ":65535": true, ":65535:65535": true, ":0:1": true, ":blue": true, ":": true, ":1:": true, ":x:1x": true, ":-1": true, ":+1:x": false, ":1.5": true, ": 1": true, ":1:x": true, ":0x5": true, "": true,
		} {
			if r := c.Subscribe("$share/team"+suffix+"/"+k.Topic("a"), 1); granted && r != 1 || !granted && r != k.refusal(0x8f) {
				k.Errorf("team%s: %#02x", suffix, r)
			}
		}
	}},
	{V5: "EXT-SHR-4", V311: "EXT-SHR-4", Title: "a name with a colon is a plain group", Needs: needsDialect, Run: func(k *Kit) {
		filter := "$share/team:blue/" + k.Topic("a")
		one, two := k.Connect(), k.Connect()
		one.Grant(filter, 1)
		two.Grant(filter, 1)
		k.numbers(k.Connect(), 0, 20, 1)
		if counts := k.spread([]*Client{one, two}, 20); counts[0] < 5 || counts[1] < 5 {
			k.Errorf("spread as %v", counts)
		}
	}},
	{V5: "EXT-SHR-4 EXT-FIL-1", Title: "sticky with a filter and a selector inside", Needs: needsDialect, Run: func(k *Kit) {
		filter := "$share/" + k.Name() + ":2:1/$filter/payload=v>1/" + k.Topic("a,b,c,d,e,f,g,h/x")
		var all []*Client
		for range 2 {
			c := k.Connect()
			c.Grant(filter, 1)
			all = append(all, c)
		}
		pub := k.Connect()
		home := map[string]int{}
		for v := range 4 {
			for _, w := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i"} {
				pub.Say(k.Topic(w+"/x"), numbered(v), 1)
			}
			for i, c := range all {
				for _, p := range c.Drain() {
					if at, ok := home[p.Topic]; ok && at != i || v < 2 {
						k.Errorf("%v at member %d", p, i)
					}
					home[p.Topic] = i
				}
			}
		}
		if len(home) != 8 {
			k.Errorf("%d topics came", len(home))
		}
	}},
}
