package broker

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"alcove/internal/auth"
	"alcove/internal/mqtt"
	"alcove/internal/topic"
)

// nothing is a Log that keeps nothing.
type nothing struct{}

func (nothing) Append(_ int, b *Batch, done func(uint64, error)) { go done(b.Ticket, nil) }
func (nothing) Load(Loader) (uint64, OwnerID, error)             { return 0, 0, nil }
func (nothing) Close() error                                     { return nil }
func (nothing) Read(auth.AccountID, []MessageID, func(MessageID, *Message)) error {
	return nil
}

// documents is an auth.Store that keeps nothing.
type documents struct{}

func (documents) LoadDocuments(string, func(int64, []byte) error) error { return nil }
func (documents) PutDocuments(string, []auth.Document) error            { return nil }

func newTestNamespace(t interface {
	Fatal(...any)
	Cleanup(func())
}, l Limits) (*Broker, *Namespace, *Turn) {
	d, err := auth.Open(auth.Config{OperatorToken: strings.Repeat("k", 64)}, documents{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := New(Config{Log: nothing{}, Directory: d, Limits: l})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	ns, _ := b.namespace(1)
	return b, ns, b.NewTurn()
}

// FuzzBlob: a message comes out of its blob as it went in.
func FuzzBlob(f *testing.F) {
	f.Add("a/b", "payload", "", int64(1), int64(0), int64(0), byte(1))
	f.Add("t", "", "\x26\x00\x01k\x00\x01v", int64(1)<<40, int64(1)<<62, int64(1)<<50, byte(2))
	f.Add(strings.Repeat("x", topic.MaxBytes), strings.Repeat("p", 100_000), "f", int64(127), int64(7), int64(-1), byte(0))
	f.Fuzz(func(t *testing.T, name, payload, forward string, token, stamp, expires int64, qos byte) {
		if len(name) == 0 || len(name) > topic.MaxBytes || qos > 2 {
			t.Skip()
		}
		m := &Message{
			Topic: []byte(name), Payload: []byte(payload), Forward: []byte(forward), QoS: mqtt.QoS(qos), Retain: true,
			Token: auth.TokenID(token), Stamp: stamp, Expires: expires, Account: 3, Top: 2,
		}
		b := newBlob(m, 99)
		got := b.message(&Namespace{account: 3, top: 2})
		if !bytes.Equal(got.Topic, m.Topic) || !bytes.Equal(got.Payload, m.Payload) || !bytes.Equal(got.Forward, m.Forward) ||
			got.QoS != m.QoS || !got.Retain || got.Token != m.Token || got.Stamp != stamp || got.Expires != expires ||
			got.Account != 3 || got.Top != 2 || got.Keep() != got {
			t.Fatalf("%+v became %+v", m, got)
		}
		if b.order() != 99 || b.topic() != name || b.name() != name || b.cost() != retainedCost(m) {
			t.Fatalf("order %d, topic %q, cost %d of %d", b.order(), b.topic(), b.cost(), retainedCost(m))
		}
	})
}

// plainRetained is the naive model of a namespace's retained messages.
type plainRetained struct {
	stored map[string]plainMessage
	stamps bool
	order  int
}

type plainMessage struct {
	payload        string
	stamp, expires int64
	order          int
}

// put does as [EXT-RET-1] says. It returns the timestamp that the message had.
func (p *plainRetained) put(name string, x plainMessage, given bool, now time.Time) {
	old, found := p.stored[name]
	if found && old.expires != 0 && old.expires <= now.UnixNano() {
		found = false
		if x.payload == "" {
			delete(p.stored, name)
		}
	}
	if found && p.stamps && given && x.stamp < old.stamp {
		return
	}
	p.order++
	x.order = p.order
	if x.payload == "" {
		delete(p.stored, name)
	} else {
		p.stored[name] = x
	}
}

func (p *plainRetained) find(filter string, since int64, now time.Time) (names []string) {
	d := topic.Dialect{HideDollar: true, HideFirst: "flespi", Selectors: true}
	for name, x := range p.stored {
		if topic.MatchIn(d, filter, name) && x.stamp > since && (x.expires == 0 || x.expires > now.UnixNano()) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// check compares all of ns with the model, and the parts of ns with each other.
func (p *plainRetained) check(t *rapid.T, b *Broker, ns *Namespace) {
	r := &ns.retained
	var names []string
	bytes, expiring := int64(0), 0
	for x := range r.topics.All() {
		names = append(names, x.name())
		if !topic.Under(x.topic(), "flespi") { // the broker's own cost the account nothing
			bytes += x.cost()
		}
		if x.expires() != 0 {
			expiring++
		}
		want := p.stored[x.topic()]
		if m := x.message(ns); string(m.Payload) != want.payload || m.Stamp != want.stamp || m.Expires != want.expires {
			t.Fatalf("%s: %s at %d until %d, not %+v", x.topic(), m.Payload, m.Stamp, m.Expires, want)
		}
	}
	if want := slices.Sorted(maps.Keys(p.stored)); !slices.Equal(names, want) {
		t.Fatalf("stored %v, not %v", names, want)
	}
	var byStamp []string
	last := int64(0)
	for x := range r.stamps.All() {
		byStamp = append(byStamp, x.blob.name())
		if x.stamp != x.blob.stamp() || x.stamp < last {
			t.Fatalf("%s at %d, behind %d, says %d", x.blob.topic(), x.stamp, last, x.blob.stamp())
		}
		if now, ok := r.topics.Get(atTopic(x.blob.topic())); !ok || now != x.blob {
			t.Fatalf("%s by timestamp is not the one by topic", x.blob.topic())
		}
		last = x.stamp
	}
	if slices.Sort(byStamp); !slices.Equal(byStamp, names) {
		t.Fatalf("by timestamp %v, by topic %v", byStamp, names)
	}
	if bytes != r.bytes || expiring != r.expiring || b.stats.Retained.Load() != int64(len(names)) || r.deletions != 0 {
		t.Fatalf("%d bytes said to be %d; %d with expiry, said to be %d; %d counted", bytes, r.bytes, expiring, r.expiring, b.stats.Retained.Load())
	}
}

// TestRetainedModel does the same to a namespace and to a plain map [EXT-RET-1]
// [EXT-RET-2] [EXT-RET-3].
func TestRetainedModel(t *testing.T) {
	word := rapid.SampledFrom([]string{"a", "a", "b", "b", "a,b", "", "$x", "flespi", "longer"})
	level := rapid.SampledFrom([]string{"a", "b", "a,b", "b,c,longer", "+", "+", "+"})
	rapid.Check(t, func(rt *rapid.T) {
		b, ns, turn := newTestNamespace(rt, Limits{})
		settings := *ns.settings.Load()
		settings.Stamps = rapid.IntRange(0, 3).Draw(rt, "stamps") > 0
		ns.settings.Store(&settings)
		p := &plainRetained{stored: map[string]plainMessage{}, stamps: settings.Stamps}
		turn.Begin(time.UnixMilli(1_000_000_000_000))
		name := func(t *rapid.T) string {
			n := strings.Join(rapid.SliceOfN(word, 1, 2).Draw(t, "topic"), "/")
			if n == "" {
				return "/"
			}
			return n
		}
		filter := func(t *rapid.T) string {
			levels := rapid.SliceOfN(level, 0, 2).Draw(t, "filter")
			if len(levels) == 0 || rapid.Bool().Draw(t, "#") {
				levels = append(levels, "#")
			}
			return strings.Join(levels, "/")
		}
		since := func(t *rapid.T) int64 {
			if len(p.stored) == 0 {
				return turn.Now.UnixMicro()
			}
			one := rapid.SampledFrom(slices.Sorted(maps.Keys(p.stored))).Draw(t, "since")
			return p.stored[one].stamp + rapid.Int64Range(-1, 1).Draw(t, "near")
		}
		put := func(t *rapid.T, payload string) {
			m := &Message{Topic: []byte(name(t)), Payload: []byte(payload), Retain: true, Account: 1, Top: 1}
			m.Stamp = turn.Now.UnixMicro()
			if rapid.IntRange(0, 2).Draw(t, "given") == 0 {
				m.Given, m.Stamp = true, m.Stamp+rapid.Int64Range(-10, 10).Draw(t, "stamp")
			}
			if rapid.IntRange(0, 3).Draw(t, "expiring") == 0 {
				m.Expires = turn.Now.UnixNano() + rapid.Int64Range(1, 20_000).Draw(t, "expiry")
			}
			old, found := p.stored[string(m.Topic)]
			found = found && (old.expires == 0 || old.expires > turn.Now.UnixNano())
			if _, code := turn.retain(ns, m); code != mqtt.Success {
				t.Fatalf("refused: %v", code)
			}
			if !m.Given && found && m.Stamp <= old.stamp {
				t.Fatalf("%d is not above the stored %d", m.Stamp, old.stamp)
			}
			p.put(string(m.Topic), plainMessage{payload: payload, stamp: m.Stamp, expires: m.Expires}, m.Given, turn.Now)
		}
		rt.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				for range rapid.IntRange(1, 20).Draw(t, "times") {
					put(t, fmt.Sprint(p.order))
				}
			},
			"put 2": func(t *rapid.T) { put(t, strings.Repeat("x", 2000)) },
			"clear": func(t *rapid.T) { put(t, "") },
			"time":  func(t *rapid.T) { turn.Begin(turn.Now.Add(time.Duration(rapid.Int64Range(0, 20_000).Draw(t, "ns")))) },
			"expire": func(*rapid.T) {
				for at := ns.expire(turn, ""); at != ""; at = ns.expire(turn, at) {
				}
				maps.DeleteFunc(p.stored, func(_ string, x plainMessage) bool { return x.expires != 0 && x.expires <= turn.Now.UnixNano() })
			},
			"scan": func(t *rapid.T) {
				f, since := filter(t), since(t)*rapid.Int64Range(0, 1).Draw(t, "all")
				limit := rapid.IntRange(0, p.order).Draw(t, "limit")
				got, byStamp := scanAll(t, b, ns, f, since, uint64(limit), turn.Now)
				want := p.find(f, since, turn.Now)
				want = slices.DeleteFunc(want, func(n string) bool { return orderOf(ns, n) > uint64(limit) })
				if slices.Sort(got); !slices.Equal(got, want) {
					t.Fatalf("%s since %d (by timestamp %v): %v, not %v", f, since, byStamp, got, want)
				}
			},
			"delete": func(t *rapid.T) {
				f, may := filter(t), rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "may")
				want := 0
				for _, n := range p.find(f, 0, turn.Now) {
					if strings.HasPrefix(n, may) && !topic.Under(n, "flespi") {
						delete(p.stored, n)
						want++
					}
				}
				got := -1
				turn.deleteRetained(ns, f, func(n []byte) bool { return strings.HasPrefix(string(n), may) },
					func(_ *Turn, count int, _ uint64) { got = count })
				if got != want {
					t.Fatalf("%s: %d deleted, not %d", f, got, want)
				}
			},
			"reload": func(*rapid.T) { ns.retained.index() },
			"":       func(t *rapid.T) { p.check(t, b, ns) },
		})
	})
}

