package isolation

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"alcove/test/alcovetest"
	"alcove/test/conform/wire"
)

// parents are the accounts of a world, by slot: two trees and a lone one.
var parents = []int{-1, 0, 0, 1, 3, -1, 5, -1}

// seats are the clients of an account: a master token's, a standard one's, an ACL one's.
const seats = 3

// mostTold bounds what a world remembers of what was done.
const mostTold = 4000

// world is a few trees of accounts and what the model knows of them. One goroutine
// runs it.
type world struct {
	tb       testing.TB
	b        *alcovetest.Broker
	name     string
	random   *rand.Rand // for what is made before the first operation
	accounts []*account // by slot
	clients  [][seats]*client
	operator *client
	sessions map[*account]map[string]*session

	told     []string     // what the last operations did
	step     int          // operations begun
	played   []int        // how often, by the line of table
	came     atomic.Int64 // messages that came
	broken   atomic.Bool
	mu       sync.Mutex
	failures []string // guarded by mu
}

// failf records what should not be; the world ends after the present operation.
func (w *world) failf(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.failures) < 5 {
		w.failures = append(w.failures, fmt.Sprintf(format, args...))
	}
	w.broken.Store(true)
}

func (w *world) tell(format string, args ...any) {
	w.told = append(w.told, fmt.Sprintf("%d: ", w.step)+fmt.Sprintf(format, args...))
	if len(w.told) > mostTold {
		w.told = append(w.told[:0], w.told[mostTold/2:]...)
	}
}

// create makes the accounts of a world and connects their clients.
func create(tb testing.TB, b *alcovetest.Broker, name string, seed uint64) *world {
	w := &world{tb: tb, b: b, name: name, random: rand.New(rand.NewPCG(seed, 1)), sessions: map[*account]map[string]*session{}}
	w.played = make([]int, len(table))
	w.accounts = make([]*account, len(parents))
	w.clients = make([][seats]*client, len(parents))
	for slot := range parents {
		w.settleIn(slot)
	}
	w.operator = w.dial(&account{slot: -1, id: "1"}, 0)
	if w.operator != nil {
		w.operator.open(wire.Connect{Version: wire.V5, ClientID: "hunter0 " + name, Clean: true, User: &b.Token})
		for _, f := range []string{"#", "flespi/#", "$own/#"} {
			w.operator.ask(wire.Subscribe(wire.V5, 1, nil, wire.Sub{Filter: f}), w.operator.acks)
		}
	}
	return w
}

// settleIn makes the account of a slot, its tokens and its clients.
func (w *world) settleIn(slot int) {
	a := &account{slot: slot}
	hatch(a, w.random)
	master, in, path := w.b.Token, "", "/platform/customers"
	if parents[slot] >= 0 {
		a.parent = w.accounts[parents[slot]]
		master, in, path = w.top(a.parent).keys[0], a.parent.id, "/platform/subaccounts"
	}
	// The first name of all is the same; the canary is given by the account itself.
	made := w.must(master, in, "POST", path, `[{"name":"tenant","metadata":{"kind":"tenant"}}]`)
	if made == nil {
		return
	}
	a.id = fmt.Sprint(made["id"])
	w.note(a, idOfAccount, a.id)
	w.accounts[slot], w.sessions[a] = a, map[string]*session{}
	if parents[slot] < 0 {
		a.keys[0], _ = made["key"].(string)
		if token, ok := made["token"].(map[string]any); ok {
			a.keys[0], _ = token["key"].(string)
			w.note(a, idOfToken, fmt.Sprint(token["id"]))
		}
		in, master = "", a.keys[0]
	} else {
		in = a.id
		a.keys[0] = w.token(a, master, in, `{"type":1}`)
	}
	a.keys[1] = w.token(a, master, in, `{"type":0}`)
	a.keys[2] = w.token(a, master, in, `{"type":2,"acl":[{"uri":"mqtt","topic":"`+narrowRule+`","actions":["publish","subscribe"],"methods":["GET","POST","DELETE"]}]}`)
	w.must(a.keys[0], "", "PUT", "/platform/customer", fmt.Sprintf(`{"metadata":{"note":%q},"settings":{"durability":%q}}`, a.canary(ofName), pick(w.random, "memory", "async", "async")))
	for seat := range seats {
		w.connect(w.random, a, seat, seat)
	}
}

