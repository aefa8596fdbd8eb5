package auth

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"alcove/internal/topic"
)

func listed(t testing.TB, acl string) *Grant {
	t.Helper()
	b, err := compileACL(json.RawMessage(acl), "flespi")
	if err != nil {
		t.Fatal(err)
	}
	return &Grant{Type: Listed, book: b, shared: &Rights{book: b}}
}

// entry makes the JSON of one access list entry that grants everything on a topic.
func allOn(topics ...string) string {
	var entries []Entry
	for _, topic := range topics {
		entries = append(entries, Entry{"mqtt", topic, []string{"publish", "subscribe"}, []string{"GET", "POST", "DELETE"}})
	}
	b, _ := json.Marshal(entries)
	return string(b)
}

// TestPublishRights is the table of EXT-TOK-5 and EXT-TOK-6 for concrete topics.
func TestPublishRights(t *testing.T) {
	for _, c := range []struct {
		rule, clientID, topic string
		want                  bool
	}{
		{"a/b", "", "a/b", true},
		{"a/b", "", "a", false},
		{"a/b", "", "a/b/c", false},
		{"a/b", "", "a/bc", false},
		{"a/+", "", "a/", true},
		{"a/+", "", "a", false},
		{"a/+/c", "", "a//c", true},
		{"a/#", "", "a", true},
		{"a/#", "", "a/b/c", true},
		{"a/#", "", "ab", false},
		{"#", "", "$SYS/x", true},
		{"+/x", "", "$SYS/x", true},
		{"#", "", "flespi/x", true},
		{"a,b/c,d", "", "a/d", true},
		{"a,b/c,d", "", "a/e", false},
		{"a,b/c", "", "a,b/c", true}, // spelled exactly like it [EXT-SEL-1]
		{"dev/{client_id}/#", "x1", "dev/x1/up", true},
		{"dev/{client_id}/#", "x1", "dev/x2/up", false},
		{"dev/{client_id}/#", "x1", "dev/{client_id}/up", false},
		{"dev/{client_id}/#", "", "dev//up", false},
		// attacks row 37: the identifier is literal always
		{"dev/{client_id}/up", "+", "dev/x/up", false},
		{"dev/{client_id}/up", "#", "dev/x/up", false},
		{"dev/{client_id}", "#", "dev/x/up", false},
		{"dev/{client_id}/up", "a/b", "dev/a/b/up", false},
		{"dev/{client_id}", "a/up", "dev/a/up", false},
		{"dev/{client_id}/up", "a,b", "dev/a/up", false},
		{"dev/{client_id}/up", "a,b", "dev/a,b/up", true},
		{"dev/{client_id}/up", "{client_id}", "dev/{client_id}/up", true},
		{"dev/{client_id}/up", "%c", "dev/x/up", false},
		{"dev/{client_id}/up", ".*", "dev/x/up", false},
		{"dev/{client_id}/up", "é", "dev/e\u0301/up", false}, // attacks row 14
	} {
		r := listed(t, allOn(c.rule)).Rights(c.clientID)
		if got := r.MayPublish([]byte(c.topic)); got != c.want {
			t.Errorf("%q for %q publishes to %q: %v, want %v", c.rule, c.clientID, c.topic, got, c.want)
		}
	}
}

