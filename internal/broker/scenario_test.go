package broker_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"alcove/internal/auth"
	"alcove/internal/broker"
	"alcove/internal/event"
	"alcove/internal/mqtt"
	"alcove/internal/store"
)

var update = flag.Bool("update", false, "write what the scenarios print into their files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestScenarios plays testdata/*.txt. A line is a command, the indented lines
// behind it are what the clients then get and the accounts are told; "#" begins
// a comment. Time is synthetic: it passes only by "advance". The commands stand
// in scenario.commands.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { play(t, file) })
		})
	}
}

func play(t *testing.T, file string) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := newScenario(t)
	defer s.close()
	var out strings.Builder
	var want, got []string
	number, at := 0, ""
	check := func() {
		if !*update && strings.Join(want, "\n") != strings.Join(got, "\n") {
			t.Errorf("%s: %s\n got:\n%s\nwant:\n%s", file, at, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		want, got = nil, nil
	}
	lines := bufio.NewScanner(strings.NewReader(string(data)))
	for lines.Scan() {
		number++
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "  "):
			want = append(want, line)
			continue
		case line == "" || line[0] == '#':
			out.WriteString(line + "\n")
			continue
		}
		check()
		at = fmt.Sprintf("line %d: %s", number, line)
		out.WriteString(line + "\n")
		for _, l := range s.run(line) {
			got = append(got, "  "+l)
			out.WriteString("  " + l + "\n")
		}
	}
	check()
	if *update {
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// scenario is a broker over an in-memory log, and scripted clients. One
// goroutine plays all loops.
type scenario struct {
	t         *testing.T
	log       *store.Store
	failing   *failingLog
	directory *auth.Directory
	broker    *broker.Broker
	turn      *broker.Turn
	config    broker.Config
	low       bool
	show      bool // user properties are printed
	accounts  map[string]auth.AccountID
	keys      map[string]string
	tokens    map[string]auth.TokenID
	clients   map[string]*client
	links     map[string]broker.Link

	mu     sync.Mutex
	lines  []string
	posted []func(*broker.Turn)
	woken  []*client
}

func newScenario(t *testing.T) *scenario {
	s := &scenario{
		t: t, log: store.NewMemory(),
		accounts: map[string]auth.AccountID{"operator": 1},
		keys:     map[string]string{"operator": strings.Repeat("k", 64)},
		tokens:   map[string]auth.TokenID{},
		clients:  map[string]*client{}, links: map[string]broker.Link{},
	}
	s.start()
	return s
}

func (s *scenario) start() {
	var err error
	s.directory, err = auth.Open(auth.Config{OperatorToken: s.keys["operator"]}, s.log, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.failing = &failingLog{Log: s.log}
	s.config.Log, s.config.Directory, s.config.Observer = s.failing, s.directory, s
	s.config.LowSpace = func() bool { return s.low }
	if s.broker, err = broker.New(s.config); err != nil {
		s.t.Fatal(err)
	}
	s.turn = s.broker.NewTurn()
}

func (s *scenario) close() {
	s.failing.hold(false)
	s.settle()
	if err := errors.Join(s.broker.Close(), s.log.Close()); err != nil {
		s.t.Error(err)
	}
}

// restart ends the broker as kill -9 would, but for what was already handed to
// the log, and starts it over the same store.
func (s *scenario) restart() {
	s.settle()
	s.clients, s.links = map[string]*client{}, map[string]broker.Link{}
	s.posted, s.woken = nil, nil
	s.close()
	s.log = s.log.Restart()
	s.start()
}

// failingLog is the log, until it fails for good. While it is held it takes batches
// and writes none.
type failingLog struct {
	broker.Log
	failed atomic.Bool

	mu     sync.Mutex
	held   bool
	behind []func()
}

func (l *failingLog) Append(shard int, b *broker.Batch, done func(uint64, error)) {
	if l.failed.Load() {
		go done(b.Ticket, errors.New("the disk is gone"))
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held {
		l.behind = append(l.behind, func() { l.Log.Append(shard, b, done) })
		return
	}
	l.Log.Append(shard, b, done)
}

// hold makes what is appended wait, or lets it go on.
func (l *failingLog) hold(held bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = held
	for _, f := range l.behind {
		f()
	}
	l.behind = nil
}

// Event implements broker.Observer: only what was refused, dropped or taken
// over is worth a line here.
func (s *scenario) Event(e event.Record) {
	switch e.Code {
	case event.PublishRejected, event.MessageDropped, event.Takeover, event.Overflowed, event.ConnectBlocked:
		s.say("event %d client=%s topic=%s reason=%q", e.Code, e.ClientID, e.Topic, e.Reason)
	}
}

func (s *scenario) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, fmt.Sprintf(format, args...))
}

// do runs f in one turn.
func (s *scenario) do(f func(*broker.Turn)) {
	s.turn.Begin(time.Now())
	f(s.turn)
	s.turn.End()
}

// settle plays the loops until nothing is left to do.
func (s *scenario) settle() {
	for {
		synctest.Wait()
		s.mu.Lock()
		posted, woken := s.posted, s.woken
		s.posted, s.woken = nil, nil
		s.mu.Unlock()
		if len(posted) == 0 && len(woken) == 0 {
			return
		}
		s.do(func(t *broker.Turn) {
			for _, f := range posted {
				f(t)
			}
			for _, c := range woken {
				c.link.Ripe(t)
			}
		})
	}
}

// run plays one command and returns what came of it.
func (s *scenario) run(line string) []string {
	words := strings.Fields(line)
	args := newArgs(s.t, line, words[1:])
	command, ok := commands[words[0]]
	if !ok {
		s.t.Fatalf("no such command: %s", line)
	}
	command(s, args)
	s.settle()
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := s.lines
	s.lines = nil
	// Between clients the order means nothing; of one it does.
	sort.SliceStable(lines, func(i, j int) bool {
		return strings.Fields(lines[i])[0] < strings.Fields(lines[j])[0]
	})
	return lines
}

// client is the Outlet of one connection: it prints what it is given.
type client struct {
	s       *scenario
	name    string
	link    broker.Link
	version mqtt.Version
	maximum int
	full    bool
	ended   bool
}

// Sent implements broker.Outlet.
func (c *client) Sent() uint64 { return 0 }

// Peer implements broker.Outlet.
func (c *client) Peer() (netip.AddrPort, string) { return testAddr, "tcp" }

func (c *client) Deliver(t *broker.Turn, d *broker.Delivery) broker.Outcome {
	m := d.Message
	if d.Packet != nil && !bytes.Equal(d.Packet, d.Append(nil, c.version)) {
		return broker.Gone // another message's packet: the line is missing
	}
	head := mqtt.PublishHead{
		Version: c.version, Dup: d.Dup, QoS: d.QoS, Retain: d.Retain, Topic: string(m.Topic),
		PacketID: d.PacketID, SubscriptionIDs: d.SubscriptionIDs, Expiry: d.Expiry, HasExpiry: d.HasExpiry,
		ForwardLen: len(d.Forward) + len(d.Stamps), PayloadLen: len(m.Payload),
	}
	switch {
	case c.ended:
		return broker.Gone
	case d.Live != nil && d.Live.Load() != d.Gen:
		return broker.Stale
	case head.Size() > c.maximum:
		return broker.TooLarge
	case c.full && d.QoS == 0:
		return broker.Full
	}
	line := fmt.Sprintf("%s < PUBLISH %s %s q%d", c.name, m.Topic, m.Payload, d.QoS)
	if len(m.Payload) > 40 {
		line = fmt.Sprintf("%s < PUBLISH %s (%d bytes) q%d", c.name, m.Topic, len(m.Payload), d.QoS)
	}
	if d.PacketID != 0 {
		line += fmt.Sprintf(" id=%d", d.PacketID)
	}
	if d.Dup {
		line += " dup"
	}
	if d.Retain {
		line += " retain"
	}
	if c.version == mqtt.V5 {
		if len(d.SubscriptionIDs) > 0 {
			ids := append([]uint32(nil), d.SubscriptionIDs...)
			sort.Slice(ids, func(i, j int) bool { return ids[i] < ids[j] })
			line += fmt.Sprintf(" sids=%v", ids)
		}
		if d.HasExpiry {
			line += fmt.Sprintf(" expiry=%d", d.Expiry)
		}
		switch {
		case c.s.show:
			line += c.s.user(mqtt.ForwardUser(append(slices.Clone(d.Forward), d.Stamps...)))
		case len(m.Forward) > 0:
			line += fmt.Sprintf(" forward=%x", m.Forward)
		}
	}
	c.s.say("%s", line)
	t.Touch(c)
	return broker.Sent
}

func (c *client) Send(t *broker.Turn, packets []byte) {
	if c.ended {
		return
	}
	for len(packets) > 0 {
		h, n, err := mqtt.DecodeHeader(packets)
		if err != nil || n == 0 {
			c.s.t.Errorf("%s: the broker sent % x: %v", c.name, packets, err)
			return
		}
		c.s.say("%s < %s", c.name, c.s.describe(c.version, h, packets[n:n+h.Remaining]))
		packets = packets[n+h.Remaining:]
	}
	t.Touch(c)
}

func (c *client) End(t *broker.Turn, code mqtt.ReasonCode, reason string) {
	if !c.ended {
		c.s.say("%s < END 0x%02x %q", c.name, byte(code), reason)
	}
	c.ended = true
}

func (c *client) Wake() {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.woken = append(c.s.woken, c)
}

func (c *client) Post(f func(*broker.Turn)) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.posted = append(c.s.posted, f)
}

