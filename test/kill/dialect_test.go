package kill

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"alcove/test/alcovetest"
	packet "alcove/test/conform/wire"
)

// seeded gives the randomness of a test, printed so that it can be repeated.
func seeded(t *testing.T) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("ALCOVE_KILL_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("ALCOVE_KILL_SEED: %v", err)
		}
	}
	t.Logf("seed %d (ALCOVE_KILL_SEED repeats it)", seed)
	return rand.New(rand.NewPCG(seed, 2))
}

// plain is a synchronous connection of version 5 that answers nothing by itself.
type plain struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

// connect opens a connection; with a client identifier its session stays.
func connect(t *testing.T, b *alcovetest.Broker, id string) *plain {
	t.Helper()
	conn, err := net.DialTimeout("tcp", b.MQTT, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := &plain{Conn: conn, t: t, r: bufio.NewReaderSize(conn, 1<<16)}
	p := packet.Connect{Version: packet.V5, ClientID: id, Clean: id == "", User: &b.Token}
	if id != "" {
		p.Props = packet.Props{packet.Num(packet.SessionExpiry, 3600)}
	}
	c.Write(p.Bytes())
	if ack := c.await(packet.CONNACK); ack.Reason != 0 {
		t.Fatalf("%v", ack)
	}
	return c
}

// next is the next packet, or nil where the connection has ended.
func (c *plain) next() *packet.Packet {
	c.SetReadDeadline(time.Now().Add(patience))
	p, err := packet.Read(c.r, packet.V5)
	if err != nil {
		return nil
	}
	return p
}

func (c *plain) await(typ byte) *packet.Packet {
	c.t.Helper()
	for {
		p := c.next()
		if p == nil {
			c.t.Fatalf("the connection ended before %s", packet.TypeName(typ))
		}
		if p.Type == typ {
			return p
		}
	}
}

func (c *plain) subscribe(filter string) {
	c.t.Helper()
	c.Write(packet.Subscribe(packet.V5, 1, nil, packet.Sub{Filter: filter, Options: 1}))
	if ack := c.await(packet.SUBACK); ack.Reasons[0] != 1 {
		c.t.Fatalf("%s: %v", filter, ack)
	}
}

func (c *plain) answer(p *packet.Packet) {
	if p.QoS == 1 {
		c.Write(packet.Ack(packet.V5, packet.PUBACK, p.ID, 0, nil))
	}
}

// drain answers and collects messages until a PINGRESP.
func (c *plain) drain(each func(*packet.Packet)) (n int) {
	c.t.Helper()
	c.Write(packet.Ping())
	for {
		switch p := c.next(); {
		case p == nil:
			c.t.Fatal("the connection ended")
		case p.Type == packet.PINGRESP:
			return n
		case p.Type == packet.PUBLISH:
			c.answer(p)
			each(p)
			n++
		}
	}
}

// longest bounds the time between the first publish of a burst and the kill; a
// burst takes about as long.
const longest = 25 * time.Millisecond

// burst publishes in small portions, kills the broker in the middle of it, or
// soon after one packet identifier was acknowledged where that is not 0, and
// returns which were.
func burst(b *alcovetest.Broker, c *plain, random *rand.Rand, publishes []packet.Publish, after uint16) (acked map[uint16]bool) {
	for i := range publishes {
		publishes[i].ID = uint16(i + 1)
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		const portion = 10
		for from := 0; from < len(publishes); from += portion {
			var out []byte
			for _, p := range publishes[from:min(from+portion, len(publishes))] {
				out = append(out, p.Bytes(packet.V5)...)
			}
			if _, err := c.Write(out); err != nil {
				return
			}
			time.Sleep(longest * portion / time.Duration(2*len(publishes)))
		}
	}()
	acked = map[uint16]bool{}
	take := func() bool {
		p := c.next()
		if p != nil && p.Type == packet.PUBACK && p.Reason < 0x80 {
			acked[p.ID] = true
		}
		return p != nil
	}
	if after == 0 {
		time.Sleep(time.Duration(random.Int64N(int64(longest))))
	}
	for after != 0 && !acked[after] && take() {
	}
	time.Sleep(time.Duration(random.Int64N(int64(time.Millisecond))))
	b.Kill()
	<-written
	for take() {
	}
	return acked
}

// TestKillGroups kills the broker while an ordinary and a sticky group store and
// drain: each acknowledged message comes to each of them [EXT-SHR-3] [EXT-SHR-4]
// [EXT-SES-4].
func TestKillGroups(t *testing.T) {
	t.Parallel()
	const rounds, each = 12, 400
	random := seeded(t)
	b := alcovetest.Start(t, alcovetest.Config{})
	filters := map[string]string{"plain": "$share/plain/kg/+", "sticky": "$share/sticky:1:1/kg/+"}
	members := func(group string) []string { return []string{group + "1", group + "2", group + "3"} }
	for group, filter := range filters {
		for _, id := range members(group) {
			c := connect(t, b, id)
			c.subscribe(filter)
			c.Close()
		}
	}
	acked := map[string]bool{}
	seen := map[string]map[string]int{"plain": {}, "sticky": {}}
	take := func(group string) func(*packet.Packet) {
		return func(p *packet.Packet) { seen[group][p.Payload]++ }
	}
	for round := range rounds {
		if round%2 == 1 { // some of the backlog is taken, by one member or two
			for group := range filters {
				for _, id := range members(group)[:1+random.IntN(2)] {
					c := connect(t, b, id)
					for range random.IntN(200) {
						c.Write(packet.Ping()) // so that something always comes
						if p := c.next(); p == nil {
							t.Fatalf("%s: the connection ended", id)
						} else if p.Type == packet.PUBLISH {
							take(group)(p)
							if random.IntN(10) > 0 {
								c.answer(p)
							}
						}
					}
					if random.IntN(2) == 0 {
						c.Close()
					}
				}
			}
		}
		publishes := make([]packet.Publish, each)
		for i := range publishes {
			publishes[i] = packet.Publish{Topic: fmt.Sprint("kg/", i%17), Payload: fmt.Sprintf("%d.%d", round, i), QoS: 1}
		}
		for id := range burst(b, connect(t, b, ""), random, publishes, 0) {
			acked[publishes[id-1].Payload] = true
		}
		b.Restart()
	}
	for group := range filters {
		var all []*plain
		for _, id := range members(group) {
			all = append(all, connect(t, b, id))
		}
		missing := func() (n int) {
			for payload := range acked {
				if seen[group][payload] == 0 {
					n++
				}
			}
			return n
		}
		for quiet := 0; quiet < 3 || missing() > 0 && quiet < 100; quiet++ {
			for _, c := range all {
				if c.drain(take(group)) > 0 {
					quiet = 0
				}
			}
			time.Sleep(10 * time.Millisecond)
		}
		if n := missing(); n > 0 {
			t.Errorf("%d of %d acknowledged messages never come to the %s group", n, len(acked), group)
		}
	}
	t.Logf("%d kills, %d messages acknowledged, %d and %d came", rounds, len(acked), len(seen["plain"]), len(seen["sticky"]))
	if len(acked) < rounds*each/20 {
		t.Errorf("only %d messages were acknowledged: the test has not tested much", len(acked))
	}
}

// TestKillDeletion kills the broker around bulk deletions: what was acknowledged as
// deleted stays deleted, what was acknowledged as stored stays, with its timestamp
// [EXT-RET-1] [EXT-RET-2] [EXT-SES-4].
func TestKillDeletion(t *testing.T) {
	t.Parallel()
	const rounds, each = 12, 300
	random := seeded(t)
	b := alcovetest.Start(t, alcovetest.Config{})
	sure, gone := map[string]string{}, map[string]bool{} // payload by topic; deleted for certain
	deletions := 0
	for round := range rounds {
		var publishes []packet.Publish
		for i := range each {
			p := packet.Publish{Topic: fmt.Sprintf("kd/%d/%d", round, i), Payload: fmt.Sprint(i), QoS: 1, Retain: true}
			if i%3 == 0 {
				p.Props = packet.Props{packet.User("timestamp", fmt.Sprintf("17%08d.5", i))}
			}
			publishes = append(publishes, p)
		}
		cut := len(publishes)
		if round%3 > 0 { // else nothing is deleted
			publishes = append(publishes, packet.Publish{Topic: fmt.Sprintf("kd/%d/+", round), QoS: 1})
			for i := range each / 10 { // after the deletion
				publishes = append(publishes, packet.Publish{Topic: fmt.Sprintf("kd/%d/%d", round, i*7), Payload: fmt.Sprint("new", i), QoS: 1, Retain: true})
			}
		}
		after := uint16(0)
		if round%3 == 2 {
			after = uint16(cut + 1)
		}
		acked := burst(b, connect(t, b, ""), random, publishes, after)
		deleted := acked[uint16(cut+1)]
		if deleted {
			deletions++
		}
		for i, p := range publishes {
			switch {
			case i < cut && deleted:
				gone[p.Topic+" "+p.Payload] = true
			case i != cut && acked[uint16(i+1)] && (i > cut || len(publishes) == cut):
				sure[p.Topic] = p.Payload // before a deletion without an answer nothing is certain
			}
		}
		b.Restart()
		checkStored(t, b, fmt.Sprint("after kill ", round), sure, gone)
	}
	t.Logf("%d kills, %d deletions acknowledged, %d messages stored for certain", rounds, deletions, len(sure))
	if deletions < rounds/3 || len(sure) == 0 {
		t.Errorf("the test has not tested much")
	}
}

// checkStored compares what is retained with what was acknowledged.
func checkStored(t *testing.T, b *alcovetest.Broker, when string, sure map[string]string, gone map[string]bool) {
	t.Helper()
	c := connect(t, b, "")
	c.Write(packet.Subscribe(packet.V5, 1, nil, packet.Sub{Filter: "kd/#"}))
	got := map[string]string{}
	for quiet := 0; quiet < 2; quiet++ {
		if c.drain(func(p *packet.Packet) {
			got[p.Topic] = p.Payload
			if n, err := strconv.Atoi(p.Payload); err == nil && n%3 == 0 {
				for _, u := range p.Props.All(packet.UserProperty) {
					if u.Text == "timestamp" && u.Value != fmt.Sprintf("17%08d.5", n) {
						t.Errorf("%s: %s has timestamp %s", when, p.Topic, u.Value)
					}
				}
			}
		}) > 0 {
			quiet = 0
		}
	}
	lost, back := 0, 0
	for topic, payload := range sure {
		if got[topic] != payload {
			lost++
		}
	}
	for topic, payload := range got {
		if gone[topic+" "+payload] {
			back++
		}
	}
	if lost > 0 || back > 0 {
		t.Errorf("%s: %d acknowledged messages are lost, %d deleted ones are back", when, lost, back)
	}
	c.Close()
}
