package broker_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"
)

// TestModel plays random commands of the scenarios and compares, after each,
// what every client gets with a model of MQTT sessions that knows nothing but
// lists. A failure prints the commands: they are a scenario.
func TestModel(t *testing.T) {
	if raceEnabled {
		// One goroutine plays all loops, so there is nothing to find; and the
		// detector's own runtime fails under thousands of synctest bubbles.
		t.Skip("skipped: the race detector does not bear so many bubbles")
	}
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(bubbled{t}, func(rt *rapid.T) {
			m := &model{rt: rt, s: newScenario(t), sessions: map[string]*modelSession{}, retained: map[string]string{}}
			defer m.s.close()
			m.command("connect p clean", func() {
				m.publishers = 1
				m.expect("p", "CONNACK", nil)
			})
			for range 40 + m.draw("length", 80) {
				m.step()
			}
		})
	})
}

// bubbled is a test without the deadline, which a bubble does not have.
type bubbled struct{ testing.TB }

// model is a broker with one account, the publisher p, and three clients. Which
// member of the share group g gets a message is taken from the broker; that one
// gets it, and nobody who may not, is checked.
type model struct {
	rt       *rapid.T
	s        *scenario
	played   []string
	sessions map[string]*modelSession
	retained map[string]string
	waiting  []*modelMessage // of the share group, not with a member
	recorded bool            // the group is in the log
	count    int
	// publishers is 1 while p is there.
	publishers int

	expected map[string][]expectation
}

type modelSession struct {
	online bool
	expiry int
	window int
	subs   map[string]modelSub
	queue  []*modelMessage
}

type modelSub struct{ qos, sid int }

type modelMessage struct {
	number         int
	topic, payload string
	qos            int
	sids           []int
	id             string
	sent           bool // on this connection
	attempted      bool
	released       bool
	shared         bool
	vacant         bool // given back to the group: only the place is left
	durable        bool
}

// expectation is a line, and the message whose identifier it bears.
type expectation struct {
	text string
	m    *modelMessage
}

const sharedFilter = "$share/g/s/#"

func (m *model) expect(client, text string, msg *modelMessage) {
	m.expected[client] = append(m.expected[client], expectation{text, msg})
}

func (m *model) fail(format string, args ...any) {
	m.rt.Fatalf("%s\nafter:\n%s", fmt.Sprintf(format, args...), strings.Join(m.played, "\n"))
}

var (
	identifier = regexp.MustCompile(` id=\d+`)
	quality    = regexp.MustCompile(` q\d`)
)

// lane is what keeps its order: messages of one QoS [MQTT-4.6.0-5], and all the
// rest.
func lane(text string) string {
	if !strings.HasPrefix(text, "PUBLISH") {
		return ""
	}
	return quality.FindString(text)
}

// command plays a line, with what the model makes of it.
func (m *model) command(line string, predict func()) {
	m.played = append(m.played, line)
	m.expected = map[string][]expectation{}
	predict()
	got := m.s.run(line)
	var shared []string
	for _, l := range got {
		client, text, _ := strings.Cut(l, " < ")
		if client == "event" || strings.HasPrefix(l, "event ") {
			continue
		}
		if strings.HasPrefix(text, "PUBLISH s/") {
			shared = append(shared, l)
			continue
		}
		want, i := m.expected[client], 0
		for i < len(want) && lane(want[i].text) != lane(text) && want[0].text[:4] != "CONN" {
			i++
		}
		if i == len(want) {
			m.fail("%s: unexpected", l)
		}
		w := want[i]
		m.expected[client] = slices.Delete(want, i, i+1)
		if w.m != nil {
			id := identifier.FindString(text)
			text = strings.Replace(text, id, "", 1)
			if w.m.id != "" && w.m.id != id {
				m.fail("%s: the identifier was%s", l, w.m.id)
			}
			w.m.id = id
		}
		if text != w.text {
			m.fail("%s\nwant %s", l, w.text)
		}
	}
	for client, rest := range m.expected {
		if len(rest) > 0 {
			m.fail("%s does not get %s", client, rest[0].text)
		}
	}
	m.share(shared)
	m.check()
}

