package broker_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"alcove/internal/broker"
	"alcove/internal/mqtt"
)

type role byte

const (
	steady    role = iota // persistent, one subscription for ever
	member                // persistent, one share group for ever
	wild                  // subscribes, unsubscribes, cleans
	narrow                // its token changes
	publisher             // publishes
)

// device is one client identifier, and what its user knows whatever connection
// it uses.
type device struct {
	name       string
	account    int
	role       role
	persistent bool
	version    mqtt.Version
	filter     string
	qos        mqtt.QoS

	mu      sync.Mutex
	current *peer
	certain bool // the broker has said that it holds the session
	joined  bool // and the subscription
	// Of several connects under way nobody knows which comes first, so one with
	// Clean Start is alone.
	connecting int
	cleaning   bool
	qos2       map[uint16]item
	got        map[stream]map[int]int
	next       map[stream]int
	out        []*sending
	lastPID    uint16

	fmu     sync.Mutex
	filters map[string]*filterState
}

// filterState is one filter of a wild device.
type filterState struct {
	active bool
	gen    int
	gone   int64 // the clock at its UNSUBACK
}

// sending is a PUBLISH of the device that is not complete.
type sending struct {
	pid      uint16
	item     item
	released bool
}

func newDevice(name string, account int, r role) *device {
	return &device{
		name: name, account: account, role: r, persistent: true, version: mqtt.V5,
		qos2: map[uint16]item{}, got: map[stream]map[int]int{}, next: map[stream]int{},
		filters: map[string]*filterState{},
	}
}

// unsubscribed notes an UNSUBACK which was appended just now.
func (d *device) unsubscribed(p *peer, pid uint16, clock int64) {
	d.fmu.Lock()
	defer d.fmu.Unlock()
	for _, word := range p.offers[pid] {
		filter, gen, _ := strings.Cut(word, " ")
		if f := d.filters[filter]; f != nil && fmt.Sprint(f.gen) == gen {
			f.active, f.gone = false, clock
		}
	}
	delete(p.offers, pid)
}

// wants tells whether a subscription may still deliver a message: one is in
// force, or was when it was published.
func (d *device) wants(it item) bool {
	d.fmu.Lock()
	defer d.fmu.Unlock()
	for filter, f := range d.filters {
		if matches(filter, it.stream.topic()) && (f.active || it.clock < f.gone) {
			return true
		}
	}
	return false
}

// matches is topic matching without any cleverness.
func matches(filter, name string) bool {
	if s, ok := strings.CutPrefix(filter, "$share/"); ok {
		_, filter, _ = strings.Cut(s, "/")
	}
	f, n := strings.Split(filter, "/"), strings.Split(name, "/")
	for i, level := range f {
		switch {
		case level == "#":
			return true
		case i >= len(n) || level != "+" && level != n[i]:
			return false
		}
	}
	return len(f) == len(n)
}

// connect lets the device connect from this loop, whatever else it has.
func (l *stressLoop) connect(d *device, clean bool, r *rand.Rand) {
	p := &peer{
		d: d, l: l, version: d.version, clean: clean, window: 1000,
		offers: map[uint16][]string{}, inflight: map[uint16]bool{}, asked: map[uint16]item{}, last: map[order]int{},
	}
	c := &mqtt.Connect{Version: d.version, CleanStart: clean, ClientID: []byte(d.name), Props: mqtt.NewConnectProps()}
	if d.version == mqtt.V5 {
		p.window = 1 + r.IntN(12)
		c.Props.ReceiveMaximum = uint16(p.window)
		if d.persistent {
			c.Props.SessionExpiry = 100_000
		}
	}
	grant, err := l.s.directory.LoginKey(l.s.key(d), testAddr.Addr(), time.Now())
	if err != nil {
		return // its token was just revoked
	}
	d.mu.Lock()
	if d.cleaning || clean && d.connecting > 0 {
		d.mu.Unlock()
		return
	}
	d.current = p
	d.connecting++
	if d.cleaning = clean; clean { // what it knows of the session goes now
		d.certain, d.joined, d.out = false, false, nil
		clear(d.qos2)
	}
	d.mu.Unlock()
	l.peers = append(l.peers, p)
	request := &broker.ConnectRequest{Packet: c, Grant: grant, Outlet: p}
	l.s.broker.Connect(l.turn, request, func(t *broker.Turn, got broker.Connected, err error) {
		p.connected = true
		defer d.attached(p)
		switch {
		case err != nil:
			// A newer one may have come while this one waited.
			var e *mqtt.Error
			if !l.s.log.dead.Load() && (!errors.As(err, &e) || e.Code != mqtt.ConnectionRateExceeded) {
				l.s.fail("%s: refused: %v", d.name, err)
			}
			p.closed, p.refused = true, true
		case p.closed:
			got.Link.Detach(t, errors.New("it had gone"))
		default:
			p.link = got.Link
		}
	})
}

