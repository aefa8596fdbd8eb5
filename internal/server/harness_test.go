package server

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"alcove/internal/auth"
	"alcove/internal/broker"
	"alcove/internal/mqtt"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen. Nothing is asserted
// about less time.
const patience = 20 * time.Second

const operatorKey = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ01"

// documents is an auth.Store in memory.
type documents struct {
	mu   sync.Mutex
	docs map[string]map[int64][]byte
}

func (m *documents) LoadDocuments(kind string, visit func(int64, []byte) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, doc := range m.docs[kind] {
		if err := visit(id, slices.Clone(doc)); err != nil {
			return err
		}
	}
	return nil
}

func (m *documents) PutDocuments(kind string, docs []auth.Document) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.docs[kind] == nil {
		m.docs[kind] = map[int64][]byte{}
	}
	for _, d := range docs {
		if d.Bytes == nil {
			delete(m.docs[kind], d.ID)
		} else {
			m.docs[kind][d.ID] = slices.Clone(d.Bytes)
		}
	}
	return nil
}

// ledger is a broker.Log that keeps nothing. While it is frozen, nothing becomes
// durable.
type ledger struct {
	gate   sync.Mutex
	frozen bool
	jobs   chan func()
	done   chan struct{}
}

// freeze and thaw are the test's own goroutine's.
func (l *ledger) freeze() { l.gate.Lock(); l.frozen = true }

func (l *ledger) thaw() {
	if l.frozen {
		l.frozen = false
		l.gate.Unlock()
	}
}

func newLedger() *ledger {
	l := &ledger{jobs: make(chan func(), 16), done: make(chan struct{})}
	go func() {
		defer close(l.done)
		for f := range l.jobs {
			l.gate.Lock()
			l.gate.Unlock()
			f()
		}
	}()
	return l
}

func (l *ledger) Append(_ int, b *broker.Batch, done func(uint64, error)) {
	l.jobs <- func() { done(b.Ticket, nil) }
}

func (l *ledger) Load(broker.Loader) (uint64, broker.OwnerID, error) { return 0, 0, nil }

func (l *ledger) Read(_ auth.AccountID, ids []broker.MessageID, visit func(broker.MessageID, *broker.Message)) error {
	for _, id := range ids {
		visit(id, nil)
	}
	return nil
}

func (l *ledger) Close() error { close(l.jobs); <-l.done; return nil }

// house is a server with everything below it.
type house struct {
	t         testing.TB
	srv       *Server
	broker    *broker.Broker
	directory *auth.Directory
	log       *ledger
	stopped   bool
	// keys are those of two accounts that do not see each other.
	keys [2]string
}

// quiet is a log that nobody reads.
var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// newBroker makes a house without a server.
func newBroker(t testing.TB, bc broker.Config) *house {
	t.Helper()
	h := &house{t: t, log: newLedger()}
	var err error
	h.directory, err = auth.Open(auth.Config{OperatorToken: operatorKey}, &documents{docs: map[string]map[int64][]byte{}}, nil)
	must(t, err)
	bc.Log, bc.Directory, bc.Logger = h.log, h.directory, quiet
	h.broker, err = broker.New(bc)
	must(t, err)
	t.Cleanup(h.stop)
	return h
}

// newHouse starts a server on loopback. Listeners that cfg does not name are off.
func newHouse(t testing.TB, cfg Config) *house {
	t.Helper()
	return newHouseWith(t, cfg, broker.Config{})
}

func newHouseWith(t testing.TB, cfg Config, bc broker.Config) *house {
	t.Helper()
	h := newBroker(t, bc)
	for _, at := range []*string{&cfg.MQTT, &cfg.MQTTS, &cfg.HTTP, &cfg.HTTPS} {
		if *at == "" {
			*at = Off
		}
	}
	cfg.Log = quiet
	var err error
	h.srv, err = New(cfg, h.broker, h.directory, nil)
	must(t, err)
	must(t, h.srv.Listen())
	must(t, h.srv.Start())
	expire := time.Now().Add(time.Hour).Unix()
	name, yes := "tenant", true
	_, first, err := h.directory.CreateCustomer(auth.AccountSpec{Name: &name}, auth.TokenSpec{Expire: &expire, Scram: &yes}, time.Now())
	must(t, err)
	h.keys = [2]string{operatorKey, first.Key}
	return h
}

func (h *house) stop() {
	if h.stopped {
		return
	}
	h.stopped = true
	h.log.thaw()
	h.stopServer()
	must(h.t, h.broker.Close())
	must(h.t, h.log.Close())
}

