package attack

import (
	"math/rand/v2"
	"strings"
	"testing"

	"alcove/test/alcovetest"
	"alcove/test/conform/wire"
)

func badTopics(t *testing.T, b *alcovetest.Broker) {
	for _, s := range []string{"a\x00b", "\x00", "\xed\xa0\x80", "\xed\xbf\xbf", "\xc0\x80", "\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xf4\x90\x80\x80", "\xff", "a\xc3"} {
		bad(t, b, v5, wire.Publish{Topic: s, QoS: 1, ID: 1}.Bytes(v5), 0x81, 0x82, 0x90)
		bad(t, b, v311, wire.Publish{Topic: s}.Bytes(v311))
		bad(t, b, v5, wire.Subscribe(v5, 1, nil, wire.Sub{Filter: s}), 0x81, 0x82, 0x8f)
		bad(t, b, v311, wire.Subscribe(v311, 1, nil, wire.Sub{Filter: s}))
		bad(t, b, v5, wire.Unsubscribe(v5, 1, nil, s), 0x81, 0x82, 0x8f)
	}
	bad(t, b, v5, wire.Publish{}.Bytes(v5), 0x82, 0x81, 0x90)
	bad(t, b, v311, wire.Publish{}.Bytes(v311))
	c := connect(t, b)
	for _, f := range []string{"a#", "a/+b", "#/a", "+a", "a/#/b", "##", "a+/b", "a/b+"} {
		if r := c.subscribe(f, 0); r != 0x8f {
			t.Errorf("filter %q: %#02x", f, r)
		}
	}
	for _, s := range []string{"u/\ufffe", "u/\U0001fffe", "u/\ufdd0"} { // noncharacters may be refused, not mangled
		c = connect(t, b)
		c.send(wire.Subscribe(v5, 1, nil, wire.Sub{Filter: "u/#", Options: 1}), wire.Publish{Topic: s, QoS: 1, ID: 1}.Bytes(v5))
		for p := c.next(); p != nil && p.Type != wire.DISCONNECT; p = c.next() {
			if p.Type == wire.PUBLISH && p.Topic != s {
				t.Errorf("%q came as %q", s, p.Topic)
			}
			if p.Type == wire.PUBLISH || p.Type == wire.PUBACK && p.Reason >= 0x80 {
				break
			}
		}
	}
}

func invisible(t *testing.T, b *alcovetest.Broker) {
	for _, s := range []string{"evil\n{\"forged\":1}", "\x1b[31mred\x1b[0m", "\u202etxt", "zero\u200bwidth", "раураl", "tab\tcr\r", "\u0085", "\u009b31m"} {
		c := dial(t, b)
		c.send(hello(b, func(p *wire.Connect) { p.ClientID = s + name() }).Bytes())
		if ack := c.next(); ack != nil && ack.Reason == 0 {
			c.send([]byte{0x36, 0}) // an error, so that the log speaks of this client
			c.closed()
		}
		c = connect(t, b)
		c.send(wire.Publish{Topic: "t/" + s, QoS: 1, ID: 1}.Bytes(v5), wire.Ping())
		control := strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 })
		p := c.next()
		if control && p != nil && p.Type == wire.PUBACK && p.Reason < 0x80 {
			t.Errorf("topic %q: %v", s, p)
		}
		if !control && (p == nil || p.Type != wire.PUBACK || p.Reason >= 0x80) {
			t.Errorf("topic %q: %v", s, p)
		}
		// Text of clients never acts in the operator's log.
		bad := dial(t, b)
		bad.send(hello(b, as(s), func(p *wire.Connect) { p.ClientID = s }).Bytes())
		bad.closed()
	}
	if out := b.Output(); strings.ContainsAny(strings.ReplaceAll(out, "\n", ""), "\x1b\u202e\u009b\u0085\r") || strings.Contains(out, "\n{\"forged\"") {
		t.Errorf("raw control characters in the log: %.300q", out)
	}
}

func normalForms(t *testing.T, b *alcovetest.Broker) {
	composed, decomposed := "nf/caf\u00e9", "nf/cafe\u0301"
	sub := connect(t, b)
	sub.subscribe(composed, 1)
	_, key := token(t, b, acl(composed, `"publish"`))
	c := connect(t, b, as(key))
	if r := c.publish(decomposed, "no"); r != 0x87 {
		t.Errorf("a rule for %+q lets %+q through: %#02x", composed, decomposed, r)
	}
	if r := c.publish(composed, "yes"); r >= 0x80 {
		t.Errorf("%#02x", r)
	}
	if p := sub.receive(); p.Payload != "yes" || p.Topic != composed {
		t.Errorf("%v", p)
	}
}

