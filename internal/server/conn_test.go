package server

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"alcove/internal/mqtt"
)

var versions = []mqtt.Version{mqtt.V31, mqtt.V311, mqtt.V5}

func TestPublishSubscribe(t *testing.T) {
	for _, v := range versions {
		t.Run(v.String(), func(t *testing.T) {
			h := newHouse(t, Config{MQTT: loopback})
			sub, pub := h.dial(), h.dial()
			sub.version, pub.version = v, v
			sub.connect("sub", h.keys[0])
			sub.subscribe("a/+", mqtt.QoS0)
			pub.connect("pub", h.keys[0])
			pub.write(publishPacket(v, "a/b", []byte("hello")))
			if m := sub.published(); string(m.Topic) != "a/b" || string(m.Payload) != "hello" {
				t.Errorf("got %q on %q", m.Payload, m.Topic)
			}
			pub.ping() // [MQTT-3.12.4-1] [MQTT311-3.12.4-1]
		})
	}
}

// TestSplitEverywhere sends a conversation cut in two at every byte, and byte by
// byte: the answers are the same.
func TestSplitEverywhere(t *testing.T) {
	h := newHouse(t, Config{MQTT: loopback})
	var all []byte
	all = append(all, connectPacket(mqtt.V5, "split", h.keys[0], nil)...)
	s := mqtt.Subscribe{PacketID: 1}
	s.Add("x", mqtt.SubscribeOptions{})
	all = s.Append(all, mqtt.V5)
	all = append(all, publishPacket(mqtt.V5, "x", body(200, 'p'))...)
	all = mqtt.AppendPingreq(all)
	check := func(name string, cuts ...int) {
		p := h.dial()
		from := 0
		for _, cut := range cuts {
			p.write(all[from:cut])
			from = cut
		}
		p.write(all[from:])
		p.connack()
		p.expect(mqtt.TypeSuback)
		if m := p.published(); len(m.Payload) != 200 {
			t.Fatalf("%s: payload of %d bytes", name, len(m.Payload))
		}
		p.expect(mqtt.TypePingresp)
		_ = p.conn.Close()
	}
	for i := 1; i < len(all); i += 3 {
		check(fmt.Sprint("cut at ", i), i)
	}
	every := make([]int, len(all)-1)
	for i := range every {
		every[i] = i + 1
	}
	check("byte by byte", every...)
}

// TestLargePacket sends and receives what needs many reads and writes.
func TestLargePacket(t *testing.T) {
	h := newHouse(t, Config{MQTT: loopback})
	p := h.dial()
	p.connect("large", h.keys[0])
	p.subscribe("big", mqtt.QoS0)
	payload := bytes.Repeat([]byte("0123456789abcdef"), 10<<20/16)
	go func() { _, _ = p.conn.Write(publishPacket(mqtt.V5, "big", payload)) }()
	if m := p.published(); !bytes.Equal(m.Payload, payload) {
		t.Error("the payload came back different")
	}
	if p.ping(); h.srv.Stats().PacketsIn < 4 {
		t.Error("packets were not counted")
	}
}

