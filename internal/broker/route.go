package broker

import (
	"slices"
	"time"
	"unsafe"

	"alcove/internal/auth"
	"alcove/internal/mqtt"
)

// route is where a topic's messages go: the sessions whose subscriptions match,
// each once however many of them do [MQTT-3.3.4-2], and the share groups. It
// holds the answer of the trees and of the rights, so that a message costs no
// matching while neither changes.
type route struct {
	key        routeKey         // of one that is kept
	gens       [maxDepth]uint64 // of the trees on the way to the top
	targets    []target
	groups     []groupTarget
	conditions []*condition // that targets and groups need, each once
	mixed      int          // subscriptions that mixed targets list
}

// needs are the conditions that a message must meet, as places in the route's list
// plus one; 0 is none.
type needs [2]uint32

// groupTarget is a share group that matches.
type groupTarget struct {
	g     *Group
	needs needs
	own   bool // the group's account is the publisher's
}

// maxDepth is the greatest number of accounts from one to its top [EXT-ACC-2].
const maxDepth = 4

// target is one session's merged subscriptions.
type target struct {
	s       *Session
	gen     uint32          // of the session, when the route was made
	qos     mqtt.QoS        // the highest granted [MQTT-3.3.4-2] [MQTT311-3.3.5-1]
	rap     bool            // one of them has Retain As Published
	noLocal bool            // one of them has No Local
	own     bool            // the session's account is the publisher's
	mixed   bool            // some of the subscriptions have conditions, and not all the same
	needs   needs           // where all of them have these
	ids     []uint32        // all Subscription Identifiers [MQTT-3.3.4-3] [MQTT-3.3.4-4]
	subs    []*Subscription // of a mixed target
}

// routeCache keeps routes by namespace and topic. A topic gets its entry when
// it is seen the second time, so that a flood of topics used once allocates
// nothing and pushes nothing out.
//
// A route that no longer holds would keep alive what has ended, so such ones are let
// go once in a while (sweep).
type routeCache struct {
	swept   time.Time
	routes  map[routeKey]*route
	last    *route // the one that was found last, nil for none
	targets int    // that the routes have room for
	seen    [seenSize]uint32
	single  route // of a topic that has no entry
}

type routeKey struct {
	ns    *Namespace
	topic string
}

const seenSize = 4096

// route returns where messages of topic published in ns go. It is good until
// the next call.
func (t *Turn) route(ns *Namespace, topic []byte) *route {
	c := &t.routes
	r := c.last
	if r == nil || r.key.ns != ns || r.key.topic != string(topic) {
		r = c.routes[routeKey{ns, string(topic)}]
	}
	if r != nil {
		c.last = r
		if !r.holds(ns, topic) {
			before := r.weight()
			t.resolve(r, ns, topic)
			c.weigh(r.weight() - before)
		}
		return r
	}
	h := uint32(2166136261)
	for _, b := range topic {
		h = (h ^ uint32(b)) * 16777619
	}
	h ^= uint32(ns.account) * 0x9e3779b1
	if slot := &c.seen[h%seenSize]; *slot != h {
		*slot = h
		t.resolve(&c.single, ns, topic)
		return &c.single
	}
	if len(c.routes) >= routeCacheSize || c.routes == nil {
		c.routes, c.targets = make(map[routeKey]*route), 0
	}
	r = &route{key: routeKey{ns, string(topic)}}
	c.routes[r.key], c.last = r, r
	t.resolve(r, ns, topic)
	c.weigh(r.weight())
	return r
}

// sweep lets routes go that no longer hold.
func (c *routeCache) sweep(now time.Time) {
	c.swept, c.last = now, nil
	for key, r := range c.routes {
		// The key is not written to.
		if !r.holds(key.ns, unsafe.Slice(unsafe.StringData(key.topic), len(key.topic))) {
			c.targets -= r.weight()
			delete(c.routes, key)
		}
	}
	c.single = route{}
}

// weight is what the route has room for.
func (r *route) weight() int { return cap(r.targets) + cap(r.groups) + cap(r.conditions) + r.mixed }

// weigh counts the targets that the cached routes hold. Where they are too many,
// all routes go: thousands of topics with thousands of subscribers each would fill
// the memory.
func (c *routeCache) weigh(more int) {
	if c.targets += more; c.targets > routeCacheTargets {
		c.routes, c.targets, c.last = nil, 0, nil
	}
}

func (r *route) holds(ns *Namespace, topic []byte) bool {
	for i := 0; ns != nil; ns, i = ns.parent, i+1 {
		if r.gens[i] != ns.tree.Generation(topic) {
			return false
		}
	}
	return true
}