func (c *client) Flush() {}

// describe prints a packet which a server sent.
func (s *scenario) describe(v mqtt.Version, h mqtt.Header, body []byte) string {
	var err error
	line := h.Type.String()
	explain := func(code mqtt.ReasonCode, reason []byte) {
		if code != 0 {
			line += fmt.Sprintf(" 0x%02x", byte(code))
		}
		if len(reason) > 0 {
			line += fmt.Sprintf(" %q", reason)
		}
	}
	codes := func(id uint16, codes []mqtt.ReasonCode, reason []byte) {
		line += fmt.Sprintf(" id=%d", id)
		for _, c := range codes {
			line += fmt.Sprintf(" 0x%02x", byte(c))
		}
		explain(0, reason)
	}
	switch h.Type {
	case mqtt.TypeConnack:
		var p mqtt.Connack
		err = p.Decode(v, h, body)
		explain(p.Code, p.Props.Reason)
		if p.SessionPresent {
			line += " present"
		}
		if p.Props.HasSessionExpiry {
			line += fmt.Sprintf(" expiry=%d", p.Props.SessionExpiry)
		}
		if p.Props.HasMaximumQoS {
			line += fmt.Sprintf(" maximum_qos=%d", p.Props.MaximumQoS)
		}
		if len(p.Props.AssignedClientID) > 0 {
			line += fmt.Sprintf(" assigned=%d", len(p.Props.AssignedClientID))
		}
		if p.Props.HasServerKeepAlive {
			line += fmt.Sprintf(" keep_alive=%d", p.Props.ServerKeepAlive)
		}
		if len(p.Props.ResponseInfo) > 0 {
			line += fmt.Sprintf(" response=%.6s…%d", p.Props.ResponseInfo, len(p.Props.ResponseInfo))
		}
		line += s.user(p.Props.User)
	case mqtt.TypePuback, mqtt.TypePubrec, mqtt.TypePubrel, mqtt.TypePubcomp:
		var p mqtt.Ack
		err = p.Decode(v, h, body)
		line += fmt.Sprintf(" id=%d", p.PacketID)
		explain(p.Code, p.Reason)
		line += s.user(p.User)
	case mqtt.TypeSuback:
		var p mqtt.Suback
		err = p.Decode(v, h, body)
		codes(p.PacketID, p.Codes, p.Reason)
	case mqtt.TypeUnsuback:
		var p mqtt.Unsuback
		err = p.Decode(v, h, body)
		codes(p.PacketID, p.Codes, p.Reason)
	default:
		err = errors.New("not a packet that the broker sends by itself")
	}
	if err != nil {
		s.t.Errorf("%s: %v", line, err)
	}
	return line
}

