package conform

import (
	"fmt"
	"strings"
	"time"

	"alcove/test/conform/wire"
)

// account is an account made for one case, with a master token of its own.
type account struct {
	ID    string
	Key   string
	Token string // id of the token whose key is Key
}

// As gives a CONNECT the credentials of the account's token.
func (a account) As() option { return withUser(&a.Key, nil) }

// tree is three generations of accounts that nobody else uses.
type tree struct {
	parent, child, grandchild, sibling account
}

// Own makes a top-level account, which goes away with everything in it after the case.
func (k *Kit) Own() account {
	key := k.Account()
	status, result := k.REST(key, "GET", "/platform/customer", "")
	if status != 200 || len(result) != 1 {
		k.Fatalf("GET /platform/customer: status %d, %v", status, result)
	}
	a := account{ID: text(result[0]["id"]), Key: key}
	a.Token, a.Key = k.master("", key)
	return a
}

// Alone runs a part of a case in an account of its own, for what others in the
// same account would disturb: the broker's stamps in one account never go back.
func (k *Kit) Alone(f func()) {
	operator := k.User
	defer func() { k.User = operator }()
	k.User = k.Own().Key
	f()
}

// master makes a master token of the account of key or of its descendant in.
func (k *Kit) master(in, key string) (id, master string) {
	status, result := k.RESTIn(in, key, "POST", "/platform/tokens", `[{"info":"conform","ttl":3600,"access":{"type":1}}]`)
	if status != 200 || len(result) != 1 {
		k.Fatalf("POST /platform/tokens in account %q: status %d, %v", in, status, result)
	}
	return text(result[0]["id"]), text(result[0]["key"])
}

// Below makes an account below another one.
func (k *Kit) Below(a account) account {
	id, _ := k.Subaccount(a.Key, "")
	token, key := k.master(id, a.Key)
	return account{ID: id, Key: key, Token: token}
}

// Tree makes a parent with two children, the first of which has a child too.
func (k *Kit) Tree() tree {
	t := tree{parent: k.Own()}
	t.child, t.sibling = k.Below(t.parent), k.Below(t.parent)
	t.grandchild = k.Below(t.child)
	return t
}

// Set changes settings of an account, given as JSON fields.
func (k *Kit) Set(a account, settings string) {
	if status, _ := k.REST(a.Key, "PUT", "/platform/customer", `{"settings":{`+settings+`}}`); status != 200 {
		k.Fatalf("PUT settings %s: status %d", settings, status)
	}
	time.Sleep(1100 * time.Millisecond) // a setting acts within a second [EXT-ACC-5]
}

// Rule makes a token of an account that may do what the rules say: JSON
// entries of its access list.
func (k *Kit) Rule(a account, rules ...string) account {
	body := fmt.Sprintf(`[{"info":"conform","ttl":3600,"access":{"type":2,"acl":[%s]}}]`, strings.Join(rules, ","))
	status, result := k.REST(a.Key, "POST", "/platform/tokens", body)
	if status != 200 || len(result) != 1 {
		k.Fatalf("POST /platform/tokens %s: status %d, %v", body, status, result)
	}
	return account{ID: a.ID, Key: text(result[0]["key"]), Token: text(result[0]["id"])}
}

// may is an entry of an access list with actions of MQTT, joined by commas.
func may(topic, actions string) string {
	return fmt.Sprintf(`{"uri":"mqtt","topic":%q,"actions":["%s"]}`, topic, strings.ReplaceAll(actions, ",", `","`))
}

// overREST is an entry of an access list with methods of REST, joined by commas.
func overREST(topic, methods string) string {
	return fmt.Sprintf(`{"uri":"mqtt","topic":%q,"methods":["%s"]}`, topic, strings.ReplaceAll(methods, ",", `","`))
}

// values are the values of a user property, in their order.
func values(p *wire.Packet, name string) (out []string) {
	for _, u := range p.Props.All(wire.UserProperty) {
		if u.Text == name {
			out = append(out, u.Value)
		}
	}
	return out
}

// value is the only value of a user property; none or several fail the case.
func (k *Kit) value(p *wire.Packet, name string) string {
	v := values(p, name)
	if len(v) != 1 {
		k.Fatalf("%v: user property %q is %q, want one value", p, name, v)
	}
	return v[0]
}

// refusal is how an item of a SUBSCRIBE is refused: by its reason in version 5,
// by 0x80 below.
func (k *Kit) refusal(reason byte) byte {
	if k.V < wire.V5 {
		return 0x80
	}
	return reason
}

// topics are the topics of messages, sorted by nothing.
func topicsOf(ps []*wire.Packet) map[string]int {
	got := map[string]int{}
	for _, p := range ps {
		got[p.Topic]++
	}
	return got
}

// wantTopics compares the topics of messages, each of which must come once,
// with topics of the case.
func (k *Kit) wantTopics(what string, ps []*wire.Packet, levels ...string) {
	got := topicsOf(ps)
	for _, l := range levels {
		if got[k.Topic(l)] != 1 {
			k.Errorf("%s: %q comes %d times", what, l, got[k.Topic(l)])
		}
		delete(got, k.Topic(l))
	}
	for t := range got {
		k.Errorf("%s: %q comes", what, t)
	}
}

// percent encodes all that is not a letter or digit, as in an item of $filter.
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

// everyVersion are the protocol levels, for clients beside those of the case.
var everyVersion = []byte{wire.V5, wire.V311, wire.V31}
