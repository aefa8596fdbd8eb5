package isolation

import (
	"fmt"
	"math/rand/v2"
	"time"

	"alcove/test/conform/wire"
)

// op is one operation: what it is follows from its numbers and the state of the
// world, so that a list of operations stays meaningful when some are left out.
type op struct {
	slot, seat int
	seed       uint64
}

// ops are the operations of a world.
func ops(seed uint64, n int) []op {
	random := rand.New(rand.NewPCG(seed, 2))
	list := make([]op, n)
	for i := range list {
		list[i] = op{random.IntN(len(parents)), random.IntN(seats), random.Uint64()}
	}
	return list
}

// run does the operations and returns how many it did before something was wrong.
func (w *world) run(list []op) int {
	for i, o := range list {
		if w.broken.Load() {
			return i
		}
		w.step = i
		w.do(o)
		if i%50 == 49 {
			settle(w.all())
		}
	}
	settle(w.all())
	if !w.broken.Load() {
		w.audit()
	}
	return len(list)
}

// operation is one thing that a client of an account may do, and how often it comes
// beside the others.
type operation struct {
	name   string
	weight int
	do     func(w *world, random *rand.Rand, c *client)
}

// table is everything that is done. A new line, and whatever it reads is searched.
var table []operation

// weights is the sum of all.
var weights int

func init() {
	table = []operation{
		{"publish", 80_000, (*world).publish},
		{"subscribe", 6_000, (*world).subscribe},
		{"unsubscribe", 3_000, (*world).unsubscribe},
		{"count subscribers", 2_000, (*world).count},
		{"delete by PUBLISH", 2_000, (*world).sweep},
		{"disconnect", 1_500, func(w *world, random *rand.Rand, c *client) { w.disconnect(c, random.IntN(2) == 0) }},
		{"take over", 100, (*world).takeover},
		{"forge", 100, (*world).forge},
		{"subscribe to what is foreign", 200, (*world).probe},
		{"ask for what is foreign", 1_500, func(w *world, random *rand.Rand, c *client) { w.foreign(random, c.of, w.stranger(random, c.of)) }},
		{"log in as somebody else", 20, (*world).intrude},
		{"read", 1_600, func(w *world, random *rand.Rand, c *client) { w.read(random, c.of) }},
		{"read what is below", 200, (*world).readBelow},
		{"write", 1_000, func(w *world, random *rand.Rand, c *client) { w.write(random, c.of) }},
		{"write below", 150, (*world).writeBelow},
		{"make and drop a session", 50, (*world).makeAndDrop},
		{"sessions by REST", 300, (*world).manage},
		{"REST by PUBLISH", 300, (*world).request},
		{"stream", 40, (*world).stream},
		{"change settings", 60, (*world).setting},
		{"block", 50, func(w *world, random *rand.Rand, c *client) { w.block(random, c.of) }},
		{"delete and make again", 50, func(w *world, random *rand.Rand, c *client) { w.rebirth(random, c.of) }},
	}
	for i := range table {
		weights += table[i].weight
	}
}

// do does one operation.
func (w *world) do(o op) {
	random := rand.New(rand.NewPCG(o.seed, 3))
	a := w.accounts[o.slot]
	if a == nil {
		return
	}
	if a.isBlocked() {
		w.whileBlocked(random, a)
		return
	}
	c := w.clients[o.slot][o.seat]
	if c != nil && !c.alive() {
		w.ended(c)
		c = nil
	}
	if c == nil {
		w.connect(random, a, o.seat, o.seat)
		return
	}
	n := random.IntN(weights)
	for i := range table {
		if n -= table[i].weight; n < 0 {
			w.played[i]++
			table[i].do(w, random, c)
			return
		}
	}
}

// publish sends a message in one of all its shapes, with whatever names an account forged.
func (w *world) publish(random *rand.Rand, c *client) {
	a := c.of
	p := wire.Publish{Topic: pick(random, topicsOf(a)...), Payload: w.payload(random, a), QoS: byte(random.IntN(3)), Retain: random.IntN(5) == 0, ID: c.packetID()}
	if random.IntN(10) == 0 {
		p.Payload = pick(random, "", a.canary(ofMessage), "{")
	}
	if random.IntN(3) == 0 {
		p.Props = wire.Props{wire.User("cid", pick(random, w.accounts...).id), wire.User("token_id", "1"), wire.User(a.canary(ofMessage), a.canary(ofMessage))}
	}
	if random.IntN(8) == 0 {
		p.Props = append(p.Props, wire.Text(wire.ResponseTopic, "h/"+a.canary(ofMessage)), wire.Text(wire.CorrelationData, a.canary(ofMessage)), wire.Text(wire.ContentType, a.canary(ofMessage)))
	}
	if random.IntN(8) == 0 {
		p.Props = append(p.Props, wire.User("timestamp", fmt.Sprint(1700000000+random.IntN(5))))
	}
	if random.IntN(20) == 0 {
		p.Props = append(p.Props, wire.Num(wire.MessageExpiry, 1))
	}
	w.tell("%v seat %d publishes to %s, QoS %d, retain %v: %.60s", a, c.seat, p.Topic, p.QoS, p.Retain, p.Payload)
	c.append(p.Bytes(c.v))
	if random.IntN(8) == 0 {
		c.flush()
	}
}

