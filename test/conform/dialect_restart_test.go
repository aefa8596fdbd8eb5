package conform

import (
	"fmt"
	"testing"

	"alcove/test/conform/wire"
)

// TestRestartOfTheDialect stores what the dialect adds to sessions, groups and
// retained messages, ends the broker and finds it again [EXT-SES-4] [EXT-RET-1]
// [EXT-RET-2] [EXT-UP-1] [EXT-UP-3] [EXT-FIL-1] [EXT-SHR-3] [EXT-SHR-4].
func TestRestartOfTheDialect(t *testing.T) {
	overEnd(t, func(k *Kit) func(*Kit) {
		d := dialectState{tree: k.Tree(), ids: map[string]string{}}
		d.filters = map[string]string{
			"selector": k.Topic("q/a,b"), "filter": "$filter/payload=v%3E1/" + k.Topic("q/+"), "account": "$filter/cid=" + d.tree.child.ID + "/" + k.Topic("#"),
		}
		d.store(k)
		return d.find
	})
}

type dialectState struct {
	tree    tree
	filters map[string]string
	ids     map[string]string // of the sessions, by name
	sticky  []string          // members of a sticky group
	stamps  map[string]string // of retained messages, by topic
	ahead   string
}

func (d *dialectState) store(k *Kit) {
	a := d.tree.parent
	for name, f := range d.filters {
		d.ids[name] = k.Name()
		c := k.Connect(a.As(), kept(d.ids[name]))
		c.Grant(f, 1)
		c.Bye()
	}
	for range 3 {
		id := k.Name()
		c := k.Connect(a.As(), kept(id))
		c.Grant("$share/g:2:2/"+k.Topic("s/+"), 2)
		c.Bye()
		d.sticky = append(d.sticky, id)
	}
	pub := k.Connect(a.As(), withVersion(wire.V5))
	for _, w := range []string{"a", "b", "c"} {
		for v := range 4 {
			pub.Say(k.Topic("q/"+w), numbered(v), 1)
		}
	}
	k.Connect(d.tree.child.As()).Say(k.Topic("q/c"), "child's", 1)
	for i := range 60 {
		pub.Say(k.Topic(fmt.Sprint("s/", i%5)), fmt.Sprint(i), byte(1+i%2))
	}
	// Retained messages: stamped by both, replaced, beaten by an older one, and thousands that go.
	k.fill(a, 3000, 10)
	k.put(pub, "r/given", "given", "1700000000.25", 1)
	k.put(pub, "r/given", "older", "1600000000", 1)
	d.ahead = in(50)
	k.put(pub, "r/ahead", "ahead", d.ahead, 1)
	k.put(pub, "r/plain", "plain", "", 1)
	k.deleted("p/#", pub.PublishAck(wire.Publish{Topic: k.Topic("p/#"), QoS: 1}), 3000)
	k.put(pub, "p/7", "new", "", 1)
	d.stamps = d.retained(k)
	if len(d.stamps) != 4 {
		k.Fatalf("retained: %v", d.stamps)
	}
}

// retained are the timestamps and payloads of all retained messages of the parent.
func (d *dialectState) retained(k *Kit) map[string]string {
	c := k.Connect(d.tree.parent.As(), withVersion(wire.V5))
	c.Grant(k.Topic("#"), 0)
	got := map[string]string{}
	for _, p := range c.Drain() {
		got[p.Topic] = k.value(p, "timestamp") + " " + p.Payload
	}
	c.Bye()
	return got
}

func (d *dialectState) find(k *Kit) {
	if got := d.retained(k); fmt.Sprint(got) != fmt.Sprint(d.stamps) {
		k.Errorf("retained %v, want %v", got, d.stamps)
	}
	a := d.tree.parent
	want := map[string][]string{
		"selector": {numbered(0), numbered(1), numbered(2), numbered(3), numbered(0), numbered(1), numbered(2), numbered(3)},
		"filter":   {numbered(2), numbered(3), numbered(2), numbered(3), numbered(2), numbered(3)}, "account": {"child's"},
	}
	subs := map[string]*Client{}
	for name, id := range d.ids {
		c := k.Connect(a.As(), kept(id))
		for _, payload := range want[name] {
			c.Want(payload)
		}
		c.Silent()
		subs[name] = c
	}
	pub := k.Connect(a.As(), withVersion(wire.V5))
	pub.Say(k.Topic("q/a"), numbered(5), 1) // the subscriptions act on what comes now
	for name, n := range map[string]int{"selector": 1, "filter": 1, "account": 0} {
		k.wantOnly(name, subs[name], numbered(5), n)
	}
	d.findSticky(k, pub)
	// Stamps do not go back.
	k.put(pub, "r/given", "older", "1600000000", 1)
	k.put(pub, "r/ahead", "next", "", 1)
	got := d.retained(k)
	if got[k.Topic("r/given")] != "1700000000.25 given" {
		k.Errorf("an older message replaces after the start: %v", got)
	}
	if next := got[k.Topic("r/ahead")]; next <= d.ahead || next == d.stamps[k.Topic("r/ahead")] {
		k.Errorf("after %s: %s", d.ahead, next)
	}
}

func (d *dialectState) findSticky(k *Kit, pub *Client) {
	first := k.Connect(d.tree.parent.As(), kept(d.sticky[2]))
	k.inOrder(first, 60)
	f := &flock{k: k, pub: pub, ids: d.sticky, on: map[int]*Client{2: first}}
	for i := range 2 {
		f.on[i] = k.Connect(d.tree.parent.As(), kept(d.sticky[i]))
		f.on[i].Silent()
	}
	var topics []string
	for i := range 5 {
		topics = append(topics, fmt.Sprint("s/", i))
	}
	f.same("after the start", f.where(topics, 1), f.where(topics, 1), -1)
}