// TestBadInput: what no client may send ends the connection, with the code that
// the standard names. Before CONNACK there is no DISCONNECT [MQTT-3.14.0-1].
func TestBadInput(t *testing.T) {
	h := newHouse(t, Config{MQTT: loopback})
	connect := func(v mqtt.Version) []byte { return connectPacket(v, "", h.keys[0], nil) }
	publish := func(topic string, alias uint16) []byte {
		p := mqtt.Publish{Topic: []byte(topic)}
		p.Props.TopicAlias, p.Props.HasTopicAlias = alias, true
		return p.Append(nil, mqtt.V5)
	}
	aliasZero := []byte{0x30, 9, 0, 1, 'a', 3, 0x23, 0, 0, 'p', 'q'}
	tests := []struct {
		name string
		v    mqtt.Version
		up   bool // CONNECT and CONNACK first
		send []byte
		code mqtt.ReasonCode // of DISCONNECT, or of CONNACK if !up; 0: just the end
	}{
		{"first packet is not CONNECT [MQTT-3.1.0-1]", mqtt.V5, false, mqtt.AppendPingreq(nil), 0},
		{"first packet is not CONNECT [MQTT311-3.1.0-1]", mqtt.V311, false, publishPacket(mqtt.V311, "a", nil), 0},
		{"HTTP", mqtt.V5, false, []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 0},
		{"TLS", mqtt.V5, false, []byte{0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3}, 0},
		{"SSH", mqtt.V5, false, []byte("SSH-2.0-OpenSSH_9.0\r\n"), 0},
		{"PROXY from a peer that is not trusted", mqtt.V5, false, []byte("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n"), 0},
		{"reserved type", mqtt.V5, false, []byte{0, 0}, 0},
		{"remaining length of five bytes", mqtt.V5, false, []byte{0x10, 0xff, 0xff, 0xff, 0xff, 1}, 0},
		{"CONNECT over the limit [EXT-LIM-1]", mqtt.V5, false, []byte{0x10, 0xff, 0xff, 0xff, 0x7f}, 0},
		{"unknown protocol name [MQTT-3.1.2-1]", mqtt.V5, false, []byte{0x10, 12, 0, 4, 'H', 'T', 'T', 'P', 5, 2, 0, 0, 0, 0}, 0},
		{"unknown protocol level [MQTT311-3.1.2-2]", mqtt.V311, false, []byte{0x10, 12, 0, 4, 'M', 'Q', 'T', 'T', 9, 2, 0, 0, 0, 0}, mqtt.UnsupportedProtocolVersion},
		{"malformed CONNECT [MQTT-3.1.4-1]", mqtt.V5, false, append([]byte{0x10, 14, 0, 4, 'M', 'Q', 'T', 'T', 5, 2, 0, 0, 0, 0, 0}, 9), mqtt.MalformedPacket},
		{"malformed CONNECT [MQTT311-3.1.4-1]", mqtt.V311, false, []byte{0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0, 0, 0, 9}, 0},
		{"wrong key", mqtt.V5, false, connectPacket(mqtt.V5, "c", strings.Repeat("x", 64), nil), mqtt.BadUserNameOrPassword},
		{"wrong key", mqtt.V311, false, connectPacket(mqtt.V311, "c", strings.Repeat("x", 64), nil), mqtt.BadUserNameOrPassword},
		{"no credentials", mqtt.V5, false, connectPacket(mqtt.V5, "c", "", nil), mqtt.BadUserNameOrPassword},
		{"unknown Authentication Method [MQTT-4.12.0-1]", mqtt.V5, false, connectPacket(mqtt.V5, "c", "", func(c *mqtt.Connect) {
			c.Props.AuthMethod, c.Props.HasAuthMethod = []byte("GS2-KRB5"), true
		}), mqtt.BadAuthenticationMethod},
		{"second CONNECT [MQTT-3.1.0-2]", mqtt.V5, true, connect(mqtt.V5), mqtt.ProtocolError},
		{"second CONNECT [MQTT311-3.1.0-2]", mqtt.V311, true, connect(mqtt.V311), 0},
		{"CONNACK", mqtt.V5, true, []byte{0x20, 3, 0, 0, 0}, mqtt.ProtocolError},
		{"SUBACK", mqtt.V5, true, []byte{0x90, 4, 0, 1, 0, 0}, mqtt.ProtocolError},
		{"UNSUBACK", mqtt.V5, true, []byte{0xb0, 4, 0, 1, 0, 0}, mqtt.ProtocolError},
		{"PINGRESP", mqtt.V5, true, []byte{0xd0, 0}, mqtt.ProtocolError},
		{"PINGRESP [MQTT311-4.8.0-1]", mqtt.V311, true, []byte{0xd0, 0}, 0},
		{"QoS 3 [MQTT-4.13.1-1]", mqtt.V5, true, []byte{0x36, 5, 0, 1, 'a', 0, 1}, mqtt.MalformedPacket},
		{"packet over the limit [MQTT-3.2.2-15]", mqtt.V5, true, []byte{0x30, 0xff, 0xff, 0xff, 0x7f}, mqtt.PacketTooLarge},
		{"alias 0 [MQTT-3.3.2-8]", mqtt.V5, true, aliasZero, mqtt.TopicAliasInvalid},
		{"alias over the maximum [MQTT-3.3.2-9]", mqtt.V5, true, publish("a", 101), mqtt.TopicAliasInvalid},
		{"alias before it is set", mqtt.V5, true, publish("", 7), mqtt.ProtocolError},
		{"AUTH without a method [MQTT-4.12.0-7]", mqtt.V5, true, []byte{0xf0, 11, 0x19, 9, 0x15, 0, 6, 'm', 'e', 't', 'h', 'o', 'd'}, mqtt.ProtocolError},
		{"AUTH", mqtt.V311, true, []byte{0xf0, 0}, 0},
		{"subscription identifier of five bytes", mqtt.V5, true, []byte{0x82, 14, 0, 1, 6, 0x0b, 0xff, 0xff, 0xff, 0xff, 1, 0, 1, 'a', 0, 0}, mqtt.MalformedPacket},
	}
	for _, x := range tests {
		t.Run(x.v.String()+" "+x.name, func(t *testing.T) {
			p := h.dial()
			p.t, p.version = t, x.v
			if x.up {
				p.connect("", h.keys[0])
			}
			p.write(x.send)
			switch {
			case x.code == 0:
				if b := p.closed(); len(b) > 0 {
					t.Errorf("got % x", b)
				}
			case x.up:
				if got := p.disconnected(); got != x.code {
					t.Errorf("got %v, want %v", got, x.code)
				}
			default:
				if got := p.refusal(); got != x.code {
					t.Errorf("got %v, want %v", got, x.code)
				}
			}
		})
	}
}

