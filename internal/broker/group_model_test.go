package broker_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"
)

// TestGroupModel plays random commands of the scenarios on one share group, sticky
// or not, and checks what every member gets [EXT-SHR-1] to [EXT-SHR-4]: equal
// fingerprints go to one member for each set of members online, always the same one
// for that set; they never move between members that stay; each fingerprint's
// messages come in order the first time; a QoS 2 message that was sent is sent to
// nobody else; nothing waits for a member that has room, and in the end one member
// that returns gets all that is left.
func TestGroupModel(t *testing.T) {
	if raceEnabled {
		t.Skip("skipped: the race detector does not bear so many bubbles")
	}
	for name, filter := range map[string]string{"sticky": "$share/g:1:1/s/#", "even": "$share/g/s/#"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rapid.Check(bubbled{t}, func(rt *rapid.T) {
					m := newGroupModel(rt, newScenario(t), filter)
					defer m.s.close()
					m.play("connect p clean")
					for range 60 + m.draw("length", 120) {
						m.step()
					}
					m.drain()
				})
			})
		})
	}
}

// groupModel is one group of four possible members and the publisher p.
type groupModel struct {
	rt       *rapid.T
	s        *scenario
	filter   string
	sticky   bool
	played   []string
	members  map[string]*groupMember
	messages []*groupMessage // from 1, those that the group has taken
	recorded bool            // the group is in the log
	// owners tells who gets a fingerprint while just the given members are online.
	owners map[string]map[string]string
}

type groupMember struct {
	window      int
	lasting     bool
	exists      bool
	online      bool
	in          bool // subscribed
	qos         int
	incarnation int
	held        []*groupHeld
	last        map[string]int // by fingerprint and the publisher's QoS: the last first delivery
}

// groupHeld is a message that a session holds.
type groupHeld struct {
	m        *groupMessage
	id       string
	qos      int
	released bool
	vacant   bool // given back, but for its place
}

type groupMessage struct {
	n       int
	word    string
	qos     int
	durable bool
	with    string // the member that has it
	sent    int
	over    bool
}

func newGroupModel(rt *rapid.T, s *scenario, filter string) *groupModel {
	return &groupModel{
		rt: rt, s: s, filter: filter, sticky: strings.Contains(filter, ":"),
		members: map[string]*groupMember{
			"a": {window: 1, lasting: true}, "b": {window: 2, lasting: true},
			"c": {window: 100, lasting: true}, "d": {window: 3},
		},
		messages: []*groupMessage{nil},
		owners:   map[string]map[string]string{},
	}
}

func (m *groupModel) fail(format string, args ...any) {
	m.rt.Helper()
	m.rt.Fatalf("%s\nafter:\n%s", fmt.Sprintf(format, args...), strings.Join(m.played, "\n"))
}

func (m *groupModel) draw(label string, n int) int {
	return int(rapid.Uint32().Draw(m.rt, label)*2654435761>>8) % n
}

// play runs a line and takes what comes of it.
func (m *groupModel) play(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	m.played = append(m.played, line)
	for _, l := range m.s.run(line) {
		if client, text, ok := strings.Cut(l, " < "); ok && strings.HasPrefix(text, "PUBLISH") {
			m.take(client, text, l)
		}
	}
}

// set names the members online, each with its incarnation: another session under the
// same name is another member.
func (m *groupModel) set() string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(m.members)) {
		if x := m.members[name]; x.online && x.in {
			names = append(names, fmt.Sprint(name, x.incarnation))
		}
	}
	return strings.Join(names, " ")
}