// resolve fills r with what matches [MQTT-3.3.2-3] [MQTT311-3.3.2-3]: the publisher's own namespace, then its ancestors
// [EXT-ACC-2]. A session's gen is read after the match, so the trees are asked
// again whether they changed meanwhile.
func (t *Turn) resolve(r *route, ns *Namespace, topic []byte) {
	for {
		i := 0
		for n := ns; n != nil; n, i = n.parent, i+1 {
			r.gens[i] = n.tree.Generation(topic)
		}
		r.targets, r.groups, r.conditions = r.targets[:0], r.groups[:0], r.conditions[:0]
		clear(t.scratch.places)
		clear(t.scratch.needed)
		r.mixed = 0
		mixed := false
		for n := ns; n != nil; n = n.parent {
			t.scratch.subs = n.tree.Match(topic, t.scratch.subs[:0])
			for _, sub := range t.scratch.subs {
				mixed = t.join(r, sub, topic, ns) || mixed
			}
		}
		if mixed {
			t.gather(r, ns, topic)
		}
		clear(t.scratch.subs)
		if r.holds(ns, topic) {
			return
		}
	}
}

// takes tells whether the subscription, whose filter matches topic, takes messages
// that are published in account [EXT-UP-3] [EXT-TOK-7].
func (sub *Subscription) takes(topic []byte, account auth.AccountID) bool {
	if a := sub.account(); a != 0 && a != account {
		return false
	}
	return sub.s == nil || !sub.has(markPartial) || sub.s.mayReceive(topic)
}

// join adds a matching subscription to the route. It reports whether its session has
// become a mixed target, whose subscriptions must be gathered.
func (t *Turn) join(r *route, sub *Subscription, topic []byte, from *Namespace) (mixed bool) {
	if !sub.takes(topic, from.account) {
		return false
	}
	n := t.need(r, sub)
	if sub.s == nil {
		g := sub.group()
		r.groups = append(r.groups, groupTarget{g: g, needs: n, own: g.ns == from})
		return false
	}
	tg, isNew := t.place(r, sub.s)
	if isNew {
		tg.needs = n
	}
	tg.mixed = tg.mixed || tg.needs != n
	tg.own = sub.s.ns == from
	tg.merge(sub)
	return tg.mixed
}

// merge adds what one more subscription of the session asks for.
func (tg *target) merge(sub *Subscription) {
	tg.qos = max(tg.qos, sub.qos)
	tg.rap = tg.rap || sub.has(markRAP)
	tg.noLocal = tg.noLocal || sub.has(markNoLocal)
	if sub.id != 0 && !slices.Contains(tg.ids, sub.id) {
		tg.ids = append(tg.ids, sub.id)
	}
}

// place returns the target of s, a new one where there is none. Few targets
// are searched, many are looked up.
func (t *Turn) place(r *route, s *Session) (tg *target, isNew bool) {
	const few = 8
	if len(r.targets) <= few {
		for i := range r.targets {
			if r.targets[i].s == s {
				return &r.targets[i], false
			}
		}
	} else {
		if t.scratch.places == nil {
			t.scratch.places = make(map[*Session]int)
		}
		if len(t.scratch.places) == 0 {
			for i := range r.targets {
				t.scratch.places[r.targets[i].s] = i
			}
		}
		if i, ok := t.scratch.places[s]; ok {
			return &r.targets[i], false
		}
		t.scratch.places[s] = len(r.targets)
	}
	r.targets = append(r.targets, target{s: s, gen: s.gen.Load()})
	return &r.targets[len(r.targets)-1], true
}

// again resolves the one target of s afresh: after its subscriptions changed
// under a route, or without those that have No Local [MQTT-3.8.3-3].
func (t *Turn) again(ns *Namespace, m *Message, s *Session, local bool) (target, bool) {
	tg := target{s: s, gen: s.gen.Load()}
	found := false
	for n := ns; n != nil; n = n.parent {
		if n != s.ns {
			continue
		}
		for _, sub := range n.tree.Match(m.Topic, nil) {
			if sub.s != s || local && sub.has(markNoLocal) || !sub.takes(m.Topic, ns.account) {
				continue
			}
			if sub.conditional() {
				t.stamp(ns, m)
			}
			if !sub.wants(t, m) {
				continue
			}
			found = true
			tg.own = n == ns
			tg.merge(sub)
		}
	}
	return tg, found
}

// mayReceive tells whether the session's token allows the topic [EXT-TOK-7].
func (s *Session) mayReceive(topic []byte) bool {
	r := s.rights.Load()
	return r == nil || r.MayReceive(topic)
}
