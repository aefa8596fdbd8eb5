package conform

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"alcove/test/conform/wire"
)

// patience bounds every wait for something that must come; no case depends on
// how much of it is used.
const patience = 10 * time.Second

// Kit is what a case works with. A case runs in one goroutine and owns its Kit;
// Fatalf ends it.
type Kit struct {
	Target
	V byte // protocol level of this run

	name     string
	next     int
	failures []string
	skipped  string
	cleanups []func()
}

// try runs f to its end or its first Fatalf, then the cleanups.
func (k *Kit) try(f func(*Kit)) {
	var wg sync.WaitGroup
	guarded := func(f func()) {
		wg.Go(func() {
			defer func() {
				if r := recover(); r != nil {
					k.failures = append(k.failures, fmt.Sprint("panic: ", r))
				}
			}()
			f()
		})
		wg.Wait()
	}
	guarded(func() { f(k) })
	failed := len(k.failures)
	for i := len(k.cleanups) - 1; i >= 0; i-- {
		guarded(k.cleanups[i])
	}
	k.failures = k.failures[:failed:failed] // trouble while cleaning up is no verdict on the clause
}

// Errorf records a failure with the line of the case.
func (k *Kit) Errorf(format string, args ...any) {
	k.failures = append(k.failures, caller()+fmt.Sprintf(format, args...))
}

// Fatalf records a failure and ends the case.
func (k *Kit) Fatalf(format string, args ...any) {
	k.failures = append(k.failures, caller()+fmt.Sprintf(format, args...))
	runtime.Goexit()
}

