package attack

import (
	"fmt"
	"strings"
	"testing"

	"alcove/test/alcovetest"
	"alcove/test/conform/wire"
)

// storeMany publishes n retained messages to topics made by name, many at a
// time, and returns how many were refused with 0x97.
func storeMany(c *conn, n int, name func(int) string, payload string) (refused int) {
	c.t.Helper()
	const window = 500
	for from := 0; from < n; from += window {
		var out [][]byte
		count := min(window, n-from)
		for i := range count {
			out = append(out, wire.Publish{Topic: name(from + i), Payload: payload, QoS: 1, ID: uint16(1 + i), Retain: true}.Bytes(v5))
		}
		c.send(out...)
		for range count {
			switch r := c.await(wire.PUBACK).Reason; {
			case r == 0x97:
				refused++
			case r >= 0x80:
				c.t.Fatalf("%#02x", r)
			}
		}
	}
	return refused
}

// takeRetained subscribes and takes messages until a PINGRESP after n of them.
func takeRetained(c *conn, filter string, n int) int {
	c.t.Helper()
	c.send(wire.Subscribe(v5, 1, nil, wire.Sub{Filter: filter}))
	got := 0
	for got < n {
		if p := c.next(); p == nil {
			c.t.Fatalf("the connection ended after %d of %d", got, n)
		} else if p.Type == wire.PUBLISH {
			got++
		}
	}
	return got + c.count()
}

// A token with partial rights deletes by "#" what it may write and nothing
// else, while others replay and publish [EXT-RET-2].
func TestRow54_bulkDeletion(t *testing.T) {
	t.Parallel()
	b := alcovetest.Start(t, alcovetest.Config{})
	const n = 30000
	place := func(i int) string { return fmt.Sprintf("%s/%d", []string{"mine", "theirs", "both"}[i%3], i) }
	storeMany(connect(t, b), n, place, "x")
	_, key := token(t, b, `"access":{"type":2,"acl":[{"uri":"mqtt","topic":"mine/#","actions":["publish"]},{"uri":"mqtt","topic":"both/+","actions":["publish","subscribe"]},{"uri":"mqtt","topic":"theirs/#","actions":["subscribe"]}]}`)
	slow := make([]*conn, 20)
	for i := range slow { // replays are under way, some of which never end
		slow[i] = connect(t, b)
		if i%2 == 0 {
			deaf(slow[i])
		}
		slow[i].send(wire.Subscribe(v5, 1, nil, wire.Sub{Filter: "#"}))
	}
	c := connect(t, b, as(key))
	c.send(wire.Publish{Topic: "#", QoS: 1, ID: 1}.Bytes(v5), wire.Publish{Topic: "mine/after", Payload: "x", QoS: 1, ID: 2, Retain: true}.Bytes(v5), wire.Ping())
	others(t, b)
	ack := c.await(wire.PUBACK)
	count := ""
	for _, u := range ack.Props.All(wire.UserProperty) {
		if u.Text == "deleted_count" {
			count = u.Value
		}
	}
	if ack.ID != 1 || ack.Reason >= 0x80 || count != fmt.Sprint(n/3*2) {
		t.Errorf("%v, deleted_count %q, want %d", ack, count, n/3*2)
	}
	if ack := c.await(wire.PUBACK); ack.ID != 2 || ack.Reason >= 0x80 {
		t.Errorf("%v", ack)
	}
	for filter, want := range map[string]int{"theirs/#": n / 3, "mine/#": 1, "both/#": 0, "#": n/3 + 1} {
		if got := takeRetained(connect(t, b), filter, want); got != want {
			t.Errorf("%s: %d left, want %d", filter, got, want)
		}
	}
	for i, s := range slow { // who read during the deletion has every topic that stayed
		if i%2 == 1 {
			seen := map[string]bool{}
			for len(seen) < n/3 {
				p := s.await(wire.PUBLISH)
				if seen[p.Topic] {
					t.Fatalf("%s twice", p.Topic)
				}
				if strings.HasPrefix(p.Topic, "theirs/") {
					seen[p.Topic] = true
				}
			}
		}
	}
	// A token without any right deletes nothing, whatever it asks.
	_, blind := token(t, b, acl("nothing", `"publish"`))
	d := connect(t, b, as(blind))
	for _, topic := range []string{"#", "+/+", "theirs/+", "theirs/#"} {
		d.publish(topic, "")
	}
	if got := takeRetained(connect(t, b), "theirs/#", n/3); got != n/3 {
		t.Errorf("%d left, want %d", got, n/3)
	}
	others(t, b)
}

// Retained messages are bounded by bytes; above the bound they are delivered
// and not stored, and replaying all to many readers is paged [EXT-RET-4].
func TestRow55_retainedBomb(t *testing.T) {
	t.Parallel()
	const bound = 16 << 20
	b := alcovetest.Start(t, alcovetest.Config{YAML: fmt.Sprintf("retained_bytes: %d\n", bound)})
	stored := 0
	grows(t, b, 96<<20, func() {
		c := connect(t, b)
		refused, total := 0, 0
		for refused == 0 && total < 2_000_000 {
			from := total
			refused = storeMany(c, 20000, func(i int) string { return fmt.Sprintf("bomb/%d", from+i) }, "x")
			total += 20000
		}
		if refused == 0 {
			t.Fatalf("%d retained messages fit into %d bytes", total, bound)
		}
		stored = total - refused
		t.Logf("%d retained messages in %d bytes: %d each", stored, bound, bound/stored)
		live := connect(t, b)
		live.subscribe("bomb/live", 1)
		if r := c.publish("bomb/live", "live"); r >= 0x80 {
			t.Errorf("an ordinary PUBLISH at the bound: %#02x", r)
		}
		live.receive()
		c.send(wire.Publish{Topic: "bomb/live", Payload: "stored?", QoS: 1, ID: 1, Retain: true}.Bytes(v5))
		if r := c.await(wire.PUBACK).Reason; r != 0x97 {
			t.Errorf("a retained PUBLISH at the bound: %#02x", r)
		}
		if p := live.receive(); p.Payload != "stored?" { // delivered live and not stored
			t.Errorf("%v", p)
		}
	})
	grows(t, b, 160<<20, func() {
		for range 200 {
			deaf(connect(t, b)).send(wire.Subscribe(v5, 1, nil, wire.Sub{Filter: "#", Options: 1}))
		}
		others(t, b)
		if got := takeRetained(connect(t, b), "bomb/#", stored); got != stored {
			t.Errorf("%d of %d", got, stored)
		}
	})
	// Deleting makes room again.
	c := connect(t, b)
	if r := c.publish("bomb/#", ""); r >= 0x80 {
		t.Errorf("%#02x", r)
	}
	if refused := storeMany(c, 1000, func(i int) string { return fmt.Sprint("new/", i) }, "x"); refused > 0 {
		t.Errorf("%d of 1000 refused after the deletion", refused)
	}
}