// TestActions: an entry grants just what it names; what no entry grants is denied
// [EXT-TOK-4] [EXT-TOK-5].
func TestActions(t *testing.T) {
	g := listed(t, `[
		{"uri":"mqtt","topic":"p/#","actions":["publish"]},
		{"uri":"mqtt","topic":"s/#","actions":["subscribe"]},
		{"uri":"mqtt","topic":"g/#","methods":["GET"]},
		{"uri":"mqtt","topic":"w/#","methods":["POST","delete"]}]`)
	r := g.Rights("c")
	for _, c := range []struct{ topic, can string }{
		{"p/1", "publish"}, {"s/1", "receive"}, {"g/1", "get"}, {"w/1", "post delete"}, {"x", ""},
	} {
		var can []string
		note := func(ok bool, what string) {
			if ok {
				can = append(can, what)
			}
		}
		b := []byte(c.topic)
		note(r.MayPublish(b), "publish")
		note(r.MayReceive(b), "receive")
		note(r.RESTTopic(GET, b), "get")
		note(r.RESTTopic(POST, b), "post")
		note(r.RESTTopic(DELETE, b), "delete")
		if got := strings.Join(can, " "); got != c.can {
			t.Errorf("%s: may %q, want %q", c.topic, got, c.can)
		}
	}
	if g.MayPlatform() || g.MayManage(GET) {
		t.Error("a narrow access list reaches /platform or sessions")
	}
	if g := listed(t, `[{"uri":"mqtt","topic":"#","methods":["GET"]}]`); !g.MayManage(GET) || g.MayManage(DELETE) || g.MayPlatform() {
		t.Error("sessions need the method on #, and /platform a master")
	}
	if listed(t, `[]`).Rights("c").MayPublish([]byte("a")) {
		t.Error("an empty access list grants something")
	}
	d := open(t, newMemory())
	for _, acl := range []json.RawMessage{nil, json.RawMessage("null"), json.RawMessage("[]")} {
		token, _ := d.testToken(t, TokenSpec{Access: &Access{Type: Listed, ACL: acl}})
		g, err := d.Standing(token.ID, start)
		if err != nil || g.Rights("c").Unrestricted() || g.Rights("c").MayPublish([]byte("a")) || g.Rights("c").Subscribe(topic.Filter{Inner: "a"}) != None {
			t.Errorf("access list %s grants something: %v", acl, err)
		}
	}
	var none *Rights
	if none.MayPublish([]byte("a")) || none.MayReceive([]byte("a")) || none.Unrestricted() || none.RESTTopic(GET, []byte("a")) ||
		none.Subscribe(topic.Filter{Inner: "a"}) != None || none.REST(GET, topic.Filter{Inner: "a"}) != None {
		t.Error("nil Rights grant something")
	}
	if !unrestricted.Unrestricted() || r.Unrestricted() {
		t.Error("Unrestricted is wrong")
	}
}

// TestSubscribeScope: none, some or all of a filter lies inside the rules [EXT-TOK-7].
func TestSubscribeScope(t *testing.T) {
	const acl = `[
		{"uri":"mqtt","topic":"a/+/c","actions":["subscribe"]},
		{"uri":"mqtt","topic":"me/{client_id}/#","actions":["subscribe"]},
		{"uri":"mqtt","topic":"x,y/1","actions":["subscribe"]},
		{"uri":"mqtt","topic":"$SYS/#","actions":["subscribe"]},
		{"uri":"mqtt","topic":"pub/#","actions":["publish"]}]`
	for _, c := range []struct {
		filter string
		want   Scope
	}{
		{"a/b/c", Whole}, {"a/+/c", Whole}, {"a/#", Partial}, {"#", Partial}, {"a/b/+", Partial},
		{"+/+/+", Partial}, {"a/b", None}, {"a", None}, {"b/#", None}, {"pub/x", None},
		{"me/dev/#", Whole}, {"me/dev", Whole}, {"me/other/#", None}, {"me/+/x", Partial},
		{"x/1", Whole}, {"x,y/1", Whole}, {"x,z/1", Partial}, {"z/1", None}, {"+/1", Partial},
		{"$SYS/a", Whole}, {"$SYS/#", Whole},
		{"$share/g/a/b/c", Whole}, {"$share/g/b", None}, {"$share/g/#", Partial}, // attacks row 32
		// Every filter that a selector stands for is judged [EXT-SEL-1]: one that the
		// rule does not take leaves the subscription to be asked for each message.
		{"a/1,2/c", Whole}, {"a,b/1/c", Partial}, {"a/1,2/d", None}, {"b,d/1/c", None},
		{"y,x/1", Partial}, // takes "y,x/1", which the rule "x,y/1" does not
		{"x,y/1,2", Partial}, {"x,y/2,3", None}, {"w,z/1", None},
		{"me/dev,other/#", Partial}, {"me/one,other/#", None}, {"$SYS,a/b", Partial}, {"$SYS,b/#", Partial},
		{"$share/g:2/x,z/1", Partial}, {"$share/g/w,z/1", None},
		{"$filter/cid=7/a/b/c", Whole}, {"$filter/payload=x>1/x,z/1", Partial}, {"$filter/message=a+b%2F#/w,z/1", None},
		{"$share/g/$filter/cid=7&payload=a/me/dev,other/#", Partial}, {"$share/a/$filter/cid=7/b", None},
	} {
		f, err := topic.Parse(c.filter, 64)
		if err != nil {
			t.Fatal(err)
		}
		if got := listed(t, acl).Rights("dev").Subscribe(f); got != c.want {
			t.Errorf("%s: %v, want %v", c.filter, got, c.want)
		}
	}
	// A first-level wildcard shows nothing under "$", so it does not meet the rule.
	sys := listed(t, `[{"uri":"mqtt","topic":"$SYS/#","actions":["subscribe"]}]`).Rights("dev")
	if got := sys.Subscribe(topic.Filter{Inner: "#"}); got != None {
		t.Errorf("# against $SYS/#: %v [MQTT-4.7.2-1]", got)
	}
}