func (w *world) subscribe(random *rand.Rand, c *client) {
	s := w.subscriptionOf(random, c.of)
	if c.v != wire.V5 && s.by != "" {
		s.by, s.cid = "", nil // 3.1.1 has no properties
	}
	ack := c.ask(wire.Subscribe(c.v, c.packetID(), s.props(), wire.Sub{Filter: s.filter(), Options: byte(random.IntN(3))}), c.acks)
	w.tell("%v seat %d subscribes %s, cid %q: %v", c.of, c.seat, s.filter(), s.by, ack)
	granted := ack != nil && ack.Reasons[0] < 0x80
	if ack != nil && granted != (c.seat != 2 || s.meets()) {
		w.failf("%v seat %d: SUBSCRIBE %s cid %q is answered by %#x", c.of, c.seat, s.filter(), s.by, ack.Reasons)
	}
	if granted {
		held := w.sessions[c.of][c.id].subs
		for other := range held { // the same identity
			if other.filter() == s.filter() && other.by == s.by {
				delete(held, other)
			}
		}
		held[s] = true
	}
}

func (w *world) unsubscribe(random *rand.Rand, c *client) {
	s := w.subscriptionOf(random, c.of)
	held := w.sessions[c.of][c.id].subs
	if random.IntN(2) == 0 {
		n := random.IntN(len(held) + 1)
		for other := range ordered(held) {
			if n--; n < 0 {
				s = other
				break
			}
		}
	}
	if c.v != wire.V5 {
		s.by = ""
	}
	c.ask(wire.Unsubscribe(c.v, c.packetID(), s.props(), s.filter()), c.acks)
	w.tell("%v seat %d unsubscribes %s, cid %q", c.of, c.seat, s.filter(), s.by)
	for other := range held { // cid is part of the identity when it is given here [EXT-UP-3]
		if other.filter() == s.filter() && (s.by == "" || other.by == s.by) {
			delete(held, other)
		}
	}
}

// count asks how many sessions get a message: as many as the model of this account
// alone says, whatever others have subscribed to [EXT-UP-4].
func (w *world) count(random *rand.Rand, c *client) {
	if c.v != wire.V5 || c.seat == 2 {
		return
	}
	settle(w.clients[c.of.slot][:])
	for _, other := range w.clients[c.of.slot] {
		if other != nil && !other.alive() {
			w.ended(other)
		}
	}
	if !c.alive() {
		return
	}
	topic := pick(random, topicsOf(c.of)...)
	ack := c.ask(wire.Publish{Topic: topic, Payload: fmt.Sprintf(`{"from":%q,"v":3}`, c.of.canary(ofMessage)), QoS: 1, ID: counter, Props: wire.Props{wire.User("count_subscribers", "1")}}.Bytes(c.v), c.counted)
	if ack == nil {
		return
	}
	got, want := "none", fmt.Sprint(w.subscribers(c.of, topic))
	for _, u := range ack.Props.All(wire.UserProperty) {
		if u.Text == "subscribers_count" {
			got = u.Value
		}
	}
	w.tell("%v counts the subscribers of %s: %s", c.of, topic, got)
	if got != want {
		w.failf("%v publishes to %s: subscribers_count %s, its own sessions are %s: %v", c.of, topic, got, want, w.sessions[c.of])
	}
}

// sweep deletes retained messages by an empty message to a wildcard topic.
func (w *world) sweep(random *rand.Rand, c *client) {
	topic := pick(random, "#", "h/#", "+/+", "h/a,b/+", "h/a/#", "+")
	w.tell("%v seat %d deletes %s", c.of, c.seat, topic)
	c.append(wire.Publish{Topic: topic, QoS: byte(random.IntN(2)), Retain: random.IntN(2) == 0, ID: c.packetID()}.Bytes(c.v))
}