func (h *house) stopServer() {
	if h.srv == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := h.srv.Shutdown(ctx); err != nil {
		h.t.Errorf("Shutdown: %v", err)
	}
	if n := h.srv.Stats().Connections; n != 0 {
		h.t.Errorf("%d connections are left", n)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// loopback is an address that takes any free port.
const loopback = "127.0.0.1:0"

// peer is the client's end of a connection, in bytes and packets.
type peer struct {
	t       testing.TB
	conn    net.Conn
	r       *bufio.Reader
	version mqtt.Version
}

func (h *house) dial() *peer {
	h.t.Helper()
	return h.dialTo(h.srv.Addrs().MQTT)
}

func (h *house) dialTo(a net.Addr) *peer {
	h.t.Helper()
	c, err := net.Dial(a.Network(), a.String())
	must(h.t, err)
	return newPeer(h.t, c)
}

func (h *house) dialTLS(a net.Addr, cfg *tls.Config) *peer {
	h.t.Helper()
	c, err := tls.Dial("tcp", a.String(), cfg)
	must(h.t, err)
	return newPeer(h.t, c)
}

func newPeer(t testing.TB, c net.Conn) *peer {
	p := &peer{t: t, conn: c, r: bufio.NewReaderSize(c, 64<<10), version: mqtt.V5}
	must(t, c.SetDeadline(time.Now().Add(patience)))
	t.Cleanup(func() { _ = c.Close() })
	return p
}

func (p *peer) write(b []byte) {
	p.t.Helper()
	_, err := p.conn.Write(b)
	must(p.t, err)
}

// packet reads one whole packet.
func (p *peer) packet() (h mqtt.Header, body []byte) {
	p.t.Helper()
	h, body, err := p.tryPacket()
	must(p.t, err)
	return h, body
}

func (p *peer) tryPacket() (h mqtt.Header, body []byte, err error) {
	var head []byte
	for n := 0; n == 0; {
		b, err := p.r.ReadByte()
		if err != nil {
			return h, nil, err
		}
		head = append(head, b)
		if h, n, err = mqtt.DecodeHeader(head); err != nil {
			return h, nil, err
		}
	}
	body = make([]byte, h.Remaining)
	_, err = io.ReadFull(p.r, body)
	return h, body, err
}

// expect reads a packet of a type.
func (p *peer) expect(typ mqtt.PacketType) (mqtt.Header, []byte) {
	p.t.Helper()
	h, body := p.packet()
	if h.Type != typ {
		p.t.Fatalf("got %v % x, want %v", h.Type, body[:min(len(body), 40)], typ)
	}
	return h, body
}

// closed reads until the end, and returns what came before it.
func (p *peer) closed() []byte {
	p.t.Helper()
	b, err := io.ReadAll(p.r)
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		p.t.Fatalf("the connection stays open, after % x", b)
	}
	return b
}

// refusal reads a CONNACK that refuses and the end of the connection.
func (p *peer) refusal() mqtt.ReasonCode {
	p.t.Helper()
	h, body := p.expect(mqtt.TypeConnack)
	var a mqtt.Connack
	must(p.t, a.Decode(p.version, h, body))
	if rest := p.closed(); len(rest) > 0 {
		p.t.Fatalf("% x after a refusing CONNACK", rest)
	}
	return a.Code
}

// disconnected reads a DISCONNECT and the end of the connection.
func (p *peer) disconnected() mqtt.ReasonCode {
	p.t.Helper()
	h, body := p.expect(mqtt.TypeDisconnect)
	var d mqtt.Disconnect
	must(p.t, d.DecodeFromServer(p.version, h, body))
	if rest := p.closed(); len(rest) > 0 {
		p.t.Fatalf("% x after DISCONNECT", rest)
	}
	return d.Code
}

// connectPacket returns a CONNECT with a token's key.
func connectPacket(v mqtt.Version, id, key string, change func(*mqtt.Connect)) []byte {
	c := mqtt.Connect{Version: v, CleanStart: true, ClientID: []byte(id), Props: mqtt.NewConnectProps()}
	if key != "" {
		c.HasUsername, c.Username = true, []byte(key)
	}
	if change != nil {
		change(&c)
	}
	return c.Append(nil, v)
}

// connect sends CONNECT and takes the CONNACK that accepts it.
func (p *peer) connect(id, key string) {
	p.t.Helper()
	p.connectWith(id, key, nil)
}

func (p *peer) connectWith(id, key string, change func(*mqtt.Connect)) mqtt.Connack {
	p.t.Helper()
	p.write(connectPacket(p.version, id, key, change))
	return p.connack()
}

func (p *peer) connack() (a mqtt.Connack) {
	p.t.Helper()
	h, body := p.expect(mqtt.TypeConnack)
	must(p.t, a.Decode(p.version, h, body))
	if a.Code != mqtt.Success {
		p.t.Fatalf("refused: %v %s", a.Code, a.Props.Reason)
	}
	return a
}

// subscribe subscribes and takes the SUBACK.
func (p *peer) subscribe(filter string, qos mqtt.QoS) {
	p.t.Helper()
	s := mqtt.Subscribe{PacketID: 1}
	s.Add(filter, mqtt.SubscribeOptions{QoS: qos})
	p.write(s.Append(nil, p.version))
	p.expect(mqtt.TypeSuback)
}

func publishPacket(v mqtt.Version, topic string, payload []byte) []byte {
	p := mqtt.Publish{Topic: []byte(topic), Payload: payload}
	return p.Append(nil, v)
}

// published reads a PUBLISH.
func (p *peer) published() mqtt.Publish {
	p.t.Helper()
	h, body := p.expect(mqtt.TypePublish)
	var m mqtt.Publish
	must(p.t, m.DecodeFromServer(p.version, h, body))
	return m
}

// ping proves that everything sent before was handled.
func (p *peer) ping() {
	p.t.Helper()
	p.write(mqtt.AppendPingreq(nil))
	p.expect(mqtt.TypePingresp)
}

func body(n int, fill byte) []byte { return bytes.Repeat([]byte{fill}, n) }
