package attack

import (
	"fmt"
	"strings"
	"testing"

	"alcove/test/alcovetest"
	"alcove/test/conform/wire"
)

// percent encodes an expression for an item of $filter.
func percent(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		fmt.Fprintf(&b, "%%%02x", c)
	}
	return b.String()
}

// stickyForms is the rest of row 32: numbers of sticky groups [EXT-SHR-4].
func stickyForms(t *testing.T, b *alcovetest.Broker) {
	for _, v := range []byte{v5, v311} {
		c := connect(t, b, version(v))
		for _, suffix := range []string{":0", ":0:0", ":7:0", ":65536", ":1:65536", ":65536:1", ":999999", ":18446744073709551617", ":" + strings.Repeat("9", 5000)} {
			if r := c.subscribe("$share/g"+suffix+"/t", 0); v == v5 && r != 0x8f || v != v5 && r != 0x80 {
				t.Errorf("$share/g%.30s/t: %#02x", suffix, r)
			}
		}
		for _, suffix := range []string{":65535", ":65535:65535", ":0:1", ":x:y", ":999999:-1", ":", "::", ":1:"} {
			if r := c.subscribe("$share/g"+suffix+"/t", 0); r != 0 {
				t.Errorf("$share/g%s/t: %#02x", suffix, r)
			}
		}
		for _, f := range []string{"$share/g:1/$share/h/t", "$share/g:1/$filter/payload=v/$share/h/t", "$share/g:1/", "$share/g:1"} {
			if r := c.subscribe(f, 0); r < 0x80 {
				t.Errorf("%s is granted", f)
			}
		}
	}
	// A fingerprint of 65,535 words of a topic that has two costs nothing.
	sub, pub := connect(t, b), connect(t, b)
	sub.subscribe("$share/g:0:65535/sticky/#", 1)
	for i := range 1000 {
		pub.send(wire.Publish{Topic: fmt.Sprint("sticky/", i)}.Bytes(v5))
	}
	pub.ping()
	for range 1000 {
		sub.receive()
	}
	c := connect(t, b)
	c.send(wire.Subscribe(v5, 1, nil, wire.Sub{Filter: "$share/g:1/t", Options: 4}))
	c.closed(0x82)
	_, key := token(t, b, acl("open/#", `"subscribe"`))
	c = connect(t, b, as(key))
	for f, want := range map[string]byte{"$share/open:1/secret/x": 0x87, "$share/secret:1/open/x": 0, "$share/g:1/$filter/payload=v/secret/x": 0x87} {
		if r := c.subscribe(f, 0); r != want {
			t.Errorf("%s: %#02x, want %#02x", f, r, want)
		}
	}
}

