package server

import (
	"errors"

	"alcove/internal/broker"
	"alcove/internal/mqtt"
)

// fail ends the connection because of err, which the client is told: by DISCONNECT,
// or by CONNACK while it is not connected [MQTT-4.13.1-1] [MQTT-4.13.2-1]
// [MQTT311-4.8.0-1] [MQTT311-4.8.0-2].
func (c *Conn) fail(t *broker.Turn, err error) {
	if c.state >= stateClosing {
		return
	}
	c.loop.srv.complain(c, err)
	if c.state != stateUp {
		c.refuse(t, err)
		return
	}
	code, reason := told(err)
	c.End(t, code, reason)
	c.finish(t, err)
}

// told is what a client is told of err: nothing of what is ours.
func told(err error) (mqtt.ReasonCode, string) {
	var e *mqtt.Error
	if errors.As(err, &e) {
		return e.Code, e.Reason
	}
	return mqtt.UnspecifiedError, ""
}

// refuse answers CONNECT with the code of err, where the client's version has one
// that fits, and closes.
//
// No second CONNACK goes out, should the broker have sent one [MQTT-3.2.0-2].
//
// [MQTT-3.1.4-2] [MQTT-3.2.0-1] [MQTT-3.2.2-7] [MQTT311-3.2.2-4] [MQTT311-3.2.2-5]
// [MQTT311-3.2.2-6]
func (c *Conn) refuse(t *broker.Turn, err error) {
	o := &c.out
	code, reason := told(err)
	answer := mqtt.Connack{Code: code}
	ok := o.version == mqtt.V5
	if ok && reason != "" {
		answer.Props.Reason = []byte(reason)
	}
	if ok && o.maxPacket != 0 {
		ok = answer.Fit(o.version, int(o.maxPacket)) // [MQTT-3.1.2-24] [MQTT-3.2.2-19]
	}
	if o.version == mqtt.V31 || o.version == mqtt.V311 {
		_, ok = mqtt.V3Connack(code)
	}
	o.mu.Lock()
	if ok && o.state&(outEnding|outClosed|outGreeted) == 0 {
		var room [256]byte
		c.appendControl(t, answer.Append(room[:0], o.version))
	}
	o.mu.Unlock()
	c.finish(t, err)
}

// finish ends the connection once its output has gone out. No input is handled any
// more, and the session is let go.
func (c *Conn) finish(t *broker.Turn, cause error) {
	if c.state >= stateClosing {
		return
	}
	c.link.Detach(t, cause)
	c.state = stateClosing
	c.shed()
	o := &c.out
	o.mu.Lock()
	o.state |= outEnding
	o.later |= opEnd
	c.touch(t)
	o.mu.Unlock()
	c.by = c.loop.tick + ticks(closeTime)
	c.arm()
	c.watch(wantRead)
	c.goOn()
}

// shut says goodbye once the output has gone out, and waits a little for the client
// to close first: closing with input unread would reset the connection, and the
// client might never see our last packet.
func (c *Conn) shut() {
	o := &c.out
	if c.state != stateClosing {
		return
	}
	over := false
	o.mu.Lock()
	if o.state&(outWriting|outShut) == 0 && o.failure() == nil {
		o.state |= outWriting
		for !c.waiting() && c.wrap.goodbye(o) {
			o.state &^= outBlocked
			c.write(writeSize)
		}
		o.state &^= outWriting
		if !c.waiting() && o.failure() == nil {
			o.state |= outShut
			c.sock.shut()
			over = !c.linger()
			c.by = c.loop.tick + ticks(lingerTime)
			c.loop.wheel.set(c, c.by)
		}
	}
	later := o.later
	o.later = 0
	o.mu.Unlock()
	switch {
	case over:
		c.close()
	case later != 0:
		c.post(later)
	}
}

// linger takes a place among the connections that wait for their client, if there is
// one.
func (c *Conn) linger() bool {
	if c.loop.lingering >= lingerMax {
		return false
	}
	c.lingers = true
	c.loop.lingering++
	return true
}

// lost ends the connection at once, because of the network or time.
func (c *Conn) lost(t *broker.Turn, cause error) {
	if c.state == stateClosed {
		return
	}
	if c.state < stateClosing {
		c.link.Detach(t, cause)
	}
	c.close()
}

// shed lets go what only a living connection needs.
func (c *Conn) shed() {
	c.link = broker.Link{}
	if x := c.more; x != nil { // stuck and moved still count
		x.auth, x.aliases = nil, nil
	}
	c.holds, c.begun = 0, 0
	c.dropTail()
	if c.wrap != nil && c.wrap.ws != nil {
		c.wrap.ws.rest = nil
	}
}

// close gives the socket back: at once, or, where another loop is writing to it,
// when that gives the write turn back.
func (c *Conn) close() {
	if c.state == stateClosed {
		return
	}
	l := c.loop
	c.state = stateClosed
	if c.lingers {
		c.lingers = false
		l.lingering--
	}
	c.shed()
	l.wheel.unset(c)
	l.poll.forget(c)
	l.slots.take(c)
	l.stats.closed.Add(1)
	o := &c.out
	o.mu.Lock()
	o.state |= outClosed
	writing := o.state&outWriting != 0
	pressed := o.state&outPressed != 0
	o.over.Store(false)
	o.mu.Unlock()
	if !writing {
		c.closeSocket()
	}
	if pressed {
		l.srv.relieve()
	}
}

// closeSocket closes the socket when nobody has the write turn.
func (c *Conn) closeSocket() {
	o := &c.out
	o.mu.Lock()
	o.queue.clear()
	o.size, o.control, o.rare = 0, 0, nil
	o.mu.Unlock()
	c.wrap.close()
	c.sock.close()
	c.loop.srv.leave()
}