// TestTopicAliasIn: aliases from 1 to the maximum that was announced are taken, may
// be set anew, and hold a bounded number of bytes [MQTT-3.3.2-12] [MQTT-3.3.2-7].
func TestTopicAliasIn(t *testing.T) {
	h := newHouse(t, Config{MQTT: loopback})
	p := h.dial()
	if a := p.connectWith("alias", h.keys[0], nil); a.Props.TopicAliasMaximum != h.srv.limits.TopicAliasMaximum {
		t.Fatalf("announced %d", a.Props.TopicAliasMaximum)
	}
	p.subscribe("#", mqtt.QoS0)
	send := func(topic string, alias uint16, want string) {
		t.Helper()
		m := mqtt.Publish{Topic: []byte(topic)}
		m.Props.TopicAlias, m.Props.HasTopicAlias = alias, true
		p.write(m.Append(nil, mqtt.V5))
		if got := p.published(); string(got.Topic) != want {
			t.Fatalf("got %q, want %q", got.Topic, want)
		}
	}
	for _, alias := range []uint16{1, 100, 50} {
		send(fmt.Sprint("topic/", alias), alias, fmt.Sprint("topic/", alias))
		send("", alias, fmt.Sprint("topic/", alias))
	}
	send("another", 50, "another")
	send("", 50, "another")
	send("", 1, "topic/1")
	long := strings.Repeat("x", 60000)
	for alias := uint16(1); ; alias++ {
		m := mqtt.Publish{Topic: []byte(long)}
		m.Props.TopicAlias, m.Props.HasTopicAlias = alias, true
		p.write(m.Append(nil, mqtt.V5))
		h, b := p.packet()
		if h.Type == mqtt.TypeDisconnect {
			if alias != 3 || mqtt.ReasonCode(b[0]) != mqtt.QuotaExceeded {
				t.Errorf("alias %d: % x", alias, b)
			}
			break
		}
	}
	// They do not outlive the connection.
	p = h.dial()
	p.connect("alias", h.keys[0])
	m := mqtt.Publish{}
	m.Props.TopicAlias, m.Props.HasTopicAlias = 1, true
	p.write(m.Append(nil, mqtt.V5))
	if got := p.disconnected(); got != mqtt.ProtocolError {
		t.Errorf("got %v", got)
	}
}

// TestConnectTimeout: the time for a CONNECT is one for the whole of it, however
// many bytes come meanwhile, and nothing is said.
func TestConnectTimeout(t *testing.T) {
	h := newHouse(t, Config{MQTT: loopback, Limits: Limits{ConnectTimeout: 300 * time.Millisecond}})
	silent, partial := h.dial(), h.dial()
	partial.write([]byte{0x10, 0xff, 0x7f, 0, 4, 'M'})
	for _, p := range []*peer{silent, partial} {
		if b := p.closed(); len(b) > 0 {
			t.Errorf("got % x", b)
		}
	}
}