// filterForms is row 33: what is no filter, no expression or no selector is
// refused, alone and with a reason, and costs nothing.
func filterForms(t *testing.T, b *alcovetest.Broker) {
	c, old := connect(t, b), connect(t, b, version(v311))
	for _, f := range []string{
		"$filter/", "$filter/payload=v", "$filter/payload=v/", "$filter//t", "$filter/payload=\"a/b\"/t", "$filter/payload='/t", "$filter/t/u", "$filter/payload=v&/t", "$filter/&&&&/t", "$filter/payload=v&payload=v/t", "$filter/nosuch=1/t",
		"$filter/payload=v/$share/g/t", "$filter/payload=v/$filter/payload=v/t", "$share/g/$filter/payload=v/$filter/payload=v/t", "$share/g/$filter/payload=v", "$filter/payload=v/a#", "$filter/payload=v/a,",
		"$filter/cid=-1/t", "$filter/cid=99999999999999999999/t", "$filter/cid=1e3/t", "$filter/cid=0x1/t", "$filter/modified_since=NaN/t", "$filter/modified_since=/t",
		"$filter/payload=" + percent(strings.Repeat("(", 10000)) + "/t", "$filter/payload=" + strings.Repeat("(", 60000) + "/t", "$filter/payload=" + strings.Repeat("v|", 32000) + "v/t", "$filter/payload=" + strings.Repeat("!", 65000) + "/t",
		"$filter/payload=" + percent(strings.Repeat("(", 500)+"v"+strings.Repeat(")", 500)) + "/t", "$filter/payload=" + percent(strings.Repeat("v?", 700)+"1"+strings.Repeat(":1", 700)) + "/t", "$filter/payload=" + percent(`"`+strings.Repeat("x", 5000)+`"`) + "/t",
		"$filter/payload=" + strings.Repeat("9", 400) + ".e/t", "$filter/payload=%00/t", "$filter/payload=%ff%fe/t", "$filter/message=system(1)/t",
	} {
		if r := c.subscribe(f, 0); r != 0x8f {
			t.Errorf("%.60q: %#02x, want 0x8f", f, r)
		}
		if r := old.subscribe(f, 0); r != 0x80 {
			t.Errorf("%.60q with 3.1.1: %#02x, want 0x80", f, r)
		}
	}
	for _, f := range []string{"a,", ",a", "a,,b", "a,+", "+,a", "a,#", "x/" + strings.Repeat(",", 60000), "$share/g/a,,b"} {
		if r := c.subscribe(f, 0); r != 0x8f {
			t.Errorf("%.30q: %#02x, want 0x8f", f, r)
		}
	}
	// The encoded slash belongs to the expression, the first bare one ends it.
	c.subscribe("$filter/payload="+percent("v/2==3")+"/slash", 1)
	c.send(wire.Publish{Topic: "slash", Payload: `{"v":6}`, QoS: 1, ID: 1}.Bytes(v5))
	if p := c.receive(); p.Topic != "slash" {
		t.Errorf("%v", p)
	}
}

// hostileExpressions meet hostile payloads: nothing matches, nothing lasts long
// [EXT-EXP-2].
var hostileExpressions = []string{
	`s~"` + strings.Repeat("*a", 1900) + `*b"`, `s~"` + strings.Repeat("?", 3900) + `*"`, `s=="` + strings.Repeat("*", 3900) + `b"`,
	"1/0", "1%0", "v/zero", "1e308*10/0", "-(1/zero)", "a[1e308]==1", "a[-1]==1", "a[0.5]==1", "a[s]==1", "s[0][0][0]==1", "v.v.v.v.v==1", "len(v)==len(a)&&none", "substr(s,-1,1e308)==s&&none", "substr(s,1e308,-1)==none",
	"tonumber(s)>0", "abs(s)>0&&none", "0xffffffffffffffffffffffff==none", strings.Repeat("9", 400) + "==none", strings.Repeat("v+", 1900) + "none", strings.Repeat("contains(s,s)&&", 200) + "none", "word(s,1e308)==1&&none", "word(s,-1)==1&&none",
}

var hostilePayloads = []string{
	`{"s":"` + strings.Repeat("a", 1<<20) + `","v":1,"zero":0,"a":[1]}`, strings.Repeat(`{"v":`, 100000) + "1" + strings.Repeat("}", 100000), strings.Repeat("[", 500000), `{"s":` + strings.Repeat("[", 100000), `{"v":1e999999999,"zero":-0,"s":"x","a":[]}`, `{"v":"` + strings.Repeat("\\u0041", 100000) + `"}`,
	`{` + strings.Repeat(`"v":1,`, 100000) + `"v":{}}`, `{"v":{"v":{"v":{"v":{"v":2}}}},"s":{},"zero":[],"a":{"0":1}}`, `{"s":null,"v":null,"zero":null,"a":null}`, "\x00\xff", "", `"`, `{"s":"` + strings.Repeat(`\"`, 100000),
}

