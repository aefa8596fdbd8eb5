package isolation

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"alcove/test/conform/wire"
)

// narrowRule is all that the ACL token of every account may do.
const narrowRule = "h/a/#"

// covers tells whether a filter without `$share` and `$filter` matches a topic, by
// the words of the contract: section 3 and MQTT 4.7.
func covers(filter, topic string) bool {
	f, t := strings.Split(filter, "/"), strings.Split(topic, "/")
	if (f[0] == "#" || f[0] == "+") && (strings.HasPrefix(topic, "$") || t[0] == "flespi") {
		return false
	}
	for i, level := range f {
		switch {
		case level == "#":
			return true
		case i >= len(t):
			return false
		case level != "+" && level != t[i] && !slices.Contains(strings.Split(level, ","), t[i]):
			return false
		}
	}
	return len(f) == len(t)
}

// subscription is one filter of a session in the model.
type subscription struct {
	share string // "$share/<group>/" or empty
	item  string // "$filter/<items>/" or empty
	topic string // the plain filter
	cid   *account
	by    string // `cid` as a property, empty for none
}

func (s subscription) filter() string { return s.share + s.item + s.topic }

// meets tells whether some topic under narrowRule can match; it is only asked of
// the filters that subscriptionOf makes.
func (s subscription) meets() bool {
	for _, topic := range topicsOf(nil) {
		if covers(narrowRule, topic) && covers(s.topic, topic) {
			return true
		}
	}
	return s.topic == "h/+/q"
}

// topicsOf are the topics that accounts publish to; the last are the account's alone.
func topicsOf(a *account) []string {
	list := []string{"h/a", "h/b", "h/a/x", "h/b/y", "h/a/x/z", "h/a,b", "n/c", "$own/x", "h/c/x"}
	if a != nil {
		list = append(list, "h/"+a.canary(ofMessage), "h/a/"+a.canary(ofMessage), a.canary(ofMessage))
	}
	return list
}

func pick[T any](random *rand.Rand, list ...T) T { return list[random.IntN(len(list))] }

// subscriptionOf makes any form of a filter that is legal for the account.
func (w *world) subscriptionOf(random *rand.Rand, a *account) subscription {
	s := subscription{topic: pick(random, "#", "+/+", "h/#", "h/a,b", "h/+/x", "h/a,b/#", "h/a/#", "n/c", "h/a", "h/b/y", "$own/#", "h/"+a.canary(ofMessage), "+", "h/+/q", "h/+/+/z")}
	if random.IntN(3) == 0 {
		item := pick(random, "payload=v%3E1", "message=qos%3C2", "modified_since>1700000000", "cid="+a.id, "payload=v>1&message=qos<2", "message=topic!="+percent(`"`+a.canary(ofClient)+`"`))
		if under := w.below(random, a); under != nil && random.IntN(4) == 0 {
			item, s.cid = "cid="+under.id, under
		}
		s.item = "$filter/" + item + "/"
	} else if random.IntN(8) == 0 {
		s.cid = a
		if under := w.below(random, a); under != nil {
			s.cid = under
		}
		s.by = s.cid.id
	}
	if random.IntN(4) == 0 {
		s.share = "$share/" + pick(random, "g", "h", "g:1:1", "g:2", a.canary(ofClient)) + "/"
	}
	return s
}

func (s subscription) props() wire.Props {
	if s.by == "" {
		return nil
	}
	return wire.Props{wire.User("cid", s.by)}
}

// session is what the model knows of a session.
type session struct {
	keeps  bool // it outlives its connection
	narrow bool // its token is the ACL one
	subs   map[subscription]bool
}

// subscribers is how many sessions of an account match a topic, a group counted once
// [EXT-UP-4]. The message is one that every condition without `cid` accepts.
func (w *world) subscribers(a *account, topic string) int {
	n := 0
	groups := map[string]bool{}
	for _, s := range w.sessions[a] {
		if s.narrow && !covers(narrowRule, topic) {
			continue
		}
		own := false
		for sub := range s.subs {
			if !covers(sub.topic, topic) || sub.cid != nil && sub.cid != a {
				continue
			}
			if sub.share == "" {
				own = true
			} else {
				groups[sub.filter()] = true
			}
		}
		if own {
			n++
		}
	}
	return n + len(groups)
}

// percent encodes all that is not a letter or digit.
func percent(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// around is the part of a text where an account's canary stands.
func around(text []byte, owner *account) string {
	at := strings.Index(string(text), mark+owner.secret)
	return string(text[max(0, at-80):min(len(text), at+80)])
}