// TestLogTopics: under flespi/log/ a subscribe entry needs GET as well [EXT-TOK-5].
func TestLogTopics(t *testing.T) {
	for _, c := range []struct {
		methods, filter string
		want            Scope
		receives        bool
	}{
		{`[]`, "flespi/log/#", None, false},
		{`["POST"]`, "flespi/log/mqtt/x", None, false},
		{`["GET"]`, "flespi/log/#", Whole, true},
		{`[]`, "flespi/#", Partial, false},
		{`[]`, "flespi,x/#", Partial, false},
		{`[]`, "flespi/+/mqtt", Partial, false},
		{`["GET"]`, "flespi/#", Whole, true},
		{`[]`, "#", Whole, false}, // does not reach the reserved level [EXT-TOP-1]
		{`[]`, "flespi/state/#", Whole, false},
		{`[]`, "flespi/logs/#", Whole, false},
	} {
		g := listed(t, `[{"uri":"mqtt","topic":"#","actions":["subscribe"],"methods":`+c.methods+`}]`)
		r := g.Rights("c")
		if got := r.Subscribe(topic.Filter{Inner: c.filter}); got != c.want {
			t.Errorf("methods %s, %s: %v, want %v", c.methods, c.filter, got, c.want)
		}
		for _, log := range []string{"flespi/log/mqtt/x", "flespi/log"} {
			if got := r.MayReceive([]byte(log)); got != c.receives {
				t.Errorf("methods %s: receives %s: %v", c.methods, log, got)
			}
		}
		if !r.MayReceive([]byte("flespi/logs")) || !r.MayReceive([]byte("flespi")) || !r.MayReceive([]byte("flespi/lo")) {
			t.Errorf("methods %s: ordinary topics are refused", c.methods)
		}
	}
}