func TestRow33_hostileExpressionsAndPayloads(t *testing.T) {
	t.Parallel()
	b := alcovetest.Start(t, alcovetest.Config{})
	grows(t, b, 192<<20, func() {
		c := connect(t, b)
		for i, e := range hostileExpressions {
			f := fmt.Sprintf("$filter/payload=%s/hostile", percent(e))
			if r := c.subscribe(f, 1); r != 1 && r != 0x8f {
				t.Errorf("expression %d: %#02x", i, r)
			}
		}
		pub := connect(t, b)
		for _, p := range hostilePayloads {
			if r := pub.publish("hostile", p); r >= 0x80 {
				t.Errorf("%.20q: %#02x", p, r)
			}
		}
		c.count()
		// What is refused leaves nothing behind.
		for range 300 {
			c.subscribe("$filter/payload="+strings.Repeat("(", 60000)+"/t", 0)
		}
	})
}

// A selector is never expanded: a thousand words in each of many levels, in a
// subscription and in an access list, are a handful of entries [EXT-SEL-1].
func TestRow33_selectorsAreNotExpanded(t *testing.T) {
	t.Parallel()
	b := alcovetest.Start(t, alcovetest.Config{})
	grows(t, b, 128<<20, func() {
		var words []string
		for i := range 1000 {
			words = append(words, fmt.Sprint("w", i))
		}
		wide := strings.Join(words, ",")
		c, pub := connect(t, b), connect(t, b)
		for i := range 20 {
			if r := c.subscribe(fmt.Sprintf("%s/%s/%s/%d", wide, wide, wide, i), 1); r != 1 {
				t.Fatalf("%#02x", r)
			}
		}
		deep := strings.TrimSuffix(strings.Repeat("a,b,c,d/", 60), "/") // 4^60 topics
		if r := c.subscribe(deep, 1); r != 1 {
			t.Fatalf("%#02x", r)
		}
		pub.publish("w1/w999/w500/7", "wide")
		pub.publish(strings.TrimSuffix(strings.Repeat("a/b/c/d/", 15), "/"), "deep")
		for _, want := range []string{"wide", "deep"} {
			if p := c.receive(); p.Payload != want {
				t.Errorf("%v", p)
			}
		}
		narrow := strings.TrimSuffix(strings.Repeat("a,b/", 60), "/")
		_, key := token(t, b, acl(narrow, `"publish","subscribe"`))
		n := connect(t, b, as(key))
		if r := n.subscribe(deep, 1); r != 1 { // it meets the rule, and each message is checked
			t.Errorf("%#02x", r)
		}
		if r := n.subscribe(strings.TrimSuffix(strings.Repeat("c,d/", 60), "/"), 1); r != 0x87 {
			t.Errorf("outside the rule: %#02x", r)
		}
		if r := n.publish(strings.TrimSuffix(strings.Repeat("a/b/c/d/", 15), "/"), "no"); r != 0x87 {
			t.Errorf("PUBLISH outside the rule: %#02x", r)
		}
		n.send(wire.Publish{Topic: strings.TrimSuffix(strings.Repeat("a/b/", 30), "/"), Payload: "yes", QoS: 1, ID: 1}.Bytes(v5))
		if p := n.receive(); p.Payload != "yes" {
			t.Errorf("%v", p)
		}
	})
}

// One SUBSCRIBE may not hold its loop for long: what its filters say together is
// bounded, and those above the bound are refused alone.
func longSubscribe(t *testing.T, b *alcovetest.Broker) {
	subs := make([]wire.Sub, 300)
	for i := range subs {
		var words []string
		for j := range 6000 {
			words = append(words, fmt.Sprintf("%d%c%d", i, 'a'+j%26, j/26))
		}
		subs[i].Filter = strings.Join(words, ",")
	}
	c := connect(t, b)
	c.send(wire.Subscribe(v5, 1, nil, subs...))
	granted := 0
	for i, r := range c.await(wire.SUBACK).Reasons {
		switch {
		case r == 0 && granted == i:
			granted++
		case r != 0x97:
			t.Fatalf("filter %d: %#02x", i, r)
		}
	}
	if size := granted * len(subs[0].Filter); granted == 0 || size > 2<<20 {
		t.Errorf("%d filters of %d bytes in all are granted", granted, size)
	}
	if r := c.subscribe("plain/a,b", 1); r != 1 {
		t.Errorf("the next SUBSCRIBE: %#02x", r)
	}
}

