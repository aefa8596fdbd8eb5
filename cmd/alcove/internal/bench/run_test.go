package bench

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"alcove/internal/client"
	"alcove/internal/mqtt"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeBroker forwards QoS 0 messages to the subscribers of exactly their topic, and
// may lose, repeat or exchange some.
type fakeBroker struct {
	mu   sync.Mutex
	subs map[string][]net.Conn
	harm func(n int, packet []byte) []byte
	n    int
}

// startFake returns the address of a broker that handles each message by harm; nil
// leaves them alone.
func startFake(t *testing.T, harm func(n int, packet []byte) []byte) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if harm == nil {
		harm = func(_ int, p []byte) []byte { return p }
	}
	f := &fakeBroker{subs: make(map[string][]net.Conn), harm: harm}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { f.serve(conn) })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String()
}

func (f *fakeBroker) serve(conn net.Conn) {
	defer conn.Close()
	var b []byte
	buf := make([]byte, 64<<10)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		b = append(b, buf[:n]...)
		for {
			size, head, err := frame(b)
			if err != nil {
				return
			}
			if size == 0 || len(b) < size {
				break
			}
			f.handle(conn, b[:size], head)
			b = b[size:]
		}
	}
}

func (f *fakeBroker) handle(conn net.Conn, p []byte, head int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch mqtt.PacketType(p[0] >> 4) {
	case mqtt.TypeConnect:
		conn.Write((&mqtt.Connack{}).Append(nil, mqtt.V311))
	case mqtt.TypeSubscribe:
		var s mqtt.Subscribe
		h, _, _ := mqtt.DecodeHeader(p)
		if s.Decode(mqtt.V311, h, p[head:]) != nil {
			return
		}
		codes := []mqtt.ReasonCode{}
		for filter := range s.Filters() {
			key := fakeKey(string(filter))
			f.subs[key] = append(f.subs[key], conn)
			codes = append(codes, 0)
		}
		conn.Write((&mqtt.Suback{PacketID: s.PacketID, Codes: codes}).Append(nil, mqtt.V311))
	case mqtt.TypePublish:
		topic := string(p[head+2 : head+2+int(p[head+1])])
		f.n++
		out := f.harm(f.n, p)
		if len(out) == 0 {
			return
		}
		for _, s := range f.subs[topic] {
			s.Write(out)
		}
		prefix := strings.Join(strings.Split(topic, "/")[:2], "/")
		for _, s := range f.subs["#"+prefix] {
			s.Write(out)
		}
		if members := f.subs["$"+prefix]; len(members) > 0 {
			members[f.n%len(members)].Write(out)
		}
	}
}

// fakeKey is what the fake broker makes of a filter: conditions are left out, a share
// group is its topics' first two words, and so is what has words with commas.
func fakeKey(filter string) string {
	if rest, ok := strings.CutPrefix(filter, "$filter/"); ok {
		_, filter, _ = strings.Cut(rest, "/")
	}
	words := strings.Split(filter, "/")
	switch {
	case words[0] == "$share":
		return "$" + strings.Join(words[2:4], "/")
	case strings.Contains(filter, ","):
		return "#" + strings.Join(words[:2], "/")
	}
	return filter
}

func load(t *testing.T, addr string, change func(*Config)) *Result {
	t.Helper()
	cfg := Config{Scenario: "pair", Endpoint: client.Endpoint{Transport: client.TCP, Address: addr}, QoS: -1,
		Connections: 8, Window: 64, Batch: 8, Duration: 300 * time.Millisecond, Warmup: 50 * time.Millisecond}
	if change != nil {
		change(&cfg)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	res, err := Run(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestRunCountsEverything(t *testing.T) {
	addr := startFake(t, nil)
	for _, scenario := range []string{"pair", "r13", "fan500", "fanin"} {
		res := load(t, addr, func(c *Config) { c.Scenario = scenario })
		if res.Sent == 0 || res.Lost+res.Duplicated+res.OutOfOrder+res.Errors != 0 {
			t.Errorf("%s: %+v", scenario, res)
		}
		fan := map[string]uint64{"r13": 3, "fan500": 7}[scenario]
		if res.Received != res.Sent*max(fan, 1) {
			t.Errorf("%s: received %d of %d sent", scenario, res.Received, res.Sent)
		}
		if res.InPerS <= 0 || res.OutPerS <= 0 {
			t.Errorf("%s: no rate: %+v", scenario, res)
		}
	}
}

func TestRunSeesHarm(t *testing.T) {
	addr := startFake(t, func(n int, p []byte) []byte {
		switch {
		case n%100 == 10:
			return nil // lost
		case n%100 == 20:
			return append(append([]byte(nil), p...), p...) // twice
		}
		return p
	})
	res := load(t, addr, func(c *Config) { c.Rate = 4000; c.Connections = 2 })
	if res.Lost == 0 || res.Duplicated == 0 || res.Errors != 0 {
		t.Errorf("%+v", res)
	}
}

func TestRunMeasuresLatency(t *testing.T) {
	res := load(t, startFake(t, nil), func(c *Config) { c.Rate = 2000 })
	if res.P50 <= 0 || res.P99 < res.P50 || res.P999 < res.P99 || res.Max < res.P999 {
		t.Errorf("%+v", res)
	}
	if want := 2000 * 0.35; float64(res.Sent) > 2*want {
		t.Errorf("sent %d messages in 0.35 s at 2,000 a second", res.Sent)
	}
}

func TestRunOverGoroutines(t *testing.T) { // as with TLS and WebSocket
	addr := startFake(t, nil)
	r := &run{cfg: Config{Connections: 8, Window: 64, Batch: 8, Payload: 64, Version: mqtt.V311, Threads: 1,
		Duration: 200 * time.Millisecond, Warmup: time.Millisecond,
		Endpoint: client.Endpoint{Transport: client.TCP, Address: addr}}, meter: &meter{clock: clock{time.Now()}}, name: "g"}
	r.s, _ = Find("pair")
	cells, err := r.build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cells {
		for _, l := range c.links() {
			l.conn = hidden{l.conn}
		}
	}
	d, err := r.begin(cells)
	if err != nil {
		t.Fatal(err)
	}
	var res Result
	err = r.timed(t.Context(), d, &res)
	d.end()
	if err != nil || res.Sent == 0 || res.Received != res.Sent || res.Lost+res.Errors != 0 {
		t.Errorf("%+v, %v", res, err)
	}
}

// hidden keeps a loop from taking the socket over.
type hidden struct{ net.Conn }

func TestRunRefuses(t *testing.T) {
	for name, cfg := range map[string]Config{
		"scenario": {Scenario: "none"},
		"payload":  {Scenario: "pair", Payload: 4},
		"process":  {Scenario: "pair", PID: 1 << 30},
		"QoS":      {Scenario: "pair", QoS: 3},
		"broker":   {Scenario: "pair", Endpoint: client.Endpoint{Transport: client.TCP, Address: "127.0.0.1:1"}},
	} {
		if res, err := Run(t.Context(), cfg); err == nil {
			t.Errorf("%s: %+v", name, res)
		}
	}
}

func TestScenariosAreComplete(t *testing.T) {
	seen := make(map[string]bool)
	for _, s := range Scenarios() {
		if seen[s.Name] || s.About == "" || s.connections == 0 || s.shape == nil && s.measure == nil {
			t.Errorf("%+v", s)
		}
		seen[s.Name] = true
	}
}