// TestACLErrors: a wrong entry is refused with its field [EXT-TOK-5].
func TestACLErrors(t *testing.T) {
	for _, c := range []struct{ acl, field string }{
		{`{}`, "access.acl"},
		{`[1]`, "access.acl[0]"},
		{`[null]`, "access.acl[0]"},
		{`[{"uri":"mqtt","topic":"a"},{"uri":"mqtt","topic":"a","action":["publish"]}]`, "access.acl[1]"},
		{`[{"uri":"gw","topic":"a"}]`, "access.acl[0].uri"},
		{`[{"uri":"mqtt"}]`, "access.acl[0].topic"},
		{`[{"uri":"mqtt","topic":"a#"}]`, "access.acl[0].topic"},
		{`[{"uri":"mqtt","topic":"#/a"}]`, "access.acl[0].topic"},
		{`[{"uri":"mqtt","topic":"a+/b"}]`, "access.acl[0].topic"},
		{`[{"uri":"mqtt","topic":"a,+/b"}]`, "access.acl[0].topic"},
		{`[{"uri":"mqtt","topic":"a,,b"}]`, "access.acl[0].topic"},
		{`[{"uri":"mqtt","topic":"a/x{client_id}"}]`, "access.acl[0].topic"},
		{`[{"uri":"mqtt","topic":"a\u0000"}]`, "access.acl[0].topic"},
		{`[{"uri":"mqtt","topic":"$share/g/a"}]`, "access.acl[0].topic"},
		{`[{"uri":"mqtt","topic":"` + strings.Repeat("a/", 64) + `"}]`, "access.acl[0].topic"},
		{`[{"uri":"mqtt","topic":"` + strings.Repeat("a", MaxTopicBytes+1) + `"}]`, "access.acl[0].topic"},
		{`[{"uri":"mqtt","topic":"a","actions":["read"]}]`, "access.acl[0].actions"},
		{`[{"uri":"mqtt","topic":"a","methods":["PUT"]}]`, "access.acl[0].methods"},
		{`[` + strings.Repeat(`{"uri":"mqtt","topic":"a"},`, MaxRules) + `{"uri":"mqtt","topic":"a"}]`, "access.acl"},
	} {
		_, err := compileACL(json.RawMessage(c.acl), "flespi")
		if field(err) != c.field {
			t.Errorf("%.60s: %v, want field %s", c.acl, err, c.field)
		}
	}
}

// naive evaluates one rule by the topic package. The placeholder level and the level
// of the topic that stands there are both replaced by marks, so that nothing in a
// client id can act as a wildcard.
func naive(rule, clientID, name string) bool {
	rules, levels := strings.Split(rule, "/"), strings.Split(name, "/")
	for i := range rules {
		if rules[i] != placeholder {
			continue
		}
		rules[i] = "=me"
		if i < len(levels) {
			if levels[i] == clientID && clientID != "" {
				levels[i] = "=me"
			} else {
				levels[i] = "=other"
			}
		}
	}
	return topic.MatchSelector(strings.Join(rules, "/"), strings.Join(levels, "/"))
}

var (
	someLevel    = rapid.SampledFrom([]string{"a", "b", "c", "a,b", "b,c", "a,b,c", "", "$SYS", "flespi", "log", "x y", "é", "{client_id}"})
	someRuleMid  = rapid.SampledFrom([]string{"a", "b", "c", "a,b", "b,c", "a,b,c", "log,a", "flespi,$SYS", "+", "+", "", "$SYS", "flespi", "log", placeholder})
	someClientID = rapid.SampledFrom([]string{"a", "b", "a,b", "+", "#", "a/b", "a/#", "", "$SYS", "flespi", placeholder})
	someFilter   = rapid.Custom(func(t *rapid.T) string {
		parts := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "a,b", "b,a", "a,b,c", "b,c", "flespi,a", "$SYS,b", "log,a", "flespi,$SYS", "+", "+", "", "$SYS", "flespi", "log"}), 1, 4).Draw(t, "levels")
		if rapid.Bool().Draw(t, "hash") {
			parts = append(parts[:len(parts)-1], "#")
		}
		return strings.Join(parts, "/")
	}).Filter(func(s string) bool { return s != "" })
	someRule = rapid.Custom(func(t *rapid.T) string {
		parts := rapid.SliceOfN(someRuleMid, 1, 4).Draw(t, "levels")
		if rapid.Bool().Draw(t, "hash") {
			parts = append(parts[:len(parts)-1], "#")
		}
		return strings.Join(parts, "/")
	}).Filter(func(s string) bool { return s != "" })
	someTopic = rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(someLevel, 1, 4).Draw(t, "levels"), "/")
	}).Filter(func(s string) bool { return s != "" })
)