// TestKeepAlive: silence for one and a half times the Keep Alive ends the
// connection as a failure of the network does [MQTT-3.1.2-22] [MQTT311-3.1.2-24].
func TestKeepAlive(t *testing.T) {
	h := newHouse(t, Config{MQTT: loopback})
	watch := h.dial()
	watch.connect("watch", h.keys[0])
	watch.subscribe("will", mqtt.QoS0)
	p := h.dial()
	p.connectWith("silent", h.keys[0], func(c *mqtt.Connect) {
		c.KeepAlive = 1
		c.HasWill, c.Will = true, mqtt.Will{Topic: []byte("will"), Payload: []byte("gone")}
	})
	start := time.Now()
	if got := p.disconnected(); got != mqtt.KeepAliveTimeout {
		t.Errorf("got %v", got)
	}
	if d := time.Since(start); d < 1500*time.Millisecond {
		t.Errorf("ended after %v", d)
	}
	if m := watch.published(); string(m.Payload) != "gone" {
		t.Errorf("Will %q", m.Payload)
	}
}

// TestDisconnect: after DISCONNECT we close, and nothing behind it is looked at
// [MQTT-3.14.4-1] [MQTT311-3.14.4-2].
func TestDisconnect(t *testing.T) {
	for _, v := range versions {
		h := newHouse(t, Config{MQTT: loopback})
		watch := h.dial()
		watch.connect("watch", h.keys[0])
		watch.subscribe("#", mqtt.QoS0)
		p := h.dial()
		p.version = v
		p.connectWith("c", h.keys[0], func(c *mqtt.Connect) { c.HasWill, c.Will = true, mqtt.Will{Topic: []byte("will")} })
		goodbye := (&mqtt.Disconnect{}).Append(nil, v)
		p.write(append(goodbye, publishPacket(v, "behind", nil)...))
		if b := p.closed(); len(b) > 0 {
			t.Errorf("%v: got % x", v, b)
		}
		q := h.dial()
		q.connect("q", h.keys[0])
		q.write(publishPacket(mqtt.V5, "last", nil))
		if m := watch.published(); string(m.Topic) != "last" { // no Will either
			t.Errorf("%v: got %q", v, m.Topic)
		}
		h.stop()
	}
}

// TestPipelinedBehindConnect: packets that come with CONNECT wait until the disk
// has what CONNACK says, and are then handled in order.
func TestPipelinedBehindConnect(t *testing.T) {
	h := newHouse(t, Config{MQTT: loopback})
	h.log.freeze()
	p := h.dial()
	persistent := func(c *mqtt.Connect) {
		c.Props.SessionExpiry, c.Props.HasSessionExpiry = 100, true
	}
	all := connectPacket(mqtt.V5, "persistent", h.keys[0], persistent)
	s := mqtt.Subscribe{PacketID: 1}
	s.Add("x", mqtt.SubscribeOptions{})
	all = s.Append(all, mqtt.V5)
	for range 100 {
		all = append(all, publishPacket(mqtt.V5, "x", body(3000, 'x'))...)
	}
	p.write(all)
	other := h.dial() // has the loops busy meanwhile
	other.connect("other", h.keys[0])
	other.ping()
	if err := p.conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := p.r.ReadByte(); err == nil {
		t.Error("an answer before anything is on disk")
	}
	must(t, p.conn.SetDeadline(time.Now().Add(patience)))
	h.log.thaw()
	p.connack()
	published := 0
	for range 101 { // SUBACK waits for the disk, and may come behind messages
		if h, _ := p.packet(); h.Type == mqtt.TypePublish {
			published++
		}
	}
	if published != 100 {
		t.Errorf("%d messages", published)
	}
	p.ping()
}

// TestHangUpWhilePending: a client that leaves before its CONNACK leaves nothing.
func TestHangUpWhilePending(t *testing.T) {
	h := newHouse(t, Config{MQTT: loopback})
	h.log.freeze()
	for i := range 10 {
		p := h.dial()
		p.write(connectPacket(mqtt.V5, fmt.Sprint("c", i), h.keys[0], func(c *mqtt.Connect) {
			c.Props.SessionExpiry, c.Props.HasSessionExpiry = 100, true
		}))
		if i%2 == 0 {
			must(t, p.conn.(*net.TCPConn).SetLinger(0)) // by reset
		}
		_ = p.conn.Close()
	}
	h.log.thaw()
	waitFor(t, "the connections to go", func() bool { return h.srv.Stats().Connections == 0 && h.broker.Stats().Attached.Load() == 0 })
}

// waitFor looks until it is so.
func waitFor(t testing.TB, what string, so func() bool) {
	t.Helper()
	late := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-late:
			t.Fatalf("waited in vain for %s", what)
		case <-tick.C:
		}
	}
}

