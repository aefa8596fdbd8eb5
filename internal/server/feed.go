package server

import (
	"alcove/internal/broker"
	"alcove/internal/mqtt"
)

var (
	errPacketTooLarge = &mqtt.Error{Code: mqtt.PacketTooLarge, Reason: "packet exceeds Maximum Packet Size"}
	errNotConnect     = &mqtt.Error{Code: mqtt.ProtocolError, Reason: "the first packet is not CONNECT"}
)

// feed takes the next bytes of the stream of packets, which are borrowed for the
// call. Whole packets are handled where they lie; what remains goes into tail.
func (c *Conn) feed(t *broker.Turn, b []byte) {
	for len(b) > 0 && c.state < stateClosing {
		switch {
		case c.holds != 0:
			c.keep(b, 0)
			return
		case c.tail != nil:
			b = b[c.complete(t, b):]
		default:
			n, size := c.take(t, b)
			if n == 0 {
				c.keep(b, size)
				if c.holds == 0 {
					c.packetBegins()
				}
				return
			}
			b = b[n:]
		}
	}
}

// complete moves bytes of b to tail, as many as the packet there lacks, handles it
// if it is whole, and returns how many that were.
func (c *Conn) complete(t *broker.Turn, b []byte) int {
	size := c.measure(c.tail.b)
	lacks := 1 // of the fixed header at least
	if size > len(c.tail.b) {
		lacks = size - len(c.tail.b)
	}
	n := min(lacks, len(b))
	c.keep(b[:n], size)
	if n < lacks {
		return n
	}
	packet := c.tail
	c.tail = nil
	if used, _ := c.take(t, packet.b); used == 0 {
		c.tail = packet // there was more of the header to come
		return n
	}
	c.begun = 0
	c.loop.tails.put(packet)
	return n
}

// measure returns the size of the packet at the start of b, 0 while that cannot be
// told.
func (c *Conn) measure(b []byte) int {
	if c.state == stateProxy {
		return 0
	}
	h, n, err := mqtt.DecodeHeader(b)
	if err != nil || n == 0 {
		return 0
	}
	return n + h.Remaining
}

// take handles the packet at the start of b and returns its size. Where b does not
// hold the whole of it, or its account has published too much, n is 0, and size what it
// will be if that can be told.
// Where the packet ends the connection, n is the length of b.
func (c *Conn) take(t *broker.Turn, b []byte) (n, size int) {
	if c.state == stateProxy {
		return c.takeProxy(t, b), 0
	}
	h, n, err := mqtt.DecodeHeader(b)
	switch {
	case err != nil:
		c.fail(t, err)
		return len(b), 0
	case c.state == stateNew && mqtt.PacketType(b[0]>>4) != mqtt.TypeConnect:
		c.fail(t, errNotConnect) // [MQTT-3.1.0-1] [MQTT311-3.1.0-1]
		return len(b), 0
	case n == 0:
		return 0, 0
	}
	size = n + h.Remaining
	if size > c.packetLimit() {
		if c.state == stateNew && asksForV5(b[n:]) {
			c.out.version = mqtt.V5 // so that CONNACK says why
		}
		c.fail(t, errPacketTooLarge) // [MQTT-3.2.2-15] [EXT-LIM-1]
		return len(b), 0
	}
	if len(b) < size {
		return 0, size
	}
	if h.Type == mqtt.TypePublish && c.state == stateUp {
		switch c.pace(t) {
		case paceWait:
			return 0, size
		case paceSkip:
			return size, size
		}
	}
	c.loop.stats.packetsIn.Add(1)
	c.packet(t, h, b[:size])
	return size, size
}

// asksForV5 tells whether the body of a CONNECT begins as one of MQTT 5 does.
func asksForV5(body []byte) bool {
	const begin = "\x00\x04MQTT\x05"
	return len(body) >= len(begin) && string(body[:len(begin)]) == begin
}

// packetLimit is the largest packet that the client may send now.
func (c *Conn) packetLimit() int {
	s := c.loop.srv
	if c.state < stateUp {
		return min(s.cfg.Limits.ConnectPacketSize, int(s.limits.MaximumPacketSize))
	}
	return int(s.limits.MaximumPacketSize)
}

// packetBegins notes when the packet in tail began.
func (c *Conn) packetBegins() {
	c.begun = c.loop.tick
	c.arm()
}

// keep appends b to tail. size is that of the packet there, 0 if it is not known:
// memory grows with the bytes that have come, by doubling, and not beyond it.
func (c *Conn) keep(b []byte, size int) {
	if len(b) == 0 {
		return // an empty tail would be one more thing to look for
	}
	need := c.tail.len() + len(b)
	if c.tail == nil {
		c.tail = c.loop.tails.get(need)
	} else if need > cap(c.tail.b) {
		room := 2 * need
		if size >= need {
			room = min(room, size)
		}
		old := c.tail
		c.tail = &tail{append(make([]byte, 0, room), old.b...)}
		c.loop.tails.put(old)
	}
	c.tail.b = append(c.tail.b, b...)
}

// dropTail throws tail away.
func (c *Conn) dropTail() {
	if c.tail != nil {
		c.loop.tails.put(c.tail)
		c.tail = nil
	}
}
