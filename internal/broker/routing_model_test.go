package broker_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"
)

// TestRoutingModel plays random subscriptions of four clients in a family of accounts,
// with selectors, conditions, accounts, No Local and identifiers, and compares what
// each client gets of random messages with a naive reading of every subscription for
// itself: one PUBLISH for each client, of the highest QoS and with the identifiers of
// those that take it [EXT-SEL-1] [EXT-FIL-2] [EXT-FIL-3] [EXT-UP-3] [MQTT-3.3.4-2]
// [MQTT-3.3.4-3].
func TestRoutingModel(t *testing.T) {
	if raceEnabled {
		t.Skip("skipped: the race detector does not bear so many bubbles")
	}
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(bubbled{t}, func(rt *rapid.T) {
			m := &routing{rt: rt, s: newScenario(t), subs: map[string]map[string]*routed{}}
			defer m.s.close()
			m.begin()
			for range rapid.IntRange(10, 60).Draw(rt, "steps") {
				m.step()
			}
		})
	})
}

// routing is the model: accounts top > north, south; who is in which account.
type routing struct {
	rt     *rapid.T
	s      *scenario
	played []string
	subs   map[string]map[string]*routed // client, identity
	count  int
}

type routed struct {
	filter, cid string
	qos, id     int
	noLocal     bool
}

// routingClients are the clients, by their accounts.
var routingClients = map[string]string{"a": "top", "b": "top", "n": "north", "s": "south"}

// routingFilters are filters, and how the topic and the payload's n are read by hand.
var routingFilters = []struct {
	text  string
	takes func(topic string, n int) bool
}{
	{"x/1", func(topic string, n int) bool { return topic == "x/1" }},
	{"x/+", func(topic string, n int) bool { return true }},
	{"x/1,3", func(topic string, n int) bool { return topic == "x/1" || topic == "x/3" }},
	{"#", func(topic string, n int) bool { return true }},
	{"$filter/payload=n>1/x/+", func(topic string, n int) bool { return n > 1 }},
	{"$filter/payload=n>1/x/2,3", func(topic string, n int) bool { return n > 1 && topic != "x/1" }},
	{"$filter/payload=n%253D%253D2/x/+", nil}, // twice encoded: a syntax error, refused
	{"$filter/payload=n>2/#", func(topic string, n int) bool { return n > 2 }},
	{"$filter/message=topic==\"x%2F1\"&payload=n<3/x/+", func(topic string, n int) bool { return topic == "x/1" && n >= 0 && n < 3 }},
	{"$filter/message=payload~\"*3*\"/#", func(topic string, n int) bool { return n == 3 }},
}

func (m *routing) begin() {
	for _, line := range []string{
		"account top", "account north parent=top", "account south parent=top",
		"settings top stamps=false",
		"settings north stamps=false", "settings south stamps=false",
	} {
		m.play(line)
	}
	for client, account := range routingClients {
		m.play(fmt.Sprintf("connect %s token=%s clean", client, account))
		m.subs[client] = map[string]*routed{}
	}
}

func (m *routing) play(line string) []string {
	m.played = append(m.played, line)
	return m.s.run(line)
}

func (m *routing) fail(format string, args ...any) {
	m.rt.Fatalf("%s\nafter:\n%s", fmt.Sprintf(format, args...), strings.Join(m.played, "\n"))
}

func (m *routing) step() {
	draw := func(label string, n int) int { return rapid.IntRange(0, n-1).Draw(m.rt, label) }
	client := rapid.SampledFrom([]string{"a", "b", "n", "s"}).Draw(m.rt, "client")
	f := routingFilters[draw("filter", len(routingFilters))]
	cid := rapid.SampledFrom([]string{"", "", "top", "north", "south"}).Draw(m.rt, "cid")
	user := ""
	if cid != "" {
		user = " user=cid:" + cid
	}
	switch what := draw("what", 6); {
	case what < 2:
		r := &routed{filter: f.text, cid: cid, qos: draw("qos", 3), id: draw("id", 4), noLocal: draw("local", 4) == 0}
		line := fmt.Sprintf("subscribe %s %s q=%d%s rh=2", client, f.text, r.qos, user)
		if r.id > 0 {
			line += fmt.Sprintf(" sid=%d", r.id)
		}
		if r.noLocal {
			line += " nl"
		}
		want := fmt.Sprintf("%s < SUBACK id=1 0x%02x", client, r.qos)
		own := routingClients[client]
		switch {
		case cid != "" && own != "top" && cid != own:
			want = client + " < SUBACK id=1 0x87"
		case f.takes == nil:
			want = client + " < SUBACK id=1 0x8f"
		default:
			m.subs[client][f.text+" "+cid] = r
		}
		if got := m.play(line); len(got) != 1 || !strings.HasPrefix(got[0], want) {
			m.fail("got %q, want %q", got, want)
		}
	case what == 2:
		m.play(fmt.Sprintf("unsubscribe %s %s%s", client, f.text, user))
		for key, r := range m.subs[client] {
			if r.filter == f.text && (cid == "" || r.cid == cid) {
				delete(m.subs[client], key)
			}
		}
	default:
		m.publish(client, fmt.Sprint("x/", 1+draw("topic", 3)), draw("n", 5)-1, draw("qos", 3))
	}
}

// publish sends one message and compares who gets it, and how.
func (m *routing) publish(from, topic string, n, qos int) {
	m.count++
	payload := fmt.Sprintf(`{"n":%d,"count":%d}`, n, m.count*10)
	if n < 0 {
		payload = fmt.Sprintf("text-%d", m.count*10)
	}
	got := map[string]string{}
	for _, line := range m.play(fmt.Sprintf("publish %s %s %s q=%d id=%d", from, topic, payload, qos, m.count)) {
		client, packet, _ := strings.Cut(line, " < ")
		if !strings.HasPrefix(packet, "PUBLISH") {
			continue
		}
		if got[client] != "" {
			m.fail("%s gets the message twice", client)
		}
		got[client] = identifier.ReplaceAllString(packet, "")
	}
	if qos == 2 {
		m.play(fmt.Sprintf("ack %s PUBREL id=%d", from, m.count))
	}
	for client := range routingClients {
		want := m.expected(client, from, topic, payload, n, qos)
		if i := strings.Index(got[client], " forward="); i >= 0 {
			got[client] = got[client][:i] // the broker's own, of a message from another account
		}
		if got[client] != want {
			m.fail("%s gets %q, want %q", client, got[client], want)
		}
	}
}

func (m *routing) expected(client, from, topic, payload string, n, qos int) string {
	account, source := routingClients[client], routingClients[from]
	if account != source && account != "top" {
		return ""
	}
	best, ids := -1, []int{}
	for _, r := range m.subs[client] {
		takes := false
		for _, f := range routingFilters {
			// Conditions see the text's digits too.
			takes = takes || f.text == r.filter && f.takes(topic, n)
		}
		if strings.Contains(r.filter, "payload~") {
			takes = strings.Contains(payload, "3")
		}
		if !takes || r.cid != "" && r.cid != source || r.noLocal && client == from {
			continue
		}
		best = max(best, r.qos)
		if r.id > 0 && !slices.Contains(ids, r.id) {
			ids = append(ids, r.id)
		}
	}
	if best < 0 {
		return ""
	}
	line := fmt.Sprintf("PUBLISH %s %s q%d", topic, payload, min(best, qos))
	if len(ids) > 0 {
		slices.Sort(ids)
		line += fmt.Sprintf(" sids=%v", ids)
	}
	return line
}