func (w *world) token(a *account, master, in, access string) string {
	made := w.must(master, in, "POST", "/platform/tokens", fmt.Sprintf(`[{"info":%q,"ttl":86400,"metadata":{"m":%q},"access":%s}]`, a.canary(ofGiven), a.canary(ofGiven), access))
	w.note(a, idOfToken, fmt.Sprint(made["id"]))
	key, _ := made["key"].(string)
	return key
}

// top is the account above all.
func (w *world) top(a *account) *account {
	for a.parent != nil {
		a = a.parent
	}
	return a
}

// below is an account below another one, or nil.
func (w *world) below(random *rand.Rand, a *account) *account {
	var list []*account
	for _, other := range w.accounts {
		if other != nil && other != a && other.within(a) {
			list = append(list, other)
		}
	}
	if len(list) == 0 {
		return nil
	}
	return pick(random, list...)
}

// stranger is an account that a does not see: above, beside or elsewhere.
func (w *world) stranger(random *rand.Rand, a *account) *account {
	for {
		if other := pick(random, w.accounts...); !other.within(a) {
			return other
		}
	}
}

// connect connects a seat's client, under the client id of a seat; the ids are the
// same in all accounts of all worlds.
func (w *world) connect(random *rand.Rand, a *account, seat, as int) {
	c := w.dial(a, seat)
	if c == nil {
		return
	}
	w.clients[a.slot][seat] = c
	p := wire.Connect{Version: wire.V5, ClientID: fmt.Sprint("hunter", as), Clean: random.IntN(4) == 0, User: &a.keys[seat]}
	keeps := random.IntN(2) == 0
	if random.IntN(4) == 0 {
		p.Version, keeps = wire.V311, !p.Clean
	} else if keeps {
		p.Props = wire.Props{wire.Num(wire.SessionExpiry, 600)}
	}
	if random.IntN(2) == 0 {
		p.Will = &wire.Will{Topic: pick(random, "h/a", "h/a/x", "h/"+a.canary(ofMessage)), Payload: w.payload(random, a), QoS: byte(random.IntN(3)), Retain: random.IntN(3) == 0}
		if seat == 2 {
			p.Will.Topic = "h/a/x"
		}
	}
	w.tell("%v connects seat %d as %s, version %d, clean %v, keeps %v, will %v", a, seat, p.ClientID, p.Version, p.Clean, keeps, p.Will)
	for i, other := range w.clients[a.slot] {
		if i != seat && other.alive() && other.id == p.ClientID {
			defer func() { // taken over
				<-other.done
			}()
		}
	}
	ack := c.open(p)
	if ack == nil || ack.Reason != 0 {
		w.failf("%v: CONNECT answered by %v", a, ack)
		return
	}
	s := w.sessions[a][p.ClientID]
	if s != nil && !s.keeps { // it ends with the connection that is taken over
		s = nil
	}
	if ack.SessionPresent != (s != nil && !p.Clean) {
		w.failf("%v connects as %s: session present %v, the model says %v", a, p.ClientID, ack.SessionPresent, s != nil && !p.Clean)
	}
	if s == nil || p.Clean {
		s = &session{subs: map[subscription]bool{}}
		w.sessions[a][p.ClientID] = s
	}
	s.keeps, s.narrow = keeps, seat == 2
}

// disconnect ends a client's connection, and its session where that does not last.
func (w *world) disconnect(c *client, politely bool) {
	w.tell("%v: seat %d leaves, politely %v", c.of, c.seat, politely)
	c.leave(politely)
	w.ended(c)
}

// ended is what the end of a connection means to the model.
func (w *world) ended(c *client) {
	w.clients[c.of.slot][c.seat] = nil
	for _, other := range w.clients[c.of.slot] {
		if other != nil && other.id == c.id {
			return // it was taken over: the session is the other's
		}
	}
	if s := w.sessions[c.of][c.id]; s != nil && !s.keeps {
		delete(w.sessions[c.of], c.id)
	}
}

func (w *world) payload(random *rand.Rand, a *account) string {
	return fmt.Sprintf(`{"from":%q,"v":%d}`, a.canary(ofMessage), random.IntN(5))
}

// all are the clients of the world.
func (w *world) all() []*client {
	list := []*client{w.operator}
	for _, seats := range w.clients {
		list = append(list, seats[:]...)
	}
	return list
}

// close ends the world: its top accounts are deleted, with all that is in them.
func (w *world) close() {
	settle(w.all())
	for _, c := range w.all() {
		if c != nil {
			c.conn.Close()
			<-c.done
		}
	}
	for _, a := range w.accounts {
		if a != nil && a.parent == nil {
			w.call(w.b.Token, "", "DELETE", "/platform/customers/"+a.id, "")
		}
	}
}