// TestShutdown: MQTT 5 clients are told, Wills go out, and everything ends.
func TestShutdown(t *testing.T) {
	h := newHouse(t, Config{MQTT: loopback})
	p5, p4, half := h.dial(), h.dial(), h.dial()
	p5.connect("five", h.keys[0])
	p4.version = mqtt.V311
	p4.connect("four", h.keys[0])
	half.write([]byte{0x10})
	h.stop()
	if got := p5.disconnected(); got != mqtt.ServerShuttingDown {
		t.Errorf("got %v", got)
	}
	for _, p := range []*peer{p4, half} {
		if b := p.closed(); len(b) > 0 {
			t.Errorf("got % x", b)
		}
	}
}

// TestConnectionsBound: there is room for so many and no more.
func TestConnectionsBound(t *testing.T) {
	h := newHouse(t, Config{MQTT: loopback, Limits: Limits{Connections: 3}})
	var held []*peer
	for i := range 3 {
		p := h.dial()
		p.connect(fmt.Sprint("c", i), h.keys[0])
		held = append(held, p)
	}
	if b := h.dial().closed(); len(b) > 0 {
		t.Errorf("got % x", b)
	}
	_ = held[0].conn.Close()
	waitFor(t, "room", func() bool { return h.srv.Stats().Connections == 2 })
	h.dial().connect("again", h.keys[0])
}

// TestSlowReader: one that never reads is ended after WriteTimeout, its output is
// bounded, and other clients go on meanwhile.
func TestSlowReader(t *testing.T) {
	limits := Limits{WriteTimeout: 500 * time.Millisecond, OutputBytes: 64 << 10}
	h := newHouse(t, Config{MQTT: loopback, Limits: limits})
	slow, fast, pub := h.dial(), h.dial(), h.dial()
	slow.connect("slow", h.keys[0])
	slow.subscribe("t", mqtt.QoS0)
	fast.connect("fast", h.keys[1])
	fast.subscribe("u", mqtt.QoS0)
	pub.connect("pub", h.keys[0])
	waitFor(t, "the slow reader to be ended", func() bool {
		for range 20 {
			pub.write(publishPacket(mqtt.V5, "t", body(50000, 'x')))
		}
		pub.ping()
		fast.write(publishPacket(mqtt.V5, "u", []byte("x")))
		fast.published()
		return h.srv.Stats().Closed >= 1
	})
	if h.srv.Stats().Dropped == 0 {
		t.Error("nothing was dropped")
	}
}

// TestTwoWhoFillEachOther: clients that publish to each other and read late do not
// wait for each other for ever.
func TestTwoWhoFillEachOther(t *testing.T) {
	h := newHouse(t, Config{MQTT: loopback, Limits: Limits{OutputBytes: 32 << 10}})
	var ends [2]*peer
	for i := range ends {
		ends[i] = h.dial()
		ends[i].connect(fmt.Sprint("c", i), h.keys[0])
		ends[i].subscribe(fmt.Sprint("to/", i), mqtt.QoS0)
	}
	done := make(chan error, 2)
	for i := range ends {
		go func() {
			packet := publishPacket(mqtt.V5, fmt.Sprint("to/", 1-i), body(20000, 'x'))
			for range 1000 {
				if _, err := ends[i].conn.Write(packet); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range ends {
		must(t, <-done)
	}
}

// TestUnixSocket: a Unix socket speaks MQTT, and a stale one is replaced.
func TestUnixSocket(t *testing.T) {
	path := t.TempDir() + "/s"
	stale, err := net.Listen("unix", path)
	must(t, err)
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	must(t, stale.Close())
	h := newHouse(t, Config{Unix: path})
	p := h.dialTo(h.srv.Addrs().Unix)
	p.connect("unix", h.keys[0])
	p.ping()
	if _, err := New(Config{MQTT: Off, MQTTS: Off, HTTP: Off, HTTPS: Off, Unix: path}, h.broker, h.directory, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := listenUnix(path); err == nil {
		t.Error("a socket in use was replaced")
	}
}

// TestAnonymous: clients without credentials have the rights of the token that the
// configuration names.
func TestAnonymous(t *testing.T) {
	h := newHouse(t, Config{MQTT: loopback, Anonymous: 1})
	p := h.dial()
	p.connect("anonymous", "")
	p.subscribe("x", mqtt.QoS0)
	q := h.dial()
	q.write(connectPacket(mqtt.V5, "c", strings.Repeat("x", 64), nil))
	if got := q.refusal(); got != mqtt.BadUserNameOrPassword {
		t.Errorf("wrong credentials: %v", got)
	}
}