// take judges one PUBLISH.
func (m *groupModel) take(client, text, line string) {
	x := m.members[client]
	words := strings.Fields(text)
	var n, qos int
	fmt.Sscanf(words[2], "m%d", &n)
	fmt.Sscanf(words[3], "q%d", &qos)
	msg := m.messages[n]
	if msg == nil || !x.online {
		m.fail("%s: it must not", line)
	}
	if strings.HasSuffix(text, " dup") { // [EXT-SHR-2]: only what stayed with the session
		i := slices.IndexFunc(x.held, func(h *groupHeld) bool { return h.m == msg && !h.vacant })
		if i < 0 || qos != 2 || x.held[i].released || x.held[i].id != words[4] {
			m.fail("%s: a repetition of nothing", line)
		}
		return
	}
	switch {
	case !x.in || msg.over || msg.with != "" || qos != min(msg.qos, x.qos):
		m.fail("%s: it must not", line)
	case m.sticky:
		m.own(fmt.Sprint(client, x.incarnation), msg.word, line)
	}
	if msg.sent++; msg.sent == 1 {
		key := fmt.Sprint(msg.word, " ", msg.qos)
		// In a group that is not sticky a QoS 2 message may have been handed to another
		// member, and held for the disk, while later ones were sent.
		if x.last[key] > n && (m.sticky || msg.qos < 2) {
			m.fail("%s: behind m%d", line, x.last[key])
		}
		x.last[key] = n
	}
	if qos == 0 {
		msg.over = true
		return
	}
	msg.with = client
	x.held = append(x.held, &groupHeld{m: msg, id: words[4], qos: qos})
	if len(x.held) > x.window {
		m.fail("%s: %d in flight", line, len(x.held)) // [EXT-SHR-1]
	}
}

// own checks who gets a fingerprint against whom it ever went to [EXT-SHR-4].
func (m *groupModel) own(client, word, line string) {
	now := m.set()
	if m.owners[now] == nil {
		m.owners[now] = map[string]string{}
	}
	if was := m.owners[now][word]; was != "" && was != client {
		m.fail("%s: with the same members it went to %s", line, was)
	}
	m.owners[now][word] = client
	has := func(set, client string) bool { return slices.Contains(strings.Fields(set), client) }
	for then, owners := range m.owners {
		if was := owners[word]; was != "" && was != client && has(now, was) && has(then, client) {
			m.fail("%s: it went to %s while there were %s, and moves though both stay", line, was, then)
		}
	}
}

func (m *groupModel) waiting() (list []*groupMessage) {
	for _, x := range m.messages[1:] {
		if x != nil && !x.over && x.with == "" {
			list = append(list, x)
		}
	}
	return list
}

// check: nothing waits for a member with room.
func (m *groupModel) check() {
	now := m.set()
	if now == "" {
		return
	}
	for _, msg := range m.waiting() {
		for name, x := range m.members {
			mine := !m.sticky || m.owners[now][msg.word] == fmt.Sprint(name, x.incarnation)
			if x.online && x.in && len(x.held) < x.window && mine {
				m.fail("m%d waits though %s has room", msg.n, name)
			}
		}
	}
}

func (m *groupModel) step() {
	name := []string{"a", "b", "c", "d"}[m.draw("member", 4)]
	x := m.members[name]
	switch n := m.draw("command", 24); {
	case n == 0 && m.draw("really", 3) == 0:
		m.restart()
	case n < 10:
		m.publish()
	case !x.online:
		m.connect(name, x)
	case n < 12:
		m.away(name, x)
	case n < 15:
		m.subscribe(name, x)
	case n == 15 && x.in:
		m.unsubscribe(name, x)
	case n == 16:
		m.slowly(name, x)
	default:
		m.acknowledge(name, x)
	}
	m.check()
}

func (m *groupModel) publish() {
	n := len(m.messages)
	msg := &groupMessage{n: n, word: fmt.Sprint("w", m.draw("word", 6)), qos: m.draw("qos", 3), durable: m.recorded}
	online, kept := false, false
	for _, x := range m.members {
		online = online || x.online && x.in
		kept = kept || x.exists && x.in && x.lasting
	}
	if !online && (msg.qos == 0 || !kept) {
		m.messages = append(m.messages, nil)
	} else {
		m.messages = append(m.messages, msg)
	}
	m.play("publish p s/%s/%d m%d q=%d id=%d", msg.word, n, n, msg.qos, n)
	if msg.qos == 2 {
		m.play("ack p PUBREL id=%d", n)
	}
	if online && msg.qos == 0 && !msg.over {
		m.fail("m%d is lost", n)
	}
}

// slowly lets a member leave while nothing becomes durable: QoS 2 messages that were
// handed to it and not sent must go to others, in their old places [EXT-SHR-2].
func (m *groupModel) slowly(name string, x *groupMember) {
	m.play("disk slow")
	for range 1 + m.draw("before", 4) {
		m.publish()
	}
	if x.in && m.draw("by choice", 2) == 0 {
		m.unsubscribe(name, x)
	} else {
		m.away(name, x)
	}
	for range m.draw("behind", 3) {
		m.publish()
	}
	m.play("disk quick")
}

