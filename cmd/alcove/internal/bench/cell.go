package bench

import (
	"math/rand/v2"
	"sync"
	"time"

	"alcove/internal/mqtt"
)

// pace says how the publishers of a cell decide when to send.
type pace struct {
	window int     // messages a publisher may be ahead of its slowest subscriber, and unacknowledged
	batch  int     // messages in one write
	limit  uint64  // messages a publisher sends in all; 0: no limit
	rate   float64 // messages a second of all publishers together; 0: closed loop
	share  int     // number of publishers that share the rate
	start  int64   // when the first message is due, on the run's clock
	alone  bool    // no subscriber is listening: only acknowledgements hold back
	step   int     // messages that are due together in an open loop: a whole batch of QoS 0; 0: one
}

// due returns when message seq of the publisher with the given place is due. The
// publishers' turns are spread evenly.
func (p *pace) due(place int, seq uint64) int64 {
	step := uint64(max(1, p.step))
	return p.start + int64(float64((seq/step*uint64(p.share)+uint64(place))*step)/p.rate*1e9)
}

// scatter makes a publisher write to a different topic each time: the decimal digits
// at two places of each packet are replaced.
type scatter struct {
	at     []int // offsets of the numbers within a packet
	digits int
	count  uint32 // numbers 0 to count-1
	serial bool   // in turn rather than at random
}

// cell is a topic with its publishers and subscribers.
type cell struct {
	mu      sync.Mutex
	version mqtt.Version
	qos     mqtt.QoS
	form    form
	pace    pace
	scatter *scatter
	judge   judge  // nil: every subscriber gets every message, in order
	fan     uint64 // with a judge: deliveries expected of each message
	meter   *meter
	pubs    []*publisher
	subs    []*link
	stopped bool       // publishers send no more
	hist    *Histogram // of an open loop
	acks    *Histogram // from a PUBLISH to its acknowledgement, where that is measured
	first   error
}

// publisher is the sending side of a link.
type publisher struct {
	link     *link
	number   uint32 // within the cell
	place    int    // within the run, for the rate
	tmpl     template
	sent     uint64
	acked    uint64
	got      uint64 // deliveries of its messages
	floor    uint64 // every subscriber has seen the messages below it
	behind   int    // subscribers below floor + quantum
	rng      *rand.Rand
	retired  bool      // has sent all and closed its connection
	lateness Histogram // of an open loop: how late the driver itself was
	asked    []int64   // when what is not acknowledged was due, by sequence number modulo its length
}

// acknowledge counts the next n messages of p as acknowledged: a broker answers in the
// order in which they were sent [MQTT-4.6.0-2]. Called with c.mu held.
func (c *cell) acknowledge(p *publisher, n uint64, now int64) {
	if c.acks != nil {
		for i := range n {
			if due := p.asked[(p.acked+i)%uint64(len(p.asked))]; c.meter.measures(due) {
				c.acks.Record(now - due)
			}
		}
	}
	p.acked += n
}

// quantum is the step in which a publisher's floor rises when it has several
// subscribers: with it the slowest need not be sought for each message.
func (c *cell) quantum() uint64 { return uint64(max(1, min(c.pace.batch, c.pace.window/4))) }

// begin sets the publishers' floors once the subscribers are known.
func (c *cell) begin() {
	for _, p := range c.pubs {
		p.behind = len(c.subs)
	}
}

// credit returns how many messages p may send now.
func (c *cell) credit(p *publisher) int {
	n := c.pace.window
	if c.qos > 0 {
		n -= int(p.sent - p.acked)
	}
	switch {
	case c.pace.rate > 0 || c.pace.alone:
	case c.judge != nil:
		n = min(n, c.pace.window-int(p.sent-p.got/c.fan))
	default:
		n = min(n, c.pace.window-int(p.sent-p.floor))
	}
	if c.pace.limit > 0 {
		n = min(n, int(c.pace.limit-p.sent))
	}
	return n
}

// fill lets each publisher send what it may. Called with c.mu held.
func (c *cell) fill(now int64) {
	if c.stopped {
		return
	}
	for _, p := range c.pubs {
		for p.link.idle() {
			n := min(c.credit(p), c.pace.batch)
			if c.pace.rate > 0 {
				n = c.ripe(p, n, now)
			} else if c.qos == 0 && n < c.pace.batch && c.pace.limit == 0 {
				break // QoS 0 goes out in whole batches
			}
			if n <= 0 {
				break
			}
			c.send(p, n, now)
		}
	}
}