// share takes the broker's choice of members.
func (m *model) share(lines []string) {
	for _, l := range lines {
		client, text, _ := strings.Cut(l, " < ")
		words := strings.Fields(text)
		i := slices.IndexFunc(m.waiting, func(x *modelMessage) bool { return x.payload == words[2] })
		if i < 0 {
			m.fail("%s: the message is not waiting", l)
		}
		x, s := m.waiting[i], m.sessions[client]
		if _, ok := s.subs[sharedFilter]; !ok || !s.online || strings.Contains(text, " dup") {
			m.fail("%s: it must not", l)
		}
		m.waiting = slices.Delete(m.waiting, i, i+1)
		c := *x
		c.id, c.sent, c.attempted = identifier.FindString(text), true, true
		s.queue = append(s.queue, &c)
	}
}

// check looks at what must always hold.
func (m *model) check() {
	for name, s := range m.sessions {
		ids := map[string]bool{}
		for _, x := range s.queue {
			if x.sent {
				if ids[x.id] || x.id == "" {
					m.fail("%s: identifier%s twice in flight", name, x.id)
				}
				ids[x.id] = true
			}
		}
		if len(ids) > s.window {
			m.fail("%s: %d in flight", name, len(ids))
		}
		if _, ok := s.subs[sharedFilter]; ok && s.online && len(s.queue) < s.window && len(m.waiting) > 0 {
			m.fail("%s waits in the group though %s has room", m.waiting[0].payload, name)
		}
	}
	st := m.s.broker.Stats()
	online, subs := m.publishers, 0
	for _, s := range m.sessions {
		if s.online {
			online++
		}
		subs += len(s.subs)
	}
	if st.Attached.Load() != int64(online) || st.Sessions.Load() != int64(m.publishers+len(m.sessions)) ||
		st.Subscriptions.Load() != int64(subs) || st.Retained.Load() != int64(len(m.retained)) {
		m.fail("attached %d, sessions %d, subscriptions %d, retained %d", st.Attached.Load(), st.Sessions.Load(),
			st.Subscriptions.Load(), st.Retained.Load())
	}
	if groups, _ := m.s.broker.Leftovers(); (groups == 1) != m.grouped() {
		m.fail("%d groups", groups)
	}
}

func (m *model) grouped() bool {
	for _, s := range m.sessions {
		if _, ok := s.subs[sharedFilter]; ok {
			return true
		}
	}
	return false
}

// pump sends what the window has room for.
func (m *model) pump(name string) {
	s := m.sessions[name]
	for _, x := range s.queue {
		if x.sent {
			continue
		}
		n := 0
		for _, y := range s.queue {
			if y.sent {
				n++
			}
		}
		if n >= s.window {
			return
		}
		x.sent = true
		if x.released {
			m.expect(name, "PUBREL", x)
			continue
		}
		m.expect(name, x.line(x.attempted), x)
		x.attempted = true
	}
}

func (x *modelMessage) line(dup bool) string {
	l := fmt.Sprintf("PUBLISH %s %s q%d", x.topic, x.payload, x.qos)
	if dup {
		l += " dup"
	}
	if len(x.sids) > 0 {
		l += fmt.Sprintf(" sids=%v", x.sids)
	}
	return l
}

// away ends a connection.
func (m *model) away(name string) {
	s := m.sessions[name]
	s.online = false
	m.giveBack(s, false)
	for _, x := range s.queue {
		x.sent = false
	}
	if s.expiry == 0 {
		m.end(name)
	}
}

// giveBack returns what the group gave to a member.
func (m *model) giveBack(s *modelSession, connected bool) {
	s.queue = slices.DeleteFunc(s.queue, func(x *modelMessage) bool {
		if !x.shared || x.vacant {
			return x.vacant && !connected
		}
		c := *x
		c.id, c.sent, c.attempted = "", false, false
		m.waiting = append(m.waiting, &c)
		x.vacant = true
		return !connected
	})
	slices.SortFunc(m.waiting, func(a, b *modelMessage) int { return a.number - b.number })
}

func (m *model) end(name string) {
	delete(m.sessions, name)
	m.ungroup()
}

func (m *model) ungroup() {
	if !m.grouped() {
		m.waiting, m.recorded = nil, false
	}
}

