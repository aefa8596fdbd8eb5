package conform

import (
	"slices"

	"alcove/test/conform/wire"
)

// matching lists topics and which of the filters match them; every name
// stands below the topic level of the case.
var matching = []struct {
	topic   string
	filters []string
}{
	{"sport/tennis/p1", []string{"sport/tennis/p1", "sport/tennis/p1/#", "sport/#", "sport/tennis/+", "+/tennis/#", "sport/+/p1", "#", "+/+/+"}},
	{"sport/tennis/p1/ranking", []string{"sport/tennis/p1/#", "sport/#", "+/tennis/#", "#"}},
	{"sport", []string{"sport/#", "#", "+"}},
	{"sport/", []string{"sport/#", "sport/+", "#", "+/+"}},
	{"/finance", []string{"+/+", "/+", "#"}},
	{"Sport", []string{"#", "+"}},
	{"a//b", []string{"a//b", "a/+/b", "#", "+/+/+"}},
	{"a/b", []string{"#", "+/+"}},
	{" ", []string{"#", "+"}},
}

var matchingFilters = []string{"sport/tennis/p1", "sport/tennis/p1/#", "sport/#", "sport/tennis/+", "+/tennis/#", "sport/+/p1", "#", "+",
	"sport/+", "+/+", "/+", "+/+/+", "a//b", "a/+/b"}

var badFilters = []string{"a#", "a/#/b", "#/a", "a/b#", "a+", "+a/b", "a/+b", "a/b+/c", "##", "++"}

var topicCases = []Case{
	{V5: "MQTT-3.3.2-3 MQTT-4.7.1-1 MQTT-4.7.1-2", V311: "MQTT311-3.3.2-3 MQTT311-4.7.1-2 MQTT311-4.7.1-3", V31: "MQTT31", Title: "filters match exactly their topics", Run: func(k *Kit) {
		pub := k.Connect()
		subs := map[string]*Client{}
		for _, f := range matchingFilters {
			subs[f] = k.Connect()
			subs[f].Grant(k.Topic(f), 1)
		}
		for _, m := range matching {
			pub.Say(k.Topic(m.topic), m.topic, 1)
		}
		for _, f := range matchingFilters {
			for _, m := range matching {
				if slices.Contains(m.filters, f) {
					if p := subs[f].Take(); p.Payload != m.topic {
						k.Errorf("filter %q: got %v, want topic %q", f, p, m.topic)
					}
				}
			}
			if more := subs[f].Drain(); len(more) > 0 {
				k.Errorf("filter %q also matches %s", f, payloads(more))
			}
		}
	}},
	{V5: "MQTT-4.7.1-1 MQTT-4.7.1-2", V311: "MQTT311-4.7.1-2 MQTT311-4.7.1-3", Title: "misplaced wildcards are refused", Run: func(k *Kit) {
		for _, f := range badFilters {
			c := k.Connect()
			c.Send(wire.Subscribe(k.V, 1, nil, wire.Sub{Filter: k.Topic(f)}))
			p := c.Next()
			if p != nil && p.Type == wire.SUBACK {
				if p.Reasons[0] < 0x80 {
					k.Errorf("filter %q granted", f)
				} else if k.Strict && k.V >= wire.V5 && p.Reasons[0] != 0x8f {
					k.Errorf("filter %q: %v", f, p)
				}
				continue
			}
			if p != nil && (p.Type != wire.DISCONNECT || p.Reason < 0x80) {
				k.Errorf("filter %q: %v", f, p)
			}
			c.Closed()
		}
	}},
	{V5: "MQTT-4.7.2-1", V311: "MQTT311-4.7.2-1", V31: "MQTT31", Title: "filters that begin with a wildcard do not match $ topics", Run: func(k *Kit) {
		c := k.Connect()
		suffix := k.Topic("d")
		c.Grant("+/"+suffix, 1)
		c.Grant("+/conform/#", 1)
		c.Grant("$x"+k.name+"/#", 1)
		pub := k.Connect()
		pub.Say("$x"+k.name+"/"+suffix, "dollar", 1)
		first := c.Want("dollar")
		if first.Topic[0] != '$' {
			k.Errorf("%v", first)
		}
		c.Silent()
		all := k.Connect()
		all.Grant("#", 0)
		pub.Say("$x"+k.name+"/"+suffix, "dollar", 1)
		for _, p := range all.Drain() {
			if p.Topic[0] == '$' {
				k.Errorf("# brought %v", p)
			}
		}
	}},
	{V5: "MQTT-4.7.3-4", V311: "MQTT311-4.7.3-4", V31: "MQTT31", Title: "nothing is normalised", Run: func(k *Kit) {
		names := []string{"caf\u00e9", "cafe\u0301", "CAF\u00c9", "a/b", "a//b", "a/b/", "/a/b", "A/b", " a", "a ", "\u212b", "\u00c5"}
		pub := k.Connect()
		var subs []*Client
		for _, n := range names {
			c := k.Connect()
			c.Grant(k.Topic("n/"+n), 1)
			subs = append(subs, c)
		}
		for _, n := range names {
			pub.Say(k.Topic("n/"+n), n, 1)
		}
		for i, n := range names {
			if p := subs[i].Want(n); p.Topic != k.Topic("n/"+n) {
				k.Errorf("%q came as %q", n, p.Topic)
			}
			subs[i].Silent()
		}
	}},
	{V5: "MQTT-4.7.3-1", V311: "MQTT311-4.7.3-1", Title: "an empty filter is refused", Run: func(k *Kit) {
		c := k.Connect()
		c.Send(wire.Subscribe(k.V, 1, nil, wire.Sub{Filter: ""}))
		if k.V < wire.V5 {
			refusedSuback(c, 0x80)
		} else {
			refusedSuback(c, 0x81, 0x82, 0x8f)
		}
	}},
}

// refusedSuback takes a SUBACK whose first code is one of the reasons, or a close.
func refusedSuback(c *Client, reasons ...byte) {
	p := c.Next()
	if p != nil && p.Type == wire.SUBACK {
		if len(p.Reasons) == 0 || !slices.Contains(reasons, p.Reasons[0]) {
			c.k.Errorf("answered by %v", p)
		}
		return
	}
	if p != nil {
		c.pending = append([]*wire.Packet{p}, c.pending...)
	}
	c.Closed(reasons...)
}