// TestRightsProperty: rights agree with the naive evaluation of their rules, few or
// many, and scopes with what they promise of every topic [EXT-TOK-5] [EXT-TOK-7].
func TestRightsProperty(t *testing.T) {
	subscribed := topic.Dialect{HideDollar: true, HideFirst: "flespi", Selectors: true}
	rapid.Check(t, func(t *rapid.T) {
		rules := rapid.SliceOfN(someRule, 0, 2*indexFrom).Draw(t, "rules")
		clientID := someClientID.Draw(t, "client id")
		b, err := compileACL(json.RawMessage(allOn(rules...)), "flespi")
		if err != nil {
			t.Fatal(err)
		}
		r := (&Grant{book: b, shared: &Rights{book: b}}).Rights(clientID)
		filter := someFilter.Draw(t, "filter")
		scope := r.Subscribe(topic.Filter{Inner: filter})
		for _, name := range rapid.SliceOfN(someTopic, 1, 20).Draw(t, "topics") {
			want := slices.ContainsFunc(rules, func(rule string) bool { return naive(rule, clientID, name) })
			if got := r.MayPublish([]byte(name)); got != want {
				t.Fatalf("%q for %q: MayPublish(%q) = %v", rules, clientID, name, got)
			}
			if got := r.MayReceive([]byte(name)); got != want {
				t.Fatalf("%q for %q: MayReceive(%q) = %v", rules, clientID, name, got)
			}
			if !topic.MatchIn(subscribed, filter, name) {
				continue
			}
			if want && scope == None || !want && scope == Whole {
				t.Fatalf("%q for %q: %q is %v, and %q is allowed: %v", rules, clientID, filter, scope, name, want)
			}
		}
	})
}

// TestRelationsProperty: for rules that text can express, covers and intersects agree
// with the topic package.
func TestRelationsProperty(t *testing.T) {
	rule := topic.Dialect{Selectors: true}
	sub := topic.Dialect{HideDollar: true, HideFirst: "flespi", Selectors: true}
	rapid.Check(t, func(t *rapid.T) {
		text := someRule.Filter(func(s string) bool { return !strings.Contains(s, placeholder) }).Draw(t, "rule")
		filter := someFilter.Draw(t, "filter")
		r, err := compileRule(text)
		if err != nil {
			t.Fatal(err)
		}
		levels := splitFilter(filter, nil)
		if r.covers(levels, "") && !topic.Covers(text, filter, rule, sub) {
			t.Fatalf("%q does not cover %q", text, filter)
		}
		if got, want := r.intersects(levels, "", "flespi"), topic.Intersects(text, filter, rule, sub); got != want {
			t.Fatalf("%q intersects %q: %v, want %v", text, filter, got, want)
		}
	})
}

// FuzzACL: any JSON either compiles or is refused with a field, and what compiles
// agrees with the naive evaluation.
func FuzzACL(f *testing.F) {
	f.Add(`[{"uri":"mqtt","topic":"a/+/{client_id}/#","actions":["publish"],"methods":["GET"]}]`, "dev", "a/b/dev/c")
	f.Add(`[{"uri":"mqtt","topic":"a,b/c","actions":["publish","subscribe"]}]`, "+", "a/c")
	f.Add(`[{"uri":"mqtt","topic":"#","actions":["publish"]}]`, "#", "$SYS/x")
	f.Add(`[{"uri":"mqtt","topic":"//","actions":["publish"]}]`, "", "//")
	f.Add(`null`, "a/b", "x")
	f.Add(`[[[[`, "", "")
	f.Fuzz(func(t *testing.T, acl, clientID, name string) {
		b, err := compileACL(json.RawMessage(acl), "flespi")
		if err != nil {
			if !strings.HasPrefix(field(err), "access.acl") {
				t.Fatalf("%v names no field", err)
			}
			return
		}
		if name == "" || strings.ContainsAny(name, "+#") {
			return // no topic name
		}
		entries, err := parseACL(json.RawMessage(acl))
		if err != nil {
			t.Fatal(err)
		}
		want := false
		for _, e := range entries {
			want = want || slices.Contains(e.Actions, "publish") && naive(e.Topic, clientID, name)
		}
		if got := (&Grant{book: b, shared: &Rights{book: b}}).Rights(clientID).MayPublish([]byte(name)); got != want {
			t.Fatalf("%s for %q: MayPublish(%q) = %v", acl, clientID, name, got)
		}
	})
}