// draw draws a number below n, all alike: rapid by itself prefers small ones,
// which makes for dull stories.
func (m *model) draw(label string, n int) int {
	return int(rapid.Uint32().Draw(m.rt, label)*2654435761>>8) % n
}

func oneOf[T any](m *model, label string, list []T) T { return list[m.draw(label, len(list))] }

func (m *model) step() {
	name := oneOf(m, "client", []string{"a", "b", "c"})
	s := m.sessions[name]
	switch n := m.draw("command", 20); {
	case n == 0:
		m.restart()
	case n < 8:
		m.publish()
	case s == nil || !s.online || n == 8:
		m.connect(name)
	case n == 9:
		m.command("drop "+name, func() { m.away(name) })
	case n < 12:
		m.subscribe(name, s)
	case n == 12:
		m.unsubscribe(name, s)
	default:
		m.acknowledge(name, s)
	}
}

func (m *model) restart() {
	m.command("restart", func() {
		for _, name := range slices.Sorted(maps.Keys(m.sessions)) {
			if m.sessions[name].online {
				m.away(name)
			}
		}
		m.waiting = slices.DeleteFunc(m.waiting, func(x *modelMessage) bool { return !x.durable })
		m.publishers = 0
	})
	m.command("connect p clean", func() {
		m.publishers = 1
		m.expect("p", "CONNACK", nil)
	})
}

func (m *model) connect(name string) {
	s := m.sessions[name]
	if s != nil && s.online {
		m.command("advance 11s", func() {}) // takeovers are damped
	}
	clean := m.draw("clean", 6) == 0
	expiry := oneOf(m, "expiry", []int{0, 1_000_000, 1_000_000})
	window := oneOf(m, "window", []int{1, 2, 3, 100})
	line := fmt.Sprintf("connect %s expiry=%d rm=%d", name, expiry, window)
	if clean {
		line += " clean"
	}
	m.command(line, func() {
		if s != nil && s.online {
			m.expect(name, `END 0x8e "another connection uses this Client Identifier"`, nil)
			m.away(name)
		}
		if clean && m.sessions[name] != nil {
			m.end(name)
		}
		hello := "CONNACK"
		if m.sessions[name] != nil {
			hello += " present"
		} else {
			m.sessions[name] = &modelSession{subs: map[string]modelSub{}}
		}
		x := m.sessions[name]
		x.online, x.expiry, x.window = true, expiry, window
		m.expect(name, hello, nil)
		m.pump(name)
	})
}

func (m *model) subscribe(name string, s *modelSession) {
	filter := oneOf(m, "filter", []string{"t/#", "t/+", "t/1", "r/#", sharedFilter})
	sub := modelSub{qos: m.draw("qos", 3), sid: m.draw("sid", 4)}
	switch filter {
	case "r/#": // all that is retained is sent with QoS 0
		sub.qos = 0
	case sharedFilter:
		sub = modelSub{qos: 1}
	}
	m.command(fmt.Sprintf("subscribe %s %s q=%d sid=%d", name, filter, sub.qos, sub.sid), func() {
		s.subs[filter] = sub
		m.recorded = m.recorded || filter == sharedFilter && s.expiry > 0
		if filter == "r/#" {
			for _, topic := range slices.Sorted(maps.Keys(m.retained)) {
				l := fmt.Sprintf("PUBLISH %s %s q0 retain", topic, m.retained[topic])
				if sub.sid > 0 {
					l += fmt.Sprintf(" sids=[%d]", sub.sid)
				}
				m.expect(name, l, nil)
			}
		}
		m.expect(name, fmt.Sprintf("SUBACK id=1 0x%02x", sub.qos), nil)
	})
}

func (m *model) unsubscribe(name string, s *modelSession) {
	filter := oneOf(m, "filter", []string{"t/#", "t/+", "t/1", "r/#", sharedFilter})
	m.command(fmt.Sprintf("unsubscribe %s %s", name, filter), func() {
		code := "0x00"
		if _, ok := s.subs[filter]; !ok {
			code = "0x11"
		} else if filter == sharedFilter {
			m.giveBack(s, true)
		}
		delete(s.subs, filter)
		m.ungroup()
		m.expect(name, "UNSUBACK id=1 "+code, nil)
	})
}