// probe subscribes with the id of a stranger and with one that nobody has: both are
// refused alike [EXT-UP-3].
func (w *world) probe(random *rand.Rand, c *client) {
	if c.v != wire.V5 {
		return
	}
	other := w.stranger(random, c.of)
	byItem := random.IntN(2) == 0
	ask := func(id string) string {
		filter, props := "h/a", wire.Props{wire.User("cid", id)}
		if byItem {
			filter, props = "$filter/cid="+id+"/h/a", nil
		}
		ack := c.ask(wire.Subscribe(c.v, c.packetID(), props, wire.Sub{Filter: filter}), c.acks)
		if ack == nil {
			return "no answer"
		}
		return fmt.Sprintf("%#x %v", ack.Reasons, ack.Props)
	}
	w.tell("%v subscribes with cid of %v", c.of, other)
	theirs, nobodys := ask(asks(c.of, other.id)), ask(absent(random, other.id))
	if theirs != nobodys || theirs[:6] != "0x87 [" && theirs[:4] != "0x87" {
		w.failf("%v: SUBSCRIBE with cid of %v: %s, of nobody: %s", c.of, other, theirs, nobodys)
	}
}

// takeover connects a second time under the client id of the account's other client.
func (w *world) takeover(random *rand.Rand, c *client) {
	if c.seat == 2 {
		return
	}
	settle([]*client{c})
	w.tell("%v: seat %d takes over from seat %d", c.of, c.seat, 1-c.seat)
	w.disconnect(c, true)
	w.connect(random, c.of, c.seat, 1-c.seat)
}

// block blocks an account below, or lets it in again.
func (w *world) block(random *rand.Rand, a *account) {
	under := w.below(random, a)
	if under == nil || under.isBlocked() {
		return
	}
	w.tell("%v blocks %v", a, under)
	w.must(a.keys[0], w.through(a, under), "PUT", "/platform/subaccounts/"+under.id, `{"blocked":7}`)
	under.blocked = true
	for slot, seats := range w.clients {
		if b := w.accounts[slot]; b != nil && b.within(under) {
			w.away(seats[:])
		}
	}
}

// through is the x-flespi-cid by which a reaches the parent of an account below it.
func (w *world) through(a, under *account) string {
	if under.parent == a {
		return ""
	}
	return under.parent.id
}

// away waits for the end of connections that the broker must end.
func (w *world) away(list []*client) {
	for _, c := range list {
		if c == nil {
			continue
		}
		select {
		case <-c.done:
			w.ended(c)
		case <-time.After(patience):
			w.failf("%v is blocked or deleted, and its client %s stays connected", c.of, c.id)
		}
	}
}

// whileBlocked sees that nothing is let in, and may end the blocking.
func (w *world) whileBlocked(random *rand.Rand, a *account) {
	if random.IntN(20) > 0 {
		return
	}
	got := w.call(pick(random, a.keys[:]...), "", "GET", pick(random, lists(a)...), "")
	w.seen(a, "a refusal", got)
	if !a.blocked || a.parent.isBlocked() {
		return
	}
	w.tell("%v is let in again", a)
	w.must(a.parent.keys[0], "", "PUT", "/platform/subaccounts/"+a.id, `{"blocked":0}`)
	a.blocked = false
}

// rebirth deletes an account that has none below it and makes another in its place:
// the new one sees nothing of the old one.
func (w *world) rebirth(random *rand.Rand, a *account) {
	for _, other := range w.accounts {
		if a.parent == nil || other != a && other.within(a) {
			return
		}
	}
	w.tell("%v is deleted and made again", a)
	w.must(a.parent.keys[0], "", "DELETE", "/platform/subaccounts/"+a.id, "")
	w.away(w.clients[a.slot][:])
	delete(w.sessions, a)
	w.settleIn(a.slot)
}

// forge tries what belongs to the broker or to others.
func (w *world) forge(random *rand.Rand, c *client) {
	other := w.stranger(random, c.of)
	p := wire.Publish{Topic: pick(random, "flespi/log/"+c.of.canary(ofMessage), "flespi/state/platform/subaccounts/"+other.id+"/name", "$SYS/x", "$share", "flespi"), Payload: w.payload(random, c.of), QoS: 1, ID: c.packetID(), Retain: random.IntN(2) == 0}
	w.tell("%v publishes to %s", c.of, p.Topic)
	c.append(p.Bytes(c.v))
	// What is seen of the broker's own topics is seen by the searched connection.
	asks(c.of, other.id)
	filter := pick(random, "flespi/#", "flespi/+/#", "flespi/log/#", "$SYS/#", "flespi/state/platform/subaccounts/"+other.id+"/#")
	if c.seat != 2 {
		c.ask(wire.Subscribe(c.v, c.packetID(), nil, wire.Sub{Filter: filter, Options: 1}), c.acks)
	}
}