// attached notes the end of a connect.
func (d *device) attached(p *peer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p.refused && d.current == p {
		d.current = nil
	}
	d.connecting--
	d.cleaning = false
}

// hangUp ends the connection as a network failure does.
func (p *peer) hangUp() {
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	if !p.closed {
		p.closed = true
		p.link.Detach(p.l.turn, errors.New("connection reset"))
	}
	p.d.mu.Lock()
	if p.d.current == p {
		p.d.current = nil
	}
	p.d.mu.Unlock()
}

// try checks what a link's method says: a correct client gets no error while
// the store works.
func (p *peer) try(err error) {
	if err == nil {
		return
	}
	if !p.l.s.log.dead.Load() {
		p.l.s.fail("%s: %v", p.d.name, err)
	}
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
}

// consume handles what has come for the client.
func (p *peer) consume(r *rand.Rand) {
	p.mu.Lock()
	in, ended := p.in, p.ended
	p.in = nil
	p.mu.Unlock()
	d := p.d
	d.mu.Lock()
	if d.current != p {
		d.mu.Unlock()
		if ended || p.l.s.draining.Load() || r.IntN(5) == 0 {
			p.hangUp()
		}
		return
	}
	for _, x := range in {
		p.l.s.progress.Add(1)
		p.handle(x)
	}
	d.mu.Unlock()
	if ended {
		p.hangUp()
		return
	}
	n := r.IntN(4)
	if p.l.s.draining.Load() {
		n = len(p.todo)
	}
	for ; n > 0 && len(p.todo) > 0 && !p.closed; n-- {
		i := r.IntN(len(p.todo))
		a := p.todo[i]
		p.todo = append(p.todo[:i], p.todo[i+1:]...)
		if a.Type == mqtt.TypePuback || a.Type == mqtt.TypePubcomp {
			p.mu.Lock()
			delete(p.inflight, a.PacketID)
			p.mu.Unlock()
		}
		p.try(p.link.Ack(p.l.turn, &a))
	}
}

// handle takes one packet. Under d.mu.
func (p *peer) handle(x packet) {
	d, s := p.d, p.l.s
	switch x.typ {
	case mqtt.TypeConnack:
		p.greet(x)
	case mqtt.TypePublish:
		p.receive(x)
	case mqtt.TypePubrel:
		delete(d.qos2, x.pid)
		p.todo = append(p.todo, mqtt.Ack{Type: mqtt.TypePubcomp, PacketID: x.pid})
	case mqtt.TypeSuback:
		d.joined = true
	case mqtt.TypePuback, mqtt.TypePubcomp:
		d.finish(x.pid)
	case mqtt.TypePubrec:
		if x.code.Failed() {
			d.finish(x.pid)
			return
		}
		for _, o := range d.out {
			if o.pid == x.pid {
				o.released = true
				p.todo = append(p.todo, mqtt.Ack{Type: mqtt.TypePubrel, PacketID: x.pid})
				return
			}
		}
		s.fail("%s: PUBREC %d for nothing", d.name, x.pid)
	}
}

func (d *device) finish(pid uint16) {
	for i, o := range d.out {
		if o.pid == pid {
			d.out = append(d.out[:i], d.out[i+1:]...)
			return
		}
	}
}

// greet takes CONNACK. Under d.mu.
func (p *peer) greet(x packet) {
	d, s := p.d, p.l.s
	p.greeted = true
	switch {
	case p.clean && x.present:
		s.fail("%s: Session Present after Clean Start", d.name) // [MQTT-3.2.2-2]
	case d.certain && !x.present:
		s.fail("%s: its session is gone", d.name)
	}
	if !x.present {
		clear(d.qos2)
		d.out, d.joined = nil, false
		d.fmu.Lock()
		for _, f := range d.filters {
			f.active = false
			f.gone = max(f.gone, s.clock.Add(1))
		}
		d.fmu.Unlock()
	}
	d.certain = d.persistent
	again := d.out
	d.out = nil
	for _, o := range again {
		switch {
		case o.released:
			d.out = append(d.out, o)
			p.todo = append(p.todo, mqtt.Ack{Type: mqtt.TypePubrel, PacketID: o.pid})
		case o.item.stream.qos == mqtt.QoS2: // a QoS 1 message is left unknown
			d.out = append(d.out, o)
			p.publish(o, true)
		}
	}
	if !d.joined && d.filter != "" {
		p.subscribe(d.filter, d.qos)
	}
}