func (m *model) publish() {
	topic := oneOf(m, "topic", []string{"t/1", "t/2", "t/1/x", "r/1", "r/2", "s/1"})
	qos := m.draw("qos", 3)
	if topic == "s/1" { // who gets a QoS 0 message leaves no trace to check
		qos = max(qos, 1)
	}
	m.count++
	payload := fmt.Sprint("m", m.count)
	line := fmt.Sprintf("publish p %s %s q=%d id=%d", topic, payload, qos, m.count)
	if topic[0] == 'r' {
		qos = 0
		empty := m.draw("empty", 4) == 0
		line = fmt.Sprintf("publish p %s %s retain", topic, payload)
		if empty {
			payload, line = "", fmt.Sprintf("publish p %s retain", topic)
		}
	}
	m.command(line, func() {
		if topic[0] == 'r' {
			m.retained[topic] = payload
			if payload == "" {
				delete(m.retained, topic)
			}
		}
		taken := m.deliver(topic, payload, qos)
		code := ""
		if !taken {
			code = " 0x10"
		}
		switch qos {
		case 1:
			m.expect("p", fmt.Sprintf("PUBACK id=%d%s", m.count, code), nil)
		case 2:
			m.expect("p", fmt.Sprintf("PUBREC id=%d%s", m.count, code), nil)
		}
	})
	if qos == 2 {
		if m.draw("repeated", 3) == 0 { // [MQTT-4.3.3-10]
			m.command(line+" dup", func() { m.expect("p", fmt.Sprintf("PUBREC id=%d", m.count), nil) })
		}
		m.command(fmt.Sprintf("ack p PUBREL id=%d", m.count), func() { m.expect("p", fmt.Sprintf("PUBCOMP id=%d", m.count), nil) })
	}
}

// deliver gives a message to everybody who wants it, and tells whether anybody
// does.
func (m *model) deliver(topic, payload string, qos int) (taken bool) {
	for name, s := range m.sessions {
		best, sids := -1, []int{}
		for filter, sub := range s.subs {
			if filter != sharedFilter && matches(filter, topic) {
				best = max(best, sub.qos)
				if sub.sid > 0 && !slices.Contains(sids, sub.sid) {
					sids = append(sids, sub.sid)
				}
			}
		}
		slices.Sort(sids)
		x := &modelMessage{number: m.count, topic: topic, payload: payload, qos: min(best, qos), sids: sids}
		switch {
		case best < 0:
		case !s.online && x.qos == 0:
			taken = true // a lasting session has the subscription, though this is lost to it
		case x.qos == 0:
			taken = true
			m.expect(name, x.line(false), nil)
		default:
			taken = true
			s.queue = append(s.queue, x)
			if s.online {
				m.pump(name)
			}
		}
	}
	if topic[0] == 's' && m.grouped() {
		x := &modelMessage{number: m.count, topic: topic, payload: payload, qos: min(1, qos), shared: true, durable: m.recorded}
		m.waiting = append(m.waiting, x)
		taken = true
	}
	return taken
}

// acknowledge lets the client acknowledge something that it has.
func (m *model) acknowledge(name string, s *modelSession) {
	var sent []*modelMessage
	for _, x := range s.queue {
		if x.sent {
			sent = append(sent, x)
		}
	}
	if len(sent) == 0 {
		return
	}
	x := oneOf(m, "message", sent)
	over := func() {
		s.queue = slices.DeleteFunc(s.queue, func(y *modelMessage) bool { return y == x })
		m.pump(name)
	}
	switch {
	case x.qos == 1:
		m.command(fmt.Sprintf("ack %s PUBACK%s", name, x.id), over)
	case x.released:
		m.command(fmt.Sprintf("ack %s PUBCOMP%s", name, x.id), over)
	case m.draw("refuse", 5) == 0:
		m.command(fmt.Sprintf("ack %s PUBREC%s code=0x80", name, x.id), over)
	default:
		m.command(fmt.Sprintf("ack %s PUBREC%s", name, x.id), func() {
			x.released = true
			m.expect(name, "PUBREL", x)
		})
	}
}