// TestRightsAllocateNothing: the hot path's questions cost no allocation.
func TestRightsAllocateNothing(t *testing.T) {
	few := listed(t, allOn("a/+/c", "dev/{client_id}/#", "x,y,z/1")).Rights("dev1")
	many := listed(t, allOn("a/b", "b/c", "c/d", "d/e", "e/f", "f/g", "g/h", "h/i", "i/j", "dev/{client_id}/#")).Rights("dev1")
	name, log := []byte("dev/dev1/a/b/c/d"), []byte("flespi/log/mqtt")
	filter := topic.Filter{Inner: "dev/dev1/#"}
	if n := testing.AllocsPerRun(100, func() {
		few.MayPublish(name)
		many.MayPublish(name)
		few.MayReceive(log)
		unrestricted.MayReceive(name)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if few.Subscribe(filter) != Whole || many.Subscribe(filter) != Whole {
		t.Error("not whole")
	}
	if g := listed(t, allOn("a")); g.Rights("x") != g.Rights("y") {
		t.Error("rights without a placeholder are not shared")
	}
}

// TestSelectorsAreNotExpanded: ten levels of thousand words stand for 10³⁰ filters and
// are judged word by word [EXT-SEL-1] [EXT-TOK-7].
func TestSelectorsAreNotExpanded(t *testing.T) {
	words := make([]string, 1000)
	for i := range words {
		words[i] = "w" + strconv.Itoa(i)
	}
	list := strings.Join(words, ",")
	filter := strings.Repeat(list+"/", 9) + list
	rules := make([]string, 100)
	for i := range rules {
		rules[i] = strings.Repeat("w999,w1,x/", 9) + "v" + strconv.Itoa(i) // fails at the last level only
	}
	f, err := topic.Parse(filter, 64)
	if err != nil {
		t.Fatal(err)
	}
	if got := listed(t, allOn(rules...)).Rights("c").Subscribe(f); got != None {
		t.Errorf("no rule meets it: %v", got)
	}
	met := append(rules, strings.Repeat("w999/", 9)+"w0")
	if got := listed(t, allOn(met...)).Rights("c").Subscribe(f); got != Partial {
		t.Errorf("one topic of 10³⁰: %v", got)
	}
	if got := listed(t, allOn(append(rules, strings.Repeat("+/", 9)+list)...)).Rights("c").Subscribe(f); got != Whole {
		t.Errorf("wholly inside: %v", got)
	}
}

// BenchmarkSubscribeLong asks for the longest selector there is against most rules.
func BenchmarkSubscribeLong(b *testing.B) {
	rules := make([]string, MaxRules)
	for i := range rules {
		rules[i] = "a,b,c," + strconv.Itoa(i) + "/x"
	}
	r := listed(b, allOn(rules...)).Rights("c")
	list := &strings.Builder{}
	for i := 0; list.Len() < topic.MaxBytes-20; i++ {
		list.WriteString("w" + strconv.FormatInt(int64(i*7919%30000), 36) + ",")
	}
	f := topic.Filter{Inner: list.String() + "w/+"}
	for b.Loop() {
		if r.Subscribe(f) != None {
			b.Fatal("not none")
		}
	}
}

func BenchmarkMayPublish(b *testing.B) {
	name := []byte("fleet/dev1/telemetry/position")
	many := make([]string, MaxRules)
	for i := range many {
		many[i] = "fleet" + strings.Repeat("x", i%7) + "/" + strings.Repeat("d", i%50+1) + "/#"
	}
	for _, c := range []struct {
		name string
		r    *Rights
	}{
		{"unrestricted", unrestricted},
		{"personal", listed(b, allOn("cmd/{client_id}/+", "fleet/{client_id}/#")).Rights("dev1")},
		{"most", listed(b, allOn(many...)).Rights("dev1")},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.r.MayPublish(name)
			}
		})
	}
}