func (m *groupModel) connect(name string, x *groupMember) {
	clean := x.exists && m.draw("clean", 5) == 0
	if clean {
		m.end(x)
	}
	if !x.exists {
		x.exists, x.last = true, map[string]int{}
		x.incarnation++
	}
	x.online = true
	expiry := 0
	if x.lasting {
		expiry = 1_000_000
	}
	m.play("connect %s rm=%d expiry=%d%s", name, x.window, expiry, map[bool]string{true: " clean"}[clean])
}

// away ends a connection.
func (m *groupModel) away(name string, x *groupMember) {
	m.detach(x)
	m.play("drop %s", name)
}

func (m *groupModel) detach(x *groupMember) {
	x.online = false
	m.giveBack(x, false)
	if !x.lasting {
		m.end(x)
	}
}

// giveBack returns what is not to stay with the member.
func (m *groupModel) giveBack(x *groupMember, connected bool) {
	x.held = slices.DeleteFunc(x.held, func(h *groupHeld) bool {
		switch {
		case h.qos == 2:
			return false
		case h.vacant:
			return !connected
		}
		h.m.with, h.vacant = "", true
		return !connected
	})
}

// end ends a session.
func (m *groupModel) end(x *groupMember) {
	for _, h := range x.held {
		if h.qos == 2 {
			h.m.over = true // [MQTT-4.8.2-5]
		}
	}
	x.exists, x.in, x.held = false, false, nil
	m.ungroup()
}

// ungroup lets the queue go with the last member [EXT-SHR-3].
func (m *groupModel) ungroup() {
	for _, x := range m.members {
		if x.in {
			return
		}
	}
	m.recorded = false
	for _, msg := range m.waiting() {
		msg.over = true
	}
}

func (m *groupModel) subscribe(name string, x *groupMember) {
	x.in, x.qos = true, 1+m.draw("qos", 2)
	m.recorded = m.recorded || x.lasting
	m.play("subscribe %s %s q=%d", name, m.filter, x.qos)
}

func (m *groupModel) unsubscribe(name string, x *groupMember) {
	x.in = false
	m.giveBack(x, true)
	m.ungroup()
	m.play("unsubscribe %s %s", name, m.filter)
}

func (m *groupModel) acknowledge(name string, x *groupMember) {
	if len(x.held) == 0 {
		return
	}
	i := m.draw("which", len(x.held))
	h := x.held[i]
	over := func() {
		x.held = slices.Delete(x.held, i, i+1)
		if !h.vacant {
			h.m.over = true // also when it was refused [MQTT-4.8.2-6]
		}
	}
	code := map[bool]string{true: " code=0x80"}[m.draw("refuse", 6) == 0]
	switch {
	case h.qos == 1:
		over()
		m.play("ack %s PUBACK %s%s", name, h.id, code)
	case h.released:
		over()
		m.play("ack %s PUBCOMP %s", name, h.id)
	case code != "":
		over()
		m.play("ack %s PUBREC %s%s", name, h.id, code)
	default:
		h.released = true
		m.play("ack %s PUBREC %s", name, h.id)
	}
}

func (m *groupModel) restart() {
	for _, name := range slices.Sorted(maps.Keys(m.members)) {
		x := m.members[name]
		if x.online {
			m.detach(x)
		}
		x.held = slices.DeleteFunc(x.held, func(h *groupHeld) bool {
			h.m.over = h.m.over || !h.m.durable
			return h.m.over
		})
	}
	for _, msg := range m.waiting() {
		msg.over = !msg.durable
	}
	m.play("restart")
	m.play("connect p clean")
}

// drain lets one member get everything that is left [EXT-SHR-3].
func (m *groupModel) drain() {
	var last *groupMember
	for _, name := range slices.Sorted(maps.Keys(m.members)) {
		x := m.members[name]
		if x.online && last == nil && x.lasting && x.in {
			last = x
		} else if x.online {
			m.away(name, x)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.members)) {
		x := m.members[name]
		if last == nil && x.exists && x.in {
			last, x.online = x, true
			m.play("connect %s rm=%d expiry=1000000", name, x.window)
		}
		for x == last && x != nil && len(x.held) > 0 {
			m.acknowledge(name, x)
		}
	}
	if left := m.waiting(); len(left) > 0 && last != nil {
		m.fail("m%d is left", left[0].n)
	}
}
