package server

import (
	"net/netip"

	"alcove/internal/broker"
	"alcove/internal/mqtt"
)

// Deliver appends one PUBLISH. See broker.Outlet. It is the hottest function of
// the broker: once for each receiver of each message.
func (c *Conn) Deliver(t *broker.Turn, d *broker.Delivery) broker.Outcome {
	o := &c.out
	o.mu.Lock()
	outcome := c.deliver(t, d)
	o.mu.Unlock()
	return outcome
}

// deliver is Deliver under out.mu.
func (c *Conn) deliver(t *broker.Turn, d *broker.Delivery) broker.Outcome {
	o := &c.out
	if o.state&(outEnding|outClosed) != 0 {
		return broker.Gone
	}
	if d.Live != nil && d.Live.Load() != d.Gen {
		return broker.Stale
	}
	if d.QoS == mqtt.QoS0 && o.state&(outAbove|outSlow) != 0 && !c.admit(t, d) {
		c.loop.stats.dropped.Add(1)
		return broker.Full
	}
	size := 0
	if p := d.Packet; p != nil && o.aliasMax == 0 {
		if size = len(p); !o.fits(size) {
			return broker.TooLarge // [MQTT-3.1.2-24] [MQTT-3.1.2-25]
		}
		ch := o.queue.reserve(size)
		ch.w += copy(ch.mem[ch.w:], p)
	} else if size = c.encode(d); size == 0 {
		return broker.TooLarge
	}
	o.sent++
	c.grown(size)
	c.touch(t)
	return broker.Sent
}

// encode appends a PUBLISH that is encoded for this client, and returns its size, or 0
// where the client does not take it. The caller holds out.mu.
func (c *Conn) encode(d *broker.Delivery) (size int) {
	o, m := &c.out, d.Message
	h := d.Head(o.version)
	if o.aliasMax != 0 {
		if size = o.aliased(&h); size == 0 {
			return 0
		}
	} else if size = h.Size(); !o.fits(size) {
		return 0 // [MQTT-3.1.2-24] [MQTT-3.1.2-25]
	}
	if len(m.Payload) < shareSize && len(d.Forward) < shareSize {
		ch := o.queue.reserve(size)
		b := h.Append(ch.mem[:ch.w])
		b = append(b, d.Forward...)
		b = append(b, d.Stamps...)
		ch.w = len(append(b, m.Payload...))
	} else {
		c.appendShared(d, &h, size)
	}
	return size
}

// Peer is where the client is, and how it comes. See broker.Outlet.
func (c *Conn) Peer() (netip.AddrPort, string) {
	return c.remote.addrPort(), transportNames[c.transport]
}

// Sent is how many PUBLISH packets were appended. See broker.Outlet.
func (c *Conn) Sent() uint64 {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return c.out.sent
}

// fits tells whether the client takes a packet of this size.
func (o *output) fits(size int) bool {
	return size <= mqtt.MaxPacketSize && (o.maxPacket == 0 || size <= int(o.maxPacket))
}

// appendShared appends a PUBLISH whose body is large: its bytes are referred to,
// so that they exist once for all receivers. The caller holds out.mu.
func (c *Conn) appendShared(d *broker.Delivery, h *mqtt.PublishHead, size int) {
	q := &c.out.queue
	forward, borrowed := d.Forward, d.Message.Forward
	m := d.Keep()
	if len(forward) > 0 && len(borrowed) > 0 && &forward[0] == &borrowed[0] {
		forward = m.Forward // else it is a copy of its own already
	}
	own := size - len(forward) - len(d.Stamps) - h.PayloadLen
	ch := q.reserve(own)
	ch.w = len(h.Append(ch.mem[:ch.w]))
	q.appendOrShare(forward)
	if n := len(d.Stamps); n > 0 {
		ch = q.reserve(n)
		ch.w += copy(ch.mem[ch.w:], d.Stamps)
	}
	if h.PayloadLen > 0 {
		q.appendOrShare(m.Payload)
	}
}

// appendOrShare copies what is small and refers to what is large.
func (q *chunks) appendOrShare(b []byte) {
	if len(b) >= shareSize {
		q.share(b)
		return
	}
	ch := q.reserve(len(b))
	ch.w += copy(ch.mem[ch.w:], b)
}

// admit decides about a QoS 0 message for an output above its low-water mark: it
// holds the publisher back where it may, and tells whether the message is taken.
// The caller holds out.mu.
//
// A receiver presses back on publishers of its own account only, for pressTime
// from when it filled; if it has not drained by then it is slow, and drops until
// it has. What cannot be held back (Wills, REST, other accounts) is dropped
// without pressing, and a connection whose own output is full is never held back:
// two clients that publish to each other would wait for each other.
func (c *Conn) admit(t *broker.Turn, d *broker.Delivery) bool {
	o, m := &c.out, &c.loop.marks
	if o.state&outSlow != 0 || o.size >= m.hard {
		return false
	}
	if o.size < m.soft {
		return true
	}
	if !d.Own {
		return false
	}
	l := c.loop.srv.loopOf(t)
	if l == nil || l.feeding == nil {
		return false
	}
	now := t.Now.UnixNano()
	if o.state&outPressed == 0 {
		o.state |= outPressed
		o.rarely().pressEnd = now + int64(pressTime)
	} else if now >= o.rarely().pressEnd {
		o.state |= outSlow
		return false
	}
	if from := l.feeding; from != c && !from.out.over.Load() {
		l.press(from, c)
	}
	return true
}

// outAliasTable holds the Topic Aliases given towards one client: the first Topic
// Names sent to it, as many as it takes (and outAliases at most), for as long as
// it is connected [MQTT-3.3.2-7].
type outAliasTable struct {
	names  map[string]uint16
	topics []string // by alias, from 1
	last   string   // the latest one looked up
	alias  uint16   // its alias
}

// aliased completes h by a Topic Alias where there is one or one is free, and
// returns the packet's size, or 0 where the client does not take it. An alias is
// spent only on a packet that goes out. The caller holds out.mu.
//
// [MQTT-3.1.2-26] [MQTT-3.1.2-27] [MQTT-3.3.2-11]
func (o *output) aliased(h *mqtt.PublishHead) (size int) {
	table := o.rarely().aliases
	if t := table; t != nil {
		if t.last == h.Topic {
			h.Alias, h.OmitTopic = t.alias, true
		} else if alias, ok := t.names[h.Topic]; ok {
			h.Alias, h.OmitTopic = alias, true
			t.last, t.alias = t.topics[alias-1], alias
		}
	}
	if h.OmitTopic {
		if size = h.Size(); !o.fits(size) {
			return 0
		}
		return size
	}
	fresh := 0
	if table != nil {
		fresh = len(table.names)
	}
	if fresh < min(int(o.aliasMax), outAliases) && len(h.Topic) <= outAliasTopic {
		h.Alias = uint16(fresh) + 1
		if size = h.Size(); o.fits(size) {
			o.spend(h.Topic, h.Alias)
			return size
		}
		h.Alias = 0 // three bytes less
	}
	if size = h.Size(); !o.fits(size) {
		return 0
	}
	return size
}

// spend notes that alias stands for topic from now on.
func (o *output) spend(topic string, alias uint16) {
	x := o.rarely()
	if x.aliases == nil {
		x.aliases = &outAliasTable{names: make(map[string]uint16, 4)}
	}
	topic = string([]byte(topic)) // the message is borrowed
	t := x.aliases
	t.names[topic] = alias
	t.topics = append(t.topics, topic)
	t.last, t.alias = topic, alias
}