// ripe returns how many of p's next n messages are due.
func (c *cell) ripe(p *publisher, n int, now int64) int {
	for i := range n {
		if c.pace.due(p.place, p.sent+uint64(i)) > now {
			return i
		}
	}
	return n
}

func (c *cell) send(p *publisher, n int, now int64) {
	for i := range n {
		due := now
		if c.pace.rate > 0 {
			due = c.pace.due(p.place, p.sent)
			p.lateness.Record(now - due)
		}
		p.tmpl.set(i, p.number, p.sent, due)
		if c.acks != nil {
			p.asked[p.sent%uint64(len(p.asked))] = due
		}
		if c.scatter != nil {
			c.scatter.set(p, i)
		}
		p.sent++
	}
	c.meter.sent.Add(uint64(n))
	p.link.write(p.tmpl.packets[:n*p.tmpl.size])
}

// set writes the numbers of the topic of the packet at index i.
func (s *scatter) set(p *publisher, i int) {
	b := p.tmpl.packets[i*p.tmpl.size:]
	for _, at := range s.at {
		n := p.rng.Uint32N(s.count)
		if s.serial {
			n = uint32(p.sent) % s.count
		}
		for d := s.digits - 1; d >= 0; d-- {
			b[at+d] = '0' + byte(n%10)
			n /= 10
		}
	}
}

// deliver checks a PUBLISH received on l. Called with c.mu held.
func (c *cell) deliver(l *link, topic, payload []byte, now int64) error {
	number, seq, due, ok := c.form.read(payload)
	if !ok || number >= uint32(len(l.flows)) {
		return errAlien
	}
	c.pubs[number].got++
	if c.judge == nil {
		l.flows[number].see(seq)
	} else if err := c.judge.see(l, number, seq, topic); err != nil {
		c.fail(err)
	}
	if c.hist != nil && c.meter.measures(due) {
		c.hist.Record(now - due)
	}
	return nil
}

// advance raises the floors of the publishers after l has received. Called with c.mu
// held.
func (c *cell) advance(l *link) {
	if c.judge != nil || c.pace.rate > 0 {
		return
	}
	q := c.quantum()
	for i, p := range c.pubs {
		f := &l.flows[i]
		if len(c.subs) == 1 {
			p.floor = min(f.next, p.sent)
			continue
		}
		if f.next < p.floor+q || f.passed == p.floor+q {
			continue
		}
		f.passed = p.floor + q
		if p.behind--; p.behind == 0 {
			c.raise(p, q)
		}
	}
}

// raise moves p's floor up as far as all subscribers allow.
func (c *cell) raise(p *publisher, q uint64) {
	for p.behind == 0 {
		p.floor += q
		for _, s := range c.subs {
			f := &s.flows[p.number]
			if f.next >= p.floor+q {
				f.passed = p.floor + q
			} else {
				p.behind++
			}
		}
	}
}

// unstick counts what has not come as lost, so that the publishers go on.
func (c *cell) unstick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pace.alone {
		return
	}
	for _, p := range c.pubs {
		for _, s := range c.subs {
			f := &s.flows[p.number]
			if f.next < p.sent && c.judge == nil {
				f.lost += p.sent - f.next
				f.next = p.sent
			}
		}
		if c.judge == nil {
			p.floor, p.behind = p.sent, len(c.subs)
		} else {
			p.got = max(p.got, p.sent*c.fan) // tally counts by the flows
		}
	}
	c.fill(c.meter.now())
}

// settled reports whether everything sent has been acknowledged and received.
func (c *cell) settled() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.pubs {
		if !p.link.idle() || c.qos > 0 && p.acked < p.sent {
			return false
		}
		if c.pace.limit > 0 && p.sent < c.pace.limit {
			return false
		}
		if c.pace.alone {
			continue
		}
		if c.judge != nil {
			if p.got < p.sent*c.fan {
				return false
			}
			continue
		}
		for _, s := range c.subs {
			if s.flows[p.number].absent(p.sent) > s.flows[p.number].lost {
				return false
			}
		}
	}
	return true
}

// fail keeps the first error of the cell. Called with c.mu held.
func (c *cell) fail(err error) {
	c.meter.errors.Add(1)
	if c.first == nil {
		c.first = err
	}
}

// clock is the run's time in nanoseconds since it began.
type clock struct{ zero time.Time }

func (c clock) now() int64 { return int64(time.Since(c.zero)) }