// Skipf ends the case as not applicable to this broker.
func (k *Kit) Skipf(format string, args ...any) {
	k.skipped = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// Cleanup runs f after the case, last one first.
func (k *Kit) Cleanup(f func()) { k.cleanups = append(k.cleanups, f) }

// caller is the innermost line outside of the harness itself.
func caller() string {
	for i := 2; i < 12; i++ {
		_, file, line, ok := runtime.Caller(i)
		base := filepath.Base(file)
		if !ok {
			break
		}
		if base != "kit.go" && base != "client.go" && base != "frames.go" && base != "judge.go" {
			return fmt.Sprintf("%s:%d: ", base, line)
		}
	}
	return ""
}

// Name is an identifier which no other case and no other run uses.
func (k *Kit) Name() string {
	k.next++
	return fmt.Sprintf("cf%sx%d", k.name, k.next)
}

// Topic is a topic name under a level of this case alone, with the given levels below it.
func (k *Kit) Topic(levels string) string { return "conform/" + k.name + "/" + levels }

// Dial opens a connection on which nothing was sent; it is closed after the case.
func (k *Kit) Dial() *Client {
	return k.client(k.dial(k.URL))
}

// dial opens a connection to the host of an address, over TLS where its scheme says so.
func (k *Kit) dial(address string) net.Conn {
	u, err := url.Parse(address)
	if err != nil {
		k.Fatalf("%v", err)
	}
	var conn net.Conn
	if u.Scheme == "unix" {
		conn, err = net.DialTimeout("unix", u.Path, patience)
	} else if u.Scheme == "mqtts" || u.Scheme == "wss" {
		conn, err = tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", u.Host, k.TLS)
	} else {
		conn, err = net.DialTimeout("tcp", u.Host, patience)
	}
	if err != nil {
		k.Fatalf("dial: %v", err)
	}
	return conn
}

func (k *Kit) client(conn net.Conn) *Client {
	c := &Client{k: k, V: k.V, conn: conn, incoming: make(chan *wire.Packet, 1<<16), ended: make(chan struct{})}
	k.Cleanup(func() { conn.Close() })
	go c.read()
	return c
}

// An option changes the CONNECT that Packet makes.
type option func(*wire.Connect)

func withID(id string) option       { return func(c *wire.Connect) { c.ClientID = id } }
func withClean(on bool) option      { return func(c *wire.Connect) { c.Clean = on } }
func withKeepAlive(s uint16) option { return func(c *wire.Connect) { c.KeepAlive = s } }
func withWill(w wire.Will) option   { return func(c *wire.Connect) { c.Will = &w } }
func withVersion(v byte) option     { return func(c *wire.Connect) { c.Version = v } }
func withUser(u, p *string) option  { return func(c *wire.Connect) { c.User, c.Password = u, p } }
func withProps(p ...wire.Prop) option {
	return func(c *wire.Connect) { c.Props = append(c.Props, p...) }
}

// kept asks for a session that outlives its connection by a minute.
func kept(id string) option {
	return func(c *wire.Connect) {
		c.ClientID, c.Clean = id, false
		if c.Version >= wire.V5 {
			c.Props = append(c.Props, wire.Num(wire.SessionExpiry, 60))
		}
	}
}

// Packet is a CONNECT of this run's version with the target's credentials, a
// fresh client identifier and Clean Start, changed by the options.
func (k *Kit) Packet(opts ...option) wire.Connect {
	p := wire.Connect{Version: k.V, Clean: true, ClientID: k.Name()}
	if k.User != "" {
		p.User = &k.Target.User
	}
	if k.Password != "" {
		p.Password = &k.Target.Password
	}
	for _, o := range opts {
		o(&p)
	}
	return p
}

// Open sends a CONNECT and returns the CONNACK whatever it says.
func (k *Kit) Open(opts ...option) (*Client, *wire.Packet) {
	c := k.Dial()
	return c, c.Open(k.Packet(opts...))
}

// Connect opens a connection that must be accepted. What a session keeps is
// removed after the case.
func (k *Kit) Connect(opts ...option) *Client {
	c, ack := k.Open(opts...)
	if ack == nil || ack.Type != wire.CONNACK || ack.Reason != 0 {
		k.Fatalf("CONNECT answered by %v", ack)
	}
	c.Connack = ack
	p := k.Packet(opts...)
	if !p.Clean || p.Props.Has(wire.SessionExpiry) {
		k.Cleanup(func() {
			w, ack := k.Open(withID(p.ClientID), withVersion(p.Version))
			if ack != nil && ack.Reason == 0 {
				w.Bye()
			}
		})
	}
	return c
}

// Retain publishes a retained message and takes it away after the case.
func (k *Kit) Retain(c *Client, p wire.Publish) {
	k.Clear(p.Topic)
	p.Retain = true
	if r := c.Publish(p); r >= 0x80 {
		k.Fatalf("retained publish refused by %#02x", r)
	}
	c.Ping()
}

// Clear removes the retained message of a topic after the case.
func (k *Kit) Clear(topic string) {
	k.Cleanup(func() {
		c := k.Connect(withVersion(wire.V311))
		c.Publish(wire.Publish{Topic: topic, QoS: 1, Retain: true})
		c.Bye()
	})
}

// Retained subscribes a fresh client and returns the messages which that alone
// brings, in any order.
func (k *Kit) Retained(filter string) []*wire.Packet {
	c := k.Connect()
	c.Subscribe(filter, 2)
	got := c.Drain()
	c.Bye()
	return got
}

// Until tries f until it holds, for as long as patience allows.
func (k *Kit) Until(what string, f func() bool) {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if f() {
			return
		}
	}
	k.Fatalf("never: %s", what)
}

func payloads(ps []*wire.Packet) string {
	var s []string
	for _, p := range ps {
		s = append(s, p.Payload)
	}
	return strings.Join(s, " ")
}

// Pair is a publisher, and a subscriber of one filter.
func (k *Kit) Pair(filter string, options byte) (pub, sub *Client) {
	pub, sub = k.Connect(), k.Connect()
	sub.Grant(filter, options)
	return pub, sub
}

// Raw sends bytes on a connection of their own and returns every byte that
// comes back until the broker closes; it fails the case when it does not.
func (k *Kit) Raw(b []byte) []byte {
	conn := k.dial(k.URL)
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	conn.Write(b)
	got, err := io.ReadAll(conn)
	if t, ok := err.(net.Error); ok && t.Timeout() {
		k.Fatalf("the connection stays open; came %x", got)
	}
	return got
}