func orderOf(ns *Namespace, name string) uint64 {
	x, _ := ns.retained.topics.Get(atTopic(name))
	return x.order()
}

// scanAll goes through a selection in steps of any size, some of them ended early.
func scanAll(t *rapid.T, b *Broker, ns *Namespace, filter string, since int64, limit uint64, now time.Time) (names []string, byStamp bool) {
	sel := b.newSelection(filter, since)
	sel.begin(&ns.retained, 0, limit)
	if since > 0 {
		sel.byStamp = rapid.Bool().Draw(t, "by stamp")
		if sel.at = ""; !sel.byStamp {
			sel.at = sel.walker.From()
		}
	}
	for more := true; more; {
		room := allowance{
			messages: rapid.IntRange(1, 5).Draw(t, "messages"), bytes: 1 << 20,
			rows: rapid.IntRange(1, 40).Draw(t, "rows"),
		}
		var page []blob
		page, more = sel.scan(&ns.retained, &room, nil, now)
		if n := len(page); n > 0 && rapid.IntRange(0, 4).Draw(t, "stop") == 0 {
			sel.stopAt(page[n-1])
			page, more = page[:n-1], true
		}
		for _, x := range page {
			names = append(names, x.name())
		}
	}
	return names, sel.byStamp
}

// TestRetainedWay: a query takes the shorter of the two ways, and looks at no more
// rows than that has [EXT-RET-3].
func TestRetainedWay(t *testing.T) {
	b, ns, turn := newTestNamespace(t, Limits{})
	base := turn.Now.UnixMicro()
	const n = 20_000
	for i := range n {
		m := &Message{Topic: fmt.Appendf(nil, "v/%05d/%s", i/2, []string{"a", "b"}[i%2]), Payload: []byte("x"), Retain: true, Given: true, Stamp: base + int64(i)}
		turn.retain(ns, m)
	}
	for _, c := range []struct {
		filter  string
		newer   int
		want    int
		rows    int
		byStamp bool
	}{
		{"#", 10, 10, 12, true},
		{"+/+/a", 10, 5, 12, true},
		{"v/#", n, n, n + 1, true},
		{"v/00007/#", n, 2, 4, false},
		{"v/00007,00300,00999/+", n, 6, 6 + 6*retainedSeek, false},
		{"v/00007,00300,00999/a,b", n, 6, 6 + 6*retainedSeek, false},
		{"v/00007/#", 1, 0, 4, true},
		{"v/00007/a", n / 2, 0, 2, false},
		{"w/#", n, 0, 2, false},
		{"#", 0, 0, 0, true},
	} {
		sel := b.newSelection(c.filter, base+n-1-int64(c.newer))
		sel.begin(&ns.retained, 0, ^uint64(0))
		room := allowance{messages: n + 1, bytes: 1 << 30, rows: 1 << 30}
		page, more := sel.scan(&ns.retained, &room, nil, turn.Now)
		rows := 1<<30 - room.rows
		if len(page) != c.want || more || rows > c.rows || sel.byStamp != c.byStamp {
			t.Errorf("%s, %d newer: %d found, more %v, %d rows, by timestamp %v", c.filter, c.newer, len(page), more, rows, sel.byStamp)
		}
	}
}

// TestScanBound: a step looks at no more rows than it may, whatever it finds, and what
// is found at the end is the same.
func TestScanBound(t *testing.T) {
	b, ns, turn := newTestNamespace(t, Limits{})
	for i := range 30_000 {
		turn.retain(ns, &Message{Topic: fmt.Appendf(nil, "v/%05d/a", i), Payload: []byte("x"), Retain: true, Stamp: 1})
	}
	for _, filter := range []string{"+/+/b", "#", "v/+/b/#", "v/29999,30000/a"} {
		sel := b.newSelection(filter, 0)
		sel.begin(&ns.retained, 0, ^uint64(0))
		for more := true; more; {
			room := allowance{messages: 1 << 20, bytes: 1 << 30, rows: retainedScan}
			_, more = sel.scan(&ns.retained, &room, nil, turn.Now)
			if room.rows < -retainedSeek {
				t.Fatalf("%s: %d rows too many in one step", filter, -room.rows)
			}
		}
	}
}