// receive takes a PUBLISH. Under d.mu.
func (p *peer) receive(x packet) {
	d, s := p.d, p.l.s
	it := x.item
	if it.stream.class == 't' { // of a shared one there may be several copies
		o := order{it.stream, x.qos}
		if last, ok := p.last[o]; ok && it.seq <= last {
			s.fail("%s: %v: %d after %d on one connection", d.name, o, it.seq, last) // [MQTT-4.6.0-5] [MQTT311-4.6.0-6]
		}
		p.last[o] = it.seq
	}
	switch x.qos {
	case mqtt.QoS1:
		p.todo = append(p.todo, mqtt.Ack{Type: mqtt.TypePuback, PacketID: x.pid})
	case mqtt.QoS2:
		p.todo = append(p.todo, mqtt.Ack{Type: mqtt.TypePubrec, PacketID: x.pid})
		if old, ok := d.qos2[x.pid]; ok {
			if old.stream != it.stream || old.seq != it.seq {
				s.fail("%s: identifier %d of %v %d is used for %v %d", d.name, x.pid, old.stream, old.seq, it.stream, it.seq)
			}
			return
		}
		d.qos2[x.pid] = it
	}
	if d.got[it.stream] == nil {
		d.got[it.stream] = map[int]int{}
	}
	d.got[it.stream][it.seq]++
}

// publish sends a PUBLISH. Under d.mu.
func (p *peer) publish(o *sending, dup bool) {
	x := mqtt.Publish{Topic: []byte(o.item.stream.topic()), Payload: o.item.payload(), QoS: o.item.stream.qos, PacketID: o.pid, Dup: dup}
	if x.QoS > 0 {
		p.mu.Lock()
		if _, twice := p.asked[o.pid]; twice {
			panic("the client uses an identifier twice")
		}
		p.asked[o.pid] = o.item
		p.mu.Unlock()
	}
	if err := p.link.Publish(p.l.turn, &x); err != nil && !p.l.s.log.dead.Load() {
		p.l.s.fail("%s: PUBLISH: %v", p.d.name, err)
	}
}

// something new is published.
func (p *peer) speak(r *rand.Rand) {
	d := p.d
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.current != p || !p.greeted || p.closed || len(d.out) > 20 {
		return
	}
	x := stream{class: "tttttssz"[r.IntN(8)], account: d.account, qos: mqtt.QoS(r.IntN(3))}
	_, _ = fmt.Sscanf(d.name, "pub%d", &x.pub)
	o := &sending{item: item{stream: x, seq: d.next[x], clock: p.l.s.clock.Add(1)}}
	d.next[x]++
	if x.qos > 0 {
		o.pid = d.freeID()
		d.out = append(d.out, o)
	}
	p.publish(o, false)
}

func (d *device) freeID() uint16 {
	for {
		d.lastPID++
		used := d.lastPID == 0
		for _, o := range d.out {
			used = used || o.pid == d.lastPID
		}
		if !used {
			return d.lastPID
		}
	}
}

// subscribe and unsubscribe send one filter.
func (p *peer) subscribe(filter string, qos mqtt.QoS) {
	p.nextOffer++
	x := mqtt.Subscribe{PacketID: p.nextOffer}
	x.Add(filter, mqtt.SubscribeOptions{QoS: qos})
	raw := x.Append(nil, p.version)
	h, n, _ := mqtt.DecodeHeader(raw)
	var y mqtt.Subscribe
	if err := y.Decode(p.version, h, raw[n:]); err != nil {
		panic(err)
	}
	p.d.fmu.Lock()
	f := p.d.filters[filter]
	if f == nil {
		f = &filterState{}
		p.d.filters[filter] = f
	}
	f.active = true
	f.gen++
	p.d.fmu.Unlock()
	p.try(p.link.Subscribe(p.l.turn, &y))
}

func (p *peer) unsubscribe(filter string) {
	p.nextOffer++
	x := mqtt.Unsubscribe{PacketID: p.nextOffer}
	x.Add(filter)
	raw := x.Append(nil, p.version)
	h, n, _ := mqtt.DecodeHeader(raw)
	var y mqtt.Unsubscribe
	if err := y.Decode(p.version, h, raw[n:]); err != nil {
		panic(err)
	}
	p.d.fmu.Lock()
	if f := p.d.filters[filter]; f != nil {
		p.offers[p.nextOffer] = []string{fmt.Sprint(filter, " ", f.gen)}
	}
	p.d.fmu.Unlock()
	p.try(p.link.Unsubscribe(p.l.turn, &y))
}
