package attack

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"alcove/test/alcovetest"
	"alcove/test/conform/wire"
)

const patience = 15 * time.Second

// TestMain lets the rows that mostly wait run side by side.
func TestMain(m *testing.M) {
	flag.Parse()
	if !slices.ContainsFunc(os.Args, func(a string) bool { return strings.Contains(a, "test.parallel") }) {
		flag.Set("test.parallel", "8")
	}
	os.Exit(m.Run())
}

var (
	v5   = wire.V5
	v311 = wire.V311
)

var names atomic.Int64

func name() string { return fmt.Sprintf("attacker%d", names.Add(1)) }

// conn is one connection of an attacker or of somebody who must not be hurt.
type conn struct {
	net.Conn
	t testing.TB
	v byte
	r *bufio.Reader
}

func dial(t testing.TB, b *alcovetest.Broker) *conn {
	t.Helper()
	c, err := net.DialTimeout("tcp", b.MQTT, patience)
	if err != nil {
		t.Fatal(err)
	}
	return wrap(t, c)
}

// try is dial for goroutines beside the test's own, which may not end the test.
func try(t testing.TB, b *alcovetest.Broker) *conn {
	c, err := net.DialTimeout("tcp", b.MQTT, patience)
	if err != nil {
		t.Errorf("%v", err)
		return nil
	}
	return wrap(t, c)
}

func wrap(t testing.TB, c net.Conn) *conn {
	t.Cleanup(func() { c.Close() })
	return &conn{Conn: c, t: t, v: v5, r: bufio.NewReader(c)}
}

// hello is a CONNECT of the operator, changed by the given functions.
func hello(b *alcovetest.Broker, change ...func(*wire.Connect)) wire.Connect {
	p := wire.Connect{Version: v5, ClientID: name(), Clean: true, User: &b.Token}
	for _, f := range change {
		f(&p)
	}
	return p
}

// connect opens a connection which must be accepted.
func connect(t testing.TB, b *alcovetest.Broker, change ...func(*wire.Connect)) *conn {
	t.Helper()
	c := dial(t, b)
	p := hello(b, change...)
	c.v = p.Version
	c.send(p.Bytes())
	if ack := c.await(wire.CONNACK); ack.Reason != 0 {
		t.Fatalf("CONNECT answered by %v", ack)
	}
	return c
}

func with(props ...wire.Prop) func(*wire.Connect) {
	return func(p *wire.Connect) { p.Props = append(p.Props, props...) }
}

func version(v byte) func(*wire.Connect) { return func(p *wire.Connect) { p.Version = v } }

func as(key string) func(*wire.Connect) { return func(p *wire.Connect) { p.User = &key } }

func kept(id string) func(*wire.Connect) {
	return func(p *wire.Connect) {
		p.ClientID, p.Clean = id, false
		if p.Version == v5 {
			p.Props = append(p.Props, wire.Num(wire.SessionExpiry, 60))
		}
	}
}

func (c *conn) send(parts ...[]byte) {
	c.SetWriteDeadline(time.Now().Add(patience))
	c.Write(wire.Cat(parts...))
}

// next is the next packet, or nil at the end of the connection.
func (c *conn) next() *wire.Packet {
	c.t.Helper()
	c.SetReadDeadline(time.Now().Add(patience))
	p, err := wire.Read(c.r, c.v)
	var timeout net.Error
	switch {
	case err == nil:
		return p
	case errors.As(err, &timeout) && timeout.Timeout():
		c.t.Errorf("nothing comes and the connection stays open")
	case !errors.Is(err, io.EOF) && !errors.As(err, &timeout):
		c.t.Errorf("from the broker: %v", err)
	}
	return nil
}

// await takes packets until one of the type.
func (c *conn) await(typ byte) *wire.Packet {
	c.t.Helper()
	for {
		p := c.next()
		if p == nil {
			c.t.Fatalf("the connection ended before %s", wire.TypeName(typ))
		}
		if p.Type == typ {
			return p
		}
		if p.Type == wire.DISCONNECT {
			c.t.Fatalf("waiting for %s: %v", wire.TypeName(typ), p)
		}
	}
}

// closed reads to the end and checks the last reason, where one is given,
// against the list; no list takes any.
func (c *conn) closed(reasons ...byte) {
	c.t.Helper()
	var last *wire.Packet
	for p := c.next(); p != nil; p = c.next() {
		last = p
	}
	if last != nil && (last.Type == wire.DISCONNECT || last.Type == wire.CONNACK && last.Reason != 0) &&
		len(reasons) > 0 && !slices.Contains(reasons, last.Reason) {
		c.t.Errorf("closed by %v, want %#x", last, reasons)
	}
}

func (c *conn) ping() {
	c.t.Helper()
	c.send(wire.Ping())
	c.await(wire.PINGRESP)
}

func (c *conn) subscribe(filter string, options byte) byte {
	c.t.Helper()
	c.send(wire.Subscribe(c.v, 1, nil, wire.Sub{Filter: filter, Options: options}))
	return c.await(wire.SUBACK).Reasons[0]
}

// publish sends at QoS 1 and returns the reason of the PUBACK.
func (c *conn) publish(topic, payload string) byte {
	c.t.Helper()
	c.send(wire.Publish{Topic: topic, Payload: payload, QoS: 1, ID: 1}.Bytes(c.v))
	return c.await(wire.PUBACK).Reason
}

// receive takes the next message and answers it at QoS 1.
func (c *conn) receive() *wire.Packet {
	c.t.Helper()
	p := c.await(wire.PUBLISH)
	if p.QoS == 1 {
		c.send(wire.Ack(c.v, wire.PUBACK, p.ID, 0, nil))
	}
	return p
}