// user prints user properties, where the scenario wants to see them; ids, which are
// other ones in each run, by their names, and times as seconds since the beginning.
func (s *scenario) user(u mqtt.UserProperties) (line string) {
	if !s.show {
		return ""
	}
	for key, value := range u.All() {
		text := string(value)
		switch string(key) {
		case "token_id":
			text = "?"
			for name, id := range s.tokens {
				if string(value) == fmt.Sprint(id) {
					text = name
				}
			}
		case "cid":
			for name, id := range s.accounts {
				if string(value) == fmt.Sprint(id) {
					text = name
				}
			}
		case "timestamp":
			// Synthetic time begins with the year 2000.
			if f, err := strconv.ParseFloat(text, 64); err == nil && f >= 946684800 {
				text = "T+" + strconv.FormatFloat(f-946684800, 'f', -1, 64)
				if whole, fraction, _ := strings.Cut(string(value), "."); fraction != "" {
					n, _ := strconv.Atoi(whole)
					text = fmt.Sprintf("T+%d.%s", n-946684800, fraction)
				}
			}
		case "token":
			// Its ids are other ones in each run.
			var token struct {
				Access struct{ Type int }
			}
			if err := json.Unmarshal(value, &token); err != nil {
				s.t.Errorf("token: %v", err)
			}
			text = fmt.Sprintf("(%d fields, type %d)", strings.Count(text, "\":"), token.Access.Type)
		}
		line += fmt.Sprintf(" %s=%s", key, text)
	}
	return line
}

// args are the words of a command: bare words in order, and key=value.
type args struct {
	t     *testing.T
	line  string
	words []string
	named map[string]string
}

func newArgs(t *testing.T, line string, words []string) *args {
	a := &args{t: t, line: line, named: map[string]string{}}
	for _, w := range words {
		if k, v, ok := strings.Cut(w, "="); ok && !strings.ContainsAny(k, "/#+$") {
			a.named[k] = v
		} else {
			a.words = append(a.words, w)
		}
	}
	return a
}

func (a *args) word(i int) string {
	if i >= len(a.words) {
		a.t.Fatalf("a word is missing: %s", a.line)
	}
	return a.words[i]
}

func (a *args) has(word string) bool {
	for _, w := range a.words {
		if w == word {
			return true
		}
	}
	return false
}

func (a *args) number(key string, otherwise int) int {
	v, ok := a.named[key]
	if !ok {
		return otherwise
	}
	n, err := strconv.ParseInt(v, 0, 64)
	if err != nil {
		a.t.Fatalf("%s: %v", a.line, err)
	}
	return int(n)
}

var testAddr = netip.MustParseAddrPort("127.0.0.1:1000")