func deepTopics(t *testing.T, b *alcovetest.Broker) {
	slashes := strings.Repeat("/", 65535)
	pluses := strings.Repeat("+/", 32000) + "+"
	c := connect(t, b)
	for range 200 {
		if r := c.publish(slashes, "x"); r != 0x90 {
			t.Fatalf("a topic of 65,535 slashes: %#02x", r)
		}
		if r := c.subscribe(pluses, 0); r != 0x8f && r != 0x97 {
			t.Fatalf("a filter of 32,000 levels: %#02x", r)
		}
	}
	// A tree in which every level branches in two costs no 2^k steps.
	random := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		levels := make([]string, 40)
		for i := range levels {
			levels[i] = []string{"+", "a"}[random.IntN(2)]
		}
		if r := c.subscribe("deep/"+strings.Join(levels, "/"), 0); r != 0 {
			t.Fatalf("%#02x", r)
		}
	}
	for range 200 {
		c.send(wire.Publish{Topic: "deep/" + strings.TrimSuffix(strings.Repeat("a/", 40), "/")}.Bytes(v5))
	}
	for range 200 { // one copy of each
		c.await(wire.PUBLISH)
	}
	if n := c.count(); n != 0 {
		t.Errorf("%d more copies", n)
	}
}

func overlapping(t *testing.T, b *alcovetest.Broker) {
	c := connect(t, b)
	base := strings.Split("over/a/b/c/d/e/f/g/h/i/j", "/")
	for i := range 1000 { // each bit makes one level a wildcard
		levels := append([]string(nil), base...)
		for bit := range 10 {
			if i>>bit&1 == 1 {
				levels[bit+1] = "+"
			}
		}
		c.subscribe(strings.Join(levels, "/"), byte(i%2))
	}
	c.send(wire.Publish{Topic: strings.Join(base, "/"), Payload: "x", QoS: 1, ID: 1}.Bytes(v5))
	if p := c.receive(); p.QoS != 1 {
		t.Errorf("%v", p)
	}
	if n := c.count(); n != 0 {
		t.Errorf("%d more copies of one message", n)
	}
}

func TestRow16_wildcardSubscriptions(t *testing.T) {
	t.Parallel()
	b := alcovetest.Start(t, alcovetest.Config{})
	grows(t, b, 256<<20, func() {
		c := connect(t, b)
		refused := false
		for chunk := range 20 {
			var subs []wire.Sub
			for i := range 1000 {
				n := chunk*1000 + i
				f := strings.Repeat("+/", 3+n%10) + name()
				subs = append(subs, wire.Sub{Filter: "bomb/" + f})
			}
			c.send(wire.Subscribe(v5, 1, nil, subs...))
			for _, r := range c.await(wire.SUBACK).Reasons {
				if r == 0x97 {
					refused = true
				} else if r != 0 {
					t.Fatalf("%#02x", r)
				}
			}
		}
		t.Logf("refused some: %v", refused)
		pub := connect(t, b)
		for range 200 {
			if r := pub.publish("bomb/1/2/3/4/5/6/7/none", "x"); r >= 0x80 {
				t.Fatalf("%#02x", r)
			}
		}
		c.ping()
	})
}

func shareForms(t *testing.T, b *alcovetest.Broker) {
	c := connect(t, b)
	for _, f := range []string{"$share/", "$share//t", "$share/g", "$share/g/", "$share/g+/t", "$share/#/t", "$share/+/t",
		"$share/g/$share/h/t", "$share/g/a#"} {
		if r := c.subscribe(f, 0); r != 0x8f {
			t.Errorf("%q: %#02x, want 0x8f", f, r)
		}
	}
	// Only digits make a group sticky; anything else is part of its name.
	for _, f := range []string{"$share", "$share/team:blue/t", "$share/g:x:y/t", "$share/g:999999:-1/t", "$share/g/$SYS/#", "$SHARE/g/t", "$share/g:2/t", "$share/g:1:2/t"} {
		if r := c.subscribe(f, 0); r >= 0x80 {
			t.Errorf("%q: %#02x", f, r)
		}
	}
	c.send(wire.Subscribe(v5, 1, nil, wire.Sub{Filter: "$share/g/t", Options: 4}))
	c.closed(0x82)
	// Rights are asked for the inner filter.
	_, key := token(t, b, acl("open/#", `"subscribe"`))
	c = connect(t, b, as(key))
	if r := c.subscribe("$share/open/secret/#", 0); r != 0x87 {
		t.Errorf("a foreign inner filter: %#02x", r)
	}
	if r := c.subscribe("$share/g/open/x", 0); r != 0 {
		t.Errorf("a permitted inner filter: %#02x", r)
	}
	old := connect(t, b, version(v311))
	if r := old.subscribe("$share//t", 0); r != 0x80 {
		t.Errorf("3.1.1: %#02x", r)
	}
}
