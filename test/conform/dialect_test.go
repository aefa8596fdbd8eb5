package conform

import (
	"fmt"
	"strings"
	"testing"

	"alcove/test/alcovetest"
	"alcove/test/conform/wire"
)

// The reserved prefix is a setting [EXT-TOP-1].
func TestReservedPrefix(t *testing.T) {
	try(t, alcovetest.Config{YAML: "reserved_prefix: own\n"},
		Case{V5: "EXT-TOP-1", V311: "EXT-TOP-1", Title: "the prefix that is set is reserved, and no other", Run: func(k *Kit) {
			all, pub := k.Connect(), k.Connect()
			all.Grant("#", 1)
			mine := k.Name()
			if r := pub.Publish(wire.Publish{Topic: "own/" + mine, Payload: "x", QoS: 1}); k.V >= wire.V5 && r != 0x90 {
				k.Errorf("own/: %#02x", r)
			}
			_, ack := k.Open(withWill(wire.Will{Topic: "own/" + mine}))
			if ack != nil && ack.Reason == 0 {
				k.Errorf("a Will to own/ is accepted")
			}
			pub.Say("flespi/"+mine, "free", 1)
			for _, p := range all.Drain() {
				if strings.HasSuffix(p.Topic, mine) && p.Payload != "free" {
					k.Errorf("%v", p)
				}
			}
			c := k.Connect()
			c.Grant("flespi/"+mine, 1)
			pub.Say("flespi/"+mine, "free", 1)
			c.Want("free")
		}})
}

// The queue of a share group is bounded like a session's [EXT-SHR-3] [EXT-SES-3].
func TestGroupQueueBound(t *testing.T) {
	const n, size = 200, 2 << 10
	offline := func(k *Kit, suffix string, a account) []string {
		id := k.Name()
		c := k.Connect(a.As(), kept(id))
		c.Grant("$share/g"+suffix+"/"+k.Topic("+"), 1)
		c.Bye()
		pub := k.Connect(a.As())
		for i := range n {
			pub.Say(k.Topic(fmt.Sprint(i%7)), fmt.Sprintf("%d %s", i, strings.Repeat("x", size)), 1)
		}
		var got []string
		c = k.Connect(a.As(), kept(id))
		for _, p := range c.Drain() {
			number, _, _ := strings.Cut(p.Payload, " ")
			got = append(got, number)
		}
		c.Bye()
		return got
	}
	// run tells whether numbers follow each other from the given one on.
	run := func(got []string, from int) bool {
		for i, s := range got {
			if s != fmt.Sprint(from+i) {
				return false
			}
		}
		return len(got) > 5 && len(got) < 64
	}
	var cases []Case
	for _, suffix := range []string{"", ":2:1"} {
		cases = append(cases,
			Case{V5: "EXT-SHR-3 EXT-SES-3", Title: "the oldest go by default, group g" + suffix, Run: func(k *Kit) {
				if got := offline(k, suffix, k.Own()); !run(got, n-len(got)) {
					k.Errorf("%d messages: %v", len(got), got)
				}
			}},
			Case{V5: "EXT-SHR-3 EXT-SES-3", Title: "the newest go where the account says so, group g" + suffix, Run: func(k *Kit) {
				a := k.Own()
				k.Set(a, `"overflow":"drop_newest"`)
				if got := offline(k, suffix, a); !run(got, 0) {
					k.Errorf("%d messages: %v", len(got), got)
				}
			}})
	}
	try(t, alcovetest.Config{YAML: "queue_bytes: 128KiB\n"}, cases...)
}