// internalPrefixes is row 34: what begins with "$" or the reserved prefix is
// reached by no wildcard, and what is the broker's own by nobody [EXT-TOP-1].
func internalPrefixes(t *testing.T, b *alcovetest.Broker) {
	account := rest(t, b, "POST", "/platform/customers", `[{"name":"row 34"}]`)[0]
	key := fmt.Sprint(account["key"])
	if token, ok := account["token"].(map[string]any); ok {
		key = fmt.Sprint(token["key"])
	}
	names := []string{"$SYS/x", "$CONTROL/x", "$delayed/1/x", "$queue/x", "$SHARE/g/x", "$", "$/x", "$SYS"}
	pub := connect(t, b, as(key))
	for _, v := range []byte{v5, v311} {
		for _, f := range []string{"#", "+", "+/#", "+/x", "+/+/x", "$share/s/#", "$share/s/+/x", "$filter/message=qos%3E-1/#", "$share/s:1/$filter/message=qos%3E-1/+/#"} {
			c := connect(t, b, as(key), version(v))
			if r := c.subscribe(f, 1); r != 1 {
				t.Fatalf("%s: %#02x", f, r)
			}
			for _, n := range append(names, "flespi/x", "flespi/state/x") {
				pub.send(wire.Publish{Topic: n, Payload: "x", QoS: 1, ID: 1, Retain: true}.Bytes(v5))
				if r := pub.await(wire.PUBACK).Reason; strings.HasPrefix(n, "flespi") != (r == 0x90) || r != 0x90 && r >= 0x80 {
					t.Errorf("PUBLISH %s: %#02x", n, r)
				}
			}
			if n := c.count(); n != 0 {
				t.Errorf("%s brings %d of them", f, n)
			}
			c.Close()
		}
	}
	for _, n := range names[:5] { // plain topics of the account, to whom asks by name
		c := connect(t, b, as(key))
		c.send(wire.Subscribe(v5, 1, nil, wire.Sub{Filter: n, Options: 1}))
		if p := c.receive(); p.Topic != n || !p.Retain {
			t.Errorf("%v", p)
		}
		c.Close()
	}
	c := connect(t, b, as(key))
	for _, f := range []string{"flespi/x", "flespi/state/x", "flespi/+", "flespi,other/x", "flespi/state/x/#"} {
		if n := takeRetained(c, f, 0); n != 0 {
			t.Errorf("%s: %d messages of the reserved prefix", f, n)
		}
	}
	for _, n := range []string{"$share/g/x", "$filter/payload=v/x", "flespi/x", "flespi"} { // as topics and as Wills
		if r := pub.publish(n, "x"); r != 0x90 {
			t.Errorf("PUBLISH %s: %#02x", n, r)
		}
		w := dial(t, b)
		w.send(hello(b, as(key), func(p *wire.Connect) { p.Will = &wire.Will{Topic: n, Payload: "will"} }).Bytes())
		if ack := w.next(); ack == nil || ack.Reason != 0x90 {
			t.Errorf("a Will to %s: %v", n, ack)
		}
	}
	for _, n := range []string{"#", "+/#"} { // bulk deletion passes over them too
		pub.publish(n, "")
	}
	for _, n := range names[:3] {
		late := connect(t, b, as(key))
		if got := takeRetained(late, n, 1); got != 1 {
			t.Errorf("%s: %d retained after the deletion of #", n, got)
		}
		late.Close()
	}
}