// count takes messages until a PINGRESP.
func (c *conn) count() int {
	c.t.Helper()
	c.send(wire.Ping())
	for n := 0; ; {
		p := c.next()
		switch {
		case p == nil:
			c.t.Fatal("the connection ended")
		case p.Type == wire.PINGRESP:
			return n
		case p.Type == wire.PUBLISH:
			n++
			if p.QoS == 1 {
				c.send(wire.Ack(c.v, wire.PUBACK, p.ID, 0, nil))
			}
		}
	}
}

// others checks that somebody else is served: connects, subscribes, publishes, receives.
func others(t testing.TB, b *alcovetest.Broker) {
	t.Helper()
	if !b.Alive() {
		t.Fatal("the broker has ended")
	}
	c := connect(t, b)
	topic := "others/" + name()
	c.subscribe(topic, 1)
	c.send(wire.Publish{Topic: topic, Payload: "served", QoS: 1, ID: 9}.Bytes(c.v))
	if p := c.receive(); p.Payload != "served" {
		t.Errorf("%v", p)
	}
	c.send(wire.Disconnect(c.v, 0, nil))
	c.Close()
}

// grows runs f and fails when the broker's resident memory grows by more than limit bytes.
func grows(t testing.TB, b *alcovetest.Broker, limit int64, f func()) {
	t.Helper()
	others(t, b) // what is made once is not the attack's
	before := b.RSS()
	f()
	if got := b.RSS() - before; got > limit {
		t.Errorf("memory grows by %d KiB, at most %d wanted", got>>10, limit>>10)
	} else {
		t.Logf("memory grows by %d KiB of at most %d", got>>10, limit>>10)
	}
	others(t, b)
}

// bad sends bytes on an accepted connection, which the broker must then close.
func bad(t *testing.T, b *alcovetest.Broker, v byte, packet []byte, reasons ...byte) {
	t.Helper()
	c := connect(t, b, version(v))
	c.send(packet)
	c.closed(reasons...)
	c.Close()
}

// raw sends bytes on a connection of their own and returns what comes until it is closed.
func raw(t testing.TB, b *alcovetest.Broker, packet []byte) []byte {
	t.Helper()
	c := dial(t, b)
	c.send(packet)
	c.SetReadDeadline(time.Now().Add(patience))
	got, err := io.ReadAll(c.r)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Errorf("%.20x: the connection stays open; came %.40x", packet, got)
	}
	c.Close()
	return got
}

func rest(t testing.TB, b *alcovetest.Broker, method, path, body string) []map[string]any {
	t.Helper()
	req, err := http.NewRequest(method, "http://"+b.HTTP+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "FlespiToken "+b.Token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct{ Result []map[string]any }
	text, _ := io.ReadAll(resp.Body)
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	if err := d.Decode(&answer); err != nil || resp.StatusCode != 200 || len(answer.Result) == 0 {
		t.Fatalf("%s %s: %s, %v, %.300s", method, path, resp.Status, err, text)
	}
	return answer.Result
}

// token makes a token and returns its id and key.
func token(t testing.TB, b *alcovetest.Broker, fields string) (id, key string) {
	t.Helper()
	r := rest(t, b, "POST", "/platform/tokens", `[{"info":"attack","ttl":3600,`+fields+`}]`)[0]
	return fmt.Sprint(r["id"]), fmt.Sprint(r["key"])
}

func acl(topic string, actions string) string {
	return fmt.Sprintf(`"access":{"type":2,"acl":[{"uri":"mqtt","topic":%q,"actions":[%s]}]}`, topic, actions)
}

// rows are the attacks that share a broker.
var rows = []struct {
	name string
	run  func(*testing.T, *alcovetest.Broker)
}{
	{"2 varints of five bytes", longVarints},
	{"3 varints longer than needed", overlongVarints},
	{"4 lengths beyond the packet", lyingLengths},
	{"5 CONNECT byte by byte", slowConnect},
	{"6 PUBLISH of 256 MB, byte by byte", slowPublish},
	{"7 packets out of place", outOfPlace},
	{"8 other protocols", otherProtocols},
	{"9 reserved flags", reservedFlags},
	{"11 empty and huge SUBSCRIBE", hugeSubscribe},
	{"12 topics and filters that are none", badTopics},
	{"13 control and invisible characters", invisible},
	{"14 Unicode normal forms", normalForms},
	{"15 deep topics and filters", deepTopics},
	{"17 a thousand overlapping filters", overlapping},
	{"21 a QoS 2 identifier repeated", repeatedIdentifier},
	{"22 DUP racing PUBREL over a takeover", racingRelease},
	{"23 topic aliases", aliases},
	{"24 user properties and duplicates", userProperties},
	{"26 wills", wills},
	{"31 a right removed within QoS 2", rightRemoved},
	{"32 forms of $share", shareForms},
	{"32 forms of sticky groups", stickyForms},
	{"33 forms of $filter and of selectors", filterForms},
	{"33 a SUBSCRIBE of many megabytes", longSubscribe},
	{"34 internal prefixes", internalPrefixes},
	{"43 enhanced authentication", enhancedAuth},
	{"45 PROXY headers of strangers", proxyHeaders},
	{"46 WebSocket frames", webSocket},
}

func TestRows(t *testing.T) {
	t.Parallel()
	b := alcovetest.Start(t, alcovetest.Config{})
	t.Run("rows", func(t *testing.T) {
		for _, r := range rows {
			t.Run(r.name, func(t *testing.T) {
				t.Parallel()
				r.run(t, b)
				others(t, b)
			})
		}
	})
	others(t, b)
	// What clients say is quoted in the log, and cut.
	for line := range strings.Lines(b.Output()) {
		if len(line) > 4096 {
			t.Errorf("a line of %d bytes in the log: %.200s", len(line), line)
			break
		}
	}
}
