package server

import (
	"time"

	"alcove/internal/broker"
)

// due returns the tick of the next deadline of c, 0 for none.
func (c *Conn) due() (due uint32) {
	soonest := func(tick uint32) {
		if due == 0 || tick < due {
			due = tick
		}
	}
	switch c.state {
	case stateProxy, stateNew, stateAuth, stateClosing:
		soonest(c.by)
	case stateUp:
		if c.holds&holdRate != 0 {
			soonest(c.by)
		}
		if c.keepAlive != 0 && c.holds == 0 {
			soonest(c.heard + c.keepAlive)
		}
		if a := c.authentication(); a != nil && a.by != 0 {
			soonest(a.by)
		}
		if c.begun != 0 && c.holds == 0 {
			soonest(c.slowBy())
		}
	}
	if c.armed {
		soonest(c.rarely().stuck + ticks(c.loop.srv.cfg.Limits.WriteTimeout))
	}
	return due
}

// slowBy is when the packet in tail has come too slowly, unless more of it comes.
func (c *Conn) slowBy() uint32 {
	return c.begun + ticks(packetGrace) +
		uint32(c.tail.len()/packetRate)*uint32(time.Second/tickTime)
}

// arm sees to it that the wheel has c no later than its next deadline. It may have
// it earlier: what is put off often (the keep-alive) is not moved each time.
func (c *Conn) arm() {
	due := c.due()
	if due != 0 && (c.timed == 0 || due < c.timed) {
		c.loop.wheel.set(c, due)
	}
}

// expire does what is due. The wheel has let c go.
func (c *Conn) expire(t *broker.Turn) {
	now := c.loop.tick
	switch {
	case c.state == stateClosed:
		return
	case c.state == stateClosing && now >= c.by:
		c.close()
		return
	case c.state < statePending && now >= c.by:
		c.loop.srv.complain(c, errConnectTimeout)
		c.lost(t, errConnectTimeout)
		return
	case c.armed && c.standsStill(now):
		c.loop.srv.complain(c, errWriteTimeout)
		c.lost(t, errWriteTimeout)
		return
	case c.state == stateUp && c.holds&holdRate != 0 && now >= c.by:
		c.unhold(t, holdRate)
	case c.state == stateUp && c.holds == 0:
		if c.keepAlive != 0 && now >= c.heard+c.keepAlive {
			c.fail(t, errKeepAlive) // [MQTT-3.1.2-22] [MQTT311-3.1.2-24]
		} else if c.begun != 0 && now >= c.slowBy() {
			c.fail(t, errSlowPacket)
		} else if a := c.authentication(); a != nil && a.by != 0 && now >= a.by {
			c.fail(t, errAuthTimeout)
		}
	}
	c.arm()
}

// standsStill tells whether the output has made no progress for WriteTimeout.
func (c *Conn) standsStill(now uint32) bool {
	c.out.mu.Lock()
	moved := c.out.moved
	c.out.mu.Unlock()
	x := c.rarely()
	if moved != x.moved {
		x.moved, x.stuck = moved, now
		return false
	}
	return now >= x.stuck+ticks(c.loop.srv.cfg.Limits.WriteTimeout)
}
